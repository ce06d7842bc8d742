//! Making messages: a request from nothing, a response from the request it answers (RFC 3261 §8.2.6).

use bytes::Bytes;

use super::header::{Field, Header, Headers, Name};
use super::{Method, Request, Response, reason};

impl Request {
    /// A request without headers or body.
    pub fn new(method: Method, uri: impl Into<Bytes>) -> Self {
        Self { method, uri: uri.into(), headers: Headers::new(), body: Bytes::new() }
    }

    /// Appends a header.
    #[must_use]
    pub fn with(mut self, name: impl Into<Name>, value: impl Into<Bytes>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// Gives it a body of type `content_type`.
    #[must_use]
    pub fn with_body(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.headers.set(Field::ContentType, content_type);
        self.body = body.into();
        self
    }
}

impl Response {
    /// The response `status` to `request`, with its usual phrase: Via, From, To, Call-ID and CSeq copied as they
    /// stand, Record-Route too where the response may make a dialog (§12.1.1), Timestamp in a 100 (§8.2.6.1). What
    /// `request` lacks is left out. The caller adds the To tag.
    pub fn to_request(request: &Request, status: u16) -> Self {
        let makes_dialog = matches!(request.method, Method::Invite | Method::Subscribe | Method::Refer)
            && (101..300).contains(&status);
        let is_copied = |header: &&Header| match header.name.field() {
            Some(Field::Via | Field::From | Field::To | Field::CallId | Field::CSeq) => true,
            Some(Field::RecordRoute) => makes_dialog,
            Some(Field::Timestamp) => status == 100,
            _ => false,
        };
        let headers = request.headers.iter().filter(is_copied).cloned().collect();
        let reason = Bytes::from_static(reason::phrase(status).as_bytes());
        Self { status, reason, headers, body: Bytes::new() }
    }

    /// Another reason phrase.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<Bytes>) -> Self {
        self.reason = reason.into();
        self
    }

    /// Appends a header.
    #[must_use]
    pub fn with(mut self, name: impl Into<Name>, value: impl Into<Bytes>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// Gives it a body of type `content_type`.
    #[must_use]
    pub fn with_body(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.headers.set(Field::ContentType, content_type);
        self.body = body.into();
        self
    }

    /// Adds `tag` to To unless it has one; nothing happens to a To that cannot be read.
    pub fn set_to_tag(&mut self, tag: &[u8]) {
        if let Ok(to) = self.headers.to()
            && to.tag().is_none()
        {
            self.headers.set_first(Field::To, to.with_tag(tag).to_bytes());
        }
    }

    /// 100–199.
    pub fn is_provisional(&self) -> bool {
        self.status < 200
    }

    /// 200–299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// 200–699.
    pub fn is_final(&self) -> bool {
        self.status >= 200
    }
}
