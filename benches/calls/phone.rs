//! One party's SIP: an endpoint on a socket of its own, and as much SDP as the bench needs.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use baton_signaling::Time;
use baton_signaling::endpoint::{Endpoint, EndpointConfig, Flow, Transport};
use baton_signaling::message::{Headers, Message};
use bytes::Bytes;

use crate::frames::Voice;
use crate::machine::Nanos;
use crate::wire::{self, Room};

/// Who a phone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Party {
    /// All the callers.
    Caller,
    /// The AI.
    Ai,
    /// All the people.
    Agent,
}

impl Party {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 3] = [Self::Caller, Self::Ai, Self::Agent];

    /// Its address: 127.0.0.1, .2 and .3.
    pub(crate) const fn ip(self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(127, 0, 0, self as u8 + 1))
    }

    /// Its user part.
    pub(crate) const fn user(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Ai => "ai",
            Self::Agent => "agent",
        }
    }
}

/// Legs that one phone may have: calls that end and calls that begin, with room to spare.
const LEGS_MAX: usize = 200_000;

/// One party's endpoint and socket.
#[derive(Debug)]
pub(crate) struct Phone {
    /// Its dialogs.
    pub endpoint: Endpoint,
    /// Where it is reached.
    pub address: SocketAddr,
    /// Its socket.
    pub socket: UdpSocket,
}

impl Phone {
    /// A phone at a free port of its party's address.
    pub(crate) fn open(party: Party) -> Result<Self, String> {
        let socket = wire::open(party.ip(), 0)?;
        let address = SocketAddr::new(party.ip(), wire::port(&socket)?);
        let config = EndpointConfig {
            user: party.user().to_owned(),
            user_agent: "Baton bench".to_owned(),
            transactions_max: LEGS_MAX,
            legs_max: LEGS_MAX,
            ..EndpointConfig::default()
        };
        Ok(Self { endpoint: Endpoint::new(config, 0xba7_0000 + party as u64), address, socket })
    }

    /// How it is reached from `remote`, or reaches it.
    pub(crate) fn flow(&self, remote: SocketAddr) -> Flow {
        Flow { transport: Transport::Udp, local: self.address, remote }
    }

    /// Takes one message, if one has come, and returns when.
    pub(crate) fn receive(&mut self, room: &mut Room, time: impl Fn(Nanos) -> Time) -> Option<Nanos> {
        let datagram = room.receive(&self.socket)?;
        let (from, at) = (datagram.from, datagram.at);
        if let Ok(message) = Message::parse(Bytes::copy_from_slice(datagram.bytes)) {
            let flow = self.flow(from);
            self.endpoint.handle_message(time(at), flow, message);
        }
        Some(at)
    }

    /// Sends what the endpoint has to send.
    pub(crate) fn send(&mut self) {
        while let Some(out) = self.endpoint.poll_transmit() {
            // A message that the kernel refuses is sent again by the transaction's timer.
            let _ = self.socket.send_to(&out.bytes, out.flow.remote);
        }
    }
}

/// An offer or answer with one codec.
pub(crate) fn sdp(ip: IpAddr, port: u16, voice: Voice) -> Bytes {
    sdp_as(ip, port, voice.payload_type(), voice.rtpmap()).into()
}

/// The same with the number and the `a=rtpmap` of an offer.
pub(crate) fn sdp_as(ip: IpAddr, port: u16, number: u8, rtpmap: &str) -> String {
    format!(
        "v=0\r\no=bench 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP {number}\r\n\
         a=rtpmap:{number} {rtpmap}\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}

/// The headers of a message with SDP.
pub(crate) fn with_sdp() -> Headers {
    let mut headers = Headers::default();
    headers.push("Content-Type", "application/sdp");
    headers
}

/// Where the far end wants RTP, and the number of its codec.
pub(crate) fn remote(sdp: &[u8]) -> Option<(SocketAddr, u8)> {
    let text = std::str::from_utf8(sdp).ok()?;
    let after = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
    let ip = after("c=IN IP4 ")?.trim().parse::<IpAddr>().ok()?;
    let mut words = after("m=audio ")?.split_whitespace();
    let port = words.next()?.parse::<u16>().ok()?;
    let number = words.nth(1)?.parse::<u8>().ok()?;
    Some((SocketAddr::new(ip, port), number))
}

/// The status of a NOTIFY's `message/sipfrag` (RFC 3420).
pub(crate) fn notified(body: &[u8]) -> Option<u16> {
    std::str::from_utf8(body).ok()?.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}
