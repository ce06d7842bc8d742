//! The health of our peers, as a running node tells it.

use std::time::Duration;

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
