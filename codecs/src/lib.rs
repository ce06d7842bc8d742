//! Audio codecs and sample maths: pure functions and small structs over slices that the caller owns.
//!
//! What it leaves out: RTP, SDP, time, and any allocation after `new`.
//!
//! # The hot-path contract
//!
//! Everything here is meant to run on every frame of thousands of calls, so every type keeps these promises:
//!
//! - Samples are signed 16-bit, mono, native byte order. Payloads are bytes as they lie in an RTP packet.
//! - The caller owns every buffer. A method writes to the front of the slice it is given and returns how much it
//!   wrote; what lies behind is left as it was.
//! - After `new` nothing allocates, blocks, logs, reads a clock or draws from a random source. The one exception
//!   is Opus with feature `pure-opus`, whose library allocates scratch space in most frames.
//! - A peer's bad payload is a [`CodecError`], never a panic, and leaves a decoder usable for the next one.
//! - `reset` makes a codec forget the stream it has heard and keep its settings.

mod bridge;
pub mod comfort_noise;
pub mod dtmf;
pub mod fade;
pub mod g711;
pub mod level;
pub mod loudness;
pub mod opus;
mod pitch;
pub mod plc;
pub mod resample;
pub mod stretch;
pub mod telephone_event;
pub mod tone;

use std::fmt;

/// A sample rate that Baton works at. The RTP clock of Opus is 48 000 whatever rate its samples have (RFC 7587 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rate {
    /// Narrowband: G.711, and Opus on its way to or from G.711.
    Hz8000,
    /// Wideband: recordings.
    Hz16000,
    /// Fullband: Opus's own rate.
    Hz48000,
}

impl Rate {
    /// Samples per second.
    pub const fn hz(self) -> u32 {
        match self {
            Rate::Hz8000 => 8_000,
            Rate::Hz16000 => 16_000,
            Rate::Hz48000 => 48_000,
        }
    }

    /// Samples in so many milliseconds.
    pub const fn samples(self, ms: u32) -> usize {
        (self.hz() / 1000 * ms) as usize
    }
}

/// Turns samples into payloads, one frame at a time.
pub trait Encoder {
    /// The rate of the samples taken.
    fn rate(&self) -> Rate;

    /// Encodes one frame into the front of `payload` and returns the bytes written.
    ///
    /// # Errors
    /// [`CodecError::FrameLength`] if the codec has no frame of that many samples, [`CodecError::OutputTooSmall`]
    /// if `payload` cannot hold the frame.
    fn encode(&mut self, samples: &[i16], payload: &mut [u8]) -> Result<usize, CodecError>;

    /// Forgets the stream so far and keeps the settings.
    fn reset(&mut self);
}

/// Turns payloads into samples, and fills the holes where no payload came.
///
/// For each frame of the stream exactly one of `decode`, `conceal` and `recover` is called, in the stream's order.
pub trait Decoder {
    /// The rate of the samples given.
    fn rate(&self) -> Rate;

    /// Samples that `payload` will decode to, without decoding it.
    ///
    /// # Errors
    /// [`CodecError::Payload`] if it is none of this codec's.
    fn samples_in(&self, payload: &[u8]) -> Result<usize, CodecError>;

    /// Decodes a payload into the front of `samples` and returns the samples written.
    ///
    /// # Errors
    /// [`CodecError::Payload`] if it is none of this codec's, [`CodecError::OutputTooSmall`] if `samples` cannot
    /// hold it; the decoder's state is then as before.
    fn decode(&mut self, payload: &[u8], samples: &mut [i16]) -> Result<usize, CodecError>;

    /// Makes up the sound of a lost frame, exactly as long as `samples`.
    ///
    /// # Errors
    /// [`CodecError::FrameLength`] if the codec cannot conceal that many samples.
    fn conceal(&mut self, samples: &mut [i16]) -> Result<(), CodecError>;

