//! What ends, refusals and handoffs mean reaches who is to know it: Reason, Retry-After, User-to-User, Call-Info, History-Info
//! and Diversion, Session-ID.

use baton_engine::call::OnAiFailure;
use baton_tests::codec::Codec;
use baton_tests::phone::{Behaviour, Do, Pickup};
use baton_tests::sip::Text;
use baton_tests::world::{AI, AI2, ANN, BOB, CALLER, SECOND, Who, World, WorldBuilder, ms};

const RELEASED: &str = "Reason: Q.850;cause=31;text=\"Normal, unspecified\"\r\n";

/// The values of a header in the first such message that a party has had.
fn values(world: &World, who: Who, what: &str, name: &str) -> Vec<String> {
    let message = world.line(who).first(what);
    let Some(message) = message else { panic!("no {what} for {who:?}\n{}", world.account()) };
    message.text.headers(name).map(str::to_owned).collect()
}

#[test]
fn the_reason_of_a_bye_reaches_the_other_side_as_it_was_said() {
    for (who, other) in [(CALLER, AI), (AI, CALLER)] {
        let mut world = World::new(401);
        world.with_ai();
        world.act(who, Do::HangUp(format!("{RELEASED}User-to-User: 62796521;encoding=hex\r\n")));
        world.run(SECOND);
        let said = values(&world, other, "BYE", "Reason");
        assert_eq!(said, ["Q.850;cause=31;text=\"Normal, unspecified\""], "{who:?}");
        assert_eq!(values(&world, other, "BYE", "User-to-User"), ["62796521;encoding=hex"]);
        world.finish();
    }
}

#[test]
fn a_reason_without_a_cause_of_q850_gets_ours_beside_it_and_none_at_all_is_ours() {
    let mut world = World::new(402);
    world.with_agent();
    world.act(ANN, Do::HangUp("Reason: SIP;cause=200;text=\"done\"\r\n".into()));
    world.run(SECOND);
    let said = values(&world, CALLER, "BYE", "Reason");
    assert_eq!(said, ["SIP;cause=200;text=\"done\"", "Q.850;cause=16;text=\"agent hung up\""]);
    world.finish();
    let mut world = World::new(403);
    world.with_ai();
    world.act(AI, Do::HangUp(String::new()));
    world.run(SECOND);
    assert_eq!(values(&world, CALLER, "BYE", "Reason"), ["Q.850;cause=16;text=\"AI hung up\""]);
    world.finish();
}

#[test]
fn the_reason_of_a_cancel_reaches_the_leg_that_rings() {
    let mut world = World::new(404);
    world.behave(AI, Behaviour::never_answers());
    world.call();
    world.run(SECOND);
    world.act(CALLER, Do::HangUp("Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n".into()));
    world.run(SECOND);
    let said = values(&world, AI, "CANCEL", "Reason");
    assert_eq!(said[0], "SIP;cause=200;text=\"Call completed elsewhere\"");
    world.finish();
}

#[test]
fn a_refused_caller_is_told_why_and_for_how_long() {
    let refusal = |headers: &str| Behaviour::with(Pickup::Refuse(486, ms(0), headers.into()));
    for (headers, reason, wait) in [
        ("", "Q.850;cause=17;text=\"AI busy\"", "30"),
        ("Reason: Q.850;cause=34\r\nRetry-After: 7\r\n", "Q.850;cause=34", "7"),
    ] {
        let mut builder = WorldBuilder::new(405);
        builder.flow().on_ai_failure = OnAiFailure::Reject;
        let mut world = builder.build();
        for who in [AI, AI2] {
            world.behave(who, refusal(headers));
        }
        world.call();
        world.run(SECOND);
        assert_eq!(values(&world, CALLER, "486 INVITE", "Reason"), [reason]);
        assert_eq!(values(&world, CALLER, "486 INVITE", "Retry-After"), [wait]);
        world.finish();
    }
}

