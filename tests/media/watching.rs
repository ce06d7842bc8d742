//! The watch over the sound: what is told of legs that are not heard or do not hear us, and of answers that are slow.

use baton_engine::key::LegId;
use baton_engine::media::{AlarmKind, Lane, MediaEvent, Order};

use crate::world::*;

/// When an alarm was raised or was over, in milliseconds.
fn alarms(world: &World, leg: LegId, kind: AlarmKind) -> Vec<(bool, u64)> {
    let found = world.events.iter().filter_map(|(at, event)| match event {
        MediaEvent::Alarm { leg: of, kind: what } if (*of, *what) == (leg, kind) => Some((true, *at)),
        MediaEvent::AlarmOver { leg: of, kind: what } if (*of, *what) == (leg, kind) => Some((false, *at)),
        _ => None,
    });
    found.collect()
}

fn any_alarm(world: &World) -> bool {
    world.events.iter().any(|(_, event)| matches!(event, MediaEvent::Alarm { .. }))
}

fn gaps(world: &World) -> Vec<u32> {
    let found = world.events.iter().filter_map(|(_, event)| match event {
        MediaEvent::ResponseGap { leg: AI, ms } => Some(*ms),
        _ => None,
    });
    found.collect()
}

const PAIRS: [(Kind, Kind); 4] =
    [(Kind::Opus, Kind::Pcmu), (Kind::Pcmu, Kind::Pcmu), (Kind::Pcma, Kind::Opus), (Kind::Opus, Kind::Opus)];

#[test]
fn a_stream_that_stops_is_told_within_two_seconds_and_its_return_at_once() {
    for (caller, ai) in PAIRS {
        for leg in [CALLER, AI] {
            let mut world = World::call(1, caller, ai);
            world.run(2000);
            world.phone_mut(leg).sends = false;
            let stopped = world.now_ms;
            world.run(3000);
            let told = alarms(&world, leg, AlarmKind::NoRtp);
            assert!(matches!(told[..], [(true, at)] if at <= stopped + 2040), "{caller:?} {ai:?} {told:?}");
            world.phone_mut(leg).sends = true;
            world.run(100);
            assert_eq!(alarms(&world, leg, AlarmKind::NoRtp).len(), 2);
            assert_eq!(world.events.iter().filter(|(_, e)| matches!(e, MediaEvent::Alarm { .. })).count(), 1);
        }
    }
}

#[test]
fn a_leg_on_hold_and_an_ai_whose_caller_waits_are_not_missed() {
    let mut world = World::call(2, Kind::Opus, Kind::Pcmu);
    world.run(500);
    let mut config = world.config(AI);
    config.receive = false;
    world.order(Order::Update { leg: AI, config });
    world.phone_mut(AI).sends = false;
    world.run(10_000);
    let config = world.config(AI);
    world.order(Order::Update { leg: AI, config });
    world.run(1900);
    assert!(!any_alarm(&world), "it is waited for anew");
    world.order(Order::Park { tail: Some(AI), hold: HOLD });
    world.run(10_000);
    assert!(!any_alarm(&world), "{:?}", world.events);
}

#[test]
fn a_far_end_that_holds_without_music_is_not_missed() {
    let mut world = World::call(2, Kind::Pcmu, Kind::Pcmu);
    world.run(500);
    // a=sendonly, the usual hold (RFC 3264 §8.4), of a phone that has no music for it.
    let mut config = world.config(CALLER);
    config.send = false;
    world.order(Order::Update { leg: CALLER, config });
    world.phone_mut(CALLER).sends = false;
    world.run(10_000);
    assert!(!any_alarm(&world), "{:?}", world.events);
}

#[test]
fn packets_without_a_sound_are_dead_air_once_the_other_has_spoken() {
    for (caller, ai) in PAIRS {
        let mut world = World::call(3, caller, ai);
        world.phone_mut(AI).speaks = false;
        world.phone_mut(CALLER).speaks = false;
        world.run(5000);
        assert!(!any_alarm(&world), "nobody has spoken: {:?}", world.events);
        world.phone_mut(CALLER).speaks = true;
        world.run(1000);
        world.phone_mut(CALLER).speaks = false;
        let spoken = world.now_ms;
        world.run(3000);
        let told = alarms(&world, AI, AlarmKind::NoSound);
        if (caller, ai) == (Kind::Opus, Kind::Opus) {
            assert!(told.is_empty(), "relayed Opus is not heard, and no guess is made");
            continue;
        }
        assert!(matches!(told[..], [(true, at)] if at <= spoken + 2100), "{caller:?} {ai:?} {told:?}");
        world.phone_mut(AI).speaks = true;
        world.run(1000);
        world.phone_mut(AI).speaks = false;
        assert_eq!(alarms(&world, AI, AlarmKind::NoSound).len(), 2, "{caller:?} {ai:?}");
        world.run(500);
        world.phone_mut(CALLER).speaks = true;
        world.run(1000);
        world.phone_mut(CALLER).speaks = false;
        world.run(3000);
        assert_eq!(alarms(&world, AI, AlarmKind::DeadAir).len(), 1, "it was heard before");
    }
}

