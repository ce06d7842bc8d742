//! Clocks that drift, nodes that starve, lines that stall: the delay of the sound comes back to where it belongs, unheard.

use baton_codecs::g711::Law;
use baton_codecs::level::rms;
use baton_codecs::tone::{Tone, amplitude};
use baton_engine::media::{JitterMs, Order};

use crate::world::*;

/// A voice-like sound whose pitch of 58.5 samples no whole number of samples fits.
const PITCH_HZ: f64 = 8000.0 / 58.5;
/// Eight of its periods: a window in which its harmonics are told apart exactly.
const WINDOW: usize = 468;

fn voice() -> Tone {
    Tone::new(8000, &[(PITCH_HZ, 6000.0), (2.0 * PITCH_HZ, 3000.0), (3.0 * PITCH_HZ, 1500.0)])
}

/// What is not the voice, against the voice, in dB: of the worst window, and of the median one.
fn residues_db(sound: &[i16]) -> (f64, f64) {
    let one = |window: &[i16]| {
        let all = f64::from(rms(window)).powi(2);
        let harmonics = (1..=3).map(|n| amplitude(window, 8000, f64::from(n) * PITCH_HZ).powi(2) / 2.0);
        10.0 * ((all - harmonics.sum::<f64>()).max(1.0) / all.max(1.0)).log10()
    };
    let mut all: Vec<f64> = sound.chunks_exact(WINDOW).map(one).collect();
    all.sort_by(f64::total_cmp);
    (all[all.len() - 1], all[all.len() / 2])
}

#[test]
fn ten_minutes_of_a_clock_that_is_off_by_200_ppm_are_followed_without_a_break_or_a_step() {
    for kind in [Kind::Pcmu, Kind::Opus] {
        for ppm in [200, -200] {
            let mut world = World::new(1);
            world.open(CALLER, Kind::Pcma, 20);
            world.add(AI, kind, 20);
            (world.phone_mut(AI).fast_ppm, world.phone_mut(AI).tone) = (ppm, voice());
            let config = world.config(AI);
            world.order(Order::Open { leg: AI, config });
            world.order(Order::Bridge { with: AI });
            world.run(600_000);
            let stats = world.session.stats(AI).unwrap();
            let bad = (stats.underruns, stats.overruns, stats.concealed, stats.late);
            assert_eq!(bad, (0, 0, 0, 0), "{kind:?} {ppm}");
            // 120 ms in ten minutes, and where in a tick it all began and ended.
            let (gone, come) = (stats.accelerated as i64, stats.stretched as i64);
            let followed = if ppm > 0 { gone - come } else { come - gone } / 8;
            assert!((90..=150).contains(&followed), "{kind:?} {ppm}: {gone} samples left out, {come} put in");
            assert!(gone + come < 4000, "{kind:?} {ppm}: no more than needed: {gone} out, {come} in");
            let sound = world.phone(CALLER).sound();
            let (worst, median) = residues_db(&sound[8000..]);
            assert!(median < -25.0, "{kind:?} {ppm}: {median} dB");
            assert!(worst < -20.0, "{kind:?} {ppm}: {worst} dB against {median}");
            let natural = largest_step(&sound[8000..16_000]);
            assert!(largest_step(&sound[8000..]) <= natural * 5 / 4, "{kind:?} {ppm}");
            assert_eq!(longest_gap_ms(&sound[8000..]), 0);
        }
    }
}

/// Runs until the delay has come back; asserts that what was lost of it is won back, and heard by nobody.
fn assert_won_back(world: &mut World, ms: u64) {
    world.run(6000);
    let stats = world.session.stats(AI).unwrap();
    let won = stats.accelerated / 8;
    assert!((ms - 25..=ms + 25).contains(&won), "{won} ms of {ms}: {stats:?}");
    assert_eq!(world.phone(CALLER).hears(5900), [tone_of(AI)]);
}

#[test]
fn a_node_starved_of_its_core_gets_its_delay_back_though_the_far_end_never_pauses() {
    for kind in [Kind::Pcmu, Kind::Opus] {
        let mut world = World::call(1, Kind::Pcma, kind);
        world.run(3000);
        world.stall_until = world.now_ms + 400;
        world.run(400);
        assert_won_back(&mut world, 400);
        assert_eq!(world.session.stats(AI).unwrap().overruns, 0);
    }
}

