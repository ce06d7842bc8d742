//! Numbered tones: each party sends its own, and whoever receives sound can be asked whom it hears.
//!
//! Every tone is a multiple of 50 Hz, so that a 20 ms frame holds whole periods: one frame serves for ever, and the
//! tones are orthogonal in a window of that length.

use std::collections::BTreeSet;
use std::f64::consts::TAU;

/// Samples a second, of G.711.
pub const RATE: usize = 8000;
/// Samples in 20 ms.
pub const FRAME: usize = 160;
/// Peak of a tone: about -12 dB of full scale.
const AMPLITUDE: f64 = 8000.0;
/// Least amplitude at which a tone counts as heard: 16 dB below what is sent.
const HEARD: f64 = AMPLITUDE * 0.15;
/// Least root mean square at which a window counts as sound at all: about -50 dB of full scale.
const SOUND: f64 = 100.0;

/// A tone by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tone(pub u8);

impl Tone {
    /// How many tones there are.
    pub const COUNT: u8 = 18;

    /// Its frequency: 400, 550, 700 … 2950 Hz.
    pub fn hertz(self) -> f64 {
        f64::from(400 + 150 * u32::from(self.0 % Self::COUNT))
    }

    /// Sample `at` of the tone.
    pub fn sample(self, at: usize) -> i16 {
        (AMPLITUDE * (TAU * self.hertz() * at as f64 / RATE as f64).sin()) as i16
    }

    /// 20 ms of the tone at 8 kHz; frames join without a seam.
    pub fn frame(self) -> [i16; FRAME] {
        std::array::from_fn(|at| self.sample(at))
    }
}

/// Amplitude of a frequency in samples at 8 kHz (Goertzel's filter).
pub fn amplitude(samples: &[i16], hertz: f64) -> f64 {
    let turn = TAU * hertz / RATE as f64;
    let factor = 2.0 * turn.cos();
    let (mut one, mut two) = (0.0, 0.0);
    for &sample in samples {
        (one, two) = (f64::from(sample) + factor * one - two, one);
    }
    let power = one * one + two * two - factor * one * two;
    2.0 * power.max(0.0).sqrt() / samples.len().max(1) as f64
}

/// Root mean square.
pub fn rms(samples: &[i16]) -> f64 {
    let sum: f64 = samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
    (sum / samples.len().max(1) as f64).sqrt()
}

/// What was heard over a stretch of sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The tones that were there at least half of the time.
    pub tones: BTreeSet<Tone>,
    /// Sound of some other kind at least half of the time: hold audio, an announcement.
    pub other: bool,
}

impl Heard {
    /// Nothing at all.
    pub fn silence() -> Self {
        Self { tones: BTreeSet::new(), other: false }
    }

    /// One party and nothing else.
    pub fn only(tone: Tone) -> Self {
        Self { tones: BTreeSet::from([tone]), other: false }
    }

    /// Hold audio, or whatever is no party's tone.
    pub fn other() -> Self {
        Self { tones: BTreeSet::new(), other: true }
    }

    /// What these samples (8 kHz) hold.
    pub fn of(samples: &[i16]) -> Self {
        let windows: Vec<&[i16]> = samples.chunks_exact(FRAME).collect();
        let half = windows.len() / 2 + 1;
        let often = |is: &dyn Fn(&[i16]) -> bool| windows.iter().filter(|window| is(window)).count() >= half;
        let tones = (0..Tone::COUNT).map(Tone).filter(|tone| often(&|window| has(window, *tone))).collect();
        Self { tones, other: often(&is_other) }
    }
}

/// Whether a window holds a tone: loud enough, and louder than what leaks from other sounds.
fn has(window: &[i16], tone: Tone) -> bool {
    let amplitude = amplitude(window, tone.hertz());
    amplitude > HEARD && amplitude / std::f64::consts::SQRT_2 > 0.4 * rms(window)
}

/// Whether a window holds sound that no tone explains.
fn is_other(window: &[i16]) -> bool {
    rms(window) > SOUND && !(0..Tone::COUNT).map(Tone).any(|tone| has(window, tone))
}

/// The longest stretch of samples (8 kHz) without sound, in milliseconds: windows of 10 ms, every 5 ms.
pub fn longest_silence_ms(samples: &[i16]) -> usize {
    let (mut longest, mut run) = (0, 0);
    for window in samples.windows(80).step_by(40) {
        run = if rms(window) > SOUND { 0 } else { run + 1 };
        longest = longest.max(run);
    }
    // n silent windows of 10 ms, 5 ms apart, cover 5·n + 5 ms.
    if longest == 0 { 0 } else { 5 * longest + 5 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mix(tones: &[u8], millis: usize) -> Vec<i16> {
        let sum = |at: usize| tones.iter().map(|&n| Tone(n).sample(at)).sum();
        (0..millis * 8).map(sum).collect()
    }

    #[test]
    fn every_tone_is_told_from_every_other() {
        for n in 0..Tone::COUNT {
            assert_eq!(Heard::of(&mix(&[n], 200)), Heard::only(Tone(n)), "tone {n}");
        }
    }

    #[test]
    fn two_at_once_are_both_heard_and_a_tone_of_nobody_is_other_sound() {
        let both = Heard::of(&mix(&[1, 5], 200));
        assert_eq!(both.tones, BTreeSet::from([Tone(1), Tone(5)]));
        let between = (0..1600).map(|at| (8000.0 * (TAU * 475.0 * at as f64 / 8000.0).sin()) as i16);
        assert_eq!(Heard::of(&between.collect::<Vec<_>>()), Heard::other());
        assert_eq!(Heard::of(&[0; 1600]), Heard::silence());
        assert_eq!(Heard::of(&[]), Heard::silence());
    }

    #[test]
    fn a_tone_is_heard_at_any_phase_and_through_mu_law() {
        let law: Vec<i16> =
            mix(&[3], 200)[37..].iter().map(|&s| crate::g711::from_ulaw(crate::g711::to_ulaw(s))).collect();
        assert_eq!(Heard::of(&law), Heard::only(Tone(3)));
    }

    #[test]
    fn a_gap_is_measured_within_ten_milliseconds() {
        for gap in [40, 60, 100] {
            let sound = [mix(&[2], 200), vec![0; gap * 8], mix(&[2], 200)].concat();
            let measured = longest_silence_ms(&sound);
            assert!((gap - 10..=gap).contains(&measured), "{gap}: {measured}");
        }
        assert_eq!(longest_silence_ms(&mix(&[2], 400)), 0);
    }
}
