//! Nothing in the crate allocates once it is built: 2 000 frames of everything, under an allocator that counts.
//!
//! What it leaves out: memory that libopus takes in C, which it takes at creation alone (its scratch is the stack).

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use baton_codecs::comfort_noise::Noise;
use baton_codecs::dtmf::Detector;
use baton_codecs::fade::{Ramp, cross_fade, mix};
use baton_codecs::g711::{G711Decoder, G711Encoder, Law};
use baton_codecs::level::{GateSettings, SpeechGate, dbov};
use baton_codecs::loudness::Leveler;
use baton_codecs::resample::Resampler;
use baton_codecs::telephone_event::TelephoneEvent;
use baton_codecs::tone::{Tone, amplitude};
use baton_codecs::{Decoder, Encoder, Rate};

const FRAMES: usize = 2_000;
const RATES: [Rate; 3] = [Rate::Hz8000, Rate::Hz16000, Rate::Hz48000];

struct Counting;

thread_local! {
    /// Allocations of this thread alone: tests run beside each other.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.with(|counter| counter.set(counter.get() + 1));
}

#[expect(unsafe_code, reason = "an allocator is unsafe by its trait; this one hands all on to the system's")]
// SAFETY: every call goes to `System` unchanged; counting touches a thread-local that never allocates.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations made by this thread while `work` ran.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

/// A voice-like sound.
fn voice(rate: Rate) -> Tone {
    Tone::new(rate.hz(), &[(140.0, 6000.0), (280.0, 3000.0), (700.0, 1500.0)])
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Vec::<u8>::with_capacity(100)))), 1);
}

#[test]
fn g711_allocates_nothing_with_and_without_loss() {
    for law in [Law::Mu, Law::A] {
        let (mut encoder, mut decoder) = (G711Encoder::new(law), G711Decoder::new(law));
        let mut tone = voice(Rate::Hz8000);
        let (mut samples, mut payload) = ([0; 160], [0; 160]);
        let made = allocations(|| {
            for n in 0..FRAMES {
                tone.fill(&mut samples);
                encoder.encode(&samples, &mut payload).unwrap();
                match n % 10 {
                    0 => decoder.conceal(&mut samples).unwrap(),
                    _ => assert_eq!(decoder.decode(&payload, &mut samples), Ok(160)),
                }
            }
            decoder.reset();
        });
        assert_eq!(made, 0);
    }
}

#[test]
fn sample_maths_allocates_nothing() {
    let mut tone = voice(Rate::Hz8000);
    let (mut noise, mut ramp) = (Noise::new(1, -40.0), Ramp::new(1.0));
    let mut gate = SpeechGate::new(GateSettings::telephone(8000));
    let (mut detector, mut leveler) = (Detector::new(), Leveler::new(-30.0));
    let (mut samples, mut other) = ([0; 160], [0; 160]);
    let made = allocations(|| {
        for n in 0..FRAMES {
            tone.fill(&mut samples);
            noise.fill(&mut other);
            ramp.move_to((n % 2) as f32, 160);
            ramp.apply(&mut samples);
            mix(&mut samples, &other);
            cross_fade(&other, &mut samples);
            gate.told(&samples);
            detector.told(&samples);
            leveler.process(&mut samples, true);
            assert!(dbov(&samples) < 0.0 && amplitude(&samples, 8000, 697.0) >= 0.0);
            let event = TelephoneEvent { event: 1, end: false, volume: 10, duration: n as u16 };
            assert_eq!(TelephoneEvent::parse(&event.to_bytes()), Ok(event));
        }
    });
    assert_eq!(made, 0);
}

#[test]
fn resamplers_allocate_nothing() {
    for (from, to) in RATES.iter().flat_map(|&from| RATES.map(|to| (from, to))) {
        let mut resampler = Resampler::new(from, to);
        let (mut input, mut output) = (vec![0; from.samples(20)], vec![0; to.samples(20)]);
        voice(from).fill(&mut input);
        let made = allocations(|| {
            for _ in 0..FRAMES / 10 {
                resampler.process(&input, &mut output).unwrap();
            }
            resampler.reset();
        });
        assert_eq!(made, 0, "{from:?} to {to:?}");
    }
}

#[cfg(any(feature = "native-opus", feature = "pure-opus"))]
mod opus {
    use super::*;
    use baton_codecs::opus::{OpusDecoder, OpusEncoder, PAYLOAD_BYTES_MAX, Settings};

    /// With libopus none, with loss and whatever is changed on the way; in Rust so many per frame, and no more.
    fn allowed(per_frame: u64) -> u64 {
        if cfg!(feature = "native-opus") { 0 } else { per_frame * FRAMES as u64 }
    }

    /// Frames for a decoder: with copies, of several lengths and codecs inside, silence among them.
    fn payloads(rate: Rate) -> Vec<Vec<u8>> {
        let mut tone = voice(rate);
        let mut made = Vec::new();
        for (bitrate, ms) in [(24_000, 20), (64_000, 20), (128_000, 10), (12_000, 60), (24_000, 20)] {
            let settings =
                Settings { bitrate, fec: true, loss_percent: 10, dtx: true, ..Settings::speech(rate) };
            let mut encoder = OpusEncoder::new(settings).expect("settings in range");
            let (mut samples, mut payload) = (vec![0; rate.samples(ms)], [0; PAYLOAD_BYTES_MAX]);
            for n in 0..100 {
                tone.fill(&mut samples);
                if n >= 60 {
                    samples.fill(0);
                }
                let bytes = encoder.encode(&samples, &mut payload).expect("a frame of a known length");
                made.push(payload[..bytes].to_vec());
            }
        }
        made
    }

    #[test]
    fn an_opus_decoder_allocates_nothing_but_in_rust_a_little_per_frame() {
        for rate in RATES {
            let payloads = payloads(rate);
            let mut decoder = OpusDecoder::new(rate).unwrap();
            let mut samples = vec![0; rate.samples(60)];
            let mut play = |decoder: &mut OpusDecoder| {
                for n in 0..FRAMES {
                    let payload = &payloads[n % payloads.len()];
                    let length = decoder.samples_in(payload).unwrap();
                    match n % 10 {
                        3 => decoder.conceal(&mut samples[..length]).unwrap(),
                        6 => decoder.recover(payload, &mut samples[..length]).unwrap(),
                        _ => assert_eq!(decoder.decode(payload, &mut samples), Ok(length)),
                    }
                }
                decoder.reset();
            };
            let made = allocations(|| play(&mut decoder));
            assert!(made <= allowed(4), "{rate:?}: {made}");
        }
    }

    #[test]
    fn an_opus_encoder_allocates_nothing_but_in_rust_a_little_per_frame() {
        for rate in RATES {
            let mut settings = Settings::speech(rate);
            let mut encoder = OpusEncoder::new(settings).unwrap();
            let mut tone = voice(rate);
            let (mut samples, mut payload) = (vec![0; rate.samples(20)], [0; PAYLOAD_BYTES_MAX]);
            let made = allocations(|| {
                for n in 0..FRAMES {
                    if n % 100 == 0 {
                        settings.complexity = (n / 100 % 11) as u8;
                        settings.fec = n % 200 == 0;
                        settings.loss_percent = 10;
                        encoder.set(settings).unwrap();
                    }
                    tone.fill(&mut samples);
                    encoder.encode(&samples, &mut payload).unwrap();
                }
                encoder.reset();
            });
            assert!(made <= allowed(40), "{rate:?}: {made}");
        }
    }
}
