//! Offers within the call: re-INVITE and UPDATE, one at a time and at once (RFC 3261 §14).

use baton_signaling::endpoint::{Event, Failure};
use baton_signaling::message::{Headers, Method};
use bytes::Bytes;

use crate::wire::{ALICE, BOB, World};

const HOLD: Bytes = Bytes::from_static(b"v=0\r\na=inactive\r\n");

fn accept(world: &mut World, end: usize) {
    let key = world.asked(end);
    let now = world.now;
    world.ends[end].respond(now, key, 200, "", Headers::new(), HOLD);
    world.pump();
}

#[test]
fn a_reinvite_is_offered_answered_and_acknowledged() {
    let mut world = World::new(1);
    let (a, _) = world.connect();
    let (alice, now) = world.alice();
    alice.reinvite(now, a, Headers::new(), HOLD);
    world.run_ms(50);
    accept(&mut world, BOB);
    world.run_ms(50);
    match &world.take(ALICE)[..] {
        [Event::Reanswered { result: Ok(response), .. }] => assert_eq!(response.body, HOLD),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.names(BOB), ["Acked"]);
    let (alice, now) = world.alice();
    alice.hang_up(now, a, Headers::new());
    world.run_out();
    world.assert_idle();
}

#[test]
fn a_refused_reinvite_leaves_the_call_as_it_was() {
    let mut world = World::new(2);
    let (a, b) = world.connect();
    let (bob, now) = world.bob();
    bob.reinvite(now, b, Headers::new(), HOLD);
    world.run_ms(50);
    let key = world.asked(ALICE);
    let (alice, now) = world.alice();
    alice.respond(now, key, 488, "", Headers::new(), Bytes::new());
    world.run_ms(50);
    let result = Err(Failure::Status(488));
    assert_eq!(world.take(BOB), [Event::Reanswered { leg: b, result }]);
    let (alice, now) = world.alice();
    alice.probe(now, a);
    world.run_ms(50);
    assert!(matches!(world.take(ALICE)[..], [Event::Replied { result: Ok(_), .. }]));
}

#[test]
fn reinvites_that_cross_are_both_refused_and_both_tried_again() {
    for seed in 0..50 {
        let mut world = World::new(seed);
        let (a, b) = world.connect();
        let (alice, now) = world.alice();
        alice.reinvite(now, a, Headers::new(), HOLD);
        let (bob, now) = world.bob();
        bob.reinvite(now, b, Headers::new(), HOLD);
        world.run_ms(100);
        assert_eq!((world.count_sent(ALICE, "SIP/2.0 491"), world.count_sent(BOB, "SIP/2.0 491")), (1, 1));
        // Bob does not own the Call-ID: he is back within 2 s, Alice after 2.1 s (§14.1).
        world.run_ms(1990);
        accept(&mut world, ALICE);
        world.run_ms(2100);
        accept(&mut world, BOB);
        world.run_ms(200);
        assert_eq!(world.names(ALICE), ["Acked", "Reanswered"], "seed {seed}");
        assert_eq!(world.names(BOB), ["Acked"], "seed {seed}");
    }
}

#[test]
fn a_second_offer_before_the_first_is_answered_gets_500_and_a_time() {
    let mut world = World::new(4);
    let (a, _) = world.connect();
    let (alice, now) = world.alice();
    alice.reinvite(now, a, Headers::new(), HOLD);
    world.run_ms(50);
    let (alice, now) = world.alice();
    alice.request(now, a, Method::Update, Headers::new(), HOLD);
    world.run_ms(50);
    assert_eq!(world.count_sent(BOB, "SIP/2.0 500"), 1);
    assert!(matches!(world.take(ALICE)[..], [Event::Replied { result: Err(Failure::Status(500)), .. }]));
}

