//! A phone's SRTP with SDES keys: the library's contexts used plainly, apart from what the product does with streams,
//! replays and descriptions.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use webrtc_srtp::context::Context;
use webrtc_srtp::protection_profile::ProtectionProfile;

/// Suites by their names in SDP, with the bytes of master key and salt.
const SUITES: [(&str, ProtectionProfile, usize, usize); 4] = [
    ("AES_CM_128_HMAC_SHA1_80", ProtectionProfile::Aes128CmHmacSha1_80, 16, 14),
    ("AES_CM_128_HMAC_SHA1_32", ProtectionProfile::Aes128CmHmacSha1_32, 16, 14),
    ("AEAD_AES_128_GCM", ProtectionProfile::AeadAes128Gcm, 16, 12),
    ("AEAD_AES_256_GCM", ProtectionProfile::AeadAes256Gcm, 32, 12),
];

/// One way: the context of a key. It either protects or opens.
pub struct Way {
    context: Context,
    /// Key and salt.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Way").finish_non_exhaustive()
    }
}

/// Bytes of key and salt of a suite.
pub fn key_bytes(suite: &str) -> usize {
    let (.., key, salt) = named(suite);
    key + salt
}

fn named(suite: &str) -> (&'static str, ProtectionProfile, usize, usize) {
    SUITES.into_iter().find(|(name, ..)| *name == suite).expect("a suite of RFC 4568 or RFC 7714")
}

impl Way {
    /// The context of this key and salt.
    pub fn new(suite: &str, key: &[u8]) -> Self {
        let (_, profile, length, _) = named(suite);
        let context = Context::new(&key[..length], &key[length..], profile, None, None);
        Self { context: context.expect("a key of the suite's length"), key: key.to_vec() }
    }

    /// The packet as it goes over the wire.
    pub fn protect(&mut self, packet: &[u8]) -> Vec<u8> {
        let protected = if is_rtcp(packet) {
            self.context.encrypt_rtcp(packet)
        } else {
            self.context.encrypt_rtp(packet)
        };
        protected.expect("the library protects a packet of ours").to_vec()
    }

    /// The packet in the clear; `None` if it is not genuine.
    pub fn open(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let clear = if is_rtcp(packet) {
            self.context.decrypt_rtcp(packet)
        } else {
            self.context.decrypt_rtp(packet)
        };
        clear.ok().map(|clear| clear.to_vec())
    }
}

fn is_rtcp(packet: &[u8]) -> bool {
    packet.get(1).is_some_and(|kind| (192..=223).contains(kind))
}

/// How a phone wants its media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// Plain; it does not know what `a=crypto` is.
    #[default]
    Plain,
    /// In plain lines with keys (RFC 8643), and secured where the other side has some too.
    BestEffort,
    /// As `RTP/SAVP`.
    Secure,
}

/// An `a=crypto` line as text.
pub fn line(tag: &str, suite: &str, key: &[u8]) -> String {
    format!("a=crypto:{tag} {suite} inline:{}\r\n", BASE64_STANDARD.encode(key))
}

/// The first `a=crypto` line of a suite in a description: its tag and key.
pub fn find(body: &str, suite: &str) -> Option<(String, Vec<u8>)> {
    body.lines().find_map(|line| {
        let mut words = line.trim().strip_prefix("a=crypto:")?.split(' ');
        let (tag, name, keys) = (words.next()?, words.next()?, words.next()?);
        let key = keys.strip_prefix("inline:")?.split('|').next()?;
        (name == suite).then(|| BASE64_STANDARD.decode(key).ok().map(|key| (tag.to_string(), key)))?
    })
}
