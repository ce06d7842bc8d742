//! Between the endpoint's words and a call's: events become inputs, headers change their form.
//!
//! Leaves out which call an event belongs to (`calls`) and what it leads to (`call`).

use baton_signaling::endpoint::{self, Event, Leg};
use baton_signaling::message::{Field, Headers, Name, Request, Uri, header};
use baton_signaling::sdp::Description;
use bytes::Bytes;

use crate::call::{Failure, Header, Incoming, RequestKey, SipEvent};

/// An event of a dialog, in the words of a call.
pub(super) struct Translated {
    /// Whose.
    pub(super) leg: Leg,
    /// What the call is told; `None`: nothing it needs to know.
    pub(super) event: Option<SipEvent>,
    /// The dialog is over.
    pub(super) over: bool,
}

/// Translates what belongs to a dialog that is known; `None` for the rest (a new INVITE, OPTIONS outside dialogs).
pub(super) fn translate(event: Event) -> Option<Translated> {
    let told = |leg, event| Some(Translated { leg, event: Some(event), over: false });
    let last = |leg, event| Some(Translated { leg, event: Some(event), over: true });
    match event {
        Event::Incoming { .. } | Event::Probed { .. } | Event::ProbeReplied { .. } => None,
        // We send no REFER, so no NOTIFY tells of one.
        Event::Notify { leg, .. } => Some(Translated { leg, event: None, over: false }),
        Event::Cancelled { leg, request } => {
            last(leg, SipEvent::Cancelled { headers: headers_of(&request.headers) })
        }
        Event::Progress { leg, response } => {
            let sdp = sdp_of(&response.headers, response.body);
            told(leg, SipEvent::Progress { status: response.status, sdp })
        }
        Event::Answered { leg, response } => {
            let headers = headers_of(&response.headers);
            told(leg, SipEvent::Answered { sdp: sdp_of(&response.headers, response.body), headers })
        }
        Event::Refused { leg, failure, response } => {
            let headers = response.map(|response| headers_of(&response.headers)).unwrap_or_default();
            last(leg, SipEvent::Refused { failure: failure_of(failure), headers })
        }
        Event::Acked { leg, request } => {
            told(leg, SipEvent::Acked { sdp: sdp_of(&request.headers, request.body) })
        }
        Event::NotAcked { leg } => told(leg, SipEvent::NotAcked),
        Event::Bye { leg, request } => last(leg, SipEvent::Bye { headers: headers_of(&request.headers) }),
        Event::Offer { leg, key, request } => {
            let sdp = sdp_of(&request.headers, request.body);
            told(leg, SipEvent::Offer { request: RequestKey(key.0), sdp })
        }
        Event::Refer { leg, key, request } => told(leg, refer(RequestKey(key.0), &request)),
        Event::Info { leg, key, request } => told(leg, info(RequestKey(key.0), request)),
        Event::Reanswered { leg, result } => told(
            leg,
            match result {
                Ok(response) => SipEvent::Reanswered { sdp: sdp_of(&response.headers, response.body) },
                Err(failure) => SipEvent::Rerefused { failure: failure_of(failure) },
            },
        ),
        Event::Replied { leg, result, .. } => {
            Some(Translated { leg, event: is_alive(&result).then_some(SipEvent::Alive), over: false })
        }
        Event::SessionId { leg, uuid } => told(leg, SipEvent::SessionId { uuid: uuid.to_string() }),
        Event::RefreshDue { leg } => told(leg, SipEvent::RefreshDue),
        Event::NotifyFailed { leg, key } => told(leg, SipEvent::NotifyFailed { request: RequestKey(key.0) }),
        Event::Gone { leg, failure } => last(leg, SipEvent::Gone { failure: failure_of(failure) }),
    }
}

/// A new INVITE, in the words of a call.
pub(super) fn incoming(peer: &str, flow: endpoint::Flow, request: Request) -> Incoming {
    Incoming {
        user: user_of(&request.uri),
        peer: peer.to_owned(),
        headers: headers_of(&request.headers),
        sdp: sdp_of(&request.headers, request.body),
        source: flow.remote,
    }
}

fn refer(request: RequestKey, message: &Request) -> SipEvent {
    let refer_to = message.headers.value(Field::ReferTo).cloned().unwrap_or_default();
    SipEvent::Refer { request, refer_to, headers: headers_of(&message.headers) }
}

fn info(key: RequestKey, request: Request) -> SipEvent {
    let content_type = request.headers.value(Field::ContentType);
    let content_type = content_type.map(|value| String::from_utf8_lossy(value).into_owned());
    SipEvent::Info { request: key, content_type: content_type.unwrap_or_default(), body: request.body }
}

/// A far end that says anything but "no such dialog" or "too late" lives; those two also come as `Gone` (RFC 5057).
fn is_alive<T>(result: &Result<T, endpoint::Failure>) -> bool {
    match result {
        Ok(_) => true,
        Err(endpoint::Failure::Status(status)) => !matches!(status, 408 | 481),
        Err(endpoint::Failure::Timeout | endpoint::Failure::Transport | endpoint::Failure::Expired) => false,
    }
}

fn failure_of(failure: endpoint::Failure) -> Failure {
    match failure {
        endpoint::Failure::Status(status) => Failure::Status(status),
        endpoint::Failure::Timeout => Failure::Timeout,
        endpoint::Failure::Transport => Failure::Transport,
        endpoint::Failure::Expired => Failure::Expired,
    }
}

