//! A peer that speaks text, so that no bug of our own writer hides one of our reader: what is refused, and how.

use baton_signaling::endpoint::{Event, Leg};
use baton_signaling::message::Headers;
use bytes::Bytes;

use crate::wire::{BOB, World};

const SDP: &str = "v=0\no=- 1 1 IN IP4 127.0.0.9\ns=-\n";

/// A request from the raw address: its method, branch, To tag, CSeq, further headers, body.
fn request(method: &str, branch: &str, tag: &str, cseq: u32, more: &str, body: &str) -> String {
    let to = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    let length = body.replace('\n', "\r\n").len();
    format!(
        "{method} sip:bob@127.0.0.2 SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.9:5099;branch=z9hG4bK{branch}\n\
         Max-Forwards: 70\nFrom: <sip:raw@127.0.0.9>;tag=raw\nTo: <sip:bob@127.0.0.2>{to}\nCall-ID: raw-call\n\
         CSeq: {cseq} {method}\nContact: <sip:raw@127.0.0.9:5099>\n{more}Content-Length: {length}\n\n{body}"
    )
}

fn invite(branch: &str, more: &str) -> String {
    request("INVITE", branch, "", 1, &format!("{more}Content-Type: application/sdp\n"), SDP)
}

/// The tag of To in the last message that has one.
fn tag(world: &World) -> String {
    let tag = |text: &String| {
        let to = text.lines().find(|line| line.starts_with("To:"))?;
        Some(to.split(";tag=").nth(1)?.to_owned())
    };
    world.raw.iter().rev().find_map(tag).expect("a To tag")
}

fn header(text: &str, name: &str) -> Option<String> {
    let line =
        text.lines().find(|line| line.to_lowercase().starts_with(&format!("{}:", name.to_lowercase())))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The raw peer's answer to a request within the call.
fn answer(request: &str, status: &str) -> String {
    let mut answer = format!("SIP/2.0 {status}\n");
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        answer += &format!("{name}: {}\n", header(request, name).unwrap());
    }
    answer + "Content-Length: 0\n\n"
}

/// A call from the raw peer that Bob has answered and that is acknowledged; his leg and tag.
fn connected() -> (World, Leg, String) {
    let mut world = World::new(1);
    world.inject(BOB, &invite("1", ""));
    let leg = world.incoming();
    let (bob, now) = world.bob();
    bob.answer(now, leg, Headers::new(), Bytes::from_static(b"v=0\r\n"));
    world.run_ms(20);
    let tag = tag(&world);
    world.inject(BOB, &request("ACK", "2", &tag, 1, "", ""));
    assert_eq!(world.names(BOB), ["Acked"]);
    (world, leg, tag)
}

#[test]
fn a_retransmitted_invite_gets_the_last_response_and_is_no_second_call() {
    let mut world = World::new(1);
    world.inject(BOB, &invite("1", ""));
    let leg = world.incoming();
    assert_eq!(world.status(), 100);
    world.inject(BOB, &invite("1", ""));
    assert_eq!(world.raw.len(), 2);
    let (bob, now) = world.bob();
    bob.progress(now, leg, 180, Headers::new(), Bytes::new());
    world.run_ms(20);
    world.inject(BOB, &invite("1", ""));
    assert_eq!(world.raw.len(), 4);
    assert_eq!(world.status(), 180);
    assert!(world.names(BOB).is_empty());
    assert_eq!(world.ends[BOB].counters().retransmissions_received, 2);
}

