//! Sounds the node plays: hold audio and announcements, held once for all calls as 8 kHz PCM.
//!
//! They run through each leg's own encoder, so that the stream stays one stream. Finding and reading files is the shell's.

use super::Prompt;

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

/// Longest prompt, in seconds: ten minutes are 9.6 MB, held once for all calls.
pub const PROMPT_SECONDS_MAX: usize = 600;

/// All prompts of a node.
#[derive(Debug, Default)]
pub struct Prompts {
    sounds: Vec<Box<[i16]>>,
}

impl Prompts {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds mono PCM at 8 kHz. Errors: [`PromptError::Length`], [`PromptError::TooMany`].
    pub fn add_pcm(&mut self, samples: &[i16]) -> Result<Prompt, PromptError> {
        if samples.is_empty() || samples.len() > PROMPT_SECONDS_MAX * 8000 {
            return Err(PromptError::Length);
        }
        let number = u16::try_from(self.sounds.len()).map_err(|_| PromptError::TooMany)?;
        self.sounds.push(samples.into());
        Ok(Prompt(number))
    }

    /// Adds the contents of a wav file: 16-bit PCM, any number of channels (the first is taken), 8, 16 or 48 kHz.
    pub fn add_wav(&mut self, bytes: &[u8]) -> Result<Prompt, PromptError> {
        let wav = Wav::parse(bytes)?;
        if wav.rate != 8000 {
            return Err(PromptError::Rate(wav.rate));
        }
        let first =
            wav.data.chunks_exact(wav.channels * 2).map(|frame| i16::from_le_bytes([frame[0], frame[1]]));
        self.add_pcm(&first.collect::<Vec<_>>())
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
