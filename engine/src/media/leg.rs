//! One leg of a call: its gate, what it hears of the far end and the stream it sends.
//!
//! It leaves out who is heard by whom, which is the session's.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use baton_codecs::loudness::Leveler;
use baton_signaling::Time;

use super::coder::Codec;
use super::dtmf::EventReceiver;
use super::figures::{Looks, Now, StreamFigures, Stretch, Sums};
use super::hearing::{Tones, leveler};
use super::jitter::{Bounds, Jitter};
use super::latch::Latch;
use super::outgoing::Outgoing;
use super::playout::Playout;
use super::repair::LossWatch;
use super::report::Reports;
use super::secure::Secure;
use super::session::{Lane, LegStats, SessionParams};
use super::spare::Spare;
use super::talk::Talk;
use super::watch::Watch;
use super::{JitterMs, LegConfig, Payload, Repair, TelephoneEvent};
use crate::key::LegId;
use crate::rtp::fates::Fates;
use crate::rtp::rtcp::{Report, Voip};
use crate::rtp::stats::{Arrival, Reception};
use crate::rtp::{ExtSeq, RtpTime, Seq, Ssrc};

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
    pub(crate) secure: Secure,
    pub(crate) reception: Reception,
    fates: Fates,
    looks: Looks,
    /// Highest jitter of the leg, and of the part of the call under way, in milliseconds.
    jitter_ms_max: [f32; 2],
    pub(crate) began: Time,
    /// Relayed packets with wideband sound or more in them.
    pub(crate) wide: u64,
    /// Where the part of the call now under way began.
    segment_base: Sums,
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
    /// Its last RTP packet, and whether that said that its sender is silent.
    pub(crate) last_packet: Option<Time>,
    pub(crate) pausing: bool,
    /// There was sound in what came since the last tick.
    pub(crate) varied: bool,
    /// Where the loud part of its last tick began and ended, if it was decoded.
    pub(crate) edges: Option<(Duration, Duration)>,
    pub(crate) talk: Talk,
    pub(crate) sound_watch: Watch,
    /// Listens for digits in its sound, where they come so.
    pub(crate) tones: Option<Box<Tones>>,
    pub(crate) leveler: Option<Leveler>,
    duplicate: u64,
    reordered: u64,
}

impl Leg {
    /// A leg as negotiated. `None` for a codec we do not have, and for keys that do not fit their suite.
    pub(crate) fn new(
        now: Time,
        id: LegId,
        config: LegConfig,
        params: &SessionParams,
        cname: Rc<str>,
        spare: &Rc<Spare>,
        draw: impl FnMut() -> u64,
    ) -> Option<Self> {
        let codec = Codec::of(&config.payload)?;
        let secure = Secure::new(config.srtp.as_ref()).ok()?;
        let jitter = jitter(codec, &config, params);
        let mut outgoing = Outgoing::new(codec, codec.encoder(params, config.limits, spare), draw);
        let mut reports = Reports::new(cname, params.ntp_at_zero);
        reports.configure(&config, params.extended_reports);
        outgoing.configure(&config);
        outgoing.limit(params, config.limits);
        Some(Self {
            id,
            codec,
            latch: Latch::new(config.remote),
            playout: Playout::new(jitter, codec.decoder(spare), codec.clock()),
            outgoing,
            events: EventReceiver::default(),
            reports,
            secure,
            reception: Reception::new(codec.clock()),
            fates: Fates::default(),
            looks: Looks::default(),
            jitter_ms_max: [0.0; 2],
            began: now,
            wide: 0,
            segment_base: Sums::default(),
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
            last_packet: None,
            pausing: false,
            varied: false,
            edges: None,
            talk: Talk::default(),
            sound_watch: Watch::new(params.one_way),
            tones: Tones::of(&config),
            leveler: leveler(id, params),
            duplicate: 0,
            reordered: 0,
            config,
        })
    }

