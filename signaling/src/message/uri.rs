//! URIs: `sip:` and `sips:` (RFC 3261 §19.1), `tel:` (RFC 3966) and any other absolute URI as opaque text. Comparison
//! is in `uri_compare.rs`, escapes in `escape.rs`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, Bytes, BytesMut};

use super::params::Params;
use super::scan::{self, SyntaxError};

/// A URI. Its parts keep their spelling and escapes, but for the scheme and IP addresses, which are normalized.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Uri {
    /// `sip:` or `sips:`.
    Sip(SipUri),
    /// `tel:`.
    Tel(TelUri),
    /// Any other, whole, with its scheme.
    Other(Bytes),
}

/// A `sip:` or `sips:` URI (RFC 3261 §19.1.1). Equality is of the text; [`SipUri::equivalent`] obeys §19.1.4.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SipUri {
    /// `sips:`.
    pub secure: bool,
    /// Before the `@`, as it stands; [`super::escape::decode`] reads it.
    pub user: Option<Bytes>,
    /// After the user's colon.
    pub password: Option<Bytes>,
    /// Host.
    pub host: Host,
    /// Port, if one is written.
    pub port: Option<u16>,
    /// `;name=value…`.
    pub params: Params,
    /// After the `?`, as it stands: `name=value&…`.
    pub headers: Option<Bytes>,
}

/// A `tel:` URI (RFC 3966).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TelUri {
    /// With its visual separators.
    pub number: Bytes,
    /// `;name=value…`.
    pub params: Params,
}

/// A host: a name or an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A domain name, as it is spelled.
    Name(Bytes),
    /// An IPv4 or IPv6 address; IPv6 is written in brackets.
    Ip(IpAddr),
}

impl Uri {
    /// Reads a whole URI, without angle brackets or white space around it.
    ///
    /// # Errors
    /// [`SyntaxError`] where the text stops being an absolute URI.
    pub fn parse(text: &Bytes) -> Result<Self, SyntaxError> {
        let colon = text.iter().position(|&byte| byte == b':').ok_or(SyntaxError { at: text.len() })?;
        let (scheme, rest) = (&text[..colon], text.slice(colon + 1..));
        let shifted = |error: SyntaxError| SyntaxError { at: error.at + colon + 1 };
        if scheme.eq_ignore_ascii_case(b"sip") {
            return SipUri::read(false, &rest).map(Self::Sip).map_err(shifted);
        }
        if scheme.eq_ignore_ascii_case(b"sips") {
            return SipUri::read(true, &rest).map(Self::Sip).map_err(shifted);
        }
        if scheme.eq_ignore_ascii_case(b"tel") {
            return TelUri::read(&rest).map(Self::Tel).map_err(shifted);
        }
        let scheme_ok = scheme.first().is_some_and(u8::is_ascii_alphabetic)
            && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
        let bad = rest.iter().position(|&byte| !is_uri_byte(byte));
        match (scheme_ok, bad, rest.is_empty()) {
            (true, None, false) => Ok(Self::Other(text.clone())),
            (false, ..) => Err(SyntaxError { at: 0 }),
            (true, bad, _) => Err(SyntaxError { at: colon + 1 + bad.unwrap_or(0) }),
        }
    }

    /// The `sip:` or `sips:` URI it is, if it is one.
    pub fn sip(&self) -> Option<&SipUri> {
        if let Self::Sip(uri) = self { Some(uri) } else { None }
    }

    /// The user part of a SIP URI, or the number of a `tel:` URI; with its escapes.
    pub fn user(&self) -> Option<&Bytes> {
        match self {
            Self::Sip(uri) => uri.user.as_ref(),
            Self::Tel(uri) => Some(&uri.number),
            Self::Other(_) => None,
        }
    }

    /// The host of a SIP URI.
    pub fn host(&self) -> Option<&Host> {
        self.sip().map(|uri| &uri.host)
    }

    /// The scheme, in lower case if it is one this reads, else as it stands.
    pub fn scheme(&self) -> &[u8] {
        match self {
            Self::Sip(SipUri { secure: false, .. }) => b"sip",
            Self::Sip(SipUri { secure: true, .. }) => b"sips",
            Self::Tel(_) => b"tel",
            Self::Other(text) => text.split(|&byte| byte == b':').next().unwrap_or_default(),
        }
    }

