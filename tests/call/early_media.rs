//! Sound from before the answer: heard by a caller that is being rung, and by one on hold only where its peer says so.

use baton_engine::call::{EndReason, OnAiFailure, State};
use baton_engine::settings::EarlyMedia;
use baton_tests::phone::{Behaviour, Do, LineState, Pickup};
use baton_tests::sip::Sdp;
use baton_tests::tone::Heard;
use baton_tests::world::{AI, AI2, ANN, BOB, CALLER, HOLD, SECOND, World, WorldBuilder, ms};

/// A world in which sound of both peers from before the answer is treated so.
fn world(seed: u64, early: EarlyMedia) -> World {
    let mut builder = WorldBuilder::new(seed);
    builder.calls.peers.values_mut().for_each(|peer| peer.early_media = early);
    builder.build()
}

/// The descriptions that the caller was sent, with the status lines they came with.
fn descriptions(world: &World) -> Vec<(u16, String)> {
    let said = world.line(CALLER).said.iter().filter(|said| !said.sent);
    let described = said.filter(|said| Sdp::parse(said.text.body()).is_some());
    described.map(|said| (said.text.status().unwrap_or(0), said.text.body().to_owned())).collect()
}

#[test]
fn a_caller_that_is_rung_hears_the_ai_before_and_after_its_answer_in_one_stream() {
    let mut world = World::new(420);
    world.behave(AI, Behaviour::with(Pickup::Early(3 * SECOND, None)));
    world.call();
    world.run(SECOND);
    let early = world.now;
    assert_eq!((world.state(), world.line(CALLER).state), (State::DialingAi, LineState::Calling));
    world.assert_talk(CALLER, AI);
    world.run(4 * SECOND);
    assert_eq!(world.state(), State::WithAi);
    world.assert_talk(CALLER, AI);
    world.assert_no_gap(CALLER, early);
    let described = descriptions(&world);
    assert_eq!(described.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [183, 200]);
    assert_eq!(described[0].1, described[1].1, "RFC 3261 §13.2.1: the 200 says the same");
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn an_ai_whose_early_sound_is_ignored_leaves_the_caller_ringing() {
    let mut world = world(421, EarlyMedia::Ignore);
    world.behave(AI, Behaviour::with(Pickup::Early(2 * SECOND, None)));
    world.call();
    world.run(SECOND);
    assert!(descriptions(&world).is_empty(), "{}", world.account());
    world.run(2 * SECOND);
    world.assert_talk(CALLER, AI);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn after_an_announcement_of_an_ai_that_then_refuses_the_caller_hears_the_next_one() {
    let mut world = World::new(422);
    world.behave(AI, Behaviour::with(Pickup::Early(2 * SECOND, Some(503))));
    world.behave(AI2, Behaviour::answers(2 * SECOND));
    world.call();
    world.run(SECOND);
    let early = world.now;
    world.assert_hears(CALLER, &Heard::only(world.line(AI).tone));
    world.run(2 * SECOND);
    world.assert_hears(CALLER, &Heard::only(HOLD));
    world.run(2 * SECOND);
    world.assert_talk(CALLER, AI2);
    world.assert_no_gap(CALLER, early);
    let described = descriptions(&world);
    assert_eq!(described[0].1, described[1].1);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn a_caller_that_has_heard_an_announcement_may_still_be_refused() {
    let mut builder = WorldBuilder::new(423);
    builder.flow().on_ai_failure = OnAiFailure::Reject;
    let mut world = builder.build();
    world.behave(AI, Behaviour::with(Pickup::Early(2 * SECOND, Some(486))));
    world.call();
    world.run(3 * SECOND);
    assert_eq!(world.line(CALLER).status, Some(486));
    assert_eq!(world.record().end, Some(EndReason::AiBusy));
    world.finish();
}

#[test]
fn a_caller_that_gives_up_amid_an_announcement_leaves_nothing_behind() {
    let mut world = World::new(424);
    world.behave(AI, Behaviour::with(Pickup::Early(5 * SECOND, None)));
    world.call();
    world.run(SECOND);
    world.act(CALLER, Do::HangUp(String::new()));
    world.run(SECOND);
    assert_eq!(world.record().end, Some(EndReason::CallerCancelled));
    assert_eq!(world.line(AI).received("CANCEL"), 1);
    world.finish();
}

#[test]
fn a_caller_that_waits_for_a_person_goes_on_hearing_hold_audio() {
    let mut world = World::new(425);
    world.behave(ANN, Behaviour::with(Pickup::Early(3 * SECOND, None)));
    world.with_ai();
    world.hand_over("snapcall_agents", "");
    world.run(2 * SECOND);
    assert_eq!(world.state(), State::RingingAgent);
    world.assert_hears(CALLER, &Heard::only(HOLD));
    world.run(2 * SECOND);
    world.assert_talk(CALLER, ANN);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn where_the_peer_says_so_the_caller_hears_the_persons_line_and_hold_audio_after_it() {
    let mut world = world(426, EarlyMedia::Play);
    world.behave(ANN, Behaviour::with(Pickup::Early(3 * SECOND, Some(486))));
    world.behave(BOB, Behaviour::answers(2 * SECOND));
    world.with_ai();
    let answered = world.now;
    world.hand_over("snapcall_agents", "");
    world.run(2 * SECOND);
    world.assert_hears(CALLER, &Heard::only(world.line(ANN).tone));
    world.run(2 * SECOND);
    world.assert_hears(CALLER, &Heard::only(HOLD));
    world.run(2 * SECOND);
    world.assert_talk(CALLER, BOB);
    world.assert_no_gap(CALLER, answered + ms(300));
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}
