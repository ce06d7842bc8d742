//! A call's record has, part by part, what its legs were like.

use baton_engine::call::{Role, State};
use baton_engine::media::Segment;
use baton_tests::phone::Do;
use baton_tests::world::{BOB, CALLER, SECOND, World};

#[test]
fn the_record_tells_of_each_part_and_each_leg() {
    let mut world = World::new(31);
    world.call_from(CALLER, "1000", "");
    world.run(5 * SECOND);
    assert_eq!(world.state(), State::WithAi);
    world.hand_over("snapcall_agents", "");
    let ends = [baton_tests::world::ANN, BOB];
    assert!(world.run_until(30 * SECOND, |world| world.state() == State::WithAgent));
    world.run(4 * SECOND);
    let living = world.living().unwrap().segments().entries().len();
    assert!(living >= 3, "AI and queue are over: {living}");
    let agent =
        ends.into_iter().find(|who| world.calls_of(*who) > 0 && !world.line(*who).is_ended()).unwrap();
    world.act(agent, Do::HangUp(String::new()));
    let world = world.finish();
    let record = world.record();
    let parts: Vec<_> = record.segments.entries().iter().map(|e| (e.segment, e.role)).collect();
    for part in [
        (Segment::Ai, Role::Caller),
        (Segment::Ai, Role::Ai),
        (Segment::Queue, Role::Caller),
        (Segment::Human, Role::Caller),
        (Segment::Human, Role::Agent),
    ] {
        assert_eq!(parts.iter().filter(|found| **found == part).count(), 1, "{part:?} of {parts:?}");
    }
    for entry in record.segments.entries() {
        let ended = entry.ended.expect("the call is over");
        assert!(
            ended > entry.began && entry.stream.received > 0 && entry.stream.mos_cq > Some(4.0),
            "{entry:?}"
        );
    }
    // With the AI, then waiting, then with the person, without a hole.
    let of_caller: Vec<_> = record
        .segments
        .entries()
        .iter()
        .filter(|e| e.role == Role::Caller)
        .map(|e| (e.began, e.ended))
        .collect();
    assert!(of_caller.windows(2).all(|pair| pair[0].1 == Some(pair[1].0)), "{of_caller:?}");
    for leg in record.legs.iter().filter(|leg| leg.answered.is_some()) {
        let media = leg.media.expect("it had media");
        assert!(media.received > 50 && media.sent > 50, "{leg:?}");
    }
}
