//! First offers of phones, and the answers to our own.

use baton_signaling::sdp::{
    Capabilities, Direction, LocalSession, Refusal, TelephoneEvent, make_offer, negotiate, read_answer,
};

use crate::check::{FIRST, assert_answers, has_line, media_lines, ours, text};
use crate::styles::{ALL, ASTERISK, BARESIP, CHROMIUM_PLAIN, LINPHONE, PCMU_TRUNK, SIPP};

#[test]
fn every_style_of_offer_gets_a_valid_answer() {
    for offer in ALL {
        let answer = negotiate(offer.as_bytes(), &ours(&["opus", "PCMU", "PCMA"]), FIRST).expect(offer);
        assert_answers(offer, &answer.sdp);
    }
}

#[test]
fn our_order_decides_the_codec_and_the_offer_its_number() {
    let opus = negotiate(ASTERISK.as_bytes(), &ours(&["opus", "PCMU", "PCMA"]), FIRST).unwrap().media;
    assert_eq!((opus.payload.encoding.as_str(), opus.payload.number), ("opus", 107));
    assert_eq!((opus.payload.clock, opus.payload.channels), (48000, 2));
    assert_eq!(opus.payload.format, "useinbandfec=1");
    let pcmu = negotiate(ASTERISK.as_bytes(), &ours(&["PCMU", "PCMA", "opus"]), FIRST).unwrap().media;
    assert_eq!((pcmu.payload.encoding.as_str(), pcmu.payload.number), ("PCMU", 0));
}

#[test]
fn a_static_number_needs_no_rtpmap() {
    let answer = negotiate(PCMU_TRUNK.as_bytes(), &ours(&["opus", "PCMU"]), FIRST).unwrap();
    assert_eq!((answer.media.payload.encoding.as_str(), answer.media.payload.clock), ("PCMU", 8000));
    assert_eq!(answer.media.telephone_event, Some(TelephoneEvent { number: 101, clock: 8000 }));
    assert!(has_line(&answer.sdp, "m=audio 20000 RTP/AVP 0 101"), "{}", text(&answer.sdp));
    assert!(has_line(&answer.sdp, "a=rtpmap:0 PCMU/8000"));
    assert!(has_line(&answer.sdp, "a=fmtp:101 0-15"));
}

#[test]
fn opus_takes_telephone_events_of_48000_and_of_8000_if_there_is_no_other() {
    let event = |offer: &str| {
        negotiate(offer.as_bytes(), &ours(&["opus"]), FIRST).unwrap().media.telephone_event.expect("events")
    };
    assert_eq!(event(CHROMIUM_PLAIN), TelephoneEvent { number: 110, clock: 48000 });
    assert_eq!(event(BARESIP), TelephoneEvent { number: 97, clock: 48000 });
    assert_eq!(event(ASTERISK), TelephoneEvent { number: 101, clock: 8000 });
    let pcmu = negotiate(CHROMIUM_PLAIN.as_bytes(), &ours(&["PCMU"]), FIRST).unwrap().media;
    assert_eq!(pcmu.telephone_event, Some(TelephoneEvent { number: 126, clock: 8000 }));
    let silent = Capabilities { telephone_event: false, ..ours(&["PCMU"]) };
    assert_eq!(negotiate(CHROMIUM_PLAIN.as_bytes(), &silent, FIRST).unwrap().media.telephone_event, None);
}

#[test]
fn a_video_line_is_refused_with_port_0_and_its_own_formats() {
    let answer = negotiate(BARESIP.as_bytes(), &ours(&["opus"]), FIRST).unwrap();
    assert_eq!(media_lines(text(&answer.sdp)), ["audio 20000 RTP/AVP 96 97", "video 0 RTP/AVP 98"]);
}

#[test]
fn avpf_is_answered_as_avpf() {
    let answer = negotiate(LINPHONE.as_bytes(), &ours(&["PCMA"]), FIRST).unwrap();
    assert!(has_line(&answer.sdp, "m=audio 20000 RTP/AVPF 8 100"), "{}", text(&answer.sdp));
    assert!(has_line(&answer.sdp, "a=sendonly"), "recvonly of the session level gets its counterpart");
    assert!((answer.media.send, answer.media.receive) == (true, false));
}

