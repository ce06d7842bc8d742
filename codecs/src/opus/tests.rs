//! The codec as a whole, over whichever library this build has.
#![cfg(any(feature = "native-opus", feature = "pure-opus"))]

use super::*;
use crate::level::{dbov, rms};
use crate::tone::{Tone, amplitude};

const RATES: [Rate; 3] = [Rate::Hz8000, Rate::Hz16000, Rate::Hz48000];

/// So many 20 ms frames of a voice-like sound: a 125 Hz buzz of four harmonics.
fn voice(rate: Rate, frames: usize) -> Vec<Vec<i16>> {
    let harmonics = [(125.0, 5000.0), (250.0, 3000.0), (375.0, 2000.0), (625.0, 1500.0)];
    let mut tone = Tone::new(rate.hz(), &harmonics);
    let frame = || {
        let mut frame = vec![0; rate.samples(20)];
        tone.fill(&mut frame);
        frame
    };
    std::iter::repeat_with(frame).take(frames).collect()
}

fn encode_all(settings: Settings, frames: &[Vec<i16>]) -> Vec<Vec<u8>> {
    let mut encoder = OpusEncoder::new(settings).unwrap();
    let mut payload = [0; PAYLOAD_BYTES_MAX];
    let mut encode = |frame: &Vec<i16>| {
        let bytes = encoder.encode(frame, &mut payload).unwrap();
        payload[..bytes].to_vec()
    };
    frames.iter().map(&mut encode).collect()
}

#[test]
fn a_tone_comes_through_at_its_pitch_and_level_at_every_pair_of_rates() {
    for from in RATES {
        let payloads = encode_all(Settings::speech(from), &voice(from, 50));
        for to in RATES {
            let mut decoder = OpusDecoder::new(to).unwrap();
            let mut frame = vec![0; to.samples(20)];
            let mut heard = Vec::new();
            for payload in &payloads {
                assert_eq!(decoder.samples_in(payload), Ok(frame.len()));
                assert_eq!(decoder.decode(payload, &mut frame), Ok(frame.len()));
                heard.extend_from_slice(&frame);
            }
            let settled = &heard[heard.len() / 2..];
            let found = amplitude(settled, to.hz(), 250.0);
            assert!((2100.0..4200.0).contains(&found), "{from:?} to {to:?}: {found}");
            assert!(amplitude(settled, to.hz(), 310.0) < 200.0);
        }
    }
}

#[test]
fn every_frame_length_that_rtp_uses_is_encoded_and_no_other() {
    for rate in RATES {
        let mut encoder = OpusEncoder::new(Settings::speech(rate)).unwrap();
        let mut payload = [0; PAYLOAD_BYTES_MAX];
        for ms in 1..=120 {
            let samples = vec![100; rate.samples(ms)];
            let result = encoder.encode(&samples, &mut payload);
            if [10, 20, 40, 60].contains(&ms) {
                assert_eq!(Toc::of(&payload[..result.unwrap()]).unwrap().samples(rate), samples.len());
            } else {
                assert_eq!(result, Err(CodecError::FrameLength { samples: samples.len() }));
            }
        }
    }
}

#[test]
fn the_bit_rate_is_about_what_was_asked_for() {
    for bitrate in [12_000, 24_000, 40_000] {
        let settings = Settings { bitrate, ..Settings::speech(Rate::Hz48000) };
        let bytes: usize = encode_all(settings, &voice(Rate::Hz48000, 100)).iter().map(Vec::len).sum();
        let measured = bytes * 8 / 2;
        assert!(
            (bitrate as usize / 2..bitrate as usize * 13 / 10).contains(&measured),
            "{bitrate}: {measured}"
        );
    }
}

#[test]
fn silence_with_dtx_is_next_to_nothing() {
    let settings = Settings { dtx: true, ..Settings::speech(Rate::Hz8000) };
    let frames = [voice(Rate::Hz8000, 20), vec![vec![0; 160]; 80]].concat();
    let payloads = encode_all(settings, &frames);
    assert!(payloads[..20].iter().all(|payload| !is_silence(payload)));
    let silent = payloads[40..].iter().filter(|payload| is_silence(payload)).count();
    assert!(silent > 50, "{silent} of 60");
    // What is sent nevertheless decodes to silence of the whole length.
    let mut decoder = OpusDecoder::new(Rate::Hz8000).unwrap();
    let mut frame = [0; 160];
    for payload in &payloads {
        assert_eq!(decoder.decode(payload, &mut frame), Ok(160));
    }
    assert!(dbov(&frame) < -60.0, "{}", dbov(&frame));
}

