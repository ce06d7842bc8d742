//! Runs every way over every line with every seed and voice, on all cores, and gathers the figures.

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use baton_benches::impairment::{
    Bare, Concealment, Condition, Heard, Judge, Kind, LINE_US, Score, Stream, Trip, Voice, bare, trip,
};

use crate::options::{Named, Options};
use crate::rival;

/// The talker speaks so long before what is scored: two reports of the listener come meanwhile, and jitter buffers settle.
const RUN_UP_MS: usize = 12_000;
/// With a drifting clock, so much more with every seed: what a buffer does about it falls somewhere else in the recording.
const DRIFT_STEP_MS: usize = 7_000;
/// Seeds of conditions that have no score to reach, unless all are asked for: four voices twice show what there is to see.
const OTHER_SEEDS: u64 = 2;

/// Who converts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum System {
    /// The session.
    Baton,
    /// The codecs alone.
    Bare(Bare),
    /// rtpengine, in real time.
    Rtpengine,
}

/// The bare systems that are measured on a way.
pub(crate) fn bares(named: &Named) -> Vec<Bare> {
    let one = |concealment, fec| Bare { concealment, fec };
    let (nothing, plc, fec) =
        (one(Concealment::Nothing, false), one(Concealment::Plc, false), one(Concealment::Fec, true));
    match named.way {
        // What is relayed is what came: Opus to PCMU says it already, and its listener's decoder is the same.
        way if way.from == Kind::Opus && way.to == Kind::Opus => vec![fec],
        way if way.from == Kind::Opus || way.lossy_after => vec![nothing, plc, fec],
        // Encoding it as Opus afterwards changes next to nothing: PCMU to PCMU says it already.
        way if way.to == Kind::Opus => Vec::new(),
        _ => vec![nothing, plc],
    }
}

/// Figures of one way, line and system, over all seeds and voices.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    pub(crate) scores: Vec<f64>,
    /// Added delay of each run in milliseconds: median and greatest of its stretches.
    pub(crate) delays: Vec<(f64, f64)>,
    pub(crate) targets: Vec<f64>,
    /// Packets that should have come in the scored part, and of those lost, late; frames made up.
    pub(crate) due: u64,
    pub(crate) lost: u64,
    pub(crate) late: u64,
    pub(crate) concealed: u64,
    /// Packets relayed, of those sent.
    pub(crate) relayed: u64,
}

impl Cell {
    pub(crate) fn mean(&self) -> f64 {
        mean(&self.scores)
    }

    pub(crate) fn least(&self) -> f64 {
        self.scores.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub(crate) fn delay(&self) -> f64 {
        mean(&self.delays.iter().map(|(median, _)| *median).collect::<Vec<_>>())
    }

    pub(crate) fn delay_max(&self) -> f64 {
        self.delays.iter().map(|(_, max)| *max).fold(f64::NEG_INFINITY, f64::max)
    }

    pub(crate) fn target(&self) -> f64 {
        mean(&self.targets)
    }

    /// In percent of the packets due.
    pub(crate) fn percent(&self, count: u64) -> f64 {
        count as f64 * 100.0 / self.due.max(1) as f64
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Every cell of the grid.
pub(crate) type Results = HashMap<(&'static str, Condition, System), Cell>;

/// One run.
#[derive(Clone, Copy)]
pub(crate) struct Job {
    pub(crate) named: Named,
    pub(crate) condition: Condition,
    pub(crate) system: System,
    pub(crate) seed: u64,
    pub(crate) voice: usize,
}

/// The seeds of a condition: all of them where a score is to be reached.
pub(crate) fn seeds(options: &Options, condition: Condition) -> u64 {
    if options.all || matches!(condition, Condition::Loss(5 | 10)) {
        options.seeds
    } else {
        options.seeds.min(OTHER_SEEDS)
    }
}

/// Where the faults of a run are drawn from: every voice has losses of its own.
pub(crate) fn seed_of(job: &Job) -> u64 {
    job.seed * 16 + job.voice as u64 * 2 + job.seed % 2
}

fn jobs(options: &Options, voices: usize) -> Vec<Job> {
    let mut jobs = Vec::new();
    for &named in &options.ways {
        for &condition in &options.conditions {
            // What comes too late after the node is the listener's jitter buffer's business, and it has none here.
            if named.way.lossy_after && !condition.loses() && condition != Condition::Clean {
                continue;
            }
            let bares = bares(&named).into_iter().map(System::Bare);
            // Of a bare codec only losses and their absence say anything, and the latter is the same with every seed.
            let bares = bares.filter(|_| options.bare && condition.loses());
            for system in std::iter::once(System::Baton).chain(bares) {
                let one = |seed| (0..voices).map(move |voice| Job { named, condition, system, seed, voice });
                jobs.extend((0..seeds(options, condition)).flat_map(one));
            }
        }
    }
    jobs
}

/// What all threads look at.
pub(crate) struct Shared<'a> {
    options: &'a Options,
    pub(crate) voices: Vec<Voice>,
    /// The longest run-up of each voice and codec.
    pub(crate) streams: HashMap<(usize, Kind), Stream>,
    /// Lag of the bare, clean conversion of each way and voice, and its score.
    clean: HashMap<(&'static str, usize), Score>,
}

/// Runs it.
pub(crate) fn run(options: &Options) -> Result<Results, String> {
    let mut judge = Judge::start()?;
    let voices = judge.voices()?;
    let shared = prepare(options, voices, &mut judge)?;
    let jobs = jobs(options, shared.voices.len());
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Results::new()));
    for (&(name, _), score) in &shared.clean {
        let best = System::Bare(Bare { concealment: Concealment::Plc, fec: false });
        let mut results = results.lock().map_err(|_| "a thread panicked")?;
        results.entry((name, Condition::Clean, best)).or_default().scores.push(score.pesq);
    }
    let work = || -> Result<(), String> {
        let mut judge = Judge::start()?;
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let one = run_one(&shared, job, &mut judge)?;
            let mut results = results.lock().map_err(|_| "a thread panicked")?;
            add(results.entry((job.named.name, job.condition, job.system)).or_default(), &one);
        }
        Ok(())
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        all.into_iter().try_for_each(|one| one.join().unwrap_or_else(|_| Err("a thread panicked".into())))
    })?;
    let mut results = results.into_inner().map_err(|_| "a thread panicked")?;
    // What else there is to tell is told without it.
    if let Err(sentence) = rival::run(options, &shared, &jobs, &mut results) {
        println!("FAILED: rtpengine: {sentence}");
    }
    Ok(results)
}