#[test]
fn an_offer_nobody_can_answer_is_refused_with_a_warning() {
    let mut builder = WorldBuilder::new(406);
    builder.calls.peers.get_mut("snapcall").unwrap().codecs = vec!["PCMA".into()];
    let mut world = builder.build();
    world.phone(CALLER).codecs = vec![Codec::Pcmu];
    world.call();
    world.run(SECOND);
    let said = values(&world, CALLER, "488 INVITE", "Warning");
    assert!(said[0].starts_with("305 10.0.0.1:5060 \""), "{said:?}");
    assert_eq!(values(&world, CALLER, "488 INVITE", "Retry-After"), Vec::<String>::new());
    world.finish();
}

#[test]
fn why_no_person_came_is_told_in_the_final_notify() {
    let mut world = WorldBuilder::new(407).patience(6 * SECOND, 3 * SECOND).build();
    world.behave(ANN, Behaviour::with(Pickup::Refuse(486, ms(0), "Reason: Q.850;cause=17\r\n".into())));
    world.behave(
        BOB,
        Behaviour::with(Pickup::Refuse(486, ms(0), "Reason: Q.850;cause=17;text=\"no\"\r\n".into())),
    );
    world.with_ai();
    world.hand_over("snapcall_agents", "");
    assert!(
        world.run_until(15 * SECOND, |world| world.line(AI).notified().last() == Some(&486)),
        "{}",
        world.account()
    );
    let last = world.line(AI).messages(false, "NOTIFY").last().unwrap().text.clone();
    let fragment = Text(last.body().to_string());
    assert!(
        fragment.header("Reason").is_some_and(|reason| reason.starts_with("Q.850;cause=17")),
        "{}",
        last.0
    );
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn a_person_sees_that_the_ai_answered_first() {
    let mut world = World::new(408);
    world.with_agent();
    let invite = world.line(ANN).invite();
    assert_eq!(
        invite.header("History-Info"),
        Some(
            "<sip:1000@10.0.0.1:5060>;index=1, \
             <sip:polyai@10.0.0.1:5060?Reason=SIP%3Bcause%3D200%3Btext%3D%22answered%2C%20then%20handed%20over%22>\
             ;mp=1;index=1.1, <sip:ann@10.0.3.1:5080>;mp=1.1;index=1.2"
        )
    );
    let diversion = "<sip:polyai@10.0.0.1:5060>;reason=deflection;counter=1;privacy=off";
    assert_eq!(invite.header("Diversion"), Some(diversion));
    assert!(world.line(AI).invite().header("Diversion").is_none());
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn where_a_caller_was_before_is_told_on_unless_the_peer_is_not_to_know() {
    let before = "History-Info: <sip:main@c.example>;index=1, <sip:1000@10.0.0.1>;index=1.3;mp=1\r\n\
                  Diversion: <sip:main@c.example>;reason=no-answer\r\n";
    for hidden in [false, true] {
        let mut builder = WorldBuilder::new(409);
        builder.calls.peers.get_mut("snapcall").unwrap().history_hidden = hidden;
        let mut world = builder.build();
        for who in [AI, AI2] {
            world.behave(who, Behaviour::refuses(486));
        }
        world.call_from(CALLER, "1000", before);
        world.run(3 * SECOND);
        let to_ai = world.line(AI).invite().header("Diversion").map(str::to_owned);
        assert_eq!(to_ai.as_deref(), Some("<sip:main@c.example>;reason=no-answer"));
        let invite = world.line(ANN).invite();
        let (history, diversions) =
            (invite.header("History-Info"), invite.headers("Diversion").collect::<Vec<_>>());
        if hidden {
            assert_eq!((history, diversions.len()), (None, 0));
        } else {
            let history = history.unwrap();
            assert!(
                history.starts_with("<sip:main@c.example>;index=1, <sip:1000@10.0.0.1>;index=1.3;mp=1, "),
                "{history}"
            );
            assert!(
                history.contains("SIP%3Bcause%3D486") && history.ends_with(";mp=1.3.1;index=1.3.2"),
                "{history}"
            );
            assert!(diversions[0].contains(";reason=user-busy"), "{diversions:?}");
            assert_eq!(diversions[1], "<sip:main@c.example>;reason=no-answer");
        }
        world.act(CALLER, Do::HangUp(String::new()));
        world.finish();
    }
}

#[test]
fn user_to_user_of_refer_to_reaches_the_person_whole_and_call_info_goes_along() {
    let mut world = World::new(410);
    let long = "0a".repeat(128);
    let card = "<http://crm.example/card?id=1,2>;purpose=card";
    world.call_from(
        CALLER,
        "1000",
        &format!("Call-Info: {card}\r\nCall-Info: <http://crm.example/i.png>;purpose=icon\r\n"),
    );
    world.run(2 * SECOND);
    world
        .hand_over(&format!("snapcall_agents?User-to-User={long}%3Bencoding%3Dhex%3Bpurpose%3Disdn-uui"), "");
    world.run(3 * SECOND);
    let invite = world.line(ANN).invite();
    assert_eq!(invite.header("User-to-User"), Some(&*format!("{long};encoding=hex;purpose=isdn-uui")));
    assert_eq!(
        invite.header("Call-Info"),
        Some(&*format!("{card}, <http://crm.example/i.png>;purpose=icon"))
    );
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn several_values_of_user_to_user_are_all_carried() {
    let mut world = World::new(411);
    world.with_ai();
    world.hand_over(
        "snapcall_agents",
        "User-to-User: 6161;encoding=hex\r\nUser-to-User: \"say, hi\";encoding=ascii;purpose=x\r\n",
    );
    world.run(3 * SECOND);
    let both = "6161;encoding=hex, \"say, hi\";encoding=ascii;purpose=x";
    assert_eq!(world.line(ANN).invite().header("User-to-User"), Some(both));
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn the_callers_session_id_stays_through_the_handoff() {
    let caller = "ab30317f1a784dc48ff824d0d3715d86";
    let (ai, nil) = ("47755a9de7794ba387653f2099600ef2", "0".repeat(32));
    let mut world = World::new(412);
    world.call_from(CALLER, "1000", &format!("Session-ID: {caller};remote={nil}\r\n"));
    world.run(2 * SECOND);
    let begins = Some(format!("{caller};remote={nil}"));
    assert_eq!(world.line(AI).invite().header("Session-ID"), begins.as_deref());
    assert_eq!(values(&world, CALLER, "180 INVITE", "Session-ID"), [format!("{nil};remote={caller}")]);
    // An AI that says nothing of itself has been named; when it does, the caller is told so.
    let named = values(&world, CALLER, "200 INVITE", "Session-ID").remove(0);
    assert!(named.ends_with(&format!(";remote={caller}")) && !named.starts_with(&nil), "{named}");
    world.act(AI, Do::Update(format!("Session-ID: {ai};remote={caller}\r\n")));
    world.run(SECOND);
    assert_eq!(values(&world, AI, "200 UPDATE", "Session-ID"), [format!("{caller};remote={ai}")]);
    world.hand_over("snapcall_agents", "");
    world.run(3 * SECOND);
    assert_eq!(world.line(ANN).invite().header("Session-ID"), begins.as_deref());
    world.act(ANN, Do::HangUp(String::new()));
    world.run(SECOND);
    let last = values(&world, CALLER, "BYE", "Session-ID").remove(0);
    assert!(last.ends_with(&format!(";remote={caller}")) && !last.starts_with(ai), "{last}: it was Ann");
    let world = world.finish();
    let legs = &world.record().legs;
    assert_eq!(legs[0].session_id.as_deref(), Some(caller));
    assert_eq!(legs[1].session_id.as_deref(), Some(ai));
}
