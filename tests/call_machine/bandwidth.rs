//! Opus far ends told of the bandwidth that is heard on the other side of their call: when, how often, and when not.

use baton_engine::call::*;
use baton_engine::key::LegId;
use baton_engine::media::{AlarmKind, MediaEvent, Order, Repair};
use baton_signaling::sdp::Description;

use crate::driver::*;

const AI: LegId = LegId(1);
const AGENT: LegId = LegId(2);

/// The re-INVITEs among actions: to whom, and what they say of Opus.
fn asked(actions: &[Action]) -> Vec<(LegId, String)> {
    let one = |action: &Action| match action {
        Action::Reinvite(leg, offer) => Some((*leg, fmtp(offer))),
        _ => None,
    };
    actions.iter().filter_map(one).collect()
}

fn fmtp(sdp: &[u8]) -> String {
    let text = String::from_utf8_lossy(sdp).into_owned();
    let line = text.lines().find(|line| line.starts_with("a=fmtp:111"));
    line.unwrap_or_default().trim_start_matches("a=fmtp:111 ").to_owned()
}

fn offer_of(actions: &[Action]) -> Description {
    let offer = |action: &Action| match action {
        Action::Reinvite(_, offer) => Some(offer.clone()),
        _ => None,
    };
    actions.iter().find_map(offer).expect("a re-INVITE")
}

const WIDE: &str = "useinbandfec=1;stereo=0";
const NARROW: &str = "useinbandfec=1;stereo=0;maxplaybackrate=8000";

fn on() -> CallSettings {
    CallSettings { wideband_reinvite: true, ..settings() }
}

fn with_ai_of(settings: CallSettings, ai: &str) -> Script {
    let mut script = Script::begin(settings, "support", Some(caller_offer()));
    script.answer(AI, &[ai]);
    script.take();
    script
}

/// The AI on PCMU hands the caller to a person, who answers in Opus.
fn handed_over(settings: CallSettings) -> Script {
    let mut script = with_ai_of(settings, "PCMU");
    hand_over(&mut script, AGENT, "opus");
    script
}

fn hand_over(script: &mut Script, to: LegId, codec: &str) {
    let number = u64::from(to.0);
    script.refer(AI, number, "<sip:people@127.0.0.1>");
    script.queued_notice("people");
    script.offer(number);
    script.take();
    script.answer(to, &[codec]);
}

fn taken(script: &mut Script, actions: &[Action], leg: LegId) {
    let answer = answer_to(&offer_of(actions), &["opus"]);
    script.sip(leg, SipEvent::Reanswered { sdp: Some(answer) });
}

fn counts(script: &Script) -> (u64, u64, u64) {
    let count = script.call.counters().bandwidth;
    (count.asked, count.taken, count.refused)
}

#[test]
fn a_caller_told_of_telephone_bandwidth_is_told_otherwise_once_behind_the_join() {
    let mut script = handed_over(on());
    let actions = script.take();
    assert_eq!(asked(&actions), [(CALLER, WIDE.to_owned())]);
    let joined = actions.iter().position(|action| matches!(action, Action::Media(Order::Join { .. })));
    let offered = actions.iter().position(|action| matches!(action, Action::Reinvite(..)));
    assert!(joined.expect("a join") < offered.expect("an offer"), "sound first");
    let formats = String::from_utf8_lossy(&offer_of(&actions)).into_owned();
    assert!(formats.contains(" RTP/AVP 111 ") && !formats.contains("PCMU"), "the codec is not at issue");
    taken(&mut script, &actions, CALLER);
    script.pass(30_000);
    assert!(asked(&script.take()).is_empty());
    assert_eq!(counts(&script), (1, 1, 0));
}

#[test]
fn nothing_is_asked_unless_the_settings_say_so() {
    let mut script = handed_over(settings());
    assert!(asked(&script.take()).is_empty());
}

#[test]
fn nothing_is_asked_where_nothing_would_be_gained() {
    let mut script = with_ai_of(on(), "PCMU");
    hand_over(&mut script, AGENT, "PCMU");
    assert!(asked(&script.take()).is_empty(), "G.711 again");
    let mut repaired = on();
    repaired.peers.get_mut("snapcall").expect("a peer").repair = Repair::Always;
    assert!(asked(&handed_over(repaired).take()).is_empty(), "decoded at 8 kHz");
    let narrow = sdp("111", "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 maxplaybackrate=8000\r\n");
    let mut script = with_ai_of(on(), "PCMU");
    script.refer(AI, 2, "<sip:people@127.0.0.1>");
    script.queued_notice("people");
    script.offer(2);
    script.sip(AGENT, SipEvent::Answered { sdp: Some(narrow), headers: Vec::new() });
    assert!(asked(&script.take()).is_empty(), "a person who hears no more");
}