    /// A new offer or answer. A codec we do not have leaves the old one.
    pub(crate) fn update(&mut self, now: Time, config: LegConfig, params: &SessionParams, spare: &Rc<Spare>) {
        if let Some(codec) = Codec::of(&config.payload).filter(|codec| *codec != self.codec) {
            self.playout.replace(jitter(codec, &config, params), codec.decoder(spare), codec.clock());
            self.outgoing.replace(codec, codec.encoder(params, config.limits, spare));
            self.reception.set_clock(codec.clock());
            self.codec = codec;
        }
        // Keys that do not fit leave those there are: nothing leaves unprotected.
        let secured = self.secure.update(config.srtp.as_ref());
        debug_assert!(secured.is_ok(), "negotiated keys fit their suite");
        self.latch.update(config.remote);
        self.reports.configure(&config, params.extended_reports);
        self.outgoing.configure(&config);
        if Tones::of(&config).is_some() != self.tones.is_some() {
            self.tones = Tones::of(&config);
        }
        self.sound_watch.restart();
        if !config.send {
            self.outgoing.pause();
        }
        // Time on hold is no silence.
        self.heard = now;
        self.outgoing.limit(params, config.limits);
        self.config = config;
    }

    /// Where RTP goes to; `None` while held, or while no address is known.
    pub(crate) fn remote(&self) -> Option<SocketAddr> {
        self.latch.remote().filter(|_| self.config.send && self.closing.is_none())
    }

    /// Where RTCP goes to, held or not (RFC 3264 §5.1): to where it comes from, once it has, else to where SDP says.
    pub(crate) fn remote_rtcp(&self) -> Option<(Lane, SocketAddr)> {
        if self.config.rtcp_mux {
            return Some((Lane::Rtp, self.latch.remote()?));
        }
        Some((Lane::Rtcp, self.latch.rtcp().or_else(|| self.named_rtcp())?))
    }

    /// Where SDP says that RTCP goes (RFC 3605), else the port above RTP's.
    fn named_rtcp(&self) -> Option<SocketAddr> {
        let remote = self.latch.remote()?;
        let above = SocketAddr::new(remote.ip(), remote.port().checked_add(1)?);
        Some(self.config.remote_rtcp.unwrap_or(above))
    }

