//! The jitter buffer of one leg: packets in, in any order; packets, losses and pauses out, one after another.
//!
//! It keeps payloads as they came and decodes nothing. How long it holds them is [`DelayEstimate`]'s advice; it
//! changes its delay where a stream begins, after a pause and when it ran dry. Trimming silence is the playout's.

use baton_signaling::Time;

use super::delay::DelayEstimate;
use super::ring::{Arena, PAYLOAD_BYTES_MAX, Stored};
use crate::rtp::{ExtSeq, RtpTime};

/// Packets held at most: more than a second in packets of 10 ms.
const SLOTS: usize = 128;
/// Sound held at most, in milliseconds: an AI's first words until the caller can hear them.
const HELD_MS_MAX: u32 = 1000;
/// A dry buffer is waited for this long before the stream is taken to have stopped.
const DRY_MS_MAX: u32 = 200;
/// A hole in the numbers longer than this is skipped, not filled.
const HOLE_MS_MAX: u32 = 200;

#[derive(Clone, Copy, Debug)]
struct Slot {
    seq: ExtSeq,
    time: RtpTime,
    stored: Stored,
}

/// Least and greatest delay aimed at, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) min: u16,
    pub(crate) max: u16,
}

/// What comes out next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pop {
    /// No stream, or one that is still held back: silence.
    Idle,
    /// The next packet should have come and has not, nor has a later one. It may still be played when it comes.
    Dry,
    /// The next packet is lost. `next` bytes of the one after it were copied, if it is the very next and there.
    Lost {
        /// Length of the packet after it; 0 if that is missing too.
        next: usize,
    },
    /// The sender is silent (its timestamps jump, its numbers do not).
    Pause,
    /// A packet of this length was copied.
    Packet(usize),
}

/// The buffer.
pub(crate) struct Jitter {
    clock: u32,
    bounds: Bounds,
    slots: Box<[Option<Slot>]>,
    arena: Arena,
    held: usize,
    newest: ExtSeq,
    /// What is to be played next; `None` while nothing plays.
    next: Option<(ExtSeq, RtpTime)>,
    /// All before this one have had their turn.
    floor: Option<ExtSeq>,
    /// Length of the last packet in units of the clock.
    frame: u32,
    /// Made up while dry, in units of the clock: if the packet turns out lost, it has been made up for already.
    dry: u32,
    /// The first packet is played as soon as it is there.
    urgent: bool,
    pub(crate) delay: DelayEstimate,
    pub(crate) late: u64,
}

impl Jitter {
    /// An empty buffer for a stream with this clock rate.
    pub(crate) fn new(clock: u32, bounds: Bounds) -> Self {
        Self {
            clock,
            bounds,
            slots: vec![None; SLOTS].into(),
            arena: Arena::new(),
            held: 0,
            newest: ExtSeq::default(),
            next: None,
            floor: None,
            frame: clock / 50,
            dry: 0,
            urgent: false,
            delay: DelayEstimate::new(clock),
            late: 0,
        }
    }

    /// Forgets what it holds; the next packet is the first of a stream.
    pub(crate) fn restart(&mut self) {
        self.clear();
        self.floor = None;
        self.delay.restart();
    }

    /// Forgets what it holds, within the same stream.
    pub(crate) fn clear(&mut self) {
        for slot in &mut self.slots {
            if let Some(slot) = slot.take() {
                self.arena.free(slot.stored);
            }
        }
        (self.held, self.next, self.dry) = (0, None, 0);
    }

    /// Plays the next packet that comes without holding it back: sound has just been heard another way.
    pub(crate) fn hurry(&mut self) {
        self.urgent = true;
    }

    /// Packets held.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// What the buffer aims at, in milliseconds.
    pub(crate) fn target_ms(&self) -> u16 {
        (self.delay.wanted_ms() as u16).clamp(self.bounds.min, self.bounds.max)
    }

    /// Keeps a packet that is no duplicate. Returns whether it was in time.
    pub(crate) fn insert(&mut self, seq: ExtSeq, time: RtpTime, payload: &[u8]) -> bool {
        if self.floor.is_some_and(|floor| seq < floor) {
            self.late += 1;
            return false;
        }
        if payload.len() > PAYLOAD_BYTES_MAX {
            return false;
        }
        self.make_room(seq, time);
        let mut stored = self.arena.store(payload);
        while stored.is_none() && self.held > 0 {
            self.drop_oldest();
            stored = self.arena.store(payload);
        }
        let Some(stored) = stored else { return false };
        if self.held == 0 || seq > self.newest {
            self.newest = seq;
        }
        self.slots[seq.0 as usize % SLOTS] = Some(Slot { seq, time, stored });
        self.held += 1;
        true
    }

