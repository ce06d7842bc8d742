//! Calls from INVITE to BYE, with what can be lost on the way.

use baton_signaling::endpoint::{Event, Failure};
use baton_signaling::message::{Headers, Method};
use bytes::Bytes;

use crate::wire::{ALICE, BOB, World, flow};

const SDP: Bytes = Bytes::from_static(b"v=0\r\n");

#[test]
fn a_call_is_set_up_answered_and_ended_and_nothing_is_left() {
    let mut world = World::new(1);
    let a = world.dial();
    let b = world.incoming();
    let (bob, now) = world.bob();
    bob.progress(now, b, 180, Headers::new(), Bytes::new());
    world.run_ms(50);
    assert_eq!(world.names(ALICE), ["Progress"]);
    let (bob, now) = world.bob();
    bob.answer(now, b, Headers::new(), SDP);
    world.run_ms(50);
    assert_eq!((world.names(ALICE), world.names(BOB)), (vec!["Answered".into()], vec!["Acked".into()]));
    let (alice, now) = world.alice();
    let mut headers = Headers::new();
    headers.push("Reason", "Q.850;cause=16");
    alice.hang_up(now, a, headers);
    world.run_ms(50);
    match &world.take(BOB)[..] {
        [Event::Bye { leg, request }] => {
            assert_eq!(*leg, b);
            assert_eq!(request.headers.first("Reason").unwrap(), "Q.850;cause=16");
        }
        other => panic!("{other:?}"),
    }
    assert!(world.names(ALICE).is_empty());
    world.run_out();
    world.assert_idle();
    // INVITE, 100, 180, 200, ACK, BYE, 200: seven messages and no more.
    assert_eq!(world.sent.len(), 7, "{:?}", world.sent);
}

#[test]
fn a_callee_may_hang_up_too() {
    let mut world = World::new(2);
    let (_, b) = world.connect();
    let (bob, now) = world.bob();
    bob.hang_up(now, b, Headers::new());
    world.run_ms(100);
    assert_eq!(world.names(ALICE), ["Bye"]);
    world.run_out();
    world.assert_idle();
}

#[test]
fn a_rejection_reaches_the_caller_with_its_headers() {
    let mut world = World::new(3);
    world.dial();
    let b = world.incoming();
    let mut headers = Headers::new();
    headers.push("Retry-After", "30");
    let (bob, now) = world.bob();
    bob.reject(now, b, 486, "On The Phone", headers);
    world.run_ms(50);
    match &world.take(ALICE)[..] {
        [Event::Refused { failure: Failure::Status(486), response: Some(response), .. }] => {
            assert_eq!(response.reason, "On The Phone");
            assert_eq!(response.headers.first("Retry-After").unwrap(), "30");
        }
        other => panic!("{other:?}"),
    }
    world.run_out();
    world.assert_idle();
    assert_eq!(world.count_sent(BOB, "SIP/2.0 486"), 1);
    assert_eq!(world.count_sent(ALICE, "ACK"), 1);
}

#[test]
fn an_invite_that_nobody_hears_fails_after_32_seconds() {
    let mut world = World::new(4);
    world.loses = Box::new(|_, _| true);
    world.dial();
    world.run_ms(31_999);
    assert!(world.names(ALICE).is_empty());
    world.run_ms(1);
    assert!(matches!(world.take(ALICE)[..], [Event::Refused { failure: Failure::Timeout, .. }]));
    assert_eq!(world.count_sent(ALICE, "INVITE"), 7);
    world.run_out();
    world.assert_idle();
}

#[test]
fn a_port_that_is_closed_fails_the_invite_at_once() {
    let mut world = World::new(5);
    world.loses = Box::new(|_, _| true);
    world.dial();
    let (alice, now) = world.alice();
    alice.handle_transport_error(now, flow(ALICE, BOB));
    assert!(matches!(world.take(ALICE)[..], [Event::Refused { failure: Failure::Transport, .. }]));
    world.run_out();
    world.assert_idle();
}

