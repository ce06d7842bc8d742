//! One leg's stream in figures, over the whole leg or over a part of the call: sums that only rise, and what lies
//! between two of them.
//!
//! It leaves out when a part begins and ends, which is [`super::segment`]'s business.

use serde::{Deserialize, Serialize};

use super::coder::Codec;
use super::quality::{Impairment, Path, Rating, Scale};
use crate::rtp::bursts::BurstCounts;
use crate::rtp::rtcp::Voip;

/// Delay between a sample's coming out of a jitter buffer and its leaving in a packet, in milliseconds: half a tick.
const TICK_MS_MEAN: f64 = 10.0;

/// What one leg's stream was like. Shares are 0–1, rounded to thousandths as all figures here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StreamFigures {
    /// RTP packets accepted.
    pub received: u64,
    /// RTP packets sent to it.
    pub sent: u64,
    /// Packets that never came (RFC 3550 §A.3).
    pub lost: u64,
    /// Packets that came after their turn and were thrown away.
    pub discarded: u64,
    /// Packets that came twice.
    pub duplicate: u64,
    /// Frames that had to be made up.
    pub concealed: u64,
    /// Share of packets lost.
    pub loss: f32,
    /// Share of packets thrown away.
    pub discard: f32,
    /// Share of frames made up, among those played. 0 of a stream that is relayed: it is not played here.
    pub concealment: f32,
    /// Bursts of loss (RFC 3611 §4.7.2).
    pub bursts: u64,
    /// Mean length of a burst, in milliseconds.
    pub burst_ms: u32,
    /// Share of packets missing within bursts.
    pub burst_density: f32,
    /// Share of packets missing outside bursts.
    pub gap_density: f32,
    /// Interarrival jitter (RFC 3550 §A.8), mean of one look a second, in milliseconds.
    pub jitter_ms: f32,
    /// The highest of these.
    pub jitter_ms_max: f32,
    /// What the jitter buffer aimed at, mean, in milliseconds.
    pub buffer_ms: f32,
    /// Round trip by RTCP, mean, in milliseconds; `None` if the far end sends no usable reports.
    pub round_trip_ms: Option<f32>,
    /// Share of our packets that the far end lost, mean of what its reports say.
    pub far_loss: f32,
    /// Conversational quality as the far end rates it (RFC 3611), if it does.
    pub far_mos_cq: Option<f32>,
    /// By which model it is rated.
    pub scale: Scale,
    /// Transmission rating R; `None`, as the scores, if nothing came that could be rated.
    pub r: Option<f32>,
    /// Listening quality.
    pub mos_lq: Option<f32>,
    /// Conversational quality.
    pub mos_cq: Option<f32>,
}

/// All of a leg's counts at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    pub(crate) duplicate: u64,
    pub(crate) concealed: u64,
    pub(crate) fates: BurstCounts,
    pub(crate) looks: Looks,
    /// Packets passed on undecoded with wideband sound or more in them.
    pub(crate) wide: u64,
}

/// Sums of one look a second at what is no count.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Looks {
    count: u64,
    jitter_us: u64,
    buffer_ms: u64,
    trips: u64,
    trip_us: u64,
    /// In millionths.
    far_loss: u64,
}

impl Looks {
    /// Takes a look.
    pub(crate) fn add(&mut self, jitter_ms: f32, buffer_ms: u16, round_trip_ms: Option<f32>, far_loss: f32) {
        self.count += 1;
        self.far_loss += (f64::from(far_loss) * 1e6) as u64;
        self.jitter_us += (jitter_ms * 1000.0) as u64;
        self.buffer_ms += u64::from(buffer_ms);
        if let Some(trip) = round_trip_ms {
            self.trips += 1;
            self.trip_us += (trip * 1000.0) as u64;
        }
    }
}

/// What of a leg does not add up: its state at the end of the time looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) codec: Codec,
    /// Length of its packets, in milliseconds.
    pub(crate) packet_ms: u32,
    pub(crate) jitter_ms: f32,
    pub(crate) jitter_ms_max: f32,
    pub(crate) buffer_ms: u16,
    pub(crate) round_trip_ms: Option<f32>,
    pub(crate) far_loss: f32,
    pub(crate) far_voip: Option<Voip>,
}

/// A stretch of a leg between two sums.
pub(crate) struct Stretch {
    end: Sums,
    start: Sums,
    fates: BurstCounts,
    now: Now,
}

impl Stretch {
    pub(crate) fn new(start: Sums, end: Sums, now: Now) -> Self {
        Self { start, end, fates: end.fates.since(&start.fates), now }
    }

    /// It in figures.
    pub(crate) fn figures(&self) -> StreamFigures {
        let passed = |of: fn(&Sums) -> u64| of(&self.end).saturating_sub(of(&self.start));
        let (received, lost) = (passed(|sums| sums.received), passed(|sums| sums.lost));
        let (concealed, rating) = (passed(|sums| sums.concealed), self.rating());
        StreamFigures {
            received,
            sent: passed(|sums| sums.sent),
            lost,
            discarded: self.fates.discarded,
            duplicate: passed(|sums| sums.duplicate),
            concealed,
            loss: share(lost, received + lost),
            discard: share(self.fates.discarded, received + lost),
            concealment: share(concealed, received + concealed),
            bursts: self.fates.bursts,
            burst_ms: self.burst_ms(),
            burst_density: round(self.fates.burst_density()),
            gap_density: round(self.fates.gap_density()),
            jitter_ms: round(self.jitter_ms()),
            jitter_ms_max: round(f64::from(self.now.jitter_ms_max.max(self.now.jitter_ms))),
            buffer_ms: round(self.buffer_ms()),
            round_trip_ms: self.round_trip_ms().map(round),
            far_loss: round(self.far_loss()),
            far_mos_cq: self
                .now
                .far_voip
                .and_then(|v| Voip::known(v.mos_cq))
                // RFC 3611 §4.7.5: other values are reserved, and to be ignored.
                .filter(|mos| (10..=50).contains(mos))
                .map(|mos| f32::from(mos) / 10.0),
            scale: self.scale(),
            r: (received > 0).then(|| round(rating.r)),
            mos_lq: (received > 0).then(|| round(rating.mos_lq)),
            mos_cq: (received > 0).then(|| round(rating.mos_cq)),
        }
    }

