//! Legs with SRTP: sound both ways, one context through everything that happens to a call, and nothing accepted or sent
//! in the clear. The phones use the library plainly; [`World`] fails on a packet that they cannot open.

use std::net::SocketAddr;

use baton_engine::key::LegId;
use baton_engine::media::{Dtmf, Lane, MediaEvent, Order, Suite};

use crate::world::*;

const SUITES: [Suite; 4] =
    [Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32, Suite::AeadAes128Gcm, Suite::AeadAes256Gcm];

/// A phone and its open leg, secured by `suite` if there is one.
fn open(world: &mut World, leg: LegId, kind: Kind, suite: Option<Suite>) {
    world.add(leg, kind, 20);
    if let Some(suite) = suite {
        world.phone_mut(leg).secure(suite, 1 + leg.0 as u8, 101 + leg.0 as u8);
    }
    let config = world.config(leg);
    world.order(Order::Open { leg, config });
}

fn call(seed: u64, caller: (Kind, Option<Suite>), ai: (Kind, Option<Suite>)) -> World {
    let mut world = World::new(seed);
    open(&mut world, CALLER, caller.0, caller.1);
    open(&mut world, AI, ai.0, ai.1);
    world.order(Order::Bridge { with: AI });
    world
}

fn faults(world: &World) -> [u64; 5] {
    world.session.counters().srtp_faults
}

fn assert_talk(world: &World, a: LegId, b: LegId) {
    assert_eq!(world.phone(a).hears(300), [tone_of(b)]);
    assert_eq!(world.phone(b).hears(300), [tone_of(a)]);
}

#[test]
fn sound_goes_both_ways_with_srtp_on_either_leg_relayed_or_transcoded() {
    for suite in SUITES {
        for (caller, ai) in [(Some(suite), None), (None, Some(suite)), (Some(suite), Some(suite))] {
            for kinds in [(Kind::Opus, Kind::Pcmu), (Kind::Pcma, Kind::Pcma)] {
                let mut world = call(1, (kinds.0, caller), (kinds.1, ai));
                world.run(2000);
                assert_talk(&world, CALLER, AI);
                world.order(Order::Dtmf { leg: AI, digit: Dtmf(5) });
                world.run(6000);
                assert_talk(&world, CALLER, AI);
                assert!(!world.phone(CALLER).reports.is_empty() && !world.phone(AI).reports.is_empty());
                world.assert_one_stream(CALLER);
                world.order(Order::End);
                let bye = |leg| world.phone(leg).reports.last().unwrap().bytes.clone();
                assert!(bye(CALLER).windows(2).any(|pair| pair == [0x81, 203]), "RTCP BYE");
                assert_eq!(faults(&world), [0; 5], "{suite:?}");
            }
        }
    }
}

#[test]
fn a_call_goes_from_a_plain_ai_to_a_secured_person_and_back() {
    let suite = Some(Suite::AesCm128HmacSha1_80);
    for caller in [None, suite] {
        let mut world = call(2, (Kind::Pcmu, caller), (Kind::Pcmu, None));
        world.run(1000);
        assert_talk(&world, CALLER, AI);
        world.order(Order::Park { tail: Some(AI), hold: HOLD });
        world.phone_mut(AI).speaks = false;
        world.run(2000);
        assert_eq!(world.phone(CALLER).hears(300), [HOLD_HZ]);
        open(&mut world, AGENT, Kind::Opus, suite);
        world.order(Order::Join { agent: AGENT, tail_ms: 500 });
        world.run(2000);
        assert_talk(&world, CALLER, AGENT);
        world.order(Order::Close { leg: AGENT });
        world.phone_mut(AI).speaks = true;
        world.order(Order::Bridge { with: AI });
        world.run(2000);
        assert_talk(&world, CALLER, AI);
        world.assert_one_stream(CALLER);
        assert_eq!(faults(&world), [0; 5]);
    }
}

