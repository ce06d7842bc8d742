//! SRTP and SRTCP of one leg (RFC 3711, RFC 7714): keys, streams, replays. The ciphers are crate `webrtc-srtp`'s.
//!
//! What is done here and not left to the library: its states are made before a packet is authentic and never
//! forgotten, so an unknown SSRC is tried apart and kept only if its packet is genuine; its replay list is set up by
//! packets nobody has checked; it takes SRTCP whose encryption bit is cleared without looking at the tag. It returns
//! each packet in a new buffer: 1 allocation per packet with AES-CM, 3 with AES-GCM. It leaves out key management,
//! MKI and key derivation rates, which the negotiation never agrees to.

use std::fmt;

use ::rtp::header::Header;
use serde::{Deserialize, Serialize};
use webrtc_srtp::context::Context;
use webrtc_srtp::protection_profile::ProtectionProfile;
use zeroize::Zeroizing;

use super::packet::{HEADER_BYTES, header_bytes};
use super::window::Window;
use super::{Seq, Ssrc};

/// Streams of one far end under one key, those that are over included: each hold, transfer or queue behind it may
/// begin one. Further ones are refused.
const STREAMS_MAX: usize = 32;
/// Failed packets of unknown streams for which one context is used: it keeps a few bytes of each SSRC it has seen.
const TRIES_MAX: u32 = 32;
/// Index and encryption bit at the end of SRTCP (RFC 3711 §3.4).
const RTCP_INDEX_BYTES: usize = 4;
/// The part of SRTCP that is not encrypted.
const RTCP_HEAD_BYTES: usize = 8;

/// How packets are encrypted and authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Suite {
    /// AES-128 in counter mode, HMAC-SHA1 of 80 bits.
    AesCm128HmacSha1_80,
    /// The same with 32 bits, of 80 in SRTCP.
    AesCm128HmacSha1_32,
    /// AES-128 in Galois/counter mode.
    AeadAes128Gcm,
    /// AES-256 in Galois/counter mode.
    AeadAes256Gcm,
}

impl Suite {
    /// Its name in SDP, API and records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    const fn profile(self) -> ProtectionProfile {
        match self {
            Self::AesCm128HmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
            Self::AesCm128HmacSha1_32 => ProtectionProfile::Aes128CmHmacSha1_32,
            Self::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
            Self::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
        }
    }

    const fn is_aead(self) -> bool {
        matches!(self, Self::AeadAes128Gcm | Self::AeadAes256Gcm)
    }

    /// Bytes of the tag of an SRTP packet.
    const fn tag_bytes(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 => 10,
            Self::AesCm128HmacSha1_32 => 4,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
        }
    }

    /// Bytes of the tag of an SRTCP packet.
    const fn rtcp_tag_bytes(self) -> usize {
        if self.is_aead() { 16 } else { 10 }
    }
}

/// A master key followed by its master salt: never printed, never serialised, wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey(Zeroizing<Vec<u8>>);

impl MasterKey {
    /// The key and salt in `bytes`.
    pub fn new(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(masked)")
    }
}

impl Serialize for MasterKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("masked")
    }
}

impl<'de> Deserialize<'de> for MasterKey {
    /// Fails: a key is not serialised, and a leg that had one must not come back without it.
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("master keys are not serialised"))
    }
}

/// What both ends of a leg agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SrtpKeys {
    /// The suite, the same both ways.
    pub suite: Suite,
    /// Protects what we send.
    pub sent: MasterKey,
    /// Protects what the far end sends.
    pub received: MasterKey,
}

/// Why a packet was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// No SRTP or SRTCP packet.
    Malformed,
    /// Its tag is not that of its bytes, or it was sent without protection.
    Forged,
    /// It came before, or is too old for that to be told.
    Replayed,
    /// Of one more stream than a far end may have.
    Streams,
    /// Of ours: its index was used before, or none is left.
    Spent,
}

impl Fault {
    /// All, in the order of counters over them.
    pub const ALL: [Self; 5] = [Self::Malformed, Self::Forged, Self::Replayed, Self::Streams, Self::Spent];

    /// Its label in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Forged => "forged",
            Self::Replayed => "replayed",
            Self::Streams => "streams",
            Self::Spent => "spent",
        }
    }
}

