//! Session-Expires and Min-SE (RFC 4028 §4, §5): how long a session lasts without a refresh, and who refreshes it.

use bytes::Bytes;

use super::{Field, Headers};
use crate::message::params::Params;
use crate::message::scan::{Scan, SyntaxError};

/// Who refreshes a session, by its part in the transaction that carries the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Who sent the request.
    Uac,
    /// Who answers it.
    Uas,
}

/// How long a session lasts without a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// Seconds.
    pub seconds: u32,
    /// Who refreshes it; `None`: whoever answers may choose.
    pub refresher: Option<Role>,
}

impl SessionExpires {
    /// Reads a whole value. A refresher that is neither `uac` nor `uas` is none.
    ///
    /// # Errors
    /// [`SyntaxError`] where the text stops being one.
    pub fn parse(value: &Bytes) -> Result<Self, SyntaxError> {
        let (seconds, params) = read(value)?;
        let refresher = params.text("refresher").and_then(|word| match &word.to_ascii_lowercase()[..] {
            b"uac" => Some(Role::Uac),
            b"uas" => Some(Role::Uas),
            _ => None,
        });
        Ok(Self { seconds, refresher })
    }

    /// Its text on the wire.
    pub fn to_bytes(&self) -> Bytes {
        let seconds = self.seconds;
        Bytes::from(match self.refresher {
            Some(Role::Uac) => format!("{seconds};refresher=uac"),
            Some(Role::Uas) => format!("{seconds};refresher=uas"),
            None => seconds.to_string(),
        })
    }
}

/// A number of seconds and parameters.
fn read(value: &Bytes) -> Result<(u32, Params), SyntaxError> {
    let mut scan = Scan::new(value);
    scan.skip_space();
    let seconds = scan.number()?;
    let params = Params::read_header(&mut scan)?;
    scan.end()?;
    Ok((seconds, params))
}

impl Headers {
    /// Session-Expires; `None` if there is none that can be read: then no timer is asked for.
    pub fn session_expires(&self) -> Option<SessionExpires> {
        self.value(Field::SessionExpires).and_then(|value| SessionExpires::parse(value).ok())
    }

    /// Min-SE in seconds; `None` if there is none that can be read.
    pub fn min_se(&self) -> Option<u32> {
        self.value(Field::MinSe).and_then(|value| read(value).ok()).map(|(seconds, _)| seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_refresher_are_read_and_written() {
        for (text, seconds, refresher, written) in [
            ("1800", 1800, None, "1800"),
            ("90 ; refresher=UAC", 90, Some(Role::Uac), "90;refresher=uac"),
            ("4000;foo=bar;refresher=uas", 4000, Some(Role::Uas), "4000;refresher=uas"),
            ("4000;refresher=proxy", 4000, None, "4000"),
        ] {
            let read = SessionExpires::parse(&Bytes::from(text)).unwrap();
            assert_eq!(read, SessionExpires { seconds, refresher }, "{text}");
            assert_eq!(read.to_bytes(), written);
        }
        for text in ["", "soon", "90 s", "99999999999"] {
            assert!(SessionExpires::parse(&Bytes::from(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn the_compact_form_and_the_least_interval_are_found() {
        let mut headers = Headers::new();
        headers.push("x", "600;refresher=uas");
        headers.push("Min-SE", "120;lr");
        assert_eq!(headers.session_expires().map(|it| it.seconds), Some(600));
        assert_eq!(headers.min_se(), Some(120));
        assert_eq!((Headers::new().session_expires(), Headers::new().min_se()), (None, None));
    }
}
