//! REFER and what it subscribes to.

use baton_signaling::endpoint::{Event, Failure, RequestKey};
use baton_signaling::message::Headers;
use bytes::Bytes;

use crate::wire::{ALICE, BOB, World, flow};

/// Alice refers Bob, who accepts; Bob's key.
fn refer(world: &mut World, a: baton_signaling::endpoint::Leg) -> RequestKey {
    let (alice, now) = world.alice();
    alice.refer(now, a, b"<sip:agents@127.0.0.1>", Headers::new());
    world.run_ms(50);
    let key = world.asked(BOB);
    let (bob, now) = world.bob();
    bob.respond(now, key, 202, "", Headers::new(), Bytes::new());
    key
}

/// What Alice has been notified of: Event, Subscription-State and sipfrag.
fn notified(world: &mut World) -> Vec<(String, String, String)> {
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).trim_end().to_owned();
    let events = world.take(ALICE).into_iter();
    let notify = events.filter_map(|event| match event {
        Event::Notify { request, .. } => {
            let header = |name| text(request.headers.first(name).unwrap());
            assert_eq!(header("Content-Type"), "message/sipfrag;version=2.0");
            Some((header("Event"), header("Subscription-State"), text(&request.body)))
        }
        _ => None,
    });
    notify.collect()
}

fn fragments(world: &mut World) -> Vec<String> {
    notified(world).into_iter().map(|(_, _, fragment)| fragment).collect()
}

#[test]
fn a_refer_is_told_trying_ringing_and_success() {
    let mut world = World::new(1);
    let (a, _) = world.connect();
    let key = refer(&mut world, a);
    let (bob, now) = world.bob();
    bob.notify(now, key, 100, "Trying", &Headers::new());
    bob.notify(now, key, 180, "Ringing", &Headers::new());
    world.run_ms(200);
    let (bob, now) = world.bob();
    bob.notify(now, key, 200, "OK", &Headers::new());
    world.run_ms(200);
    let told = notified(&mut world);
    let fragments: Vec<&str> = told.iter().map(|(_, _, fragment)| fragment.as_str()).collect();
    assert_eq!(fragments, ["SIP/2.0 100 Trying", "SIP/2.0 180 Ringing", "SIP/2.0 200 OK"]);
    assert!(told.iter().all(|(event, ..)| event == "refer"));
    assert_eq!(told[0].1, "active;expires=600");
    assert_eq!(told[2].1, "terminated;reason=noresource");
    let (alice, now) = world.alice();
    alice.hang_up(now, a, Headers::new());
    world.run_out();
    world.assert_idle();
}

#[test]
fn notifies_still_leave_after_the_bye_of_the_call() {
    let mut world = World::new(2);
    let (a, _) = world.connect();
    let key = refer(&mut world, a);
    world.run_ms(100);
    let (alice, now) = world.alice();
    alice.hang_up(now, a, Headers::new());
    world.run_ms(100);
    assert_eq!(world.names(BOB), ["Bye"]);
    let (bob, now) = world.bob();
    bob.notify(now, key, 180, "", &Headers::new());
    bob.notify(now, key, 486, "", &Headers::new());
    world.run_ms(200);
    assert_eq!(fragments(&mut world), ["SIP/2.0 100 Trying", "SIP/2.0 180 Ringing", "SIP/2.0 486 Busy Here"]);
    world.run_out();
    world.assert_idle();
}

#[test]
fn an_unanswered_notify_ends_the_subscription_and_nothing_else() {
    let mut world = World::new(3);
    let (a, _) = world.connect();
    world.loses = Box::new(|_, text| text.starts_with("NOTIFY"));
    refer(&mut world, a);
    world.run_ms(33_000);
    assert_eq!(world.names(BOB), ["NotifyFailed"]);
    world.take(ALICE);
    let (alice, now) = world.alice();
    alice.probe(now, a);
    world.run_ms(100);
    assert!(matches!(world.take(ALICE)[..], [Event::Replied { result: Ok(_), .. }]));
    let (alice, now) = world.alice();
    alice.hang_up(now, a, Headers::new());
    world.run_out();
    world.assert_idle();
}

