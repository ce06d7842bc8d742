//! Passwords: an AI that asks us for ours, callers whom we ask for theirs, and those whom nobody listens to.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use std::collections::BTreeMap;
use std::time::Duration;

use baton_engine::call::EndReason;
use baton_engine::shard::{Challenge, Refusal, Unknown};
use baton_signaling::auth::{Algorithm, Credentials, Question, Secret, response};
use baton_signaling::message::header::{self, Authorization};
use baton_tests::phone::{Behaviour, Do, Pickup};
use baton_tests::sip::Text;
use baton_tests::world::{AI, CALLER, OTHER, SECOND, World, WorldBuilder};
use bytes::Bytes;

/// An AI's challenge, the weaker first.
const ASKED: &str = "WWW-Authenticate: Digest realm=\"poly\", nonce=\"n1\", qop=\"auth\", opaque=\"o\"\r\n\
                     WWW-Authenticate: Digest realm=\"poly\", nonce=\"n2\", qop=\"auth\", algorithm=SHA-256\r\n";

fn asking() -> Behaviour {
    Behaviour { pickup: Pickup::Refuse(401, Duration::ZERO, ASKED.into()), ..Behaviour::answers(SECOND) }
}

fn with_credentials(seed: u64) -> WorldBuilder {
    let mut builder = WorldBuilder::new(seed);
    let password = Secret::new("word");
    builder.admission.peers[0].credentials = Some(Credentials { username: "baton".into(), password });
    builder
}

fn read(text: &Text) -> Authorization {
    let value = text.header("Authorization").unwrap_or_else(|| panic!("no answer in {}", text.0));
    Authorization::parse(&Bytes::from(value.to_owned())).unwrap().unwrap()
}

/// What the answer should be.
fn expected(text: &Text, answer: &Authorization) -> String {
    let question = Question {
        algorithm: Algorithm::named(answer.algorithm.as_deref()).unwrap(),
        method: text.method().as_bytes(),
        uri: text.first_line().split(' ').nth(1).unwrap().as_bytes(),
        realm: &answer.realm,
        nonce: &answer.nonce,
        cnonce: answer.cnonce.as_deref().unwrap_or_default(),
        nc: answer.nc,
    };
    response(&question, b"baton", &Secret::new("word"))
}

#[test]
fn an_ai_that_asks_for_our_password_gets_it_and_the_caller_hears_no_difference() {
    let mut world = with_credentials(201).build();
    world.phone(AI).next.push_back(asking());
    world.with_ai();
    assert_eq!(world.calls_of(AI), 2);
    let invite = world.line(AI).invite().clone();
    let answer = read(&invite);
    assert_eq!((&answer.nonce[..], answer.algorithm.as_deref()), (&b"n2"[..], Some(&b"SHA-256"[..])));
    assert_eq!(answer.response, expected(&invite, &answer));
    world.act(CALLER, Do::HangUp(String::new()));
    world.run(SECOND);
    let bye = world.line(AI).first("BYE").expect("a BYE").text.clone();
    let answer = read(&bye);
    assert_eq!((answer.nc, answer.response.clone()), (Some(2), Bytes::from(expected(&bye, &answer))));
    world.finish();
}

#[test]
fn an_ai_that_refuses_our_password_is_our_fault_and_not_the_callers() {
    let mut builder = with_credentials(202);
    builder.flow().on_ai_failure = baton_engine::call::OnAiFailure::Reject;
    let mut world = builder.build();
    world.behave(AI, asking());
    world.call();
    world.run(3 * SECOND);
    assert_eq!(world.line(CALLER).status, Some(503));
    let world = world.finish();
    assert_eq!((world.calls_of(AI), world.record().end), (2, Some(EndReason::AiRefused)));
}

/// A world whose callers are asked for a password; from `from`, or from anywhere.
fn asked(seed: u64, anywhere: bool) -> WorldBuilder {
    let mut builder = WorldBuilder::new(seed);
    let users = BTreeMap::from([("baton".to_owned(), Secret::new("word"))]);
    let peer = &mut builder.admission.peers[1];
    peer.challenge = Some(Challenge { realm: "home".into(), users, md5_only: false });
    if anywhere {
        peer.from.clear();
    }
    builder
}