    /// Appends its text.
    pub fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Sip(uri) => uri.write(out),
            Self::Tel(uri) => {
                out.put_slice(b"tel:");
                out.put_slice(&uri.number);
                out.put_slice(uri.params.as_bytes());
            }
            Self::Other(text) => out.put_slice(text),
        }
    }

    /// Its text.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(96);
        self.write(&mut out);
        out.freeze()
    }
}

impl std::fmt::Display for Uri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

impl From<SipUri> for Uri {
    fn from(uri: SipUri) -> Self {
        Self::Sip(uri)
    }
}

impl SipUri {
    /// `sip:host` and nothing else; the fields are public.
    pub fn new(host: Host) -> Self {
        let params = Params::default();
        Self { secure: false, user: None, password: None, host, port: None, params, headers: None }
    }

    /// Reads what follows the scheme.
    fn read(secure: bool, rest: &Bytes) -> Result<Self, SyntaxError> {
        let (user, password, host_at) = read_userinfo(rest)?;
        let (host, mut at) = Host::read(&rest[host_at..]).map_err(|e| SyntaxError { at: host_at + e.at })?;
        at += host_at;
        let mut port = None;
        if rest.get(at) == Some(&b':') {
            let digits = rest[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            port = Some(scan::number(&rest[at + 1..at + 1 + digits]).ok_or(SyntaxError { at: at + 1 })?);
            at += 1 + digits;
        }
        let question =
            rest[at..].iter().position(|&byte| byte == b'?').map_or(rest.len(), |offset| at + offset);
        if at < question && rest[at] != b';' {
            return Err(SyntaxError { at });
        }
        let params = Params::from_uri(rest.slice(at..question)).map_err(|e| SyntaxError { at: at + e.at })?;
        let headers = (question < rest.len()).then(|| rest.slice(question + 1..));
        let bad = headers.as_ref().and_then(|text| text.iter().position(|&byte| !is_uri_byte(byte)));
        match bad {
            Some(offset) => Err(SyntaxError { at: question + 1 + offset }),
            None => Ok(Self { secure, user, password, host: host.shared(rest), port, params, headers }),
        }
    }

    /// Whether parameter `lr` is there (loose routing, §16.12).
    pub fn is_loose(&self) -> bool {
        self.params.has("lr")
    }

    /// The headers after the `?`: name and value with their escapes.
    pub fn header_pairs(&self) -> impl Iterator<Item = (Bytes, Bytes)> {
        let text = self.headers.clone().unwrap_or_default();
        let mut rest = (!text.is_empty()).then_some(0);
        std::iter::from_fn(move || {
            let start = rest?;
            let end =
                text[start..].iter().position(|&byte| byte == b'&').map_or(text.len(), |len| start + len);
            rest = (end < text.len()).then_some(end + 1);
            let piece = text.slice(start..end);
            let equal = piece.iter().position(|&byte| byte == b'=').unwrap_or(piece.len());
            Some((piece.slice(..equal), piece.slice((equal + 1).min(piece.len())..)))
        })
        .take(crate::limits::PARAMS_MAX)
    }

    /// Appends its text.
    pub fn write(&self, out: &mut BytesMut) {
        out.put_slice(if self.secure { b"sips:" } else { b"sip:" });
        if let Some(user) = &self.user {
            out.put_slice(user);
            if let Some(password) = &self.password {
                out.put_u8(b':');
                out.put_slice(password);
            }
            out.put_u8(b'@');
        }
        self.host.write(out);
        write_port(self.port, out);
        out.put_slice(self.params.as_bytes());
        if let Some(headers) = &self.headers {
            out.put_u8(b'?');
            out.put_slice(headers);
        }
    }
}

impl TelUri {
    fn read(rest: &Bytes) -> Result<Self, SyntaxError> {
        let end = rest.iter().position(|&byte| byte == b';').unwrap_or(rest.len());
        let is_number = |byte: &u8| byte.is_ascii_hexdigit() || b"+-.()*#".contains(byte);
        if let Some(at) = rest[..end].iter().position(|byte| !is_number(byte)) {
            return Err(SyntaxError { at });
        }
        if end == 0 {
            return Err(SyntaxError { at: 0 });
        }
        let params = Params::from_uri(rest.slice(end..)).map_err(|e| SyntaxError { at: end + e.at })?;
        Ok(Self { number: rest.slice(..end), params })
    }
}

impl Host {
    /// Reads a whole host.
    ///
    /// # Errors
    /// [`SyntaxError`] if `text` is not one.
    pub fn parse(text: &Bytes) -> Result<Self, SyntaxError> {
        let (host, at) = Self::read(text)?;
        if at == text.len() { Ok(host.shared(text)) } else { Err(SyntaxError { at }) }
    }

