//! The main job: AI, the rest of its sentence, hold audio, a person; one stream, no gap, no click.

use baton_engine::media::{MediaEvent, Order};

use crate::world::*;

fn handoff(seed: u64, caller: Kind, ai: Kind, agent: Kind) -> World {
    let mut world = World::call(seed, caller, ai);
    world.run(1000);
    assert_eq!(world.phone(CALLER).hears(300), [tone_of(AI)], "{caller:?} {ai:?}");
    assert_eq!(world.phone(AI).hears(300), [tone_of(CALLER)]);
    world.order(Order::Park { tail: Some(AI), hold: HOLD });
    world.run(400);
    assert_eq!(world.phone(CALLER).hears(200), [tone_of(AI)], "the rest of the sentence");
    assert_eq!(world.phone(AI).hears(200), [0.0; 0], "silence to the AI");
    world.phone_mut(AI).speaks = false;
    world.run(1500);
    assert!(world.happened(MediaEvent::TailEnded));
    assert_eq!(world.phone(CALLER).hears(300), [HOLD_HZ]);
    world.open(AGENT, agent, 20);
    world.phone_mut(AGENT).sends = false;
    world.order(Order::Join { agent: AGENT, tail_ms: 1500 });
    world.run(100);
    world.phone_mut(AGENT).sends = true;
    world.run(1000);
    assert!(world.happened(MediaEvent::AgentHeard { leg: AGENT }));
    assert_eq!(world.phone(CALLER).hears(300), [tone_of(AGENT)]);
    assert_eq!(world.phone(AGENT).hears(300), [tone_of(CALLER)]);
    world.order(Order::Close { leg: AI });
    world.run(500);
    world.assert_one_stream(CALLER);
    world.assert_one_stream(AGENT);
    world
}

#[test]
fn the_caller_hears_ai_hold_audio_and_person_in_one_stream_whatever_the_codecs() {
    use Kind::{Opus, Pcma, Pcmu};
    for (n, caller) in [Opus, Pcmu, Pcma].into_iter().enumerate() {
        for (ai, agent) in [(Pcmu, Opus), (Pcmu, Pcmu), (Opus, Pcma), (Pcma, Pcma), (Opus, Opus)] {
            handoff(n as u64, caller, ai, agent);
        }
    }
}

#[test]
fn a_person_who_speaks_at_once_over_the_ai_is_heard_with_it_and_no_packet_is_missing() {
    for (caller, ai, agent) in [
        (Kind::Opus, Kind::Pcmu, Kind::Opus),
        (Kind::Pcmu, Kind::Pcmu, Kind::Pcmu),
        (Kind::Opus, Kind::Pcmu, Kind::Pcmu),
    ] {
        let mut world = World::call(3, caller, ai);
        world.run(1000);
        world.order(Order::Park { tail: Some(AI), hold: HOLD });
        world.run(200);
        world.open(AGENT, agent, 20);
        world.order(Order::Join { agent: AGENT, tail_ms: 600 });
        world.run(500);
        assert_eq!(world.phone(CALLER).hears(200), [tone_of(AI), tone_of(AGENT)]);
        world.run(1000);
        assert_eq!(world.phone(CALLER).hears(200), [tone_of(AGENT)]);
        world.assert_one_stream(CALLER);
        let sound = world.phone(CALLER).sound();
        let gap = longest_gap_ms(&sound[1600..]);
        assert!(gap <= 60, "{caller:?} {ai:?} {agent:?}: {gap} ms");
    }
}

#[test]
fn between_ai_hold_audio_and_person_no_gap_is_longer_than_sixty_milliseconds_but_for_the_sentences_own_end() {
    // The AI leaves mid-sentence: the tail ends with its leg, so that no pause of speech lies between.
    for (caller, agent) in [(Kind::Pcmu, Kind::Pcmu), (Kind::Opus, Kind::Opus), (Kind::Opus, Kind::Pcmu)] {
        let mut world = World::call(4, caller, Kind::Pcmu);
        world.run(1000);
        world.order(Order::Park { tail: Some(AI), hold: HOLD });
        world.order(Order::Close { leg: AI });
        world.run(1000);
        world.open(AGENT, agent, 20);
        world.order(Order::Join { agent: AGENT, tail_ms: 600 });
        world.run(1500);
        world.assert_one_stream(CALLER);
        let sound = world.phone(CALLER).sound();
        let gap = longest_gap_ms(&sound[1600..]);
        assert!(gap <= 60, "{caller:?} {agent:?}: {gap} ms");
    }
}

#[test]
fn hold_audio_begins_and_ends_without_a_click() {
    let mut world = World::call(5, Kind::Pcma, Kind::Pcmu);
    world.run(1000);
    world.order(Order::Park { tail: None, hold: HOLD });
    world.run(1000);
    world.open(AGENT, Kind::Pcmu, 20);
    world.order(Order::Join { agent: AGENT, tail_ms: 0 });
    world.run(1000);
    // A tone of peak A and frequency f steps by at most 2πf/8000·A: 8168 for the hold audio, 6283 for the person,
    // whose fades overlap for 10 ms. A cut between full tones would step by up to 16000.
    let sound = world.phone(CALLER).sound();
    let step = largest_step(&sound[1600..]);
    assert!(step < 12_500, "{step}");
}

#[test]
fn a_person_who_says_nothing_ends_the_hold_audio_after_300_ms() {
    let mut world = World::call(6, Kind::Opus, Kind::Pcmu);
    world.run(500);
    world.order(Order::Park { tail: None, hold: HOLD });
    world.run(500);
    world.open(AGENT, Kind::Pcmu, 20);
    world.phone_mut(AGENT).speaks = false;
    let joined = world.now_ms;
    world.order(Order::Join { agent: AGENT, tail_ms: 0 });
    world.run(1000);
    let (at, _) = world.events.iter().find(|(_, e)| *e == MediaEvent::AgentHeard { leg: AGENT }).unwrap();
    assert!((300..=330).contains(&(at - joined)), "{}", at - joined);
    assert_eq!(world.phone(CALLER).hears(300), [0.0; 0]);
    world.assert_one_stream(CALLER);
}

#[test]
fn the_caller_goes_back_to_the_ai_on_the_kept_leg() {
    let mut world = World::call(7, Kind::Opus, Kind::Pcmu);
    world.run(500);
    world.order(Order::Park { tail: None, hold: HOLD });
    world.run(2000);
    world.order(Order::Bridge { with: AI });
    world.run(500);
    assert_eq!(world.phone(CALLER).hears(300), [tone_of(AI)]);
    assert_eq!(world.phone(AI).hears(300), [tone_of(CALLER)]);
    world.assert_one_stream(CALLER);
    world.assert_one_stream(AI);
}

#[test]
fn between_like_codecs_packets_are_relayed_and_losses_stay_visible() {
    let mut world = World::call(8, Kind::Pcmu, Kind::Pcmu);
    world.run(1000);
    let counters = world.session.counters();
    assert!(counters.packets_relayed * 100 >= counters.packets_sent * 90, "{counters:?}");
    world.phone_mut(AI).loss_percent = 20;
    let before = world.phone(CALLER).got.len();
    world.run(2000);
    let got = &world.phone(CALLER).got[before..];
    let span = got[got.len() - 1].seq().wrapping_sub(got[0].seq());
    assert!(usize::from(span) > got.len() + 5, "{span} {}", got.len());
    assert!(world.session.stats(AI).unwrap().lost > 5);
}
