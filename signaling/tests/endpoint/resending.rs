//! Requests that take another way: their connection has closed under them, or they are too long for a datagram.

use std::sync::Arc;

use baton_signaling::endpoint::{Endpoint, EndpointConfig, Event, Flow, Transport};
use baton_signaling::message::Headers;
use bytes::Bytes;

use crate::wire::{ALICE, RAW, World, address, raw_flow};

fn tcp() -> Flow {
    Flow { transport: Transport::Tcp, ..raw_flow(ALICE) }
}

/// Alice, who listens on TCP, too.
fn world(seed: u64) -> World {
    let mut world = World::new(seed);
    let listeners = [Transport::Udp, Transport::Tcp].map(|transport| (transport, address(ALICE)));
    let config = EndpointConfig { listeners: Arc::new(listeners), ..EndpointConfig::default() };
    world.ends[ALICE] = Endpoint::new(config, seed);
    world
}

fn long() -> Headers {
    let mut headers = Headers::new();
    headers.push("X-Long", Bytes::from(vec![b'x'; 1300]));
    headers
}

const CONTACT: &str = "Contact: <sip:raw@127.0.0.9:5099;transport=tcp>\n";

#[test]
fn a_bye_whose_connection_closes_under_it_is_sent_once_more_and_no_more() {
    for answered in [true, false] {
        let mut world = world(1);
        let invite = World::invite(tcp(), Headers::new());
        let (alice, now) = world.alice();
        let leg = alice.invite(now, invite);
        world.run_ms(20);
        let invite = world.raw.last().unwrap().clone();
        world.answer_raw(&invite, "200 OK", CONTACT);
        world.run_ms(20);
        assert_eq!(world.names(ALICE), ["Answered"]);
        let (alice, now) = world.alice();
        alice.hang_up(now, leg, Headers::new());
        world.run_ms(20);
        let bye = world.raw.last().unwrap().clone();
        assert!(bye.starts_with("BYE "), "{bye}");
        world.raw.clear();
        let (alice, now) = world.alice();
        alice.handle_transport_error(now, tcp());
        world.run_ms(20);
        assert_eq!(world.raw, [&*bye], "the same request in the same transaction");
        if answered {
            world.answer_raw(&bye, "200 OK", "");
        } else {
            let (alice, now) = world.alice();
            alice.handle_transport_error(now, tcp());
        }
        world.run_ms(20);
        assert_eq!(world.raw.len(), 1, "nothing more is sent");
        assert_eq!(world.ends[ALICE].counters().transport_errors, u64::from(!answered));
    }
}

#[test]
fn an_invite_too_long_for_a_datagram_goes_over_tcp() {
    let mut world = world(2);
    let (alice, now) = world.alice();
    alice.invite(now, World::invite(raw_flow(ALICE), Headers::new()));
    world.run_ms(20);
    assert!(world.raw[0].contains("Via: SIP/2.0/UDP"), "{:?}", world.raw);
    let (alice, now) = world.alice();
    alice.invite(now, World::invite(raw_flow(ALICE), long()));
    world.run_ms(20);
    let invite = world.raw[1].clone();
    assert!(invite.contains("Via: SIP/2.0/TCP") && invite.contains(";transport=tcp>"), "{invite}");
    world.answer_raw(&invite, "503 Service Unavailable", "");
    world.run_ms(20);
    assert_eq!(world.names(ALICE), ["Refused"], "who refuses over TCP is not asked over UDP");
}

#[test]
fn where_tcp_is_refused_or_silent_it_goes_over_udp() {
    for refused in [true, false] {
        let mut world = world(3);
        let (alice, now) = world.alice();
        alice.invite(now, World::invite(raw_flow(ALICE), long()));
        world.run_ms(20);
        if refused {
            let (alice, now) = world.alice();
            alice.handle_transport_error(now, tcp());
            world.run_ms(20);
        } else {
            world.run_ms(1000);
        }
        let [_, invite] = &world.raw[..] else { panic!("{:?}", world.raw) };
        assert!(invite.contains("Via: SIP/2.0/UDP") && !invite.contains("transport=tcp"), "{invite}");
        let invite = invite.clone();
        world.answer_raw(&invite, "200 OK", &format!("Contact: <sip:raw@{RAW}>\n"));
        world.run_ms(20);
        assert!(world.take(ALICE).iter().any(|event| matches!(event, Event::Answered { .. })));
        assert_eq!(world.ends[ALICE].counters().oversized_requests_sent, 1);
    }
}

#[test]
fn without_an_address_of_ours_over_tcp_it_goes_over_udp_at_once() {
    let mut world = World::new(4);
    let (alice, now) = world.alice();
    alice.invite(now, World::invite(raw_flow(ALICE), long()));
    world.run_ms(20);
    assert!(world.raw[0].contains("Via: SIP/2.0/UDP"), "{:?}", world.raw);
}
