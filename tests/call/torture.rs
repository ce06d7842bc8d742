//! The messages of RFC 4475, thrown at a node with a call running: no panic, the call unharmed, and nothing left of them.
//!
//! The set is not part of this project: `BATON_TORTURE` names the folder with its `.dat` files. Without it the test
//! says so and passes, unless `REQUIRE_VECTORS=1`.

use std::path::PathBuf;

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
    // From an address that the node takes calls from, and from a stranger's.
    for from in [[10, 0, 1, 77], [192, 0, 2, 77]] {
        for (name, bytes) in &messages {
            world.inject(from.into(), bytes);
            world.run(ms(200));
            assert_eq!(world.node.stats(world.now).panics, 0, "{name}");
        }
    }
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
