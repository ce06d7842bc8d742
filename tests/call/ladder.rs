//! Every message of a call is kept with its time and its repetitions, legs apart, and stays when the call has ended.

use baton_engine::shard::Said;
use baton_tests::phone::Do;
use baton_tests::sip::Text;
use baton_tests::world::{ANN, CALLER, SECOND, World, WorldBuilder, ms};

/// Leg, way, and method or status with its method.
fn told(said: &Said) -> String {
    let text = Text(String::from_utf8_lossy(&said.text).into_owned());
    let what = match text.status() {
        Some(status) => format!("{status} {}", text.method()),
        None => text.method().to_owned(),
    };
    format!("{} {} {what}", said.leg.0, if said.sent { ">" } else { "<" })
}

#[test]
fn a_call_with_its_handoff_is_told_message_by_message() {
    let mut world = World::new(501);
    world.with_agent();
    let key = world.living().unwrap().key();
    world.act(ANN, Do::HangUp(String::new()));
    let world = world.finish();
    let ladder = world.node.ladder(key).expect("kept after the end");
    assert_eq!(ladder.call_id, world.record().call_id);
    let legs: Vec<_> = ladder.legs.iter().map(|(leg, peer)| (leg.0, &**peer)).collect();
    assert_eq!(legs, [(0, "snapcall"), (1, "polyai"), (2, "snapcall")]);
    let of = |leg: &str| {
        let all = ladder.said.iter().map(told);
        all.filter_map(|line| line.strip_prefix(leg).map(str::to_owned)).collect::<Vec<_>>()
    };
    let caller = ["< INVITE", "> 100 INVITE", "> 180 INVITE", "> 200 INVITE", "< ACK", "> BYE", "< 200 BYE"];
    assert_eq!(of("0 "), caller);
    let person = ["> INVITE", "< 180 INVITE", "< 200 INVITE", "> ACK", "< BYE", "> 200 BYE"];
    assert_eq!(of("2 "), person);
    assert_eq!(of("1 ").iter().filter(|line| line.ends_with(" NOTIFY")).count(), 6, "{:?}", of("1 "));
    assert!(ladder.said.windows(2).all(|pair| pair[0].at <= pair[1].at));
    assert_eq!((ladder.omitted, ladder.cut), (0, 0));
}

#[test]
fn what_is_lost_and_sent_again_is_counted_as_repetitions() {
    let mut builder = WorldBuilder::new(502);
    builder.signalling.loss = 300;
    let mut world = builder.build();
    world.call();
    assert!(world.run_until(20 * SECOND, |world| world.living().is_some()));
    let key = world.living().unwrap().key();
    world.run(20 * SECOND);
    world.act(CALLER, Do::HangUp(String::new()));
    world.run(40 * SECOND);
    let ladder = world.node.ladder(key).unwrap();
    let repeats: u32 = ladder.said.iter().map(|said| said.repeats).sum();
    assert!(repeats > 0, "{:?}", ladder.said.iter().map(told).collect::<Vec<_>>());
    let again = ladder.said.iter().find(|said| said.repeats > 0 && said.sent).unwrap();
    assert!(again.last >= again.at + ms(490), "T1 later at the least");
    // The same INVITE from the caller is the same message, wherever it came from.
    let invites = ladder.said.iter().filter(|said| told(said) == "0 < INVITE").count();
    assert_eq!(invites, 1);
}
