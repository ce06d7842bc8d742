//! How long a jitter buffer should hold a packet: a high quantile of how late packets come against the fastest.
//!
//! It leaves out what is done about it, which is the jitter buffer's and the playout's business.
//!
//! What counts is not each packet but the latest one of every fifth of a second: a spike delays a dozen packets and is
//! one event. Events are kept in a histogram that forgets. One that is later than the delay wanted weighs more, so that
//! the delay rises within a second of trouble and falls over a quarter of a minute of peace.

use std::time::Duration;

use baton_signaling::Time;

use crate::rtp::RtpTime;

/// Width of a bin, in milliseconds.
const BIN_MS: usize = 5;
/// Bins: 500 ms, the greatest delay that may be asked for.
const BINS: usize = 100;
/// Packets that come within this time of each other are one event.
const EVENT: Duration = Duration::from_millis(200);
/// An event's weight in the whole: half is forgotten in 5 s.
const FORGET: f32 = 0.028;
/// The weight of one that came later than the delay wanted.
const ALARM: f32 = 0.06;
/// Events the first of which weigh more, as shares of all there are, so that a new stream is soon known.
const FIRST: u32 = 16;
/// The share of events that the delay is to be enough for: with even jitter, 98 of 100 packets come in time.
const QUANTILE: f32 = 0.88;
/// The fastest packet is looked for in this time and the one before it, so that drifting clocks are followed.
const WINDOW: Duration = Duration::from_secs(2);
/// A second in which every packet, of this many at least, is later than the fastest one by this is a path that has become
/// longer: its latest bins tell of the step, and no longer of jitter.
const STEP: Duration = Duration::from_secs(1);
const STEP_PACKETS: u32 = 15;
const STEP_BINS: usize = 12;
/// A packet later than this is no late one: the sender's clock has stood still or jumps. No buffer waits as long.
const JUMP_MICROS: i64 = 1_000_000;
/// A talk spurt that begins later than this, longer than buffers usually wait, begins a measure of its own.
const STOOD_STILL_MS: i64 = 250;
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
    /// Least transit and packets of the second now going on, and when that ends.
    second: (i64, u32),
    second_ends: Time,
    /// When the event now going on ends, and its latest packet's bin.
    event_ends: Time,
    latest: usize,
    /// Events so far, up to [`FIRST`].
    events: u32,
    bins: [f32; BINS],
    wanted_ms: u32,
}

impl DelayEstimate {
    /// Nothing known yet.
    pub(crate) fn new(clock: u32) -> Self {
        let mut bins = [0.0; BINS];
        bins[0] = 1.0;
        Self {
            clock,
            origin: None,
            fastest: [i64::MAX; 2],
            window_ends: Time::ZERO,
            second: (i64::MAX, 0),
            second_ends: Time::ZERO,
            event_ends: Time::ZERO,
            latest: 0,
            events: 0,
            bins,
            wanted_ms: MARGIN_MS,
        }
    }

    /// A new stream begins: its timestamps have another origin; what is known of the network stays.
    pub(crate) fn restart(&mut self) {
        self.origin = None;
    }

    /// A talk spurt begins (RFC 3551 §4.1). If it is this much later than what came before, the sender's clock has stood
    /// still while nobody spoke: that is no delay.
    pub(crate) fn begin(&mut self, now: Time, time: RtpTime) {
        if self.late_ms(now, time) > STOOD_STILL_MS {
            self.restart();
        }
    }

    /// Takes note of a packet.
    pub(crate) fn handle(&mut self, now: Time, time: RtpTime) {
        let mut transit = self.transit(now, time);
        if transit.saturating_sub(self.fastest()) > JUMP_MICROS {
            self.restart();
            transit = self.transit(now, time);
        }
        if now >= self.window_ends {
            self.fastest = [self.fastest[1].min(transit), transit];
            self.window_ends = now + WINDOW;
        }
        self.fastest[1] = self.fastest[1].min(transit);
        self.look_for_step(now, transit);
        let late_ms = (transit - self.fastest()) / 1000;
        let bin = (late_ms as usize / BIN_MS).min(BINS - 1);
        if now >= self.event_ends {
            self.learn();
            (self.event_ends, self.latest) = (now + EVENT, 0);
        }
        if bin > self.latest {
            self.latest = bin;
            // Not waited for until the event is over: the packets behind it come as late.
            if delay_of(bin) > self.wanted_ms {
                self.alarm(bin);
            }
        }
    }

    /// Measures against the packets of the last second if all of them have become late together.
    fn look_for_step(&mut self, now: Time, transit: i64) {
        if now >= self.second_ends {
            let (least, packets) = self.second;
            let bins = least.saturating_sub(self.fastest()) / 1000 / BIN_MS as i64;
            if packets >= STEP_PACKETS && bins >= STEP_BINS as i64 {
                self.fastest = [least, least.min(transit)];
                self.shift((bins as usize).min(BINS - 1));
            }
            (self.second, self.second_ends) = ((i64::MAX, 0), now + STEP);
        }
        self.second = (self.second.0.min(transit), self.second.1 + 1);
    }

    /// What was late by so many bins was in time by the new measure.
    fn shift(&mut self, bins: usize) {
        let early: f32 = self.bins[..=bins].iter().sum();
        self.bins.copy_within(bins.., 0);
        self.bins[BINS - bins..].fill(0.0);
        self.bins[0] = early;
        (self.latest, self.event_ends) = (0, Time::ZERO);
        self.weigh(0, 0.0);
    }

    /// Learns from the event that is over.
    fn learn(&mut self) {
        if self.event_ends == Time::ZERO {
            return;
        }
        self.events = (self.events + 1).min(FIRST);
        let weight = if self.events < FIRST { 1.0 / (self.events + 1) as f32 } else { FORGET };
        self.weigh(self.latest, weight.max(FORGET));
    }

