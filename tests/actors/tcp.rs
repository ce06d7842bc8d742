//! Calls over TCP: both ways, with connections that are cut into pieces, misused, shared and lost.

use std::net::SocketAddr;
use std::sync::Arc;

use baton_engine::shell::Plan;
use baton_signaling::endpoint::Transport;
use tokio::net::TcpListener;

use crate::line::Line;
use crate::over::{TCP, Talk, rtp};
use crate::phone::{audio, pcmu};
use crate::stage::{Stage, any, assert_heard, run};

async fn stage() -> Stage {
    Stage::with(|plan| plan.streams = vec![(Transport::Tcp, any())]).await
}

fn tcp(stage: &Stage) -> SocketAddr {
    stage.node.addresses().streams[0].1
}

#[test]
fn a_caller_over_tcp_is_answered_and_ended_over_its_own_connection() {
    run(async {
        let stage = stage().await;
        let line = Line::to(tcp(&stage)).await;
        let contact = line.address();
        let mut talk = Talk::begin(&stage, TCP, line, contact, "own").await;
        let us = format!("{};transport=tcp", tcp(&stage));
        assert!(talk.answer.header("Contact").unwrap().contains(&us), "{:?}", talk.answer);
        talk.assert_sound().await;
        talk.is_ended_here(&stage, contact).await;
    });
}

#[test]
fn an_ai_over_tcp_is_called_and_ended_over_one_connection_of_ours() {
    run(async {
        let listener = TcpListener::bind(any()).await.unwrap();
        let at = listener.local_addr().unwrap();
        let with = |plan: &mut Plan| {
            plan.streams = vec![(Transport::Tcp, any())];
            let call = Arc::make_mut(&mut plan.call);
            call.peers.get_mut("polyai").unwrap().uris = vec![format!("sip:ai@{at};transport=tcp")];
        };
        let stage = Stage::with(with).await;
        let (mut caller, sound, ai_sound) = (Line::to(tcp(&stage)).await, rtp().await, rtp().await);
        let contact = caller.address();
        caller.say(&TCP.invite(contact, "ai", &pcmu(sound.local_addr().unwrap()))).await;
        let mut ai = Line::from(&listener).await;
        let to_ai = ai.hear("INVITE").await;
        assert!(to_ai.header("Contact").unwrap().contains(&tcp(&stage).to_string()), "{to_ai:?}");
        ai.say(&TCP.answer(&to_ai, at, &pcmu(ai_sound.local_addr().unwrap()))).await;
        ai.hear("ACK").await;
        let answered = caller.hear("SIP/2.0 200").await;
        let to = answered.header("To").unwrap();
        caller.say(&TCP.request("ACK", 1, contact, "ai", to, "")).await;
        assert_heard((&sound, audio(&answered)), (&ai_sound, audio(&to_ai))).await;
        caller.say(&TCP.request("BYE", 2, contact, "ai", to, "")).await;
        let bye = ai.hear("BYE").await;
        ai.say(&TCP.answer(&bye, at, "")).await;
        stage.calls(0).await;
    });
}

#[test]
fn an_ai_whose_port_is_closed_is_passed_over_at_once() {
    run(async {
        let closed = TcpListener::bind(any()).await.unwrap().local_addr().unwrap();
        let stage = Stage::with(|plan| {
            plan.streams = vec![(Transport::Tcp, any())];
            let call = Arc::make_mut(&mut plan.call);
            let uris = &mut call.peers.get_mut("polyai").unwrap().uris;
            uris.insert(0, format!("sip:ai@{closed};transport=tcp"));
        });
        let stage = stage.await;
        let line = Line::to(tcp(&stage)).await;
        let contact = line.address();
        let talk = Talk::begin(&stage, TCP, line, contact, "next").await;
        talk.assert_sound().await;
        stage.counted("baton_sip_connections_closed_total{reason=\"refused\"}").await;
    });
}

#[test]
fn messages_that_come_in_pieces_or_together_are_each_taken_once() {
    run(async {
        let stage = stage().await;
        let mut line = Line::to(tcp(&stage)).await;
        let options = |n: u32| TCP.request("OPTIONS", n, "127.0.0.1:9", "pieces", "<sip:x@node>", "");
        let (one, three) = (options(1), options(2) + &options(3));
        for piece in one.as_bytes().chunks(37) {
            line.say(std::str::from_utf8(piece).unwrap()).await;
            // A round trip, so that the pieces are not one segment.
            stage.http("GET /healthz").await;
        }
        line.hear("SIP/2.0 200").await;
        line.say(&three).await;
        let numbers = [line.hear("SIP/2.0 200").await, line.hear("SIP/2.0 200").await];
        let numbers = numbers.map(|answer| answer.header("CSeq").unwrap().to_owned());
        assert_eq!(numbers, ["2 OPTIONS", "3 OPTIONS"]);
        line.say("\r\n\r\n").await;
        line.hear_raw("\r\n").await;
    });
}

#[test]
fn what_is_no_sip_ends_its_connection_and_no_other() {
    run(async {
        let stage = stage().await;
        let mut good = Line::to(tcp(&stage)).await;
        for (text, reason) in [
            ("GET / HTTP/1.1\r\n", "garbage"),
            ("OPTIONS sip:x@node SIP/2.0\r\nCall-ID: 1\r\n\r\n", "length"),
        ] {
            let mut bad = Line::to(tcp(&stage)).await;
            bad.say(text).await;
            bad.is_closed().await;
            stage.counted(&format!("baton_sip_connections_closed_total{{reason=\"{reason}\"}}")).await;
        }
        good.say(&TCP.request("OPTIONS", 1, good.address(), "good", "<sip:x@node>", "")).await;
        good.hear("SIP/2.0 200").await;
    });
}

#[test]
fn a_call_outlives_its_connection_and_is_ended_over_another() {
    run(async {
        let stage = stage().await;
        // Where the caller says it is to be reached.
        let listener = TcpListener::bind(any()).await.unwrap();
        let contact = listener.local_addr().unwrap();
        let talk = Talk::begin(&stage, TCP, Line::to(tcp(&stage)).await, contact, "outlives").await;
        talk.assert_sound().await;
        let Talk { line, answer: answered, invite, rtp, ai_rtp, .. } = talk;
        line.reset();
        assert_heard((&rtp, audio(&answered)), (&ai_rtp, audio(&invite))).await;
        assert_eq!(stage.node.calls(), 1);
        stage.ai.send(stage.sip(), &stage.ai.in_dialog_of(&invite, "BYE", 2)).await;
        let mut line = Line::from(&listener).await;
        let bye = line.hear("BYE").await;
        line.say(&TCP.answer(&bye, contact, "")).await;
        stage.calls(0).await;
    });
}

#[test]
fn two_calls_share_a_connection() {
    run(async {
        let stage = stage().await;
        let line = Line::to(tcp(&stage)).await;
        let contact = line.address();
        let first = Talk::begin(&stage, TCP, line, contact, "first").await;
        let Talk { line, answer: answered, invite, rtp, ai_rtp, .. } = first;
        let mut second = Talk::begin(&stage, TCP, line, contact, "second").await;
        second.assert_sound().await;
        assert_heard((&rtp, audio(&answered)), (&ai_rtp, audio(&invite))).await;
        stage.ai.send(stage.sip(), &stage.ai.in_dialog_of(&invite, "BYE", 2)).await;
        let bye = second.line.hear("BYE").await;
        assert_eq!(bye.header("Call-ID"), Some("first"));
        second.line.say(&TCP.answer(&bye, contact, "")).await;
        stage.calls(1).await;
        second.assert_sound().await;
    });
}
