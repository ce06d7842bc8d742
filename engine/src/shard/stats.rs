//! What a shard has counted, for the one who publishes it once a second.

use baton_signaling::Time;
use baton_signaling::endpoint::Counters;

use super::{LadderCounts, Lateness, PortCounts, Refusal, Shard};
use crate::media::{CODEC_NAMES, LegStats, Session, SrtpFaults, Steering};

/// A shard in figures: sums since its start, and what it holds at the moment.
#[derive(Clone, Debug, Default)]
pub struct ShardStats {
    /// What its endpoint counted and holds.
    pub sip: Counters,
    /// What its sessions counted, those that are over included.
    pub media: MediaTotals,
    /// New calls refused, in the order of [`Refusal::ALL`].
    pub refused: [u64; Refusal::ALL.len()],
    /// Calls alive.
    pub calls: usize,
    /// Dialogs alive that belong to calls.
    pub legs: usize,
    /// Port pairs by state.
    pub ports: PortCounts,
    /// How often no port pair was ready.
    pub ports_exhausted: u64,
    /// How often a port pair that was ready could not be opened.
    pub ports_refused: u64,
    /// How late ticks ran.
    pub lateness: Lateness,
    /// Ticks that never ran.
    pub ticks_missed: u64,
    /// Share of its time that the shard's thread has worked, over the last second.
    pub busy: f32,
    /// The complexity that Opus encoders work with.
    pub complexity: u8,
    /// How often it was lowered, and raised again.
    pub complexity_steps: [u64; 2],
    /// Packets for which the outbox had no slot.
    pub outbox_dropped: u64,
    /// Panics caught at the edge of a session or of the endpoint.
    pub panics: u64,
    /// Inputs whose call had no owner any more.
    pub undelivered: u64,
    /// Packets to a port that is nobody's.
    pub packets_stray: u64,
    /// What ladders have no room for.
    pub ladders: LadderCounts,
}

/// Sums over sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MediaTotals {
    /// RTP packets accepted.
    pub received: u64,
    /// RTP packets sent.
    pub sent: u64,
    /// Of those, relayed without decoding.
    pub relayed: u64,
    /// Packets that were no RTP or RTCP, or of no payload type agreed on.
    pub malformed: u64,
    /// Packets refused by the gate against stolen streams.
    pub rejected: u64,
    /// Packets of secured legs that were dropped, by [`crate::rtp::srtp::Fault::ALL`].
    pub srtp_faults: SrtpFaults,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came after their turn.
    pub late: u64,
    /// Packets that came twice.
    pub duplicate: u64,
    /// Packets that came out of order.
    pub reordered: u64,
    /// Frames made up.
    pub concealed: u64,
    /// Lost frames restored from copies of them.
    pub recovered: u64,
    /// Samples at 8 kHz left out to catch up, and put in to fall back.
    pub accelerated: u64,
    /// See `accelerated`.
    pub stretched: u64,
    /// Breaks because a packet came too late.
    pub underruns: u64,
    /// Packets dropped because too much was held.
    pub overruns: u64,
    /// Legs with media at the moment.
    pub legs: u64,
    /// Sum of what their jitter buffers aim at, in milliseconds.
    pub target_ms: u64,
    /// Frames of prompts: of those made once for all calls, and encoded for one.
    pub prompt_frames: [u64; 2],
    /// Changes of how Opus encoders are steered, by [`Steering::STEPS`].
    pub steering_steps: [u64; Steering::STEPS.len()],
    /// Opus encoders at work at the moment that make no copies of lost frames, and that do.
    pub opus_encoders: [u64; 2],
    /// Sum of the loss that they expect, in percent.
    pub opus_loss_percent: u64,
    /// Streams that are decoded and encoded anew at the moment: from a codec of [`CODEC_NAMES`] to another.
    pub transcoders: [[u64; CODEC_NAMES.len()]; CODEC_NAMES.len()],
}

impl MediaTotals {
    fn add_session(&mut self, session: &Session) {
        let counters = session.counters();
        self.received += counters.packets_received;
        self.sent += counters.packets_sent;
        self.relayed += counters.packets_relayed;
        self.malformed += counters.packets_malformed;
        self.rejected += counters.packets_rejected;
        self.srtp_faults.iter_mut().zip(counters.srtp_faults).for_each(|(sum, count)| *sum += count);
    }

    fn add_leg(&mut self, leg: LegStats) {
        self.lost += leg.lost;
        self.late += leg.late;
        self.duplicate += leg.duplicate;
        self.reordered += leg.reordered;
        self.concealed += leg.concealed;
        self.recovered += leg.recovered;
        self.accelerated += leg.accelerated;
        self.stretched += leg.stretched;
        self.underruns += leg.underruns;
        self.overruns += leg.overruns;
        self.prompt_frames.iter_mut().zip(leg.prompt_frames).for_each(|(sum, count)| *sum += count);
        self.steering_steps.iter_mut().zip(leg.steering.steps).for_each(|(sum, count)| *sum += count);
    }

    fn add_living(&mut self, leg: LegStats) {
        self.add_leg(leg);
        self.legs += 1;
        self.target_ms += u64::from(leg.target_ms);
        if leg.steering.working {
            self.opus_encoders[usize::from(leg.steering.fec)] += 1;
            self.opus_loss_percent += u64::from(leg.steering.loss_percent);
        }
    }
}

/// What a shard counts as it goes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Of sessions and legs that are over.
    pub(super) over: MediaTotals,
    pub(super) refused: [u64; Refusal::ALL.len()],
    pub(super) ports_refused: u64,
    pub(super) panics: u64,
    pub(super) undelivered: u64,
    pub(super) packets_stray: u64,
}

impl Tally {
    /// A session is over.
    pub(super) fn session_over(&mut self, session: &Session) {
        self.over.add_session(session);
    }

    /// A leg of a session is over.
    pub(super) fn leg_over(&mut self, stats: Option<LegStats>) {
        self.over.add_leg(stats.unwrap_or_default());
    }
}

impl Shard {
    /// The shard in figures. Walks all its sessions: for once a second, not for every turn.
    pub fn stats(&self, now: Time) -> ShardStats {
        let mut media = self.tally.over;
        for entry in self.sessions.iter() {
            media.add_session(&entry.session);
            for (from, to) in entry.session.transcodings() {
                media.transcoders[from][to] += 1;
            }
            for stats in entry.legs().filter_map(|leg| entry.session.stats(leg)) {
                media.add_living(stats);
            }
        }
        ShardStats {
            sip: self.endpoint.counters().clone(),
            media,
            refused: self.tally.refused,
            calls: self.calls.len(),
            legs: self.calls.open_legs(),
            ports: self.ports.counts(now),
            ports_exhausted: self.ports.exhausted(),
            ports_refused: self.tally.ports_refused,
            lateness: *self.wheel.lateness(),
            ticks_missed: self.wheel.missed(),
            busy: self.load.busy(),
            complexity: self.load.complexity(),
            complexity_steps: self.load.steps(),
            outbox_dropped: self.outbox.dropped(),
            panics: self.tally.panics,
            undelivered: self.tally.undelivered,
            packets_stray: self.tally.packets_stray,
            ladders: self.ladders.counts,
        }
    }
}
