//! All runs as one table for people and one JSON document for programs.

use std::fmt;

use serde_json::{Value, json};

use crate::bare::{self, Cost};
use crate::figures::Spread;
use crate::machine::{Cores, Machine, Nanos};
use crate::options::Codecs;
use crate::run::Point;
use crate::series::Sweep;
use crate::setups::SetUps;
use crate::sipp::SippRun;

/// What the table's lines mean.
const LEGEND: &str = "\
up              calls that came up and stayed, of those begun; faults: calls of which anything went wrong
node CPU        processor time of all the node's threads per call and second, timer wakes and SIP included; delivering
                a packet to a socket on loopback is charged to whoever sends it, so here to the node
bare CPU        libopus and G.711 as the node uses them plus recvfrom and sendto, for the same frames, nothing else
ratio           node CPU by bare CPU
paced CPU       the same work by a program of nothing else, in a run of its own after the node's: same generator, calls and
                20 ms, so with sleep between and somebody to wake at the other end
paced ratio     node CPU by paced CPU
node idle       processor time per second of a node without calls
memory          memory of the node (PSS) with the calls less that without, by the calls
callers got     packets to callers of those that the window owes them; below 99 % the node had too little of its core,
                and its cost is that of the work it did
lost to node    packets sent to the node that it has not counted; lost from node: gaps in what the parties received
pacing          each packet of a stream that the node makes, against that stream's own 20 ms grid, whose origin is its
                earliest packet; kernel receive timestamps, p50 / p99 / p99.9 / max
relay           from the send of a packet to its receipt at the far side, p50 / p99 / p99.9 / max
bare timer      a timer of 1 ms alone on the node's core before the load: what the machine itself is late by
generator       lateness of this process's own packets against their instants; left out: frames it was too late for
delay           from the send of the packet in which a loud mark begins to the receipt of the packet in whose sound it
                begins: jitter buffer, the wait for the tick, codec time; p50 / p99 / max. `inside` is how far into
                that packet the mark begins, codec look-ahead included
refer           from REFER sent to INVITE received by the person, p50 / p99 / max, and handoffs that reached a person
longest gap     longest time between two packets to a caller: handed off / others
";

/// What could not be measured, a sentence each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failures(pub Vec<String>);

impl Failures {
    /// What was measured; notes why, if nothing was.
    pub(crate) fn sift<T>(&mut self, what: &str, result: Result<T, String>) -> Option<T> {
        let sentence = match result {
            Ok(value) => return Some(value),
            Err(sentence) => format!("{what}: {sentence}"),
        };
        println!("FAILED: {sentence}");
        self.0.push(sentence);
        None
    }

    /// # Errors
    /// All of them in one sentence, if there are any.
    pub(crate) fn verdict(&self) -> Result<(), String> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0.join("; ")) }
    }
}

/// What was measured.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    machine: Machine,
    cores: Cores,
    /// Bare cost for each choice of codecs.
    pub bare: Vec<(Codecs, Cost)>,
    /// Runs with calls.
    pub points: Vec<Point>,
    /// Sweeps to the knee.
    pub sweeps: Vec<Sweep>,
    /// Runs of node and rtpengine in turn.
    pub beside: Vec<Point>,
    /// Runs with set-ups alone.
    pub setups: Vec<SetUps>,
    /// The same by SIPp.
    pub sipp: Vec<SippRun>,
    /// What failed.
    pub failures: Failures,
}

impl Report {
    /// Nothing measured yet.
    pub(crate) fn new(machine: Machine, cores: Cores) -> Self {
        Self {
            machine,
            cores,
            bare: Vec::new(),
            points: Vec::new(),
            sweeps: Vec::new(),
            beside: Vec::new(),
            setups: Vec::new(),
            sipp: Vec::new(),
            failures: Failures::default(),
        }
    }

    fn bare_of(&self, codecs: Codecs) -> Option<Cost> {
        self.bare.iter().find(|(of, _)| *of == codecs).map(|(_, cost)| *cost)
    }

    fn ratio(&self, point: &Point) -> Option<f64> {
        let bare = self.bare_of(point.load.codecs)?;
        Some(point.cpu_per_call_second as f64 / (bare.codecs + bare.sockets) as f64)
    }

    /// The whole as JSON.
    pub(crate) fn json(&self) -> String {
        let Machine { model, cores, kernel, load } = &self.machine;
        let report = json!({
            "machine": { "model": model, "cores": cores, "kernel": kernel, "load_before": load,
                "node_core": self.cores.node, "generator_core": self.cores.generator },
            "encoder_lookahead_ms": bare::lookahead().ok().map(|nanos| nanos as f64 / 1e6),
            "calls": self.points.iter().map(|point| self.point_json(point)).collect::<Vec<_>>(),
            "sweeps": self.sweeps.iter().map(|sweep| json!({
                "knee": sweep.knee,
                "points": sweep.points.iter().map(|point| self.point_json(point)).collect::<Vec<_>>(),
                "at_80_percent": self.point_json(&sweep.at),
            })).collect::<Vec<_>>(),
            "beside_rtpengine": self.beside.iter().map(|point| self.point_json(point)).collect::<Vec<_>>(),
            "rtpengine": baton_benches::ng::version(),
            "failures": self.failures.0,
            "setups": self.setups.iter().map(setups_json).collect::<Vec<_>>(),
            "setups_by_sipp": self.sipp.iter().map(SippRun::json).collect::<Vec<_>>(),
        });
        serde_json::to_string_pretty(&report).unwrap_or_default()
    }

