//! Sound that overtakes its answer: RTP goes straight while the 200 takes every hop of SIP, or is lost and sent again
//! half a second later. It is kept until its leg is opened, so that the first words are whole.
//!
//! Left out: sound from long before the answer (ringing tones); only its last half second would be heard late.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use baton_signaling::Time;

use crate::key::LegId;

/// A 200 that was lost comes again after T1 (RFC 3261 §13.3.1.4).
const KEPT: Duration = Duration::from_millis(500);
/// Half a second in packets of 10 ms.
const PACKETS_MAX: usize = 50;
/// 60 ms of G.711 with its header and extensions; what is longer is no speech of ours.
const BYTES_MAX: usize = 640;

/// A packet that came before its leg was opened.
pub(super) struct EarlyPacket {
    pub(super) at: Time,
    pub(super) from: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

/// The packets of the one leg that is about to be answered.
#[derive(Default)]
pub(super) struct Early {
    leg: Option<LegId>,
    packets: VecDeque<EarlyPacket>,
}

impl Early {
    /// Keeps a packet of a leg that is not open yet; a later leg's packet takes the place of an earlier leg's.
    pub(super) fn keep(&mut self, now: Time, leg: LegId, from: SocketAddr, bytes: &[u8]) {
        if bytes.len() > BYTES_MAX || self.leg > Some(leg) {
            return;
        }
        if self.leg != Some(leg) {
            self.packets.clear();
            self.leg = Some(leg);
        }
        // A phone that plays ringing tones for a minute must not allocate for each packet: the oldest gives its buffer.
        let full = self.packets.len() == PACKETS_MAX;
        let oldest = if full { self.packets.pop_front() } else { None };
        let mut buffer = oldest.map(|packet| packet.bytes).unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(bytes);
        self.packets.push_back(EarlyPacket { at: now, from, bytes: buffer });
    }

    /// What was kept of `leg` and is fresh enough to be played, in the order of its arrival.
    pub(super) fn take(&mut self, now: Time, leg: LegId) -> VecDeque<EarlyPacket> {
        if self.leg != Some(leg) {
            return VecDeque::new();
        }
        let mut packets = std::mem::take(&mut self.packets);
        packets.retain(|packet| packet.at + KEPT >= now);
        packets
    }
}
