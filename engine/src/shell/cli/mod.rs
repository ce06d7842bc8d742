//! The command line: one file for each command. What goes wrong is one sentence on standard error.

mod check;
mod demo;
mod serve;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

/// Exit code of a command line that cannot be understood.
const USAGE: u8 = 2;

/// Baton passes a caller from an AI voice agent to a human, without a gap.
#[derive(Debug, Parser)]
#[command(name = "baton", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node.
    Serve {
        /// The settings; without a file, calls are taken on loopback.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Show the whole job on this machine: a caller, an AI that hands off, a person who takes over.
    Demo {
        /// Where recordings and report go.
        #[arg(long, value_name = "FOLDER", default_value = "baton-demo")]
        out: PathBuf,
        /// Leave the node running until it is interrupted.
        #[arg(long)]
        keep: bool,
    },
    /// Read a settings file and report every fault in it.
    Check {
        /// The settings.
        file: PathBuf,
    },
}

/// Runs the program.
pub fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => return misunderstood(&error),
    };
    match command {
        Command::Serve { config } => serve::run(config.as_deref()),
        Command::Demo { out, keep } => demo::run(&out, keep),
        Command::Check { file } => check::run(&file),
    }
}

fn misunderstood(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        say(&error.to_string());
        return ExitCode::SUCCESS;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        complain("no command given; `baton --help` lists them");
        return ExitCode::from(USAGE);
    }
    let text = error.to_string();
    let told: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    let sentence = told.join(" ");
    let sentence = sentence.trim_start_matches("error: ");
    complain(&format!("{sentence}; `baton --help` shows what is understood"));
    ExitCode::from(USAGE)
}

/// To standard output; a closed pipe is no fault.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// One sentence to standard error.
fn complain(sentence: &str) {
    let _ = writeln!(std::io::stderr(), "baton: {sentence}");
}
