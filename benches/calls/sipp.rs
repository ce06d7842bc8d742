//! The same set-ups as `setups.rs` by SIPp, a program that others trust: a thousand calls a second and more through a node with the
//! ports, the number of calls and the cores that it has by default.
//!
//! Callers and AI are a SIPp each, on the same cores as the node. An answer is 200 or, from a node that has no room or
//! no time, 503; anything else is a failure, and so is an answered call that does not end in order.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::figures::Spread;
use crate::machine::{MS, Nanos, SECOND, now, pause};
use crate::node::Node;
use crate::process::Process;

const CALLER: &str = include_str!("sipp/caller.xml");
const AI: &str = include_str!("sipp/ai.xml");
/// Where the two are; the node's other settings know them by their addresses.
const CALLERS: &str = "127.0.0.1";
const AIS: &str = "127.0.0.2:5160";
const CALLER_PORT: u16 = 5161;
/// Calls at once that SIPp keeps; a node that answers nothing is no reason for more.
const AT_ONCE: usize = 10_000;
/// Until a SIPp listens.
const START: Duration = Duration::from_millis(500);
/// How long callers may take beyond the calls' own time.
const PATIENCE: Nanos = 60 * SECOND;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// Answers between two writes of their times.
const WRITTEN_EVERY: &str = "100";

/// What a run showed.
#[derive(Clone, Debug)]
pub(crate) struct SippRun {
    /// Set-ups a second.
    pub rate: u32,
    /// Calls begun.
    pub calls: u64,
    /// Calls with a 200 to their INVITE and their BYE.
    pub answered: u64,
    /// Calls with 503.
    pub refused: u64,
    /// All others.
    pub failed: u64,
    /// From INVITE to 200 as SIPp saw it, in its own steps of a millisecond or more.
    pub set_up: Option<Spread>,
    /// The node's processor time by call.
    pub cpu_per_call: Nanos,
    /// The node's memory after the last call, in bytes.
    pub memory: u64,
    /// Transactions in it then.
    pub transactions: f64,
}

impl SippRun {
    /// As JSON.
    pub(crate) fn json(&self) -> Value {
        json!({
            "rate": self.rate,
            "calls": self.calls,
            "answered": self.answered,
            "refused": self.refused,
            "failed": self.failed,
            "set_up": self.set_up.map(Spread::json),
            "node_cpu_ns_per_call": self.cpu_per_call,
            "node_memory_bytes": self.memory,
            "node_transactions": self.transactions,
        })
    }
}

impl fmt::Display for SippRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |nanos: Nanos| nanos as f64 / 1e6;
        let times = self.set_up.map_or_else(String::new, |all| {
            format!(
                "INVITE to 200 p50 / p99 / max {:.0} / {:.0} / {:.0} ms, ",
                ms(all.p50),
                ms(all.p99),
                ms(all.max)
            )
        });
        writeln!(
            f,
            "SIPp, {} a second: {} calls, {} answered, {} refused with 503, {} failed; {times}node {:.3} ms of CPU a call, {} MiB \
             with {} transactions",
            self.rate,
            self.calls,
            self.answered,
            self.refused,
            self.failed,
            ms(self.cpu_per_call),
            self.memory >> 20,
            self.transactions
        )
    }
}

/// Sets up `rate` calls a second for `seconds`.
pub(crate) fn run(program: &Path, rate: u32, seconds: u64) -> Result<SippRun, String> {
    let folder = crate::target()?.join("bench-sipp");
    // Files of a former run would be read as this one's.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let mut node = Node::start_with(program, &folder, settings)?;
    let ai = sipp(&folder, "ai", AI, AIS, &[])?;
    let mut ai = Process::start("SIPp as the AI", &mut { ai }, &folder.join("ai.log"))?;
    pause(START)?;
    ai.check_alive()?;
    let before = node.process.cpu()?;
    let calls = u64::from(rate) * seconds;
    callers(&folder, node.sip, rate, calls)?;
    let cpu_per_call = (node.process.cpu()? - before) / calls.max(1) as Nanos;
    node.process.check_alive()?;
    let memory = node.process.memory()?;
    // Published once a second.
    pause(Duration::from_millis(1100))?;
    let transactions = node.metric("baton_sip_transactions_active", "")?;
    let stats = Stats::read(&folder)?;
    let refused = stats.count("refused(C)")?;
    let answered = stats.count("SuccessfulCall(C)")?.saturating_sub(refused);
    drop(ai);
    node.process.stop()?;
    Ok(SippRun {
        rate,
        calls,
        answered,
        refused,
        failed: calls.saturating_sub(answered + refused),
        set_up: Spread::of(times(&folder)?),
        cpu_per_call,
        memory,
        transactions,
    })
}

