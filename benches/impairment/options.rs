//! What the command line asks for.

use std::path::PathBuf;

use baton_benches::impairment::{Condition, Kind, Way};
use baton_engine::media::SessionParams;

/// Told with `--help`.
pub(crate) const HELP: &str = "\
cargo bench -p baton-benches --bench impairment -- [OPTIONS]
  --ways opus-pcmu,...        of opus-pcmu pcmu-pcmu pcmu-opus opus-opus (loss before the node; after it for pcmu-opus)
                              and pcmu-opus-before; all unless said
  --conditions loss5,...      of clean loss1 loss3 loss5 loss10 bursts jitter drift reorder; all unless said
  --seeds N                   seeds where a score is to be reached (default 16); elsewhere two of them, or with
  --all                       as many everywhere
  --beside                    rtpengine as well, in real time: opus-pcmu, pcmu-pcmu, pcmu-opus over clean, loss5, loss10
  --jitter MIN,MAX            bounds of the session's jitter buffers in milliseconds
  --no-bare                   leave out the bare codecs
  --write FOLDER              write impairment.md, .json and .svg there
";

/// A way by its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) way: Way,
}

const fn way(from: Kind, to: Kind, lossy_after: bool) -> Way {
    Way { from, to, lossy_after, repaired: matches!((from, to), (Kind::Pcmu, Kind::Pcmu)) }
}

/// All ways.
pub(crate) const WAYS: [Named; 5] = [
    Named { name: "opus-pcmu", title: "Opus → PCMU", way: way(Kind::Opus, Kind::Pcmu, false) },
    Named { name: "pcmu-pcmu", title: "PCMU → PCMU, repaired", way: way(Kind::Pcmu, Kind::Pcmu, false) },
    Named {
        name: "pcmu-opus",
        title: "PCMU → Opus, loss after the node",
        way: way(Kind::Pcmu, Kind::Opus, true),
    },
    Named { name: "opus-opus", title: "Opus → Opus, relayed", way: way(Kind::Opus, Kind::Opus, false) },
    Named { name: "pcmu-opus-before", title: "PCMU → Opus", way: way(Kind::Pcmu, Kind::Opus, false) },
];

/// What to run.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) help: bool,
    pub(crate) ways: Vec<Named>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) seeds: u64,
    pub(crate) all: bool,
    pub(crate) beside: bool,
    pub(crate) bare: bool,
    pub(crate) params: SessionParams,
    pub(crate) write: Option<PathBuf>,
}

/// Seeds of one condition at most.
const SEEDS_MAX: u64 = 1000;

impl Options {
    /// Reads the arguments. Errors: a sentence about the first that is wrong.
    pub(crate) fn read(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self {
            help: false,
            ways: WAYS.to_vec(),
            conditions: Condition::ALL.to_vec(),
            seeds: 16,
            all: false,
            beside: false,
            bare: true,
            params: SessionParams::default(),
            write: None,
        };
        let mut words = arguments.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
            match word {
                // What `cargo bench` itself says.
                "--bench" => {}
                "--help" => options.help = true,
                "--all" => options.all = true,
                "--beside" => options.beside = true,
                "--no-bare" => options.bare = false,
                "--ways" => options.ways = value()?.split(',').map(way_of).collect::<Result<_, _>>()?,
                "--conditions" => {
                    options.conditions = value()?.split(',').map(condition_of).collect::<Result<_, _>>()?;
                }
                "--seeds" => {
                    let seeds = value()?.parse().ok().filter(|seeds| (1..=SEEDS_MAX).contains(seeds));
                    options.seeds = seeds.ok_or_else(|| format!("--seeds: 1 to {SEEDS_MAX}"))?;
                }
                "--jitter" => {
                    let bounds: Option<Vec<u16>> = value()?.split(',').map(|one| one.parse().ok()).collect();
                    let Some([min, max]) = bounds.as_deref() else { return Err("--jitter MIN,MAX".into()) };
                    (options.params.jitter_ms_min, options.params.jitter_ms_max) = (*min, *max);
                }
                "--write" => options.write = Some(value()?.into()),
                other => return Err(format!("no option {other}; --help lists them")),
            }
        }
        Ok(options)
    }
}

fn way_of(name: &str) -> Result<Named, String> {
    WAYS.into_iter().find(|way| way.name == name).ok_or_else(|| format!("no way {name}; --help lists them"))
}

fn condition_of(name: &str) -> Result<Condition, String> {
    let found = Condition::ALL.into_iter().find(|condition| condition.name() == name);
    found.ok_or_else(|| format!("no condition {name}; --help lists them"))
}
