//! Handoffs by REFER and by BYE, merged, refused, completed, failed, and the way back to the AI.

use baton_engine::call::*;
use baton_engine::key::LegId;
use baton_engine::media::Order;
use baton_engine::queue::{Exhausted, Place, Why};

use crate::driver::*;

const AI: LegId = LegId(1);
const AGENT: LegId = LegId(2);

#[test]
fn a_refer_of_the_ai_is_accepted_and_the_caller_parked_with_the_ai_kept() {
    let mut script = Script::with_ai();
    script.refer(AI, 1, "<sip:people@127.0.0.1?X-Topic=money>");
    let actions = script.take();
    assert_eq!(responded(&actions, 1), Some(202));
    assert_eq!(notified(&actions, 1), [100]);
    assert_eq!(orders(&actions), [Order::Park { tail: Some(AI), hold: HOLD }]);
    assert_eq!(entered(&actions), Some(("people".to_owned(), Place::Back)));
    assert_eq!(script.state(), State::HandoffRequested);
    let snapshot = script.call.snapshot();
    assert_eq!(snapshot.handoff, Some(HandoffState::HandoffInitiated));
    for entry in [("X-Topic", "money"), ("X-Reason", "refund"), ("X-Issue", "billing")] {
        let entry = (entry.0.to_owned(), entry.1.to_owned());
        assert!(snapshot.context.contains(&entry), "{entry:?} of {:?}", snapshot.context);
    }
}

#[test]
fn a_refer_of_the_caller_is_forbidden() {
    let mut script = Script::with_ai();
    script.refer(CALLER, 1, "<sip:people@127.0.0.1>");
    assert_eq!(responded(&script.take(), 1), Some(403));
    assert_eq!(script.state(), State::WithAi);
}

#[test]
fn a_refer_that_cannot_be_read_is_refused_and_the_ai_goes_on() {
    let mut script = Script::with_ai();
    script.refer(AI, 1, "not a uri");
    assert_eq!(responded(&script.take(), 1), Some(400));
    assert_eq!(script.state(), State::WithAi);
}

#[test]
fn a_foreign_target_goes_to_the_default_queue_and_is_counted() {
    let mut script = Script::with_ai();
    script.refer(AI, 1, "<sip:+1900555@premium.example>");
    let actions = script.take();
    assert_eq!(entered(&actions).unwrap().0, "people");
    assert_eq!(script.call.counters().targets_refused, 1);
}

#[test]
fn an_allowed_uri_is_rung_without_a_queue_and_its_refusal_gives_the_caller_back() {
    let mut script = Script::with_ai();
    script.refer(AI, 1, "<sip:bob@transfer.example>");
    let actions = script.take();
    assert_eq!(dialed(&actions).unwrap().1.uri, "sip:bob@transfer.example");
    assert_eq!(script.state(), State::RingingAgent);
    script.refuse(AGENT, Failure::Status(486));
    let actions = script.take();
    assert_eq!(notified(&actions, 1), [486]);
    assert_eq!(orders(&actions).last(), Some(&Order::Bridge { with: AI }));
    assert_eq!(script.state(), State::WithAi);
}

#[test]
fn the_first_ring_and_the_answer_are_told_and_the_ai_has_one_second_to_leave() {
    let mut script = Script::ringing();
    script.progress(AGENT, 180);
    assert_eq!(notified(&script.take(), 1), [180]);
    script.progress(AGENT, 180);
    assert!(notified(&script.take(), 1).is_empty());
    script.answer(AGENT, &["opus"]);
    let actions = script.take();
    assert_eq!(notified(&actions, 1), [200]);
    assert_eq!(orders(&actions).last(), Some(&Order::Join { agent: AGENT, tail_ms: 1500 }));
    assert_eq!(script.state(), State::WithAgent);
    script.pass(999);
    assert!(script.take().is_empty());
    script.pass(1);
    assert!(script.take().iter().any(|action| matches!(action, Action::HangUp(AI, _))));
    assert_eq!(script.state(), State::WithAgent);
}

#[test]
fn only_the_first_of_several_phones_is_told_as_ringing_and_one_final_notify_ends_it() {
    let mut script = Script::ringing();
    script.progress(AGENT, 180);
    script.refuse(AGENT, Failure::Status(603));
    script.offer(2);
    script.progress(LegId(3), 180);
    script.answer(LegId(3), &["PCMU"]);
    assert_eq!(notified(&script.take(), 1), [180, 200]);
}

