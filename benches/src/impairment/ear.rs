//! A listener: takes RTP packets as they leave a session, loses some, and plays the rest with a bare codec.

use baton_codecs::g711::{G711Decoder, Law};
use baton_codecs::opus::{OpusDecoder, PAYLOAD_MS_MAX};
use baton_codecs::{CodecError, Decoder, Rate};

use super::Kind;

/// What a decoder does about a packet that is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Concealment {
    /// Silence.
    Nothing,
    /// What the codec makes up of what it has heard.
    Plc,
    /// The copy that the next packet carries, where it has come; else as `Plc`.
    Fec,
}

/// Samples in a millisecond of what is heard.
const PER_MS: usize = 8;
/// Samples of which decoders make up multiples.
const STEP: usize = 20;
/// Longest hole that is filled by the decoder, in packets.
const HOLE_MAX: u32 = 50;

#[derive(Clone, Debug)]
struct Came {
    at_us: u64,
    seq: u16,
    time: u32,
    payload: Vec<u8>,
}

/// A listener with one codec.
#[derive(Clone, Debug)]
pub struct Ear {
    kind: Kind,
    came: Vec<Came>,
    /// Packets that were sent to it, lost ones included.
    pub sent: usize,
    /// Of those, packets of another payload type than its codec's.
    pub foreign: usize,
}

impl Ear {
    /// One that has heard nothing.
    pub fn new(kind: Kind) -> Self {
        Self { kind, came: Vec::new(), sent: 0, foreign: 0 }
    }

    /// Takes a packet that left the session at `at_us`, unless it is `lost`.
    pub fn take(&mut self, at_us: u64, packet: &[u8], lost: bool) {
        self.sent += 1;
        if packet[1] & 0x7f != self.kind.payload_type() {
            self.foreign += 1;
        } else if !lost {
            self.came.push(Came {
                at_us,
                seq: u16::from_be_bytes([packet[2], packet[3]]),
                time: u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]),
                payload: packet[12..].to_vec(),
            });
        }
    }

    /// What is heard from `from_us` to `to_us`, at 8 kHz: each packet's sound where the packet would have left if all
    /// had left as promptly as the promptest of that time.
    ///
    /// # Errors
    /// Those of the codec's library.
    pub fn hear(&self, how: Concealment, from_us: u64, to_us: u64) -> Result<Vec<i16>, CodecError> {
        let mut heard = vec![0; (to_us - from_us) as usize * PER_MS / 1000];
        let Some(first) = self.came.first() else { return Ok(heard) };
        let offset = |came: &Came| i64::from(came.time.wrapping_sub(first.time) as i32);
        let units_us = |units: i64| units * 1000 / i64::from(self.kind.clock_per_ms());
        let mut order: Vec<&Came> = self.came.iter().collect();
        order.sort_by_key(|came| offset(came));
        order.dedup_by_key(|came| came.seq);
        let then = order.iter().filter(|came| (from_us..to_us).contains(&came.at_us));
        let promptest = then.map(|came| came.at_us as i64 - units_us(offset(came))).min();
        let start_us = promptest.unwrap_or(0) - from_us as i64;
        let mut decoder = decoder(self.kind)?;
        let mut played = None::<(u16, i64)>;
        let mut frame = [0; PAYLOAD_MS_MAX as usize * PER_MS];
        for came in order {
            let at = (start_us + units_us(offset(came))) * PER_MS as i64 / 1000;
            if let Some((seq, end)) = played {
                let hole = u32::from(came.seq.wrapping_sub(seq).wrapping_sub(1));
                let length = usize::try_from(at - end).unwrap_or(0);
                if (1..=HOLE_MAX).contains(&hole) && length > 0 {
                    fill(&mut heard, &mut *decoder, how, &came.payload, (hole, length, end))?;
                }
            }
            let length = decoder.decode(&came.payload, &mut frame)?;
            put(&mut heard, at, &frame[..length]);
            played = Some((came.seq, at + length as i64));
        }
        Ok(heard)
    }
}

/// Fills a hole of so many packets and samples, that begins at a sample, before `next`.
fn fill(
    heard: &mut [i16],
    decoder: &mut dyn Decoder,
    how: Concealment,
    next: &[u8],
    (packets, length, begin): (u32, usize, i64),
) -> Result<(), CodecError> {
    let each = length / packets as usize;
    // Not every sender's timestamps are of whole frames; decoders make up multiples of 2.5 ms.
    let each = ((each + STEP / 2) / STEP * STEP).clamp(STEP, PAYLOAD_MS_MAX as usize * PER_MS);
    let mut frame = vec![0; each];
    for packet in 0..packets {
        let last = packet + 1 == packets;
        conceal(decoder, how, if last { Some(next) } else { None }, &mut frame)?;
        put(heard, begin + (packet as usize * each) as i64, &frame);
    }
    Ok(())
}

fn put(heard: &mut [i16], at: i64, sound: &[i16]) {
    for (index, sample) in sound.iter().enumerate() {
        let place = usize::try_from(at + index as i64).ok();
        if let Some(place) = place.and_then(|place| heard.get_mut(place)) {
            *place = *sample;
        }
    }
}

/// A decoder that gives 8 kHz.
pub(crate) fn decoder(kind: Kind) -> Result<Box<dyn Decoder>, CodecError> {
    Ok(match kind {
        Kind::Pcmu => Box::new(G711Decoder::new(Law::Mu)),
        Kind::Opus => Box::new(OpusDecoder::new(Rate::Hz8000)?),
    })
}

/// The sound of one lost packet, with the one after it if that has come.
pub(crate) fn conceal(
    decoder: &mut dyn Decoder,
    how: Concealment,
    next: Option<&[u8]>,
    sound: &mut [i16],
) -> Result<(), CodecError> {
    match (how, next) {
        (Concealment::Nothing, _) => {
            sound.fill(0);
            Ok(())
        }
        (Concealment::Fec, Some(next)) => decoder.recover(next, sound),
        _ => decoder.conceal(sound),
    }
}
