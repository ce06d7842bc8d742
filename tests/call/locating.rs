//! An address that leads to several servers (RFC 3263): a call that one of them does not take goes to the next, unseen by
//! the call.

use baton_engine::call::State;
use baton_tests::phone::{Behaviour, Do};
use baton_tests::world::{AI, AI2, CALLER, SECOND, World, WorldBuilder};

/// A world whose AI has one URI, a name with two servers behind it.
fn world(seed: u64, first: Behaviour) -> World {
    let mut builder = WorldBuilder::new(seed);
    builder.names = vec![("ai.example".into(), vec![AI, AI2])];
    let polyai = builder.calls.peers.get_mut("polyai").expect("the AI's peer");
    polyai.uris = vec!["sip:1000@ai.example".into()];
    let mut world = builder.build();
    world.behave(AI, first);
    world.call();
    world
}

#[test]
fn a_server_that_takes_no_calls_is_passed_over() {
    let mut world = world(420, Behaviour::refuses(503));
    world.run(SECOND);
    assert_eq!((world.calls_of(AI), world.calls_of(AI2)), (1, 1));
    world.assert_talk(CALLER, AI2);
    assert_eq!(world.state(), State::WithAi);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn a_server_that_says_nothing_costs_the_caller_a_second() {
    let mut world = world(421, Behaviour::is_silent());
    world.run(2 * SECOND);
    world.assert_talk(CALLER, AI2);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}
