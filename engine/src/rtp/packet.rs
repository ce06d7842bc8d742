//! The RTP header as a view over the packet's own bytes (RFC 3550 §5.1): nothing is copied, nothing allocated.
//!
//! It leaves out what header extensions mean (RFC 8285): they are stepped over, and a relay drops them.

use super::{PayloadType, RtpTime, Seq, Ssrc};

/// Bytes of the header that we write: no CSRC, no extension.
pub const HEADER_BYTES: usize = 12;

/// Why bytes are no RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// Shorter than the header says it is.
    Truncated {
        /// Bytes it should have at least.
        need: usize,
        /// Bytes it has.
        have: usize,
    },
    /// A version other than 2.
    Version(u8),
    /// The padding count is zero or larger than what follows the header.
    Padding(u8),
}

/// A packet whose header has been checked.
#[derive(Clone, Copy, Debug)]
pub struct PacketView<'a> {
    bytes: &'a [u8],
    payload_at: usize,
    payload_end: usize,
}

impl<'a> PacketView<'a> {
    /// Checks version, CSRC count, extension length and padding.
    ///
    /// # Errors
    /// [`HeaderError`], with the numbers that show why.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let have = bytes.len();
        let payload_at = header_bytes(bytes)?;
        let padding = if bytes[0] & 0x20 != 0 { bytes[have - 1] } else { 0 };
        let fits = usize::from(padding) <= have - payload_at && (padding > 0 || bytes[0] & 0x20 == 0);
        if !fits {
            return Err(HeaderError::Padding(padding));
        }
        Ok(Self { bytes, payload_at, payload_end: have - usize::from(padding) })
    }

    /// Set on the first packet of a talk spurt (RFC 3551 §4.1).
    pub fn marker(&self) -> bool {
        self.bytes[1] & 0x80 != 0
    }

    /// What the payload is.
    pub fn payload_type(&self) -> PayloadType {
        PayloadType(self.bytes[1] & 0x7f)
    }

    /// Its place in the stream.
    pub fn seq(&self) -> Seq {
        Seq(u16::from_be_bytes([self.bytes[2], self.bytes[3]]))
    }

    /// When its first sample was taken.
    pub fn time(&self) -> RtpTime {
        RtpTime(self.word(4))
    }

    /// Whose it is.
    pub fn ssrc(&self) -> Ssrc {
        Ssrc(self.word(8))
    }

    /// What is carried, without header and padding.
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[self.payload_at..self.payload_end]
    }

    /// Where the payload lies in the packet.
    pub fn payload_range(&self) -> std::ops::Range<usize> {
        self.payload_at..self.payload_end
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_be_bytes([self.bytes[at], self.bytes[at + 1], self.bytes[at + 2], self.bytes[at + 3]])
    }
}

/// Bytes of a packet's header, with its CSRCs and extension. The padding is not looked at: in SRTP its count is
/// encrypted (RFC 3711 §3.1).
pub(crate) fn header_bytes(bytes: &[u8]) -> Result<usize, HeaderError> {
    let have = bytes.len();
    let room = |need: usize| if have < need { Err(HeaderError::Truncated { need, have }) } else { Ok(()) };
    room(HEADER_BYTES)?;
    if bytes[0] >> 6 != 2 {
        return Err(HeaderError::Version(bytes[0] >> 6));
    }
    let mut length = HEADER_BYTES + usize::from(bytes[0] & 0x0f) * 4;
    if bytes[0] & 0x10 != 0 {
        room(length + 4)?;
        let words = u16::from_be_bytes([bytes[length + 2], bytes[length + 3]]);
        length += 4 + usize::from(words) * 4;
    }
    room(length)?;
    Ok(length)
}

/// The header of a packet of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// First of a talk spurt.
    pub marker: bool,
    /// What the payload is.
    pub payload_type: PayloadType,
    /// Place in the stream.
    pub seq: Seq,
    /// When its first sample was taken.
    pub time: RtpTime,
    /// Our stream.
    pub ssrc: Ssrc,
}

impl Header {
    /// Writes the twelve bytes to the front of `packet`, which must have them.
    pub fn write(&self, packet: &mut [u8]) {
        packet[0] = 0x80;
        packet[1] = u8::from(self.marker) << 7 | self.payload_type.0 & 0x7f;
        packet[2..4].copy_from_slice(&self.seq.0.to_be_bytes());
        packet[4..8].copy_from_slice(&self.time.0.to_be_bytes());
        packet[8..12].copy_from_slice(&self.ssrc.0.to_be_bytes());
    }

