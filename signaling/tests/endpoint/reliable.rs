//! Provisional responses that are acknowledged (RFC 3262), and the early dialogs that they make, several of one INVITE.

use baton_signaling::endpoint::{Event, Failure, Leg};
use baton_signaling::message::Headers;
use bytes::Bytes;

use crate::wire::{ALICE, BOB, RAW, World};

const CONTACT: &str = "Contact: <sip:raw@127.0.0.9:5099>\n";
const SDP: &str = "v=0\no=- 1 1 IN IP4 127.0.0.9\ns=-\n";

/// Header lines of a reliable response.
fn rseq(number: u32) -> String {
    format!("{CONTACT}Require: 100rel\nRSeq: {number}\n")
}

fn header<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).trim()
}

/// The requests of this method that have reached the raw address.
fn requests(world: &World, method: &str) -> Vec<String> {
    world.raw.iter().filter(|text| text.starts_with(method)).cloned().collect()
}

/// The raw address calls Bob and requires reliable responses, with this body; his leg.
fn call_bob(world: &mut World, body: &str) -> Leg {
    let length = body.replace('\n', "\r\n").len();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\n" };
    world.inject(
        BOB,
        &format!(
            "INVITE sip:bob@127.0.0.2 SIP/2.0\nVia: SIP/2.0/UDP {RAW};branch=z9hG4bK1\nMax-Forwards: 70\n\
             From: <sip:raw@127.0.0.9>;tag=raw\nTo: <sip:bob@127.0.0.2>\nCall-ID: raw-call\nCSeq: 7 INVITE\n{CONTACT}\
             Require: 100rel\n{kind}Content-Length: {length}\n\n{body}"
        ),
    );
    world.incoming()
}

/// PRACK of the raw address to Bob's response.
fn prack(world: &mut World, branch: &str, to: &str, cseq: u32, rack: &str) {
    world.inject(
        BOB,
        &format!(
            "PRACK sip:bob@127.0.0.2 SIP/2.0\nVia: SIP/2.0/UDP {RAW};branch=z9hG4bK{branch}\nMax-Forwards: 70\n\
             From: <sip:raw@127.0.0.9>;tag=raw\nTo: {to}\nCall-ID: raw-call\nCSeq: {cseq} PRACK\nRAck: {rack}\n\
             Content-Length: 0\n\n"
        ),
    );
}

fn ring(world: &mut World, leg: Leg, status: u16) {
    let (bob, now) = world.bob();
    bob.progress(now, leg, status, Headers::new(), Bytes::new());
    world.run_ms(20);
}

#[test]
fn a_reliable_ringing_is_acknowledged_once_and_in_order() {
    let mut world = World::new(1);
    let invite = world.raw_invite_with(Headers::new());
    assert!(header(&invite, "Supported").contains("100rel"));
    world.answer_raw(&invite, "180 Ringing", &rseq(900));
    let pracks = requests(&world, "PRACK");
    assert_eq!(pracks.len(), 1);
    assert_eq!(header(&pracks[0], "RAck"), "900 1 INVITE");
    assert_eq!(header(&pracks[0], "CSeq"), "2 PRACK");
    assert!(header(&pracks[0], "To").ends_with(";tag=raw"));
    world.answer_raw(&pracks[0], "200 OK", "");
    assert_eq!(world.names(ALICE), ["Progress"]);
    // The same again, and one that skips a number.
    world.answer_raw(&invite, "180 Ringing", &rseq(900));
    world.answer_raw(&invite, "183 Progress", &rseq(902));
    assert!(world.names(ALICE).is_empty());
    world.answer_raw(&invite, "183 Progress", &rseq(901));
    assert_eq!(world.names(ALICE), ["Progress"]);
    let pracks = requests(&world, "PRACK");
    assert_eq!((pracks.len(), header(&pracks[1], "RAck")), (2, "901 1 INVITE"));
}

#[test]
fn a_prack_without_an_answer_is_sent_again() {
    let mut world = World::new(2);
    let invite = world.raw_invite_with(Headers::new());
    world.answer_raw(&invite, "180 Ringing", &rseq(1));
    world.run_ms(4_000);
    assert_eq!(requests(&world, "PRACK").len(), 4);
}

