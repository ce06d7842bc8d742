//! Reason (RFC 3326): why a BYE or CANCEL was sent, as a SIP status or a Q.850 cause.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Field, Headers};
use crate::message::params::Params;
use crate::message::scan::{self, Scan, SyntaxError};

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// `SIP`, `Q.850`…
    pub protocol: Bytes,
    /// cause, text…
    pub params: Params,
}

impl Reason {
    /// A reason of ours.
    pub fn new(protocol: &'static str, cause: u16, text: &[u8]) -> Self {
        let params = Params::default()
            .with("cause", Some(cause.to_string().as_bytes()))
            .with("text", Some(&scan::quote(text)));
        Self { protocol: Bytes::from_static(protocol.as_bytes()), params }
    }

    /// Reads a list of reasons.
    ///
    /// # Errors
    /// [`SyntaxError`] where the text stops being one.
    pub fn parse_list(value: &Bytes) -> Result<Vec<Self>, SyntaxError> {
        scan::split(value, b',').map(|element| Self::parse(&element)).collect()
    }

    fn parse(element: &Bytes) -> Result<Self, SyntaxError> {
        let mut scan = Scan::new(element);
        let protocol = scan.token()?;
        let params = Params::read_header(&mut scan)?;
        scan.end()?;
        Ok(Self { protocol, params })
    }

    /// The cause, if it is a number.
    pub fn cause(&self) -> Option<u16> {
        scan::number(&self.params.text("cause")?)
    }

    /// The text, if there is one.
    pub fn text(&self) -> Option<Bytes> {
        self.params.text("text")
    }

    /// Its text on the wire.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(64);
        out.put_slice(&self.protocol);
        out.put_slice(self.params.as_bytes());
        out.freeze()
    }
}

impl From<&Reason> for Bytes {
    fn from(reason: &Reason) -> Self {
        reason.to_bytes()
    }
}

impl Headers {
    /// The cause of the first well-formed Reason of `protocol` (`SIP`, `Q.850`), compared without case.
    pub fn reason_cause(&self, protocol: &str) -> Option<u16> {
        self.values(Field::Reason)
            .filter_map(|value| Reason::parse_list(value).ok())
            .flatten()
            .find(|reason| reason.protocol.eq_ignore_ascii_case(protocol.as_bytes()))
            .and_then(|reason| reason.cause())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_reasons_is_read() {
        let value =
            Bytes::from_static(b"SIP ;cause=200 ;text=\"Call, completed; elsewhere\", Q.850;cause=16");
        let list = Reason::parse_list(&value).unwrap();
        assert_eq!(list.len(), 2);
        assert_eq!(
            (list[0].cause(), list[0].text().unwrap()),
            (Some(200), "Call, completed; elsewhere".into())
        );
        assert_eq!((list[1].cause(), list[1].text()), (Some(16), None));
    }

    #[test]
    fn the_cause_of_a_protocol_is_found() {
        let mut headers = Headers::new();
        headers.push("Reason", ";;bad");
        headers.push("Reason", "SIP;cause=487");
        headers.push("reason", &Reason::new("Q.850", 17, b"User \"busy\""));
        assert_eq!(headers.reason_cause("q.850"), Some(17));
        assert_eq!(headers.reason_cause("SIP"), Some(487));
        assert_eq!(headers.reason_cause("X"), None);
        let written = Reason::new("Q.850", 17, b"User \"busy\"").to_bytes();
        assert_eq!(written, "Q.850;cause=17;text=\"User \\\"busy\\\"\"");
        assert_eq!(Reason::parse_list(&written).unwrap()[0].text().unwrap(), "User \"busy\"");
    }
}
