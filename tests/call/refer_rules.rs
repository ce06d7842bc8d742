//! Who may hand off, whereto, and how often.

use baton_engine::call::State;
use baton_tests::phone::{Behaviour, Do};
use baton_tests::world::{AI, ANN, BOB, CALLER, SECOND, World, WorldBuilder, ms};

#[test]
fn a_callers_refer_is_forbidden() {
    let mut world = World::new(81);
    world.with_ai();
    world.act(CALLER, Do::Refer("<sip:snapcall_agents@10.0.0.1>".into(), String::new()));
    world.run(SECOND);
    assert_eq!(world.line(CALLER).received("403 REFER"), 1, "{}", world.account());
    world.assert_talk(CALLER, AI);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn a_second_refer_to_the_same_target_is_merged_and_to_another_refused() {
    let mut builder = WorldBuilder::new(82);
    builder.calls.peers.get_mut("polyai").unwrap().refer_to = vec!["sip:*@10.0.3.2:5080".into()];
    let mut world = builder.build();
    world.behave(ANN, Behaviour::answers(4 * SECOND));
    world.with_ai();
    world.hand_over("snapcall_agents", "");
    world.run(SECOND);
    world.refer("snapcall_agents", "");
    world.run(ms(500));
    assert_eq!(world.line(AI).received("202 REFER"), 2, "{}", world.account());
    world.act(AI, Do::Refer("<sip:bob@10.0.3.2:5080>".into(), String::new()));
    world.run(ms(500));
    assert_eq!(world.line(AI).received("491 REFER"), 1, "{}", world.account());
    world.run(4 * SECOND);
    world.assert_talk(CALLER, ANN);
    assert_eq!((world.calls_of(ANN), world.calls_of(BOB)), (1, 0));
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn a_target_outside_our_own_names_goes_to_the_default_queue() {
    for target in ["<sip:+4912345@toll.example>", "<tel:+4912345>", "<sip:unknown@10.0.0.1>"] {
        let mut world = World::new(83);
        world.with_ai();
        world.act(AI, Do::Refer(target.into(), String::new()));
        world.act_later(AI, ms(300), Do::Quiet(true));
        world.run(3 * SECOND);
        assert_eq!(world.line(AI).received("202 REFER"), 1, "{target}\n{}", world.account());
        world.assert_talk(CALLER, ANN);
        world.act(CALLER, Do::HangUp(String::new()));
        world.finish();
    }
}

#[test]
fn a_target_on_the_peers_list_is_called_itself() {
    let mut builder = WorldBuilder::new(84);
    builder.calls.peers.get_mut("polyai").unwrap().refer_to = vec!["sip:*@10.0.3.2:5080".into()];
    let mut world = builder.build();
    world.with_ai();
    world.act(AI, Do::Refer("<sip:bob@10.0.3.2:5080>".into(), String::new()));
    world.act_later(AI, ms(300), Do::Quiet(true));
    world.run(3 * SECOND);
    world.assert_talk(CALLER, BOB);
    assert_eq!(world.calls_of(ANN), 0);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn a_person_may_hand_on_to_the_queue_and_the_caller_reaches_the_next() {
    let mut world = World::new(85);
    world.with_agent();
    world.act(ANN, Do::Refer("<sip:snapcall_agents@10.0.0.1>".into(), "X-Note: second level\r\n".into()));
    world.act_later(ANN, ms(300), Do::Quiet(true));
    world.run(3 * SECOND);
    assert_eq!(world.state(), State::WithAgent, "{}", world.account());
    world.assert_talk(CALLER, BOB);
    assert_eq!(world.line(BOB).invite().header("X-Note"), Some("second level"));
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn a_refer_without_a_target_is_a_bad_request() {
    let mut world = World::new(86);
    world.with_ai();
    world.act(AI, Do::Refer("".into(), String::new()));
    world.run(SECOND);
    assert_eq!(world.line(AI).received("400 REFER"), 1, "{}", world.account());
    world.assert_talk(CALLER, AI);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn a_subscription_lives_until_the_longest_wait_has_its_last_word() {
    let mut world = WorldBuilder::new(87).patience(700 * SECOND, 400 * SECOND).build();
    for who in [ANN, BOB] {
        world.behave(who, Behaviour::never_answers());
    }
    world.with_ai();
    world.hand_over("snapcall_agents", "");
    // The wait is over while the second phone rings, which is let ring to its end.
    world.run(790 * SECOND);
    assert_eq!(world.line(AI).notified().last(), Some(&180), "{}", world.account());
    world.run(20 * SECOND);
    assert_eq!(world.line(AI).notified().last(), Some(&480), "{}", world.account());
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}
