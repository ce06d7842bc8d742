//! Who may touch the outside world: clocks, runtimes, sockets, files, threads and entropy live in the shell; unsafe
//! code in two files; sleeps among the real peers only.

use crate::source::Source;
use crate::{Finding, assert_clean, faults};

/// Where the outside world begins.
const SHELL: [&str; 2] = ["engine/src/shell/", "engine/src/main.rs"];
/// The code of the product.
const PRODUCT: [&str; 3] = ["codecs/src/", "signaling/src/", "engine/src/"];
/// Tests and benches with real programs, sockets and time.
const REAL: [&str; 4] = ["tests/peers/", "tests/quality/", "tests/demo/", "benches/"];
/// Where code may be unsafe: the batched socket calls, and allocators that count.
const UNSAFE: [&str; 4] =
    ["engine/src/shell/udp.rs", "tests/alloc/", "codecs/tests/no_allocation.rs", "benches/"];

/// Clocks.
const CLOCKS: [&str; 4] = ["Instant::now", "SystemTime", "std::time::Instant", "tokio::time"];
/// The rest of the outside world.
const OUTSIDE: [&str; 18] = [
    "tokio::",
    "actix::",
    "actix_rt::",
    "axum::",
    "socket2::",
    "rustix::",
    "mio::",
    "libc::",
    "getrandom::",
    "rand::",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "std::thread",
    "std::fs",
    "std::env",
    "std::process",
    "RandomState",
];
/// Sleeps.
const SLEEPS: [&str; 3] = ["thread::sleep", "time::sleep", "sleep_until"];

fn hits(file: &Source, words: &[&str]) -> Vec<Finding> {
    let hit = |word: &&str| {
        file.words(word).map(|at| format!("{}:{}: `{word}`", file.path, file.line(at))).collect()
    };
    words.iter().flat_map(|word| -> Vec<Finding> { hit(word) }).collect()
}

fn outside_world(file: &Source) -> Vec<Finding> {
    if !file.is_in(&PRODUCT) || file.is_in(&SHELL) {
        return Vec::new();
    }
    [hits(file, &CLOCKS), hits(file, &OUTSIDE)].concat()
}

/// Tests have virtual time, but for those with real programs.
fn clocks_in_tests(file: &Source) -> Vec<Finding> {
    let exempt = file.is_in(&REAL) || file.is_in(&SHELL) || file.is_in(&["tests/actors/"]);
    if exempt { Vec::new() } else { hits(file, &CLOCKS) }
}

fn sleeps(file: &Source) -> Vec<Finding> {
    // The shell's own waits are timers, never sleeps of a thread; its tests run on paused time.
    let exempt = file.is_in(&REAL) || file.is_in(&SHELL);
    if exempt {
        hits(file, &["thread::sleep"][..usize::from(file.is_in(&SHELL))])
    } else {
        hits(file, &SLEEPS)
    }
}

fn unsafe_code(file: &Source) -> Vec<Finding> {
    if file.is_in(&UNSAFE) { Vec::new() } else { hits(file, &["unsafe"]) }
}

#[test]
fn clocks_runtimes_sockets_and_entropy_are_in_the_shell_alone() {
    let bad = "use std::time::Instant;\nfn f() { Instant::now(); tokio::spawn(x); std::fs::read(p); }";
    assert_eq!(faults(outside_world, "engine/src/call/call.rs", bad), 4);
    assert_eq!(faults(outside_world, "engine/src/shell/clock.rs", bad), 0);
    assert_clean(outside_world);
}

#[test]
fn tests_read_no_clock() {
    assert_eq!(faults(clocks_in_tests, "tests/call/a.rs", "fn f() { let t = Instant::now(); }"), 1);
    assert_eq!(faults(clocks_in_tests, "tests/peers/a.rs", "fn f() { let t = Instant::now(); }"), 0);
    assert_clean(clocks_in_tests);
}

#[test]
fn only_tests_with_real_programs_sleep() {
    assert_eq!(faults(sleeps, "tests/call/a.rs", "fn f() { std::thread::sleep(d); }"), 1);
    assert_eq!(faults(sleeps, "engine/src/shell/udp.rs", "fn f() { std::thread::sleep(d); }"), 1);
    assert_eq!(faults(sleeps, "tests/peers/a.rs", "fn f() { std::thread::sleep(d); }"), 0);
    assert_clean(sleeps);
}

#[test]
fn unsafe_code_is_where_it_may_be() {
    assert_eq!(faults(unsafe_code, "engine/src/rtp/packet.rs", "fn f() { unsafe { g() } }"), 1);
    assert_eq!(faults(unsafe_code, "engine/src/shell/udp.rs", "fn f() { unsafe { g() } }"), 0);
    assert_eq!(faults(unsafe_code, "engine/src/rtp/packet.rs", "#![deny(unsafe_code)]"), 0);
    assert_clean(unsafe_code);
}
