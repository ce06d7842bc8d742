//! Alarms about the sound: noted, counted, told, mended once, and never an end.

use baton_engine::call::*;
use baton_engine::key::LegId;
use baton_engine::media::{AlarmKind, MediaEvent};

use crate::driver::*;

const AI: LegId = LegId(1);
const AGENT: LegId = LegId(2);

fn reinvited(actions: &[Action]) -> Vec<LegId> {
    let leg = |action: &Action| match action {
        Action::Reinvite(leg, _) => Some(*leg),
        _ => None,
    };
    actions.iter().filter_map(leg).collect()
}

fn told(script: &mut Script) -> Vec<(LegId, Role, AlarmKind, bool)> {
    std::iter::from_fn(|| script.call.poll_alarm())
        .map(|alarm| (alarm.leg, alarm.role, alarm.kind, alarm.first))
        .collect()
}

#[test]
fn a_leg_that_is_not_heard_is_offered_its_session_once_two_seconds_after_the_alarm() {
    let mut script = Script::with_ai();
    script.media(MediaEvent::Alarm { leg: AI, kind: AlarmKind::NoRtp });
    assert_eq!(told(&mut script), [(AI, Role::Ai, AlarmKind::NoRtp, true)]);
    script.pass(1900);
    assert!(reinvited(&script.take()).is_empty(), "another source has its chance first");
    script.pass(200);
    assert_eq!(reinvited(&script.take()), [AI]);
    script.sip(AI, SipEvent::Rerefused { failure: Failure::Status(488) });
    script.media(MediaEvent::AlarmOver { leg: AI, kind: AlarmKind::NoRtp });
    script.media(MediaEvent::Alarm { leg: AI, kind: AlarmKind::NoRtp });
    assert_eq!(told(&mut script), [(AI, Role::Ai, AlarmKind::NoRtp, false)], "counted, not logged again");
    script.pass(10_000);
    assert!(reinvited(&script.take()).is_empty());
    assert_eq!(script.state(), State::WithAi);
    let counters = script.call.counters();
    assert_eq!((counters.alarms[0].count, counters.reoffers), (2, 1));
}

#[test]
fn a_leg_that_is_heard_again_is_left_alone() {
    let mut script = Script::with_ai();
    script.media(MediaEvent::Alarm { leg: CALLER, kind: AlarmKind::NoRtp });
    script.pass(1000);
    script.media(MediaEvent::AlarmOver { leg: CALLER, kind: AlarmKind::NoRtp });
    script.pass(10_000);
    assert!(reinvited(&script.take()).is_empty());
}

#[test]
fn a_leg_that_has_gone_on_hold_since_the_alarm_is_not_offered_its_session() {
    let mut script = Script::with_ai();
    script.media(MediaEvent::Alarm { leg: CALLER, kind: AlarmKind::NoRtp });
    script.pass(500);
    let held = format!("{}a=sendonly\r\n", String::from_utf8_lossy(&caller_offer()));
    script.sip(CALLER, SipEvent::Offer { request: RequestKey(1), sdp: Some(held.into()) });
    script.pass(10_000);
    assert!(reinvited(&script.take()).is_empty());
}

#[test]
fn a_far_end_that_hears_nothing_is_asked_at_once_and_its_answer_is_taken() {
    let mut script = Script::with_ai();
    script.media(MediaEvent::Alarm { leg: AI, kind: AlarmKind::NotReceived });
    script.pass(20);
    let actions = script.take();
    let offer = actions.iter().find_map(|action| match action {
        Action::Reinvite(AI, offer) => Some(offer.clone()),
        _ => None,
    });
    let answer = answer_to(&offer.expect("a re-INVITE"), &["PCMU"]);
    let text = String::from_utf8_lossy(&answer).replace("127.0.0.8", "127.0.0.7");
    script.sip(AI, SipEvent::Reanswered { sdp: Some(text.into()) });
    let orders = orders(&script.take());
    let moved = orders.iter().any(|order| {
        matches!(order, baton_engine::media::Order::Update { leg: AI, config }
            if config.remote.is_some_and(|remote| remote.ip().to_string() == "127.0.0.7"))
    });
    assert!(moved, "{orders:?}");
}

