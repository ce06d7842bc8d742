//! Session-ID (RFC 7989) on everything that is sent in a leg.

use std::cell::RefCell;
use std::rc::Rc;

use baton_signaling::endpoint::Event;
use baton_signaling::message::Headers;
use baton_signaling::message::header::Uuid;
use bytes::Bytes;

use crate::wire::{ALICE, World};

const CALLER: &str = "ab30317f1a784dc48ff824d0d3715d86";
const CALLEE: &str = "47755a9de7794ba387653f2099600ef2";
const OTHER: &str = "c3d1a0f14c0f4a5b8a7b5f0d3e2c1b0a";
const NIL: &str = "00000000000000000000000000000000";

fn uuid(text: &str) -> Uuid {
    Uuid::parse(text.as_bytes()).unwrap()
}

/// First word of each message that is sent, its sender, and its Session-ID.
type Said = Rc<RefCell<Vec<(usize, String, Option<String>)>>>;

fn listen(world: &mut World) -> Said {
    let said = Said::default();
    let heard = said.clone();
    world.loses = Box::new(move |from, text| {
        let words: Vec<&str> = text.split_whitespace().take(2).collect();
        let what = if words[0] == "SIP/2.0" { words[1] } else { words[0] };
        let id = text.lines().find_map(|line| line.strip_prefix("Session-ID: "));
        heard.borrow_mut().push((from, what.to_owned(), id.map(str::to_owned)));
        false
    });
    said
}

fn calling() -> Headers {
    let mut headers = Headers::new();
    headers.push("Session-ID", CALLER);
    headers
}

#[test]
fn both_ends_are_named_on_every_message_once_they_are_known() {
    let mut world = World::new(1);
    let said = listen(&mut world);
    let a = world.dial_with(calling());
    let b = world.incoming();
    let (bob, now) = world.bob();
    bob.progress(now, b, 180, Headers::new(), Bytes::new());
    bob.set_session_id(b, uuid(CALLEE));
    bob.answer(now, b, Headers::new(), Bytes::from_static(b"v=0\r\n"));
    world.run_ms(100);
    let (alice, now) = world.alice();
    alice.probe(now, a);
    alice.hang_up(now, a, Headers::new());
    world.run_out();
    let id = |local: &str, remote: &str| Some(format!("{local};remote={remote}"));
    let (theirs, ours) = (id(CALLER, CALLEE), id(CALLEE, CALLER));
    for (from, what, told) in said.borrow().iter() {
        let expected = match (*from, what.as_str()) {
            (_, "INVITE") => id(CALLER, NIL),
            // Nobody stands behind Bob yet.
            (_, "100" | "180") => id(NIL, CALLER),
            (ALICE, _) => theirs.clone(),
            _ => ours.clone(),
        };
        assert_eq!(*told, expected, "{from} {what}");
    }
    let whats: Vec<_> = said.borrow().iter().map(|(_, what, _)| what.clone()).collect();
    assert_eq!(whats, ["INVITE", "100", "180", "200", "ACK", "OPTIONS", "BYE", "200", "200"]);
    let events = world.take(ALICE);
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::SessionId { uuid: told, .. } if *told == uuid(CALLEE)))
    );
    world.assert_idle();
}

#[test]
fn who_stands_behind_a_leg_may_change_and_its_far_end_is_told_with_the_next_message() {
    let mut world = World::new(2);
    let a = world.dial_with(calling());
    let b = world.incoming();
    let (bob, now) = world.bob();
    bob.set_session_id(b, uuid(CALLEE));
    bob.answer(now, b, Headers::new(), Bytes::from_static(b"v=0\r\n"));
    world.run_ms(100);
    world.take(ALICE);
    let (bob, now) = world.bob();
    bob.set_session_id(b, uuid(OTHER));
    bob.probe(now, b);
    world.run_ms(100);
    let told = world.take(ALICE);
    assert!(
        matches!(told[..], [Event::SessionId { leg, uuid: told }] if leg == a && told == uuid(OTHER)),
        "{told:?}"
    );
}

#[test]
fn a_cancel_is_named_as_its_invite_and_a_call_that_nobody_names_says_nothing() {
    let mut world = World::new(3);
    let said = listen(&mut world);
    let a = world.dial_with(calling());
    world.run_ms(100);
    let (alice, now) = world.alice();
    alice.cancel(now, a, Headers::new());
    world.run_out();
    let named = said.borrow().iter().filter(|(from, ..)| *from == ALICE).all(|(.., id)| id.is_some());
    assert!(named, "{:?}", said.borrow());
    let mut world = World::new(4);
    let said = listen(&mut world);
    world.connect();
    assert!(said.borrow().iter().all(|(.., id)| id.is_none()));
}
