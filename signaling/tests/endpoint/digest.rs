//! Challenged requests (RFC 3261 §22): Alice has credentials, Bob's owner asks for them.

use baton_signaling::auth::{Credentials, Doorkeeper, Secret, Verdict};
use baton_signaling::endpoint::{Event, Failure, Invite, Leg};
use baton_signaling::message::header::Authorization;
use baton_signaling::message::{Field, Headers, Method, Request};
use bytes::Bytes;

use crate::wire::{ALICE, BOB, World, flow, raw_flow};

const REALM: &str = "bob.example";
const RIGHT: &str = "word";

/// Bob's door, and the wire.
struct Door {
    world: World,
    keeper: Doorkeeper,
}

impl Door {
    fn new(seed: u64) -> Self {
        Self { world: World::new(seed), keeper: Doorkeeper::new([3; 32]) }
    }

    /// Alice calls with a password; her leg.
    fn dial(&mut self, password: Option<&str>) -> Leg {
        let credentials =
            |password| Credentials { username: "alice".into(), password: Secret::new(password) };
        let invite = Invite {
            uri: Bytes::from("sip:bob@127.0.0.2:5060"),
            from: Bytes::from("<sip:alice@127.0.0.1>"),
            flow: flow(ALICE, BOB),
            others: Vec::new(),
            headers: Headers::new(),
            body: Bytes::from_static(b"v=0\r\n"),
            credentials: password.map(credentials),
        };
        let (alice, now) = self.world.alice();
        alice.invite(now, invite)
    }

    /// The INVITE that has come to Bob.
    fn incoming(&mut self) -> (Leg, Request) {
        self.world.run_ms(50);
        let found = self.world.take(BOB).into_iter().find_map(|event| match event {
            Event::Incoming { leg, request, .. } => Some((leg, request)),
            _ => None,
        });
        found.expect("an INVITE has come")
    }

    fn challenge(&mut self, stale: bool) -> Headers {
        let mut headers = Headers::new();
        for value in self.keeper.challenge(self.world.now, REALM, stale) {
            headers.push(Field::WwwAuthenticate, value);
        }
        headers
    }

    fn reject(&mut self, leg: Leg, stale: bool) {
        let headers = self.challenge(stale);
        let (bob, now) = self.world.bob();
        bob.reject(now, leg, 401, "", headers);
    }

    fn judge(&mut self, request: &Request) -> Option<Verdict> {
        let answer = Authorization::parse(request.headers.value(Field::Authorization)?).unwrap().unwrap();
        let now = self.world.now;
        Some(self.keeper.judge(now, request.method.as_bytes(), &answer, Some(&Secret::new(RIGHT))))
    }

    /// Alice has been challenged once and is connected; both legs.
    fn connected(&mut self) -> (Leg, Leg) {
        let a = self.dial(Some(RIGHT));
        let (refused, _) = self.incoming();
        self.reject(refused, false);
        let (b, request) = self.incoming();
        assert_eq!(self.judge(&request), Some(Verdict::Genuine));
        let (bob, now) = self.world.bob();
        bob.answer(now, b, Headers::new(), Bytes::from_static(b"v=0\r\n"));
        self.world.run_ms(100);
        assert_eq!(self.world.names(ALICE), ["Answered"], "the owner knows of no challenge");
        (a, b)
    }
}

fn cseq(request: &Request) -> u32 {
    request.headers.cseq().unwrap().number
}

