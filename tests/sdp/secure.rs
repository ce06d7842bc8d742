//! SRTP by SDES keys: who offers what, who takes what, and what stays through later offers (RFC 4568, RFC 8643).

use baton_signaling::sdp::{
    Capabilities, Direction, FreshKeys, LocalSession, Refusal, Security, Srtp, Suite, make_offer, negotiate,
    read_answer,
};

use crate::check::{FIRST, assert_answers, has_line, media_lines, ours, text};
use crate::styles::SIPP;

const KEY_A: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
const KEY_B: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYDBXXXtxVSBR";

/// Keys of ours, told apart by their seed.
fn keys(seed: u8) -> FreshKeys {
    FreshKeys::draw(|bytes| bytes.fill(seed))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    Off,
    Optional,
    Required,
}
use Policy::{Off, Optional, Required};

fn with(policy: Policy, seed: u8) -> Capabilities {
    let security = match policy {
        Off => Security::Off,
        Optional => Security::Optional(keys(seed)),
        Required => Security::Required(keys(seed)),
    };
    Capabilities { security, ..ours(&["PCMU"]) }
}

fn crypto(tag: u32, suite: &str, key: &str) -> String {
    format!("a=crypto:{tag} {suite} inline:{key}\r\n")
}

/// SIPp's offer with this transport and these further lines.
fn offer(proto: &str, lines: &str) -> String {
    format!("{}{lines}", SIPP.replace("RTP/AVP", proto))
}

fn cm80(key: &str) -> String {
    crypto(1, "AES_CM_128_HMAC_SHA1_80", key)
}

fn srtp(offered: &str, policy: Policy) -> Result<Option<Srtp>, Refusal> {
    let answer = negotiate(offered.as_bytes(), &with(policy, 7), FIRST)?;
    assert_answers(offered, &answer.sdp);
    let keys = text(&answer.sdp).matches("a=crypto:").count();
    assert_eq!(keys, usize::from(answer.media.srtp.is_some()), "one line for a key, none without");
    Ok(answer.media.srtp)
}

#[test]
fn every_policy_meets_every_kind_of_offer() {
    for feedback in ["", "F"] {
        let plain = offer(&format!("RTP/AVP{feedback}"), "");
        let best_effort = offer(&format!("RTP/AVP{feedback}"), &cm80(KEY_A));
        let secure = offer(&format!("RTP/SAVP{feedback}"), &cm80(KEY_A));
        let keyless = offer(&format!("RTP/SAVP{feedback}"), "");
        for (offered, policy, expected) in [
            (&plain, Off, Ok(false)),
            (&plain, Optional, Ok(false)),
            (&plain, Required, Err(Refusal::Security)),
            (&best_effort, Off, Ok(false)),
            (&best_effort, Optional, Ok(true)),
            (&best_effort, Required, Ok(true)),
            (&secure, Off, Err(Refusal::Security)),
            (&secure, Optional, Ok(true)),
            (&secure, Required, Ok(true)),
            (&keyless, Off, Err(Refusal::Security)),
            (&keyless, Optional, Err(Refusal::Security)),
            (&keyless, Required, Err(Refusal::Security)),
        ] {
            assert_eq!(srtp(offered, policy).map(|srtp| srtp.is_some()), expected, "{policy:?}: {offered}");
        }
    }
    assert_eq!(Refusal::Security.warning().0, 302);
}

#[test]
fn every_offer_of_ours_meets_every_answer() {
    let answered = |policy: Policy, proto: &str, lines: &str| {
        let sent = make_offer(&with(policy, 7), FIRST);
        read_answer(&sent, offer(proto, lines).as_bytes()).map(|media| media.srtp)
    };
    let taken = cm80(KEY_A);
    for (policy, proto, lines, expected) in [
        (Off, "RTP/AVP", "", Ok(false)),
        (Off, "RTP/SAVP", &*taken, Err(Refusal::Security)),
        (Off, "RTP/AVP", &*taken, Err(Refusal::Security)),
        (Optional, "RTP/AVP", "", Ok(false)),
        (Optional, "RTP/AVP", &*taken, Ok(true)),
        (Optional, "RTP/SAVP", &*taken, Ok(true)),
        (Optional, "RTP/SAVP", "", Err(Refusal::Security)),
        (Required, "RTP/SAVP", &*taken, Ok(true)),
        (Required, "RTP/SAVP", "", Err(Refusal::Security)),
        (Required, "RTP/AVP", "", Err(Refusal::Security)),
        (Required, "UDP/TLS/RTP/SAVP", &*taken, Err(Refusal::Security)),
    ] {
        let result = answered(policy, proto, lines).map(|srtp| srtp.is_some());
        assert_eq!(result, expected, "{policy:?} {proto} {lines}");
    }
    // Another tag, another suite under the tag, a key that cannot be read.
    for lines in [
        crypto(9, "AES_CM_128_HMAC_SHA1_80", KEY_A),
        crypto(2, "AES_CM_128_HMAC_SHA1_80", KEY_A),
        crypto(1, "AES_CM_128_HMAC_SHA1_80", "AAAA"),
        format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_A}|1:4\r\n"),
    ] {
        for policy in [Optional, Required] {
            assert_eq!(answered(policy, "RTP/AVP", &lines), Err(Refusal::Security), "{lines}");
        }
    }
}

