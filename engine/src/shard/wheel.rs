//! The media clock of a shard: every session ticks each 20 ms (or 10), and the sessions are spread over the
//! milliseconds between, so that no shard works in bursts.
//!
//! Leaves out what a tick does. A tick that comes late runs once and counts what it missed; it never catches up
//! in a burst, since a burst of packets is worse for a jitter buffer than a gap.

use std::time::Duration;

use baton_signaling::Time;

/// Time from one tick of a session to its next.
pub const TICK: Duration = Duration::from_millis(20);

/// Millisecond slots in one [`TICK`].
const SLOTS: usize = 20;

/// Upper ends of the lateness buckets, in microseconds; beyond the last lies one more bucket.
pub const LATENESS_MICROS: [u64; 8] = [250, 500, 1_000, 2_000, 3_000, 5_000, 10_000, 20_000];

/// How late ticks ran: counts for each of [`LATENESS_MICROS`] and one for all beyond.
pub type Lateness = [u64; LATENESS_MICROS.len() + 1];

/// Sessions by the millisecond in which they tick.
#[derive(Debug)]
pub struct Wheel {
    slots: [Slot; SLOTS],
    added: usize,
    lateness: Lateness,
    missed: u64,
}

#[derive(Debug, Default)]
struct Slot {
    sessions: Vec<u32>,
    /// When it ticks next; `None` while it holds no session.
    due: Option<Time>,
}

impl Slot {
    fn leave(&mut self, session: u32) {
        if let Some(at) = self.sessions.iter().position(|&other| other == session) {
            self.sessions.swap_remove(at);
            if self.sessions.is_empty() {
                self.due = None;
            }
        }
    }
}

impl Wheel {
    /// An empty wheel with room for `sessions` before a slot allocates.
    pub fn new(sessions: usize) -> Self {
        let room = sessions.div_ceil(SLOTS);
        let slots = std::array::from_fn(|_| Slot { sessions: Vec::with_capacity(room), due: None });
        Self { slots, added: 0, lateness: [0; LATENESS_MICROS.len() + 1], missed: 0 }
    }

    /// Gives `session` a slot; its first tick comes within [`TICK`] of `now`.
    pub fn add(&mut self, now: Time, session: u32) {
        let index = self.added % SLOTS;
        self.added = self.added.wrapping_add(1);
        self.put(now, session, index);
    }

    /// Lets a session that has one slot tick every 10 ms: it also gets the slot half a [`TICK`] away.
    pub fn double(&mut self, now: Time, session: u32) {
        if let Some(index) = self.slots.iter().position(|slot| slot.sessions.contains(&session)) {
            self.put(now, session, (index + SLOTS / 2) % SLOTS);
        }
    }

    /// Lets a doubled session tick every [`TICK`] again: it leaves one of its two slots.
    pub fn halve(&mut self, session: u32) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.sessions.contains(&session)) {
            slot.leave(session);
        }
    }

    /// Takes `session` out of all its slots; does nothing if it is in none.
    pub fn remove(&mut self, session: u32) {
        self.slots.iter_mut().for_each(|slot| slot.leave(session));
    }

    fn put(&mut self, now: Time, session: u32, index: usize) {
        let slot = &mut self.slots[index];
        slot.sessions.push(session);
        slot.due.get_or_insert(first_after(now, index));
    }

    /// The slot that has been due longest, already set to its next instant; its sessions tick once, however late.
    pub fn take_due(&mut self, now: Time) -> Option<usize> {
        let due_at = |slot: &Slot| slot.due.filter(|&due| due <= now);
        let (index, due) = (0..SLOTS)
            .filter_map(|index| due_at(&self.slots[index]).map(|due| (index, due)))
            .min_by_key(|&(_, due)| due)?;
        let late = now - due;
        let missed = late.as_micros() as u64 / TICK.as_micros() as u64;
        let slot = &mut self.slots[index];
        slot.due = Some(due + TICK + Duration::from_micros(missed * TICK.as_micros() as u64));
        self.missed += missed * slot.sessions.len() as u64;
        let bucket = LATENESS_MICROS.partition_point(|&end| end < late.as_micros() as u64);
        self.lateness[bucket] += slot.sessions.len() as u64;
        Some(index)
    }

    /// The `nth` session of a slot.
    pub fn session(&self, slot: usize, nth: usize) -> Option<u32> {
        self.slots[slot].sessions.get(nth).copied()
    }

    /// When the next slot is due.
    pub fn next(&self) -> Option<Time> {
        self.slots.iter().filter_map(|slot| slot.due).min()
    }

    /// How late ticks ran since the start, counted per session.
    pub fn lateness(&self) -> &Lateness {
        &self.lateness
    }

    /// Ticks that never ran because their instant had passed by a whole [`TICK`], counted per session.
    pub fn missed(&self) -> u64 {
        self.missed
    }
}

