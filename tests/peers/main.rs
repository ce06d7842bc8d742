//! Real programs as caller, AI and people: SIPp and baresip, each with a `baton serve` process of its own on loopback
//! addresses of its own, so that all scenarios run side by side. The only tests that read a clock and sleep.
//!
//! Sound both ways is asserted after every change of state. SIPp speaks SIP alone; the sound of its calls is sent and
//! heard by taps of ours, each with a tone of its own. After each scenario the node's gauges must be 0 within a second,
//! and in the end, once for all nodes, its transactions and resting ports.
//!
//! Without the programs the tests say so and pass; `REQUIRE_PEERS=1` turns that into a failure. Arguments are parts of
//! scenarios' names. It leaves out libtest's harness, which would run two scenarios at a time.

#![expect(clippy::disallowed_methods, reason = "real programs run in real time")]
#![expect(clippy::print_stdout, reason = "it is its own test harness")]

mod ai;
mod baresip;
mod bench;
mod dialogs;
mod digest;
mod digits;
mod handoff;
mod hold;
mod http;
mod leaving;
mod node;
mod pairings;
mod people;
mod sipp;
mod tap;
mod transports;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bench::Bench;
use node::Node;

/// A scenario: its name is a fact, its body fails by panicking.
type Scenario = (&'static str, fn(&mut Bench));

/// Scenarios at the same time: each holds a node and up to five programs, all mostly asleep.
const AT_ONCE: usize = 10;

/// How long transactions (64·T1) and ports (2 s) may take to come to rest.
const REST: Duration = Duration::from_secs(40);

fn scenarios() -> Vec<Scenario> {
    [
        dialogs::SCENARIOS,
        handoff::SCENARIOS,
        people::SCENARIOS,
        ai::SCENARIOS,
        leaving::SCENARIOS,
        hold::SCENARIOS,
        digits::SCENARIOS,
        digest::SCENARIOS,
        baresip::SCENARIOS,
        pairings::SCENARIOS,
        transports::SCENARIOS,
    ]
    .concat()
}

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    let scenarios: Vec<Scenario> = scenarios().into_iter().filter(|(name, _)| is_wanted(name)).collect();
    if std::env::args().any(|arg| arg == "--list") {
        scenarios.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    if let Some(missing) = missing() {
        let required = std::env::var_os("REQUIRE_PEERS").is_some_and(|value| value != "0");
        println!("{} {missing}", if required { "FAILED:" } else { "SKIPPED the tests with real peers:" });
        return if required { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    println!("running {} scenarios with real peers", scenarios.len());
    let failed = run_all(&scenarios);
    println!("\npeers result: {} passed, {failed} failed", scenarios.len() - failed.min(scenarios.len()));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What is not there to test with.
fn missing() -> Option<String> {
    let absent = |program: &&str| sipp::which(program).is_none();
    let programs: Vec<&str> = ["sipp", "baresip"].into_iter().filter(absent).collect();
    if !programs.is_empty() {
        return Some(format!("{} not installed", programs.join(" and ")));
    }
    node::program().err()
}

fn run_all(scenarios: &[Scenario]) -> usize {
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let nodes: Mutex<Vec<(&str, Node)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((name, body)) = scenarios.get(at) else { break };
                    match run_one(at, name, *body) {
                        Some(node) => nodes.lock().expect("no scenario panics with it").push((name, node)),
                        None => _ = failed.fetch_add(1, Ordering::Relaxed),
                    }
                }
            });
        }
    });
    let nodes = nodes.into_inner().expect("all scenarios are over");
    failed.into_inner() + nodes.into_iter().filter(|(name, node)| !came_to_rest(name, node)).count()
}

fn run_one(at: usize, name: &str, body: fn(&mut Bench)) -> Option<Node> {
    let begun = Instant::now();
    let run = || {
        let mut bench = Bench::new(at, name);
        body(&mut bench);
        bench.finish()
    };
    let result = catch_unwind(AssertUnwindSafe(run));
    let verdict = if result.is_ok() { "ok" } else { "FAILED" };
    println!("test {name} ... {verdict} ({:.1} s)", begun.elapsed().as_secs_f64());
    result.ok()
}

/// Once for all nodes, in the end: nothing is alive in them any more.
fn came_to_rest(name: &str, node: &Node) -> bool {
    match node.wait_for_zero(&node::RESTING, REST) {
        Ok(()) => true,
        Err(left) => {
            println!("test {name} ... FAILED: still there after {} s: {left}", REST.as_secs());
            false
        }
    }
}