#[test]
fn a_challenged_invite_is_sent_again_in_the_same_call() {
    let mut door = Door::new(1);
    let alice = door.dial(Some(RIGHT));
    let (leg, first) = door.incoming();
    door.reject(leg, false);
    let (leg, second) = door.incoming();
    assert_eq!(door.judge(&first), None);
    assert_eq!(door.judge(&second), Some(Verdict::Genuine));
    // §22.2: the same Call-ID, From and To, the next CSeq; another transaction.
    for field in [Field::CallId, Field::From, Field::To, Field::Contact] {
        assert_eq!(first.headers.value(field), second.headers.value(field), "{field}");
    }
    assert_eq!((cseq(&first), cseq(&second)), (1, 2));
    assert_ne!(first.headers.via().unwrap().branch(), second.headers.via().unwrap().branch());
    assert_eq!((first.body, second.headers.values(Field::Via).count()), (second.body, 1));
    let (bob, now) = door.world.bob();
    bob.answer(now, leg, Headers::new(), Bytes::from_static(b"v=0\r\n"));
    door.world.run_ms(100);
    let acked = door.world.take(BOB).into_iter().find_map(|event| match event {
        Event::Acked { request, .. } => Some(request),
        _ => None,
    });
    let ack = acked.expect("Bob has the ACK");
    assert_eq!(ack.headers.value(Field::Authorization), second.headers.value(Field::Authorization), "§22.1");
    assert_eq!(door.world.names(ALICE), ["Answered"]);
    let (end, now) = door.world.alice();
    assert_eq!(end.counters().challenges_answered, 1);
    end.hang_up(now, alice, Headers::new());
    door.world.run_ms(50);
    let bye = door.world.take(BOB).into_iter().find_map(|event| match event {
        Event::Bye { request, .. } => Some(request),
        _ => None,
    });
    let bye = bye.expect("Bob has the BYE");
    assert_eq!((cseq(&bye), door.judge(&bye)), (3, Some(Verdict::Genuine)));
    door.world.run_out();
    door.world.assert_idle();
}

#[test]
fn a_wrong_password_is_tried_once_and_then_refused() {
    let mut door = Door::new(2);
    let leg = door.dial(Some("sword"));
    for _ in 0..2 {
        let (refused, _) = door.incoming();
        door.reject(refused, false);
    }
    door.world.run_ms(50);
    match &door.world.take(ALICE)[..] {
        [Event::Refused { leg: of, failure: Failure::Status(401), .. }] => assert_eq!(*of, leg),
        other => panic!("{other:?}"),
    }
    let counters = door.world.ends[ALICE].counters();
    assert_eq!((counters.challenges_answered, counters.challenges_failed), (1, 1));
    door.world.run_out();
    door.world.assert_idle();
}

#[test]
fn a_stale_nonce_is_answered_anew() {
    let mut door = Door::new(3);
    door.dial(Some(RIGHT));
    for stale in [false, true] {
        let (refused, _) = door.incoming();
        door.reject(refused, stale);
    }
    let (leg, third) = door.incoming();
    assert_eq!((cseq(&third), door.judge(&third)), (3, Some(Verdict::Genuine)));
    door.reject(leg, true);
    door.world.run_ms(50);
    assert_eq!(door.world.names(ALICE), ["Refused"], "no third time");
}

#[test]
fn without_credentials_a_challenge_is_a_refusal() {
    let mut door = Door::new(4);
    door.dial(None);
    let (refused, _) = door.incoming();
    door.reject(refused, false);
    door.world.run_ms(50);
    assert_eq!(door.world.names(ALICE), ["Refused"]);
    door.world.run_out();
    door.world.assert_idle();
}

#[test]
fn an_invite_that_was_given_up_is_not_sent_again() {
    let mut door = Door::new(5);
    let leg = door.dial(Some(RIGHT));
    let (refused, _) = door.incoming();
    let (alice, now) = door.world.alice();
    alice.cancel(now, leg, Headers::new());
    door.reject(refused, false);
    door.world.run_out();
    assert_eq!(door.world.count_sent(ALICE, "INVITE"), 1);
    door.world.assert_idle();
}

#[test]
fn requests_in_the_dialog_carry_the_answer_and_are_sent_again_if_challenged_anew() {
    let mut door = Door::new(6);
    let (a, _) = door.connected();
    door.world.take(BOB);
    let (alice, now) = door.world.alice();
    let key = alice.request(now, a, Method::Refer, referring(), Bytes::new());
    let (asked, refer) = waiting(&mut door);
    assert_eq!(door.judge(&refer), Some(Verdict::Genuine), "the count has gone on");
    let headers = door.challenge(false);
    let (bob, now) = door.world.bob();
    bob.respond(now, asked, 401, "", headers, Bytes::new());
    let (asked, again) = waiting(&mut door);
    assert_eq!((door.judge(&again), cseq(&again)), (Some(Verdict::Genuine), cseq(&refer) + 1));
    let (bob, now) = door.world.bob();
    bob.respond(now, asked, 202, "", Headers::new(), Bytes::new());
    door.world.run_ms(50);
    let told = door.world.take(ALICE);
    let replied =
        |event: &&Event| matches!(event, Event::Replied { key: of, result: Ok(_), .. } if *of == key);
    assert_eq!(told.iter().filter(replied).count(), 1, "{told:?}");
    assert!(told.iter().any(|event| matches!(event, Event::Notify { .. })), "{told:?}");
}

