//! A caller who is connected to the node, and who talks with an AI on UDP; over whichever transport.

use std::fmt::Display;

use baton_tests::sip::Text;
use tokio::net::UdpSocket;

use crate::line::Line;
use crate::phone::{audio, body, pcmu};
use crate::stage::{Stage, any, assert_heard};

/// A transport, by its names in Via and in a URI.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Over {
    pub(crate) via: &'static str,
    pub(crate) parameter: &'static str,
}

pub(crate) const TCP: Over = Over { via: "TCP", parameter: "tcp" };
pub(crate) const TLS: Over = Over { via: "TLS", parameter: "tls" };

pub(crate) const WS: Over = Over { via: "WS", parameter: "ws" };
pub(crate) const WSS: Over = Over { via: "WSS", parameter: "ws" };

impl Over {
    /// A caller's request in a dialog of this id; `contact`: where it says it is.
    pub(crate) fn request(
        self,
        method: &str,
        cseq: u32,
        contact: impl Display + Copy,
        call_id: &str,
        to: &str,
        sdp: &str,
    ) -> String {
        let Self { via, parameter } = self;
        format!(
            "{method} sip:support@node SIP/2.0\r\nVia: SIP/2.0/{via} {contact};branch=z9hG4bK{call_id}{method}{cseq}\r\n\
             From: <sip:caller@{contact}>;tag=ours\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:caller@{contact};transport={parameter}>\r\nMax-Forwards: 70\r\n{}",
            body(sdp)
        )
    }

    pub(crate) fn invite(self, contact: impl Display + Copy, call_id: &str, sdp: &str) -> String {
        self.request("INVITE", 1, contact, call_id, "<sip:support@node>", sdp)
    }

    /// 200 to a request.
    pub(crate) fn answer(self, request: &Text, contact: impl Display + Copy, sdp: &str) -> String {
        let copied: String = ["Via", "From", "Call-ID", "CSeq"]
            .into_iter()
            .flat_map(|name| request.headers(name).map(move |value| format!("{name}: {value}\r\n")))
            .collect();
        let to = request.header("To").unwrap();
        let tag = if to.contains(";tag=") { "" } else { ";tag=theirs" };
        let contact = format!("Contact: <sip:phone@{contact};transport={}>", self.parameter);
        format!("SIP/2.0 200 OK\r\n{copied}To: {to}{tag}\r\n{contact}\r\n{}", body(sdp))
    }
}

pub(crate) async fn rtp() -> UdpSocket {
    UdpSocket::bind(any()).await.unwrap()
}

/// A connected caller who is with the AI, which is on UDP: the answer, and both ends' sound.
pub(crate) struct Talk {
    pub(crate) over: Over,
    pub(crate) line: Line,
    pub(crate) answer: Text,
    pub(crate) invite: Text,
    pub(crate) rtp: UdpSocket,
    pub(crate) ai_rtp: UdpSocket,
}

impl Talk {
    pub(crate) async fn begin(
        stage: &Stage,
        over: Over,
        mut line: Line,
        contact: impl Display + Copy,
        call_id: &str,
    ) -> Self {
        let (rtp, ai_rtp) = (rtp().await, rtp().await);
        line.say(&over.invite(contact, call_id, &pcmu(rtp.local_addr().unwrap()))).await;
        let (invite, node) = stage.ai.hear("INVITE").await;
        stage.ai.answer(&invite, node, "200 OK", &pcmu(ai_rtp.local_addr().unwrap())).await;
        stage.ai.hear("ACK").await;
        let answer = line.hear("SIP/2.0 200").await;
        line.say(&over.request("ACK", 1, contact, call_id, answer.header("To").unwrap(), "")).await;
        Self { over, line, answer, invite, rtp, ai_rtp }
    }

    pub(crate) async fn assert_sound(&self) {
        assert_heard((&self.rtp, audio(&self.answer)), (&self.ai_rtp, audio(&self.invite))).await;
    }

    /// The AI hangs up.
    pub(crate) async fn end(&self, stage: &Stage) {
        let bye = stage.ai.in_dialog_of(&self.invite, "BYE", 2);
        stage.ai.send(stage.sip(), &bye).await;
    }

    /// The AI hangs up, the caller hears of it over this very connection, and the call is over.
    pub(crate) async fn is_ended_here(&mut self, stage: &Stage, contact: impl Display + Copy) {
        self.end(stage).await;
        let bye = self.line.hear("BYE").await;
        assert!(bye.header("Via").unwrap().starts_with(&format!("SIP/2.0/{} ", self.over.via)), "{bye:?}");
        self.line.say(&self.over.answer(&bye, contact, "")).await;
        stage.calls(0).await;
    }
}
