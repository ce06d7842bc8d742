//! What an Opus payload says of itself without being decoded (RFC 6716 §3.1 and §3.2).
//!
//! What it leaves out: the lengths of the frames inside, but for the first one's place. A payload that passes here
//! may still be refused by the decoder.

use crate::{CodecError, Rate};

/// Which of the two codecs inside Opus made a payload (RFC 6716 §3.1, table 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The speech codec alone.
    Silk,
    /// Speech codec below 8 kHz, music codec above.
    Hybrid,
    /// The music codec alone: short frames, no in-band FEC.
    Celt,
}

/// Audio bandwidth (RFC 6716 §2, table 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bandwidth {
    /// 4 kHz.
    Narrow,
    /// 6 kHz.
    Medium,
    /// 8 kHz.
    Wide,
    /// 12 kHz.
    SuperWide,
    /// 20 kHz.
    Full,
}

/// The table-of-contents byte and the number of frames behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Toc {
    /// The byte itself: configuration, stereo bit, frame-count code.
    byte: u8,
    /// Frames in the payload, 1 to 48.
    frames: u8,
}

impl Toc {
    /// Reads the head of a payload.
    ///
    /// # Errors
    /// [`CodecError::Payload`] if it is empty, lacks the frame count its code asks for, or counts no frame or more
    /// than 120 ms of them (RFC 6716 §3.4, R1 and R5).
    pub fn of(payload: &[u8]) -> Result<Self, CodecError> {
        let error = CodecError::Payload { bytes: payload.len() };
        let &byte = payload.first().ok_or(error)?;
        let frames = match byte & 3 {
            0 => 1,
            1 | 2 => 2,
            _ => payload.get(1).ok_or(error)? & 0x3F,
        };
        let toc = Toc { byte, frames };
        let most = Rate::Hz48000.samples(super::PAYLOAD_MS_MAX);
        if (1..=most).contains(&toc.samples(Rate::Hz48000)) { Ok(toc) } else { Err(error) }
    }

    /// The codec that made it.
    pub fn mode(self) -> Mode {
        match self.byte >> 3 {
            0..=11 => Mode::Silk,
            12..=15 => Mode::Hybrid,
            _ => Mode::Celt,
        }
    }

    /// Its audio bandwidth.
    pub fn bandwidth(self) -> Bandwidth {
        match self.byte >> 3 {
            0..=3 | 16..=19 => Bandwidth::Narrow,
            4..=7 => Bandwidth::Medium,
            8..=11 | 20..=23 => Bandwidth::Wide,
            12 | 13 | 24..=27 => Bandwidth::SuperWide,
            _ => Bandwidth::Full,
        }
    }

    /// Two channels.
    pub fn is_stereo(self) -> bool {
        self.byte & 4 != 0
    }

    /// Frames in the payload.
    pub fn frames(self) -> usize {
        self.frames.into()
    }

    /// Samples that the payload decodes to at this rate.
    pub fn samples(self, rate: Rate) -> usize {
        self.frames() * self.frame_samples(rate)
    }

    /// Samples of one frame at this rate.
    fn frame_samples(self, rate: Rate) -> usize {
        let size = usize::from(self.byte >> 3 & 3);
        let hz = rate.hz() as usize;
        match self.mode() {
            Mode::Silk => [hz / 100, hz / 50, hz / 25, hz * 3 / 50][size],
            Mode::Hybrid => [hz / 100, hz / 50][size & 1],
            Mode::Celt => (hz / 400) << size,
        }
    }

    /// Where the first frame begins and that it is not empty.
    fn first_frame(self, payload: &[u8]) -> Option<&[u8]> {
        let start = match self.byte & 3 {
            0 | 1 => 1,
            // The first frame's length: one byte, or two from 252 on; none is an empty frame (§3.2.1, §3.2.4).
            2 => frame_length(payload.get(1..)?)?,
            _ => self.first_of_many(payload)?,
        };
        payload.get(start..).filter(|frame| !frame.is_empty())
    }

