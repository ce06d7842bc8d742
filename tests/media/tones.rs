//! Digits as tones: heard where a leg has no telephone-event, made where one has none, and the digit that is withheld.

use baton_codecs::dtmf::{Detector, tone_of as key_tone};
use baton_codecs::tone::amplitude;
use baton_engine::key::LegId;
use baton_engine::media::{Digits, Dtmf, MediaEvent, Order};

use crate::world::*;

/// A call in which `leg` has no telephone-event and sends and takes digits as tones.
fn call(leg: LegId, caller: Kind, ai: Kind) -> World {
    let mut world = World::new(1);
    for (id, kind) in [(CALLER, caller), (AI, ai)] {
        world.add(id, kind, 20);
        let mut config = world.config(id);
        if id == leg {
            (config.telephone_event, config.digits) = (None, Digits::Tones);
        }
        world.order(Order::Open { leg: id, config });
    }
    world.order(Order::Bridge { with: AI });
    world.run(500);
    world
}

/// Sounds a key for so long, then the phone's own tone again.
fn sound_key(world: &mut World, leg: LegId, key: u8, ms: u64) {
    let own = std::mem::replace(&mut world.phone_mut(leg).tone, key_tone(key));
    world.run(ms);
    world.phone_mut(leg).tone = own;
    world.run(400);
}

fn digits(world: &World, leg: LegId) -> Vec<Dtmf> {
    let of = |(_, event): &(u64, MediaEvent)| match event {
        MediaEvent::Digit { leg: from, digit } if *from == leg => Some(*digit),
        _ => None,
    };
    world.events.iter().filter_map(of).collect()
}

/// The keys in a sound.
fn keys(sound: &[i16]) -> Vec<Dtmf> {
    let mut detector = Detector::new();
    sound.chunks(160).filter_map(|frame| detector.told(frame).began).map(Dtmf).collect()
}

#[test]
fn a_tone_is_told_once_becomes_events_and_leaves_the_sound() {
    for (caller, ai) in [(Kind::Pcmu, Kind::Pcmu), (Kind::Pcma, Kind::Opus), (Kind::Opus, Kind::Pcmu)] {
        let mut world = call(CALLER, caller, ai);
        for key in [7, 11, 0] {
            sound_key(&mut world, CALLER, key, 120);
        }
        assert_eq!(digits(&world, CALLER), [Dtmf(7), Dtmf(11), Dtmf(0)], "{caller:?} {ai:?}");
        let phone = world.phone(AI);
        let events: Vec<&Got> = phone.got.iter().filter(|got| got.payload_type() == phone.event()).collect();
        let firsts: Vec<u8> = events.iter().filter(|got| got.marker()).map(|got| got.payload()[0]).collect();
        assert_eq!(firsts, [7, 11, 0]);
        let ends = events.iter().filter(|got| got.payload()[1] & 0x80 != 0).count();
        assert_eq!(ends, 9, "each end three times");
        assert!(keys(&phone.sound()).is_empty(), "{caller:?} {ai:?}: heard in the sound too");
        world.run(300);
        assert_eq!(world.phone(AI).hears(200), [tone_of(CALLER)]);
    }
}

#[test]
fn events_become_tones_for_a_leg_that_has_none() {
    for (caller, ai) in [(Kind::Pcmu, Kind::Pcmu), (Kind::Opus, Kind::Pcma)] {
        for key in 0..16 {
            let mut world = call(AI, caller, ai);
            world.order(Order::Dtmf { leg: AI, digit: Dtmf(key) });
            world.run(700);
            assert_eq!(keys(&world.phone(AI).sound()), [Dtmf(key)], "{caller:?} {ai:?}");
            world.assert_one_stream(AI);
            assert_eq!(world.phone(AI).hears(200), [tone_of(CALLER)]);
            assert_eq!(world.session.counters().digits_dropped, 0);
        }
    }
}

#[test]
fn two_ordered_digits_are_two_tones_with_a_pause() {
    let mut world = call(AI, Kind::Opus, Kind::Pcmu);
    for _ in 0..2 {
        world.order(Order::Dtmf { leg: AI, digit: Dtmf(9) });
    }
    world.run(1200);
    assert_eq!(keys(&world.phone(AI).sound()), [Dtmf(9), Dtmf(9)]);
}

#[test]
fn a_leg_with_telephone_event_is_not_listened_to_and_its_tones_go_through() {
    let mut world = World::call(1, Kind::Opus, Kind::Pcmu);
    world.run(500);
    sound_key(&mut world, CALLER, 5, 120);
    assert!(digits(&world, CALLER).is_empty());
    let sound = world.phone(AI).sound();
    let heard = sound.windows(800).step_by(80).any(|window| amplitude(window, 8000, 770.0) > 4000.0);
    assert!(heard, "it is sound like any other");
}

#[test]
fn a_withheld_digit_is_told_and_not_passed_on() {
    let mut world = call(CALLER, Kind::Opus, Kind::Pcmu);
    world.order(Order::Withhold { digit: Some(Dtmf(0)) });
    sound_key(&mut world, CALLER, 0, 120);
    sound_key(&mut world, CALLER, 4, 120);
    assert_eq!(digits(&world, CALLER), [Dtmf(0), Dtmf(4)]);
    let phone = world.phone(AI);
    let sent: Vec<u8> = phone
        .got
        .iter()
        .filter(|got| got.payload_type() == phone.event() && got.marker())
        .map(|got| got.payload()[0])
        .collect();
    assert_eq!(sent, [4]);
    assert!(keys(&phone.sound()).is_empty());
    world.order(Order::Withhold { digit: None });
    sound_key(&mut world, CALLER, 0, 120);
    let phone = world.phone(AI);
    assert!(phone.got.iter().any(|got| got.payload_type() == phone.event() && got.payload()[0] == 0));
}

#[test]
fn between_two_legs_without_events_tones_are_relayed_and_heard_only_for_the_callers_own_key() {
    for waited_for in [None, Some(Dtmf(5))] {
        let mut world = World::new(1);
        for id in [CALLER, AI] {
            world.add(id, Kind::Pcmu, 20);
            let mut config = world.config(id);
            (config.telephone_event, config.digits) = (None, Digits::Tones);
            world.order(Order::Open { leg: id, config });
        }
        world.order(Order::Withhold { digit: waited_for });
        world.order(Order::Bridge { with: AI });
        world.run(500);
        sound_key(&mut world, CALLER, 7, 120);
        let relayed = world.session.stats(AI).unwrap().sent;
        assert!(relayed > 40, "{relayed}");
        assert_eq!(digits(&world, CALLER), waited_for.map(|_| Dtmf(7)).into_iter().collect::<Vec<_>>());
        assert_eq!(keys(&world.phone(AI).sound()), [Dtmf(7)], "{waited_for:?}: the far end hears it once");
        world.run(300);
        assert_eq!(world.phone(AI).hears(200), [tone_of(CALLER)]);
        assert_eq!(world.phone(CALLER).hears(200), [tone_of(AI)]);
        // The other way is relayed in any case.
        assert!(world.session.counters().packets_relayed > if waited_for.is_none() { 80 } else { 40 });
    }
}
