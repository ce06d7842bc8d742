//! The media clock of a shard: every session ticks each 20 ms (or 10), and the sessions are spread over slots between, so that
//! no shard works in bursts.
//!
//! Leaves out what a tick does. A tick that comes late runs once and counts what it missed; it never catches up
//! in a burst, since a burst of packets is worse for a jitter buffer than a gap.

use std::time::Duration;

use baton_signaling::Time;

/// Time from one tick of a session to its next.
pub const TICK: Duration = Duration::from_millis(20);

/// Slots in one [`TICK`]. Each is a wake-up from sleep, after which the processor's caches have to be filled anew: with slots of
/// 1 ms the codecs' own work cost 3 % more than with these.
const SLOTS: usize = 10;

/// Time from one slot to the next.
pub(super) const SLOT: Duration = Duration::from_millis(TICK.as_millis() as u64 / SLOTS as u64);

/// Upper ends of the lateness buckets, in microseconds; beyond the last lies one more bucket.
pub const LATENESS_MICROS: [u64; 8] = [250, 500, 1_000, 2_000, 3_000, 5_000, 10_000, 20_000];

/// How late ticks ran: counts for each of [`LATENESS_MICROS`] and one for all beyond.
pub type Lateness = [u64; LATENESS_MICROS.len() + 1];

/// Sessions by the slot in which they tick.
#[derive(Debug)]
pub struct Wheel {
    slots: [Slot; SLOTS],
    added: usize,
    /// The slot whose sessions tick at the moment, and its instant.
    turning: Option<(usize, Time)>,
    lateness: Lateness,
    missed: u64,
}

#[derive(Debug, Default)]
struct Slot {
    sessions: Vec<u32>,
    /// How many of them, from the first, have ticked in the round under way.
    ticked: usize,
    /// When it ticks next; `None` while it holds no session.
    due: Option<Time>,
}

impl Slot {
    fn leave(&mut self, session: u32) {
        let Some(mut at) = self.sessions.iter().position(|&other| other == session) else { return };
        if at < self.ticked {
            // The last takes the place of the one that leaves; of those that have ticked this must be one that has, too.
            self.ticked -= 1;
            self.sessions.swap(at, self.ticked);
            at = self.ticked;
        }
        self.sessions.swap_remove(at);
        if self.sessions.is_empty() {
            self.due = None;
        }
    }
}

impl Wheel {
    /// An empty wheel with room for `sessions` before a slot allocates.
    pub fn new(sessions: usize) -> Self {
        let room = sessions.div_ceil(SLOTS);
        let slot = |_| Slot { sessions: Vec::with_capacity(room), ..Slot::default() };
        Self {
            slots: std::array::from_fn(slot),
            added: 0,
            turning: None,
            lateness: [0; LATENESS_MICROS.len() + 1],
            missed: 0,
        }
    }

    /// Gives `session` the slot that has fewest; its first tick comes within [`TICK`] of `now`.
    pub fn add(&mut self, now: Time, session: u32) {
        let first = self.added % SLOTS;
        self.added = self.added.wrapping_add(1);
        let load = |&nth: &usize| self.slots[(first + nth) % SLOTS].sessions.len();
        let nth = (0..SLOTS).min_by_key(load).unwrap_or(0);
        self.put(now, session, (first + nth) % SLOTS);
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

    /// The next session to tick: of the slot that is turning, else of the one that has been due longest, each once, however
    /// late. `None` ends a slot, and tells that no other is due.
    pub fn take(&mut self, now: Time) -> Option<u32> {
        let (index, due) = match self.turning {
            Some(turning) => turning,
            None => self.begin(now)?,
        };
        let slot = &mut self.slots[index];
        let Some(&session) = slot.sessions.get(slot.ticked) else {
            self.turning = None;
            return None;
        };
        slot.ticked += 1;
        let late = now.saturating_duration_since(due).as_micros() as u64;
        self.lateness[LATENESS_MICROS.partition_point(|&end| end < late)] += 1;
        Some(session)
    }

    /// Begins the round of the slot that has been due longest, and sets it to its next instant.
    fn begin(&mut self, now: Time) -> Option<(usize, Time)> {
        let due_at = |slot: &Slot| slot.due.filter(|&due| due <= now);
        let (index, due) = (0..SLOTS)
            .filter_map(|index| due_at(&self.slots[index]).map(|due| (index, due)))
            .min_by_key(|&(_, due)| due)?;
        let missed = (now - due).as_micros() as u64 / TICK.as_micros() as u64;
        let slot = &mut self.slots[index];
        slot.due = Some(due + TICK + Duration::from_micros(missed * TICK.as_micros() as u64));
        slot.ticked = 0;
        self.missed += missed * slot.sessions.len() as u64;
        self.turning = Some((index, due));
        self.turning
    }

    /// When the next session is to tick.
    pub fn next(&self) -> Option<Time> {
        match self.turning {
            Some((index, due)) if self.slots[index].ticked < self.slots[index].sessions.len() => Some(due),
            _ => self.slots.iter().filter_map(|slot| slot.due).min(),
        }
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

/// The first instant after `now` that lies in `slot`.
fn first_after(now: Time, slot: usize) -> Time {
    let tick = TICK.as_micros() as u64;
    let start = now.as_micros() / tick * tick;
    let at = Time::from_micros(start) + SLOT * slot as u32;
    if at > now { at } else { at + TICK }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(wheel: &mut Wheel, now: Time) -> Vec<u32> {
        let mut ran = Vec::new();
        while wheel.next().is_some_and(|due| due <= now) {
            ran.extend(std::iter::from_fn(|| wheel.take(now)));
        }
        ran
    }

    #[test]
    fn ten_sessions_tick_in_ten_different_slots() {
        let mut wheel = Wheel::new(10);
        for session in 0..10 {
            wheel.add(Time::from_micros(1), session);
        }
        for slot in 1..=10 {
            assert_eq!(run(&mut wheel, Time::ZERO + SLOT * slot).len(), 1, "slot {slot}");
        }
        assert_eq!(wheel.missed(), 0);
    }

    #[test]
    fn a_new_session_gets_the_slot_of_one_that_has_left() {
        let mut wheel = Wheel::new(10);
        for session in 0..25 {
            wheel.add(Time::from_micros(1), session);
        }
        // Both sessions of the slot in the middle.
        [5, 15].into_iter().for_each(|session| wheel.remove(session));
        wheel.add(Time::from_micros(1), 25);
        wheel.add(Time::from_micros(1), 26);
        let lengths: Vec<usize> =
            (1..=10).map(|slot| run(&mut wheel, Time::ZERO + SLOT * slot).len()).collect();
        assert!(lengths.iter().all(|length| (2..=3).contains(length)), "{lengths:?}");
    }

    #[test]
    fn each_session_ticks_once_in_a_round_in_which_others_come_and_go() {
        let mut wheel = Wheel::new(0);
        for session in 0..80 {
            wheel.add(Time::ZERO, session);
        }
        let now = Time::ZERO + SLOT;
        let ticked: Vec<u32> = (0..4).map_while(|_| wheel.take(now)).collect();
        assert_eq!((ticked.len(), wheel.next()), (4, Some(now)), "four of the eight are left");
        wheel.remove(ticked[1]);
        let rest: Vec<u32> = std::iter::from_fn(|| wheel.take(now)).collect();
        assert_eq!(rest.len(), 4);
        assert!(rest.iter().all(|session| !ticked.contains(session)));
        let again = run(&mut wheel, now + TICK);
        assert_eq!(
            again.iter().filter(|&session| ticked.contains(session) || rest.contains(session)).count(),
            7
        );
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