#[test]
fn a_lost_frame_is_concealed_with_a_like_sound() {
    let payloads = encode_all(Settings::speech(Rate::Hz8000), &voice(Rate::Hz8000, 30));
    let mut decoder = OpusDecoder::new(Rate::Hz8000).unwrap();
    let mut frame = [0; 160];
    for payload in &payloads {
        decoder.decode(payload, &mut frame).unwrap();
    }
    let before = rms(&frame);
    decoder.conceal(&mut frame).unwrap();
    assert!(rms(&frame) > 0.25 * before, "{} after {before}", rms(&frame));
    // And it fades when nothing comes for long.
    (0..50).for_each(|_| decoder.conceal(&mut frame).unwrap());
    assert!(rms(&frame) < 0.1 * before);
}

/// A voice that changes its pitch with a lost frame, so that concealment cannot guess it. What is heard of the
/// new pitch in that frame: without loss, restored from the next payload, concealed.
fn new_pitch_in_a_lost_frame(fec: bool) -> [f64; 3] {
    let rate = Rate::Hz16000;
    let sung = |n: usize| {
        let mut frame = vec![0; rate.samples(20)];
        // Both pitches end on a whole cycle after 20 ms.
        let hz = if n < LOST { 150.0 } else { 350.0 };
        Tone::new(rate.hz(), &[(hz, 6000.0), (2.0 * hz, 3000.0), (5.0 * hz, 1500.0)]).fill(&mut frame);
        frame
    };
    let frames: Vec<Vec<i16>> = (0..LOST + 5).map(sung).collect();
    let loss_percent = if fec { 20 } else { 0 };
    let payloads = encode_all(Settings { fec, loss_percent, ..Settings::speech(rate) }, &frames);
    assert_eq!(carries_copy(&payloads[LOST + 1]), fec);
    [0, 1, 2].map(|how| {
        let mut decoder = OpusDecoder::new(rate).unwrap();
        let mut frame = vec![0; rate.samples(20)];
        for payload in &payloads[..LOST] {
            decoder.decode(payload, &mut frame).unwrap();
        }
        match how {
            0 => assert_eq!(decoder.decode(&payloads[LOST], &mut frame), Ok(320)),
            1 => decoder.recover(&payloads[LOST + 1], &mut frame).unwrap(),
            _ => decoder.conceal(&mut frame).unwrap(),
        }
        amplitude(&frame, rate.hz(), 350.0)
    })
}

/// The frame that is lost.
const LOST: usize = 30;

#[test]
fn a_copy_in_the_next_payload_restores_a_lost_frame_better_than_concealment() {
    let [clean, restored, concealed] = new_pitch_in_a_lost_frame(true);
    assert!(restored > 0.7 * clean && concealed < 0.5 * clean, "{clean} {restored} {concealed}");
}

#[test]
fn without_a_copy_recovering_is_concealing() {
    let [clean, restored, concealed] = new_pitch_in_a_lost_frame(false);
    assert!(restored == concealed && concealed < clean, "{clean} {restored} {concealed}");
}

#[test]
fn a_stereo_stream_is_heard_in_mono() {
    // A 20 ms stereo payload of silence: configuration 9, stereo bit, code 0.
    let mut decoder = OpusDecoder::new(Rate::Hz48000).unwrap();
    let mut frame = [1; 960];
    assert_eq!(decoder.decode(&[9 << 3 | 4, 0, 0, 0], &mut frame), Ok(960));
}

#[test]
fn a_reset_codec_does_what_a_new_one_does() {
    let frames = voice(Rate::Hz8000, 10);
    let settings = Settings { complexity: 3, bitrate: 16_000, ..Settings::speech(Rate::Hz8000) };
    let fresh = encode_all(settings, &frames);
    let mut encoder = OpusEncoder::new(settings).unwrap();
    let mut decoder = OpusDecoder::new(Rate::Hz8000).unwrap();
    let mut payload = [0; PAYLOAD_BYTES_MAX];
    let mut first = vec![0; 160];
    for round in 0..2 {
        for (i, frame) in frames.iter().enumerate() {
            let bytes = encoder.encode(frame, &mut payload).unwrap();
            assert_eq!(payload[..bytes], fresh[i], "round {round}, frame {i}");
            let mut heard = [0; 160];
            decoder.decode(&payload[..bytes], &mut heard).unwrap();
            match (round, i) {
                (0, 5) => first = heard.to_vec(),
                (1, 5) => assert_eq!(first, heard),
                _ => {}
            }
        }
        encoder.reset();
        decoder.reset();
    }
}

