//! Hold by SDP: nothing is sent to a leg that does not want to hear, and its stream goes on after.

use baton_engine::media::{MediaEvent, Order};

use crate::world::*;

#[test]
fn a_held_leg_gets_reports_but_no_sound_and_then_the_same_stream_again() {
    let mut world = World::call(1, Kind::Opus, Kind::Pcmu);
    world.run(1000);
    let mut config = world.config(CALLER);
    (config.send, config.receive) = (false, false);
    world.order(Order::Update { leg: CALLER, config });
    world.phone_mut(CALLER).sends = false;
    let before = world.phone(CALLER).got.len();
    world.run(35_000);
    assert_eq!(world.phone(CALLER).got.len(), before);
    assert!(world.phone(CALLER).reports.len() >= 5);
    assert!(!world.happened(MediaEvent::Silent { leg: CALLER }), "held is not silent");
    assert_eq!(world.phone(AI).hears(500), [0.0; 0]);
    let (ssrc, seq, time) = world.phone(CALLER).got.last().map(|g| (g.ssrc(), g.seq(), g.time())).unwrap();
    let config = world.config(CALLER);
    world.order(Order::Update { leg: CALLER, config });
    world.phone_mut(CALLER).sends = true;
    world.run(1000);
    let next = &world.phone(CALLER).got[before];
    assert_eq!((next.ssrc(), next.seq()), (ssrc, seq.wrapping_add(1)));
    assert!((48 * 34_900..48 * 35_200).contains(&next.time().wrapping_sub(time)));
    assert!(next.marker());
    assert_eq!(world.phone(AI).hears(300), [tone_of(CALLER)]);
}

#[test]
fn a_leg_from_which_nothing_comes_is_told_silent_once_and_heard_when_it_comes_back() {
    let mut world = World::call(2, Kind::Pcmu, Kind::Pcmu);
    world.run(500);
    world.phone_mut(AI).sends = false;
    world.run(65_000);
    let count = |world: &World, event| world.events.iter().filter(|(_, e)| *e == event).count();
    assert_eq!(count(&world, MediaEvent::Silent { leg: AI }), 1);
    assert_eq!(count(&world, MediaEvent::Silent { leg: CALLER }), 0);
    world.phone_mut(AI).sends = true;
    world.run(500);
    assert_eq!(count(&world, MediaEvent::Heard { leg: AI }), 1);
    // Though the AI was silent, the caller was sent something all the time.
    let got = &world.phone(CALLER).got;
    let longest = got.windows(2).map(|pair| (pair[1].at - pair[0].at).as_millis()).max().unwrap();
    assert!(longest <= 100, "{longest}");
}
