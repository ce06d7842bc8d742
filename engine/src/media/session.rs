//! The media of one call: its legs, who hears whom, and the packets that come of it.
//!
//! It is told packets, ticks and orders, and hands packets to a [`Sink`]; it owns no socket and reads no clock.
//! SIP, SDP and ports are its owner's business.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use baton_codecs::opus::{Bandwidth, Toc};
use baton_signaling::Time;

use super::coder::{Codec, TICK_SAMPLES_MAX};
use super::dtmf::Seen;
use super::early::Early;
use super::leg::Leg;
use super::outgoing::Passing;
use super::ring::PAYLOAD_BYTES_MAX;
use super::scene::Scene;
use super::secure::SrtpFaults;
use super::segment::Parts;
use super::steer::Steering;
use super::talk::ResponseGap;
use super::watching::{look, looks_loud};
use super::{Digits, Dtmf, LegConfig, MediaEvent, Order, Prompts};
use crate::key::LegId;
use crate::rtp::packet::HEADER_BYTES;
use crate::rtp::{ExtSeq, PacketView, RtpTime, Seq, Ssrc, is_rtcp, rtcp};

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
    /// How long something is wrong with a leg's sound until [`MediaEvent::Alarm`] is told.
    pub one_way: Duration,
    /// Loudness to which the AI and people are brought for the caller, in dBov; `None`: they stay as they are. Only sound
    /// that is decoded anyway.
    pub loudness_dbov: Option<i8>,
    /// Least delay of a jitter buffer, in milliseconds.
    pub jitter_ms_min: u16,
    /// Greatest delay a jitter buffer aims at, in milliseconds.
    pub jitter_ms_max: u16,
    /// Opus encoder complexity, 0–10; under load [`Session::set_complexity`] lowers it.
    pub complexity: u8,
    /// The least that load may lower it to.
    pub complexity_min: u8,
    /// Opus encoder bit rate, in bits per second; less where the far end wants less.
    pub bitrate: u32,
    /// Extended reports (RFC 3611) are sent to every far end, not only to those that ask for them.
    pub extended_reports: bool,
    /// Leave silence out toward far ends that asked for it (`usedtx`, RFC 7587 §6.1).
    pub dtx: bool,
    /// Wall clock at [`Time::ZERO`] as a 64-bit NTP timestamp (RFC 3550 §4), for sender reports.
    pub ntp_at_zero: u64,
}

