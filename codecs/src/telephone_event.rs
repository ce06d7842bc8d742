//! Telephone-event payloads: key presses as RTP carries them (RFC 4733 §2.3).
//!
//! What it leaves out: packets, time stamps and repeats (the sender's business, §2.5.1), and events above 15, which
//! are carried but have no character.

use crate::CodecError;

/// Bytes of a payload.
pub const BYTES: usize = 4;
/// The highest event that is a key: `D` (RFC 4733 §3.2, table 3).
pub const KEY_MAX: u8 = 15;
/// The quietest volume that six bits express, in dBm0 below zero.
pub const VOLUME_MAX: u8 = 63;

/// Keys by their event code.
const KEYS: &[u8; 16] = b"0123456789*#ABCD";

/// One telephone-event payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TelephoneEvent {
    /// Event code; 0 to 15 are keys.
    pub event: u8,
    /// The event is over and `duration` is its whole length.
    pub end: bool,
    /// Power of the tone, in dBm0 with the sign dropped: 0 (loudest) to 63.
    pub volume: u8,
    /// How long the event has lasted so far, in units of the RTP clock; 65 535 is the most (§2.5.1.3).
    pub duration: u16,
}

impl TelephoneEvent {
    /// Reads a payload. The reserved bit and what follows the fourth byte are ignored (§2.3.2).
    ///
    /// # Errors
    /// [`CodecError::Payload`] if it is shorter than four bytes.
    pub fn parse(payload: &[u8]) -> Result<Self, CodecError> {
        let Some(&[event, flags, high, low]) = payload.first_chunk::<BYTES>() else {
            return Err(CodecError::Payload { bytes: payload.len() });
        };
        let duration = u16::from_be_bytes([high, low]);
        Ok(TelephoneEvent { event, end: flags & 0x80 != 0, volume: flags & VOLUME_MAX, duration })
    }

    /// The payload. A volume beyond six bits is sent as 63.
    pub const fn to_bytes(self) -> [u8; BYTES] {
        let volume = if self.volume > VOLUME_MAX { VOLUME_MAX } else { self.volume };
        let [high, low] = self.duration.to_be_bytes();
        [self.event, ((self.end as u8) << 7) | volume, high, low]
    }

    /// The key's character, if the event is one.
    pub fn key(self) -> Option<char> {
        key_of(self.event)
    }
}

/// The character of an event code: `0`–`9`, `*`, `#`, `A`–`D`.
pub fn key_of(event: u8) -> Option<char> {
    KEYS.get(usize::from(event)).map(|&key| char::from(key))
}

/// The event code of a character; letters in either case.
pub fn event_of(key: char) -> Option<u8> {
    let wanted = u8::try_from(key).ok()?.to_ascii_uppercase();
    KEYS.iter().position(|&key| key == wanted).map(|event| event as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_laid_out_as_figure_one_shows() {
        // The last packet of a 9: ended, 10 dBm0 below zero, 1 600 units.
        let event = TelephoneEvent { event: 9, end: true, volume: 10, duration: 1600 };
        assert_eq!(event.to_bytes(), [0x09, 0x8A, 0x06, 0x40]);
        assert_eq!(TelephoneEvent::parse(&[0x09, 0x8A, 0x06, 0x40]), Ok(event));
    }

    #[test]
    fn every_field_survives_the_way_there_and_back() {
        for event in 0..=255 {
            for flags in [0u8, 1, 63, 0x80, 0x80 | 63] {
                for duration in [0, 1, 160, 0x1234, 0xFFFF] {
                    let (end, volume) = (flags & 0x80 != 0, flags & 63);
                    let sent = TelephoneEvent { event, end, volume, duration };
                    assert_eq!(TelephoneEvent::parse(&sent.to_bytes()), Ok(sent));
                }
            }
        }
    }

    #[test]
    fn the_reserved_bit_and_trailing_bytes_are_ignored() {
        let event = TelephoneEvent { event: 1, end: false, volume: 5, duration: 160 };
        assert_eq!(TelephoneEvent::parse(&[1, 0x40 | 5, 0, 160, 9, 9]), Ok(event));
    }

    #[test]
    fn a_payload_cut_off_is_refused_with_its_length() {
        for bytes in 0..BYTES {
            assert_eq!(TelephoneEvent::parse(&[0; BYTES][..bytes]), Err(CodecError::Payload { bytes }));
        }
    }

    #[test]
    fn a_volume_too_large_is_sent_as_the_quietest() {
        let event = TelephoneEvent { event: 0, end: false, volume: 200, duration: 0 };
        assert_eq!(event.to_bytes(), [0, 63, 0, 0]);
    }

    #[test]
    fn sixteen_events_are_keys_and_no_other() {
        let keys: String = (0..=255).filter_map(key_of).collect();
        assert_eq!(keys, "0123456789*#ABCD");
        for event in 0..=KEY_MAX {
            assert_eq!(key_of(event).and_then(event_of), Some(event));
        }
        assert_eq!(
            (event_of('d'), event_of('E'), event_of('é'), event_of('€')),
            (Some(15), None, None, None)
        );
    }
}
