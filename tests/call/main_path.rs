//! The main job: the AI answers first, hands off with context, the first person does not answer, the second does.

use baton_engine::call::{EndReason, State};
use baton_tests::phone::{Behaviour, Do, LineState};
use baton_tests::tone::Heard;
use baton_tests::world::{AI, ANN, BOB, CALLER, HOLD, SECOND, SENTENCE_END, World, WorldBuilder, ms};

#[test]
fn the_second_person_gets_the_caller_and_the_caller_never_hears_a_gap() {
    let mut world = WorldBuilder::new(1).patience(120 * SECOND, 3 * SECOND).build();
    world.behave(ANN, Behaviour::never_answers());
    world.behave(BOB, Behaviour::answers(SECOND));
    world.call_from(CALLER, "1000", "X-Customer: 4711\r\nUser-to-User: 3132;encoding=hex\r\n");
    world.run(2 * SECOND);
    assert_eq!(world.state(), State::WithAi);
    world.assert_talk(CALLER, AI);
    let begin = world.now - ms(500);

    world.hand_over("snapcall_agents", "X-Handoff-Reason: billing\r\n");
    world.run(2 * SECOND);
    assert_eq!(world.state(), State::RingingAgent);
    world.assert_hears(CALLER, &Heard::only(HOLD));
    world.assert_hears(AI, &Heard::silence());
    assert_eq!(world.line(ANN).state, LineState::Calling);

    // Ann's phone rings for 3 s; then it is Bob's turn, who takes a second.
    world.run(2 * SECOND);
    assert!(world.line(ANN).is_ended());
    assert_eq!(world.line(ANN).received("CANCEL"), 1);
    world.assert_hears(CALLER, &Heard::only(HOLD));
    world.run(2 * SECOND);
    assert_eq!(world.state(), State::WithAgent);
    world.assert_talk(CALLER, BOB);

    // The AI falls silent 300 ms after its REFER; the hold audio begins when that is sure.
    let pause = world.line(CALLER).ear.longest_gap_ms(begin, world.now);
    assert!(pause <= SENTENCE_END.as_millis() as usize, "{pause} ms");
    world.assert_no_gap(CALLER, begin + ms(800) + SENTENCE_END);
    assert_eq!(world.line(AI).received("202 REFER"), 1);
    assert_eq!(world.line(AI).notified(), [100, 180, 200]);
    assert!(world.line(AI).is_ended());

    world.act(BOB, Do::HangUp(String::new()));
    let world = world.finish();
    assert!(world.line(CALLER).ended_by_peer);
    assert_eq!(world.record().end, Some(EndReason::AgentHungUp));
}

#[test]
fn the_people_get_what_the_caller_and_the_ai_said_in_headers() {
    let mut world = World::new(2);
    world.call_from(CALLER, "1000", "X-Customer: 4711\r\nUser-to-User: 3132;encoding=hex\r\n");
    world.run(2 * SECOND);
    let planted = world.line(AI).invite().header("X-Baton-Call-ID").map(str::to_string);
    assert_eq!(planted.as_deref(), world.living().map(|call| call.id()));
    world.hand_over("snapcall_agents?X-Topic=refund", "X-Handoff-Reason: billing\r\n");
    world.run(3 * SECOND);
    let invite = world.line(ANN).invite();
    for (name, value) in [
        ("X-Customer", "4711"),
        ("User-to-User", "3132;encoding=hex"),
        ("X-Topic", "refund"),
        ("X-Handoff-Reason", "billing"),
    ] {
        assert_eq!(invite.header(name), Some(value), "{name} of {}", invite.0);
    }
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn the_caller_is_answered_when_the_ai_has_answered_and_not_before() {
    let mut world = World::new(3);
    world.behave(AI, Behaviour::answers(ms(1500)));
    world.call();
    world.run(SECOND);
    assert_eq!(world.state(), State::DialingAi);
    assert_eq!(world.line(CALLER).received("180 INVITE"), 1);
    assert_eq!(world.line(CALLER).received("200 INVITE"), 0);
    world.run(SECOND);
    assert_eq!(world.line(CALLER).received("200 INVITE"), 1);
    world.run(SECOND);
    world.assert_talk(CALLER, AI);
    world.act(CALLER, Do::HangUp(String::new()));
    let world = world.finish();
    assert_eq!(world.record().end, Some(EndReason::CallerHungUp));
}

#[test]
fn a_call_that_stays_with_the_ai_ends_with_it() {
    let mut world = World::new(4);
    world.with_ai();
    world.act(AI, Do::HangUp(String::new()));
    world.run(SECOND);
    assert!(world.line(CALLER).ended_by_peer);
    let world = world.finish();
    assert_eq!(world.record().end, Some(EndReason::AiHungUp));
    assert_eq!(world.calls_of(ANN), 0);
}

#[test]
fn an_ai_that_stays_after_the_final_notify_is_hung_up_a_second_later() {
    let mut world = World::new(5);
    world.behave(AI, Behaviour::answers(ms(300)));
    world.with_ai();
    world.hand_over("snapcall_agents", "");
    assert!(world.run_until(5 * SECOND, |world| world.line(AI).notified().contains(&200)));
    world.run(ms(900));
    assert_eq!(world.line(AI).state, LineState::Up);
    world.run(ms(300));
    assert!(world.line(AI).ended_by_peer);
    world.run(SECOND);
    world.assert_talk(CALLER, ANN);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn while_the_ai_still_speaks_the_caller_hears_it_and_the_person_hears_the_caller() {
    let mut world = World::new(6);
    world.behave(ANN, Behaviour::answers(2 * SECOND));
    world.behave(AI, Behaviour::answers(ms(300)));
    world.with_ai();
    world.refer("snapcall_agents", "");
    world.run(ms(1500));
    world.assert_hears(CALLER, &Heard::only(world.line(AI).tone));
    assert!(world.run_until(3 * SECOND, |world| world.state() == State::WithAgent));
    world.run(ms(700));
    world.assert_hears(ANN, &Heard::only(world.line(CALLER).tone));
    // The AI's sentence is played for at most 1.5 s more.
    world.run(2 * SECOND);
    world.assert_talk(CALLER, ANN);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn an_opus_caller_is_transcoded_to_the_ai_and_to_the_person() {
    let mut world = World::new(7);
    world.phone(CALLER).codecs = vec![baton_tests::codec::Codec::Opus, baton_tests::codec::Codec::Pcmu];
    world.phone(ANN).codecs = vec![baton_tests::codec::Codec::Pcma];
    world.with_agent();
    assert!(world.line(CALLER).first("200 INVITE").unwrap().text.body().contains("opus/48000/2"));
    world.act(ANN, Do::HangUp(String::new()));
    world.finish();
}