#[test]
fn hold_and_resume_keep_the_counters_of_both_ways_over_the_wrap() {
    for suite in SUITES {
        let mut world = call(3, (Kind::Pcmu, Some(suite)), (Kind::Pcmu, Some(suite)));
        // The phones begin 36 packets before their wrap.
        world.run(1000);
        assert!(world.phone(CALLER).seq < 1000, "it has wrapped");
        for _ in 0..3 {
            let mut held = world.config(CALLER);
            (held.send, held.receive) = (false, false);
            world.order(Order::Update { leg: CALLER, config: held });
            world.phone_mut(CALLER).sends = false;
            world.run(3000);
            world.phone_mut(CALLER).sends = true;
            let config = world.config(CALLER);
            world.order(Order::Update { leg: CALLER, config });
            world.run(1000);
            assert_talk(&world, CALLER, AI);
        }
        assert_eq!(faults(&world), [0; 5], "{suite:?}");
    }
}

#[test]
fn our_stream_keeps_its_counter_over_its_wrap_whether_relayed_or_made() {
    let suite = Some(Suite::AesCm128HmacSha1_80);
    let mut world = call(4, (Kind::Pcmu, suite), (Kind::Pcmu, None));
    let mut wraps = 0;
    let mut last = None;
    // 65 536 packets are 22 minutes: relayed, held and relayed again in turn, until the wrap is well behind.
    for turn in 0..60 {
        let order = match turn % 2 {
            0 => Order::Bridge { with: AI },
            _ => Order::Park { tail: Some(AI), hold: HOLD },
        };
        world.order(order);
        world.run(25_000);
        for got in std::mem::take(&mut world.phone_mut(CALLER).got) {
            if let Some(last) = last.replace(got.seq()) {
                assert_eq!(got.seq(), last.wrapping_add(1));
                wraps += u32::from(got.seq() == 0);
            }
        }
        world.phone_mut(AI).got.clear();
    }
    assert_eq!(wraps, 1);
    world.order(Order::Bridge { with: AI });
    world.run(2000);
    assert_talk(&world, CALLER, AI);
    let relayed = world.session.counters().packets_relayed;
    assert!(relayed > 30_000, "{relayed}");
    assert_eq!(faults(&world), [0; 5]);
}

#[test]
fn the_far_stream_may_change_its_ssrc_and_come_back() {
    let suite = Some(Suite::AeadAes128Gcm);
    let mut world = call(5, (Kind::Pcmu, suite), (Kind::Opus, None));
    world.run(1000);
    let (first, seq) = (world.phone(CALLER).ssrc, world.phone(CALLER).seq);
    // Another source of the same phone, near its own wrap, and then the first one again, a cycle on.
    let phone = world.phone_mut(CALLER);
    (phone.ssrc, phone.seq) = (0x9999, 65_520);
    world.run(1500);
    assert_talk(&world, CALLER, AI);
    let phone = world.phone_mut(CALLER);
    (phone.ssrc, phone.seq) = (first, seq);
    world.run(1500);
    assert_talk(&world, CALLER, AI);
    assert_eq!(faults(&world), [0; 5]);
}

#[test]
fn a_new_key_of_the_far_end_is_taken_and_what_it_sent_before_is_still_heard() {
    let suite = Suite::AesCm128HmacSha1_80;
    let mut world = call(6, (Kind::Pcmu, Some(suite)), (Kind::Pcmu, None));
    world.run(1000);
    world.phone_mut(CALLER).secure(suite, 1, 77);
    let config = world.config(CALLER);
    world.order(Order::Update { leg: CALLER, config });
    world.run(2000);
    assert_talk(&world, CALLER, AI);
    assert_eq!(faults(&world), [0; 5], "also what was on its way");
    assert_eq!(world.session.stats(CALLER).unwrap().lost, 0);
    // Both keys and the suite: all begins anew.
    world.phone_mut(CALLER).secure(Suite::AeadAes256Gcm, 5, 78);
    let config = world.config(CALLER);
    world.order(Order::Update { leg: CALLER, config });
    world.run(2000);
    assert_talk(&world, CALLER, AI);
    world.assert_one_stream(CALLER);
}