#[test]
fn a_lost_200_is_sent_again_until_the_ack() {
    let mut world = World::new(6);
    let mut lost = 0;
    world.loses = Box::new(move |_, text| {
        let is_answer = text.starts_with("SIP/2.0 200") && text.contains("INVITE");
        lost += u32::from(is_answer);
        is_answer && lost <= 3
    });
    world.dial();
    let b = world.incoming();
    let (bob, now) = world.bob();
    bob.answer(now, b, Headers::new(), SDP);
    world.run_ms(5000);
    assert_eq!((world.names(ALICE), world.names(BOB)), (vec!["Answered".into()], vec!["Acked".into()]));
    assert_eq!(world.count_sent(BOB, "SIP/2.0 200"), 4);
    assert_eq!(world.count_sent(ALICE, "ACK"), 1);
}

#[test]
fn a_lost_ack_is_sent_again_for_each_repeat_of_the_200() {
    let mut world = World::new(7);
    let mut lost = 0;
    world.loses = Box::new(move |_, text| {
        let is_ack = text.starts_with("ACK");
        lost += u32::from(is_ack);
        is_ack && lost <= 2
    });
    world.dial();
    let b = world.incoming();
    let (bob, now) = world.bob();
    bob.answer(now, b, Headers::new(), SDP);
    world.run_ms(5000);
    assert_eq!((world.names(ALICE), world.names(BOB)), (vec!["Answered".into()], vec!["Acked".into()]));
    assert_eq!((world.count_sent(BOB, "SIP/2.0 200"), world.count_sent(ALICE, "ACK")), (3, 3));
}

#[test]
fn a_200_without_ack_is_sent_eleven_times_told_and_then_the_leg_may_be_ended() {
    let mut world = World::new(8);
    world.loses = Box::new(|_, text| text.starts_with("ACK"));
    world.dial();
    let b = world.incoming();
    let (bob, now) = world.bob();
    bob.answer(now, b, Headers::new(), SDP);
    world.run_ms(33_000);
    assert_eq!(world.names(BOB), ["NotAcked"]);
    assert_eq!(world.count_sent(BOB, "SIP/2.0 200"), 11);
    let (bob, now) = world.bob();
    bob.hang_up(now, b, Headers::new());
    world.run_out();
    assert_eq!(world.names(ALICE), ["Answered", "Bye"]);
    world.assert_idle();
}

#[test]
fn a_callee_that_hangs_up_at_once_waits_for_the_ack_before_its_bye() {
    let mut world = World::new(9);
    let mut acks = 0;
    world.loses = Box::new(move |_, text| {
        acks += u32::from(text.starts_with("ACK"));
        text.starts_with("ACK") && acks == 1
    });
    world.dial();
    let b = world.incoming();
    let (bob, now) = world.bob();
    bob.answer(now, b, Headers::new(), SDP);
    bob.hang_up(now, b, Headers::new());
    world.run_ms(400);
    assert_eq!(world.count_sent(BOB, "BYE"), 0);
    world.run_ms(200);
    assert_eq!(world.count_sent(BOB, "BYE"), 1);
    assert_eq!(world.names(ALICE), ["Answered", "Bye"]);
    assert!(world.names(BOB).is_empty());
    world.run_out();
    world.assert_idle();
}

#[test]
fn a_cancel_waits_for_a_provisional_response() {
    let mut world = World::new(10);
    let a = world.dial();
    let (alice, now) = world.alice();
    alice.cancel(now, a, Headers::new());
    world.pump();
    assert_eq!(world.count_sent(ALICE, "CANCEL"), 0);
    world.run_ms(100);
    assert_eq!(world.count_sent(ALICE, "CANCEL"), 1);
    assert_eq!(world.names(BOB), ["Incoming", "Cancelled"]);
    assert_eq!(world.count_sent(BOB, "SIP/2.0 487"), 1);
    assert!(world.names(ALICE).is_empty());
    world.run_out();
    world.assert_idle();
}

#[test]
fn a_200_that_crosses_the_cancel_is_acknowledged_and_ended() {
    let mut world = World::new(11);
    let a = world.dial();
    let b = world.incoming();
    let (alice, now) = world.alice();
    alice.hang_up(now, a, Headers::new());
    let (bob, now) = world.bob();
    bob.answer(now, b, Headers::new(), SDP);
    world.run_ms(100);
    assert_eq!(world.names(BOB), ["Acked", "Bye"]);
    assert!(world.names(ALICE).is_empty());
    assert_eq!(world.count_sent(BOB, "SIP/2.0 487"), 0);
    world.run_out();
    world.assert_idle();
}

