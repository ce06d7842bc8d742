//! Messages that cross: what a node may hear in the wrong order or at the wrong moment.

use baton_engine::call::State;
use baton_tests::phone::{Behaviour, Do};
use baton_tests::sip::Direction;
use baton_tests::world::{AI, ANN, BOB, CALLER, SECOND, World, WorldBuilder, ms};

#[test]
fn a_bye_of_the_ai_right_after_the_202_means_it_has_left() {
    for wait in [0, 1, 5, 50, 400] {
        let mut world = World::new(71);
        world.behave(ANN, Behaviour::answers(2 * SECOND));
        world.with_ai();
        world.refer("snapcall_agents", "");
        world.run(ms(wait));
        world.act(AI, Do::HangUp(String::new()));
        world.run(SECOND);
        assert_eq!(world.state(), State::RingingAgent, "{wait} ms\n{}", world.account());
        world.run(3 * SECOND);
        world.assert_talk(CALLER, ANN);
        // RFC 5057: the subscription outlives the dialog. A BYE that comes with the REFER leaves none: its answer is
        // then 487 (RFC 3261 §15.1.2).
        let told = if world.line(AI).received("202 REFER") == 1 { Some(&200) } else { None };
        assert_eq!(world.line(AI).notified().last(), told, "{wait} ms\n{}", world.account());
        assert!(told.is_some() || wait == 0, "{wait} ms");
        world.act(CALLER, Do::HangUp(String::new()));
        world.finish();
    }
}

#[test]
fn a_200_that_crosses_our_cancel_is_acknowledged_and_ended() {
    let mut world = WorldBuilder::new(72).patience(120 * SECOND, 3 * SECOND).build();
    world.behave(ANN, Behaviour { late_answer: true, ..Behaviour::never_answers() });
    world.with_ai();
    world.hand_over("snapcall_agents", "");
    world.run(5 * SECOND);
    let ann = world.line(ANN);
    assert_eq!(
        (ann.received("CANCEL"), ann.received("ACK"), ann.received("BYE")),
        (1, 1, 1),
        "{}",
        ann.account()
    );
    world.assert_talk(CALLER, BOB);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn a_200_of_the_ai_that_crosses_the_callers_cancel_is_ended() {
    let mut world = World::new(73);
    world.behave(AI, Behaviour { late_answer: true, ..Behaviour::never_answers() });
    world.call();
    world.run(SECOND);
    world.act(CALLER, Do::HangUp(String::new()));
    world.run(SECOND);
    assert_eq!(world.line(CALLER).status, Some(487));
    assert_eq!(
        (world.line(AI).received("ACK"), world.line(AI).received("BYE")),
        (1, 1),
        "{}",
        world.account()
    );
    world.finish();
}

#[test]
fn a_refused_or_unanswered_notify_ends_only_the_subscription() {
    for status in [481, 500, 0] {
        let mut world = World::new(74);
        world.behave(AI, Behaviour { notify_status: status, ..Behaviour::answers(ms(300)) });
        world.behave(ANN, Behaviour::answers(2 * SECOND));
        world.with_ai();
        world.hand_over("snapcall_agents", "");
        world.run(4 * SECOND);
        assert_eq!(world.state(), State::WithAgent, "NOTIFY answered {status}\n{}", world.account());
        world.assert_talk(CALLER, ANN);
        world.act(CALLER, Do::HangUp(String::new()));
        world.finish();
    }
}

#[test]
fn a_refer_that_crosses_the_callers_hold_is_carried_out() {
    let mut world = World::new(75);
    world.with_ai();
    let now = world.now;
    let line = world.line(CALLER).id;
    world.phone(CALLER).act(now, line, Do::Offer(Direction::SendRecv));
    world.hand_over("snapcall_agents", "");
    world.run(3 * SECOND);
    world.assert_talk(CALLER, ANN);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn caller_and_person_hanging_up_at_once_leave_nothing() {
    let mut world = World::new(76);
    world.with_agent();
    let now = world.now;
    for who in [CALLER, ANN] {
        let line = world.line(who).id;
        world.phone(who).act(now, line, Do::HangUp(String::new()));
    }
    world.finish();
}

#[test]
fn a_person_who_answers_in_the_instant_the_ring_time_ends_is_not_both_taken_and_left() {
    for step in 0..40u64 {
        let mut world = WorldBuilder::new(77).patience(120 * SECOND, 3 * SECOND).build();
        world.behave(ANN, Behaviour::answers(ms(2960 + 2 * step)));
        world.with_ai();
        world.hand_over("snapcall_agents", "");
        world.run(6 * SECOND);
        assert_eq!(world.state(), State::WithAgent);
        let who = if world.calls_of(BOB) > 0 { BOB } else { ANN };
        world.assert_talk(CALLER, who);
        if who == BOB {
            assert!(world.line(ANN).is_ended(), "{}", world.account());
        }
        world.act(CALLER, Do::HangUp(String::new()));
        world.finish();
    }
}

#[test]
fn everything_twice_changes_nothing() {
    let mut world = World::new(78);
    world.net.signalling.duplicate = 1000;
    world.with_agent();
    assert_eq!((world.calls_of(AI), world.calls_of(ANN)), (1, 1));
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn a_person_who_answers_in_the_instant_the_caller_hangs_up_is_let_go() {
    for caller_first in [true, false] {
        let mut world = World::new(79);
        world.behave(ANN, Behaviour::never_answers());
        world.with_ai();
        world.hand_over("snapcall_agents", "");
        world.run(SECOND);
        assert_eq!(world.state(), State::RingingAgent);
        let now = world.now;
        let mut both = [(CALLER, Do::HangUp(String::new())), (ANN, Do::Answer)];
        if !caller_first {
            both.reverse();
        }
        for (who, what) in both {
            let line = world.line(who).id;
            world.phone(who).act(now, line, what);
        }
        world.run(SECOND);
        // The answer had come, so it is BYE and not CANCEL that ends it; within a second all is over.
        assert_eq!(world.line(ANN).received("BYE"), 1, "{}", world.account());
        world.finish();
    }
}
