//! One trip of a stream through a session: a talker, a line with faults, the session, a listener, in virtual time.

use std::net::SocketAddr;
use std::rc::Rc;

use baton_codecs::CodecError;
use baton_engine::key::LegId;
use baton_engine::media::{
    Lane, LegConfig, LegStats, Limits, Order, Payload, Prompts, Repair, Session, SessionParams, Sink,
};
use baton_signaling::Time;

use super::{Concealment, Condition, Ear, FRAME_MS, Kind, Stream};

/// Who speaks with which codec to whom, and where the line is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Way {
    /// The talker's codec.
    pub from: Kind,
    /// The listener's codec.
    pub to: Kind,
    /// Packets are lost between session and listener, not between talker and session.
    pub lossy_after: bool,
    /// The session decodes and encodes anew what it could relay.
    pub repaired: bool,
}

/// All that decides what is heard.
#[derive(Clone, Copy, Debug)]
pub struct Trip<'a> {
    /// What is said.
    pub stream: &'a Stream,
    /// By whom to whom.
    pub way: Way,
    /// Over which line.
    pub condition: Condition,
    /// Draws the faults, and where ticks lie against packets.
    pub seed: u64,
    /// How the session is set.
    pub params: SessionParams,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The scored part and [`Heard::AFTER_MS`] more, [`Heard::BEFORE_MS`] earlier begun, at 8 kHz. A sound in it lies as much
    /// later than it was said as the packet that carried it left later than the one it came in was sent.
    pub sound: Vec<i16>,
    /// The talker's leg in figures when the scored part's last packet has come, less what they were before.
    pub stats: LegStats,
    /// The jitter buffer's target, averaged over the scored part's ticks, in milliseconds.
    pub target_ms: f64,
    /// Of the talker's packets in the scored part, those relayed.
    pub relayed: u64,
    /// Packets that the session sent to the listener.
    pub sent: usize,
}

impl Heard {
    /// How much before the scored part the sound begins.
    pub const BEFORE_MS: u64 = 200;
    /// How much after the scored part's last packet it ends.
    pub const AFTER_MS: u64 = 400;
}

/// Ticks after the talker's last packet.
const TICKS_AFTER: u64 = 50;
/// The listener reports on what it gets this often (RFC 3550 §6.2).
const REPORT_US: u64 = 5_000_000;
/// The listener's SSRC.
const EAR_SSRC: u32 = 0x0ea2;
/// The talker's.
const MOUTH_SSRC: u32 = 0x0a11;

/// Takes a stream through a session.
///
/// # Errors
/// Those of the listener's codec.
pub fn trip(trip: &Trip) -> Result<Heard, CodecError> {
    let mut stage = Stage::new(trip);
    stage.run();
    stage.heard()
}

struct Stage<'a> {
    trip: &'a Trip<'a>,
    session: Session,
    out: Out,
    arrivals: Vec<(u64, usize)>,
    /// The instant at which the scored part's first packet is sent.
    scored_us: u64,
    /// That at which its last packet comes.
    last_us: u64,
    targets: Vec<f64>,
    /// The talker's leg when the scored part begins and ends.
    stats: [Option<LegStats>; 2],
    /// Of the talker's packets in the scored part, those relayed.
    relayed: u64,
}

impl<'a> Stage<'a> {
    fn new(trip: &'a Trip<'a>) -> Self {
        let (stream, way) = (trip.stream, trip.way);
        let count = stream.payloads.len();
        let losses = trip.condition.losses(trip.seed, stream.scored, count - stream.scored);
        let fates = trip.condition.times(trip.seed, count);
        let kept = |at: &usize| way.lossy_after || !losses[*at];
        let mut arrivals: Vec<(u64, usize)> =
            (0..count).filter(kept).map(|at| (START_US + fates[at].arrives_us, at)).collect();
        arrivals.sort_unstable();
        let mut session = Session::new(trip.seed, trip.params, Rc::new(Prompts::new()));
        let mut out = Out {
            now_us: 0,
            listener: listener(way),
            ear: Ear::new(way.to),
            losses: if way.lossy_after { losses } else { Vec::new() },
            report: Reported::default(),
        };
        for leg in [LegId::CALLER, AI] {
            let kind = if leg == out.listener { way.to } else { way.from };
            let mut config = config(leg, kind);
            config.repair = if way.repaired { Repair::Always } else { Repair::Auto };
            session.apply(Time::ZERO, Order::Open { leg, config }, &mut out);
        }
        session.apply(Time::ZERO, Order::Bridge { with: AI }, &mut out);
        let scored_us = START_US + fates[stream.scored].sent_us;
        let last_us = arrivals.last().map_or(scored_us, |(at_us, _)| *at_us);
        let (targets, stats) = (Vec::new(), [None; 2]);
        Self { trip, session, out, arrivals, scored_us, last_us, targets, stats, relayed: 0 }
    }

