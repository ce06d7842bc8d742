//! Opus for speech (RFC 6716, RFC 7587): one channel, at API rates of 8, 16 and 48 kHz.
//!
//! What it leaves out: stereo output (a stereo stream is decoded to its sum), music, multistream, and the choice of
//! settings from SDP.
//!
//! The codec's work is a library's. Feature `native-opus` is libopus in C, `pure-opus` the same codec in Rust; with
//! both, libopus is used, and with neither `new` answers [`CodecError::NoOpus`]. A bridge to G.711 wants
//! [`Rate::Hz8000`]: the library resamples better and cheaper than anything behind it.

#[cfg(not(any(feature = "native-opus", feature = "pure-opus")))]
mod absent;
#[cfg(feature = "native-opus")]
mod native;
#[cfg(all(feature = "pure-opus", not(feature = "native-opus")))]
mod pure;
mod toc;

#[cfg(not(any(feature = "native-opus", feature = "pure-opus")))]
use absent as library;
#[cfg(feature = "native-opus")]
use native as library;
#[cfg(all(feature = "pure-opus", not(feature = "native-opus")))]
use pure as library;

pub use toc::{Bandwidth, Mode, Toc, carries_copy, carries_voice};

use crate::{CodecError, Decoder, Encoder, Rate, room};

/// Room for any frame this encoder makes: 60 ms are three coded frames of at most 1 275 bytes and 7 bytes around
/// them (RFC 6716 §3.2).
pub const PAYLOAD_BYTES_MAX: usize = 3 * 1275 + 7;
/// Longest sound in one payload, in milliseconds (RFC 6716 §3.2.5).
pub const PAYLOAD_MS_MAX: u32 = 120;

/// Milliseconds of sound that one payload may be asked to carry; RTP is sent in no others here.
const FRAMES_MS: [u32; 4] = [10, 20, 40, 60];

/// How to encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Rate of the samples given.
    pub rate: Rate,
    /// Effort, 0 to 10. Speech at 8 kHz is nearly as good at 0 as at 10, which costs three times as much.
    pub complexity: u8,
    /// Bits a second on average, 6 000 to 128 000.
    pub bitrate: u32,
    /// Put a small copy of each frame into the next (in-band forward error correction, RFC 6716 §2.1.7), if
    /// `loss_percent` says that it pays.
    pub fec: bool,
    /// Send next to nothing during silence (RFC 6716 §2.1.9); see [`is_silence`].
    pub dtx: bool,
    /// Share of packets expected to be lost, 0 to 100.
    pub loss_percent: u8,
    /// Every frame takes the same number of bytes.
    pub cbr: bool,
}

impl Settings {
    /// For telephone speech: complexity 5, 24 kbit/s, without FEC or DTX.
    pub const fn speech(rate: Rate) -> Self {
        Settings { rate, complexity: 5, bitrate: 24_000, fec: false, dtx: false, loss_percent: 0, cbr: false }
    }

    fn check(&self) -> Result<(), CodecError> {
        within("complexity", self.complexity.into(), 0, 10)?;
        within("bitrate", self.bitrate, 6_000, 128_000)?;
        within("loss_percent", self.loss_percent.into(), 0, 100)
    }
}

fn within(name: &'static str, value: u32, least: u32, most: u32) -> Result<(), CodecError> {
    let error = CodecError::Setting { name, value, least, most };
    if (least..=most).contains(&value) { Ok(()) } else { Err(error) }
}

/// An encoder of one mono stream.
#[derive(Debug)]
pub struct OpusEncoder {
    settings: Settings,
    library: library::Encoder,
}

impl OpusEncoder {
    /// An encoder at the start of its stream.
    ///
    /// # Errors
    /// [`CodecError::Setting`] for a setting out of range, [`CodecError::Library`] if the library has no memory,
    /// [`CodecError::NoOpus`] in a build without Opus.
    pub fn new(settings: Settings) -> Result<Self, CodecError> {
        settings.check()?;
        let mut library = library::Encoder::new(settings.rate)?;
        library.apply(&settings)?;
        Ok(OpusEncoder { settings, library })
    }

