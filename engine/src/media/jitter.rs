//! The jitter buffer of one leg: packets in, in any order; packets, losses and pauses out, one after another.
//!
//! It keeps payloads as they came and decodes nothing. How long it holds them is [`DelayEstimate`]'s advice, and a
//! packet more while there is loss, so that the one behind a hole is there in time. It chooses its delay where a stream
//! begins and after a pause; how the delay changes in between is the playout's business.

use std::time::Duration;

use baton_signaling::Time;

use super::delay::DelayEstimate;
use super::ring::{Arena, PAYLOAD_BYTES_MAX, Stored};
use crate::rtp::{ExtSeq, RtpTime};

/// Packets held at most: more than a second in packets of 10 ms.
const SLOTS: usize = 128;
/// Sound held until somebody can hear it, in milliseconds: an AI's first words, from their start.
const WAITING_MS_MAX: u32 = 1000;
/// Sound held while it plays, in milliseconds: what waited, and what comes before a tick has made room.
const HELD_MS_MAX: u32 = 1200;
/// A dry buffer is waited for this long before the stream is taken to have stopped.
const DRY_MS_MAX: u32 = 200;
/// A sender that has paused before and is quiet now may be silent for this long: Opus tells of itself every 400 ms
/// (RFC 6716 §2.1.9).
const PAUSE_MS_MAX: u32 = 1000;
/// A hole in the numbers longer than this is skipped, not filled.
const HOLE_MS_MAX: u32 = 200;
/// Shortest packet of sound that there is, 2.5 ms in tenths of a millisecond (RFC 6716 §2.1.4): holes are filled in pieces as long as
/// the packet before, and no sender is to make thousands of them out of one.
const PACKET_TENTHS_MIN: u32 = 25;
/// After a loss the packet behind the next one is waited for during this time.
const LOSSY: Duration = Duration::from_secs(10);
/// A packet is taken to be lost, and not late, after this.
const SURELY_LOST: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug)]
struct Slot {
    seq: ExtSeq,
    time: RtpTime,
    stored: Stored,
    content: Content,
    /// A talk spurt begins with it (RFC 3551 §4.1).
    begins: bool,
}

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Sound,
    /// Comfort noise (RFC 3389).
    Noise,
    /// Nothing to be played: the sender has pressed a key (RFC 4733), and its number is not missing.
    Event,
    /// Nothing at all: the sender only shows that it is there (RFC 6263 §4.4), and its number is not missing.
    Nothing,
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
    /// The next packet is lost. The payload behind the hole was copied.
    Lost {
        /// Length of that payload.
        next: usize,
        /// From the start of the lost packet to that of the payload, in units of the clock.
        ahead: u32,
    },
    /// The sender is silent: it has said so, or its timestamps jump and its numbers do not.
    Pause,
    /// The sender is silent from here on, and comfort noise (RFC 3389) of this length was copied.
    Noise(usize),
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
    /// The same in pieces, as they are counted.
    dry_pieces: u64,
    /// The first packet is played as soon as it is there.
    urgent: bool,
    /// Somebody has asked for sound: it waits no longer.
    asked: bool,
    /// The sender has said that it is silent from here on.
    silent: bool,
    /// It has said so by pressing a key.
    pressed: bool,
    /// The sender has paused before, so it may pause again.
    pauses: bool,
    /// What was played last is quiet enough for a pause; the playout's word.
    pub(crate) quiet: bool,
    /// A packet behind a hole helps to fill it; the playout's word.
    pub(crate) looks_ahead: bool,
    /// There is loss from here on, until there.
    lossy: [Time; 2],
    /// What is waited for in addition while there is loss, in milliseconds.
    ahead_ms: u32,
    pub(crate) delay: DelayEstimate,
    pub(crate) counts: Counts,
}

