//! A talker, a line with faults, a session, a listener: what is heard of recorded speech, in virtual time.
//!
//! Bytes and times go into the real [`Session`](baton_engine::media::Session) and come out of it; no socket, no clock.
//! The same faults are laid on bare codecs for comparison. It leaves out how sound is scored, which a Python
//! program does behind [`Judge`].

mod bare;
mod condition;
mod ear;
mod judge;
mod line;
mod voice;

pub use bare::{Bare, bare};
pub use condition::{Condition, Fate, LINE_US};
pub use ear::{Concealment, Ear};
pub use judge::{Judge, Score};
pub use line::{Heard, Trip, Way, trip};
pub use voice::{FRAME_MS, Kind, Stream, VOICES, Voice};

/// The seeded generator (splitmix64): the same faults for every system, in every run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Evenly in 0..1.
    pub(crate) fn share(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1u64 << 53) as f64
    }
}