#[test]
fn a_talk_in_turns_with_pauses_raises_nothing() {
    for (caller, ai) in PAIRS {
        let mut world = World::call(4, caller, ai);
        for _ in 0..10 {
            for (who, ms) in [(CALLER, 1500), (AI, 4000)] {
                for leg in [CALLER, AI] {
                    world.phone_mut(leg).speaks = leg == who;
                }
                world.run(ms);
                world.phone_mut(who).speaks = false;
                world.run(1500);
            }
        }
        assert!(!any_alarm(&world), "{caller:?} {ai:?} {:?}", world.events);
    }
}

#[test]
fn a_missed_stream_may_be_replaced_once_from_its_own_host() {
    let mut world = World::call(5, Kind::Opus, Kind::Pcmu);
    world.run(1000);
    let phone = world.phone_mut(AI);
    // The far end begins anew: another port, another stream.
    phone.from.set_port(phone.from.port() + 100);
    phone.ssrc += 1;
    let moved = world.now_ms;
    world.run(1500);
    assert!(world.session.counters().packets_rejected > 60);
    // What is sent meanwhile still goes to the old port: the phone's own view is not looked at.
    world.run(1000);
    assert!(matches!(alarms(&world, AI, AlarmKind::NoRtp)[..], [(true, at), (false, over)]
        if at <= moved + 2040 && over <= at + 120));
    world.run(500);
    assert_eq!(world.phone(CALLER).hears(200), [tone_of(AI)]);
}

#[test]
fn a_far_end_that_reports_nothing_of_us_is_told() {
    let mut world = World::call(6, Kind::Opus, Kind::Pcmu);
    world.run(3000);
    let ours = world.phone(AI).got[0].ssrc();
    let mut from = world.phone(AI).from;
    from.set_port(from.port() + 1);
    let report = |world: &mut World, highest: u32| {
        let mut packet = vec![0x81, 201, 0, 7];
        for field in [7, ours, 255 << 24, highest, 80, 0, 0] {
            packet.extend(u32::to_be_bytes(field));
        }
        world.packet_in(AI, Lane::Rtcp, from, packet);
        world.run(5000);
    };
    report(&mut world, 40_000);
    report(&mut world, 40_250);
    assert!(!any_alarm(&world));
    report(&mut world, 40_250);
    assert_eq!(alarms(&world, AI, AlarmKind::NotReceived).len(), 1);
    report(&mut world, 40_600);
    assert_eq!(alarms(&world, AI, AlarmKind::NotReceived).len(), 2, "and that it is over");
}

/// The caller speaks for a second; after `wait` milliseconds the AI does. What lay between the sounds on the wire.
fn turn(world: &mut World, wait: u64) -> u64 {
    world.phone_mut(AI).speaks = false;
    world.phone_mut(CALLER).speaks = true;
    world.run(1000);
    world.phone_mut(CALLER).speaks = false;
    let stopped = world.now_ms;
    world.run(wait);
    world.phone_mut(AI).speaks = true;
    let began = world.now_ms;
    world.run(1000);
    world.phone_mut(AI).speaks = false;
    world.run(1000);
    // The last packet with sound was sent at the caller's last instant, and sounds for 20 ms; see `phones_speak`.
    let end = stopped / 20 * 20 + 20;
    let first = (began + 1..).find(|at| (at + 7).is_multiple_of(20)).unwrap();
    first - end
}

#[test]
fn an_answers_delay_is_told_to_twenty_milliseconds() {
    for (caller, ai) in [(Kind::Opus, Kind::Pcmu), (Kind::Pcmu, Kind::Pcmu), (Kind::Pcma, Kind::Opus)] {
        let mut world = World::call(7, caller, ai);
        world.phone_mut(AI).speaks = false;
        world.run(1000);
        let waits = [150, 250, 333, 700, 1234, 1800];
        let real: Vec<u64> = waits.map(|wait| turn(&mut world, wait)).to_vec();
        let told = gaps(&world);
        assert_eq!(told.len(), real.len(), "{caller:?} {ai:?} {told:?}");
        for (told, real) in told.iter().zip(&real) {
            assert!(u64::from(*told).abs_diff(*real) <= 20, "{caller:?} {ai:?}: {told} for {real}");
        }
    }
}

#[test]
fn speaking_at_the_same_time_is_no_answer() {
    let mut world = World::call(8, Kind::Opus, Kind::Pcmu);
    world.phone_mut(CALLER).speaks = false;
    world.run(2000);
    // The caller interrupts the AI, which stops and begins again later.
    world.phone_mut(CALLER).speaks = true;
    world.run(400);
    world.phone_mut(AI).speaks = false;
    world.run(800);
    world.phone_mut(CALLER).speaks = false;
    world.run(900);
    world.phone_mut(AI).speaks = true;
    world.run(1000);
    assert!(gaps(&world).is_empty(), "{:?}", gaps(&world));
}

#[test]
fn a_keep_alive_amid_a_pause_is_no_stream_that_stops() {
    for caller in [Kind::Pcmu, Kind::Opus] {
        let mut world = World::call(30, caller, Kind::Pcmu);
        world.run(2000);
        world.phone_mut(AI).sends = false;
        for payload in [&[60][..], &[]] {
            let phone = world.phone_mut(AI);
            let (number, time, from) = (if payload.is_empty() { 0 } else { 13 }, phone.time, phone.from);
            let packet = phone.wrap(number, time, payload);
            world.packet_in(AI, Lane::Rtp, from, packet);
            world.run(3000);
        }
        assert!(!any_alarm(&world), "{caller:?} {:?}", alarms(&world, AI, AlarmKind::NoRtp));
    }
}
