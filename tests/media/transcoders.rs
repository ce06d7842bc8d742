//! What a session says of the codecs it turns into each other.

use baton_engine::media::{CODEC_NAMES, Order};

use crate::world::*;

fn transcodings(world: &World) -> Vec<(&'static str, &'static str)> {
    let mut found: Vec<_> =
        world.session.transcodings().map(|(from, to)| (CODEC_NAMES[from], CODEC_NAMES[to])).collect();
    found.sort_unstable();
    found
}

#[test]
fn a_bridge_of_two_codecs_is_two_transcoders_and_one_of_the_same_codec_is_none() {
    let mut world = World::new(1);
    world.open(CALLER, Kind::Opus, 20);
    world.open(AI, Kind::Pcmu, 20);
    assert_eq!(transcodings(&world), [], "nobody speaks yet");
    world.order(Order::Bridge { with: AI });
    world.run(1000);
    assert_eq!(transcodings(&world), [("PCMU", "opus"), ("opus", "PCMU")]);

    let mut world = World::new(2);
    world.open(CALLER, Kind::Pcmu, 20);
    world.open(AI, Kind::Pcmu, 20);
    world.order(Order::Bridge { with: AI });
    world.run(1000);
    assert_eq!(transcodings(&world), []);
}
