//! Streams whose numbers or timestamps do what those of plain speech do not.

use baton_codecs::tone::Tone;
use baton_engine::media::Lane;

use crate::world::*;

/// Presses a key for so many packets of events, numbered among the sound, which is left out meanwhile (RFC 4733 §2.6).
fn press(world: &mut World, leg: baton_engine::key::LegId, packets: u16) {
    world.phone_mut(leg).sends = false;
    let start = world.phone(leg).time;
    for n in 1..=packets {
        let phone = world.phone_mut(leg);
        let duration = n * 20 * phone.clock_per_ms() as u16;
        let end = if n + 2 >= packets { 0x80 } else { 0 };
        let payload = [5, end | 10, (duration >> 8) as u8, duration as u8];
        let (event, from) = (phone.event(), phone.from);
        let packet = phone.wrap(event, start, &payload);
        world.packet_in(leg, Lane::Rtp, from, packet);
        world.run(20);
        // The sound that was left out took a number.
        let phone = world.phone_mut(leg);
        phone.seq = phone.seq.wrapping_sub(1);
    }
    world.phone_mut(leg).sends = true;
}

#[test]
fn key_presses_among_the_numbers_of_sound_are_no_loss_and_no_jitter() {
    for (kind, packets) in [(Kind::Pcmu, 8), (Kind::Opus, 8), (Kind::Pcmu, 30), (Kind::Opus, 30)] {
        let mut world = World::call(1, Kind::Pcma, kind);
        world.run(2000);
        for _ in 0..5 {
            press(&mut world, AI, packets);
            world.run(700);
            assert_eq!(world.phone(CALLER).hears(300), [tone_of(AI)], "{kind:?} {packets}");
        }
        let stats = world.session.stats(AI).unwrap();
        assert_eq!((stats.concealed, stats.concealed_samples, stats.underruns), (0, 0, 0), "{kind:?}");
        assert_eq!((stats.lost, stats.late, stats.target_ms), (0, 0, 20), "{kind:?} {stats:?}");
        assert!(stats.jitter_ms < 1.0, "{kind:?} {} ms", stats.jitter_ms);
        world.assert_one_stream(CALLER);
    }
}

#[test]
fn events_sent_beside_sound_that_goes_on_do_not_break_it() {
    for kind in [Kind::Pcmu, Kind::Opus] {
        let mut world = World::call(2, Kind::Pcma, kind);
        world.run(2000);
        let start = world.phone(AI).time;
        for n in 1..=50u16 {
            let phone = world.phone_mut(AI);
            let duration = n * 20 * phone.clock_per_ms() as u16;
            let (event, from) = (phone.event(), phone.from);
            let packet = phone.wrap(event, start, &[5, 10, (duration >> 8) as u8, duration as u8]);
            world.packet_in(AI, Lane::Rtp, from, packet);
            world.run(20);
        }
        world.run(500);
        let stats = world.session.stats(AI).unwrap();
        assert_eq!((stats.concealed, stats.concealed_samples, stats.lost), (0, 0, 0), "{kind:?} {stats:?}");
        assert_eq!(stats.target_ms, 20);
    }
}

#[test]
fn a_clock_that_stood_still_or_jumps_is_heard_on_without_a_break() {
    for kind in [Kind::Pcmu, Kind::Opus] {
        for jump_ms in [-300i64, -700, -3000, -60_000, 3000, 60_000] {
            let mut world = World::call(3, Kind::Pcma, kind);
            world.run(5000);
            let phone = world.phone_mut(AI);
            let units = jump_ms * i64::from(phone.clock_per_ms());
            phone.time = phone.time.wrapping_add(units as u32);
            let before = world.session.stats(AI).unwrap();
            world.run(4000);
            let after = world.session.stats(AI).unwrap();
            let made_up = after.concealed_samples - before.concealed_samples;
            assert!(made_up <= 800, "{kind:?} {jump_ms} ms: {made_up} samples made up");
            let gap = longest_gap_ms(&world.phone(CALLER).sound()[16_000..]);
            assert!(gap <= 60, "{kind:?} {jump_ms} ms: {gap}");
            assert_eq!(world.phone(CALLER).hears(500), [tone_of(AI)], "{kind:?} {jump_ms}");
            world.assert_one_stream(CALLER);
        }
    }
}

