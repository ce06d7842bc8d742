//! What SRTP costs per packet, by suite: protect and open, of a PCMU packet of 20 ms and of an Opus one, and a report.
//! A secured leg protects and opens fifty packets a second each way.
#![allow(missing_docs, reason = "criterion's macros")]

use std::hint::black_box;

use baton_engine::rtp::srtp::{MasterKey, Srtp, SrtpKeys, Suite};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

const SUITES: [Suite; 4] =
    [Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32, Suite::AeadAes128Gcm, Suite::AeadAes256Gcm];
/// Payload bytes: PCMU, and Opus at 24 kbit/s.
const PAYLOADS: [(&str, usize); 2] = [("pcmu", 160), ("opus", 60)];
/// Packets of a batch: one second of a leg.
const BATCH: u16 = 50;

fn keys(suite: Suite) -> SrtpKeys {
    let length = match suite {
        Suite::AesCm128HmacSha1_80 | Suite::AesCm128HmacSha1_32 => 30,
        Suite::AeadAes128Gcm => 28,
        Suite::AeadAes256Gcm => 44,
    };
    let key = MasterKey::new(&vec![7; length]);
    SrtpKeys { suite, sent: key.clone(), received: key }
}

fn packet(seq: u16, payload: usize) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(seq.to_be_bytes());
    packet.extend([0, 0, 0, 0, 1, 2, 3, 4]);
    packet.resize(12 + payload, 0x55);
    packet
}

fn batch(payload: usize) -> Vec<Vec<u8>> {
    (0..BATCH).map(|seq| packet(seq, payload)).collect()
}

fn protected(suite: Suite, payload: usize) -> Vec<Vec<u8>> {
    let mut srtp = Srtp::new(keys(suite)).expect("keys of the suite's length");
    let one = |packet: Vec<u8>| {
        let mut sent = Vec::new();
        srtp.protect(&packet, |bytes| sent.extend_from_slice(bytes)).expect("each number once");
        sent
    };
    batch(payload).into_iter().map(one).collect()
}

fn packets(criterion: &mut Criterion) {
    for suite in SUITES {
        for (name, payload) in PAYLOADS {
            let mut group = criterion.benchmark_group(format!("{}/{name}", suite.name()));
            group.throughput(criterion::Throughput::Elements(BATCH.into()));
            group.bench_function("protect", |bench| {
                let fresh = || (Srtp::new(keys(suite)).expect("keys"), batch(payload));
                bench.iter_batched_ref(
                    fresh,
                    |(srtp, packets)| {
                        for packet in packets {
                            srtp.protect(packet, |bytes| _ = black_box(bytes)).expect("each number once");
                        }
                    },
                    BatchSize::SmallInput,
                );
            });
            let ready = protected(suite, payload);
            group.bench_function("open", |bench| {
                let fresh = || (Srtp::new(keys(suite)).expect("keys"), ready.clone());
                bench.iter_batched_ref(
                    fresh,
                    |(srtp, packets)| {
                        for packet in packets {
                            black_box(srtp.unprotect(packet)).expect("genuine");
                        }
                    },
                    BatchSize::SmallInput,
                );
            });
            group.finish();
        }
    }
}

criterion_group!(benches, packets);
criterion_main!(benches);