#[test]
fn a_bye_after_the_202_means_that_the_ai_has_left_and_the_handoff_goes_on() {
    let mut script = Script::queued();
    script.bye(AI, &[]);
    assert_eq!(orders(&script.take()), [Order::Close { leg: AI }]);
    assert_eq!(script.state(), State::Queued);
    script.offer(1);
    script.answer(AGENT, &["opus"]);
    assert_eq!(notified(&script.take(), 1), [200], "the subscription outlives the BYE");
    assert_eq!(script.state(), State::WithAgent);
}

#[test]
fn a_second_refer_to_the_same_target_is_merged_and_to_another_has_to_wait() {
    let mut script = Script::ringing();
    script.progress(AGENT, 180);
    script.take();
    script.refer(AI, 2, "<sip:people@127.0.0.1>");
    let actions = script.take();
    assert_eq!(responded(&actions, 2), Some(202));
    assert_eq!(notified(&actions, 2), [100, 180]);
    script.refer(AI, 3, "<sip:sales@127.0.0.1>");
    assert_eq!(responded(&script.take(), 3), Some(491));
    script.answer(AGENT, &["opus"]);
    let actions = script.take();
    assert_eq!((notified(&actions, 1), notified(&actions, 2)), (vec![200], vec![200]));
    assert_eq!(script.call.counters().handoffs_initiated, 1);
}

#[test]
fn a_refused_notify_ends_the_subscription_and_nothing_else() {
    let mut script = Script::ringing();
    script.sip(AI, SipEvent::NotifyFailed { request: RequestKey(1) });
    script.checks.accepted.clear();
    script.answer(AGENT, &["opus"]);
    assert!(notified(&script.take(), 1).is_empty());
    assert_eq!(script.state(), State::WithAgent);
}

#[test]
fn an_exhausted_queue_gives_the_caller_back_to_the_kept_ai() {
    let mut script = Script::queued();
    script.exhausted(Why::Timeout, 0, Exhausted::ReturnToAi);
    let actions = script.take();
    assert_eq!(notified(&actions, 1), [480]);
    assert_eq!(orders(&actions), [Order::Bridge { with: AI }]);
    assert_eq!(script.state(), State::WithAi);
    assert_eq!(script.call.snapshot().handoff, Some(HandoffState::HandoffFailed));
}

#[test]
fn the_final_notify_says_busy_or_declined_if_everybody_was() {
    for (refusal, told) in [(486, 486), (603, 603), (503, 480)] {
        let mut script = Script::ringing();
        script.refuse(AGENT, Failure::Status(refusal));
        script.exhausted(Why::NoAgent, 1, Exhausted::ReturnToAi);
        assert_eq!(notified(&script.take(), 1), [told]);
    }
}

#[test]
fn an_ai_that_has_left_is_called_anew_and_told_how_the_handoff_ended() {
    let mut script = Script::ringing();
    script.bye(AI, &[]);
    script.pass(15_000);
    script.exhausted(Why::NoAgent, 2, Exhausted::ReturnToAi);
    let (leg, dial) = dialed(&script.take()).unwrap();
    assert_eq!(value(&dial.headers, "X-Handoff-Result").as_deref(), Some("no-answer;attempts=2"));
    assert_eq!(value(&dial.headers, "X-Baton-Call-ID").as_deref(), Some("call-1"));
    assert_eq!(script.state(), State::DialingAi);
    script.answer(leg, &["PCMU"]);
    assert_eq!(orders(&script.take()).last(), Some(&Order::Bridge { with: leg }));
    assert_eq!(script.state(), State::WithAi);
}

#[test]
fn an_ai_that_cannot_be_called_anew_leaves_the_announcement() {
    let mut script = Script::queued();
    script.bye(AI, &[]);
    script.exhausted(Why::Timeout, 0, Exhausted::ReturnToAi);
    script.refuse(LegId(2), Failure::Status(486));
    assert!(orders(&script.take()).contains(&Order::Announce { prompt: SORRY }));
    script.media(baton_engine::media::MediaEvent::PromptEnded);
    let actions = script.take();
    assert!(actions.iter().any(|action| matches!(action, Action::HangUp(CALLER, _))));
    assert_eq!(script.call.end_reason(), Some(EndReason::AiBusy));
}

