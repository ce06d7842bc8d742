//! Copies of the calls' SIP messages to a Homer server, as HEP3 over UDP (<https://github.com/sipcapture/HEP>), with secrets
//! and the keys of media masked.
//!
//! Left out: media, RTCP and logs, which HEP can carry, too, and HEP over TCP.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use baton_signaling::endpoint::Transport;
use metrics::{Counter, counter};

use super::Clock;
use crate::settings::Hep;
use crate::shard::{Secrets, Seen};

/// The longest payload: what a datagram carries beside the other chunks.
const PAYLOAD_MAX: usize = 60_000;

/// The way to the server, shared by all shards.
#[derive(Clone)]
pub(crate) struct Export(Arc<Inner>);

struct Inner {
    socket: UdpSocket,
    hep: Hep,
    secrets: Secrets,
    clock: Clock,
    sent: Counter,
    dropped: Counter,
}

impl Export {
    /// A socket towards the server.
    ///
    /// # Errors
    /// The system has no socket for it, or no way there.
    pub(crate) fn open(hep: Hep, secrets: Secrets, clock: Clock) -> io::Result<Self> {
        let any: IpAddr =
            if hep.address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(hep.address)?;
        // Nothing waits for the server: what the system does not take at once is lost.
        socket.set_nonblocking(true)?;
        let count = |result| counter!("baton_hep_messages_total", "result" => result);
        let (sent, dropped) = (count("sent"), count("dropped"));
        Ok(Self(Arc::new(Inner { socket, hep, secrets, clock, sent, dropped })))
    }

    /// Sends a copy of a message, or drops it.
    pub(crate) fn copy(&self, seen: &Seen<'_>) {
        let Inner { socket, hep, secrets, clock, sent, dropped } = &*self.0;
        let text = secrets.mask(seen.text);
        let payload = &text.as_bytes()[..text.len().min(PAYLOAD_MAX)];
        match socket.send(&encode(seen, hep, clock.unix_millis(seen.at), payload)) {
            Ok(_) => sent.increment(1),
            Err(_) => dropped.increment(1),
        }
    }
}

/// One HEP3 packet: its mark, its length, and chunks of the generic vendor.
fn encode(seen: &Seen<'_>, hep: &Hep, unix_ms: u64, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 160);
    out.extend_from_slice(b"HEP3\0\0");
    let (from, to) = match seen.sent {
        true => (seen.flow.local, seen.flow.remote),
        false => (seen.flow.remote, seen.flow.local),
    };
    let protocol = if seen.flow.transport == Transport::Udp { 17 } else { 6 };
    chunk(&mut out, 1, &[if from.is_ipv4() { 2 } else { 10 }]);
    chunk(&mut out, 2, &[protocol]);
    address(&mut out, [3, 5], from);
    address(&mut out, [4, 6], to);
    chunk(&mut out, 7, &from.port().to_be_bytes());
    chunk(&mut out, 8, &to.port().to_be_bytes());
    chunk(&mut out, 9, &u32::try_from(unix_ms / 1000).unwrap_or(u32::MAX).to_be_bytes());
    chunk(&mut out, 10, &u32::try_from(unix_ms % 1000 * 1000).unwrap_or(0).to_be_bytes());
    // 1: SIP.
    chunk(&mut out, 11, &[1]);
    chunk(&mut out, 12, &hep.id.to_be_bytes());
    if let Some(secret) = &hep.secret {
        chunk(&mut out, 14, secret.expose().as_bytes());
    }
    chunk(&mut out, 17, seen.call_id.as_bytes());
    chunk(&mut out, 15, payload);
    let length = u16::try_from(out.len()).unwrap_or(u16::MAX);
    out[4..6].copy_from_slice(&length.to_be_bytes());
    out
}

/// Type, length with its own six octets, and what it is about.
fn chunk(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&u16::try_from(value.len() + 6).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(value);
}

/// An address, by the type of its family: of IPv4, of IPv6.
fn address(out: &mut Vec<u8>, [v4, v6]: [u16; 2], address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => chunk(out, v4, &ip.octets()),
        IpAddr::V6(ip) => chunk(out, v6, &ip.octets()),
    }
}
