//! A node that is told to stop.

use std::time::Duration;

use crate::phone::Phone;
use crate::stage::{Stage, run};

#[test]
fn a_draining_node_refuses_calls_and_probes_and_ends_what_is_left_at_its_deadline() {
    run(async {
        let stage = Stage::with(|plan| plan.drain = Duration::from_secs(1)).await;
        let talk = stage.talk("left").await;
        let drained = stage.node.drain();
        let refused = async {
            let late = Phone::new().await;
            // The door is shut as soon as the drain has begun, which is when its future runs first.
            tokio::task::yield_now().await;
            late.send(stage.sip(), &late.invite(stage.sip(), "late", "")).await;
            let (refusal, _) = late.hear("SIP/2.0 503").await;
            assert!(refusal.header("Retry-After").is_some(), "{refusal:?}");
            let probe = late.invite(stage.sip(), "probe", "").replace("INVITE", "OPTIONS");
            late.send(stage.sip(), &probe).await;
            late.hear("SIP/2.0 503").await;
            let ready = stage.http("GET /readyz").await;
            assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
            assert_eq!(stage.node.calls(), 1, "the call goes on until the deadline");
        };
        let ended = async {
            talk.caller.hear("BYE").await;
            stage.ai.hear("BYE").await;
        };
        tokio::join!(drained, refused, ended);
        assert_eq!(stage.node.calls(), 0);
    });
}
