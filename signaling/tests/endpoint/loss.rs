//! Whole calls on a wire that loses a fifth, delays, repeats and reorders: they end as they should, and nothing is left.

use baton_signaling::endpoint::Event;
use baton_signaling::message::Headers;
use bytes::Bytes;

use crate::wire::{ALICE, BOB, World};

const SDP: Bytes = Bytes::from_static(b"v=0\r\n");

fn lossy(seed: u64) -> World {
    let mut world = World::new(seed);
    world.loss_percent = 20;
    world.delay_ms = (1, 300);
    world
}

/// Runs until an event at `end` makes `pick` say something, but for at most 40 s.
fn wait<T>(world: &mut World, end: usize, mut pick: impl FnMut(Event) -> Option<T>) -> Option<T> {
    for _ in 0..400 {
        world.run_ms(100);
        if let Some(found) = world.take(end).into_iter().find_map(&mut pick) {
            return Some(found);
        }
    }
    None
}

#[test]
fn calls_with_a_handoff_survive_a_fifth_of_all_messages_lost() {
    let (mut answered, mut told) = (0, 0);
    for seed in 0..500 {
        let mut world = lossy(seed);
        let a = world.dial();
        let incoming = wait(&mut world, BOB, |event| match event {
            Event::Incoming { leg, .. } => Some(leg),
            _ => None,
        });
        let Some(b) = incoming else {
            world.run_out();
            world.assert_idle();
            continue;
        };
        let (bob, now) = world.bob();
        bob.answer(now, b, Headers::new(), SDP);
        let up = wait(&mut world, ALICE, |event| matches!(event, Event::Answered { .. }).then_some(()));
        answered += u32::from(up.is_some());
        if up.is_some() {
            told += u32::from(hand_off(&mut world, a));
        }
        let (alice, now) = world.alice();
        alice.hang_up(now, a, Headers::new());
        let (bob, now) = world.bob();
        bob.hang_up(now, b, Headers::new());
        world.run_out();
        world.assert_idle();
        for end in [ALICE, BOB] {
            let counters = world.ends[end].counters();
            let left = (counters.transactions_active, counters.legs_active, counters.subscriptions_active);
            assert_eq!(left, (0, 0, 0), "seed {seed}");
        }
    }
    // An INVITE and its answer each have seven or more tries; a single failure in a thousand is within reason.
    assert!(answered >= 498, "{answered} of 500 answered");
    assert!(told >= 480, "{told} of 500 told the outcome");
}

/// A REFER and its whole story; whether the final word arrived.
fn hand_off(world: &mut World, a: baton_signaling::endpoint::Leg) -> bool {
    let (alice, now) = world.alice();
    alice.refer(now, a, b"<sip:agents@127.0.0.2>", Headers::new());
    let asked = wait(world, BOB, |event| match event {
        Event::Refer { key, .. } => Some(key),
        _ => None,
    });
    let Some(key) = asked else { return false };
    let (bob, now) = world.bob();
    bob.respond(now, key, 202, "", Headers::new(), Bytes::new());
    bob.notify(now, key, 180, "", &Headers::new());
    bob.notify(now, key, 200, "", &Headers::new());
    let last = |event| match event {
        Event::Notify { request, .. } => request.body.starts_with(b"SIP/2.0 200").then_some(()),
        _ => None,
    };
    wait(world, ALICE, last).is_some()
}

#[test]
fn calls_that_are_cancelled_at_any_moment_leave_nothing() {
    for seed in 0..500 {
        let mut world = lossy(seed);
        let a = world.dial();
        world.run_ms(seed * 7 % 2000);
        if let Some(b) = world.take(BOB).into_iter().find_map(|event| match event {
            Event::Incoming { leg, .. } => Some(leg),
            _ => None,
        }) {
            let (bob, now) = world.bob();
            bob.answer(now, b, Headers::new(), SDP);
        }
        world.run_ms(seed * 13 % 700);
        let (alice, now) = world.alice();
        alice.hang_up(now, a, Headers::new());
        world.run_ms(40_000);
        // Whoever has come late to Bob rings for a caller that may be gone: he gives up in the end.
        let legs = world.take(BOB).into_iter().filter_map(|event| match event {
            Event::Incoming { leg, .. } | Event::NotAcked { leg } => Some(leg),
            _ => None,
        });
        for leg in legs {
            let (bob, now) = world.bob();
            bob.hang_up(now, leg, Headers::new());
        }
        world.run_out();
        world.assert_idle();
    }
}