#[test]
fn a_line_that_stalls_once_costs_no_delay_for_good() {
    let mut world = World::call(1, Kind::Pcma, Kind::Pcmu);
    world.run(20_000);
    world.phone_mut(AI).held_until = world.now_ms + 160;
    world.run(160);
    world.run(6000);
    let stats = world.session.stats(AI).unwrap();
    assert_eq!(stats.underruns, 1, "{stats:?}");
    assert!(stats.target_ms <= 25, "one spike is not waited for: {stats:?}");
    assert!((100..=180).contains(&(stats.accelerated / 8)), "{stats:?}");
    assert_eq!(world.phone(CALLER).hears(2000), [tone_of(AI)]);
}

#[test]
fn a_peer_that_wants_its_sound_held_longer_has_it_held_so_long() {
    let mut world = World::new(1);
    world.open(CALLER, Kind::Pcma, 20);
    world.add(AI, Kind::Pcmu, 20);
    let mut config = world.config(AI);
    config.jitter_ms = Some(JitterMs { min: 60, max: 80 });
    world.order(Order::Open { leg: AI, config });
    world.order(Order::Bridge { with: AI });
    world.run(1000);
    assert_eq!(world.session.stats(AI).unwrap().target_ms, 60);
    world.phone_mut(AI).jitter_ms = 150;
    world.run(5000);
    assert_eq!(world.session.stats(AI).unwrap().target_ms, 80);
}

#[test]
fn the_bounds_of_a_buffer_may_be_as_narrow_and_as_far_as_settings_allow() {
    for (min, max) in [(0, 0), (0, 500), (1, 1), (500, 500)] {
        for kind in [Kind::Pcmu, Kind::Opus] {
            let mut world = World::new(1);
            world.open(CALLER, Kind::Pcma, 20);
            world.add(AI, kind, 20);
            let mut config = world.config(AI);
            config.jitter_ms = Some(JitterMs { min, max });
            world.order(Order::Open { leg: AI, config });
            world.order(Order::Bridge { with: AI });
            world.phone_mut(AI).jitter_ms = 40;
            world.run(3000);
            world.phone_mut(AI).jitter_ms = 0;
            world.run(3000);
            let target = world.session.stats(AI).unwrap().target_ms;
            assert!((min..=max.max(20)).contains(&target), "{min} {max} {kind:?}: {target}");
            assert_eq!(world.phone(CALLER).hears(300), [tone_of(AI)], "{min} {max} {kind:?}");
        }
    }
}

#[test]
fn the_time_added_to_sound_is_the_target_and_at_most_22_ms() {
    for ptime in [10, 20, 40] {
        for phase in 0..20 {
            let mut world = World::new(1);
            world.tick_at += phase;
            world.open(CALLER, Kind::Pcma, 20);
            world.open(AI, Kind::Pcmu, ptime);
            world.order(Order::Bridge { with: AI });
            world.phone_mut(AI).speaks = false;
            world.run(3000);
            while !(world.now_ms + 1 + 7).is_multiple_of(ptime) {
                world.run(1);
            }
            world.phone_mut(AI).speaks = true;
            // The packet that begins with the tone is sent in the next millisecond and comes in the one after it.
            let (comes, before) = (world.now_ms + 2, world.phone(CALLER).got.len());
            world.run(300);
            let target = u64::from(world.session.stats(AI).unwrap().target_ms);
            let loud = |sound: &[i16]| sound.iter().position(|sample| sample.unsigned_abs() > 1000);
            let found = world.phone(CALLER).got[before..].iter().find_map(|got| {
                let sound: Vec<i16> = got.payload().iter().map(|code| Law::A.expand(*code)).collect();
                loud(&sound).map(|at| (got.at.as_micros() / 1000, at as u64 / 8))
            });
            let (left, inside) = found.unwrap();
            let added = left + inside - comes;
            assert!((target..=target + 22).contains(&added), "{added} ms at {phase} in packets of {ptime}");
        }
    }
}
