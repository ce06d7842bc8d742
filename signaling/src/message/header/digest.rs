//! The four headers of digest authentication (RFC 3261 §20.7, §20.27, §20.28, §20.44; RFC 7616 §3.3, §3.4): challenges
//! and the answers to them.
//!
//! Leaves out what is hashed and who believes whom (`auth`), and every other scheme.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use crate::limits;
use crate::message::scan::{self, Scan, SyntaxError};

/// A challenge: WWW-Authenticate or Proxy-Authenticate. Texts without quotes and escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Whose users are asked for.
    pub realm: Bytes,
    /// What is to be hashed with the password.
    pub nonce: Bytes,
    /// To be sent back as it is.
    pub opaque: Option<Bytes>,
    /// How it is to be hashed; none: MD5.
    pub algorithm: Option<Bytes>,
    /// The qualities of protection to choose from, a comma list; none: that of RFC 2069.
    pub qop: Option<Bytes>,
    /// The password was right, the nonce is too old.
    pub stale: bool,
}

impl Challenge {
    /// Reads a header value; `None`: it is of another scheme.
    ///
    /// # Errors
    /// [`SyntaxError`] where it stops being a challenge; realm and nonce must be there.
    pub fn parse(value: &Bytes) -> Result<Option<Self>, SyntaxError> {
        let Some(params) = Params::parse(value)? else { return Ok(None) };
        Ok(Some(Self {
            realm: params.required("realm")?,
            nonce: params.required("nonce")?,
            opaque: params.text("opaque"),
            algorithm: params.text("algorithm"),
            qop: params.text("qop"),
            stale: params.text("stale").is_some_and(|text| text.eq_ignore_ascii_case(b"true")),
        }))
    }

    /// Its text on the wire.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Writer::new();
        out.quoted("realm", &self.realm);
        out.quoted("nonce", &self.nonce);
        self.opaque.iter().for_each(|opaque| out.quoted("opaque", opaque));
        self.algorithm.iter().for_each(|algorithm| out.plain("algorithm", algorithm));
        self.qop.iter().for_each(|qop| out.quoted("qop", qop));
        if self.stale {
            out.plain("stale", b"true");
        }
        out.finish()
    }

    /// Whether `qop` is among its qualities of protection.
    pub fn offers(&self, qop: &str) -> bool {
        let list = self.qop.clone().unwrap_or_default();
        scan::split(&list, b',').any(|one| one.eq_ignore_ascii_case(qop.as_bytes()))
    }
}

/// The answer to a challenge: Authorization or Proxy-Authorization. Texts without quotes and escapes.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Who.
    pub username: Bytes,
    /// Of the challenge.
    pub realm: Bytes,
    /// Of the challenge.
    pub nonce: Bytes,
    /// The Request-URI as it was hashed.
    pub uri: Bytes,
    /// The hash, in hexadecimal.
    pub response: Bytes,
    /// How it was hashed; none: MD5.
    pub algorithm: Option<Bytes>,
    /// What the sender has added to the hash.
    pub cnonce: Option<Bytes>,
    /// Of the challenge.
    pub opaque: Option<Bytes>,
    /// The quality of protection that was chosen; none: that of RFC 2069.
    pub qop: Option<Bytes>,
    /// How often the nonce has been used, this time included.
    pub nc: Option<u32>,
}

impl fmt::Debug for Authorization {
    /// Without the hash: it lets the password be guessed at leisure.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Authorization");
        shown.field("username", &self.username).field("realm", &self.realm).finish_non_exhaustive()
    }
}

impl Authorization {
    /// Reads a header value; `None`: it is of another scheme.
    ///
    /// # Errors
    /// [`SyntaxError`] where it stops being an answer; username, realm, nonce, uri and response must be there.
    pub fn parse(value: &Bytes) -> Result<Option<Self>, SyntaxError> {
        let Some(params) = Params::parse(value)? else { return Ok(None) };
        let hex = |text: Bytes| {
            let text = std::str::from_utf8(&text).ok().filter(|text| text.len() == 8)?;
            u32::from_str_radix(text, 16).ok()
        };
        let nc = match params.text("nc") {
            Some(text) => Some(hex(text).ok_or(SyntaxError { at: 0 })?),
            None => None,
        };
        Ok(Some(Self {
            username: params.required("username")?,
            realm: params.required("realm")?,
            nonce: params.required("nonce")?,
            uri: params.required("uri")?,
            response: params.required("response")?,
            algorithm: params.text("algorithm"),
            cnonce: params.text("cnonce"),
            opaque: params.text("opaque"),
            qop: params.text("qop"),
            nc,
        }))
    }

    /// Its text on the wire; algorithm, qop and nc go without quotes (RFC 7616 §3.4).
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Writer::new();
        out.quoted("username", &self.username);
        out.quoted("realm", &self.realm);
        out.quoted("nonce", &self.nonce);
        out.quoted("uri", &self.uri);
        out.quoted("response", &self.response);
        self.algorithm.iter().for_each(|algorithm| out.plain("algorithm", algorithm));
        self.cnonce.iter().for_each(|cnonce| out.quoted("cnonce", cnonce));
        self.opaque.iter().for_each(|opaque| out.quoted("opaque", opaque));
        self.qop.iter().for_each(|qop| out.plain("qop", qop));
        self.nc.iter().for_each(|nc| out.plain("nc", format!("{nc:08x}").as_bytes()));
        out.finish()
    }
}