#[test]
fn the_description_of_a_reliable_response_is_the_answer_of_a_2xx_without_one() {
    let mut world = World::new(3);
    let invite = world.raw_invite_with(Headers::new());
    let headers = format!("{}Content-Type: application/sdp\n", rseq(5));
    world.answer_raw_as("raw", &invite, "183 Session Progress", &headers, SDP);
    let prack = requests(&world, "PRACK").remove(0);
    world.answer_raw(&prack, "200 OK", "");
    world.take(ALICE);
    world.answer_raw(&invite, "200 OK", CONTACT);
    let answered = world.take(ALICE).into_iter().find_map(|event| match event {
        Event::Answered { response, .. } => Some(response),
        _ => None,
    });
    let answered = answered.expect("an answer");
    assert_eq!(answered.body, SDP.replace('\n', "\r\n"));
    assert_eq!(answered.headers.first("Content-Type").unwrap(), "application/sdp");
}

#[test]
fn each_fork_has_its_early_dialog_and_a_late_one_is_acknowledged_and_ended_in_it() {
    let mut world = World::new(4);
    let invite = world.raw_invite_with(Headers::new());
    for tag in ["one", "two"] {
        world.answer_raw_as(tag, &invite, "180 Ringing", &rseq(if tag == "one" { 10 } else { 500 }), "");
    }
    let pracks = requests(&world, "PRACK");
    let told: Vec<_> = pracks.iter().map(|text| (header(text, "RAck"), header(text, "CSeq"))).collect();
    assert_eq!(told, [("10 1 INVITE", "2 PRACK"), ("500 1 INVITE", "2 PRACK")]);
    for (prack, tag) in pracks.iter().zip(["one", "two"]) {
        assert!(header(prack, "To").ends_with(&format!(";tag={tag}")));
        world.answer_raw(prack, "200 OK", "");
    }
    world.answer_raw_as("two", &invite, "200 OK", CONTACT, "");
    world.answer_raw_as("one", &invite, "200 OK", CONTACT, "");
    let acks = requests(&world, "ACK");
    let tags: Vec<_> = acks.iter().map(|text| header(text, "To").rsplit("tag=").next().unwrap()).collect();
    assert_eq!(tags, ["two", "one"]);
    let byes = requests(&world, "BYE");
    assert_eq!(byes.len(), 1);
    assert!(header(&byes[0], "To").ends_with(";tag=one"));
    // RFC 3261 §12.2.1.1: above the PRACK in the same dialog.
    assert_eq!(header(&byes[0], "CSeq"), "3 BYE");
    assert_eq!(world.ends[ALICE].counters().forks_ended, 1);
}

#[test]
fn more_forks_than_a_proxy_has_phones_are_not_kept() {
    let mut world = World::new(5);
    let invite = world.raw_invite_with(Headers::new());
    for fork in 0..40 {
        world.answer_raw_as(&format!("t{fork}"), &invite, "180 Ringing", &rseq(1), "");
    }
    let tags: std::collections::BTreeSet<String> =
        requests(&world, "PRACK").iter().map(|text| header(text, "To").to_owned()).collect();
    assert_eq!(tags.len(), baton_signaling::limits::EARLY_DIALOGS);
}

#[test]
fn an_update_in_an_early_dialog_moves_its_target() {
    let mut world = World::new(6);
    let invite = world.raw_invite_with(Headers::new());
    world.answer_raw(&invite, "180 Ringing", &rseq(1));
    let (from, call_id) = (header(&invite, "From").to_owned(), header(&invite, "Call-ID").to_owned());
    world.inject(
        ALICE,
        &format!(
            "UPDATE sip:alice@127.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP {RAW};branch=z9hG4bKu\nMax-Forwards: 70\n\
             From: <sip:bob@127.0.0.2>;tag=raw\nTo: {from}\nCall-ID: {call_id}\nCSeq: 1 UPDATE\n\
             Contact: <sip:moved@127.0.0.9:5099>\nContent-Length: 0\n\n"
        ),
    );
    assert_eq!(world.status(), 200);
    world.answer_raw(&invite, "183 Progress", &rseq(2));
    assert!(requests(&world, "PRACK").last().unwrap().starts_with("PRACK sip:moved@127.0.0.9:5099 "));
}

/// The raw address describes its session in an answer to Alice's INVITE.
fn describe_raw(world: &mut World, invite: &str, status: &str, headers: &str) {
    let headers = format!("{headers}Content-Type: application/sdp\n");
    world.answer_raw_as("raw", invite, status, &headers, SDP);
}

