//! Bytes of one datagram to one message (RFC 3261 §7, §18.3). Strict where a mistake makes a message ambiguous, lenient
//! where the field is: a bare LF ends a line, missing Content-Length means the rest, unknown things are kept.
//!
//! A request that cannot be used but can be answered comes back inside the error, with what could be read of it.

use bytes::{BufMut, Bytes, BytesMut};

use super::header::{Header, HeaderError, Headers, Name};
use super::scan::{self, is_space};
use super::{Field, Message, Method, Request, Response, SyntaxError, Uri};
use crate::limits;

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Nothing but line ends: a keep-alive (RFC 5626 §3.5.1), not a fault of anybody.
    Empty,
    /// More octets than [`limits::MESSAGE_BYTES_MAX`].
    TooLong {
        /// Octets.
        have: usize,
    },
    /// The start line is none of SIP.
    StartLine {
        /// The octet of the message.
        at: usize,
    },
    /// The start line is longer than [`limits::START_LINE_BYTES_MAX`].
    StartLineTooLong {
        /// Its octets.
        have: usize,
    },
    /// Another version of SIP.
    Version,
    /// The Request-URI is no absolute URI, or has headers (RFC 3261 §19.1.1 forbids them there).
    RequestUri {
        /// The octet of the URI.
        at: usize,
    },
    /// A status below 100 or above 699.
    Status,
    /// A header line without a name and colon, or with a CR or NUL in it.
    HeaderLine {
        /// The octet of the message.
        at: usize,
    },
    /// A header longer than [`limits::HEADER_BYTES_MAX`].
    HeaderTooLong {
        /// The octet of the message where it begins.
        at: usize,
    },
    /// More header lines than [`limits::HEADERS_MAX`].
    TooManyHeaders,
    /// No empty line after the headers: the message was cut.
    Truncated {
        /// Octets there were.
        have: usize,
    },
    /// Content-Length is larger than the body (§18.3).
    BodyTooShort {
        /// Content-Length.
        need: usize,
        /// Octets there were.
        have: usize,
    },
    /// A header that the stack cannot do without.
    Header(HeaderError),
    /// CSeq names another method than the request line (§8.1.1.5).
    MethodMismatch,
}

/// A message that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Why.
    pub fault: Fault,
    /// What could be read, if it is a request. Its headers may be incomplete; none has been judged.
    pub request: Option<Box<Request>>,
}

impl ParseError {
    /// The status it deserves; `None` if it is to be dropped: no request, an ACK (never answered), or nothing to
    /// send an answer by (no Via).
    pub fn status(&self) -> Option<u16> {
        let request = self.request.as_ref()?;
        let is_answerable = request.method != Method::Ack && request.headers.value(Field::Via).is_some();
        is_answerable.then(|| self.fault.status())
    }

    /// The answer it deserves, but for the To tag.
    pub fn response(&self) -> Option<Response> {
        let (status, request) = (self.status()?, self.request.as_ref()?);
        Some(Response::to_request(request, status).with_reason(self.fault.to_string()))
    }

    fn dropped(fault: Fault) -> Self {
        Self { fault, request: None }
    }
}

impl Fault {
    /// The status that says this fault to the sender of a request.
    fn status(self) -> u16 {
        match self {
            Self::Version => 505,
            Self::StartLineTooLong { .. } => 414,
            Self::TooLong { .. } | Self::HeaderTooLong { .. } | Self::TooManyHeaders => 513,
            _ => 400,
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => write!(f, "Empty message"),
            Self::TooLong { have } => write!(f, "Message of {have} octets"),
            Self::StartLine { at } => write!(f, "Bad start line at octet {at}"),
            Self::StartLineTooLong { have } => write!(f, "Start line of {have} octets"),
            Self::Version => write!(f, "Version Not Supported"),
            Self::RequestUri { at } => write!(f, "Bad Request-URI at octet {at}"),
            Self::Status => write!(f, "Bad status code"),
            Self::HeaderLine { at } => write!(f, "Bad header at octet {at}"),
            Self::HeaderTooLong { at } => write!(f, "Header too long at octet {at}"),
            Self::TooManyHeaders => write!(f, "Too many headers"),
            Self::Truncated { have } => write!(f, "Headers end at octet {have} without an empty line"),
            Self::BodyTooShort { need, have } => write!(f, "Content-Length {need} but body {have}"),
            Self::Header(error) => error.fmt(f),
            Self::MethodMismatch => write!(f, "CSeq method differs"),
        }
    }
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.fault.fmt(f)
    }
}

