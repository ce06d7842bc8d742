//! What `baton check` says of a file.

use std::fmt::Write as _;

use super::{Settings, Surroundings};

/// What a settings file looks like from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Lines to print, each with its line end.
    pub text: String,
    /// How many faults there are; with none the file is good.
    pub faults: usize,
}

/// Checks a file's text: every fault as `file:line: field: problem`, or one line about what the file sets up.
pub fn report(text: &str, file: &str, world: &Surroundings<'_>) -> Report {
    let mut out = String::new();
    let faults = match Settings::read(text, world) {
        Ok(settings) => {
            let counts = [
                count(settings.flows.len(), "flow"),
                count(settings.peers.len(), "peer"),
                count(settings.queues.len(), "queue"),
                count(settings.agents.len(), "agent"),
            ];
            let calls = count(settings.limits.calls as usize, "call");
            out = format!("{file}: good: {}, up to {calls} at once\n", counts.join(", "));
            0
        }
        Err(issues) => {
            for issue in &issues {
                writeln!(out, "{file}:{issue}").expect("writing to a String cannot fail");
            }
            writeln!(out, "{file}: {}", count(issues.len(), "fault"))
                .expect("writing to a String cannot fail");
            issues.len()
        }
    };
    Report { text: out, faults }
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
