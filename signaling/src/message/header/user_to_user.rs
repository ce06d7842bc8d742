//! User-to-User (RFC 7433): opaque context between the users of a call.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Field, Headers};
use crate::message::params::Params;
use crate::message::scan::{self, Scan, SyntaxError};

/// One user-to-user value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserToUser {
    /// As it stands: a token (hex by default) or a quoted string.
    pub data: Bytes,
    /// purpose, content, encoding.
    pub params: Params,
}

impl UserToUser {
    /// Octets as hex (RFC 7433 §4.1's one encoding).
    pub fn hex(octets: &[u8]) -> Self {
        let mut data = BytesMut::with_capacity(octets.len() * 2);
        for &octet in octets {
            data.put_slice(format!("{octet:02x}").as_bytes());
        }
        Self { data: data.freeze(), params: Params::default().with("encoding", Some(b"hex")) }
    }

    /// Text as it is, quoted: what far ends read that know no hex (`encoding=ascii`, which RFC 7433 §4.1 leaves to be defined).
    pub fn ascii(text: &[u8]) -> Self {
        Self { data: scan::quote(text), params: Params::default().with("encoding", Some(b"ascii")) }
    }

    /// Reads the values of one header line.
    ///
    /// # Errors
    /// [`SyntaxError`] where the text stops being one.
    pub fn parse_list(value: &Bytes) -> Result<Vec<Self>, SyntaxError> {
        scan::split(value, b',').map(|element| Self::parse(&element)).collect()
    }

    fn parse(element: &Bytes) -> Result<Self, SyntaxError> {
        let mut scan = Scan::new(element);
        let data = if scan.peek() == Some(b'"') { scan.quoted()? } else { scan.token()? };
        let params = Params::read_header(&mut scan)?;
        scan.end()?;
        Ok(Self { data, params })
    }

    /// The octets it carries: hex decoded where `encoding` says so or nothing is said and the token is hex (§4.1),
    /// else the text without its quotes.
    pub fn octets(&self) -> Bytes {
        let text = scan::unquote(&self.data);
        let is_hex =
            self.params.text("encoding").is_none_or(|encoding| encoding.eq_ignore_ascii_case(b"hex"));
        let is_quoted = self.data.first() == Some(&b'"');
        match unhex(&text) {
            Some(octets) if is_hex && (!is_quoted || self.params.has("encoding")) => octets,
            _ => text,
        }
    }

    /// Its text.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.data.len() + self.params.as_bytes().len());
        out.put_slice(&self.data);
        out.put_slice(self.params.as_bytes());
        out.freeze()
    }
}

impl Headers {
    /// All user-to-user values that can be read, in order.
    pub fn user_to_user(&self) -> impl Iterator<Item = UserToUser> {
        self.values(Field::UserToUser).filter_map(|value| UserToUser::parse_list(value).ok()).flatten()
    }
}

fn unhex(text: &[u8]) -> Option<Bytes> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = text.as_chunks::<2>();
    let octet = |&[high, low]: &[u8; 2]| u8::try_from(digit(high)? << 4 | digit(low)?).ok();
    if rest.is_empty() { pairs.iter().map(octet).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> UserToUser {
        UserToUser::parse_list(&Bytes::from_static(text.as_bytes())).unwrap().remove(0)
    }

    #[test]
    fn hex_is_decoded_and_text_is_kept() {
        assert_eq!(parse("48656C6c6f;encoding=hex").octets(), "Hello");
        assert_eq!(parse("48656c6c6f").octets(), "Hello");
        assert_eq!(parse("\"48, 65\";purpose=x").octets(), "48, 65");
        assert_eq!(parse("486;encoding=hex").octets(), "486");
    }

    #[test]
    fn octets_come_back_from_their_own_writing() {
        let every: Vec<u8> = (0..=255).collect();
        let written = UserToUser::hex(&every).to_bytes();
        assert_eq!(UserToUser::parse_list(&written).unwrap()[0].octets(), every);
    }

    #[test]
    fn text_of_the_encoding_ascii_is_not_taken_for_hex() {
        assert_eq!(UserToUser::ascii(b"order \"48\"").to_bytes(), "\"order \\\"48\\\"\";encoding=ascii");
        for text in [&b"4865"[..], b"order \"48\"; now, please"] {
            let written = UserToUser::ascii(text).to_bytes();
            assert_eq!(UserToUser::parse_list(&written).unwrap()[0].octets(), text);
        }
        assert_eq!(parse("4865;encoding=ascii;purpose=isdn-uui").octets(), "4865");
    }

    #[test]
    fn a_line_of_several_values_is_split() {
        let mut headers = Headers::new();
        headers.push("User-to-User", "aa;encoding=hex, bb;encoding=hex");
        headers.push("User-to-User", ";bad");
        headers.push("user-to-user", "\"c\"");
        let values: Vec<_> = headers.user_to_user().map(|value| value.octets()).collect();
        assert_eq!(values, [&b"\xaa"[..], b"\xbb", b"c"]);
    }
}