    /// A packet is later than what is wanted: its weight beyond that of its event, at once.
    fn alarm(&mut self, bin: usize) {
        self.weigh(bin, ALARM - FORGET);
    }

    fn weigh(&mut self, bin: usize, weight: f32) {
        self.bins.iter_mut().for_each(|share| *share *= 1.0 - weight);
        self.bins[bin] += weight;
        let (mut sum, mut wanted) = (0.0, 0);
        for (n, share) in self.bins.iter().enumerate() {
            (sum, wanted) = (sum + share, n);
            if sum >= QUANTILE {
                break;
            }
        }
        self.wanted_ms = delay_of(wanted);
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
        self.wanted_ms
    }

    fn fastest(&self) -> i64 {
        self.fastest[0].min(self.fastest[1])
    }

    fn transit(&mut self, now: Time, time: RtpTime) -> i64 {
        let origin = match self.origin {
            Some(origin) => origin,
            None => {
                self.fastest = [i64::MAX; 2];
                self.window_ends = now + WINDOW;
                (self.second, self.second_ends) = ((i64::MAX, 0), now + STEP);
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

/// The delay that is enough for packets of a bin. The first one is the network without jitter.
fn delay_of(bin: usize) -> u32 {
    if bin == 0 { MARGIN_MS } else { ((bin + 1) * BIN_MS) as u32 + MARGIN_MS }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(estimate: &mut DelayEstimate, packets: std::ops::Range<u64>, late_ms: impl Fn(u64) -> u64) {
        for n in packets {
            let at = Time::from_millis(1 + n * 20 + late_ms(n));
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
    fn the_delay_grows_with_jitter_within_a_second_and_shrinks_when_it_is_over() {
        let mut estimate = DelayEstimate::new(8000);
        run(&mut estimate, 0..500, |_| 0);
        let jitter = |n| (n * 7) % 60;
        run(&mut estimate, 500..550, jitter);
        assert!((55..=70).contains(&estimate.wanted_ms()), "{}", estimate.wanted_ms());
        run(&mut estimate, 550..1000, jitter);
        assert!((55..=70).contains(&estimate.wanted_ms()), "{}", estimate.wanted_ms());
        run(&mut estimate, 1000..1300, |_| 0);
        assert!(estimate.wanted_ms() >= 55, "it falls slowly");
        run(&mut estimate, 1300..2000, |_| 0);
        assert!(estimate.wanted_ms() <= 10, "{}", estimate.wanted_ms());
    }

    #[test]
    fn one_spike_in_half_a_minute_is_not_waited_for_and_many_are() {
        let mut estimate = DelayEstimate::new(8000);
        // 200 ms without a packet, then ten at once.
        let spike = |every: u64| move |n: u64| if n % every < 10 { 200 - n % every * 20 } else { 0 };
        run(&mut estimate, 1..3000, spike(1500));
        assert_eq!(estimate.wanted_ms(), MARGIN_MS);
        run(&mut estimate, 3000..4000, spike(50));
        assert!(estimate.wanted_ms() >= 150, "{}", estimate.wanted_ms());
    }

    #[test]
    fn a_path_that_becomes_longer_is_soon_the_measure() {
        let mut estimate = DelayEstimate::new(8000);
        run(&mut estimate, 0..500, |_| 0);
        run(&mut estimate, 500..1500, |_| 150);
        assert!(estimate.wanted_ms() <= 10, "{}", estimate.wanted_ms());
        let late = estimate
            .late_ms(Time::from_millis(1 + 1500 * 20 + 150), RtpTime(u32::MAX - 1000).plus(1500 * 160));
        assert_eq!(late, 0);
    }

    #[test]
    fn a_path_that_has_become_longer_is_known_within_two_seconds_and_its_delay_is_not_held() {
        for step in [100, 200, 400, 900] {
            let mut estimate = DelayEstimate::new(8000);
            run(&mut estimate, 0..500, |_| 0);
            run(&mut estimate, 500..600, move |_| step);
            assert!(estimate.wanted_ms() <= 10, "{step}: {}", estimate.wanted_ms());
            // Jitter upon it is still learned.
            run(&mut estimate, 600..1000, move |n| step + (n * 7) % 60);
            assert!((55..=70).contains(&estimate.wanted_ms()), "{step}: {}", estimate.wanted_ms());
        }
    }

    #[test]
    fn a_talk_spurt_of_a_clock_that_stood_still_begins_a_measure_of_its_own_and_a_late_one_does_not() {
        for (still_ms, new) in [(100, false), (400, true)] {
            let mut estimate = DelayEstimate::new(8000);
            run(&mut estimate, 0..500, |_| 0);
            let (at, time) = (Time::from_millis(10_001 + still_ms), RtpTime(u32::MAX - 1000).plus(500 * 160));
            estimate.begin(at, time);
            assert_eq!(estimate.late_ms(at, time) == 0, new, "{still_ms}");
            assert_eq!(estimate.wanted_ms(), MARGIN_MS);
        }
    }

    #[test]
    fn jitter_is_kept_through_a_step_and_a_second_of_congestion_is_no_step_for_good() {
        let mut estimate = DelayEstimate::new(8000);
        run(&mut estimate, 0..1000, |n| (n * 7) % 60);
        run(&mut estimate, 1000..1100, |n| 300 + (n * 7) % 60);
        assert!((55..=75).contains(&estimate.wanted_ms()), "{}", estimate.wanted_ms());
        run(&mut estimate, 1100..1101, |_| 0);
        let time = RtpTime(u32::MAX - 1000).plus(1100 * 160);
        assert_eq!(estimate.late_ms(Time::from_millis(1 + 1100 * 20), time), 0, "the fastest is the measure");
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
