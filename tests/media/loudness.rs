//! Loudness: what is decoded for the caller comes to the target, what is relayed and what the AI hears stays as it is.

use baton_codecs::level::dbov;
use baton_engine::media::{Order, SessionParams};

use crate::world::*;

/// Every phone's tone has a peak of 8000: a sine at -15.3 dBov.
const TONE_DBOV: f32 = -15.25;
const TARGET: f32 = -23.0;

fn world(caller: Kind, ai: Kind) -> World {
    let params = SessionParams { loudness_dbov: Some(TARGET as i8), ..SessionParams::default() };
    let mut world = World::with(1, params);
    world.open(CALLER, caller, 20);
    world.open(AI, ai, 20);
    world.order(Order::Bridge { with: AI });
    world
}

fn level(world: &World, leg: baton_engine::key::LegId) -> f32 {
    let sound = world.phone(leg).sound();
    dbov(&sound[sound.len() - 4000..])
}

#[test]
fn an_ai_that_is_too_loud_comes_to_the_target_and_the_caller_is_not_touched() {
    let mut world = world(Kind::Opus, Kind::Pcmu);
    world.run(6000);
    assert!((level(&world, CALLER) - TARGET).abs() < 2.5, "{}", level(&world, CALLER));
    assert!((level(&world, AI) - TONE_DBOV).abs() < 1.0, "{}", level(&world, AI));
    world.assert_one_stream(CALLER);
}

#[test]
fn a_person_comes_to_the_same_loudness_as_the_ai_before() {
    let mut world = world(Kind::Opus, Kind::Pcmu);
    world.run(6000);
    world.open(AGENT, Kind::Pcma, 20);
    world.order(Order::Join { agent: AGENT, tail_ms: 100 });
    world.order(Order::Close { leg: AI });
    world.run(6000);
    assert_eq!(world.phone(CALLER).hears(200), [tone_of(AGENT)]);
    assert!((level(&world, CALLER) - TARGET).abs() < 2.5, "{}", level(&world, CALLER));
}

#[test]
fn a_relayed_stream_is_relayed_all_the_same_bit_for_bit() {
    let mut world = world(Kind::Pcmu, Kind::Pcmu);
    world.run(6000);
    assert!((level(&world, CALLER) - TONE_DBOV).abs() < 0.2);
    assert!(world.session.counters().packets_relayed > 500);
}

#[test]
fn without_the_setting_nothing_is_changed() {
    let mut world = World::call(1, Kind::Opus, Kind::Pcmu);
    world.run(6000);
    assert!((level(&world, CALLER) - TONE_DBOV).abs() < 1.0);
}
