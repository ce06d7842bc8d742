//! A prompt played once, instead of everything else.

use baton_engine::media::{MediaEvent, Order};

use crate::world::*;

#[test]
fn an_announcement_is_heard_once_and_its_end_is_told() {
    let mut world = World::call(1, Kind::Opus, Kind::Pcmu);
    world.run(500);
    world.order(Order::Announce { prompt: NOTICE });
    world.run(600);
    assert_eq!(world.phone(CALLER).hears(300), [NOTICE_HZ]);
    assert_eq!(world.phone(AI).hears(300), [tone_of(CALLER)]);
    world.run(800);
    assert!(world.happened(MediaEvent::PromptEnded));
    assert_eq!(world.phone(CALLER).hears(200), [tone_of(AI)]);
    world.assert_one_stream(CALLER);
}
