//! A leg whose codec or packet length changes in the middle of a call: the same stream goes on in other payloads.

use baton_engine::media::Order;

use crate::world::*;

#[test]
fn a_leg_that_changes_its_codec_goes_on_as_the_same_stream_and_hears_and_is_heard() {
    for (caller, ai, changes, to) in [
        (Kind::Pcmu, Kind::Pcmu, CALLER, Kind::Opus),
        (Kind::Opus, Kind::Opus, CALLER, Kind::Pcma),
        (Kind::Opus, Kind::Pcmu, AI, Kind::Opus),
        (Kind::Opus, Kind::Pcmu, CALLER, Kind::Pcmu),
        (Kind::Pcma, Kind::Pcmu, AI, Kind::Pcma),
    ] {
        let case = format!("{caller:?} {ai:?}, {changes:?} to {to:?}");
        let mut world = World::call(1, caller, ai);
        world.run(3000);
        let stats = world.session.stats(changes).unwrap();
        let before = world.change(changes, to, 20);
        let last = before.last().unwrap();
        world.run(2000);
        let phone = world.phone(changes);
        let first = &phone.got[0];
        assert_eq!((first.ssrc(), first.seq()), (last.ssrc(), last.seq().wrapping_add(1)), "{case}");
        let step = first.time().wrapping_sub(last.time());
        assert!((1..48_000).contains(&step), "{case}: the timestamp moves by {step}");
        assert!(phone.got.iter().all(|got| got.payload_type() == phone.payload_type()), "{case}");
        world.assert_one_stream(changes);
        let other = if changes == CALLER { AI } else { CALLER };
        world.assert_one_stream(other);
        assert_eq!(world.phone(changes).hears(500), [tone_of(other)], "{case}");
        assert_eq!(world.phone(other).hears(500), [tone_of(changes)], "{case}");
        let after = world.session.stats(changes).unwrap();
        assert!(after.received >= stats.received + 90, "{case}: {} {}", stats.received, after.received);
        assert_eq!((after.lost, after.duplicate, after.reordered), (0, 0, 0), "{case}");
        let relayed = world.session.counters().packets_relayed;
        world.run(1000);
        let like = world.phone(CALLER).kind == world.phone(AI).kind;
        assert_eq!(world.session.counters().packets_relayed > relayed, like, "{case}");
    }
}

#[test]
fn a_leg_that_goes_in_a_tick_leaves_the_pace_of_ticks_to_the_next_order() {
    let mut world = World::new(2);
    world.open(CALLER, Kind::Pcmu, 20);
    world.open(AI, Kind::Pcmu, 30);
    world.order(Order::Bridge { with: AI });
    world.run(1000);
    world.order(Order::Park { tail: Some(AI), hold: HOLD });
    world.order(Order::Close { leg: AI });
    assert_eq!(world.session.tick_ms(), 10);
    world.run(2000);
    // Its owner asks after orders: it still ticks every 10 ms, and must not be given 20 ms of sound each time.
    assert!(world.session.stats(AI).is_none());
    assert_eq!(world.session.tick_ms(), 10);
    let got = &world.phone(CALLER).got;
    assert!(got.len().abs_diff(150) <= 4, "{}", got.len());
    world.order(Order::Announce { prompt: NOTICE });
    assert_eq!(world.session.tick_ms(), 20);
}

#[test]
fn packet_lengths_change_both_ways_without_a_break_of_the_stream() {
    let mut world = World::call(3, Kind::Pcmu, Kind::Pcmu);
    for (n, ptime) in [30, 20, 60, 10, 20].into_iter().enumerate() {
        world.run(1000);
        let before = world.change(AI, Kind::Pcmu, ptime);
        world.run(1000);
        let first = &world.phone(AI).got[0];
        assert_eq!(first.seq(), before.last().unwrap().seq().wrapping_add(1), "{n}");
        world.assert_one_stream(AI);
        assert_eq!(world.phone(AI).hears(300), [tone_of(CALLER)], "{ptime}");
        assert_eq!(world.phone(CALLER).hears(300), [tone_of(AI)], "{ptime}");
    }
}
