//! Key presses across codecs and clock rates.

use baton_engine::media::{Dtmf, Lane, MediaEvent, Order};

use crate::world::*;

/// Presses a key for 100 ms: an event packet each 20 ms, the end three times, audio meanwhile left out.
fn press(world: &mut World, leg: baton_engine::key::LegId, digit: u8) {
    world.phone_mut(leg).sends = false;
    let start = world.phone(leg).time;
    for n in 1..=7u16 {
        let phone = world.phone_mut(leg);
        let duration = n.min(5) * 20 * phone.clock_per_ms() as u16;
        let end = if n >= 5 { 0x80 } else { 0 };
        let payload = [digit, end | 10, (duration >> 8) as u8, duration as u8];
        let (event, from) = (phone.event(), phone.from);
        let mut packet = phone.wrap(event, start, &payload);
        packet[1] |= if n == 1 { 0x80 } else { 0 };
        world.packet_in(leg, Lane::Rtp, from, packet);
        world.run(20);
    }
    world.phone_mut(leg).sends = true;
}

#[test]
fn a_press_is_told_once_and_rebuilt_with_the_other_legs_number_and_clock() {
    for (caller, ai) in [(Kind::Opus, Kind::Pcmu), (Kind::Pcmu, Kind::Pcmu), (Kind::Pcma, Kind::Opus)] {
        let mut world = World::call(1, caller, ai);
        world.run(500);
        press(&mut world, CALLER, 7);
        world.run(500);
        press(&mut world, CALLER, 7);
        world.run(500);
        let told = world
            .events
            .iter()
            .filter(|(_, event)| *event == MediaEvent::Digit { leg: CALLER, digit: Dtmf(7) });
        assert_eq!(told.count(), 2);
        let ai = world.phone(AI);
        let events: Vec<&Got> = ai.got.iter().filter(|got| got.payload_type() == ai.event()).collect();
        let firsts: Vec<&&Got> = events.iter().filter(|got| got.marker()).collect();
        assert_eq!(firsts.len(), 2);
        for first in firsts {
            let of = events.iter().filter(|got| got.time() == first.time()).collect::<Vec<_>>();
            let duration = |got: &Got| u32::from(u16::from_be_bytes([got.payload()[2], got.payload()[3]]));
            assert!(of.iter().all(|got| got.payload()[0] == 7));
            assert!(of.windows(2).all(|pair| duration(pair[0]) <= duration(pair[1])));
            let ends: Vec<_> = of.iter().filter(|got| got.payload()[1] & 0x80 != 0).collect();
            assert_eq!(ends.len(), 3);
            assert!(ends.iter().all(|got| duration(got) == duration(ends[0])));
            let ms = duration(ends[0]) / ai.clock_per_ms();
            assert!((80..=140).contains(&ms), "{ms} ms");
        }
        world.assert_one_stream(AI);
        assert_eq!(world.phone(AI).hears(200), [tone_of(CALLER)]);
    }
}

#[test]
fn an_ordered_digit_is_sent_and_one_to_a_phone_without_events_is_dropped_and_counted() {
    let mut world = World::call(2, Kind::Opus, Kind::Pcmu);
    world.run(200);
    world.order(Order::Dtmf { leg: AI, digit: Dtmf(3) });
    world.run(500);
    let ai = world.phone(AI);
    assert!(ai.got.iter().any(|got| got.payload_type() == ai.event() && got.payload()[0] == 3));
    let mut config = world.config(AI);
    config.telephone_event = None;
    world.order(Order::Update { leg: AI, config });
    world.order(Order::Dtmf { leg: AI, digit: Dtmf(3) });
    assert_eq!(world.session.counters().digits_dropped, 1);
}
