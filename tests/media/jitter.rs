//! Loss, jitter, reordering: the delay adapts, what is lost is concealed, nothing is played twice.

use baton_codecs::Rate;
use baton_codecs::opus::{OpusEncoder, Settings};
use baton_codecs::tone::Tone;

use crate::world::*;

#[test]
fn the_delay_grows_with_jitter_and_shrinks_in_silence_when_it_is_over() {
    let mut world = World::call(1, Kind::Opus, Kind::Pcmu);
    world.run(2000);
    let calm = world.session.stats(AI).unwrap();
    assert_eq!(calm.target_ms, 20);
    world.phone_mut(AI).jitter_ms = 60;
    world.run(10_000);
    let rough = world.session.stats(AI).unwrap();
    assert!((50..=80).contains(&rough.target_ms), "{}", rough.target_ms);
    assert!(rough.reordered > 10, "jitter beyond the spacing reorders");
    let concealed = rough.concealed;
    world.run(5000);
    let later = world.session.stats(AI).unwrap();
    assert!(later.concealed - concealed <= 25, "{}", later.concealed - concealed);
    world.phone_mut(AI).jitter_ms = 0;
    world.phone_mut(AI).speaks = false;
    world.run(20_000);
    assert!(world.session.stats(AI).unwrap().target_ms <= 25);
}

#[test]
fn five_in_a_hundred_lost_are_concealed_and_counted() {
    for (caller, ai) in [(Kind::Opus, Kind::Pcmu), (Kind::Pcmu, Kind::Opus)] {
        let mut world = World::call(2, caller, ai);
        world.phone_mut(AI).loss_percent = 5;
        world.phone_mut(CALLER).loss_percent = 5;
        world.run(20_000);
        for (leg, other) in [(AI, CALLER), (CALLER, AI)] {
            let stats = world.session.stats(leg).unwrap();
            assert!((25..=80).contains(&stats.lost), "{stats:?}");
            assert!((stats.lost - 1..stats.lost + 3).contains(&stats.concealed), "{stats:?}");
            let gap = longest_gap_ms(&world.phone(other).sound()[8000..]);
            assert!(gap <= 80, "{gap}");
            world.assert_one_stream(other);
        }
    }
}

#[test]
fn a_duplicated_stream_is_played_once() {
    let mut world = World::call(3, Kind::Opus, Kind::Pcmu);
    world.run(500);
    for _ in 0..50 {
        let phone = world.phone_mut(AI);
        let (from, packet) = (phone.from, phone.packet());
        world.packet_in(AI, baton_engine::media::Lane::Rtp, from, packet.clone());
        world.packet_in(AI, baton_engine::media::Lane::Rtp, from, packet);
    }
    assert_eq!(world.session.stats(AI).unwrap().duplicate, 50);
}

#[test]
fn a_sender_that_begins_anew_is_heard_again() {
    let mut world = World::call(4, Kind::Opus, Kind::Pcmu);
    world.run(1000);
    let phone = world.phone_mut(AI);
    (phone.ssrc, phone.seq, phone.time) = (77, 20_000, 5);
    world.run(500);
    assert_eq!(world.phone(CALLER).hears(300), [tone_of(AI)]);
    let phone = world.phone_mut(AI);
    (phone.seq, phone.time) = (50_000, 900_000_000);
    world.run(500);
    assert_eq!(world.phone(CALLER).hears(300), [tone_of(AI)]);
    world.assert_one_stream(CALLER);
}

#[test]
fn what_opus_carries_twice_is_restored_and_not_made_up() {
    let mut world = World::call(5, Kind::Pcma, Kind::Opus);
    let settings = Settings { fec: true, loss_percent: 10, ..Settings::speech(Rate::Hz8000) };
    let phone = world.phone_mut(AI);
    phone.encoder = Box::new(OpusEncoder::new(settings).unwrap());
    // Four syllables a second: a steady tone is no speech to the encoder, and not worth a copy.
    phone.tone = Tone::new(8000, &[(200.0, 4000.0), (204.0, 4000.0), (400.0, 4000.0), (404.0, 4000.0)]);
    world.run(5000);
    world.phone_mut(AI).loss_percent = 5;
    world.run(60_000);
    let stats = world.session.stats(AI).unwrap();
    assert_eq!(stats.target_ms, 25, "the packet behind a hole is waited for");
    // Of two in a row only the second has its copy behind it, and where the voice is low there is none.
    assert!(stats.lost > 100 && stats.recovered >= stats.lost * 3 / 4, "{stats:?}");
    assert!((stats.lost - 1..stats.lost + 3).contains(&(stats.recovered + stats.concealed)), "{stats:?}");
    assert_eq!(stats.underruns, 0);
}

#[test]
fn bursts_and_jumps_of_the_numbers_are_bridged_or_skipped() {
    for (lost, kind) in
        [(3, Kind::Pcmu), (3, Kind::Opus), (8, Kind::Pcmu), (40, Kind::Opus), (200, Kind::Pcmu)]
    {
        let mut world = World::call(6, Kind::Pcma, kind);
        for _ in 0..5 {
            world.run(2000);
            world.phone_mut(AI).sends = false;
            world.run(lost * 20);
            world.phone_mut(AI).sends = true;
        }
        world.run(2000);
        assert_eq!(world.phone(CALLER).hears(1800), [tone_of(AI)], "{lost} {kind:?}");
        let stats = world.session.stats(AI).unwrap();
        assert_eq!((stats.underruns, stats.late), (0, 0), "{lost} {kind:?} {stats:?}");
        world.assert_one_stream(CALLER);
    }
}
