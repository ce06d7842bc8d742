//! When a shard is to look at its sockets: at each packet while there are few, at steps of a grid while there are many.
//!
//! A wake-up costs more than a packet. A processed packet is of no use before its session's tick, and a relayed one may
//! wait a little; so, once packets come more often than the steps of a grid, the sockets are left alone between the steps and
//! a whole batch is taken at each. Leaves out the waiting itself, which is the shell's. Told the time, reads no clock.

use std::time::Duration;

use baton_signaling::Time;

use super::wheel::SLOT;

/// Between two looks while nothing is relayed: that of the wheel's slots, whose wake-ups there are anyhow.
const STEP: Duration = SLOT;

/// Between two looks while something is relayed: a packet that waits as long, for the timer (0.3 ms late at p99.9 on a quiet
/// machine) and for the batch in front of it still leaves within a millisecond of its coming.
const RELAY_STEP: Duration = Duration::from_micros(500);

/// Sessions that tick in one turn: at 90 µs each for a transcoded call, what a SIP message may have to wait for.
const TICKS_PER_TURN: usize = 8;

/// The same while something is relayed: packets wait for a third of a millisecond at the most.
const TICKS_PER_RELAY_TURN: usize = 4;

/// How long packets are counted before it is decided anew: the time in which every stream sends one.
const WINDOW: Duration = Duration::from_millis(20);

/// What ends a shard's rest, besides SIP, its timer's end and its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// When it ends at the latest; `None`: nothing is due.
    pub until: Option<Time>,
    /// Whether a packet at any RTP socket ends it.
    pub packets_wake: bool,
}

/// Decides between the two.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the window of the counts below began.
    since: Time,
    packets: u32,
    relayed: bool,
    /// The grid's step, while there is one.
    step: Option<Duration>,
}

impl Pace {
    /// A packet was taken; `relayed`: and sent on at once.
    pub(super) fn count(&mut self, relayed: bool) {
        self.packets += 1;
        if relayed {
            self.relayed = true;
            // Not at the end of the window: the step of processed streams is too long for it from now on.
            self.step = self.step.map(|step| step.min(RELAY_STEP));
        }
    }

    /// Sessions that may tick before the sockets are looked at again.
    pub(super) fn ticks_per_turn(&self) -> usize {
        match self.step {
            Some(step) if step < STEP => TICKS_PER_RELAY_TURN,
            _ if self.relayed => TICKS_PER_RELAY_TURN,
            _ => TICKS_PER_TURN,
        }
    }

    /// How to rest after a turn at `now` that leaves the next thing due at `due`.
    pub(super) fn rest(&mut self, now: Time, due: Option<Time>) -> Rest {
        if now.saturating_duration_since(self.since) >= WINDOW {
            self.decide(now);
        }
        let Some(step) = self.step else { return Rest { until: due, packets_wake: true } };
        let step = step.as_micros() as u64;
        let next = Time::from_micros((now.as_micros() / step + 1) * step);
        Rest { until: Some(due.map_or(next, |due| due.min(next))), packets_wake: false }
    }

