//! The time a sound takes through the node: a loud mark is sent, and looked for in what the far side hears.

use baton_codecs::g711::{G711Decoder, Law};
use baton_codecs::opus::OpusDecoder;
use baton_codecs::{CodecError, Decoder, Rate};

use crate::frames::{MARK_FRAMES, Voice};
use crate::line::Line;
use crate::machine::{MS, Nanos};

/// A quarter of a mark's height, and thirty times what lies between marks.
const LOUD: i32 = 5_000;
/// Quiet packets that must have passed before a loud one is the next mark: marks are 3 loud frames of 100.
const QUIET_PACKETS: usize = 20;
/// A mark that takes longer than the space between two is lost.
const DELAY_MAX: Nanos = MARK_FRAMES as Nanos * 20 * MS;
/// Longest Opus packet, at 8 kHz.
const SAMPLES_MAX: usize = 960;

/// A mark that came through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    /// From the instant at which the first packet with the mark was sent to the receipt of the first that plays it.
    pub delay: Nanos,
    /// How far into that packet's sound the mark begins.
    pub inside: Nanos,
}

/// The marks that `from` sent in the window and `to` heard.
///
/// # Errors
/// If the decoder refuses to exist.
pub(crate) fn through(from: &Line, to: &Line) -> Result<Vec<Mark>, CodecError> {
    let number = |payload: &[u8]| <[u8; 4]>::try_from(payload).map_or(u32::MAX, u32::from_be_bytes);
    let sent: Vec<Nanos> = from
        .sends
        .iter()
        .filter(|stamp| (number(&stamp.payload) as usize).is_multiple_of(MARK_FRAMES))
        .map(|stamp| stamp.at)
        .collect();
    let heard = onsets(to)?;
    let mark = |&(at, inside): &(Nanos, Nanos)| {
        let sent = *sent.iter().rev().find(|&&sent| sent <= at)?;
        let mark = Mark { delay: at - sent, inside };
        Some(mark).filter(|mark| mark.delay < DELAY_MAX)
    };
    Ok(heard.iter().filter_map(mark).collect())
}

/// Where marks begin in what a line heard: when the packet came, and how far into its sound.
fn onsets(line: &Line) -> Result<Vec<(Nanos, Nanos)>, CodecError> {
    let (mut opus, mut law);
    let decoder: &mut dyn Decoder = match line.voice() {
        Voice::Opus => {
            opus = OpusDecoder::new(Rate::Hz8000)?;
            &mut opus
        }
        Voice::Pcmu => {
            law = G711Decoder::new(Law::Mu);
            &mut law
        }
    };
    let mut samples = [0; SAMPLES_MAX];
    let (mut quiet, mut found) = (0, Vec::new());
    for packet in &line.arrivals {
        let Ok(length) = decoder.decode(&packet.payload, &mut samples) else { continue };
        let loud = samples[..length].iter().position(|&sample| i32::from(sample).abs() > LOUD);
        match loud {
            Some(at) if quiet >= QUIET_PACKETS => found.push((packet.at, at as Nanos * MS / 8)),
            Some(_) => {}
            None => {
                quiet += 1;
                continue;
            }
        }
        quiet = 0;
    }
    Ok(found)
}
