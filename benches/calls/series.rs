//! Runs that belong together: more and more calls until the node no longer keeps time, and node and rtpengine in turn.

use std::path::Path;

use crate::machine::{Cores, MS, Nanos};
use crate::options::Codecs;
use crate::rtpengine::Tuning;
use crate::run::{self, Load, Point};
use crate::server::By;

/// Calls that a sweep begins with.
const FIRST: usize = 60;
/// Runs of a sweep at most.
const STEPS_MAX: usize = 7;
/// A sweep looks no closer than this share of its calls.
const CLOSE: usize = 20;
/// A packet of a stream that the node makes may be so late, 99.9 % of them.
const LATE_MAX: Nanos = 3 * MS;
/// How much of its core a node is first thought to be able to use.
const USABLE: f64 = 0.85;
/// The window of a sweep's runs, in seconds.
const SECONDS: u64 = 8;
/// That at 80 % of the knee.
const SECONDS_AT: u64 = 20;

/// Calls that node and rtpengine are compared with: less than either's knee.
pub(crate) const BESIDE_CALLS: usize = 60;
/// How often each is measured.
const ROUNDS: usize = 2;
/// The window of each run, in seconds.
const BESIDE_SECONDS: u64 = 10;

/// What a sweep found.
#[derive(Clone, Debug)]
pub(crate) struct Sweep {
    /// All runs, in the order in which they were made.
    pub points: Vec<Point>,
    /// The most calls that were held; 0 if none were, as on a machine that does other work.
    pub knee: usize,
    /// The run at 80 % of it.
    pub at: Point,
}

/// Whether a node with so many calls kept time: everybody got every packet, and on time.
pub(crate) fn holds(point: &Point) -> bool {
    let lost = point.towards_node.1.max(0) as usize + point.seen.lost;
    let in_time = point.seen.pacing.is_some_and(|pacing| pacing.p999 <= LATE_MAX);
    point.is_fed() && point.faults.0 == 0 && lost == 0 && in_time
}

/// Looks for the most calls that are held.
pub(crate) fn sweep(program: &Path, cores: Cores, codecs: Codecs) -> Result<Sweep, String> {
    let load = |calls, seconds| Load { by: By::Baton, codecs, calls, seconds, handoff: 0.0 };
    let (mut points, mut held, mut broke) = (Vec::<Point>::new(), 0, None::<usize>);
    let mut calls = FIRST;
    while points.len() < STEPS_MAX {
        println!("sweep: {calls} calls {codecs}, {SECONDS} s ...");
        let mut point = run::point(program, cores, &load(calls, SECONDS))?;
        if !holds(&point) {
            // What was the machine's doing does not happen twice.
            println!("sweep: once more");
            points.push(point);
            point = run::point(program, cores, &load(calls, SECONDS))?;
        }
        let share = point.node_share.max(0.01);
        if holds(&point) {
            held = held.max(calls)
        } else {
            broke = Some(broke.map_or(calls, |least| least.min(calls)))
        }
        points.push(point);
        calls = match broke {
            Some(broke) if broke.saturating_sub(held) <= (held / CLOSE).max(2) => break,
            // So few calls are not held for the machine's reasons alone.
            Some(broke) if held == 0 && broke <= FIRST / 2 => break,
            Some(broke) => held.midpoint(broke),
            None => ((calls as f64 / share * USABLE) as usize).max(calls + calls / 10),
        };
    }
    if held == 0 {
        println!("sweep: nothing was held; what follows says why");
    }
    let calls = if held == 0 { FIRST / 2 } else { (held * 4 / 5).max(1) };
    println!("sweep: {held} calls are held; {calls} calls, {SECONDS_AT} s ...");
    let at = run::point(program, cores, &load(calls, SECONDS_AT))?;
    Ok(Sweep { points, knee: held, at })
}

/// Node and rtpengine in turn, transcoding or relaying. rtpengine's other settings are measured once.
pub(crate) fn beside(program: &Path, cores: Cores, codecs: Codecs) -> Result<Vec<Point>, String> {
    let mut points = Vec::new();
    for round in 0..ROUNDS {
        let rivals: &[Tuning] = match (codecs.is_transcoded(), round) {
            (true, 0) => &[Tuning::Complexity5, Tuning::AsTheNode, Tuning::AsItComes],
            (true, _) => &[Tuning::Complexity5],
            (false, _) => &[Tuning::AsItComes],
        };
        for by in std::iter::once(By::Baton).chain(rivals.iter().map(|&tuning| By::Rtpengine(tuning))) {
            let load = Load { by, codecs, calls: BESIDE_CALLS, seconds: BESIDE_SECONDS, handoff: 0.0 };
            println!("{by}: {BESIDE_CALLS} calls {codecs}, {BESIDE_SECONDS} s ...");
            points.push(run::point(program, cores, &load)?);
        }
    }
    Ok(points)
}