    /// Drops what is older than a second, or would share its slot.
    fn make_room(&mut self, seq: ExtSeq, time: RtpTime) {
        while let Some(oldest) = self.oldest() {
            let spread = i64::from(time.since(oldest.time)) * 1000 / i64::from(self.clock);
            let distance = seq.0.wrapping_sub(oldest.seq.0) as i32;
            if spread < i64::from(HELD_MS_MAX) && distance < SLOTS as i32 && distance > -(SLOTS as i32) {
                break;
            }
            self.drop_oldest();
        }
        if let Some(slot) = self.slots[seq.0 as usize % SLOTS].take() {
            self.arena.free(slot.stored);
            self.held -= 1;
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(slot) = self.oldest() {
            self.take(slot);
            self.floor = Some(ExtSeq(slot.seq.0 + 1));
            self.next = None;
        }
    }

    /// The packet with the lowest number held.
    fn oldest(&self) -> Option<Slot> {
        if self.held == 0 {
            return None;
        }
        // Nothing lies below the floor: a buffer in use is searched in a few steps.
        let floor = self.floor.map_or(0, |floor| floor.0);
        let first = self.newest.0.saturating_sub(SLOTS as u32 - 1).max(floor);
        (first..=self.newest.0).find_map(|seq| self.at(ExtSeq(seq)))
    }

    fn at(&self, seq: ExtSeq) -> Option<Slot> {
        self.slots[seq.0 as usize % SLOTS].filter(|slot| slot.seq == seq)
    }

    fn take(&mut self, slot: Slot) {
        self.slots[slot.seq.0 as usize % SLOTS] = None;
        self.arena.free(slot.stored);
        self.held -= 1;
    }

    /// What is to be played next. `need` is the sound still wanted in this tick, in units of the clock.
    pub(crate) fn pop(&mut self, now: Time, need: u32, into: &mut [u8]) -> Pop {
        let Some(oldest) = self.oldest() else { return self.pop_dry(need) };
        let due = self.delay.late_ms(now, oldest.time) >= i64::from(self.target_ms());
        let Some((seq, time)) = self.next else {
            if !due && !std::mem::take(&mut self.urgent) {
                return Pop::Idle;
            }
            return self.play(oldest, into);
        };
        let ahead = oldest.time.since(time).max(0) as u32;
        let hole = ahead.saturating_sub(self.dry);
        // Half a frame: senders that stamp by their clock, not by their samples, are a little off.
        if hole <= self.frame / 2 || due && hole > self.units(HOLE_MS_MAX) {
            return self.play(oldest, into);
        }
        if oldest.seq == seq {
            // A silent sender: where it speaks again, the delay is chosen anew.
            return if due { self.play(oldest, into) } else { Pop::Pause };
        }
        if hole > self.units(HOLE_MS_MAX) {
            return Pop::Pause;
        }
        let following = ExtSeq(seq.0 + 1);
        let is_next = oldest.seq == following && hole <= self.frame * 3 / 2;
        self.next = Some((if oldest.seq == following { seq } else { following }, time.plus(self.frame)));
        self.floor = Some(following);
        Pop::Lost { next: if is_next { self.arena.copy(oldest.stored, into) } else { 0 } }
    }

    fn pop_dry(&mut self, need: u32) -> Pop {
        if self.next.is_none() {
            return Pop::Idle;
        }
        if self.dry >= self.units(DRY_MS_MAX) {
            (self.next, self.dry) = (None, 0);
            return Pop::Idle;
        }
        self.dry += need;
        Pop::Dry
    }

    fn play(&mut self, slot: Slot, into: &mut [u8]) -> Pop {
        let length = self.arena.copy(slot.stored, into);
        self.take(slot);
        (self.dry, self.urgent) = (0, false);
        let following = ExtSeq(slot.seq.0 + 1);
        self.floor = Some(following);
        self.next = Some((following, slot.time.plus(self.frame)));
        Pop::Packet(length)
    }

    /// The packet just popped was `units` of the clock long.
    pub(crate) fn played(&mut self, units: u32) {
        if let Some((_, time)) = &mut self.next {
            *time = time.minus(self.frame).plus(units);
        }
        self.frame = units.max(1);
    }

    /// Takes the oldest packet, whether its turn has come or not.
    pub(crate) fn drain(&mut self, into: &mut [u8]) -> Option<(ExtSeq, RtpTime, usize)> {
        let slot = self.oldest()?;
        let length = self.arena.copy(slot.stored, into);
        self.take(slot);
        self.floor = Some(ExtSeq(slot.seq.0 + 1));
        (self.next, self.dry) = (None, 0);
        Some((slot.seq, slot.time, length))
    }

    /// Length of the last packet, in units of the clock.
    pub(crate) fn frame(&self) -> u32 {
        self.frame
    }

    /// How much longer than needed the sound now playing is held, in milliseconds; negative: not long enough.
    pub(crate) fn excess_ms(&self, now: Time) -> i64 {
        match self.next {
            Some((_, time)) => self.delay.late_ms(now, time) - i64::from(self.target_ms()),
            None => 0,
        }
    }

    fn units(&self, ms: u32) -> u32 {
        self.clock / 1000 * ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::Seq;

    const TICK: u32 = 160;

    struct World {
        jitter: Jitter,
        base: ExtSeq,
        played: Vec<Option<u8>>,
    }

    impl World {
        fn new() -> Self {
            let base = ExtSeq::first(Seq(65_530));
            Self { jitter: Jitter::new(8000, Bounds { min: 20, max: 200 }), base, played: Vec::new() }
        }

        /// Packet `n`, sent at `n` × 20 ms plus `skipped` of silence, comes at `ms`.
        fn packet(&mut self, n: u32, skipped_ms: u32, ms: u64) {
            let time = RtpTime(u32::MAX - 500).plus(n * TICK + skipped_ms * 8);
            self.jitter.delay.handle(Time::from_millis(ms), time);
            self.jitter.insert(ExtSeq(self.base.0 + n), time, &[n as u8; 160]);
        }

        fn tick(&mut self, ms: u64) -> Pop {
            let mut into = [0; 1500];
            let pop = self.jitter.pop(Time::from_millis(ms), TICK, &mut into);
            if let Pop::Packet(_) = pop {
                self.jitter.played(TICK);
            }
            self.played.push(matches!(pop, Pop::Packet(_)).then_some(into[0]));
            pop
        }
    }

    #[test]
    fn packets_are_held_for_the_target_and_come_out_in_order_across_both_wraps() {
        let mut world = World::new();
        for n in 0..20 {
            world.packet(n ^ 1, 0, u64::from(n) * 20);
            world.tick(u64::from(n) * 20 + 10);
        }
        let played: Vec<u8> = world.played.iter().flatten().copied().collect();
        assert_eq!(played, (0..played.len() as u8).collect::<Vec<_>>());
        assert!(played.len() >= 17, "{played:?}");
    }

    #[test]
    fn a_lost_packet_is_told_with_the_one_after_it() {
        let mut world = World::new();
        for n in [0, 1, 2, 4, 5, 6] {
            world.packet(n, 0, 0);
        }
        let pops: Vec<Pop> = (2..9).map(|n| world.tick(n * 20)).collect();
        assert_eq!(pops[3], Pop::Lost { next: 160 });
        assert_eq!(pops[4], Pop::Packet(160));
        assert_eq!(world.played, [Some(0), Some(1), Some(2), None, Some(4), Some(5), Some(6)]);
    }

    #[test]
    fn a_late_packet_is_counted_and_not_played() {
        let mut world = World::new();
        for n in [0, 2, 3] {
            world.packet(n, 0, 0);
        }
        for n in 2..6 {
            world.tick(n * 20);
        }
        world.packet(1, 0, 120);
        assert_eq!((world.jitter.late, world.jitter.held()), (1, 0));
    }

    #[test]
    fn a_packet_that_comes_while_dry_is_played_and_a_lost_one_then_not_made_up_twice() {
        let mut world = World::new();
        world.packet(0, 0, 0);
        assert_eq!([world.tick(20), world.tick(40)], [Pop::Packet(160), Pop::Dry]);
        world.packet(1, 0, 45);
        assert_eq!([world.tick(60), world.tick(80)], [Pop::Packet(160), Pop::Dry]);
        world.packet(3, 0, 90);
        assert_eq!(world.tick(100), Pop::Packet(160));
    }

    #[test]
    fn a_pause_of_the_sender_is_no_loss() {
        let mut world = World::new();
        world.packet(0, 0, 0);
        world.packet(1, 0, 20);
        world.tick(20);
        world.tick(40);
        for n in 3..15 {
            world.tick(n * 20);
        }
        world.packet(2, 300, 340);
        let pops: Vec<Pop> = (17..20).map(|n| world.tick(n * 20)).collect();
        assert!(!pops.iter().any(|pop| matches!(pop, Pop::Lost { .. })), "{pops:?}");
        assert!(pops.contains(&Pop::Packet(160)));
    }

    #[test]
    fn a_payload_longer_than_any_packet_costs_nothing_that_is_held() {
        let mut world = World::new();
        for n in 0..5 {
            world.packet(n, 0, 0);
        }
        let after = ExtSeq(world.base.0 + 5);
        assert!(!world.jitter.insert(after, RtpTime(0), &[0; PAYLOAD_BYTES_MAX + 1]));
        assert_eq!(world.jitter.held(), 5);
    }

    #[test]
    fn a_second_is_held_at_most_and_the_newest_kept() {
        let mut world = World::new();
        for n in 0..80 {
            world.packet(n, 0, u64::from(n) * 20);
        }
        assert_eq!(world.jitter.held(), 50);
        assert_eq!(world.tick(1700), Pop::Packet(160));
        assert_eq!(world.played, [Some(30)]);
    }
}
