//! Hold in all its forms, resume, later offers of either side, versions.

use baton_signaling::sdp::{Capabilities, Direction, LocalSession, Negotiated, Refusal};

use crate::check::{assert_answers, has_line, media_lines, ours, text};
use crate::styles::{ASTERISK, BARESIP, BROWSER, PCMU_TRUNK, SIPP};

/// A session that has answered `offer`.
fn answered(offer: &str) -> LocalSession {
    let mut session = LocalSession::new(99);
    session.answer(offer.as_bytes(), &ours(&["opus", "PCMU", "PCMA"])).expect(offer);
    session
}

fn reoffer(session: &mut LocalSession, offer: &str) -> (Negotiated, String) {
    let answer = session.answer(offer.as_bytes(), &ours(&["opus", "PCMU", "PCMA"])).expect(offer);
    assert_answers(offer, &answer.sdp);
    (answer.media, text(&answer.sdp).to_owned())
}

#[test]
fn each_direction_gets_its_counterpart() {
    let cases = [
        ("a=sendrecv", "a=sendrecv", true, true),
        ("a=sendonly", "a=recvonly", false, true),
        ("a=recvonly", "a=sendonly", true, false),
        ("a=inactive", "a=inactive", false, false),
    ];
    for (offered, answered_with, send, receive) in cases {
        let media_level = format!("{SIPP}{offered}\r\n");
        let session_level = SIPP.replace("t=0 0\r\n", &format!("t=0 0\r\n{offered}\r\n"));
        for offer in [media_level, session_level] {
            let (media, sdp) = reoffer(&mut answered(SIPP), &offer);
            assert_eq!((media.send, media.receive), (send, receive), "{offered}");
            assert!(sdp.contains(&format!("{answered_with}\r\n")), "{offered}: {sdp}");
        }
    }
    let over = SIPP.replace("t=0 0\r\n", "t=0 0\r\na=inactive\r\n") + "a=sendrecv\r\n";
    assert!(reoffer(&mut answered(SIPP), &over).0.send, "the media level wins");
}

#[test]
fn the_old_hold_of_address_zero_stops_our_sending_and_nothing_else() {
    let mut session = answered(SIPP);
    let (held, sdp) = reoffer(&mut session, &SIPP.replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0"));
    assert_eq!((held.remote, held.send, held.receive), (None, false, true));
    assert!(sdp.contains("a=recvonly\r\n"));
    let (resumed, _) = reoffer(&mut session, SIPP);
    assert_eq!(resumed.remote, Some("127.0.0.1:6000".parse().unwrap()));
    assert!(resumed.send && resumed.receive);
}

#[test]
fn a_stream_ended_with_port_0_is_answered_so_and_comes_back() {
    let mut session = answered(SIPP);
    let (ended, sdp) = reoffer(&mut session, &SIPP.replace("6000", "0"));
    assert_eq!((ended.remote, ended.send, ended.receive), (None, false, false));
    assert_eq!(ended.payload.encoding, "PCMU");
    assert_eq!(media_lines(&sdp), ["audio 0 RTP/AVP 0"]);
    assert!(reoffer(&mut session, SIPP).0.send);
}

#[test]
fn the_codec_agreed_on_is_kept_while_it_is_offered() {
    let mut session = answered(PCMU_TRUNK);
    let (kept, _) = reoffer(&mut session, ASTERISK);
    assert_eq!(kept.payload.encoding, "PCMU", "Opus would be our first choice, but the call speaks PCMU");
    let only_pcma = SIPP.replace("RTP/AVP 0\r\na=rtpmap:0 PCMU/8000", "RTP/AVP 8");
    assert_eq!(reoffer(&mut session, &only_pcma).0.payload.encoding, "PCMA");
}

#[test]
fn the_version_rises_with_every_change_and_only_then() {
    let version = |sdp: &str| sdp.lines().nth(1).unwrap().to_owned();
    let mut session = answered(SIPP);
    let (_, again) = reoffer(&mut session, SIPP);
    assert_eq!(version(&again), "o=- 99 1 IN IP4 127.0.0.1");
    let (_, held) = reoffer(&mut session, &format!("{SIPP}a=sendonly\r\n"));
    assert_eq!(version(&held), "o=- 99 2 IN IP4 127.0.0.1");
    let resumed = session.offer(&ours(&["PCMU"]));
    assert_eq!(version(text(&resumed)), "o=- 99 3 IN IP4 127.0.0.1");
}

#[test]
fn a_refused_reoffer_changes_nothing() {
    let mut session = answered(SIPP);
    let before = session.clone();
    assert_eq!(session.answer(BROWSER.as_bytes(), &ours(&["opus"])).unwrap_err(), Refusal::Security);
    assert_eq!(session, before);
}

#[test]
fn our_own_reoffer_keeps_lines_codec_and_numbers() {
    let mut session = answered(BARESIP);
    let hold = Capabilities { direction: Direction::SendOnly, ..ours(&["PCMU", "PCMA", "opus"]) };
    let offer = session.offer(&hold);
    let lines = media_lines(text(&offer));
    assert_eq!(lines[0], "audio 20000 RTP/AVP 96 0 8 97 101", "Opus is 96 and its events 97, as agreed");
    assert_eq!(lines[1], "video 0 RTP/AVP 98", "a line once there stays (RFC 3264 §8)");
    assert!(has_line(&offer, "a=sendonly"));
    let answer = "v=0\r\no=- 1 3 IN IP4 127.0.0.5\r\ns=-\r\nc=IN IP4 127.0.0.5\r\nt=0 0\r\n\
        m=audio 10002 RTP/AVP 96 97\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 telephone-event/48000\r\n\
        a=recvonly\r\nm=video 0 RTP/AVP 98\r\n";
    let media = session.read_answer(answer.as_bytes()).unwrap();
    assert_eq!((media.send, media.receive), (true, false));
    assert_eq!((media.payload.number, media.telephone_event.unwrap().number), (96, 97));
}

#[test]
fn an_offer_after_our_own_first_offer_keeps_its_line() {
    let mut session = LocalSession::new(5);
    session.offer(&ours(&["PCMU"]));
    session.read_answer(SIPP.as_bytes()).unwrap();
    let again = session.offer(&ours(&["PCMU", "PCMA"]));
    assert_eq!(media_lines(text(&again)), ["audio 20000 RTP/AVP 0 8 101"]);
    assert_eq!(session.last(), Some(&again));
}

#[test]
fn a_name_or_a_group_is_no_address_to_send_to() {
    for address in ["media.example.com", "224.2.1.1/127", "255.255.255.255"] {
        let offer = SIPP.replace("c=IN IP4 127.0.0.1", &format!("c=IN IP4 {address}"));
        let (media, _) = reoffer(&mut answered(SIPP), &offer);
        assert_eq!((media.remote, media.send), (None, true), "{address}");
    }
}