impl std::error::Error for ParseError {}

impl Message {
    /// Reads the message of one datagram. Line ends before it are skipped (RFC 3261 §7.5), octets after its body
    /// are discarded (§18.3).
    ///
    /// # Errors
    /// [`ParseError`], which says what to answer.
    pub fn parse(datagram: Bytes) -> Result<Self, ParseError> {
        if datagram.len() > limits::MESSAGE_BYTES_MAX {
            return Err(ParseError::dropped(Fault::TooLong { have: datagram.len() }));
        }
        let start = datagram.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let mut lines = Lines { whole: datagram, at: start };
        let (line, at) = match lines.next_line() {
            Some(line) => (line, lines.at),
            None if lines.at == lines.whole.len() => return Err(ParseError::dropped(Fault::Empty)),
            None => return Err(ParseError::dropped(Fault::StartLine { at: lines.whole.len() })),
        };
        let start_line = StartLine::parse(&line)
            .ok_or_else(|| ParseError::dropped(Fault::StartLine { at: at - line.len() }))?;
        match start_line {
            StartLine::Request { method, uri, fault } => parse_request(method, uri, fault, lines),
            StartLine::Response { status, reason } => parse_response(status, reason, lines),
        }
    }
}

fn parse_request(
    method: Method,
    uri: Bytes,
    fault: Option<Fault>,
    mut lines: Lines,
) -> Result<Message, ParseError> {
    let mut request = Request::new(method, uri);
    let read = lines.read_headers(&mut request.headers);
    // The first fault of the text is the one to tell, but the headers behind it are needed for the answer.
    let checked = match (fault, read) {
        (Some(fault), _) | (None, Err(fault)) => Err(fault),
        (None, Ok(())) => lines
            .read_body(&request.headers)
            .map(|body| request.body = body)
            .and_then(|()| check_request(&request)),
    };
    match checked {
        Ok(()) => Ok(Message::Request(request)),
        Err(fault) => Err(ParseError { fault, request: Some(Box::new(request)) }),
    }
}

fn parse_response(status: u16, reason: Bytes, mut lines: Lines) -> Result<Message, ParseError> {
    let mut response = Response { status, reason, headers: Headers::new(), body: Bytes::new() };
    let checked = lines
        .read_headers(&mut response.headers)
        .and_then(|()| lines.read_body(&response.headers))
        .map(|body| response.body = body)
        .and_then(|()| check_status(status))
        .and_then(|()| check_headers(&response.headers).map(drop));
    checked.map(|()| Message::Response(response)).map_err(ParseError::dropped)
}

fn check_status(status: u16) -> Result<(), Fault> {
    if (100..700).contains(&status) { Ok(()) } else { Err(Fault::Status) }
}

/// What every element needs of a message to match it (§8.1.1), and the method of its CSeq.
fn check_headers(headers: &Headers) -> Result<Method, Fault> {
    let check = || {
        headers.via()?;
        headers.from()?;
        headers.to()?;
        headers.call_id()?;
        headers.cseq().map(|cseq| cseq.method)
    };
    check().map_err(Fault::Header)
}

/// A request can be refused, so more of it is judged: what a user agent would otherwise stumble over later.
fn check_request(request: &Request) -> Result<(), Fault> {
    if check_headers(&request.headers)? != request.method {
        return Err(Fault::MethodMismatch);
    }
    request.headers.max_forwards().map_err(Fault::Header)?;
    if request.headers.value(Field::Contact).is_some_and(|value| value != "*") {
        request.headers.contact().map_err(Fault::Header)?;
    }
    let bad = |error: SyntaxError| Fault::RequestUri { at: error.at };
    match Uri::parse(&request.uri).map_err(bad)?.sip() {
        Some(uri) if uri.headers.is_some() => {
            let at = request.uri.iter().position(|&byte| byte == b'?').unwrap_or(0);
            Err(Fault::RequestUri { at })
        }
        _ => Ok(()),
    }
}

enum StartLine {
    Request { method: Method, uri: Bytes, fault: Option<Fault> },
    Response { status: u16, reason: Bytes },
}

