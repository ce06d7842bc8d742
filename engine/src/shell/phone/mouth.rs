//! What a phone says: recordings over a faint bed of noise, so that its stream is never silent, as 20 ms RTP packets.

use std::collections::VecDeque;

use baton_codecs::comfort_noise::Noise;
use baton_codecs::g711::{G711Encoder, Law};
use baton_codecs::opus::{OpusEncoder, PAYLOAD_BYTES_MAX, Settings};
use baton_codecs::resample::Resampler;
use baton_codecs::{Encoder, Rate};

use super::Voice;
use crate::rtp::Ssrc;

/// The bed's level: well under speech, well over nothing.
const BED_DBOV: f32 = -52.0;
const FRAME_MS: u32 = 20;
const RTP_HEADER_BYTES: usize = 12;

/// Speaks, a packet at a time.
pub(super) struct Mouth {
    voice: Voice,
    encoder: Box<dyn Encoder + Send>,
    bed: Noise,
    to_say: VecDeque<i16>,
    ssrc: u32,
    seq: u16,
    timestamp: u32,
    payload_type: u8,
    first: bool,
    packet: Vec<u8>,
}

impl Mouth {
    pub(super) fn new(voice: Voice, seed: u32) -> Option<Self> {
        let encoder: Box<dyn Encoder + Send> = match voice {
            Voice::Opus => Box::new(OpusEncoder::new(Settings::speech(voice.rate())).ok()?),
            Voice::Pcmu => Box::new(G711Encoder::new(Law::Mu)),
        };
        Some(Self {
            voice,
            encoder,
            bed: Noise::new(seed, BED_DBOV),
            to_say: VecDeque::new(),
            ssrc: seed.rotate_left(7) ^ 0x5bd1_e995,
            seq: seed as u16,
            timestamp: seed.rotate_left(16),
            payload_type: voice.payload_type(),
            first: true,
            packet: vec![0; RTP_HEADER_BYTES + PAYLOAD_BYTES_MAX],
        })
    }

    /// Whose stream it is.
    pub(super) fn ssrc(&self) -> Ssrc {
        Ssrc(self.ssrc)
    }

    /// The payload type the far end wants for this voice.
    pub(super) fn set_payload_type(&mut self, number: u8) {
        self.payload_type = number;
    }

    /// Says `samples` (mono, 16 kHz) after what is still to be said.
    pub(super) fn say(&mut self, samples: &[i16]) {
        let mut resampler = Resampler::new(Rate::Hz16000, self.voice.rate());
        let even = &samples[..samples.len() & !1];
        let mut out = vec![0; resampler.samples_out(even.len())];
        if resampler.process(even, &mut out).is_ok() {
            self.to_say.extend(out);
        }
    }

    /// Whether something is still to be said.
    pub(super) fn is_speaking(&self) -> bool {
        !self.to_say.is_empty()
    }

    /// The next 20 ms as an RTP packet (RFC 3550 §5.1).
    pub(super) fn next_packet(&mut self) -> &[u8] {
        let mut frame = [0i16; 320];
        let frame = &mut frame[..self.voice.rate().samples(FRAME_MS)];
        self.bed.fill(frame);
        for sample in frame.iter_mut() {
            *sample = sample.saturating_add(self.to_say.pop_front().unwrap_or(0));
        }
        let (header, payload) = self.packet.split_at_mut(RTP_HEADER_BYTES);
        let marker = if self.first { 0x80 } else { 0 };
        self.first = false;
        header[0] = 0x80;
        header[1] = marker | self.payload_type;
        header[2..4].copy_from_slice(&self.seq.to_be_bytes());
        header[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        header[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        let bytes = self.encoder.encode(frame, payload).unwrap_or(0);
        self.seq = self.seq.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(self.voice.clock() / 1000 * FRAME_MS);
        &self.packet[..RTP_HEADER_BYTES + bytes]
    }
}
