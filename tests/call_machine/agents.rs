//! Agents that ring, refuse, cross our CANCEL, hold, fall silent, hang up.

use baton_engine::call::*;
use baton_engine::key::LegId;
use baton_engine::media::{MediaEvent, Order};
use baton_engine::queue::{Notice, OfferId, Outcome, Place};

use crate::driver::*;

const AGENT: LegId = LegId(2);

#[test]
fn the_agents_invite_carries_the_context_and_the_callers_codec_first() {
    let script = Script::ringing();
    let dial = &script.dials[&AGENT];
    assert_eq!(value(&dial.headers, "X-Issue").as_deref(), Some("billing"));
    assert_eq!(value(&dial.headers, "X-Reason").as_deref(), Some("refund"));
    assert_eq!(value(&dial.headers, "X-Baton-Call-ID").as_deref(), Some("call-1"));
    let sdp = String::from_utf8_lossy(&dial.sdp).into_owned();
    assert!(sdp.contains("RTP/AVP 111 0 8"), "{sdp}");
}

#[test]
fn a_phone_that_is_not_picked_up_is_cancelled_and_reported() {
    let mut script = Script::ringing();
    script.progress(AGENT, 180);
    script.take();
    script.pass(15_000);
    let actions = script.take();
    assert!(actions.iter().any(|action| matches!(action, Action::Cancel(AGENT, _))));
    assert_eq!(reports(&actions), [(1, Outcome::NoAnswer)]);
    assert_eq!(script.state(), State::Queued);
}

#[test]
fn an_answer_that_crosses_our_cancel_changes_nothing() {
    let mut script = Script::ringing();
    script.pass(15_000);
    script.take();
    script.answer(AGENT, &["opus"]);
    assert!(script.take().is_empty());
    assert_eq!(script.call.counters().answers_crossed, 1);
    assert_eq!(script.state(), State::Queued);
}

#[test]
fn refusals_are_reported_for_what_they_are() {
    for (failure, outcome) in [
        (Failure::Status(486), Outcome::Busy),
        (Failure::Status(603), Outcome::Declined),
        (Failure::Status(480), Outcome::Unreachable),
        (Failure::Transport, Outcome::Unreachable),
    ] {
        let mut script = Script::ringing();
        script.refuse(AGENT, failure);
        assert_eq!(reports(&script.take()), [(1, outcome)]);
        assert_eq!(script.state(), State::Queued);
    }
}

#[test]
fn a_withdrawn_offer_stops_the_phone_and_an_older_one_does_not() {
    let mut script = Script::ringing();
    script.handle(Input::Queue(Notice::Withdrawn { offer: OfferId(77) }));
    assert!(script.take().is_empty());
    script.handle(Input::Queue(Notice::Withdrawn { offer: OfferId(1) }));
    assert!(script.take().iter().any(|action| matches!(action, Action::Cancel(AGENT, _))));
    assert_eq!(script.call.counters().late_notices, 1);
}

#[test]
fn an_agent_without_a_port_is_reported_and_not_dialled() {
    let mut script = Script::queued();
    script.grants = false;
    script.offer(1);
    script.take();
    script.handle(Input::Port(AGENT, Err(NoPort::Exhausted)));
    let actions = script.take();
    assert!(dialed(&actions).is_none());
    assert_eq!(reports(&actions), [(1, Outcome::Unreachable)]);
}

#[test]
fn an_agent_who_answers_with_nothing_usable_is_ended_and_the_caller_waits_on() {
    let mut script = Script::ringing();
    script.sip(AGENT, SipEvent::Answered { sdp: None, headers: Vec::new() });
    let actions = script.take();
    assert!(actions.iter().any(|action| matches!(action, Action::HangUp(AGENT, _))));
    assert_eq!(reports(&actions), [(1, Outcome::Unreachable)]);
    assert_eq!(script.state(), State::Queued);
}

#[test]
fn an_agent_who_hangs_up_ends_the_call_even_at_once_after_the_answer() {
    let mut script = Script::ringing();
    script.answer(AGENT, &["opus"]);
    script.take();
    script.bye(AGENT, &[]);
    let actions = script.take();
    assert_eq!(reports(&actions), [(1, Outcome::Ended)]);
    assert_eq!(script.call.end_reason(), Some(EndReason::AgentHungUp));
    assert!(script.call.is_ended());
}

#[test]
fn a_lost_agent_leaves_its_caller_at_the_front_of_the_queue_with_hold_audio() {
    let mut script = Script::with_agent();
    script.sip(AGENT, SipEvent::Gone { failure: Failure::Status(481) });
    let actions = script.take();
    assert_eq!(entered(&actions), Some(("people".to_owned(), Place::Front)));
    assert_eq!(reports(&actions), [(1, Outcome::Unreachable)]);
    let expected = [Order::Park { tail: Some(AGENT), hold: HOLD }, Order::Close { leg: AGENT }];
    assert_eq!(orders(&actions), expected);
    assert_eq!(script.state(), State::Queued);
}

