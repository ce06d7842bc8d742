//! Ends: the caller gone in each state, the operator, the drain, the watch over silent callers.

use baton_engine::call::*;
use baton_engine::key::LegId;
use baton_engine::media::{MediaEvent, Order};
use baton_engine::queue::QueueRequest;

use crate::driver::*;

/// Ends the call by `input`: everything is let go in that very turn.
fn ends(mut script: Script, input: Input, reason: EndReason) -> Vec<Action> {
    script.take();
    if let Input::Sip(leg, event) = input {
        script.sip(leg, event);
    } else {
        script.handle(input);
    }
    let actions = script.take();
    assert_eq!(script.call.end_reason(), Some(reason));
    assert!(script.call.is_ended());
    assert_eq!(actions.last(), Some(&Action::End));
    assert!(orders(&actions).contains(&Order::End));
    assert!(script.checks.ports.is_empty(), "ports left: {:?}", script.checks.ports);
    assert_eq!(script.call.poll_timeout(), None);
    script.check_edges();
    actions
}

fn bye() -> Input {
    Input::Sip(CALLER, SipEvent::Bye { headers: Vec::new() })
}

#[test]
fn a_caller_who_cancels_while_the_ai_is_dialled_leaves_nothing_behind() {
    let cancel = Input::Sip(CALLER, SipEvent::Cancelled { headers: Vec::new() });
    let actions = ends(Script::dialing(), cancel, EndReason::CallerCancelled);
    assert!(actions.iter().any(|action| matches!(action, Action::Cancel(LegId(1), _))));
    assert_eq!(rejected(&actions), None, "the endpoint has sent 487");
}

#[test]
fn a_caller_who_hangs_up_takes_every_leg_along_in_every_state() {
    ends(Script::with_ai(), bye(), EndReason::CallerHungUp);
    let actions = ends(Script::queued(), bye(), EndReason::CallerHungUp);
    assert_eq!(notified(&actions, 1), [480]);
    let actions = ends(Script::ringing(), bye(), EndReason::CallerHungUp);
    assert!(actions.iter().any(|action| matches!(action, Action::Cancel(LegId(2), _))));
    let leave = |action: &Action| matches!(action, Action::Queue(QueueRequest::Leave { .. }));
    assert!(actions.iter().any(leave));
    let actions = ends(Script::with_agent(), bye(), EndReason::CallerHungUp);
    assert!(actions.iter().any(|action| matches!(action, Action::HangUp(LegId(2), _))));
}

#[test]
fn every_bye_and_cancel_says_why() {
    let actions = ends(Script::ringing(), bye(), EndReason::CallerHungUp);
    for action in &actions {
        if let Action::Cancel(_, headers) | Action::HangUp(_, headers) = action {
            let reason = value(headers, "Reason").unwrap();
            assert_eq!(reason, "Q.850;cause=16;text=\"caller hung up\"");
        }
    }
}

#[test]
fn operator_drain_and_overload_end_the_call_on_every_leg() {
    ends(Script::with_agent(), Input::HangUp, EndReason::HungUpByOperator);
    ends(Script::ringing(), Input::DrainDeadline, EndReason::Drained);
    ends(Script::queued(), Input::Overload, EndReason::Overload);
    let actions = ends(Script::dialing(), Input::DrainDeadline, EndReason::Drained);
    assert_eq!(rejected(&actions).unwrap().0, 503);
}

#[test]
fn a_caller_who_never_acknowledges_or_is_gone_is_let_go() {
    ends(Script::with_ai(), Input::Sip(CALLER, SipEvent::NotAcked), EndReason::CallerNotAcked);
    let gone = SipEvent::Gone { failure: Failure::Timeout };
    ends(Script::with_ai(), Input::Sip(CALLER, gone), EndReason::CallerGone);
}

#[test]
fn a_silent_caller_who_answers_options_stays_and_one_who_does_not_goes() {
    let mut script = Script::with_agent();
    script.media(MediaEvent::Silent { leg: CALLER });
    assert_eq!(script.take(), [Action::Probe(CALLER)]);
    script.sip(CALLER, SipEvent::Alive);
    script.pass(29_000);
    assert!(script.take().is_empty());
    script.pass(1_000);
    assert_eq!(script.take(), [Action::Probe(CALLER)]);
    script.pass(4_000);
    assert_eq!(script.call.end_reason(), Some(EndReason::CallerSilent));
}

#[test]
fn a_caller_gone_while_a_port_is_on_its_way_gives_that_port_back() {
    let mut script = Script::begin_with(settings(), "support", Some(caller_offer()), false);
    script.grant(CALLER);
    script.take();
    script.sip(CALLER, SipEvent::Cancelled { headers: Vec::new() });
    assert!(!script.call.is_ended(), "a port is still on its way");
    script.grant(LegId(1));
    let actions = script.take();
    assert!(actions.contains(&Action::ReleasePort(LegId(1))));
    assert!(script.call.is_ended());
}

#[test]
fn a_port_that_never_comes_does_not_keep_the_call() {
    let mut script = Script::begin_with(settings(), "support", Some(caller_offer()), false);
    script.checks.ports.extend([CALLER, LegId(1)]);
    script.sip(CALLER, SipEvent::Cancelled { headers: Vec::new() });
    script.pass(500);
    assert!(script.call.is_ended());
}

#[test]
fn nothing_is_done_for_a_call_that_is_over() {
    let mut script = Script::with_agent();
    script.bye(CALLER, &[]);
    script.take();
    script.offer(3);
    script.handle(Input::HangUp);
    script.sip(LegId(2), SipEvent::Alive);
    assert!(script.take().is_empty());
    assert_eq!(script.call.counters().late_events, 3);
}
