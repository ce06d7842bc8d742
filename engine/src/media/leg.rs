//! One leg of a call: its gate, what it hears of the far end and the stream it sends.
//!
//! It leaves out who is heard by whom, which is the session's.

use std::net::SocketAddr;
use std::rc::Rc;

use baton_codecs::CodecError;
use baton_signaling::Time;

use super::coder::Codec;
use super::dtmf::EventReceiver;
use super::jitter::{Bounds, Jitter};
use super::latch::Latch;
use super::outgoing::Outgoing;
use super::playout::Playout;
use super::repair::LossWatch;
use super::report::Reports;
use super::session::{Lane, LegStats, SessionParams};
use super::{LegConfig, Payload, Repair, TelephoneEvent};
use crate::key::LegId;
use crate::rtp::stats::{Arrival, Reception};
use crate::rtp::{ExtSeq, RtpTime, Seq, Ssrc};

/// Which of the last packets have come.
#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    highest: ExtSeq,
    bits: u128,
}

impl Recent {
    /// Marks a number; false if it was marked before.
    fn mark(&mut self, seq: ExtSeq) -> bool {
        let ahead = seq.0.wrapping_sub(self.highest.0) as i32;
        if self.bits == 0 || ahead >= 128 {
            (self.highest, self.bits) = (seq, 1);
        } else if ahead > 0 {
            (self.highest, self.bits) = (seq, self.bits << ahead | 1);
        } else {
            let bit = 1u128.checked_shl(ahead.unsigned_abs()).unwrap_or(0);
            let seen = self.bits & bit != 0;
            self.bits |= bit;
            return !seen;
        }
        true
    }
}

/// A leg.
pub(crate) struct Leg {
    pub(crate) id: LegId,
    pub(crate) codec: Codec,
    pub(crate) config: LegConfig,
    pub(crate) latch: Latch,
    pub(crate) playout: Playout,
    pub(crate) outgoing: Outgoing,
    pub(crate) events: EventReceiver,
    pub(crate) reports: Reports,
    pub(crate) reception: Reception,
    recent: Recent,
    pub(crate) far: Option<Ssrc>,
    /// An order has given it something to say.
    pub(crate) fed: bool,
    /// RTP or RTCP was heard last, or waiting for it began.
    pub(crate) heard: Time,
    pub(crate) silent_told: bool,
    pub(crate) packet_told: bool,
    pub(crate) sound_told: bool,
    /// Closed by the call, and still heard until it is drained.
    pub(crate) closing: Option<Time>,
    /// Length of its last audio packet, in units of its clock.
    pub(crate) units: u32,
    /// Its last audio packet had two channels.
    pub(crate) stereo: bool,
    pub(crate) watch: LossWatch,
    duplicate: u64,
    reordered: u64,
}

impl Leg {
    /// A leg as negotiated. `None` for a codec we do not have. Errors: those of the codec's library.
    pub(crate) fn new(
        now: Time,
        id: LegId,
        config: LegConfig,
        params: &SessionParams,
        cname: Rc<str>,
        draw: impl FnMut() -> u64,
    ) -> Result<Option<Self>, CodecError> {
        let Some(codec) = Codec::of(&config.payload) else { return Ok(None) };
        let jitter = jitter(codec, params);
        let mut outgoing = Outgoing::new(codec, codec.encoder(params)?, draw);
        outgoing.configure(config.payload.number, config.telephone_event, config.ptime_ms);
        Ok(Some(Self {
            id,
            codec,
            latch: Latch::new(config.remote),
            playout: Playout::new(jitter, codec.decoder()?, codec.clock()),
            outgoing,
            events: EventReceiver::default(),
            reports: Reports::new(cname, params.ntp_at_zero),
            reception: Reception::new(codec.clock()),
            recent: Recent::default(),
            far: None,
            fed: false,
            heard: now,
            silent_told: false,
            packet_told: false,
            sound_told: false,
            closing: None,
            units: 0,
            stereo: false,
            watch: LossWatch::default(),
            duplicate: 0,
            reordered: 0,
            config,
        }))
    }

    /// A new offer or answer. A codec we do not have leaves the old one. Errors: those of the codec's library.
    pub(crate) fn update(
        &mut self,
        now: Time,
        config: LegConfig,
        params: &SessionParams,
    ) -> Result<(), CodecError> {
        if let Some(codec) = Codec::of(&config.payload).filter(|codec| *codec != self.codec) {
            self.playout.replace(jitter(codec, params), codec.decoder()?, codec.clock());
            self.outgoing.replace(codec, codec.encoder(params)?);
            self.reception.set_clock(codec.clock());
            self.codec = codec;
        }
        self.latch.update(config.remote);
        self.outgoing.configure(config.payload.number, config.telephone_event, config.ptime_ms);
        if !config.send {
            self.outgoing.pause();
        }
        // Time on hold is no silence.
        self.heard = now;
        self.config = config;
        Ok(())
    }