#[test]
fn the_limit_comes_back_with_g711_and_goes_with_opus() {
    let mut settings = on();
    settings.peers.get_mut("polyai").expect("a peer").codecs.insert(0, "opus".to_owned());
    let mut script = with_ai_of(settings, "opus");
    assert!(asked(&script.take()).is_empty(), "nothing was limited");
    hand_over(&mut script, AGENT, "PCMU");
    let actions = script.take();
    assert_eq!(asked(&actions), [(CALLER, NARROW.to_owned())]);
    taken(&mut script, &actions, CALLER);
    // The person hands the caller back: the AI is called anew, and speaks Opus.
    script.bye(AI, &[]);
    script.refer(AGENT, 9, "<sip:polyai@127.0.0.1>");
    let back = script.dials.keys().copied().max().expect("a leg");
    assert!(back > AGENT, "{:?}", script.take());
    script.take();
    script.answer(back, &["opus"]);
    assert_eq!(asked(&script.take()), [(CALLER, WIDE.to_owned())]);
}

#[test]
fn a_far_leg_that_goes_over_to_opus_by_an_offer_of_its_own_is_a_change_as_well() {
    let mut script = with_ai_of(on(), "PCMU");
    hand_over(&mut script, AGENT, "PCMU");
    script.take();
    let request = RequestKey(5);
    let opus = sdp("111", "a=rtpmap:111 opus/48000/2\r\n");
    script.sip(AGENT, SipEvent::Offer { request, sdp: Some(opus) });
    let actions = script.take();
    assert_eq!(asked(&actions), [(CALLER, WIDE.to_owned())]);
    taken(&mut script, &actions, CALLER);
    script.sip(AGENT, SipEvent::Offer { request: RequestKey(6), sdp: Some(sdp("0", "")) });
    assert_eq!(asked(&script.take()), [(CALLER, NARROW.to_owned())]);
}

#[test]
fn a_refusal_leaves_everything_as_it_was_and_is_final_for_this_pair() {
    for failure in [Failure::Status(488), Failure::Status(491), Failure::Timeout] {
        let mut script = handed_over(on());
        assert_eq!(asked(&script.take()).len(), 1);
        script.sip(CALLER, SipEvent::Rerefused { failure });
        assert!(orders(&script.take()).is_empty(), "the session is the old one");
        assert_eq!((script.state(), counts(&script)), (State::WithAgent, (1, 0, 1)));
        for (request, codecs) in [(5, "0"), (6, "111")] {
            let theirs = sdp(codecs, "a=rtpmap:111 opus/48000/2\r\n");
            script.sip(AGENT, SipEvent::Offer { request: RequestKey(request), sdp: Some(theirs) });
        }
        script.pass(60_000);
        assert!(asked(&script.take()).is_empty(), "{failure:?}");
    }
}

#[test]
fn an_answer_that_cannot_be_used_is_a_refusal() {
    let mut script = handed_over(on());
    script.take();
    script.sip(CALLER, SipEvent::Reanswered { sdp: Some(sdp("8", "")) });
    assert!(orders(&script.take()).is_empty());
    assert_eq!(counts(&script), (1, 0, 1));
}

#[test]
fn a_refusal_beside_one_person_says_nothing_of_the_next() {
    let mut script = handed_over(on());
    script.take();
    script.sip(CALLER, SipEvent::Rerefused { failure: Failure::Status(488) });
    script.sip(AGENT, SipEvent::Gone { failure: Failure::Timeout });
    script.queued_notice("people");
    script.offer(9);
    let next = script.dials.keys().copied().max().expect("a leg");
    script.answer(next, &["opus"]);
    assert_eq!(asked(&script.take()), [(CALLER, WIDE.to_owned())]);
}

#[test]
fn a_caller_on_hold_is_asked_when_it_is_back_and_told_by_our_answer_if_that_will_do() {
    let mut script = with_ai_of(on(), "PCMU");
    let offer = |direction: &str| {
        Description::from(format!("{}a={direction}\r\n", String::from_utf8_lossy(&caller_offer())))
    };
    script.sip(CALLER, SipEvent::Offer { request: RequestKey(1), sdp: Some(offer("inactive")) });
    hand_over(&mut script, AGENT, "opus");
    script.pass(5_000);
    assert!(asked(&script.take()).is_empty(), "a phone could take it for the end of its hold");
    script.sip(CALLER, SipEvent::Offer { request: RequestKey(2), sdp: Some(offer("sendrecv")) });
    let actions = script.take();
    let answer = actions.iter().find_map(|action| match action {
        Action::Respond { status: 200, sdp, .. } => sdp.clone(),
        _ => None,
    });
    assert_eq!(fmtp(&answer.expect("an answer")), WIDE);
    assert!(asked(&actions).is_empty(), "the answer has said it");
}

