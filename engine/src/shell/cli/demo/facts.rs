//! What one run of the demo found out: the figures of its table and of its report.

use std::fmt;

/// Everything the demo found out about its one call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// The call's id, as in the API, the headers and the logs.
    pub(crate) call_id: String,
    /// What happened, in order.
    pub(crate) timeline: Vec<Moment>,
    /// Level of what the caller heard per 10 ms, dB below full scale.
    pub(crate) heard: Vec<f64>,
    /// Seconds from the start of the run to the first sample of `heard`.
    pub(crate) heard_from: f64,
    /// The longest stretch without sound that the caller heard.
    pub(crate) gap: Gap,
    /// One line per leg.
    pub(crate) legs: Vec<LegFacts>,
    /// What the AI said about the caller, and whether it reached the person who answered.
    pub(crate) context: Vec<Delivered>,
    /// Named durations in milliseconds.
    pub(crate) durations: Vec<(&'static str, f64)>,
    /// What had to be true, and whether it was.
    pub(crate) checks: Vec<Check>,
}

/// Something that happened, in seconds from the start of the run.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    /// When.
    pub(crate) at: f64,
    /// The call's state from this moment, if it changed.
    pub(crate) state: Option<String>,
    /// In words.
    pub(crate) what: String,
}

/// The longest stretch without sound.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gap {
    /// Its length in the decoded recording, in milliseconds.
    pub(crate) sound_ms: f64,
    /// Where it begins, in seconds from the start of the run.
    pub(crate) at: f64,
    /// The longest time between two packets that arrived, in milliseconds.
    pub(crate) packet_ms: f64,
}

/// What a leg's listener received.
#[derive(Clone, Debug)]
pub(crate) struct LegFacts {
    /// Whose ears.
    pub(crate) name: &'static str,
    /// The codec on the wire.
    pub(crate) codec: String,
    /// Packets received.
    pub(crate) packets: u64,
    /// Packets that never came.
    pub(crate) lost: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1) at the end, in milliseconds.
    pub(crate) jitter_ms: f64,
    /// From the other side's mouth to this ear, in milliseconds.
    pub(crate) delay_ms: f64,
    /// Estimated mean opinion score (ITU-T G.107).
    pub(crate) mos: f64,
}

/// One piece of context.
#[derive(Clone, Debug)]
pub(crate) struct Delivered {
    /// Its header.
    pub(crate) name: String,
    /// What the AI sent.
    pub(crate) sent: String,
    /// What the person's phone received.
    pub(crate) received: Option<String>,
}

/// Something that had to be true.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    /// What.
    pub(crate) what: String,
    /// What was found.
    pub(crate) found: String,
    /// Whether it was true.
    pub(crate) passed: bool,
}

impl Facts {
    /// Whether everything that had to be true was.
    pub(crate) fn passed(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.passed)
    }

    /// Notes something that had to be true.
    pub(crate) fn check(&mut self, what: impl Into<String>, passed: bool, found: impl Into<String>) {
        self.checks.push(Check { what: what.into(), found: found.into(), passed });
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nCall {}\n", self.call_id)?;
        for moment in &self.timeline {
            let state = moment.state.as_deref().unwrap_or("");
            writeln!(f, "  {:7.2} s  {state:<17} {}", moment.at, moment.what)?;
        }
        writeln!(f, "\nTimes")?;
        for (what, ms) in &self.durations {
            writeln!(f, "  {what:<58} {ms:8.1} ms")?;
        }
        writeln!(f, "  {:<58} {:8.1} ms", "longest gap the caller heard, in sound", self.gap.sound_ms)?;
        writeln!(f, "  {:<58} {:8.1} ms", "longest gap between packets to the caller", self.gap.packet_ms)?;
        writeln!(f, "\nWhat each side received")?;
        for leg in &self.legs {
            writeln!(
                f,
                "  {:<10} {:<5} {:6} packets  {:4} lost  jitter {:5.1} ms  mouth to ear {:5.1} ms  MOS {:.2}",
                leg.name, leg.codec, leg.packets, leg.lost, leg.jitter_ms, leg.delay_ms, leg.mos
            )?;
        }
        writeln!(f, "\nContext at the person who answered")?;
        for entry in &self.context {
            let received = entry.received.as_deref().unwrap_or("(lost)");
            writeln!(f, "  {:<28} {received}", entry.name)?;
        }
        writeln!(f, "\nChecks")?;
        for check in &self.checks {
            writeln!(f, "  {} {}: {}", if check.passed { "ok  " } else { "FAIL" }, check.what, check.found)?;
        }
        Ok(())
    }
}
