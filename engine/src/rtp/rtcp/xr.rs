//! Extended reports (RFC 3611): VoIP metrics (§4.7), receiver reference time (§4.4) and delay since the last one (§4.5).

use super::write::Writer;
use crate::rtp::Ssrc;
use crate::rtp::bursts::GMIN;

const REFERENCE_TIME: u8 = 4;
const DLRR: u8 = 5;
const VOIP_METRICS: u8 = 7;
/// Words of a VoIP metrics block after its head.
const VOIP_WORDS: u16 = 8;
/// Extended report with one block of each kind.
pub(super) const XR_BYTES_MAX: usize = 8 + 12 + 16 + 4 + VOIP_WORDS as usize * 4;
/// "Not available" of levels, echo and ratings (§4.7.3, §4.7.5).
const UNAVAILABLE: u8 = 127;
/// Blocks looked at in one packet.
const BLOCKS_MAX: usize = 32;
/// Sub-blocks of a DLRR block looked at: one for each receiver, and here there is one.
const SUB_BLOCKS_MAX: usize = 32;

/// The blocks we write and read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extended {
    /// Our clock, so that a far end that is sent nothing can be measured against too: a 64-bit NTP timestamp.
    pub reference: Option<u64>,
    /// The answer to the far end's reference time.
    pub dlrr: Option<Dlrr>,
    /// How the far end's stream is received.
    pub voip: Option<Voip>,
}

/// How long ago a receiver's reference time came (§4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dlrr {
    /// Whose reference time.
    pub ssrc: Ssrc,
    /// Its middle 32 bits.
    pub last: u32,
    /// Time since it came, in 1/65 536 seconds.
    pub delay: u32,
}

/// VoIP metrics (§4.7) of one stream. Rates and densities in 256ths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voip {
    /// The stream.
    pub ssrc: Ssrc,
    /// Packets that never came.
    pub loss_rate: u8,
    /// Packets that came too late.
    pub discard_rate: u8,
    /// Missing packets within bursts.
    pub burst_density: u8,
    /// Missing packets outside bursts.
    pub gap_density: u8,
    /// Mean length of a burst, in milliseconds.
    pub burst_ms: u16,
    /// Mean length of a gap, in milliseconds.
    pub gap_ms: u16,
    /// Round trip between the RTP ends, in milliseconds; 0 if not known.
    pub round_trip_ms: u16,
    /// Delay within the reporting end, both ways together, in milliseconds.
    pub end_system_ms: u16,
    /// Signal level in dBm0; 127 if not known.
    pub signal_dbm: i8,
    /// Noise level in dBm0; 127 if not known.
    pub noise_dbm: i8,
    /// Residual echo return loss in dB; 127 if not known.
    pub rerl_db: u8,
    /// Good packets in a row that end a burst.
    pub gmin: u8,
    /// Rating R (0–100); 127 if not known.
    pub r_factor: u8,
    /// Rating of another network segment; 127 if not known.
    pub r_factor_external: u8,
    /// MOS-LQ in tenths (10–50); 127 if not known.
    pub mos_lq: u8,
    /// MOS-CQ in tenths (10–50); 127 if not known.
    pub mos_cq: u8,
    /// Concealment, kind and rate of the jitter buffer (§4.7.6).
    pub receiver: u8,
    /// Delay the jitter buffer aims at, in milliseconds.
    pub buffer_ms: u16,
    /// The most it aims at on this line, in milliseconds.
    pub buffer_ms_max: u16,
    /// The most it can reach at all, in milliseconds.
    pub buffer_ms_abs_max: u16,
}

impl Default for Voip {
    /// Nothing known: concealment is enhanced (10), the buffer adaptive (11) and its rate the slowest told (§4.7.6).
    fn default() -> Self {
        Self {
            ssrc: Ssrc(0),
            loss_rate: 0,
            discard_rate: 0,
            burst_density: 0,
            gap_density: 0,
            burst_ms: 0,
            gap_ms: 0,
            round_trip_ms: 0,
            end_system_ms: 0,
            signal_dbm: UNAVAILABLE as i8,
            noise_dbm: UNAVAILABLE as i8,
            rerl_db: UNAVAILABLE,
            gmin: GMIN,
            r_factor: UNAVAILABLE,
            r_factor_external: UNAVAILABLE,
            mos_lq: UNAVAILABLE,
            mos_cq: UNAVAILABLE,
            receiver: 0b1011_1111,
            buffer_ms: 0,
            buffer_ms_max: 0,
            buffer_ms_abs_max: 0,
        }
    }
}

