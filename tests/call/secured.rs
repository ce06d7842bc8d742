//! SRTP with SDES keys through whole calls: every pairing of policies and phones, handoff, hold, new keys, and that no
//! key is shown. The phones' SRTP is the library's, used plainly.

use baton_engine::call::{EndReason, SrtpPolicy, State};
use baton_tests::phone::Do;
use baton_tests::sip::Direction;
use baton_tests::srtp::Wish;
use baton_tests::world::{AI, ANN, CALLER, SECOND, Who, World, WorldBuilder, ms};

/// A world in which callers and people, and the AI, are to be secured so.
fn world(seed: u64, callers: SrtpPolicy, ai: SrtpPolicy) -> World {
    let mut builder = WorldBuilder::new(seed);
    for (name, policy) in [("snapcall", callers), ("polyai", ai)] {
        builder.calls.peers.get_mut(name).expect("a usual peer").srtp = policy;
    }
    builder.build()
}

fn suite_of(world: &World, leg: usize) -> Option<&'static str> {
    world.living().expect("a call").snapshot().legs[leg].srtp
}

fn faults(world: &World) -> u64 {
    world.node.stats(world.now).media.srtp_faults.iter().sum()
}

fn spoilt(world: &World) -> u64 {
    [CALLER, AI, ANN].iter().flat_map(|who| world.phones[who.0].lines()).map(|line| line.spoilt).sum()
}

#[test]
fn policies_and_phones_that_fit_talk_and_the_api_says_how() {
    use SrtpPolicy::{Off, Optional, Required};
    for (policy, wish, secured) in [
        (Off, Wish::Plain, false),
        (Off, Wish::BestEffort, false),
        (Optional, Wish::Plain, false),
        (Optional, Wish::BestEffort, true),
        (Optional, Wish::Secure, true),
        (Required, Wish::BestEffort, true),
        (Required, Wish::Secure, true),
    ] {
        for suite in
            ["AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM"]
        {
            // Once on the caller's side, as answerer, and once on the AI's, as offerer.
            for who in [CALLER, AI] {
                let (callers, ai) = if who == CALLER { (policy, Off) } else { (Off, policy) };
                let mut world = world(1, callers, ai);
                (world.phone(who).wish, world.phone(who).suite) = (wish, suite);
                world.with_ai();
                let (mine, other) = if who == CALLER { (0, 1) } else { (1, 0) };
                assert_eq!(suite_of(&world, mine), secured.then_some(suite), "{policy:?} {wish:?} {who:?}");
                assert_eq!(suite_of(&world, other), None);
                assert_eq!(world.line(who).srtp.is_some(), secured);
                world.act(CALLER, Do::HangUp(String::new()));
                let world = world.finish();
                assert_eq!((faults(&world), spoilt(&world)), (0, 0));
                assert_eq!(world.record().legs[mine].srtp, secured.then_some(suite), "also in the record");
            }
        }
    }
}

#[test]
fn a_caller_whose_security_does_not_fit_gets_488_with_a_warning() {
    for (policy, wish) in [(SrtpPolicy::Off, Wish::Secure), (SrtpPolicy::Required, Wish::Plain)] {
        let mut world = world(2, policy, SrtpPolicy::Off);
        world.phone(CALLER).wish = wish;
        world.call();
        world.run(SECOND);
        assert_eq!(world.line(CALLER).status, Some(488));
        let refusal = world.line(CALLER).first("488 INVITE").unwrap();
        assert!(refusal.text.header("Warning").unwrap().starts_with("302 "));
        assert_eq!(world.calls_of(AI), 0, "nobody was called");
        let world = world.finish();
        assert_eq!(world.record().end, Some(EndReason::NoSecurity));
    }
}

