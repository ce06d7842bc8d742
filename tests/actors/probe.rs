//! The health of our peers, as a running node tells it.

use std::sync::Arc;
use std::time::Duration;

use crate::phone::Phone;
use crate::stage::{Stage, run};

#[test]
fn an_ai_that_answers_options_is_up_and_one_that_then_refuses_for_overload_is_down() {
    run(async {
        let stage = Stage::with(|plan| plan.probe = Duration::from_millis(500)).await;
        let series = format!("baton_peer_up{{peer=\"polyai\",uri=\"sip:ai@{}\"}} ", stage.ai.address());
        for (status, up) in [("200 OK", "1"), ("503 Service Unavailable", "0")] {
            let shown =
                async { while !stage.http("GET /metrics").await.contains(&format!("{series}{up}\n")) {} };
            let answers = async {
                loop {
                    let (options, node) = stage.ai.hear("OPTIONS").await;
                    stage.ai.answer(&options, node, status, "").await;
                }
            };
            tokio::select! {
                () = shown => {}
                () = answers => {}
            }
        }
    });
}

#[test]
fn an_address_that_is_down_is_shown_and_passed_over() {
    run(async {
        let deaf = Phone::new().await;
        let uri = format!("sip:ai@{}", deaf.address());
        let first = uri.clone();
        let stage = Stage::with(|plan| {
            plan.probe = Duration::from_millis(500);
            Arc::make_mut(&mut plan.call).peers.get_mut("polyai").unwrap().uris.insert(0, first);
        })
        .await;
        let down = format!("{{\"peer\":\"polyai\",\"uri\":\"{uri}\",\"state\":\"down\"}}");
        let shown = async { while !stage.http("GET /v1/peers").await.contains(&down) {} };
        let answers = async {
            loop {
                let (options, node) = stage.ai.hear("OPTIONS").await;
                stage.ai.answer(&options, node, "200 OK", "").await;
            }
        };
        tokio::select! {
            () = shown => {}
            () = answers => {}
        }
        stage.talk("past-the-first").await.assert_sound().await;
        let heard = tokio::time::timeout(Duration::ZERO, deaf.hear("INVITE")).await;
        assert!(heard.is_err(), "nobody has called the one that is down");
    });
}
