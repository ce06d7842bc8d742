//! What a phone hears: RTP payloads decoded and laid out on the time line on which an ear would hear them.
//!
//! A packet is due 60 ms after its place in the stream's own time. One that comes later leaves a hole and moves
//! everything after it back, as it would in a real phone, so a pause of the sender is heard even if its timestamps
//! hide it. Lost packets are left as holes: the strictest measure.

use baton_codecs::Decoder;
use baton_codecs::g711::{G711Decoder, Law};
use baton_codecs::opus::OpusDecoder;

use super::Voice;

/// How long a packet may be under way longer than the fastest one: the phone's jitter buffer.
pub(crate) const DELAY_US: u64 = 60_000;
/// Nothing longer is recorded: five minutes.
const SECONDS_MAX: usize = 300;
/// Longest frame that is decoded: 120 ms at 16 kHz.
const FRAME_SAMPLES_MAX: usize = 1_920;

/// One packet as it arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival<'a> {
    /// Microseconds on any clock that rises.
    pub(super) at_us: u64,
    pub(super) seq: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
    pub(super) payload: &'a [u8],
}

/// What a phone has heard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    /// Mono samples from the first packet on.
    pub(crate) samples: Vec<i16>,
    /// Their rate in hertz.
    pub(crate) rate: usize,
    /// The phone's clock at the first sample, in microseconds.
    pub(crate) began_us: u64,
    /// Packets received.
    pub(crate) packets: u64,
    /// Packets that never came.
    pub(crate) lost: u64,
    /// Packets too late to be played.
    pub(crate) late: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1) in microseconds.
    pub(crate) jitter_us: f64,
    /// Longest time between two packets, in microseconds.
    pub(crate) pause_us_max: u64,
    /// How many SSRCs came; one stream has one.
    pub(crate) streams: u32,
}

/// Decodes what comes and keeps it.
pub(super) struct Ear {
    voice: Voice,
    decoder: Box<dyn Decoder + Send>,
    heard: Heard,
    /// The last packet's SSRC, sequence number, timestamp and arrival.
    last: Option<(u32, u16, u32, u64)>,
    /// Where the sample of `timestamp` lies.
    anchor: (u32, u64),
}

impl Ear {
    pub(super) fn new(voice: Voice) -> Option<Self> {
        let decoder: Box<dyn Decoder + Send> = match voice {
            Voice::Opus => Box::new(OpusDecoder::new(voice.rate()).ok()?),
            Voice::Pcmu => Box::new(G711Decoder::new(Law::Mu)),
        };
        let heard = Heard { rate: voice.rate().hz() as usize, ..Heard::default() };
        Some(Self { voice, decoder, heard, last: None, anchor: (0, 0) })
    }

    pub(super) fn heard(self) -> Heard {
        self.heard
    }

    pub(super) fn packet(&mut self, arrival: Arrival<'_>) {
        let place = self.place(&arrival);
        self.heard.packets += 1;
        let Some(place) = place else {
            self.heard.late += 1;
            return;
        };
        let mut frame = [0; FRAME_SAMPLES_MAX];
        let Ok(decoded) = self.decoder.decode(arrival.payload, &mut frame) else { return };
        let end = place + decoded;
        if end > SECONDS_MAX * self.heard.rate {
            return;
        }
        if self.heard.samples.len() < end {
            self.heard.samples.resize(end, 0);
        }
        self.heard.samples[place..end].copy_from_slice(&frame[..decoded]);
    }