#[test]
fn what_is_optional_is_offered_plainly_with_keys_and_what_is_required_as_savp() {
    let lines = |policy: Policy| {
        let sdp = make_offer(&with(policy, 7), FIRST);
        let offered = text(&sdp).to_owned();
        let tags: Vec<String> = offered
            .lines()
            .filter_map(|line| Some(line.strip_prefix("a=crypto:")?.split(" inline").next()?.to_owned()))
            .collect();
        (media_lines(&offered)[0].split(' ').nth(2).unwrap_or_default().to_owned(), tags)
    };
    let suites = [
        "1 AES_CM_128_HMAC_SHA1_80",
        "2 AEAD_AES_128_GCM",
        "3 AEAD_AES_256_GCM",
        "4 AES_CM_128_HMAC_SHA1_32",
    ];
    assert_eq!(lines(Off), ("RTP/AVP".to_owned(), Vec::new()));
    assert_eq!(lines(Optional), ("RTP/AVP".to_owned(), suites.map(str::to_owned).to_vec()));
    assert_eq!(lines(Required), ("RTP/SAVP".to_owned(), suites.map(str::to_owned).to_vec()));
}

#[test]
fn the_first_suite_that_we_have_is_taken_with_its_tag_and_keys_of_both_sides() {
    let offered = offer(
        "RTP/SAVP",
        &[
            crypto(1, "AES_192_CM_HMAC_SHA1_80", KEY_A),
            format!("a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{KEY_A}|2^20|1:4\r\n"),
            format!("a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:{KEY_A} UNENCRYPTED_SRTCP\r\n"),
            format!("a=crypto:40 AES_CM_128_HMAC_SHA1_32 inline:{KEY_B}|2^31\r\n"),
            crypto(5, "AES_CM_128_HMAC_SHA1_80", KEY_A),
        ]
        .concat(),
    );
    let answer = negotiate(offered.as_bytes(), &with(Required, 7), FIRST).unwrap();
    let agreed = answer.media.srtp.unwrap();
    assert_eq!((agreed.tag, agreed.suite), (40, Suite::AesCm128HmacSha1_32));
    assert_eq!(agreed.local.expose(), [7; 30]);
    assert_eq!(agreed.remote.expose()[..3], *b"=-n");
    let line = "a=crypto:40 AES_CM_128_HMAC_SHA1_32 inline:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH";
    assert!(has_line(&answer.sdp, line), "{}", text(&answer.sdp));
    let both = read_answer(
        &make_offer(&with(Required, 3), FIRST),
        &negotiate(&make_offer(&with(Required, 3), FIRST), &with(Required, 4), FIRST).unwrap().sdp,
    )
    .unwrap()
    .srtp
    .unwrap();
    assert_eq!((both.local.expose(), both.remote.expose()), (&[3; 30][..], &[4; 30][..]));
}

#[test]
fn of_a_secure_and_a_plain_line_the_secure_one_is_served() {
    let two = |first: &str, second: &str| {
        let line = |proto: &str, port: u16| {
            let keys = if proto == "RTP/SAVP" { cm80(KEY_A) } else { String::new() };
            format!("m=audio {port} {proto} 0\r\n{keys}")
        };
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n{}{}",
            line(first, 4000),
            line(second, 4002)
        )
    };
    for (offered, policy, port) in [
        (two("RTP/SAVP", "RTP/AVP"), Optional, 4000),
        (two("RTP/AVP", "RTP/SAVP"), Optional, 4002),
        (two("RTP/AVP", "RTP/SAVP"), Required, 4002),
        (two("RTP/SAVP", "RTP/AVP"), Off, 4002),
    ] {
        let answer = negotiate(offered.as_bytes(), &with(policy, 7), FIRST).unwrap();
        assert_answers(&offered, &answer.sdp);
        assert_eq!(answer.media.remote.unwrap().port(), port, "{policy:?} {offered}");
        assert_eq!(answer.media.srtp.is_some(), policy != Off);
    }
}

