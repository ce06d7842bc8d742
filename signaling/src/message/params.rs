//! Parameters, `;name=value;flag`, of URIs (RFC 3261 §19.1.1) and of headers (§25.1 generic-param). Kept as the text
//! that came and read on demand, so what is not understood goes out as it came in.

use bytes::{BufMut, Bytes, BytesMut};

use super::scan::{self, Scan, SyntaxError};
use crate::limits;

/// Parameters in order, with their spelling. Names are compared without case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Params(Bytes);

impl Params {
    /// Reads `;name[=value]…` of a header up to the end or a comma, white space allowed around each sign.
    pub(crate) fn read_header(scan: &mut Scan<'_>) -> Result<Self, SyntaxError> {
        let spaces = scan.rest().iter().take_while(|&&byte| scan::is_space(byte)).count();
        if scan.rest().get(spaces) == Some(&b';') {
            scan.advance(spaces);
        }
        let start = scan.at();
        let mut end = start;
        for _ in 0..=limits::PARAMS_MAX {
            if !scan.eat_spaced(b';') {
                // White space before the end belongs to nobody.
                let all = scan.since(start);
                return Ok(Self(all.slice(..end - start)));
            }
            scan.token()?;
            end = scan.at();
            if scan.eat_spaced(b'=') {
                read_header_value(scan)?;
                end = scan.at();
            }
        }
        Err(scan.error())
    }

    /// Takes `text`, which is empty or begins with `;`, as the parameters of a URI.
    pub(crate) fn from_uri(text: Bytes) -> Result<Self, SyntaxError> {
        let params = Self(text);
        let mut at = 0;
        for (index, piece) in params.pieces().enumerate() {
            at += 1 + piece.len();
            let name = piece.split(|&byte| byte == b'=').next().unwrap_or_default();
            let plain = piece.iter().all(|&byte| byte > b' ' && byte != 0x7f && !b"<>\"?".contains(&byte));
            if name.is_empty() || !plain || index >= limits::PARAMS_MAX {
                return Err(SyntaxError { at });
            }
        }
        Ok(params)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text: empty, or `;name=value…`.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Each name with its value as it stands, quotes included; `None` for a parameter without `=`.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.pieces().map(|piece| match piece.iter().position(|&byte| byte == b'=') {
            Some(at) => (scan::trim(&piece[..at]), Some(scan::trim(&piece[at + 1..]))),
            None => (scan::trim(piece), None),
        })
    }

    /// Whether parameter `name` is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.iter().any(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// The value of the first parameter `name`, as it stands; `None` also for a parameter without `=`.
    pub fn value(&self, name: &str) -> Option<Bytes> {
        let (_, value) = self.iter().find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))?;
        value.map(|value| self.0.slice_ref(value))
    }

    /// As [`Params::value`], without the quotes and escapes of a quoted string.
    pub fn text(&self, name: &str) -> Option<Bytes> {
        self.value(name).map(|value| scan::unquote(&value))
    }

    /// Sets parameter `name` where it stands, or appends it; `None` is a parameter without `=`. `value` goes out as
    /// it is given, but for CR, LF and NUL.
    pub fn set(&mut self, name: &str, value: Option<&[u8]>) {
        let mut text = BytesMut::with_capacity(self.0.len() + name.len() + value.map_or(0, <[u8]>::len) + 2);
        let mut found = false;
        for piece in self.pieces() {
            if !named(piece, name) {
                text.put_u8(b';');
                text.put_slice(piece);
            } else if !found {
                put(&mut text, name, value);
                found = true;
            }
        }
        if !found {
            put(&mut text, name, value);
        }
        self.0 = text.freeze();
    }

    /// [`Params::set`] in a chain.
    #[must_use]
    pub fn with(mut self, name: &str, value: Option<&[u8]>) -> Self {
        self.set(name, value);
        self
    }

    /// Takes parameter `name` out.
    pub fn remove(&mut self, name: &str) {
        if !self.has(name) {
            return;
        }
        let mut text = BytesMut::with_capacity(self.0.len());
        for piece in self.pieces().filter(|piece| !named(piece, name)) {
            text.put_u8(b';');
            text.put_slice(piece);
        }
        self.0 = text.freeze();
    }

    /// The texts between the semicolons.
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest: &[u8] = &self.0;
        std::iter::from_fn(move || {
            let inner = rest.get(1..)?;
            let end = semicolon(inner);
            rest = &inner[end..];
            Some(&inner[..end])
        })
    }
}

/// Where the next `;` outside a quoted string stands, or the end.
fn semicolon(bytes: &[u8]) -> usize {
    let (mut quoted, mut at) = (false, 0);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b';' if !quoted => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

fn named(piece: &[u8], name: &str) -> bool {
    let key = piece.split(|&byte| byte == b'=').next().unwrap_or_default();
    scan::trim(key).eq_ignore_ascii_case(name.as_bytes())
}

fn put(text: &mut BytesMut, name: &str, value: Option<&[u8]>) {
    text.put_u8(b';');
    text.put_slice(name.as_bytes());
    if let Some(value) = value {
        text.put_u8(b'=');
        text.extend(value.iter().map(|&byte| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { byte }));
    }
}

/// A token, host, IPv6 reference or quoted string; wider than the grammar, as the field is.
fn read_header_value(scan: &mut Scan<'_>) -> Result<(), SyntaxError> {
    if scan.peek() == Some(b'"') {
        return scan.quoted().map(drop);
    }
    scan.skip_while(|byte| byte > b' ' && byte != 0x7f && !b";,\"<>".contains(&byte));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str) -> Result<Params, SyntaxError> {
        let text = Bytes::from_static(text.as_bytes());
        let mut scan = Scan::new(&text);
        let params = Params::read_header(&mut scan)?;
        scan.end().map(|()| params)
    }

    #[test]
    fn a_semicolon_in_quotes_ends_nothing() {
        let params = read(";a=\"x;y\\\";z\";b=2").unwrap();
        assert_eq!(params.text("a").unwrap(), "x;y\";z");
        assert_eq!(params.value("B").unwrap(), "2");
        assert_eq!(params.iter().count(), 2);
    }

    #[test]
    fn a_parameter_is_set_in_place_appended_or_taken_out() {
        let mut params = read(" ; lr ;tag = a").unwrap();
        assert_eq!(params.iter().count(), 2);
        params.set("TAG", Some(b"b"));
        params.set("x", Some(b"1\r\n2"));
        assert_eq!(params.value("tag").unwrap(), "b");
        assert_eq!(params.value("x").unwrap(), "1  2");
        params.remove("lr");
        assert!(!params.has("lr"));
        params.remove("tag");
        params.remove("x");
        assert!(params.is_empty());
    }

    #[test]
    fn empty_and_endless_parameters_are_refused() {
        for bad in [";", ";;a", ";a;", ";a b", ";a=<x>", ";a=\"x"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let text = Bytes::from(";a".repeat(limits::PARAMS_MAX + 1));
        assert!(Params::read_header(&mut Scan::new(&text)).is_err());
        assert!(Params::from_uri(text).is_err());
    }
}
