//! SIP messages (RFC 3261 §7). A message keeps what it does not understand: unknown headers, spelling, order and
//! values that are not UTF-8 go out as they came in.
//!
//! Everything is a slice of the buffer a message came in. What it leaves out: framing on streams, SDP, and what a
//! message means.

mod build;
pub mod escape;
pub mod header;
mod method;
mod params;
mod parse;
pub mod reason;
mod scan;
pub mod sipfrag;
pub mod uri;
mod uri_compare;
mod write;

pub use header::{CSeq, Field, Header, HeaderError, Headers, Name, NameAddr, Via};
pub use method::Method;
pub use params::Params;
pub use parse::{Fault, ParseError};
pub use scan::SyntaxError;
pub use uri::{Host, SipUri, TelUri, Uri};

use std::fmt;

use bytes::Bytes;

use crate::sdp::masked;

/// A SIP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

/// A SIP request (RFC 3261 §7.1).
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// The Request-URI as it stands in the message; [`Uri::parse`] reads it.
    pub uri: Bytes,
    /// The headers, in order.
    pub headers: Headers,
    /// The body; Content-Length is written from it.
    pub body: Bytes,
}

/// A SIP response (RFC 3261 §7.2).
#[derive(Clone, PartialEq, Eq)]
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

impl fmt::Debug for Request {
    /// A body may hold keys (RFC 4568): it is shown without them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Request");
        shown.field("method", &self.method).field("uri", &self.uri).field("headers", &self.headers);
        shown.field("body", &masked(&self.body)).finish()
    }
}

impl fmt::Debug for Response {
    /// A body may hold keys (RFC 4568): it is shown without them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Response");
        shown.field("status", &self.status).field("reason", &self.reason).field("headers", &self.headers);
        shown.field("body", &masked(&self.body)).finish()
    }
}

impl Message {
    /// The headers, of either kind.
    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// The body, of either kind.
    pub fn body(&self) -> &Bytes {
        match self {
            Self::Request(request) => &request.body,
            Self::Response(response) => &response.body,
        }
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}
