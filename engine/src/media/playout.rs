//! From a leg's jitter buffer to sound, as much as a tick wants: decodes, conceals, trims silence to catch up.
//!
//! It leaves out who hears it. All sound here is mono at 8 kHz.

use baton_codecs::level::{GateSettings, SpeechGate};
use baton_signaling::Time;

use super::coder::{SoundDecoder, TICK_SAMPLES_MAX};
use super::jitter::{Jitter, Pop};
use super::ring::PAYLOAD_BYTES_MAX;

/// Decoded sound kept between ticks: the longest Opus payload (120 ms) behind an unfinished tick.
const FIFO_SAMPLES: usize = 960 + TICK_SAMPLES_MAX;
/// Sound held longer than needed by this much is trimmed where it is silent.
const TRIM_MS: i64 = 20;
/// Held shorter than needed by this much, silence is stretched.
const STRETCH_MS: i64 = 15;
/// Quiet for a frame: the pauses between words are long enough to trim.
const QUIET_SAMPLES_MIN: u32 = 160;

/// A leg's decoder and what it has made.
pub(crate) struct Playout {
    pub(crate) jitter: Jitter,
    decoder: SoundDecoder,
    clock: u32,
    fifo: Box<[i16]>,
    filled: usize,
    gate: SpeechGate,
    pub(crate) concealed: u64,
    pub(crate) malformed: u64,
}

impl Playout {
    /// Nothing heard yet.
    pub(crate) fn new(jitter: Jitter, decoder: SoundDecoder, clock: u32) -> Self {
        Self {
            jitter,
            decoder,
            clock,
            fifo: vec![0; FIFO_SAMPLES].into(),
            filled: 0,
            gate: SpeechGate::new(GateSettings::telephone(8000)),
            concealed: 0,
            malformed: 0,
        }
    }

    /// Another codec from now on: what was held cannot be decoded any more.
    pub(crate) fn replace(&mut self, mut jitter: Jitter, decoder: SoundDecoder, clock: u32) {
        jitter.late = self.jitter.late;
        (self.jitter, self.decoder, self.clock, self.filled) = (jitter, decoder, clock, 0);
    }

    /// Fills `sound`, from the buffer or with what takes its place.
    pub(crate) fn pull(&mut self, now: Time, sound: &mut [i16]) {
        let mut trimmed = false;
        while self.filled < sound.len() {
            let need = sound.len() - self.filled;
            if self.is_quiet() && self.jitter.held() > 0 && self.jitter.excess_ms(now) < -STRETCH_MS {
                self.put_silence(need);
                continue;
            }
            let got = self.step(now, need);
            if !trimmed && got > 0 && self.is_quiet() && self.jitter.excess_ms(now) > TRIM_MS {
                // At most one frame a tick: twice the speed, in silence.
                (trimmed, self.filled) = (true, self.filled - got);
            }
        }
        sound.copy_from_slice(&self.fifo[..sound.len()]);
        self.fifo.copy_within(sound.len()..self.filled, 0);
        self.filled -= sound.len();
    }

    /// Adds the next piece of sound; returns its length if it was a packet's.
    fn step(&mut self, now: Time, need: usize) -> usize {
        let mut payload = [0; PAYLOAD_BYTES_MAX];
        match self.jitter.pop(now, self.units(need), &mut payload) {
            Pop::Packet(length) => return self.decode(&payload[..length]),
            Pop::Idle => self.put_silence(need),
            Pop::Lost { next } => {
                self.concealed += 1;
                let frame = self.samples(self.jitter.frame()).clamp(1, FIFO_SAMPLES - TICK_SAMPLES_MAX);
                self.conceal(frame, &payload[..next]);
            }
            Pop::Dry => {
                self.concealed += 1;
                self.conceal(need, &[]);
            }
            // An Opus decoder goes on with its comfort noise, G.711's last sound fades.
            Pop::Pause => self.conceal(need, &[]),
        }
        0
    }

    fn decode(&mut self, payload: &[u8]) -> usize {
        match self.decoder.decode(payload, &mut self.fifo[self.filled..]) {
            Ok(samples) if samples > 0 => {
                self.gate.told(&self.fifo[self.filled..self.filled + samples]);
                self.filled += samples;
                self.jitter.played(self.units(samples));
                samples
            }
            _ => {
                self.malformed += 1;
                self.conceal(self.samples(self.jitter.frame()).clamp(1, TICK_SAMPLES_MAX), &[]);
                0
            }
        }
    }

    fn conceal(&mut self, samples: usize, next: &[u8]) {
        let room = &mut self.fifo[self.filled..self.filled + samples];
        let done =
            if next.is_empty() { self.decoder.conceal(room) } else { self.decoder.recover(next, room) };
        if done.is_err() {
            room.fill(0);
        }
        self.gate.told(room);
        self.filled += samples;
    }

    fn put_silence(&mut self, samples: usize) {
        let room = &mut self.fifo[self.filled..self.filled + samples];
        room.fill(0);
        self.gate.told(room);
        self.filled += samples;
    }

    /// Hears a packet that goes another way (relay), to know its length and loudness. Returns its last sample.
    pub(crate) fn listen(&mut self, payload: &[u8]) -> i16 {
        let mut sound = [0; FIFO_SAMPLES];
        match self.decoder.decode(payload, &mut sound) {
            Ok(samples) if samples > 0 => {
                self.gate.told(&sound[..samples]);
                sound[samples - 1]
            }
            _ => 0,
        }
    }

    /// Drops decoded sound that was not played yet: the packets after it go another way.
    pub(crate) fn drop_decoded(&mut self) {
        self.filled = 0;
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

    /// Nothing is left to be played.
    pub(crate) fn is_drained(&self) -> bool {
        self.jitter.held() == 0 && self.filled == 0
    }

    fn units(&self, samples: usize) -> u32 {
        samples as u32 * (self.clock / 8000)
    }

    fn samples(&self, units: u32) -> usize {
        (units / (self.clock / 8000)) as usize
    }
}
