//! Hold and resume by each side, and offers that cross.

use baton_engine::call::State;
use baton_tests::phone::{Behaviour, Do};
use baton_tests::sip::Direction;
use baton_tests::tone::Heard;
use baton_tests::world::{AI, ANN, CALLER, SECOND, Who, World, ms};

/// `holder` holds `other` and comes back; both ways of hold, and no hold audio of ours is forced upon anyone.
fn hold_and_resume(world: &mut World, holder: Who, other: Who) {
    let (holder_tone, other_tone) = (world.line(holder).tone, world.line(other).tone);
    for direction in [Direction::SendOnly, Direction::Inactive] {
        world.act(holder, Do::Offer(direction));
        world.run(SECOND);
        // The holder does not want to hear.
        world.assert_hears(holder, &Heard::silence());
        if direction == Direction::SendOnly {
            world.assert_hears(other, &Heard::only(holder_tone));
        } else {
            let heard = world.heard(other, ms(500));
            assert!(!heard.tones.contains(&holder_tone), "{heard:?}");
        }
        world.act(holder, Do::Offer(Direction::SendRecv));
        world.run(SECOND);
        world.assert_hears(holder, &Heard::only(other_tone));
        world.assert_hears(other, &Heard::only(holder_tone));
    }
    assert!(world.line(holder).received("200 INVITE") >= 4, "{}", world.account());
}

#[test]
fn the_caller_holds_the_ai() {
    let mut world = World::new(61);
    world.with_ai();
    hold_and_resume(&mut world, CALLER, AI);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn the_ai_holds_the_caller() {
    let mut world = World::new(62);
    world.with_ai();
    hold_and_resume(&mut world, AI, CALLER);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn the_caller_holds_the_person() {
    let mut world = World::new(63);
    world.with_agent();
    hold_and_resume(&mut world, CALLER, ANN);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn the_person_holds_the_caller() {
    let mut world = World::new(64);
    world.with_agent();
    hold_and_resume(&mut world, ANN, CALLER);
    world.act(ANN, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn a_caller_on_hold_for_a_minute_is_not_taken_for_lost() {
    let mut world = World::new(65);
    world.with_agent();
    world.act(CALLER, Do::Offer(Direction::Inactive));
    world.run(60 * SECOND);
    assert_eq!(world.state(), State::WithAgent);
    world.act(CALLER, Do::Offer(Direction::SendRecv));
    world.run(SECOND);
    world.assert_talk(CALLER, ANN);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn a_caller_who_holds_while_a_person_rings_comes_back_to_the_person() {
    let mut world = World::new(66);
    world.behave(ANN, Behaviour::answers(2 * SECOND));
    world.with_ai();
    world.hand_over("snapcall_agents", "");
    world.run(SECOND);
    world.act(CALLER, Do::Offer(Direction::Inactive));
    world.run(2 * SECOND);
    assert_eq!(world.state(), State::WithAgent);
    world.act(CALLER, Do::Offer(Direction::SendRecv));
    world.run(SECOND);
    world.assert_talk(CALLER, ANN);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn both_sides_offering_at_once_end_up_talking() {
    let mut world = World::new(67);
    world.with_agent();
    // Neither waits for the other.
    let now = world.now;
    for who in [CALLER, ANN] {
        let line = world.line(who).id;
        world.phone(who).act(now, line, Do::Offer(Direction::SendRecv));
    }
    world.run(6 * SECOND);
    world.assert_talk(CALLER, ANN);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}
