//! A phone that speaks raw text over a real socket.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use baton_tests::sip::Text;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// How long a phone waits for what must come. Long, since a loaded machine is no fault of the node.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A phone on a socket of its own.
pub(crate) struct Phone {
    socket: UdpSocket,
}

impl Phone {
    pub(crate) async fn new() -> Self {
        Self::at("127.0.0.1").await
    }

    /// A phone at this address.
    pub(crate) async fn at(ip: &str) -> Self {
        let ip: IpAddr = ip.parse().unwrap();
        Self { socket: UdpSocket::bind((ip, 0)).await.unwrap() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    pub(crate) async fn send(&self, to: SocketAddr, text: &str) {
        self.socket.send_to(text.as_bytes(), to).await.unwrap();
    }

    /// The next message whose first line begins with `start`; others are passed over.
    pub(crate) async fn hear(&self, start: &str) -> (Text, SocketAddr) {
        let found = timeout(PATIENCE, async {
            let mut buffer = [0; 4096];
            loop {
                let (len, from) = self.socket.recv_from(&mut buffer).await.unwrap();
                let text = Text(String::from_utf8_lossy(&buffer[..len]).into_owned());
                if text.first_line().starts_with(start) {
                    return (text, from);
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("{} never heard {start}", self.address()))
    }

    /// Answers `request` with `status` and, if there is one, a session description.
    pub(crate) async fn answer(&self, request: &Text, to: SocketAddr, status: &str, sdp: &str) {
        let copied: String = ["Via", "From", "Call-ID", "CSeq"]
            .into_iter()
            .flat_map(|name| request.headers(name).map(move |value| format!("{name}: {value}\r\n")))
            .collect();
        let to_header = request.header("To").unwrap();
        let tag = if to_header.contains(";tag=") { "" } else { ";tag=theirs" };
        let contact = self.address();
        let text = format!(
            "SIP/2.0 {status}\r\n{copied}To: {to_header}{tag}\r\nContact: <sip:phone@{contact}>\r\n{}",
            body(sdp)
        );
        self.send(to, &text).await;
    }

    /// An INVITE for `sip:support@node`.
    pub(crate) fn invite(&self, node: SocketAddr, call_id: &str, sdp: &str) -> String {
        let us = self.address();
        format!(
            "INVITE sip:support@{node} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK{call_id};rport\r\n\
             From: <sip:caller@{us}>;tag=ours\r\nTo: <sip:support@{node}>\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:caller@{us}>\r\nMax-Forwards: 70\r\n{}",
            body(sdp)
        )
    }

    /// A request of the caller's in the dialog that `answer` has made.
    pub(crate) fn in_dialog(&self, answer: &Text, method: &str, cseq: u32) -> String {
        let us = self.address();
        let header = |name| answer.header(name).unwrap();
        let target = header("Contact").trim_start_matches('<').trim_end_matches('>');
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK{method}{}\r\nFrom: {}\r\nTo: {}\r\n\
             Call-ID: {}\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            header("Call-ID"),
            header("From"),
            header("To"),
            header("Call-ID"),
        )
    }

    /// A request of ours in the dialog that our answer to `invite` has made.
    pub(crate) fn in_dialog_of(&self, invite: &Text, method: &str, cseq: u32) -> String {
        let us = self.address();
        let header = |name| invite.header(name).unwrap();
        let target = header("Contact").trim_start_matches('<').trim_end_matches('>');
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK{method}{0}\r\nFrom: {1};tag=theirs\r\n\
             To: {2}\r\nCall-ID: {0}\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            header("Call-ID"),
            header("To"),
            header("From"),
        )
    }
}

pub(crate) fn body(sdp: &str) -> String {
    if sdp.is_empty() {
        return "Content-Length: 0\r\n\r\n".to_owned();
    }
    format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len())
}

/// G.711 at `at`.
pub(crate) fn pcmu(at: SocketAddr) -> String {
    format!(
        "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n\
         a=rtpmap:0 PCMU/8000\r\n",
        family = if at.is_ipv4() { "IP4" } else { "IP6" },
        ip = at.ip(),
        port = at.port()
    )
}

/// The address of the audio in a session description.
pub(crate) fn audio(text: &Text) -> SocketAddr {
    let line = |start: &str| text.0.lines().find_map(|line| line.strip_prefix(start)).unwrap().to_owned();
    let port: u16 = line("m=audio ").split(' ').next().unwrap().parse().unwrap();
    SocketAddr::new(line("c=IN IP")[2..].trim().parse().unwrap(), port)
}