fn callers(folder: &Path, node: SocketAddr, rate: u32, calls: u64) -> Result<(), String> {
    let at = format!("{CALLERS}:{CALLER_PORT}");
    let (rate, calls, at_once, node) =
        (rate.to_string(), calls.to_string(), AT_ONCE.to_string(), node.to_string());
    let arguments = [
        &node,
        "-s",
        "support",
        "-r",
        &rate,
        "-m",
        &calls,
        "-l",
        &at_once,
        "-trace_stat",
        "-stf",
        "stat.csv",
        "-fd",
        "1",
        "-trace_rtt",
        "-rtt_freq",
        WRITTEN_EVERY,
    ];
    let mut callers = sipp(folder, "caller", CALLER, &at, &arguments)?;
    callers.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = callers.spawn().map_err(|error| format!("cannot start sipp: {error}"))?;
    let end = now() + PATIENCE + calls_time(&rate, &calls);
    loop {
        // 1: some call has failed, which the counts tell.
        match child.try_wait().map_err(|error| format!("sipp cannot be watched: {error}"))? {
            Some(status) if matches!(status.code(), Some(0 | 1)) => return Ok(()),
            Some(status) => return Err(format!("sipp has ended ({status})")),
            None if now() > end => {
                let _ = child.kill();
                let _ = child.wait();
                return Err("sipp does not come to an end".to_owned());
            }
            None => pause(LOOK)?,
        }
    }
}

fn calls_time(rate: &str, calls: &str) -> Nanos {
    let read = |text: &str| text.parse::<Nanos>().unwrap_or(1).max(1);
    read(calls) * SECOND / read(rate)
}

/// A SIPp with a scenario, at an address.
fn sipp(folder: &Path, name: &str, scenario: &str, at: &str, arguments: &[&str]) -> Result<Command, String> {
    let file = folder.join(name).with_extension("xml");
    std::fs::write(&file, scenario).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    let (ip, port) = at.split_once(':').ok_or("an address has a port")?;
    let mut command = Command::new("sipp");
    command.current_dir(folder).arg("-sf").arg(file).args(["-i", ip, "-p", port, "-mi", ip, "-nostdin"]);
    command.args(arguments);
    Ok(command)
}

/// The last line of SIPp's statistics, by name.
struct Stats {
    names: Vec<String>,
    values: Vec<String>,
}

impl Stats {
    fn read(folder: &Path) -> Result<Self, String> {
        let text = read(&folder.join("stat.csv"))?;
        let mut lines = text.lines();
        let words = |line: &str| line.split(';').map(str::to_owned).collect();
        let names = words(lines.next().ok_or("sipp wrote no statistics")?);
        Ok(Self { names, values: words(lines.last().ok_or("sipp counted nothing")?) })
    }

    fn count(&self, name: &str) -> Result<u64, String> {
        let at = self.names.iter().position(|other| other == name);
        let value = at.and_then(|at| self.values.get(at)?.parse().ok());
        value.ok_or_else(|| format!("sipp does not tell {name}"))
    }
}

/// Times from INVITE to 200, of the files that SIPp names by its process.
fn times(folder: &Path) -> Result<Vec<Nanos>, String> {
    let entries =
        std::fs::read_dir(folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let is_times = |path: &PathBuf| path.to_string_lossy().ends_with("_rtt.csv");
    let mut all = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()).filter(is_times) {
        let text = read(&path)?;
        let time = |line: &str| line.split(';').nth(1)?.trim().parse::<f64>().ok();
        all.extend(text.lines().skip(1).filter_map(time).map(|ms| (ms * MS as f64) as Nanos));
    }
    Ok(all)
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
}

/// As little as may be: ports, calls at once and shards are what a node has by itself.
fn settings(sip: SocketAddr, http: SocketAddr) -> String {
    format!(
        r#"[sip]
listen = ["udp://{sip}"]
[media]
address = "{}"
[http]
listen = "{http}"
[[peers]]
name = "callers"
from = ["{CALLERS}/32"]
codecs = ["PCMU"]
[[peers]]
name = "ai"
from = ["127.0.0.2/32"]
uris = ["sip:ai@{AIS}"]
codecs = ["PCMU"]
[[flows]]
name = "support"
match = {{ user = "*" }}
ai = "ai"
[timers]
drain = 1
[limits]
calls_per_second = 100000
"#,
        sip.ip()
    )
}
