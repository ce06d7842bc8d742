//! Digits: INFO answered and passed on, the caller's own way to a person, and what is shown of a press.

use baton_engine::call::*;
use baton_engine::key::LegId;
use baton_engine::media::{Dtmf, MediaEvent, Order};
use baton_engine::queue::{Exhausted, Place, Why};
use baton_engine::settings::DtmfRule;
use bytes::Bytes;

use crate::driver::*;

const AI: LegId = LegId(1);
const AGENT: LegId = LegId(2);
const ZERO: Dtmf = Dtmf(0);

/// A flow with `0` as the way out, caller and AI speaking.
fn with_escape() -> Script {
    let mut settings = settings();
    settings.flows[0].escape = Some(ZERO);
    let mut script = Script::begin(settings, "support", Some(caller_offer()));
    script.answer(AI, &["PCMU"]);
    script
}

fn press(script: &mut Script, leg: LegId, digit: Dtmf) -> Vec<Action> {
    script.media(MediaEvent::Digit { leg, digit });
    script.take()
}

fn info(script: &mut Script, leg: LegId, request: u64, kind: &str, body: &'static str) -> Vec<Action> {
    let request = RequestKey(request);
    script.sip(leg, SipEvent::Info { request, content_type: kind.to_owned(), body: Bytes::from(body) });
    script.take()
}

#[test]
fn the_escape_digit_leads_from_the_ai_to_the_flows_queue_and_the_ai_is_kept() {
    let mut script = with_escape();
    let orders_before = orders(&script.take());
    let withheld = orders_before.iter().position(|order| *order == Order::Withhold { digit: Some(ZERO) });
    let bridged = orders_before.iter().position(|order| matches!(order, Order::Bridge { .. }));
    assert!(withheld.unwrap() < bridged.unwrap(), "no press slips through");
    assert!(entered(&press(&mut script, CALLER, Dtmf(5))).is_none(), "another digit is a digit");
    let actions = press(&mut script, CALLER, ZERO);
    assert_eq!(entered(&actions), Some(("people".to_owned(), Place::Back)));
    let expected = [Order::Withhold { digit: None }, Order::Park { tail: None, hold: HOLD }];
    assert_eq!(orders(&actions), expected, "the AI is not heard out");
    assert_eq!((script.state(), script.call.counters().escapes), (State::HandoffRequested, 1));

    script.queued_notice("people");
    script.offer(1);
    let (leg, dial) = dialed(&script.take()).unwrap();
    assert_eq!((leg, value(&dial.headers, "X-Handoff-Method")), (AGENT, Some("dtmf".to_owned())));
    assert!(press(&mut script, CALLER, ZERO).is_empty(), "already on the way");
    script.answer(AGENT, &["opus"]);
    assert_eq!(script.state(), State::WithAgent);
    let handoff = script.call.counters().handoffs[0];
    assert_eq!((handoff.method.label(), handoff.completed), ("dtmf", true));
    script.take();
    press(&mut script, CALLER, ZERO);
    assert_eq!(script.state(), State::WithAgent, "to a person it is a digit");
    script.pass(1000);
    assert!(script.take().iter().any(|action| matches!(action, Action::HangUp(AI, _))), "the AI has left");
}

#[test]
fn a_key_that_bounces_asks_once_and_may_ask_again_later() {
    let mut script = with_escape();
    script.take();
    press(&mut script, CALLER, ZERO);
    script.exhausted(Why::Closed, 0, Exhausted::ReturnToAi);
    assert_eq!(script.state(), State::WithAi);
    assert!(orders(&script.take()).contains(&Order::Withhold { digit: Some(ZERO) }));
    script.pass(300);
    assert!(press(&mut script, CALLER, ZERO).is_empty());
    script.pass(1100);
    assert!(entered(&press(&mut script, CALLER, ZERO)).is_some());
}

#[test]
fn the_escape_digit_is_the_callers_alone_and_needs_no_setting_to_be_a_digit() {
    let mut script = with_escape();
    script.take();
    assert!(press(&mut script, AI, ZERO).is_empty());
    let mut script = Script::with_ai();
    assert!(press(&mut script, CALLER, ZERO).is_empty());
    assert_eq!(script.state(), State::WithAi);
}

#[test]
fn an_escape_digit_by_info_is_obeyed_and_not_passed_on() {
    let mut script = with_escape();
    script.take();
    let actions = info(&mut script, CALLER, 4, "application/dtmf", "0");
    assert_eq!(responded(&actions, 4), Some(200));
    assert!(entered(&actions).is_some());
    assert!(!orders(&actions).iter().any(|order| matches!(order, Order::Dtmf { .. })));
}

