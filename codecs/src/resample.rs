//! Conversion between 8, 16 and 48 kHz by a polyphase low-pass filter, continuous from frame to frame.
//!
//! What it leaves out: other rates (a file of one is refused where it is read) and use on the bridge, where Opus
//! itself works at the rate wanted.
//!
//! One filter serves both directions: 64 taps for each sample of the lower rate, a sinc under a Kaiser window. It
//! passes up to 85 % of the lower rate's half band and stops by more than 70 dB what would fold back into it.

use std::f64::consts::PI;

use crate::{CodecError, Rate, dot, room, to_sample};

/// Taps for each sample of the lower rate. The sound is delayed by half of them.
const TAPS: usize = 64;
/// Width of the Kaiser window: stops by about 80 dB.
const BETA: f64 = 8.0;
/// The filter's edge in cycles per sample of the lower rate: at 64 taps the slope is 0.08 wide, so the stop band
/// begins at half of that rate.
const EDGE: f64 = 0.4625;
/// Input samples handled at a time: 10 ms at 48 kHz.
const BLOCK: usize = 480;

/// A converter from one rate to another.
#[derive(Clone, Debug)]
pub struct Resampler {
    from: Rate,
    to: Rate,
    /// One phase of the filter after another; a single phase when the rate goes down.
    phases: Box<[Box<[f32]>]>,
    /// The last inputs, as many as a phase has taps but one, then room for a block.
    line: Box<[f32]>,
    /// Inputs for each output when the rate goes down, else 1.
    stride: usize,
}

impl Resampler {
    /// A converter at the start of its stream. Between equal rates it copies.
    pub fn new(from: Rate, to: Rate) -> Self {
        let (up, stride) = match (from.hz(), to.hz()) {
            (f, t) if f <= t => ((t / f) as usize, 1),
            (f, t) => (1, (f / t) as usize),
        };
        let factor = up.max(stride);
        let filter = low_pass(factor);
        let phase = |first: usize| filter.iter().skip(first).step_by(up).map(|&tap| (tap * up as f64) as f32);
        // Newest input last in the line, so each phase is stored backwards.
        let phases: Box<[Box<[f32]>]> = (0..up).map(|first| phase(first).rev().collect()).collect();
        let line = vec![0.0; phases[0].len() - 1 + BLOCK].into();
        Resampler { from, to, phases, line, stride }
    }

    /// Samples that so many samples become.
    pub fn samples_out(&self, samples_in: usize) -> usize {
        samples_in * self.phases.len() / self.stride
    }

    /// Output samples that the sound is late by.
    pub fn delay_samples(&self) -> usize {
        if self.from == self.to { 0 } else { TAPS / 2 * self.phases.len() }
    }

    /// Converts the next samples into the front of `output` and returns the samples written.
    ///
    /// # Errors
    /// [`CodecError::FrameLength`] if the rate goes down and the input is no multiple of its ratio,
    /// [`CodecError::OutputTooSmall`] if `output` cannot hold the result.
    pub fn process(&mut self, input: &[i16], output: &mut [i16]) -> Result<usize, CodecError> {
        if !input.len().is_multiple_of(self.stride) {
            return Err(CodecError::FrameLength { samples: input.len() });
        }
        let written = self.samples_out(input.len());
        room(written, output.len())?;
        if self.from == self.to {
            output[..written].copy_from_slice(input);
            return Ok(written);
        }
        let mut rest = &mut output[..written];
        for block in input.chunks(BLOCK) {
            let (now, later) = rest.split_at_mut(self.samples_out(block.len()));
            self.process_block(block, now);
            rest = later;
        }
        Ok(written)
    }

    /// Forgets the stream so far.
    pub fn reset(&mut self) {
        self.line.fill(0.0);
    }

    fn process_block(&mut self, input: &[i16], output: &mut [i16]) {
        let taps = self.phases[0].len();
        let room = &mut self.line[taps - 1..][..input.len()];
        room.iter_mut().zip(input).for_each(|(slot, &sample)| *slot = f32::from(sample));
        let windows = self.line.windows(taps).step_by(self.stride);
        for (outputs, window) in output.chunks_mut(self.phases.len()).zip(windows) {
            for (sample, phase) in outputs.iter_mut().zip(&self.phases) {
                *sample = to_sample(dot(window, phase));
            }
        }
        self.line.copy_within(input.len()..input.len() + taps - 1, 0);
    }
}

/// The low-pass at the higher rate, with unity gain: `TAPS × factor` taps.
fn low_pass(factor: usize) -> Vec<f64> {
    let length = TAPS * factor;
    // Centred on a tap, so that the delay is a whole number of samples; the last tap is the window's zero.
    let centre = length as f64 / 2.0;
    let edge = EDGE / factor as f64;
    let taps = (0..length).map(|n| {
        let x = n as f64 - centre;
        let sinc = if x == 0.0 { 2.0 * edge } else { (2.0 * PI * edge * x).sin() / (PI * x) };
        sinc * bessel(BETA * (1.0 - (x / centre).powi(2)).sqrt()) / bessel(BETA)
    });
    let taps: Vec<f64> = taps.collect();
    let sum: f64 = taps.iter().sum();
    taps.iter().map(|tap| tap / sum).collect()
}

