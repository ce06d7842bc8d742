//! From the caller's INVITE to the AI: rule 5, its codes and its second address, and the way past an AI that fails.

use baton_engine::call::*;
use baton_engine::key::LegId;
use baton_engine::media::Order;
use baton_engine::queue::{Exhausted, Place, Why};

use crate::driver::*;

#[test]
fn the_caller_gets_180_at_once_and_200_when_the_ai_has_answered() {
    let mut script = Script::dialing();
    let actions = script.take();
    assert_eq!(actions[0], Action::Progress(CALLER, 180));
    let (leg, dial) = dialed(&actions).unwrap();
    assert_eq!((leg, dial.uri.as_str()), (LegId(1), "sip:1000@127.0.0.2:5070"));
    assert!(!actions.iter().any(|action| matches!(action, Action::Answer { .. })));
    script.progress(leg, 180);
    script.answer(leg, &["PCMU"]);
    let actions = script.take();
    assert!(actions.iter().any(|action| matches!(action, Action::Answer { .. })));
    let orders = orders(&actions);
    assert!(matches!(&orders[0], Order::Open { leg: LegId(1), config } if config.payload.encoding == "PCMU"));
    assert!(matches!(&orders[1], Order::Open { leg: CALLER, config } if config.payload.encoding == "opus"));
    assert_eq!(orders[2], Order::Bridge { with: LegId(1) });
    assert_eq!(script.state(), State::WithAi);
}

#[test]
fn the_ais_invite_carries_the_calls_id_the_peers_headers_and_the_callers_name() {
    let (_, dial) = dialed(&Script::dialing().take()).unwrap();
    assert_eq!(value(&dial.headers, "X-Baton-Call-ID").as_deref(), Some("call-1"));
    assert_eq!(value(&dial.headers, "X-Trunk").as_deref(), Some("secret"));
    assert_eq!(dial.from, "\"Ann\" <sip:ann@127.0.0.1:5060>");
}

#[test]
fn an_unanswered_caller_hears_180_again_every_minute() {
    let mut settings = settings();
    settings.timers.ai_answer = std::time::Duration::from_secs(200);
    let mut script = Script::begin(settings, "support", Some(caller_offer()));
    script.progress(LegId(1), 180);
    script.take();
    script.pass(125_000);
    assert_eq!(script.take(), [Action::Progress(CALLER, 180), Action::Progress(CALLER, 180)]);
}

#[test]
fn a_number_without_a_flow_gets_404() {
    let mut script = Script::begin(settings(), "nobody", Some(caller_offer()));
    assert_eq!(rejected(&script.take()).unwrap().0, 404);
    assert!(script.call.is_ended());
}

#[test]
fn no_codec_in_common_gets_488_with_a_warning_and_no_180() {
    let mut script = Script::begin(settings(), "support", Some(sdp("18", "a=rtpmap:18 G729/8000\r\n")));
    let actions = script.take();
    let (status, headers) = rejected(&actions).unwrap();
    assert_eq!(status, 488);
    assert!(value(&headers, "Warning").unwrap().starts_with("305 "));
    assert!(!actions.contains(&Action::Progress(CALLER, 180)));
    assert_eq!(script.call.end_reason(), Some(EndReason::NoCodec));
}

#[test]
fn a_plain_offer_where_srtp_is_required_gets_488_with_a_warning_and_no_180() {
    let mut settings = settings();
    settings.peers.get_mut("snapcall").unwrap().srtp = SrtpPolicy::Required;
    let mut script = Script::begin(settings, "support", Some(caller_offer()));
    let actions = script.take();
    let (status, headers) = rejected(&actions).unwrap();
    assert_eq!(status, 488);
    assert!(value(&headers, "Warning").unwrap().starts_with("302 "));
    assert!(!actions.contains(&Action::Progress(CALLER, 180)));
    assert_eq!(script.call.end_reason(), Some(EndReason::NoSecurity));
}

#[test]
fn without_a_provisional_response_the_next_address_is_tried_after_two_seconds() {
    let mut script = Script::dialing();
    script.take();
    script.pass(1_999);
    assert!(script.take().is_empty());
    script.pass(1);
    let actions = script.take();
    assert!(actions.iter().any(|action| matches!(action, Action::Cancel(LegId(1), _))));
    assert_eq!(dialed(&actions).unwrap().1.uri, "sip:1000@127.0.0.2:5071");
    assert_eq!(script.call.counters().timer(Timer::AiProvisional), 1);
}

#[test]
fn a_100_is_enough_for_the_first_wait_and_the_answer_has_ten_seconds() {
    let mut script = Script::dialing();
    script.progress(LegId(1), 100);
    script.take();
    script.pass(9_999);
    assert!(script.take().is_empty());
    script.pass(1);
    assert!(dialed(&script.take()).is_some());
    assert_eq!(script.call.counters().timer(Timer::AiAnswer), 1);
}

#[test]
fn only_failures_that_another_address_may_mend_lead_to_it() {
    for (failure, next) in [
        (Failure::Transport, true),
        (Failure::Timeout, true),
        (Failure::Status(408), true),
        (Failure::Status(503), true),
        (Failure::Status(486), false),
        (Failure::Status(403), false),
        (Failure::Status(404), false),
    ] {
        let mut script = Script::dialing();
        script.take();
        script.refuse(LegId(1), failure);
        assert_eq!(dialed(&script.take()).is_some(), next, "{failure:?}");
    }
}

