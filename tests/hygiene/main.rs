//! The tree itself, as a test: who may know whom, who may read a clock, how long things get, and what is left over.
//!
//! Every check is a function over one file's text, tried on a sample that it must catch, and then run on the tree.
//! What the compiler and clippy already see is not repeated here.

mod edges;
mod leftover;
mod places;
mod size;
mod source;
mod tree;

use source::Source;

/// A fault found: where, and what.
type Finding = String;

/// A check over one file.
type Check = fn(&Source) -> Vec<Finding>;

fn assert_clean(check: Check) {
    let files = tree::rust_files();
    assert!(files.len() > 20, "the tree was not found");
    let found: Vec<Finding> = files.iter().flat_map(check).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// Runs a check on a bad sample at a path.
#[cfg(test)]
fn faults(check: Check, path: &str, text: &str) -> usize {
    check(&Source::new(path, text)).len()
}
