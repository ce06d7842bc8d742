//! 3xx answers: followed to where the peer may send us, a few times and never in a circle.

use std::time::Duration;

use baton_engine::call::State;
use baton_tests::phone::{Behaviour, Do, Pickup};
use baton_tests::world::{AI, AI2, ANN, BOB, CALLER, OTHER, SECOND, Who, World, WorldBuilder};

/// Refuses with 302 to these.
fn moved(world: &World, to: &[Who]) -> Behaviour {
    let contacts: Vec<String> = to.iter().map(|who| format!("<{}>", world.phones[who.0].uri())).collect();
    Behaviour::with(Pickup::Refuse(302, Duration::ZERO, format!("Contact: {}\r\n", contacts.join(", "))))
}

#[test]
fn an_ai_that_has_moved_to_its_other_address_is_called_there() {
    let mut world = World::new(410);
    let moved = moved(&world, &[AI2]);
    world.behave(AI, moved);
    world.call();
    world.run(SECOND);
    world.assert_talk(CALLER, AI2);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn a_person_whose_phone_is_forwarded_is_reached_where_the_peer_may_send_us() {
    let mut builder = WorldBuilder::new(411);
    let peer = builder.calls.peers.get_mut("snapcall").expect("the people's peer");
    peer.refer_to = vec!["sip:other@10.0.1.2:*".into()];
    let mut world = builder.build();
    let moved = moved(&world, &[CALLER, OTHER]);
    world.behave(ANN, moved);
    world.with_ai();
    world.hand_over("snapcall_agents", "");
    world.run(3 * SECOND);
    // The first place named is not allowed.
    assert_eq!((world.calls_of(OTHER), world.calls_of(CALLER), world.calls_of(BOB)), (1, 1, 0));
    world.assert_talk(CALLER, OTHER);
    assert_eq!(world.state(), State::WithAgent);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn a_forwarding_to_where_nobody_allowed_is_a_refusal() {
    let mut world = World::new(412);
    let moved = moved(&world, &[OTHER]);
    world.behave(ANN, moved);
    world.with_ai();
    world.hand_over("snapcall_agents", "");
    world.run(3 * SECOND);
    assert_eq!(world.calls_of(OTHER), 0);
    world.assert_talk(CALLER, BOB);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn phones_that_forward_to_each_other_are_not_called_in_a_circle() {
    let mut world = World::new(413);
    let (there, back) = (moved(&world, &[AI2]), moved(&world, &[AI]));
    world.behave(AI, there);
    world.behave(AI2, back);
    world.call();
    world.run(2 * SECOND);
    assert_eq!((world.calls_of(AI), world.calls_of(AI2)), (1, 1));
    // No AI answers: the queue.
    world.assert_talk(CALLER, ANN);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}