/// UPDATE of the raw address, in its early dialog with Alice, with an offer.
fn offer_early(world: &mut World, invite: &str, tag: &str, branch: &str, cseq: u32) {
    let (from, call_id) = (header(invite, "From").to_owned(), header(invite, "Call-ID").to_owned());
    world.inject(
        ALICE,
        &format!(
            "UPDATE sip:alice@127.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP {RAW};branch=z9hG4bK{branch}\nMax-Forwards: 70\n\
             From: <sip:bob@127.0.0.2>;tag={tag}\nTo: {from}\nCall-ID: {call_id}\nCSeq: {cseq} UPDATE\n\
             Contact: <sip:moved@127.0.0.9:5099>\nContent-Type: application/sdp\nContent-Length: {}\n\n{SDP}",
            SDP.replace('\n', "\r\n").len()
        ),
    );
}

#[test]
fn an_early_offer_before_ours_has_its_answer_is_a_glare() {
    let mut world = World::new(11);
    let invite = world.raw_invite_with(Headers::new());
    // An answer that nobody acknowledges may be taken back: it is none yet.
    describe_raw(&mut world, &invite, "183 Progress", CONTACT);
    world.take(ALICE);
    offer_early(&mut world, &invite, "raw", "u", 1);
    assert_eq!(world.status(), 491);
    assert!(world.names(ALICE).is_empty());
}

#[test]
fn an_early_offer_after_a_reliable_answer_is_the_owners_and_what_it_agrees_on_stands() {
    let mut world = World::new(12);
    let invite = world.raw_invite_with(Headers::new());
    describe_raw(&mut world, &invite, "183 Progress", &rseq(1));
    world.take(ALICE);
    offer_early(&mut world, &invite, "raw", "u", 1);
    let Some(Event::Offer { key, request, .. }) = world.take(ALICE).pop() else { panic!("no offer") };
    assert!(!request.body.is_empty());
    offer_early(&mut world, &invite, "raw", "v", 2);
    assert_eq!(world.status(), 500, "one at a time");
    let (alice, now) = world.alice();
    alice.respond(now, key, 200, "", Headers::new(), Bytes::from_static(b"v=0\r\n"));
    world.run_ms(20);
    let answer = world.raw.last().unwrap().clone();
    assert!(answer.starts_with("SIP/2.0 200") && answer.ends_with("v=0\r\n"), "{answer}");
    // Its 2xx describes what the UPDATE has done away with.
    describe_raw(&mut world, &invite, "200 OK", CONTACT);
    let Some(Event::Answered { response, .. }) = world.take(ALICE).pop() else { panic!("no answer") };
    assert!(response.body.is_empty());
    assert!(requests(&world, "ACK").last().unwrap().starts_with("ACK sip:raw@"), "the 2xx moves it back");
}

#[test]
fn an_early_offer_of_one_of_several_phones_waits() {
    let mut world = World::new(13);
    let invite = world.raw_invite_with(Headers::new());
    describe_raw(&mut world, &invite, "183 Progress", &rseq(1));
    world.answer_raw_as("other", &invite, "180 Ringing", CONTACT, "");
    world.take(ALICE);
    offer_early(&mut world, &invite, "raw", "u", 1);
    assert_eq!(world.status(), 500);
}

/// Bob answers in a provisional response; its text.
fn describe(world: &mut World, leg: Leg) -> String {
    let (bob, now) = world.bob();
    bob.progress(now, leg, 183, Headers::new(), Bytes::from_static(b"v=0\r\n"));
    world.run_ms(20);
    world.raw.last().unwrap().clone()
}

#[test]
fn an_answer_waits_for_the_acknowledgement_of_its_description_and_does_not_repeat_it() {
    let mut world = World::new(14);
    let leg = call_bob(&mut world, SDP);
    let progress = describe(&mut world, leg);
    let (number, to) = (header(&progress, "RSeq").to_owned(), header(&progress, "To").to_owned());
    let (bob, now) = world.bob();
    bob.answer(now, leg, Headers::new(), Bytes::from_static(b"v=0\r\n"));
    world.run_ms(20);
    assert!(requests(&world, "SIP/2.0 200").is_empty(), "RFC 3262 §3");
    prack(&mut world, "2", &to, 8, &format!("{number} 7 INVITE"));
    world.run_ms(20);
    let answers = requests(&world, "SIP/2.0 200");
    let invite = answers.iter().find(|text| header(text, "CSeq") == "7 INVITE").expect("the answer");
    assert!(invite.ends_with("\r\n\r\n"), "{invite}");
}

