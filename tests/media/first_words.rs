//! The AI's first words are whole: they wait until the caller's path is usable.

use baton_engine::media::Order;

use crate::world::*;

#[test]
fn what_the_ai_says_before_the_caller_can_hear_is_played_from_its_start() {
    let mut world = World::new(1);
    world.open(AI, Kind::Pcmu, 20);
    world.run(300);
    world.phone_mut(AI).speaks = false;
    world.run(300);
    world.open(CALLER, Kind::Opus, 20);
    world.order(Order::Bridge { with: AI });
    world.run(2000);
    let sound = world.phone(CALLER).sound();
    let loud = sound.chunks(80).filter(|window| tones(window).contains(&tone_of(AI))).count() * 10;
    assert!((270..=330).contains(&loud), "{loud} ms of 300");
}
