//! RSeq and RAck (RFC 3262 §7.1, §7.2): the number of a reliable provisional response, and the acknowledgement of one.

use bytes::Bytes;

use super::{Field, Headers};
use crate::message::Method;
use crate::message::scan::{self, Scan, SyntaxError};

/// Which provisional response a PRACK acknowledges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RAck {
    /// Its RSeq.
    pub rseq: u32,
    /// The number of its CSeq.
    pub cseq: u32,
    /// The method of its CSeq.
    pub method: Method,
}

impl RAck {
    /// Reads a whole value: two numbers and a method.
    ///
    /// # Errors
    /// [`SyntaxError`] where the text stops being one.
    pub fn parse(value: &Bytes) -> Result<Self, SyntaxError> {
        let mut scan = Scan::new(value);
        scan.skip_space();
        let rseq = scan.number()?;
        scan.skip_space();
        let cseq = scan.number()?;
        scan.skip_space();
        let method = Method::parse(&scan.token()?).ok_or(SyntaxError { at: 0 })?;
        scan.end()?;
        Ok(Self { rseq, cseq, method })
    }

    /// Its text on the wire.
    pub fn to_bytes(&self) -> Bytes {
        Bytes::from(format!("{} {} {}", self.rseq, self.cseq, self.method))
    }
}

impl Headers {
    /// RAck; `None` if there is none that can be read.
    pub fn rack(&self) -> Option<RAck> {
        self.value(Field::RAck).and_then(|value| RAck::parse(value).ok())
    }

    /// RSeq; `None` if there is none that can be read. 0 is none (§3).
    pub fn rseq(&self) -> Option<u32> {
        self.value(Field::RSeq).and_then(|value| scan::number(value)).filter(|&number| number > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_is_read_and_written() {
        let rack = RAck::parse(&Bytes::from_static(b"776656  1 INVITE")).unwrap();
        assert_eq!((rack.rseq, rack.cseq, &rack.method), (776_656, 1, &Method::Invite));
        assert_eq!(rack.to_bytes(), "776656 1 INVITE");
        for text in ["", "1", "1 INVITE", "1 2", "1 2 INVITE x", "99999999999 2 INVITE"] {
            assert!(RAck::parse(&Bytes::from(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_of_zero_is_none() {
        let mut headers = Headers::new();
        headers.push("RSeq", "0");
        assert_eq!(headers.rseq(), None);
        headers.set("RSeq", "988789");
        assert_eq!(headers.rseq(), Some(988_789));
    }
}
