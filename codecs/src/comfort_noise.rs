//! Noise at a chosen level and of a chosen colour (RFC 3389), for a line that would otherwise sound dead.
//!
//! What it leaves out: measuring the noise of a line, which its sender does, and Opus, which brings its own comfort noise.

/// Reflection coefficients that are heeded: twelve shape a telephone's band as well as it is heard, and a receiver may do
/// with fewer than it is sent (RFC 3389 §3.3).
pub const ORDER_MAX: usize = 12;
/// A coefficient nearer to one than this rings for seconds: no noise of a room does.
const COEFFICIENT_MAX: f32 = 0.99;

/// Noise from a seeded generator: the same seed gives the same noise. White until it is told otherwise.
#[derive(Clone, Debug)]
pub struct Noise {
    state: u32,
    /// Peak, so that the root mean square is the level asked for.
    peak: f32,
    /// Reflection coefficients of the filter that colours it, and its memory.
    coefficients: [f32; ORDER_MAX],
    memory: [f32; ORDER_MAX],
    order: usize,
}

impl Noise {
    /// Noise at so many dBov (-127 to 0; louder than -5 clips).
    pub fn new(seed: u32, dbov: f32) -> Self {
        // Zero is the one state that xorshift never leaves.
        let mut noise = Noise {
            state: seed.max(1),
            peak: 0.0,
            coefficients: [0.0; ORDER_MAX],
            memory: [0.0; ORDER_MAX],
            order: 0,
        };
        noise.set_dbov(dbov);
        noise
    }

    /// Changes the level. The first byte of an RFC 3389 payload, negated, is such a level (§3.1).
    pub fn set_dbov(&mut self, dbov: f32) {
        // Even noise between -peak and +peak has a root mean square of peak / √3.
        self.peak = 32_768.0 * 10f32.powf(dbov / 20.0) * 3f32.sqrt();
    }

    /// Changes the colour: a payload's bytes behind its level (RFC 3389 §3.2), each a reflection coefficient
    /// `258 · (N − 127) / 32768` of an all-pole filter. None: white. The reserved 255 counts as none.
    pub fn set_spectrum(&mut self, indices: &[u8]) {
        self.order = indices.len().min(ORDER_MAX);
        for (coefficient, &index) in self.coefficients.iter_mut().zip(indices) {
            let value = 258.0 * (f32::from(index) - 127.0) / 32_768.0;
            *coefficient =
                if index == u8::MAX { 0.0 } else { value.clamp(-COEFFICIENT_MAX, COEFFICIENT_MAX) };
        }
        // What a filter of higher order remembers beyond this one's is no past of it.
        self.memory[self.order..].fill(0.0);
    }

    /// A sample of the lattice of the all-pole filter 1/A, whose output is as much louder as `gain` takes away.
    fn colour(&mut self, excitation: f32) -> f32 {
        let mut forward = excitation;
        for n in (0..self.order).rev() {
            let (k, backward) = (self.coefficients[n], self.memory[n]);
            forward -= k * backward;
            if let Some(next) = self.memory[..self.order].get_mut(n + 1) {
                *next = backward + k * forward;
            }
        }
        self.memory[0] = forward;
        forward
    }

    /// What brings the filter's output to the level of its input, in the mean.
    fn gain(&self) -> f32 {
        self.coefficients[..self.order].iter().map(|k| 1.0 - k * k).product::<f32>().sqrt()
    }

    /// Fills a frame.
    pub fn fill(&mut self, samples: &mut [i16]) {
        let peak = self.peak * self.gain();
        for sample in samples {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 17;
            self.state ^= self.state << 5;
            let even = self.state as i32 as f32 / i32::MAX as f32;
            *sample = self.colour(even * peak) as i16; // `as` saturates
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level;

    #[test]
    fn noise_has_the_level_asked_for() {
        for dbov in [-20.0, -40.0, -60.0] {
            let mut second = vec![0; 8000];
            Noise::new(7, dbov).fill(&mut second);
            assert!((level::dbov(&second) - dbov).abs() < 0.5, "{dbov}: {}", level::dbov(&second));
        }
    }

    /// How alike neighbouring samples are: for a filter of one coefficient k it is -k.
    fn colour_of(samples: &[i16]) -> f64 {
        let sum = |lag: usize| {
            samples[lag..].iter().zip(samples).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
        };
        sum(1) / sum(0)
    }

    #[test]
    fn noise_has_the_colour_asked_for_at_the_same_level() {
        for index in [0, 20, 80, 127, 170, 240, 254] {
            let (mut noise, mut sound) = (Noise::new(5, -30.0), vec![0; 80_000]);
            noise.set_spectrum(&[index]);
            noise.fill(&mut sound);
            let k = (258.0 * (f64::from(index) - 127.0) / 32_768.0).clamp(-0.99, 0.99);
            assert!((colour_of(&sound) + k).abs() < 0.03, "{index}: {} for {k}", -colour_of(&sound));
            assert!((level::dbov(&sound) + 30.0).abs() < 1.0, "{index}: {}", level::dbov(&sound));
        }
    }

    #[test]
    fn a_lattice_of_many_coefficients_is_the_filter_that_they_describe() {
        // Two coefficients: A(z) = 1 + k1 (1 + k2) z⁻¹ + k2 z⁻² (the step-up recursion).
        let indices = [30, 200];
        let [k1, k2] = indices.map(|n| 258.0 * (f32::from(n) - 127.0) / 32_768.0);
        let mut noise = Noise::new(1, -30.0);
        noise.set_spectrum(&indices);
        let (mut past, mut largest) = ([0.0f32; 2], 0.0f32);
        for n in 0..200 {
            let excitation = if n % 37 == 0 { 1.0 } else { 0.0 };
            let direct = excitation - k1 * (1.0 + k2) * past[0] - k2 * past[1];
            past = [direct, past[0]];
            largest = largest.max((noise.colour(excitation) - direct).abs());
        }
        assert!(largest < 1e-4, "{largest}");
    }

    #[test]
    fn any_spectrum_is_stable_and_none_is_white_again() {
        let mut noise = Noise::new(9, -40.0);
        for indices in [&[0; 40][..], &[254; 40], &[0, 254, 0, 254], &[255; 12]] {
            let mut sound = vec![0; 80_000];
            noise.set_spectrum(indices);
            noise.fill(&mut sound);
            assert!(level::dbov(&sound) < -20.0, "{indices:?}: {}", level::dbov(&sound));
        }
        noise.set_spectrum(&[]);
        let mut sound = vec![0; 8000];
        noise.fill(&mut sound);
        assert!(colour_of(&sound).abs() < 0.05 && (level::dbov(&sound) + 40.0).abs() < 0.5);
    }

    #[test]
    fn the_same_seed_is_the_same_noise_and_another_is_not() {
        let noise = |seed| {
            let mut frame = [0; 160];
            Noise::new(seed, -30.0).fill(&mut frame);
            frame
        };
        assert_eq!(noise(0), noise(1)); // zero is taken for one
        assert_ne!(noise(1), noise(2));
    }

    #[test]
    fn noise_repeats_no_sample_after_a_while() {
        let mut second = vec![0; 8000];
        Noise::new(3, -20.0).fill(&mut second);
        let likeness = |lag: usize| {
            let pairs = second[lag..].iter().zip(&second);
            pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>().abs()
        };
        assert!((1..400).all(|lag| likeness(lag) < 0.1 * likeness(0)));
    }
}