    /// The metrics block that tells the far end of it (RFC 3611 §4.7), but for the stream's name.
    pub(crate) fn voip(&self, buffer_ms_max: u16) -> Voip {
        let (fates, rating) = (&self.fates, self.rating());
        let of = |part: u64| part as f64 / fates.packets.max(1) as f64;
        let ms = |ms: f64| ms.clamp(0.0, f64::from(u16::MAX)) as u16;
        let packet_ms = f64::from(self.now.packet_ms);
        Voip {
            loss_rate: Voip::fraction(of(fates.lost)),
            discard_rate: Voip::fraction(of(fates.discarded)),
            burst_density: Voip::fraction(fates.burst_density()),
            gap_density: Voip::fraction(fates.gap_density()),
            burst_ms: ms(fates.burst_length() * packet_ms),
            gap_ms: ms(fates.gap_length() * packet_ms),
            round_trip_ms: self.now.round_trip_ms.map_or(0, |trip| ms(trip.into())),
            end_system_ms: ms(self.near_ms(f64::from(self.now.buffer_ms)) + packet_ms),
            r_factor: rating.r_of_hundred(self.scale()).clamp(0.0, 100.0) as u8,
            mos_lq: (rating.mos_lq * 10.0).round() as u8,
            mos_cq: (rating.mos_cq * 10.0).round() as u8,
            buffer_ms: self.now.buffer_ms,
            buffer_ms_max,
            buffer_ms_abs_max: buffer_ms_max,
            ..Voip::default()
        }
    }

    fn rating(&self) -> Rating {
        let loss = self.fates.missing() as f64 / self.fates.packets.max(1) as f64;
        let codec = match (self.now.codec, self.scale()) {
            (Codec::G711(_), _) => Impairment::G711,
            (Codec::Opus, Scale::Narrowband) => Impairment::OPUS,
            (Codec::Opus, Scale::Wideband) => Impairment::OPUS_WIDEBAND,
        };
        let delay_ms =
            self.round_trip_ms().unwrap_or(0.0) / 2.0 + self.near_ms(self.buffer_ms()) + self.coding_ms();
        Path { scale: self.scale(), codec, loss, burst_ratio: self.fates.burst_ratio(), delay_ms }.rate()
    }

    /// Most packets went through as wide as they came.
    fn scale(&self) -> Scale {
        let wide = self.end.wide - self.start.wide;
        let received = self.end.received - self.start.received;
        if wide * 2 > received { Scale::Wideband } else { Scale::Narrowband }
    }

    /// Delay within the node, in milliseconds. What is relayed is held by the listener's buffer instead, which has the
    /// same network to even out.
    fn near_ms(&self, buffer_ms: f64) -> f64 {
        buffer_ms + TICK_MS_MEAN
    }

    /// Delay at the sender: a packet's length, and the look-ahead of its encoder (Opus: 6.5 ms).
    fn coding_ms(&self) -> f64 {
        let ahead = if self.now.codec == Codec::Opus { 6.5 } else { 0.0 };
        f64::from(self.now.packet_ms) + ahead
    }

    fn looks(&self) -> Looks {
        let (end, start) = (&self.end.looks, &self.start.looks);
        Looks {
            count: end.count - start.count,
            jitter_us: end.jitter_us - start.jitter_us,
            buffer_ms: end.buffer_ms - start.buffer_ms,
            trips: end.trips - start.trips,
            trip_us: end.trip_us - start.trip_us,
            far_loss: end.far_loss - start.far_loss,
        }
    }

    fn jitter_ms(&self) -> f64 {
        let looks = self.looks();
        mean(looks.jitter_us, looks.count).map_or(self.now.jitter_ms.into(), |us| us / 1000.0)
    }

    fn buffer_ms(&self) -> f64 {
        let looks = self.looks();
        mean(looks.buffer_ms, looks.count).unwrap_or(self.now.buffer_ms.into())
    }

    fn round_trip_ms(&self) -> Option<f64> {
        let looks = self.looks();
        mean(looks.trip_us, looks.trips).map(|us| us / 1000.0).or(self.now.round_trip_ms.map(f64::from))
    }

    fn far_loss(&self) -> f64 {
        let looks = self.looks();
        mean(looks.far_loss, looks.count).map_or(self.now.far_loss.into(), |millionths| millionths / 1e6)
    }

    fn burst_ms(&self) -> u32 {
        if self.fates.bursts == 0 {
            return 0;
        }
        (self.fates.burst_length() * f64::from(self.now.packet_ms)) as u32
    }
}

fn mean(sum: u64, count: u64) -> Option<f64> {
    (count > 0).then(|| sum as f64 / count as f64)
}

fn share(part: u64, whole: u64) -> f32 {
    round(if whole == 0 { 0.0 } else { part as f64 / whole as f64 })
}

/// To thousandths: more would look like knowledge.
fn round(value: f64) -> f32 {
    ((value * 1000.0).round() / 1000.0) as f32
}