#[test]
fn what_is_wrong_with_a_request_is_answered_by_its_status() {
    let tls = invite("1", "").replacen("sip:bob", "sips:bob", 1);
    let mail = invite("1", "").replacen("sip:bob@127.0.0.2 ", "mailto:bob@example.com ", 1);
    let cases = [
        (invite("1", "Require: timer, precondition\n"), 420, "Unsupported: precondition"),
        (invite("1", "Supported: timer\nSession-Expires: 89\n"), 422, "Min-SE: 90"),
        (invite("1", "Content-Encoding: gzip\n"), 415, "Accept-Encoding: identity"),
        (invite("1", "").replace("application/sdp", "text/plain"), 415, "Accept: application/sdp"),
        (invite("1", "").replace("Max-Forwards: 70", "Max-Forwards: 0"), 483, ""),
        (tls, 416, ""),
        (mail, 416, ""),
        (invite("1", "").replace("SIP/2.0\nVia", "SIP/3.0\nVia"), 505, ""),
        (invite("1", "").replace("CSeq: 1 INVITE", "CSeq: 1 BYE"), 400, ""),
        (invite("1", "").replace("To: <sip:bob@127.0.0.2>\n", ""), 400, ""),
        (request("DANCE", "1", "", 1, "", ""), 501, ""),
        (request("PUBLISH", "1", "", 1, "", ""), 405, "Allow: INVITE, ACK, BYE"),
        (request("PRACK", "1", "x", 1, "RAck: 1 1 INVITE\n", ""), 481, ""),
        (request("BYE", "1", "", 1, "", ""), 481, ""),
        (request("BYE", "1", "nobody", 1, "", ""), 481, ""),
        (request("INVITE", "1", "nobody", 1, "", ""), 481, ""),
        (request("CANCEL", "1", "", 1, "", ""), 481, ""),
        (request("NOTIFY", "1", "nobody", 1, "Event: refer\n", ""), 481, ""),
        (request("REFER", "1", "", 1, "Refer-To: <sip:x@y>\n", ""), 403, ""),
        (request("OPTIONS", "1", "", 1, "", ""), 200, "Accept: application/sdp"),
    ];
    for (text, status, expected) in cases {
        let mut world = World::new(1);
        world.inject(BOB, &text);
        assert_eq!(world.status(), status, "{text}");
        let answer = world.raw.last().unwrap();
        assert!(answer.contains(expected), "{answer}");
        assert!(!world.names(BOB).contains(&"Incoming".to_owned()));
        world.run_out();
        world.assert_idle();
    }
}

#[test]
fn an_ack_to_nothing_and_a_response_to_nothing_are_dropped_and_counted() {
    let mut world = World::new(1);
    world.inject(BOB, &request("ACK", "1", "nobody", 1, "", ""));
    let response = request("OPTIONS", "1", "x", 1, "", "").replacen(
        "OPTIONS sip:bob@127.0.0.2 SIP/2.0",
        "SIP/2.0 200 OK",
        1,
    );
    world.inject(BOB, &response);
    assert!(world.raw.is_empty());
    let counters = world.ends[BOB].counters();
    assert_eq!((counters.stray_acks, counters.stray_responses), (1, 1));
    world.assert_idle();
}

#[test]
fn the_same_request_by_another_way_is_a_loop() {
    let mut world = World::new(1);
    world.inject(BOB, &invite("1", ""));
    world.inject(BOB, &invite("2", ""));
    assert_eq!(world.status(), 482);
    assert_eq!(world.names(BOB), ["Incoming"]);
}

#[test]
fn a_response_goes_to_the_source_port_only_if_rport_asks_for_it() {
    let mut world = World::new(1);
    let elsewhere = request("OPTIONS", "1", "", 1, "", "").replace("9:5099;branch", "9:5098;branch");
    let message =
        baton_signaling::message::Message::parse(Bytes::from(elsewhere.replace('\n', "\r\n"))).unwrap();
    let (bob, now) = world.bob();
    bob.handle_message(now, crate::wire::raw_flow(BOB), message);
    assert_eq!(bob.poll_transmit().unwrap().flow.remote, "127.0.0.9:5098".parse().unwrap());
    let asked = request("OPTIONS", "2", "", 2, "", "").replace("9:5099;branch", "9:5098;rport;branch");
    world.inject(BOB, &asked);
    let via = header(world.raw.last().unwrap(), "Via").unwrap();
    assert!(via.contains("rport=5099") && via.contains("received=127.0.0.9"), "{via}");
}

