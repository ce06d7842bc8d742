//! The parts of a call are measured each for itself: what happens in one is not told of another.

use baton_engine::key::LegId;
use baton_engine::media::quality::Scale;
use baton_engine::media::{Measured, Order, Segment, StreamFigures};

use crate::world::*;

/// The conversational score of a stream that has one.
fn mos(stream: StreamFigures) -> f32 {
    stream.mos_cq.unwrap_or_else(|| panic!("{stream:?}"))
}

fn of(measured: &[Measured], leg: LegId, segment: Option<Segment>) -> Measured {
    *measured.iter().find(|m| m.leg == leg && m.segment == segment).unwrap_or_else(|| panic!("{measured:?}"))
}

#[test]
fn loss_jitter_and_concealment_belong_to_the_part_in_which_they_happened() {
    let mut world = World::call(1, Kind::Opus, Kind::Pcmu);
    world.phone_mut(CALLER).loss_percent = 10;
    world.run(10_000);
    assert!(world.session.take_measured().is_empty(), "nothing is over");
    world.phone_mut(CALLER).loss_percent = 0;
    world.order(Order::Park { tail: Some(AI), hold: HOLD });
    let ai = world.session.take_measured();
    world.run(10_000);
    world.open(AGENT, Kind::Pcmu, 20);
    world.order(Order::Join { agent: AGENT, tail_ms: 0 });
    let queue = world.session.take_measured();
    world.phone_mut(AGENT).jitter_ms = 60;
    world.run(10_000);
    world.order(Order::End);
    let rest = world.session.take_measured();

    assert_eq!((ai.len(), queue.len()), (2, 1), "caller and AI; the caller alone");
    let caller = of(&ai, CALLER, Some(Segment::Ai)).stream;
    assert!((0.05..0.15).contains(&caller.loss) && caller.bursts > 0 && caller.concealed > 20, "{caller:?}");
    assert!(mos(caller) < 3.9 && caller.mos_lq >= caller.mos_cq, "{caller:?}");
    let ai = of(&ai, AI, Some(Segment::Ai)).stream;
    assert!(ai.lost == 0 && mos(ai) > 4.35 && ai.received.abs_diff(500) < 5, "{ai:?}");
    let waiting = of(&queue, CALLER, Some(Segment::Queue)).stream;
    assert!((waiting.lost, waiting.bursts) == (0, 0) && mos(waiting) > 4.2, "{waiting:?}");
    assert!(waiting.received.abs_diff(500) < 5 && waiting.sent.abs_diff(500) < 5, "{waiting:?}");
    let human = of(&rest, AGENT, Some(Segment::Human)).stream;
    assert!(human.jitter_ms > 5.0 && human.jitter_ms_max >= human.jitter_ms && human.buffer_ms > 30.0);
    let calm = of(&rest, CALLER, Some(Segment::Human)).stream;
    assert!(calm.jitter_ms < 2.0 && calm.lost == 0, "{calm:?}");
    // The legs as a whole: the caller's has all of it.
    let whole = of(&rest, CALLER, None).stream;
    assert_eq!(whole.lost, caller.lost);
    assert!(mos(whole) > mos(caller) && mos(whole) < mos(calm), "{whole:?}");
    assert!(rest.iter().any(|m| m.leg == AI && m.segment.is_none()), "{rest:?}");
}

#[test]
fn a_leg_that_goes_is_measured_then_and_the_part_goes_on() {
    let mut world = World::call(2, Kind::Pcmu, Kind::Pcma);
    world.run(3000);
    world.order(Order::Close { leg: AI });
    let over = world.session.take_measured();
    assert_eq!(over.len(), 2);
    assert_eq!(of(&over, AI, None).stream.received, of(&over, AI, Some(Segment::Ai)).stream.received);
    world.run(1000);
    world.order(Order::Park { tail: Some(AI), hold: HOLD });
    let over = world.session.take_measured();
    assert_eq!(over.len(), 1, "the caller's part with the AI");
    assert!(of(&over, CALLER, Some(Segment::Ai)).stream.received > 190);
}

#[test]
fn back_to_the_person_is_a_part_with_a_person_and_the_same_order_twice_one_part() {
    let mut world = World::call(3, Kind::Pcmu, Kind::Pcmu);
    world.open(AGENT, Kind::Pcmu, 20);
    world.run(500);
    world.order(Order::Join { agent: AGENT, tail_ms: 0 });
    world.run(500);
    world.order(Order::Park { tail: Some(AGENT), hold: HOLD });
    world.run(500);
    world.order(Order::Bridge { with: AGENT });
    world.order(Order::Bridge { with: AGENT });
    let under_way = world.session.measure();
    assert_eq!(of(&under_way, AGENT, Some(Segment::Human)).leg, AGENT);
    world.order(Order::End);
    let parts: Vec<_> =
        world.session.take_measured().iter().filter(|m| m.leg == CALLER).map(|m| m.segment).collect();
    let (ai, queue, human) = (Some(Segment::Ai), Some(Segment::Queue), Some(Segment::Human));
    assert_eq!(parts, [ai, human, queue, None, human]);
}

#[test]
fn a_leg_from_which_nothing_came_is_not_rated() {
    let mut world = World::call(5, Kind::Pcmu, Kind::Pcmu);
    world.phone_mut(AI).sends = false;
    world.run(2000);
    let silent = of(&world.session.measure(), AI, Some(Segment::Ai)).stream;
    assert_eq!((silent.received, silent.mos_cq, silent.r), (0, None, None));
}

#[test]
fn opus_passed_on_is_rated_by_its_bandwidth() {
    let mut world = World::call(4, Kind::Opus, Kind::Opus);
    world.run(5000);
    assert!(world.session.counters().packets_relayed > 400);
    let narrow = of(&world.session.measure(), AI, None).stream;
    assert_eq!(narrow.scale, Scale::Narrowband, "the phones speak at 8 kHz");
    assert!((4.3..4.41).contains(&mos(narrow)), "{narrow:?}");
}
