//! Calls over WebSocket, bare and under TLS, from clients as browsers are: nobody can connect to them.

use std::net::SocketAddr;

use baton_engine::shell::Plan;
use baton_signaling::endpoint::Transport;
use tokio_rustls::rustls::version::TLS13;
use tokio_tungstenite::tungstenite;

use crate::line::Line;
use crate::over::{self, Over, Talk};
use crate::pki::Pki;
use crate::stage::{Stage, any, run};

/// Where a browser says it is (RFC 7118 §5.2.2).
const NOWHERE: &str = "df7jal23ls0d.invalid";

async fn stage() -> Stage {
    Stage::with(|plan: &mut Plan| plan.streams = vec![(Transport::Ws, any())]).await
}

fn node(stage: &Stage) -> SocketAddr {
    stage.node.addresses().streams[0].1
}

fn options(number: u32) -> String {
    over::WS.request("OPTIONS", number, NOWHERE, "web", "<sip:x@node>", "")
}

async fn talks(stage: &Stage, over: Over, line: Line) {
    let mut talk = Talk::begin(stage, over, line, NOWHERE, "web").await;
    let us = format!("{};transport=ws", node(stage));
    assert!(talk.answer.header("Contact").unwrap().contains(&us), "{:?}", talk.answer);
    talk.assert_sound().await;
    // What the node asks goes over the one way there is.
    talk.is_ended_here(stage, NOWHERE).await;
}

#[test]
fn a_caller_over_a_websocket_is_answered_and_ended_over_it() {
    run(async {
        let stage = stage().await;
        let line = Line::web(None, node(&stage), "sip").await.unwrap();
        talks(&stage, over::WS, line).await;
    });
}

#[test]
fn a_caller_over_a_secure_websocket_is_answered_and_ended_over_it() {
    run(async {
        let pki = Pki::new("web");
        let stage = Stage::with(|plan| {
            (plan.streams, plan.tls) = (vec![(Transport::Wss, any())], Some(pki.node()));
        });
        let stage = stage.await;
        let line = Line::web(Some(&pki.client(&TLS13, None)), node(&stage), "chat, sip").await.unwrap();
        talks(&stage, over::WSS, line).await;
    });
}

#[test]
fn who_does_not_offer_sip_or_speaks_no_websocket_is_refused() {
    run(async {
        let stage = stage().await;
        let refused = Line::web(None, node(&stage), "chat").await.err().unwrap();
        let tungstenite::Error::Http(answer) = refused else { panic!("{refused}") };
        assert_eq!(answer.status(), 400);
        let mut plain = Line::to(node(&stage)).await;
        plain.say(&options(1)).await;
        plain.is_closed().await;
        stage.counted("baton_sip_connections_closed_total{reason=\"websocket\"}").await;
    });
}

#[test]
fn each_message_is_one_and_keep_alives_are_answered_in_both_ways() {
    run(async {
        let stage = stage().await;
        let mut line = Line::web(None, node(&stage), "sip").await.unwrap();
        line.say("\r\n\r\n").await;
        line.hear_raw("\r\n").await;
        line.ping().await;
        // A second message in one is no message: what follows the body is left out.
        line.say(&(options(1) + &options(2))).await;
        line.say("no SIP").await;
        line.say(&options(3)).await;
        let numbers = [line.hear("SIP/2.0 200").await, line.hear("SIP/2.0 200").await];
        assert_eq!(
            numbers.map(|answer| answer.header("CSeq").unwrap().to_owned()),
            ["1 OPTIONS", "3 OPTIONS"]
        );
    });
}

#[test]
fn a_message_that_is_too_long_ends_its_websocket_and_a_call_whose_websocket_is_gone_can_be_ended() {
    run(async {
        let stage = stage().await;
        let mut long = Line::web(None, node(&stage), "sip").await.unwrap();
        long.say_octets(70_000).await;
        long.is_closed().await;
        stage.counted("baton_sip_connections_closed_total{reason=\"garbage\"}").await;
        let line = Line::web(None, node(&stage), "sip").await.unwrap();
        let talk = Talk::begin(&stage, over::WS, line, NOWHERE, "gone").await;
        talk.assert_sound().await;
        let bye = stage.ai.in_dialog_of(&talk.invite, "BYE", 2);
        talk.line.reset();
        stage.counted("baton_sip_connections_closed_total{reason=\"broken\"}").await;
        // Nothing can be opened to a browser: the BYE to it fails at once, and the call is over.
        stage.ai.send(stage.sip(), &bye).await;
        stage.calls(0).await;
    });
}
