//! What is relayed, and what is decoded although the codecs are the same.

use baton_engine::media::{LegConfig, Order, Repair};

use crate::world::*;

/// A call whose AI leg has this config; runs a second.
fn call(kind: Kind, ptime: [u64; 2], change: impl Fn(&mut LegConfig)) -> World {
    let mut world = World::new(3);
    for (leg, ptime) in [(CALLER, ptime[0]), (AI, ptime[1])] {
        world.add(leg, kind, ptime);
        let mut config = world.config(leg);
        if leg == AI {
            change(&mut config);
        }
        world.order(Order::Open { leg, config });
    }
    world.order(Order::Bridge { with: AI });
    world.run(1000);
    assert_eq!(
        (world.phone(CALLER).hears(300), world.phone(AI).hears(300)),
        (vec![tone_of(AI)], vec![tone_of(CALLER)])
    );
    world
}

/// Packets relayed in so many milliseconds.
fn relayed(world: &mut World, ms: u64) -> u64 {
    let before = world.session.counters().packets_relayed;
    world.run(ms);
    world.session.counters().packets_relayed - before
}

#[test]
fn a_peer_that_wants_repair_always_is_never_relayed_and_hears_relayed_packets() {
    for (repair, least, most) in [(Repair::Always, 45, 55), (Repair::Never, 95, 105), (Repair::Auto, 95, 105)]
    {
        let mut world = call(Kind::Pcmu, [20, 20], |config| config.repair = repair);
        let relayed = relayed(&mut world, 1000);
        assert!((least..=most).contains(&relayed), "{repair:?}: {relayed}");
    }
}

#[test]
fn a_g711_leg_that_loses_over_one_percent_is_repaired_until_it_is_clean() {
    for (kind, repair, repaired) in [
        (Kind::Pcmu, Repair::Auto, true),
        (Kind::Pcmu, Repair::Never, false),
        (Kind::Opus, Repair::Auto, false),
    ] {
        let mut world = call(kind, [20, 20], |config| config.repair = repair);
        world.phone_mut(AI).loss_percent = 5;
        world.run(10_000);
        let concealed = world.session.stats(AI).unwrap().concealed;
        world.phone_mut(CALLER).got.clear();
        let lossy = relayed(&mut world, 2000);
        // The caller's packets go on being relayed: 100 of them.
        assert_eq!(lossy < 110, repaired, "{kind:?} {repair:?}: {lossy}");
        assert_eq!(world.session.stats(AI).unwrap().concealed > concealed, repaired);
        if repaired {
            world.assert_one_stream(CALLER);
        }
        world.phone_mut(AI).loss_percent = 0;
        world.run(30_000);
        assert!(relayed(&mut world, 1000) > 95, "{kind:?} {repair:?}");
        assert_eq!(world.phone(CALLER).hears(300), [tone_of(AI)]);
    }
}

#[test]
fn packets_longer_than_the_receiver_takes_are_not_relayed() {
    let mut short = call(Kind::Opus, [60, 20], |config| config.limits.ptime_ms_max = 40);
    assert!((45..=55).contains(&relayed(&mut short, 1000)), "20 ms to the caller alone");
    assert!(short.phone(AI).got.iter().all(|got| got.payload().len() < 200));
    let mut long = call(Kind::Opus, [60, 20], |_| {});
    assert!((62..=70).contains(&relayed(&mut long, 1000)), "17 of 60 ms, 50 of 20");
    // G.711 keeps the receiver's packet length to the millisecond.
    let mut g711 = call(Kind::Pcmu, [30, 20], |_| {});
    assert_eq!(relayed(&mut g711, 1000), 0);
}

#[test]
fn two_channels_go_only_to_who_wants_them() {
    for stereo in [false, true] {
        let mut world = call(Kind::Opus, [20, 20], |config| config.limits.stereo = stereo);
        world.phone_mut(CALLER).sends = false;
        world.run(100);
        let (from, before) = (world.phone(CALLER).from, world.session.counters().packets_relayed);
        for _ in 0..10 {
            let phone = world.phone_mut(CALLER);
            // 20 ms of stereo silence: configuration 9, stereo bit, code 0.
            let (kind, time) = (phone.payload_type(), phone.time);
            let packet = phone.wrap(kind, time, &[9 << 3 | 4, 0, 0, 0]);
            world.packet_in(CALLER, baton_engine::media::Lane::Rtp, from, packet);
            world.run(20);
        }
        // Ten of the AI's own.
        let relayed = world.session.counters().packets_relayed - before;
        assert_eq!(relayed > 15, stereo, "{relayed}");
    }
}
