//! Passwords both ways: a caller that is asked for its own, an AI that asks for ours (RFC 3261 §22), with SIPp's digest, which
//! is MD5 alone.

use std::time::Duration;

use crate::Scenario;
use crate::bench::{Bench, SOON};

pub(crate) const SCENARIOS: &[Scenario] = &[("digest_lets_a_caller_in_and_is_answered_to_the_ai", both)];

const CALLER: &str = "name = \"snapcall\"";
const AI: &str = "name = \"polyai\"";

fn with_passwords(usual: &str) -> String {
    let asked = format!(
        "{CALLER}\nchallenge = {{ realm = \"baton.example\", md5_only = true, users = {{ widget = \"word\" }} }}"
    );
    let ours = format!("{AI}\nauth = {{ username = \"baton\", password = \"word\" }}");
    usual.replacen(CALLER, &asked, 1).replacen(AI, &ours, 1)
}

fn both(bench: &mut Bench) {
    bench.restart(with_passwords);
    let mut ai = bench.party("ai", "peer_asks", &[]);
    let mut caller = bench.caller("caller_proves", &["-d", "4000"]);
    bench.talk(&caller, &ai);
    caller.sipp.wait_for_success(Duration::from_secs(10));
    ai.sipp.wait_for_success(SOON);
    assert!(!ai.sipp.log().contains(&"not proved".to_owned()), "{}", bench.account(&[&ai]));
    // Both are published once a second.
    let counted = || {
        let metric = |name| bench.node.metric(name);
        metric("baton_auth_total{result=\"genuine\"}") == 1.0
            && metric("baton_auth_answers_total{result=\"answered\"}") == 1.0
            && metric("baton_auth_answers_total{result=\"failed\"}") == 0.0
    };
    bench.wait("what is counted", &[], Duration::from_secs(3), counted);
    assert!(!bench.node.log().contains("response=\""), "an answer is in the log");
}
