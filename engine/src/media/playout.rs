//! From a leg's jitter buffer to sound, as much as a tick wants: decodes, conceals, and keeps the delay where it belongs.
//!
//! It leaves out who hears it. All sound here is mono at 8 kHz.
//!
//! A packet is taken out on a tick, so the delay of the sound moves in whole ticks whatever is done: what counts is that
//! the next packet is taken no earlier than the target after the fastest one's arrival, and that no sound waits a tick
//! longer than that. Between the two nothing is changed. Outside, pitch periods are left out or repeated
//! ([`baton_codecs::stretch`]) until it is so again.

use std::time::Duration;

use baton_codecs::Rate;
use baton_codecs::comfort_noise::Noise;
use baton_codecs::level::{Activity, GateSettings, SpeechGate};
use baton_codecs::opus::{self, Toc};
use baton_codecs::stretch::{self, Alike};
use baton_signaling::Time;

use super::coder::{SoundDecoder, TICK_SAMPLES_MAX};
use super::jitter::{Jitter, Pop};
use super::ring::PAYLOAD_BYTES_MAX;

/// Sound already played that is kept, for the pitch of what follows.
const PAST: usize = stretch::BEFORE;
/// Decoded sound kept between ticks: the longest Opus payload (120 ms) behind an unfinished tick.
const READY_MAX: usize = 960 + TICK_SAMPLES_MAX;
/// The shortest packet that every far end takes, 10 ms.
const REST_STEP_SAMPLES: usize = 80;
/// No buffer holds more than a second.
const LAG_MS_MAX: i64 = 1000;
/// Quiet for a frame: the pauses between words are long enough to trim.
const QUIET_SAMPLES_MIN: u32 = 160;
/// The next packet may be taken this much before the target, in milliseconds: [`super::delay`]'s margin.
const EARLY_MS: i64 = 4;
/// A change must leave this much of that margin, or the clocks' drift would undo it.
const SPARE_MS: i64 = 2;
/// Speech is made faster or slower by an eighth at the most, and by a quarter while it is this far from where it
/// belongs, in milliseconds.
const LATE_MS: i64 = 60;
const SHORT_MS: i64 = 20;
/// Sound held shorter than it should be by this much is made longer by whatever period it has, in milliseconds.
const URGENT_MS: i64 = 8;
/// How alike two periods must be for one to go: at first, and less with each tick that found none, down to a least.
const ALIKE_FIRST: f32 = 0.98;
const ALIKE_LEAST: f32 = 0.3;

/// How a change is made: samples between two, for each one changed, and how much less alike the next tick is content with.
#[derive(Clone, Copy)]
struct Haste {
    pace: usize,
    step: f32,
}

const AT_LEISURE: Haste = Haste { pace: 7, step: 0.002 };
const IN_HASTE: Haste = Haste { pace: 3, step: 0.02 };

/// Packets that carry no copy of the one before, until a sender is taken to send none: there is none of silence.
const HELP_PACKETS: u8 = 100;
/// The seed of a leg's comfort noise: which noise it is, nobody can tell.
const NOISE_SEED: u32 = 1;
/// Noise is no louder than this, whatever the far end says: it stands for silence.
const NOISE_DBOV_MAX: f32 = -20.0;

/// A leg's decoder and what it has made.
pub(crate) struct Playout {
    pub(crate) jitter: Jitter,
    decoder: SoundDecoder,
    clock: u32,
    /// [`PAST`] samples that were played, and behind them those that are ready.
    fifo: Box<[i16]>,
    filled: usize,
    gate: SpeechGate,
    /// Comfort noise instead of concealment: the far end has told its level.
    noise: Option<Noise>,
    /// How alike periods must be, and samples until the next change is allowed.
    alike: f32,
    rest: usize,
    /// Packets since one that would help to fill a hole before it.
    without_help: u8,
    /// Pieces that an Opus decoder has decoded or made up.
    pub(crate) decoded: u64,
    pub(crate) counts: SoundCounts,
}