impl Voip {
    /// A share (0–1) in 256ths, as §4.7.1 clips it.
    pub fn fraction(share: f64) -> u8 {
        (share * 256.0).clamp(0.0, 255.0) as u8
    }

    /// A rating or score of the far end, unless it says that it has none.
    pub fn known(value: u8) -> Option<u8> {
        (value != UNAVAILABLE).then_some(value)
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.word(self.ssrc.0);
        out.put(&[self.loss_rate, self.discard_rate, self.burst_density, self.gap_density]);
        for half in [self.burst_ms, self.gap_ms, self.round_trip_ms, self.end_system_ms] {
            out.half(half);
        }
        out.put(&[self.signal_dbm as u8, self.noise_dbm as u8, self.rerl_db, self.gmin]);
        out.put(&[self.r_factor, self.r_factor_external, self.mos_lq, self.mos_cq]);
        out.put(&[self.receiver, 0]);
        for half in [self.buffer_ms, self.buffer_ms_max, self.buffer_ms_abs_max] {
            out.half(half);
        }
    }

    fn read(body: &[u8]) -> Option<Self> {
        let b = body.first_chunk::<{ VOIP_WORDS as usize * 4 }>()?;
        let half = |at: usize| u16::from_be_bytes([b[at], b[at + 1]]);
        Some(Self {
            ssrc: Ssrc(u32::from_be_bytes([b[0], b[1], b[2], b[3]])),
            loss_rate: b[4],
            discard_rate: b[5],
            burst_density: b[6],
            gap_density: b[7],
            burst_ms: half(8),
            gap_ms: half(10),
            round_trip_ms: half(12),
            end_system_ms: half(14),
            signal_dbm: b[16] as i8,
            noise_dbm: b[17] as i8,
            rerl_db: b[18],
            gmin: b[19],
            r_factor: b[20],
            r_factor_external: b[21],
            mos_lq: b[22],
            mos_cq: b[23],
            receiver: b[24],
            buffer_ms: half(26),
            buffer_ms_max: half(28),
            buffer_ms_abs_max: half(30),
        })
    }
}

impl Extended {
    /// Nothing is said.
    pub fn is_empty(&self) -> bool {
        self.reference.is_none() && self.dlrr.is_none() && self.voip.is_none()
    }

    /// Words of its blocks.
    pub(super) fn words(&self) -> u16 {
        self.reference.map_or(0, |_| 3) + self.dlrr.map_or(0, |_| 4) + self.voip.map_or(0, |_| 1 + VOIP_WORDS)
    }

    pub(super) fn write(&self, out: &mut Writer<'_>) {
        let head = |out: &mut Writer<'_>, kind: u8, words: u16| {
            out.put(&[kind, 0]);
            out.half(words);
        };
        if let Some(time) = self.reference {
            head(out, REFERENCE_TIME, 2);
            out.long(time);
        }
        if let Some(dlrr) = self.dlrr {
            head(out, DLRR, 3);
            [dlrr.ssrc.0, dlrr.last, dlrr.delay].into_iter().for_each(|word| out.word(word));
        }
        if let Some(voip) = &self.voip {
            head(out, VOIP_METRICS, VOIP_WORDS);
            voip.write(out);
        }
    }

    /// Takes what the blocks of a packet say about `ours`. A block of another kind is stepped over (§3); one whose length
    /// does not fit ends the packet.
    pub(super) fn read(&mut self, mut blocks: &[u8], ours: Ssrc) {
        for _ in 0..BLOCKS_MAX {
            let Some((head, rest)) = blocks.split_first_chunk::<4>() else { return };
            let length = usize::from(u16::from_be_bytes([head[2], head[3]])) * 4;
            let Some((body, after)) = rest.split_at_checked(length) else { return };
            match head[0] {
                REFERENCE_TIME => self.reference = body.first_chunk().map(|b| u64::from_be_bytes(*b)),
                DLRR => self.dlrr = read_dlrr(body, ours).or(self.dlrr),
                VOIP_METRICS => {
                    self.voip = Voip::read(body).filter(|voip| voip.ssrc == ours).or(self.voip);
                }
                _ => {}
            }
            blocks = after;
        }
    }
}

fn read_dlrr(body: &[u8], ours: Ssrc) -> Option<Dlrr> {
    let words =
        |part: &[u8], at: usize| u32::from_be_bytes([part[at], part[at + 1], part[at + 2], part[at + 3]]);
    body.chunks_exact(12)
        .take(SUB_BLOCKS_MAX)
        .map(|part| Dlrr { ssrc: Ssrc(words(part, 0)), last: words(part, 4), delay: words(part, 8) })
        .find(|dlrr| dlrr.ssrc == ours)
}