    /// The same for code 3: padding lengths and frame lengths lie before the first frame (§3.2.5).
    fn first_of_many(self, payload: &[u8]) -> Option<usize> {
        let flags = *payload.get(1)?;
        let (variable, padded) = (flags & 0x80 != 0, flags & 0x40 != 0);
        let mut at = 2;
        if padded {
            // A padding length of 255 goes on in the next byte.
            while *payload.get(at)? == 255 {
                at += 1;
            }
            at += 1;
        }
        if variable {
            for n in 1..self.frames {
                let bytes = length_bytes(payload.get(at..)?)?;
                if n == 1 && payload[at] == 0 {
                    return None;
                }
                at += bytes;
            }
        }
        Some(at)
    }
}

/// Bytes that a frame length takes.
fn length_bytes(at: &[u8]) -> Option<usize> {
    at.first().map(|&first| if first < 252 { 1 } else { 2 })
}

/// Where the first frame of a code 2 payload begins; `None` if that frame is empty.
fn frame_length(after_toc: &[u8]) -> Option<usize> {
    let bytes = length_bytes(after_toc)?;
    (after_toc[0] != 0).then_some(1 + bytes)
}

/// Whether a payload carries a copy of the frame before it, from which [`crate::Decoder::recover`] restores that one
/// (the LBRR flag, RFC 6716 §4.2.3 and §4.2.4). Of a payload that is none, no.
pub fn carries_copy(payload: &[u8]) -> bool {
    let Ok(toc) = Toc::of(payload) else { return false };
    if toc.mode() == Mode::Celt {
        return false;
    }
    let Some(&[first, ..]) = toc.first_frame(payload) else { return false };
    // For each channel one voice flag per 20 ms, then one LBRR flag, from the top bit down.
    let voice_flags = toc.frame_samples(Rate::Hz48000).div_ceil(960);
    let flag = |bits_before: usize| first << bits_before & 0x80 != 0;
    flag(voice_flags) || toc.is_stereo() && flag(2 * voice_flags + 1)
}

/// Bytes of a frame of 20 ms from which the music codec, which has no voice flags, is taken to carry sound: silence takes
/// less at any bit rate.
const CELT_SOUND_BYTES: usize = 16;

