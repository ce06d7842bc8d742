//! Sound above telephone bandwidth through a call that begins with an AI on G.711: whether it arrives at a person on
//! Opus hangs on what the caller's phone was told, and on whether it is told anew.

use baton_engine::call::State;
use baton_signaling::Time;
use baton_tests::codec::Codec;
use baton_tests::net::Weather;
use baton_tests::phone::{Behaviour, Do};
use baton_tests::sip::Direction;
use baton_tests::world::{AI, ANN, CALLER, SECOND, Who, World, WorldBuilder, ms};

/// Caller and Ann speak Opus with sound up to 6 kHz where they may; the AI speaks PCMU.
fn world(seed: u64, on: bool) -> World {
    let mut builder = WorldBuilder::new(seed);
    builder.calls.wideband_reinvite = on;
    prepared(builder)
}

fn prepared(builder: WorldBuilder) -> World {
    let mut world = builder.build();
    for who in [CALLER, ANN] {
        let phone = world.phone(who);
        (phone.codecs, phone.wideband) = (vec![Codec::Opus, Codec::Pcmu], true);
    }
    world
}

/// Amplitude of the tone at 6 kHz that somebody heard in the last second.
fn wide(world: &World, who: Who) -> f64 {
    world.line(who).ear.wide_heard(world.now - SECOND, world.now)
}

/// What an amplitude must be where the high tone, sent at 4000, arrives, and where it does not.
const ARRIVES: f64 = 1500.0;
const NOT_THERE: f64 = 100.0;

fn back_to_the_ai(world: &mut World) {
    let to = format!("<sip:polyai@{}>", world.node.sip());
    world.act(ANN, Do::Refer(to, String::new()));
    world.run(4 * SECOND);
    assert_eq!(world.state(), State::WithAi);
    world.assert_talk(CALLER, AI);
}

#[test]
fn without_the_option_a_person_hears_telephone_bandwidth_of_the_caller_and_no_phone_is_asked() {
    let mut world = world(1, false);
    world.with_agent();
    world.run(2 * SECOND);
    assert!(wide(&world, ANN) < NOT_THERE, "{}", wide(&world, ANN));
    assert!(wide(&world, CALLER) > ARRIVES, "the person was told of no limit: {}", wide(&world, CALLER));
    assert_eq!(world.line(CALLER).received("INVITE"), 0);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn with_it_the_person_hears_all_of_the_caller_without_a_gap_and_the_ai_later_needs_no_more() {
    let mut world = world(2, true);
    world.with_ai();
    let before = world.now;
    world.refer("snapcall_agents", "");
    world.run(3 * SECOND);
    world.assert_talk(CALLER, ANN);
    world.run(2 * SECOND);
    assert!(wide(&world, ANN) > ARRIVES, "{}\n{}", wide(&world, ANN), world.account());
    world.assert_no_gap(CALLER, before);
    assert_eq!(world.line(CALLER).received("INVITE"), 1);
    back_to_the_ai(&mut world);
    let asked: Vec<bool> = world
        .line(CALLER)
        .messages(false, "INVITE")
        .map(|said| said.text.body().contains("maxplaybackrate=8000"))
        .collect();
    assert_eq!(asked, [false, true]);
    let count = world.living().expect("a call").counters().bandwidth;
    assert_eq!((count.asked, count.taken, count.refused), (2, 2, 0));
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn a_phone_that_takes_no_re_invite_is_asked_once_and_goes_on_as_before() {
    for (seed, behaviour) in [
        (3, Behaviour { stubborn: true, ..Behaviour::answers(ms(0)) }),
        (4, Behaviour { glare: true, ..Behaviour::answers(ms(0)) }),
    ] {
        let glare = behaviour.glare;
        let mut world = world(seed, true);
        let line = world.call();
        world.phone(CALLER).line_mut(line).behaviour = behaviour;
        world.run(2 * SECOND);
        world.hand_over("snapcall_agents", "");
        world.run(60 * SECOND);
        world.assert_talk(CALLER, ANN);
        assert!(wide(&world, ANN) < NOT_THERE, "{}", wide(&world, ANN));
        let invites: Vec<Time> = world.line(CALLER).messages(false, "INVITE").map(|said| said.at).collect();
        if glare {
            // RFC 3261 §14.1: who does not own the Call-ID comes again within two seconds.
            assert!((2..=10).contains(&invites.len()), "{invites:?}");
            assert!(invites.windows(2).all(|pair| pair[1] - pair[0] < 3 * SECOND), "{invites:?}");
        } else {
            assert_eq!(invites.len(), 1);
        }
        let count = world.living().expect("a call").counters().bandwidth;
        assert_eq!((count.asked, count.taken, count.refused), (1, 0, 1));
        world.act(CALLER, Do::HangUp(String::new()));
        world.finish();
    }
}

#[test]
fn offers_that_cross_are_both_answered_in_the_end_and_the_limit_is_gone() {
    for seed in World::seeds(12) {
        let mut builder = WorldBuilder::new(seed).weather(Weather { delay: ms(40), ..Weather::CLEAR });
        builder.calls.wideband_reinvite = true;
        let mut world = prepared(builder);
        world.behave(ANN, Behaviour::answers(ms(500)));
        world.with_ai();
        world.hand_over("snapcall_agents", "");
        // The caller's own offer leaves when ours is on its way.
        assert!(world.run_until(5 * SECOND, |world| world.state() == State::WithAgent));
        world.act(CALLER, Do::Offer(Direction::SendRecv));
        world.run(12 * SECOND);
        world.assert_talk(CALLER, ANN);
        assert!(wide(&world, ANN) > ARRIVES, "seed {seed}: {}\n{}", wide(&world, ANN), world.account());
        world.act(CALLER, Do::HangUp(String::new()));
        world.finish();
    }
}

#[test]
fn a_caller_on_hold_is_left_alone_until_it_is_back() {
    let mut world = world(5, true);
    world.with_ai();
    world.refer("snapcall_agents", "");
    world.act(CALLER, Do::Offer(Direction::Inactive));
    world.run(4 * SECOND);
    assert_eq!(world.state(), State::WithAgent);
    assert_eq!(world.line(CALLER).received("INVITE"), 0);
    world.act(CALLER, Do::Offer(Direction::SendRecv));
    world.run(3 * SECOND);
    world.assert_talk(CALLER, ANN);
    assert!(wide(&world, ANN) > ARRIVES, "{}", wide(&world, ANN));
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}