#[test]
fn of_two_audio_lines_the_first_that_can_be_served_is() {
    let offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
        m=audio 4000 RTP/SAVP 0\r\nc=IN IP4 127.0.0.8\r\n\
        m=audio 0 RTP/AVP 0\r\nc=IN IP4 127.0.0.8\r\n\
        m=audio 4002 RTP/AVP 18\r\nc=IN IP4 127.0.0.8\r\n\
        m=audio 4004 RTP/AVP 18 8\r\nc=IN IP4 127.0.0.9\r\na=sendonly\r\n\
        m=audio 4006 RTP/AVP 8\r\nc=IN IP4 127.0.0.10\r\n";
    let answer = negotiate(offer.as_bytes(), &ours(&["PCMU", "PCMA"]), FIRST).unwrap();
    assert_answers(offer, &answer.sdp);
    assert_eq!(media_lines(text(&answer.sdp))[3], "audio 20000 RTP/AVP 8");
    assert_eq!(answer.media.remote, Some("127.0.0.9:4004".parse().unwrap()));
}

#[test]
fn rtcp_goes_where_rfc_3605_says_or_is_muxed_if_both_want_it() {
    let usual = negotiate(BARESIP.as_bytes(), &ours(&["PCMU"]), FIRST).unwrap().media;
    assert_eq!((usual.remote_rtcp, usual.rtcp_mux), (None, false), "the port above needs no mention");
    let moved = BARESIP.replace("a=rtcp:10003", "a=rtcp:53020 IN IP4 127.0.0.6");
    let moved = negotiate(moved.as_bytes(), &ours(&["PCMU"]), FIRST).unwrap().media;
    assert_eq!(moved.remote_rtcp, Some("127.0.0.6:53020".parse().unwrap()));
    let mux = Capabilities { rtcp_mux: true, ..ours(&["opus"]) };
    let muxed = negotiate(CHROMIUM_PLAIN.as_bytes(), &mux, FIRST).unwrap();
    assert!(muxed.media.rtcp_mux && has_line(&muxed.sdp, "a=rtcp-mux"));
    let plain = negotiate(CHROMIUM_PLAIN.as_bytes(), &ours(&["opus"]), FIRST).unwrap();
    assert!(!plain.media.rtcp_mux && !has_line(&plain.sdp, "a=rtcp-mux"));
}

#[test]
fn reports_of_reduced_size_and_extended_ones_are_agreed_on_only_where_they_are_offered() {
    let plain = negotiate(SIPP.as_bytes(), &ours(&["PCMU"]), FIRST).unwrap();
    assert!(!plain.media.rtcp_rsize && !plain.media.rtcp_xr && !text(&plain.sdp).contains("a=rtcp"));
    let asked =
        format!("{SIPP}a=rtcp-rsize\r\na=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss voip-metrics\r\n");
    let asked = negotiate(asked.as_bytes(), &ours(&["PCMU"]), FIRST).unwrap();
    assert!(asked.media.rtcp_rsize && asked.media.rtcp_xr);
    assert!(
        has_line(&asked.sdp, "a=rtcp-rsize") && has_line(&asked.sdp, "a=rtcp-xr:rcvr-rtt=all voip-metrics")
    );
    let other = format!("{SIPP}a=rtcp-xr:pkt-loss-rle=100\r\n");
    let other = negotiate(other.as_bytes(), &ours(&["PCMU"]), FIRST).unwrap();
    assert!(
        !other.media.rtcp_xr && !text(&other.sdp).contains("rtcp-xr"),
        "we have none of what is asked for"
    );
    // Our own offers ask for none of it, and an answer cannot bring in what was not offered.
    let offer = make_offer(&ours(&["PCMU"]), FIRST);
    assert!(!text(&offer).contains("a=rtcp"));
    let answer = format!("{SIPP}a=rtcp-rsize\r\na=rtcp-mux\r\n");
    let agreed = read_answer(&offer, answer.as_bytes()).unwrap();
    assert!(!agreed.rtcp_rsize && !agreed.rtcp_mux);
}