/// The answer to the challenge that the caller got last, for its next INVITE.
fn answer(world: &World, who: baton_tests::world::Who, password: &str) -> String {
    let refused = world.line(who).first("401 INVITE").expect("a challenge").text.clone();
    let values: Vec<&str> = refused.headers("WWW-Authenticate").collect();
    assert!(values.len() == 2 && values[0].contains("SHA-256") && values[1].contains("MD5"), "{values:?}");
    let challenge = header::Challenge::parse(&Bytes::from(values[0].to_owned())).unwrap().unwrap();
    let uri = refused.header("To").unwrap();
    let question = Question {
        algorithm: Algorithm::SHA256,
        method: b"INVITE",
        uri: uri.as_bytes(),
        realm: b"home",
        nonce: &challenge.nonce,
        cnonce: b"c",
        nc: Some(1),
    };
    let answer = Authorization {
        username: "baton".into(),
        realm: "home".into(),
        nonce: challenge.nonce.clone(),
        uri: uri.to_owned().into(),
        response: response(&question, b"baton", &Secret::new(password)).into(),
        algorithm: Some("SHA-256".into()),
        cnonce: Some("c".into()),
        opaque: None,
        qop: Some("auth".into()),
        nc: Some(1),
    };
    format!("Authorization: {}\r\n", String::from_utf8_lossy(&answer.to_bytes()))
}

#[test]
fn a_caller_comes_in_by_password_and_what_follows_needs_none() {
    for (seed, anywhere) in [(203, false), (204, true)] {
        let mut world = asked(seed, anywhere).build();
        world.call();
        world.run(SECOND);
        assert_eq!((world.line(CALLER).status, world.calls_of(AI)), (Some(401), 0));
        let answer = answer(&world, CALLER, "word");
        world.call_from(CALLER, "1000", &answer);
        world.run(2 * SECOND);
        world.assert_talk(CALLER, AI);
        assert!(!world.line(AI).invite().0.contains("Authorization"), "it is for us alone");
        world.hand_over("snapcall_agents", "");
        world.run(3 * SECOND);
        world.assert_talk(CALLER, baton_tests::world::ANN);
        // The same answer once more, in another call: the count has not risen.
        world.call_from(OTHER, "1000", &answer);
        world.run(SECOND);
        let again = world.line(OTHER).first("401 INVITE").expect("a challenge").text.clone();
        assert!(again.header("WWW-Authenticate").unwrap().contains("stale=true"), "{}", again.0);
        world.act(CALLER, Do::HangUp(String::new()));
        let world = world.finish();
        let counts = world.node.gate.guard_counts(world.now);
        assert_eq!((counts.challenged, counts.genuine, counts.stale, counts.wrong), (2, 1, 1, 0));
    }
}

#[test]
fn who_guesses_is_refused_and_then_not_heard_but_the_peers_address_is_never_banned() {
    for (seed, anywhere) in [(205, true), (206, false)] {
        let mut world = asked(seed, anywhere).build();
        world.call();
        world.run(SECOND);
        for attempt in 1..=5 {
            let guess = answer(&world, CALLER, "sword");
            world.call_from(CALLER, "1000", &guess);
            world.run(SECOND);
            let expected = if attempt < 5 { 401 } else { 403 };
            assert_eq!(world.line(CALLER).status, Some(expected), "{attempt}");
        }
        world.call();
        world.run(SECOND);
        let status = (!anywhere).then_some(403);
        assert_eq!(world.line(CALLER).status, status);
        let counts = world.node.gate.guard_counts(world.now);
        assert_eq!((counts.wrong, counts.bans, counts.banned), (5, [0, 1, 0], 1));
        assert_eq!(counts.ignored > 0, anywhere);
        let refused = world.node.stats(world.now).refused[Refusal::Password as usize];
        assert_eq!(refused, if anywhere { 1 } else { 2 });
        // When the ban is over the right password is good.
        world.run(300 * SECOND);
        world.call();
        world.run(SECOND);
        let answer = answer(&world, CALLER, "word");
        world.call_from(CALLER, "1000", &answer);
        world.run(2 * SECOND);
        world.assert_talk(CALLER, AI);
        world.act(CALLER, Do::HangUp(String::new()));
        world.finish();
    }
}

#[test]
fn strangers_get_nothing_where_silence_is_wanted() {
    let mut builder = WorldBuilder::new(207);
    builder.admission.peers.truncate(1);
    builder.admission.unknown = Unknown::Silence;
    let mut world = builder.build();
    world.call();
    world.run(40 * SECOND);
    let heard = world.line(CALLER).said.iter().filter(|said| !said.sent).count();
    assert_eq!((heard, world.line(CALLER).status), (0, None));
    assert!(world.node.gate.guard_counts(world.now).ignored > 1, "each time it was sent");
}

#[test]
fn a_scanner_is_not_answered_even_when_it_changes_its_name() {
    let mut builder = WorldBuilder::new(208);
    builder.admission.peers.truncate(1);
    let mut world = builder.build();
    for agent in ["friendly-scanner", "Telephone"] {
        world.call_from(CALLER, "1000", &format!("User-Agent: {agent}\r\n"));
        world.run(SECOND);
        assert_eq!(world.line(CALLER).status, None, "{agent}");
    }
    world.call_from(OTHER, "1000", "User-Agent: Telephone\r\n");
    world.run(SECOND);
    assert_eq!(world.line(OTHER).status, Some(403), "another address");
    assert_eq!(world.node.gate.guard_counts(world.now).bans, [1, 0, 0]);
}
