//! Messages out of a byte stream (RFC 3261 §18.3, §7.5; keep-alives of RFC 5626 §4.4.1): bytes in, cut anywhere; whole
//! messages out, as octets for [`crate::message::Message::parse`].
//!
//! Nothing of a stream can be understood behind something that was not: every fault here ends it. Leaves out connections,
//! their time limits, and what the messages say. A WebSocket needs none of this: its frames are messages (RFC 7118 §4).

use bytes::{Bytes, BytesMut};

use crate::limits;

/// Answers a ping of a far end (RFC 5626 §4.4.1).
pub const PONG: &[u8] = b"\r\n";

/// A ping of ours.
pub const PING: &[u8] = b"\r\n\r\n";

/// What a stream brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole message: start line, headers, body.
    Message(Bytes),
    /// A double CRLF between messages: to be answered with [`PONG`].
    Ping,
    /// A single CRLF where [`Framer::expect_pong`] said that one is due.
    Pong,
}

/// Why a stream can be read no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamError {
    /// What stands where a message should begin is none of SIP's.
    Garbage,
    /// The headers do not end within [`limits::STREAM_HEAD_BYTES_MAX`], or the start line within its own limit.
    HeadTooLong,
    /// Without Content-Length nobody knows where the next message begins (RFC 3261 §18.3).
    NoLength,
    /// Content-Length is no number, or there are two that differ.
    BadLength,
    /// Head and body are longer than [`limits::MESSAGE_BYTES_MAX`].
    TooLong,
}

/// Cuts one stream into messages. What it holds is bounded by a message and what was pushed last.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    /// Octets of the head that have been looked at, so that a head that comes octet by octet is read once.
    seen: usize,
    /// Whether the start line has been found good.
    begun: bool,
    /// The length of the message whose head is whole.
    whole: Option<usize>,
    /// A CRLF between messages that may become a ping.
    half_ping: bool,
    pongs_due: u32,
    fault: Option<StreamError>,
}

impl Framer {
    /// A stream of which nothing has come.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what has come. To be followed by [`Self::poll`] until that has no more.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.fault.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// A ping was sent: the next CRLF between messages is its answer.
    pub fn expect_pong(&mut self) {
        self.pongs_due = self.pongs_due.saturating_add(1);
    }

    /// Whether a message has begun to come and is not whole.
    pub fn is_mid_message(&self) -> bool {
        self.fault.is_none() && !self.buffer.is_empty()
    }

    /// What has come next; `None`: no more for the time being.
    ///
    /// # Errors
    /// The stream has to be closed; it says so from here on.
    pub fn poll(&mut self) -> Result<Option<Frame>, StreamError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let read = self.read();
        if let Err(fault) = read {
            self.fault = Some(fault);
            self.buffer.clear();
        }
        read
    }

    fn read(&mut self) -> Result<Option<Frame>, StreamError> {
        if self.seen == 0
            && let Some(frame) = self.read_line_ends()
        {
            return Ok(Some(frame));
        }
        if self.whole.is_none() {
            self.whole = self.read_head()?;
        }
        let Some(length) = self.whole.filter(|&length| self.buffer.len() >= length) else { return Ok(None) };
        (self.seen, self.begun, self.whole, self.half_ping) = (0, false, None, false);
        Ok(Some(Frame::Message(self.buffer.split_to(length).freeze())))
    }

    /// Line ends before a message: keep-alives, or what an older sender put behind its body (§7.5).
    fn read_line_ends(&mut self) -> Option<Frame> {
        loop {
            match self.buffer[..] {
                [b'\r', b'\n', ..] => drop(self.buffer.split_to(2)),
                // A lone LF is nobody's keep-alive.
                [b'\n', ..] => {
                    drop(self.buffer.split_to(1));
                    continue;
                }
                _ => return None,
            }
            if self.pongs_due > 0 {
                self.pongs_due -= 1;
                return Some(Frame::Pong);
            }
            self.half_ping = !self.half_ping;
            if !self.half_ping {
                return Some(Frame::Ping);
            }
        }
    }

    /// Looks for the end of the head; the length of the whole message if it has come.
    fn read_head(&mut self) -> Result<Option<usize>, StreamError> {
        // A CR alone may yet become a line end.
        if matches!(self.buffer[..], [] | [b'\r']) {
            return Ok(None);
        }
        let head = &self.buffer[..self.buffer.len().min(limits::STREAM_HEAD_BYTES_MAX)];
        if !self.begun {
            self.begun = is_start(head)?;
        }
        // An empty line: LF, then CR LF or LF (a bare LF ends a line, as in `message/parse.rs`).
        let ends = |at: &usize| matches!(head[*at + 1..], [b'\n', ..] | [b'\r', b'\n', ..]);
        let mut lines = (self.seen..head.len()).filter(|&at| head[at] == b'\n');
        let Some(at) = lines.find(ends) else {
            // The last two octets are looked at again: what follows decides what they are.
            self.seen = head.len().saturating_sub(2).max(1);
            let full = head.len() == limits::STREAM_HEAD_BYTES_MAX;
            return if full { Err(StreamError::HeadTooLong) } else { Ok(None) };
        };
        let end = at + if head[at + 1] == b'\n' { 2 } else { 3 };
        self.seen = end;
        let length = end.saturating_add(content_length(&head[..end])?);
        if length > limits::MESSAGE_BYTES_MAX { Err(StreamError::TooLong) } else { Ok(Some(length)) }
    }
}