    /// A report of the far end came to one of our ports.
    pub(crate) fn handle_report(&mut self, now: Time, lane: Lane, source: SocketAddr, report: Report) {
        if lane == Lane::Rtcp && self.far.is_none_or(|far| far == report.from) {
            let named = self.named_rtcp();
            self.latch.heard_rtcp(now, source, named);
        }
        self.reports.handle(now, report);
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

    /// Makes its codecs now, rather than when they are needed.
    pub(crate) fn make_codecs(&mut self) {
        self.playout.decoder().make();
        self.outgoing.framer.encoder().make();
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

    /// Counts an accepted packet; `None` for one that is to be dropped. `time`: its timestamp, if it moves with each packet.
    pub(crate) fn place(&mut self, now: Time, ssrc: Ssrc, seq: Seq, time: Option<RtpTime>) -> Option<ExtSeq> {
        if self.far != Some(ssrc) {
            self.restart(self.far.is_some());
            self.far = Some(ssrc);
        }
        let arrival = match time {
            Some(time) => self.reception.handle(now, seq, time),
            None => self.reception.handle_untimed(seq),
        };
        let ext = match arrival {
            Arrival::Ahead(ext) => ext,
            Arrival::Behind(ext) => ext,
            Arrival::Restarted(ext) => {
                self.restart(false);
                ext
            }
            Arrival::Doubtful => return None,
        };
        let behind = self.fates.is_behind(ext);
        if !self.fates.came(ext) {
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
        self.fates.restart();
        self.playout.jitter.restart();
        self.events = EventReceiver::default();
    }

    /// Keeps a packet's sound until its turn, or throws it away if that has passed.
    pub(crate) fn keep(&mut self, seq: ExtSeq, time: RtpTime, payload: &[u8]) {
        let late = self.playout.jitter.counts.late;
        self.playout.jitter.insert(seq, time, payload);
        if self.playout.jitter.counts.late != late {
            self.fates.was_late(seq);
        }
    }

    /// Looks at what is no count; to be called once a second.
    pub(crate) fn look(&mut self) {
        let jitter_ms = self.reception.jitter_ms();
        self.jitter_ms_max = self.jitter_ms_max.map(|max| max.max(jitter_ms));
        let (reports, buffer_ms) = (&self.reports, self.playout.jitter.target_ms());
        self.looks.add(jitter_ms, buffer_ms, reports.round_trip_ms, reports.far_loss);
    }

    fn sums(&self) -> Sums {
        Sums {
            received: self.reception.received(),
            sent: self.outgoing.packets,
            lost: self.reception.lost(),
            duplicate: self.duplicate,
            concealed: self.playout.jitter.counts.concealed,
            fates: self.fates.counts(),
            looks: self.looks,
            wide: self.wide,
        }
    }

    fn stretch(&self, start: Sums, jitter_ms_max: f32) -> Stretch {
        let now = Now {
            codec: self.codec,
            packet_ms: self.units * 1000 / self.codec.clock(),
            jitter_ms: self.reception.jitter_ms(),
            jitter_ms_max,
            buffer_ms: self.playout.jitter.target_ms(),
            round_trip_ms: self.reports.round_trip_ms,
            far_loss: self.reports.far_loss,
            far_voip: self.reports.far_voip,
        };
        Stretch::new(start, self.sums(), now)
    }

    /// The whole leg in figures.
    pub(crate) fn figures(&self) -> StreamFigures {
        self.stretch(Sums::default(), self.jitter_ms_max[0]).figures()
    }

    /// The leg since [`Leg::begin_segment`] in figures.
    pub(crate) fn segment_figures(&self) -> StreamFigures {
        self.stretch(self.segment_base, self.jitter_ms_max[1]).figures()
    }

    /// A part of the call begins.
    pub(crate) fn begin_segment(&mut self) {
        self.segment_base = self.sums();
        self.jitter_ms_max[1] = self.reception.jitter_ms();
    }

    /// What an extended report says of its stream; `None` if none are wanted, or nothing has come.
    pub(crate) fn voip(&self, params: &SessionParams) -> Option<Voip> {
        let ssrc = self.far.filter(|_| self.reports.is_extended() && self.reception.received() > 0)?;
        Some(Voip { ssrc, ..self.stretch(Sums::default(), 0.0).voip(params.jitter_ms_max) })
    }

    /// The leg in figures.
    pub(crate) fn stats(&self) -> LegStats {
        LegStats {
            received: self.reception.received(),
            sent: self.outgoing.packets,
            lost: self.reception.lost(),
            late: self.playout.jitter.counts.late,
            duplicate: self.duplicate,
            reordered: self.reordered,
            jitter_ms: self.reception.jitter_ms(),
            target_ms: self.playout.jitter.target_ms(),
            concealed: self.playout.jitter.counts.concealed,
            concealed_samples: self.playout.counts.concealed_samples,
            recovered: self.playout.counts.recovered,
            accelerated: self.playout.counts.accelerated,
            stretched: self.playout.counts.stretched,
            underruns: self.playout.jitter.counts.underruns,
            overruns: self.playout.jitter.counts.overrun,
            far_loss: self.reports.far_loss,
            far_jitter_ms: self.reports.far_jitter as f32 * 1000.0 / self.codec.clock() as f32,
            round_trip_ms: self.reports.round_trip_ms,
            remote: self.latch.remote(),
            steering: self.outgoing.framer.steering(),
            prompt_frames: self.outgoing.framer.prompt_frames,
        }
    }
}

fn jitter(codec: Codec, config: &LegConfig, params: &SessionParams) -> Jitter {
    let of_session = JitterMs { min: params.jitter_ms_min, max: params.jitter_ms_max };
    let JitterMs { min, max } = config.jitter_ms.unwrap_or(of_session);
    Jitter::new(codec.clock(), Bounds { min, max: max.max(min) })
}