#[test]
fn settings_out_of_range_are_refused_with_their_range() {
    let speech = Settings::speech(Rate::Hz8000);
    let refused = |settings: Settings| match OpusEncoder::new(settings).unwrap_err() {
        CodecError::Setting { name, value, .. } => (name, value),
        other => panic!("{other}"),
    };
    assert_eq!(refused(Settings { complexity: 11, ..speech }), ("complexity", 11));
    assert_eq!(refused(Settings { bitrate: 5_999, ..speech }), ("bitrate", 5_999));
    assert_eq!(refused(Settings { loss_percent: 101, ..speech }), ("loss_percent", 101));
    let mut encoder = OpusEncoder::new(speech).unwrap();
    assert!(encoder.set(Settings::speech(Rate::Hz48000)).is_err());
    encoder.set(Settings { complexity: 0, ..speech }).unwrap();
    assert_eq!(encoder.settings().complexity, 0);
}

#[test]
fn a_slice_too_short_is_refused_before_the_decoder_moves() {
    let payloads = encode_all(Settings::speech(Rate::Hz8000), &voice(Rate::Hz8000, 3));
    let (mut one, mut two) =
        (OpusDecoder::new(Rate::Hz8000).unwrap(), OpusDecoder::new(Rate::Hz8000).unwrap());
    let error = one.decode(&payloads[0], &mut [0; 159]);
    assert_eq!(error, Err(CodecError::OutputTooSmall { need: 160, have: 159 }));
    let (mut a, mut b) = ([0; 160], [0; 160]);
    for payload in &payloads {
        one.decode(payload, &mut a).unwrap();
        two.decode(payload, &mut b).unwrap();
        assert_eq!(a, b);
    }
}

#[test]
fn no_length_that_opus_lacks_is_concealed() {
    let mut decoder = OpusDecoder::new(Rate::Hz8000).unwrap();
    for samples in [0, 1, 159, 161, 980] {
        assert_eq!(decoder.conceal(&mut vec![0; samples]), Err(CodecError::FrameLength { samples }));
    }
}

#[test]
fn rubbish_is_an_error_or_a_sound_but_never_a_panic() {
    let mut decoder = OpusDecoder::new(Rate::Hz8000).unwrap();
    let mut frame = [0; 960];
    let mut state = 1u32;
    for length in (0..400).cycle().take(20_000) {
        let mut payload = [0u8; 400];
        for byte in &mut payload[..length] {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (state >> 24) as u8;
        }
        match decoder.decode(&payload[..length], &mut frame) {
            Ok(samples) => assert!(samples > 0),
            Err(error) => {
                assert!(matches!(error, CodecError::Payload { .. } | CodecError::Library { .. }), "{error}")
            }
        }
        let _ = decoder.recover(&payload[..length], &mut frame[..160]);
    }
    // And the stream goes on.
    let payload = &encode_all(Settings::speech(Rate::Hz8000), &voice(Rate::Hz8000, 1))[0];
    assert_eq!(decoder.decode(payload, &mut frame), Ok(160));
}

#[test]
fn the_library_names_itself() {
    assert!(library_version().contains("opus"));
}

#[test]
fn at_a_constant_bit_rate_all_packets_are_of_one_length_and_else_they_are_not() {
    for rate in RATES {
        let mut frames = voice(rate, 30);
        frames.extend(std::iter::repeat_n(vec![0; rate.samples(20)], 30));
        let lengths = |cbr| {
            let payloads = encode_all(Settings { cbr, ..Settings::speech(rate) }, &frames);
            payloads.iter().map(Vec::len).collect::<std::collections::BTreeSet<_>>()
        };
        // 20 ms of 24 kbit/s.
        assert_eq!(lengths(true).into_iter().collect::<Vec<_>>(), [60], "{rate:?}");
        assert!(lengths(false).len() > 3, "{rate:?}");
    }
}
