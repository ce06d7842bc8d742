//! Offers before the answer (RFC 3311 §5.1): answered on what a leg has agreed on, and what stands is taken up.

use baton_engine::call::*;
use baton_engine::key::LegId;
use baton_engine::media::Order;
use baton_engine::settings::EarlyMedia;

use crate::driver::*;

const AI: LegId = LegId(1);

/// The AI has answered our offer in a provisional response.
fn described(early: EarlyMedia) -> Script {
    let mut settings = settings();
    settings.peers.values_mut().for_each(|peer| peer.early_media = early);
    let mut script = Script::begin(settings, "support", Some(caller_offer()));
    let (_, dial) = dialed(&script.take()).expect("the AI is called");
    let sdp = Some(answer_to(&dial.sdp, &["PCMU"]));
    script.sip(AI, SipEvent::Progress { status: 183, sdp });
    script
}

fn offer(script: &mut Script, leg: LegId) -> Vec<Action> {
    script.sip(
        leg,
        SipEvent::Offer { request: RequestKey(7), sdp: Some(sdp("8", "a=rtpmap:8 PCMA/8000\r\n")) },
    );
    let actions = script.take();
    assert_eq!(responded(&actions, 7), Some(200));
    actions
}

fn opened(actions: &[Action], wanted: LegId) -> Option<String> {
    orders(actions).into_iter().find_map(|order| match order {
        Order::Open { leg, config } | Order::Update { leg, config } if leg == wanted => {
            Some(config.payload.encoding)
        }
        _ => None,
    })
}

#[test]
fn a_leg_that_is_not_heard_yet_is_opened_by_what_stands_when_it_answers() {
    let mut script = described(EarlyMedia::Ignore);
    assert_eq!(orders(&script.take()), []);
    assert_eq!(orders(&offer(&mut script, AI)), []);
    script.sip(AI, SipEvent::Answered { sdp: None, headers: Vec::new() });
    let actions = script.take();
    assert_eq!(opened(&actions, AI).as_deref(), Some("PCMA"));
    assert_eq!(script.state(), State::WithAi);
}

#[test]
fn a_leg_that_is_heard_changes_at_once_and_its_answer_changes_nothing() {
    let mut script = described(EarlyMedia::Auto);
    let actions = script.take();
    assert!(matches!(actions[..], [.., Action::Media(Order::Preview { with: AI })]), "{actions:?}");
    assert_eq!(opened(&offer(&mut script, AI), AI).as_deref(), Some("PCMA"));
    script.sip(AI, SipEvent::Answered { sdp: None, headers: Vec::new() });
    let actions = script.take();
    assert_eq!(opened(&actions, AI), None, "{actions:?}");
    assert_eq!(orders(&actions), [Order::Bridge { with: AI }]);
}

#[test]
fn a_caller_that_hears_something_may_offer_anew() {
    let mut script = described(EarlyMedia::Auto);
    assert_eq!(opened(&script.take(), CALLER).as_deref(), Some("opus"));
    assert_eq!(opened(&offer(&mut script, CALLER), CALLER).as_deref(), Some("PCMA"));
}

#[test]
fn a_caller_that_hears_something_is_not_told_again_to_ring() {
    let mut settings = settings();
    settings.timers.ai_answer = std::time::Duration::from_secs(200);
    let mut script = Script::begin(settings, "support", Some(caller_offer()));
    let (_, dial) = dialed(&script.take()).unwrap();
    script.sip(AI, SipEvent::Progress { status: 183, sdp: Some(answer_to(&dial.sdp, &["PCMU"])) });
    let first = script.take().into_iter().find(|action| matches!(action, Action::Early(..))).unwrap();
    script.pass(65_000);
    assert_eq!(script.take(), [first]);
}
