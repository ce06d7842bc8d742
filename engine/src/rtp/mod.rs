//! RTP and RTCP (RFC 3550) as bytes and arithmetic. It knows nothing of sessions, codecs or time beyond what it is handed.

pub mod bursts;
pub mod fates;
pub mod packet;
pub mod rtcp;
pub mod seq;
pub mod srtp;
pub mod stats;
mod window;

pub use packet::{HeaderError, PacketView, is_rtcp};
pub use seq::{ExtSeq, RtpTime, Seq};

/// Whose stream a packet belongs to (RFC 3550 §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ssrc(pub u32);

/// A payload type number, 0–127.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PayloadType(pub u8);
