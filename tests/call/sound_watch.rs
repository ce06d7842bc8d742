//! A leg whose sound is missed: an alarm, one offer of the session, and only then what silence has always led to.

use baton_engine::call::{Moment, State};
use baton_engine::media::AlarmKind;
use baton_tests::phone::Do;
use baton_tests::world::{AI, CALLER, SECOND, World, ms};

fn noted(world: &World, wanted: impl Fn(&Moment) -> bool) -> usize {
    let call = world.living().expect("a living call").snapshot();
    call.timeline.entries().iter().filter(|entry| wanted(&entry.what)).count()
}

#[test]
fn an_ai_that_falls_silent_is_offered_its_session_once_and_may_come_back() {
    let mut world = World::new(131);
    world.with_ai();
    world.act(AI, Do::Mute(true));
    world.run(2 * SECOND + ms(100));
    let alarm = |what: &Moment| matches!(what, Moment::Alarm { kind: AlarmKind::NoRtp, .. });
    assert_eq!(noted(&world, alarm), 1, "{}", world.account());
    assert_eq!(world.line(AI).received("INVITE"), 1, "the gate has its chance first");
    world.run(2 * SECOND);
    assert_eq!(world.line(AI).received("INVITE"), 2, "{}", world.account());
    world.run(10 * SECOND);
    assert_eq!(world.line(AI).received("INVITE"), 2, "once and for all");
    assert_eq!(world.state(), State::WithAi);
    world.act(AI, Do::Mute(false));
    world.run(2 * SECOND);
    world.assert_talk(CALLER, AI);
    assert_eq!(noted(&world, |what| matches!(what, Moment::AlarmOver { .. })), 1);
    assert_eq!(noted(&world, alarm), 1);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn a_caller_who_mutes_a_phone_is_offered_the_session_once_and_stays() {
    let mut world = World::new(132);
    world.with_ai();
    world.act(CALLER, Do::Mute(true));
    world.run(12 * SECOND);
    assert_eq!(world.line(CALLER).received("INVITE"), 1, "{}", world.account());
    assert_eq!(world.state(), State::WithAi);
    world.act(CALLER, Do::Mute(false));
    world.run(2 * SECOND);
    world.assert_talk(CALLER, AI);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}
