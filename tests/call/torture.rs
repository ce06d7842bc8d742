//! The messages of RFC 4475, thrown at a node with a call running: no panic, the call unharmed, and nothing left of them.
//!
//! The set is not part of this project: `BATON_TORTURE` names the folder with its `.dat` files. Without it the test
//! says so and passes, unless `REQUIRE_VECTORS=1`.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;

use baton_tests::net::Datagram;
use baton_tests::phone::{Do, LineId};
use baton_tests::tone::Heard;
use baton_tests::world::{AI, CALLER, SECOND, Who, World, ms};

fn messages() -> Option<Vec<(String, Vec<u8>)>> {
    let folder = PathBuf::from(std::env::var_os("BATON_TORTURE")?);
    let files =
        std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("BATON_TORTURE={}: {e}", folder.display()));
    let paths = files
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "dat"));
    let mut all: Vec<_> = paths
        .map(|path| {
            (
                path.file_stem().expect("a name").to_string_lossy().into_owned(),
                std::fs::read(&path).expect("a file"),
            )
        })
        .collect();
    all.sort();
    assert!(!all.is_empty(), "no .dat file in {}", folder.display());
    Some(all)
}

/// What a message got, as `400 Bad Request`; nothing for what is not SIP.
fn answer(datagram: &Datagram) -> Option<String> {
    let text = String::from_utf8_lossy(&datagram.bytes).into_owned();
    let line = text.lines().next()?;
    let line = line.strip_prefix("SIP/2.0 ").or(line.split_once(' ').map(|(method, _)| method))?;
    (!datagram.is_media()).then(|| line.to_string())
}

#[test]
fn no_message_of_rfc_4475_harms_a_running_call() {
    let Some(messages) = messages() else {
        assert!(
            std::env::var_os("REQUIRE_VECTORS").is_none(),
            "REQUIRE_VECTORS is set, BATON_TORTURE is not"
        );
        println!("SKIPPED: BATON_TORTURE names no folder with the messages of RFC 4475");
        return;
    };
    let mut world = World::new(121);
    world.with_ai();
    let mut table = String::new();
    // From an address that the node takes calls from, and from a stranger's.
    for net in [[10, 0, 4], [192, 0, 2]] {
        for (at, (name, bytes)) in messages.iter().enumerate() {
            // Each from a host of its own, so that the repeats of other answers are not taken for its own.
            let from = IpAddr::from([net[0], net[1], net[2], 1 + u8::try_from(at).expect("fewer than 255")]);
            world.strays.clear();
            world.inject(from, bytes);
            world.run(ms(200));
            let its_own = world.strays.iter().filter(|datagram| datagram.to.ip() == from);
            let mut answers: Vec<String> = its_own.filter_map(answer).collect();
            answers.dedup();
            _ = writeln!(table, "{name:<12} from {from:<11} {}", answers.join(", "));
            assert_eq!(world.node.stats(world.now).panics, 0, "{name}");
        }
    }
    println!("{table}");
    assert_eq!(table.lines().count(), 2 * messages.len());
    // Calls that they began ring out, are refused or give up; ours, the first line of each phone, goes on.
    world.run(120 * SECOND);
    let heard = |who: Who| world.phones[who.0].line(LineId(0)).heard_last(world.now, ms(500));
    assert_eq!(heard(CALLER), Heard::only(world.line(AI).tone));
    assert_eq!(heard(AI), Heard::only(world.line(CALLER).tone));
    world.act(CALLER, Do::HangUp(String::new()));
    world.run(200 * SECOND);
    let left = world.node.leftovers(world.now);
    assert!(left.is_empty(), "{left:?}");
}
