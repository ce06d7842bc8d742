//! Gain ramps, cross-fades and mixing of 16-bit sound.
//!
//! What it leaves out: whom to mix with whom, and automatic gain.

use crate::to_sample;

/// A gain that moves evenly from where it is to where it is told, so that no change clicks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ramp {
    gain: f32,
    target: f32,
    step: f32,
}

impl Ramp {
    /// A gain that rests at `gain` (1.0 leaves the sound as it is, 0.0 is silence).
    pub const fn new(gain: f32) -> Self {
        Ramp { gain, target: gain, step: 0.0 }
    }

    /// Moves to `gain` within so many samples from now; zero samples: at once.
    pub fn move_to(&mut self, gain: f32, samples: usize) {
        self.target = gain;
        if samples == 0 {
            self.gain = gain;
        }
        self.step = (gain - self.gain) / samples.max(1) as f32;
    }

    /// The gain of the next sample.
    pub const fn gain(&self) -> f32 {
        self.gain
    }

    /// The target is reached.
    pub fn is_done(&self) -> bool {
        self.gain == self.target
    }

    /// Applies the gain to a frame and moves on by its length. A product beyond 16 bits is clipped.
    pub fn apply(&mut self, samples: &mut [i16]) {
        if self.is_done() && self.gain == 1.0 {
            return;
        }
        for sample in samples {
            *sample = to_sample(f32::from(*sample) * self.gain);
            self.advance();
        }
    }

    fn advance(&mut self) {
        let next = self.gain + self.step;
        let passed = if self.step < 0.0 { next <= self.target } else { next >= self.target };
        self.gain = if passed { self.target } else { next };
    }
}

/// Peak of what is next to nothing, -36 dBov: a line's noise between words, or the end of a fade.
const FAINT_MAX: u16 = 512;

/// Whether next to nothing is heard: nobody notices where such a sound ends.
pub fn is_faint(samples: &[i16]) -> bool {
    samples.iter().all(|sample| sample.unsigned_abs() <= FAINT_MAX)
}

/// Adds `other` to `samples`, clipping at 16 bits. Of unlike lengths the shorter counts.
pub fn mix(samples: &mut [i16], other: &[i16]) {
    for (sample, &more) in samples.iter_mut().zip(other) {
        *sample = sample.saturating_add(more);
    }
}

/// Fades evenly from `from` over to what `to` holds, in place. Of unlike lengths the shorter counts.
pub fn cross_fade(from: &[i16], to: &mut [i16]) {
    let length = from.len().min(to.len()) as i32;
    for (i, (new, &old)) in to.iter_mut().zip(from).enumerate() {
        // i + 1 of length + 1: neither the first sample is wholly old nor the last wholly new.
        let weight = i as i32 + 1;
        let sum = i32::from(*new) * weight + i32::from(old) * (length + 1 - weight);
        *new = (sum / (length + 1)) as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_arrives_after_exactly_its_samples() {
        let mut ramp = Ramp::new(1.0);
        ramp.move_to(0.0, 160);
        let mut frame = [10_000i16; 160];
        ramp.apply(&mut frame);
        assert!(frame.is_sorted_by(|a, b| a > b) && frame[0] == 10_000 && frame[159] < 100);
        let mut next = [10_000i16; 4];
        ramp.apply(&mut next);
        assert!(ramp.is_done() && next == [0; 4]);
    }

    #[test]
    fn a_ramp_turned_half_way_goes_on_from_where_it_is() {
        let mut ramp = Ramp::new(0.0);
        ramp.move_to(1.0, 100);
        let mut frame = [10_000i16; 50];
        ramp.apply(&mut frame);
        ramp.move_to(0.0, 50);
        let mut next = [10_000i16; 50];
        ramp.apply(&mut next);
        assert!((i32::from(next[0]) - i32::from(frame[49])).abs() <= 100, "{} {}", frame[49], next[0]);
        assert!(next.is_sorted_by(|a, b| a > b) && next[49] < 200);
    }

    #[test]
    fn noise_between_words_is_faint_and_a_word_is_not() {
        assert!(is_faint(&[0, 300, -512]) && is_faint(&[]));
        assert!(!is_faint(&[0, 0, 600, 0]) && !is_faint(&[i16::MIN]));
    }

    #[test]
    fn unity_at_rest_changes_nothing() {
        let mut frame = [i16::MIN, -1, 0, 1, i16::MAX];
        Ramp::new(1.0).apply(&mut frame);
        assert_eq!(frame, [i16::MIN, -1, 0, 1, i16::MAX]);
    }

    #[test]
    fn a_jump_takes_no_sample_and_a_product_too_large_is_clipped() {
        let mut ramp = Ramp::new(1.0);
        ramp.move_to(4.0, 0);
        let mut frame = [20_000, -20_000, 100];
        ramp.apply(&mut frame);
        assert_eq!(frame, [i16::MAX, i16::MIN, 400]);
    }

    #[test]
    fn a_mix_that_is_too_loud_is_clipped() {
        let mut frame = [30_000, -30_000, 1];
        mix(&mut frame, &[10_000, -10_000, 2]);
        assert_eq!(frame, [i16::MAX, i16::MIN, 3]);
    }

    #[test]
    fn a_cross_fade_of_like_sounds_is_that_sound() {
        let mut frame = [12_345; 32];
        cross_fade(&[12_345; 32], &mut frame);
        assert_eq!(frame, [12_345; 32]);
        let mut rising = [1000; 9];
        cross_fade(&[0; 9], &mut rising);
        assert_eq!(rising, [100, 200, 300, 400, 500, 600, 700, 800, 900]);
    }
}