#[test]
fn a_silent_agent_is_asked_and_given_up_unless_it_is_heard_again() {
    let mut script = Script::with_agent();
    script.media(MediaEvent::Silent { leg: AGENT });
    assert_eq!(script.take(), [Action::Probe(AGENT)]);
    script.media(MediaEvent::Heard { leg: AGENT });
    script.pass(60_000);
    assert_eq!(script.state(), State::WithAgent);
    script.media(MediaEvent::Silent { leg: AGENT });
    script.sip(AGENT, SipEvent::Alive);
    script.take();
    script.pass(4_000);
    let actions = script.take();
    assert!(actions.iter().any(|action| matches!(action, Action::HangUp(AGENT, _))));
    assert_eq!(entered(&actions), Some(("people".to_owned(), Place::Front)));
}

#[test]
fn each_side_may_hold_and_resume_and_the_other_is_not_asked() {
    for leg in [CALLER, AGENT] {
        let mut script = Script::with_agent();
        let hold = sdp("0", "a=sendonly\r\n");
        script.sip(leg, SipEvent::Offer { request: RequestKey(9), sdp: Some(hold) });
        let actions = script.take();
        assert_eq!(responded(&actions, 9), Some(200));
        assert!(
            matches!(&orders(&actions)[..], [Order::Update { leg: l, config }] if *l == leg && !config.send)
        );
        assert!(!actions.iter().any(|action| matches!(action, Action::Reinvite(..))));
        script.sip(leg, SipEvent::Offer { request: RequestKey(10), sdp: Some(sdp("0", "")) });
        let actions = script.take();
        assert!(matches!(&orders(&actions)[..], [Order::Update { config, .. }] if config.send));
        let held = |entry: &Entry| matches!(entry.what, Moment::LegHeld { .. } | Moment::LegResumed { .. });
        assert_eq!(script.call.snapshot().timeline.entries().iter().filter(|entry| held(entry)).count(), 2);
    }
}

#[test]
fn an_offer_without_a_codec_of_ours_gets_488_and_the_session_goes_on() {
    let mut script = Script::with_agent();
    let offer = sdp("18", "a=rtpmap:18 G729/8000\r\n");
    script.sip(AGENT, SipEvent::Offer { request: RequestKey(9), sdp: Some(offer) });
    let actions = script.take();
    assert_eq!(responded(&actions, 9), Some(488));
    assert!(orders(&actions).is_empty());
    assert_eq!(script.state(), State::WithAgent);
}

#[test]
fn a_reinvite_without_an_offer_gets_ours_and_glare_gets_491() {
    let mut script = Script::with_agent();
    script.sip(AGENT, SipEvent::Offer { request: RequestKey(9), sdp: None });
    let actions = script.take();
    let Some(Action::Respond { status: 200, sdp: Some(offer), .. }) = actions.first() else {
        panic!("{actions:?}");
    };
    script.sip(AGENT, SipEvent::Offer { request: RequestKey(10), sdp: Some(sdp("0", "")) });
    assert_eq!(responded(&script.take(), 10), Some(491));
    script.sip(AGENT, SipEvent::Acked { sdp: Some(answer_to(offer, &["PCMA"])) });
    let orders = orders(&script.take());
    assert!(
        matches!(&orders[..], [Order::Update { leg: AGENT, config }] if config.payload.encoding == "PCMA")
    );
}

#[test]
fn a_digit_in_info_goes_to_the_other_side() {
    let mut script = Script::with_agent();
    let body = bytes::Bytes::from_static(b"Signal=5\r\nDuration=100\r\n");
    let content_type = "application/dtmf-relay".to_owned();
    script.sip(CALLER, SipEvent::Info { request: RequestKey(9), content_type, body });
    let digit = baton_engine::media::Dtmf(5);
    let actions = script.take();
    assert_eq!(responded(&actions, 9), Some(200));
    assert_eq!(orders(&actions), [Order::Dtmf { leg: AGENT, digit }]);
}

#[test]
fn who_never_acknowledges_our_200_is_let_go_and_the_caller_stays() {
    let mut script = Script::with_agent();
    script.sip(AGENT, SipEvent::Offer { request: RequestKey(5), sdp: None });
    script.take();
    script.sip(AGENT, SipEvent::NotAcked);
    let actions = script.take();
    assert!(actions.iter().any(|action| matches!(action, Action::HangUp(AGENT, _))));
    assert_eq!(entered(&actions), Some(("people".to_owned(), Place::Front)));
    let mut script = Script::with_ai();
    script.sip(LegId(1), SipEvent::NotAcked);
    let actions = script.take();
    assert!(actions.iter().any(|action| matches!(action, Action::HangUp(LegId(1), _))));
    assert_eq!(entered(&actions), Some(("people".to_owned(), Place::Back)));
    // The person who rings knows nothing of it.
    let mut script = Script::ringing();
    script.sip(LegId(1), SipEvent::NotAcked);
    assert_eq!(script.state(), State::RingingAgent);
}
