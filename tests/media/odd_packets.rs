//! Packets that are no plain sound of the agreed number, and addresses other than plain IPv4 pairs.

use std::net::SocketAddr;

use baton_engine::media::{Lane, MediaEvent, Order};

use crate::world::*;

/// Both ways between like phones, nothing but relayed packets once it runs.
fn relayed(world: &World) -> (u64, u64) {
    let counters = world.session.counters();
    (counters.packets_sent - counters.packets_relayed, counters.packets_malformed)
}

#[test]
fn an_answer_that_renumbers_a_codec_is_sent_its_number_and_may_use_ours() {
    let mut world = World::new(1);
    world.open(CALLER, Kind::Opus, 20);
    world.add(AI, Kind::Opus, 20);
    let mut config = world.config(AI);
    // We offered 112, the answer says 96, and its sender keeps to our number.
    (config.payload.number, config.payload.announced) = (96, 112);
    world.order(Order::Open { leg: AI, config });
    world.order(Order::Bridge { with: AI });
    world.run(1000);
    assert_eq!(world.session.counters().packets_malformed, 0);
    assert_eq!(world.phone(CALLER).hears(300), [tone_of(AI)]);
    assert!(world.phone(AI).got.iter().all(|got| got.payload_type() == 96));
}

#[test]
fn g711_under_a_dynamic_number_is_also_taken_under_its_own() {
    let mut world = World::new(2);
    world.open(CALLER, Kind::Pcmu, 20);
    world.add(AI, Kind::Pcma, 20);
    let mut config = world.config(AI);
    (config.payload.number, config.payload.announced) = (97, 97);
    world.order(Order::Open { leg: AI, config });
    world.order(Order::Bridge { with: AI });
    world.run(1000);
    assert_eq!(world.session.counters().packets_malformed, 0);
    assert_eq!(world.phone(CALLER).hears(300), [tone_of(AI)]);
}

#[test]
fn comfort_noise_and_empty_packets_keep_a_leg_alive_and_are_no_sound_and_no_fault() {
    let mut world = World::call(3, Kind::Pcmu, Kind::Pcmu);
    world.run(1000);
    world.phone_mut(AI).sends = false;
    for _ in 0..40 {
        world.run(1000);
        let phone = world.phone_mut(AI);
        let (from, time) = (phone.from, phone.time);
        let packets = [phone.wrap(13, time, &[40]), phone.wrap(0, time, &[])];
        for packet in packets {
            world.packet_in(AI, Lane::Rtp, from, packet);
        }
    }
    assert!(!world.happened(MediaEvent::Silent { leg: AI }));
    assert_eq!(world.session.counters().packets_malformed, 0);
    assert!(world.phone(CALLER).got.iter().all(|got| got.payload().len() == 160));
    world.phone_mut(AI).sends = true;
    world.run(500);
    assert_eq!(world.phone(CALLER).hears(300), [tone_of(AI)]);
}

#[test]
fn an_empty_packet_between_relayed_ones_does_not_break_the_relay() {
    let mut world = World::call(4, Kind::Opus, Kind::Opus);
    world.run(1000);
    let before = relayed(&world);
    for _ in 0..20 {
        world.run(97);
        let phone = world.phone_mut(AI);
        let (from, time) = (phone.from, phone.time);
        let packet = phone.wrap(phone.payload_type(), time, &[]);
        world.packet_in(AI, Lane::Rtp, from, packet);
    }
    assert_eq!(relayed(&world), before, "nothing of our own was put between");
    assert_eq!(world.phone(CALLER).hears(300), [tone_of(AI)]);
}

#[test]
fn long_packets_with_a_little_jitter_are_relayed_without_a_word_of_ours_between() {
    for ptime in [20, 40, 60] {
        let mut world = World::new(5);
        world.open(CALLER, Kind::Pcmu, ptime);
        world.open(AI, Kind::Pcmu, ptime);
        world.order(Order::Bridge { with: AI });
        for leg in [CALLER, AI] {
            world.phone_mut(leg).jitter_ms = 15;
        }
        world.run(2000);
        let before = relayed(&world);
        let marked = [CALLER, AI].map(|leg| world.phone(leg).got.len());
        world.run(5000);
        assert_eq!(relayed(&world), before, "{ptime} ms");
        for (leg, marked) in [CALLER, AI].into_iter().zip(marked) {
            assert!(!world.phone(leg).got[marked..].iter().any(Got::marker), "{ptime} ms to {leg:?}");
            world.assert_one_stream(leg);
        }
    }
}

#[test]
fn a_payload_longer_than_any_packet_is_dropped_and_harms_no_other() {
    let mut world = World::call(6, Kind::Opus, Kind::Pcmu);
    world.run(1000);
    let concealed = world.session.stats(AI).unwrap().concealed;
    for length in [1440, 1472, 4000, 60_000] {
        world.run(200);
        let phone = world.phone_mut(AI);
        let (from, time) = (phone.from, phone.time);
        let packet = phone.wrap(0, time, &vec![0xff; length]);
        world.packet_in(AI, Lane::Rtp, from, packet);
    }
    world.run(1000);
    assert!(world.session.stats(AI).unwrap().concealed - concealed <= 60);
    assert_eq!(world.phone(CALLER).hears(300), [tone_of(AI)]);
    world.assert_one_stream(CALLER);
}

#[test]
fn over_ipv6_with_rtcp_on_the_same_port_sound_reports_and_round_trips_flow() {
    let mut world = World::new(7);
    for (leg, kind) in [(CALLER, Kind::Opus), (AI, Kind::Pcmu)] {
        world.add(leg, kind, 20);
        world.phone_mut(leg).from = SocketAddr::new("::1".parse().unwrap(), 4000 + leg.0 * 2);
        let mut config = world.config(leg);
        config.rtcp_mux = true;
        world.order(Order::Open { leg, config });
    }
    world.order(Order::Bridge { with: AI });
    world.run(8000);
    assert_eq!(world.phone(CALLER).hears(300), [tone_of(AI)]);
    assert_eq!(world.phone(AI).hears(300), [tone_of(CALLER)]);
    let report = world.phone(AI).reports.last().expect("a report came to the RTP port").clone();
    let ours = world.phone(AI).got[0].ssrc();
    let word = |at: usize| u32::from_be_bytes(report.bytes[at..at + 4].try_into().unwrap());
    let (mid, held) = (word(8) << 16 | word(12) >> 16, world.now_ms - report.at.as_micros() / 1000);
    let mut answer = vec![0x81, 201, 0, 7];
    for field in [7, ours, 0, 0, 0, mid, (held * 65_536 / 1000) as u32] {
        answer.extend(u32::to_be_bytes(field));
    }
    let from = world.phone(AI).from;
    world.packet_in(AI, Lane::Rtp, from, answer);
    assert!(world.session.stats(AI).unwrap().round_trip_ms.unwrap() < 1.0);
    assert_eq!(world.session.counters().packets_malformed, 0);
}

#[test]
fn a_stream_of_ours_that_is_reflected_is_heard_like_any_other() {
    let mut world = World::call(8, Kind::Opus, Kind::Pcmu);
    world.run(200);
    let ours = world.phone(AI).got[0].ssrc();
    world.phone_mut(AI).ssrc = ours;
    world.run(1000);
    assert_eq!(world.phone(CALLER).hears(300), [tone_of(AI)]);
    world.assert_one_stream(CALLER);
}