    /// A window is over: a grid pays if at least as many packets came as it has steps; one that is there stays until they
    /// are fewer than half of that.
    fn decide(&mut self, now: Time) {
        let step = if self.relayed { RELAY_STEP } else { STEP };
        let passed = now.saturating_duration_since(self.since);
        let steps = passed.as_micros() / step.as_micros();
        let enough = if self.step.is_some() { steps.div_ceil(2) } else { steps };
        self.step = (u128::from(self.packets) >= enough).then_some(step);
        (self.since, self.packets, self.relayed) = (now, 0, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second in which `per_20ms` packets come in each 20 ms, every `nth` relayed (0: none); looks whenever told to.
    /// How often it looked, and its last rest.
    fn second(pace: &mut Pace, from: Time, per_20ms: u64, nth: u64) -> (usize, Rest) {
        let (mut now, mut looks, mut taken) = (from, 0, 0);
        let mut rest = pace.rest(now, None);
        let arrival = |n: u64| from + Duration::from_micros((n + 1) * 20_000 / per_20ms.max(1));
        let count = if per_20ms == 0 { 0 } else { 50 * per_20ms };
        while now < from + Duration::from_secs(1) {
            let packet = (taken < count).then(|| arrival(taken)).filter(|_| rest.packets_wake);
            // A tick is due every 20 ms in any case.
            let tick = Time::from_micros((now.as_micros() / 20_000 + 1) * 20_000);
            now = [packet, rest.until].into_iter().flatten().fold(tick, Time::min);
            looks += 1;
            while taken < count && arrival(taken) <= now {
                taken += 1;
                pace.count(nth > 0 && taken % nth == 0);
            }
            rest = pace.rest(now, Some(Time::from_micros((now.as_micros() / 20_000 + 1) * 20_000)));
        }
        (looks, rest)
    }

    #[test]
    fn a_shard_without_packets_rests_until_something_is_due() {
        let mut pace = Pace::default();
        assert_eq!(pace.rest(Time::from_secs(1), None), Rest { until: None, packets_wake: true });
        let due = Some(Time::from_secs(3));
        assert_eq!(pace.rest(Time::from_secs(2), due), Rest { until: due, packets_wake: true });
    }

    #[test]
    fn a_few_streams_wake_the_shard_by_themselves() {
        let mut pace = Pace::default();
        let (looks, rest) = second(&mut pace, Time::from_secs(1), 4, 0);
        assert!(rest.packets_wake);
        assert!((200..=260).contains(&looks), "{looks}: each packet and each tick");
    }

    #[test]
    fn many_processed_streams_are_looked_at_once_in_each_slot_of_the_wheel() {
        let mut pace = Pace::default();
        let (looks, rest) = second(&mut pace, Time::from_secs(1), 200, 0);
        assert!(!rest.packets_wake);
        assert!((500..=700).contains(&looks), "{looks}");
        assert_eq!(rest.until, Some(Time::from_secs(2) + SLOT));
    }

    #[test]
    fn with_a_relayed_stream_no_packet_waits_longer_than_half_a_millisecond() {
        let mut pace = Pace::default();
        let (looks, rest) = second(&mut pace, Time::from_secs(1), 200, 40);
        assert!(!rest.packets_wake);
        assert!((1950..=2250).contains(&looks), "{looks}");
        assert_eq!(rest.until, Some(Time::from_micros(2_000_500)));
    }

    #[test]
    fn the_first_relayed_packet_shortens_the_steps_at_once() {
        let mut pace = Pace::default();
        second(&mut pace, Time::from_secs(1), 200, 0);
        pace.count(true);
        assert_eq!(pace.rest(Time::from_micros(2_000_100), None).until, Some(Time::from_micros(2_000_500)));
    }

    #[test]
    fn when_the_packets_stop_the_next_one_wakes_the_shard_again() {
        let mut pace = Pace::default();
        second(&mut pace, Time::from_secs(1), 200, 0);
        let (looks, rest) = second(&mut pace, Time::from_secs(2), 0, 0);
        assert!(rest.packets_wake);
        assert!(looks <= 50 + 20, "{looks}: the ticks, and two windows of the grid at most");
    }

    #[test]
    fn what_is_due_before_the_next_step_is_not_made_to_wait() {
        let mut pace = Pace::default();
        second(&mut pace, Time::from_secs(1), 200, 0);
        let due = Time::from_micros(2_000_300);
        assert_eq!(pace.rest(Time::from_micros(2_000_200), Some(due)).until, Some(due));
    }

    #[test]
    fn a_rate_about_the_limit_does_not_make_it_go_to_and_fro() {
        let mut pace = Pace::default();
        second(&mut pace, Time::from_secs(1), 12, 0);
        for at in 2..10 {
            let (_, rest) = second(&mut pace, Time::from_secs(at), if at % 2 == 0 { 8 } else { 12 }, 0);
            assert!(!rest.packets_wake, "second {at}");
        }
    }
}
