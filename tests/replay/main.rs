//! Every input that a fuzzer found interesting, again: none may break what `baton_tests::fuzz` promises. The inputs lie
//! in `tests/fuzz/corpus`, a folder for each target; how they are found is told in `tests/fuzz/README.md`.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use baton_tests::fuzz::TARGETS;

#[test]
fn nothing_that_was_found_breaks_a_promise() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in TARGETS {
        let inputs: Vec<_> =
            fs::read_dir(corpus.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!inputs.is_empty(), "no input for {name}");
        for path in inputs {
            let data = fs::read(&path).unwrap();
            let kept = std::panic::catch_unwind(|| target(&data));
            assert!(kept.is_ok(), "{name} breaks on {}", path.display());
        }
    }
}
