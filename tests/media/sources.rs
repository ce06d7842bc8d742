//! Where what a leg hears comes from (another leg's packets, its own encoder, packets shared by all calls), what each
//! costs, and that no change of one for another clicks.

use baton_codecs::tone::{Tone, amplitude};
use baton_engine::media::{MediaEvent, Order};

use crate::world::*;

/// Frequencies above every tone of the world; like those, whole cycles in 10 ms.
const ABOVE_HZ: [f64; 5] = [2600.0, 2900.0, 3200.0, 3500.0, 3800.0];

/// The loudest 10 ms above all tones: a click is heard at every frequency, a tone or its fade at its own.
fn splash(sound: &[i16]) -> f64 {
    let windows = sound.windows(80).step_by(20);
    let worst = |window: &[i16]| ABOVE_HZ.iter().map(|hz| amplitude(window, 8000, *hz)).sum::<f64>();
    windows.map(worst).fold(0.0, f64::max)
}

fn tone(hz: f64, samples: usize) -> Vec<i16> {
    let mut sound = vec![0; samples];
    Tone::new(8000, &[(hz, 8000.0)]).fill(&mut sound);
    sound
}

/// What a cut from one tone to another splashes, at its worst.
fn cut() -> f64 {
    splash(&[&tone(600.0, 803)[..], &tone(HOLD_HZ, 800)].concat())
}

/// Leaves the first 200 ms out: there a stream begins.
fn settled(world: &World, leg: baton_engine::key::LegId) -> Vec<i16> {
    world.phone(leg).sound()[1600..].to_vec()
}

#[test]
fn the_measure_of_clicks_tells_a_cut_from_a_tone_and_from_a_fade() {
    assert!(splash(&tone(HOLD_HZ, 1600)) < 10.0, "{}", splash(&tone(HOLD_HZ, 1600)));
    assert!(cut() > 600.0, "{}", cut());
}

#[test]
fn an_opus_relay_needs_no_codec_and_tells_when_somebody_speaks() {
    let mut world = World::new(2);
    world.open(CALLER, Kind::Opus, 20);
    world.open(AI, Kind::Opus, 20);
    world.phone_mut(AI).speaks = false;
    world.order(Order::Bridge { with: AI });
    world.run(2000);
    assert!(world.happened(MediaEvent::FirstSound { leg: CALLER }));
    assert!(!world.happened(MediaEvent::FirstSound { leg: AI }));
    world.phone_mut(AI).speaks = true;
    world.run(1000);
    assert!(world.happened(MediaEvent::FirstSound { leg: AI }));
    assert_eq!(world.phone(CALLER).hears(300), [tone_of(AI)]);
    assert_eq!(world.session.opus_codecs(), (0, 0));
    // A stream that stops is followed by silence, which needs none either.
    world.phone_mut(AI).sends = false;
    world.run(2000);
    assert_eq!(world.phone(CALLER).hears(300), [0.0; 0]);
    assert_eq!(world.session.opus_codecs().0, 0);
    world.assert_one_stream(CALLER);
}

#[test]
fn a_waiting_opus_caller_is_not_encoded_for_and_hears_the_loop_without_a_seam() {
    let mut world = World::call(3, Kind::Opus, Kind::Opus);
    world.run(1000);
    world.order(Order::Park { tail: None, hold: HOLD });
    world.run(500);
    let (began, encoded) = (world.phone(CALLER).sound().len(), world.session.frames_encoded());
    // The prompt is a second long: ten seams.
    world.run(10_000);
    assert_eq!(world.session.frames_encoded(), encoded);
    let sound = world.phone(CALLER).sound().split_off(began);
    assert_eq!((tones(&sound), longest_gap_ms(&sound)), (vec![HOLD_HZ], 0));
    assert!(splash(&sound) < cut() / 4.0, "{} of {}", splash(&sound), cut());
    world.assert_one_stream(CALLER);
    // The AI is sent silence, which is shared too.
    assert_eq!(world.phone(AI).hears(300), [0.0; 0]);
    assert!(world.phone(AI).got.len() > 500);
}

