//! A hole in sound at 8 kHz filled from both its ends: the last pitch period before it turns into the first one behind
//! it.
//!
//! What it leaves out: holes whose other end is not known yet, which [`crate::plc`] fills from one side alone.
//!
//! A voice goes on through a hole: so many periods fit between what was heard before and what is heard after it. Their
//! length changes evenly from the one side's to the other's, bent a little so that the last of them meets the sound
//! behind the hole in phase; their shape fades from the one side's period to the other's.

use std::ops::RangeInclusive;

use crate::pitch::{self, LAG_MAX, LAG_MIN, Lag};
use crate::to_sample;

/// Samples compared to find the pitch before the hole: 20 ms.
const WINDOW: usize = 160;
/// Sound needed before the hole.
pub(crate) const BEFORE: usize = WINDOW + LAG_MAX;
/// Sound needed behind the hole: two short periods and a seam; with less there is no pitch to be found.
pub(crate) const AFTER: usize = 64;
/// Samples over which a period's end is led into its beginning, and the fill into the sound beside it.
const SEAM: usize = 12;
/// Longest period looked for behind the hole with nothing to go by: a longer one leaves too little to compare.
const LAG_AFTER_MAX: usize = 100;
/// A side this much like itself one period on has a voice whose pitch holds for the other side too.
const VOICED: f32 = 0.7;
/// Farthest that the fill is bent to meet the other side in phase, in samples. Looking farther finds other peaks.
const SHIFT_MAX: isize = 12;
/// Likeness that a whole [`SHIFT_MAX`] of bending must gain.
const SHIFT_COST: f32 = 0.075;
/// Below this likeness nothing meets in phase: noise, or another sound.
const ALIKE: f32 = 0.5;
/// Sounds that do not meet in phase lose power where they are mixed by halves; so much of it is made good.
const MADE_GOOD: f32 = 1.1;

/// One period, to be read over and over.
struct Cycle {
    samples: [f32; LAG_MAX + 1],
    length: usize,
}

impl Cycle {
    fn new(sound: &[i16]) -> Self {
        let mut samples = [0.0; LAG_MAX + 1];
        samples.iter_mut().zip(sound).for_each(|(to, &from)| *to = f32::from(from));
        Self { samples, length: sound.len() }
    }

    /// The last period before a hole. Its end is led into what came before its beginning.
    fn before(history: &[i16], length: usize) -> Self {
        let start = history.len() - length;
        let mut cycle = Self::new(&history[start..]);
        for n in 0..SEAM {
            let weight = (n + 1) as f32 / SEAM as f32;
            cycle.lead(length - SEAM + n, history[start - SEAM + n], weight);
        }
        cycle.closed()
    }

    /// The first period behind a hole. Its beginning is what follows its end, led into itself.
    fn after(next: &[i16], length: usize) -> Self {
        let mut cycle = Self::new(&next[..length]);
        for n in 0..SEAM {
            let weight = (SEAM - n) as f32 / (SEAM + 1) as f32;
            cycle.lead(n, next[length + n], weight);
        }
        cycle.closed()
    }

    fn lead(&mut self, at: usize, into: i16, weight: f32) {
        self.samples[at] += (f32::from(into) - self.samples[at]) * weight;
    }

    /// The first sample once more behind the last, so that reading between two of them needs no care.
    fn closed(mut self) -> Self {
        self.samples[self.length] = self.samples[0];
        self
    }

    /// The sample at this phase, in periods.
    fn at(&self, phase: f32) -> f32 {
        let place = (phase - phase.floor()) * self.length as f32;
        let whole = (place as usize).min(self.length - 1);
        let (here, there) = (self.samples[whole], self.samples[whole + 1]);
        here + (there - here) * (place - whole as f32)
    }
}

/// Fills the first samples of a hole of `ahead` samples that lies between `history` (at least [`BEFORE`] samples) and
/// `next` (at least [`AFTER`]).
pub(crate) fn bridge(history: &[i16], next: &[i16], ahead: usize, out: &mut [i16]) {
    let (left, right) = lags(history, next);
    let (before, after) = (Cycle::before(history, left), Cycle::after(next, right));
    let length = ahead as f32;
    let (slow, fast) = (1.0 / left as f32, 1.0 / right as f32);
    let natural = length * (slow + fast) / 2.0;
    let met = met_in_phase(history, next, left, natural);
    let periods = met.unwrap_or(natural);
    // The phase at sample t is a·t + b·t²: it begins at the left pitch, ends at the right one, and is bent evenly.
    let (a, b) = (slow + (periods - natural) / length, (fast - slow) / (2.0 * length));
    let first = step(history[history.len() - 1], history[history.len() - left - 1]);
    let last = step(next[0], next[right]);
    for (n, sample) in out.iter_mut().enumerate() {
        let t = n as f32;
        let phase = a * t + b * t * t;
        let weight = (t + 0.5) / length;
        let mut value = before.at(phase) * (1.0 - weight) + after.at(phase - periods) * weight;
        if met.is_none() {
            value *= (weight * weight + (1.0 - weight) * (1.0 - weight)).sqrt().recip().min(MADE_GOOD);
        }
        value += first * SEAM.saturating_sub(n) as f32 / SEAM as f32;
        value += last * (SEAM + 1).saturating_sub(ahead - n) as f32 / SEAM as f32;
        *sample = to_sample(value);
    }
}

