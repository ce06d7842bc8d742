//! What legs are offered: the caller's codec first where their peer allows it, and what an Opus sender is told.

use baton_engine::call::*;
use baton_engine::key::LegId;
use baton_engine::media::Order;
use baton_signaling::sdp::Description;

use crate::driver::*;

const AI: LegId = LegId(1);
const AGENT: LegId = LegId(2);

/// The line of a description that begins so.
fn line(sdp: &[u8], start: &str) -> String {
    let text = String::from_utf8(sdp.to_vec()).expect("a description of ours is text");
    text.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned()
}

/// The formats of its audio line.
fn formats(sdp: &[u8]) -> String {
    line(sdp, "m=audio").split("RTP/AVP ").nth(1).expect("a plain audio line").to_owned()
}

fn answered(actions: &[Action]) -> Description {
    let answer = actions.iter().find_map(|action| match action {
        Action::Answer { sdp, .. } => Some(sdp.clone()),
        _ => None,
    });
    answer.expect("the caller was answered")
}

/// A call of this offer whose AI may speak these codecs and answers in the first of `ai`; the AI's offer, our answer
/// to the caller, and the call.
fn call(offer: Description, allowed: &[&str], ai: &[&str]) -> (Description, Description, Script) {
    let mut settings = settings();
    let peer = settings.peers.get_mut("polyai").expect("a peer of the settings");
    peer.codecs = allowed.iter().map(|name| (*name).to_owned()).collect();
    let mut script = Script::begin(settings, "support", Some(offer));
    script.take();
    script.answer(AI, ai);
    let answer = answered(&script.take());
    (script.dials[&AI].sdp.clone(), answer, script)
}

/// The offer to the person whom such a caller is handed to.
fn offer_to_agent(mut script: Script) -> Description {
    script.refer(AI, 1, "<sip:people@127.0.0.1>");
    script.queued_notice("people");
    script.offer(1);
    script.dials[&AGENT].sdp.clone()
}

#[test]
fn ai_and_agent_are_offered_the_callers_codec_first_where_their_peer_allows_it() {
    let opus = || caller_offer();
    for (offer, allowed, to_ai, to_agent) in [
        (sdp("8", ""), &["PCMU", "PCMA"][..], "8 0 101", "8 111 0 101 96"),
        (sdp("0 8", ""), &["PCMU", "PCMA"], "0 8 101", "0 111 8 101 96"),
        (opus(), &["PCMU", "PCMA"], "0 8 101", "111 0 8 101 96"),
        (opus(), &["PCMU", "opus"], "111 0 101 96", "111 0 8 101 96"),
    ] {
        let (offered, _, script) = call(offer, allowed, &["PCMA", "PCMU", "opus"]);
        assert_eq!(formats(&offered), to_ai);
        assert_eq!(formats(&offer_to_agent(script)), to_agent);
    }
}

#[test]
fn an_opus_caller_behind_whom_g711_stands_is_told_that_telephone_bandwidth_will_do() {
    let (_, answer, script) = call(caller_offer(), &["PCMU", "PCMA"], &["PCMU"]);
    assert_eq!(line(&answer, "a=fmtp:111"), "a=fmtp:111 useinbandfec=1;stereo=0;maxplaybackrate=8000");
    // A person may hear more: nothing is said of the rate.
    assert_eq!(line(&offer_to_agent(script), "a=fmtp:111"), "a=fmtp:111 useinbandfec=1;stereo=0");
}

#[test]
fn an_opus_caller_behind_whom_opus_stands_is_told_what_that_side_wants() {
    let (offered, answer, _) = call(caller_offer(), &["opus"], &["opus"]);
    assert_eq!(line(&offered, "a=fmtp:111"), "a=fmtp:111 useinbandfec=1;stereo=0");
    assert_eq!(line(&answer, "a=fmtp:111"), "a=fmtp:111 useinbandfec=1;stereo=0");
    let mut settings = settings();
    settings.peers.get_mut("polyai").expect("a peer of the settings").codecs = vec!["opus".to_owned()];
    let mut script = Script::begin(settings, "support", Some(caller_offer()));
    let slow = sdp("111", "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 maxaveragebitrate=16000;cbr=1\r\n");
    script.sip(AI, SipEvent::Answered { sdp: Some(slow), headers: Vec::new() });
    let answer = answered(&script.take());
    assert_eq!(
        line(&answer, "a=fmtp:111"),
        "a=fmtp:111 useinbandfec=1;stereo=0;maxaveragebitrate=16000;cbr=1"
    );
}

