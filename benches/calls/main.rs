//! N real calls through a `baton serve` process over loopback: what one costs, how evenly it is paced, what is lost.
//!
//! The callers, the AI and the people are this process (`world.rs`); the node is the release program, on a core of
//! its own. `benches/README.md` says what each figure means. Leaves out TLS, SRTP, real networks and more than one
//! shard.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench speaks to whoever typed the command")]

mod bare;
mod figures;
mod frames;
mod judge;
mod line;
mod machine;
mod marks;
mod node;
mod options;
mod phone;
mod report;
mod run;
mod setups;
mod wire;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use machine::{Cores, Machine};
use options::Options;
use report::Report;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() {
        // `cargo test --benches` runs benches to see whether they work; minutes of load are no answer to that.
        println!("bench calls: type `cargo bench -p baton-benches --bench calls`");
        return ExitCode::SUCCESS;
    }
    match Options::read(&arguments).and_then(|options| bench(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("bench calls: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn bench(options: &Options) -> Result<(), String> {
    if options.help {
        print!("{}", options::HELP);
        return Ok(());
    }
    let program = program()?;
    let machine = Machine::look();
    let cores = Cores::choose()?;
    machine::raise_open_files()?;
    println!("{machine}\nnode: {}\n", program.display());
    let mut report = Report::new(machine, cores);
    for codecs in &options.codecs {
        if !options.calls.is_empty() {
            cores.pin_generator()?;
            report.bare.push((*codecs, bare::cost(*codecs)?));
        }
        for &calls in &options.calls {
            let load =
                run::Load { codecs: *codecs, calls, seconds: options.seconds, handoff: options.handoff };
            println!("{calls} calls {codecs}, {} s ...", options.seconds);
            report.points.push(run::point(&program, cores, &load)?);
        }
    }
    for &rate in &options.setups {
        println!("{rate} call set-ups a second, {} s ...", options.setup_seconds);
        report.setups.push(setups::run(&program, cores, rate, options.setup_seconds)?);
    }
    println!("\n{report}");
    let file = target()?.join("bench-calls.json");
    let json = report.json();
    std::fs::write(&file, &json).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    println!("--- JSON, also in {} ---\n{json}", file.display());
    Ok(())
}

/// The folder that cargo builds into: this program is `target/release/deps/calls-…`.
fn target() -> Result<PathBuf, String> {
    let this = std::env::current_exe().map_err(|error| format!("cannot find itself: {error}"))?;
    this.ancestors()
        .nth(3)
        .map(PathBuf::from)
        .ok_or_else(|| format!("{} lies in no target folder", this.display()))
}

/// The node's program: `$BATON`, or the release build beside this one.
fn program() -> Result<PathBuf, String> {
    let program = match std::env::var_os("BATON") {
        Some(path) => PathBuf::from(path),
        None => target()?.join("release/baton"),
    };
    if program.is_file() {
        return Ok(program);
    }
    Err(format!(
        "there is no {}; type `cargo build --release -p baton-engine` first, or name the program in BATON",
        program.display()
    ))
}
