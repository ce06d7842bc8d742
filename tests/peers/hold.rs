//! Hold and resume by each side, by re-INVITE, in all the forms there are.

use baton_tests::tone::Heard;

use crate::Scenario;
use crate::bench::{Bench, Party, SOON};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("the_caller_holds_the_ai_and_resumes", |bench| caller_holds_ai(bench, Form::Inactive)),
    ("the_caller_holds_the_ai_with_music_and_resumes", |bench| caller_holds_ai(bench, Form::SendOnly)),
    ("the_ai_holds_the_caller_and_resumes", ai_holds_caller),
    ("the_caller_holds_a_person_and_resumes", |bench| caller_holds_person(bench, Form::Inactive)),
    ("the_caller_holds_a_person_the_old_way_and_resumes", |bench| caller_holds_person(bench, Form::Zero)),
    ("a_person_holds_the_caller_and_resumes", |bench| person_holds_caller(bench, Form::Inactive)),
    ("a_person_holds_the_caller_with_music_and_resumes", |bench| person_holds_caller(bench, Form::SendOnly)),
    ("a_person_holds_the_caller_the_old_way_and_resumes", |bench| person_holds_caller(bench, Form::Zero)),
];

/// How a phone says that it holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// It neither says nor wants anything (RFC 3264 §8.4).
    Inactive,
    /// It plays music of its own and wants nothing.
    SendOnly,
    /// `c=0.0.0.0`, as RFC 2543 had it.
    Zero,
}

impl Form {
    /// The keys of the scenarios that hold, at this IP.
    fn keys(self, ip: &str) -> [&str; 6] {
        let (hold, ip) = match self {
            Self::Inactive => ("inactive", ip),
            Self::SendOnly => ("sendonly", ip),
            Self::Zero => ("sendrecv", "0.0.0.0"),
        };
        ["-key", "hold", hold, "-key", "hip", ip]
    }
}

/// Starts whoever holds and then leaves.
fn holder(bench: &Bench, name: &'static str, form: Form) -> Party {
    let ip = bench.address(name).ip().to_string();
    let keys = form.keys(&ip);
    if name == "caller" {
        return bench.caller("caller_holds", &[&["-d", "2500"][..], &keys].concat());
    }
    bench.party(
        name,
        "peer_holds",
        &[&["-d", "2500", "-key", "xheader", "X-contained: true"][..], &keys].concat(),
    )
}

fn hold_and_resume(bench: &Bench, holder: &Party, other: &Party, form: Form) {
    bench.talk(holder, other);
    bench.logged(holder, "held", SOON);
    bench.hears(holder, &Heard::silence());
    if form == Form::SendOnly {
        // Music is heard for as long as it is played.
        bench.hears(other, &Heard::only(holder.tap.tone));
    } else {
        // A phone on hold says nothing.
        holder.tap.quiet(true);
        let lets_go = || !other.tap.heard().tones.contains(&holder.tap.tone);
        bench.wait("the other does not hear the holder", &[other], SOON, lets_go);
    }
    bench.logged(holder, "resumed", SOON);
    holder.tap.quiet(false);
    bench.talk(holder, other);
}

fn caller_holds_ai(bench: &mut Bench, form: Form) {
    let mut ai = bench.party("ai", "peer_stays", &[]);
    let mut caller = holder(bench, "caller", form);
    hold_and_resume(bench, &caller, &ai, form);
    caller.sipp.wait_for_success(SOON);
    ai.sipp.wait_for_success(SOON);
}

fn ai_holds_caller(bench: &mut Bench) {
    let mut ai = holder(bench, "ai", Form::Inactive);
    let mut caller = bench.caller("caller_stays", &[]);
    hold_and_resume(bench, &ai, &caller, Form::Inactive);
    ai.sipp.wait_for_success(SOON);
    caller.sipp.wait_for_success(SOON);
}

fn caller_holds_person(bench: &mut Bench, form: Form) {
    let _ai = bench.party("ai", "refuses_503", &[]);
    let mut ann = bench.party("ann", "peer_stays", &[]);
    let mut caller = holder(bench, "caller", form);
    hold_and_resume(bench, &caller, &ann, form);
    caller.sipp.wait_for_success(SOON);
    ann.sipp.wait_for_success(SOON);
}

fn person_holds_caller(bench: &mut Bench, form: Form) {
    let _ai = bench.party("ai", "refuses_503", &[]);
    let mut ann = holder(bench, "ann", form);
    let mut caller = bench.caller("caller_stays", &[]);
    hold_and_resume(bench, &ann, &caller, form);
    ann.sipp.wait_for_success(SOON);
    caller.sipp.wait_for_success(SOON);
}