    fn talker(&self) -> LegId {
        if self.out.listener == AI { LegId::CALLER } else { AI }
    }

    fn run(&mut self) {
        // Ticks lie somewhere else between the packets with every seed.
        let phase_us = (self.trip.seed * 7 + 3) % FRAME_MS * 1000 + 500;
        let ticks = self.trip.stream.payloads.len() as u64 + START_US / 1000 / FRAME_MS + TICKS_AFTER;
        let mut arrivals = std::mem::take(&mut self.arrivals).into_iter().peekable();
        for tick in 0..ticks {
            let at_us = tick * FRAME_MS * 1000 + phase_us;
            while let Some((arrived_us, packet)) = arrivals.next_if(|(arrives_us, _)| *arrives_us <= at_us) {
                self.speak(arrived_us, packet);
            }
            self.answer(at_us - 100);
            self.out.now_us = at_us;
            self.session.handle_tick(Time::from_micros(at_us), &mut self.out);
            while self.session.poll_event().is_some() {}
            self.note(at_us);
        }
    }

    /// A packet of the talker comes.
    fn speak(&mut self, now_us: u64, at: usize) {
        let kind = self.trip.way.from;
        let time = 1_000_000 + at as u32 * FRAME_MS as u32 * kind.clock_per_ms();
        let payload = &self.trip.stream.payloads[at];
        let before = self.session.counters().packets_relayed;
        self.packet(now_us, self.talker(), kind, (20_000 + at as u16, time, MOUTH_SSRC), payload);
        if at >= self.trip.stream.scored {
            self.relayed += self.session.counters().packets_relayed - before;
        }
    }

    /// The listener says nothing, in its codec, and reports on what it hears.
    fn answer(&mut self, now_us: u64) {
        let kind = self.trip.way.to;
        let n = (now_us / 1000 / FRAME_MS) as u32;
        // An Opus frame of silence: SILK, narrowband, 20 ms, one byte of table of contents and an empty frame.
        let silence: &[u8] = if kind == Kind::Opus { &[0x08] } else { &[0xff; 160] };
        let numbers = (n as u16, n * FRAME_MS as u32 * kind.clock_per_ms(), EAR_SSRC);
        let listener = self.out.listener;
        self.packet(now_us, listener, kind, numbers, silence);
        if let Some(report) = self.out.report.due(now_us) {
            let mut report = report;
            let from = address(listener, Lane::Rtcp);
            self.session.handle_packet(
                Time::from_micros(now_us),
                listener,
                Lane::Rtcp,
                from,
                &mut report,
                &mut self.out,
            );
        }
    }

    fn packet(
        &mut self,
        now_us: u64,
        leg: LegId,
        kind: Kind,
        (seq, time, ssrc): (u16, u32, u32),
        payload: &[u8],
    ) {
        let mut bytes = vec![0x80, kind.payload_type()];
        bytes.extend(seq.to_be_bytes());
        bytes.extend(time.to_be_bytes());
        bytes.extend(ssrc.to_be_bytes());
        bytes.extend(payload);
        self.out.now_us = now_us;
        let from = address(leg, Lane::Rtp);
        self.session.handle_packet(
            Time::from_micros(now_us),
            leg,
            Lane::Rtp,
            from,
            &mut bytes,
            &mut self.out,
        );
    }

    fn note(&mut self, now_us: u64) {
        if !(self.scored_us..=self.last_us).contains(&now_us) {
            return;
        }
        let Some(stats) = self.session.stats(self.talker()) else { return };
        self.targets.push(f64::from(stats.target_ms));
        self.stats = [self.stats[0].or(Some(stats)), Some(stats)];
    }