#[test]
fn an_ai_that_answers_plainly_where_srtp_is_required_is_no_ai() {
    let mut world = world(3, SrtpPolicy::Off, SrtpPolicy::Required);
    world.call();
    world.run(2 * SECOND);
    assert_eq!(world.line(AI).received("BYE"), 1, "{}", world.account());
    assert_eq!(world.state(), State::WithAgent);
    world.assert_talk(CALLER, ANN);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

/// A call that was handed over from a plain AI to a secured person.
fn handed_over(seed: u64, caller: Wish) -> World {
    let mut world = world(seed, SrtpPolicy::Optional, SrtpPolicy::Off);
    world.phone(CALLER).wish = caller;
    world.phone(ANN).wish = Wish::BestEffort;
    world.with_agent();
    world
}

#[test]
fn a_caller_is_handed_from_a_plain_ai_to_a_secured_person_and_back() {
    for caller in [Wish::Plain, Wish::Secure] {
        let mut world = handed_over(4, caller);
        assert_eq!(suite_of(&world, 0).is_some(), caller == Wish::Secure);
        assert_eq!((suite_of(&world, 1), suite_of(&world, 2)), (None, Some("AES_CM_128_HMAC_SHA1_80")));
        // The person hands the caller back to the AI.
        let to = format!("<sip:polyai@{}>", world.node.sip());
        world.act(ANN, Do::Refer(to, String::new()));
        world.run(3 * SECOND);
        assert_eq!(world.state(), State::WithAi);
        world.assert_talk(CALLER, AI);
        world.act(CALLER, Do::HangUp(String::new()));
        let world = world.finish();
        assert_eq!((faults(&world), spoilt(&world)), (0, 0));
    }
}

/// `who` holds and resumes; whom it talks with is heard again.
fn hold_and_resume(world: &mut World, who: Who, other: Who) {
    for direction in [Direction::SendOnly, Direction::Inactive] {
        world.act(who, Do::Offer(direction));
        world.run(SECOND);
        world.act(who, Do::Offer(Direction::SendRecv));
        world.run(SECOND);
        world.assert_talk(who, other);
    }
}

#[test]
fn hold_and_resume_by_either_side_keep_the_keys() {
    for holder in [CALLER, ANN] {
        let mut world = handed_over(5, Wish::Secure);
        let ours = |world: &World| world.line(holder).srtp.as_ref().unwrap()[1].key.clone();
        let before = ours(&world);
        hold_and_resume(&mut world, holder, if holder == CALLER { ANN } else { CALLER });
        assert_eq!(ours(&world), before, "our key");
        world.act(CALLER, Do::HangUp(String::new()));
        let world = world.finish();
        assert_eq!((faults(&world), spoilt(&world)), (0, 0));
    }
}

#[test]
fn a_far_end_that_changes_its_key_with_a_re_invite_is_heard_on() {
    for holder in [CALLER, ANN] {
        let mut world = handed_over(6, Wish::Secure);
        let other = if holder == CALLER { ANN } else { CALLER };
        let (id, key) = (world.line(holder).id, world.phone(holder).new_key());
        world.phone(holder).line_mut(id).key = key;
        hold_and_resume(&mut world, holder, other);
        world.run(5 * SECOND);
        world.assert_talk(CALLER, ANN);
        world.act(CALLER, Do::HangUp(String::new()));
        let world = world.finish();
        assert_eq!((faults(&world), spoilt(&world)), (0, 0));
    }
}

#[test]
fn an_offer_that_would_lay_a_secured_leg_open_is_refused_and_the_call_goes_on() {
    let mut world = handed_over(7, Wish::Secure);
    world.phone(CALLER).wish = Wish::Plain;
    world.act(CALLER, Do::Offer(Direction::SendRecv));
    world.run(SECOND);
    assert_eq!(world.line(CALLER).received("488 INVITE"), 1, "{}", world.account());
    world.assert_talk(CALLER, ANN);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn replayed_and_forged_packets_do_not_reach_anybody() {
    let mut world = handed_over(8, Wish::Secure);
    let caller = world.line(CALLER);
    let sent = caller.ear.packets.last().unwrap();
    assert!(caller.srtp.is_some() && sent.at > world.now - ms(100));
    // Whoever knows the addresses speaks plainly to the caller's port of the node.
    let (from, to) = (caller.media_address(), caller.remote_media().unwrap());
    for n in 0..50u16 {
        let mut forged = vec![0x80, 0];
        forged.extend(n.to_be_bytes());
        forged.extend([0; 8]);
        forged.extend([0x10; 160]);
        world.node.receive(baton_tests::net::Datagram { from, to, bytes: forged });
        world.run(ms(20));
    }
    assert_eq!(faults(&world), 50);
    world.assert_talk(CALLER, ANN);
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
}

#[test]
fn no_key_leaves_through_snapshot_record_or_state() {
    let mut world = handed_over(9, Wish::Secure);
    let keys: Vec<Vec<u8>> = [CALLER, ANN]
        .iter()
        .flat_map(|who| world.line(*who).srtp.as_ref().unwrap().iter().map(|way| way.key.clone()))
        .collect();
    let secrets: Vec<String> = keys
        .iter()
        .flat_map(|key| {
            let line = baton_tests::srtp::line("1", "X", key);
            let text = line.trim().rsplit(':').next().unwrap().to_string();
            [text, key[..6].iter().map(u8::to_string).collect::<Vec<_>>().join(",")]
        })
        .collect();
    let call = world.living().unwrap();
    let mut shown = vec![
        serde_json::to_string(&call.snapshot()).unwrap(),
        serde_json::to_string(call).unwrap(),
        format!("{call:?}"),
        format!("{:?}", call.snapshot()),
    ];
    assert!(shown[1].contains("masked") && shown[0].contains("AES_CM_128_HMAC_SHA1_80"));
    world.act(CALLER, Do::HangUp(String::new()));
    let world = world.finish();
    shown.push(serde_json::to_string(world.record()).unwrap());
    for (shown, secret) in shown.iter().flat_map(|shown| secrets.iter().map(move |secret| (shown, secret))) {
        assert!(!shown.contains(secret) && !shown.contains(&secret.replace(',', ", ")), "{secret}: {shown}");
    }
}
