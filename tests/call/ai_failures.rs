//! The AI down, slow, busy or refusing: its second address, the queue, or a final answer by the flow's choice.

use baton_engine::call::{EndReason, OnAiFailure, State};
use baton_tests::phone::{Behaviour, Do, Pickup};
use baton_tests::tone::Heard;
use baton_tests::world::{AI, AI2, ANN, CALLER, HOLD, SECOND, World, WorldBuilder, ms};

fn second_address_takes_over(seed: u64, first: Behaviour, within: std::time::Duration) {
    let mut world = World::new(seed);
    world.behave(AI, first);
    world.call();
    world.run(within);
    world.run(SECOND);
    world.assert_talk(CALLER, AI2);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn an_address_that_says_nothing_for_two_seconds_is_passed_over() {
    second_address_takes_over(11, Behaviour::is_silent(), ms(2500));
}

#[test]
fn an_address_that_says_100_within_two_seconds_may_answer_later() {
    let mut world = World::new(10);
    world.behave(AI, Behaviour::with(Pickup::Trying));
    world.call();
    world.run(ms(500));
    world.act_later(AI, ms(2500), Do::Answer);
    world.run(4 * SECOND);
    assert_eq!(world.calls_of(AI2), 0, "{}", world.account());
    // 100 is no ringing: the caller has heard the one 180 it had at once.
    assert_eq!(world.line(CALLER).received("180 INVITE"), 1);
    world.assert_talk(CALLER, AI);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn an_address_that_rings_for_ten_seconds_is_passed_over() {
    second_address_takes_over(12, Behaviour::never_answers(), ms(10_500));
}

#[test]
fn an_address_in_trouble_is_passed_over_at_once() {
    for status in [408, 500, 503] {
        second_address_takes_over(13, Behaviour::refuses(status), ms(500));
    }
}

fn both(world: &mut World, behaviour: &Behaviour) {
    world.behave(AI, behaviour.clone());
    world.behave(AI2, behaviour.clone());
}

#[test]
fn with_the_ai_down_the_caller_goes_straight_to_the_queue() {
    let mut world = World::new(14);
    both(&mut world, &Behaviour::refuses(503));
    world.behave(ANN, Behaviour::answers(3 * SECOND));
    world.call();
    world.run(2 * SECOND);
    assert_eq!(world.line(CALLER).received("200 INVITE"), 1);
    world.assert_hears(CALLER, &Heard::only(HOLD));
    world.run(3 * SECOND);
    assert_eq!(world.state(), State::WithAgent);
    world.assert_talk(CALLER, ANN);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn where_the_flow_says_reject_the_caller_gets_the_status_that_tells_why() {
    let cases = [
        (Behaviour::refuses(503), 503, EndReason::AiDown),
        (Behaviour::refuses(486), 486, EndReason::AiBusy),
        (Behaviour::refuses(403), 503, EndReason::AiRefused),
        (Behaviour::refuses(404), 503, EndReason::AiRefused),
        (Behaviour::with(Pickup::Never), 480, EndReason::AiSilent),
    ];
    for (behaviour, status, reason) in cases {
        let mut builder = WorldBuilder::new(15);
        builder.flow().on_ai_failure = OnAiFailure::Reject;
        let mut world = builder.build();
        both(&mut world, &behaviour);
        world.call();
        world.run(25 * SECOND);
        assert_eq!(world.line(CALLER).status, Some(status), "{behaviour:?}\n{}", world.account());
        let world = world.finish();
        assert_eq!(world.record().end, Some(reason), "{behaviour:?}");
        assert_eq!(world.calls_of(ANN), 0);
    }
}

#[test]
fn an_ai_that_dies_while_it_speaks_is_lost_and_the_caller_goes_to_the_queue() {
    let mut builder = WorldBuilder::new(16);
    builder.calls.timers.media = 5 * SECOND;
    let mut world = builder.build();
    world.with_ai();
    world.act(AI, Do::Die);
    // Silence for the media time, then a person.
    assert!(world.run_until(60 * SECOND, |world| world.state() == State::WithAgent), "{}", world.account());
    world.run(SECOND);
    world.assert_talk(CALLER, ANN);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn a_caller_who_waits_for_a_slow_ai_hears_ringing_every_minute() {
    let mut builder = WorldBuilder::new(17);
    builder.calls.timers.ai_answer = 200 * SECOND;
    let mut world = builder.build();
    world.behave(AI, Behaviour::answers(150 * SECOND));
    world.call();
    world.run(149 * SECOND);
    let rings = world.line(CALLER).repeats + world.line(CALLER).received("180 INVITE") as u64;
    assert!(rings >= 3, "{rings} provisional answers\n{}", world.account());
    world.run(3 * SECOND);
    world.assert_talk(CALLER, AI);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}
