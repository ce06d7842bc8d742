//! Senders that are silent: comfort noise and left-out packets are told apart from loss.

use baton_codecs::Rate;
use baton_codecs::level::dbov;
use baton_codecs::opus::{OpusEncoder, Settings};
use baton_engine::media::Lane;

use crate::world::*;

#[test]
fn comfort_noise_is_heard_at_its_level_until_speech_comes_and_nothing_is_missing() {
    let mut world = World::call(1, Kind::Pcma, Kind::Pcmu);
    world.run(2000);
    let before = world.session.stats(AI).unwrap();
    let phone = world.phone_mut(AI);
    phone.sends = false;
    let (from, time) = (phone.from, phone.time);
    let noise = phone.wrap(13, time, &[50, 100, 90]);
    world.packet_in(AI, Lane::Rtp, from, noise);
    world.run(3000);
    let sound = world.phone(CALLER).sound();
    let level = dbov(&sound[sound.len() - 16_000..]);
    assert!((level + 50.0).abs() < 2.0, "{level} dBov of -50");
    // Speech again: the timestamps went on with time, the numbers did not.
    let phone = world.phone_mut(AI);
    phone.seq = phone.seq.wrapping_sub((3000 / 20) as u16);
    phone.sends = true;
    world.run(1000);
    assert_eq!(world.phone(CALLER).hears(800), [tone_of(AI)]);
    let stats = world.session.stats(AI).unwrap();
    let counts = |stats: baton_engine::media::LegStats| {
        (stats.concealed, stats.underruns, stats.overruns, stats.late, stats.stretched)
    };
    assert_eq!(counts(stats), counts(before));
    assert_eq!(stats.target_ms, 20);
    world.assert_one_stream(CALLER);
}

#[test]
fn silence_left_out_by_opus_is_no_loss_and_what_is_said_after_it_is_heard_from_its_start() {
    let mut world = World::call(2, Kind::Pcma, Kind::Opus);
    let phone = world.phone_mut(AI);
    let settings = Settings { dtx: true, ..Settings::speech(Rate::Hz8000) };
    phone.encoder = Box::new(OpusEncoder::new(settings).unwrap());
    phone.leaves_silence_out = true;
    world.run(2000);
    for _ in 0..3 {
        let before = world.session.stats(AI).unwrap();
        world.phone_mut(AI).speaks = false;
        world.run(5000);
        let quiet = world.session.stats(AI).unwrap();
        assert!(quiet.received - before.received < 60, "{}", quiet.received - before.received);
        assert!(quiet.concealed - before.concealed <= 10, "{quiet:?}");
        assert_eq!((quiet.underruns, quiet.late), (before.underruns, before.late), "{quiet:?}");
        world.phone_mut(AI).speaks = true;
        world.run(1000);
        assert_eq!(world.phone(CALLER).hears(800), [tone_of(AI)]);
        assert!(world.session.stats(AI).unwrap().target_ms <= 25);
    }
}

#[test]
fn a_g711_sender_that_leaves_silence_out_loses_nothing() {
    let mut world = World::call(3, Kind::Opus, Kind::Pcmu);
    world.run(2000);
    for pause in [100, 300, 1000, 5000] {
        world.phone_mut(AI).sends = false;
        world.run(pause);
        let phone = world.phone_mut(AI);
        phone.seq = phone.seq.wrapping_sub((pause / 20) as u16);
        phone.sends = true;
        world.run(1000);
        assert_eq!(world.phone(CALLER).hears(800), [tone_of(AI)], "{pause}");
    }
    let stats = world.session.stats(AI).unwrap();
    assert_eq!((stats.concealed, stats.underruns, stats.late, stats.overruns), (0, 0, 0, 0), "{stats:?}");
}
