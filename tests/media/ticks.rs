//! Ticks that come late.

use crate::world::*;

#[test]
fn a_tick_that_comes_late_runs_once_and_counts_what_it_missed() {
    let mut world = World::call(1, Kind::Opus, Kind::Pcmu);
    world.run(1000);
    let before = world.phone(CALLER).got.len();
    world.stall_until = world.now_ms + 100;
    world.run(121);
    assert_eq!(world.session.counters().ticks_missed, 5);
    let got = &world.phone(CALLER).got[before - 1..];
    assert_eq!(got.len(), 2, "no burst");
    assert_eq!(got[1].time().wrapping_sub(got[0].time()), 6 * 960, "the timestamp goes on with time");
    world.assert_one_stream(CALLER);
}
