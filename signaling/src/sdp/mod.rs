//! SDP (RFC 8866) and its offer/answer model (RFC 3264) for one audio stream over RTP, plain or secured by SDES keys
//! (RFC 4568). What is optional is negotiated as RFC 8643 says: `RTP/AVP` with `a=crypto`, which a far end without SRTP
//! answers plainly, where a second media line or `RTP/SAVP` would be refused by many.
//!
//! Reading and writing lines is the work of the `sdp-types` crate. Measured against what phones really send, it
//! takes LF line ends, missing `s=`, `t=` and `o=`, unknown and misplaced lines, stray blanks; it refuses a second
//! `c=`, an `o=` whose user name has blanks, a bandwidth that is no number, and any byte that is not UTF-8.
//! Nothing of these lines is of use to us, so `read.rs` sieves them out before the crate sees them.
//!
//! What it leaves out: video and text (refused with port 0), DTLS (RFC 5764: such a line is refused),
//! ICE (RFC 8839), BUNDLE (RFC 9143; a plain answer is what its §7.3 foresees), bandwidth lines, codec knowledge
//! beyond names, clocks and numbers. Multipart bodies are split by whoever hands the description in.

mod crypto;
mod negotiate;
mod opus;
mod read;
mod secure;
mod session;
mod write;

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use crypto::{
    CryptoLine, Description, FreshKeys, MASTER_BYTES_MAX, MasterKey, Security, Srtp, Suite, Unusable, masked,
};
pub use negotiate::{make_offer, negotiate, read_answer};
pub use opus::OpusFormat;
pub use session::LocalSession;

/// Shortest packet time we send or ask for, in milliseconds.
pub const PTIME_MS_MIN: u8 = 10;
/// Longest packet time we send or ask for, in milliseconds.
pub const PTIME_MS_MAX: u8 = 60;

/// An audio format we can speak, in SDP's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Codec {
    /// Encoding name as in `a=rtpmap`; compared without case.
    pub encoding: String,
    /// RTP clock rate in hertz.
    pub clock: u32,
    /// Channels as in `a=rtpmap`; 1 is left out there.
    pub channels: u8,
    /// Payload number in our own offers; another is taken if it is in use (RFC 3264 §8.3.2).
    pub number: u8,
    /// Our `a=fmtp` parameters, empty for none.
    pub format: String,
}

impl Codec {
    /// The codec of this configured name, in any case: `opus`, `PCMU`, `PCMA`.
    pub fn named(name: &str) -> Option<Self> {
        let plain = |encoding: &str, number| Self {
            encoding: encoding.to_owned(),
            clock: 8000,
            channels: 1,
            number,
            format: String::new(),
        };
        match name.to_ascii_lowercase().as_str() {
            "pcmu" => Some(plain("PCMU", 0)),
            "pcma" => Some(plain("PCMA", 8)),
            // RFC 7587 §7: the rtpmap is opus/48000/2 whatever is sent; we ask for mono and in-band FEC.
            "opus" => Some(Self {
                encoding: "opus".to_owned(),
                clock: 48000,
                channels: 2,
                number: 111,
                format: OpusFormat::OURS.to_string(),
            }),
            _ => None,
        }
    }

    /// It is Opus.
    pub fn is_opus(&self) -> bool {
        self.encoding.eq_ignore_ascii_case("opus")
    }
}

/// Who may speak on a stream, seen from the side that writes it (RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// Both sides.
    #[default]
    SendRecv,
    /// The writer alone: the usual form of hold.
    SendOnly,
    /// The reader alone.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// The direction with these two halves.
    pub const fn of(send: bool, receive: bool) -> Self {
        match (send, receive) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// The writer speaks.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// The writer listens.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The name of its attribute.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

/// What we can do and want on one leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Audio formats, best first. In an answer the first that the offer holds is the one.
    pub codecs: Vec<Codec>,
    /// Where we receive RTP; RTCP is at the port above unless muxed.
    pub address: SocketAddr,
    /// Packet time we ask for, in milliseconds (10–60).
    pub ptime_ms: u8,
    /// We take and send DTMF as telephone-event (RFC 4733).
    pub telephone_event: bool,
    /// We can receive RTP and RTCP on one port (RFC 5761).
    pub rtcp_mux: bool,
    /// Our offers ask for extended reports (RFC 3611 §5.1). Where an offer asks for them, the answer does so whatever
    /// this says.
    pub rtcp_xr: bool,
    /// What we want; an answer gives no more than the offer allows.
    pub direction: Direction,
    /// What we want of SRTP, and the keys for it.
    pub security: Security,
}