#[test]
fn a_challenged_reinvite_is_sent_again() {
    let mut door = Door::new(7);
    let (a, _) = door.connected();
    door.world.take(BOB);
    let (alice, now) = door.world.alice();
    alice.reinvite(now, a, Headers::new(), Bytes::from_static(b"v=0\r\nmore\r\n"));
    let (asked, first) = waiting(&mut door);
    let headers = door.challenge(true);
    let (bob, now) = door.world.bob();
    bob.respond(now, asked, 401, "", headers, Bytes::new());
    let (asked, second) = waiting(&mut door);
    assert_eq!((door.judge(&second), cseq(&second)), (Some(Verdict::Genuine), cseq(&first) + 1));
    assert_eq!(first.body, second.body);
    let (bob, now) = door.world.bob();
    bob.respond(now, asked, 200, "", Headers::new(), Bytes::from_static(b"v=0\r\n"));
    door.world.run_ms(50);
    assert_eq!(door.world.names(ALICE), ["Reanswered"]);
    let (alice, now) = door.world.alice();
    alice.hang_up(now, a, Headers::new());
    door.world.run_out();
    door.world.assert_idle();
}

#[test]
fn a_callee_answers_its_callers_challenge_with_the_credentials_it_was_given() {
    let mut door = Door::new(8);
    let a = door.dial(None);
    let (b, _) = door.incoming();
    let (bob, now) = door.world.bob();
    let password = Secret::new(RIGHT);
    bob.set_credentials(b, Some(Credentials { username: "bob".into(), password }));
    bob.answer(now, b, Headers::new(), Bytes::from_static(b"v=0\r\n"));
    door.world.run_ms(100);
    let (bob, now) = door.world.bob();
    bob.info(now, b, "text/plain", Bytes::from_static(b"x"));
    door.world.run_ms(50);
    let key = door.world.asked(ALICE);
    let headers = door.challenge(false);
    let (alice, now) = door.world.alice();
    alice.respond(now, key, 407, "", headers, Bytes::new());
    door.world.run_ms(50);
    let key = door.world.asked(ALICE);
    let (alice, now) = door.world.alice();
    alice.respond(now, key, 200, "", Headers::new(), Bytes::new());
    door.world.run_ms(50);
    assert!(door.world.names(BOB).contains(&"Replied".to_owned()));
    assert_eq!(door.world.count_sent(BOB, "INFO"), 2);
    let (alice, now) = door.world.alice();
    alice.hang_up(now, a, Headers::new());
    door.world.run_out();
    door.world.assert_idle();
}

fn referring() -> Headers {
    let mut headers = Headers::new();
    headers.push("Refer-To", "<sip:desk@127.0.0.3>");
    headers
}

/// The request that waits for Bob's owner.
fn waiting(door: &mut Door) -> (baton_signaling::endpoint::RequestKey, Request) {
    door.world.run_ms(50);
    let found = door.world.take(BOB).into_iter().find_map(|event| match event {
        Event::Offer { key, request, .. } | Event::Refer { key, request, .. } => Some((key, request)),
        _ => None,
    });
    found.expect("a request waits")
}

#[test]
fn a_challenged_prack_is_sent_again_with_the_answer() {
    let mut world = World::new(12);
    let credentials = Some(Credentials { username: "alice".into(), password: Secret::new(RIGHT) });
    let invite = Invite { credentials, ..World::invite(raw_flow(ALICE), Headers::new()) };
    let (alice, now) = world.alice();
    alice.invite(now, invite);
    world.run_ms(20);
    let invite = world.raw.remove(0);
    let reliable = "Contact: <sip:raw@127.0.0.9:5099>\nRequire: 100rel\nRSeq: 7\n";
    world.answer_raw(&invite, "180 Ringing", reliable);
    let first = world.raw.remove(0);
    assert!(first.starts_with("PRACK ") && !first.contains("Authorization"));
    let challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"\n";
    world.answer_raw(&first, "401 Unauthorized", challenge);
    let second = world.raw.remove(0);
    assert!(second.starts_with("PRACK ") && second.contains("Authorization: Digest username=\"alice\""));
    assert!(first.contains("CSeq: 2 PRACK") && second.contains("CSeq: 3 PRACK"), "{second}");
    assert!(second.contains("RAck: 7 1 INVITE"));
}
