//! The codecs alone, with the same losses: no session, no jitter buffer, every packet at hand when it is wanted.

use baton_codecs::g711::{G711Encoder, Law};
use baton_codecs::opus::{OpusEncoder, Settings};
use baton_codecs::{CodecError, Rate};

use super::ear::{conceal, decoder};
use super::voice::{encode, robust};
use super::{Concealment, Kind, Stream, Way};

/// What a bare conversion does about losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bare {
    /// By whoever decodes the lossy stream.
    pub concealment: Concealment,
    /// Where Opus is encoded here: with FEC for 10 % of loss.
    pub fec: bool,
}

/// What is heard at 8 kHz of the scored part of `stream` and after, converted as `way` says with these losses.
///
/// # Errors
/// Those of the codec's library.
pub fn bare(way: Way, stream: &Stream, losses: &[bool], how: Bare) -> Result<Vec<i16>, CodecError> {
    let none = vec![false; stream.payloads.len()];
    let before = if way.lossy_after { &none[..] } else { losses };
    if way.from == way.to && !way.repaired {
        return play(stream, losses, how.concealment);
    }
    let sound = whole(stream, before, how.concealment)?;
    let again = match way.to {
        Kind::Pcmu => encode(&sound, Kind::Pcmu, 0, &mut G711Encoder::new(Law::Mu))?,
        Kind::Opus => {
            let settings = if how.fec { robust(Rate::Hz8000) } else { Settings::speech(Rate::Hz8000) };
            encode_opus(&sound, settings)?
        }
    };
    let again = Stream { scored: stream.scored, ..again };
    play(&again, if way.lossy_after { losses } else { &none }, how.concealment)
}

fn encode_opus(sound: &[i16], settings: Settings) -> Result<Stream, CodecError> {
    encode(sound, Kind::Opus, 0, &mut OpusEncoder::new(settings)?)
}

/// The scored part of [`whole`].
fn play(stream: &Stream, losses: &[bool], how: Concealment) -> Result<Vec<i16>, CodecError> {
    Ok(whole(stream, losses, how)?.split_off(stream.scored * 160))
}

/// All of a stream, decoded.
fn whole(stream: &Stream, losses: &[bool], how: Concealment) -> Result<Vec<i16>, CodecError> {
    let mut decoder = decoder(stream.kind)?;
    let lost = |at: usize| losses.get(at).copied().unwrap_or(false);
    let mut sound = vec![0; stream.payloads.len() * 160];
    for (at, frame) in sound.chunks_exact_mut(160).enumerate() {
        if lost(at) {
            let next = stream.payloads.get(at + 1).filter(|_| !lost(at + 1));
            conceal(&mut *decoder, how, next.map(Vec::as_slice), frame)?;
        } else {
            decoder.decode(&stream.payloads[at], frame)?;
        }
    }
    Ok(sound)
}