/// What a playout has counted besides its buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SoundCounts {
    /// Payloads that could not be decoded.
    pub(crate) malformed: u64,
    /// Lost frames restored from the copy in the next packet.
    pub(crate) recovered: u64,
    /// Samples made up for lost or late packets.
    pub(crate) concealed_samples: u64,
    /// Samples left out to catch up.
    pub(crate) accelerated: u64,
    /// Samples put in to fall back.
    pub(crate) stretched: u64,
}

impl Playout {
    /// Nothing heard yet.
    pub(crate) fn new(jitter: Jitter, decoder: SoundDecoder, clock: u32) -> Self {
        Self {
            jitter,
            decoder,
            clock,
            fifo: vec![0; PAST + READY_MAX].into(),
            filled: 0,
            gate: SpeechGate::new(GateSettings::telephone(8000)),
            noise: None,
            alike: ALIKE_FIRST,
            rest: 0,
            without_help: HELP_PACKETS,
            decoded: 0,
            counts: SoundCounts::default(),
        }
    }

    /// Another codec from now on: what was held cannot be decoded any more.
    pub(crate) fn replace(&mut self, mut jitter: Jitter, decoder: SoundDecoder, clock: u32) {
        jitter.counts = self.jitter.counts;
        (self.jitter, self.decoder, self.clock, self.filled, self.noise) = (jitter, decoder, clock, 0, None);
    }

    /// Fills `sound`, from the buffer or with what takes its place.
    pub(crate) fn pull(&mut self, now: Time, sound: &mut [i16]) {
        self.jitter.quiet = self.is_quiet();
        self.fill(now, sound.len());
        self.keep_pace(now, sound.len());
        sound.copy_from_slice(&self.fifo[PAST..PAST + sound.len()]);
        self.fifo.copy_within(sound.len()..PAST + self.filled, 0);
        self.filled -= sound.len();
    }

    fn fill(&mut self, now: Time, tick: usize) {
        while self.filled < tick {
            self.step(now, tick - self.filled);
        }
    }

    /// Leaves out or repeats a period if the sound is held too long or the next packet not long enough.
    fn keep_pace(&mut self, now: Time, tick: usize) {
        self.rest = self.rest.saturating_sub(tick);
        let Some(late) = self.jitter.late_ms(now) else { return };
        let target = i64::from(self.jitter.target_ms());
        let (tick_ms, held_ms) = (tick as i64 / 8, self.filled as i64 / 8);
        let whole_ticks = held_ms / tick_ms;
        // With nothing held there is nothing to catch up with, whatever the fastest packets of late have done.
        let excess = if self.jitter.held() > 0 { late + held_ms - target - tick_ms } else { 0 };
        let lack = target - EARLY_MS - (late + whole_ticks * tick_ms);
        if excess <= 0 && lack <= 0 {
            self.alike = ALIKE_FIRST;
            return;
        }
        let haste = if excess > LATE_MS || lack > SHORT_MS { IN_HASTE } else { AT_LEISURE };
        let quiet = self.is_quiet();
        if self.rest > 0 && !quiet {
            return;
        }
        let alike = if quiet { Alike::Whatever } else { Alike::AtLeast(self.alike) };
        let (most, changed) = if lack > 0 {
            let most = self.most_put_in(tick, lack, quiet);
            (most, self.stretch(most, alike))
        } else {
            // Another packet is taken in this tick if that is not too early.
            let most = if late >= target - EARLY_MS + SPARE_MS { self.filled } else { self.filled - tick };
            let most = most.min((excess + tick_ms) as usize * 8);
            (most, self.accelerate(most, alike))
        };
        match changed {
            Some(samples) => self.rest = samples * haste.pace,
            // Where only a short period would do, its lack says nothing of the sound.
            None if most < stretch::CHANGE_MAX => {}
            None => self.alike = (self.alike - haste.step).max(ALIKE_LEAST),
        }
        self.fill(now, tick);
    }

    fn accelerate(&mut self, most: usize, alike: Alike) -> Option<usize> {
        let taken = stretch::shrink(&mut self.fifo[..PAST + self.filled], PAST, most, alike)?;
        self.filled -= taken;
        self.counts.accelerated += taken as u64;
        Some(taken)
    }

