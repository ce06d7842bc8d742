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
    assert_whole(&world, 300);
}

#[test]
fn a_second_of_first_words_is_played_from_its_start_and_its_delay_won_back_by_time_stretch() {
    let mut world = World::new(5);
    world.open(AI, Kind::Pcmu, 20);
    world.run(1000);
    world.open(CALLER, Kind::Opus, 20);
    world.order(Order::Bridge { with: AI });
    world.run(8000);
    let stats = world.session.stats(AI).unwrap();
    assert_eq!((stats.overruns, stats.concealed), (0, 0), "all of it was played");
    assert!((950..=1000).contains(&(stats.accelerated / 8)), "{} ms won back", stats.accelerated / 8);
    assert_eq!(world.phone(CALLER).hears(7900), [tone_of(AI)], "without a change of pitch");
    assert!(longest_gap_ms(&world.phone(CALLER).sound()[800..]) == 0);
}

#[test]
fn of_first_words_that_wait_for_longer_the_first_second_is_kept() {
    let mut world = World::new(6);
    world.open(AI, Kind::Pcmu, 20);
    world.run(200);
    world.phone_mut(AI).speaks = false;
    world.run(1800);
    world.open(CALLER, Kind::Opus, 20);
    world.order(Order::Bridge { with: AI });
    world.run(3000);
    let heard = ms_heard(&world);
    assert!((140..=230).contains(&heard), "{heard} ms of 200");
    let overruns = world.session.stats(AI).unwrap().overruns;
    assert!((48..=52).contains(&overruns), "{overruns}");
}

/// Milliseconds of the AI's tone at the caller.
fn ms_heard(world: &World) -> usize {
    let sound = world.phone(CALLER).sound();
    sound.chunks(80).filter(|window| tones(window).contains(&tone_of(AI))).count() * 10
}

/// Asserts that the caller heard all of so many milliseconds, which waited and were played faster by a third at most.
fn assert_whole(world: &World, said: usize) {
    let heard = ms_heard(world);
    assert!((said * 7 / 10..=said + 30).contains(&heard), "{heard} ms of {said}");
    let stats = world.session.stats(AI).unwrap();
    assert_eq!((stats.overruns, stats.late, stats.concealed), (0, 0, 0));
}

#[test]
fn what_overtakes_the_answer_is_played_from_its_start() {
    for caller in [Kind::Opus, Kind::Pcmu] {
        let mut world = World::new(2);
        world.add(AI, Kind::Pcmu, 20);
        world.run(300);
        let config = world.config(AI);
        world.order(Order::Open { leg: AI, config });
        world.open(CALLER, caller, 20);
        world.order(Order::Bridge { with: AI });
        world.run(200);
        world.phone_mut(AI).speaks = false;
        world.run(2000);
        assert_whole(&world, 500);
    }
}

#[test]
fn of_a_minute_of_ringing_tones_at_most_half_a_second_is_played_after_the_answer() {
    let mut world = World::new(3);
    world.add(AI, Kind::Pcmu, 20);
    world.run(60_000);
    world.phone_mut(AI).speaks = false;
    let config = world.config(AI);
    world.order(Order::Open { leg: AI, config });
    world.open(CALLER, Kind::Opus, 20);
    world.order(Order::Bridge { with: AI });
    world.run(2000);
    let loud = ms_heard(&world);
    assert!(loud <= 530, "{loud} ms");
}

#[test]
fn a_straggler_of_a_leg_that_is_over_is_refused() {
    let mut world = World::new(4);
    world.open(CALLER, Kind::Opus, 20);
    world.open(AGENT, Kind::Pcmu, 20);
    world.add(AI, Kind::Pcmu, 20);
    world.run(100);
    let config = world.config(AI);
    world.order(Order::Open { leg: AI, config });
    world.phone_mut(AI).speaks = false;
    world.order(Order::Bridge { with: AI });
    world.run(1000);
    assert_eq!(ms_heard(&world), 0);
}

#[test]
fn where_relaying_begins_nothing_that_was_decoded_before_is_lost() {
    // Each leaves another part of a frame decoded when the buffer has caught up and packets begin to go past it.
    for (seed, early) in (20..).zip((300..700).step_by(20)) {
        for ptime in [20, 30] {
            let mut world = World::new(seed);
            world.open(AI, Kind::Pcmu, ptime);
            world.run(early);
            world.open(CALLER, Kind::Pcmu, ptime);
            world.phone_mut(CALLER).sends = false;
            world.order(Order::Bridge { with: AI });
            let began = world.now_ms;
            while world.session.counters().packets_relayed == 0 {
                world.run(10);
                assert!(world.now_ms < began + 20_000, "it is relayed in the end");
            }
            world.run(490);
            world.phone_mut(AI).speaks = false;
            let said = 8 * (early + world.now_ms - began);
            world.run(500);
            let sound = world.phone(CALLER).sound();
            let loud = |window: &[i16]| window.iter().any(|sample| sample.unsigned_abs() > 3000);
            let heard = sound.chunks(20).filter(|window| loud(window)).count() as u64 * 20;
            let stats = world.session.stats(AI).unwrap();
            let kept = heard + stats.accelerated - stats.stretched;
            // What is left is made longer to 10 ms at most, and a window of 20 samples says as much too many or too few.
            let more = kept as i64 - said as i64;
            assert!(
                (-40..=100).contains(&more),
                "packets of {ptime} ms, {early} ms early: {more} samples more"
            );
        }
    }
}
