//! Where a call's SRTP keys come from: a generator that nobody can guess without its seed (ChaCha20), seeded by the
//! shell's entropy. The generator of tags and session ids would not do: it has 64 bits of seed and shows its output.
//!
//! It leaves out which keys go where, which offer and answer decide.

use std::fmt;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde::Serialize;

use baton_signaling::sdp::FreshKeys;

/// A source of master keys: the same seed, the same keys. Never printed nor serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySource(ChaCha20Rng);

impl KeySource {
    /// The source of this seed, which must be entropy where keys are to be secret.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// A source of its own for somebody else.
    pub fn split(&mut self) -> Self {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        Self::new(seed)
    }

    /// Keys that were never drawn before.
    pub(super) fn draw(&mut self) -> FreshKeys {
        FreshKeys::draw(|bytes| self.0.fill_bytes(bytes))
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySource(masked)")
    }
}

impl Serialize for KeySource {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("masked")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_repeat_with_their_seed_alone() {
        let mut source = KeySource::new([7; 32]);
        let (first, second) = (source.draw(), source.draw());
        let split = source.split().draw();
        assert!(first != second && first != split && second != split);
        let mut again = KeySource::new([7; 32]);
        assert!((again.draw(), again.draw(), again.split().draw()) == (first, second, split));
    }
}
