//! When a shard is to look at the sockets whose packets are not urgent: at each packet while there are few, at steps of a grid
//! while there are many.
//!
//! A wake-up costs more than a packet. A packet that is decoded is of no use before its session's tick; so, once such packets
//! come more often than the steps of a grid, their sockets are left alone between the steps and a whole batch is taken at
//! each. Leaves out relayed packets, each of which wakes the shard (`Sessions::relayed`), and the waiting itself, which is the
//! shell's. Told the time, reads no clock.

use std::time::Duration;

use baton_signaling::Time;

use super::wheel::SLOT;

/// Between two looks: that of the wheel's slots, whose wake-ups there are anyhow.
const STEP: Duration = SLOT;

/// Sessions that work in one turn of ticks: at 90 µs each for a transcoded call, what a SIP message may have to wait for.
const TICKS_PER_TURN: usize = 8;

/// The same while something is relayed: packets wait for a third of a millisecond at the most.
const TICKS_PER_RELAY_TURN: usize = 4;

/// Sessions that tick in one turn without work for a codec, at 2 µs each, for one that has some. A turn for each few of
/// them would cost more than they do.
const LIGHT_TICKS: usize = 16;

/// How long the messages of one turn may hold up ticks and packets.
const MESSAGES_TIME: Duration = Duration::from_millis(1);

/// Messages taken at once while ticks wait: signalling goes on, at the pace of the sound.
const MESSAGES_MIN: usize = 4;

/// How long packets are counted before it is decided anew: the time in which every stream sends one.
const WINDOW: Duration = Duration::from_millis(20);

/// What ends a shard's rest, besides SIP, its timer's end and its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// When it ends at the latest; `None`: nothing is due.
    pub until: Option<Time>,
    /// Whether any packet ends it; an urgent one does in any case.
    pub packets_wake: bool,
}

/// Decides between the two.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the window of the counts below began.
    since: Time,
    packets: u32,
    /// Whether something was relayed in the window before, or has been in this one.
    relays: bool,
    relayed: bool,
    /// Whether sockets are looked at by the grid.
    grid: bool,
}

/// How many messages a turn takes: fewer when those of the last one took too long, which no clock inside a turn tells.
#[derive(Debug)]
pub(super) struct Budget {
    most: usize,
    now: usize,
    /// When the last turn began and what it took, if another follows at once.
    last: Option<(Time, usize)>,
}

impl Budget {
    /// At most `most` a turn.
    pub(super) fn new(most: usize) -> Self {
        Self { most, now: most, last: None }
    }

    /// Messages for a turn at `now`; `overdue`: sessions wait for their ticks.
    pub(super) fn messages(&mut self, now: Time, overdue: bool) -> usize {
        if let Some((began, taken)) = self.last.take()
            && taken > 0
        {
            let slow = now.saturating_duration_since(began) > MESSAGES_TIME;
            self.now = if slow { (taken / 2).max(MESSAGES_MIN) } else { (self.now * 2).min(self.most) };
        }
        if overdue { MESSAGES_MIN } else { self.now }
    }

    /// A turn that began at `now` took `taken`; `followed`: the next one comes at once, so its beginning tells what they cost.
    pub(super) fn took(&mut self, now: Time, taken: usize, followed: bool) {
        self.last = followed.then_some((now, taken));
    }
}

/// What the ticks of a turn have left of its time.
#[derive(Debug)]
pub(super) struct TickBudget(usize);

impl TickBudget {
    /// Whether another session may tick.
    pub(super) fn is_left(&self) -> bool {
        self.0 > 0
    }

    /// A session has ticked; `worked`: it has encoded something, or decoded Opus.
    pub(super) fn count(&mut self, worked: bool) {
        self.0 = self.0.saturating_sub(if worked { LIGHT_TICKS } else { 1 });
    }
}

impl Pace {
    /// A packet was taken; `relayed`: and sent on at once.
    pub(super) fn count(&mut self, relayed: bool) {
        if relayed {
            (self.relays, self.relayed) = (true, true);
        } else {
            self.packets += 1;
        }
    }

    /// Sessions that may tick before the sockets are looked at again.
    pub(super) fn ticks(&self) -> TickBudget {
        TickBudget(LIGHT_TICKS * if self.relays { TICKS_PER_RELAY_TURN } else { TICKS_PER_TURN })
    }

    /// How to rest at `now` after a turn that leaves the next thing due at `due`; all sockets were last looked at when it was
    /// `looked`: a step that has passed since is made up for at once.
    pub(super) fn rest(&mut self, now: Time, due: Option<Time>, looked: Time) -> Rest {
        if now.saturating_duration_since(self.since) >= WINDOW {
            self.decide(now);
        }
        if !self.grid {
            return Rest { until: due, packets_wake: true };
        }
        let next = next_step(looked);
        Rest { until: Some(due.map_or(next, |due| due.min(next))), packets_wake: false }
    }