#[test]
fn an_info_that_is_no_digit_is_refused_for_what_it_is() {
    let mut script = Script::with_agent();
    let actions = info(&mut script, CALLER, 1, "text/plain", "hello");
    assert_eq!(responded(&actions, 1), Some(415));
    let accept = actions.iter().find_map(|action| match action {
        Action::Respond { headers, .. } => value(headers, "Accept"),
        _ => None,
    });
    assert_eq!(accept.as_deref(), Some("application/dtmf-relay, application/dtmf"));
    let actions = info(&mut script, AGENT, 2, "application/dtmf-relay", "Duration=5");
    assert_eq!((responded(&actions, 2), orders(&actions).len()), (Some(400), 0));
    assert_eq!(responded(&info(&mut script, AGENT, 3, "", ""), 3), Some(200), "a keep-alive");
    assert_eq!(script.call.counters().infos_refused, 2);
}

#[test]
fn a_digit_that_comes_both_ways_is_told_once() {
    let mut script = Script::with_agent();
    press(&mut script, CALLER, Dtmf(7));
    script.pass(100);
    let actions = info(&mut script, CALLER, 1, "application/dtmf", "7");
    assert_eq!((responded(&actions, 1), orders(&actions).len()), (Some(200), 0));
    assert_eq!(script.call.counters().digits, 1);
    script.pass(1000);
    assert_eq!(orders(&info(&mut script, CALLER, 2, "application/dtmf", "7")).len(), 1);
}

#[test]
fn a_peer_that_takes_digits_by_info_gets_them_so_and_is_offered_no_telephone_event() {
    let mut settings = settings();
    settings.peers.get_mut("polyai").unwrap().dtmf = DtmfRule::Info;
    let mut script = Script::begin(settings, "support", Some(caller_offer()));
    let offer = script.dials[&AI].sdp.clone();
    assert!(!String::from_utf8_lossy(&offer).contains("telephone-event"));
    script.answer(AI, &["PCMU"]);
    script.take();
    let actions = press(&mut script, CALLER, Dtmf(11));
    let sent = Action::Info {
        leg: AI,
        content_type: "application/dtmf-relay".to_owned(),
        body: Bytes::from_static(b"Signal=#\r\nDuration=160\r\n"),
    };
    assert_eq!(actions, [sent]);
    // A stream of made-up presses is no stream of SIP requests.
    for second in 1..=3 {
        script.pass(1000);
        let mut sent = 0;
        for _ in 0..500 {
            let actions = press(&mut script, CALLER, Dtmf(1));
            sent += actions.iter().filter(|action| matches!(action, Action::Info { .. })).count();
            script.now += std::time::Duration::from_micros(1500);
        }
        assert_eq!(sent, 20);
        assert_eq!(script.call.counters().infos_dropped, 480 * second);
    }
}

#[test]
fn no_digit_is_to_be_seen_in_what_a_call_shows_of_itself() {
    let mut script = Script::with_agent();
    let bare = serde_json::to_string(&script.call.snapshot()).unwrap();
    for digit in [9, 8, 7, 6, 3] {
        press(&mut script, CALLER, Dtmf(digit));
        script.pass(1000);
    }
    info(&mut script, CALLER, 1, "application/dtmf", "#");
    let snapshot = script.call.snapshot();
    let shown: Vec<String> = snapshot
        .timeline
        .entries()
        .iter()
        .filter(|entry| matches!(entry.what, Moment::Digit { .. }))
        .map(|entry| serde_json::to_string(&entry.what).unwrap())
        .collect();
    assert_eq!(shown, vec![r#"{"event":"digit","leg":0,"digit":"*"}"#; 6], "{bare}");
    let debug = format!("{:?} {:?}", MediaEvent::Digit { leg: CALLER, digit: Dtmf(9) }, Dtmf(9));
    assert!(!debug.contains('9') && debug.contains("Dtmf(*)"), "{debug}");
    let call = format!("{:?}", script.call);
    assert!(call.contains("Dtmf(*)") && !call.contains("Dtmf(1"), "the machine's own debug form");
}

#[test]
fn digits_that_come_both_ways_out_of_step_are_each_told_once() {
    let mut script = Script::with_agent();
    for digit in [1, 2, 2] {
        press(&mut script, CALLER, Dtmf(digit));
        script.pass(80);
    }
    press(&mut script, AGENT, Dtmf(1));
    for (request, body) in [(1, "1"), (2, "2"), (3, "2")] {
        let actions = info(&mut script, CALLER, request, "application/dtmf", body);
        assert!(orders(&actions).is_empty(), "{request}");
    }
    assert_eq!(script.call.counters().digits, 4);
    assert_eq!(orders(&info(&mut script, CALLER, 4, "application/dtmf", "2")).len(), 1, "a third press");
}
