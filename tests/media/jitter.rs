//! Loss, jitter, reordering: the delay adapts, what is lost is concealed, nothing is played twice.

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
            assert!((stats.lost..stats.lost + 40).contains(&stats.concealed), "{stats:?}");
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
