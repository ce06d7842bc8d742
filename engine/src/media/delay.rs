//! How long a jitter buffer should hold a packet: a high quantile of how late packets come against the fastest.
//!
//! It leaves out what is done about it, which is the jitter buffer's and the playout's business.

use baton_signaling::Time;

use crate::rtp::RtpTime;

/// Width of a bin, in milliseconds.
const BIN_MS: usize = 5;
/// Bins: 320 ms, beyond the greatest delay we aim at.
const BINS: usize = 64;
/// Each packet weighs this much of the whole at first; at 50 packets a second half of it is forgotten in 3.5 s.
const FORGET: f32 = 0.004;
/// The share of packets that the delay is to be enough for.
const QUANTILE: f32 = 0.97;
/// The fastest packet is looked for in this time, so that drifting clocks are followed.
const WINDOW_MICROS: u64 = 5_000_000;
/// Delay that a tick and a scheduler at either end need, whatever the network does.
const MARGIN_MS: u32 = 5;

/// The estimate for one stream.
#[derive(Clone, Debug)]
pub(crate) struct DelayEstimate {
    clock: u32,
    /// The packet that all others are measured against.
    origin: Option<(Time, RtpTime)>,
    /// Least transit (arrival minus sending, in microseconds) of the window before and of this one.
    fastest: [i64; 2],
    window_ends: Time,
    bins: [f32; BINS],
}

impl DelayEstimate {
    /// Nothing known yet.
    pub(crate) fn new(clock: u32) -> Self {
        let mut bins = [0.0; BINS];
        bins[0] = 1.0;
        Self { clock, origin: None, fastest: [i64::MAX; 2], window_ends: Time::ZERO, bins }
    }

    /// A new stream begins: its timestamps have another origin; what is known of the network stays.
    pub(crate) fn restart(&mut self) {
        self.origin = None;
    }

    /// Takes note of a packet.
    pub(crate) fn handle(&mut self, now: Time, time: RtpTime) {
        let transit = self.transit(now, time);
        if now >= self.window_ends {
            self.fastest = [self.fastest[1].min(transit), transit];
            self.window_ends = Time::from_micros(now.as_micros() + WINDOW_MICROS);
        }
        self.fastest[1] = self.fastest[1].min(transit);
        let late_ms = (transit - self.fastest()) / 1000;
        let bin = (late_ms as usize / BIN_MS).min(BINS - 1);
        self.bins.iter_mut().for_each(|weight| *weight *= 1.0 - FORGET);
        self.bins[bin] += FORGET;
    }

    /// How late `time` is or would be at `now`, in milliseconds, against the fastest packet.
    pub(crate) fn late_ms(&self, now: Time, time: RtpTime) -> i64 {
        match self.origin {
            Some(origin) => (self.transit_from(origin, now, time) - self.fastest()) / 1000,
            None => 0,
        }
    }

    /// The delay wanted, in milliseconds, before any bounds.
    pub(crate) fn wanted_ms(&self) -> u32 {
        let (mut sum, mut bin) = (0.0, 0);
        while bin < BINS - 1 {
            sum += self.bins[bin];
            if sum >= QUANTILE {
                break;
            }
            bin += 1;
        }
        // The first bin is the network without jitter.
        if bin == 0 { MARGIN_MS } else { ((bin + 1) * BIN_MS) as u32 + MARGIN_MS }
    }

    fn fastest(&self) -> i64 {
        self.fastest[0].min(self.fastest[1])
    }

    fn transit(&mut self, now: Time, time: RtpTime) -> i64 {
        let origin = match self.origin {
            Some(origin) => origin,
            None => {
                self.fastest = [i64::MAX; 2];
                self.window_ends = Time::from_micros(now.as_micros() + WINDOW_MICROS);
                (now, time)
            }
        };
        let transit = self.transit_from(origin, now, time);
        // The origin walks along, so that neither difference ever outgrows half the timestamps' circle.
        let sent = i64::from(time.since(origin.1)) * 1_000_000 / i64::from(self.clock);
        if self.origin.is_none() {
            self.origin = Some(origin);
        } else if sent > 60_000_000 {
            let steps = (sent / 1_000_000) as u32;
            let moved = Time::from_micros(origin.0.as_micros() + u64::from(steps) * 1_000_000);
            self.origin = Some((moved, origin.1.plus(steps * self.clock)));
        }
        transit
    }

    fn transit_from(&self, origin: (Time, RtpTime), now: Time, time: RtpTime) -> i64 {
        let sent = i64::from(time.since(origin.1)) * 1_000_000 / i64::from(self.clock);
        now.as_micros() as i64 - origin.0.as_micros() as i64 - sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(estimate: &mut DelayEstimate, packets: std::ops::Range<u64>, late_ms: impl Fn(u64) -> u64) {
        for n in packets {
            let at = Time::from_millis(n * 20 + late_ms(n));
            estimate.handle(at, RtpTime(u32::MAX - 1000).plus(n as u32 * 160));
        }
    }

    #[test]
    fn a_steady_stream_wants_next_to_nothing() {
        let mut estimate = DelayEstimate::new(8000);
        run(&mut estimate, 0..500, |_| 3);
        assert_eq!(estimate.wanted_ms(), MARGIN_MS);
    }

    #[test]
    fn the_delay_grows_with_jitter_and_shrinks_when_it_is_over() {
        let mut estimate = DelayEstimate::new(8000);
        run(&mut estimate, 0..500, |n| (n * 7) % 60);
        assert!((55..=70).contains(&estimate.wanted_ms()), "{}", estimate.wanted_ms());
        run(&mut estimate, 500..1500, |_| 0);
        assert!(estimate.wanted_ms() <= 10, "{}", estimate.wanted_ms());
    }

    #[test]
    fn a_clock_that_runs_slow_is_followed_for_an_hour() {
        let mut estimate = DelayEstimate::new(48_000);
        for n in 0..180_000u64 {
            // 200 ppm: 0.72 s in an hour.
            let at = Time::from_micros(n * 20_004);
            estimate.handle(at, RtpTime(7).plus((n * 960) as u32));
        }
        assert!(estimate.wanted_ms() <= 15, "{}", estimate.wanted_ms());
    }
}