#[test]
fn two_waiting_callers_are_sent_the_same_packets() {
    let hold = |seed| {
        let mut world = World::call(seed, Kind::Opus, Kind::Pcmu);
        world.run(1000);
        world.order(Order::Park { tail: None, hold: HOLD });
        world.run(3000);
        let got = &world.phone(CALLER).got;
        got[got.len() - 100..].iter().map(|got| got.payload().to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(hold(4), hold(5));
}

/// The whole main job in these codecs; what the caller heard after its first 200 ms.
fn job(seed: u64, caller: Kind, ai: Kind, agent: Kind, tail: bool) -> World {
    let mut world = World::call(seed, caller, ai);
    world.run(1000);
    world.order(Order::Park { tail: tail.then_some(AI), hold: HOLD });
    if tail {
        world.run(200);
        world.phone_mut(AI).speaks = false;
    }
    world.run(1990);
    assert_eq!(world.phone(CALLER).hears(300), [HOLD_HZ]);
    world.open(AGENT, agent, 20);
    world.order(Order::Join { agent: AGENT, tail_ms: 1000 });
    world.run(1500);
    assert_eq!(world.phone(CALLER).hears(300), [tone_of(AGENT)]);
    assert_eq!(world.phone(AGENT).hears(300), [tone_of(CALLER)]);
    world.order(Order::Announce { prompt: NOTICE });
    world.run(600);
    assert_eq!(world.phone(CALLER).hears(300), [NOTICE_HZ]);
    world.run(1400);
    assert!(world.happened(MediaEvent::PromptEnded));
    assert_eq!(world.phone(CALLER).hears(300), [tone_of(AGENT)]);
    world.assert_one_stream(CALLER);
    world
}

#[test]
fn no_change_of_source_clicks_in_any_pair_of_codecs() {
    let mut seed = 20;
    for caller in [Kind::Opus, Kind::Pcmu] {
        for ai in [Kind::Opus, Kind::Pcmu] {
            for agent in [Kind::Opus, Kind::Pcmu] {
                for tail in [true, false] {
                    seed += 1;
                    let world = job(seed, caller, ai, agent, tail);
                    let sound = settled(&world, CALLER);
                    let what = format!("{caller:?} {ai:?} {agent:?} tail {tail}");
                    // Its first 950 ms are the AI, then the hold audio begins: nothing of a cut is left there. Where a
                    // person's packets begin to be relayed, a decoder joins them amid a tone.
                    let (park, all) = (splash(&sound[..sound.len().min(12_000)]), splash(&sound));
                    assert!(
                        park < cut() * 0.6 && all < cut() * 1.05,
                        "{what}: {park:.0}, {all:.0} of {:.0}",
                        cut()
                    );
                    // The highest tone at its full 8000 steps by 10 000.
                    assert!(largest_step(&sound) < 12_500, "{what}: {}", largest_step(&sound));
                    // An AI that has ended its sentence is waited for.
                    let gap = longest_gap_ms(&sound);
                    assert!(tail || gap <= 60, "{what}: {gap}");
                }
            }
        }
    }
}

/// Longest stretch below -66 dBFS, where not even a line's noise is heard, in milliseconds, looked at in windows of 10.
fn longest_dead_ms(sound: &[i16]) -> usize {
    let power = |window: &[i16]| window.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / 80.0;
    let dead = |window: &[i16]| power(window).sqrt() < 16.0;
    let runs = sound.chunks_exact(80).map(dead).collect::<Vec<_>>();
    runs.split(|dead| !dead).map(<[bool]>::len).max().unwrap_or(0) * 10
}

#[test]
fn hold_audio_follows_the_noise_behind_an_ended_sentence_without_a_silence_and_unencoded() {
    for (seed, caller) in [(60, Kind::Opus), (61, Kind::Pcmu), (62, Kind::Pcma)] {
        for ai in [Kind::Pcmu, Kind::Opus] {
            let mut world = World::call(seed, caller, ai);
            world.phone_mut(AI).tone = Tone::new(8000, &[(tone_of(AI), 150.0)]);
            world.run(1000);
            world.order(Order::Park { tail: Some(AI), hold: HOLD });
            world.run(1000);
            assert_eq!(world.phone(CALLER).hears(300), [HOLD_HZ]);
            let sound = settled(&world, CALLER);
            let dead = longest_dead_ms(&sound);
            assert!(dead <= 10, "{caller:?} {ai:?}: {dead} ms");
            assert!(splash(&sound) < cut() / 4.0, "{caller:?} {ai:?}: {} of {}", splash(&sound), cut());
            let encoded = world.session.frames_encoded();
            world.run(1000);
            // Once the prompt's packets have begun, none is encoded. (The AI is sent silence, which G.711 encodes.)
            let ours = if ai == Kind::Pcmu { 50 } else { 0 };
            assert!(world.session.frames_encoded() <= encoded + ours, "{caller:?} {ai:?}");
        }
    }
}