/// A key of another length than its suite's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyError;

/// One leg's SRTP, both ways. What it sends is one stream; what it receives may be several, one after the other.
pub struct Srtp {
    keys: SrtpKeys,
    sent: Context,
    sent_window: Window,
    received: Received,
    /// Under the far end's key before this one: its last packets may still be on their way.
    before: Option<Received>,
}

impl Srtp {
    /// The contexts for these keys.
    ///
    /// # Errors
    /// A key does not have the length that its suite wants.
    pub fn new(keys: SrtpKeys) -> Result<Self, KeyError> {
        Ok(Self {
            sent: context(keys.suite, &keys.sent)?,
            sent_window: Window::default(),
            received: Received::new(keys.suite, keys.received.clone())?,
            before: None,
            keys,
        })
    }

    /// What a new offer and answer agreed on. A key that has not changed keeps its contexts and roll-over counters
    /// (RFC 4568 §7.1.4); a new one begins from zero (RFC 3711 §8.1).
    ///
    /// # Errors
    /// As [`Srtp::new`]; what was agreed on before stands.
    pub fn update(&mut self, keys: SrtpKeys) -> Result<(), KeyError> {
        let other = keys.suite != self.keys.suite;
        let sent =
            if other || keys.sent != self.keys.sent { Some(context(keys.suite, &keys.sent)?) } else { None };
        if other || keys.received != self.keys.received {
            let received = Received::new(keys.suite, keys.received.clone())?;
            self.before = Some(std::mem::replace(&mut self.received, received));
        }
        if let Some(sent) = sent {
            (self.sent, self.sent_window) = (sent, Window::default());
        }
        self.keys = keys;
        Ok(())
    }

    /// Protects an RTP packet of ours, whose header has [`HEADER_BYTES`], and hands it to `send`.
    ///
    /// # Errors
    /// [`Fault::Spent`]: nothing is sent. One index must never protect two packets (RFC 3711 §9.1).
    pub fn protect(&mut self, packet: &[u8], send: impl FnOnce(&[u8])) -> Result<(), Fault> {
        let seq = Seq(u16::from_be_bytes([packet[2], packet[3]]));
        let index = self.sent_window.index_of(seq);
        if !self.sent_window.is_new(index) {
            return Err(Fault::Spent);
        }
        let protected = self.sent.encrypt_rtp_with_header(packet, &header(packet, HEADER_BYTES));
        let protected = protected.map_err(|_| Fault::Spent)?;
        self.sent_window.mark(index);
        send(&protected);
        Ok(())
    }

    /// Protects a compound RTCP packet of ours and hands it to `send`.
    ///
    /// # Errors
    /// As [`Srtp::protect`].
    pub fn protect_rtcp(&mut self, packet: &[u8], send: impl FnOnce(&[u8])) -> Result<(), Fault> {
        let protected = self.sent.encrypt_rtcp(packet).map_err(|_| Fault::Spent)?;
        send(&protected);
        Ok(())
    }

    /// Opens an SRTP packet in place; the length of the RTP packet that now lies there.
    ///
    /// # Errors
    /// Why it is to be dropped; nothing has changed then.
    pub fn unprotect(&mut self, packet: &mut [u8]) -> Result<usize, Fault> {
        self.open(packet, Received::open)
    }

    /// Opens an SRTCP packet in place; the length of the RTCP packet that now lies there.
    ///
    /// # Errors
    /// As [`Srtp::unprotect`].
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Fault> {
        self.open(packet, Received::open_rtcp)
    }

    fn open(
        &mut self,
        packet: &mut [u8],
        open: impl Fn(&mut Received, &mut [u8]) -> Result<usize, Fault>,
    ) -> Result<usize, Fault> {
        match (open(&mut self.received, packet), &mut self.before) {
            (Err(Fault::Forged), Some(before)) => open(before, packet),
            (Ok(length), _) => {
                self.before = None;
                Ok(length)
            }
            (fault, _) => fault,
        }
    }
}

/// What comes under one key of the far end.
struct Received {
    suite: Suite,
    key: MasterKey,
    streams: Vec<Stream>,
    /// Tried on packets of unknown streams, so many of which have failed.
    spare: Option<(Context, u32)>,
}

