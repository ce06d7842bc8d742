//! The caller's own way to a person: one key, and the AI never hears of it.

use baton_engine::call::State;
use baton_engine::media::Dtmf;
use baton_tests::phone::{Behaviour, Do};
use baton_tests::tone::Heard;
use baton_tests::world::{AI, ANN, CALLER, HOLD, SECOND, World, WorldBuilder, ms};

fn with_escape(seed: u64) -> World {
    let mut builder = WorldBuilder::new(seed);
    builder.flow().escape = Some(Dtmf(0));
    let mut world = builder.build();
    world.behave(ANN, Behaviour::answers(2 * SECOND));
    world.with_ai();
    world
}

fn press(world: &mut World, key: char) {
    world.act(CALLER, Do::Info("application/dtmf-relay".into(), format!("Signal={key}\r\nDuration=160\r\n")));
}

#[test]
fn the_escape_digit_brings_a_person_who_is_told_how_and_hears_the_caller() {
    let mut world = with_escape(141);
    let begin = world.now;
    press(&mut world, '0');
    world.run(SECOND);
    assert_eq!(world.state(), State::RingingAgent, "{}", world.account());
    world.assert_hears(CALLER, &Heard::only(HOLD));
    world.run(3 * SECOND);
    world.assert_talk(CALLER, ANN);
    assert_eq!(world.line(ANN).invite().header("X-Handoff-Method"), Some("dtmf"));
    assert_eq!(world.line(CALLER).received("200 INFO"), 1);
    assert_eq!(world.line(AI).received("INFO"), 0);
    assert!(world.line(AI).is_ended(), "the AI is let go");
    world.assert_no_gap(CALLER, begin);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn another_digit_goes_to_the_ai_and_changes_nothing() {
    let mut world = with_escape(142);
    press(&mut world, '5');
    world.run(SECOND + ms(500));
    assert_eq!(world.state(), State::WithAi);
    world.assert_talk(CALLER, AI);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}