impl StartLine {
    /// `None` if it is no start line of SIP at all.
    fn parse(line: &Bytes) -> Option<Self> {
        if line.len() > 4 && line[..4].eq_ignore_ascii_case(b"SIP/") {
            return Self::response(line);
        }
        let first = line.iter().position(|&byte| is_space(byte))?;
        let last = line.iter().rposition(|&byte| !is_space(byte))?;
        let version_at = line[..last].iter().rposition(|&byte| is_space(byte))? + 1;
        let version = &line[version_at..=last];
        if version.len() < 4 || !version[..4].eq_ignore_ascii_case(b"SIP/") {
            return None;
        }
        let method = Method::parse(&line.slice(..first))?;
        let uri = line.slice_ref(line.get(first + 1..version_at - 1).unwrap_or_default());
        let fault = Self::request_fault(&uri, version, line.len(), last);
        Some(Self::Request { method, uri, fault })
    }

    fn request_fault(uri: &[u8], version: &[u8], len: usize, last: usize) -> Option<Fault> {
        if len > limits::START_LINE_BYTES_MAX {
            return Some(Fault::StartLineTooLong { have: len });
        }
        if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            return Some(Fault::Version);
        }
        // One space on each side of the URI, none in it, none after the version (§7.1).
        let at = uri.iter().position(|&byte| is_space(byte));
        let trailing = (last + 1 < len).then_some(last + 1);
        at.map(|at| Fault::RequestUri { at }).or(trailing.map(|at| Fault::StartLine { at }))
    }

    /// Another version of SIP cannot be answered in a response, so it is no response of ours.
    fn response(line: &Bytes) -> Option<Self> {
        status_line(line).map(|(status, reason)| Self::Response { status, reason })
    }
}

/// Status and phrase of `SIP/2.0 200 OK`; a status is three digits, a phrase and the space before it may be missing.
pub(crate) fn status_line(line: &Bytes) -> Option<(u16, Bytes)> {
    let rest = line.get(..8).filter(|start| start.eq_ignore_ascii_case(b"SIP/2.0 ")).map(|_| &line[8..])?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let status = if digits == 3 { scan::number(&rest[..digits])? } else { return None };
    let reason = match rest.get(digits) {
        None => &[],
        Some(b' ') => &rest[digits + 1..],
        Some(_) => return None,
    };
    Some((status, line.slice_ref(reason)))
}

/// Headers and body of one part of a multipart body; `None` if its headers cannot be read.
pub(crate) fn parse_part(text: Bytes) -> Option<(Headers, Bytes)> {
    let mut lines = Lines { whole: text, at: 0 };
    let mut headers = Headers::new();
    match lines.read_headers(&mut headers) {
        Ok(()) => Some((headers, lines.whole.slice(lines.at..))),
        // The line end before a boundary is the boundary's, so an empty part may lack its empty line.
        Err(Fault::Truncated { .. }) if lines.at == lines.whole.len() => Some((headers, Bytes::new())),
        Err(_) => None,
    }
}

/// The lines of a message.
struct Lines {
    whole: Bytes,
    at: usize,
}

impl Lines {
    /// The next line without its end, CRLF or LF; `None` if no line end follows.
    fn next_line(&mut self) -> Option<Bytes> {
        let start = self.at;
        let end = start + self.whole[start..].iter().position(|&byte| byte == b'\n')?;
        self.at = end + 1;
        let line = &self.whole[start..end];
        Some(self.whole.slice_ref(line.strip_suffix(b"\r").unwrap_or(line)))
    }

    /// Whether the line that begins here continues the one before (§7.3.1).
    fn is_fold(&self) -> bool {
        self.whole.get(self.at).copied().is_some_and(is_space)
    }

    /// Reads headers up to and with the empty line. A bad line is passed over, so that an answer can be made from
    /// the others; the first fault is returned.
    fn read_headers(&mut self, headers: &mut Headers) -> Result<(), Fault> {
        *headers = Headers::with_capacity(16);
        let mut result = Ok(());
        loop {
            let start = self.at;
            let Some(line) = self.next_line() else {
                return result.and(Err(Fault::Truncated { have: self.whole.len() }));
            };
            if line.is_empty() {
                return result;
            }
            if headers.len() == limits::HEADERS_MAX {
                return result.and(Err(Fault::TooManyHeaders));
            }
            let read = self.read_header(start, &line).map(|header| headers.extend([header]));
            result = result.and(read);
        }
    }