/// The first instant after `now` that lies in millisecond `slot` of the 20.
fn first_after(now: Time, slot: usize) -> Time {
    let tick = TICK.as_micros() as u64;
    let start = now.as_micros() / tick * tick;
    let at = Time::from_micros(start + slot as u64 * 1000);
    if at > now { at } else { at + TICK }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(wheel: &mut Wheel, now: Time) -> Vec<u32> {
        let mut ran = Vec::new();
        while let Some(slot) = wheel.take_due(now) {
            ran.extend((0..).map_while(|nth| wheel.session(slot, nth)));
        }
        ran
    }

    #[test]
    fn twenty_sessions_tick_in_twenty_different_milliseconds() {
        let mut wheel = Wheel::new(20);
        for session in 0..20 {
            wheel.add(Time::from_micros(1), session);
        }
        for millis in 1..=20 {
            assert_eq!(run(&mut wheel, Time::from_millis(millis)).len(), 1, "millisecond {millis}");
        }
        assert_eq!(wheel.missed(), 0);
    }

    #[test]
    fn a_session_ticks_every_twenty_milliseconds() {
        let mut wheel = Wheel::new(1);
        wheel.add(Time::from_millis(3), 7);
        let ticks: Vec<u64> =
            (0..=100).filter(|&at| !run(&mut wheel, Time::from_millis(at)).is_empty()).collect();
        assert_eq!(ticks, [20, 40, 60, 80, 100]);
    }

    #[test]
    fn a_doubled_session_ticks_every_ten_milliseconds_until_it_is_removed() {
        let mut wheel = Wheel::new(1);
        wheel.add(Time::from_millis(3), 7);
        wheel.double(Time::from_millis(25), 7);
        let ticks: Vec<u64> =
            (0..=60).filter(|&at| !run(&mut wheel, Time::from_millis(at)).is_empty()).collect();
        assert_eq!(ticks, [20, 30, 40, 50, 60]);
        wheel.halve(7);
        let ticks: Vec<u64> =
            (61..=120).filter(|&at| !run(&mut wheel, Time::from_millis(at)).is_empty()).collect();
        assert_eq!(ticks, [70, 90, 110]);
        wheel.remove(7);
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn a_tick_that_comes_late_runs_once_and_counts_what_it_missed() {
        let mut wheel = Wheel::new(1);
        wheel.add(Time::ZERO, 7);
        assert_eq!(run(&mut wheel, Time::from_millis(95)), [7]);
        assert_eq!(wheel.missed(), 3);
        assert_eq!(wheel.lateness()[LATENESS_MICROS.len()], 1, "75 ms lie beyond the last bucket");
        assert_eq!(wheel.next(), Some(Time::from_millis(100)), "the instants stay where they were");
    }

    #[test]
    fn a_wheel_without_sessions_wants_no_wake() {
        let mut wheel = Wheel::new(1);
        assert_eq!(wheel.next(), None);
        wheel.add(Time::ZERO, 7);
        wheel.remove(7);
        assert_eq!(wheel.next(), None);
        assert!(run(&mut wheel, Time::from_secs(1)).is_empty());
    }

    #[test]
    fn lateness_is_counted_in_the_bucket_it_fits() {
        let mut wheel = Wheel::new(1);
        wheel.add(Time::ZERO, 7);
        run(&mut wheel, Time::from_micros(20_400));
        assert_eq!(wheel.lateness()[..3], [0, 1, 0]);
    }
}
