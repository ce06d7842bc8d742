//! The codecs a leg may have, behind one closed enum each way: no dynamic dispatch on the packet path.
//!
//! All sound is mono at 8 kHz: Opus runs at that API rate, since one end of a bridge that is not relayed is nearly
//! always G.711. The RTP clock of Opus stays 48 000 (RFC 7587 §4.1).

use baton_codecs::g711::{G711Decoder, G711Encoder, Law};
use baton_codecs::opus::{OpusDecoder, OpusEncoder, Settings, Toc, carries_copy, is_silence};
use baton_codecs::{CodecError, Decoder, Encoder, Rate};

use super::{Payload, SessionParams};

/// Samples of a whole tick of 20 ms.
pub(crate) const TICK_SAMPLES_MAX: usize = 160;
/// Samples of the longest packet we send, 60 ms.
pub(crate) const FRAME_SAMPLES_MAX: usize = 480;

/// An audio codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    G711(Law),
    Opus,
}

impl Codec {
    /// The codec that SDP names; `None` if we have none of that name and clock.
    pub(crate) fn of(payload: &Payload) -> Option<Self> {
        match (payload.encoding.as_str(), payload.clock) {
            (name, 8000) if name.eq_ignore_ascii_case("PCMU") => Some(Self::G711(Law::Mu)),
            (name, 8000) if name.eq_ignore_ascii_case("PCMA") => Some(Self::G711(Law::A)),
            (name, 48_000) if name.eq_ignore_ascii_case("opus") => Some(Self::Opus),
            _ => None,
        }
    }

    /// The payload number that means this codec whatever was agreed (RFC 3551 §6).
    pub(crate) fn static_number(self) -> Option<u8> {
        match self {
            Self::G711(Law::Mu) => Some(0),
            Self::G711(Law::A) => Some(8),
            Self::Opus => None,
        }
    }

    /// RTP clock rate.
    pub(crate) fn clock(self) -> u32 {
        match self {
            Self::G711(_) => 8000,
            Self::Opus => 48_000,
        }
    }

    /// The packet length nearest below the one agreed that this codec can make, in milliseconds.
    pub(crate) fn ptime_ms(self, agreed: u8) -> u8 {
        let tens = (agreed / 10).clamp(1, 6) * 10;
        match (self, tens) {
            (Self::Opus, 30) => 20,
            (Self::Opus, 50) => 40,
            _ => tens,
        }
    }

    /// How long a payload sounds, in units of the RTP clock; 0 if it is none of this codec's.
    pub(crate) fn units(self, payload: &[u8]) -> u32 {
        match self {
            Self::G711(_) => payload.len() as u32,
            Self::Opus => Toc::of(payload).map_or(0, |toc| toc.samples(Rate::Hz48000) as u32),
        }
    }

    /// A payload of two channels.
    pub(crate) fn is_stereo(self, payload: &[u8]) -> bool {
        self == Self::Opus && Toc::of(payload).is_ok_and(Toc::is_stereo)
    }

    /// A decoder at the start of its stream. Errors: those of the codec's library.
    pub(crate) fn decoder(self) -> Result<SoundDecoder, CodecError> {
        Ok(match self {
            Self::G711(law) => SoundDecoder::G711(G711Decoder::new(law)),
            Self::Opus => SoundDecoder::Opus(OpusDecoder::new(Rate::Hz8000)?),
        })
    }

    /// An encoder at the start of its stream. Errors: those of the codec's library, and of settings out of range.
    pub(crate) fn encoder(self, params: &SessionParams) -> Result<SoundEncoder, CodecError> {
        let mut settings = Settings::speech(Rate::Hz8000);
        (settings.complexity, settings.bitrate) = (params.complexity, params.bitrate);
        Ok(match self {
            Self::G711(law) => SoundEncoder::G711(G711Encoder::new(law)),
            Self::Opus => SoundEncoder::Opus(OpusEncoder::new(settings)?),
        })
    }
}

/// Payloads to sound.
#[expect(
    clippy::large_enum_variant,
    reason = "one lies in each leg's playout, which is as large as its largest"
)]
pub(crate) enum SoundDecoder {
    G711(G711Decoder),
    Opus(OpusDecoder),
}

impl SoundDecoder {
    pub(crate) fn decode(&mut self, payload: &[u8], samples: &mut [i16]) -> Result<usize, CodecError> {
        match self {
            Self::G711(decoder) => decoder.decode(payload, samples),
            Self::Opus(decoder) => decoder.decode(payload, samples),
        }
    }

    pub(crate) fn conceal(&mut self, samples: &mut [i16]) -> Result<(), CodecError> {
        match self {
            Self::G711(decoder) => decoder.conceal(samples),
            Self::Opus(decoder) => decoder.conceal(samples),
        }
    }

    /// Makes up a lost frame, with the payload behind the hole at hand: that begins `ahead` samples after this frame's
    /// start. `true`: it was restored from a copy in `next`.
    pub(crate) fn restore(
        &mut self,
        next: &[u8],
        ahead: usize,
        samples: &mut [i16],
    ) -> Result<bool, CodecError> {
        match self {
            Self::G711(decoder) => decoder.bridge(next, ahead, samples),
            Self::Opus(decoder) => {
                if ahead == samples.len() && carries_copy(next) && decoder.recover(next, samples).is_ok() {
                    return Ok(true);
                }
                decoder.conceal(samples)?;
            }
        }
        Ok(false)
    }

    /// Whether a payload helps to fill a hole before it.
    pub(crate) fn helps(&self, payload: &[u8]) -> bool {
        matches!(self, Self::G711(_)) || carries_copy(payload)
    }

    /// Whether a payload says that its sender is silent until the next one.
    pub(crate) fn is_silence(&self, payload: &[u8]) -> bool {
        matches!(self, Self::Opus(_)) && is_silence(payload)
    }
}

/// Sound to payloads.
pub(crate) enum SoundEncoder {
    G711(G711Encoder),
    Opus(OpusEncoder),
}

impl SoundEncoder {
    pub(crate) fn encode(&mut self, samples: &[i16], payload: &mut [u8]) -> Result<usize, CodecError> {
        match self {
            Self::G711(encoder) => encoder.encode(samples, payload),
            Self::Opus(encoder) => encoder.encode(samples, payload),
        }
    }

    /// Works with this complexity (0–10) from the next frame on; one out of range changes nothing.
    pub(crate) fn set_complexity(&mut self, complexity: u8) {
        if let Self::Opus(encoder) = self {
            let settings = Settings { complexity, ..encoder.settings() };
            let taken = encoder.set(settings);
            debug_assert!(taken.is_ok(), "the settings' own bounds keep it in range");
        }
    }

    /// Forgets the stream so far.
    pub(crate) fn reset(&mut self) {
        match self {
            Self::G711(encoder) => encoder.reset(),
            Self::Opus(encoder) => encoder.reset(),
        }
    }
}