/// A secured session, and what it has agreed on.
fn secured(key: &str) -> (LocalSession, Srtp) {
    let mut session = LocalSession::new(99);
    let agreed = session.answer(offer("RTP/SAVP", &cm80(key)).as_bytes(), &with(Required, 1)).expect("keys");
    (session, agreed.media.srtp.expect("it is secured"))
}

#[test]
fn keys_stay_through_hold_and_resume_and_so_does_the_version() {
    let (mut session, first) = secured(KEY_A);
    let offered = offer("RTP/SAVP", &cm80(KEY_A));
    let before = session.last().cloned();
    assert_eq!(
        session.answer(offered.as_bytes(), &with(Required, 2)).unwrap().media.srtp.as_ref(),
        Some(&first)
    );
    assert_eq!(session.last().cloned(), before, "nothing has changed");
    for direction in ["sendonly", "inactive", "sendrecv"] {
        let hold = format!("{offered}a={direction}\r\n");
        let media = session.answer(hold.as_bytes(), &with(Required, 3)).unwrap().media;
        assert_eq!(media.srtp.as_ref(), Some(&first), "{direction}");
    }
    // Our own later offers name what was agreed on, and no more.
    let hold = Capabilities { direction: Direction::SendOnly, ..with(Required, 4) };
    let offered = text(&session.offer(&hold)).to_owned();
    assert_eq!(offered.matches("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AQEB").count(), 1, "{offered}");
    assert!(offered.contains("RTP/SAVP") && offered.matches("a=crypto").count() == 1);
    let answer = offer("RTP/SAVP", &cm80(KEY_A));
    assert_eq!(session.read_answer(answer.as_bytes()).unwrap().srtp, Some(first));
}

#[test]
fn a_far_end_that_changes_its_key_keeps_ours_unless_it_is_another_device() {
    let (mut session, first) = secured(KEY_A);
    let rekeyed = offer("RTP/SAVP", &cm80(KEY_B));
    let agreed = session.answer(rekeyed.as_bytes(), &with(Required, 2)).unwrap().media.srtp.unwrap();
    assert_eq!(agreed.local, first.local);
    assert_ne!(agreed.remote, first.remote);
    // Another port with the same key: a phone that moved. With another key: somebody else.
    let moved = rekeyed.replace("6000", "6002");
    let agreed = session.answer(moved.as_bytes(), &with(Required, 3)).unwrap().media.srtp.unwrap();
    assert_eq!(agreed.local, first.local);
    let other = offer("RTP/SAVP", &cm80(KEY_A)).replace("6000", "6004");
    let agreed = session.answer(other.as_bytes(), &with(Required, 4)).unwrap().media.srtp.unwrap();
    assert_eq!(agreed.local.expose(), [4; 30]);
}

#[test]
fn a_suite_agreed_on_is_kept_while_it_is_offered_and_a_new_one_has_a_new_key() {
    let (mut session, first) = secured(KEY_A);
    let short = crypto(1, "AES_CM_128_HMAC_SHA1_32", KEY_B);
    let both = offer("RTP/SAVP", &format!("{short}{}", crypto(2, "AES_CM_128_HMAC_SHA1_80", KEY_A)));
    let agreed = session.answer(both.as_bytes(), &with(Required, 2)).unwrap().media.srtp.unwrap();
    assert_eq!((agreed.tag, agreed.suite, &agreed.local), (2, first.suite, &first.local));
    let other = offer("RTP/SAVP", &short);
    let agreed = session.answer(other.as_bytes(), &with(Required, 3)).unwrap().media.srtp.unwrap();
    assert_eq!((agreed.suite, agreed.local.expose()), (Suite::AesCm128HmacSha1_32, &[3; 30][..]));
}

#[test]
fn a_secured_stream_never_becomes_a_plain_one_and_a_plain_one_may_become_secured() {
    let (mut session, first) = secured(KEY_A);
    for policy in [Off, Optional, Required] {
        let result = session.answer(SIPP.as_bytes(), &with(policy, 2));
        assert_eq!(result.unwrap_err(), Refusal::Security, "{policy:?}");
    }
    session.offer(&with(Optional, 3));
    assert_eq!(session.read_answer(SIPP.as_bytes()), Err(Refusal::Security));
    assert_eq!(session.current().unwrap().srtp.as_ref(), Some(&first));

    let mut session = LocalSession::new(99);
    assert_eq!(session.answer(SIPP.as_bytes(), &with(Optional, 1)).unwrap().media.srtp, None);
    assert!(!text(&session.offer(&with(Optional, 2))).contains("a=crypto"), "what is plain is left so by us");
    let upgrade = offer("RTP/AVP", &cm80(KEY_A));
    assert!(session.answer(upgrade.as_bytes(), &with(Optional, 3)).unwrap().media.srtp.is_some());
}

