//! How Opus is sent: as the far end asked, and as its reports of loss make it.

use baton_codecs::opus::carries_copy;
use baton_engine::media::{LegConfig, Limits, Order};

use crate::world::*;

/// A transcoded call whose Opus caller asked for this.
fn call(limits: Limits) -> World {
    let mut world = World::new(9);
    world.add(CALLER, Kind::Opus, 20);
    let config = LegConfig { limits, ..world.config(CALLER) };
    world.order(Order::Open { leg: CALLER, config });
    world.open(AI, Kind::Pcmu, 20);
    world.order(Order::Bridge { with: AI });
    world.run(1000);
    world
}

/// The caller reports this share of our packets as lost, in 256ths.
fn report(world: &mut World, fraction_lost: u8) {
    let ours = world.phone(CALLER).got[0].ssrc();
    let mut packet = vec![0x81, 201, 0, 7];
    for field in [7, ours, u32::from(fraction_lost) << 24, 0, 0, 0, 0] {
        packet.extend(u32::to_be_bytes(field));
    }
    world.report_in(CALLER, packet);
}

/// Payloads of the next second.
fn payloads(world: &mut World) -> Vec<Vec<u8>> {
    let before = world.phone(CALLER).got.len();
    world.run(1000);
    world.phone(CALLER).got[before..].iter().map(|got| got.payload().to_vec()).collect()
}

/// How many packets carry a copy of the one before, of some 75 in which somebody speaks: words and pauses, since a tone
/// that never ends is noise to an encoder, of which it makes no copies.
fn copies(world: &mut World) -> usize {
    let before = world.phone(CALLER).got.len();
    for _ in 0..5 {
        world.phone_mut(AI).speaks = false;
        world.run(300);
        world.phone_mut(AI).speaks = true;
        world.run(300);
    }
    world.phone(CALLER).got[before..].iter().filter(|got| carries_copy(got.payload())).count()
}

#[test]
fn copies_are_really_made_while_the_far_end_loses_and_uses_them_and_no_longer() {
    let mut world = call(Limits { fec: true, ..Limits::default() });
    assert_eq!(copies(&mut world), 0);
    report(&mut world, 13);
    let made = copies(&mut world);
    assert!(made > 40, "{made}");
    (0..12).for_each(|_| report(&mut world, 0));
    world.run(100);
    assert_eq!(copies(&mut world), 0);
    assert_eq!(world.phone(CALLER).hears(300), [tone_of(AI)]);
    let mut deaf = call(Limits::default());
    report(&mut deaf, 26);
    assert_eq!(copies(&mut deaf), 0);
}

#[test]
fn no_copies_are_made_where_the_bit_rate_leaves_no_room() {
    let mut world = call(Limits { fec: true, bitrate_max: Some(16_000), ..Limits::default() });
    report(&mut world, 26);
    assert_eq!(copies(&mut world), 0);
}

#[test]
fn the_far_ends_bit_rate_and_its_constancy_are_kept() {
    let rate = |limits| payloads(&mut call(limits)).iter().map(Vec::len).sum::<usize>() * 8;
    let (free, bound) =
        (rate(Limits::default()), rate(Limits { bitrate_max: Some(8_000), ..Limits::default() }));
    assert!(bound < 11_000 && bound * 3 < free * 2, "{bound} {free}");
    // A wish below what Opus can do is met as far as it goes.
    assert!(rate(Limits { bitrate_max: Some(1), ..Limits::default() }) < 9_000);
    let mut constant = call(Limits { cbr: true, ..Limits::default() });
    let payloads = payloads(&mut constant);
    assert!(payloads.iter().all(|payload| payload.len() == payloads[0].len()));
}

#[test]
fn what_an_encoder_is_told_is_seen_in_its_figures_and_its_changes_are_counted() {
    let mut world = call(Limits { fec: true, ..Limits::default() });
    let steering = |world: &World| world.session.stats(CALLER).expect("a leg").steering;
    let calm = steering(&world);
    assert!(calm.working && !calm.fec);
    assert_eq!((calm.loss_percent, calm.steps), (0, [0; 4]));
    report(&mut world, 13);
    let lossy = steering(&world);
    assert_eq!((lossy.fec, lossy.loss_percent, lossy.steps), (true, 7, [1, 0, 1, 0]));
    (0..12).for_each(|_| report(&mut world, 0));
    let after = steering(&world);
    assert_eq!((after.fec, after.loss_percent, &after.steps[..2]), (false, 0, &[1, 1][..]));
    let config = LegConfig {
        limits: Limits { bitrate_max: Some(8_000), fec: true, ..Limits::default() },
        ..world.config(CALLER)
    };
    world.order(Order::Update { leg: CALLER, config });
    assert_eq!(steering(&world).steps[3], 1, "the bit rate");
    assert!(!world.session.stats(AI).expect("a leg").steering.working, "nothing is steered in G.711");
}

#[test]
fn frames_of_hold_audio_are_counted_by_whether_they_were_made_for_all_or_for_one() {
    for (limits, shared) in
        [(Limits::default(), true), (Limits { bitrate_max: Some(8_000), ..Limits::default() }, false)]
    {
        let mut world = call(limits);
        // The person on the other side is silent for a while: hold audio begins in silence.
        world.phone_mut(AI).speaks = false;
        world.run(2000);
        world.order(Order::Park { tail: None, hold: HOLD });
        world.run(1000);
        let frames = world.session.stats(CALLER).expect("a leg").prompt_frames;
        let of_this = frames[usize::from(!shared)];
        assert!((45..=52).contains(&of_this) && frames[usize::from(shared)] <= 5, "{shared} {frames:?}");
    }
}
