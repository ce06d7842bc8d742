//! Sounds the node plays: hold audio and announcements, held once for all calls as 8 kHz PCM.
//!
//! They run through each leg's own encoder, so that the stream stays one stream. Finding and reading files is the shell's.

use std::fmt;

use baton_codecs::Rate;
use baton_codecs::fade::{Ramp, mix};
use baton_codecs::loudness::level_whole;
use baton_codecs::resample::Resampler;

use super::Prompt;
use super::coder::TICK_SAMPLES_MAX;

/// Why a wav file cannot be a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptError {
    /// No RIFF/WAVE file, or cut short.
    NotWav,
    /// Not 16-bit PCM.
    NotPcm16,
    /// A rate other than 8000, 16000 or 48000 Hz.
    Rate(u32),
    /// No sound at all, or more than [`PROMPT_SECONDS_MAX`].
    Length,
    /// All 65 535 prompt numbers are taken.
    TooMany,
}

impl fmt::Display for PromptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWav => write!(f, "it is no WAV file, or cut short"),
            Self::NotPcm16 => write!(f, "it is not 16-bit PCM"),
            Self::Rate(hz) => write!(f, "its rate is {hz} Hz, not 8000, 16000 or 48000"),
            Self::Length => write!(f, "it is empty or longer than {PROMPT_SECONDS_MAX} seconds"),
            Self::TooMany => write!(f, "there are too many sounds"),
        }
    }
}

/// Longest prompt, in seconds: ten minutes are 9.6 MB, held once for all calls.
pub const PROMPT_SECONDS_MAX: usize = 600;

/// All prompts of a node.
#[derive(Debug, Default)]
pub struct Prompts {
    sounds: Vec<Box<[i16]>>,
    /// Loudness to which each is brought as it comes, in dBov.
    loudness_dbov: Option<i8>,
}

impl Prompts {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// None yet; each will be brought to this loudness, in dBov, within the limits of [`baton_codecs::loudness`].
    pub fn levelled(loudness_dbov: Option<i8>) -> Self {
        Self { loudness_dbov, ..Self::default() }
    }

    /// Adds mono PCM at 8 kHz. Errors: [`PromptError::Length`], [`PromptError::TooMany`].
    pub fn add_pcm(&mut self, samples: &[i16]) -> Result<Prompt, PromptError> {
        if samples.is_empty() || samples.len() > PROMPT_SECONDS_MAX * 8000 {
            return Err(PromptError::Length);
        }
        let number = u16::try_from(self.sounds.len()).map_err(|_| PromptError::TooMany)?;
        let mut sound: Box<[i16]> = samples.into();
        if let Some(target) = self.loudness_dbov {
            level_whole(&mut sound, f32::from(target));
        }
        self.sounds.push(sound);
        Ok(Prompt(number))
    }

    /// Adds the contents of a wav file: 16-bit PCM, any number of channels (the first is taken), 8, 16 or 48 kHz.
    pub fn add_wav(&mut self, bytes: &[u8]) -> Result<Prompt, PromptError> {
        let wav = Wav::parse(bytes)?;
        let rate =
            [Rate::Hz8000, Rate::Hz16000, Rate::Hz48000].into_iter().find(|rate| rate.hz() == wav.rate);
        let rate = rate.ok_or(PromptError::Rate(wav.rate))?;
        let frames = wav.data.chunks_exact(wav.channels * 2);
        let mut samples: Vec<i16> = frames.map(|frame| i16::from_le_bytes([frame[0], frame[1]])).collect();
        if samples.len() > PROMPT_SECONDS_MAX * rate.hz() as usize {
            return Err(PromptError::Length);
        }
        // The filter wants whole groups of samples: the last group is padded with silence.
        samples.resize(samples.len().next_multiple_of((rate.hz() / 8000) as usize), 0);
        let mut resampler = Resampler::new(rate, Rate::Hz8000);
        let mut sound = vec![0; resampler.samples_out(samples.len())];
        let written =
            resampler.process(&samples, &mut sound).expect("input is padded and output is measured");
        self.add_pcm(&sound[..written])
    }

    /// A prompt's samples; empty for a number never given out.
    pub(crate) fn samples(&self, prompt: Prompt) -> &[i16] {
        self.sounds.get(usize::from(prompt.0)).map_or(&[], |sound| sound)
    }
}

/// The parts of a wav file that matter here.
struct Wav<'a> {
    channels: usize,
    rate: u32,
    data: &'a [u8],
}

impl<'a> Wav<'a> {
    /// Walks the chunks of a RIFF file to `fmt ` and `data`.
    fn parse(bytes: &'a [u8]) -> Result<Self, PromptError> {
        if bytes.len() < 12 || &bytes[..4] != b"RIFF" || &bytes[8..12] != b"WAVE" {
            return Err(PromptError::NotWav);
        }
        let (mut rest, mut format) = (&bytes[12..], None);
        while let Some((head, body)) = rest.split_first_chunk::<8>() {
            let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            // A recorder that was stopped leaves a size beyond the end of the file: what is there is taken.
            let chunk = &body[..size.min(body.len())];
            match &head[..4] {
                b"fmt " => format = Some(Self::format(chunk)?),
                b"data" => {
                    let (channels, rate) = format.ok_or(PromptError::NotWav)?;
                    return Ok(Self { channels, rate, data: chunk });
                }
                _ => {}
            }
            // RIFF pads chunks to an even size.
            rest = &body[(size + (size & 1)).min(body.len())..];
        }
        Err(PromptError::NotWav)
    }

