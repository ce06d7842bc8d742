//! The codecs a leg may have, behind one closed enum each way: no dynamic dispatch on the packet path.
//!
//! All sound is mono at 8 kHz: Opus runs at that API rate, since one end of a bridge that is not relayed is nearly
//! always G.711. The RTP clock of Opus stays 48 000 (RFC 7587 §4.1).

use std::rc::Rc;

use baton_codecs::fade::Ramp;
use baton_codecs::g711::{G711Decoder, G711Encoder, Law};
use baton_codecs::opus::{OpusDecoder, OpusEncoder, Settings, Toc, carries_copy, is_silence};
use baton_codecs::{CodecError, Decoder, Encoder, Rate};

use super::spare::Spare;
use super::steer::{Steer, Steering};
use super::{Limits, Payload, SessionParams};

/// Samples of a whole tick of 20 ms.
pub(crate) const TICK_SAMPLES_MAX: usize = 160;
/// Samples of the longest packet we send, 60 ms.
pub(crate) const FRAME_SAMPLES_MAX: usize = 480;
/// An Opus stream that begins amid another one fades in over this, 10 ms.
pub(crate) const FADE_SAMPLES: usize = 80;
/// Opus makes up sound in steps of 2.5 ms (RFC 6716 §2.1.4).
const OPUS_STEP_SAMPLES: usize = 20;
/// Bit rates that the encoder takes, in bits per second.
const BITRATE_MIN: u32 = 6_000;
const BITRATE_MAX: u32 = 128_000;

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

    /// A decoder at the start of its stream. One of Opus is taken from `spare` when it has something to decode.
    pub(crate) fn decoder(self, spare: &Rc<Spare>) -> SoundDecoder {
        match self {
            Self::G711(law) => SoundDecoder::G711(G711Decoder::new(law)),
            Self::Opus => {
                SoundDecoder::Opus(OpusEar { spare: spare.clone(), decoder: None, ramp: Ramp::new(1.0) })
            }
        }
    }

    /// An encoder at the start of its stream. One of Opus is taken from `spare` when it has something to encode.
    pub(crate) fn encoder(self, params: &SessionParams, limits: Limits, spare: &Rc<Spare>) -> SoundEncoder {
        match self {
            Self::G711(law) => SoundEncoder::G711(G711Encoder::new(law)),
            Self::Opus => {
                let settings = settings(params, limits);
                SoundEncoder::Opus(OpusMouth {
                    spare: spare.clone(),
                    encoder: None,
                    settings,
                    limits,
                    steer: Steer::default(),
                    steering: Steering::default(),
                })
            }
        }
    }
}

/// How we encode for a far end with these limits, before anything is known of the line. DTX needs both sides' will
/// (RFC 7587 §6.1, `usedtx`).
pub(super) fn settings(params: &SessionParams, limits: Limits) -> Settings {
    let most = limits.bitrate_max.unwrap_or(params.bitrate);
    Settings {
        complexity: params.complexity.min(10),
        bitrate: params.bitrate.min(most).clamp(BITRATE_MIN, BITRATE_MAX),
        dtx: params.dtx && limits.dtx,
        cbr: limits.cbr,
        ..Settings::speech(Rate::Hz8000)
    }
}

/// Payloads to sound.
#[expect(
    clippy::large_enum_variant,
    reason = "one lies in each leg's playout, which is as large as its largest"
)]
pub(crate) enum SoundDecoder {
    G711(G711Decoder),
    Opus(OpusEar),
}

impl SoundDecoder {
    pub(crate) fn decode(&mut self, payload: &[u8], samples: &mut [i16]) -> Result<usize, CodecError> {
        match self {
            Self::G711(decoder) => decoder.decode(payload, samples),
            Self::Opus(ear) => {
                let length = ear.decoder()?.decode(payload, samples)?;
                ear.ramp.apply(&mut samples[..length]);
                Ok(length)
            }
        }
    }

    pub(crate) fn conceal(&mut self, samples: &mut [i16]) -> Result<(), CodecError> {
        match self {
            Self::G711(decoder) => decoder.conceal(samples),
            Self::Opus(ear) => ear.decoder()?.conceal(samples),
        }
    }

