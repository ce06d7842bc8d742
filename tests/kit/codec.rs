//! The codecs that a test phone speaks. G.711 is the kit's own; Opus is the product's, which its own tests hold
//! against libopus.

use std::fmt;

use baton_codecs::opus::{OpusDecoder, OpusEncoder, PAYLOAD_BYTES_MAX, Settings};
use baton_codecs::{Decoder, Encoder, Rate};

use crate::g711;
use crate::tone::{Tone, amplitude};

/// The high tone of phones that speak with more than telephone bandwidth, in hertz.
const WIDE_HERTZ: f64 = 6_000.0;
/// Samples of 20 ms at Opus's own rate.
const WIDE_FRAME: usize = 960;

/// A codec by its name in SDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// Opus, at its 8 kHz API rate but for [`WideEncode`].
    Opus,
}

impl Codec {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pcmu, Self::Pcma, Self::Opus];

    /// Its name with clock and channels as in `a=rtpmap`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU/8000",
            Self::Pcma => "PCMA/8000",
            Self::Opus => "opus/48000/2",
        }
    }

    /// Its payload type in our offers.
    pub fn number(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::Opus => 111,
        }
    }

    /// Its RTP clock.
    pub fn clock(self) -> u32 {
        if self == Self::Opus { 48_000 } else { 8_000 }
    }

    /// The codec of an `a=rtpmap` name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))
    }
}

/// A sender's codec state.
pub struct Encode {
    codec: Codec,
    opus: Option<OpusEncoder>,
    /// The codes of the last packet's samples: a tone repeats itself, so most G.711 packets are found here.
    last: (Vec<i16>, Vec<u8>),
}

impl Encode {
    /// A new encoder.
    pub fn new(codec: Codec) -> Self {
        let opus = || OpusEncoder::new(Settings::speech(Rate::Hz8000)).expect("the settings are sound");
        Self { codec, opus: (codec == Codec::Opus).then(opus), last: Default::default() }
    }

    /// Appends the payload for these samples at 8 kHz.
    pub fn append(&mut self, samples: &[i16], to: &mut Vec<u8>) {
        if let Some(opus) = &mut self.opus {
            let mut payload = [0; PAYLOAD_BYTES_MAX];
            let length = opus.encode(samples, &mut payload).expect("a frame of a length that Opus has");
            to.extend(&payload[..length]);
            return;
        }
        if self.last.0 != samples {
            let code = if self.codec == Codec::Pcma { g711::to_alaw } else { g711::to_ulaw };
            self.last = (samples.to_vec(), samples.iter().map(|&sample| code(sample)).collect());
        }
        to.extend(&self.last.1);
    }
}

impl fmt::Debug for Encode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encode({:?})", self.codec)
    }
}

/// A receiver's codec state.
#[derive(Default)]
pub struct Decode {
    opus: Option<OpusDecoder>,
}

impl Decode {
    /// The samples of a payload at 8 kHz.
    pub fn samples(&mut self, codec: Codec, payload: &[u8]) -> Vec<i16> {
        match codec {
            Codec::Pcmu => payload.iter().map(|&byte| g711::from_ulaw(byte)).collect(),
            Codec::Pcma => payload.iter().map(|&byte| g711::from_alaw(byte)).collect(),
            Codec::Opus => {
                let new = || OpusDecoder::new(Rate::Hz8000).expect("the rate is one of Opus's");
                let opus = self.opus.get_or_insert_with(new);
                let mut samples = vec![0; 960];
                let count = opus.decode(payload, &mut samples).unwrap_or(0);
                samples.truncate(count);
                samples
            }
        }
    }
}

/// An Opus encoder at its full rate, and what it is given to say.
pub struct WideEncode(OpusEncoder);

impl Default for WideEncode {
    fn default() -> Self {
        Self(OpusEncoder::new(Settings::speech(Rate::Hz48000)).expect("the settings are sound"))
    }
}

impl WideEncode {
    /// Appends the payload of 20 ms: the tone, and the high tone at half its strength.
    pub fn append(&mut self, tone: Tone, to: &mut Vec<u8>) {
        let wave = |hertz: f64, at: usize| (std::f64::consts::TAU * hertz * at as f64 / 48_000.0).sin();
        let sample = |at| (8000.0 * wave(tone.hertz(), at) + 4000.0 * wave(WIDE_HERTZ, at)) as i16;
        let sound: [i16; WIDE_FRAME] = std::array::from_fn(sample);
        let mut payload = [0; PAYLOAD_BYTES_MAX];
        let length = self.0.encode(&sound, &mut payload).expect("a frame of a length that Opus has");
        to.extend(&payload[..length]);
    }
}

impl fmt::Debug for WideEncode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WideEncode")
    }
}

/// Amplitude of the high tone in Opus payloads of one stream: about 4000 where it arrives whole.
pub fn wide_amplitude<'a>(payloads: impl Iterator<Item = &'a [u8]>) -> f64 {
    let mut decoder = OpusDecoder::new(Rate::Hz48000).expect("the rate is one of Opus's");
    let mut sound = Vec::new();
    for payload in payloads {
        let mut samples = [0; 5760];
        let count = decoder.decode(payload, &mut samples).unwrap_or(0);
        sound.extend_from_slice(&samples[..count]);
    }
    // The filter counts in samples at 8 kHz.
    amplitude(&sound, WIDE_HERTZ * 8_000.0 / 48_000.0)
}
