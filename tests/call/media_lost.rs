//! Sound that stops and comes back, while signalling goes on.

use baton_engine::call::State;
use baton_tests::net::Weather;
use baton_tests::phone::Do;
use baton_tests::tone::Heard;
use baton_tests::world::{AI, CALLER, SECOND, World, ms};

#[test]
fn a_short_outage_of_all_media_ends_nothing() {
    let mut world = World::new(111);
    world.with_ai();
    world.net.media.loss = 1000;
    world.run(5 * SECOND);
    world.assert_hears(CALLER, &Heard::silence());
    world.net.media = Weather::CLEAR;
    world.run(2 * SECOND);
    assert_eq!(world.state(), State::WithAi);
    world.assert_talk(CALLER, AI);
    world.act(CALLER, Do::HangUp(String::new()));
    world.run(2 * SECOND);
    assert_eq!(world.node.calls().count(), 0);
}

#[test]
fn packets_of_a_stranger_are_not_heard() {
    let mut world = World::new(112);
    world.with_ai();
    // Somebody sends well-formed µ-law from another address to the port that the node gave the caller.
    let line = world.line(CALLER);
    let port = baton_tests::sip::Sdp::parse(line.first("200 INVITE").unwrap().text.body()).unwrap().address;
    let tone = baton_tests::tone::Tone(9);
    let mut dice = baton_tests::dice::Dice::new(112, 1);
    let mut mouth = baton_tests::sound::Mouth::new(tone, &mut dice);
    mouth.open(world.now, baton_tests::codec::Codec::Pcmu, 0, 20);
    let from = "10.9.9.9:4000".parse().unwrap();
    for _ in 0..100 {
        let now = world.now;
        while let Some(bytes) = mouth.poll(now) {
            world.net.send(now, baton_tests::net::Datagram { from, to: port, bytes });
        }
        world.run(ms(20));
    }
    world.assert_talk(CALLER, AI);
    world.act(CALLER, Do::HangUp(String::new()));
    world.run(2 * SECOND);
    assert_eq!(world.node.calls().count(), 0);
}