#[test]
fn packet_time_is_theirs_within_maxptime_and_ten_to_sixty() {
    let ptime = |attributes: &str| {
        let offer = format!("{SIPP}{attributes}");
        negotiate(offer.as_bytes(), &ours(&["PCMU"]), FIRST).unwrap().media.ptime_ms
    };
    assert_eq!(ptime(""), 20);
    assert_eq!(ptime("a=ptime:30\r\n"), 30);
    assert_eq!(ptime("a=ptime:35\r\n"), 30);
    assert_eq!(ptime("a=ptime:10\r\n"), 10);
    assert_eq!(ptime("a=ptime:5\r\n"), 20, "shorter than we can send: ours");
    assert_eq!(ptime("a=ptime:200\r\n"), 60);
    assert_eq!(ptime("a=ptime:40\r\na=maxptime:20\r\n"), 20);
    assert_eq!(ptime("a=maxptime:10\r\n"), 10);
    assert_eq!(ptime("a=maxptime:0\r\n"), 20);
    assert_eq!(ptime("a=ptime:20.5\r\n"), 20);
    assert_eq!(ptime("a=ptime:soon\r\n"), 20);
    assert_eq!(ptime("a=ptime:NaN\r\n"), 20);
    assert_eq!(ptime("a=ptime:inf\r\n"), 60);
}

#[test]
fn ipv6_is_answered_in_ipv6() {
    let offer = SIPP.replace("IN IP4 127.0.0.1", "IN IP6 ::1");
    let ours = Capabilities { address: "[::1]:20002".parse().unwrap(), ..ours(&["PCMU"]) };
    let answer = negotiate(offer.as_bytes(), &ours, FIRST).unwrap();
    assert_eq!(answer.media.remote, Some("[::1]:6000".parse().unwrap()));
    assert!(has_line(&answer.sdp, "c=IN IP6 ::1") && has_line(&answer.sdp, "o=- 4711 1 IN IP6 ::1"));
}

#[test]
fn rough_descriptions_are_read() {
    let rough = [
        SIPP.replace("\r\n", "\n"),
        SIPP.replace("s=-\r\n", "").replace("t=0 0\r\n", ""),
        SIPP.replace("o=user1 ", "o=John Q Doe "),
        SIPP.replace("s=-", "s=\r\ni=\r\nb=AS:none\r\ny=what\r\n\r\nq"),
        SIPP.replace("c=IN IP4 127.0.0.1\r\n", "c=IN IP4 127.0.0.1\r\nc=IN IP4 127.0.0.7\r\n"),
        SIPP.replace("m=audio 6000 RTP/AVP 0", "m=audio  6000/1  RTP/AVP  0 "),
        SIPP.replace("PCMU/8000", "pcmu/8000/1"),
        format!("{}\r\nc=IN IP4 127.0.0.1", SIPP.replace("c=IN IP4 127.0.0.1\r\n", "").trim_end()),
    ];
    for offer in &rough {
        let media = negotiate(offer.as_bytes(), &ours(&["PCMU"]), FIRST).expect(offer).media;
        assert_eq!(media.remote, Some("127.0.0.1:6000".parse().unwrap()), "{offer}");
    }
    let latin1: Vec<u8> =
        SIPP.replace("s=-", "s=\u{1}").bytes().map(|b| if b == 1 { 0xe9 } else { b }).collect();
    assert!(negotiate(&latin1, &ours(&["PCMU"]), FIRST).is_ok());
}

