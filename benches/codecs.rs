//! What each codec and each operation on samples costs, per 20 ms frame of recorded speech.
//!
//! What it leaves out: packets, sockets and a whole call (bench `calls`). Which Opus is measured is printed first;
//! `--no-default-features --features pure-opus` measures the one in Rust.
#![allow(clippy::print_stdout)]

use std::hint::black_box;

use baton_benches::speech::speech;
use baton_codecs::fade::Ramp;
use baton_codecs::g711::{self, G711Decoder, Law};
use baton_codecs::level::{GateSettings, SpeechGate};
use baton_codecs::opus::{OpusDecoder, OpusEncoder, PAYLOAD_BYTES_MAX, Settings, library_version};
use baton_codecs::resample::Resampler;
use baton_codecs::{Decoder, Encoder, Rate};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const RATES: [Rate; 3] = [Rate::Hz8000, Rate::Hz16000, Rate::Hz48000];

/// The same speech again and again, a frame at a time.
fn endless(rate: Rate, speech: &[i16]) -> impl Iterator<Item = &[i16]> {
    speech.chunks_exact(rate.samples(20)).cycle()
}

fn g711_laws(criterion: &mut Criterion) {
    let speech = speech(Rate::Hz8000);
    let mut group = criterion.benchmark_group("g711");
    group.throughput(Throughput::Elements(160));
    for (name, law) in [("pcmu", Law::Mu), ("pcma", Law::A)] {
        let (mut payload, mut samples) = ([0; 160], [0; 160]);
        let mut frames = endless(Rate::Hz8000, &speech);
        group.bench_function(format!("{name}/encode"), |bencher| {
            bencher.iter(|| g711::encode(law, black_box(frames.next().expect("endless")), &mut payload));
        });
        group.bench_function(format!("{name}/decode"), |bencher| {
            bencher.iter(|| g711::decode(law, black_box(&payload), &mut samples));
        });
    }
    group.finish();
}

fn opus_encode(criterion: &mut Criterion) {
    println!("{}", library_version());
    let mut group = criterion.benchmark_group("opus/encode");
    for rate in RATES {
        let speech = speech(rate);
        for complexity in [0, 5, 8] {
            let settings = Settings { complexity, ..Settings::speech(rate) };
            let mut encoder = OpusEncoder::new(settings).expect("settings in range");
            let mut payload = [0; PAYLOAD_BYTES_MAX];
            let mut frames = endless(rate, &speech);
            group.bench_function(format!("{}/complexity {complexity}", rate.hz()), |bencher| {
                bencher.iter(|| encoder.encode(frames.next().expect("endless"), &mut payload));
            });
        }
    }
    group.finish();
}

fn opus_decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("opus/decode");
    for rate in RATES {
        let speech = speech(rate);
        let mut encoder = OpusEncoder::new(Settings::speech(rate)).expect("settings in range");
        let mut buffer = [0; PAYLOAD_BYTES_MAX];
        let mut encode = |frame: &[i16]| {
            let bytes = encoder.encode(frame, &mut buffer).expect("20 ms are a frame");
            buffer[..bytes].to_vec()
        };
        let payloads: Vec<Vec<u8>> = speech.chunks_exact(rate.samples(20)).map(&mut encode).collect();
        let mut samples = vec![0; rate.samples(20)];
        let mut decoder = OpusDecoder::new(rate).expect("Opus is in this build");
        let mut next = payloads.iter().cycle();
        group.bench_function(format!("{}", rate.hz()), |bencher| {
            bencher.iter(|| decoder.decode(next.next().expect("endless"), &mut samples));
        });
        // Every tenth frame is lost: the cost of concealing shows against the row above.
        let mut n = 0;
        group.bench_function(format!("{}/every tenth lost", rate.hz()), |bencher| {
            bencher.iter(|| {
                n += 1;
                let payload = next.next().expect("endless");
                match n % 10 {
                    0 => decoder.conceal(&mut samples).map(|()| samples.len()),
                    _ => decoder.decode(payload, &mut samples),
                }
            });
        });
    }
    group.finish();
}

fn concealment(criterion: &mut Criterion) {
    let speech = speech(Rate::Hz8000);
    let mut payloads = vec![0; speech.len()];
    g711::encode(Law::Mu, &speech, &mut payloads).expect("a byte a sample");
    let mut group = criterion.benchmark_group("g711/decoder");
    for (name, lost_of_ten) in [("nothing lost", 0), ("one of ten lost", 1), ("nine of ten lost", 9)] {
        let mut decoder = G711Decoder::new(Law::Mu);
        let mut samples = [0; 160];
        let mut frames = payloads.chunks_exact(160).cycle().enumerate();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let (n, payload) = frames.next().expect("endless");
                match n % 10 < lost_of_ten {
                    true => decoder.conceal(&mut samples).map(|()| samples.len()),
                    false => decoder.decode(payload, &mut samples),
                }
            });
        });
    }
    group.finish();
}

fn resamplers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("resample");
    for (from, to) in RATES.iter().flat_map(|&from| RATES.map(|to| (from, to))).filter(|(a, b)| a != b) {
        let speech = speech(from);
        let mut frames = endless(from, &speech);
        let mut resampler = Resampler::new(from, to);
        let mut out = vec![0; to.samples(20)];
        group.bench_function(format!("{} to {}", from.hz(), to.hz()), |bencher| {
            bencher.iter(|| resampler.process(frames.next().expect("endless"), &mut out));
        });
    }
    group.finish();
}

fn levels(criterion: &mut Criterion) {
    let speech = speech(Rate::Hz8000);
    let mut frames = endless(Rate::Hz8000, &speech);
    let mut gate = SpeechGate::new(GateSettings::telephone(8000));
    criterion.bench_function("level/gate", |bencher| {
        bencher.iter(|| gate.told(frames.next().expect("endless")));
    });
    let mut ramp = Ramp::new(0.5);
    let mut samples = [1000; 160];
    criterion.bench_function("fade/ramp", |bencher| bencher.iter(|| ramp.apply(black_box(&mut samples))));
}

criterion_group!(benches, g711_laws, opus_encode, opus_decode, concealment, resamplers, levels);
criterion_main!(benches);
