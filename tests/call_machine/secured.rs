//! SRTP keys in a call's hands: shown by nothing that carries them, and new where another device has answered.

use baton_engine::call::*;
use baton_engine::key::LegId;
use baton_engine::media::{AlarmKind, MediaEvent};
use baton_signaling::sdp::Description;

use crate::driver::*;

const AI: LegId = LegId(1);
const THEIRS: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
const OTHERS: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYDBXXXtxVSBR";

fn secured(key: &str) -> Description {
    sdp("0", &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n"))
}

/// The key of our own line in a description.
fn key_in(sdp: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(sdp).into_owned();
    let at = text.find("AES_CM_128_HMAC_SHA1_80 inline:")? + "AES_CM_128_HMAC_SHA1_80 inline:".len();
    text.get(at..at + 40).map(str::to_owned)
}

fn described(action: &Action) -> Option<&Description> {
    match action {
        Action::Dial(_, dial) => Some(&dial.sdp),
        Action::Answer { sdp, .. } | Action::Reinvite(_, sdp) => Some(sdp),
        Action::Respond { sdp, .. } => sdp.as_ref(),
        _ => None,
    }
}

fn required() -> CallSettings {
    let mut settings = settings();
    settings.peers.values_mut().for_each(|peer| peer.srtp = SrtpPolicy::Required);
    settings
}

/// A secured caller and a secured AI; what was asked for on the way.
fn talking() -> (Script, Vec<Action>) {
    let mut script = Script::begin(required(), "support", Some(secured(THEIRS)));
    script.sip(AI, SipEvent::Answered { sdp: Some(secured(OTHERS)), headers: Vec::new() });
    let actions = script.take();
    assert_eq!(script.state(), State::WithAi);
    (script, actions)
}

/// That neither of two forms shows a key, as text or as the numbers of its bytes.
fn assert_masked(debug: &str, json: &str, key: &str) {
    let numbers: Vec<String> = key.bytes().map(|byte| byte.to_string()).collect();
    for form in [debug, json] {
        assert!(!form.contains(&key[..12]), "{key} in {form}");
        assert!(
            !form.contains(&numbers[..8].join(",")) && !form.contains(&numbers[..8].join(", ")),
            "{form}"
        );
    }
}

#[test]
fn no_key_is_printed_or_serialised_with_anything_that_carries_it() {
    let (mut script, mut actions) = talking();
    script.sip(AI, SipEvent::Offer { request: RequestKey(1), sdp: Some(secured(THEIRS)) });
    script.media(MediaEvent::Alarm { leg: AI, kind: AlarmKind::NotReceived });
    script.pass(20);
    actions.extend(script.take());
    let ours: Vec<String> = actions.iter().filter_map(described).filter_map(|sdp| key_in(sdp)).collect();
    assert!(ours.len() >= 4, "dialled, answered, responded, offered anew: {ours:?}");
    for key in ours.iter().map(String::as_str).chain([THEIRS, OTHERS]) {
        for action in &actions {
            assert_masked(&format!("{action:?}"), &serde_json::to_string(action).expect("plain data"), key);
        }
        let call = &script.call;
        assert_masked(&format!("{call:?}"), &serde_json::to_string(call).expect("plain data"), key);
        let shown = call.snapshot();
        assert_masked(&format!("{shown:?}"), &serde_json::to_string(&shown).expect("plain data"), key);
    }
    let sdp = || Some(secured(THEIRS));
    for event in [
        SipEvent::Progress { status: 183, sdp: sdp() },
        SipEvent::Answered { sdp: sdp(), headers: Vec::new() },
        SipEvent::Acked { sdp: sdp() },
        SipEvent::Offer { request: RequestKey(1), sdp: sdp() },
        SipEvent::Reanswered { sdp: sdp() },
    ] {
        let input = Input::Sip(AI, event);
        let shown = format!("{input:?}");
        assert!(shown.contains("inline:masked"), "{shown}");
        assert_masked(&shown, &serde_json::to_string(&input).expect("plain data"), THEIRS);
    }
}

#[test]
fn another_device_that_answers_our_offer_is_offered_a_new_key_once() {
    let (mut script, _) = talking();
    script.media(MediaEvent::Alarm { leg: AI, kind: AlarmKind::NotReceived });
    script.pass(20);
    let first = script.take();
    let other = |key: &str, port: &str| {
        let text = String::from_utf8_lossy(&secured(key)).replace("4000", port);
        script_answer(text)
    };
    script.sip(AI, other(THEIRS, "4002"));
    let second = script.take();
    let keys: Vec<_> = [&first, &second]
        .map(|actions| actions.iter().filter_map(described).find_map(|sdp| key_in(sdp)).expect("a key"))
        .into();
    assert_ne!(keys[0], keys[1]);
    script.sip(AI, other(THEIRS, "4002"));
    let orders = orders(&script.take());
    assert_eq!(orders.len(), 1, "the session has the new key: {orders:?}");
    // Devices that answer by turns are not followed.
    script.sip(AI, other(OTHERS, "4004"));
    script.pass(60_000);
    assert!(script.take().iter().filter_map(described).next().is_none());
}

fn script_answer(text: String) -> SipEvent {
    SipEvent::Reanswered { sdp: Some(text.into()) }
}
