//! How hard a shard works, and what follows: under pressure its Opus encoders work less, in steps and before anything is
//! late; when that is not enough, new calls are refused. Calls that live are never refused.
//!
//! Told the time, what its thread has worked and how late its ticks ran; reads no clock. Leaves out what a refusal looks like
//! (`admission`).

use std::ops::RangeInclusive;
use std::time::Duration;

use baton_signaling::Time;

use super::wheel::{LATENESS_MICROS, Lateness};

/// Between two looks: a fifth of the time over which they are averaged.
const LOOK: Duration = Duration::from_millis(200);

/// Time over which shares are averaged: a burst of calls that begin is over by then.
const AVERAGED: Duration = Duration::from_secs(1);

/// A tick is late beyond this: processed streams are to leave within 3 ms of their instant.
const LATE_MICROS: u64 = 3_000;

/// Ticks in a second below which their lateness says nothing of the shard's load: those of twenty sessions. With fewer it is some
/// other program that keeps the processor.
const TICKS_MIN: f32 = 1000.0;

/// Shares, of its thread's time and of its ticks.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    busy: f32,
    late: f32,
}

/// Above either the encoders' complexity goes down a step. At three quarters ticks are not yet late.
const PRESSED: Bounds = Bounds { busy: 0.75, late: 0.01 };
/// Below both for [`RELIEF`] it goes up a step: what the step costs (a third of the encoder's time at the most) leaves the
/// shard below [`PRESSED`]. A stall of a few milliseconds now and then, as any shared machine has them, is no pressure.
const RELIEVED: Bounds = Bounds { busy: 0.5, late: 0.005 };
/// Above either new calls are refused.
const FULL: Bounds = Bounds { busy: 0.92, late: 0.05 };
/// Below both for [`REOPENED`] they are taken again.
const OPEN: Bounds = Bounds { busy: 0.8, late: 0.01 };

/// After a step down, before the next: what the first has brought is in the average by then.
const STEP_DOWN: Duration = Duration::from_secs(1);
/// Calm before each step up: five times as slow as down.
const RELIEF: Duration = Duration::from_secs(5);
/// Calm before new calls are taken again.
const REOPENED: Duration = Duration::from_secs(1);

/// Complexities that are stepped through, from the highest allowed down. An encoder and a decoder at 8 kHz take 3.1 ms a
/// call-second at 5, 2.4 at 3, 1.5 at 1, 1.4 at 0.
const STEPS: [u8; 5] = [7, 5, 3, 1, 0];

/// A shard's load.
#[derive(Debug)]
pub(super) struct Load {
    allowed: RangeInclusive<u8>,
    complexity: u8,
    /// Steps so far, down and up.
    steps: [u64; 2],
    full: bool,
    busy: f32,
    late: f32,
    /// The last look: when, and the sums at it.
    looked: Time,
    worked: Duration,
    ticks: [u64; 2],
    /// Since when the shard is calm enough for what it waits for.
    relieved: Option<Time>,
    open: Option<Time>,
    stepped: Time,
}

impl Load {
    /// No load yet. Encoders' complexity stays within `allowed`.
    pub(super) fn new(allowed: RangeInclusive<u8>) -> Self {
        Self {
            complexity: *allowed.end(),
            allowed,
            steps: [0; 2],
            full: false,
            busy: 0.0,
            late: 0.0,
            looked: Time::ZERO,
            worked: Duration::ZERO,
            ticks: [0; 2],
            relieved: None,
            open: None,
            stepped: Time::ZERO,
        }
    }

    /// When it is to be told again what the shard's thread has worked.
    pub(super) fn due(&self) -> Time {
        self.looked + LOOK
    }

    /// Takes what the thread has worked and how late ticks ran, both since the start.
    pub(super) fn handle(&mut self, now: Time, worked: Duration, lateness: &Lateness) {
        let passed = now.saturating_duration_since(self.looked);
        if passed < LOOK {
            return;
        }
        let late = LATENESS_MICROS.partition_point(|&end| end <= LATE_MICROS);
        let sums = [lateness.iter().sum(), lateness[late..].iter().sum()];
        let [ticks, late] = [0, 1].map(|at| sums[at] - self.ticks[at]);
        let seconds = passed.as_secs_f32();
        let weight = (seconds / AVERAGED.as_secs_f32()).min(1.0);
        let busy = worked.saturating_sub(self.worked).as_secs_f32() / seconds;
        let enough = ticks as f32 >= TICKS_MIN * seconds;
        let late = if enough { late as f32 / ticks as f32 } else { 0.0 };
        self.busy += (busy - self.busy) * weight;
        self.late += (late - self.late) * weight;
        (self.worked, self.ticks) = (worked, sums);
        // Calm that was seen only now has lasted since the last look: a shard without work does not look.
        let since = std::mem::replace(&mut self.looked, now);
        self.step(now, since);
        self.open_or_close(now, since);
    }

    fn step(&mut self, now: Time, since: Time) {
        let lasted = |from: Time| now.saturating_duration_since(from);
        if self.is_above(PRESSED) {
            self.relieved = None;
            let waited = lasted(self.stepped) >= STEP_DOWN || self.is_above(FULL);
            let lower = STEPS.into_iter().find(|&step| step < self.complexity);
            if let Some(lower) = lower.filter(|lower| waited && self.allowed.contains(lower)) {
                (self.complexity, self.stepped) = (lower, now);
                self.steps[0] += 1;
            }
        } else if self.is_above(RELIEVED) {
            self.relieved = None;
        } else if lasted(*self.relieved.get_or_insert(since)) >= RELIEF
            && self.complexity < *self.allowed.end()
        {
            let higher = STEPS.into_iter().rev().find(|&step| step > self.complexity);
            self.complexity = higher.map_or(*self.allowed.end(), |step| step.min(*self.allowed.end()));
            self.relieved = Some(now);
            self.steps[1] += 1;
        }
    }