    /// The settings in force.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Changes complexity, bit rate and its constancy, FEC, DTX and expected loss from the next frame on, without a seam.
    ///
    /// # Errors
    /// [`CodecError::Setting`] if one is out of range or the rate is another; the old settings then stay.
    pub fn set(&mut self, settings: Settings) -> Result<(), CodecError> {
        let rate = self.settings.rate.hz();
        within("rate", settings.rate.hz(), rate, rate)?;
        settings.check()?;
        self.library.apply(&settings)?;
        self.settings = settings;
        Ok(())
    }

    /// Samples that the sound trails behind its payload (6.5 ms).
    ///
    /// # Errors
    /// [`CodecError::Library`] if the library does not tell.
    pub fn lookahead_samples(&mut self) -> Result<usize, CodecError> {
        self.library.lookahead()
    }
}

impl Encoder for OpusEncoder {
    fn rate(&self) -> Rate {
        self.settings.rate
    }

    /// Takes 10, 20, 40 or 60 ms. `payload` should have [`PAYLOAD_BYTES_MAX`] bytes: a shorter one lowers the
    /// quality of a frame that would not fit.
    fn encode(&mut self, samples: &[i16], payload: &mut [u8]) -> Result<usize, CodecError> {
        let rate = self.settings.rate;
        if !FRAMES_MS.iter().any(|&ms| rate.samples(ms) == samples.len()) {
            return Err(CodecError::FrameLength { samples: samples.len() });
        }
        room(2, payload.len())?;
        let most = payload.len().min(PAYLOAD_BYTES_MAX);
        self.library.encode(samples, &mut payload[..most])
    }

    fn reset(&mut self) {
        self.library.reset();
    }
}

/// Whether an encoder with DTX made this payload to say "silence goes on": such a payload need not be sent.
pub fn is_silence(payload: &[u8]) -> bool {
    payload.len() <= 2
}

/// A decoder of one stream, mono or stereo, to mono.
#[derive(Debug)]
pub struct OpusDecoder {
    rate: Rate,
    library: library::Decoder,
}

impl OpusDecoder {
    /// A decoder at the start of its stream.
    ///
    /// # Errors
    /// [`CodecError::Library`] if the library has no memory, [`CodecError::NoOpus`] in a build without Opus.
    pub fn new(rate: Rate) -> Result<Self, CodecError> {
        Ok(OpusDecoder { rate, library: library::Decoder::new(rate)? })
    }

    /// Whether the library can make up so many samples: 2.5 ms and its multiples, up to [`PAYLOAD_MS_MAX`].
    fn check_concealed(&self, samples: usize) -> Result<(), CodecError> {
        let step = self.rate.hz() as usize / 400;
        let fits =
            samples > 0 && samples.is_multiple_of(step) && samples <= self.rate.samples(PAYLOAD_MS_MAX);
        if fits { Ok(()) } else { Err(CodecError::FrameLength { samples }) }
    }
}

impl Decoder for OpusDecoder {
    fn rate(&self) -> Rate {
        self.rate
    }

    fn samples_in(&self, payload: &[u8]) -> Result<usize, CodecError> {
        Ok(Toc::of(payload)?.samples(self.rate))
    }

    fn decode(&mut self, payload: &[u8], samples: &mut [i16]) -> Result<usize, CodecError> {
        let need = self.samples_in(payload)?;
        room(need, samples.len())?;
        self.library.decode(payload, &mut samples[..need])
    }

    fn conceal(&mut self, samples: &mut [i16]) -> Result<(), CodecError> {
        self.check_concealed(samples.len())?;
        self.library.conceal(samples)
    }

    /// Plays the copy of the lost frame that `next` carries; where it carries none ([`carries_copy`]), conceals.
    fn recover(&mut self, next: &[u8], samples: &mut [i16]) -> Result<(), CodecError> {
        self.check_concealed(samples.len())?;
        Toc::of(next)?;
        self.library.recover(next, samples)
    }

    fn reset(&mut self) {
        self.library.reset();
    }
}

/// Name and version of the library in this build.
pub fn library_version() -> &'static str {
    library::version()
}

#[cfg(test)]
mod tests;
