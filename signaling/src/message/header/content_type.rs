//! Content-Type (RFC 3261 §20.15) and the bodies it cuts into parts, `multipart/mixed` and its kin (RFC 5621, RFC 2046
//! §5.1). Left out: Content-Transfer-Encoding other than binary, which SIP forbids to need (RFC 5621 §3).

use bytes::Bytes;

use super::{Field, Headers};
use crate::limits;
use crate::message::params::Params;
use crate::message::scan::{Scan, SyntaxError};

/// A media type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType {
    /// `application`, as it is spelled.
    pub kind: Bytes,
    /// `sdp`, as it is spelled.
    pub subtype: Bytes,
    /// boundary, charset…
    pub params: Params,
}

/// One part of a multipart body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its headers.
    pub headers: Headers,
    /// Its octets.
    pub body: Bytes,
}

impl ContentType {
    /// Reads a whole value.
    ///
    /// # Errors
    /// [`SyntaxError`] where the text stops being a media type.
    pub fn parse(value: &Bytes) -> Result<Self, SyntaxError> {
        let mut scan = Scan::new(value);
        scan.skip_space();
        let kind = scan.token()?;
        if !scan.eat_spaced(b'/') {
            return Err(scan.error());
        }
        let subtype = scan.token()?;
        let params = Params::read_header(&mut scan)?;
        scan.end()?;
        Ok(Self { kind, subtype, params })
    }

    /// Whether it is `kind/subtype`, compared without case and parameters.
    pub fn is(&self, media_type: &str) -> bool {
        media_type.split_once('/').is_some_and(|(kind, subtype)| {
            self.kind.eq_ignore_ascii_case(kind.as_bytes())
                && self.subtype.eq_ignore_ascii_case(subtype.as_bytes())
        })
    }

    /// The parts of `body`; `None` if this is no multipart type, has no usable boundary, or `body` does not hold it.
    /// At most [`limits::BODY_PARTS_MAX`]; a part without its closing boundary is not one.
    pub fn parts(&self, body: &Bytes) -> Option<Vec<Part>> {
        if !self.kind.eq_ignore_ascii_case(b"multipart") {
            return None;
        }
        let boundary = self.params.text("boundary")?;
        if boundary.is_empty() || boundary.len() > limits::BOUNDARY_BYTES_MAX {
            return None;
        }
        let mut delimiter = b"--".to_vec();
        delimiter.extend_from_slice(&boundary);
        let mut parts = Vec::new();
        let (_, mut start, mut is_last) = next_delimiter(body, 0, &delimiter)?;
        while !is_last && parts.len() < limits::BODY_PARTS_MAX {
            let Some((end, next, last)) = next_delimiter(body, start, &delimiter) else { break };
            parts.extend(Part::parse(body.slice(start..end)));
            (start, is_last) = (next, last);
        }
        Some(parts)
    }
}

impl Part {
    /// Headers, an empty line, octets. A part may have no headers at all and begin with the empty line.
    fn parse(text: Bytes) -> Option<Self> {
        let (headers, body) = crate::message::parse::parse_part(text)?;
        Some(Self { headers, body })
    }

    /// Its type; a part without one is text (RFC 2046 §5.1).
    pub fn content_type(&self) -> Option<ContentType> {
        self.headers.content_type().ok().flatten()
    }
}

impl Headers {
    /// Content-Type; `None` if there is none.
    ///
    /// # Errors
    /// [`super::HeaderError`] if it is repeated or malformed.
    pub fn content_type(&self) -> Result<Option<ContentType>, super::HeaderError> {
        self.optional(Field::ContentType, ContentType::parse)
    }

    /// The part of `body` that is `media_type`: all of it if Content-Type says so, else the first such part of a
    /// multipart body, one level down.
    pub fn body_of(&self, media_type: &str, body: &Bytes) -> Option<Bytes> {
        let whole = self.content_type().ok().flatten()?;
        if whole.is(media_type) {
            return Some(body.clone());
        }
        let is_wanted = |part: &Part| part.content_type().is_some_and(|found| found.is(media_type));
        whole.parts(body)?.into_iter().find(is_wanted).map(|part| part.body)
    }
}

/// The next delimiter line from `from` on: where the text before it ends (its line end belongs to the delimiter),
/// where the text after it begins, and whether it is the closing one.
fn next_delimiter(body: &[u8], from: usize, delimiter: &[u8]) -> Option<(usize, usize, bool)> {
    let mut line_start = from;
    loop {
        let line = &body[line_start..];
        let line_len = line.iter().position(|&byte| byte == b'\n').map_or(line.len(), |end| end + 1);
        if let Some(rest) = line[..line_len].strip_prefix(delimiter) {
            let is_last = rest.starts_with(b"--");
            let rest = rest.strip_prefix(b"--").unwrap_or(rest);
            // A longer word is another boundary.
            if rest.iter().all(|byte| byte.is_ascii_whitespace()) {
                let before = &body[from..line_start];
                let before = before.strip_suffix(b"\n").unwrap_or(before);
                let before = before.strip_suffix(b"\r").unwrap_or(before);
                return Some((from + before.len(), line_start + line_len, is_last));
            }
        }
        line_start += line_len;
        if line_start >= body.len() {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> ContentType {
        ContentType::parse(&Bytes::from_static(text.as_bytes())).unwrap()
    }

    #[test]
    fn a_media_type_is_compared_without_case() {
        let sdp = parse("Application / SDP ; charset=utf-8");
        assert!(sdp.is("application/sdp"));
        assert!(!sdp.is("application/sdpx"));
        assert_eq!(sdp.params.value("CHARSET").unwrap(), "utf-8");
    }

    #[test]
    fn what_is_no_media_type_is_refused() {
        for bad in ["", "text", "text/", "/plain", "text/plain x"] {
            assert!(ContentType::parse(&Bytes::from_static(bad.as_bytes())).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_multipart_body_is_cut_at_its_boundary() {
        let body = Bytes::from_static(
            b"preamble\r\n--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n--xy\r\n\r\n--x  \r\n\r\nbare\0\xff\r\n--x--\r\nend",
        );
        let parts = parse("multipart/mixed;boundary=\"x\"").parts(&body).unwrap();
        assert_eq!(parts.len(), 2);
        assert!(parts[0].content_type().unwrap().is("text/plain"));
        assert_eq!(parts[0].body, "hello\r\n--xy\r\n");
        assert_eq!(parts[1].body, &b"bare\0\xff"[..]);
        assert!(parts[1].headers.is_empty());
    }

    #[test]
    fn an_empty_part_and_a_missing_end_are_survived() {
        let body = Bytes::from_static(b"--x\r\n\r\n--x\r\n\r\ncut");
        let parts = parse("multipart/mixed;boundary=x").parts(&body).unwrap();
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].body, "");
        assert_eq!(parse("multipart/mixed").parts(&body), None);
        assert_eq!(parse("text/plain;boundary=x").parts(&body), None);
        assert_eq!(parse("multipart/mixed;boundary=y").parts(&body), None);
    }

    #[test]
    fn the_session_description_is_found_in_a_multipart_body() {
        let mut headers = Headers::new();
        headers.push("c", "multipart/mixed; boundary=b");
        let body = Bytes::from_static(
            b"--b\r\nc: text/plain\r\n\r\nhi\r\n--b\r\nc: application/sdp\r\n\r\nv=0\r\n\r\n--b--",
        );
        assert_eq!(headers.body_of("application/sdp", &body).unwrap(), "v=0\r\n");
        assert_eq!(headers.body_of("application/xml", &body), None);
    }
}
