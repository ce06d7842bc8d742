//! Addresses in headers, `"Name" <uri>;params` (RFC 3261 §20.10): From, To, Contact, Route, Record-Route, Refer-To,
//! Referred-By, P-Asserted-Identity.

use bytes::{BufMut, Bytes, BytesMut};

use crate::limits;
use crate::message::params::Params;
use crate::message::scan::{self, Scan, SyntaxError};
use crate::message::uri::Uri;

/// One address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr {
    /// The display name as it stands: with its quotes, or tokens.
    pub display: Option<Bytes>,
    /// The URI.
    pub uri: Uri,
    /// Parameters of the header (`tag`, `q`, `expires`…), not of the URI.
    pub params: Params,
}

impl NameAddr {
    /// `<uri>` alone.
    pub fn new(uri: Uri) -> Self {
        Self { display: None, uri, params: Params::default() }
    }

    /// Reads a value that is one address.
    ///
    /// # Errors
    /// [`SyntaxError`] where the text stops being an address, a second one included.
    pub fn parse(value: &Bytes) -> Result<Self, SyntaxError> {
        let mut scan = Scan::new(value);
        let address = Self::read(&mut scan)?;
        scan.end()?;
        Ok(address)
    }

    /// Reads a value that is a comma-separated list of addresses.
    ///
    /// # Errors
    /// [`SyntaxError`] where the text stops being such a list, or after [`limits::LIST_ITEMS_MAX`] addresses.
    pub fn parse_list(value: &Bytes) -> Result<Vec<Self>, SyntaxError> {
        let mut scan = Scan::new(value);
        let mut list = Vec::new();
        loop {
            list.push(Self::read(&mut scan)?);
            if !scan.eat_spaced(b',') {
                scan.end()?;
                return Ok(list);
            }
            if list.len() == limits::LIST_ITEMS_MAX {
                return Err(scan.error());
            }
        }
    }

    /// Reads the first address of a list, and no more of it.
    ///
    /// # Errors
    /// [`SyntaxError`] where the text stops being an address.
    pub fn parse_first(value: &Bytes) -> Result<Self, SyntaxError> {
        let mut scan = Scan::new(value);
        let address = Self::read(&mut scan)?;
        scan.skip_space();
        if scan.is_end() || scan.peek() == Some(b',') { Ok(address) } else { Err(scan.error()) }
    }

    fn read(scan: &mut Scan<'_>) -> Result<Self, SyntaxError> {
        scan.skip_space();
        let display = read_display(scan)?;
        let start = scan.at();
        let (display, text) = match display {
            Display::None => (None, read_bare_uri(scan)),
            Display::Empty => (None, read_bracketed(scan)?),
            Display::Some(name) => (Some(name), read_bracketed(scan)?),
        };
        let uri = Uri::parse(&text).map_err(|e| SyntaxError { at: start + e.at })?;
        let params = Params::read_header(scan)?;
        Ok(Self { display, uri, params })
    }

    /// The display name as text, its quotes and escapes taken off.
    pub fn display_text(&self) -> Option<Bytes> {
        self.display.as_ref().map(scan::unquote)
    }

    /// This address with `text` as its display name, quoted.
    #[must_use]
    pub fn with_display(mut self, text: &[u8]) -> Self {
        self.display = Some(scan::quote(text));
        self
    }

    /// The tag; `None` if it is absent or empty.
    pub fn tag(&self) -> Option<Bytes> {
        self.params.value("tag").filter(|tag| !tag.is_empty())
    }

    /// This address with that tag.
    #[must_use]
    pub fn with_tag(mut self, tag: &[u8]) -> Self {
        self.params.set("tag", Some(tag));
        self
    }

    /// Its text; the URI always in angle brackets.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(128);
        if let Some(display) = &self.display {
            out.put_slice(display);
            out.put_u8(b' ');
        }
        out.put_u8(b'<');
        self.uri.write(&mut out);
        out.put_u8(b'>');
        out.put_slice(self.params.as_bytes());
        out.freeze()
    }
}

impl From<&NameAddr> for Bytes {
    fn from(address: &NameAddr) -> Self {
        address.to_bytes()
    }
}

enum Display {
    /// No brackets: a bare URI.
    None,
    /// Brackets with nothing before them.
    Empty,
    Some(Bytes),
}

