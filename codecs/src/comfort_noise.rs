//! White noise at a chosen level, for a line that would otherwise sound dead.
//!
//! What it leaves out: the spectrum of RFC 3389 (only the level byte of its payload is read) and Opus, which brings
//! its own comfort noise.

/// White noise from a seeded generator: the same seed gives the same noise.
#[derive(Clone, Debug)]
pub struct Noise {
    state: u32,
    /// Peak, so that the root mean square is the level asked for.
    peak: f32,
}

impl Noise {
    /// Noise at so many dBov (-127 to 0; louder than -5 clips).
    pub fn new(seed: u32, dbov: f32) -> Self {
        // Zero is the one state that xorshift never leaves.
        let mut noise = Noise { state: seed.max(1), peak: 0.0 };
        noise.set_dbov(dbov);
        noise
    }

    /// Changes the level. The first byte of an RFC 3389 payload, negated, is such a level (§3.1).
    pub fn set_dbov(&mut self, dbov: f32) {
        // Even noise between -peak and +peak has a root mean square of peak / √3.
        self.peak = 32_768.0 * 10f32.powf(dbov / 20.0) * 3f32.sqrt();
    }

    /// Fills a frame.
    pub fn fill(&mut self, samples: &mut [i16]) {
        for sample in samples {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 17;
            self.state ^= self.state << 5;
            let even = self.state as i32 as f32 / i32::MAX as f32;
            *sample = (even * self.peak) as i16; // `as` saturates
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