#[test]
fn an_opus_hole_is_made_up_whatever_was_left_of_the_packet_before() {
    let mut world = World::call(4, Kind::Pcma, Kind::Opus);
    let phone = world.phone_mut(AI);
    // Its period is no multiple of what the codec makes up.
    (phone.fast_ppm, phone.tone) = (3000, Tone::new(8000, &[(470.0, 8000.0)]));
    world.run(3000);
    for _ in 0..40 {
        world.run(490);
        world.phone_mut(AI).sends = false;
        world.run(20);
        world.phone_mut(AI).sends = true;
    }
    let stats = world.session.stats(AI).unwrap();
    assert!(stats.accelerated > 0 && stats.concealed > 20, "{stats:?}");
    let sound = &world.phone(CALLER).sound()[16_000..];
    let (mut longest, mut run) = (0, 0);
    for sample in sound {
        run = if sample.unsigned_abs() <= 16 { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    assert!(longest < 20, "{longest} samples of nothing");
}

/// Sends a packet of an odd kind, with a number of its own, between those of the AI's sound.
fn between(world: &mut World, payload_type: u8, payload: &[u8]) {
    let phone = world.phone_mut(AI);
    let (time, from) = (phone.time, phone.from);
    let packet = phone.wrap(payload_type, time, payload);
    world.packet_in(AI, Lane::Rtp, from, packet);
}

/// Numbers that are missing in what the caller was sent.
fn missing(world: &World) -> u32 {
    let got = &world.phone(CALLER).got;
    got.windows(2).map(|pair| u32::from(pair[1].seq().wrapping_sub(pair[0].seq())) - 1).sum()
}

#[test]
fn what_is_not_relayed_leaves_no_hole_in_the_numbers_and_what_was_lost_does() {
    for kind in [Kind::Pcmu, Kind::Opus] {
        let mut world = World::call(7, kind, kind);
        world.run(1000);
        let before = world.session.counters();
        let mut lost = 0;
        for n in 0..40 {
            let audio = world.phone(AI).payload_type();
            // Comfort noise, a keep-alive without a payload, a loss.
            match n % 4 {
                0 => between(&mut world, 13, &[60]),
                1 => between(&mut world, audio, &[]),
                2 => {
                    lost += 1;
                    let phone = world.phone_mut(AI);
                    phone.seq = phone.seq.wrapping_add(1);
                }
                _ => {}
            }
            world.run(60);
        }
        let relayed = world.session.counters().packets_relayed - before.packets_relayed;
        assert!(relayed > 200, "{kind:?}: {relayed}");
        assert_eq!(missing(&world), lost, "{kind:?}");
        world.phone(CALLER).got.windows(2).for_each(|pair| assert!(pair[1].seq() != pair[0].seq()));
    }
}

#[test]
fn keep_alives_without_a_payload_are_no_hole_in_what_is_decoded() {
    for kind in [Kind::Pcmu, Kind::Opus] {
        let mut world = World::call(8, Kind::Pcma, kind);
        world.run(2000);
        for _ in 0..100 {
            let audio = world.phone(AI).payload_type();
            between(&mut world, audio, &[]);
            world.run(60);
        }
        let stats = world.session.stats(AI).unwrap();
        let counts = (stats.concealed, stats.concealed_samples, stats.underruns, stats.lost, stats.target_ms);
        assert_eq!(counts, (0, 0, 0, 0, 20), "{kind:?} {stats:?}");
        assert_eq!(longest_gap_ms(&world.phone(CALLER).sound()[8000..]), 0);
        world.assert_one_stream(CALLER);
    }
}