fn prepare<'a>(options: &'a Options, voices: Vec<Voice>, judge: &mut Judge) -> Result<Shared<'a>, String> {
    let drifts = options.conditions.contains(&Condition::Drift);
    let most = RUN_UP_MS + if drifts { DRIFT_STEP_MS * seeds(options, Condition::Drift) as usize } else { 0 };
    let (mut streams, mut clean) = (HashMap::new(), HashMap::new());
    for (at, voice) in voices.iter().enumerate() {
        for kind in [Kind::Pcmu, Kind::Opus] {
            if options.ways.iter().any(|named| named.way.from == kind) {
                let stream = Stream::new(voice, kind, most).map_err(|error| error.to_string())?;
                streams.insert((at, kind), stream);
            }
        }
        for named in &options.ways {
            let stream = streams[&(at, named.way.from)].tail(RUN_UP_MS);
            let best = Bare { concealment: Concealment::Plc, fec: false };
            let heard = bare(named.way, &stream, &[], best).map_err(|error| error.to_string())?;
            clean.insert((named.name, at), judge.score(voice, &heard)?);
        }
    }
    Ok(Shared { options, voices, streams, clean })
}

/// One run's figures.
struct One {
    score: Score,
    heard: Option<(Heard, Score)>,
    due: u64,
}

fn run_one(shared: &Shared, job: &Job, judge: &mut Judge) -> Result<One, String> {
    let voice = &shared.voices[job.voice];
    let extra = if job.condition == Condition::Drift { DRIFT_STEP_MS * job.seed as usize } else { 0 };
    let stream = shared.streams[&(job.voice, job.named.way.from)].tail(RUN_UP_MS + extra);
    let due = (stream.payloads.len() - stream.scored) as u64;
    let failed = |error: baton_codecs::CodecError| error.to_string();
    let seed = seed_of(job);
    match job.system {
        System::Baton => {
            let made = Trip {
                stream: &stream,
                way: job.named.way,
                condition: job.condition,
                seed,
                params: shared.options.params,
            };
            let heard = trip(&made).map_err(failed)?;
            let score = judge.score(voice, &heard.sound)?;
            let clean = shared.clean[&(job.named.name, job.voice)];
            Ok(One { score, heard: Some((heard, clean)), due })
        }
        System::Bare(how) => {
            let losses = job.condition.losses(seed, stream.scored, due as usize);
            let heard = bare(job.named.way, &stream, &losses, how).map_err(failed)?;
            Ok(One { score: judge.score(voice, &heard)?, heard: None, due })
        }
        System::Rtpengine => Err("rtpengine has a clock of its own".into()),
    }
}

fn add(cell: &mut Cell, one: &One) {
    cell.scores.push(one.score.pesq);
    cell.due += one.due;
    let Some((heard, clean)) = &one.heard else { return };
    // What the codecs look ahead trails in the bare conversion as well, and the line is not the session.
    let already = Heard::BEFORE_MS as f64 + LINE_US as f64 / 1000.0 + clean.lag_ms;
    cell.delays.push((one.score.lag_ms - already, one.score.lag_ms_max - already));
    cell.targets.push(heard.target_ms);
    cell.lost += heard.stats.lost;
    cell.late += heard.stats.late;
    cell.concealed += heard.stats.concealed;
    cell.relayed += heard.relayed;
}

/// Adds what was heard through rtpengine; of so many packets due, so many never came.
pub(crate) fn add_rival(
    shared: &Shared<'_>,
    results: &mut Results,
    job: &Job,
    score: Score,
    (due, missing): (u64, u64),
) {
    let cell = results.entry((job.named.name, job.condition, System::Rtpengine)).or_default();
    let already = Heard::BEFORE_MS as f64 + shared.clean[&(job.named.name, job.voice)].lag_ms;
    cell.scores.push(score.pesq);
    cell.delays.push((score.lag_ms - already, score.lag_ms_max - already));
    cell.due += due;
    cell.lost += missing;
}
