//! Digits as tones: heard in a sound and made (ITU-T Q.23, Q.24).
//!
//! What it leaves out: telephone-events ([`crate::telephone_event`]), and when listening is worth its cost. All sound
//! here is at 8 kHz.

use std::f32::consts::TAU;

use crate::tone::Tone;

/// The low group, by the row of the key, then the high group, by its column (Q.23 §2).
const HZ: [f32; 8] = [697.0, 770.0, 852.0, 941.0, 1209.0, 1336.0, 1477.0, 1633.0];
/// Event code of each key by row and column (RFC 4733 §3.2).
const KEYS: [[u8; 4]; 4] = [[1, 2, 3, 12], [4, 5, 6, 13], [7, 8, 9, 14], [10, 0, 11, 15]];
/// Samples looked at together, 12.75 ms: a tone of 40 ms, the shortest that must be heard (Q.24), holds two whole blocks
/// wherever it begins.
const BLOCK: usize = 102;
/// Blocks that must agree before a key counts, and blocks without it that end it. A pause of 40 ms, the shortest that
/// parts two presses (Q.24), spoils three blocks; a gap of 10 ms, which must not, spoils two.
const HITS: u8 = 2;
const MISSES: u8 = 3;
/// Weakest tone that is looked at, as a mean square: two sines at -33 dBm0 each are at -36 dBov together. Q.24 asks for
/// -25 dBm0 and weaker lines are none of ours.
const POWER_MIN: f32 = 32_768.0 * 32_768.0 * 2.5e-4;
/// Share of a block's power that must lie in the two tones: speech has much elsewhere.
const SHARE_MIN: f32 = 0.70;
/// The strongest tone of a group stands out over the others by this factor (6 dB).
const APART: f32 = 4.0;
/// Twist (Q.24): the high tone may be stronger by 6 dB, or weaker by 10.
const HIGH_OVER_LOW: f32 = 4.0;
const LOW_OVER_HIGH: f32 = 10.0;
/// How far a tone may be off: 1.5 % and 2 Hz must be taken, 3.5 % must not (Q.24).
const OFF_MAX: f32 = 0.027;
/// Peak of each tone that we make: -9 dBm0 for the low one, -7 for the high one (0 dBm0 is a sine of peak 23 170 by
/// G.711's +3.14).
const LOW_PEAK: f64 = 8_200.0;
const HIGH_PEAK: f64 = 10_300.0;

/// What a [`Detector`] has heard in a piece of sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// A key that was being pressed is no longer: its event code.
    pub ended: Option<u8>,
    /// A key is being pressed: its event code.
    pub began: Option<u8>,
}

/// Listens for keys. Costs some fifteen instructions a sample while there is sound, two in silence.
#[derive(Clone, Debug)]
pub struct Detector {
    /// 2·cos of each frequency's turn.
    turns: [f32; 8],
    block: [i16; BLOCK],
    filled: usize,
    /// What the last block said: its key, and where in their cycles its two tones stood.
    last: Option<Hit>,
    hits: u8,
    misses: u8,
    pressed: Option<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Hit {
    key: u8,
    tones: [usize; 2],
    phases: [f32; 2],
}

impl Default for Detector {
    fn default() -> Self {
        Self::new()
    }
}

impl Detector {
    /// Has heard nothing.
    pub fn new() -> Self {
        Detector {
            turns: HZ.map(|hz| 2.0 * (TAU * hz / 8000.0).cos()),
            block: [0; BLOCK],
            filled: 0,
            last: None,
            hits: 0,
            misses: 0,
            pressed: None,
        }
    }

    /// The key that is being pressed.
    pub fn pressed(&self) -> Option<u8> {
        self.pressed
    }

    /// The last block sounded like a key, or one is being pressed: enough to keep a sound back that may turn out to be one.
    pub fn suspects(&self) -> bool {
        self.hits > 0 || self.pressed.is_some()
    }

    /// Takes the next sound; at most a block's length may bring more than one change, of which the last counts.
    pub fn told(&mut self, samples: &[i16]) -> Heard {
        let mut heard = Heard::default();
        let mut rest = samples;
        while !rest.is_empty() {
            let take = rest.len().min(BLOCK - self.filled);
            self.block[self.filled..self.filled + take].copy_from_slice(&rest[..take]);
            (self.filled, rest) = (self.filled + take, &rest[take..]);
            if self.filled == BLOCK {
                self.filled = 0;
                self.end_block(&mut heard);
            }
        }
        heard
    }

    /// Forgets what was heard.
    pub fn reset(&mut self) {
        *self = Self::new();
    }

