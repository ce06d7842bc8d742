//! CSeq (RFC 3261 §20.16).

use bytes::{BufMut, Bytes, BytesMut};

use crate::message::Method;
use crate::message::scan::{Scan, SyntaxError};

/// Sequence number and method of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// Below 2³¹ when we make it (§8.1.1.5); any 32-bit number is read.
    pub number: u32,
    /// The method of the request, or of the request a response answers.
    pub method: Method,
}

impl CSeq {
    /// Reads a whole value.
    ///
    /// # Errors
    /// [`SyntaxError`] where the text stops being a CSeq; a number that does not fit 32 bits is one.
    pub fn parse(value: &Bytes) -> Result<Self, SyntaxError> {
        let mut scan = Scan::new(value);
        scan.skip_space();
        let number = scan.number()?;
        let after = scan.at();
        scan.skip_space();
        if scan.at() == after {
            return Err(scan.error());
        }
        let token = scan.token()?;
        let method = Method::parse(&token).ok_or(scan.error())?;
        scan.end()?;
        Ok(Self { number, method })
    }

    /// Its text.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(24);
        out.put_slice(self.number.to_string().as_bytes());
        out.put_u8(b' ');
        out.put_slice(self.method.as_bytes());
        out.freeze()
    }
}

impl From<&CSeq> for Bytes {
    fn from(cseq: &CSeq) -> Self {
        cseq.to_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_zeros_and_wide_space_are_read() {
        let cseq = CSeq::parse(&Bytes::from_static(b"0009   INVITE ")).unwrap();
        assert_eq!(cseq, CSeq { number: 9, method: Method::Invite });
        assert_eq!(cseq.to_bytes(), "9 INVITE");
    }

    #[test]
    fn a_number_beyond_32_bits_is_refused() {
        assert!(CSeq::parse(&Bytes::from_static(b"4294967295 BYE")).is_ok());
        assert!(CSeq::parse(&Bytes::from_static(b"4294967296 BYE")).is_err());
        assert!(CSeq::parse(&Bytes::from_static(b"36893488147419103232 BYE")).is_err());
    }

    #[test]
    fn what_is_no_number_and_method_is_refused() {
        for bad in [&b"9INVITE"[..], b"9", b"INVITE", b"-1 INVITE", b"9 INVITE x", b""] {
            assert!(CSeq::parse(&Bytes::from_static(bad)).is_err(), "{bad:?}");
        }
    }
}