/// The user part of a Request-URI, escapes undone; a `tel:` number is its own user.
fn user_of(uri: &Bytes) -> String {
    let uri = Uri::parse(uri).ok();
    let user = uri.as_ref().and_then(Uri::user).map(baton_signaling::message::escape::decode);
    user.map(|user| String::from_utf8_lossy(&user).into_owned()).unwrap_or_default()
}

/// All headers, in order, but for answers to our challenges, which are nobody else's business.
fn headers_of(headers: &Headers) -> Vec<Header> {
    let name = |name: &Name| String::from_utf8_lossy(name.as_bytes()).into_owned();
    let secret = |name: &Name| matches!(name.field(), Some(Field::Authorization | Field::ProxyAuthorization));
    let shown = headers.iter().filter(|header| !secret(&header.name));
    shown.map(|header| (name(&header.name), header.value.clone())).collect()
}

/// Headers to be sent. A name that is no token is left out; a value is cleaned of what would end its line.
pub(super) fn headers_from(headers: Vec<Header>) -> Headers {
    let mut out = Headers::with_capacity(headers.len());
    for (name, value) in headers {
        if let Some(name) = Name::new(&Bytes::from(name)) {
            out.push(name, header::clean_value(&value));
        }
    }
    out
}

/// The session description of a message: its body, or the part of a multipart body that is one (RFC 5621 §3.1).
fn sdp_of(headers: &Headers, body: Bytes) -> Option<Description> {
    if body.is_empty() {
        return None;
    }
    let Some(content_type) = headers.value(Field::ContentType) else {
        return body.starts_with(b"v=").then(|| body.into());
    };
    if is_type(content_type, b"application/sdp") {
        Some(body.into())
    } else if is_type(content_type, b"multipart/") {
        multipart_sdp(content_type, &body).map(Description)
    } else {
        None
    }
}

fn is_type(value: &[u8], prefix: &[u8]) -> bool {
    value.len() >= prefix.len() && value[..prefix.len()].eq_ignore_ascii_case(prefix)
}

/// The first `application/sdp` part between boundaries (RFC 2046 §5.1.1).
fn multipart_sdp(content_type: &[u8], body: &Bytes) -> Option<Bytes> {
    let text = String::from_utf8_lossy(content_type);
    let at = text.to_ascii_lowercase().find("boundary=")? + "boundary=".len();
    let boundary = text[at..].split(';').next()?.trim().trim_matches('"');
    let delimiter = format!("--{boundary}");
    let mut rest = &body[..];
    while let Some(at) = find(rest, delimiter.as_bytes()) {
        rest = &rest[at + delimiter.len()..];
        let part = &rest[..find(rest, delimiter.as_bytes()).unwrap_or(rest.len())];
        let Some(split) = find(part, b"\r\n\r\n") else { continue };
        let (head, content) = (&part[..split], &part[split + 4..]);
        if find(&head.to_ascii_lowercase(), b"application/sdp").is_some() {
            let content = content.strip_suffix(b"\r\n").unwrap_or(content);
            return Some(body.slice_ref(content));
        }
    }
    None
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len().max(1)).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(content_type: &'static str) -> Headers {
        let mut headers = Headers::default();
        headers.push("Content-Type", content_type);
        headers
    }

    #[test]
    fn the_sdp_of_a_message_is_its_body_by_type() {
        let body = Bytes::from_static(b"v=0\r\n");
        assert_eq!(sdp_of(&typed("Application/SDP"), body.clone()), Some(body.clone().into()));
        assert_eq!(sdp_of(&Headers::default(), body.clone()), Some(body.clone().into()));
        assert_eq!(sdp_of(&typed("application/dtmf-relay"), body), None);
        assert_eq!(sdp_of(&typed("application/sdp"), Bytes::new()), None);
    }

    #[test]
    fn the_sdp_of_a_multipart_body_is_found_between_its_boundaries() {
        let headers = typed("multipart/mixed;boundary=\"xx\"");
        let body = "--xx\r\nContent-Type: text/plain\r\n\r\nhello\r\n--xx\r\nContent-Type: application/sdp\r\n\r\n\
                    v=0\r\ns=-\r\n--xx--\r\n";
        assert_eq!(
            sdp_of(&headers, Bytes::from_static(body.as_bytes())),
            Some(Bytes::from_static(b"v=0\r\ns=-").into())
        );
        assert_eq!(sdp_of(&headers, Bytes::from_static(b"--xx\r\n\r\n--xx--")), None);
        assert_eq!(sdp_of(&typed("multipart/mixed"), Bytes::from_static(b"--\r\n")), None);
    }

    #[test]
    fn headers_to_be_sent_cannot_end_their_line_or_bring_a_second_one() {
        let sent = headers_from(vec![
            ("X-Reason".to_owned(), Bytes::from_static(b"a\r\nEvil: b")),
            ("X Bad".to_owned(), Bytes::from_static(b"c")),
        ]);
        assert_eq!(headers_of(&sent), [("X-Reason".to_owned(), Bytes::from_static(b"a  Evil: b"))]);
    }

    #[test]
    fn the_user_of_a_request_is_read_with_its_escapes_undone() {
        assert_eq!(user_of(&Bytes::from_static(b"sip:a%20b@host;x=y")), "a b");
        assert_eq!(user_of(&Bytes::from_static(b"sip:host")), "");
    }

    #[test]
    fn a_refusal_of_options_still_proves_life_but_481_does_not() {
        let refused = |status| Err::<(), _>(endpoint::Failure::Status(status));
        assert!(is_alive(&refused(405)) && is_alive(&Ok(())));
        assert!(!is_alive(&refused(481)) && !is_alive::<()>(&Err(endpoint::Failure::Timeout)));
    }
}
