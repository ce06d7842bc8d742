//! Handoff by BYE with headers: the AI has left, the caller stays.

use baton_engine::call::{EndReason, State};
use baton_tests::phone::{Behaviour, Do};
use baton_tests::tone::Heard;
use baton_tests::world::{AI, ANN, CALLER, HOLD, SECOND, World, ms};

#[test]
fn a_bye_with_a_handoff_header_brings_a_person() {
    for header in [
        "X-contained: false",
        "x-CONTAINED: False",
        "X-Route-Destination: snapcall_agents",
        "X-destination: sales",
    ] {
        let mut world = World::new(31);
        world.behave(ANN, Behaviour::answers(2 * SECOND));
        world.with_ai();
        let begin = world.now;
        world.act(AI, Do::HangUp(format!("{header}\r\nX-Reason: billing\r\n")));
        world.run(SECOND);
        assert_eq!(world.state(), State::RingingAgent, "{header}");
        world.assert_hears(CALLER, &Heard::only(HOLD));
        world.run(2 * SECOND);
        world.assert_talk(CALLER, ANN);
        assert_eq!(world.line(ANN).invite().header("X-Reason"), Some("billing"), "{header}");
        world.assert_no_gap(CALLER, begin);
        world.act(CALLER, Do::HangUp(String::new()));
        world.finish();
    }
}

#[test]
fn a_bye_without_one_is_a_hang_up() {
    for header in ["", "X-contained: true\r\n", "X-destination: \r\n", "X-Other: false\r\n"] {
        let mut world = World::new(32);
        world.with_ai();
        world.act(AI, Do::HangUp(header.to_string()));
        world.run(ms(500));
        assert!(world.line(CALLER).ended_by_peer, "{header}");
        let world = world.finish();
        assert_eq!((world.record().end, world.calls_of(ANN)), (Some(EndReason::AiHungUp), 0), "{header}");
    }
}

#[test]
fn when_nobody_answers_the_caller_gets_the_ai_back_by_a_new_call() {
    let mut world = baton_tests::world::WorldBuilder::new(33).patience(6 * SECOND, 3 * SECOND).build();
    world.behave(ANN, Behaviour::never_answers());
    world.behave(baton_tests::world::BOB, Behaviour::refuses(486));
    world.with_ai();
    let id = world.living().unwrap().id().to_string();
    world.act(AI, Do::HangUp("X-contained: false\r\n".into()));
    assert!(world.run_until(20 * SECOND, |world| world.calls_of(AI) == 2), "{}", world.account());
    world.run(2 * SECOND);
    world.assert_talk(CALLER, AI);
    let invite = world.line(AI).invite();
    assert_eq!(invite.header("X-Baton-Call-ID"), Some(&*id));
    assert!(invite.header("X-Handoff-Result").is_some(), "{}", invite.0);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}