#[test]
fn a_caller_may_offer_anew_once_it_has_acknowledged_an_answer() {
    let mut world = World::new(15);
    let leg = call_bob(&mut world, SDP);
    let update = |world: &mut World, branch: &str, to: &str, cseq: u32| {
        world.inject(
            BOB,
            &format!(
                "UPDATE sip:bob@127.0.0.2 SIP/2.0\nVia: SIP/2.0/UDP {RAW};branch=z9hG4bK{branch}\nMax-Forwards: 70\n\
                 From: <sip:raw@127.0.0.9>;tag=raw\nTo: {to}\nCall-ID: raw-call\nCSeq: {cseq} UPDATE\n{CONTACT}\
                 Content-Type: application/sdp\nContent-Length: {}\n\n{SDP}",
                SDP.replace('\n', "\r\n").len()
            ),
        );
    };
    let progress = describe(&mut world, leg);
    let (number, to) = (header(&progress, "RSeq").to_owned(), header(&progress, "To").to_owned());
    update(&mut world, "2", &to, 8);
    assert_eq!(world.status(), 500, "its first offer has no answer that it has acknowledged");
    prack(&mut world, "3", &to, 9, &format!("{number} 7 INVITE"));
    assert_eq!(world.status(), 200);
    update(&mut world, "4", &to, 10);
    let Some(Event::Offer { key, .. }) = world.take(BOB).pop() else { panic!("no offer") };
    let (bob, now) = world.bob();
    bob.respond(now, key, 200, "", Headers::new(), Bytes::from_static(b"v=0\r\n"));
    world.run_ms(20);
    assert_eq!(world.status(), 200);
}

#[test]
fn a_caller_that_requires_it_is_rung_until_it_acknowledges() {
    let mut world = World::new(7);
    let leg = call_bob(&mut world, SDP);
    let start = world.now;
    ring(&mut world, leg, 180);
    ring(&mut world, leg, 183);
    world.run_until(start + std::time::Duration::from_millis(3_600));
    let rung = requests(&world, "SIP/2.0 180");
    // At once, and 0.5, 1.5 and 3.5 s later.
    assert_eq!((rung.len(), requests(&world, "SIP/2.0 183").len()), (4, 0));
    assert!(rung.iter().all(|text| text == &rung[0]) && header(&rung[0], "Require") == "100rel");
    let number: u32 = header(&rung[0], "RSeq").parse().unwrap();
    let to = header(&rung[0], "To").to_owned();
    prack(&mut world, "2", &to, 8, &format!("{} 7 INVITE", number + 1));
    assert_eq!(world.status(), 481);
    prack(&mut world, "3", &to, 9, &format!("{number} 7 INVITE"));
    // What waited follows the PRACK's 200, with the next number.
    let waited = requests(&world, "SIP/2.0 183");
    assert_eq!(header(&waited[0], "RSeq"), (number + 1).to_string());
    prack(&mut world, "4", &to, 10, &format!("{} 7 INVITE", number + 1));
    assert_eq!(world.status(), 200);
    let before = world.raw.len();
    world.run_ms(60_000);
    assert_eq!(world.raw.len(), before);
    let (bob, now) = world.bob();
    bob.answer(now, leg, Headers::new(), Bytes::from_static(b"v=0\r\n"));
    world.run_ms(20);
    assert!(world.raw.last().unwrap().starts_with("SIP/2.0 200"));
}

#[test]
fn a_caller_that_never_acknowledges_is_refused_after_32_s() {
    let mut world = World::new(8);
    let leg = call_bob(&mut world, SDP);
    ring(&mut world, leg, 180);
    world.run_ms(31_900);
    assert!(world.names(BOB).is_empty());
    world.run_ms(200);
    assert_eq!(world.take(BOB), [Event::Gone { leg, failure: Failure::Timeout }]);
    assert_eq!(world.status(), 504);
    // At once and 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s later.
    assert_eq!(requests(&world, "SIP/2.0 180").len(), 7);
    world.run_out();
    world.assert_idle();
}

#[test]
fn an_answer_ends_the_ringing_that_nobody_acknowledged() {
    let mut world = World::new(9);
    let leg = call_bob(&mut world, SDP);
    ring(&mut world, leg, 180);
    let (bob, now) = world.bob();
    bob.answer(now, leg, Headers::new(), Bytes::from_static(b"v=0\r\n"));
    world.run_ms(10_000);
    assert_eq!(requests(&world, "SIP/2.0 180").len(), 1);
}

#[test]
fn a_caller_without_an_offer_is_answered_unannounced() {
    let mut world = World::new(10);
    let leg = call_bob(&mut world, "");
    ring(&mut world, leg, 180);
    assert!(requests(&world, "SIP/2.0 180").is_empty());
    let (bob, now) = world.bob();
    bob.answer(now, leg, Headers::new(), Bytes::from_static(b"v=0\r\n"));
    world.run_ms(20);
    assert!(world.raw.last().unwrap().starts_with("SIP/2.0 200"));
}