/// What stands before `<`. Wider than the grammar's tokens (unquoted names with other signs are common), but a
/// comma, semicolon or quote in it makes the value ambiguous and is refused.
fn read_display(scan: &mut Scan<'_>) -> Result<Display, SyntaxError> {
    if scan.peek() == Some(b'"') {
        let name = scan.quoted()?;
        scan.skip_space();
        return if scan.peek() == Some(b'<') { Ok(Display::Some(name)) } else { Err(scan.error()) };
    }
    let rest = scan.rest();
    let Some(len) = rest.iter().position(|byte| b"<,;\"".contains(byte)) else {
        return Ok(Display::None);
    };
    if rest[len] != b'<' {
        return Ok(Display::None);
    }
    let name = scan.rest_shared().slice(..len);
    scan.advance(len);
    let name = scan::trim_shared(&name);
    Ok(if name.is_empty() { Display::Empty } else { Display::Some(name) })
}

fn read_bracketed(scan: &mut Scan<'_>) -> Result<Bytes, SyntaxError> {
    scan.expect(b'<')?;
    let text = scan.take_while(|byte| byte != b'>');
    scan.expect(b'>')?;
    Ok(text)
}

/// A URI without brackets ends at white space, comma or semicolon; one with a `?` needs brackets (§20.10).
fn read_bare_uri(scan: &mut Scan<'_>) -> Bytes {
    scan.take_while(|byte| !scan::is_space(byte) && !b",;?".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Result<NameAddr, SyntaxError> {
        NameAddr::parse(&Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn a_quoted_name_with_escapes_is_read() {
        let from =
            parse("\"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>  ;  tag = 98asjd8").unwrap();
        assert_eq!(from.display_text().unwrap(), "J Rosenberg \\\"");
        assert_eq!(
            (from.tag().unwrap().as_ref(), from.uri.user().unwrap().as_ref()),
            (&b"98asjd8"[..], &b"jdrosen"[..])
        );
    }

    #[test]
    fn parameters_behind_a_bare_uri_belong_to_the_header() {
        let bare = parse("sip:+19725552222@gw1.example.net;unknownparam").unwrap();
        assert!(bare.params.has("unknownparam"));
        assert!(bare.uri.sip().unwrap().params.is_empty());
        let bracketed = parse("<sip:+19725552222@gw1.example.net;unknownparam>").unwrap();
        assert!(bracketed.params.is_empty());
        assert!(bracketed.uri.sip().unwrap().params.has("unknownparam"));
    }

    #[test]
    fn names_of_tokens_and_none_are_read() {
        assert_eq!(parse("caller<sip:caller@example.com>;tag=323").unwrap().display.unwrap(), "caller");
        assert_eq!(parse("A. Bell  <sip:a@b>").unwrap().display.unwrap(), "A. Bell");
        assert_eq!(parse(" <tel:+1> ").unwrap().display, None);
        assert_eq!(parse("<sip:a@b>;tag=").unwrap().tag(), None);
    }

    #[test]
    fn a_list_is_cut_at_its_own_commas_only() {
        let text = Bytes::from_static(b"\"a, b\" <sip:a,b@c>;x=\"1,2\" , <sip:d@e?X=1>,sip:f@g");
        let list = NameAddr::parse_list(&text).unwrap();
        let uris: Vec<_> = list.iter().map(|address| address.uri.to_string()).collect();
        assert_eq!(uris, ["sip:a,b@c", "sip:d@e?X=1", "sip:f@g"]);
        assert!(NameAddr::parse(&text).is_err());
        assert_eq!(NameAddr::parse_first(&text).unwrap(), list[0]);
        let long = Bytes::from(["<sip:a@b>"; limits::LIST_ITEMS_MAX + 1].join(","));
        assert!(NameAddr::parse_list(&long).is_err());
    }

    #[test]
    fn what_is_written_is_read_back() {
        let uri = Uri::parse(&Bytes::from_static(b"sips:a@[::1]:5061;lr")).unwrap();
        let address = NameAddr::new(uri).with_display(b"Ann \"the \\ one\"\r\n").with_tag(b"t1");
        let text = address.to_bytes();
        assert_eq!(text, "\"Ann \\\"the \\\\ one\\\"  \" <sips:a@[::1]:5061;lr>;tag=t1");
        assert_eq!(NameAddr::parse(&text).unwrap(), address);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in [
            "",
            "*",
            "\"Mr. J. User <sip:j@e>",
            "Bell, Alexander <sip:a@b>;tag=43",
            "\"W\" < sip:t@e >",
            "<sip:a@b",
            "\"Joe\" <sip:joe@example.org>;;;;",
            "sip:user@example.com?Route=x",
            "\"a\" sip:b@c",
            "<sip:a@b> c",
            "<>",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
