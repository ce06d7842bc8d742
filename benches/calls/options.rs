//! The command line of the bench.

use std::fmt;
use std::path::PathBuf;

use crate::frames::Voice;
use crate::series::Lengths;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
cargo bench -p baton-benches --bench calls -- [OPTIONS]
  --calls 50,100,200     calls at once, one run each
  --seconds 20           length of each run's window
  --codecs opus-pcmu     caller's and AI's codec; also pcmu-pcmu, opus-opus, or several with commas
  --handoff 0.0          share of calls that the AI hands to a person within the window
  --setups 200           set-ups a second without media, one run each; 0: none
  --sipp 1000:60         the same by SIPp, a second : for so many seconds, on all cores and with the node's own limits of
                         ports and calls
  --setup-seconds 10     length of each such run
  --sweep                more and more calls of the codecs until the node no longer keeps time, then 80 % of them
  --beside               node and rtpengine in turn, transcoded and relayed
  --short                windows of --sweep and --beside so short that they only show that all works
  --write FOLDER         write calls.md and calls.json there
With --setups, --sipp, --sweep or --beside and without --calls only these are measured.
";

/// Most calls at once: the generator has one core, and the node's ports must do.
const CALLS_MAX: usize = 2_000;
/// Longest window; memory of a run grows with it.
const SECONDS_MAX: u64 = 600;
/// Most set-ups a second: beyond what any one core does.
const SETUPS_MAX: u32 = 10_000;
/// Most runs in one list.
const RUNS_MAX: usize = 16;

/// Which codec each side of a call speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Codecs {
    /// The caller's.
    pub caller: Voice,
    /// The AI's, and the people's.
    pub ai: Voice,
}

impl Codecs {
    /// Reads `opus-pcmu` and the like.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let voice = |name: &str| match name {
            "opus" => Some(Voice::Opus),
            "pcmu" => Some(Voice::Pcmu),
            _ => None,
        };
        text.split_once('-')
            .and_then(|(caller, ai)| Some(Self { caller: voice(caller)?, ai: voice(ai)? }))
            .ok_or_else(|| format!("--codecs {text}: must be like opus-pcmu, of opus and pcmu"))
    }

    /// Whether the node decodes and encodes, and sends by its own clock.
    pub(crate) fn is_transcoded(self) -> bool {
        self.caller != self.ai
    }
}

impl fmt::Display for Codecs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.caller.label(), self.ai.label())
    }
}

/// What to measure.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Only say what can be asked.
    pub help: bool,
    /// Calls at once, a run each.
    pub calls: Vec<usize>,
    /// Seconds of each window.
    pub seconds: u64,
    /// Codecs, a series of runs each.
    pub codecs: Vec<Codecs>,
    /// Share of calls handed off, 0 to 1.
    pub handoff: f64,
    /// Set-ups a second, a run each.
    pub setups: Vec<u32>,
    /// The same by SIPp: set-ups a second, and for how many.
    pub sipp: Vec<(u32, u64)>,
    /// Seconds of each of these.
    pub setup_seconds: u64,
    /// Look for the knee.
    pub sweep: bool,
    /// Compare with rtpengine.
    pub beside: bool,
    /// How long runs of `sweep` and `beside` are.
    pub lengths: Lengths,
    /// Where results are written to.
    pub write: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments; `--bench`, which cargo adds, means nothing.
    ///
    /// # Errors
    /// A sentence about the first argument that is not understood.
    pub(crate) fn read(arguments: &[String]) -> Result<Self, String> {
        let (mut calls, mut setups) = (None, None);
        let mut options = Self {
            help: false,
            calls: vec![50, 100, 200],
            seconds: 20,
            codecs: vec![Codecs { caller: Voice::Opus, ai: Voice::Pcmu }],
            handoff: 0.0,
            setups: vec![200],
            sipp: Vec::new(),
            setup_seconds: 10,
            sweep: false,
            beside: false,
            lengths: Lengths::FULL,
            write: None,
        };
        let mut words = arguments.iter().map(String::as_str);
        while let Some(word) = words.next() {
            if word == "--bench" {
                continue;
            }
            match word {
                "--help" | "-h" => options.help = true,
                "--sweep" => options.sweep = true,
                "--beside" => options.beside = true,
                "--short" => options.lengths = Lengths::SHORT,
                _ => {}
            }
            if matches!(word, "--help" | "-h" | "--sweep" | "--beside" | "--short") {
                continue;
            }
            let value =
                words.next().ok_or_else(|| format!("{word} needs a value; --help lists what there is"))?;
            match word {
                "--calls" => calls = Some(list(word, value, 1, CALLS_MAX)?),
                "--seconds" => options.seconds = number(word, value, 1, SECONDS_MAX)?,
                "--handoff" => options.handoff = number(word, value, 0.0, 1.0)?,
                "--codecs" => {
                    options.codecs = value.split(',').map(Codecs::read).collect::<Result<_, _>>()?
                }
                "--setups" => setups = Some(list(word, value, 0, SETUPS_MAX)?),
                "--sipp" => {
                    options.sipp = value.split(',').map(|one| run_of(word, one)).collect::<Result<_, _>>()?
                }
                "--write" => options.write = Some(value.into()),
                "--setup-seconds" => options.setup_seconds = number(word, value, 1, SECONDS_MAX)?,
                _ => return Err(format!("{word} is not known; --help lists what there is")),
            }
        }
        match (calls, setups) {
            (None, Some(setups)) => (options.calls, options.setups) = (Vec::new(), setups),
            (Some(calls), setups) => (options.calls, options.setups) = (calls, setups.unwrap_or_default()),
            (None, None) if options.sweep || options.beside || !options.sipp.is_empty() => {
                (options.calls, options.setups) = (Vec::new(), Vec::new());
            }
            (None, None) => {}
        }
        options.setups.retain(|&rate| rate > 0);
        Ok(options)
    }
}

fn number<T>(word: &str, value: &str, least: T, most: T) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + fmt::Display,
{
    let read = value.parse::<T>().ok().filter(|number| *number >= least && *number <= most);
    read.ok_or_else(|| format!("{word} {value}: must be a number from {least} to {most}"))
}

/// `rate:seconds`.
fn run_of(word: &str, value: &str) -> Result<(u32, u64), String> {
    let (rate, seconds) =
        value.split_once(':').ok_or_else(|| format!("{word} {value}: must be like 1000:60"))?;
    Ok((number(word, rate, 1, SETUPS_MAX)?, number(word, seconds, 1, SECONDS_MAX)?))
}

fn list<T>(word: &str, value: &str, least: T, most: T) -> Result<Vec<T>, String>
where
    T: std::str::FromStr + PartialOrd + fmt::Display + Copy,
{
    let numbers: Vec<T> =
        value.split(',').map(|one| number(word, one, least, most)).collect::<Result<_, _>>()?;
    if numbers.len() > RUNS_MAX { Err(format!("{word}: at most {RUNS_MAX} runs")) } else { Ok(numbers) }
}
