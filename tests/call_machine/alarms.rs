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
    script.sip(AI, SipEvent::Reanswered { sdp: Some(text.into_bytes().into()) });
    let orders = orders(&script.take());
    let moved = orders.iter().any(|order| {
        matches!(order, baton_engine::media::Order::Update { leg: AI, config }
            if config.remote.is_some_and(|remote| remote.ip().to_string() == "127.0.0.7"))
    });
    assert!(moved, "{orders:?}");
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
