//! Where a node listens and how it says where it is.

use std::sync::Arc;

use baton_engine::shell::Plan;

use crate::phone::{Phone, audio};
use crate::stage::{Stage, Talk, any, run};

#[test]
fn an_advertised_address_stands_in_contact_via_and_session_descriptions() {
    run(async {
        let stage = Stage::with(|plan| plan.advertise = Some("203.0.113.7".parse().unwrap())).await;
        let talk = stage.talk("advertised").await;
        let host = format!("203.0.113.7:{}", stage.sip().port());
        for message in [&talk.invite, &talk.answer] {
            assert!(message.header("Contact").unwrap().contains(&host), "{message:?}");
            assert_eq!(audio(message).ip().to_string(), "203.0.113.7");
        }
        assert!(talk.invite.header("Via").unwrap().contains(&host), "{:?}", talk.invite);
    });
}

#[test]
fn a_call_is_taken_at_each_address_listened_on_and_answered_from_it() {
    run(async {
        let stage = Stage::with(|plan| plan.sip = vec![any(), ([127, 0, 0, 2], 0).into()]).await;
        for (at, sip) in stage.node.addresses().sip.iter().enumerate() {
            let talk = Talk::begin(Phone::new().await, *sip, &stage.ai, &format!("address-{at}")).await;
            let contact = talk.answer.header("Contact").unwrap();
            assert!(contact.contains(&sip.to_string()), "{contact} is not {sip}");
            talk.assert_sound().await;
        }
    });
}

#[test]
fn a_call_over_ipv6_is_bridged_with_sound_both_ways() {
    run(async {
        let ai = Phone::at("::1").await;
        let uri = format!("sip:ai@{}", ai.address());
        let six = |plan: &mut Plan| {
            (plan.sip, plan.media) = (vec!["[::1]:0".parse().unwrap()], "::1".parse().unwrap());
            let call = Arc::make_mut(&mut plan.call);
            call.media_host = plan.media;
            call.peers.get_mut("polyai").unwrap().uris = vec![uri];
        };
        let stage = Stage::with(six).await;
        let talk = Talk::begin(Phone::at("::1").await, stage.sip(), &ai, "six").await;
        assert!(talk.answer.header("Contact").unwrap().contains("[::1]:"), "{:?}", talk.answer);
        assert!(audio(&talk.answer).is_ipv6() && audio(&talk.invite).is_ipv6());
        talk.assert_sound().await;
    });
}
