//! Thousands of whole calls, each drawn from a seed: who answers when, who refuses, who hands off how, who holds, who
//! hangs up at what instant, in which weather. What the product promises is asserted of each.

mod drawn;

use std::time::Duration;

use baton_engine::call::EndReason;
use baton_engine::queue::Exhausted;
use baton_signaling::Time;
use baton_tests::phone::{Do, Line, Said};
use baton_tests::world::{AI, AI2, ANN, ANNOUNCEMENT, BOB, CALLER, GAP_MS, SECOND, World, ms};

use drawn::Drawn;

fn lines_of_others(world: &World) -> impl Iterator<Item = &Line> {
    [AI, AI2, ANN, BOB].into_iter().flat_map(|who| world.phones[who.0].lines())
}

/// Runs one drawn call to its end and asserts what must hold of any.
fn live_through(seed: u64) {
    let drawn = Drawn::new(seed);
    let mut world = drawn.world();
    world.call_from(CALLER, "1000", "X-Customer: 4711\r\n");
    let line = world.line(CALLER).id;
    for (after, what) in &drawn.caller {
        let at = world.now + *after;
        world.phone(CALLER).act_later(at, line, what.clone());
    }
    world.run_until(Duration::from_secs(40), |world| world.line(CALLER).is_ended());
    if !world.line(CALLER).is_ended() {
        world.act(CALLER, Do::HangUp(String::new()));
    }
    let context = |world: &World| format!("seed {seed}: {drawn:?}\n{}", world.account());
    world.run(SECOND);
    if drawn.clear {
        // Rule 4. A phone that never said a word cannot be cancelled (RFC 3261 §9.1) and rings for nobody.
        let left: Vec<_> = lines_of_others(&world).filter(|line| !line.is_ended() && !line.dead).collect();
        assert!(left.is_empty(), "legs 1 s after the caller\n{}", context(&world));
        assert_eq!(world.node.calls().count(), 0, "{}", context(&world));
    }
    never_dropped(&world, &drawn, &context);
    if drawn.exhausted == Exhausted::ReturnToAi {
        make_before_break(&world, &context);
    }
    if drawn.clear {
        one_stream(&world, &context);
        never_silent(&world, &drawn, &context);
        one_final_notify(&world, &context);
    }
    world.net.signalling = baton_tests::net::Weather::CLEAR;
    world.run(Duration::from_secs(110));
    let left = world.node.leftovers(world.now);
    assert!(left.is_empty(), "{left:?}\n{}", context(&world));
    for record in &world.node.records {
        assert!(
            record.end.is_some() && record.end != Some(EndReason::Internal),
            "{record:?}\n{}",
            context(&world)
        );
    }
}

/// Rule 1: whoever is hung up on by us was hung up on by somebody, or had the announcement or the flow's own choice.
fn never_dropped(world: &World, drawn: &Drawn, context: &dyn Fn(&World) -> String) {
    let caller = world.line(CALLER);
    if !caller.ended_by_peer || caller.answered_at.is_none() {
        return;
    }
    let said = |line: &Line, method: &str| line.sent(method) > 0;
    let by_ai = [AI, AI2].iter().flat_map(|who| world.phones[who.0].lines()).any(|line| said(line, "BYE"));
    let by_agent =
        [ANN, BOB].iter().flat_map(|who| world.phones[who.0].lines()).any(|line| said(line, "BYE"));
    let allowed = match world.record().end {
        Some(EndReason::AiHungUp) => by_ai,
        Some(EndReason::AgentHungUp) => by_agent,
        Some(EndReason::QueueExhausted | EndReason::HandoffLimit | EndReason::QueueClosed) => true,
        // Given back to an AI that is not there: the announcement is what was left.
        Some(EndReason::AiDown | EndReason::AiBusy | EndReason::AiSilent | EndReason::AiRefused) => {
            drawn.holds || heard_announcement(caller)
        }
        _ => false,
    };
    assert!(allowed, "{:?} is no reason to drop a caller\n{}", world.record().end, context(world));
}

fn heard_announcement(line: &Line) -> bool {
    let ended = line.ended_at.expect("it was hung up on");
    let heard = line.ear.heard(ended - ms(1200), ended - ms(400));
    heard.tones.contains(&ANNOUNCEMENT)
}

/// Rule 2: the AI is not hung up on before a person has answered, while the caller is there.
fn make_before_break(world: &World, context: &dyn Fn(&World) -> String) {
    let answered: Vec<Time> = [ANN, BOB]
        .iter()
        .flat_map(|who| world.phones[who.0].lines())
        .filter_map(|line| line.answered_at)
        .collect();
    let caller = world.line(CALLER);
    for line in [AI, AI2].iter().flat_map(|who| world.phones[who.0].lines()) {
        // A 200 that crosses our CANCEL is ended at once.
        if line.received("CANCEL") > 0 {
            continue;
        }
        let Some(ended) = line.ended_at.filter(|_| line.ended_by_peer && line.answered_at.is_some()) else {
            continue;
        };
        let person = answered.iter().any(|at| *at <= ended);
        let left = caller.ended_at.is_some_and(|at| at <= ended + ms(500));
        assert!(person || left, "the AI was hung up on for nobody\n{}", context(world));
    }
}

/// Rule 3: one stream to the caller.
fn one_stream(world: &World, context: &dyn Fn(&World) -> String) {
    let faults = world.line(CALLER).ear.stream_faults();
    assert!(faults.is_empty(), "{faults:?}\n{}", context(world));
}

/// Silence is not an outcome: where everybody always speaks, the caller always hears something.
fn never_silent(world: &World, drawn: &Drawn, context: &dyn Fn(&World) -> String) {
    let caller = world.line(CALLER);
    let (Some(from), Some(to)) = (caller.answered_at, caller.ended_at) else { return };
    if drawn.holds || to < from + SECOND {
        return;
    }
    let gap = caller.ear.longest_gap_ms(from + ms(400), to - ms(20));
    assert!(gap <= GAP_MS, "{gap} ms without sound\n{}", context(world));
}

/// One final NOTIFY for each REFER that got its 202, if the AI answers NOTIFY at all.
fn one_final_notify(world: &World, context: &dyn Fn(&World) -> String) {
    for line in [AI, AI2].iter().flat_map(|who| world.phones[who.0].lines()) {
        let accepted = line.messages(false, "202 REFER").count();
        let is_final = |said: &Said| {
            said.text.body().strip_prefix("SIP/2.0 ").is_some_and(|rest| !rest.starts_with('1'))
        };
        let finals = line.messages(false, "NOTIFY").filter(|said| is_final(said)).count();
        assert!(finals <= accepted, "{finals} final NOTIFYs for {accepted} REFERs\n{}", context(world));
    }
}

fn run(from: u64, count: u64) {
    for seed in World::seeds(count) {
        live_through(if std::env::var_os("BATON_SEED").is_some() { seed } else { from + seed });
    }
}

#[test]
fn a_thousand_calls_keep_every_promise() {
    run(0, 1000);
}

#[test]
fn a_second_thousand_calls_keep_every_promise() {
    run(1000, 1000);
}

#[test]
fn a_third_thousand_calls_keep_every_promise() {
    run(2000, 1000);
}

#[test]
fn the_same_seed_is_the_same_world() {
    let history = |seed| {
        let mut world = Drawn::new(seed).world();
        world.call_from(CALLER, "1000", "");
        world.run(Duration::from_secs(10));
        (world.account(), world.line(CALLER).ear.packets.clone())
    };
    for seed in [3, 33, 333] {
        assert!(history(seed) == history(seed), "seed {seed}");
    }
}
