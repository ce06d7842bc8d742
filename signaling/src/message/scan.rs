//! The small scanner that every typed reader of this module stands on: tokens, quoted strings, white space and
//! comma lists (RFC 3261 §25.1). It works on values whose folds have been joined, so white space is SP and HTAB.

use bytes::{BufMut, Bytes, BytesMut};

use crate::limits;

/// A value that does not follow its grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SyntaxError {
    /// The octet of the value where reading stopped.
    pub at: usize,
}

impl std::fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "bad syntax at octet {}", self.at)
    }
}

impl std::error::Error for SyntaxError {}

const TOKEN: [bool; 256] = token_table();

const fn token_table() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric()
            || matches!(b, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        byte += 1;
    }
    table
}

/// Whether `byte` may stand in a token.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// Whether `bytes` is a token: not empty, token octets only.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

/// Whether `byte` is white space inside a value.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// `bytes` without the white space around it.
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    let Some(start) = bytes.iter().position(|&byte| !is_space(byte)) else {
        return &[];
    };
    let end = bytes.iter().rposition(|&byte| !is_space(byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}

/// [`trim`] that shares `bytes`.
pub(crate) fn trim_shared(bytes: &Bytes) -> Bytes {
    bytes.slice_ref(trim(bytes))
}

/// A decimal number that fits its type; digits only, leading zeros allowed.
pub(crate) fn number<T: TryFrom<u64>>(digits: &[u8]) -> Option<T> {
    if digits.is_empty() {
        return None;
    }
    let mut value = 0_u64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    T::try_from(value).ok()
}

/// The text of a quoted string or of anything else as it stands: `"a \"b\""` → `a "b"`.
pub(crate) fn unquote(raw: &Bytes) -> Bytes {
    let Some(inner) = raw.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
        return raw.clone();
    };
    if !inner.contains(&b'\\') {
        return raw.slice_ref(inner);
    }
    let mut text = BytesMut::with_capacity(inner.len());
    let mut escaped = false;
    for &byte in inner {
        if byte == b'\\' && !escaped {
            escaped = true;
        } else {
            text.put_u8(byte);
            escaped = false;
        }
    }
    text.freeze()
}

/// `text` as a quoted string; octets that cannot be carried (CR, LF, NUL) become spaces.
pub(crate) fn quote(text: &[u8]) -> Bytes {
    let mut quoted = BytesMut::with_capacity(text.len() + 2);
    quoted.put_u8(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => quoted.put_slice(&[b'\\', byte]),
            b'\r' | b'\n' | 0 => quoted.put_u8(b' '),
            _ => quoted.put_u8(byte),
        }
    }
    quoted.put_u8(b'"');
    quoted.freeze()
}

/// A position in a value.
#[derive(Clone)]
pub(crate) struct Scan<'a> {
    whole: &'a Bytes,
    at: usize,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(whole: &'a Bytes) -> Self {
        Self { whole, at: 0 }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.whole[self.at..]
    }

    pub(crate) fn rest_shared(&self) -> Bytes {
        self.whole.slice(self.at..)
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.whole.get(self.at).copied()
    }

    pub(crate) fn advance(&mut self, octets: usize) {
        self.at = (self.at + octets).min(self.whole.len());
    }

    pub(crate) fn is_end(&self) -> bool {
        self.at == self.whole.len()
    }

    pub(crate) fn since(&self, start: usize) -> Bytes {
        self.whole.slice(start..self.at)
    }

    pub(crate) fn error(&self) -> SyntaxError {
        SyntaxError { at: self.at }
    }

    pub(crate) fn skip_space(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
    }

    /// Takes `byte` if it is next.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let next = self.peek() == Some(byte);
        self.at += usize::from(next);
        next
    }

    /// `eat` with white space around it allowed (the grammar's SEMI, EQUAL, SLASH, COLON …).
    pub(crate) fn eat_spaced(&mut self, byte: u8) -> bool {
        let start = self.at;
        self.skip_space();
        if self.eat(byte) {
            self.skip_space();
            return true;
        }
        self.at = start;
        false
    }

    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), SyntaxError> {
        if self.eat(byte) { Ok(()) } else { Err(self.error()) }
    }

    /// The octets that `wanted` holds for, possibly none.
    pub(crate) fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> Bytes {
        let start = self.at;
        self.skip_while(wanted);
        self.since(start)
    }

    pub(crate) fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        self.at += self.rest().iter().position(|&byte| !wanted(byte)).unwrap_or(self.rest().len());
    }

    pub(crate) fn token(&mut self) -> Result<Bytes, SyntaxError> {
        let token = self.take_while(is_token_byte);
        if token.is_empty() { Err(self.error()) } else { Ok(token) }
    }

    /// A decimal number.
    pub(crate) fn number<T: TryFrom<u64>>(&mut self) -> Result<T, SyntaxError> {
        let start = self.at;
        self.skip_while(|byte| byte.is_ascii_digit());
        number(&self.whole[start..self.at]).ok_or(SyntaxError { at: start })
    }

    /// A quoted string with its quotes, as it stands.
    pub(crate) fn quoted(&mut self) -> Result<Bytes, SyntaxError> {
        let start = self.at;
        self.expect(b'"')?;
        loop {
            match self.peek() {
                None => return Err(SyntaxError { at: start }),
                Some(b'"') => break,
                // An escape takes the next octet, whatever it is.
                Some(b'\\') => self.advance(2),
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(self.since(start))
    }

    /// Nothing but white space may follow.
    pub(crate) fn end(&mut self) -> Result<(), SyntaxError> {
        self.skip_space();
        if self.is_end() { Ok(()) } else { Err(self.error()) }
    }
}

/// Cuts `value` at `separator` outside quoted strings and angle brackets; each piece without white space around it.
/// At most [`limits::LIST_ITEMS_MAX`] pieces; the rest is not read.
pub(crate) fn split(value: &Bytes, separator: u8) -> impl Iterator<Item = Bytes> {
    let mut at = Some(0);
    std::iter::from_fn(move || {
        let start = at?;
        let end = start + piece_len(&value[start..], separator);
        at = (end < value.len()).then_some(end + 1);
        Some(value.slice_ref(trim(&value[start..end])))
    })
    .take(limits::LIST_ITEMS_MAX)
}

/// Octets up to the next `separator` outside quotes and brackets. An unbalanced quote takes the rest.
fn piece_len(bytes: &[u8], separator: u8) -> usize {
    let (mut quoted, mut bracketed, mut at) = (false, false, 0);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if quoted => at += 1,
            b'"' if !bracketed => quoted = !quoted,
            b'<' if !quoted => bracketed = true,
            b'>' if !quoted => bracketed = false,
            _ if byte == separator && !quoted && !bracketed => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}