    /// As [`Decoder::conceal`], with the payload that follows the lost one at hand: a codec that carries a copy of
    /// each frame in the next plays that copy. `next` itself is then still to be decoded.
    ///
    /// # Errors
    /// As [`Decoder::conceal`], and [`CodecError::Payload`] if `next` is none of this codec's.
    fn recover(&mut self, next: &[u8], samples: &mut [i16]) -> Result<(), CodecError>;

    /// Forgets the stream so far and keeps the settings.
    fn reset(&mut self);
}

/// What a codec refuses, with the numbers that show why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecError {
    /// The caller's slice is too short. Bytes for payloads, samples for sound.
    OutputTooSmall {
        /// What the frame needs.
        need: usize,
        /// What the slice has.
        have: usize,
    },
    /// The codec has no frame of this length.
    FrameLength {
        /// Samples that were given or asked for.
        samples: usize,
    },
    /// The payload is not this codec's or is cut off.
    Payload {
        /// Its length.
        bytes: usize,
    },
    /// A setting lies outside what the codec allows.
    Setting {
        /// Which.
        name: &'static str,
        /// What was asked for.
        value: u32,
        /// The least that is allowed.
        least: u32,
        /// The most that is allowed.
        most: u32,
    },
    /// The codec's library failed in a way that neither caller nor peer explains.
    Library {
        /// The library's own code (libopus: a negative number of `opus_defines.h`).
        code: i32,
    },
    /// This build has no Opus: neither `native-opus` nor `pure-opus` was chosen.
    NoOpus,
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            CodecError::OutputTooSmall { need, have } => {
                write!(f, "output needs {need}, has room for {have}")
            }
            CodecError::FrameLength { samples } => write!(f, "no frame is {samples} samples long"),
            CodecError::Payload { bytes } => write!(f, "a payload of {bytes} bytes is not this codec's"),
            CodecError::Setting { name, value, least, most } => {
                write!(f, "{name} is {value}, allowed are {least} to {most}")
            }
            CodecError::Library { code } => write!(f, "the codec's library failed with code {code}"),
            CodecError::NoOpus => write!(f, "this build has no Opus (features native-opus, pure-opus)"),
        }
    }
}

impl std::error::Error for CodecError {}

/// `Ok` if a slice of `have` can hold `need`.
fn room(need: usize, have: usize) -> Result<(), CodecError> {
    if need <= have { Ok(()) } else { Err(CodecError::OutputTooSmall { need, have }) }
}

/// The nearest sample, clipped at 16 bits. Written out because `round` is a call on machines without SSE 4.1.
#[inline]
fn to_sample(value: f32) -> i16 {
    (value + 0.5f32.copysign(value)) as i16 // `as` cuts towards zero and saturates
}

/// Sum of products of two slices whose length is a multiple of eight, in eight lanes so that the compiler may use them.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    debug_assert!(a.len() == b.len() && a.len().is_multiple_of(8), "{} and {}", a.len(), b.len());
    let mut lanes = [0.0f32; 8];
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_knows_the_length_of_a_frame() {
        assert_eq!(Rate::Hz8000.samples(20), 160);
        assert_eq!(Rate::Hz16000.samples(10), 160);
        assert_eq!(Rate::Hz48000.samples(60), 2880);
    }

    #[test]
    fn an_error_tells_its_numbers() {
        assert_eq!(room(160, 80).unwrap_err().to_string(), "output needs 160, has room for 80");
        let error = CodecError::Setting { name: "complexity", value: 11, least: 0, most: 10 };
        assert_eq!(error.to_string(), "complexity is 11, allowed are 0 to 10");
    }

    #[test]
    fn a_sample_is_the_nearest_and_clipped() {
        let values = [0.4, 0.5, -0.5, -1.4, 32_767.4, 40_000.0, -40_000.0];
        assert_eq!(values.map(to_sample), [0, 1, -1, -1, 32_767, i16::MAX, i16::MIN]);
    }

    #[test]
    fn a_sum_of_products_takes_every_lane() {
        let ramp: Vec<f32> = (1..=16u8).map(f32::from).collect();
        assert_eq!(dot(&ramp, &ramp), 1496.0);
    }
}
