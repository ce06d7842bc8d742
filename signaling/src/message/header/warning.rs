//! Warning (RFC 3261 §20.43): why a session description was refused.

use bytes::{BufMut, Bytes, BytesMut};

use crate::message::scan::{self, Scan, SyntaxError};

/// One warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// 300–399; 304: media type not available, 305: incompatible media format.
    pub code: u16,
    /// Who warns: a host or a pseudonym.
    pub agent: Bytes,
    /// For people, without quotes.
    pub text: Bytes,
}

impl Warning {
    /// Reads a list of warnings.
    ///
    /// # Errors
    /// [`SyntaxError`] where the text stops being one; a code is three digits.
    pub fn parse_list(value: &Bytes) -> Result<Vec<Self>, SyntaxError> {
        scan::split(value, b',').map(|element| Self::parse(&element)).collect()
    }

    fn parse(element: &Bytes) -> Result<Self, SyntaxError> {
        let mut scan = Scan::new(element);
        let code = scan.number()?;
        if scan.at() != 3 || !scan.eat(b' ') {
            return Err(scan.error());
        }
        scan.skip_space();
        let agent = scan.take_while(|byte| !scan::is_space(byte) && byte != b'"');
        scan.skip_space();
        let text = scan::unquote(&scan.quoted()?);
        scan.end()?;
        Ok(Self { code, agent, text })
    }

    /// Its text on the wire.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(64);
        out.put_slice(self.code.to_string().as_bytes());
        out.put_u8(b' ');
        out.put_slice(&self.agent);
        out.put_u8(b' ');
        out.put_slice(&scan::quote(&self.text));
        out.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_warnings_is_read_and_written() {
        let value = Bytes::from_static(b"305 isi.edu \"Incompatible, \\\"odd\\\"\", 301 x \"no\"");
        let list = Warning::parse_list(&value).unwrap();
        assert_eq!(list.len(), 2);
        assert_eq!((list[0].code, list[0].text.as_ref()), (305, &b"Incompatible, \"odd\""[..]));
        assert_eq!(Warning::parse_list(&list[0].to_bytes()).unwrap()[0], list[0]);
    }

    #[test]
    fn a_code_has_three_digits() {
        assert!(Warning::parse_list(&Bytes::from_static(b"1812 overture \"In Progress\"")).is_err());
        assert!(Warning::parse_list(&Bytes::from_static(b"30 overture \"x\"")).is_err());
    }
}
