//! Keys for SRTP in a description: `a=crypto` (RFC 4568, with the suites of RFC 7714).
//!
//! A line that cannot be used is skipped, as §5.1 of RFC 4568 wants: one with a suite that we lack, an MKI, several
//! keys, or a session parameter that changes what is sent. Whoever can read the description can hear the call: SDES
//! is as safe as the signalling it travels in. It leaves out key derivation and packets, which are the engine's.

use std::fmt;
use std::ops::Deref;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

/// Base64 of RFC 4648 §4. It is written with its padding and read without it too: FreeSWITCH and rtpengine leave it out,
/// which shows in the keys of AES-GCM.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How packets are encrypted and authenticated (RFC 4568 §6.2, RFC 7714 §14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Suite {
    /// AES in counter mode, HMAC-SHA1 cut to 80 bits: what everybody speaks.
    AesCm128HmacSha1_80,
    /// The same, cut to 32 bits; RTCP keeps 80.
    AesCm128HmacSha1_32,
    /// AES-128 in Galois/counter mode.
    AeadAes128Gcm,
    /// AES-256 in Galois/counter mode.
    AeadAes256Gcm,
}

impl Suite {
    /// All suites in the order of our offers: what everybody speaks first, the short tag last.
    pub const ALL: [Self; 4] =
        [Self::AesCm128HmacSha1_80, Self::AeadAes128Gcm, Self::AeadAes256Gcm, Self::AesCm128HmacSha1_32];

    /// Its name in SDP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// Bytes of its master key.
    pub const fn key_bytes(self) -> usize {
        match self {
            Self::AeadAes256Gcm => 32,
            _ => 16,
        }
    }

    /// Bytes of its master salt.
    pub const fn salt_bytes(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 => 14,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name().eq_ignore_ascii_case(name))
    }
}

/// Longest master key with its salt: AES-256 in Galois/counter mode.
pub const MASTER_BYTES_MAX: usize = 44;

/// A master key followed by its master salt. It is never printed nor serialised, and wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    bytes: [u8; MASTER_BYTES_MAX],
    length: usize,
}

impl MasterKey {
    /// The key and salt in `bytes`, of which at most [`MASTER_BYTES_MAX`] are taken.
    pub fn new(bytes: &[u8]) -> Self {
        let length = bytes.len().min(MASTER_BYTES_MAX);
        let mut key = Self { bytes: [0; MASTER_BYTES_MAX], length };
        key.bytes[..length].copy_from_slice(&bytes[..length]);
        key
    }

    /// Key and salt, for whoever encrypts with them.
    pub fn expose(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.bytes.zeroize();
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

/// Random master keys, one for each suite, of which a description takes what it needs. A set is handed in once and
/// never used again: two streams under one key and SSRC would give both away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreshKeys([MasterKey; Suite::ALL.len()]);

impl FreshKeys {
    /// Keys from `fill`, which must write bytes nobody can guess (RFC 4568 §6.1).
    pub fn draw(mut fill: impl FnMut(&mut [u8])) -> Self {
        Self(Suite::ALL.map(|suite| {
            let mut key = MasterKey::new(&[0; MASTER_BYTES_MAX][..suite.key_bytes() + suite.salt_bytes()]);
            fill(&mut key.bytes[..key.length]);
            key
        }))
    }

    pub(super) fn of(&self, suite: Suite) -> MasterKey {
        let at = Suite::ALL.into_iter().position(|other| other == suite);
        self.0[at.expect("ALL holds every suite")].clone()
    }
}

/// What is wanted of SRTP on a leg.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Security {
    /// Plain RTP only.
    #[default]
    Off,
    /// SRTP where the far end takes it, in the manner of RFC 8643: our offer is `RTP/AVP` with `a=crypto`.
    Optional(FreshKeys),
    /// SRTP or nothing: our offer is `RTP/SAVP`.
    Required(FreshKeys),
}

impl Security {
    pub(super) fn keys(&self) -> Option<&FreshKeys> {
        match self {
            Self::Off => None,
            Self::Optional(keys) | Self::Required(keys) => Some(keys),
        }
    }
}

/// What offer and answer agreed on for SRTP, seen from our side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Srtp {
    /// The tag of the line that was chosen.
    pub tag: u32,
    /// Its suite.
    pub suite: Suite,
    /// Protects what we send.
    pub local: MasterKey,
    /// Protects what the far end sends.
    pub remote: MasterKey,
}

