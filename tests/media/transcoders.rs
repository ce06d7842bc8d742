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

#[test]
fn a_caller_of_opus_who_waits_is_work_for_a_decoder_and_one_who_is_relayed_is_none() {
    let ticked = |world: &mut World| {
        let (coded, encoded) = (world.session.frames_coded(), world.session.frames_encoded());
        world.run(1000);
        (world.session.frames_coded() - coded, world.session.frames_encoded() - encoded)
    };
    let mut world = World::call(40, Kind::Opus, Kind::Opus);
    world.run(2000);
    assert_eq!(ticked(&mut world), (0, 0), "packets go past");
    world.order(Order::Park { tail: None, hold: HOLD });
    world.run(2000);
    assert_eq!(ticked(&mut world), (100, 0), "both are decoded, hold audio and silence are ready");
}
