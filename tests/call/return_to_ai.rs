//! Nobody there: the caller gets the AI back, or an announcement, and is told no lie about it.

use baton_engine::call::{EndReason, State};
use baton_engine::queue::Exhausted;
use baton_tests::phone::{Behaviour, Do};
use baton_tests::tone::Heard;
use baton_tests::world::{AI, ANN, ANNOUNCEMENT, BOB, CALLER, HOLD, SECOND, World, WorldBuilder, ms};

fn nobody(seed: u64, exhausted: Exhausted) -> World {
    let mut builder = WorldBuilder::new(seed).patience(6 * SECOND, 4 * SECOND);
    builder.queue.exhausted = exhausted;
    let mut world = builder.build();
    world.behave(ANN, Behaviour::never_answers());
    world.behave(BOB, Behaviour::never_answers());
    world
}

#[test]
fn the_kept_ai_leg_gets_the_caller_back_and_a_final_notify() {
    let mut world = nobody(91, Exhausted::ReturnToAi);
    world.with_ai();
    world.hand_over("snapcall_agents", "");
    world.run(3 * SECOND);
    world.assert_hears(CALLER, &Heard::only(HOLD));
    let begin = world.now;
    world.act(AI, Do::Quiet(false));
    assert!(world.run_until(15 * SECOND, |world| world.state() == State::WithAi), "{}", world.account());
    world.run(SECOND);
    world.assert_talk(CALLER, AI);
    assert_eq!(world.calls_of(AI), 1, "the kept leg, not a new one");
    let notified = world.line(AI).notified();
    assert!(matches!(notified.last(), Some(480 | 486 | 603)), "{notified:?}");
    world.assert_no_gap(CALLER, begin);
    // And it may try again.
    world.behave(ANN, Behaviour::answers(ms(500)));
    world.behave(BOB, Behaviour::answers(ms(500)));
    world.run(60 * SECOND);
    world.hand_over("snapcall_agents", "");
    world.run(4 * SECOND);
    assert_eq!(world.state(), State::WithAgent);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn an_announcement_is_played_to_its_end_before_the_hang_up() {
    let mut world = nobody(92, Exhausted::Announce);
    world.with_ai();
    world.hand_over("snapcall_agents", "");
    let announced = |world: &World| world.heard(CALLER, ms(500)) == Heard::only(ANNOUNCEMENT);
    assert!(world.run_until(15 * SECOND, announced), "{}", world.account());
    assert!(!world.line(CALLER).is_ended());
    assert!(world.run_until(4 * SECOND, |world| world.line(CALLER).is_ended()), "{}", world.account());
    let world = world.finish();
    assert_eq!(world.record().end, Some(EndReason::QueueExhausted));
}

#[test]
fn a_queue_told_to_hang_up_does_so_with_a_reason() {
    let mut world = nobody(93, Exhausted::HangUp);
    world.with_ai();
    world.hand_over("snapcall_agents", "");
    assert!(world.run_until(15 * SECOND, |world| world.line(CALLER).is_ended()), "{}", world.account());
    let bye = world.line(CALLER).first("BYE").unwrap().text.clone();
    assert!(bye.header("Reason").is_some(), "{}", bye.0);
    let world = world.finish();
    assert_eq!(world.record().end, Some(EndReason::QueueExhausted));
}

#[test]
fn after_the_allowed_returns_the_announcement_is_all_that_is_left() {
    let mut builder = WorldBuilder::new(94).patience(3 * SECOND, 2 * SECOND);
    builder.calls.handoffs_per_call = 2;
    let mut world = builder.build();
    for who in [ANN, BOB] {
        world.behave(who, Behaviour::refuses(486));
    }
    world.with_ai();
    for _ in 0..6 {
        if world.line(CALLER).is_ended() {
            break;
        }
        if world.state() == State::WithAi {
            world.refer("snapcall_agents", "");
        }
        world.run(8 * SECOND);
    }
    assert!(world.line(CALLER).is_ended(), "{}", world.account());
    let world = world.finish();
    assert!(matches!(world.record().end, Some(EndReason::HandoffLimit | EndReason::QueueExhausted)));
}