/// Whether a start line is there and one of SIP's; `false`: it may become one.
fn is_start(head: &[u8]) -> Result<bool, StreamError> {
    // A method or `SIP/2.0` begins with a letter or another sign of a token: a TLS hello, say, is known by its first octet.
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(byte);
    let word = head.iter().position(|byte| !is_token(byte)).unwrap_or(head.len());
    let is_word = word > 0 && matches!(head.get(word), None | Some(b' ' | b'\t' | b'/'));
    if !is_word || word > limits::METHOD_BYTES_MAX {
        return Err(StreamError::Garbage);
    }
    let end = head.iter().position(|&byte| byte == b'\n');
    if end.unwrap_or(head.len()) > limits::START_LINE_BYTES_MAX {
        return Err(StreamError::HeadTooLong);
    }
    let Some(end) = end else { return Ok(false) };
    let is_version = |part: &[u8]| part.eq_ignore_ascii_case(b"SIP/");
    if head[..end].windows(4).any(is_version) { Ok(true) } else { Err(StreamError::Garbage) }
}

/// Content-Length, long or compact, with its folds (§7.3.1).
fn content_length(head: &[u8]) -> Result<usize, StreamError> {
    let mut found: Option<usize> = None;
    let mut lines = head.split_inclusive(|&byte| byte == b'\n').skip(1).peekable();
    while let Some(line) = lines.next() {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let name = line[..colon].trim_ascii();
        if !name.eq_ignore_ascii_case(b"Content-Length") && !name.eq_ignore_ascii_case(b"l") {
            continue;
        }
        let mut value = line[colon + 1..].trim_ascii();
        while let Some(fold) = lines.next_if(|next| matches!(next.first(), Some(b' ' | b'\t'))) {
            // One number: only one of the lines can hold anything.
            let fold = fold.trim_ascii();
            value = match (value, fold) {
                (one, []) => one,
                ([], one) => one,
                _ => return Err(StreamError::BadLength),
            };
        }
        let length = number(value).ok_or(StreamError::BadLength)?;
        if found.is_some_and(|other| other != length) {
            return Err(StreamError::BadLength);
        }
        found = Some(length);
    }
    found.ok_or(StreamError::NoLength)
}