#[test]
fn an_offer_of_ours_holds_all_formats_with_numbers_of_their_own() {
    let sdp = make_offer(&ours(&["opus", "PCMU", "PCMA"]), FIRST);
    let expected = "v=0\r\no=- 4711 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
        m=audio 20000 RTP/AVP 111 0 8 101 96\r\n\
        a=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1;stereo=0\r\n\
        a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
        a=rtpmap:101 telephone-event/48000\r\na=fmtp:101 0-15\r\n\
        a=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-15\r\n\
        a=ptime:20\r\na=maxptime:60\r\na=sendrecv\r\n";
    assert_eq!(text(&sdp), expected);
}

#[test]
fn the_answer_to_our_offer_settles_codec_numbers_and_direction() {
    let offer = make_offer(&ours(&["opus", "PCMU"]), FIRST);
    let answer = "v=0\r\no=- 9 9 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\n\
        m=audio 31002 RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\na=ptime:40\r\na=sendonly\r\n";
    let media = read_answer(&offer, answer.as_bytes()).unwrap();
    assert_eq!((media.payload.encoding.as_str(), media.payload.number), ("PCMU", 0));
    assert_eq!(media.telephone_event, Some(TelephoneEvent { number: 96, clock: 8000 }));
    assert_eq!(media.remote, Some("127.0.0.2:31002".parse().unwrap()));
    assert_eq!((media.send, media.receive, media.ptime_ms), (false, true, 40));
}

#[test]
fn an_answer_may_renumber_the_format() {
    let offer = make_offer(&ours(&["opus"]), FIRST);
    let answer = "v=0\r\no=- 9 9 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\n\
        m=audio 31002 RTP/AVP 120\r\na=rtpmap:120 OPUS/48000/2\r\n";
    let media = read_answer(&offer, answer.as_bytes()).unwrap();
    assert_eq!((media.payload.number, media.received_number), (120, 111));
    assert_eq!(media.payload.encoding, "opus", "our spelling");
}

#[test]
fn an_answer_outside_our_offer_is_refused() {
    let offer = make_offer(&ours(&["PCMU"]), FIRST);
    let head = "v=0\r\no=- 9 9 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\n";
    let read = |line: &str| read_answer(&offer, format!("{head}{line}").as_bytes()).unwrap_err();
    assert_eq!(read("m=audio 4000 RTP/AVP 8\r\n"), Refusal::NoCodec);
    assert_eq!(read("m=audio 0 RTP/AVP 0\r\n"), Refusal::Rejected);
    assert_eq!(read("m=audio 4000 RTP/SAVP 0\r\n"), Refusal::Security);
    assert_eq!(read("m=video 4000 RTP/AVP 0\r\n"), Refusal::NoAudio);
    assert_eq!(read("m=audio 4000 RTP/AVP 0\r\nc=IN IP6 ::1\r\n"), Refusal::Address);
    assert_eq!(read(""), Refusal::NoAudio);
    assert_eq!(read_answer(&offer, b"hello").unwrap_err(), Refusal::Malformed);
}

#[test]
fn a_far_end_without_an_offer_is_offered_ours_and_answers_in_its_ack() {
    let mut session = LocalSession::new(7);
    let offer = session.offer(&ours(&["PCMU", "PCMA"]));
    assert!(has_line(&offer, "o=- 7 1 IN IP4 127.0.0.1"));
    let media = session.read_answer(SIPP.as_bytes()).unwrap();
    assert_eq!(media.payload.encoding, "PCMU");
    assert_eq!(session.current(), Some(&media));
    assert_eq!(Direction::of(media.send, media.receive), Direction::SendRecv);
}

#[test]
fn a_later_offer_asks_for_one_port_only_where_that_was_agreed_on() {
    let mux = Capabilities { rtcp_mux: true, ..ours(&["PCMU"]) };
    for (offer, muxed) in [(SIPP.to_owned(), false), (format!("{SIPP}a=rtcp-mux\r\n"), true)] {
        let mut session = LocalSession::new(7);
        assert_eq!(session.answer(offer.as_bytes(), &mux).unwrap().media.rtcp_mux, muxed);
        assert_eq!(has_line(&session.offer(&mux), "a=rtcp-mux"), muxed);
    }
}
