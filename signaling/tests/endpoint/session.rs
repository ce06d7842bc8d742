//! Session timers (RFC 4028): who refreshes by what, what a refusal leads to, and what an unrefreshed session is.

use baton_signaling::endpoint::{Event, Failure, Leg};
use baton_signaling::message::{Headers, Message};
use bytes::Bytes;

use crate::wire::{ALICE, BOB, World};

const SDP: Bytes = Bytes::from_static(b"v=0\r\n");

fn asking(seconds: u32) -> Headers {
    let mut headers = Headers::new();
    headers.push("Session-Expires", seconds.to_string());
    headers
}

/// A call of Alice's with Bob, each asking for an interval of so many seconds, or for none; both legs.
fn connected(world: &mut World, alice: Option<u32>, bob: Option<u32>) -> (Leg, Leg) {
    let a = world.dial_with(alice.map(asking).unwrap_or_default());
    let b = world.incoming();
    let (end, now) = world.bob();
    end.answer(now, b, bob.map(asking).unwrap_or_default(), SDP);
    world.run_ms(100);
    assert_eq!((world.names(ALICE), world.names(BOB)), (vec!["Answered".into()], vec!["Acked".into()]));
    (a, b)
}

/// Nobody is told that the call has ended.
fn assert_lives(world: &mut World) {
    for end in [ALICE, BOB] {
        assert_eq!(world.count_sent(end, "BYE"), 0);
        assert!(world.take(end).is_empty());
    }
}

fn is_refresh_due(event: &Event) -> bool {
    matches!(event, Event::RefreshDue { .. })
}

#[test]
fn a_call_of_hours_is_refreshed_by_who_answers_if_nobody_else_was_named() {
    let mut world = World::new(1);
    let (a, b) = connected(&mut world, Some(1800), None);
    world.run_ms(3 * 3_600_000);
    assert_lives(&mut world);
    assert_eq!((world.count_sent(ALICE, "UPDATE"), world.count_sent(BOB, "UPDATE")), (0, 11));
    assert_eq!(world.ends[BOB].counters().session_refreshes_sent, 11);
    let (end, now) = world.alice();
    end.hang_up(now, a, Headers::new());
    world.run_out();
    assert!(world.names(BOB).contains(&"Bye".to_owned()), "{b:?}");
    world.assert_idle();
}

#[test]
fn a_callee_asks_for_a_timer_of_a_caller_that_asked_for_none() {
    let mut world = World::new(2);
    let (a, _) = connected(&mut world, None, Some(600));
    world.run_ms(1_000_000);
    assert_lives(&mut world);
    assert_eq!(world.count_sent(BOB, "UPDATE"), 3);
    let (end, now) = world.alice();
    end.hang_up(now, a, Headers::new());
    world.run_out();
    world.assert_idle();
}

#[test]
fn without_a_wish_on_either_side_there_is_no_timer() {
    let mut world = World::new(3);
    connected(&mut world, None, None);
    world.run_ms(50_000_000);
    assert_lives(&mut world);
    assert_eq!(world.count_sent(BOB, "UPDATE"), 0);
}

#[test]
fn an_unrefreshed_session_ends_with_bye_before_its_time_at_the_end_that_waits() {
    let mut world = World::new(4);
    let (a, _) = connected(&mut world, Some(300), None);
    // Bob's refreshes are lost, and so is all that he says of it.
    world.loses = Box::new(|end, _| end == BOB);
    world.run_ms(267_000);
    let gone = Event::Gone { leg: a, failure: Failure::Expired };
    assert!(!world.take(ALICE).contains(&gone));
    world.run_ms(1_500);
    assert!(world.take(ALICE).contains(&gone));
    assert!(world.count_sent(ALICE, "BYE") > 0);
    assert_eq!(world.ends[ALICE].counters().sessions_expired, 1);
    world.run_out();
    // Bob's refresh had no answer that he could hear of but the BYE.
    world.assert_idle();
}

#[test]
fn who_has_no_update_is_refreshed_by_a_reinvite_of_the_owner_whose_answer_begins_the_time_anew() {
    let mut world = World::new(5);
    world.ends[ALICE] = World::end_without_update(7);
    let (_, b) = connected(&mut world, Some(200), None);
    for _ in 0..5 {
        world.run_ms(101_000);
        assert!(world.take(BOB).iter().any(is_refresh_due));
        let (end, now) = world.bob();
        end.reinvite(now, b, Headers::new(), SDP);
        world.run_ms(50);
        let key = world.asked(ALICE);
        let (end, now) = world.alice();
        end.respond(now, key, 200, "", Headers::new(), SDP);
        world.run_ms(100);
        assert!(world.names(BOB).contains(&"Reanswered".to_owned()));
    }
    world.take(ALICE);
    assert_lives(&mut world);
    // Nobody refreshes any more.
    world.run_ms(200_000);
    let expired = |event: &Event| matches!(event, Event::Gone { failure: Failure::Expired, .. });
    assert!(world.take(ALICE).iter().any(expired));
    assert!(world.names(BOB).contains(&"Bye".to_owned()));
}

#[test]
fn an_interval_that_is_too_small_for_the_far_end_is_raised_as_it_asks() {
    let mut world = World::new(6);
    let invite = world.raw_invite_with(asking(100));
    assert!(invite.contains("Session-Expires: 100\r\n") && invite.contains("Supported: timer"), "{invite}");
    world.answer_raw(&invite, "422 Session Interval Too Small", "Min-SE: 400\r\n");
    let again = world.raw.last().unwrap().clone();
    assert!(again.starts_with("INVITE") && again.contains("CSeq: 2 INVITE"), "{again}");
    assert!(again.contains("Session-Expires: 400\r\n") && again.contains("Min-SE: 400\r\n"), "{again}");
    assert!(again.ends_with("v=0\r\n"), "{again}");
    let line = |text: &str, name: &str| text.lines().find(|line| line.starts_with(name)).map(str::to_owned);
    for name in ["Call-ID:", "From:", "To:"] {
        assert_eq!(line(&invite, name), line(&again, name));
    }
    assert!(world.names(ALICE).is_empty());
    // What asks for less than it was given has no end, and is refused.
    world.answer_raw(&again, "422 Session Interval Too Small", "Min-SE: 400\r\n");
    assert_eq!(world.names(ALICE), ["Refused"]);
    world.run_out();
    world.assert_idle();
}

#[test]
fn a_far_end_that_names_itself_is_left_to_refresh_and_told_so() {
    let mut world = World::new(7);
    let text = world.raw_call("Supported: timer\nSession-Expires: 240;refresher=uac\n");
    let Ok(Message::Response(answer)) = Message::parse(Bytes::from(text)) else { panic!("no answer") };
    assert_eq!(answer.headers.first("Session-Expires").unwrap(), "240;refresher=uac");
    assert_eq!(answer.headers.first("Require").unwrap(), "timer");
}

#[test]
fn a_caller_without_support_is_refreshed_and_not_asked_to_understand() {
    let mut world = World::new(8);
    let text = world.raw_call_answered("", asking(240));
    let Ok(Message::Response(answer)) = Message::parse(Bytes::from(text)) else { panic!("no answer") };
    assert_eq!(answer.headers.first("Session-Expires").unwrap(), "240;refresher=uas");
    assert_eq!(answer.headers.first("Require"), None);
}