#[test]
fn a_cancelled_invite_without_any_final_answer_is_given_up() {
    let mut world = World::new(12);
    world.loses = Box::new(|_, text| text.contains("INVITE") && text.starts_with("SIP/2.0 487"));
    let a = world.dial();
    world.incoming();
    let (alice, now) = world.alice();
    alice.cancel(now, a, Headers::new());
    world.run_out();
    world.assert_idle();
}

#[test]
fn hanging_up_on_a_ringing_caller_refuses_the_call() {
    let mut world = World::new(13);
    world.dial();
    let b = world.incoming();
    let (bob, now) = world.bob();
    bob.hang_up(now, b, Headers::new());
    world.run_ms(100);
    assert!(matches!(world.take(ALICE)[..], [Event::Refused { failure: Failure::Status(480), .. }]));
    world.run_out();
    world.assert_idle();
}

#[test]
fn byes_that_cross_are_both_answered() {
    let mut world = World::new(14);
    let (a, b) = world.connect();
    let (alice, now) = world.alice();
    alice.hang_up(now, a, Headers::new());
    let (bob, now) = world.bob();
    bob.hang_up(now, b, Headers::new());
    world.run_ms(100);
    assert!(world.names(ALICE).is_empty() && world.names(BOB).is_empty());
    assert_eq!((world.count_sent(ALICE, "SIP/2.0 200"), world.count_sent(BOB, "SIP/2.0 200")), (1, 2));
    world.run_out();
    world.assert_idle();
}

#[test]
fn requests_within_the_call_are_answered() {
    let mut world = World::new(15);
    let (a, b) = world.connect();
    let (alice, now) = world.alice();
    alice.info(now, a, "application/dtmf-relay", Bytes::from_static(b"Signal=1\r\n"));
    world.run_ms(50);
    let key = world.asked(BOB);
    let (bob, now) = world.bob();
    bob.respond(now, key, 415, "", Headers::new(), Bytes::new());
    world.run_ms(50);
    assert!(matches!(world.take(ALICE)[..], [Event::Replied { result: Err(Failure::Status(415)), .. }]));
    let (bob, now) = world.bob();
    bob.probe(now, b);
    world.run_ms(50);
    assert!(matches!(world.take(BOB)[..], [Event::Replied { result: Ok(_), .. }]));
    let (alice, now) = world.alice();
    alice.request(now, a, Method::Update, Headers::new(), Bytes::new());
    world.run_ms(50);
    assert!(matches!(world.take(ALICE)[..], [Event::Replied { result: Ok(_), .. }]));
    assert!(world.names(BOB).is_empty());
}

#[test]
fn a_far_end_that_has_forgotten_the_call_ends_it() {
    let mut world = World::new(16);
    let (a, _) = world.connect();
    world.ends[BOB] = baton_signaling::endpoint::Endpoint::new(Default::default(), 99);
    let (alice, now) = world.alice();
    let key = alice.probe(now, a);
    world.run_ms(100);
    match &world.take(ALICE)[..] {
        [Event::Replied { key: of, .. }, Event::Gone { leg, failure: Failure::Status(481) }] => {
            assert_eq!((*of, *leg), (key, a));
        }
        other => panic!("{other:?}"),
    }
    world.run_out();
    world.assert_idle();
}

#[test]
fn a_far_end_that_is_silent_ends_the_call() {
    let mut world = World::new(17);
    let (a, _) = world.connect();
    world.loses = Box::new(|_, _| true);
    let (alice, now) = world.alice();
    alice.probe(now, a);
    world.run_ms(32_100);
    assert_eq!(world.names(ALICE), ["Replied", "Gone"]);
    assert_eq!(world.count_sent(ALICE, "BYE"), 1);
}

#[test]
fn a_command_to_a_leg_that_is_over_changes_nothing() {
    let mut world = World::new(18);
    let (a, b) = world.connect();
    let (alice, now) = world.alice();
    alice.hang_up(now, a, Headers::new());
    world.run_out();
    world.take(BOB);
    let sent = world.sent.len();
    let (bob, now) = world.bob();
    bob.hang_up(now, b, Headers::new());
    bob.answer(now, b, Headers::new(), SDP);
    bob.cancel(now, b, Headers::new());
    bob.reject(now, b, 486, "", Headers::new());
    bob.probe(now, b);
    bob.reinvite(now, b, Headers::new(), SDP);
    world.pump();
    assert_eq!(world.sent.len(), sent);
    assert_eq!(world.ends[BOB].counters().commands_ignored, 6);
    assert_eq!(world.names(BOB), ["Replied", "Reanswered"]);
}

