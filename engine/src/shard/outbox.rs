//! Packets that leave at the end of a turn, in slots made at start: sending a packet allocates nothing.
//!
//! Leaves out the sockets: `Io::send_packets` empties it.

use std::net::SocketAddr;

use super::Pair;
use crate::media::Lane;

/// Most bytes of a packet: what fits an Ethernet frame behind IPv6 and UDP headers. RTP of 60 ms G.711 has 492.
pub const PACKET_BYTES: usize = 1452;

/// Packets in one batch. A slot of the wheel with 50 calls of three legs sends 150, each with a little RTCP.
pub const OUTBOX_PACKETS: usize = 512;

/// A packet to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// From which pair.
    pub pair: Pair,
    /// From which of its ports.
    pub lane: Lane,
    /// To whom.
    pub to: SocketAddr,
    /// What.
    pub bytes: &'a [u8],
}

/// The packets of a turn.
#[derive(Debug)]
pub struct Outbox {
    slots: Box<[Slot]>,
    used: usize,
    sent: u64,
    dropped: u64,
}

#[derive(Clone, Debug)]
struct Slot {
    pair: Pair,
    lane: Lane,
    to: SocketAddr,
    len: usize,
    bytes: [u8; PACKET_BYTES],
}

impl Outbox {
    /// Room for [`OUTBOX_PACKETS`].
    pub fn new() -> Self {
        let pair = Pair::of_rtp(0).expect("0 is even");
        let slot = Slot { pair, lane: Lane::Rtp, to: ([0; 4], 0).into(), len: 0, bytes: [0; PACKET_BYTES] };
        Self { slots: vec![slot; OUTBOX_PACKETS].into_boxed_slice(), used: 0, sent: 0, dropped: 0 }
    }

    /// Copies a packet into a slot. Without a free slot, or if it is too long for one, it is dropped and counted.
    pub fn push(&mut self, pair: Pair, lane: Lane, to: SocketAddr, packet: &[u8]) {
        match self.slots.get_mut(self.used) {
            Some(slot) if packet.len() <= PACKET_BYTES => {
                slot.bytes[..packet.len()].copy_from_slice(packet);
                (slot.pair, slot.lane, slot.to, slot.len) = (pair, lane, to, packet.len());
                (self.used, self.sent) = (self.used + 1, self.sent + 1);
            }
            _ => self.dropped += 1,
        }
    }

    /// The packets, in the order they were queued.
    pub fn packets(&self) -> impl Iterator<Item = Packet<'_>> {
        self.slots[..self.used].iter().map(|slot| Packet {
            pair: slot.pair,
            lane: slot.lane,
            to: slot.to,
            bytes: &slot.bytes[..slot.len],
        })
    }

    /// Forgets all packets.
    pub fn clear(&mut self) {
        self.used = 0;
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Free slots.
    pub fn room(&self) -> usize {
        self.slots.len() - self.used
    }

    /// Packets queued since the start.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Packets for which there was no slot.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(outbox: &mut Outbox, text: &[u8]) {
        let pair = Pair::of_rtp(20_000).unwrap();
        outbox.push(pair, Lane::Rtcp, ([127, 0, 0, 1], 9).into(), text);
    }

    #[test]
    fn packets_leave_in_the_order_they_came_and_once() {
        let mut outbox = Outbox::new();
        push(&mut outbox, b"one");
        push(&mut outbox, b"two");
        let sent: Vec<_> = outbox.packets().map(|packet| packet.bytes.to_vec()).collect();
        assert_eq!(sent, [b"one", b"two"]);
        outbox.clear();
        assert!(outbox.is_empty() && outbox.packets().next().is_none());
    }

    #[test]
    fn a_packet_longer_than_a_slot_is_dropped_and_counted() {
        let mut outbox = Outbox::new();
        push(&mut outbox, &[0; PACKET_BYTES + 1]);
        assert_eq!((outbox.is_empty(), outbox.dropped()), (true, 1));
    }

    #[test]
    fn a_packet_without_a_slot_is_dropped_and_counted() {
        let mut outbox = Outbox::new();
        for _ in 0..OUTBOX_PACKETS + 3 {
            push(&mut outbox, b"x");
        }
        assert_eq!((outbox.room(), outbox.dropped()), (0, 3));
        assert_eq!(outbox.packets().count(), OUTBOX_PACKETS);
    }
}