    fn point_json(&self, point: &Point) -> Value {
        let seen = &point.seen;
        let spread = |spread: Option<Spread>| spread.map(Spread::json);
        let ms = |nanos: Option<Nanos>| nanos.map(|nanos| nanos as f64 / 1e6);
        let bare = self.bare_of(point.load.codecs);
        let mut value = json!({
            "by": point.load.by.to_string(),
            "codecs": point.load.codecs.to_string(),
            "kbits_to_callers": point.kbits_to_callers,
            "calls": point.load.calls,
            "seconds": point.load.seconds,
            "handoff": point.load.handoff,
            "up": point.up,
            "faults": point.faults.0,
            "fault_kinds": point.faults.1,
            "node_cpu_ns_per_call_second": point.cpu_per_call_second,
            "bare_codecs_ns_per_call_second": bare.map(|cost| cost.codecs),
            "bare_sockets_ns_per_call_second": bare.map(|cost| cost.sockets),
            "ratio_to_bare": self.ratio(point),
            "node_idle_ns_per_second": point.cpu_idle,
            "node_core_share": point.node_share,
            "generator_core_share": point.generator_share,
            "memory_bytes_per_call": point.memory_per_call,
            "memory_bytes_idle": point.memory_idle,
            "packets_to_node": point.towards_node.0,
            "lost_to_node": point.towards_node.1,
            "packets_from_node": seen.arrived,
            "lost_from_node": seen.lost,
            "packets_to_callers": seen.callers,
            "packets_due_to_callers": point.due(),
            "starved": !point.is_fed(),
            "pacing": spread(seen.pacing),
            "relay": spread(seen.relay),
            "bare_timer": point.bare.json(),
            "bare_timer_quiet": point.is_quiet(),
            "begun_again": point.repeats,
            "generator_lateness": spread(point.generator),
            "generator_left_out": point.skipped,
            "delay_to_ai": spread(seen.to_ai),
            "delay_to_caller": spread(seen.to_caller),
            "mark_inside_packet_ms": { "to_ai": ms(seen.inside[0]), "to_caller": ms(seen.inside[1]) },
            "handoffs": seen.handoffs.0,
            "handoffs_completed": seen.handoffs.1,
            "refer_to_invite": spread(seen.refer),
            "longest_gap_ms": { "handed_off": ms(seen.gap_handed_off), "others": ms(seen.gap_others) },
        });
        value["bare_paced"] = json!({ "ns_per_call_second": point.paced, "ratio": paced_ratio(point) });
        value
    }

    /// The lines of the table that have a figure for each of these runs.
    pub(crate) fn rows(&self, points: &[&Point]) -> Vec<(&'static str, Vec<String>)> {
        let row = |name, cell: &dyn Fn(&Point) -> String| (name, points.iter().copied().map(cell).collect());
        let cost = |nanos: Nanos| format!("{:.2} ms/s", nanos as f64 / 1e6);
        vec![
            row("up, faults", &|p| format!("{} of {}, {}", p.up, p.load.calls, p.faults.0)),
            row("node CPU", &|p| cost(p.cpu_per_call_second)),
            row("bare CPU", &|p| {
                let sum = |bare: Cost| cost(bare.codecs + bare.sockets);
                self.bare_of(p.load.codecs).map_or_else(none, sum)
            }),
            row("ratio", &|p| self.ratio(p).map_or_else(none, |ratio| format!("{ratio:.2}"))),
            row("paced CPU", &|p| p.paced.map_or_else(none, cost)),
            row("paced ratio", &|p| paced_ratio(p).map_or_else(none, |ratio| format!("{ratio:.2}"))),
            row("node, generator", &|p| {
                format!("{:.0} %, {:.0} % of core", p.node_share * 100.0, p.generator_share * 100.0)
            }),
            row("node idle", &|p| cost(p.cpu_idle)),
            row("memory", &|p| format!("{:.1} KiB", p.memory_per_call as f64 / 1024.0)),
            row("callers got", &|p| {
                let enough = if p.is_fed() { "" } else { " STARVED" };
                format!("{} of {}{enough}", p.seen.callers, p.due())
            }),
            row("lost to node", &|p| format!("{} of {}", p.towards_node.1, p.towards_node.0)),
            row("lost from node", &|p| format!("{} of {}", p.seen.lost, p.seen.arrived + p.seen.lost)),
            row("pacing", &|p| four(p.seen.pacing)),
            row("relay", &|p| four(p.seen.relay)),
            row("bare timer", &|p| {
                let quiet = if p.is_quiet() { "" } else { " NOT QUIET" };
                format!("{}{quiet}", four(Some(p.bare)))
            }),
            row("generator", &|p| format!("{}, {} out", four(p.generator), p.skipped)),
            row("delay to AI", &|p| three(p.seen.to_ai)),
            row("delay to caller", &|p| three(p.seen.to_caller)),
            row("inside, both", &|p| {
                let ms = |at: Option<Nanos>| at.map_or_else(none, |at| format!("{:.1}", at as f64 / 1e6));
                format!("{} / {} ms", ms(p.seen.inside[0]), ms(p.seen.inside[1]))
            }),
            row("refer", &|p| {
                format!("{}, {} of {}", three(p.seen.refer), p.seen.handoffs.1, p.seen.handoffs.0)
            }),
            row("longest gap", &|p| {
                let ms = |gap: Option<Nanos>| gap.map_or_else(none, |gap| format!("{:.1}", gap as f64 / 1e6));
                format!("{} / {} ms", ms(p.seen.gap_handed_off), ms(p.seen.gap_others))
            }),
        ]
    }