    /// Writes the header right before a payload that already lies in `packet` at `payload`, over whatever header was
    /// there, and returns the new packet's bytes. `payload.start` must be at least [`HEADER_BYTES`].
    pub fn write_before<'a>(&self, packet: &'a mut [u8], payload: std::ops::Range<usize>) -> &'a [u8] {
        let start = payload.start - HEADER_BYTES;
        self.write(&mut packet[start..]);
        &packet[start..payload.end]
    }
}

/// Whether bytes that came to a port shared by both are RTCP: second byte 192–223 (RFC 5761 §4).
pub fn is_rtcp(bytes: &[u8]) -> bool {
    bytes.len() >= 2 && (192..=223).contains(&bytes[1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use rtp::packet::Packet;
    use webrtc_util::marshal::{Marshal, Unmarshal};

    /// A packet as crate `rtp` writes it.
    fn foreign(csrc: usize, extension: bool, payload: &[u8]) -> Vec<u8> {
        let mut packet = Packet { payload: Bytes::copy_from_slice(payload), ..Packet::default() };
        packet.header.version = 2;
        packet.header.marker = true;
        packet.header.payload_type = 111;
        packet.header.sequence_number = 65_535;
        packet.header.timestamp = 0xfffffff0;
        packet.header.ssrc = 0x01020304;
        packet.header.csrc = (0..csrc as u32).collect();
        if extension {
            packet.header.extension = true;
            packet.header.extension_profile = 0xbede;
            packet.header.set_extension(1, Bytes::from_static(&[0xaa])).unwrap();
        }
        packet.marshal().unwrap().to_vec()
    }

    #[test]
    fn headers_written_by_another_library_are_read_alike() {
        for (csrc, extension) in [(0, false), (3, false), (0, true), (15, true)] {
            let bytes = foreign(csrc, extension, b"sound");
            let view = PacketView::parse(&bytes).unwrap();
            assert!(view.marker());
            assert_eq!(view.payload_type(), PayloadType(111));
            assert_eq!((view.seq(), view.time()), (Seq(65_535), RtpTime(0xfffffff0)));
            assert_eq!(view.ssrc(), Ssrc(0x01020304));
            assert_eq!(view.payload(), b"sound");
        }
    }

    #[test]
    fn a_header_of_ours_is_read_by_another_library() {
        let header = Header {
            marker: false,
            payload_type: PayloadType(96),
            seq: Seq(7),
            time: RtpTime(960),
            ssrc: Ssrc(0xdeadbeef),
        };
        let mut bytes = foreign(2, true, b"sound");
        let payload = PacketView::parse(&bytes).unwrap().payload_range();
        let mut packet = header.write_before(&mut bytes, payload);
        let read = Packet::unmarshal(&mut packet).unwrap();
        assert_eq!(read.header.ssrc, 0xdeadbeef);
        assert_eq!((read.header.sequence_number, read.header.timestamp), (7, 960));
        assert!(!read.header.marker && read.header.csrc.is_empty() && !read.header.extension);
        assert_eq!(&read.payload[..], b"sound");
    }

    #[test]
    fn padding_is_cut_off_and_a_false_count_refused() {
        let mut bytes = foreign(0, false, b"sound\0\0\x03");
        bytes[0] |= 0x20;
        assert_eq!(PacketView::parse(&bytes).unwrap().payload(), b"sound");
        *bytes.last_mut().unwrap() = 0;
        assert_eq!(PacketView::parse(&bytes).unwrap_err(), HeaderError::Padding(0));
        *bytes.last_mut().unwrap() = 9;
        assert_eq!(PacketView::parse(&bytes).unwrap_err(), HeaderError::Padding(9));
    }

    #[test]
    fn every_cut_of_a_header_is_refused_and_none_panics() {
        let bytes = foreign(3, true, b"");
        for end in 0..bytes.len() {
            assert!(matches!(PacketView::parse(&bytes[..end]), Err(HeaderError::Truncated { .. })), "{end}");
        }
        assert!(PacketView::parse(&bytes).unwrap().payload().is_empty());
        assert_eq!(PacketView::parse(&[0x40; 12]).unwrap_err(), HeaderError::Version(1));
    }

    #[test]
    fn rtcp_is_told_from_rtp_by_its_second_byte() {
        assert!(is_rtcp(&[0x80, 200]) && is_rtcp(&[0x81, 201]));
        assert!(!is_rtcp(&[0x80, 0x80 | 63]) && !is_rtcp(&[0x80, 0]) && !is_rtcp(&[0x80]));
    }
}