    fn end_block(&mut self, heard: &mut Heard) {
        let hit = self.look();
        let steady = match (&self.last, &hit) {
            (Some(last), Some(hit)) => last.key == hit.key && is_steady(last, hit),
            _ => false,
        };
        self.hits = match &hit {
            Some(_) if steady => self.hits.saturating_add(1),
            Some(_) => 1,
            None => 0,
        };
        self.last = hit;
        let held = hit.is_some_and(|hit| Some(hit.key) == self.pressed);
        self.misses = if held { 0 } else { self.misses.saturating_add(1) };
        let fresh = hit.filter(|hit| self.hits == HITS && Some(hit.key) != self.pressed);
        if self.pressed.is_some() && (fresh.is_some() || self.misses >= MISSES) {
            heard.ended = self.pressed.take();
        }
        if let Some(hit) = fresh {
            self.pressed = Some(hit.key);
            self.misses = 0;
            heard.began = self.pressed;
        }
    }

    /// The key that this block sounds like.
    fn look(&self) -> Option<Hit> {
        let power: i64 = self.block.iter().map(|&s| i64::from(i32::from(s) * i32::from(s))).sum();
        let power = power as f32;
        if power < POWER_MIN * BLOCK as f32 {
            return None;
        }
        let (last, before) = self.filter();
        let strength = |at: usize| {
            let (s, t) = (last[at], before[at]);
            s * s + t * t - self.turns[at] * s * t
        };
        let strengths: [f32; 8] = std::array::from_fn(strength);
        let (low, high) = (strongest(&strengths[..4])?, 4 + strongest(&strengths[4..])?);
        let (l, h) = (strengths[low], strengths[high]);
        // A sine of peak A is A²·N²/4 here and A²·N/2 in the power.
        let share = (l + h) * 2.0 / BLOCK as f32 / power;
        if share < SHARE_MIN || h > l * HIGH_OVER_LOW || l > h * LOW_OVER_HIGH {
            return None;
        }
        let phase = |at: usize| {
            let turn = TAU * HZ[at] / 8000.0;
            (before[at] * turn.sin()).atan2(last[at] - before[at] * turn.cos())
        };
        Some(Hit { key: KEYS[low][high - 4], tones: [low, high], phases: [phase(low), phase(high)] })
    }