    /// Where RTP goes to; `None` while held, or while no address is known.
    pub(crate) fn remote(&self) -> Option<SocketAddr> {
        self.latch.remote().filter(|_| self.config.send && self.closing.is_none())
    }

    /// Where RTCP goes to, held or not (RFC 3264 §5.1).
    pub(crate) fn remote_rtcp(&self) -> Option<(Lane, SocketAddr)> {
        let remote = self.latch.remote()?;
        if self.config.rtcp_mux {
            return Some((Lane::Rtp, remote));
        }
        let above = SocketAddr::new(remote.ip(), remote.port().checked_add(1)?);
        Some((Lane::Rtcp, self.config.remote_rtcp.unwrap_or(above)))
    }

    /// Whether a packet's type is the agreed codec's.
    pub(crate) fn is_audio(&self, payload_type: u8) -> bool {
        let Payload { number, announced, .. } = self.config.payload;
        payload_type == number
            || payload_type == announced
            || self.codec.static_number() == Some(payload_type)
    }

    /// The telephone-event payload, if a packet's type is it.
    pub(crate) fn event_of(&self, payload_type: u8) -> Option<TelephoneEvent> {
        self.config.telephone_event.filter(|event| event.number == payload_type)
    }

    /// Takes note of an audio packet: what relaying it hangs on.
    pub(crate) fn measure(&mut self, now: Time, payload: &[u8]) {
        (self.units, self.stereo) = (self.codec.units(payload), self.codec.is_stereo(payload));
        self.watch.handle(now, self.reception.received(), self.reception.lost());
    }

    /// What it sends is to be decoded and concealed, though it could be relayed.
    pub(crate) fn is_repaired(&self) -> bool {
        match self.config.repair {
            Repair::Always => true,
            Repair::Never => false,
            Repair::Auto => self.codec != Codec::Opus && self.watch.is_lossy(),
        }
    }

    /// Whether packets such as `source` sends are what this leg's far end takes.
    pub(crate) fn takes(&self, source: &Self) -> bool {
        let ms = self.codec.clock() / 1000;
        // Opus packets tell their own length, and `ptime` is only a wish (RFC 7587 §7); of G.711 it is kept.
        let fits = match self.codec {
            Codec::Opus => {
                source.units > 0 && source.units <= ms * u32::from(self.config.limits.ptime_ms_max)
            }
            Codec::G711(_) => source.units == ms * u32::from(self.outgoing.ptime_ms()),
        };
        fits && self.codec == source.codec && (self.config.limits.stereo || !source.stereo)
    }

    /// Counts an accepted packet; `None` for one that is to be dropped.
    pub(crate) fn place(&mut self, now: Time, ssrc: Ssrc, seq: Seq, time: RtpTime) -> Option<ExtSeq> {
        if self.far != Some(ssrc) {
            self.restart(self.far.is_some());
            self.far = Some(ssrc);
        }
        let ext = match self.reception.handle(now, seq, time) {
            Arrival::Ahead(ext) => ext,
            Arrival::Behind(ext) => ext,
            Arrival::Restarted(ext) => {
                self.restart(false);
                ext
            }
            Arrival::Doubtful => return None,
        };
        let behind = ext < self.recent.highest && self.recent.bits != 0;
        if !self.recent.mark(ext) {
            self.duplicate += 1;
            return None;
        }
        self.reordered += u64::from(behind);
        Some(ext)
    }

    fn restart(&mut self, counted: bool) {
        if counted {
            self.reception.restart();
        }
        self.recent = Recent::default();
        self.playout.jitter.restart();
        self.events = EventReceiver::default();
    }

    /// The leg in figures.
    pub(crate) fn stats(&self) -> LegStats {
        LegStats {
            received: self.reception.received(),
            sent: self.outgoing.packets,
            lost: self.reception.lost(),
            late: self.playout.jitter.late,
            duplicate: self.duplicate,
            reordered: self.reordered,
            jitter_ms: self.reception.jitter_ms(),
            target_ms: self.playout.jitter.target_ms(),
            concealed: self.playout.concealed,
            far_loss: self.reports.far_loss,
            far_jitter_ms: self.reports.far_jitter as f32 * 1000.0 / self.codec.clock() as f32,
            round_trip_ms: self.reports.round_trip_ms,
            remote: self.latch.remote(),
        }
    }
}

fn jitter(codec: Codec, params: &SessionParams) -> Jitter {
    let (min, max) = (params.jitter_ms_min, params.jitter_ms_max.max(params.jitter_ms_min));
    Jitter::new(codec.clock(), Bounds { min, max })
}
