//! Whole calls through bad networks: lost, late, crossed and doubled packets of signalling and sound.

use baton_engine::call::State;
use baton_tests::net::Weather;
use baton_tests::phone::Do;
use baton_tests::world::{AI, ANN, CALLER, SECOND, World, WorldBuilder, ms};

/// Caller, AI, handoff, person, hang-up; each step gets the time that repeats need.
fn whole_call(seed: u64, signalling: Weather, media: Weather) {
    let mut world = WorldBuilder::new(seed).build();
    (world.net.signalling, world.net.media) = (signalling, media);
    world.call();
    assert!(
        world.run_until(40 * SECOND, |world| world.state() == State::WithAi),
        "seed {seed}\n{}",
        world.account()
    );
    let hears = |world: &World, who, other| world.heard(who, SECOND).tones.contains(&world.line(other).tone);
    // A 200 that is lost comes again after 0.5, 1, 2 and then every 4 s (RFC 3261 §13.3.1.4).
    let up = |world: &World| hears(world, CALLER, AI) || world.calls_of(baton_tests::world::AI2) > 0;
    assert!(world.run_until(20 * SECOND, up), "seed {seed}\n{}", world.account());
    if world.calls_of(baton_tests::world::AI2) > 0 {
        // Loss can make the first address look dead; the handoff then is the second's affair.
        world.act(CALLER, Do::HangUp(String::new()));
    } else {
        world.hand_over("snapcall_agents", "");
        let there = |world: &World| world.state() == State::WithAgent;
        assert!(world.run_until(60 * SECOND, there), "seed {seed}\n{}", world.account());
        world.run(3 * SECOND);
        let person = if world.calls_of(ANN) > 0 && !world.line(ANN).is_ended() {
            ANN
        } else {
            baton_tests::world::BOB
        };
        assert!(
            hears(&world, CALLER, person) && hears(&world, person, CALLER),
            "seed {seed}\n{}",
            world.account()
        );
        world.act(CALLER, Do::HangUp(String::new()));
    }
    world.net.signalling = Weather::CLEAR;
    world.net.media = Weather::CLEAR;
    // With 20 % loss a BYE may need all its repeats, and an INVITE given up waits for Timer B.
    world.run(110 * SECOND);
    let left = world.node.leftovers(world.now);
    assert!(left.is_empty(), "seed {seed}: {left:?}\n{}", world.account());
}

#[test]
fn five_percent_of_everything_lost() {
    for seed in World::seeds(50) {
        whole_call(seed, Weather::rough(50, 0), Weather::rough(50, 0));
    }
}

#[test]
fn twenty_percent_of_the_signalling_lost() {
    for seed in World::seeds(50) {
        whole_call(1000 + seed, Weather::rough(200, 50), Weather::CLEAR);
    }
}

#[test]
fn ten_percent_of_the_sound_lost_and_five_doubled() {
    for seed in World::seeds(30) {
        whole_call(2000 + seed, Weather::CLEAR, Weather::rough(100, 50));
    }
}

#[test]
fn signalling_reordered_by_a_fifth_of_a_second() {
    for seed in World::seeds(50) {
        let wild = Weather { delay: ms(10), jitter: ms(200), loss: 0, duplicate: 100 };
        whole_call(3000 + seed, wild, Weather::CLEAR);
    }
}