    /// The least it can make up that is no shorter: Opus counts in steps of 2.5 ms.
    pub(crate) fn whole(&self, samples: usize) -> usize {
        match self {
            Self::G711(_) => samples,
            Self::Opus(_) => samples.next_multiple_of(OPUS_STEP_SAMPLES),
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
            Self::Opus(ear) => {
                let decoder = ear.decoder()?;
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

    /// A packet went past that was not decoded: what the decoder remembers is no longer what came before. It begins
    /// anew with the next one, which fades in.
    pub(crate) fn passed(&mut self) {
        match self {
            Self::G711(decoder) => decoder.reset(),
            Self::Opus(ear) => ear.begin_anew(),
        }
    }

    /// Takes what it needs now, rather than with the first payload. Left to that if none lies ready.
    pub(crate) fn make(&mut self) {
        if let Self::Opus(ear) = self {
            let _ = ear.decoder();
        }
    }

    /// It holds an Opus decoder.
    pub(crate) fn is_made(&self) -> bool {
        matches!(self, Self::Opus(OpusEar { decoder: Some(_), .. }))
    }
}

/// An Opus decoder that is there once it was needed.
pub(crate) struct OpusEar {
    spare: Rc<Spare>,
    decoder: Option<OpusDecoder>,
    /// Of the sound after a beginning amid a stream: its first frame lacks the past that it was coded against.
    ramp: Ramp,
}

impl OpusEar {
    fn decoder(&mut self) -> Result<&mut OpusDecoder, CodecError> {
        if self.decoder.is_none() {
            self.decoder = Some(self.spare.decoder()?);
        }
        self.decoder.as_mut().ok_or(CodecError::NoOpus)
    }

    fn begin_anew(&mut self) {
        // Told with every packet that goes past: once is enough.
        if self.ramp.gain() == 0.0 {
            return;
        }
        if let Some(decoder) = &mut self.decoder {
            decoder.reset();
        }
        self.ramp = Ramp::new(0.0);
        self.ramp.move_to(1.0, FADE_SAMPLES);
    }
}

/// Sound to payloads.
pub(crate) enum SoundEncoder {
    G711(G711Encoder),
    Opus(OpusMouth),
}

impl SoundEncoder {
    pub(crate) fn encode(&mut self, samples: &[i16], payload: &mut [u8]) -> Result<usize, CodecError> {
        match self {
            Self::G711(encoder) => encoder.encode(samples, payload),
            Self::Opus(mouth) => mouth.encoder()?.encode(samples, payload),
        }
    }

    /// Works with this complexity (0–10) from the next frame on; one out of range changes nothing.
    pub(crate) fn set_complexity(&mut self, complexity: u8) {
        if let Self::Opus(mouth) = self {
            let complexity = complexity.min(10);
            mouth.follow(Settings { complexity, ..mouth.settings });
        }
    }

    /// Forgets the stream so far.
    pub(crate) fn reset(&mut self) {
        match self {
            Self::G711(encoder) => encoder.reset(),
            Self::Opus(OpusMouth { encoder: Some(encoder), .. }) => encoder.reset(),
            Self::Opus(_) => {}
        }
    }

    /// The far end reports this share of our packets as lost, in 256ths.
    pub(crate) fn told_loss(&mut self, fraction_lost: u8) {
        if let Self::Opus(mouth) = self {
            mouth.steer.handle(fraction_lost);
            mouth.follow(mouth.settings);
        }
    }

    /// A new offer or answer: what the far end takes now.
    pub(crate) fn limit(&mut self, params: &SessionParams, limits: Limits) {
        if let Self::Opus(mouth) = self {
            let complexity = mouth.settings.complexity;
            mouth.limits = limits;
            mouth.follow(Settings { complexity, ..settings(params, limits) });
        }
    }

    /// Whether this payload says no more than that silence goes on, and need not be sent (RFC 6716 §2.1.9).
    pub(crate) fn may_leave_out(&self, payload: &[u8]) -> bool {
        matches!(self, Self::Opus(mouth) if mouth.settings.dtx) && is_silence(payload)
    }

    /// How it is steered; nothing is to be steered in G.711.
    pub(crate) fn steering(&self) -> Steering {
        match self {
            Self::G711(_) => Steering::default(),
            Self::Opus(mouth) => Steering { working: mouth.encoder.is_some(), ..mouth.steering },
        }
    }

    /// How an Opus encoder is set, made or not.
    pub(crate) fn settings(&self) -> Option<Settings> {
        match self {
            Self::G711(_) => None,
            Self::Opus(mouth) => Some(mouth.settings),
        }
    }

    /// Takes what it needs now, rather than with the first frame. Left to that if none lies ready.
    pub(crate) fn make(&mut self) {
        if let Self::Opus(mouth) = self {
            let _ = mouth.encoder();
        }
    }

    /// It holds an Opus encoder.
    pub(crate) fn is_made(&self) -> bool {
        matches!(self, Self::Opus(OpusMouth { encoder: Some(_), .. }))
    }
}

/// An Opus encoder that is there once it was needed.
pub(crate) struct OpusMouth {
    spare: Rc<Spare>,
    encoder: Option<OpusEncoder>,
    settings: Settings,
    limits: Limits,
    steer: Steer,
    steering: Steering,
}

impl OpusMouth {
    fn encoder(&mut self) -> Result<&mut OpusEncoder, CodecError> {
        if self.encoder.is_none() {
            self.encoder = Some(self.spare.encoder(self.settings)?);
        }
        self.encoder.as_mut().ok_or(CodecError::NoOpus)
    }

    /// Takes over these settings, and what the line and the far end want.
    fn follow(&mut self, settings: Settings) {
        let expected = self.steer.expectation(settings.bitrate, self.limits.fec);
        let settings = Settings { fec: expected.fec, loss_percent: expected.loss_percent, ..settings };
        self.steering.count(&self.settings, &settings);
        self.settings = settings;
        if let Some(encoder) = &mut self.encoder {
            encoder.set(self.settings).expect("the settings are kept within their ranges");
        }
    }
}
