//! The media of one call: its legs, who hears whom, and the packets that come of it.
//!
//! It is told packets, ticks and orders, and hands packets to a [`Sink`]; it owns no socket and reads no clock.
//! SIP, SDP and ports are its owner's business.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use baton_signaling::Time;

use super::{MediaEvent, Order, Prompts};
use crate::key::LegId;

/// Which of a leg's two ports a packet came to or leaves from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// The even port: RTP, and RTCP too where both are multiplexed (RFC 5761).
    Rtp,
    /// The port above it: RTCP.
    Rtcp,
}

/// Where a session's packets go. Called on the packet path: it copies into slots it already has.
pub trait Sink {
    /// Sends `packet` from a leg's port to `to`, at the end of the turn.
    fn send(&mut self, leg: LegId, lane: Lane, to: SocketAddr, packet: &[u8]);
}

/// What a session is built with. Plain numbers, so that a test can say all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionParams {
    /// Time without RTP and RTCP after which [`MediaEvent::Silent`] is told.
    pub media_timeout: Duration,
    /// Least delay of a jitter buffer, in milliseconds.
    pub jitter_ms_min: u16,
    /// Greatest delay a jitter buffer aims at, in milliseconds.
    pub jitter_ms_max: u16,
    /// Opus encoder complexity, 0–10.
    pub complexity: u8,
    /// Opus encoder bit rate, in bits per second.
    pub bitrate: u32,
    /// Wall clock at [`Time::ZERO`] as a 64-bit NTP timestamp (RFC 3550 §4), for sender reports.
    pub ntp_at_zero: u64,
}

impl Default for SessionParams {
    fn default() -> Self {
        Self {
            media_timeout: Duration::from_secs(30),
            jitter_ms_min: 20,
            jitter_ms_max: 200,
            complexity: 5,
            bitrate: 24_000,
            ntp_at_zero: 0,
        }
    }
}

/// What a session has counted over all its legs since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Ticks run.
    pub ticks: u64,
    /// Ticks that should have run but came too late.
    pub ticks_missed: u64,
    /// RTP packets accepted.
    pub packets_received: u64,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// Of those, packets relayed without decoding.
    pub packets_relayed: u64,
    /// Packets that were no RTP or RTCP, or of no payload type we agreed on.
    pub packets_malformed: u64,
    /// Packets refused by the gate against stolen streams.
    pub packets_rejected: u64,
    /// Digits dropped because the far leg has no telephone-event.
    pub digits_dropped: u64,
}

/// One leg's stream in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LegStats {
    /// RTP packets accepted.
    pub received: u64,
    /// RTP packets sent.
    pub sent: u64,
    /// Packets that never came (RFC 3550 §A.3).
    pub lost: u64,
    /// Packets that came after their turn.
    pub late: u64,
    /// Packets that came twice.
    pub duplicate: u64,
    /// Packets that came in another order than they were sent.
    pub reordered: u64,
    /// Interarrival jitter (RFC 3550 §A.8), in milliseconds.
    pub jitter_ms: f32,
    /// What the jitter buffer aims at, in milliseconds.
    pub target_ms: u16,
    /// Frames that had to be made up.
    pub concealed: u64,
    /// Share of our packets the far end lost, as its latest report says (0–1).
    pub far_loss: f32,
    /// Jitter the far end sees, in milliseconds.
    pub far_jitter_ms: f32,
    /// Round trip by RTCP (RFC 3550 §6.4.1), in milliseconds; `None` before the first.
    pub round_trip_ms: Option<f32>,
    /// Where packets are sent to.
    pub remote: Option<SocketAddr>,
}

/// The media of one call.
pub struct Session {
    params: SessionParams,
    prompts: Rc<Prompts>,
    counters: Counters,
    events: VecDeque<MediaEvent>,
    ended: bool,
}

impl Session {
    /// A session without legs. Its SSRCs, first sequence numbers and RTCP times come from `seed`.
    pub fn new(seed: u64, params: SessionParams, prompts: Rc<Prompts>) -> Self {
        let _ = seed;
        Self {
            params,
            prompts,
            counters: Counters::default(),
            events: VecDeque::with_capacity(32),
            ended: false,
        }
    }

    /// Carries out an order. The only method besides `new` that may allocate.
    pub fn apply(&mut self, now: Time, order: Order, out: &mut impl Sink) {
        let _ = (now, out, &self.params, &self.prompts);
        if matches!(order, Order::End) {
            self.ended = true;
        }
    }

    /// Takes a packet that came to a leg's port; it may be rewritten in place.
    pub fn handle_packet(
        &mut self,
        now: Time,
        leg: LegId,
        lane: Lane,
        from: SocketAddr,
        packet: &mut [u8],
        out: &mut impl Sink,
    ) {
        let _ = (now, leg, lane, from, packet, out);
    }

    /// Milliseconds from one tick to the next: 20, or 10 while a leg's packets do not fit that. May change with `apply`.
    pub fn tick_ms(&self) -> u8 {
        20
    }

    /// Runs one tick; to be called every [`Session::tick_ms`]. One that comes late runs once and counts what it missed.
    pub fn handle_tick(&mut self, now: Time, out: &mut impl Sink) {
        let _ = (now, out);
        self.counters.ticks += 1;
    }

    /// What the call is to be told next; drained after every `apply`, `handle_packet` and `handle_tick`.
    pub fn poll_event(&mut self) -> Option<MediaEvent> {
        self.events.pop_front()
    }

    /// What has been counted so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// One leg in figures; `None` if it is not open.
    pub fn stats(&self, leg: LegId) -> Option<LegStats> {
        let _ = leg;
        None
    }

    /// Whether [`Order::End`] was carried out: nothing more will be sent and the session may be dropped.
    pub fn is_ended(&self) -> bool {
        self.ended
    }
}
