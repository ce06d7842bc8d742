//! Sounds the node plays: hold audio and announcements, held once for all calls as 8 kHz PCM and as packets.
//!
//! It leaves out how packets are made (`shared.rs`) and when they are sent. Finding and reading files is the shell's.

use std::cell::OnceCell;
use std::fmt;
use std::rc::Rc;

use baton_codecs::Rate;
use baton_codecs::fade::{Ramp, cross_fade, mix};
use baton_codecs::loudness::level_whole;
use baton_codecs::resample::Resampler;

use super::coder::TICK_SAMPLES_MAX;
use super::shared::{Frames, Shared};
use super::spare::Spare;
use super::{Prompt, SessionParams};

/// Every play fades in over this, 40 ms: it begins after something else.
const FADE_IN_SAMPLES: usize = 320;

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

/// All prompts of a node, and what else the sessions of one shard share: the prompts' packets, made once, and codecs that
/// lie ready.
#[derive(Debug, Default)]
pub struct Prompts {
    sounds: Vec<Sound>,
    shared: OnceCell<Shared>,
    spare: Rc<Spare>,
    /// Loudness to which each is brought as it comes, in dBov.
    loudness_dbov: Option<i8>,
}

/// One prompt: whole frames of 20 ms, so that its packets fit its end to its beginning.
#[derive(Debug)]
struct Sound {
    samples: Box<[i16]>,
    /// Its beginning from the second round on: what was left over of its end, fading into its first samples.
    again: Box<[i16]>,
}

impl Sound {
    fn new(samples: &[i16]) -> Self {
        let whole = (samples.len() / TICK_SAMPLES_MAX).max(1) * TICK_SAMPLES_MAX;
        let mut own = samples.to_vec();
        own.resize(whole, 0);
        let rest = samples.get(whole..).unwrap_or_default();
        let mut again = own[..rest.len()].to_vec();
        cross_fade(rest, &mut again);
        Self { samples: own.into(), again: again.into() }
    }

    /// The sample at this place of an endless play.
    fn at(&self, place: usize) -> i16 {
        let within = place % self.samples.len();
        match self.again.get(within).filter(|_| place >= self.samples.len()) {
            Some(again) => *again,
            None => self.samples[within],
        }
    }

    /// The sound from this place on, with the fade that every play begins with.
    fn fill(&self, place: usize, into: &mut [i16]) {
        let from = place.min(FADE_IN_SAMPLES);
        let mut ramp = Ramp::new(from as f32 / FADE_IN_SAMPLES as f32);
        ramp.move_to(1.0, FADE_IN_SAMPLES - from);
        into.iter_mut().zip(place..).for_each(|(sample, place)| *sample = self.at(place));
        ramp.apply(into);
    }
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
        self.sounds.push(Sound::new(&sound));
        // What was made before lacks it.
        self.shared = OnceCell::new();
        Ok(Prompt(number))
    }

    /// Encodes all prompts for all sessions, once: some 7 ms for each second of sound. To be called before the first
    /// session, which would do it otherwise.
    pub fn encode(&self, params: &SessionParams) {
        self.shared.get_or_init(|| {
            let sounds = self.sounds.iter().map(|sound| {
                let filled = |place: usize, into: &mut [i16]| sound.fill(place, into);
                Frames::new(sound.samples.len(), filled, params)
            });
            Shared::new(sounds.collect(), params)
        });
    }

    /// Makes the codecs that are missing of those that lie ready. To be called off the packet path.
    pub fn fill_up(&self) {
        self.spare.fill();
    }

    /// Times that a leg of any session needed a codec on the packet path and none lay ready: a frame each was left out.
    pub fn codecs_short(&self) -> u64 {
        self.spare.short()
    }

    pub(crate) fn spare(&self) -> &Rc<Spare> {
        &self.spare
    }

    /// What is made once for all sessions, if it has been made.
    pub(crate) fn shared(&self) -> Option<&Shared> {
        self.shared.get()
    }

    /// A prompt's sound from this place of a play on; silence for a number never given out.
    pub(crate) fn fill(&self, prompt: Prompt, place: usize, into: &mut [i16]) {
        match self.sounds.get(usize::from(prompt.0)) {
            Some(sound) => sound.fill(place, into),
            None => into.fill(0),
        }
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

    /// A prompt's length in samples; 0 for a number never given out.
    pub(crate) fn length(&self, prompt: Prompt) -> usize {
        self.sounds.get(usize::from(prompt.0)).map_or(0, |sound| sound.samples.len())
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

/// A tick's sound that is a prompt's and nothing else: whoever has the prompt's packets need not encode it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Played {
    pub(crate) prompt: Prompt,
    /// Samples of it played before.
    pub(crate) place: usize,
}

/// A prompt being played. It fades in.
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

    /// Over and over.
    pub(crate) fn looped(prompt: Prompt) -> Self {
        Self { looped: true, ..Self::once(prompt) }
    }

    /// Fades out and ends.
    pub(crate) fn fade_out(&mut self, samples: usize) {
        self.ramp.move_to(0.0, samples);
        self.leaving = true;
    }

    /// Nothing of it has been heard.
    pub(crate) fn is_fresh(&self) -> bool {
        self.at == 0
    }

    /// These samples are its last.
    pub(crate) fn is_ending(&self, prompts: &Prompts, samples: usize) -> bool {
        !self.looped && self.at + samples >= prompts.length(self.prompt)
    }

    /// It is fading out.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// From its start again.
    pub(crate) fn rewind(&mut self) {
        self.at = 0;
    }

    /// What the next tick is, if it is the prompt as it is.
    pub(crate) fn played(&self) -> Option<Played> {
        (!self.leaving).then_some(Played { prompt: self.prompt, place: self.at })
    }

    /// Adds the next sound, at most a tick of it; false if it has ended.
    pub(crate) fn add(&mut self, prompts: &Prompts, sound: &mut [i16]) -> bool {
        let mut part = [0; TICK_SAMPLES_MAX];
        let part = &mut part[..sound.len().min(TICK_SAMPLES_MAX)];
        let length = prompts.length(self.prompt);
        if self.looped || self.at < length {
            prompts.fill(self.prompt, self.at, part);
        }
        self.at += part.len();
        self.ramp.apply(part);
        mix(sound, part);
        let done = self.leaving && self.ramp.is_done() || !self.looped && self.at >= length;
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
            assert!((7840..8010).contains(&prompts.length(prompt)));
            let mut sound = [0; 160];
            prompts.fill(prompt, 4000, &mut sound);
            assert!(sound.iter().all(|sample| (480..520).contains(sample)));
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
        let prompt = prompts.add_pcm(&[100; 400]).unwrap();
        let (mut hold, mut once) = (Player::looped(prompt), Player::once(prompt));
        let mut sound = [0; 160];
        assert!((0..100).all(|_| hold.add(&prompts, &mut sound)));
        assert_eq!([once.add(&prompts, &mut sound), once.add(&prompts, &mut sound)], [true, false]);
        hold.fade_out(80);
        assert!(!hold.add(&prompts, &mut sound));
    }
}