    fn read_header(&mut self, start: usize, line: &Bytes) -> Result<Header, Fault> {
        let value = self.unfold(line.clone());
        let bad = Fault::HeaderLine { at: start };
        if self.at - start > limits::HEADER_BYTES_MAX {
            return Err(Fault::HeaderTooLong { at: start });
        }
        let colon = value.iter().position(|&byte| byte == b':').ok_or(bad)?;
        let name = scan::trim(&value[..colon]);
        // No white space before a name: that line would be a fold of the start line.
        if is_space(value[0]) || has_stray(&value[colon..]) {
            return Err(bad);
        }
        let name = Name::new(&value.slice_ref(name)).ok_or(bad)?;
        Ok(Header { name, value: scan::trim_shared(&value.slice(colon + 1..)) })
    }

    /// `line` and its continuations, joined by one space each; shared unless there are any.
    fn unfold(&mut self, line: Bytes) -> Bytes {
        if !self.is_fold() {
            return line;
        }
        let mut joined = BytesMut::from(&line[..]);
        while self.is_fold() {
            let Some(next) = self.next_line() else { break };
            joined.put_u8(b' ');
            joined.put_slice(scan::trim(&next));
        }
        joined.freeze()
    }

    /// The body by Content-Length, or the rest of the datagram without one (§18.3).
    fn read_body(&self, headers: &Headers) -> Result<Bytes, Fault> {
        let rest = self.whole.slice(self.at..);
        match headers.content_length().map_err(Fault::Header)? {
            None => Ok(rest),
            Some(length) if length <= rest.len() => Ok(rest.slice(..length)),
            Some(need) => Err(Fault::BodyTooShort { need, have: rest.len() }),
        }
    }
}

