//! How a lossy or uneven line sounds through a session, against the bare codecs with the same losses, at a few seeds.
//!
//! `./run bench impairment` is the whole of it; here is what must not get worse.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::sync::atomic::{AtomicUsize, Ordering};

use baton_benches::impairment::{
    Bare, Concealment, Condition, Judge, Kind, Stream, Trip, Voice, Way, bare, trip,
};
use baton_engine::media::SessionParams;

/// Seeds of each claim; `./run bench impairment` has sixteen.
const SEEDS: u64 = 3;
/// Speech before what is scored: time for two of the listener's reports.
const RUN_UP_MS: usize = 12_000;

const fn way(from: Kind, to: Kind, lossy_after: bool) -> Way {
    Way { from, to, lossy_after, repaired: matches!((from, to), (Kind::Pcmu, Kind::Pcmu)) }
}

const OPUS_TO_PCMU: Way = way(Kind::Opus, Kind::Pcmu, false);
const PCMU_TO_PCMU: Way = way(Kind::Pcmu, Kind::Pcmu, false);
/// Lossy between us and the listener.
const PCMU_TO_OPUS: Way = way(Kind::Pcmu, Kind::Opus, true);
const OPUS_TO_OPUS: Way = way(Kind::Opus, Kind::Opus, false);

const PLC: Bare = Bare { concealment: Concealment::Plc, fec: false };
const FEC: Bare = Bare { concealment: Concealment::Fec, fec: true };

/// A mean PESQ over all voices and seeds may lie so far below the bare codecs'; below zero: it must lie above, since a session
/// that knows what follows a hole can do better than a decoder that does not.
struct Claim {
    what: &'static str,
    way: Way,
    condition: Condition,
    bare: Bare,
    below: f64,
    /// What it must reach whatever the bare codecs do.
    least: f64,
}

const fn claim(what: &'static str, way: Way, condition: Condition, bare: Bare, below: f64) -> Claim {
    Claim { what, way, condition, bare, below, least: 0.0 }
}

impl Claim {
    const fn reaches(self, least: f64) -> Self {
        Self { least, ..self }
    }
}

const CLAIMS: [Claim; 13] = [
    claim("a clean Opus line to PCMU", OPUS_TO_PCMU, Condition::Clean, PLC, 0.05),
    claim("Opus with 5 % lost to PCMU", OPUS_TO_PCMU, Condition::Loss(5), FEC, 0.06).reaches(3.9),
    claim("Opus with 10 % lost to PCMU", OPUS_TO_PCMU, Condition::Loss(10), FEC, 0.08).reaches(3.65),
    claim("Opus that jitters to PCMU", OPUS_TO_PCMU, Condition::Jitter, PLC, 0.05),
    claim("Opus out of order to PCMU", OPUS_TO_PCMU, Condition::Reorder, PLC, 0.05),
    claim("repaired PCMU, clean", PCMU_TO_PCMU, Condition::Clean, PLC, 0.05),
    claim("repaired PCMU with 5 % lost", PCMU_TO_PCMU, Condition::Loss(5), PLC, -0.25).reaches(3.4),
    claim("repaired PCMU with 10 % lost", PCMU_TO_PCMU, Condition::Loss(10), PLC, -0.3).reaches(2.8),
    claim("repaired PCMU that jitters", PCMU_TO_PCMU, Condition::Jitter, PLC, 0.05),
    claim("PCMU to a clean Opus line", PCMU_TO_OPUS, Condition::Clean, PLC, 0.05),
    // The bare encoder knows from the start what is lost; ours learns it from reports, a part of it late.
    claim("PCMU to Opus with 5 % lost", PCMU_TO_OPUS, Condition::Loss(5), FEC, 0.15).reaches(4.05),
    claim("PCMU to Opus with 10 % lost", PCMU_TO_OPUS, Condition::Loss(10), FEC, 0.15).reaches(3.85),
    claim("relayed Opus with 5 % lost", OPUS_TO_OPUS, Condition::Loss(5), FEC, 0.03),
];

struct Stage {
    voices: Vec<Voice>,
    opus: Vec<Stream>,
    pcmu: Vec<Stream>,
}

impl Stage {
    /// Mean PESQ of what comes of a claim's line through a session, and through the bare codecs.
    fn hear(&self, claim: &Claim, judge: &mut Judge) -> (f64, f64) {
        let (mut ours, mut theirs, mut count) = (0.0, 0.0, 0.0);
        let seeds = if claim.condition.loses() { SEEDS } else { 1 };
        for seed in 0..seeds {
            for (at, voice) in self.voices.iter().enumerate() {
                let stream = if claim.way.from == Kind::Opus { &self.opus[at] } else { &self.pcmu[at] };
                let seed = seed * 16 + at as u64 * 2;
                let heard = trip(&Trip {
                    stream,
                    way: claim.way,
                    condition: claim.condition,
                    seed,
                    params: SessionParams::default(),
                })
                .unwrap();
                let scored = stream.payloads.len() - stream.scored;
                let losses = claim.condition.losses(seed, stream.scored, scored);
                let plain = bare(claim.way, stream, &losses, claim.bare).unwrap();
                ours += judge.score(voice, &heard.sound).unwrap().pesq;
                theirs += judge.score(voice, &plain).unwrap().pesq;
                count += 1.0;
            }
        }
        (ours / count, theirs / count)
    }
}

/// Checks every claim.
pub(crate) fn check() {
    let mut judge = Judge::start().unwrap();
    let voices = judge.voices().unwrap();
    let streams = |kind| voices.iter().map(|voice| Stream::new(voice, kind, RUN_UP_MS).unwrap()).collect();
    let stage = Stage { opus: streams(Kind::Opus), pcmu: streams(Kind::Pcmu), voices };
    let next = AtomicUsize::new(0);
    let work = || {
        let (mut judge, mut worse) = (Judge::start().unwrap(), Vec::new());
        while let Some(claim) = CLAIMS.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (ours, bare) = stage.hear(claim, &mut judge);
            println!("{}: {ours:.3}, the bare codecs {bare:.3}", claim.what);
            if ours < (bare - claim.below).max(claim.least) {
                worse.push(format!("{}: {ours:.3}, the bare codecs {bare:.3}", claim.what));
            }
        }
        worse
    };
    let worse: Vec<String> = std::thread::scope(|scope| {
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(worse.is_empty(), "{worse:#?}");
}