#[test]
fn the_same_seed_and_the_same_inputs_make_the_same_octets() {
    let sent = |seed| {
        let mut world = World::new(seed);
        let (a, _) = world.connect();
        let (alice, now) = world.alice();
        let call_id = alice.call_id(a).unwrap().clone();
        alice.hang_up(now, a, Headers::new());
        let bytes = alice.poll_transmit().unwrap().bytes;
        (call_id, bytes)
    };
    assert_eq!(sent(7), sent(7));
    assert_ne!(sent(7), sent(8));
}

#[test]
fn a_minted_call_id_leads_back_to_its_shard() {
    use baton_signaling::endpoint::{Endpoint, EndpointConfig};
    use baton_signaling::route::{Shard, shard_of};
    for mine in 0..16 {
        let shard = Shard { mine, shards: 16, key: [3, 4] };
        let config = EndpointConfig { shard: Some(shard), ..Default::default() };
        let mut world = World::new(u64::from(mine));
        world.ends[ALICE] = Endpoint::new(config, u64::from(mine));
        for _ in 0..5 {
            let leg = world.dial();
            assert_eq!(shard_of(world.ends[ALICE].call_id(leg).unwrap(), 16, [3, 4]), mine);
        }
    }
}

#[test]
fn options_outside_dialogs_are_answered_unless_the_node_drains() {
    let mut world = World::new(19);
    for (draining, ok) in [(false, true), (true, false)] {
        world.ends[BOB].set_draining(draining);
        let (alice, now) = world.alice();
        let key = alice.options(now, flow(ALICE, BOB), b"sip:127.0.0.2");
        world.run_ms(50);
        match &world.take(ALICE)[..] {
            [Event::ProbeReplied { key: of, result }] => {
                assert_eq!((*of, result.is_ok()), (key, ok));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(world.names(BOB), ["Probed"]);
    }
    world.dial();
    world.run_ms(50);
    assert!(matches!(world.take(ALICE)[..], [Event::Refused { failure: Failure::Status(503), .. }]));
    world.run_out();
    world.assert_idle();
}

#[test]
fn a_lost_ack_is_sent_again_for_each_repeat_of_a_rejection() {
    let mut world = World::new(20);
    let mut acks = 0;
    world.loses = Box::new(move |_, text| {
        acks += u32::from(text.starts_with("ACK"));
        text.starts_with("ACK") && acks <= 2
    });
    world.dial();
    let b = world.incoming();
    let (bob, now) = world.bob();
    bob.reject(now, b, 486, "", Headers::new());
    world.run_out();
    assert_eq!((world.count_sent(BOB, "SIP/2.0 486"), world.count_sent(ALICE, "ACK")), (3, 3));
    world.assert_idle();
}

#[test]
fn a_100_is_told_as_a_sign_of_life() {
    let mut world = World::new(40);
    world.dial();
    world.incoming();
    assert_eq!(world.trying, [1, 0]);
}

#[test]
fn a_call_given_up_before_its_owner_has_heard_of_the_answer_is_ended_with_bye() {
    let mut world = World::new(41);
    let a = world.dial();
    let b = world.incoming();
    let (bob, now) = world.bob();
    bob.answer(now, b, Headers::new(), SDP);
    // The 200 has come and its event waits for Alice, who decides at this moment.
    world.run_ms(50);
    let (alice, now) = world.alice();
    let mut headers = Headers::new();
    headers.push("Reason", "Q.850;cause=16");
    alice.cancel(now, a, headers);
    world.run_ms(50);
    match &world.take(BOB)[..] {
        [Event::Acked { .. }, Event::Bye { leg, request }] => {
            assert_eq!(*leg, b);
            assert_eq!(request.headers.first("Reason").unwrap(), "Q.850;cause=16");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.count_sent(ALICE, "CANCEL"), 0);
    world.run_out();
    world.assert_idle();
}
