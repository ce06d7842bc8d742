//! Many transactions at once: the table stays at its limit, and waking looks only at what is due.

use baton_signaling::Time;
use baton_signaling::endpoint::{Endpoint, EndpointConfig};
use baton_signaling::message::Message;
use bytes::Bytes;

use crate::wire::{BOB, raw_flow};

fn options(n: u32) -> Message {
    let text = format!(
        "OPTIONS sip:bob@127.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.9:5099;branch=z9hG4bK{n}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:a@127.0.0.9>;tag={n}\r\nTo: <sip:bob@127.0.0.2>\r\nCall-ID: {n}\r\n\
         CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    Message::parse(Bytes::from(text)).unwrap()
}

fn drain(it: &mut Endpoint) -> usize {
    while it.poll_event().is_some() {}
    std::iter::from_fn(|| it.poll_transmit()).count()
}

#[test]
fn a_flood_fills_the_table_to_its_limit_and_each_request_is_still_answered() {
    let limit = 20_000;
    let config = EndpointConfig { transactions_max: limit, ..Default::default() };
    let mut it = Endpoint::new(config, 1);
    let mut answered = 0;
    for n in 0..30_000_u32 {
        it.handle_message(Time::from_micros(u64::from(n)), raw_flow(BOB), options(n));
        answered += drain(&mut it);
    }
    assert_eq!(answered, 30_000);
    let counters = it.counters();
    assert_eq!(counters.transactions_active, limit as u64);
    assert_eq!((counters.rejected.overload, counters.responses_sent.of(503)), (10_000, 10_000));
    // Each transaction is woken once, at its own time, and by no other's.
    let mut wakes = 0;
    while let Some(at) = it.poll_timeout() {
        let before = it.counters().transactions_active;
        it.handle_timeout(at);
        assert_eq!(it.counters().transactions_active, before - 1);
        wakes += 1;
    }
    assert_eq!(wakes, limit);
    assert!(it.is_idle());
}
