//! Session timers (RFC 4028) of a whole call: refreshed in time, with sound both ways, and over when they are not.

use baton_engine::call::{EndReason, State};
use baton_tests::phone::Do;
use baton_tests::world::{AI, CALLER, SECOND, World, WorldBuilder};

/// A world in which both peers are asked for this interval, in seconds.
fn world(seed: u64, seconds: u32) -> World {
    let mut builder = WorldBuilder::new(seed);
    builder.calls.peers.values_mut().for_each(|peer| peer.session_expires = seconds);
    builder.build()
}

/// The `o=` lines of the descriptions that the caller was sent.
fn origins(world: &World) -> Vec<String> {
    let said = world.line(CALLER).said.iter().filter(|said| !said.sent);
    said.filter_map(|said| said.text.body().lines().find(|line| line.starts_with("o=")))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_caller_without_timers_is_refreshed_by_update_and_hears_no_difference() {
    let mut world = world(400, 90);
    world.with_ai();
    let answered = world.now;
    world.run(300 * SECOND);
    assert!(world.line(CALLER).received("UPDATE") >= 6, "{}", world.account());
    world.assert_talk(CALLER, AI);
    world.assert_no_gap(CALLER, answered);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn a_caller_without_update_is_refreshed_by_the_same_description() {
    let mut world = world(401, 90);
    world.phone(CALLER).allow = "INVITE, ACK, BYE, CANCEL, OPTIONS".into();
    world.with_ai();
    world.run(300 * SECOND);
    assert_eq!(world.line(CALLER).received("UPDATE"), 0);
    assert!(world.line(CALLER).received("INVITE") >= 6, "{}", world.account());
    let origins = origins(&world);
    assert!(origins.iter().all(|origin| *origin == origins[0]), "{origins:?}");
    world.assert_talk(CALLER, AI);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn a_caller_that_forgets_to_refresh_is_let_go_and_the_ai_with_it() {
    let mut world = world(402, 1800);
    let headers = "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n";
    world.call_from(CALLER, "1000", headers);
    world.run(2 * SECOND);
    world.assert_talk(CALLER, AI);
    world.run(57 * SECOND);
    assert_eq!(world.state(), State::WithAi);
    world.run(3 * SECOND);
    assert_eq!(world.record().end, Some(EndReason::SessionExpired));
    assert_eq!((world.line(CALLER).received("BYE"), world.line(AI).received("BYE")), (1, 1));
    world.finish();
}

#[test]
fn a_caller_that_refreshes_keeps_its_call() {
    let mut world = world(403, 1800);
    world.call_from(CALLER, "1000", "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n");
    for _ in 0..6 {
        world.run(45 * SECOND);
        world.act(CALLER, Do::Update("Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n".into()));
    }
    world.run(SECOND);
    assert_eq!(world.line(CALLER).received("200 UPDATE"), 6);
    world.assert_talk(CALLER, AI);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}
