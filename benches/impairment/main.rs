//! How speech sounds through a session when the line is bad: PESQ, added delay and concealment for every kind of
//! line and pair of codecs, beside the bare codecs with the same losses.
//!
//! Virtual time: exact, the same in every run, and much faster than the speech; but for rtpengine, which is heard in real time. `benches/README.md` says what each figure means.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench speaks to whoever typed the command")]

mod grid;
mod options;
mod rival;
mod table;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use baton_benches::impairment::Judge;

use options::Options;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() {
        // `cargo test --benches` runs benches to see whether they work; minutes of work are no answer to that.
        println!("bench impairment: type `./run bench impairment`");
        return ExitCode::SUCCESS;
    }
    match Options::read(&arguments).and_then(|options| bench(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("bench impairment: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn bench(options: &Options) -> Result<(), String> {
    if options.help {
        print!("{}", options::HELP);
        return Ok(());
    }
    let results = grid::run(options)?;
    let table = table::markdown(options, &results);
    println!("{table}");
    let Some(folder) = &options.write else { return Ok(()) };
    let json = folder.join("impairment.json");
    let write = |path: &Path, text: &str| {
        std::fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
    };
    std::fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    write(&folder.join("impairment.md"), &table)?;
    write(&json, &table::json(options, &results))?;
    plot(&json, &folder.join("impairment.svg"))
}

fn plot(json: &Path, svg: &Path) -> Result<(), String> {
    let script: PathBuf = [env!("CARGO_MANIFEST_DIR"), "impairment", "plot.py"].iter().collect();
    let status = Command::new(Judge::python()).arg(script).arg(json).arg(svg).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("plot.py failed: {status}")),
        Err(error) => Err(format!("{}: {error}", Judge::python().display())),
    }
}