/// One stream that has proved genuine.
struct Stream {
    ssrc: Ssrc,
    context: Context,
    window: Window,
    rtcp_window: Window,
}

impl Received {
    fn new(suite: Suite, key: MasterKey) -> Result<Self, KeyError> {
        let spare = Some((context(suite, &key)?, 0));
        Ok(Self { suite, key, streams: Vec::new(), spare })
    }

    fn open(&mut self, packet: &mut [u8]) -> Result<usize, Fault> {
        let length = header_bytes(packet).map_err(|_| Fault::Malformed)?;
        if packet.len() < length + self.suite.tag_bytes() {
            return Err(Fault::Malformed);
        }
        let header = header(packet, length);
        self.of_stream(Ssrc(header.ssrc), |stream| {
            let index = stream.window.index_of(Seq(header.sequence_number));
            if !stream.window.is_new(index) {
                return Err(Fault::Replayed);
            }
            let clear = stream.context.decrypt_rtp_with_header(packet, &header);
            let clear = clear.map_err(|_| Fault::Forged)?;
            stream.window.mark(index);
            packet[..clear.len()].copy_from_slice(&clear);
            Ok(clear.len())
        })
    }

    fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Fault> {
        let trailer = RTCP_INDEX_BYTES + self.suite.rtcp_tag_bytes();
        let Some(end) = packet.len().checked_sub(trailer).filter(|end| *end >= RTCP_HEAD_BYTES) else {
            return Err(Fault::Malformed);
        };
        // RFC 7714 §9: the index follows the tag there; RFC 3711 §3.4: elsewhere it precedes it.
        let at = if self.suite.is_aead() { packet.len() - RTCP_INDEX_BYTES } else { end };
        let word = u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]);
        if word >> 31 == 0 {
            // Unencrypted SRTCP was not agreed on, and the library would take it unchecked.
            return Err(Fault::Forged);
        }
        let index = u64::from(word & 0x7fff_ffff);
        let ssrc = Ssrc(u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]));
        self.of_stream(ssrc, |stream| {
            if !stream.rtcp_window.is_new(index) {
                return Err(Fault::Replayed);
            }
            let clear = stream.context.decrypt_rtcp(packet).map_err(|_| Fault::Forged)?;
            stream.rtcp_window.mark(index);
            packet[..clear.len()].copy_from_slice(&clear);
            Ok(clear.len())
        })
    }

    /// Opens a packet as its stream's; an unknown stream is kept if its packet can be opened.
    fn of_stream(
        &mut self,
        ssrc: Ssrc,
        open: impl FnOnce(&mut Stream) -> Result<usize, Fault>,
    ) -> Result<usize, Fault> {
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.ssrc == ssrc) {
            return open(stream);
        }
        if self.streams.len() == STREAMS_MAX {
            return Err(Fault::Streams);
        }
        let (context, failed) = match self.spare.take() {
            Some(spare) => spare,
            None => (context(self.suite, &self.key).map_err(|KeyError| Fault::Forged)?, 0),
        };
        let (window, rtcp_window) = (Window::default(), Window::default());
        let mut stream = Stream { ssrc, context, window, rtcp_window };
        let result = open(&mut stream);
        if result.is_ok() {
            self.streams.push(stream);
        } else if failed + 1 < TRIES_MAX {
            self.spare = Some((stream.context, failed + 1));
        }
        result
    }
}

fn context(suite: Suite, key: &MasterKey) -> Result<Context, KeyError> {
    let profile = suite.profile();
    let (key, salt) = key.0.split_at_checked(profile.key_len()).ok_or(KeyError)?;
    // Replays are our own affair: without an option the library keeps no list.
    Context::new(key, salt, profile, None, None).map_err(|_| KeyError)
}

/// What the library needs of a header: numbers and a length. Told as CSRCs, any length comes out right, whatever the
/// extension holds.
fn header(packet: &[u8], length: usize) -> Header {
    Header {
        version: 2,
        sequence_number: u16::from_be_bytes([packet[2], packet[3]]),
        ssrc: u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]),
        csrc: vec![0; (length - HEADER_BYTES) / 4],
        ..Header::default()
    }
}

#[cfg(test)]
mod tests;
