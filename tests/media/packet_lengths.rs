//! Any packet length in, any out.

use baton_engine::media::Order;

use crate::world::*;

#[test]
fn packets_of_ten_to_sixty_milliseconds_are_reframed_both_ways() {
    for (caller, ai) in [(Kind::Opus, Kind::Pcmu), (Kind::Pcmu, Kind::Pcmu)] {
        for ours in [10, 20, 30, 40, 60] {
            for theirs in [10, 20, 30, 40, 60] {
                let ours = if caller == Kind::Opus && ours == 30 { 20 } else { ours };
                let mut world = World::new(ours * 100 + theirs);
                world.open(CALLER, caller, ours);
                world.open(AI, ai, theirs);
                world.order(Order::Bridge { with: AI });
                world.run(2000);
                for (leg, other, ptime) in [(CALLER, AI, ours), (AI, CALLER, theirs)] {
                    assert_eq!(world.phone(leg).hears(500), [tone_of(other)], "{caller:?} {ours} {theirs}");
                    world.assert_one_stream(leg);
                    let got = &world.phone(leg).got;
                    let expected = 2000 / ptime as usize;
                    assert!(got.len().abs_diff(expected) <= 8, "{} for {expected}", got.len());
                    let gap = longest_gap_ms(&world.phone(leg).sound()[4000..]);
                    assert!(gap <= 10, "{caller:?} {ours} {theirs}: {gap} ms");
                }
            }
        }
    }
}