/// Whether a payload carries a voice, as its encoder judged: the voice flags of the speech codec (RFC 6716 §4.2.3), of
/// the music codec its size alone. Of a payload that is none, no.
pub fn carries_voice(payload: &[u8]) -> bool {
    let Ok(toc) = Toc::of(payload) else { return false };
    if toc.mode() == Mode::Celt {
        let twenties = toc.samples(Rate::Hz48000).div_ceil(960);
        return payload.len() >= CELT_SOUND_BYTES * twenties;
    }
    let Some(&[first, ..]) = toc.first_frame(payload) else { return false };
    // The first channel's flags, one per 20 ms, from the top bit down.
    let voice_flags = toc.frame_samples(Rate::Hz48000).div_ceil(960);
    first >> (8 - voice_flags) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toc(byte: u8) -> Toc {
        Toc::of(&[byte, 1]).unwrap()
    }

    #[test]
    fn every_configuration_is_that_of_table_two() {
        use Bandwidth::*;
        // RFC 6716 table 2: configurations, mode, bandwidth, frame sizes in tenths of a millisecond.
        let silk: &[u32] = &[100, 200, 400, 600];
        let celt: &[u32] = &[25, 50, 100, 200];
        let rows: [(u8, Mode, Bandwidth, &[u32]); 9] = [
            (0, Mode::Silk, Narrow, silk),
            (4, Mode::Silk, Medium, silk),
            (8, Mode::Silk, Wide, silk),
            (12, Mode::Hybrid, SuperWide, &silk[..2]),
            (14, Mode::Hybrid, Full, &silk[..2]),
            (16, Mode::Celt, Narrow, celt),
            (20, Mode::Celt, Wide, celt),
            (24, Mode::Celt, SuperWide, celt),
            (28, Mode::Celt, Full, celt),
        ];
        let mut seen = 0;
        for (first, mode, bandwidth, sizes) in rows {
            for (i, &size) in sizes.iter().enumerate() {
                let toc = toc((first + i as u8) << 3);
                assert_eq!((toc.mode(), toc.bandwidth()), (mode, bandwidth));
                for rate in [Rate::Hz8000, Rate::Hz16000, Rate::Hz48000] {
                    assert_eq!(toc.samples(rate), (rate.hz() * size / 10_000) as usize);
                }
                seen += 1;
            }
        }
        assert_eq!(seen, 32);
    }

    #[test]
    fn the_code_tells_the_number_of_frames() {
        let twenty_ms = 9 << 3;
        assert_eq!(
            (toc(twenty_ms).frames(), toc(twenty_ms | 1).frames(), toc(twenty_ms | 2).frames()),
            (1, 2, 2)
        );
        assert_eq!(Toc::of(&[twenty_ms | 3, 0xC0 | 6]).unwrap().samples(Rate::Hz8000), 960);
        assert!(toc(twenty_ms | 4).is_stereo() && !toc(twenty_ms).is_stereo());
    }

    #[test]
    fn payloads_that_cannot_be_are_refused_with_their_length() {
        let twenty_ms = 9 << 3;
        for payload in [&[][..], &[twenty_ms | 3], &[twenty_ms | 3, 0], &[twenty_ms | 3, 7]] {
            assert_eq!(Toc::of(payload), Err(CodecError::Payload { bytes: payload.len() }));
        }
    }

    #[test]
    fn the_copy_flag_is_found_behind_the_voice_flags() {
        let (ten, twenty, sixty) = (8 << 3, 9 << 3, 11 << 3);
        assert!(carries_copy(&[ten, 0b0100_0000]) && carries_copy(&[twenty, 0b0100_0000]));
        assert!(!carries_copy(&[twenty, 0b1011_1111]));
        assert!(carries_copy(&[sixty, 0b0001_0000]) && !carries_copy(&[sixty, 0b1110_1111]));
        // Stereo: the side channel's flag lies behind its own voice flag.
        assert!(carries_copy(&[twenty | 4, 0b0001_0000]) && !carries_copy(&[twenty, 0b0001_0000]));
        // The music codec has none.
        assert!(!carries_copy(&[31 << 3, 0xFF]));
    }

    #[test]
    fn the_voice_flags_come_first() {
        let (twenty, sixty) = (9 << 3, 11 << 3);
        assert!(carries_voice(&[twenty, 0b1000_0000]) && !carries_voice(&[twenty, 0b0111_1111]));
        assert!(carries_voice(&[sixty, 0b0010_0000]) && !carries_voice(&[sixty, 0b0001_1111]));
        // The music codec: by size.
        assert!(carries_voice(&[&[31 << 3][..], &[7; 40]].concat()) && !carries_voice(&[31 << 3, 0xFF]));
        assert!(!carries_voice(&[]) && !carries_voice(&[twenty]));
    }

    #[test]
    fn the_first_frame_is_found_behind_lengths_and_padding() {
        let twenty = 9 << 3;
        let flag = 0b0100_0000;
        assert!(carries_copy(&[twenty | 1, flag, 0]));
        assert!(carries_copy(&[twenty | 2, 1, flag, 0]));
        assert!(carries_copy(&[&[twenty | 2, 252, 0, flag][..], &[0; 251]].concat()));
        assert!(carries_copy(&[twenty | 3, 1, flag])); // code 3, one frame
        assert!(carries_copy(&[twenty | 3, 0x40 | 1, 2, flag, 0, 0])); // padded by two
        assert!(carries_copy(&[&[twenty | 3, 0x40 | 1, 255, 0, flag][..], &[0; 254]].concat()));
        assert!(carries_copy(&[twenty | 3, 0x80 | 3, 1, 1, flag, 0, 0])); // variable lengths
        // An empty first frame carries nothing.
        assert!(!carries_copy(&[twenty | 2, 0, flag]) && !carries_copy(&[twenty | 3, 0x80 | 2, 0, flag]));
    }

    #[test]
    fn no_two_bytes_make_it_panic() {
        for first in 0..=255 {
            for second in 0..=255 {
                for payload in
                    [&[first][..], &[first, second], &[first, second, 255], &[first, second, 0, 255]]
                {
                    carries_copy(payload);
                }
            }
        }
    }
}
