//! What the generator sends: frames of 20 ms encoded once, before any clock runs.

use std::path::Path;
use std::rc::Rc;

use baton_codecs::g711::{G711Encoder, Law};
use baton_codecs::opus::{OpusEncoder, PAYLOAD_BYTES_MAX, Settings};
use baton_codecs::resample::Resampler;
use baton_codecs::{CodecError, Encoder, Rate};

/// How a party speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    /// Opus at 24 kbit/s from 16 kHz speech, on its clock of 48 kHz (RFC 7587).
    Opus,
    /// G.711 µ-law.
    Pcmu,
}

impl Voice {
    /// Its name on the command line.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Pcmu => "pcmu",
        }
    }

    /// Its name in the node's settings.
    pub(crate) const fn codec(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Pcmu => "PCMU",
        }
    }

    /// Its name in SDP.
    pub(crate) const fn rtpmap(self) -> &'static str {
        match self {
            Self::Opus => "opus/48000/2",
            Self::Pcmu => "PCMU/8000",
        }
    }

    /// Its number in our offers.
    pub(crate) const fn payload_type(self) -> u8 {
        match self {
            Self::Opus => 111,
            Self::Pcmu => 0,
        }
    }

    /// Steps of its RTP clock in 20 ms.
    pub(crate) const fn step(self) -> u32 {
        match self {
            Self::Opus => 960,
            Self::Pcmu => 160,
        }
    }

    const fn rate(self) -> Rate {
        match self {
            Self::Opus => Rate::Hz16000,
            Self::Pcmu => Rate::Hz8000,
        }
    }
}

/// Frames between two marks: 2 s, more than a node may hold sound back for.
pub(crate) const MARK_FRAMES: usize = 100;
/// Loud frames of a mark: long enough to outlive any frame the node may drop or stretch.
const LOUD_FRAMES: usize = 3;
/// Marks before they begin again.
const MARKS: usize = 5;

/// Payloads to be sent again and again.
#[derive(Clone, Debug)]
pub(crate) struct Frames {
    /// Whose.
    pub voice: Voice,
    /// One for each 20 ms.
    pub payloads: Rc<[Vec<u8>]>,
}

impl Frames {
    /// Recorded speech; `file` is one of the demo's.
    pub(crate) fn speech(voice: Voice, file: &str) -> Result<Self, String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/assets/audio").join(file);
        let unreadable = |error: hound::Error| format!("cannot read {}: {error}", path.display());
        let mut wav = hound::WavReader::open(&path).map_err(unreadable)?;
        let mut samples: Vec<i16> = wav.samples().collect::<Result<_, _>>().map_err(unreadable)?;
        // Whole frames at both rates.
        samples.truncate(samples.len() / 320 * 320);
        let mut converted = samples;
        if voice.rate() != Rate::Hz16000 {
            let mut resampler = Resampler::new(Rate::Hz16000, voice.rate());
            let mut out = vec![0; resampler.samples_out(converted.len())];
            resampler.process(&converted, &mut out).map_err(|error| error.to_string())?;
            converted = out;
        }
        Self::encode(voice, &converted).map_err(|error| format!("{file}: {error}"))
    }

    /// Near silence with a loud tone of 60 ms every 2 s.
    pub(crate) fn marks(voice: Voice) -> Result<Self, String> {
        let frame = voice.rate().samples(20);
        let hz = f64::from(voice.rate().hz());
        let sample = |n: usize| {
            if n / frame % MARK_FRAMES < LOUD_FRAMES {
                let angle = std::f64::consts::TAU * 1000.0 * (n as f64) / hz;
                // As loud as a shout.
                (angle.cos() * 20_000.0) as i16
            } else {
                // The hiss of a quiet line, from a multiplier that anybody can repeat.
                ((n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60) as i16 - 8
            }
        };
        let samples: Vec<i16> = (0..MARKS * MARK_FRAMES * frame).map(sample).collect();
        Self::encode(voice, &samples).map_err(|error| error.to_string())
    }

    fn encode(voice: Voice, samples: &[i16]) -> Result<Self, CodecError> {
        let frames = samples.chunks_exact(voice.rate().samples(20));
        let mut room = vec![0; PAYLOAD_BYTES_MAX];
        let mut payload = |encoder: &mut dyn Encoder, frame: &[i16]| {
            encoder.encode(frame, &mut room).map(|length| room[..length].to_vec())
        };
        let payloads = match voice {
            Voice::Opus => {
                let mut encoder = OpusEncoder::new(Settings::speech(voice.rate()))?;
                frames.map(|frame| payload(&mut encoder, frame)).collect::<Result<Vec<_>, _>>()?
            }
            Voice::Pcmu => {
                let mut encoder = G711Encoder::new(Law::Mu);
                frames.map(|frame| payload(&mut encoder, frame)).collect::<Result<Vec<_>, _>>()?
            }
        };
        Ok(Self { voice, payloads: payloads.into() })
    }
}