#[test]
fn a_flow_that_rejects_gives_the_codes_of_the_product() {
    for (failure, status, retry) in [
        (Failure::Status(486), 486, "30"),
        (Failure::Status(480), 480, "30"),
        (Failure::Timeout, 480, "30"),
        (Failure::Transport, 503, "5"),
        (Failure::Status(500), 503, "5"),
        (Failure::Status(401), 503, "5"),
        (Failure::Status(403), 503, "5"),
        (Failure::Status(404), 503, "5"),
    ] {
        let mut settings = settings();
        settings.flows[0].on_ai_failure = OnAiFailure::Reject;
        settings.peers.get_mut("polyai").unwrap().uris.truncate(1);
        let mut script = Script::begin(settings, "support", Some(caller_offer()));
        script.take();
        script.refuse(LegId(1), failure);
        let (got, headers) = rejected(&script.take()).unwrap();
        assert_eq!(got, status, "{failure:?}");
        assert_eq!(value(&headers, "Retry-After").as_deref(), Some(retry), "{failure:?}");
        assert!(value(&headers, "Reason").unwrap().starts_with("Q.850;cause="));
    }
}

#[test]
fn an_ai_that_fails_sends_the_caller_straight_to_the_queue() {
    let mut script = Script::dialing();
    script.refuse(LegId(1), Failure::Status(486));
    let actions = script.take();
    assert_eq!(entered(&actions), Some(("people".to_owned(), Place::Back)));
    assert_eq!(script.state(), State::DialingAi, "the caller is answered only when the queue has it");
    script.queued_notice("people");
    let actions = script.take();
    assert!(actions.iter().any(|action| matches!(action, Action::Answer { .. })));
    assert!(orders(&actions).contains(&Order::Park { tail: None, hold: HOLD }));
    assert_eq!(script.state(), State::Queued);
    assert_eq!(script.call.counters().queue_bypasses, 1);
}

#[test]
fn a_queue_that_is_closed_or_full_refuses_an_unanswered_caller_with_480() {
    for (why, reason) in [(Why::Closed, EndReason::QueueClosed), (Why::Full, EndReason::QueueFull)] {
        let mut script = Script::dialing();
        script.refuse(LegId(1), Failure::Status(486));
        script.take();
        script.exhausted(why, 0, Exhausted::ReturnToAi);
        assert_eq!(rejected(&script.take()).unwrap().0, 480);
        assert_eq!(script.call.end_reason(), Some(reason));
    }
}

#[test]
fn a_caller_answered_at_once_hears_hold_audio_until_the_ai_speaks() {
    let mut settings = settings();
    settings.flows[0].answer = AnswerMode::AtOnce;
    let mut script = Script::begin(settings, "support", Some(caller_offer()));
    let actions = script.take();
    assert!(actions.iter().any(|action| matches!(action, Action::Answer { .. })));
    assert!(orders(&actions).contains(&Order::Park { tail: None, hold: HOLD }));
    assert_eq!(script.state(), State::DialingAi);
    script.answer(LegId(1), &["PCMU"]);
    assert!(orders(&script.take()).contains(&Order::Bridge { with: LegId(1) }));
}

#[test]
fn a_caller_without_an_offer_gets_ours_and_answers_in_its_ack() {
    let mut script = Script::begin(settings(), "support", None);
    script.answer(LegId(1), &["PCMU"]);
    let actions = script.take();
    let offer = actions.iter().find_map(|action| match action {
        Action::Answer { sdp, .. } => Some(sdp.clone()),
        _ => None,
    });
    assert!(!orders(&actions).iter().any(|order| matches!(order, Order::Bridge { .. })));
    script.sip(CALLER, SipEvent::Acked { sdp: Some(answer_to(&offer.unwrap(), &["PCMA"])) });
    let orders = orders(&script.take());
    assert!(matches!(&orders[0], Order::Open { leg: CALLER, config } if config.payload.encoding == "PCMA"));
    assert_eq!(orders[1], Order::Bridge { with: LegId(1) });
}

#[test]
fn an_ai_that_answers_before_the_callers_port_is_there_waits_for_it() {
    let mut script = Script::begin_with(settings(), "support", Some(caller_offer()), false);
    script.grant(LegId(1));
    script.answer(LegId(1), &["PCMU"]);
    assert!(!script.take().iter().any(|action| matches!(action, Action::Answer { .. })));
    script.grant(CALLER);
    let actions = script.take();
    assert!(actions.iter().any(|action| matches!(action, Action::Answer { .. })));
    assert_eq!(orders(&actions).last(), Some(&Order::Bridge { with: LegId(1) }));
}

#[test]
fn no_port_for_the_caller_gets_503() {
    let mut script = Script::begin_with(settings(), "support", Some(caller_offer()), false);
    script.take();
    script.handle(Input::Port(CALLER, Err(NoPort::Exhausted)));
    assert_eq!(rejected(&script.take()).unwrap().0, 503);
    assert_eq!(script.call.end_reason(), Some(EndReason::NoPort));
}

#[test]
fn an_offer_is_measured_by_the_family_of_our_media_not_of_our_signalling() {
    let mut settings = settings();
    settings.media_host = "::1".parse().unwrap();
    let mut script = Script::begin(settings.clone(), "support", Some(caller_offer()));
    let actions = script.take();
    assert_eq!((rejected(&actions).unwrap().0, dialed(&actions)), (488, None));
    let offer = String::from_utf8(caller_offer().to_vec()).unwrap();
    let mapped = offer.replace("IN IP4 127.0.0.9", "IN IP6 ::9");
    let mut script = Script::begin(settings, "support", Some(mapped.into()));
    let actions = script.take();
    assert!(dialed(&actions).is_some() && rejected(&actions).is_none(), "{actions:?}");
}
