//! Runs that belong together: more and more calls until the node no longer keeps time, and node and rtpengine in turn.

use std::path::Path;

use crate::machine::{Cores, MS, Nanos};
use crate::options::Codecs;
use crate::report::Failures;
use crate::rtpengine::Tuning;
use crate::run::{self, Load, Point};
use crate::server::By;

/// Calls that a sweep begins with, and by how many it goes up until the node no longer keeps time.
const STEP: usize = 100;
/// Runs of a sweep at most.
const RUNS_MAX: usize = 12;
/// A sweep looks no closer than this share of its calls.
const CLOSE: usize = 12;
/// A packet of a stream that the node makes may be so late, 99.9 % of them.
const LATE_MAX: Nanos = 3 * MS;
/// Calls that node and rtpengine are compared with: less than either's knee.
pub(crate) const BESIDE_CALLS: usize = 60;

/// How long each run's window is in seconds, and how often each of two is measured in turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lengths {
    /// The runs of a sweep.
    sweep: u64,
    /// The run at 80 % of the knee.
    at: u64,
    /// Each run beside rtpengine.
    beside: u64,
    /// How often the two are run in turn.
    rounds: usize,
}

impl Lengths {
    /// For figures.
    pub(crate) const FULL: Self = Self { sweep: 8, at: 20, beside: 8, rounds: 2 };
    /// To see whether everything works.
    pub(crate) const SHORT: Self = Self { sweep: 2, at: 3, beside: 2, rounds: 1 };
}

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

/// Looks for the most calls that are held: in steps until they are not, then between the last two.
pub(crate) fn sweep(
    program: &Path,
    cores: Cores,
    codecs: Codecs,
    lengths: Lengths,
    failures: &mut Failures,
) -> Result<Sweep, String> {
    let load = |calls, seconds| Load { by: By::Baton, codecs, calls, seconds, handoff: 0.0 };
    let (mut points, mut held, mut broke) = (Vec::<Point>::new(), 0, None::<usize>);
    let (mut calls, mut runs) = (STEP, 0);
    while runs < RUNS_MAX {
        let mut is_held = false;
        // What was the machine's doing does not happen twice.
        for once_more in ["", "once more, "] {
            println!("sweep: {once_more}{calls} calls {codecs}, {} s ...", lengths.sweep);
            runs += 1;
            // A node that fails at so many calls does not hold them; the others' runs are still worth having.
            let point = run::point(program, cores, &load(calls, lengths.sweep));
            points.extend(failures.sift(&format!("{calls} calls"), point));
            is_held = points.last().is_some_and(|point| point.load.calls == calls && holds(point));
            if is_held {
                break;
            }
        }
        if is_held {
            held = held.max(calls)
        } else {
            broke = Some(broke.map_or(calls, |least| least.min(calls)))
        }
        calls = match broke {
            Some(broke) if broke.saturating_sub(held) <= (held / CLOSE).max(2) => break,
            // So few calls are not held for the machine's reasons alone.
            Some(broke) if held == 0 && broke <= STEP / 4 => break,
            Some(broke) => held.midpoint(broke),
            None => calls + STEP,
        };
    }
    if held == 0 {
        println!("sweep: nothing was held; what follows says why");
    }
    let calls = if held == 0 { STEP / 4 } else { (held * 4 / 5).max(1) };
    println!("sweep: {held} calls are held; {calls} calls, {} s ...", lengths.at);
    let load = load(calls, lengths.at);
    let mut at = run::point(program, cores, &load)?;
    let load = Load { by: By::Bare, ..load };
    let bare = failures.sift(&load.to_string(), run::point(program, cores, &load));
    at.paced = bare.map(|bare| bare.cpu_per_call_second);
    Ok(Sweep { points, knee: held, at })
}

/// Node, the bare work at the same pace, and rtpengine in turn, transcoding or relaying. rtpengine's other settings are measured once.
pub(crate) fn beside(
    program: &Path,
    cores: Cores,
    codecs: Codecs,
    lengths: Lengths,
    failures: &mut Failures,
) -> Vec<Point> {
    let (mut points, seconds) = (Vec::new(), lengths.beside);
    for round in 0..lengths.rounds {
        let rivals: &[Tuning] = match (codecs.is_transcoded(), round) {
            (true, 0) => &[Tuning::Complexity5, Tuning::AsTheNode, Tuning::AsItComes],
            (true, _) => &[Tuning::Complexity5],
            (false, _) => &[Tuning::AsItComes],
        };
        for by in [By::Baton, By::Bare].into_iter().chain(rivals.iter().map(|&tuning| By::Rtpengine(tuning)))
        {
            let load = Load { by, codecs, calls: BESIDE_CALLS, seconds, handoff: 0.0 };
            println!("{by}: {BESIDE_CALLS} calls {codecs}, {seconds} s ...");
            points.extend(failures.sift(&load.to_string(), run::point(program, cores, &load)));
        }
    }
    points
}