    /// Goertzel's filter at all eight frequencies side by side; the last two states of each.
    fn filter(&self) -> ([f32; 8], [f32; 8]) {
        let (mut last, mut before) = ([0.0f32; 8], [0.0f32; 8]);
        for &sample in &self.block {
            let sample = f32::from(sample);
            for at in 0..8 {
                let next = sample + self.turns[at] * last[at] - before[at];
                before[at] = last[at];
                last[at] = next;
            }
        }
        (last, before)
    }
}

/// The strongest of a group, if it stands out.
fn strongest(group: &[f32]) -> Option<usize> {
    let (at, most) = group.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let alone = group.iter().enumerate().all(|(other, &it)| other == at || it * APART < most);
    alone.then_some(at)
}

/// Whether both tones went on from one block to the next at the frequency they should have: speech glides.
fn is_steady(last: &Hit, hit: &Hit) -> bool {
    (0..2).all(|n| {
        let hz = HZ[hit.tones[n]];
        let turned = hit.phases[n] - last.phases[n] - TAU * hz * BLOCK as f32 / 8000.0;
        let off = (turned / TAU - (turned / TAU).round()) * 8000.0 / BLOCK as f32;
        off.abs() <= hz * OFF_MAX
    })
}

/// The tone of a key by its event code; silence for one that is none.
pub fn tone_of(event: u8) -> Tone {
    let place = KEYS
        .iter()
        .enumerate()
        .find_map(|(row, keys)| keys.iter().position(|&key| key == event).map(|column| (row, column)));
    match place {
        Some((row, column)) => {
            Tone::new(8000, &[(f64::from(HZ[row]), LOW_PEAK), (f64::from(HZ[4 + column]), HIGH_PEAK)])
        }
        None => Tone::new(8000, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Presses a key so long, with peaks and detuning of its two tones, after `lead` samples of silence.
    fn press(key: u8, samples: usize, peaks: [f64; 2], off: [f64; 2], lead: usize) -> Vec<i16> {
        let row = KEYS.iter().position(|keys| keys.contains(&key)).unwrap();
        let column = KEYS[row].iter().position(|&k| k == key).unwrap();
        let hz = [f64::from(HZ[row]) * (1.0 + off[0]), f64::from(HZ[4 + column]) * (1.0 + off[1])];
        let mut sound = vec![0; lead + samples];
        Tone::new(8000, &[(hz[0], peaks[0]), (hz[1], peaks[1])]).fill(&mut sound[lead..]);
        sound.resize(lead + samples + 800, 0);
        sound
    }

    /// The keys heard, in frames of 20 ms.
    fn heard(sound: &[i16]) -> Vec<u8> {
        let mut detector = Detector::new();
        sound.chunks(160).filter_map(|frame| detector.told(frame).began).collect()
    }

    fn peak(dbm0: f64) -> f64 {
        23_170.0 * 10f64.powf(dbm0 / 20.0)
    }

    /// A seeded noise, uniform within `peak`.
    fn noise(sound: &mut [i16], peak: i32, mut seed: u64) {
        for sample in sound {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = (seed >> 33) as i32 % (2 * peak + 1) - peak;
            *sample = sample.saturating_add(value as i16);
        }
    }

    #[test]
    fn all_sixteen_keys_are_made_and_heard() {
        for key in 0..16 {
            let mut sound = vec![0; 800];
            tone_of(key).fill(&mut sound);
            sound.resize(1600, 0);
            let mut detector = Detector::new();
            let all: Vec<Heard> = sound.chunks(160).map(|frame| detector.told(frame)).collect();
            let began: Vec<u8> = all.iter().filter_map(|heard| heard.began).collect();
            let ended: Vec<u8> = all.iter().filter_map(|heard| heard.ended).collect();
            assert_eq!((began, ended), (vec![key], vec![key]));
        }
        assert!(heard(&[0; 1600]).is_empty());
        let mut silence = [1; 160];
        tone_of(16).fill(&mut silence);
        assert_eq!(silence, [0; 160]);
    }

    #[test]
    fn forty_milliseconds_are_heard_wherever_they_begin_and_fifteen_are_not() {
        for lead in 0..BLOCK {
            for key in [1, 8, 15] {
                assert_eq!(
                    heard(&press(key, 320, [peak(-9.0), peak(-7.0)], [0.0; 2], lead)),
                    [key],
                    "{lead}"
                );
                assert!(
                    heard(&press(key, 120, [peak(-9.0), peak(-7.0)], [0.0; 2], lead)).is_empty(),
                    "{lead}"
                );
            }
        }
    }

    #[test]
    fn a_pause_of_forty_milliseconds_parts_two_presses_and_a_gap_of_ten_does_not() {
        for lead in 0..BLOCK {
            for (gap, presses) in [(320, 2), (80, 1)] {
                let mut sound = press(5, 480 + gap + 480, [peak(-9.0), peak(-7.0)], [0.0; 2], lead);
                sound[lead + 480..lead + 480 + gap].fill(0);
                assert_eq!(heard(&sound), vec![5; presses], "{lead} {gap}");
            }
        }
    }

    #[test]
    fn levels_down_to_minus_twenty_five_are_heard_and_a_whisper_is_not() {
        for (dbm0, is_heard) in [(0.0, true), (-3.0, true), (-25.0, true), (-40.0, false), (-55.0, false)] {
            let sound = press(0, 640, [peak(dbm0); 2], [0.0; 2], 7);
            assert_eq!(!heard(&sound).is_empty(), is_heard, "{dbm0}");
        }
    }

    #[test]
    fn twist_within_the_limits_is_heard_and_beyond_is_not() {
        // The high tone against the low one, in decibels.
        for (twist, is_heard) in [(4.0, true), (-8.0, true), (9.0, false), (-13.0, false)] {
            let sound = press(6, 640, [peak(-10.0), peak(-10.0 + twist)], [0.0; 2], 7);
            assert_eq!(!heard(&sound).is_empty(), is_heard, "{twist}");
        }
    }

    #[test]
    fn one_and_a_half_per_cent_off_is_heard_and_three_and_a_half_is_not() {
        for key in 0..16 {
            for off in [[0.015, 0.015], [-0.015, 0.015], [0.015, -0.015], [-0.015, -0.015]] {
                let sound = press(key, 480, [peak(-9.0), peak(-7.0)], off, 31);
                assert_eq!(heard(&sound), [key], "{off:?}");
            }
            for off in [[0.035, 0.0], [-0.035, 0.0], [0.0, 0.035], [0.0, -0.035]] {
                let sound = press(key, 480, [peak(-9.0), peak(-7.0)], off, 31);
                assert!(heard(&sound).is_empty(), "{key} {off:?}");
            }
        }
    }

    #[test]
    fn a_key_is_heard_through_noise_and_noise_is_no_key() {
        for seed in 0..20 {
            // 15 dB below the tones.
            let mut sound = press(3, 800, [peak(-10.0); 2], [0.0; 2], 11);
            noise(&mut sound, 3_200, seed);
            assert_eq!(heard(&sound), [3], "{seed}");
            let mut sound = vec![0; 80_000];
            noise(&mut sound, 20_000, seed);
            assert!(heard(&sound).is_empty(), "{seed}");
        }
    }

    #[test]
    fn one_key_straight_after_another_ends_the_first() {
        let mut sound = vec![0; 1280];
        tone_of(4).fill(&mut sound[..640]);
        tone_of(7).fill(&mut sound[640..]);
        assert_eq!(heard(&sound), [4, 7]);
    }

    #[test]
    fn a_detector_that_is_reset_has_heard_nothing() {
        let mut detector = Detector::new();
        let mut sound = [0; 640];
        tone_of(9).fill(&mut sound);
        detector.told(&sound);
        assert_eq!(detector.pressed(), Some(9));
        detector.reset();
        assert_eq!((detector.pressed(), detector.told(&[0; 800])), (None, Heard::default()));
    }
}
