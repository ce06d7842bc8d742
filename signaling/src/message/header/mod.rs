//! Headers as a list that keeps order and spelling (RFC 3261 §7.3), and one file per header that the stack reads.
//! The typed readers of the list are in `typed.rs`.

pub mod content_type;
pub mod cseq;
pub mod digest;
pub mod diversion;
pub mod event;
pub mod history_info;
pub mod name;
pub mod name_addr;
pub mod rack;
pub mod reason;
pub mod seconds;
pub mod session_expires;
pub mod session_id;
mod typed;
pub mod user_to_user;
pub mod via;
pub mod warning;

pub use content_type::ContentType;
pub use cseq::CSeq;
pub use digest::{Authorization, Challenge};
pub use diversion::{DiversionReason, diversion};
pub use event::{Event, SubscriptionState, Substate};
pub use history_info::HistoryEntry;
pub use name::{Field, Name};
pub use name_addr::NameAddr;
pub use rack::RAck;
pub use reason::Reason;
pub use seconds::RetryAfter;
pub use session_expires::{Role as SessionRole, SessionExpires};
pub use session_id::{SessionId, Uuid};
pub use user_to_user::UserToUser;
pub use via::Via;
pub use warning::Warning;

use bytes::{BufMut, Bytes, BytesMut};

use super::scan::SyntaxError;

/// The headers of a message, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<Header>);

/// One header line. A comma-separated list stays one line; typed readers split it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name, in the sender's spelling when it is written again.
    pub name: Name,
    /// Its value without surrounding white space, folds joined by one space.
    pub value: Bytes,
}

/// A header that is not as the stack needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeaderError {
    /// It is not there.
    Missing(Field),
    /// It is there more than once, and which one holds cannot be known.
    Repeated(Field),
    /// Its value does not follow its grammar.
    Syntax {
        /// Which.
        field: Field,
        /// The octet of the value where reading stopped.
        at: usize,
    },
}

impl HeaderError {
    /// The header it is about.
    pub fn field(self) -> Field {
        match self {
            Self::Missing(field) | Self::Repeated(field) | Self::Syntax { field, .. } => field,
        }
    }

    pub(crate) fn syntax(field: Field) -> impl Fn(SyntaxError) -> Self {
        move |error| Self::Syntax { field, at: error.at }
    }
}

impl std::fmt::Display for HeaderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(field) => write!(f, "Missing {field}"),
            Self::Repeated(field) => write!(f, "Repeated {field}"),
            Self::Syntax { field, at } => write!(f, "Bad {field} at octet {at}"),
        }
    }
}

impl std::error::Error for HeaderError {}

/// `value` fit to be sent as a header value: CR, LF and NUL, which would end or split the line, become spaces.
pub fn clean_value(value: &Bytes) -> Bytes {
    if !value.iter().any(|&byte| is_unsafe(byte)) {
        return value.clone();
    }
    let mut clean = BytesMut::with_capacity(value.len());
    put_clean(value, &mut clean);
    clean.freeze()
}

/// Appends `value`, cleaned as by [`clean_value`] but for a NUL that came escaped in a quoted string.
pub(crate) fn put_value(value: &[u8], out: &mut BytesMut) {
    match value.iter().position(|&byte| is_unsafe(byte)) {
        None => out.put_slice(value),
        Some(at) => {
            out.put_slice(&value[..at]);
            let mut before = value[..at].last().copied();
            for &byte in &value[at..] {
                let escaped = byte == 0 && before == Some(b'\\');
                out.put_u8(if is_unsafe(byte) && !escaped { b' ' } else { byte });
                before = Some(byte);
            }
        }
    }
}

fn put_clean(value: &[u8], out: &mut BytesMut) {
    out.extend(value.iter().map(|&byte| if is_unsafe(byte) { b' ' } else { byte }));
}

fn is_unsafe(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0)
}

impl Headers {
    /// No headers.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// No headers, with room for `lines`.
    pub fn with_capacity(lines: usize) -> Self {
        Self(Vec::with_capacity(lines))
    }

