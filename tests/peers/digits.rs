//! The caller presses keys: another one goes to the AI, the escape digit brings a person, however it travels (SIP INFO with
//! either body, RFC 4733), and the node's log at level debug knows nothing of either.

use std::time::Duration;

use baton_tests::tone::Heard;

use crate::Scenario;
use crate::baresip;
use crate::bench::{Bench, HOLD, SOON};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("an_escape_digit_by_info_dtmf_relay_brings_a_person", relay),
    ("an_escape_digit_by_info_dtmf_brings_a_person", plain),
    ("an_escape_digit_by_telephone_event_brings_a_person", telephone_event),
];

/// The payload type of telephone-event in all SIPp scenarios.
const EVENTS: u8 = 101;

fn escape(settings: &str) -> String {
    settings.replace("[timers]", "[flows.handoff]\nescape_digit = \"0\"\n[timers]")
}

fn relay(bench: &mut Bench) {
    let body = |key: char| format!("Signal={key}\r\nDuration=160");
    info(bench, "application/dtmf-relay", &body('7'), &body('0'));
}

fn plain(bench: &mut Bench) {
    info(bench, "application/dtmf", "7", "0");
}

fn info(bench: &mut Bench, kind: &str, other: &str, escape_digit: &str) {
    bench.restart(escape);
    let keys = ["-key", "kind", kind, "-key", "other", other, "-key", "escape", escape_digit];
    let mut ai = bench.party("ai", "peer_stays", &[]);
    let mut ann = bench.party("ann", "peer_stays", &["-d", "1500"]);
    let mut caller = bench.caller("caller_presses", &[&["-d", "4000"][..], &keys].concat());
    bench.talk(&caller, &ai);
    bench.logged(&caller, "pressed", SOON);
    let events = || {
        ai.tap.ear(|ear| {
            let events = ear.packets.iter().filter(|packet| packet.number == EVENTS);
            events.map(|packet| packet.payload[0]).collect::<Vec<u8>>()
        })
    };
    bench.wait("the AI gets the other digit", &[&caller, &ai], SOON, || !events().is_empty());
    bench.talk(&caller, &ai);
    let pressed = || caller.sipp.log().iter().filter(|line| *line == "pressed").count() == 2;
    bench.wait("the escape digit is pressed", &[&caller, &ai], SOON, pressed);
    bench.hears(&caller, &Heard::only(HOLD));
    ai.sipp.wait_for_success(SOON);
    bench.talk(&caller, &ann);
    assert!(events().iter().all(|event| *event == 7), "the AI got more than the other digit: {:?}", events());
    caller.sipp.wait_for_success(Duration::from_secs(15));
    ann.sipp.wait_for_success(SOON);
    assert_no_digit(bench);
}

fn telephone_event(bench: &mut Bench) {
    baresip::escapes(bench, escape);
    assert_no_digit(bench);
}

/// No line of the log is about digits, so that none can hold one.
fn assert_no_digit(bench: &Bench) {
    let log = bench.node.log();
    let told = |line: &&str| {
        let line = line.to_ascii_lowercase();
        ["dtmf", "digit", "signal=", "telephone", "pressed"].iter().any(|word| line.contains(word))
    };
    let told: Vec<&str> = log.lines().filter(told).collect();
    assert!(told.is_empty(), "the log speaks of digits: {told:#?}");
}