#[test]
fn a_caller_is_given_back_no_more_often_than_allowed() {
    let mut script = Script::with_ai();
    for request in 1..=2 {
        script.refer(AI, request, "<sip:people@127.0.0.1>");
        script.queued_notice("people");
        script.exhausted(Why::Timeout, 0, Exhausted::ReturnToAi);
        assert_eq!(script.state(), State::WithAi);
    }
    script.take();
    script.refer(AI, 3, "<sip:people@127.0.0.1>");
    script.queued_notice("people");
    script.exhausted(Why::Timeout, 0, Exhausted::ReturnToAi);
    let actions = script.take();
    assert_eq!(notified(&actions, 3), [100, 480]);
    assert!(orders(&actions).contains(&Order::Announce { prompt: SORRY }));
    script.pass(60_000);
    assert_eq!(script.call.end_reason(), Some(EndReason::HandoffLimit));
}

#[test]
fn exhausted_queues_may_lead_to_another_an_announcement_or_the_end() {
    let mut script = Script::queued();
    script.exhausted(Why::Timeout, 0, Exhausted::Queue("sales".to_owned()));
    assert_eq!(entered(&script.take()), Some(("sales".to_owned(), Place::Back)));
    script.queued_notice("sales");
    script.exhausted(Why::Timeout, 0, Exhausted::Announce);
    assert!(orders(&script.take()).contains(&Order::Announce { prompt: SORRY }));
    let mut script = Script::queued();
    script.exhausted(Why::Timeout, 0, Exhausted::HangUp);
    assert_eq!(script.call.end_reason(), Some(EndReason::QueueExhausted));
}

#[test]
fn a_bye_with_the_agreed_headers_is_a_handoff_and_one_without_a_hang_up() {
    let mut script = Script::with_ai();
    script.bye(AI, &[header("x-CONTAINED", "False"), header("X-destination", "sales")]);
    let actions = script.take();
    assert_eq!(entered(&actions).unwrap().0, "sales");
    let expected = [Order::Park { tail: Some(AI), hold: HOLD }, Order::Close { leg: AI }];
    assert_eq!(orders(&actions), expected);
    let mut script = Script::with_ai();
    script.bye(AI, &[header("X-contained", "true")]);
    assert_eq!(script.call.end_reason(), Some(EndReason::AiHungUp));
}

#[test]
fn a_person_who_refers_is_kept_until_the_next_has_answered() {
    let mut script = Script::with_agent();
    script.refer(AGENT, 5, "<sip:sales@127.0.0.1>");
    let actions = script.take();
    assert_eq!(responded(&actions, 5), Some(202));
    assert_eq!(orders(&actions), [Order::Park { tail: Some(AGENT), hold: HOLD }]);
    script.queued_notice("sales");
    script.offer(7);
    script.answer(LegId(3), &["PCMU"]);
    assert_eq!(notified(&script.take(), 5), [200]);
    script.pass(1_000);
    let actions = script.take();
    assert!(actions.iter().any(|action| matches!(action, Action::HangUp(AGENT, _))));
    assert_eq!(reports(&actions), [(1, baton_engine::queue::Outcome::Ended)]);
}

#[test]
fn a_person_whose_handoff_fails_has_the_caller_back() {
    let mut script = Script::with_agent();
    script.refer(AGENT, 5, "<sip:sales@127.0.0.1>");
    script.queued_notice("sales");
    script.take();
    script.exhausted(Why::Full, 0, Exhausted::ReturnToAi);
    let actions = script.take();
    assert_eq!(notified(&actions, 5), [480]);
    assert_eq!(orders(&actions), [Order::Bridge { with: AGENT }]);
    assert_eq!(script.state(), State::WithAgent);
}

#[test]
fn a_person_may_send_the_caller_back_to_the_ai() {
    let mut script = Script::with_agent();
    script.refer(AGENT, 5, "<sip:polyai@127.0.0.1>");
    assert_eq!(script.state(), State::DialingAi);
    script.answer(LegId(3), &["PCMU"]);
    assert_eq!(notified(&script.take(), 5), [100, 200]);
    assert_eq!(script.state(), State::WithAi);
}

