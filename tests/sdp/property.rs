//! Any bytes and any mixture of lines: no panic, and every answer is a valid one.

use baton_signaling::sdp::{Capabilities, LocalSession, make_offer, negotiate, read_answer};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::check::{FIRST, assert_answers, ours, text};
use crate::styles::ALL;

/// A line of SDP as it might come: mostly right, often odd.
fn line() -> impl Strategy<Value = String> {
    let number =
        prop_oneof![Just("0"), Just("8"), Just("18"), Just("96"), Just("101"), Just("127"), Just("200")];
    let number = number.prop_map(str::to_owned);
    let encoding = prop_oneof![
        Just("PCMU/8000"),
        Just("pcma/8000"),
        Just("opus/48000/2"),
        Just("opus/48000"),
        Just("telephone-event/8000"),
        Just("telephone-event/48000"),
        Just("L16/44100/2"),
        Just("/"),
        Just("PCMU/"),
    ];
    let proto = prop_oneof![Just("RTP/AVP"), Just("RTP/AVPF"), Just("RTP/SAVP"), Just("udp"), Just("")];
    let kind = prop_oneof![4 => Just("audio"), 1 => Just("video"), 1 => Just("AUDIO")];
    let port = prop_oneof![Just("0"), Just("4000"), Just("65535"), Just("4000/2"), Just("70000")];
    let address = prop_oneof![
        Just("IP4 127.0.0.1"),
        Just("IP4 0.0.0.0"),
        Just("IP6 ::1"),
        Just("IP4 a.example"),
        Just("IP4")
    ];
    prop_oneof![
        4 => (kind, port, proto, prop::collection::vec(number.clone(), 0..6))
            .prop_map(|(kind, port, proto, list)| format!("m={kind} {port} {proto} {}", list.join(" "))),
        4 => (number.clone(), encoding).prop_map(|(number, encoding)| format!("a=rtpmap:{number} {encoding}")),
        2 => (number, "[ -~]{0,20}").prop_map(|(number, value)| format!("a=fmtp:{number} {value}")),
        2 => address.prop_map(|address| format!("c=IN {address}")),
        2 => prop_oneof![Just("a=sendonly"), Just("a=inactive"), Just("a=recvonly"), Just("a=rtcp-mux")]
            .prop_map(str::to_owned),
        1 => "a=(ptime|maxptime|rtcp):[0-9.]{0,8}",
        1 => "[a-z]=[ -~]{0,30}",
        1 => Just("t=0 0".to_owned()),
    ]
}

fn description() -> impl Strategy<Value = String> {
    let end = prop_oneof![Just("\r\n"), Just("\n")];
    (prop::collection::vec(line(), 0..25), end)
        .prop_map(|(lines, end)| format!("v=0{end}o=- 1 1 IN IP4 127.0.0.1{end}{}{end}", lines.join(end)))
}

fn sides() -> impl Strategy<Value = Capabilities> {
    prop_oneof![Just(ours(&["opus", "PCMU", "PCMA"])), Just(ours(&["PCMA"])), Just(ours(&["PCMU", "opus"]))]
}

/// A description of a real phone with one byte changed, cut or doubled.
fn bent() -> impl Strategy<Value = Vec<u8>> {
    (prop::sample::select(ALL.to_vec()), any::<prop::sample::Index>(), any::<u8>(), 0..3u8).prop_map(
        |(sdp, at, byte, how)| {
            let mut bytes = sdp.as_bytes().to_vec();
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.truncate(at),
                _ => bytes.insert(at, byte),
            }
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(3264),
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_answer_is_valid_for_its_offer(offer in description(), ours in sides()) {
        if let Ok(answer) = negotiate(offer.as_bytes(), &ours, FIRST) {
            assert_answers(&offer, &answer.sdp);
            prop_assert!((10..=60).contains(&answer.media.ptime_ms));
        }
    }

    #[test]
    fn bent_descriptions_never_panic(one in bent(), two in bent(), ours in sides()) {
        let mut session = LocalSession::new(1);
        for sdp in [&one, &two] {
            if let Ok(answer) = session.answer(sdp, &ours) {
                prop_assert!(text(&answer.sdp).starts_with("v=0\r\n"));
            }
            session.offer(&ours);
            let _ = session.read_answer(sdp);
        }
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), ours in sides()) {
        let _ = negotiate(&bytes, &ours, FIRST);
        let _ = read_answer(&make_offer(&ours, FIRST), &bytes);
    }

    #[test]
    fn two_of_us_understand_each_other(offering in sides(), answering in sides()) {
        let offer = make_offer(&offering, FIRST);
        match negotiate(&offer, &answering, FIRST) {
            Ok(answer) => {
                let media = read_answer(&offer, &answer.sdp).expect("our own answer");
                prop_assert_eq!(media.payload.encoding, answer.media.payload.encoding);
                prop_assert_eq!(media.telephone_event, answer.media.telephone_event);
                prop_assert!(media.send && media.receive);
            }
            Err(_) => {
                let common = |codec: &baton_signaling::sdp::Codec| offering.codecs.contains(codec);
                prop_assert!(!answering.codecs.iter().any(common));
            }
        }
    }
}
