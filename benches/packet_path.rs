//! What a packet and a tick cost inside a session, without sockets: relay, keep for the tick, transcode, hold.
//!
//! It leaves out the kernel, which costs more than all of this; `calls` measures the whole.
#![allow(missing_docs, reason = "criterion's macros")]

use baton_benches::call::{AI, CALLER, Call};
use criterion::{Criterion, criterion_group, criterion_main};

fn packets(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("packet_path");
    let mut call = Call::new(false);
    group.bench_function("relay a PCMU packet", |bench| {
        bench.iter(|| {
            call.step();
            call.packet(AI, false);
        });
    });
    let mut call = Call::new(true);
    group.bench_function("keep a PCMU packet for the tick", |bench| {
        bench.iter(|| {
            call.step();
            call.packet(AI, false);
        });
    });
    let mut call = Call::new(true);
    group.bench_function("20 ms of a call PCMU to Opus and back: two packets, one tick", |bench| {
        bench.iter(|| {
            call.step();
            call.packet(AI, false);
            call.packet(CALLER, true);
            call.tick();
        });
    });
    let mut call = Call::new(false);
    call.park();
    group.bench_function("20 ms of hold audio in PCMU: one tick", |bench| {
        bench.iter(|| {
            call.step();
            call.tick();
        });
    });
    group.finish();
}

criterion_group!(benches, packets);
criterion_main!(benches);