#[test]
fn a_request_out_of_order_gets_500_but_a_bye_is_a_bye() {
    let (mut world, _, tag) = connected();
    world.inject(BOB, &request("INFO", "3", &tag, 10, "", ""));
    let key = world.asked(BOB);
    let (bob, now) = world.bob();
    bob.respond(now, key, 200, "", Headers::new(), Bytes::new());
    world.run_ms(20);
    assert_eq!(world.status(), 200);
    world.inject(BOB, &request("INFO", "4", &tag, 9, "", ""));
    assert_eq!(world.status(), 500);
    assert!(header(world.raw.last().unwrap(), "Retry-After").is_some());
    world.inject(BOB, &request("BYE", "5", &tag, 8, "", ""));
    assert_eq!(world.status(), 200);
    assert_eq!(world.names(BOB), ["Bye"]);
    world.run_out();
    world.assert_idle();
}

#[test]
fn an_info_of_a_package_we_never_asked_for_gets_469() {
    let (mut world, _, tag) = connected();
    world.inject(BOB, &request("INFO", "3", &tag, 2, "Info-Package: dtmf\n", ""));
    assert_eq!(world.status(), 469);
    assert_eq!(header(world.raw.last().unwrap(), "Recv-Info").unwrap(), "nil");
    assert!(world.names(BOB).is_empty());
}

#[test]
fn the_200_to_an_invite_names_contact_allow_and_the_record_route() {
    let mut world = World::new(1);
    world.inject(BOB, &invite("1", "Record-Route: <sip:127.0.0.9:5099;lr>\n"));
    let leg = world.incoming();
    let (bob, now) = world.bob();
    bob.answer(now, leg, Headers::new(), Bytes::from_static(b"v=0\r\n"));
    world.run_ms(20);
    let answer = world.raw.last().unwrap();
    assert_eq!(header(answer, "Contact").unwrap(), "<sip:baton@127.0.0.2:5060>");
    assert_eq!(header(answer, "Record-Route").unwrap(), "<sip:127.0.0.9:5099;lr>");
    assert!(header(answer, "Allow").unwrap().contains("REFER"));
    assert_eq!(header(answer, "Content-Type").unwrap(), "application/sdp");
}

