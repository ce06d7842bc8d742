//! Recorded speech, and the RTP payloads that a talker makes of it.

use baton_codecs::g711::{G711Encoder, Law};
use baton_codecs::opus::{OpusEncoder, PAYLOAD_BYTES_MAX, Settings};
use baton_codecs::{CodecError, Encoder, Rate};

/// The recordings, below the root of the project; `engine/assets/audio/LICENCES.md` and
/// `benches/impairment/LICENCES.md` say whose they are.
pub const VOICES: [&str; 4] = [
    "engine/assets/audio/caller.wav",
    "engine/assets/audio/agent.wav",
    "engine/assets/audio/ai.wav",
    "benches/impairment/voice.wav",
];
/// Milliseconds of sound in a packet.
pub const FRAME_MS: u64 = 20;
/// Silence between two passes of a recording.
const BREATH_MS: usize = 300;
/// Silence after the last one: what trails behind is heard to its end.
const AFTER_MS: usize = 1000;

/// How a party speaks and hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// G.711 µ-law.
    Pcmu,
    /// Opus: a talker encodes at 48 kHz, a listener decodes at 8 kHz.
    Opus,
}

impl Kind {
    /// Units of the RTP clock in a millisecond.
    pub fn clock_per_ms(self) -> u32 {
        match self {
            Self::Pcmu => 8,
            Self::Opus => 48,
        }
    }

    /// Its payload type here.
    pub fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Opus => 111,
        }
    }
}

/// One recording, at least 8 s long, at the rates that codecs take it.
#[derive(Clone, Debug)]
pub struct Voice {
    /// The file.
    pub name: String,
    /// At 8 kHz; this is what is scored against.
    pub narrow: Vec<i16>,
    /// At 48 kHz.
    pub full: Vec<i16>,
}

/// A talker's payloads, 20 ms each: a run-up of the same voice, in which what adapts can adapt, then the recording.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The codec.
    pub kind: Kind,
    /// The payloads.
    pub payloads: Vec<Vec<u8>>,
    /// The first one of the recording that is scored.
    pub scored: usize,
}

impl Stream {
    /// What a talker with this codec sends: Opus at 48 kHz, 24 kbit/s, with FEC for 10 % of loss; or G.711.
    ///
    /// # Errors
    /// Those of the codec's library.
    pub fn new(voice: &Voice, kind: Kind, run_up_ms: usize) -> Result<Self, CodecError> {
        match kind {
            Kind::Pcmu => encode(&voice.narrow, kind, run_up_ms, &mut G711Encoder::new(Law::Mu)),
            Kind::Opus => {
                let settings = Settings { complexity: 9, ..robust(Rate::Hz48000) };
                encode(&voice.full, kind, run_up_ms, &mut OpusEncoder::new(settings)?)
            }
        }
    }

    /// The same, begun later: `run_up_ms` before the scored recording.
    pub fn tail(&self, run_up_ms: usize) -> Self {
        let scored = (run_up_ms / FRAME_MS as usize).min(self.scored);
        Self { kind: self.kind, payloads: self.payloads[self.scored - scored..].to_vec(), scored }
    }
}

/// Opus for speech over a line that is expected to lose 10 %.
pub(crate) fn robust(rate: Rate) -> Settings {
    Settings { fec: true, loss_percent: 10, ..Settings::speech(rate) }
}

/// Encodes `samples` behind a run-up made of themselves.
pub(crate) fn encode(
    samples: &[i16],
    kind: Kind,
    run_up_ms: usize,
    encoder: &mut impl Encoder,
) -> Result<Stream, CodecError> {
    let per_ms = encoder.rate().samples(1);
    let silence = vec![0; BREATH_MS * per_ms];
    let pass: Vec<i16> = [samples, &silence].concat();
    let run_up = run_up_ms / FRAME_MS as usize * FRAME_MS as usize * per_ms;
    let mut sound: Vec<i16> = pass.iter().rev().cycle().take(run_up).copied().collect();
    sound.reverse();
    sound.extend(samples);
    sound.resize(sound.len() + AFTER_MS * per_ms, 0);
    let frame = FRAME_MS as usize * per_ms;
    let mut payload = [0; PAYLOAD_BYTES_MAX];
    let mut one = |frame: &[i16]| {
        let length = encoder.encode(frame, &mut payload)?;
        Ok(payload[..length].to_vec())
    };
    let payloads = sound.chunks_exact(frame).map(&mut one).collect::<Result<_, CodecError>>()?;
    Ok(Stream { kind, payloads, scored: run_up_ms / FRAME_MS as usize })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_up_ends_where_the_recording_begins() {
        let narrow: Vec<i16> = (0..16_000).map(|n| (n % 251) * 100).collect();
        let voice = Voice { name: String::new(), full: Vec::new(), narrow };
        let stream = Stream::new(&voice, Kind::Pcmu, 3000).unwrap();
        assert_eq!((stream.scored, stream.payloads.len()), (150, 150 + 100 + 50));
        let tail = stream.tail(1000);
        assert_eq!((tail.scored, tail.payloads.len()), (50, 200));
        assert_eq!(tail.payloads[50], stream.payloads[150]);
        // 2 300 ms before the recording it begins as well.
        assert_eq!(stream.payloads[150 - 115], stream.payloads[150]);
    }
}
