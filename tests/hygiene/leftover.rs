//! What must not be left behind: unfinished code, skipped tests, and traces of the machine it was written on.

use crate::source::{Source, words_in};
use crate::{Finding, assert_clean, faults, tree};

/// Marks of unfinished work in comments.
const MARKS: [&str; 4] = ["FIXME", "XXX", "TODO", "HACK"];
/// Marks of unfinished work in code.
const UNFINISHED: [&str; 4] = ["todo!", "unimplemented!", "dbg!", "#[ignore"];

fn unfinished(file: &Source) -> Vec<Finding> {
    let in_code = UNFINISHED.iter().flat_map(|word| file.words(word).map(move |at| (at, word)));
    let in_comments = MARKS.iter().flat_map(|word| words_in(&file.comments, word).map(move |at| (at, word)));
    in_code
        .chain(in_comments)
        .map(|(at, word)| format!("{}:{}: `{word}`", file.path, file.line(at)))
        .collect()
}

/// Paths of one machine, private hosts, and package hosts other than the public index.
fn traces(path: &str, text: &str) -> Vec<Finding> {
    const PLACES: [&str; 8] =
        ["/work/", "/home/", "/root/", "/Users/", "/mnt/", "/tmp/kit", "target/debug/", "C:\\"];
    const HOSTS: [&str; 6] = ["artifactory", "nexus", "mirror.", "sparse+http", "pypi.", ".internal/"];
    let allowed = |line: &str| line.contains("registry+https://github.com/rust-lang/crates.io-index");
    let found = |line: &str| {
        let line = line.to_ascii_lowercase();
        PLACES.iter().chain(&HOSTS).find(|word| line.contains(&word.to_ascii_lowercase())).copied()
    };
    let foreign = |line: &str| line.starts_with("source = ") && !allowed(line);
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(at, line)| {
            let word = found(line).or(foreign(line).then_some("a source of its own"))?;
            Some(format!("{path}:{}: {word}", at + 1))
        })
        .collect()
}

#[test]
fn nothing_is_left_unfinished() {
    assert_eq!(faults(unfinished, "a.rs", "fn f() { todo!() } // FIXME later"), 2);
    assert_eq!(faults(unfinished, "a.rs", "#[test]\n#[ignore]\nfn f() { dbg!(1); }"), 2);
    assert_eq!(faults(unfinished, "a.rs", "fn f() { \"TODO todo!\"; }"), 0);
    assert_clean(unfinished);
}

#[test]
fn no_file_names_the_machine_it_was_written_on() {
    assert_eq!(traces("a.md", "see /home/ann/baton\nfine\n").len(), 1);
    assert_eq!(traces("Cargo.lock", "source = \"registry+https://example.org/index\"\n").len(), 1);
    assert_eq!(
        traces("Cargo.lock", "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n").len(),
        0
    );
    let exempt = |path: &str| path == "tests/hygiene/leftover.rs";
    let files = tree::text_files().into_iter().filter(|(path, _)| !exempt(path));
    let found: Vec<Finding> = files.flat_map(|(path, text)| traces(&path, &text)).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}