#[test]
fn two_200s_of_two_forks_are_both_acknowledged_and_the_second_is_ended() {
    use crate::wire::raw_flow;
    let mut world = World::new(1);
    let (bob, now) = world.bob();
    let leg = bob.invite(
        now,
        baton_signaling::endpoint::Invite {
            uri: Bytes::from("sip:raw@127.0.0.9:5099"),
            from: Bytes::from("<sip:bob@127.0.0.2>"),
            flow: raw_flow(BOB),
            others: Vec::new(),
            headers: Headers::new(),
            body: Bytes::from_static(b"v=0\r\n"),
            credentials: None,
        },
    );
    world.run_ms(20);
    let sent = world.raw.last().unwrap().clone();
    let accept = |tag: &str| {
        let mut text = "SIP/2.0 200 OK\n".to_owned();
        for name in ["Via", "From", "Call-ID", "CSeq"] {
            text += &format!("{name}: {}\n", header(&sent, name).unwrap());
        }
        text + &format!(
            "To: {};tag={tag}\nContact: <sip:{tag}@127.0.0.9:5099>\nContent-Length: 0\n\n",
            header(&sent, "To").unwrap()
        )
    };
    world.raw.clear();
    for tag in ["one", "two", "one"] {
        world.inject(BOB, &accept(tag));
    }
    let lines: Vec<&str> = world.raw.iter().map(|text| text.lines().next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "ACK sip:one@127.0.0.9:5099 SIP/2.0",
            "ACK sip:two@127.0.0.9:5099 SIP/2.0",
            "BYE sip:two@127.0.0.9:5099 SIP/2.0",
            "ACK sip:one@127.0.0.9:5099 SIP/2.0",
        ]
    );
    match &world.take(BOB)[..] {
        [Event::Answered { leg: of, .. }] => assert_eq!(*of, leg),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_notify_refused_with_481_ends_the_subscription_and_nothing_else() {
    let (mut world, leg, tag) = connected();
    world.inject(BOB, &request("REFER", "3", &tag, 2, "Refer-To: <sip:agents@127.0.0.2>\n", ""));
    let key = world.asked(BOB);
    let (bob, now) = world.bob();
    bob.respond(now, key, 202, "", Headers::new(), Bytes::new());
    world.run_ms(20);
    let notify = world.raw.last().unwrap().clone();
    assert!(notify.starts_with("NOTIFY sip:raw@127.0.0.9:5099 SIP/2.0"));
    world.inject(BOB, &answer(&notify, "481 Gone"));
    assert_eq!(world.take(BOB), [Event::NotifyFailed { leg, key }]);
    world.inject(BOB, &request("INFO", "4", &tag, 3, "", ""));
    assert_eq!(world.names(BOB), ["Info"]);
}

#[test]
fn a_subscriber_may_end_its_subscription_with_subscribe() {
    let (mut world, _, tag) = connected();
    world.inject(BOB, &request("REFER", "3", &tag, 2, "Refer-To: <sip:agents@127.0.0.2>\n", ""));
    let key = world.asked(BOB);
    let (bob, now) = world.bob();
    bob.respond(now, key, 202, "", Headers::new(), Bytes::new());
    world.run_ms(20);
    let trying = world.raw.last().unwrap().clone();
    world.inject(BOB, &answer(&trying, "200 OK"));
    world.raw.clear();
    world.inject(BOB, &request("SUBSCRIBE", "4", &tag, 3, "Event: refer\nExpires: 0\n", ""));
    assert_eq!(world.status(), 200);
    let last = world.raw.iter().find(|text| text.starts_with("NOTIFY")).unwrap().clone();
    assert_eq!(header(&last, "Subscription-State").unwrap(), "terminated;reason=timeout");
    assert!(last.ends_with("SIP/2.0 100 Trying\r\n"));
    world.inject(BOB, &answer(&last, "200 OK"));
    assert_eq!(world.ends[BOB].counters().subscriptions_active, 0);
    world.inject(BOB, &request("SUBSCRIBE", "5", &tag, 4, "Event: presence\n", ""));
    assert_eq!(world.status(), 489);
    world.inject(BOB, &request("REFER", "6", &tag, 5, "", ""));
    assert_eq!(world.status(), 400);
}

#[test]
fn a_bye_before_the_answer_cancels_the_call() {
    let mut world = World::new(1);
    world.inject(BOB, &invite("1", ""));
    let leg = world.incoming();
    let (bob, now) = world.bob();
    bob.progress(now, leg, 180, Headers::new(), Bytes::new());
    world.run_ms(20);
    let tag = tag(&world);
    world.inject(BOB, &request("BYE", "2", &tag, 2, "", ""));
    assert_eq!(world.names(BOB), ["Cancelled"]);
    assert_eq!(world.raw.iter().filter(|text| text.starts_with("SIP/2.0 487")).count(), 1);
    world.inject(BOB, &request("ACK", "1", &tag, 1, "", ""));
    world.run_out();
    world.assert_idle();
}

#[test]
fn at_the_limit_of_transactions_new_calls_get_503_and_living_ones_are_served() {
    use baton_signaling::endpoint::{Endpoint, EndpointConfig};
    let mut world = World::new(1);
    world.ends[BOB] = Endpoint::new(EndpointConfig { transactions_max: 2, ..Default::default() }, 5);
    world.inject(BOB, &invite("1", ""));
    let leg = world.incoming();
    let (bob, now) = world.bob();
    bob.answer(now, leg, Headers::new(), Bytes::from_static(b"v=0\r\n"));
    world.run_ms(20);
    let tag = tag(&world);
    world.inject(BOB, &request("ACK", "2", &tag, 1, "", ""));
    world.inject(BOB, &request("OPTIONS", "3", "", 1, "", "").replace("raw-call", "other"));
    world.inject(BOB, &invite("4", "").replace("raw-call", "third"));
    assert_eq!(world.status(), 503);
    assert_eq!(header(world.raw.last().unwrap(), "Retry-After").unwrap(), "32");
    world.inject(BOB, &request("BYE", "5", &tag, 2, "", ""));
    assert_eq!(world.status(), 200);
    assert_eq!(world.ends[BOB].counters().rejected.overload, 1);
    world.run_out();
    world.assert_idle();
}
