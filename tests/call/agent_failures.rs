//! People who are busy, unreachable, silent or lost: the next one, and never a caller who is dropped.

use baton_engine::call::State;
use baton_tests::phone::{Behaviour, Do, LineState, Pickup};
use baton_tests::tone::Heard;
use baton_tests::world::{AI, ANN, BOB, CALLER, HOLD, SECOND, World, WorldBuilder, ms};

fn next_person_takes_over(seed: u64, first: Behaviour, within: std::time::Duration) {
    let mut world = WorldBuilder::new(seed).patience(120 * SECOND, 5 * SECOND).build();
    world.behave(ANN, first.clone());
    world.with_ai();
    let begin = world.now;
    // The AI speaks on and on: whenever it is not heard, somebody else is to be.
    world.refer("snapcall_agents", "");
    world.run(within);
    assert_eq!(world.line(ANN).received("INVITE"), 1, "{first:?}");
    world.run(3 * SECOND);
    world.assert_talk(CALLER, BOB);
    world.assert_no_gap(CALLER, begin);
    assert_eq!(world.line(AI).notified().last(), Some(&200), "{first:?}");
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn a_busy_person_is_passed_over() {
    for status in [486, 600, 603] {
        next_person_takes_over(21, Behaviour::refuses(status), ms(500));
    }
}

#[test]
fn a_person_who_cannot_be_reached_is_passed_over() {
    for status in [404, 408, 480, 500, 503] {
        next_person_takes_over(22, Behaviour::refuses(status), ms(500));
    }
}

#[test]
fn a_person_who_does_not_pick_up_is_passed_over_after_the_ring_time() {
    next_person_takes_over(23, Behaviour::never_answers(), ms(5500));
}

#[test]
fn a_phone_that_is_not_there_is_passed_over() {
    next_person_takes_over(24, Behaviour::is_silent(), ms(5500));
}

#[test]
fn a_person_who_declines_after_ringing_is_passed_over() {
    next_person_takes_over(25, Behaviour::with(Pickup::Refuse(603, 2 * SECOND, String::new())), ms(2500));
}

#[test]
fn a_caller_whose_person_is_lost_goes_to_the_front_and_hears_hold_audio_until_the_next() {
    let mut builder = WorldBuilder::new(26);
    builder.calls.timers.media = 5 * SECOND;
    let mut world = builder.build();
    world.with_agent();
    world.behave(BOB, Behaviour::answers(2 * SECOND));
    world.act(ANN, Do::Die);
    world.phone(ANN).dead = true;
    assert!(world.run_until(60 * SECOND, |world| world.calls_of(BOB) == 1), "{}", world.account());
    world.run(SECOND);
    world.assert_hears(CALLER, &Heard::only(HOLD));
    world.run(3 * SECOND);
    assert_eq!(world.state(), State::WithAgent);
    world.assert_talk(CALLER, BOB);
    assert_eq!(world.line(CALLER).state, LineState::Up);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn a_person_who_hangs_up_ends_the_call() {
    let mut world = World::new(27);
    world.with_agent();
    world.act(ANN, Do::HangUp(String::new()));
    world.run(ms(200));
    assert!(world.line(CALLER).ended_by_peer);
    world.finish();
}

#[test]
fn two_callers_get_two_people() {
    let mut world = World::new(28);
    world.with_agent();
    let other = baton_tests::world::OTHER;
    world.call_from(other, "1000", "");
    world.run(2 * SECOND);
    world.assert_talk(other, AI);
    world.hand_over("snapcall_agents", "");
    world.run(3 * SECOND);
    world.assert_talk(other, BOB);
    world.assert_talk(CALLER, ANN);
    world.act(CALLER, Do::HangUp(String::new()));
    world.run(SECOND);
    world.assert_talk(other, BOB);
    world.act(other, Do::HangUp(String::new()));
    world.finish();
}
