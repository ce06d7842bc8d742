//! `baton check FILE`: reads a settings file, prints every fault by line and field, exits with 1 if there is any.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use crate::settings::{self, Surroundings};
use crate::shell::plan::{sound_fault, tls_faults};

/// Checks the file at `path` against this machine's environment and files.
pub(super) fn run(path: &Path) -> ExitCode {
    let file = path.display().to_string();
    let env = |name: &str| std::env::var(name).ok();
    let world = Surroundings { env: &env, sound_fault: &sound_fault, tls_faults: &tls_faults };
    let report = match std::fs::read_to_string(path) {
        Ok(text) => settings::report(&text, &file, &world),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{file}: cannot be read: {error}");
            return ExitCode::FAILURE;
        }
    };
    // A reader that closed the pipe has seen what it wanted.
    let _ = std::io::stdout().write_all(report.text.as_bytes());
    if report.faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
