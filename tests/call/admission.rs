//! Who is let in, and with which answer the others are turned away.

use baton_engine::call::EndReason;
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

#[test]
fn a_call_that_rings_in_vain_leaves_nothing_behind() {
    let mut world = World::new(107);
    world.behave(AI, Behaviour::never_answers());
    world.call();
    world.run(5 * SECOND);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}