    fn write_setups(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "set-ups a second (asked, reached) | calls | failures | INVITE to 200 p50 / p99 / max | node CPU per call"
        )?;
        for run in &self.setups {
            writeln!(
                f,
                "{:>8} {:>10.0} | {} | {} | {} | {:.3} ms",
                run.rate,
                run.reached,
                run.calls,
                run.failures,
                three(run.set_up),
                run.cpu_per_call as f64 / 1e6
            )?;
            for fault in &run.faults {
                writeln!(f, "         fault: {fault}")?;
            }
            if run.left {
                writeln!(f, "         the node had not ended all calls 3 s after the last answer")?;
            }
        }
        Ok(())
    }
}

fn paced_ratio(point: &Point) -> Option<f64> {
    Some(point.cpu_per_call_second as f64 / point.paced? as f64)
}

/// A cell without a figure.
fn none() -> String {
    "-".to_owned()
}

fn four(spread: Option<Spread>) -> String {
    let ms = |nanos: Nanos| nanos as f64 / 1e6;
    spread.map_or_else(none, |all| {
        format!("{:.2} / {:.2} / {:.2} / {:.2} ms", ms(all.p50), ms(all.p99), ms(all.p999), ms(all.max))
    })
}

fn three(spread: Option<Spread>) -> String {
    let ms = |nanos: Nanos| nanos as f64 / 1e6;
    spread.map_or_else(none, |all| format!("{:.2} / {:.2} / {:.2} ms", ms(all.p50), ms(all.p99), ms(all.max)))
}

fn setups_json(run: &SetUps) -> Value {
    json!({
        "rate": run.rate,
        "reached": run.reached,
        "calls": run.calls,
        "failures": run.failures,
        "fault_kinds": run.faults,
        "set_up": run.set_up.map(Spread::json),
        "node_cpu_ns_per_call": run.cpu_per_call,
        "legs_left_after_3_s": run.left,
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine)?;
        let Cores { node, generator } = self.cores;
        let shared = if self.cores.are_apart() {
            ""
        } else {
            " (ONE CORE FOR BOTH: no figure below is the node's alone)"
        };
        writeln!(f, "node on core {node}, generator on core {generator}{shared}\n")?;
        let sweeps = self.sweeps.iter().flat_map(|sweep| sweep.points.iter().chain([&sweep.at]));
        let points: Vec<&Point> = self.points.iter().chain(sweeps).chain(&self.beside).collect();
        if !points.is_empty() {
            let heads: Vec<String> = points.iter().map(|point| point.load.to_string()).collect();
            let width = |cells: &[String]| cells.iter().map(String::len).max().unwrap_or(0);
            let rows = self.rows(&points);
            let wide = rows.iter().map(|(_, cells)| width(cells)).max().unwrap_or(0).max(width(&heads)) + 2;
            let line = |name: &str, cells: &[String]| {
                cells.iter().fold(format!("{name:<16}"), |line, cell| format!("{line}{cell:>wide$}"))
            };
            writeln!(f, "{}", line("calls", &heads))?;
            for (name, cells) in &rows {
                writeln!(f, "{}", line(name, cells))?;
            }
            for point in &points {
                for fault in &point.faults.1 {
                    writeln!(f, "fault ({}): {fault}", point.load)?;
                }
            }
            if let Ok(lookahead) = bare::lookahead() {
                let ms = lookahead as f64 / 1e6;
                writeln!(f, "Opus's look-ahead, part of `inside` and of no other figure: {ms:.1} ms")?;
            }
        }
        if !self.setups.is_empty() {
            writeln!(f)?;
            self.write_setups(f)?;
        }
        for run in &self.sipp {
            write!(f, "\n{run}")?;
        }
        write!(f, "\n{LEGEND}")
    }
}