    fn heard(self) -> Result<Heard, CodecError> {
        let scored_us = self.scored_us;
        let [before, after] = self.stats.map(Option::unwrap_or_default);
        let scored = (self.trip.stream.payloads.len() - self.trip.stream.scored) as u64;
        let to_us = scored_us + (scored * FRAME_MS + Heard::AFTER_MS) * 1000;
        let sound = self.out.ear.hear(Concealment::Fec, scored_us - Heard::BEFORE_MS * 1000, to_us)?;
        Ok(Heard {
            sound,
            stats: LegStats {
                received: after.received - before.received,
                lost: after.lost.saturating_sub(before.lost),
                late: after.late - before.late,
                concealed: after.concealed - before.concealed,
                reordered: after.reordered - before.reordered,
                ..after
            },
            target_ms: self.targets.iter().sum::<f64>() / self.targets.len().max(1) as f64,
            relayed: self.relayed,
            sent: self.out.ear.sent,
        })
    }
}

/// The other leg than the caller's.
const AI: LegId = LegId(1);
/// From the session's beginning to the talker's first packet.
const START_US: u64 = 500_000;

/// Who hears: the AI what comes from the caller in Opus, as it is with a voice agent; else the caller.
fn listener(way: Way) -> LegId {
    if way.from == Kind::Opus && way.to == Kind::Pcmu { AI } else { LegId::CALLER }
}

fn address(leg: LegId, lane: Lane) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 4000 + leg.0 * 2 + u16::from(lane == Lane::Rtcp)))
}

fn config(leg: LegId, kind: Kind) -> LegConfig {
    let (encoding, clock, format) = match kind {
        Kind::Pcmu => ("PCMU", 8000, ""),
        Kind::Opus => ("opus", 48_000, "useinbandfec=1"),
    };
    LegConfig {
        remote: Some(address(leg, Lane::Rtp)),
        remote_rtcp: None,
        rtcp_mux: false,
        rtcp_rsize: false,
        rtcp_xr: false,
        payload: Payload {
            number: kind.payload_type(),
            announced: kind.payload_type(),
            encoding: encoding.into(),
            clock,
            format: format.into(),
        },
        telephone_event: None,
        ptime_ms: FRAME_MS as u8,
        send: true,
        receive: true,
        srtp: None,
        jitter_ms: None,
        limits: Limits { fec: kind == Kind::Opus, ..Limits::default() },
        repair: Repair::Auto,
        digits: baton_engine::media::Digits::None,
    }
}

/// What leaves the session, and the line to the listener.
struct Out {
    now_us: u64,
    listener: LegId,
    ear: Ear,
    /// By the number of the packet to the listener.
    losses: Vec<bool>,
    report: Reported,
}

impl Sink for Out {
    fn send(&mut self, leg: LegId, lane: Lane, _: SocketAddr, packet: &[u8]) {
        if leg != self.listener || lane == Lane::Rtcp {
            return;
        }
        let lost = self.losses.get(self.ear.sent).copied().unwrap_or(false);
        self.ear.take(self.now_us, packet, lost);
        if !lost {
            self.report.take(packet);
        }
    }
}

/// What the listener counts for its receiver reports (RFC 3550 §6.4.2, §A.3).
#[derive(Clone, Copy, Debug, Default)]
struct Reported {
    ssrc: u32,
    base: Option<u16>,
    /// Packets from the first to the highest number, and those that came.
    expected: u32,
    came: u32,
    /// Both at the last report.
    expected_before: u32,
    came_before: u32,
    due_us: u64,
}

impl Reported {
    fn take(&mut self, packet: &[u8]) {
        let seq = u16::from_be_bytes([packet[2], packet[3]]);
        self.ssrc = u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]);
        let base = *self.base.get_or_insert(seq);
        // No trip has 65 536 packets.
        self.expected = self.expected.max(u32::from(seq.wrapping_sub(base)) + 1);
        self.came += 1;
    }

    /// A receiver report, if one is due.
    fn due(&mut self, now_us: u64) -> Option<Vec<u8>> {
        let base = self.base?;
        if self.due_us == 0 {
            self.due_us = now_us + REPORT_US;
        }
        if now_us < self.due_us {
            return None;
        }
        self.due_us += REPORT_US;
        let expected = self.expected - self.expected_before;
        let lost = expected.saturating_sub(self.came - self.came_before);
        (self.expected_before, self.came_before) = (self.expected, self.came);
        let fraction = (lost * 256).checked_div(expected).unwrap_or(0).min(255);
        let total = self.expected.saturating_sub(self.came) & 0x00ff_ffff;
        let mut report = vec![0x81, 201, 0, 7];
        let words =
            [EAR_SSRC, self.ssrc, fraction << 24 | total, u32::from(base) + self.expected - 1, 0, 0, 0];
        report.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        Some(report)
    }
}