/// A number of digits alone; one that is too large for anything is the largest there is.
fn number(text: &[u8]) -> Option<usize> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let digits = std::str::from_utf8(text).ok().filter(|_| is_number)?;
    Some(digits.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;
    use crate::random::Random;

    fn options(n: u64, body: usize) -> Vec<u8> {
        let body = "\r\n".repeat(body / 2);
        format!(
            "OPTIONS sip:b@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.2;branch=z9hG4bK{n}\r\nFrom: <sip:a@a>;tag=1\r\n\
             To: <sip:b@b>\r\nCall-ID: {n}\r\nCSeq: {n} OPTIONS\r\nContent-Type: text/plain\r\nL:\r\n {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    /// All frames of `bytes`, pushed in pieces of at most `most` octets.
    fn frames(bytes: &[u8], most: u64, seed: u64) -> (Vec<Frame>, Option<StreamError>) {
        let (mut framer, mut random, mut all, mut at) = (Framer::new(), Random::new(seed), Vec::new(), 0);
        while at < bytes.len() {
            let piece = 1 + usize::try_from(random.below(most)).unwrap();
            let end = (at + piece).min(bytes.len());
            framer.push(&bytes[at..end]);
            at = end;
            loop {
                match framer.poll() {
                    Ok(Some(frame)) => all.push(frame),
                    Ok(None) => break,
                    Err(error) => return (all, Some(error)),
                }
            }
            let most = limits::MESSAGE_BYTES_MAX + piece;
            assert!(framer.buffer.len() <= most, "{} octets are held", framer.buffer.len());
        }
        (all, None)
    }

    fn fault(text: &str) -> Option<StreamError> {
        frames(text.as_bytes(), 7, 1).1
    }

    #[test]
    fn messages_and_pings_come_whole_and_in_order_however_the_stream_is_cut() {
        for seed in 0..500 {
            let mut random = Random::new(seed);
            let (mut bytes, mut expected) = (Vec::new(), Vec::new());
            for n in 0..=random.below(5) {
                match random.below(4) {
                    0 => {
                        bytes.extend_from_slice(PING);
                        expected.push(Frame::Ping);
                    }
                    1 => bytes.extend_from_slice(b"\r\n"),
                    _ => {}
                }
                let message = options(n, usize::try_from(random.below(400)).unwrap());
                expected.push(Frame::Message(Bytes::from(message.clone())));
                bytes.extend(message);
            }
            for most in [1, 3, 50, 5000] {
                assert_eq!(
                    frames(&bytes, most, seed),
                    (expected.clone(), None),
                    "seed {seed}, cuts of {most}"
                );
            }
        }
    }

    #[test]
    fn what_comes_out_is_read_as_a_message_with_its_body() {
        let (all, fault) = frames(&options(1, 8), 5, 1);
        let [Frame::Message(bytes)] = &all[..] else { panic!("{all:?}") };
        assert_eq!((Message::parse(bytes.clone()).unwrap().body().len(), fault), (8, None));
    }

    #[test]
    fn a_single_line_end_answers_a_ping_of_ours_and_a_double_one_is_a_ping_of_theirs() {
        let mut framer = Framer::new();
        framer.expect_pong();
        framer.push(b"\r\n\r\n\r");
        assert_eq!(framer.poll(), Ok(Some(Frame::Pong)));
        assert_eq!(framer.poll(), Ok(None));
        framer.push(b"\n");
        assert_eq!(framer.poll(), Ok(Some(Frame::Ping)));
        assert!(!framer.is_mid_message());
        framer.push(b"O");
        assert!(framer.is_mid_message());
    }

    #[test]
    fn a_message_without_a_length_ends_the_stream() {
        assert_eq!(fault("BYE sip:b@b SIP/2.0\r\nCall-ID: 1\r\n\r\n"), Some(StreamError::NoLength));
        for length in ["x", "-1", "", "5 5", "5\r\n 5", "5\r\nl: 6", "0x5"] {
            let text = format!("BYE sip:b@b SIP/2.0\r\nContent-Length: {length}\r\n\r\n");
            assert_eq!(fault(&text), Some(StreamError::BadLength), "{length:?}");
        }
        assert_eq!(fault("BYE sip:b@b SIP/2.0\r\nl: 5\r\nl: 5\r\n\r\n12345"), None, "the parser's affair");
    }

    #[test]
    fn garbage_is_known_by_its_first_octets_or_its_first_line() {
        for garbage in ["\u{16}\u{3}\u{1}", "GET / HTTP/1.1\r\n", "\0", "a:b\r\n", "é", " OPTIONS", "<xml>"]
        {
            assert_eq!(fault(garbage), Some(StreamError::Garbage), "{garbage:?}");
        }
        assert_eq!(fault(&"A".repeat(1000)), Some(StreamError::Garbage));
    }

    #[test]
    fn every_bound_is_kept() {
        let long_line = format!("INVITE sip:{}", "a".repeat(limits::START_LINE_BYTES_MAX));
        assert_eq!(fault(&long_line), Some(StreamError::HeadTooLong));
        let long_head =
            format!("BYE sip:b SIP/2.0\r\n{}", "a: b\r\n".repeat(limits::STREAM_HEAD_BYTES_MAX / 6));
        assert_eq!(fault(&long_head), Some(StreamError::HeadTooLong));
        for length in ["65535", "99999999999999999999999999"] {
            let text = format!("BYE sip:b@b SIP/2.0\r\nl: {length}\r\n\r\n");
            assert_eq!(fault(&text), Some(StreamError::TooLong), "{length}");
        }
    }

    #[test]
    fn a_stream_that_has_failed_says_so_for_ever_and_holds_nothing() {
        let mut framer = Framer::new();
        framer.push(b"\0");
        assert_eq!(framer.poll(), Err(StreamError::Garbage));
        framer.push(&options(1, 0));
        assert_eq!(framer.poll(), Err(StreamError::Garbage));
        assert!(framer.buffer.is_empty() && !framer.is_mid_message());
    }
}
