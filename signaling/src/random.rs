//! The crate's seeded generator, from which tags, branches, Call-IDs and waiting times are drawn: xoshiro256**.
//!
//! Same seed, same draws. The seed is the shell's entropy; an endpoint's tags are as hard to guess as its seed.

use bytes::Bytes;

/// A seeded generator (xoshiro256**, its state filled by SplitMix64).
#[derive(Clone, Debug)]
pub struct Random([u64; 4]);

impl Random {
    /// The generator of this seed.
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        Self(std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }))
    }

    /// 64 random bits.
    pub fn draw(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= t;
        *d = d.rotate_left(45);
        result
    }

    /// A number below `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        // The bias is below end / 2^64.
        u64::try_from((u128::from(self.draw()) * u128::from(end)) >> 64).expect("the upper half of a u128")
    }

    /// `prefix` and 64 random bits in hexadecimal: a tag, branch or Call-ID.
    pub fn token(&mut self, prefix: &str) -> Bytes {
        Bytes::from(format!("{prefix}{:016x}", self.draw()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same() {
        let draws = |seed| {
            let mut random = Random::new(seed);
            [random.draw(), random.draw(), random.draw()]
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
    }

    #[test]
    fn a_bounded_draw_stays_below_its_end_and_reaches_every_value() {
        let mut random = Random::new(1);
        let mut seen = [0_u32; 10];
        for _ in 0..1000 {
            seen[usize::try_from(random.below(10)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|&count| count > 60), "{seen:?}");
        assert_eq!(random.below(0), 0);
    }
}
