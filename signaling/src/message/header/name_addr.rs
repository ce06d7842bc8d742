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
