//! Handoff by REFER and by BYE: with the first person, the second, or nobody there.

use std::time::Duration;

use baton_tests::tone::Heard;

use crate::Scenario;
use crate::bench::{Bench, HOLD, SOON};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("refer_brings_the_second_person_without_a_gap", refer),
    ("bye_with_a_header_brings_a_person", bye),
    ("nobody_there_gives_the_caller_back_to_the_ai", nobody),
    ("what_was_said_in_headers_reaches_who_is_to_know_it", meaning),
];

fn refer(bench: &mut Bench) {
    let target = format!("sip:snapcall_agents@{}", bench.node.sip);
    let ai = bench.party("ai", "ai_refers", &["-d", "2000", "-key", "refer_to", &target]);
    let ann = bench.party("ann", "rings", &[]);
    let mut bob = bench.party("bob", "peer_stays", &["-d", "1000"]);
    let mut caller = bench.caller("caller_leaves", &["-d", "14000"]);
    bench.talk(&caller, &ai);
    bench.logged(&ann, "ringing", SOON);
    ai.tap.quiet(true);
    bench.hears(&caller, &Heard::only(HOLD));
    let on_hold = caller.tap.now();
    bench.hears(&ai, &Heard::silence());
    bench.logged(&ann, "cancelled", SOON);
    bench.talk(&caller, &bob);
    let notified: Vec<String> = ai.sipp.log().into_iter().filter(|line| line.starts_with("NOTIFY")).collect();
    assert_eq!(notified, ["NOTIFY 100", "NOTIFY 180", "NOTIFY 200"], "{}", bench.account(&[&ai]));
    let invite = bob.sipp.log().into_iter().find(|line| line.starts_with("INVITE")).unwrap_or_default();
    assert!(invite.contains("customer 4711") && invite.contains("reason billing"), "{invite}");
    bench.assert_no_gap(&caller, Some(on_hold));
    caller.sipp.wait_for_success(Duration::from_secs(15));
    bob.sipp.wait_for_success(SOON);
}

fn bye(bench: &mut Bench) {
    let mut ai = bench.party("ai", "peer_leaves", &["-d", "2000", "-key", "xheader", "X-contained: false"]);
    let mut ann = bench.party("ann", "peer_stays", &["-d", "2000"]);
    let mut caller = bench.caller("caller_leaves", &["-d", "9000"]);
    bench.talk(&caller, &ai);
    ai.sipp.wait_for_success(SOON);
    ai.tap.fall_silent();
    bench.hears(&caller, &Heard::only(HOLD));
    bench.talk(&caller, &ann);
    let invite = ann.sipp.log().into_iter().find(|line| line.starts_with("INVITE")).unwrap_or_default();
    assert!(invite.contains("reason billing"), "{invite}");
    bench.assert_no_gap(&caller, None);
    caller.sipp.wait_for_success(Duration::from_secs(15));
    ann.sipp.wait_for_success(SOON);
}

fn nobody(bench: &mut Bench) {
    let target = format!("sip:snapcall_agents@{}", bench.node.sip);
    let mut ai = bench.party("ai", "ai_refers", &["-d", "1500", "-key", "refer_to", &target]);
    let _ann = bench.party("ann", "refuses_486", &[]);
    let _bob = bench.party("bob", "rings", &[]);
    let mut caller = bench.caller("caller_leaves", &["-d", "16000"]);
    bench.talk(&caller, &ai);
    bench.logged(&ai, "202", SOON);
    ai.tap.quiet(true);
    bench.hears(&caller, &Heard::only(HOLD));
    let on_hold = caller.tap.now();
    ai.tap.quiet(false);
    let final_notify =
        || ai.sipp.log().iter().any(|line| ["NOTIFY 480", "NOTIFY 486", "NOTIFY 603"].contains(&&**line));
    bench.wait("a final NOTIFY", &[&ai], Duration::from_secs(15), final_notify);
    assert!(ai.sipp.messages().contains("Reason: Q.850;cause=17"), "Ann's reason\n{}", bench.account(&[&ai]));
    bench.talk(&caller, &ai);
    bench.assert_no_gap(&caller, Some(on_hold));
    caller.sipp.wait_for_success(Duration::from_secs(20));
    ai.sipp.wait_for_success(SOON);
}

/// User-to-User in Refer-To reaches the person, who sees that the AI came first; the person's Reason reaches the caller.
fn meaning(bench: &mut Bench) {
    let uui = "User-to-User=3132%3Bencoding%3Dhex";
    let target = format!("sip:snapcall_agents@{}?{uui}", bench.node.sip);
    let ai = bench.party("ai", "ai_refers", &["-d", "1500", "-key", "refer_to", &target]);
    let reason = "Reason: Q.850;cause=31;text=\"done\"";
    let mut ann = bench.party("ann", "peer_leaves", &["-d", "2000", "-key", "xheader", reason]);
    let mut caller = bench.caller("caller_stays", &[]);
    bench.talk(&caller, &ai);
    bench.logged(&ai, "202", SOON);
    ai.tap.quiet(true);
    bench.talk(&caller, &ann);
    ann.sipp.wait_for_success(Duration::from_secs(10));
    caller.sipp.wait_for_success(SOON);
    let account = bench.account(&[&ai, &ann, &caller]);
    let invite = ann.sipp.messages();
    for line in [
        "User-to-User: 3132;encoding=hex",
        "Diversion: <sip:polyai@",
        ";mp=1;index=1.1, <sip:",
        "Session-ID: ",
    ] {
        assert!(invite.contains(line), "{line}\n{account}");
    }
    let bye = caller.sipp.messages();
    assert!(bye.contains(reason), "{account}");
}
