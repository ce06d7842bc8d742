//! Hold and resume by each side, by re-INVITE.

use baton_tests::tone::Heard;

use crate::Scenario;
use crate::bench::{Bench, Party, SOON};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("the_caller_holds_the_ai_and_resumes", caller_holds_ai),
    ("the_ai_holds_the_caller_and_resumes", ai_holds_caller),
    ("the_caller_holds_a_person_and_resumes", caller_holds_person),
    ("a_person_holds_the_caller_and_resumes", person_holds_caller),
];

fn hold_and_resume(bench: &Bench, holder: &Party, other: &Party) {
    bench.talk(holder, other);
    bench.logged(holder, "held", SOON);
    bench.hears(holder, &Heard::silence());
    let lets_go = || !other.tap.heard().tones.contains(&holder.tap.tone);
    // A phone on hold says nothing (RFC 3264 §8.4).
    holder.tap.quiet(true);
    bench.wait("the other does not hear the holder", &[other], SOON, lets_go);
    bench.logged(holder, "resumed", SOON);
    holder.tap.quiet(false);
    bench.talk(holder, other);
}

fn caller_holds_ai(bench: &mut Bench) {
    let mut ai = bench.party("ai", "peer_stays", &[]);
    let mut caller = bench.caller("caller_holds", &["-d", "2500"]);
    hold_and_resume(bench, &caller, &ai);
    caller.sipp.wait_for_success(SOON);
    ai.sipp.wait_for_success(SOON);
}

fn ai_holds_caller(bench: &mut Bench) {
    let mut ai = bench.party("ai", "peer_holds", &["-d", "2500", "-key", "xheader", "X-contained: true"]);
    let mut caller = bench.caller("caller_stays", &[]);
    hold_and_resume(bench, &ai, &caller);
    ai.sipp.wait_for_success(SOON);
    caller.sipp.wait_for_success(SOON);
}

fn caller_holds_person(bench: &mut Bench) {
    let _ai = bench.party("ai", "refuses_503", &[]);
    let mut ann = bench.party("ann", "peer_stays", &[]);
    let mut caller = bench.caller("caller_holds", &["-d", "2500"]);
    hold_and_resume(bench, &caller, &ann);
    caller.sipp.wait_for_success(SOON);
    ann.sipp.wait_for_success(SOON);
}

fn person_holds_caller(bench: &mut Bench) {
    let _ai = bench.party("ai", "refuses_503", &[]);
    let mut ann = bench.party("ann", "peer_holds", &["-d", "2500", "-key", "xheader", "X-Any: thing"]);
    let mut caller = bench.caller("caller_stays", &[]);
    hold_and_resume(bench, &ann, &caller);
    ann.sipp.wait_for_success(SOON);
    caller.sipp.wait_for_success(SOON);
}