    /// A window is over: a grid pays if at least as many packets came as it has steps; one that is there stays until they
    /// are fewer than half of that.
    fn decide(&mut self, now: Time) {
        let passed = now.saturating_duration_since(self.since);
        let steps = passed.as_micros() / STEP.as_micros();
        let enough = if self.grid { steps.div_ceil(2) } else { steps };
        self.grid = u128::from(self.packets) >= enough;
        (self.since, self.packets, self.relays, self.relayed) = (now, 0, self.relayed, false);
    }
}

/// The first instant after `now` at which a slot of the wheel ends.
fn next_step(now: Time) -> Time {
    let slot = STEP.as_micros() as u64;
    Time::from_micros((now.as_micros() / slot + 1) * slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second in which `per_20ms` packets come in each 20 ms, every `nth` relayed (0: none); looks whenever told to, and is
    /// not woken by urgent ones.
    /// How often it looked, and its last rest.
    fn second(pace: &mut Pace, from: Time, per_20ms: u64, nth: u64) -> (usize, Rest) {
        let (mut now, mut looks, mut taken) = (from, 0, 0);
        let mut rest = pace.rest(now, None, now);
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
            rest = pace.rest(now, Some(Time::from_micros((now.as_micros() / 20_000 + 1) * 20_000)), now);
        }
        (looks, rest)
    }

    #[test]
    fn a_shard_without_packets_rests_until_something_is_due() {
        let mut pace = Pace::default();
        assert_eq!(pace.rest(Time::from_secs(1), None, Time::ZERO), Rest { until: None, packets_wake: true });
        let due = Some(Time::from_secs(3));
        assert_eq!(pace.rest(Time::from_secs(2), due, Time::ZERO), Rest { until: due, packets_wake: true });
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
    fn relayed_packets_which_wake_the_shard_by_themselves_make_no_grid() {
        let mut pace = Pace::default();
        let (_, rest) = second(&mut pace, Time::from_secs(1), 200, 1);
        assert!(rest.packets_wake);
        second(&mut pace, Time::from_secs(2), 200, 0);
        let (looks, rest) = second(&mut pace, Time::from_secs(3), 200, 4);
        assert!(!rest.packets_wake, "the others still wait for theirs");
        assert!((500..=700).contains(&looks), "{looks}");
    }

    #[test]
    fn the_grid_is_that_of_the_slots() {
        assert_eq!(next_step(Time::from_micros(666)), Time::from_micros(2_000));
        assert_eq!(next_step(Time::from_micros(2_000)), Time::from_micros(4_000));
    }

    #[test]
    fn messages_that_take_long_are_taken_in_smaller_numbers() {
        let mut budget = Budget::new(64);
        let mut now = Time::from_secs(1);
        let mut taken = Vec::new();
        // 100 µs each, then 10 µs.
        for cost in [100, 100, 100, 100, 100, 10, 10, 10] {
            let messages = budget.messages(now, false);
            budget.took(now, messages, true);
            taken.push(messages);
            now += Duration::from_micros(cost) * messages as u32;
        }
        assert_eq!(taken, [64, 32, 16, 8, 16, 8, 16, 32]);
    }

    #[test]
    fn while_ticks_wait_a_flood_of_messages_does_too() {
        let mut budget = Budget::new(64);
        assert_eq!(budget.messages(Time::from_secs(1), true), MESSAGES_MIN);
        budget.took(Time::from_secs(1), MESSAGES_MIN, true);
        assert_eq!(budget.messages(Time::from_micros(1_000_100), false), 64);
    }

    #[test]
    fn a_turn_after_a_rest_says_nothing_of_what_messages_cost() {
        let mut budget = Budget::new(64);
        budget.messages(Time::from_secs(1), false);
        budget.took(Time::from_secs(1), 3, false);
        assert_eq!(budget.messages(Time::from_secs(2), false), 64);
    }

    #[test]
    fn sessions_that_only_pass_packets_on_tick_in_one_turn() {
        let mut pace = Pace::default();
        pace.count(true);
        let count = |worked| {
            let mut ticks = pace.ticks();
            (0..1_000).take_while(|_| ticks.is_left().then(|| ticks.count(worked)).is_some()).count()
        };
        assert_eq!((count(true), count(false)), (TICKS_PER_RELAY_TURN, TICKS_PER_RELAY_TURN * LIGHT_TICKS));
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
        let now = Time::from_micros(2_000_200);
        assert_eq!(pace.rest(now, Some(due), now).until, Some(due));
    }

    #[test]
    fn a_step_that_passed_while_only_urgent_sockets_were_looked_at_is_made_up_for() {
        let mut pace = Pace::default();
        second(&mut pace, Time::from_secs(1), 200, 0);
        // The last look at all was at 0.2 ms, and a turn of urgent packets went on beyond the slot's end.
        let rest = pace.rest(Time::from_micros(2_002_300), None, Time::from_micros(2_000_200));
        assert_eq!(rest.until, Some(Time::from_micros(2_002_000)));
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