#[test]
fn two_refers_are_told_apart() {
    let mut world = World::new(4);
    let (a, _) = world.connect();
    let first = refer(&mut world, a);
    world.run_ms(100);
    let second = refer(&mut world, a);
    world.run_ms(100);
    let (bob, now) = world.bob();
    bob.notify(now, second, 603, "", &Headers::new());
    bob.notify(now, first, 200, "", &Headers::new());
    world.run_ms(200);
    let told = notified(&mut world);
    let event = |fragment: &str| told.iter().find(|it| it.2 == fragment).map(|it| it.0.clone()).unwrap();
    assert_eq!(event("SIP/2.0 200 OK"), "refer");
    assert!(event("SIP/2.0 603 Decline").starts_with("refer;id="));
    assert_eq!(told.len(), 4);
    assert_eq!(world.ends[BOB].counters().subscriptions_active, 0);
}

#[test]
fn requests_in_the_call_that_a_closed_port_turns_away_hang_nothing() {
    let mut world = World::new(30);
    let (a, b) = world.connect();
    let (alice, now) = world.alice();
    alice.refer(now, a, b"<sip:carol@127.0.0.3>", Headers::new());
    world.run_ms(50);
    let key = world.asked(BOB);
    world.loses = Box::new(|from, text| from == BOB && !text.starts_with("SIP/2.0"));
    let (bob, now) = world.bob();
    bob.respond(now, key, 202, "", Headers::new(), Bytes::new());
    let probe = bob.probe(now, b);
    bob.handle_transport_error(now, flow(BOB, ALICE));
    match &world.take(BOB)[..] {
        [Event::NotifyFailed { key: failed, .. }, Event::Replied { key: asked, result, .. }] => {
            assert_eq!((*failed, *asked), (key, probe));
            assert_eq!(*result, Err(Failure::Transport));
        }
        other => panic!("{other:?}"),
    }
    let (bob, now) = world.bob();
    bob.hang_up(now, b, Headers::new());
    bob.handle_transport_error(now, flow(BOB, ALICE));
    world.run_ms(100);
    assert!(world.take(BOB).is_empty());
    assert_eq!(world.ends[BOB].counters().legs_active, 0);
}

#[test]
fn a_refused_refer_makes_no_subscription() {
    let mut world = World::new(5);
    let (a, _) = world.connect();
    let (alice, now) = world.alice();
    alice.refer(now, a, b"<sip:agents@127.0.0.1>", Headers::new());
    world.run_ms(50);
    let key = world.asked(BOB);
    let (bob, now) = world.bob();
    bob.respond(now, key, 403, "", Headers::new(), Bytes::new());
    bob.notify(now, key, 200, "", &Headers::new());
    world.run_ms(50);
    assert_eq!(world.names(ALICE), ["Replied"]);
    assert_eq!(world.count_sent(BOB, "NOTIFY"), 0);
    let (alice, now) = world.alice();
    alice.hang_up(now, a, Headers::new());
    world.run_out();
    world.assert_idle();
}

#[test]
fn a_subscription_that_nobody_ends_ends_itself() {
    let mut world = World::new(6);
    let (a, _) = world.connect();
    refer(&mut world, a);
    world.run_ms(100);
    let (alice, now) = world.alice();
    alice.hang_up(now, a, Headers::new());
    world.run_out();
    let told = notified(&mut world);
    assert_eq!(told.last().unwrap().1, "terminated;reason=timeout");
    world.assert_idle();
}

#[test]
fn refers_that_were_answered_leave_room_for_others() {
    let mut world = World::new(7);
    let (a, _) = world.connect();
    for _ in 0..20 {
        let (alice, now) = world.alice();
        alice.refer(now, a, b"<sip:agents@127.0.0.1>", Headers::new());
        world.run_ms(50);
        let key = world.asked(BOB);
        let (bob, now) = world.bob();
        bob.respond(now, key, 603, "", Headers::new(), Bytes::new());
        world.run_ms(50);
    }
}
