//! People who are busy, unreachable, silent, or lost in the middle of a sentence.

use std::time::Duration;

use baton_tests::tone::Heard;

use crate::Scenario;
use crate::bench::{Bench, HOLD, SOON};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("a_busy_person_is_passed_over", |bench| passed_over(bench, Some("refuses_486"))),
    ("a_person_in_trouble_is_passed_over", |bench| passed_over(bench, Some("refuses_480"))),
    ("a_person_who_declines_is_passed_over", |bench| passed_over(bench, Some("refuses_603"))),
    ("a_person_who_says_nothing_is_passed_over", |bench| passed_over(bench, Some("silent"))),
    ("a_person_who_is_not_there_is_passed_over", |bench| passed_over(bench, None)),
    ("a_person_who_hangs_up_ends_the_call", hangs_up),
    ("a_person_lost_in_mid_call_is_replaced", lost),
];

fn passed_over(bench: &mut Bench, scenario: Option<&str>) {
    let mut ai = bench.party("ai", "peer_leaves", &["-d", "1500", "-key", "xheader", "X-contained: false"]);
    let _ann = scenario.map(|scenario| bench.party("ann", scenario, &[]));
    let mut bob = bench.party("bob", "peer_stays", &["-d", "500"]);
    let mut caller = bench.caller("caller_leaves", &["-d", "11000"]);
    bench.talk(&caller, &ai);
    ai.sipp.wait_for_success(SOON);
    ai.tap.fall_silent();
    bench.hears(&caller, &Heard::only(HOLD));
    bench.talk(&caller, &bob);
    bench.assert_no_gap(&caller, None);
    caller.sipp.wait_for_success(Duration::from_secs(15));
    bob.sipp.wait_for_success(SOON);
}

fn hangs_up(bench: &mut Bench) {
    let mut ai = bench.party("ai", "peer_leaves", &["-d", "1000", "-key", "xheader", "X-contained: false"]);
    let mut ann = bench.party("ann", "peer_leaves", &["-d", "2500", "-key", "xheader", "X-Any: thing"]);
    let mut caller = bench.caller("caller_stays", &[]);
    bench.talk(&caller, &ai);
    ai.sipp.wait_for_success(SOON);
    ai.tap.fall_silent();
    bench.talk(&caller, &ann);
    ann.sipp.wait_for_success(SOON);
    caller.sipp.wait_for_success(SOON);
}

fn lost(bench: &mut Bench) {
    let mut ai = bench.party("ai", "peer_leaves", &["-d", "1000", "-key", "xheader", "X-contained: false"]);
    let mut ann = bench.party("ann", "peer_stays", &[]);
    let mut bob = bench.party("bob", "peer_stays", &["-d", "1500"]);
    let mut caller = bench.caller("caller_leaves", &["-d", "25000"]);
    bench.talk(&caller, &ai);
    ai.sipp.wait_for_success(SOON);
    ai.tap.fall_silent();
    bench.talk(&caller, &ann);
    // Her machine dies: no more RTP, no more answers.
    ann.sipp.kill();
    ann.tap.fall_silent();
    let bob_rings = || bob.sipp.log().iter().any(|line| line.starts_with("INVITE"));
    bench.wait("bob is called", &[&caller], Duration::from_secs(15), bob_rings);
    bench.hears(&caller, &Heard::only(HOLD));
    bench.talk(&caller, &bob);
    caller.sipp.wait_for_success(Duration::from_secs(30));
    bob.sipp.wait_for_success(SOON);
}
