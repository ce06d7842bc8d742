//! What a SIP message costs: reading, writing and looking headers up, for an INVITE with an offer, its 200 and a REFER.

use std::hint::black_box;

use baton_benches::messages::{answer, invite, refer};
use baton_signaling::message::Message;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn sip_parse(c: &mut Criterion) {
    for (name, datagram) in [("invite", invite()), ("answer", answer()), ("refer", refer())] {
        let message = Message::parse(datagram.clone()).expect("the message is valid");
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Bytes(datagram.len() as u64));
        group.bench_function("parse", |b| b.iter(|| Message::parse(black_box(datagram.clone()))));
        group.bench_function("write", |b| b.iter(|| black_box(&message).to_bytes()));
        group.bench_function("keys", |b| {
            b.iter(|| {
                let headers = black_box(&message).headers();
                (
                    headers.via(),
                    headers.call_id().cloned(),
                    headers.cseq(),
                    headers.first("X-Reason").cloned(),
                )
            });
        });
        group.finish();
    }
}

criterion_group!(benches, sip_parse);
criterion_main!(benches);