/// A CR, or a NUL that is not escaped in a quoted string: nothing that a value may hold or that can be passed on.
fn has_stray(value: &[u8]) -> bool {
    // No early exit, so that the usual case is a few vector instructions.
    if !value.iter().fold(false, |found, &byte| found | (byte == b'\r') | (byte == 0)) {
        return false;
    }
    let stray = |pair: &[u8]| pair[1] == b'\r' || (pair[1] == 0 && pair[0] != b'\\');
    value.windows(2).any(stray)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static [u8]) -> Result<Message, ParseError> {
        Message::parse(Bytes::from_static(text))
    }

    const OPTIONS: &[u8] = b"OPTIONS sip:bob@example.com SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\n\
        f: <sip:a@example.com>;tag=1\r\nt: <sip:bob@example.com>\r\ni: 1@a\r\nCSeq: 1 OPTIONS\r\nX-A:\r\n b\r\n\r\nbody";

    #[test]
    fn without_content_length_the_body_is_the_rest() {
        let message = parse(OPTIONS).unwrap();
        assert_eq!(message.body(), "body");
        assert_eq!(message.headers().first("Call-ID").unwrap(), "1@a");
        assert_eq!(message.headers().first("x-a").unwrap(), "b");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let message = parse(OPTIONS).unwrap();
        let again = Message::parse(message.to_bytes()).unwrap();
        assert_eq!(again.headers().first("l").unwrap(), "4");
        assert_eq!(again.body(), message.body());
        assert_eq!(Message::parse(again.to_bytes()).unwrap(), again);
    }

    fn options_with(from: &str, to: &str) -> Result<Message, ParseError> {
        Message::parse(Bytes::from(String::from_utf8(OPTIONS.to_vec()).unwrap().replace(from, to)))
    }

    #[test]
    fn what_is_before_and_after_a_message_is_ignored() {
        let message = options_with("OPTIONS sip", "\r\n\n\r\nOPTIONS sip").unwrap();
        assert_eq!(message.body(), "body");
        assert_eq!(options_with("X-A:", "L: 2\r\nX-A:").unwrap().body(), "bo");
        assert_eq!(parse(b"\r\n\r\n").unwrap_err().fault, Fault::Empty);
        assert_eq!(parse(b"").unwrap_err().status(), None);
    }

    #[test]
    fn a_bare_lf_ends_a_line() {
        assert_eq!(options_with("\r\n", "\n").unwrap(), parse(OPTIONS).unwrap());
    }

    #[test]
    fn each_fault_of_a_request_has_its_answer() {
        for (from, to, status, reason) in [
            ("SIP/2.0\r\nv", "SIP/3.0\r\nv", 505, "Version Not Supported"),
            ("sip:bob@example.com SIP", "<sip:bob@example.com> SIP", 400, "Bad Request-URI at octet 0"),
            ("sip:bob@example.com SIP", "sip:bob@example.com  SIP", 400, "Bad Request-URI at octet 19"),
            ("sip:bob@example.com SIP", "sip:bob@example.com?a=b SIP", 400, "Bad Request-URI at octet 19"),
            ("X-A:", "Content-Length: 5\r\nX-A:", 400, "Content-Length 5 but body 4"),
            ("X-A:", "l: 1\r\nl: 2\r\nX-A:", 400, "Repeated Content-Length"),
            ("X-A:", "Max-Forwards: 256\r\nX-A:", 400, "Bad Max-Forwards at octet 0"),
            ("X-A:", "X A:", 400, "Bad header at octet 160"),
            ("X-A:", "X-A: \0", 400, "Bad header at octet 160"),
            ("1 OPTIONS", "1 INVITE", 400, "CSeq method differs"),
            ("i: 1@a\r\n", "", 400, "Missing Call-ID"),
            ("\r\n\r\nbody", "\r\n", 400, "Headers end at octet 170 without an empty line"),
        ] {
            let error = options_with(from, to).expect_err(to);
            let answer = error.response().unwrap_or_else(|| panic!("{to} is answered"));
            assert_eq!((answer.status, answer.reason.as_ref()), (status, reason.as_bytes()), "{to}");
            assert!(answer.headers.via().is_ok() && answer.headers.cseq().is_ok());
        }
    }

    #[test]
    fn what_cannot_be_answered_is_dropped() {
        for (from, to) in [
            ("OPTIONS", "ACK"),
            ("v: ", "w: "),
            ("OPTIONS sip:bob@example.com SIP/2.0", "SIP/2.0 42 OK"),
            ("OPTIONS sip:bob@example.com SIP/2.0", "SIP/2.0 700 OK"),
            ("OPTIONS sip:bob@example.com SIP/2.0", "GET / HTTP/1.1"),
        ] {
            let text =
                String::from_utf8(OPTIONS.to_vec()).unwrap().replace("i: 1@a\r\n", "").replacen(from, to, 1);
            assert_eq!(Message::parse(Bytes::from(text)).expect_err(to).status(), None, "{to}");
        }
    }

    #[test]
    fn every_bound_is_kept() {
        let line = |octets: usize| format!("X-A: {}\r\nX-A:", "a".repeat(octets));
        assert!(options_with("X-A:", &line(limits::HEADER_BYTES_MAX - 10)).is_ok());
        let long = options_with("X-A:", &line(limits::HEADER_BYTES_MAX)).unwrap_err();
        assert_eq!(long.status(), Some(513));
        let many =
            options_with("X-A:", &format!("{}X-A:", "a:\r\n".repeat(limits::HEADERS_MAX))).unwrap_err();
        assert_eq!((many.fault, many.status()), (Fault::TooManyHeaders, Some(513)));
        let uri =
            options_with("bob@", &format!("{}@", "b".repeat(limits::START_LINE_BYTES_MAX))).unwrap_err();
        assert_eq!(uri.status(), Some(414));
        let huge = Message::parse(Bytes::from(vec![b'a'; limits::MESSAGE_BYTES_MAX + 1])).unwrap_err();
        assert_eq!(huge.fault, Fault::TooLong { have: limits::MESSAGE_BYTES_MAX + 1 });
    }

    #[test]
    fn spelling_order_and_strange_octets_are_kept() {
        let text = b"SIP/2.0 200 \xd0\xbd\xd0\xbe\r\nx-lower: \xff\xfe\r\nV : SIP/2.0/UDP h\r\nX-Empty:\r\nfrom:<sip:a@b>\r\n\
            T:<sip:c@d>\r\nI:x\r\ncSeq:1 BYE\r\nContent-LENGTH: 0\r\n\r\n";
        let message = parse(text).unwrap();
        let written = message.to_bytes();
        let expected = b"SIP/2.0 200 \xd0\xbd\xd0\xbe\r\nx-lower: \xff\xfe\r\nV: SIP/2.0/UDP h\r\nX-Empty: \r\nfrom: <sip:a@b>\r\n\
            T: <sip:c@d>\r\nI: x\r\ncSeq: 1 BYE\r\nContent-LENGTH: 0\r\n\r\n";
        assert_eq!(written, &expected[..]);
    }
}
