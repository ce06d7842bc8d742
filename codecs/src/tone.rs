//! Tones: a generator of sums of sines, and a Goertzel meter that tells how much of one frequency a sound holds.
//!
//! What it leaves out: the DTMF frequencies and a decision about digits (RFC 4733 events are in
//! [`crate::telephone_event`]).

use std::f64::consts::TAU;

/// Most sines in one tone.
const SINES_MAX: usize = 4;

/// Up to four sines at once, continuous from frame to frame.
#[derive(Clone, Debug)]
pub struct Tone {
    sines: [Sine; SINES_MAX],
}

#[derive(Clone, Copy, Debug, Default)]
struct Sine {
    /// Position in the cycle, 0 to 1.
    phase: f64,
    /// Cycles per sample.
    step: f64,
    amplitude: f64,
}

impl Tone {
    /// A tone at so many samples a second from pairs of hertz and peak amplitude (32 767 is full scale). The fifth
    /// pair and later are ignored.
    pub fn new(rate_hz: u32, pairs: &[(f64, f64)]) -> Self {
        let mut sines = [Sine::default(); SINES_MAX];
        for (sine, &(hz, amplitude)) in sines.iter_mut().zip(pairs) {
            *sine = Sine { phase: 0.0, step: hz / f64::from(rate_hz), amplitude };
        }
        Tone { sines }
    }

    /// The next sample, clipped at 16 bits.
    pub fn next_sample(&mut self) -> i16 {
        let mut sum = 0.0;
        for sine in &mut self.sines {
            sum += sine.amplitude * (sine.phase * TAU).sin();
            sine.phase = (sine.phase + sine.step).fract();
        }
        sum.round() as i16 // `as` saturates
    }

    /// Fills a frame with the next samples.
    pub fn fill(&mut self, samples: &mut [i16]) {
        samples.iter_mut().for_each(|sample| *sample = self.next_sample());
    }
}

/// Peak amplitude of the sine of `hz` in `samples` (Goertzel's algorithm: one bin of a Fourier transform). Sharp to
/// about the sample rate divided by the number of samples; exact for whole cycles.
pub fn amplitude(samples: &[i16], rate_hz: u32, hz: f64) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let turn = TAU * hz / f64::from(rate_hz);
    let coefficient = 2.0 * turn.cos();
    let (mut last, mut before) = (0.0, 0.0);
    for &sample in samples {
        (last, before) = (f64::from(sample) + coefficient * last - before, last);
    }
    let power = last * last + before * before - coefficient * last * before;
    2.0 * power.max(0.0).sqrt() / samples.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meter_hears_each_sine_at_its_amplitude_and_no_other() {
        let mut frame = [0; 800];
        Tone::new(8000, &[(700.0, 8000.0), (1200.0, 3000.0)]).fill(&mut frame);
        assert!((amplitude(&frame, 8000, 700.0) - 8000.0).abs() < 2.0);
        assert!((amplitude(&frame, 8000, 1200.0) - 3000.0).abs() < 2.0);
        assert!(amplitude(&frame, 8000, 900.0) < 2.0);
    }

    #[test]
    fn frames_join_without_a_seam() {
        let (mut whole, mut parts) = ([0; 320], [0; 320]);
        Tone::new(16_000, &[(440.0, 10_000.0)]).fill(&mut whole);
        let mut tone = Tone::new(16_000, &[(440.0, 10_000.0)]);
        parts.chunks_mut(80).for_each(|part| tone.fill(part));
        assert_eq!(whole, parts);
    }

    #[test]
    fn a_tone_too_loud_is_clipped() {
        let mut frame = [0; 80];
        Tone::new(8000, &[(1000.0, 30_000.0), (1000.0, 30_000.0)]).fill(&mut frame);
        assert_eq!(frame.iter().max(), Some(&i16::MAX));
    }

    #[test]
    fn nothing_holds_no_tone() {
        assert_eq!(amplitude(&[], 8000, 1000.0), 0.0);
    }
}