    /// Channels and rate out of a `fmt ` chunk of 16-bit PCM.
    fn format(chunk: &[u8]) -> Result<(usize, u32), PromptError> {
        let field = |at: usize| u16::from_le_bytes([chunk[at], chunk[at + 1]]);
        if chunk.len() < 16 {
            return Err(PromptError::NotWav);
        }
        if field(0) != 1 && field(0) != 0xfffe || field(14) != 16 {
            return Err(PromptError::NotPcm16);
        }
        let channels = usize::from(field(2));
        let rate = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
        if channels == 0 { Err(PromptError::NotWav) } else { Ok((channels, rate)) }
    }
}

/// A prompt being played.
pub(crate) struct Player {
    prompt: Prompt,
    at: usize,
    looped: bool,
    ramp: Ramp,
    leaving: bool,
}

impl Player {
    /// From its start to its end.
    pub(crate) fn once(prompt: Prompt) -> Self {
        Self { prompt, at: 0, looped: false, ramp: Ramp::new(1.0), leaving: false }
    }

    /// Over and over, fading in over so many samples.
    pub(crate) fn looped(prompt: Prompt, fade_samples: usize) -> Self {
        let mut ramp = Ramp::new(0.0);
        ramp.move_to(1.0, fade_samples);
        Self { prompt, at: 0, looped: true, ramp, leaving: false }
    }

    /// Fades out and ends.
    pub(crate) fn fade_out(&mut self, samples: usize) {
        self.ramp.move_to(0.0, samples);
        self.leaving = true;
    }

    /// Adds the next sound, at most a tick of it; false if it has ended.
    pub(crate) fn add(&mut self, prompts: &Prompts, sound: &mut [i16]) -> bool {
        let samples = prompts.samples(self.prompt);
        let mut part = [0; TICK_SAMPLES_MAX];
        let part = &mut part[..sound.len().min(TICK_SAMPLES_MAX)];
        for sample in part.iter_mut() {
            if self.at >= samples.len() && self.looped {
                self.at = 0;
            }
            *sample = samples.get(self.at).copied().unwrap_or(0);
            self.at += 1;
        }
        self.ramp.apply(part);
        mix(sound, part);
        let done = self.leaving && self.ramp.is_done() || !self.looped && self.at >= samples.len();
        !done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(rate: u32, bits: u16, samples: &[i16]) -> Vec<u8> {
        let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let mut bytes = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0\x01\0\x01\0".to_vec();
        bytes.extend(rate.to_le_bytes());
        bytes.extend([0, 0, 0, 0, 2, 0]);
        bytes.extend(bits.to_le_bytes());
        bytes.extend(b"data");
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn wav_files_of_three_rates_become_eight_kilohertz() {
        let mut prompts = Prompts::new();
        for (rate, length) in [(8000, 8000), (16_000, 16_000), (48_000, 48_000)] {
            let prompt = prompts.add_wav(&wav(rate, 16, &vec![500; length])).unwrap();
            assert!((8000..8010).contains(&prompts.samples(prompt).len()));
            assert!((480..520).contains(&prompts.samples(prompt)[4000]));
        }
    }

    #[test]
    fn what_is_no_prompt_is_refused_with_its_reason_and_no_cut_panics() {
        let mut prompts = Prompts::new();
        let good = wav(8000, 16, &[1; 100]);
        assert_eq!(prompts.add_wav(&wav(44_100, 16, &[1; 100])), Err(PromptError::Rate(44_100)));
        assert_eq!(prompts.add_wav(&wav(8000, 8, &[1; 100])), Err(PromptError::NotPcm16));
        assert_eq!(prompts.add_wav(&wav(8000, 16, &[])), Err(PromptError::Length));
        assert_eq!(prompts.add_wav(b"ID3"), Err(PromptError::NotWav));
        (0..good.len()).for_each(|end| _ = prompts.add_wav(&good[..end]));
    }

    #[test]
    fn hold_audio_loops_and_an_announcement_ends() {
        let mut prompts = Prompts::new();
        let prompt = prompts.add_pcm(&[100; 200]).unwrap();
        let (mut hold, mut once) = (Player::looped(prompt, 80), Player::once(prompt));
        let mut sound = [0; 160];
        assert!((0..100).all(|_| hold.add(&prompts, &mut sound)));
        assert_eq!([once.add(&prompts, &mut sound), once.add(&prompts, &mut sound)], [true, false]);
        hold.fade_out(80);
        assert!(!hold.add(&prompts, &mut sound));
    }
}
