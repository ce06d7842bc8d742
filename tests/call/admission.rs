//! Who is let in, and with which answer the others are turned away.

use std::time::Duration;

use baton_engine::call::EndReason;
use baton_engine::shard::Refusal;
use baton_tests::codec::Codec;
use baton_tests::phone::{Behaviour, Do};
use baton_tests::world::{AI, CALLER, OTHER, SECOND, World, WorldBuilder};

#[test]
fn a_number_that_no_flow_takes_is_not_found() {
    let mut builder = WorldBuilder::new(101);
    builder.flow().user = "1000".into();
    let mut world = builder.build();
    world.call_from(CALLER, "2000", "");
    world.run(SECOND);
    assert_eq!(world.line(CALLER).status, Some(404));
    let world = world.finish();
    assert_eq!((world.record().end, world.calls_of(AI)), (Some(EndReason::NoFlow), 0));
}

#[test]
fn a_caller_without_a_common_codec_is_told_so_with_a_warning() {
    let mut builder = WorldBuilder::new(102);
    builder.calls.peers.get_mut("snapcall").unwrap().codecs = vec!["opus".into()];
    let mut world = builder.build();
    world.phone(CALLER).codecs = vec![Codec::Pcmu];
    world.call();
    world.run(SECOND);
    assert_eq!(world.line(CALLER).status, Some(488));
    let answer = world.line(CALLER).first("488 INVITE").unwrap();
    assert!(answer.text.header("Warning").is_some(), "{}", answer.text.0);
    world.finish();
}

#[test]
fn a_stranger_is_forbidden() {
    let mut builder = WorldBuilder::new(103);
    builder.admission.peers.truncate(1);
    let mut world = builder.build();
    world.call();
    world.run(SECOND);
    assert_eq!(world.line(CALLER).status, Some(403));
    world.finish();
}

#[test]
fn above_the_limit_of_calls_a_caller_is_asked_to_try_later() {
    let mut builder = WorldBuilder::new(104);
    builder.admission.calls = 1;
    let mut world = builder.build();
    world.with_ai();
    world.call_from(OTHER, "1000", "");
    world.run(SECOND);
    assert_eq!(world.line(OTHER).status, Some(503));
    assert!(world.line(OTHER).first("503 INVITE").unwrap().text.header("Retry-After").is_some());
    world.assert_talk(CALLER, AI);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn without_ports_a_caller_is_asked_to_try_later() {
    let mut builder = WorldBuilder::new(105);
    builder.ports = 20_000..=20_003;
    let mut world = builder.build();
    world.with_ai();
    world.call_from(OTHER, "1000", "");
    world.run(SECOND);
    assert_eq!(world.line(OTHER).status, Some(503), "{}", world.account());
    world.assert_talk(CALLER, AI);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn a_draining_node_takes_nobody_and_keeps_whom_it_has() {
    let mut world = World::new(106);
    world.with_ai();
    world.node.gate.drain();
    world.call_from(OTHER, "1000", "");
    world.run(SECOND);
    assert_eq!(world.line(OTHER).status, Some(503));
    world.assert_talk(CALLER, AI);
    world.hand_over("snapcall_agents", "");
    world.run(3 * SECOND);
    world.assert_talk(CALLER, baton_tests::world::ANN);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

/// Lets `seconds` pass in which the node's thread works `percent` of its time.
fn work(world: &mut World, worked: &mut Duration, seconds: u32, percent: u32) {
    for _ in 0..5 * seconds {
        world.run(SECOND / 5);
        *worked += SECOND / 5 * percent / 100;
        world.node.work(world.now, *worked);
    }
}

#[test]
fn a_node_without_time_asks_new_callers_to_try_later_and_keeps_whom_it_has() {
    let (mut world, mut worked) = (World::new(108), Duration::ZERO);
    world.with_ai();
    work(&mut world, &mut worked, 4, 99);
    world.call_from(OTHER, "1000", "");
    world.run(SECOND);
    assert_eq!(world.line(OTHER).status, Some(503));
    assert!(world.line(OTHER).first("503 INVITE").unwrap().text.header("Retry-After").is_some());
    let refused = world.node.stats(world.now).refused;
    assert_eq!(refused[Refusal::Load as usize], 1);
    world.hand_over("snapcall_agents", "");
    work(&mut world, &mut worked, 3, 99);
    world.assert_talk(CALLER, baton_tests::world::ANN);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn a_node_that_has_time_again_takes_callers_again() {
    let (mut world, mut worked) = (World::new(109), Duration::ZERO);
    work(&mut world, &mut worked, 4, 99);
    work(&mut world, &mut worked, 4, 20);
    world.with_ai();
    world.assert_talk(CALLER, AI);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn encoders_work_less_while_the_node_is_pressed_and_the_sound_goes_on() {
    let mut builder = WorldBuilder::new(110);
    builder.calls.peers.get_mut("snapcall").unwrap().codecs = vec!["opus".into()];
    let (mut world, mut worked) = (builder.build(), Duration::ZERO);
    world.phone(CALLER).codecs = vec![Codec::Opus];
    world.with_ai();
    work(&mut world, &mut worked, 6, 85);
    let stats = world.node.stats(world.now);
    assert_eq!((stats.complexity, stats.complexity_steps), (0, [3, 0]));
    world.assert_talk(CALLER, AI);
    work(&mut world, &mut worked, 20, 20);
    let stats = world.node.stats(world.now);
    assert_eq!((stats.complexity, stats.complexity_steps), (5, [3, 3]));
    world.assert_talk(CALLER, AI);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn a_call_that_rings_in_vain_leaves_nothing_behind() {
    let mut world = World::new(107);
    world.behave(AI, Behaviour::never_answers());
    world.call();
    world.run(5 * SECOND);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}