#[test]
fn forged_and_replayed_packets_are_counted_and_move_nothing() {
    let suite = Suite::AesCm128HmacSha1_80;
    let mut world = call(7, (Kind::Pcmu, Some(suite)), (Kind::Pcmu, None));
    world.run(1000);
    let before = world.session.stats(CALLER).unwrap();
    let (intruder, home) = (SocketAddr::from(([127, 0, 0, 66], 6666)), world.phone(CALLER).from);
    // Plain packets of the very stream, from its own address and from elsewhere; RTCP too.
    for n in 0..50u16 {
        let phone = world.phone_mut(CALLER);
        let (seq, time) = (phone.seq.wrapping_add(n + 1), phone.time);
        let mut forged = vec![0x80, 0];
        forged.extend(seq.to_be_bytes());
        forged.extend(time.to_be_bytes());
        forged.extend(phone.ssrc.to_be_bytes());
        forged.extend([0x10; 160]);
        for from in [home, intruder] {
            world.packet_in(CALLER, Lane::Rtp, from, forged.clone());
        }
        let mut bye = vec![0x80, 201, 0, 1, 0, 0, 0x10, 0, 0x81, 203, 0, 1, 0, 0, 0x10, 0];
        bye.extend([0; 14]);
        world.packet_in(CALLER, Lane::Rtcp, home, bye);
    }
    // A genuine packet again and again, from home and from elsewhere.
    let phone = world.phone_mut(CALLER);
    let packet = phone.packet();
    let sealed = phone.sealed(packet);
    world.packet_in(CALLER, Lane::Rtp, home, sealed.clone());
    for from in [home, intruder, intruder, intruder, intruder, intruder] {
        world.packet_in(CALLER, Lane::Rtp, from, sealed.clone());
    }
    assert_eq!(faults(&world)[1..3], [150, 6], "{:?}", faults(&world));
    let after = world.session.stats(CALLER).unwrap();
    assert_eq!((after.received, after.remote), (before.received + 1, before.remote));
    world.run(1000);
    assert_talk(&world, CALLER, AI);
}

#[test]
fn a_leg_whose_packets_are_all_plain_counts_as_silent_and_no_plain_packet_leaves_it() {
    let suite = Suite::AesCm128HmacSha1_80;
    let mut world = call(8, (Kind::Pcmu, Some(suite)), (Kind::Pcmu, None));
    world.run(500);
    // An order without keys does not take those away that there are: the phone still opens all that comes.
    let mut config = world.config(CALLER);
    config.srtp = None;
    world.order(Order::Update { leg: CALLER, config });
    world.run(1000);
    assert_talk(&world, CALLER, AI);
    // From now on the phone speaks plainly.
    world.phone_mut(CALLER).ways = None;
    world.phone_mut(CALLER).sends = false;
    let home = world.phone(CALLER).from;
    for _ in 0..1600 {
        let packet = world.phone_mut(CALLER).packet();
        world.packet_in(CALLER, Lane::Rtp, home, packet);
        world.run(20);
    }
    assert!(world.happened(MediaEvent::Silent { leg: CALLER }));
    assert_eq!(faults(&world)[1], 1600);
}

#[test]
fn packets_that_overtake_the_answer_are_opened_once_there_are_keys() {
    let suite = Suite::AesCm128HmacSha1_80;
    let mut world = World::new(9);
    open(&mut world, CALLER, Kind::Pcmu, None);
    world.add(AI, Kind::Pcmu, 20);
    world.phone_mut(AI).secure(suite, 3, 4);
    let config = world.config(AI);
    world.run(300);
    world.order(Order::Open { leg: AI, config });
    world.order(Order::Bridge { with: AI });
    world.run(300);
    assert_eq!(faults(&world), [0; 5]);
    assert!(world.session.stats(AI).unwrap().received > 25);
}
