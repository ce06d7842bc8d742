//! Many calls on one node at the same time: nobody hears anybody else's call, and nothing is left of any.

use baton_tests::phone::{Do, LineId};
use baton_tests::tone::Heard;
use baton_tests::world::{AI, ANN, BOB, HOLD, SECOND, Who, World, WorldBuilder, ms};

/// The crowd begins behind the usual phones.
const FIRST: usize = 6;
const CALLERS: usize = 60;

fn crowd(seed: u64) -> World {
    let mut builder = WorldBuilder::new(seed);
    builder.callers = CALLERS;
    let mut world = builder.build();
    for at in FIRST..FIRST + CALLERS {
        world.call_from(Who(at), "1000", "");
        world.run(ms(37));
    }
    world.run(2 * SECOND);
    world
}

#[test]
fn sixty_callers_are_each_heard_by_their_own_line_of_the_ai_alone() {
    let mut world = crowd(131);
    for n in 0..CALLERS {
        let caller = world.line(Who(FIRST + n));
        assert_eq!(caller.heard_last(world.now, ms(500)), Heard::only(world.line(AI).tone), "caller {n}");
        let line = world.phones[AI.0].line(LineId(n));
        assert_eq!(line.heard_last(world.now, ms(500)), Heard::only(caller.tone), "line {n} of the AI");
    }
    assert_eq!(world.node.stats(world.now).calls, CALLERS);
    for at in FIRST..FIRST + CALLERS {
        world.act(Who(at), Do::HangUp(String::new()));
    }
    world.finish();
}

#[test]
fn of_sixty_callers_handed_over_two_get_people_and_the_others_hold_audio_until_it_is_their_turn() {
    let mut world = crowd(132);
    let now = world.now;
    for n in 0..CALLERS {
        world.phone(AI).act(
            now,
            LineId(n),
            Do::Refer("<sip:snapcall_agents@10.0.0.1>".into(), String::new()),
        );
        world.phone(AI).act_later(now + ms(300), LineId(n), Do::Quiet(true));
    }
    world.run(4 * SECOND);
    let heard = |world: &World, n: usize| world.heard(Who(FIRST + n), ms(500));
    let with = |world: &World, who: Who| {
        (0..CALLERS).filter(|&n| heard(world, n) == Heard::only(world.line(who).tone)).count()
    };
    assert_eq!((with(&world, ANN), with(&world, BOB)), (1, 1));
    let holding = (0..CALLERS).filter(|&n| heard(&world, n) == Heard::only(HOLD)).count();
    assert_eq!(holding, CALLERS - 2);
    // Ann is done with the first caller: the next in the line is hers.
    world.act(ANN, Do::HangUp(String::new()));
    world.run(3 * SECOND);
    assert_eq!((world.calls_of(ANN), world.calls_of(BOB)), (2, 1));
    assert_eq!(with(&world, ANN), 1);
    for at in FIRST..FIRST + CALLERS {
        world.act(Who(at), Do::HangUp(String::new()));
    }
    world.finish();
}