/// The modified Bessel function of the first kind and order zero, by its power series.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-12 {
        term *= (x / (2.0 * k)).powi(2);
        sum += term;
        k += 1.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::{Tone, amplitude};

    const RATES: [Rate; 3] = [Rate::Hz8000, Rate::Hz16000, Rate::Hz48000];

    /// A second of a sine at 16 000 peak, converted in 20 ms frames; the settled part of it.
    fn convert(from: Rate, to: Rate, hz: f64) -> Vec<i16> {
        let mut tone = Tone::new(from.hz(), &[(hz, 16_000.0)]);
        let mut resampler = Resampler::new(from, to);
        let (mut frame, mut out) = (vec![0; from.samples(20)], vec![0; to.samples(20)]);
        let mut all = Vec::new();
        for _ in 0..50 {
            tone.fill(&mut frame);
            assert_eq!(resampler.process(&frame, &mut out), Ok(out.len()));
            all.extend_from_slice(&out);
        }
        all.split_off(to.samples(100))
    }

    #[test]
    fn speech_passes_between_all_rates_unchanged_in_level() {
        for (from, to) in RATES.iter().flat_map(|&from| RATES.map(|to| (from, to))) {
            let lower = f64::from(from.hz().min(to.hz()));
            for hz in [100.0, 1000.0, lower * 0.42] {
                let level = amplitude(&convert(from, to, hz), to.hz(), hz);
                assert!((level / 16_000.0 - 1.0).abs() < 0.01, "{from:?} to {to:?}, {hz} Hz: {level}");
            }
        }
    }

    #[test]
    fn what_would_fold_back_is_stopped_by_seventy_decibels() {
        for (from, to) in [(1, 0), (2, 0), (2, 1)].map(|(a, b)| (RATES[a], RATES[b])) {
            let half = f64::from(to.hz()) / 2.0;
            for hz in [half * 1.02, half * 1.25, half * 1.75] {
                let loudest = convert(from, to, hz).iter().map(|s| s.unsigned_abs()).max().unwrap();
                assert!(loudest <= 5, "{from:?} to {to:?}, {hz} Hz: {loudest}");
            }
        }
    }

    #[test]
    fn images_above_the_old_half_band_are_stopped() {
        for (from, to) in [(0, 1), (0, 2), (1, 2)].map(|(a, b)| (RATES[a], RATES[b])) {
            let image = f64::from(from.hz()) - 1000.0;
            let level = amplitude(&convert(from, to, 1000.0), to.hz(), image);
            assert!(level < 5.0, "{from:?} to {to:?}: {level}");
        }
    }

    #[test]
    fn the_length_of_the_frames_does_not_matter() {
        for (from, to) in RATES.iter().flat_map(|&from| RATES.map(|to| (from, to))) {
            let mut input = vec![0; from.samples(60)];
            Tone::new(from.hz(), &[(440.0, 9000.0), (1300.0, 5000.0)]).fill(&mut input);
            let (mut whole, mut parts) = (vec![0; to.samples(60)], Vec::new());
            Resampler::new(from, to).process(&input, &mut whole).unwrap();
            let mut resampler = Resampler::new(from, to);
            for part in input.chunks(from.samples(1) * 5) {
                let mut out = vec![0; to.samples(5)];
                assert_eq!(resampler.process(part, &mut out), Ok(out.len()));
                parts.extend_from_slice(&out);
            }
            assert_eq!(whole, parts, "{from:?} to {to:?}");
        }
    }

    #[test]
    fn an_impulse_arrives_after_the_delay_told() {
        for (from, to) in RATES.iter().flat_map(|&from| RATES.map(|to| (from, to))) {
            let mut input = vec![0; from.samples(20)];
            input[0] = 20_000;
            let mut out = vec![0; to.samples(20)];
            let mut resampler = Resampler::new(from, to);
            resampler.process(&input, &mut out).unwrap();
            let peak = (0..out.len()).max_by_key(|&i| out[i]).unwrap();
            assert_eq!(peak, resampler.delay_samples(), "{from:?} to {to:?}");
        }
    }

    #[test]
    fn full_scale_is_clipped_and_not_wrapped() {
        let input: Vec<i16> = (0..960).map(|i| if i / 60 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let mut out = [0; 160];
        Resampler::new(Rate::Hz48000, Rate::Hz8000).process(&input, &mut out).unwrap();
        // A wrapped sample would stand beside neighbours of the other sign.
        let near = |s: i16| !(-20_000..20_000).contains(&s);
        assert!(
            out[60..]
                .windows(3)
                .all(|w| !(near(w[0]) && near(w[1]) && near(w[2])) || w[0] ^ w[1] >= 0 || w[1] ^ w[2] >= 0)
        );
    }

    #[test]
    fn odd_lengths_and_short_slices_are_refused() {
        let mut down = Resampler::new(Rate::Hz48000, Rate::Hz8000);
        assert_eq!(down.process(&[0; 961], &mut [0; 200]), Err(CodecError::FrameLength { samples: 961 }));
        let short = Err(CodecError::OutputTooSmall { need: 160, have: 159 });
        assert_eq!(down.process(&[0; 960], &mut [0; 159]), short);
    }
}
