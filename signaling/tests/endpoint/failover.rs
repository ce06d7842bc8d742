//! An INVITE whose URI leads to several servers (RFC 3263 §4.3): the first is the raw address, the second is Bob.

use baton_signaling::endpoint::{Event, Failure};
use baton_signaling::message::Headers;
use bytes::Bytes;

use crate::wire::{ALICE, BOB, World, flow, raw_flow};

const CONTACT: &str = "Contact: <sip:raw@127.0.0.9:5099>\n";

fn world(seed: u64) -> (World, baton_signaling::endpoint::Leg) {
    let mut world = World::new(seed);
    let leg = world.dial_through(raw_flow(ALICE), &[flow(ALICE, BOB)]);
    assert_eq!(world.raw.len(), 1, "only the first is asked");
    (world, leg)
}

/// The INVITE that has come to Bob, and his answer to it.
fn bob_answers(world: &mut World) -> baton_signaling::message::Request {
    let found = world.take(BOB).into_iter().find_map(|event| match event {
        Event::Incoming { leg, request, .. } => Some((leg, request)),
        _ => None,
    });
    let (leg, request) = found.expect("an INVITE has come to the second target");
    let (bob, now) = world.bob();
    bob.answer(now, leg, Headers::new(), Bytes::from_static(b"v=0\r\n"));
    world.run_ms(100);
    request
}

fn header<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).expect("the header").trim()
}

#[test]
fn after_503_the_same_call_goes_to_the_next_target_in_another_branch() {
    let (mut world, _) = world(1);
    let first = world.raw[0].clone();
    world.answer_raw(&first, "503 Service Unavailable", "");
    let second = bob_answers(&mut world);
    assert_eq!(world.names(ALICE), ["Answered"], "the owner sees one leg");
    assert!(world.raw[1].starts_with("ACK "), "the refusal is acknowledged where it came from");
    assert_eq!(header(&first, "Call-ID").as_bytes(), &second.headers.call_id().unwrap()[..]);
    assert_eq!(header(&first, "CSeq"), "1 INVITE");
    assert_eq!(second.headers.cseq().unwrap().number, 1, "§4.3: identical but for the branch");
    let branch = second.headers.via().unwrap().branch().unwrap();
    assert!(!first.contains(std::str::from_utf8(&branch).unwrap()));
    assert_eq!(second.headers.values(baton_signaling::message::Field::Via).count(), 1);
    assert_eq!(world.ends[ALICE].counters().failovers, 1);
}

#[test]
fn a_transport_error_leads_to_the_next_target_at_once() {
    let (mut world, _) = world(2);
    let (alice, now) = world.alice();
    alice.handle_transport_error(now, raw_flow(ALICE));
    world.run_ms(20);
    bob_answers(&mut world);
    assert_eq!(world.names(ALICE), ["Answered"]);
}

#[test]
fn a_target_that_says_nothing_for_a_second_is_left_and_not_wanted_when_it_wakes() {
    let (mut world, leg) = world(3);
    world.run_ms(900);
    assert!(world.names(BOB).is_empty());
    world.run_ms(200);
    bob_answers(&mut world);
    assert_eq!(world.names(ALICE), ["Answered"]);
    let first = world.raw[0].clone();
    world.raw.clear();
    world.answer_raw(&first, "180 Ringing", CONTACT);
    assert!(world.raw[0].starts_with("CANCEL "), "{:?}", world.raw);
    world.answer_raw(&first, "200 OK", CONTACT);
    let methods: Vec<&str> = world.raw.iter().filter_map(|text| text.split(' ').next()).collect();
    assert_eq!(methods, ["CANCEL", "ACK", "BYE"], "it had answered before the CANCEL came");
    assert!(world.names(ALICE).is_empty(), "none of it is the owner's concern");
    let (bye, ack) = (world.raw.pop().unwrap(), world.raw.pop().unwrap());
    world.answer_raw(&first, "200 OK", CONTACT);
    assert_eq!(world.raw.last(), Some(&ack), "its 200 is acknowledged as often as it comes");
    world.answer_raw(&bye, "200 OK", "");
    let (alice, now) = world.alice();
    alice.hang_up(now, leg, Headers::new());
    world.run_out();
    assert!(world.names(BOB).contains(&"Bye".to_owned()));
    world.assert_idle();
}

#[test]
fn who_has_said_something_is_waited_for() {
    let (mut world, _) = world(4);
    let first = world.raw[0].clone();
    world.answer_raw(&first, "100 Trying", "");
    world.run_ms(10_000);
    assert!(world.names(BOB).is_empty());
    world.answer_raw(&first, "200 OK", CONTACT);
    assert_eq!(world.names(ALICE), ["Answered"]);
}

#[test]
fn a_refusal_that_is_not_503_is_the_answer() {
    let (mut world, _) = world(5);
    let first = world.raw[0].clone();
    world.answer_raw(&first, "486 Busy Here", "");
    world.run_ms(3_000);
    assert!(world.names(BOB).is_empty());
    assert_eq!(world.names(ALICE), ["Refused"]);
    world.run_out();
    world.assert_idle();
}

#[test]
fn when_every_target_has_failed_the_owner_is_told_of_the_last() {
    let (mut world, _) = world(6);
    world.loses = Box::new(|from, _| from == BOB);
    let first = world.raw[0].clone();
    world.answer_raw(&first, "503 Service Unavailable", "");
    world.run_ms(40_000);
    let refused: Vec<Failure> = world
        .take(ALICE)
        .into_iter()
        .filter_map(|event| match event {
            Event::Refused { failure, .. } => Some(failure),
            _ => None,
        })
        .collect();
    assert_eq!(refused, [Failure::Timeout]);
}

#[test]
fn a_call_that_was_given_up_goes_nowhere_else() {
    let (mut world, leg) = world(7);
    let first = world.raw[0].clone();
    let (alice, now) = world.alice();
    alice.cancel(now, leg, Headers::new());
    world.answer_raw(&first, "503 Service Unavailable", "");
    world.run_ms(3_000);
    assert!(world.names(BOB).is_empty());
    world.run_out();
    world.assert_idle();
}
