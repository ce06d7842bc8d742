//! How many instructions the work of `packet_path`, `codecs` and `sip_parse` takes: the same on a busy machine as on a quiet
//! one, which times are not.
//!
//! Each benchmark is one second of a stream or a call, or ten messages, run once under valgrind, which counts. It wants
//! valgrind and iai-callgrind-runner of this crate's version; `./run bench instructions` sets both up.
#![allow(missing_docs, unused_qualifications, reason = "iai-callgrind's macros")]

use std::hint::black_box;

use baton_benches::call::{AI, CALLER, Call};
use baton_benches::messages;
use baton_benches::speech::speech;
use baton_codecs::g711::{G711Decoder, G711Encoder, Law};
use baton_codecs::opus::{OpusDecoder, OpusEncoder, PAYLOAD_BYTES_MAX, Settings};
use baton_codecs::{Decoder, Encoder, Rate};
use baton_signaling::message::Message;
use bytes::Bytes;
use iai_callgrind::{library_benchmark, library_benchmark_group, main};

/// Frames in a second.
const FRAMES: usize = 50;
/// Messages in a benchmark.
const MESSAGES: usize = 10;

/// A call that has gone on for a second: buffers are filled, encoders warm.
fn call(caller_opus: bool) -> Call {
    let mut call = Call::new(caller_opus);
    for _ in 0..FRAMES {
        call.step();
        call.packet(AI, false);
        call.packet(CALLER, caller_opus);
        call.tick();
    }
    call
}

fn parked(caller_opus: bool) -> Call {
    let mut call = call(caller_opus);
    call.park();
    call
}

#[library_benchmark]
#[bench::pcmu(call(false))]
fn relay_both_ways(mut call: Call) -> Call {
    for _ in 0..FRAMES {
        call.step();
        call.packet(AI, false);
        call.packet(CALLER, false);
        call.tick();
    }
    call
}

#[library_benchmark]
#[bench::opus_and_pcmu(call(true))]
fn transcode_both_ways(mut call: Call) -> Call {
    for _ in 0..FRAMES {
        call.step();
        call.packet(AI, false);
        call.packet(CALLER, true);
        call.tick();
    }
    call
}

#[library_benchmark]
#[bench::pcmu(parked(false))]
#[bench::opus(parked(true))]
fn hold_audio(mut call: Call) -> Call {
    for _ in 0..FRAMES {
        call.step();
        call.tick();
    }
    call
}

/// An encoder that has heard a second, and the next one.
fn opus_encoder(rate: Rate, complexity: u8) -> (OpusEncoder, Vec<i16>) {
    let settings = Settings { complexity, ..Settings::speech(rate) };
    let mut encoder = OpusEncoder::new(settings).expect("settings in range");
    let mut speech = speech(rate);
    let mut payload = [0; PAYLOAD_BYTES_MAX];
    let second = rate.samples(1000);
    for frame in speech[..second].chunks_exact(rate.samples(20)) {
        encoder.encode(frame, &mut payload).expect("20 ms are a frame");
    }
    speech.drain(..second);
    speech.truncate(second);
    (encoder, speech)
}

#[library_benchmark]
#[bench::at_8_khz_complexity_0(opus_encoder(Rate::Hz8000, 0))]
#[bench::at_8_khz_complexity_5(opus_encoder(Rate::Hz8000, 5))]
#[bench::at_48_khz_complexity_5(opus_encoder(Rate::Hz48000, 5))]
fn opus_encode((mut encoder, speech): (OpusEncoder, Vec<i16>)) -> OpusEncoder {
    let mut payload = [0; PAYLOAD_BYTES_MAX];
    for frame in speech.chunks_exact(speech.len() / FRAMES) {
        let _ = black_box(encoder.encode(frame, &mut payload));
    }
    encoder
}

/// A decoder and a second of payloads.
fn opus_decoder(rate: Rate) -> (OpusDecoder, Vec<Vec<u8>>, usize) {
    let (mut encoder, speech) = opus_encoder(Rate::Hz48000, 5);
    let mut buffer = [0; PAYLOAD_BYTES_MAX];
    let mut one = |frame: &[i16]| {
        let length = encoder.encode(frame, &mut buffer).expect("20 ms are a frame");
        buffer[..length].to_vec()
    };
    let payloads = speech.chunks_exact(960).map(&mut one).collect();
    (OpusDecoder::new(rate).expect("Opus is in this build"), payloads, rate.samples(20))
}

#[library_benchmark]
#[bench::at_8_khz(opus_decoder(Rate::Hz8000))]
#[bench::at_48_khz(opus_decoder(Rate::Hz48000))]
fn opus_decode((mut decoder, payloads, samples): (OpusDecoder, Vec<Vec<u8>>, usize)) -> OpusDecoder {
    let mut sound = [0; 960];
    for payload in &payloads {
        let _ = black_box(decoder.decode(payload, &mut sound[..samples]));
    }
    decoder
}

/// The codec's both halves, and a second of speech.
fn g711(law: Law) -> (G711Encoder, G711Decoder, Vec<i16>) {
    let mut speech = speech(Rate::Hz8000);
    speech.truncate(8000);
    (G711Encoder::new(law), G711Decoder::new(law), speech)
}

#[library_benchmark]
#[bench::pcmu(g711(Law::Mu))]
fn g711_there_and_back(
    (mut encoder, mut decoder, speech): (G711Encoder, G711Decoder, Vec<i16>),
) -> G711Decoder {
    let (mut payload, mut sound) = ([0; 160], [0; 160]);
    for frame in speech.chunks_exact(160) {
        let _ = black_box(encoder.encode(frame, &mut payload));
        let _ = black_box(decoder.decode(&payload, &mut sound));
    }
    decoder
}

#[library_benchmark]
#[bench::one_of_ten(g711(Law::Mu))]
fn g711_conceal((mut encoder, mut decoder, speech): (G711Encoder, G711Decoder, Vec<i16>)) -> G711Decoder {
    let (mut payload, mut sound) = ([0; 160], [0; 160]);
    for (at, frame) in speech.chunks_exact(160).enumerate() {
        let _ = black_box(encoder.encode(frame, &mut payload));
        if at % 10 == 9 {
            let _ = black_box(decoder.conceal(&mut sound));
        } else {
            let _ = black_box(decoder.decode(&payload, &mut sound));
        }
    }
    decoder
}

#[library_benchmark]
#[bench::invite(messages::invite())]
#[bench::answer(messages::answer())]
#[bench::refer(messages::refer())]
fn parse(datagram: Bytes) -> Option<Message> {
    (0..MESSAGES).filter_map(|_| Message::parse(black_box(datagram.clone())).ok()).last()
}

fn message(datagram: Bytes) -> Message {
    Message::parse(datagram).expect("the message is valid")
}

#[library_benchmark]
#[bench::invite(message(messages::invite()))]
fn write(message: Message) -> Message {
    for _ in 0..MESSAGES {
        black_box(message.to_bytes());
    }
    message
}

library_benchmark_group!(
    name = packet_path;
    benchmarks = relay_both_ways, transcode_both_ways, hold_audio
);
library_benchmark_group!(
    name = codecs;
    benchmarks = opus_encode, opus_decode, g711_there_and_back, g711_conceal
);
library_benchmark_group!(name = sip_parse; benchmarks = parse, write);
main!(library_benchmark_groups = packet_path, codecs, sip_parse);