    fn open_or_close(&mut self, now: Time, since: Time) {
        if self.is_above(FULL) {
            (self.full, self.open) = (true, None);
        } else if self.is_above(OPEN) {
            self.open = None;
        } else if now.saturating_duration_since(*self.open.get_or_insert(since)) >= REOPENED {
            self.full = false;
        }
    }

    fn is_above(&self, bounds: Bounds) -> bool {
        self.busy > bounds.busy || self.late > bounds.late
    }

    /// Whether new calls are to be refused.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// What encoders are to work with.
    pub(super) fn complexity(&self) -> u8 {
        self.complexity
    }

    /// Steps down and up so far.
    pub(super) fn steps(&self) -> [u64; 2] {
        self.steps
    }

    /// Share of its time that the shard's thread has worked, averaged over a second.
    pub(super) fn busy(&self) -> f32 {
        self.busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shard's time, its thread's work and its ticks.
    struct Shard {
        load: Load,
        now: Time,
        worked: Duration,
        lateness: Lateness,
    }

    impl Shard {
        fn new() -> Self {
            let load = Load::new(0..=5);
            Self { load, now: Time::ZERO, worked: Duration::ZERO, lateness: Lateness::default() }
        }

        /// Lets `millis` pass, `busy` percent of them worked, with `ticks` a second of which `late` percent are 4 ms late.
        fn pass(&mut self, millis: u64, busy: u32, ticks: u64, late: u64) -> &mut Self {
            for _ in 0..millis / 200 {
                self.now += LOOK;
                self.worked += LOOK * busy / 100;
                self.lateness[5] += ticks * late / 500;
                self.lateness[0] += ticks * (100 - late) / 500;
                self.load.handle(self.now, self.worked, &self.lateness);
            }
            self
        }

        fn state(&self) -> (u8, bool) {
            (self.load.complexity(), self.load.is_full())
        }
    }

    #[test]
    fn at_rest_and_at_half_load_nothing_changes() {
        assert_eq!(Shard::new().pass(60_000, 1, 0, 0).pass(60_000, 70, 8_000, 0).state(), (5, false));
    }

    #[test]
    fn under_pressure_complexity_goes_down_step_by_step_and_nobody_is_refused() {
        let mut shard = Shard::new();
        let mut seen = vec![5];
        for _ in 0..50 {
            let (complexity, full) = shard.pass(200, 85, 8_000, 0).state();
            assert!(!full);
            if seen.last() != Some(&complexity) {
                seen.push(complexity);
            }
        }
        assert_eq!((seen, shard.load.steps()), (vec![5, 3, 1, 0], [3, 0]));
    }

    #[test]
    fn a_step_that_helps_is_the_last() {
        let mut shard = Shard::new();
        while shard.load.complexity() == 5 {
            shard.pass(200, 80, 8_000, 0);
        }
        assert_eq!(shard.pass(60_000, 66, 8_000, 0).state(), (3, false));
    }

    #[test]
    fn complexity_comes_back_slowly() {
        let mut shard = Shard::new();
        shard.pass(20_000, 85, 8_000, 0);
        assert_eq!(shard.pass(4_000, 30, 3_000, 0).state().0, 0);
        assert_eq!(shard.pass(7_000, 30, 3_000, 0).state().0, 3, "a step in five seconds");
        assert_eq!(shard.pass(20_000, 30, 3_000, 0).state().0, 5);
        assert_eq!(shard.load.steps(), [3, 3]);
    }

    #[test]
    fn a_shard_without_time_takes_no_calls_until_it_has_some_again() {
        let mut shard = Shard::new();
        assert!(shard.pass(3_000, 97, 10_000, 0).load.is_full());
        assert!(shard.pass(5_000, 88, 9_000, 0).load.is_full(), "not at once below the limit");
        assert!(!shard.pass(3_000, 60, 7_000, 0).load.is_full());
    }

    #[test]
    fn late_ticks_close_the_door_whoever_has_the_processor() {
        let mut shard = Shard::new();
        assert!(shard.pass(2_000, 40, 4_000, 20).load.is_full());
        assert!(!shard.pass(6_000, 40, 4_000, 0).load.is_full());
    }

    #[test]
    fn late_ticks_of_a_few_calls_are_no_load() {
        assert_eq!(Shard::new().pass(10_000, 5, 900, 100).state(), (5, false));
    }

    #[test]
    fn a_stall_every_few_seconds_does_not_keep_complexity_down() {
        let mut shard = Shard::new();
        shard.pass(20_000, 85, 8_000, 0);
        assert_eq!(shard.state().0, 0);
        for _ in 0..10 {
            shard.pass(3_800, 30, 1_500, 0).pass(200, 30, 1_500, 2);
        }
        assert_eq!(shard.state(), (5, false));
    }

    #[test]
    fn complexity_stays_within_what_is_allowed() {
        let mut shard = Shard::new();
        shard.load = Load::new(3..=9);
        assert_eq!(shard.pass(30_000, 90, 8_000, 0).state().0, 3);
        assert_eq!(shard.pass(30_000, 10, 1_000, 0).state().0, 9);
        shard.load = Load::new(5..=5);
        assert_eq!((shard.pass(30_000, 90, 8_000, 0).state().0, shard.load.steps()), (5, [0, 0]));
    }

    #[test]
    fn a_shard_that_was_full_and_then_slept_takes_the_next_call() {
        let mut shard = Shard::new();
        shard.pass(3_000, 97, 10_000, 0);
        shard.now += Duration::from_secs(10);
        shard.load.handle(shard.now, shard.worked, &shard.lateness);
        assert!(!shard.load.is_full());
    }
}
