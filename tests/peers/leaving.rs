//! The caller hangs up in every state: everybody else is told at once.

use std::time::Duration;

use baton_tests::tone::Heard;

use crate::Scenario;
use crate::bench::{Bench, HOLD, SOON};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("a_caller_gives_up_while_the_ai_rings", while_ai_rings),
    ("a_caller_leaves_while_with_the_ai", while_with_ai),
    ("a_caller_leaves_while_queued", while_queued),
    ("a_caller_leaves_while_a_person_rings", while_person_rings),
    ("a_caller_leaves_while_with_a_person", while_with_person),
    ("a_caller_who_dies_is_gone", dies),
];

/// From the caller's goodbye to everybody's.
const AT_ONCE: Duration = Duration::from_secs(2);

fn while_ai_rings(bench: &mut Bench) {
    let mut ai = bench.party("ai", "rings", &[]);
    let mut caller = bench.caller("caller_cancels", &["-d", "1500"]);
    caller.sipp.wait_for_success(SOON);
    ai.sipp.wait_for_success(AT_ONCE);
}

fn while_with_ai(bench: &mut Bench) {
    let mut ai = bench.party("ai", "peer_stays", &[]);
    let mut caller = bench.caller("caller_leaves", &["-d", "3000"]);
    bench.talk(&caller, &ai);
    caller.sipp.wait_for_success(SOON);
    ai.sipp.wait_for_success(AT_ONCE);
}

fn while_queued(bench: &mut Bench) {
    let target = format!("sip:snapcall_agents@{}", bench.node.sip);
    let mut ai = bench.party("ai", "ai_refers", &["-d", "1500", "-key", "refer_to", &target]);
    let _ann = bench.party("ann", "refuses_486", &[]);
    let _bob = bench.party("bob", "refuses_486", &[]);
    let mut caller = bench.caller("caller_leaves", &["-d", "4500"]);
    bench.talk(&caller, &ai);
    bench.logged(&ai, "202", SOON);
    ai.tap.quiet(true);
    bench.hears(&caller, &Heard::only(HOLD));
    caller.sipp.wait_for_success(SOON);
    ai.sipp.wait_for_success(AT_ONCE);
}

fn while_person_rings(bench: &mut Bench) {
    let target = format!("sip:snapcall_agents@{}", bench.node.sip);
    let mut ai = bench.party("ai", "ai_refers", &["-d", "1500", "-key", "refer_to", &target]);
    let mut ann = bench.party("ann", "rings", &[]);
    let mut caller = bench.caller("caller_leaves", &["-d", "3500"]);
    bench.talk(&caller, &ai);
    bench.logged(&ann, "ringing", SOON);
    caller.sipp.wait_for_success(SOON);
    ann.sipp.wait_for_success(AT_ONCE);
    ai.sipp.wait_for_success(AT_ONCE);
}

fn while_with_person(bench: &mut Bench) {
    let target = format!("sip:snapcall_agents@{}", bench.node.sip);
    let mut ai = bench.party("ai", "ai_refers", &["-d", "1500", "-key", "refer_to", &target]);
    let mut ann = bench.party("ann", "peer_stays", &["-d", "300"]);
    let mut caller = bench.caller("caller_leaves", &["-d", "7000"]);
    bench.talk(&caller, &ai);
    bench.logged(&ai, "202", SOON);
    ai.tap.quiet(true);
    bench.talk(&caller, &ann);
    ai.sipp.wait_for_success(SOON);
    caller.sipp.wait_for_success(SOON);
    ann.sipp.wait_for_success(AT_ONCE);
}

fn dies(bench: &mut Bench) {
    let mut ai = bench.party("ai", "peer_stays", &[]);
    let mut caller = bench.caller("caller_stays", &[]);
    bench.talk(&caller, &ai);
    caller.sipp.kill();
    caller.tap.fall_silent();
    // 4 s without media, then OPTIONS that nobody answers, for 32 s at most.
    ai.sipp.wait_for_success(Duration::from_secs(45));
}
