//! Headers that are a number of seconds: Expires (RFC 3261 §20.19), Retry-After (§20.33), Min-Expires.

use bytes::Bytes;

use super::{Field, HeaderError, Headers};
use crate::message::params::Params;
use crate::message::scan::{Scan, SyntaxError};

/// When to try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryAfter {
    /// Seconds from now.
    pub seconds: u32,
    /// duration…
    pub params: Params,
}

impl RetryAfter {
    /// Reads a whole value: a number, perhaps a comment, parameters.
    ///
    /// # Errors
    /// [`SyntaxError`] where the text stops being one; a number that does not fit 32 bits is one.
    pub fn parse(value: &Bytes) -> Result<Self, SyntaxError> {
        let mut scan = Scan::new(value);
        scan.skip_space();
        let seconds = scan.number()?;
        scan.skip_space();
        skip_comment(&mut scan)?;
        let params = Params::read_header(&mut scan)?;
        scan.end()?;
        Ok(Self { seconds, params })
    }
}

impl Headers {
    /// Retry-After in seconds; `None` if there is none that can be read: a wish, so a bad one is no wish.
    pub fn retry_after(&self) -> Option<u32> {
        self.value(Field::RetryAfter)
            .and_then(|value| RetryAfter::parse(value).ok())
            .map(|after| after.seconds)
    }

    /// Expires in seconds; `None` if there is none.
    ///
    /// # Errors
    /// [`HeaderError`] if it is repeated or no number of 32 bits.
    pub fn expires(&self) -> Result<Option<u32>, HeaderError> {
        self.optional(Field::Expires, |value| {
            let mut scan = Scan::new(value);
            let seconds = scan.number()?;
            scan.end().map(|()| seconds)
        })
    }
}

/// `(text)`, with comments and escapes inside.
fn skip_comment(scan: &mut Scan<'_>) -> Result<(), SyntaxError> {
    let mut depth = 0_usize;
    loop {
        match scan.peek() {
            Some(b'(') => depth += 1,
            Some(b')') if depth > 0 => depth -= 1,
            Some(b'\\') if depth > 0 => scan.advance(1),
            None if depth > 0 => return Err(scan.error()),
            _ if depth > 0 => {}
            _ => return Ok(()),
        }
        scan.advance(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> Headers {
        let mut headers = Headers::new();
        headers.push(name, value);
        headers
    }

    #[test]
    fn retry_after_may_carry_a_comment_and_parameters() {
        let value = Bytes::from_static(b"18000 (at lunch (long\\) one)) ;duration=3600");
        let after = RetryAfter::parse(&value).unwrap();
        assert_eq!((after.seconds, after.params.value("duration").unwrap()), (18_000, "3600".into()));
        assert!(RetryAfter::parse(&Bytes::from_static(b"5 (open")).is_err());
        assert!(RetryAfter::parse(&Bytes::from_static(b"5)")).is_err());
    }

    #[test]
    fn a_number_that_is_too_large_is_no_wish() {
        assert_eq!(headers("Retry-After", "949302838503028349304023988").retry_after(), None);
        assert_eq!(headers("Retry-After", "120").retry_after(), Some(120));
    }

    #[test]
    fn expires_is_a_number_of_32_bits() {
        assert_eq!(headers("Expires", "0060").expires(), Ok(Some(60)));
        assert_eq!(Headers::new().expires(), Ok(None));
        assert!(headers("Expires", "4294967296").expires().is_err());
        assert!(headers("Expires", "60 s").expires().is_err());
    }
}
