//! What the settings limit: calls at once and per second, of the node and of one peer, and RTP ports.

use baton_engine::shard::Network;
use baton_tests::sip::Text;

use crate::phone::Phone;
use crate::stage::{Stage, Talk, run};

/// What a caller without a session description hears first but 100 and 180.
async fn refusal(stage: &Stage, call_id: &str) -> Text {
    let caller = Phone::new().await;
    caller
        .send(stage.sip(), &caller.invite(stage.sip(), call_id, &crate::phone::pcmu(caller.address())))
        .await;
    caller.hear("SIP/2.0 503").await.0
}

#[test]
fn a_call_more_than_the_node_may_have_is_refused_until_another_has_ended() {
    run(async {
        let stage = Stage::with(|plan| plan.admission.calls = 1).await;
        let talk = stage.talk("first").await;
        assert_eq!(refusal(&stage, "second").await.header("Retry-After"), Some("5"));
        stage.counted("baton_admission_rejected_total{reason=\"calls\"}").await;
        talk.caller.send(stage.sip(), &talk.caller.in_dialog(&talk.answer, "BYE", 2)).await;
        stage.ai.hear("BYE").await;
        stage.calls(0).await;
        stage.talk("third").await;
    });
}

#[test]
fn calls_in_one_second_more_than_the_node_may_take_are_refused() {
    run(async {
        let stage = Stage::with(|plan| plan.admission.calls_per_second = 1).await;
        let caller = Phone::new().await;
        // Sent within one second, or at most over two: one of three is too many.
        for call_id in ["one", "two", "three"] {
            caller.send(stage.sip(), &caller.invite(stage.sip(), call_id, "")).await;
        }
        let (refused, _) = caller.hear("SIP/2.0 503").await;
        assert_eq!(refused.header("Retry-After"), Some("1"));
    });
}

#[test]
fn a_peer_at_its_own_limit_is_refused_and_another_peer_is_not() {
    run(async {
        let stage = Stage::with(|plan| {
            let peers = &mut plan.admission.peers;
            peers[0].calls = Some(1);
            let other = Network { address: "127.0.0.9".parse().unwrap(), prefix: 32 };
            let mut second = peers[0].clone();
            (second.from, second.calls) = (vec![other], None);
            peers.insert(0, second);
        });
        let stage = stage.await;
        let _talk = stage.talk("first").await;
        assert_eq!(refusal(&stage, "second").await.header("Retry-After"), Some("5"));
        stage.counted("baton_admission_rejected_total{reason=\"peer_calls\"}").await;
        Talk::begin(Phone::at("127.0.0.9").await, stage.sip(), &stage.ai, "third").await;
        assert_eq!(stage.node.calls(), 2);
    });
}

#[test]
fn a_peers_calls_in_one_second_are_limited() {
    run(async {
        let stage = Stage::with(|plan| plan.admission.peers[0].calls_per_second = Some(1)).await;
        let caller = Phone::new().await;
        for call_id in ["one", "two", "three"] {
            caller.send(stage.sip(), &caller.invite(stage.sip(), call_id, "")).await;
        }
        let (refused, _) = caller.hear("SIP/2.0 503").await;
        assert_eq!(refused.header("Retry-After"), Some("1"));
        stage.counted("baton_admission_rejected_total{reason=\"peer_rate\"}").await;
    });
}

#[test]
fn a_caller_for_whom_no_port_is_left_is_refused_and_counted() {
    run(async {
        // Two pairs: those of one caller and its AI.
        let stage = Stage::with(|plan| plan.ports = *plan.ports.start()..=plan.ports.start() + 3).await;
        let talk = stage.talk("first").await;
        let refused = refusal(&stage, "second").await;
        assert!(refused.header("Retry-After").is_some(), "{refused:?}");
        stage.counted("baton_ports_exhausted_total{reason=\"exhausted\"}").await;
        stage.calls(1).await;
        talk.assert_sound().await;
    });
}
