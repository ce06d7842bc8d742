//! Calls over connections: SIPp as caller and as AI over TCP, baresip on every side under TLS (Debian's SIPp has none), with
//! sound both ways.

use std::time::Duration;

use crate::Scenario;
use crate::baresip;
use crate::bench::{Bench, SOON};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("over_tcp_caller_and_ai_hear_each_other_and_the_caller_leaves", caller_leaves),
    ("over_tcp_an_ai_that_hangs_up_ends_the_call", ai_leaves),
    baresip::UNDER_TLS,
];

/// The node also listens on TCP, and calls its AI over it.
fn over_tcp(bench: &mut Bench) {
    let sip = bench.node.sip;
    let (udp, both) = (format!("\"udp://{sip}\""), format!("\"udp://{sip}\", \"tcp://{sip}\""));
    bench.restart(|settings| settings.replace(&udp, &both).replace(":5070\"", ":5070;transport=tcp\""));
}

fn caller_leaves(bench: &mut Bench) {
    over_tcp(bench);
    let mut ai = bench.party("ai", "peer_stays", &["-t", "t1"]);
    let mut caller = bench.caller("caller_leaves", &["-t", "t1", "-d", "4000"]);
    bench.talk(&caller, &ai);
    let open = bench.node.metric("baton_sip_connections{transport=\"tcp\"}");
    assert_eq!(open, 2.0, "one connection for each of them\n{}", bench.account(&[&caller, &ai]));
    caller.sipp.wait_for_success(Duration::from_secs(10));
    ai.sipp.wait_for_success(SOON);
}

fn ai_leaves(bench: &mut Bench) {
    over_tcp(bench);
    let mut ai =
        bench.party("ai", "peer_leaves", &["-t", "t1", "-d", "2000", "-key", "xheader", "X-contained: true"]);
    let mut caller = bench.caller("caller_stays", &["-t", "t1"]);
    bench.talk(&caller, &ai);
    ai.sipp.wait_for_success(SOON);
    caller.sipp.wait_for_success(SOON);
}