/// `name=value` pairs behind the scheme, none of them twice.
struct Params(Vec<(Bytes, Bytes)>);

impl Params {
    /// `None`: the scheme is not Digest.
    fn parse(value: &Bytes) -> Result<Option<Self>, SyntaxError> {
        let mut scan = Scan::new(value);
        scan.skip_space();
        let scheme = scan.token()?;
        if !scheme.eq_ignore_ascii_case(b"Digest") {
            return Ok(None);
        }
        let mut params: Vec<(Bytes, Bytes)> = Vec::new();
        scan.skip_space();
        while !scan.is_end() {
            let name = scan.token()?;
            if !scan.eat_spaced(b'=') || params.len() >= limits::PARAMS_MAX {
                return Err(scan.error());
            }
            let text = match scan.peek() {
                Some(b'"') => scan::unquote(&scan.quoted()?),
                _ => scan.take_while(|byte| byte > b' ' && byte != 0x7f && byte != b','),
            };
            // Of two nonces nobody could say which one was meant.
            if params.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name)) {
                return Err(scan.error());
            }
            params.push((name, text));
            // Empty elements of a list mean nothing.
            while scan.eat_spaced(b',') {}
            scan.skip_space();
        }
        Ok(Some(Self(params)))
    }

    fn text(&self, name: &str) -> Option<Bytes> {
        let found = self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, text)| text.clone())
    }

    fn required(&self, name: &str) -> Result<Bytes, SyntaxError> {
        self.text(name).ok_or(SyntaxError { at: 0 })
    }
}

struct Writer(BytesMut);

impl Writer {
    fn new() -> Self {
        let mut out = BytesMut::with_capacity(256);
        out.put_slice(b"Digest");
        Self(out)
    }

    fn name(&mut self, name: &str) {
        let first = self.0.len() == b"Digest".len();
        self.0.put_slice(if first { b" " } else { b", " });
        self.0.put_slice(name.as_bytes());
        self.0.put_u8(b'=');
    }

    fn quoted(&mut self, name: &str, text: &[u8]) {
        self.name(name);
        self.0.put_slice(&scan::quote(text));
    }

    fn plain(&mut self, name: &str, text: &[u8]) {
        self.name(name);
        self.0.put_slice(text);
    }

    fn finish(self) -> Bytes {
        self.0.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(text: &'static str) -> Result<Option<Challenge>, SyntaxError> {
        Challenge::parse(&Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn a_challenge_is_read_and_written() {
        let text = "digest Realm = \"a \\\"b\\\", c\" , nonce=\"x,y\",, qop=\"auth-int, Auth\",algorithm=SHA-256, \
                    opaque=\"\", stale=TRUE, new=1";
        let read = challenge(text).unwrap().unwrap();
        assert_eq!((&read.realm[..], &read.nonce[..]), (&b"a \"b\", c"[..], &b"x,y"[..]));
        assert!(read.offers("auth") && !read.offers("int") && read.stale);
        assert_eq!(read.opaque, Some(Bytes::new()));
        assert_eq!(read.algorithm.as_deref(), Some(&b"SHA-256"[..]));
        assert_eq!(Challenge::parse(&read.to_bytes()), Ok(Some(read)));
    }

    #[test]
    fn another_scheme_is_none_and_half_a_challenge_is_an_error() {
        assert_eq!(challenge("Basic realm=\"x\""), Ok(None));
        for bad in ["Digest realm=\"x\"", "Digest realm=\"x\", nonce=\"y", "Digest realm, nonce=\"y\"", ""] {
            assert!(challenge(bad).is_err(), "{bad}");
        }
        assert!(challenge("Digest realm=\"x\", nonce=\"y\", Nonce=\"z\"").is_err(), "which one?");
    }

    #[test]
    fn an_answer_is_written_with_quotes_where_they_belong() {
        let answer = Authorization {
            username: "a\"b".into(),
            realm: "r".into(),
            nonce: "n".into(),
            uri: "sip:x".into(),
            response: "00".into(),
            algorithm: Some("MD5".into()),
            cnonce: Some("c".into()),
            opaque: Some("o".into()),
            qop: Some("auth".into()),
            nc: Some(10),
        };
        let text = answer.to_bytes();
        assert_eq!(
            text,
            "Digest username=\"a\\\"b\", realm=\"r\", nonce=\"n\", uri=\"sip:x\", response=\"00\", algorithm=MD5, \
             cnonce=\"c\", opaque=\"o\", qop=auth, nc=0000000a"
        );
        assert_eq!(Authorization::parse(&text), Ok(Some(answer.clone())));
        assert!(!format!("{answer:?}").contains("00"), "the hash is not shown");
        assert!(Authorization::parse(&Bytes::from_static(b"Digest username=\"a\", nc=1")).is_err());
    }
}
