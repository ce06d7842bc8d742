//! The last packets of Opus that went to a far end from somewhere else than our encoder: what that far end's decoder
//! remembers, should our encoder have to go on from there.
//!
//! It leaves out G.711, whose decoders remember nothing.

use baton_codecs::opus::{OpusDecoder, Toc};
use baton_codecs::{CodecError, Decoder, Rate};

use super::coder::TICK_SAMPLES_MAX;

/// Packets kept. Of what is more than two frames back, little is left in a decoder's memory.
const PACKETS: usize = 12;
/// Longest packet kept: 20 ms of 64 kbit/s.
const BYTES_MAX: usize = 160;

/// The packets.
pub(crate) struct Past {
    packets: [[u8; BYTES_MAX]; PACKETS],
    lengths: [u8; PACKETS],
    /// How many there have been.
    count: usize,
}

impl Past {
    /// Nothing yet.
    pub(crate) const fn new() -> Self {
        Self { packets: [[0; BYTES_MAX]; PACKETS], lengths: [0; PACKETS], count: 0 }
    }

    /// Forgets them.
    pub(crate) fn clear(&mut self) {
        self.count = 0;
    }

    /// Keeps one. One that is longer than any kept, or longer than 20 ms, ends what can be remembered.
    pub(crate) fn keep(&mut self, payload: &[u8]) {
        let frame = Toc::of(payload).is_ok_and(|toc| toc.samples(Rate::Hz8000) == TICK_SAMPLES_MAX);
        if !frame || payload.len() > BYTES_MAX {
            return self.clear();
        }
        let at = self.count % PACKETS;
        self.packets[at][..payload.len()].copy_from_slice(payload);
        self.lengths[at] = payload.len() as u8;
        self.count += 1;
    }

    /// Decodes them, in their order, and hands on what is heard, 20 ms at a time. Errors: nothing is remembered, or it
    /// cannot be decoded.
    pub(crate) fn replay(
        &self,
        decoder: &mut OpusDecoder,
        mut heard: impl FnMut(&[i16]),
    ) -> Result<(), CodecError> {
        if self.count < PACKETS {
            return Err(CodecError::Payload { bytes: 0 });
        }
        for nth in self.count..self.count + PACKETS {
            let (at, mut sound) = (nth % PACKETS, [0; TICK_SAMPLES_MAX]);
            decoder.decode(&self.packets[at][..usize::from(self.lengths[at])], &mut sound)?;
            heard(&sound);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use baton_codecs::Encoder;
    use baton_codecs::opus::{OpusEncoder, Settings};

    use super::*;

    #[test]
    fn the_last_packets_are_heard_in_their_order_and_too_few_are_none() {
        let mut encoder = OpusEncoder::new(Settings::speech(Rate::Hz8000)).unwrap();
        let (mut past, mut payload) = (Past::new(), [0; 400]);
        let mut through = OpusDecoder::new(Rate::Hz8000).unwrap();
        let mut last = [0; TICK_SAMPLES_MAX];
        for n in 0..PACKETS as i16 + 3 {
            assert_eq!(
                past.replay(&mut OpusDecoder::new(Rate::Hz8000).unwrap(), |_| {}).is_ok(),
                usize::from(n.unsigned_abs()) >= PACKETS
            );
            let sound: [i16; TICK_SAMPLES_MAX] = std::array::from_fn(|at| n * 100 * ((at % 20) as i16 - 10));
            let length = encoder.encode(&sound, &mut payload).unwrap();
            past.keep(&payload[..length]);
            through.decode(&payload[..length], &mut last).unwrap();
        }
        let (mut frames, mut heard) = (0, [0; TICK_SAMPLES_MAX]);
        let mut fresh = OpusDecoder::new(Rate::Hz8000).unwrap();
        past.replay(&mut fresh, |sound| {
            frames += 1;
            heard.copy_from_slice(sound);
        })
        .unwrap();
        let energy = |sound: &[i16]| sound.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
        let apart: Vec<i16> = heard.iter().zip(last).map(|(a, b)| a.saturating_sub(b)).collect();
        assert_eq!(frames, PACKETS);
        assert!(energy(&apart) < energy(&last) / 10.0, "{} of {}", energy(&apart), energy(&last));
        past.keep(&[11 << 3, 0, 0]);
        assert!(past.replay(&mut fresh, |_| {}).is_err(), "60 ms");
    }
}