/// What a buffer has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Packets that came after their turn.
    pub(crate) late: u64,
    /// Packets dropped because more was held than may be.
    pub(crate) overrun: u64,
    /// Times that the next packet came too late to be played without a break.
    pub(crate) underruns: u64,
    /// Pieces made up for packets that were lost or late.
    pub(crate) concealed: u64,
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
            dry_pieces: 0,
            urgent: false,
            asked: false,
            silent: false,
            pressed: false,
            pauses: false,
            quiet: false,
            looks_ahead: false,
            lossy: [Time::ZERO; 2],
            ahead_ms: 0,
            delay: DelayEstimate::new(clock),
            counts: Counts::default(),
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
        (self.held, self.next, self.dry, self.dry_pieces) = (0, None, 0, 0);
        (self.asked, self.silent, self.pressed) = (false, false, false);
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
        ((self.delay.wanted_ms() + self.ahead_ms) as u16).clamp(self.bounds.min, self.bounds.max)
    }

    /// Keeps a packet that is no duplicate. Returns whether it was in time.
    pub(crate) fn insert(&mut self, seq: ExtSeq, time: RtpTime, payload: &[u8]) -> bool {
        self.keep(seq, time, payload, Content::Sound)
    }

    /// Keeps a payload of comfort noise (RFC 3389) in its place among the packets.
    pub(crate) fn insert_noise(&mut self, seq: ExtSeq, time: RtpTime, payload: &[u8]) -> bool {
        self.keep(seq, time, payload, Content::Noise)
    }

    /// Takes note that this number is that of a key press, sent instead of sound or beside it.
    pub(crate) fn insert_event(&mut self, seq: ExtSeq, time: RtpTime) {
        if self.floor.is_none_or(|floor| seq >= floor) {
            self.keep(seq, time, &[], Content::Event);
        }
    }

    /// Takes note that this number is that of an empty packet.
    pub(crate) fn insert_nothing(&mut self, seq: ExtSeq, time: RtpTime) {
        if self.floor.is_none_or(|floor| seq >= floor) {
            self.keep(seq, time, &[], Content::Nothing);
        }
    }

    /// A talk spurt begins with this packet, if it is held.
    pub(crate) fn begins(&mut self, seq: ExtSeq) {
        if let Some(slot) = self.slots[seq.0 as usize % SLOTS].as_mut().filter(|slot| slot.seq == seq) {
            slot.begins = true;
        }
    }

    fn keep(&mut self, seq: ExtSeq, time: RtpTime, payload: &[u8], content: Content) -> bool {
        if self.floor.is_some_and(|floor| seq < floor) {
            self.counts.late += 1;
            // It was not lost: waiting for the packet behind it would not have helped.
            self.lossy[1] = Time::ZERO;
            return false;
        }
        if payload.len() > PAYLOAD_BYTES_MAX || !self.make_room(seq, time) {
            return false;
        }
        let mut stored = self.arena.store(payload);
        while stored.is_none() && self.asked && self.held > 0 {
            self.drop_oldest();
            stored = self.arena.store(payload);
        }
        let Some(stored) = stored else {
            self.counts.overrun += 1;
            return false;
        };
        if self.held == 0 || seq > self.newest {
            self.newest = seq;
        }
        self.slots[seq.0 as usize % SLOTS] = Some(Slot { seq, time, stored, content, begins: false });
        self.held += 1;
        true
    }

    /// Makes room for a packet; `false` if it finds none. Sound that nobody has asked for yet is kept from its start; of
    /// what plays already, the oldest gives way.
    fn make_room(&mut self, seq: ExtSeq, time: RtpTime) -> bool {
        while let Some(oldest) = self.oldest() {
            let distance = seq.0.wrapping_sub(oldest.seq.0) as i32;
            let near = distance < SLOTS as i32 && distance > -(SLOTS as i32);
            let span = i64::from(time.since(oldest.time));
            // By their number, since timestamps may jump; and by time, since the packet played last may have been longer.
            let fits = if self.asked {
                self.held < (self.units(HELD_MS_MAX) / self.frame) as usize
                    || (0..i64::from(self.units(HELD_MS_MAX))).contains(&span)
            } else {
                span < i64::from(self.units(WAITING_MS_MAX))
            };
            if near && fits {
                break;
            }
            self.counts.overrun += 1;
            if !self.asked {
                return false;
            }
            self.drop_oldest();
        }
        if let Some(slot) = self.slots[seq.0 as usize % SLOTS].take() {
            self.arena.free(slot.stored);
            self.held -= 1;
        }
        true
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
        self.asked = true;
        let lossy = self.looks_ahead && self.lossy[0] <= now && now < self.lossy[1];
        self.ahead_ms = if lossy { self.frame * 1000 / self.clock } else { 0 };
        self.pass_events();
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
        let joins = hole <= self.frame / 2;
        if joins || due && (hole > self.units(HOLE_MS_MAX) || self.silent || oldest.seq == seq) {
            self.account(now, oldest, ahead);
            return self.play(oldest, into);
        }
        // A silent sender: where it speaks again, the delay is chosen anew. A hole too long to be filled is waited for
        // in the same way.
        if oldest.seq == seq || self.silent || hole > self.units(HOLE_MS_MAX) {
            return Pop::Pause;
        }
        self.has_lost(now);
        self.counts.concealed += 1 + self.dry_pieces;
        let following = ExtSeq(seq.0 + 1);
        let length = self.frame.min(hole);
        // What was made up while dry counts for the packet that is lost now; the hole behind it is still to be filled.
        (self.dry, self.dry_pieces) = (0, 0);
        // Where a talk spurt begins behind the hole, what is left of it when all that is lost has been made up is silence.
        let last = oldest.seq == following && !oldest.begins;
        self.next = Some((if last { seq } else { following }, oldest.time.minus(hole - length)));
        self.floor = Some(following);
        Pop::Lost { next: self.arena.copy(oldest.stored, into), ahead: hole }
    }

    /// What has a number and no sound, and whose turn it is. With a key press what plays pauses until there is sound again.
    /// They are no part of a stream that does not play yet.
    fn pass_events(&mut self) {
        let soundless = |slot: &Slot| matches!(slot.content, Content::Event | Content::Nothing);
        while let Some(slot) = self.oldest().filter(soundless) {
            self.take(slot);
            if slot.content == Content::Nothing && self.next.is_none_or(|(next, _)| slot.seq != next) {
                // What was before it may still come.
                continue;
            }
            let following = ExtSeq(slot.seq.0 + 1);
            self.floor = Some(following);
            if let Some((next, _)) = &mut self.next {
                *next = following;
                if slot.content == Content::Event {
                    (self.silent, self.pressed) = (true, true);
                }
            }
        }
    }

    /// A packet that is about to be played tells what was made up before it: a break, a loss, or the sender's silence.
    fn account(&mut self, now: Time, slot: Slot, ahead: u32) {
        let Some((seq, _)) = self.next else { return };
        let in_time = ahead <= self.frame / 2;
        if slot.seq == seq && !in_time {
            self.pauses |= !self.pressed;
        } else if self.dry > 0 && !self.silent {
            self.counts.concealed += self.dry_pieces;
            self.counts.underruns += u64::from(in_time);
            if !in_time {
                self.has_lost(now);
            }
        }
    }

    fn has_lost(&mut self, now: Time) {
        if now >= self.lossy[1] {
            self.lossy[0] = now + SURELY_LOST;
        }
        self.lossy[1] = now + LOSSY;
    }

    fn pop_dry(&mut self, need: u32) -> Pop {
        if self.next.is_none() {
            return Pop::Idle;
        }
        if self.silent {
            return Pop::Pause;
        }
        let pauses = self.pauses && self.quiet;
        if self.dry >= self.units(if pauses { PAUSE_MS_MAX } else { DRY_MS_MAX }) {
            (self.next, self.dry, self.dry_pieces) = (None, 0, 0);
            return Pop::Idle;
        }
        self.dry += need;
        self.dry_pieces += 1;
        if pauses { Pop::Pause } else { Pop::Dry }
    }

    fn play(&mut self, slot: Slot, into: &mut [u8]) -> Pop {
        let length = self.arena.copy(slot.stored, into);
        self.take(slot);
        let noise = slot.content == Content::Noise;
        (self.dry, self.dry_pieces, self.urgent) = (0, 0, false);
        (self.silent, self.pressed) = (noise, false);
        let following = ExtSeq(slot.seq.0 + 1);
        self.floor = Some(following);
        let length_units = if noise { 0 } else { self.frame };
        self.next = Some((following, slot.time.plus(length_units)));
        if noise { Pop::Noise(length) } else { Pop::Packet(length) }
    }

    /// The packet just popped says that the sender is silent until the next one.
    pub(crate) fn pause(&mut self) {
        self.silent = true;
    }

    /// The packet just popped was `units` of the clock long.
    pub(crate) fn played(&mut self, units: u32) {
        if let Some((_, time)) = &mut self.next {
            *time = time.minus(self.frame).plus(units);
        }
        self.frame = units.max(self.units(PACKET_TENTHS_MIN) / 10);
    }

    /// Takes the oldest packet of sound, whether its turn has come or not.
    pub(crate) fn drain(&mut self, into: &mut [u8]) -> Option<(ExtSeq, RtpTime, usize)> {
        let slot = loop {
            let slot = self.oldest()?;
            if slot.content == Content::Sound {
                break slot;
            }
            self.take(slot);
        };
        let length = self.arena.copy(slot.stored, into);
        self.take(slot);
        self.floor = Some(ExtSeq(slot.seq.0 + 1));
        (self.next, self.dry, self.dry_pieces) = (None, 0, 0);
        Some((slot.seq, slot.time, length))
    }

    /// Length of the last packet, in units of the clock.
    pub(crate) fn frame(&self) -> u32 {
        self.frame
    }

    /// How late the next packet would come if it came at `now`, in milliseconds: the delay of the sound now playing.
    /// `None` while nothing plays, or what plays is made up.
    pub(crate) fn late_ms(&self, now: Time) -> Option<i64> {
        let (_, time) = self.next.filter(|_| self.dry == 0 && !self.silent)?;
        Some(self.delay.late_ms(now, time))
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
        assert_eq!(pops[3], Pop::Lost { next: 160, ahead: TICK });
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
        assert_eq!((world.jitter.counts.late, world.jitter.held()), (1, 0));
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
    fn a_second_that_nobody_has_asked_for_is_kept_from_its_start() {
        let mut world = World::new();
        for n in 0..80 {
            world.packet(n, 0, u64::from(n) * 20);
        }
        assert_eq!((world.jitter.held(), world.jitter.counts.overrun), (50, 30));
        assert_eq!(world.tick(1700), Pop::Packet(160));
        assert_eq!(world.played, [Some(0)]);
    }

    #[test]
    fn what_waited_is_played_though_more_comes_and_of_too_much_the_newest_is_kept() {
        let mut world = World::new();
        for n in 0..50 {
            world.packet(n, 0, 0);
        }
        world.tick(1000);
        for n in 50..59 {
            world.packet(n, 0, 1000);
        }
        assert_eq!((world.jitter.held(), world.jitter.counts.overrun), (58, 0));
        for n in 59..100 {
            world.packet(n, 0, 1000);
        }
        assert_eq!(world.jitter.held(), 60, "1.2 s");
        assert_eq!(world.tick(1020), Pop::Packet(160));
        assert_eq!(world.played, [Some(0), Some(40)]);
    }

    #[test]
    fn a_burst_that_is_lost_is_told_packet_by_packet_with_what_lies_behind_it() {
        let mut world = World::new();
        for n in [0, 1, 5, 6, 7] {
            world.packet(n, 0, 0);
        }
        let pops: Vec<Pop> = (2..8).map(|n| world.tick(n * 20)).collect();
        let lost = |packets: u32| Pop::Lost { next: 160, ahead: packets * TICK };
        assert_eq!(pops[2..], [lost(3), lost(2), lost(1), Pop::Packet(160)]);
        assert_eq!(world.jitter.counts, Counts { concealed: 3, ..Counts::default() });
    }

    #[test]
    fn a_hole_behind_the_shortest_packets_is_filled_in_a_few_pieces() {
        let mut world = World::new();
        let mut into = [0; 1500];
        let time = RtpTime(0);
        world.jitter.delay.handle(Time::ZERO, time);
        for (n, units, bytes) in [(0, 0, 1), (1, 1, 1), (9, 801, 160)] {
            world.jitter.insert(ExtSeq(world.base.0 + n), time.plus(units), &[1; 160][..bytes]);
        }
        let mut pieces = 0;
        loop {
            match world.jitter.pop(Time::from_millis(40), TICK, &mut into) {
                Pop::Packet(1) => world.jitter.played(1),
                Pop::Packet(_) => break,
                _ => pieces += 1,
            }
        }
        assert!(pieces <= 40, "{pieces} for 100 ms");
    }

    #[test]
    fn short_packets_behind_a_long_one_are_held_as_long_as_the_delay_wants() {
        let mut world = World::new();
        world.jitter.bounds = Bounds { min: 200, max: 200 };
        let mut into = [0; 1500];
        world.packet(0, 0, 0);
        assert_eq!(world.jitter.pop(Time::from_millis(200), TICK, &mut into), Pop::Packet(160));
        // It was 120 ms long, and what follows it is heard of only later.
        world.jitter.played(6 * TICK);
        for n in 20..40 {
            world.tick(n * 20);
        }
        for n in 1..100 {
            world.packet(n, 1000, u64::from(n) * 20 + 1000);
            world.tick(u64::from(n) * 20 + 1010);
        }
        assert!(world.played.iter().flatten().count() > 80, "{:?}", world.played);
        assert_eq!(world.jitter.counts.overrun, 0);
    }

    #[test]
    fn of_a_burst_that_ran_dry_only_the_rest_is_made_up() {
        let mut world = World::new();
        world.packet(0, 0, 0);
        assert_eq!([world.tick(20), world.tick(40)], [Pop::Packet(160), Pop::Dry]);
        world.packet(3, 0, 60);
        assert_eq!(
            [world.tick(60), world.tick(80)],
            [Pop::Lost { next: 160, ahead: TICK }, Pop::Packet(160)]
        );
    }

    #[test]
    fn a_loss_makes_the_buffer_hold_a_packet_more_for_ten_seconds_where_that_helps() {
        for helps in [false, true] {
            let mut world = World::new();
            world.jitter.looks_ahead = helps;
            for n in 0..1000 {
                if n != 300 {
                    world.packet(n, 0, u64::from(n) * 20);
                }
                world.tick(u64::from(n) * 20 + 10);
                let lossy = helps && (306..801).contains(&n);
                assert_eq!(world.jitter.target_ms(), if lossy { 25 } else { 20 }, "{n}");
            }
        }
    }

    #[test]
    fn a_packet_too_late_is_an_underrun_and_a_silent_sender_none() {
        let mut world = World::new();
        world.packet(0, 0, 0);
        world.tick(20);
        world.tick(40);
        world.packet(1, 0, 55);
        world.tick(60);
        assert_eq!(world.jitter.counts, Counts { underruns: 1, concealed: 1, ..Counts::default() });
        for n in 4..9 {
            world.tick(n * 20);
        }
        world.packet(2, 100, 140);
        let pops: Vec<Pop> = (9..13).map(|n| world.tick(n * 20)).collect();
        assert!(pops.contains(&Pop::Packet(160)), "{pops:?}");
        assert_eq!(world.jitter.counts, Counts { underruns: 1, concealed: 1, ..Counts::default() });
    }

    #[test]
    fn where_a_talk_spurt_begins_behind_a_loss_only_what_is_lost_is_made_up_and_not_the_pause() {
        // The last packet before a pause of 140 ms is lost: one packet of eight is missing.
        for begins in [false, true] {
            let mut world = World::new();
            world.packet(0, 0, 0);
            world.tick(20);
            world.packet(2, 120, 161);
            if begins {
                world.jitter.begins(ExtSeq(world.base.0 + 2));
            }
            let pops: Vec<Pop> = (9..17).map(|n| world.tick(n * 20)).collect();
            let lost = pops.iter().filter(|pop| matches!(pop, Pop::Lost { .. })).count();
            assert_eq!(lost, if begins { 1 } else { 7 }, "{pops:?}");
            assert!(pops.contains(&Pop::Packet(160)), "{pops:?}");
        }
    }

    #[test]
    fn after_comfort_noise_nothing_is_missing_until_sound_comes_and_is_due() {
        let mut world = World::new();
        world.packet(0, 0, 0);
        assert!(world.jitter.insert_noise(
            ExtSeq(world.base.0 + 1),
            RtpTime(u32::MAX - 500).plus(TICK),
            &[60]
        ));
        assert_eq!([world.tick(20), world.tick(40)], [Pop::Packet(160), Pop::Noise(1)]);
        for n in 3..100 {
            assert_eq!(world.tick(n * 20), Pop::Pause);
        }
        world.packet(2, 2000, 2040);
        assert_eq!([world.tick(2050), world.tick(2070)], [Pop::Pause, Pop::Packet(160)]);
        assert_eq!(world.jitter.counts, Counts::default());
    }
}
