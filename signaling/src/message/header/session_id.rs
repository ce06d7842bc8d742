//! Session-ID (RFC 7989): one UUID for each end of a communication, the same on every hop whatever Call-IDs it goes by.
//!
//! The older form of RFC 7329, one UUID without `remote`, is read as the UUID of its sender (§11).

use std::fmt;

use bytes::Bytes;

use super::{Field, Headers};
use crate::message::params::Params;
use crate::message::scan::{Scan, SyntaxError};

/// The UUID of one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(u128);

/// Who sends a message and whom it is for, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionId {
    /// The end that the message comes from.
    pub local: Uuid,
    /// The end that it goes to; [`Uuid::NIL`] where its sender does not know it yet.
    pub remote: Uuid,
}

impl Uuid {
    /// No end, or one that is not known (§5).
    pub const NIL: Self = Self(0);

    /// A UUID of version 4 (RFC 9562 §5.4) made of random bits.
    pub const fn from_random(bits: u128) -> Self {
        let cleared = bits & !(0xf000 << 64 | 0xc << 60);
        Self(cleared | 0x4000 << 64 | 0x8 << 60)
    }

    /// Reads 32 hexadecimal digits. The grammar has small ones only; large ones are taken too.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let digits = std::str::from_utf8(text).ok().filter(|text| text.len() == 32)?;
        // `from_str_radix` would take a sign.
        let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        all.then(|| u128::from_str_radix(digits, 16).ok())?.map(Self)
    }

    /// Whether it is [`Self::NIL`].
    pub const fn is_nil(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl SessionId {
    /// Nothing is known of either end.
    pub const UNKNOWN: Self = Self { local: Uuid::NIL, remote: Uuid::NIL };

    /// Reads one value.
    ///
    /// # Errors
    /// [`SyntaxError`] where the text stops being one.
    pub fn parse(value: &Bytes) -> Result<Self, SyntaxError> {
        let mut scan = Scan::new(value);
        let local = Uuid::parse(&scan.token()?).ok_or(SyntaxError { at: 0 })?;
        let params = Params::read_header(&mut scan)?;
        scan.end()?;
        let remote = match params.value("remote") {
            Some(text) => Uuid::parse(&text).ok_or_else(|| scan.error())?,
            None => Uuid::NIL,
        };
        Ok(Self { local, remote })
    }

    /// Whether neither end is known: then there is nothing to say.
    pub const fn is_unknown(self) -> bool {
        self.local.is_nil() && self.remote.is_nil()
    }

    /// Its text.
    pub fn to_bytes(self) -> Bytes {
        Bytes::from(format!("{};remote={}", self.local, self.remote))
    }
}

impl Headers {
    /// Session-ID, if there is one that can be read.
    pub fn session_id(&self) -> Option<SessionId> {
        SessionId::parse(self.value(Field::SessionId)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Option<SessionId> {
        SessionId::parse(&Bytes::from_static(text.as_bytes())).ok()
    }

    #[test]
    fn both_ends_are_read_and_written() {
        let text = "ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2";
        let read = parse(text).unwrap();
        assert_eq!(read.local.to_string(), "ab30317f1a784dc48ff824d0d3715d86");
        assert_eq!(read.to_bytes(), text);
        let spaced = "AB30317F1A784DC48FF824D0D3715D86 ; remote=47755a9de7794ba387653f2099600ef2;x=y";
        assert_eq!(parse(spaced), Some(read));
    }

    #[test]
    fn an_end_that_is_not_known_yet_is_nil_or_left_out() {
        let nil = parse("ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000").unwrap();
        assert!(nil.remote.is_nil());
        assert_eq!(parse("ab30317f1a784dc48ff824d0d3715d86"), Some(nil), "the form of RFC 7329");
    }

    #[test]
    fn what_is_no_uuid_is_refused() {
        for bad in [
            "",
            "ab30317f",
            "+b30317f1a784dc48ff824d0d3715d86",
            "ab30317f1a784dc48ff824d0d3715d86a",
            "zz30317f1a784dc48ff824d0d3715d86",
            "ab30317f1a784dc48ff824d0d3715d86;remote=1",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_uuid_of_random_bits_says_that_it_is_one() {
        assert_eq!(Uuid::from_random(0).to_string(), "00000000000040008000000000000000");
        assert_eq!(Uuid::from_random(u128::MAX).to_string(), "ffffffffffff4fffbfffffffffffffff");
    }
}
