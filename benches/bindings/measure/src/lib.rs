//! What one binding of libopus costs and makes of recorded speech: the same work for every binding, as text lines.
//!
//! `encode RATE COMPLEXITY FEC MICROS BYTES` and `decode RATE MICROS`, microseconds of processor time a frame of 20 ms in the cheapest pass; the decoded
//! sound of each is written to the folder that the second argument names. It leaves out what the figures mean, which
//! `compare.py` says.
#![allow(clippy::print_stdout, reason = "a bench prints")]

use std::path::Path;

use nix::time::{ClockId, clock_gettime};

/// Passes over the recording; the cheapest counts.
const PASSES: usize = 7;
/// The settings that are measured: API rate in hertz, complexity, FEC for 10 % of loss.
const SETTINGS: [(u32, u8, bool); 5] =
    [(8_000, 0, false), (8_000, 5, false), (8_000, 5, true), (48_000, 5, false), (48_000, 9, false)];
/// Bits a second.
pub const BITRATE: i32 = 24_000;
/// Longest payload.
pub const PAYLOAD_BYTES_MAX: usize = 1_500;

/// A mono encoder for speech at [`BITRATE`].
pub trait Encoder {
    /// At an API rate, with so much effort; with FEC for 10 % of loss or without.
    fn new(rate: u32, complexity: u8, fec: bool) -> Self;
    /// One frame; the bytes written.
    fn encode(&mut self, frame: &[i16], payload: &mut [u8]) -> usize;
}

/// A mono decoder.
pub trait Decoder {
    /// At an API rate.
    fn new(rate: u32) -> Self;
    /// One payload; the samples written.
    fn decode(&mut self, payload: &[u8], samples: &mut [i16]) -> usize;
}

/// Runs everything for one binding. Arguments: a folder with `8000.wav` and `48000.wav`, and one for the sound.
///
/// # Panics
/// If a file cannot be read or written, or a codec fails.
pub fn run<E: Encoder, D: Decoder>(version: &str) {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, from, to] = &arguments[..] else { panic!("two folders are wanted") };
    println!("version {version}");
    for (rate, complexity, fec) in SETTINGS {
        let speech = read(&Path::new(from).join(format!("{rate}.wav")));
        let frame = rate as usize / 50;
        let (mut best, mut payloads) = (f64::INFINITY, Vec::new());
        for _ in 0..PASSES {
            let mut encoder = E::new(rate, complexity, fec);
            payloads.clear();
            let began = cpu_nanos();
            for frame in speech.chunks_exact(frame) {
                let mut payload = [0; PAYLOAD_BYTES_MAX];
                let length = encoder.encode(frame, &mut payload);
                payloads.push(payload[..length].to_vec());
            }
            best = best.min((cpu_nanos() - began) / 1e3 / payloads.len() as f64);
        }
        let bytes: usize = payloads.iter().map(Vec::len).sum();
        println!("encode {rate} {complexity} {} {best:.2} {bytes}", u8::from(fec));
        let (micros, sound) = decode::<D>(&payloads);
        println!("decode {rate} {complexity} {} {micros:.2}", u8::from(fec));
        write(&Path::new(to).join(format!("{rate}-{complexity}-{}.wav", u8::from(fec))), &sound);
        std::fs::write(
            Path::new(to).join(format!("{rate}-{complexity}-{}.opus", u8::from(fec))),
            payloads.concat(),
        )
        .expect("the folder can be written to");
    }
}

/// Processor time of this thread so far: what else the machine does is not in it.
fn cpu_nanos() -> f64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has this clock");
    time.tv_sec() as f64 * 1e9 + time.tv_nsec() as f64
}

/// Decodes at 8 kHz, as a bridge to G.711 does.
fn decode<D: Decoder>(payloads: &[Vec<u8>]) -> (f64, Vec<i16>) {
    let (mut best, mut sound) = (f64::INFINITY, Vec::new());
    for _ in 0..PASSES {
        let mut decoder = D::new(8_000);
        sound = vec![0; payloads.len() * 160];
        let began = cpu_nanos();
        for (payload, frame) in payloads.iter().zip(sound.chunks_exact_mut(160)) {
            assert_eq!(decoder.decode(payload, frame), 160);
        }
        best = best.min((cpu_nanos() - began) / 1e3 / payloads.len() as f64);
    }
    (best, sound)
}

fn read(path: &Path) -> Vec<i16> {
    let mut wav = hound::WavReader::open(path).expect("the recording is there");
    wav.samples().collect::<Result<_, _>>().expect("it has 16 bits")
}

fn write(path: &Path, samples: &[i16]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(path, spec).expect("the folder can be written to");
    samples.iter().for_each(|&sample| wav.write_sample(sample).expect("the file can be written to"));
    wav.finalize().expect("the file can be written to");
}
