//! SIP messages (RFC 3261 §7). A message keeps what it does not understand: unknown headers, spelling, order and
//! values that are not UTF-8 go out as they came in.

mod header;

pub use header::{Header, Headers, Name};

use bytes::Bytes;

/// A SIP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

/// A SIP request (RFC 3261 §7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// The Request-URI as it stands in the message; `Uri::parse` reads it.
    pub uri: Bytes,
    /// The headers, in order.
    pub headers: Headers,
    /// The body; Content-Length is written from it.
    pub body: Bytes,
}

/// A SIP response (RFC 3261 §7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// 100–699.
    pub status: u16,
    /// The reason phrase, without its line end.
    pub reason: Bytes,
    /// The headers, in order.
    pub headers: Headers,
    /// The body; Content-Length is written from it.
    pub body: Bytes,
}

/// A request method; compared with case (RFC 3261 §7.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the method of its name")]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Register,
    Refer,
    Notify,
    Subscribe,
    Info,
    Update,
    Prack,
    Message,
    Publish,
    /// Any other token.
    Other(Bytes),
}
