//! The caller gone in every state: within a second every leg has its BYE or CANCEL, and no phone rings for nobody.

use std::time::Duration;

use baton_engine::call::{EndReason, State};
use baton_tests::phone::{Behaviour, Do, Phone};
use baton_tests::world::{AI, AI2, ANN, BOB, CALLER, SECOND, World, WorldBuilder, ms};

/// Brings the world into a state, lets the caller go, and looks at everybody a second later.
fn gone(seed: u64, state: State, mut world: World, reason: EndReason) {
    assert_eq!(world.state(), state, "{}", world.account());
    world.act(CALLER, Do::HangUp(String::new()));
    world.run(SECOND);
    let ended = |phone: &Phone| phone.lines().iter().all(|line| line.is_ended() || line.dead);
    assert!(world.phones.iter().all(ended), "seed {seed}, {state:?}\n{}", world.account());
    let world = world.finish();
    assert_eq!(world.record().end, Some(reason), "{state:?}");
}

#[test]
fn while_the_ai_rings() {
    let mut world = World::new(41);
    world.behave(AI, Behaviour::never_answers());
    world.call();
    world.run(SECOND);
    gone(41, State::DialingAi, world, EndReason::CallerCancelled);
}

#[test]
fn while_the_ai_says_nothing_at_all() {
    let mut world = World::new(42);
    world.behave(AI, Behaviour::is_silent());
    world.call();
    world.run(SECOND);
    gone(42, State::DialingAi, world, EndReason::CallerCancelled);
}

#[test]
fn while_with_the_ai() {
    let mut world = World::new(43);
    world.with_ai();
    gone(43, State::WithAi, world, EndReason::CallerHungUp);
}

#[test]
fn while_queued_with_nobody_free() {
    let mut world = World::new(44);
    world.behave(ANN, Behaviour::refuses(486));
    world.behave(BOB, Behaviour::refuses(486));
    world.with_ai();
    world.hand_over("snapcall_agents", "");
    world.run(SECOND);
    gone(44, State::Queued, world, EndReason::CallerHungUp);
}

#[test]
fn while_a_person_rings() {
    let mut world = World::new(45);
    world.behave(ANN, Behaviour::never_answers());
    world.with_ai();
    world.hand_over("snapcall_agents", "");
    world.run(SECOND);
    gone(45, State::RingingAgent, world, EndReason::CallerHungUp);
}

#[test]
fn while_a_person_rings_after_the_ai_has_left() {
    let mut world = World::new(46);
    world.behave(ANN, Behaviour::never_answers());
    world.with_ai();
    world.act(AI, Do::HangUp("X-contained: false\r\n".into()));
    world.run(SECOND);
    gone(46, State::RingingAgent, world, EndReason::CallerHungUp);
}

#[test]
fn while_with_a_person() {
    let mut world = World::new(47);
    world.with_agent();
    gone(47, State::WithAgent, world, EndReason::CallerHungUp);
}

#[test]
fn at_every_instant_of_a_handoff() {
    for step in 0..120u64 {
        let mut world = World::new(48);
        world.behave(ANN, Behaviour::answers(ms(700)));
        world.call();
        world.run(2 * SECOND);
        world.hand_over("snapcall_agents", "");
        world.run(ms(step * 20));
        world.act(CALLER, Do::HangUp(String::new()));
        world.run(SECOND);
        let up: Vec<_> = [AI, AI2, ANN, BOB].into_iter().filter(|who| world.calls_of(*who) > 0).collect();
        for who in up {
            assert!(world.line(who).is_ended(), "{who:?}, {} ms after REFER\n{}", step * 20, world.account());
        }
        world.finish();
    }
}

#[test]
fn at_every_instant_of_a_set_up() {
    for step in 0..60u64 {
        let mut world = World::new(49);
        world.call();
        world.run(ms(step * 10));
        world.act(CALLER, Do::HangUp(String::new()));
        world.run(2 * SECOND);
        if world.calls_of(AI) > 0 {
            assert!(world.line(AI).is_ended(), "{} ms after INVITE\n{}", step * 10, world.account());
        }
        world.finish();
    }
}

#[test]
fn a_caller_who_is_silent_and_answers_no_options_is_gone() {
    let mut builder = WorldBuilder::new(50);
    builder.calls.timers.media = 5 * SECOND;
    let mut world = builder.build();
    world.with_agent();
    world.act(CALLER, Do::Die);
    let limit = Duration::from_secs(60);
    assert!(world.run_until(limit, |world| world.line(ANN).is_ended()), "{}", world.account());
    assert!(world.line(ANN).ended_by_peer);
    let world = world.finish();
    assert!(matches!(world.record().end, Some(EndReason::CallerSilent | EndReason::CallerGone)));
}

#[test]
fn a_caller_whose_network_is_cut_while_waiting_is_gone_and_no_phone_rings_for_it() {
    let mut builder = WorldBuilder::new(52).patience(300 * SECOND, 200 * SECOND);
    builder.calls.timers.media = 5 * SECOND;
    let mut world = builder.build();
    world.behave(ANN, Behaviour::never_answers());
    world.with_ai();
    world.hand_over("snapcall_agents", "");
    world.run(SECOND);
    world.cut(CALLER);
    let limit = Duration::from_secs(60);
    assert!(world.run_until(limit, |world| world.line(ANN).is_ended()), "{}", world.account());
    world.run(SECOND);
    assert!(world.line(AI).is_ended(), "{}", world.account());
    assert!(matches!(world.record().end, Some(EndReason::CallerSilent | EndReason::CallerGone)));
}

#[test]
fn a_caller_who_is_silent_but_answers_options_stays() {
    let mut builder = WorldBuilder::new(51);
    builder.calls.timers.media = 5 * SECOND;
    let mut world = builder.build();
    world.with_agent();
    world.net.media.loss = 1000;
    world.run(40 * SECOND);
    assert!(world.line(CALLER).received("OPTIONS") > 0, "{}", world.account());
    assert!(!world.line(CALLER).is_ended(), "{}", world.account());
    world.act(CALLER, Do::HangUp(String::new()));
    world.run(SECOND);
}