    /// How many lines.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All headers in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Header> {
        self.0.iter()
    }

    /// The value of the first header of this name.
    pub fn first(&self, name: &str) -> Option<&Bytes> {
        match Field::find(name.as_bytes()) {
            Some(field) => self.value(field),
            None => self.0.iter().find(|header| header.name.is(name)).map(|header| &header.value),
        }
    }

    /// The values of all headers of this name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Bytes> {
        let field = Field::find(name.as_bytes());
        self.0.iter().filter(move |header| is_named(header, field, name)).map(|header| &header.value)
    }

    /// The value of the first header that is `field`.
    pub fn value(&self, field: Field) -> Option<&Bytes> {
        self.0.iter().find(|header| header.name.field() == Some(field)).map(|header| &header.value)
    }

    /// The values of all headers that are `field`, in order.
    pub fn values(&self, field: Field) -> impl Iterator<Item = &Bytes> {
        self.0.iter().filter(move |header| header.name.field() == Some(field)).map(|header| &header.value)
    }

    /// Whether there is a header of this name.
    pub fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// Appends a header.
    pub fn push(&mut self, name: impl Into<Name>, value: impl Into<Bytes>) {
        self.0.push(Header { name: name.into(), value: value.into() });
    }

    /// Puts a header before all others (a Via of ours).
    pub fn push_front(&mut self, name: impl Into<Name>, value: impl Into<Bytes>) {
        self.0.insert(0, Header { name: name.into(), value: value.into() });
    }

    /// Gives the first header of this name the value and takes the others of the name out, or appends it.
    pub fn set(&mut self, name: impl Into<Name>, value: impl Into<Bytes>) {
        let (name, value) = (name.into(), value.into());
        let Some(first) = self.0.iter().position(|header| header.name == name) else {
            self.0.push(Header { name, value });
            return;
        };
        self.0[first].value = value;
        let mut index = 0;
        self.0.retain(|header| {
            index += 1;
            index - 1 <= first || header.name != name
        });
    }

    /// Gives the first header of this name the value and leaves the others, or appends it.
    pub fn set_first(&mut self, name: impl Into<Name>, value: impl Into<Bytes>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|header| header.name == name) {
            Some(header) => header.value = value,
            None => self.0.push(Header { name, value }),
        }
    }

    /// Takes all headers of this name out; how many there were.
    pub fn remove(&mut self, name: &str) -> usize {
        let (before, field) = (self.0.len(), Field::find(name.as_bytes()));
        self.0.retain(|header| !is_named(header, field, name));
        before - self.0.len()
    }

    /// Keeps the headers that `keep` holds for.
    pub fn retain(&mut self, keep: impl FnMut(&Header) -> bool) {
        self.0.retain(keep);
    }
}

fn is_named(header: &Header, field: Option<Field>, name: &str) -> bool {
    match field {
        Some(_) => header.name.field() == field,
        None => header.name.as_bytes().eq_ignore_ascii_case(name.as_bytes()),
    }
}

impl Extend<Header> for Headers {
    fn extend<T: IntoIterator<Item = Header>>(&mut self, headers: T) {
        self.0.extend(headers);
    }
}

impl FromIterator<Header> for Headers {
    fn from_iter<T: IntoIterator<Item = Header>>(headers: T) -> Self {
        Self(headers.into_iter().collect())
    }
}

impl IntoIterator for Headers {
    type Item = Header;
    type IntoIter = std::vec::IntoIter<Header>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = &'a Header;
    type IntoIter = std::slice::Iter<'a, Header>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers() -> Headers {
        let mut headers = Headers::new();
        headers.push("v", "1");
        headers.push("X-A", "a");
        headers.push("VIA", "2");
        headers.push("x-a", "b");
        headers
    }

    fn values(headers: &Headers, name: &str) -> Vec<Bytes> {
        headers.all(name).cloned().collect()
    }

    #[test]
    fn headers_are_found_by_any_spelling_in_order() {
        assert_eq!(values(&headers(), "Via"), ["1", "2"]);
        assert_eq!(values(&headers(), "x-A"), ["a", "b"]);
        assert_eq!(headers().value(Field::Via).unwrap(), "1");
        assert_eq!(headers().first("X-B"), None);
    }

    #[test]
    fn set_replaces_all_and_set_first_only_the_first() {
        let mut one = headers();
        one.set("Via", "3");
        assert_eq!((values(&one, "Via"), one.len()), (vec!["3".into()], 3));
        assert_eq!(one.iter().next().unwrap().name.as_bytes(), b"v");
        let mut two = headers();
        two.set_first("X-A", "c");
        two.set_first("X-B", "d");
        assert_eq!((values(&two, "x-a"), two.len()), (vec!["c".into(), "b".into()], 5));
    }

    #[test]
    fn headers_go_in_front_and_out() {
        let mut list = headers();
        list.push_front("Via", "0");
        assert_eq!(values(&list, "Via"), ["0", "1", "2"]);
        assert_eq!((list.remove("via"), list.remove("X-a"), list.len()), (3, 2, 0));
    }

    #[test]
    fn a_value_cannot_end_its_line() {
        let bad = Bytes::from_static(b"a\r\nX: y\0z");
        assert_eq!(clean_value(&bad), "a  X: y z");
        let mut out = BytesMut::new();
        put_value(&bad, &mut out);
        assert_eq!(out, "a  X: y z");
    }

    #[test]
    fn an_escaped_nul_in_a_quoted_string_goes_out_as_it_came() {
        let mut out = BytesMut::new();
        put_value(b"\"a\\\0\" <sip:a@b>", &mut out);
        assert_eq!(out, &b"\"a\\\0\" <sip:a@b>"[..]);
    }

    #[test]
    fn typed_readers_say_which_header_is_wrong() {
        let mut list = headers();
        assert_eq!(list.from(), Err(HeaderError::Missing(Field::From)));
        list.push("i", "a");
        list.push("Call-ID", "a");
        assert_eq!(list.call_id(), Err(HeaderError::Repeated(Field::CallId)));
        list.push("Max-Forwards", "300");
        assert_eq!(list.max_forwards(), Err(HeaderError::Syntax { field: Field::MaxForwards, at: 0 }));
        list.push("Supported", "replaces, TIMER,");
        list.push("k", "100rel");
        assert!(list.has_token(Field::Supported, "timer") && list.has_token(Field::Supported, "100rel"));
        assert_eq!(list.tokens(Field::Supported).count(), 3);
    }
}
