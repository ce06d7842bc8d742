//! Which codecs a session turns into which at the moment, for whoever counts transcoders.
//!
//! Leaves out mixing and prompts: what is told is between the caller and the party the caller speaks with.

use super::coder::Codec;
use super::session::Session;
use baton_codecs::g711::Law;

/// The names of the codecs, as SDP spells them, in the order in which [`Session::transcodings`] numbers them.
pub const CODEC_NAMES: [&str; 3] = ["PCMU", "PCMA", "opus"];

impl Session {
    /// The streams between the caller and the other party that are decoded and encoded anew: from and to which codec,
    /// as positions in [`CODEC_NAMES`]. A stream that has not begun is none.
    pub fn transcodings(&self) -> impl Iterator<Item = (usize, usize)> {
        self.legs.iter().enumerate().filter(|(_, leg)| leg.units > 0).filter_map(|(from, leg)| {
            let to = self.relay_target(leg.id).and_then(|to| self.index(to))?;
            (!self.can_relay(from, to)).then(|| (number(leg.codec), number(self.legs[to].codec)))
        })
    }
}

fn number(codec: Codec) -> usize {
    match codec {
        Codec::G711(Law::Mu) => 0,
        Codec::G711(Law::A) => 1,
        Codec::Opus => 2,
    }
}
