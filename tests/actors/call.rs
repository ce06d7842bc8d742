//! One call through sockets and actors, and what the API shows of it.

use baton_engine::shell::NodeAddresses;

use crate::phone::Phone;
use crate::stage::{Stage, run};

#[test]
fn a_call_is_bridged_shown_and_ended_by_the_caller() {
    run(async {
        let stage = Stage::new().await;
        let talk = stage.talk("bridged").await;
        stage.calls(1).await;
        let list = stage.http("GET /v1/calls").await;
        let id = talk.invite.header("X-Baton-Call-ID").expect("the call's id is planted toward the AI");
        assert!(list.contains(id) && list.contains("with_ai"), "{list}");
        let shown = stage.http(&format!("GET /v1/calls/{id}")).await;
        assert!(shown.contains("\"codec\":\"PCMU/8000\""), "{shown}");

        talk.caller.send(stage.sip(), &talk.caller.in_dialog(&talk.answer, "BYE", 2)).await;
        talk.caller.hear("SIP/2.0 200").await;
        let (bye, node) = stage.ai.hear("BYE").await;
        stage.ai.answer(&bye, node, "200 OK", "").await;
        stage.calls(0).await;
        let ended = stage.http(&format!("GET /v1/calls/{id}")).await;
        assert!(ended.starts_with("HTTP/1.1 200") && ended.contains("\"state\":\"ended\""), "{ended}");
        assert!(ended.contains("\"end\":\"caller_hung_up\"") && ended.contains("\"timeline\""), "{ended}");
        let ladder = stage.http(&format!("GET /v1/calls/{id}/ladder")).await;
        assert!(ladder.contains("\"line\":\"BYE\"") && ladder.contains("\"peer\":\"polyai\""), "{ladder}");
        let text = stage.http(&format!("GET /v1/calls/{id}/ladder.txt")).await;
        assert!(text.contains("<-- INVITE") && text.contains("--> 100 Trying (1 INVITE)"), "{text}");
        let list = stage.http("GET /v1/calls").await;
        assert!(!list.contains(id), "only living calls are listed: {list}");
        for id in ["0123", "%ff", "0123/ladder"] {
            let unknown = stage.http(&format!("GET /v1/calls/{id}")).await;
            assert!(
                unknown.starts_with("HTTP/1.1 404") && unknown.contains("application/problem+json"),
                "{unknown}"
            );
        }
    });
}

#[test]
fn sound_goes_both_ways_through_real_sockets() {
    run(async {
        let stage = Stage::new().await;
        let talk = stage.talk("sound").await;
        talk.assert_sound().await;
    });
}

#[test]
fn an_operator_ends_a_call_on_every_leg() {
    run(async {
        let stage = Stage::new().await;
        let talk = stage.talk("operator").await;
        let id = talk.invite.header("X-Baton-Call-ID").unwrap();
        let ended = stage.http(&format!("DELETE /v1/calls/{id}")).await;
        assert!(ended.starts_with("HTTP/1.1 202"), "{ended}");
        talk.caller.hear("BYE").await;
        stage.ai.hear("BYE").await;
        stage.calls(0).await;
        let again = stage.http(&format!("DELETE /v1/calls/{id}")).await;
        assert!(again.starts_with("HTTP/1.1 404"), "{again}");
    });
}

#[test]
fn a_caller_from_an_unknown_address_is_forbidden() {
    run(async {
        let stage = Stage::with(|plan| plan.admission.peers.clear()).await;
        let caller = Phone::new().await;
        caller.send(stage.sip(), &caller.invite(stage.sip(), "stranger", "")).await;
        caller.hear("SIP/2.0 403").await;
        assert_eq!(stage.node.calls(), 0);
    });
}

#[test]
fn a_request_that_cannot_be_read_is_answered_with_where_it_came_from() {
    run(async {
        let stage = Stage::new().await;
        let caller = Phone::new().await;
        let invite = caller.invite(stage.sip(), "future", "");
        let broken = invite.replacen("SIP/2.0\r\n", "SIP/3.0\r\n", 1);
        caller.send(stage.sip(), &broken).await;
        let (refused, _) = caller.hear("SIP/2.0 505").await;
        // RFC 3581 §4: whoever asks by rport is told the port, broken as the rest may be.
        let via = refused.header("Via").unwrap();
        assert!(via.contains(&format!("rport={}", caller.address().port())), "{via}");
        assert_eq!(stage.node.calls(), 0);
    });
}

#[test]
fn the_pages_for_machines_answer() {
    run(async {
        let stage = Stage::new().await;
        let NodeAddresses { http, .. } = stage.node.addresses();
        assert_ne!(http.port(), 0);
        assert!(stage.http("GET /healthz").await.starts_with("HTTP/1.1 200"));
        assert!(stage.http("GET /readyz").await.starts_with("HTTP/1.1 200"));
        let metrics = stage.http("GET /metrics").await;
        assert!(metrics.contains("\nbaton_calls_active "), "{metrics}");
        assert!(stage.http("POST /metrics").await.starts_with("HTTP/1.1 405"));
    });
}