impl Default for SessionParams {
    fn default() -> Self {
        Self {
            media_timeout: Duration::from_secs(30),
            one_way: Duration::from_secs(2),
            loudness_dbov: None,
            jitter_ms_min: 20,
            jitter_ms_max: 200,
            complexity: 5,
            complexity_min: 0,
            bitrate: 24_000,
            extended_reports: false,
            dtx: false,
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
    /// Legs that could not be opened: a codec we do not have, or more legs than a call may have.
    pub legs_refused: u64,
    /// Packets that were not genuine, or could not be protected, by [`crate::rtp::srtp::Fault::ALL`].
    pub srtp_faults: SrtpFaults,
    /// Events nobody drained in time.
    pub events_dropped: u64,
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
    /// Frames that had to be made up, because they were lost or late.
    pub concealed: u64,
    /// The same in samples at 8 kHz.
    pub concealed_samples: u64,
    /// Lost frames that were restored from the copy in the next packet (Opus in-band FEC, RFC 6716 §2.1.7).
    pub recovered: u64,
    /// Samples at 8 kHz left out to catch up with the sender.
    pub accelerated: u64,
    /// Samples at 8 kHz put in because packets came late.
    pub stretched: u64,
    /// Times that the next packet came too late to be played without a break.
    pub underruns: u64,
    /// Packets dropped because more than a second was held.
    pub overruns: u64,
    /// Share of our packets the far end lost, as its latest report says (0–1).
    pub far_loss: f32,
    /// Jitter the far end sees, in milliseconds.
    pub far_jitter_ms: f32,
    /// Round trip by RTCP (RFC 3550 §6.4.1), in milliseconds; `None` before the first.
    pub round_trip_ms: Option<f32>,
    /// Where packets are sent to.
    pub remote: Option<SocketAddr>,
    /// How our Opus encoder for the leg is steered.
    pub steering: Steering,
    /// Frames of prompts sent to it: of those made once for all calls, and encoded for it alone.
    pub prompt_frames: [u64; 2],
}

/// Legs at once, those on their way out included: caller, AI, a person, and one more of each kind of overlap.
const LEGS_MAX: usize = 4;
/// Events waiting to be drained: a turn makes a handful; further ones are dropped and counted.
const EVENTS_MAX: usize = 64;
/// Comfort noise of an 8 kHz codec (RFC 3389 §4). Some gateways send it though nobody agreed on it.
const COMFORT_NOISE: u8 = 13;
/// Packets a buffer may hold when its leg begins to be relayed: they are sent at once, before the next one.
const FLUSH_PACKETS_MAX: usize = 3;

/// The media of one call.
pub struct Session {
    pub(super) params: SessionParams,
    pub(super) prompts: Rc<Prompts>,
    pub(super) random: Random,
    pub(super) cname: Rc<str>,
    pub(super) legs: Vec<Leg>,
    pub(super) scene: Scene,
    /// The caller's path has been usable once: what the AI says need not wait any more.
    pub(super) caller_ready: bool,
    /// The digit that is not passed on when the caller presses it.
    withheld: Option<Dtmf>,
    pub(super) response: ResponseGap,
    /// Whose answers `response` is about.
    pub(super) answering: Option<LegId>,
    pub(super) counters: Counters,
    pub(super) events: Events,
    pub(super) parts: Parts,
    /// When the legs were last looked at.
    pub(super) looked: Time,
    pub(super) tick_due: Option<Time>,
    /// Changed by orders only: the owner asks after them, and a leg may go in a tick.
    pub(super) tick_ms: u8,
    ended: bool,
    early: Early,
    /// The latest leg that was ever opened: packets of those before it are stragglers.
    opened: Option<LegId>,
}

/// Events on their way to the call, bounded.
pub(super) struct Events(VecDeque<MediaEvent>, u64);

impl Events {
    pub(super) fn push(&mut self, event: MediaEvent) {
        if self.0.len() < EVENTS_MAX {
            self.0.push_back(event);
        } else {
            self.1 += 1;
        }
    }
}

/// The seeded generator (splitmix64).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

/// It carries wideband sound or more (RFC 6716 §3.1).
fn is_wide(codec: Codec, payload: &[u8]) -> bool {
    let wide = |toc: Toc| !matches!(toc.bandwidth(), Bandwidth::Narrow | Bandwidth::Medium);
    codec == Codec::Opus && Toc::of(payload).is_ok_and(wide)
}

impl Session {
    /// A session without legs. Its SSRCs, first sequence numbers and RTCP times come from `seed`.
    pub fn new(seed: u64, params: SessionParams, prompts: Rc<Prompts>) -> Self {
        prompts.encode(&params);
        let mut random = Random(seed);
        // RFC 7022 §4.2: a random CNAME for each session, so that calls cannot be told to have one origin.
        let cname = format!("{:016x}", random.draw()).into();
        Self {
            params,
            prompts,
            random,
            cname,
            legs: Vec::with_capacity(LEGS_MAX),
            scene: Scene::default(),
            caller_ready: false,
            withheld: None,
            response: ResponseGap::default(),
            answering: None,
            counters: Counters::default(),
            events: Events(VecDeque::with_capacity(EVENTS_MAX), 0),
            parts: Parts::default(),
            looked: Time::ZERO,
            tick_due: None,
            tick_ms: 20,
            ended: false,
            early: Early::default(),
            opened: None,
        }
    }

    /// Has the Opus encoders work with this complexity (0–10) from their next frame on. Cheap if it is what they work with.
    pub fn set_complexity(&mut self, complexity: u8) {
        if self.params.complexity != complexity {
            self.params.complexity = complexity;
            self.legs.iter_mut().for_each(|leg| leg.outgoing.set_complexity(complexity));
        }
    }

    /// Carries out an order. The only method besides `new` that may allocate. An order about a leg that is not open
    /// does nothing.
    pub fn apply(&mut self, now: Time, order: Order, out: &mut impl Sink) {
        self.part_ends(&order);
        let part = self.next_part(&order);
        self.carry_out(now, order, out);
        self.part_begins(now, part);
        let fits = |leg: &Leg| leg.outgoing.ptime_ms().is_multiple_of(20);
        self.tick_ms = if self.legs.iter().all(fits) { 20 } else { 10 };
    }

    fn carry_out(&mut self, now: Time, order: Order, out: &mut impl Sink) {
        match order {
            Order::Open { leg, config } => {
                self.open(now, leg, config);
                for mut packet in self.early.take(now, leg) {
                    self.handle_packet(packet.at, leg, Lane::Rtp, packet.from, &mut packet.bytes, out);
                }
            }
            Order::Update { leg, config } => self.update(now, leg, config),
            Order::Close { leg } => self.close(now, leg, out),
            Order::Bridge { with } | Order::Preview { with } => {
                self.feed(now, &[LegId::CALLER, with]);
                self.scene.bridge(with);
            }
            Order::Park { tail, hold } => {
                self.feed(now, &[LegId::CALLER]);
                self.scene.park(now, tail, hold);
            }
            Order::Join { agent, tail_ms } => {
                if let Some(leg) = self.leg_mut(agent).filter(|leg| !leg.fed) {
                    // Ringing tones and the like from before the answer are not played after it.
                    leg.playout.jitter.clear();
                }
                self.feed(now, &[LegId::CALLER, agent]);
                self.scene.join(now, agent, tail_ms);
            }
            Order::Announce { prompt } => {
                self.feed(now, &[LegId::CALLER]);
                self.scene.announce(prompt);
            }
            Order::Dtmf { leg, digit } => {
                let taken = self
                    .leg_mut(leg)
                    .is_some_and(|leg| leg.outgoing.takes_digits() && leg.outgoing.events.press(now, digit));
                self.counters.digits_dropped += u64::from(!taken);
            }
            Order::Withhold { digit } => self.withheld = digit,
            Order::End => self.end(now, out),
        }
        self.prepare();
    }

    fn open(&mut self, now: Time, id: LegId, config: LegConfig) {
        let refused = self.legs.len() == LEGS_MAX || self.leg(id).is_some() || self.ended;
        let random = &mut self.random;
        let (params, spare) = (&self.params, self.prompts.spare());
        let leg = Leg::new(now, id, config, params, self.cname.clone(), spare, || random.draw());
        match leg {
            Some(leg) if !refused => {
                self.legs.push(leg);
                self.opened = self.opened.max(Some(id));
            }
            _ => self.counters.legs_refused += 1,
        }
    }

    fn update(&mut self, now: Time, id: LegId, config: LegConfig) {
        let Some(at) = self.index(id) else { return };
        self.legs[at].update(now, config, &self.params, self.prompts.spare());
    }

    fn close(&mut self, now: Time, id: LegId, out: &mut impl Sink) {
        let Some(at) = self.index(id) else { return };
        if self.legs[at].closing.is_none() {
            self.report(at, now, true, out);
            self.legs[at].closing = Some(now);
            self.legs[at].outgoing.pause();
        }
        if !self.scene.wants(id) {
            self.legs.remove(at);
        }
    }

    fn end(&mut self, now: Time, out: &mut impl Sink) {
        for at in 0..self.legs.len() {
            if self.legs[at].closing.is_none() {
                self.report(at, now, true, out);
            }
        }
        self.legs.clear();
        self.ended = true;
    }

    /// These legs have something to hear from now on.
    fn feed(&mut self, now: Time, ids: &[LegId]) {
        for id in ids {
            let Some(leg) = self.leg_mut(*id).filter(|leg| !leg.fed) else { continue };
            (leg.fed, leg.heard) = (true, now);
            if *id == LegId::CALLER {
                // What the caller said to nobody is not said to the AI later.
                leg.playout.jitter.clear();
            }
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
        let Some(at) = self.index(leg).filter(|at| self.legs[*at].closing.is_none()) else {
            if lane == Lane::Rtp && !self.ended && Some(leg) > self.opened {
                self.early.keep(now, leg, from, packet);
            } else {
                self.counters.packets_rejected += 1;
            }
            return;
        };
        let Some(length) = self.receive(at, lane, packet) else { return };
        let packet = &mut packet[..length];
        if lane == Lane::Rtcp || is_rtcp(packet) {
            return self.handle_rtcp(now, at, lane, from, packet);
        }
        let Ok(view) = PacketView::parse(packet) else {
            self.counters.packets_malformed += 1;
            return;
        };
        let leg = &mut self.legs[at];
        let number = view.payload_type().0;
        let (event, audio) = (leg.event_of(number), leg.is_audio(number));
        if event.is_none() && !audio && number != COMFORT_NOISE {
            self.counters.packets_malformed += 1;
            return;
        }
        if !leg.latch.accept(now, from, view.ssrc(), view.payload_type()) {
            self.counters.packets_rejected += 1;
            return;
        }
        self.counters.packets_received += 1;
        self.was_heard(now, at);
        let leg = &mut self.legs[at];
        leg.last_packet = Some(now);
        // A keep-alive amid a pause does not end it.
        leg.pausing = number == COMFORT_NOISE || leg.pausing && view.payload().is_empty();
        if !std::mem::replace(&mut leg.packet_told, true) {
            self.events.push(MediaEvent::FirstPacket { leg: leg.id });
        }
        let time = view.time();
        let timed = event.is_none().then_some(time);
        let Some(ext) = leg.place(now, view.ssrc(), view.seq(), timed) else { return };
        if event.is_some() || !audio || view.payload().is_empty() {
            self.leave_out(at, view.ssrc(), view.seq());
        }
        match event {
            Some(event) => {
                if let Some(seen) = self.legs[at].events.handle(event.clock, view.time(), view.payload()) {
                    self.handle_digit(now, at, seen);
                }
                if !self.goes_past(at) {
                    self.legs[at].playout.jitter.insert_event(ext, time);
                }
            }
            // Keep-alives (RFC 6263 §4.4) tell that the far end lives, and are no sound.
            None if view.payload().is_empty() => {
                if !self.goes_past(at) {
                    self.legs[at].playout.jitter.insert_nothing(ext, time);
                }
            }
            None if !audio => {
                let range = view.payload_range();
                self.handle_noise(at, ext, time, &packet[range]);
            }
            None => {
                let leg = &mut self.legs[at];
                leg.measure(now, view.payload());
                let (varied, pausing) = look(leg.codec, view.payload());
                (leg.varied, leg.pausing) = (leg.varied || varied, pausing);
                if view.marker() {
                    leg.playout.jitter.delay.begin(now, view.time());
                }
                leg.playout.jitter.delay.handle(now, view.time());
                let passing = Passing {
                    from: leg.id,
                    ssrc: view.ssrc(),
                    seq: view.seq(),
                    time: view.time(),
                    marker: view.marker(),
                    units: leg.units,
                };
                let range = view.payload_range();
                self.handle_audio(now, at, ext, passing, packet, range, out);
            }
        }
    }

    fn handle_rtcp(&mut self, now: Time, at: usize, lane: Lane, from: SocketAddr, packet: &[u8]) {
        let leg = &mut self.legs[at];
        if !leg.latch.accept_rtcp(from) {
            self.counters.packets_rejected += 1;
            return;
        }
        match rtcp::parse_of(packet, leg.outgoing.ssrc, leg.far) {
            Some(report) => {
                if let Some(block) = report.block {
                    leg.outgoing.framer.encoder().told_loss(block.fraction_lost);
                }
                let highest = report.block.map(|block| block.highest);
                leg.handle_report(now, lane, from, report);
                self.watch_report(at, highest);
                self.was_heard(now, at);
            }
            None => self.counters.packets_malformed += 1,
        }
    }

    fn was_heard(&mut self, now: Time, at: usize) {
        let leg = &mut self.legs[at];
        leg.heard = now;
        if std::mem::replace(&mut leg.silent_told, false) {
            self.events.push(MediaEvent::Heard { leg: leg.id });
        }
    }

    /// A key was pressed: told once, and made anew for the party at the other end.
    pub(super) fn handle_digit(&mut self, now: Time, at: usize, seen: Seen) {
        let id = self.legs[at].id;
        if seen.began {
            self.events.push(MediaEvent::Digit { leg: id, digit: seen.digit });
        }
        if id == LegId::CALLER && self.withheld == Some(seen.digit) {
            return;
        }
        let Some(to) = self.listener_of(id).and_then(|to| self.leg_mut(to)) else { return };
        if to.config.digits == Digits::Info && !to.outgoing.takes_digits() {
            // The call has been told, and sends it.
            return;
        }
        let taken = to.outgoing.takes_digits() && to.outgoing.events.mirror(now, seen);
        self.counters.digits_dropped += u64::from(!taken && seen.began);
    }

    /// Who hears a leg, of the two that are bridged.
    pub(super) fn listener_of(&self, id: LegId) -> Option<LegId> {
        match self.scene.partner() {
            Some(partner) if id == LegId::CALLER => Some(partner),
            Some(partner) if id == partner => Some(LegId::CALLER),
            _ => None,
        }
    }

    /// Sends audio on as it is, if it can be; else keeps it for the tick.
    #[expect(clippy::too_many_arguments, reason = "a packet and what was read of it, on its one way")]
    fn handle_audio(
        &mut self,
        now: Time,
        at: usize,
        ext: ExtSeq,
        passing: Passing,
        packet: &mut [u8],
        range: Range<usize>,
        out: &mut impl Sink,
    ) {
        let to = self.relay_target(passing.from).and_then(|to| self.index(to));
        let relayed = to.filter(|to| self.can_relay(at, *to) && self.legs[*to].outgoing.yields());
        let Some(to) = relayed else {
            let going = to
                .is_some_and(|to| self.legs[to].outgoing.relayed().is_some_and(|(by, _)| by == passing.from));
            let leg = &mut self.legs[at];
            if going && leg.playout.is_drained() {
                leg.playout.jitter.hurry();
            }
            leg.keep(ext, passing.time, &packet[range]);
            if passing.marker {
                leg.playout.jitter.begins(ext);
            }
            return;
        };
        self.flush(now, at, to, passing, out);
        self.listen(at, to, &packet[range.clone()]);
        let (id, remote) = (self.legs[to].id, self.legs[to].remote());
        let Some(remote) = remote else { return };
        self.counters.packets_relayed += 1;
        self.legs[at].wide += u64::from(is_wide(self.legs[at].codec, &packet[range.clone()]));
        let Counters { packets_sent, srtp_faults, .. } = &mut self.counters;
        let Leg { outgoing, secure, .. } = &mut self.legs[to];
        outgoing.pass(now, passing, packet, range, |bytes| {
            *packets_sent += 1;
            secure.send(srtp_faults, bytes, |bytes| out.send(id, Lane::Rtp, remote, bytes));
        });
    }

    /// A packet that is not passed on is not missing in the numbers of the leg to which its stream is relayed.
    fn leave_out(&mut self, at: usize, ssrc: Ssrc, seq: Seq) {
        let from = self.legs[at].id;
        if let Some(to) = self.relay_target(from).and_then(|to| self.leg_mut(to)) {
            to.outgoing.leave_out(from, ssrc, seq);
        }
    }

    /// Comfort noise (RFC 3389) takes its place among the packets of a leg that is decoded.
    fn handle_noise(&mut self, at: usize, ext: ExtSeq, time: RtpTime, payload: &[u8]) {
        let relayed = self.goes_past(at);
        let leg = &mut self.legs[at];
        // Its clock is that of G.711 (§4); Opus brings its own.
        if !relayed && leg.codec != Codec::Opus {
            leg.playout.jitter.insert_noise(ext, time, payload);
        }
    }

    /// Whether a leg's sound need not be kept: it can be sent on as it comes.
    fn goes_past(&self, at: usize) -> bool {
        let to = self.relay_target(self.legs[at].id).and_then(|to| self.index(to));
        to.is_some_and(|to| self.can_relay(at, to))
    }

    /// Sends what the buffer still holds, when relaying begins.
    fn flush(&mut self, now: Time, at: usize, to: usize, passing: Passing, out: &mut impl Sink) {
        if self.legs[at].playout.is_drained()
            && !self.legs[at].playout.has_rest()
            && !self.legs[to].outgoing.has_rest()
        {
            return;
        }
        self.flush_rest(now, at, to, out);
        let mut packet = [0; HEADER_BYTES + PAYLOAD_BYTES_MAX];
        let (id, remote) = (self.legs[to].id, self.legs[to].remote());
        let Some(remote) = remote else { return };
        while let Some((ext, time, length)) = self.legs[at].playout.jitter.drain(&mut packet[HEADER_BYTES..])
        {
            let units = self.legs[at].codec.units(&packet[HEADER_BYTES..HEADER_BYTES + length]);
            let held = Passing { seq: ext.seq(), time, marker: false, units, ..passing };
            let range = HEADER_BYTES..HEADER_BYTES + length;
            self.listen(at, to, &packet[range.clone()]);
            let Counters { packets_sent, srtp_faults, .. } = &mut self.counters;
            let Leg { outgoing, secure, .. } = &mut self.legs[to];
            outgoing.pass(now, held, &mut packet, range, |bytes| {
                *packets_sent += 1;
                secure.send(srtp_faults, bytes, |bytes| out.send(id, Lane::Rtp, remote, bytes));
            });
        }
        self.legs[at].playout.drop_decoded();
    }

    /// Sends what was decoded and not played yet, or not yet sent, before the packets that follow it. An Opus stream of ours
    /// has faded out by then: what is left of it is not heard.
    fn flush_rest(&mut self, now: Time, at: usize, to: usize, out: &mut impl Sink) {
        let (id, remote) = (self.legs[to].id, self.legs[to].remote());
        let Some(remote) = remote.filter(|_| self.legs[to].codec != Codec::Opus) else { return };
        let Counters { packets_sent, srtp_faults, .. } = &mut self.counters;
        let mut sound = [0; TICK_SAMPLES_MAX];
        loop {
            let length = self.legs[at].playout.take_rest(&mut sound);
            let Leg { outgoing, secure, .. } = &mut self.legs[to];
            let mut send = |bytes: &[u8]| {
                *packets_sent += 1;
                secure.send(srtp_faults, bytes, |bytes| out.send(id, Lane::Rtp, remote, bytes));
            };
            if length == 0 {
                return outgoing.send_rest(now, &self.prompts, &mut send);
            }
            outgoing.push(now, &sound[..length], None, &self.prompts, &mut send);
        }
    }

    /// Hears a relayed packet: G.711 costs next to nothing, Opus is decoded only where its loudness decides something, and
    /// tells by itself whether it holds a voice.
    fn listen(&mut self, at: usize, to: usize, payload: &[u8]) {
        let leg = &mut self.legs[at];
        let last = if leg.codec == Codec::Opus && !self.scene.listens_to(leg.id) {
            leg.varied |= looks_loud(payload);
            leg.playout.pass(payload);
            None
        } else {
            Some(leg.playout.listen(payload))
        };
        self.tell_sound(at);
        if self.legs[to].id == LegId::CALLER {
            self.scene.passed(last);
        }
    }

    /// Makes codecs where an order has made them needed, and fills up those that lie ready: not on the packet path.
    fn prepare(&mut self) {
        self.prompts.fill_up();
        let Some(partner) = self.scene.partner().and_then(|partner| self.index(partner)) else { return };
        let Some(caller) = self.index(LegId::CALLER) else { return };
        if self.legs[caller].codec != self.legs[partner].codec {
            for at in [caller, partner] {
                self.legs[at].make_codecs();
                self.prompts.fill_up();
            }
        }
    }

    /// Opus encoders and decoders that the session holds: each some 25 KiB of the library's own memory. A session that
    /// has only relayed holds none.
    pub fn opus_codecs(&self) -> (usize, usize) {
        let encoders = self.legs.iter().filter(|leg| leg.outgoing.framer.has_opus()).count();
        (encoders, self.legs.iter().filter(|leg| leg.playout.has_opus()).count())
    }

    /// Frames that went through an encoder of one of its legs; packets beyond these were relayed, or made for all calls.
    pub fn frames_encoded(&self) -> u64 {
        self.legs.iter().map(|leg| leg.outgoing.framer.encoded).sum()
    }

    /// Frames that went through a codec that costs something: encoders, and Opus decoders at ticks.
    pub fn frames_coded(&self) -> u64 {
        self.frames_encoded() + self.legs.iter().map(|leg| leg.playout.decoded).sum::<u64>()
    }

    pub(super) fn tell_sound(&mut self, at: usize) {
        let leg = &mut self.legs[at];
        if !leg.sound_told && leg.playout.is_speaking() {
            leg.sound_told = true;
            self.events.push(MediaEvent::FirstSound { leg: leg.id });
        }
    }

    /// The leg that hears nothing but `from`, as it is.
    pub(super) fn relay_target(&self, from: LegId) -> Option<LegId> {
        if from == LegId::CALLER {
            self.scene.partner()
        } else {
            self.scene.sole().filter(|sole| *sole == from).map(|_| LegId::CALLER)
        }
    }

    /// Whether what one leg sends can go to the other without being decoded.
    pub(super) fn can_relay(&self, from: usize, to: usize) -> bool {
        let (source, target) = (&self.legs[from], &self.legs[to]);
        let going = target.outgoing.relayed().is_some_and(|(by, _)| by == source.id);
        target.takes(source)
            && !source.is_repaired()
            && !self.is_listened_for(from, to)
            && source.fed
            && target.fed
            && source.closing.is_none()
            && target.remote().is_some()
            && !target.outgoing.events.is_busy()
            && (going || source.playout.jitter.held() <= FLUSH_PACKETS_MAX)
    }

    /// Whether tones in a leg's sound must be heard. Those of one that goes to a leg which takes tones, too, arrive by
    /// themselves: they are heard only where the caller's own key is waited for.
    fn is_listened_for(&self, from: usize, to: usize) -> bool {
        let (source, target) = (&self.legs[from], &self.legs[to]);
        let passes =
            target.outgoing.takes_tones() && !(source.id == LegId::CALLER && self.withheld.is_some());
        source.tones.is_some() && !passes
    }

    /// What the call is to be told next; drained after every `apply`, `handle_packet` and `handle_tick`.
    pub fn poll_event(&mut self) -> Option<MediaEvent> {
        self.events.0.pop_front()
    }

    /// What has been counted so far.
    pub fn counters(&self) -> Counters {
        Counters { events_dropped: self.events.1, ..self.counters }
    }

    /// One leg in figures; `None` if it is not open.
    pub fn stats(&self, leg: LegId) -> Option<LegStats> {
        self.leg(leg).map(Leg::stats)
    }

    /// Whether [`Order::End`] was carried out: nothing more will be sent and the session may be dropped.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn index(&self, id: LegId) -> Option<usize> {
        self.legs.iter().position(|leg| leg.id == id)
    }

    fn leg(&self, id: LegId) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.id == id)
    }

    fn leg_mut(&mut self, id: LegId) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|leg| leg.id == id)
    }
}