/// A usable `a=crypto` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CryptoLine {
    /// Names the line within its media line.
    pub tag: u32,
    /// Its suite.
    pub suite: Suite,
    /// Protects what the writer sends.
    pub key: MasterKey,
    /// Most packets that the writer will protect with it. It binds the writer; we write none.
    pub lifetime: Option<u64>,
}

/// Why a line cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is no `a=crypto` value by the grammar of RFC 4568 §9.1.
    Syntax,
    /// A suite that we lack.
    Suite,
    /// Several keys, or a way of keying other than `inline`.
    Keys,
    /// A key and salt of another length than the suite's.
    Length,
    /// A lifetime of no packets, or of more than SRTP allows.
    Lifetime,
    /// Its packets carry a master key identifier.
    Mki,
    /// A session parameter that must be understood and is not, or asks for less than full protection.
    Parameter,
}

/// Most packets under one key (RFC 3711 §9.2).
const LIFETIME_MAX: u64 = 1 << 48;

impl CryptoLine {
    /// Reads the value of `a=crypto`.
    ///
    /// # Errors
    /// [`Unusable`]: the line is to be skipped.
    pub fn parse(value: &str) -> Result<Self, Unusable> {
        let mut words = value.split_ascii_whitespace();
        let (tag, suite, keys) = match (words.next(), words.next(), words.next()) {
            (Some(tag), Some(suite), Some(keys)) => (tag, suite, keys),
            _ => return Err(Unusable::Syntax),
        };
        let digits = (1..=9).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_digit());
        let tag = tag.parse().ok().filter(|_| digits).ok_or(Unusable::Syntax)?;
        let suite = Suite::named(suite).ok_or(Unusable::Suite)?;
        if words.any(|parameter| !is_harmless(parameter)) {
            return Err(Unusable::Parameter);
        }
        let (key, lifetime) = read_key(keys, suite)?;
        Ok(Self { tag, suite, key, lifetime })
    }

    /// The value to write.
    pub(super) fn value(&self) -> String {
        let lifetime = self.lifetime.map_or_else(String::new, |packets| format!("|{packets}"));
        let key = Zeroizing::new(BASE64.encode(self.key.expose()));
        format!("{} {} inline:{}{lifetime}", self.tag, self.suite.name(), *key)
    }
}

/// `inline:KEY[|LIFETIME][|MKI:LENGTH]`.
fn read_key(keys: &str, suite: Suite) -> Result<(MasterKey, Option<u64>), Unusable> {
    let (method, info) = keys.split_once(':').ok_or(Unusable::Syntax)?;
    if !method.eq_ignore_ascii_case("inline") || info.contains(';') {
        return Err(Unusable::Keys);
    }
    let mut parts = info.split('|');
    let text = parts.next().unwrap_or_default();
    let bytes = BASE64.decode(text).map(Zeroizing::new).map_err(|_| Unusable::Syntax)?;
    if bytes.len() != suite.key_bytes() + suite.salt_bytes() {
        return Err(Unusable::Length);
    }
    let key = MasterKey::new(&bytes);
    let mut lifetime = None;
    for part in parts {
        if part.contains(':') {
            return Err(Unusable::Mki);
        }
        lifetime = Some(read_lifetime(part)?);
    }
    Ok((key, lifetime))
}

/// A count of packets, or `2^n`.
fn read_lifetime(text: &str) -> Result<u64, Unusable> {
    let packets = match text.strip_prefix("2^") {
        Some(power) => power.parse().ok().and_then(|power| 1u64.checked_shl(power)),
        None => text.parse().ok(),
    };
    packets.filter(|packets| (1..=LIFETIME_MAX).contains(packets)).ok_or(Unusable::Lifetime)
}

/// A parameter that may be passed over: a hint for the replay window (RFC 4568 §6.3.7), of which ours is as large as it
/// need be, or one whose writer lets it be ignored (§6.3.8).
fn is_harmless(parameter: &str) -> bool {
    let window = parameter.split_once('=').filter(|(name, _)| name.eq_ignore_ascii_case("WSH"));
    window.is_some_and(|(_, size)| size.parse::<u32>().is_ok_and(|size| size >= 64))
        || parameter.starts_with('-')
}

/// A description with every key in it masked: for whoever must show one.
pub fn masked(sdp: &[u8]) -> String {
    const MARK: &str = "inline:";
    let text = String::from_utf8_lossy(sdp);
    let mut shown = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(at) = rest.to_ascii_lowercase().find(MARK) {
        let (head, tail) = rest.split_at(at + MARK.len());
        shown.push_str(head);
        shown.push_str("masked");
        rest = &tail[tail.find(['|', ';', ' ', '\t', '\r', '\n']).unwrap_or(tail.len())..];
    }
    shown.push_str(rest);
    shown
}