    fn stretch(&mut self, most: usize, alike: Alike) -> Option<usize> {
        let put = stretch::grow(&mut self.fifo, PAST, PAST + self.filled, most, alike)?;
        self.filled += put;
        self.counts.stretched += put as u64;
        Some(put)
    }

    /// What is put in at most: what lacks to a whole tick, which is when a packet is taken a tick later. A period that is
    /// longer makes for delay without use, and is taken only when it becomes urgent.
    fn most_put_in(&self, tick: usize, lack: i64, quiet: bool) -> usize {
        let lacks = tick - self.filled % tick;
        if quiet {
            lacks.max(stretch::CHANGE_MIN)
        } else if lack > URGENT_MS {
            stretch::CHANGE_MAX
        } else {
            lacks.max(tick / 4)
        }
    }

    /// Adds the next piece of sound.
    fn step(&mut self, now: Time, need: usize) {
        let mut payload = [0; PAYLOAD_BYTES_MAX];
        let whole = self.decoder.whole(need);
        let popped = self.jitter.pop(now, self.units(whole), &mut payload);
        self.decoded += u64::from(popped != Pop::Idle && self.decoder.is_made());
        match popped {
            Pop::Packet(length) => self.decode(&payload[..length]),
            Pop::Idle => {
                self.noise = None;
                self.put_silence(need);
            }
            Pop::Lost { next, ahead } => {
                let ahead = self.samples(ahead);
                let frame =
                    self.samples(self.jitter.frame()).clamp(1, READY_MAX - TICK_SAMPLES_MAX).min(ahead);
                self.restore(frame, &payload[..next], ahead);
            }
            Pop::Dry => {
                self.counts.concealed_samples += whole as u64;
                self.conceal(whole);
            }
            // An Opus decoder goes on with its comfort noise, G.711's last sound fades.
            Pop::Pause if self.noise.is_none() => self.conceal(whole),
            Pop::Pause => self.put_noise(need),
            Pop::Noise(length) => self.hear_noise(&payload[..length]),
        }
    }

    fn decode(&mut self, payload: &[u8]) {
        self.noise = None;
        let ready = &mut self.fifo[PAST + self.filled..];
        match self.decoder.decode(payload, ready) {
            Ok(samples) if samples > 0 => {
                self.gate.told(&ready[..samples]);
                self.filled += samples;
                self.jitter.played(self.units(samples));
                self.without_help =
                    if self.decoder.helps(payload) { 0 } else { self.without_help.saturating_add(1) };
                self.jitter.looks_ahead = self.without_help < HELP_PACKETS;
                if self.decoder.is_silence(payload) {
                    self.jitter.pause();
                }
            }
            _ => {
                self.counts.malformed += 1;
                self.conceal(self.samples(self.jitter.frame()).clamp(1, TICK_SAMPLES_MAX));
            }
        }
    }

    /// A lost frame with the payload behind the hole at hand, which begins `ahead` samples after it.
    fn restore(&mut self, samples: usize, next: &[u8], ahead: usize) {
        let room = &mut self.fifo[PAST + self.filled..][..samples];
        match self.decoder.restore(next, ahead, room) {
            Ok(true) => {
                self.counts.recovered += 1;
                self.jitter.counts.concealed -= 1;
            }
            Ok(false) => self.counts.concealed_samples += samples as u64,
            Err(_) => room.fill(0),
        }
        self.gate.told(room);
        self.filled += samples;
    }

    fn conceal(&mut self, samples: usize) {
        let room = &mut self.fifo[PAST + self.filled..][..samples];
        if self.decoder.conceal(room).is_err() {
            room.fill(0);
        }
        self.gate.told(room);
        self.filled += samples;
    }

    fn put_silence(&mut self, samples: usize) {
        let room = &mut self.fifo[PAST + self.filled..][..samples];
        room.fill(0);
        self.gate.told(room);
        self.filled += samples;
    }