fn step(from: i16, to: i16) -> f32 {
    f32::from(from) - f32::from(to)
}

/// The periods before and behind the hole. The clearer voice decides where the other side's is looked for.
fn lags(history: &[i16], next: &[i16]) -> (usize, usize) {
    let most = (next.len() - SEAM).min(LAG_MAX);
    let before = |lags| pitch::lag_before(history, WINDOW, lags);
    let (left, right) =
        (before(LAG_MIN..=LAG_MAX), pitch::lag_after(next, LAG_MIN..=most.min(LAG_AFTER_MAX)));
    let of_left = left.likeness >= right.likeness || left.likeness > VOICED;
    if of_left && around(left, most).is_empty() {
        // Too little sound for a second period: the left one's is taken a part of.
        return (left.samples, most);
    }
    if of_left {
        (left.samples, pitch::lag_after(next, around(left, most)).samples)
    } else {
        (before(around(right, LAG_MAX)).samples, right.samples)
    }
}

/// Where a voice of this pitch lies a little later.
fn around(lag: Lag, most: usize) -> RangeInclusive<usize> {
    (lag.samples * 5 / 6).max(LAG_MIN)..=(lag.samples * 6 / 5).min(most)
}

/// How many periods lie in the hole if its far end meets `next` in phase, near `natural`; `None` if nothing does.
fn met_in_phase(history: &[i16], next: &[i16], lag: usize, natural: f32) -> Option<f32> {
    let mut periods = [0; 2 * LAG_MAX];
    let last = &history[history.len() - lag..];
    periods[..2 * lag].chunks_mut(lag).for_each(|period| period.copy_from_slice(last));
    let width = lag.min(next.len());
    let at = (natural * lag as f32) as isize;
    let (mut best, mut found) = (ALIKE, None);
    let mut worth = f32::MIN;
    for shift in -SHIFT_MAX..=SHIFT_MAX {
        let start = (at + shift).rem_euclid(lag as isize) as usize;
        let likeness = pitch::likeness(&periods[start..start + width], &next[..width]);
        let value = likeness - SHIFT_COST * shift.unsigned_abs() as f32 / SHIFT_MAX as f32;
        if value > worth {
            (worth, best, found) = (value, likeness, Some((at + shift) as f32 / lag as f32));
        }
    }
    found.filter(|_| best > ALIKE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::rms;
    use crate::tone::Tone;

    /// A voice-like sound of this pitch.
    fn voice(hz: f64, samples: usize) -> Vec<i16> {
        let mut sound = vec![0; samples];
        Tone::new(8000, &[(hz, 6000.0), (2.0 * hz, 3000.0), (3.0 * hz, 1500.0)]).fill(&mut sound);
        sound
    }

    /// How far below the sound the error of a bridged hole lies, in dB.
    fn error_db(sound: &[i16], hole: std::ops::Range<usize>) -> f32 {
        let mut out = vec![0; hole.len()];
        bridge(&sound[..hole.start], &sound[hole.end..][..160], hole.len(), &mut out);
        let lost = &sound[hole];
        let error: Vec<i16> = lost.iter().zip(&out).map(|(a, b)| a.saturating_sub(*b)).collect();
        20.0 * (rms(&error) / rms(lost)).log10()
    }

    #[test]
    fn a_hole_in_a_steady_voice_is_filled_as_if_it_had_never_been() {
        for hz in [80.0, 125.0, 170.0, 220.0] {
            let sound = voice(hz, 2000);
            for length in [80, 160, 320, 480] {
                let error = error_db(&sound, 640..640 + length);
                assert!(error < -12.0, "{hz} Hz, {length} samples: {error} dB");
            }
        }
    }

    #[test]
    fn a_hole_is_met_at_both_ends_without_a_step() {
        let sound = voice(130.0, 2000);
        let step = |pair: &[i16]| (i32::from(pair[1]) - i32::from(pair[0])).abs();
        let natural = sound.windows(2).map(step).max().unwrap();
        for length in [160, 320] {
            let mut whole = sound.clone();
            let (before, rest) = whole.split_at_mut(640);
            let (hole, after) = rest.split_at_mut(length);
            bridge(before, &after[..160], length, hole);
            let largest = whole.windows(2).map(step).max().unwrap();
            assert!(largest <= natural * 3 / 2, "{largest} against {natural}");
        }
    }

    #[test]
    fn sound_of_any_kind_and_length_is_bridged() {
        let mut noise = vec![0; 2000];
        crate::comfort_noise::Noise::new(5, -6.0).fill(&mut noise);
        let square: Vec<i16> = (0..2000).map(|n| if n / 3 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        for sound in [noise, square, vec![0; 2000]] {
            for (after, length) in [(AFTER, 1), (80, 80), (160, 160), (480, 480)] {
                let mut out = vec![0; length];
                bridge(&sound[..BEFORE], &sound[1000..1000 + after], length, &mut out);
            }
        }
    }
}