    /// The sample at which the packet's sound begins; `None` if that has been played.
    fn place(&mut self, arrival: &Arrival<'_>) -> Option<usize> {
        let Some((ssrc, seq, timestamp, at_us)) = self.last else {
            self.heard.began_us = arrival.at_us + DELAY_US;
            self.begin_stream(arrival, 0);
            return Some(0);
        };
        self.heard.pause_us_max = self.heard.pause_us_max.max(arrival.at_us.saturating_sub(at_us));
        let now = self.sample_at(arrival.at_us);
        if ssrc != arrival.ssrc {
            self.begin_stream(arrival, now.max(self.heard.samples.len() as u64));
            return Some(self.anchor.1 as usize);
        }
        let step = arrival.seq.wrapping_sub(seq) as i16;
        if step <= 0 {
            return None;
        }
        self.heard.lost += step as u64 - 1;
        self.count_jitter(arrival, timestamp, at_us);
        self.last = Some((arrival.ssrc, arrival.seq, arrival.timestamp, arrival.at_us));
        let ahead = self.samples(arrival.timestamp.wrapping_sub(self.anchor.0));
        let late_by = now.saturating_sub(self.anchor.1 + ahead);
        // Everything from here on is heard later by as much.
        self.anchor = (arrival.timestamp, self.anchor.1 + ahead + late_by);
        Some(self.anchor.1 as usize)
    }

    fn begin_stream(&mut self, arrival: &Arrival<'_>, at: u64) {
        self.heard.streams += 1;
        self.anchor = (arrival.timestamp, at);
        self.last = Some((arrival.ssrc, arrival.seq, arrival.timestamp, arrival.at_us));
    }

    /// The sample that is being heard at `at_us`.
    fn sample_at(&self, at_us: u64) -> u64 {
        at_us.saturating_sub(self.heard.began_us) * self.heard.rate as u64 / 1_000_000
    }

    /// RTP time to samples.
    fn samples(&self, clock_ticks: u32) -> u64 {
        u64::from(clock_ticks) * self.heard.rate as u64 / u64::from(self.voice.clock())
    }

    fn count_jitter(&mut self, arrival: &Arrival<'_>, timestamp: u32, at_us: u64) {
        let sent =
            f64::from(arrival.timestamp.wrapping_sub(timestamp) as i32) * 1e6 / f64::from(self.voice.clock());
        let difference = (arrival.at_us - at_us) as f64 - sent;
        self.heard.jitter_us += (difference.abs() - self.heard.jitter_us) / 16.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ear() -> Ear {
        Ear::new(Voice::Pcmu).expect("PCMU is always there")
    }

    fn packet(ear: &mut Ear, number: u16, at_ms: u64, timestamp: u32) {
        // Code 0 is the loudest value of the µ-law.
        let payload = [0; 160];
        ear.packet(Arrival { at_us: at_ms * 1000, seq: number, timestamp, ssrc: 1, payload: &payload });
    }

    fn silent(heard: &Heard) -> usize {
        heard.samples.iter().filter(|&&sample| sample == 0).count()
    }

    #[test]
    fn packets_that_come_within_the_delay_leave_no_hole() {
        let mut ear = ear();
        for (number, jitter) in [0, 7, 50, 31, 59].into_iter().enumerate() {
            packet(&mut ear, number as u16, number as u64 * 20 + jitter, number as u32 * 160);
        }
        let heard = ear.heard();
        assert_eq!((heard.samples.len(), silent(&heard), heard.lost), (800, 0, 0));
    }

    #[test]
    fn a_pause_is_heard_even_if_timestamps_hide_it() {
        let mut ear = ear();
        packet(&mut ear, 65_535, 0, u32::MAX - 159);
        packet(&mut ear, 0, 20 + 200, 0);
        packet(&mut ear, 1, 40 + 200, 160);
        let heard = ear.heard();
        assert_eq!(silent(&heard), (200 - 60) * 8);
        assert_eq!(heard.pause_us_max, 220_000);
    }

    #[test]
    fn a_lost_packet_is_a_hole_and_a_late_one_is_not_played() {
        let mut ear = ear();
        packet(&mut ear, 1, 0, 0);
        packet(&mut ear, 3, 40, 320);
        packet(&mut ear, 2, 41, 160);
        let heard = ear.heard();
        assert_eq!((heard.lost, heard.late, silent(&heard)), (1, 1, 160));
    }
}