    /// RFC 3389 §3.1: the first byte is the level, in -dBov; §3.2: the others are its spectrum.
    fn hear_noise(&mut self, payload: &[u8]) {
        let level = payload.first().map_or(f32::NEG_INFINITY, |byte| -f32::from(byte & 0x7f));
        let dbov = level.min(NOISE_DBOV_MAX);
        let noise = self.noise.get_or_insert_with(|| Noise::new(NOISE_SEED, dbov));
        noise.set_dbov(dbov);
        noise.set_spectrum(payload.get(1..).unwrap_or_default());
    }

    fn put_noise(&mut self, samples: usize) {
        let room = &mut self.fifo[PAST + self.filled..][..samples];
        if let Some(noise) = &mut self.noise {
            noise.fill(room);
        }
        self.gate.told(room);
        self.filled += samples;
    }

    /// Hears a packet that goes another way (relay), to know its length and loudness. Returns its last sample.
    pub(crate) fn listen(&mut self, payload: &[u8]) -> i16 {
        let mut sound = [0; READY_MAX];
        match self.decoder.decode(payload, &mut sound) {
            Ok(samples) if samples > 0 => {
                self.gate.told(&sound[..samples]);
                sound[samples - 1]
            }
            _ => 0,
        }
    }

    /// A packet of Opus goes another way and is not even heard: whether it holds a voice, it tells itself.
    pub(crate) fn pass(&mut self, payload: &[u8]) {
        self.decoder.passed();
        let samples = Toc::of(payload).map_or(0, |toc| toc.samples(Rate::Hz8000));
        self.gate.guessed(opus::carries_voice(payload), samples as u32);
    }

    pub(crate) fn decoder(&mut self) -> &mut SoundDecoder {
        &mut self.decoder
    }

    /// An Opus decoder has been needed.
    pub(crate) fn has_opus(&self) -> bool {
        self.decoder.is_made()
    }

    /// Drops decoded sound that was not played yet: the packets after it go another way.
    pub(crate) fn drop_decoded(&mut self) {
        self.filled = 0;
    }

    /// Whether there is decoded sound that was not played yet.
    pub(crate) fn has_rest(&self) -> bool {
        self.filled > 0
    }

    /// Takes decoded sound that was not played yet, made longer to whole pieces of 10 ms; its length, 0 if there is no more.
    pub(crate) fn take_rest(&mut self, into: &mut [i16; TICK_SAMPLES_MAX]) -> usize {
        let lacks = self.filled.next_multiple_of(REST_STEP_SAMPLES) - self.filled;
        if lacks > 0 {
            self.conceal(lacks);
        }
        let length = self.filled.min(TICK_SAMPLES_MAX);
        into[..length].copy_from_slice(&self.fifo[PAST..PAST + length]);
        self.fifo.copy_within(length..PAST + self.filled, 0);
        self.filled -= length;
        length
    }

    /// How long ago the sound of this tick came in, reckoned by the fastest packets.
    pub(crate) fn lag(&self, now: Time, tick: Duration) -> Duration {
        let held_ms = self.filled as i64 / 8;
        let behind = self.jitter.late_ms(now).unwrap_or(0) + held_ms;
        Duration::from_millis(behind.clamp(0, LAG_MS_MAX).unsigned_abs()) + tick
    }

    /// What the speech gate says of the last frame.
    pub(crate) fn activity(&self) -> Activity {
        self.gate.activity()
    }

    /// Somebody speaks, or has paused for less than 300 ms.
    pub(crate) fn is_speaking(&self) -> bool {
        self.gate.activity().speaking
    }

    /// The last frame was quiet.
    pub(crate) fn is_quiet(&self) -> bool {
        let activity = self.gate.activity();
        !activity.speaking || activity.quiet_samples >= QUIET_SAMPLES_MIN
    }

    /// Nothing is left to be played, but for less than a tick.
    pub(crate) fn is_drained(&self) -> bool {
        self.jitter.held() == 0 && self.filled < TICK_SAMPLES_MAX
    }

    fn units(&self, samples: usize) -> u32 {
        samples as u32 * (self.clock / 8000)
    }

    fn samples(&self, units: u32) -> usize {
        (units / (self.clock / 8000)) as usize
    }
}
