//! The AI down, slow, and dying in the middle of a sentence.

use std::time::Duration;

use baton_tests::tone::Heard;

use crate::Scenario;
use crate::bench::{Bench, HOLD, SOON};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("with_the_first_ai_address_down_the_second_answers", first_down),
    ("with_the_first_ai_address_slow_the_second_answers", first_slow),
    ("with_the_ai_down_the_caller_reaches_a_person", all_down),
    ("an_ai_that_dies_in_mid_call_is_replaced_by_a_person", dies),
    ("an_ai_that_hangs_up_ends_the_call", hangs_up),
];

fn first_down(bench: &mut Bench) {
    let mut ai2 = bench.party("ai2", "peer_stays", &[]);
    let mut caller = bench.caller("caller_leaves", &["-d", "6000"]);
    bench.talk(&caller, &ai2);
    caller.sipp.wait_for_success(Duration::from_secs(10));
    ai2.sipp.wait_for_success(SOON);
}

fn first_slow(bench: &mut Bench) {
    let _ai = bench.party("ai", "silent", &[]);
    let mut ai2 = bench.party("ai2", "peer_stays", &[]);
    let mut caller = bench.caller("caller_leaves", &["-d", "5000"]);
    bench.talk(&caller, &ai2);
    caller.sipp.wait_for_success(Duration::from_secs(10));
    ai2.sipp.wait_for_success(SOON);
}

fn all_down(bench: &mut Bench) {
    let _ai = bench.party("ai", "refuses_503", &[]);
    let mut ann = bench.party("ann", "peer_stays", &["-d", "2000"]);
    let mut caller = bench.caller("caller_leaves", &["-d", "8000"]);
    bench.hears(&caller, &Heard::only(HOLD));
    bench.talk(&caller, &ann);
    bench.assert_no_gap(&caller, None);
    caller.sipp.wait_for_success(Duration::from_secs(12));
    ann.sipp.wait_for_success(SOON);
}

fn dies(bench: &mut Bench) {
    let mut ai = bench.party("ai", "peer_stays", &[]);
    let mut ann = bench.party("ann", "peer_stays", &["-d", "500"]);
    let mut caller = bench.caller("caller_leaves", &["-d", "25000"]);
    bench.talk(&caller, &ai);
    ai.sipp.kill();
    ai.tap.fall_silent();
    let ann_rings = || ann.sipp.log().iter().any(|line| line.starts_with("INVITE"));
    bench.wait("ann is called", &[&caller], Duration::from_secs(15), ann_rings);
    bench.talk(&caller, &ann);
    caller.sipp.wait_for_success(Duration::from_secs(30));
    ann.sipp.wait_for_success(SOON);
}

fn hangs_up(bench: &mut Bench) {
    let mut ai = bench.party("ai", "peer_leaves", &["-d", "2000", "-key", "xheader", "X-contained: true"]);
    let mut caller = bench.caller("caller_stays", &[]);
    bench.talk(&caller, &ai);
    ai.sipp.wait_for_success(SOON);
    caller.sipp.wait_for_success(SOON);
}