/// The `o=` line's numbers (RFC 8866 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Session id: the same for all descriptions of one leg.
    pub id: u64,
    /// Version: one more with each description that differs from the one before (RFC 3264 §8).
    pub version: u64,
}

/// An answer and what it means. Its text may hold a key: `Debug` shows it masked.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The description to send.
    pub sdp: Bytes,
    /// What both sides agreed on.
    pub media: Negotiated,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("sdp", &masked(&self.sdp)).field("media", &self.media).finish()
    }
}

/// What offer and answer agreed on, seen from our side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Negotiated {
    /// Where the far end asked for RTP. `None` while it gave no usable address: 0.0.0.0, port 0, a name, a group.
    pub remote: Option<SocketAddr>,
    /// Where it asked for RTCP (RFC 3605), if not at the port above `remote`. `None` when muxed.
    pub remote_rtcp: Option<SocketAddr>,
    /// RTP and RTCP share one port (RFC 5761).
    pub rtcp_mux: bool,
    /// RTCP of reduced size may be sent (RFC 5506 §5): both sides said so.
    pub rtcp_rsize: bool,
    /// The far end asks for extended reports that we have: VoIP metrics, round trip of a receiver (RFC 3611 §5.1).
    pub rtcp_xr: bool,
    /// The audio format. Its number is what the far end's description gave: what it wants to receive.
    pub payload: Payload,
    /// The number under which our own description announced the format: what we may receive it as. It differs from
    /// `payload.number` only if an answer renumbered it (RFC 3264 §6.1).
    pub received_number: u8,
    /// The `a=fmtp` parameters that our own description gave for the format: what the far end was told.
    pub told: String,
    /// The telephone-event format, if agreed.
    pub telephone_event: Option<TelephoneEvent>,
    /// Packet time to send with, in milliseconds (10–60).
    pub ptime_ms: u8,
    /// Longest packet the far end takes, in milliseconds (10–60): its `maxptime`, else the longest we ever send.
    pub ptime_ms_max: u8,
    /// We may send: the far end listens.
    pub send: bool,
    /// The far end may speak.
    pub receive: bool,
    /// The keys, if the stream is secured.
    pub srtp: Option<Srtp>,
}

/// An agreed audio format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// RTP payload number.
    pub number: u8,
    /// Encoding name in our spelling.
    pub encoding: String,
    /// RTP clock rate in hertz.
    pub clock: u32,
    /// Channels of the rtpmap.
    pub channels: u8,
    /// The far end's `a=fmtp` parameters, empty if none.
    pub format: String,
}

/// An agreed telephone-event format (RFC 4733).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TelephoneEvent {
    /// RTP payload number.
    pub number: u8,
    /// RTP clock rate in hertz: that of the audio, or 8000 if the far end knows no other.
    pub clock: u32,
}

/// Why there is no agreement. All of them are answered with 488 (RFC 3261 §21.4.26) and [`Refusal::warning`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Refusal {
    /// No session description can be read from these bytes.
    Malformed,
    /// No audio line with a port.
    NoAudio,
    /// Audio, but no format in common.
    NoCodec,
    /// Audio, but secured in a way that we lack or do not want, or not secured though it must be.
    Security,
    /// Audio at an address of a family that we do not have.
    Address,
    /// The answer refused our audio line with port 0.
    Rejected,
}

impl Refusal {
    /// The code and text of a Warning header (RFC 3261 §20.43).
    pub const fn warning(self) -> (u16, &'static str) {
        match self {
            Self::Malformed => (399, "Session description cannot be read"),
            Self::NoAudio | Self::Rejected => (304, "Media type not available"),
            Self::NoCodec => (305, "Incompatible media format"),
            Self::Security => (302, "Incompatible transport protocol"),
            Self::Address => (301, "Incompatible network address formats"),
        }
    }
}