/// A description that is kept or handed on. It may hold a key, so it is printed and serialised masked: what is read back
/// is that of a stream whose keys are lost.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Description(pub Bytes);

impl fmt::Debug for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        masked(&self.0).fmt(f)
    }
}

impl Serialize for Description {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&masked(&self.0))
    }
}

impl Deref for Description {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Bytes> for Description {
    fn from(text: Bytes) -> Self {
        Self(text)
    }
}

impl From<String> for Description {
    fn from(text: String) -> Self {
        Self(Bytes::from(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 4568 §9.1's examples.
    const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

    fn parse(rest: &str) -> Result<CryptoLine, Unusable> {
        CryptoLine::parse(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}{rest}"))
    }

    #[test]
    fn a_line_is_read_and_written_alike() {
        for suite in Suite::ALL {
            let key = MasterKey::new(&[0xa5; MASTER_BYTES_MAX][..suite.key_bytes() + suite.salt_bytes()]);
            let line = CryptoLine { tag: 7, suite, key, lifetime: None };
            assert_eq!(CryptoLine::parse(&line.value()), Ok(line));
        }
        let line = parse("|2^20").unwrap();
        assert_eq!((line.tag, line.suite, line.lifetime), (1, Suite::AesCm128HmacSha1_80, Some(1 << 20)));
        assert_eq!(line.key.expose()[..4], *b"wDfv");
        assert_eq!(parse("|1048576").unwrap(), line);
    }

    #[test]
    fn what_changes_the_packets_makes_a_line_unusable() {
        for (rest, why) in [
            ("|2^20|1:4", Unusable::Mki),
            ("|1:4", Unusable::Mki),
            ("|2^49", Unusable::Lifetime),
            ("|0", Unusable::Lifetime),
            ("|2^64", Unusable::Lifetime),
            (";inline:AAAA", Unusable::Keys),
            (" KDR=1", Unusable::Parameter),
            (" UNENCRYPTED_SRTP", Unusable::Parameter),
            (" UNAUTHENTICATED_SRTP", Unusable::Parameter),
            (" FEC_ORDER=FEC_SRTP", Unusable::Parameter),
            (" WSH=63", Unusable::Parameter),
            (" NEW=1", Unusable::Parameter),
        ] {
            assert_eq!(parse(rest).unwrap_err(), why, "{rest}");
        }
        assert!(parse(" WSH=128 -NEW=1").is_ok());
    }

    #[test]
    fn a_key_must_have_the_length_of_its_suite() {
        let with =
            |suite: &str, key: &str| CryptoLine::parse(&format!("1 {suite} inline:{key}")).unwrap_err();
        assert_eq!(with("AEAD_AES_128_GCM", KEY), Unusable::Length);
        assert_eq!(with("AES_CM_128_HMAC_SHA1_80", &KEY[..36]), Unusable::Length);
        assert_eq!(with("AES_CM_128_HMAC_SHA1_80", "!"), Unusable::Syntax);
        assert_eq!(with("AES_192_CM_HMAC_SHA1_80", KEY), Unusable::Suite);
        for tag in ["", "x", "-1", "1234567890"] {
            let line = format!("{tag} AES_CM_128_HMAC_SHA1_80 inline:{KEY}");
            assert!(CryptoLine::parse(&line).is_err(), "{tag}");
        }
    }

    #[test]
    fn a_key_without_the_padding_of_its_text_is_read_as_with_it() {
        for suite in Suite::ALL {
            let key = MasterKey::new(&[0x5a; MASTER_BYTES_MAX][..suite.key_bytes() + suite.salt_bytes()]);
            let line = CryptoLine { tag: 1, suite, key, lifetime: None };
            let bare = line.value().trim_end_matches('=').to_owned();
            assert_eq!(CryptoLine::parse(&bare), Ok(line), "{}", suite.name());
        }
        assert_eq!(parse("=").unwrap_err(), Unusable::Syntax, "none is due here");
    }

    #[test]
    fn a_key_is_neither_printed_nor_serialised() {
        let line = parse("").unwrap();
        assert!(!format!("{line:?}").contains("wDfv") && !format!("{line:?}").contains("119"));
        let sdp = format!("a=crypto:1 X INLINE:{KEY}|2^20\r\na=crypto:2 Y inline:{KEY}\r\n");
        let shown = masked(sdp.as_bytes());
        assert_eq!(shown, "a=crypto:1 X INLINE:masked|2^20\r\na=crypto:2 Y inline:masked\r\n");
    }
}