#[test]
fn an_offer_that_waits_behind_a_glare_is_written_anew_once_theirs_is_answered() {
    let version = |sdp: &[u8]| -> u64 {
        let text = String::from_utf8_lossy(sdp).into_owned();
        let line = text.lines().find(|line| line.starts_with("o=")).expect("an origin");
        line.split(' ').nth(2).expect("a version").parse().expect("a number")
    };
    let offers = |actions: &[Action]| -> Vec<baton_signaling::sdp::Description> {
        let offer = |action: &Action| match action {
            Action::Reinvite(CALLER, offer) => Some(offer.clone()),
            _ => None,
        };
        actions.iter().filter_map(offer).collect()
    };
    let mut script = Script::with_ai();
    script.media(MediaEvent::Alarm { leg: CALLER, kind: AlarmKind::NotReceived });
    script.pass(20);
    assert_eq!(offers(&script.take()).len(), 1);
    // Theirs has crossed ours, which waits for its time (RFC 3261 §14.1); it holds, and so is answered otherwise.
    let held = format!("{}a=sendonly\r\n", String::from_utf8_lossy(&caller_offer()));
    script.sip(CALLER, SipEvent::Offer { request: RequestKey(1), sdp: Some(held.into()) });
    let actions = script.take();
    let answer = actions.iter().find_map(|action| match action {
        Action::Respond { status: 200, sdp, .. } => sdp.clone(),
        _ => None,
    });
    let again = offers(&actions);
    assert_eq!(again.len(), 1, "{actions:?}");
    assert!(version(&again[0]) > version(&answer.expect("an answer")));
    let answer = answer_to(&again[0], &["opus"]);
    script.sip(CALLER, SipEvent::Reanswered { sdp: Some(answer) });
    script.sip(CALLER, SipEvent::Offer { request: RequestKey(2), sdp: Some(caller_offer()) });
    assert!(offers(&script.take()).is_empty(), "it is done");
}

#[test]
fn dead_air_is_told_of_an_ai_and_not_of_people_and_leads_to_nothing() {
    let mut script = Script::with_ai();
    for leg in [AI, CALLER] {
        script.media(MediaEvent::Alarm { leg, kind: AlarmKind::DeadAir });
    }
    assert_eq!(told(&mut script), [(AI, Role::Ai, AlarmKind::DeadAir, true)]);
    let mut script = Script::with_agent();
    script.media(MediaEvent::Alarm { leg: AGENT, kind: AlarmKind::DeadAir });
    assert!(told(&mut script).is_empty());
    script.media(MediaEvent::Alarm { leg: CALLER, kind: AlarmKind::NoSound });
    assert_eq!(told(&mut script), [(CALLER, Role::Caller, AlarmKind::NoSound, true)]);
    script.pass(60_000);
    assert!(script.take().is_empty());
    assert_eq!(script.state(), State::WithAgent);
}

#[test]
fn the_ais_answers_are_kept_with_their_median_and_nobody_elses() {
    let mut script = Script::with_ai();
    for ms in [900, 500, 700] {
        script.media(MediaEvent::ResponseGap { leg: AI, ms });
    }
    let gaps = &script.call.snapshot().counters.ai_silence;
    assert_eq!((gaps.count, gaps.p50_ms, gaps.max_ms), (3, 700, 900));
    let mut script = Script::with_agent();
    script.media(MediaEvent::ResponseGap { leg: AGENT, ms: 5 });
    assert_eq!(script.call.snapshot().counters.ai_silence.count, 0);
}

#[test]
fn what_comes_right_does_not_undo_what_another_alarm_has_planned() {
    let mut script = Script::with_ai();
    script.media(MediaEvent::Alarm { leg: AI, kind: AlarmKind::NoRtp });
    script.pass(500);
    script.media(MediaEvent::AlarmOver { leg: AI, kind: AlarmKind::NotReceived });
    script.pass(2000);
    assert_eq!(reinvited(&script.take()), [AI], "nothing comes as before");
}

#[test]
fn of_two_offers_that_are_both_answered_the_second_answer_counts() {
    let mut script = Script::with_ai();
    script.media(MediaEvent::Alarm { leg: AI, kind: AlarmKind::NotReceived });
    script.pass(20);
    // Ours waits while the AI asks for an offer, leaves as soon as that is acknowledged, and is written anew behind it.
    script.sip(AI, SipEvent::Offer { request: RequestKey(1), sdp: None });
    let offer = script.take().into_iter().find_map(|action| match action {
        Action::Respond { status: 200, sdp, .. } => sdp,
        _ => None,
    });
    let answer = answer_to(&offer.expect("our offer"), &["PCMU"]);
    script.sip(AI, SipEvent::Acked { sdp: Some(answer.clone()) });
    assert_eq!(reinvited(&script.take()), [AI]);
    script.sip(AI, SipEvent::Reanswered { sdp: Some(answer.clone()) });
    script.take();
    let moved = String::from_utf8_lossy(&answer).replace("6000", "6002");
    script.sip(AI, SipEvent::Reanswered { sdp: Some(moved.into()) });
    let orders = orders(&script.take());
    let follows = orders.iter().any(|order| {
        matches!(order, baton_engine::media::Order::Update { leg: AI, config }
            if config.remote.is_some_and(|remote| remote.port() == 6002))
    });
    assert!(follows, "{orders:?}");
}