#[test]
fn no_key_is_printed_or_serialised() {
    let (mut session, _) = secured(KEY_A);
    let answer = session.answer(offer("RTP/SAVP", &cm80(KEY_B)).as_bytes(), &with(Required, 1)).unwrap();
    let sent = text(&answer.sdp).to_owned();
    let ours = "AQEBAQEBAQEB";
    assert!(sent.contains(ours), "what is sent has it: {sent}");
    let shown =
        [format!("{session:?} {answer:?} {:?}", with(Required, 1)), serde_json::to_string(&session).unwrap()];
    for shown in shown {
        assert!(shown.contains("masked"), "{shown}");
        for secret in [ours, KEY_A, KEY_B, "1, 1, 1, 1", "1,1,1,1"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
    let back: Result<LocalSession, _> = serde_json::from_str(&serde_json::to_string(&session).unwrap());
    assert!(back.is_err(), "a session without its keys is none");
}

#[test]
fn another_device_that_answers_our_offer_is_given_a_new_key_in_the_next_description() {
    let moved = offer("RTP/SAVP", &cm80(KEY_B)).replace("6000", "6002");
    let again = |session: &mut LocalSession| {
        session.offer(&with(Required, 2));
        let agreed = session.read_answer(moved.as_bytes()).unwrap().srtp.unwrap();
        assert_eq!(agreed.local.expose(), [1; 30], "that offer was out");
        assert!(session.wants_new_key());
    };
    // In an offer of ours, however often it is refused before.
    let (mut session, _) = secured(KEY_A);
    again(&mut session);
    for seed in [3, 4] {
        let offered = session.offer(&with(Required, seed));
        assert!(!text(&offered).contains("inline:AQEB"), "{}", text(&offered));
        assert!(
            session.wants_new_key()
                && session.current().unwrap().srtp.as_ref().unwrap().local.expose() == [1; 30]
        );
    }
    let agreed = session.read_answer(moved.as_bytes()).unwrap().srtp.unwrap();
    assert_eq!((agreed.local.expose(), session.wants_new_key()), (&[4; 30][..], false));
    assert!(text(&session.offer(&with(Required, 5))).contains("inline:BAQE"), "and is kept from then on");
    // In an answer to an offer of its.
    let (mut session, _) = secured(KEY_A);
    again(&mut session);
    let answer = session.answer(moved.as_bytes(), &with(Required, 6)).unwrap();
    assert_eq!(answer.media.srtp.unwrap().local.expose(), [6; 30]);
    assert!(text(&answer.sdp).contains("inline:BgYG") && !session.wants_new_key());
}

#[test]
fn a_device_that_answers_our_offer_from_where_it_was_or_with_its_key_is_no_other() {
    for answer in [
        offer("RTP/SAVP", &cm80(KEY_B)),
        offer("RTP/SAVP", &cm80(KEY_A)).replace("6000", "6002"),
        offer("RTP/SAVP", &cm80(KEY_A)),
    ] {
        let (mut session, _) = secured(KEY_A);
        session.offer(&with(Required, 2));
        session.read_answer(answer.as_bytes()).unwrap();
        assert!(!session.wants_new_key(), "{answer}");
    }
}

#[test]
fn a_message_whose_body_holds_a_key_is_printed_without_it() {
    use baton_signaling::endpoint::{Flow, Transmit, Transport};
    use baton_signaling::message::{Message, Response};
    let body = offer("RTP/SAVP", &cm80(KEY_A));
    let length = body.len();
    let text = format!(
        "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:c@d>;tag=1\r\nTo: <sip:a@b>\r\n\
         Call-ID: x\r\nMax-Forwards: 70\r\nCSeq: 1 INVITE\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let message = Message::parse(bytes::Bytes::from(text.clone())).expect("a message");
    let Message::Request(request) = &message else { panic!("an INVITE") };
    let response = Response {
        status: 200,
        reason: "OK".into(),
        headers: request.headers.clone(),
        body: request.body.clone(),
    };
    let [local, remote] = [5060, 5062].map(|port| ([127, 0, 0, 1], port).into());
    let flow = Flow { transport: Transport::Udp, local, remote };
    let transmit = Transmit { flow, bytes: text.into() };
    for shown in [format!("{message:?}"), format!("{response:?}"), format!("{transmit:?}")] {
        assert!(shown.contains("inline:masked") && !shown.contains(KEY_A), "{shown}");
    }
}
