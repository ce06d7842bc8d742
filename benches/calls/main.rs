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
mod markdown;
mod marks;
mod node;
mod options;
mod paced;
mod phone;
mod process;
mod report;
mod rtpengine;
mod run;
mod series;
mod server;
mod setups;
mod sipp;
mod wire;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use baton_benches::ng;
use frames::Voice;
use machine::{Cores, Machine};
use options::{Codecs, Options};
use report::Report;
use server::By;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() {
        // `cargo test --benches` runs benches to see whether they work; minutes of load are no answer to that.
        println!("bench calls: type `cargo bench -p baton-benches --bench calls`");
        return ExitCode::SUCCESS;
    }
    if arguments[0] == paced::ARGUMENT {
        return match paced::serve(&arguments[1..]) {
            Ok(()) => ExitCode::SUCCESS,
            Err(sentence) => {
                eprintln!("bare server: {sentence}");
                ExitCode::FAILURE
            }
        };
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
    measure(options, &program, cores, &mut report);
    println!("\n{report}");
    let json = report.json();
    let write = |file: &Path, text: &str| {
        std::fs::write(file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))
    };
    let file = target()?.join("bench-calls.json");
    write(&file, &json)?;
    println!("--- JSON, also in {} ---\n{json}", file.display());
    if let Some(folder) = &options.write {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        write(&folder.join("calls.md"), &markdown::markdown(&report))?;
        write(&folder.join("calls.json"), &json)?;
    }
    report.failures.verdict()
}

/// Measures one after the other; what fails is told of in the report, and the rest goes on.
fn measure(options: &Options, program: &Path, cores: Cores, report: &mut Report) {
    for codecs in &options.codecs {
        let bare = cores.pin_generator().and_then(|()| bare::cost(*codecs));
        report.bare.extend(report.failures.sift("the bare cost", bare).map(|cost| (*codecs, cost)));
        for &calls in &options.calls {
            let (seconds, handoff) = (options.seconds, options.handoff);
            let load = run::Load { by: By::Baton, codecs: *codecs, calls, seconds, handoff };
            println!("{calls} calls {codecs}, {} s ...", options.seconds);
            let point = run::point(program, cores, &load);
            let Some(mut point) = report.failures.sift(&load.to_string(), point) else { continue };
            println!("{calls} calls {codecs}, {} s, bare ...", options.seconds);
            let load = run::Load { by: By::Bare, handoff: 0.0, ..load };
            let bare = run::point(program, cores, &load);
            point.paced = report.failures.sift(&load.to_string(), bare).map(|bare| bare.cpu_per_call_second);
            report.points.push(point);
        }
        if options.sweep {
            let sweep = series::sweep(program, cores, *codecs, options.lengths, &mut report.failures);
            report.sweeps.extend(report.failures.sift("the sweep", sweep));
        }
    }
    if options.beside {
        measure_beside(options, program, cores, report);
    }
    for &(rate, seconds) in &options.sipp {
        println!("{rate} call set-ups a second by SIPp, {seconds} s ...");
        let run = sipp::run(program, rate, seconds);
        report.sipp.extend(report.failures.sift(&format!("{rate} set-ups a second by SIPp"), run));
    }
    for &rate in &options.setups {
        println!("{rate} call set-ups a second, {} s ...", options.setup_seconds);
        let run = setups::run(program, cores, rate, options.setup_seconds);
        report.setups.extend(report.failures.sift(&format!("{rate} set-ups a second"), run));
    }
}

fn measure_beside(options: &Options, program: &Path, cores: Cores, report: &mut Report) {
    if ng::version().is_none() {
        println!("no rtpengine to compare with (Debian: rtpengine-daemon)");
        return;
    }
    let relayed = Codecs { caller: Voice::Pcmu, ai: Voice::Pcmu };
    let more = (!options.codecs.contains(&relayed)).then_some(relayed);
    for codecs in options.codecs.iter().copied().chain(more) {
        let points = series::beside(program, cores, codecs, options.lengths, &mut report.failures);
        report.beside.extend(points);
    }
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