#[test]
fn an_ai_that_is_lost_leaves_its_caller_in_the_queue_with_hold_audio() {
    let mut script = Script::with_ai();
    script.sip(AI, SipEvent::Gone { failure: Failure::Status(481) });
    let actions = script.take();
    assert_eq!(entered(&actions).unwrap().0, "people");
    let expected = [Order::Park { tail: Some(AI), hold: HOLD }, Order::Close { leg: AI }];
    assert_eq!(orders(&actions), expected);
    assert_eq!(script.state(), State::Queued);
}

#[test]
fn a_word_of_the_queues_that_never_comes_gives_the_caller_back() {
    let mut script = Script::with_ai();
    script.refer(AI, 1, "<sip:people@127.0.0.1>");
    script.pass(2_000);
    assert_eq!(script.state(), State::WithAi);
    assert_eq!(script.call.counters().timer(Timer::Queue), 1);
    script.offer(9);
    assert_eq!(script.call.counters().late_notices, 1);
}

#[test]
fn a_refer_that_asks_for_two_calls_to_be_joined_is_refused_and_the_ai_goes_on() {
    let mut script = Script::with_ai();
    script.refer(AI, 1, "<sip:people@127.0.0.1?Replaces=abc%3Bto-tag%3D1%3Bfrom-tag%3D2>");
    assert_eq!(responded(&script.take(), 1), Some(501));
    assert_eq!(script.state(), State::WithAi);
}

#[test]
fn an_ai_that_hands_over_to_itself_in_vain_has_the_caller_back() {
    let mut script = Script::with_ai();
    script.refer(AI, 1, "<sip:polyai@127.0.0.1>");
    assert_eq!(script.state(), State::DialingAi);
    script.refuse(LegId(2), Failure::Status(486));
    let actions = script.take();
    assert_eq!(notified(&actions, 1), [100, 480]);
    assert_eq!(orders(&actions).last(), Some(&Order::Bridge { with: AI }));
    assert_eq!(script.state(), State::WithAi);
}

#[test]
fn an_ai_that_hands_over_to_itself_does_not_go_round_for_ever() {
    let mut script = Script::with_ai();
    for round in 1..=2 {
        script.refer(LegId(round), u64::from(round), "<sip:polyai@127.0.0.1>");
        script.answer(LegId(round + 1), &["PCMU"]);
        assert_eq!(notified(&script.take(), u64::from(round)), [100, 200]);
    }
    script.refer(LegId(3), 3, "<sip:polyai@127.0.0.1>");
    assert_eq!(responded(&script.take(), 3), Some(603));
    assert_eq!(script.state(), State::WithAi);
}

#[test]
fn an_ai_that_leaves_and_names_itself_leaves_its_caller_to_the_default_queue() {
    let mut script = Script::with_ai();
    script.bye(AI, &[header("X-Route-Destination", "polyai")]);
    assert_eq!(entered(&script.take()).unwrap().0, "people");
    assert_eq!(script.call.counters().targets_refused, 1);
}

#[test]
fn handoffs_and_returns_are_counted_by_method_and_reason() {
    let mut script = Script::queued();
    script.exhausted(Why::Closed, 0, Exhausted::ReturnToAi);
    script.bye(AI, &[header("X-contained", "false")]);
    script.queued_notice("people");
    script.offer(1);
    script.answer(LegId(2), &["PCMU"]);
    script.refer(LegId(2), 2, "<sip:sales@127.0.0.1>");
    script.bye(CALLER, &[]);
    let counters = script.call.counters();
    let one = |method, completed, reason| HandoffCount { method, completed, reason, count: 1 };
    let expected = [
        one(HandoffMethod::Refer, false, "closed"),
        one(HandoffMethod::Bye, true, "answered"),
        one(HandoffMethod::Refer, false, "caller_hung_up"),
    ];
    assert_eq!(counters.handoffs, expected);
    assert_eq!(counters.returns, [ReturnCount { reason: "closed", count: 1 }]);
    assert_eq!((counters.handoffs_completed, counters.handoffs_failed, counters.returns_to_ai), (1, 2, 1));
}
