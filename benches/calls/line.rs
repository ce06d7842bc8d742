//! One party's RTP in one call: what it sends by the clock and what it hears.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use crate::frames::{Frames, Voice};
use crate::machine::{Nanos, now};
use crate::wire::{self, Room};

/// Tries to find two ports in a row.
const PAIR_TRIES: usize = 64;
/// Packets taken from one socket before others have their turn.
const PACKETS_PER_TURN: usize = 8;
/// RTP without extension or contributing sources (RFC 3550 §5.1); neither side sends them.
const HEADER_BYTES: usize = 12;

/// A packet that was sent or has come.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    /// When: before the system call that sent it, or when the kernel received it.
    pub at: Nanos,
    /// Its sequence number.
    pub seq: u16,
    /// Its RTP timestamp.
    pub timestamp: u32,
    /// What it carried, where that is looked at afterwards.
    pub payload: Vec<u8>,
}

/// A party's end of a stream each way.
#[derive(Debug)]
pub(crate) struct Line {
    /// For RTP.
    pub socket: UdpSocket,
    /// Where the node sends its RTCP; never read.
    _rtcp: UdpSocket,
    /// The port in our SDP.
    pub port: u16,
    /// Where the far end wants RTP.
    pub remote: Option<SocketAddr>,
    /// Whether frames are sent.
    pub speaks: bool,
    /// The number that the answer agreed on.
    pub payload_type: u8,
    frames: Frames,
    next: usize,
    seq: u16,
    timestamp: u32,
    ssrc: u32,
    /// Packets sent since the line was opened.
    pub sent: u64,
    /// Packets that came since the line was opened.
    pub received: u64,
    /// Their payloads' bytes.
    pub octets: u64,
    /// Keep payloads too.
    listened: bool,
    /// What was sent in the window.
    pub sends: Vec<Stamp>,
    /// What came in the window.
    pub arrivals: Vec<Stamp>,
}

impl Line {
    /// A line at a pair of free ports of `ip`; `number` makes its stream its own.
    pub(crate) fn open(ip: IpAddr, frames: Frames, number: u32, listened: bool) -> Result<Self, String> {
        let (socket, rtcp, port) = pair(ip)?;
        // Spread over the recording, so that no two calls say the same at once; marks keep their place in it.
        let next = if listened { 0 } else { number as usize * 37 % frames.payloads.len() };
        Ok(Self {
            socket,
            _rtcp: rtcp,
            port,
            remote: None,
            speaks: false,
            payload_type: frames.voice.payload_type(),
            frames,
            next,
            seq: (number as u16).wrapping_mul(7919),
            timestamp: number.wrapping_mul(0x9e37_79b9),
            ssrc: number.wrapping_mul(0x85eb_ca6b) | 1,
            sent: 0,
            received: 0,
            octets: 0,
            listened,
            sends: Vec::new(),
            arrivals: Vec::new(),
        })
    }

    /// How it speaks and hears.
    pub(crate) fn voice(&self) -> Voice {
        self.frames.voice
    }

    /// Makes room for a window of so many packets.
    pub(crate) fn reserve(&mut self, packets: usize) {
        self.sends.reserve(packets);
        self.arrivals.reserve(packets);
    }

    /// Sends the next frame. The time of a frame that is not sent passes all the same: see [`Self::skip`].
    pub(crate) fn send(&mut self, recording: bool) {
        let Some(remote) = self.remote else { return };
        let mut packet = [0; 1_500];
        let payload = &self.frames.payloads[self.next];
        let length = HEADER_BYTES + payload.len();
        packet[0] = 0x80;
        packet[1] = self.payload_type;
        packet[2..4].copy_from_slice(&self.seq.to_be_bytes());
        packet[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        packet[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        packet[HEADER_BYTES..length].copy_from_slice(payload);
        if recording {
            // Which frame it is tells where the marks are.
            let payload = if self.listened { (self.next as u32).to_be_bytes().to_vec() } else { Vec::new() };
            self.sends.push(Stamp { at: now(), seq: self.seq, timestamp: self.timestamp, payload });
        }
        if self.socket.send_to(&packet[..length], remote).is_ok() {
            self.sent += 1;
        }
        self.seq = self.seq.wrapping_add(1);
        self.skip(1);
    }

    /// Lets the time of so many frames pass.
    pub(crate) fn skip(&mut self, frames: usize) {
        self.next = (self.next + frames) % self.frames.payloads.len();
        let passed = self.frames.voice.step().wrapping_mul(frames as u32);
        self.timestamp = self.timestamp.wrapping_add(passed);
    }

    /// Takes what has come.
    pub(crate) fn receive(&mut self, room: &mut Room, recording: bool) {
        for _ in 0..PACKETS_PER_TURN {
            let Some(datagram) = room.receive(&self.socket) else { return };
            let [_, _, s0, s1, t0, t1, t2, t3, _, _, _, _, payload @ ..] = datagram.bytes else { continue };
            self.received += 1;
            self.octets += payload.len() as u64;
            if recording {
                let payload = if self.listened { payload.to_vec() } else { Vec::new() };
                self.arrivals.push(Stamp {
                    at: datagram.at,
                    seq: u16::from_be_bytes([*s0, *s1]),
                    timestamp: u32::from_be_bytes([*t0, *t1, *t2, *t3]),
                    payload,
                });
            }
        }
    }
}

/// Sockets at two ports in a row, for RTP and RTCP (RFC 3550 §11).
fn pair(ip: IpAddr) -> Result<(UdpSocket, UdpSocket, u16), String> {
    for _ in 0..PAIR_TRIES {
        let rtp = wire::open(ip, 0)?;
        let port = wire::port(&rtp)?;
        let Some(next) = port.checked_add(1) else { continue };
        if let Ok(rtcp) = UdpSocket::bind((ip, next)) {
            return Ok((rtp, rtcp, port));
        }
    }
    Err(format!("no two free ports in a row at {ip}"))
}
