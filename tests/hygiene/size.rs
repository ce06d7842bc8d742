//! How long files and functions get, and how a file begins.

use crate::source::Source;
use crate::{Finding, assert_clean, faults};

/// Lines of a file, tests included.
const FILE_LINES_MAX: usize = 800;
/// Lines of a function.
const FUNCTION_LINES_MAX: usize = 100;
/// Functions that are one `match` read as a table, and may be longer: file and name.
const TABLES: [(&str, &str); 0] = [];

fn long_files(file: &Source) -> Vec<Finding> {
    let lines = file.text.lines().count();
    let fault = format!("{}: {lines} lines; cut it by concern", file.path);
    Vec::from_iter((lines > FILE_LINES_MAX).then_some(fault))
}

fn long_functions(file: &Source) -> Vec<Finding> {
    let is_table = |name: &str| TABLES.contains(&(file.path.as_str(), name));
    let too_long = |f: &crate::source::Function| f.lines > FUNCTION_LINES_MAX && !is_table(&f.name);
    let say =
        |f: crate::source::Function| format!("{}:{}: `{}` has {} lines", file.path, f.line, f.name, f.lines);
    file.functions().into_iter().filter(too_long).map(say).collect()
}

fn missing_heads(file: &Source) -> Vec<Finding> {
    let fault = format!("{}: does not begin with `//!`: what it is, what it leaves out", file.path);
    Vec::from_iter((!file.text.starts_with("//!")).then_some(fault))
}

#[test]
fn no_file_is_longer_than_eight_hundred_lines() {
    assert_eq!(faults(long_files, "a.rs", &"\n".repeat(801)), 1);
    assert_eq!(faults(long_files, "a.rs", &"\n".repeat(800)), 0);
    assert_clean(long_files);
}

#[test]
fn no_function_is_longer_than_a_hundred_lines() {
    let function = |lines: usize| format!("fn f() {{\n{}}}\n", "    x();\n".repeat(lines - 2));
    assert_eq!(faults(long_functions, "a.rs", &function(101)), 1);
    assert_eq!(faults(long_functions, "a.rs", &function(100)), 0);
    assert_clean(long_functions);
}

#[test]
fn every_file_says_what_it_is() {
    assert_eq!(faults(missing_heads, "a.rs", "use std::fmt;\n"), 1);
    assert_eq!(faults(missing_heads, "a.rs", "//! This.\n"), 0);
    assert_clean(missing_heads);
}