#[test]
fn what_a_caller_wants_of_opus_is_passed_on_and_g711_callers_want_telephone_bandwidth() {
    let wishes =
        "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 maxplaybackrate=16000;maxaveragebitrate=20000;usedtx=1\r\n";
    let (_, _, script) = call(sdp("111", wishes), &["PCMU"], &["PCMU"]);
    assert_eq!(
        line(&offer_to_agent(script), "a=fmtp:111"),
        "a=fmtp:111 useinbandfec=1;stereo=0;maxplaybackrate=16000;maxaveragebitrate=20000;usedtx=1"
    );
    let (_, _, script) = call(sdp("0", ""), &["PCMU"], &["PCMU"]);
    assert_eq!(
        line(&offer_to_agent(script), "a=fmtp:111"),
        "a=fmtp:111 useinbandfec=1;stereo=0;maxplaybackrate=8000"
    );
}

#[test]
fn bad_wishes_refuse_no_call_and_good_ones_reach_the_session() {
    let wishes = "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 maxaveragebitrate=-5;stereo=maybe;useinbandfec=1;;=;usedtx\r\n";
    let mut settings = settings();
    settings.peers.get_mut("snapcall").unwrap().repair = baton_engine::media::Repair::Never;
    let mut script = Script::begin(settings, "support", Some(sdp("111", wishes)));
    script.take();
    script.answer(AI, &["PCMU"]);
    let config = orders(&script.take()).into_iter().find_map(|order| match order {
        Order::Open { leg: LegId::CALLER, config } => Some(config),
        _ => None,
    });
    let config = config.unwrap();
    assert!(config.limits.fec && !config.limits.stereo && !config.limits.dtx);
    assert_eq!((config.limits.bitrate_max, config.repair), (None, baton_engine::media::Repair::Never));
}

#[test]
fn a_caller_of_whom_nothing_is_known_is_not_asked_for_one_port_and_may_have_it_later() {
    let mut script = Script::begin(settings(), "support", None);
    script.answer(AI, &["PCMU"]);
    let offer = answered(&script.take());
    assert!(!String::from_utf8_lossy(&offer).contains("rtcp-mux"));
    script.sip(CALLER, SipEvent::Acked { sdp: Some(answer_to(&offer, &["PCMU"])) });
    script.take();
    let muxed = sdp("0", "a=rtcp-mux\r\n");
    script.sip(CALLER, SipEvent::Offer { request: RequestKey(1), sdp: Some(muxed) });
    let answer = script.take().into_iter().find_map(|action| match action {
        Action::Respond { status: 200, sdp, .. } => sdp,
        _ => None,
    });
    assert!(String::from_utf8_lossy(&answer.expect("an answer")).contains("a=rtcp-mux"));
    let (_, answer, _) = call(sdp("0", "a=rtcp-mux\r\n"), &["PCMU"], &["PCMU"]);
    assert!(String::from_utf8_lossy(&answer).contains("a=rtcp-mux"), "taken where it is offered");
}

#[test]
fn extended_reports_are_asked_for_in_every_offer_where_the_settings_say_so_and_else_in_none() {
    for asks in [false, true] {
        let settings = CallSettings { extended_reports: asks, ..settings() };
        let mut script = Script::begin(settings, "support", None);
        let to_ai = script.dials[&AI].sdp.clone();
        script.answer(AI, &["PCMU"]);
        for offer in [to_ai, answered(&script.take())] {
            let text = String::from_utf8_lossy(&offer).into_owned();
            assert_eq!(text.contains("a=rtcp-xr:rcvr-rtt=all voip-metrics"), asks, "{text}");
        }
    }
}
