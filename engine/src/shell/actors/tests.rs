//! Actors whose machine panics: a call's, with its shard borrowed, is heard as BYE by its far ends, and the other calls
//! go on; the queues lose the step and neither conversations nor those who wait.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::System;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::call::panic::Panic;
use super::{Ask, DescribeQueues, QueueActor};
use crate::key::CallKey;
use crate::queue::{OfferId, Outcome, Place, QueueRequest};
use crate::settings::Settings;
use crate::shell::{Node, Plan};

/// Long, since a loaded machine is no fault of the node.
const PATIENCE: Duration = Duration::from_secs(10);

/// The next message that begins with `start`, and where it came from.
async fn hear(socket: &UdpSocket, start: &str) -> (String, SocketAddr) {
    let heard = timeout(PATIENCE, async {
        let mut buffer = [0; 4096];
        loop {
            let (len, from) = socket.recv_from(&mut buffer).await.unwrap();
            let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
            if text.starts_with(start) {
                return (text, from);
            }
        }
    });
    heard.await.unwrap_or_else(|_| panic!("never heard {start}"))
}

fn header<'a>(text: &'a str, name: &str) -> &'a str {
    let mut lines = text.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).unwrap()
}

/// G.711 at a port of which nothing is sent or heard in these tests.
const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";

fn with_body(head: &str) -> String {
    format!("{head}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}", SDP.len())
}

/// A caller whose call the AI has answered and who has acknowledged it.
async fn connected(node: SocketAddr, ai: &UdpSocket, name: &str) -> UdpSocket {
    let caller = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let us = caller.local_addr().unwrap();
    let dialog = format!(
        "From: <sip:a@{us}>;tag=1\r\nCall-ID: {name}\r\nMax-Forwards: 70\r\nContact: <sip:a@{us}>\r\n"
    );
    let via = format!("Via: SIP/2.0/UDP {us};branch=z9hG4bK");
    let invite = format!(
        "INVITE sip:x@{node} SIP/2.0\r\n{via}{name}\r\nTo: <sip:x@{node}>\r\nCSeq: 1 INVITE\r\n{dialog}"
    );
    caller.send_to(with_body(&invite).as_bytes(), node).await.unwrap();
    let (invite, from) = hear(ai, "INVITE").await;
    let copied =
        ["Via", "From", "Call-ID", "CSeq"].map(|name| format!("{name}: {}\r\n", header(&invite, name)));
    let (to, at) = (header(&invite, "To"), ai.local_addr().unwrap());
    let answer = format!("SIP/2.0 200 OK\r\n{}To: {to};tag=2\r\nContact: <sip:ai@{at}>\r\n", copied.concat());
    ai.send_to(with_body(&answer).as_bytes(), from).await.unwrap();
    let (answer, _) = hear(&caller, "SIP/2.0 200").await;
    let to = header(&answer, "To");
    let ack = format!(
        "ACK sip:x@{node} SIP/2.0\r\n{via}a{name}\r\nTo: {to}\r\nCSeq: 1 ACK\r\n{dialog}Content-Length: 0\r\n\r\n"
    );
    caller.send_to(ack.as_bytes(), node).await.unwrap();
    caller
}

#[test]
fn a_panic_in_a_calls_handler_ends_that_call_on_every_leg_and_no_other() {
    System::new().block_on(async {
        let ai = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        let mut plan = Plan::new(&Settings::embedded()).unwrap();
        (plan.sip, plan.http, plan.ports, plan.shards) = (vec![any], any, 39_000..=39_099, 1);
        let uris = vec![format!("sip:ai@{}", ai.local_addr().unwrap())];
        Arc::make_mut(&mut plan.call).peers.get_mut("polyai").unwrap().uris = uris;
        let node = Node::start(plan).await.unwrap();
        let sip = node.addresses().sip[0];
        let unlucky = connected(sip, &ai, "unlucky").await;
        let lucky = connected(sip, &ai, "lucky").await;
        assert_eq!(node.calls(), 2);

        node.shards()[0].try_send(Panic(CallKey::new(0, 1))).unwrap();
        let (bye, _) = hear(&unlucky, "BYE").await;
        assert_eq!(header(&bye, "Call-ID"), "unlucky");
        hear(&ai, "BYE").await;
        assert_eq!(node.calls(), 1);

        node.shards()[0].try_send(super::Deliver(CallKey::new(0, 2), crate::call::Input::HangUp)).unwrap();
        let (bye, _) = hear(&lucky, "BYE").await;
        assert!(header(&bye, "Reason").contains("operator"), "the other call ends by its own machine: {bye}");
    });
}

#[test]
fn an_agent_in_conversation_is_not_offered_again_after_the_queues_have_panicked() {
    System::new().block_on(async {
        let settings = Settings::embedded().for_queues();
        let (queue, agents) = (settings.queues[0].name.clone(), settings.queues[0].agents.len() as u32);
        let queues = QueueActor::start(crate::shell::Clock::start(), settings);
        let enter = |count| {
            let call = CallKey::new(0, count);
            Ask(QueueRequest::Enter { call, queue: queue.clone(), place: Place::Back })
        };
        queues.send(enter(1)).await.unwrap();
        let talk = |outcome| {
            let (call, offer) = (CallKey::new(0, 1), OfferId(1));
            Ask(QueueRequest::Report { call, offer, outcome })
        };
        queues.send(talk(Outcome::Answered)).await.unwrap();

        queues.send(super::queue::panic::Panic).await.unwrap();
        for count in 0..u64::from(agents) {
            queues.send(enter(2 + count)).await.unwrap();
        }
        let shown = queues.send(DescribeQueues).await.unwrap();
        let line = &shown.queues[0];
        assert_eq!((line.talking, line.offered, line.waiting), (1, agents - 1, agents), "{line:?}");
        queues.send(talk(Outcome::Ended)).await.unwrap();
        let shown = queues.send(DescribeQueues).await.unwrap();
        assert_eq!(
            (shown.queues[0].talking, shown.queues[0].offered),
            (0, agents),
            "free for the next in line"
        );
    });
}
