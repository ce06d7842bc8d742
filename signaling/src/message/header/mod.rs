//! Headers as a list that keeps order and spelling, and the names that the stack itself reads.

use bytes::Bytes;

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

/// A header's name: compared without case, with its compact form (RFC 3261 §7.3.3), written as it came.
#[derive(Clone, Debug)]
pub struct Name(Bytes);

impl Name {
    /// The name as it is written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is `name` (long form), in any case or as its compact form.
    pub fn is(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name.as_bytes())
    }
}

impl From<&'static str> for Name {
    fn from(name: &'static str) -> Self {
        Self(Bytes::from_static(name.as_bytes()))
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Name {}

impl Headers {
    /// All headers in order.
    pub fn iter(&self) -> impl Iterator<Item = &Header> {
        self.0.iter()
    }

    /// The value of the first header of this name.
    pub fn first(&self, name: &str) -> Option<&Bytes> {
        self.0.iter().find(|header| header.name.is(name)).map(|header| &header.value)
    }

    /// The values of all headers of this name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Bytes> {
        self.0.iter().filter(move |header| header.name.is(name)).map(|header| &header.value)
    }

    /// Appends a header.
    pub fn push(&mut self, name: impl Into<Name>, value: impl Into<Bytes>) {
        self.0.push(Header { name: name.into(), value: value.into() });
    }
}