    /// The host at the start of `text`, and its length.
    pub(crate) fn read(text: &[u8]) -> Result<(HostSlice<'_>, usize), SyntaxError> {
        if text.first() == Some(&b'[') {
            let close = text.iter().position(|&byte| byte == b']').ok_or(SyntaxError { at: 0 })?;
            let address: Ipv6Addr = ascii(&text[1..close]).ok_or(SyntaxError { at: 1 })?;
            return Ok((HostSlice::Ip(address.into()), close + 1));
        }
        // An underscore is no hostname, but names of containers and Windows hosts carry it.
        let is_host = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
        let len = text.iter().take_while(|byte| is_host(byte)).count();
        match text[..len] {
            [] => Err(SyntaxError { at: 0 }),
            [b'0'..=b'9', ..] => match ascii::<Ipv4Addr>(&text[..len]) {
                Some(address) => Ok((HostSlice::Ip(address.into()), len)),
                None => Ok((HostSlice::Name(&text[..len]), len)),
            },
            _ => Ok((HostSlice::Name(&text[..len]), len)),
        }
    }

    /// The address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        if let Self::Ip(address) = self { Some(*address) } else { None }
    }

    /// Whether both name the same host; names without case.
    pub fn equivalent(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(a), Self::Name(b)) => a.eq_ignore_ascii_case(b),
            (a, b) => a == b,
        }
    }

    /// Appends its text.
    pub fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Name(name) => out.put_slice(name),
            Self::Ip(IpAddr::V6(address)) => {
                out.put_u8(b'[');
                out.put_slice(address.to_string().as_bytes());
                out.put_u8(b']');
            }
            Self::Ip(address) => out.put_slice(address.to_string().as_bytes()),
        }
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        Self::Ip(address)
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = BytesMut::new();
        self.write(&mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

/// A host that borrows from the text it stands in.
pub(crate) enum HostSlice<'a> {
    Name(&'a [u8]),
    Ip(IpAddr),
}

impl HostSlice<'_> {
    /// The host as a slice of `whole`, which it was read from.
    pub(crate) fn shared(self, whole: &Bytes) -> Host {
        match self {
            Self::Name(name) => Host::Name(whole.slice_ref(name)),
            Self::Ip(address) => Host::Ip(address),
        }
    }
}

/// Appends `:port`, if there is one.
pub(crate) fn write_port(port: Option<u16>, out: &mut BytesMut) {
    if let Some(port) = port {
        out.put_u8(b':');
        out.put_slice(port.to_string().as_bytes());
    }
}

/// User, password and where the host begins. The user may hold `;`, `?` and `/`, so the `@` is looked for first.
fn read_userinfo(rest: &Bytes) -> Result<(Option<Bytes>, Option<Bytes>, usize), SyntaxError> {
    let Some(at) = rest.iter().position(|&byte| byte == b'@') else {
        return Ok((None, None, 0));
    };
    let colon = rest[..at].iter().position(|&byte| byte == b':');
    let user = rest.slice(..colon.unwrap_or(at));
    let password = colon.map(|colon| rest.slice(colon + 1..at));
    if user.is_empty() {
        return Err(SyntaxError { at: 0 });
    }
    match rest[..at].iter().position(|&byte| !is_uri_byte(byte)) {
        Some(at) => Err(SyntaxError { at }),
        None => Ok((Some(user), password, at + 1)),
    }
}

/// What may stand in a URI: wider than RFC 2396 (octets above 0x7f are seen), but nothing that ends one.
fn is_uri_byte(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f && !matches!(byte, b'<' | b'>' | b'"')
}

fn ascii<T: std::str::FromStr>(bytes: &[u8]) -> Option<T> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}