#[test]
fn an_offer_that_crosses_theirs_is_written_anew_and_counts_as_the_one() {
    let mut script = handed_over(on());
    script.take();
    // The endpoint waits after 491 (RFC 3261 §14.1); theirs comes first.
    script.sip(CALLER, SipEvent::Offer { request: RequestKey(1), sdp: Some(caller_offer()) });
    let actions = script.take();
    assert_eq!(asked(&actions), [(CALLER, WIDE.to_owned())], "the one that waits is replaced");
    taken(&mut script, &actions, CALLER);
    assert_eq!(counts(&script), (1, 1, 0));
    script.pass(30_000);
    assert!(asked(&script.take()).is_empty());
}

#[test]
fn it_waits_for_an_offer_of_ours_that_is_under_way_and_that_may_be_enough() {
    let mut script = with_ai_of(on(), "PCMU");
    script.media(MediaEvent::Alarm { leg: CALLER, kind: AlarmKind::NotReceived });
    script.pass(20);
    let remedy = script.take();
    assert_eq!(asked(&remedy), [(CALLER, NARROW.to_owned())]);
    hand_over(&mut script, AGENT, "opus");
    assert!(asked(&script.take()).is_empty(), "one at a time");
    taken(&mut script, &remedy, CALLER);
    assert_eq!(asked(&script.take()), [(CALLER, WIDE.to_owned())]);
}

#[test]
fn a_person_gone_before_the_caller_has_answered_leads_to_one_more_when_the_next_is_there() {
    let mut script = handed_over(on());
    let first = script.take();
    script.sip(AGENT, SipEvent::Gone { failure: Failure::Timeout });
    script.queued_notice("people");
    script.offer(9);
    let next = script.dials.keys().copied().max().expect("a leg");
    script.answer(next, &["PCMU"]);
    assert!(asked(&script.take()).is_empty(), "the first is not answered");
    taken(&mut script, &first, CALLER);
    assert_eq!(asked(&script.take()), [(CALLER, NARROW.to_owned())]);
}

#[test]
fn an_ai_that_was_called_before_the_callers_codec_was_known_is_told_of_g711() {
    let mut settings = on();
    settings.peers.get_mut("polyai").expect("a peer").codecs.insert(0, "opus".to_owned());
    let mut script = Script::begin(settings, "support", None);
    script.answer(AI, &["opus"]);
    let actions = script.take();
    let offer = actions.iter().find_map(|action| match action {
        Action::Answer { sdp, .. } => Some(sdp.clone()),
        _ => None,
    });
    let answer = answer_to(&offer.expect("our offer"), &["PCMU"]);
    script.sip(CALLER, SipEvent::Acked { sdp: Some(answer) });
    assert_eq!(asked(&script.take()), [(AI, NARROW.to_owned())]);
}

/// A description of a far end that takes up the limit that it was told of.
fn repeating(fmtp: &str) -> Description {
    let told = fmtp.split("maxplaybackrate=").nth(1).unwrap_or("48000");
    sdp("111", &format!("a=rtpmap:111 opus/48000/2\r\na=fmtp:111 maxplaybackrate={told}\r\n"))
}

#[test]
fn far_ends_that_take_up_what_they_were_told_are_not_asked_without_end() {
    let mut script = with_ai_of(on(), "PCMU");
    script.refer(AI, 2, "<sip:people@127.0.0.1>");
    script.queued_notice("people");
    script.offer(2);
    // The person's phone has been told of no limit when the caller's repeats the one it was told of.
    script.sip(CALLER, SipEvent::Offer { request: RequestKey(1), sdp: Some(repeating(NARROW)) });
    script.take();
    script.sip(AGENT, SipEvent::Answered { sdp: Some(repeating(WIDE)), headers: Vec::new() });
    let mut asked_now = asked(&script.take());
    assert_eq!(asked_now.len(), 2, "each is told of the other's limit: {asked_now:?}");
    for _ in 0..20 {
        for (leg, fmtp) in std::mem::take(&mut asked_now) {
            script.sip(leg, SipEvent::Reanswered { sdp: Some(repeating(&fmtp)) });
        }
        asked_now = asked(&script.take());
    }
    assert!(asked_now.is_empty(), "{asked_now:?}");
    assert!(counts(&script).0 <= 8, "{:?}", counts(&script));
}

#[test]
fn a_person_to_whom_the_caller_returns_is_heard_as_before_though_the_limit_was_said_meanwhile() {
    let mut script = handed_over(on());
    script.take();
    // Ours waits after 491. The person wants another one, whose phone does not answer; meanwhile the caller's own offer
    // comes, nobody on Opus is behind it, and ours is written anew.
    script.refer(AGENT, 9, "<sip:bob@transfer.example>");
    script.sip(CALLER, SipEvent::Offer { request: RequestKey(1), sdp: Some(caller_offer()) });
    let actions = script.take();
    assert_eq!(asked(&actions), [(CALLER, NARROW.to_owned())]);
    taken(&mut script, &actions, CALLER);
    let bob = script.dials.keys().copied().max().expect("a leg");
    script.refuse(bob, Failure::Status(486));
    assert_eq!(script.state(), State::WithAgent);
    assert_eq!(asked(&script.take()), [(CALLER, WIDE.to_owned())]);
}
