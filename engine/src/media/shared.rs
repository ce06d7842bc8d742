//! Packets that are made once and sent by every call that needs them: those of the prompts, and silence.
//!
//! G.711 has no memory: a prompt's bytes may be sent from any place. Opus has: its packets are made from a reset encoder,
//! one round of the prompt and a second one that follows it, and a stream that has begun with the first goes on with the
//! second for ever, since what lies before either end of the second round is the same sound. Who sends them in this order
//! sends what one encoder would have made.
//!
//! It leaves out prompts longer than a packet fits, which there are none of, and Opus packets of other lengths than 20 ms:
//! a leg that wants those encodes for itself.

use baton_codecs::g711::Law;
use baton_codecs::opus::{OpusEncoder, PAYLOAD_BYTES_MAX};
use baton_codecs::{CodecError, Encoder};

use super::coder::{self, Codec, TICK_SAMPLES_MAX};
use super::prompt::Played;
use super::{Limits, SessionParams};

/// Lengths of Opus packets of silence, in milliseconds.
const SILENCES_MS: [u8; 4] = [10, 20, 40, 60];
/// Frames of silence after which an encoder has forgotten what was before.
const SETTLED: usize = 10;

/// A prompt's packets.
#[derive(Debug)]
pub(crate) struct Frames {
    /// In both laws, from the beginning and from the second round on.
    g711: [Box<[u8]>; 2],
    opus: Option<OpusFrames>,
    samples: usize,
}

/// Opus packets of 20 ms, one behind the other: two rounds of the prompt.
#[derive(Debug)]
struct OpusFrames {
    bytes: Box<[u8]>,
    /// Where each ends.
    ends: Box<[u32]>,
}

impl Frames {
    /// Packets of a sound of so many samples, whole frames of 20 ms; `fill` gives it from any place of an endless play.
    pub(super) fn new(samples: usize, fill: impl Fn(usize, &mut [i16]), params: &SessionParams) -> Self {
        let mut sound = vec![0; 2 * samples];
        fill(0, &mut sound);
        let law = |law: Law| -> Box<[u8]> { sound.iter().map(|sample| law.compress(*sample)).collect() };
        let opus = OpusFrames::new(&sound, params).ok();
        Self { g711: [law(Law::Mu), law(Law::A)], opus, samples }
    }

    /// The place within two rounds that sounds as this one of an endless play does.
    fn place(&self, place: usize) -> usize {
        if place < self.samples { place } else { self.samples + place % self.samples }
    }

    fn g711(&self, law: Law, place: usize, payload: &mut [u8]) {
        let bytes = &self.g711[usize::from(law == Law::A)];
        payload.iter_mut().zip(place..).for_each(|(byte, place)| *byte = bytes[self.place(place)]);
    }
}

impl OpusFrames {
    /// Errors: those of the codec's library.
    fn new(sound: &[i16], params: &SessionParams) -> Result<Self, CodecError> {
        let mut encoder = OpusEncoder::new(coder::settings(params, Limits::default()))?;
        let (mut bytes, mut ends, mut payload) = (Vec::new(), Vec::new(), [0; PAYLOAD_BYTES_MAX]);
        for frame in sound.chunks_exact(TICK_SAMPLES_MAX) {
            let length = encoder.encode(frame, &mut payload)?;
            bytes.extend_from_slice(&payload[..length]);
            ends.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        }
        Ok(Self { bytes: bytes.into(), ends: ends.into() })
    }

    fn get(&self, frame: usize) -> Option<&[u8]> {
        let start = frame.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.bytes.get(start as usize..*self.ends.get(frame)? as usize)
    }
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Shared {
    prompts: Vec<Frames>,
    silences: [Vec<u8>; SILENCES_MS.len()],
    bitrate: u32,
}

impl Shared {
    pub(super) fn new(prompts: Vec<Frames>, params: &SessionParams) -> Self {
        let silences = SILENCES_MS.map(|ms| silence(ms, params).unwrap_or_default());
        Self { prompts, silences, bitrate: params.bitrate }
    }

    /// Opus silence of this length; `None`: there is none.
    pub(crate) fn silence(&self, ptime_ms: u8) -> Option<&[u8]> {
        let at = SILENCES_MS.iter().position(|ms| *ms == ptime_ms)?;
        Some(self.silences[at].as_slice()).filter(|payload| !payload.is_empty())
    }

    /// Whether packets of Opus suit a far end with these limits, in packets of this length.
    pub(crate) fn suits(&self, limits: Limits, ptime_ms: u8) -> bool {
        ptime_ms == 20 && !limits.cbr && limits.bitrate_max.is_none_or(|most| most >= self.bitrate)
    }

    /// Writes the payload of so many samples of a prompt; its length. `None`: it must be encoded.
    pub(crate) fn payload(
        &self,
        codec: Codec,
        played: Played,
        samples: usize,
        into: &mut [u8],
    ) -> Option<usize> {
        let frames = self.prompts.get(usize::from(played.prompt.0))?;
        match codec {
            Codec::G711(law) => {
                frames.g711(law, played.place, into.get_mut(..samples)?);
                Some(samples)
            }
            Codec::Opus => {
                let aligned = samples == TICK_SAMPLES_MAX && played.place.is_multiple_of(TICK_SAMPLES_MAX);
                let frames_before = frames.place(played.place) / TICK_SAMPLES_MAX;
                let payload = frames.opus.as_ref().filter(|_| aligned)?.get(frames_before)?;
                into.get_mut(..payload.len())?.copy_from_slice(payload);
                Some(payload.len())
            }
        }
    }
}

/// A payload of silence amid silence. Errors: those of the codec's library.
fn silence(ms: u8, params: &SessionParams) -> Result<Vec<u8>, CodecError> {
    let mut encoder = OpusEncoder::new(coder::settings(params, Limits::default()))?;
    let (sound, mut payload, mut length) = (vec![0; usize::from(ms) * 8], [0; PAYLOAD_BYTES_MAX], 0);
    for _ in 0..SETTLED {
        length = encoder.encode(&sound, &mut payload)?;
    }
    Ok(payload[..length].to_vec())
}