#[test]
fn an_update_with_an_offer_is_answered_by_the_owner() {
    let mut world = World::new(5);
    let (a, _) = world.connect();
    let (alice, now) = world.alice();
    alice.request(now, a, Method::Update, Headers::new(), HOLD);
    world.run_ms(50);
    accept(&mut world, BOB);
    world.run_ms(50);
    match &world.take(ALICE)[..] {
        [Event::Replied { result: Ok(response), .. }] => assert_eq!(response.body, HOLD),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reinvite_asked_for_during_another_follows_it() {
    let mut world = World::new(6);
    let (a, _) = world.connect();
    for body in ["v=0\r\none\r\n", "v=0\r\ntwo\r\n", "v=0\r\nthree\r\n"] {
        let (alice, now) = world.alice();
        alice.reinvite(now, a, Headers::new(), Bytes::from(body));
    }
    world.run_ms(50);
    accept(&mut world, BOB);
    world.run_ms(50);
    match &world.take(BOB)[..] {
        [Event::Acked { .. }, Event::Offer { key, request, .. }] => {
            assert_eq!(request.body, "v=0\r\nthree\r\n");
            let (key, (bob, now)) = (*key, world.bob());
            bob.respond(now, key, 200, "", Headers::new(), HOLD);
        }
        other => panic!("{other:?}"),
    }
    world.run_ms(50);
    assert_eq!(world.names(ALICE), ["Reanswered", "Reanswered"]);
}

#[test]
fn a_bye_that_crosses_a_reinvite_ends_both() {
    let mut world = World::new(7);
    let (a, b) = world.connect();
    let (alice, now) = world.alice();
    alice.reinvite(now, a, Headers::new(), HOLD);
    let (bob, now) = world.bob();
    bob.hang_up(now, b, Headers::new());
    world.run_ms(100);
    assert_eq!(world.names(ALICE), ["Bye"]);
    assert!(world.names(BOB).is_empty());
    world.run_out();
    world.assert_idle();
}

#[test]
fn a_bye_while_an_offer_waits_for_the_owner_ends_the_offer_with_487() {
    let mut world = World::new(8);
    let (a, _) = world.connect();
    let (alice, now) = world.alice();
    alice.reinvite(now, a, Headers::new(), HOLD);
    world.run_ms(50);
    let key = world.asked(BOB);
    let (alice, now) = world.alice();
    alice.hang_up(now, a, Headers::new());
    world.run_ms(50);
    assert_eq!(world.names(BOB), ["Bye"]);
    assert_eq!(world.count_sent(BOB, "SIP/2.0 487"), 1);
    let (bob, now) = world.bob();
    bob.respond(now, key, 200, "", Headers::new(), HOLD);
    world.run_out();
    world.assert_idle();
    assert_eq!(world.ends[BOB].counters().commands_ignored, 1);
}

#[test]
fn a_reinvite_that_is_never_answered_does_not_outlive_its_call() {
    let mut world = World::new(9);
    let (a, _) = world.connect();
    let (alice, now) = world.alice();
    alice.reinvite(now, a, Headers::new(), HOLD);
    world.run_ms(50);
    world.asked(BOB);
    world.loses = Box::new(|end, _| end == BOB);
    let (alice, now) = world.alice();
    alice.hang_up(now, a, Headers::new());
    world.run_out();
    world.assert_idle();
}

#[test]
fn a_lost_ack_of_a_reinvite_is_sent_again_for_each_repeat_of_the_200() {
    let mut world = World::new(10);
    let (a, _) = world.connect();
    let mut acks = 0;
    world.loses = Box::new(move |_, text| {
        acks += u32::from(text.starts_with("ACK"));
        text.starts_with("ACK") && acks <= 2
    });
    let (alice, now) = world.alice();
    alice.reinvite(now, a, Headers::new(), HOLD);
    world.run_ms(50);
    accept(&mut world, BOB);
    world.run_ms(5000);
    assert_eq!((world.names(ALICE), world.names(BOB)), (vec!["Reanswered".into()], vec!["Acked".into()]));
    // One ACK for the call itself, three for the re-INVITE.
    assert_eq!(world.count_sent(ALICE, "ACK"), 4);
}
