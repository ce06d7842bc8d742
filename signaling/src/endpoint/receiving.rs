//! Requests of theirs: which transaction and dialog they belong to, and what is wrong with them (RFC 3261 §8.2).

use bytes::Bytes;

use super::answering::{Reply, note_source};
use super::session::supports_timer;
use super::{Counters, Endpoint, Event, Flow};
use crate::Time;
use crate::limits;
use crate::message::{Field, Method, ParseError, Request, Uri};
use crate::session_timer::is_too_small;
use crate::transaction::key::Identity;

impl Endpoint {
    pub(super) fn handle_request(&mut self, now: Time, flow: Flow, mut request: Request) {
        self.counters.requests_received[Counters::index(&request.method)] += 1;
        let Ok(mut identity) = Identity::of(&request) else { return self.counters.malformed += 1 };
        note_source(&mut request, &mut identity, flow);
        let key = match request.method {
            Method::Ack => return self.handle_ack(now, &identity, request),
            ref method => identity.server_key(&request, method),
        };
        if let Some(id) = self.table.find_server(&key) {
            return self.repeat(id);
        }
        if self.is_overloaded(&identity) {
            self.counters.rejected.overload += 1;
            let reply = unavailable(limits::RETRY_AFTER_OVERLOAD_SECONDS);
            return self.reply_stateless(&identity, flow, &request, reply);
        }
        if identity.merge_key(&request.method).is_some_and(|key| self.table.is_merged(&key)) {
            self.counters.rejected.merged += 1;
            return self.reply_stateless(&identity, flow, &request, Reply::new(482));
        }
        let id = self.serve(key, &identity, flow, request.clone());
        match self.objection(flow, &request) {
            Some(reply) => self.refuse(now, id, reply),
            None if request.method == Method::Cancel => self.handle_cancel(now, id, &identity, request),
            None if identity.to_tag.is_empty() => self.handle_outside(now, id, &identity, flow, request),
            None => self.handle_within(now, id, &identity, flow, request),
        }
    }

    /// A request that cannot be read but can be answered.
    pub(super) fn refuse_malformed(&mut self, flow: Flow, error: &ParseError) {
        let identity = error.request.as_deref().and_then(|request| {
            self.counters.requests_received[Counters::index(&request.method)] += 1;
            Identity::of(request).ok()
        });
        match (error.response(), identity, error.request.as_deref()) {
            (Some(response), Some(mut identity), Some(request)) => {
                match response.status {
                    505 => self.counters.rejected.version += 1,
                    _ => self.counters.rejected.bad_request += 1,
                }
                let mut request = request.clone();
                note_source(&mut request, &mut identity, flow);
                let reply = Reply { reason: response.reason, ..Reply::new(response.status) };
                self.reply_stateless(&identity, flow, &request, reply);
            }
            (Some(response), None, _) => {
                // Without tags, Call-ID or CSeq there is no transaction to match, but Via says where to answer.
                self.counters.rejected.bad_request += 1;
                let method = error.request.as_deref().map(|request| &request.method);
                self.counters.responses_sent.count(method, response.status);
                self.transmit(flow, response.to_bytes());
            }
            _ => self.counters.malformed += 1,
        }
    }

    /// New work is refused at the limit; what belongs to a living dialog is not, up to twice the limit.
    fn is_overloaded(&self, identity: &Identity) -> bool {
        let limit = self.config.transactions_max;
        let is_ours = self.leg_of.contains_key(&(identity.call_id.clone(), identity.to_tag.clone()));
        self.table.len() >= if is_ours { limit.saturating_mul(2) } else { limit }
    }

    /// Answers with a refusal that the endpoint decides by itself.
    pub(super) fn refuse(&mut self, now: Time, id: u64, reply: Reply) {
        let tag = self.random.token("");
        self.reply(now, id, &tag, reply);
    }

    /// 481.
    pub(super) fn refuse_unknown(&mut self, now: Time, id: u64) {
        self.counters.rejected.unknown += 1;
        self.refuse(now, id, Reply::new(481));
    }

    /// What is wrong with a request whoever it is for, in the order of §8.2.
    fn objection(&mut self, flow: Flow, request: &Request) -> Option<Reply> {
        let rejected = &mut self.counters.rejected;
        if let Method::Other(_) = request.method {
            rejected.method += 1;
            return Some(Reply::new(501));
        }
        let always = [Method::Invite, Method::Ack, Method::Bye, Method::Cancel, Method::Options];
        // Whoever takes REFER has to let its subscription be refreshed (RFC 3515 §2.4.4).
        let counterpart = if request.method == Method::Subscribe { &Method::Refer } else { &request.method };
        if !always.contains(&request.method) && !self.config.allow.contains(counterpart) {
            rejected.method += 1;
            return Some(Reply::new(405));
        }
        // §8.2.2.1: sips asks for TLS all the way.
        let (uri, secure) = (Uri::parse(&request.uri), flow.transport.is_secure());
        if !matches!(&uri, Ok(Uri::Sip(uri)) if secure || !uri.secure) && !matches!(&uri, Ok(Uri::Tel(_))) {
            rejected.uri += 1;
            return Some(Reply::new(416));
        }
        if request.method == Method::Cancel {
            // §8.2.2.3: Require does not count in CANCEL.
            return None;
        }
        let supported = |tag: &Bytes| self.config.supported.iter().any(|ours| ours.as_bytes() == &tag[..]);
        let unknown: Vec<Bytes> =
            request.headers.tokens(Field::Require).filter(|tag| !supported(tag)).collect();
        if !unknown.is_empty() {
            rejected.extension += 1;
            return Some(Reply::new(420).with(Field::Unsupported, unknown.join(&b", "[..])));
        }
        let refreshes = matches!(request.method, Method::Invite | Method::Update);
        let asked = request.headers.session_expires().filter(|_| refreshes);
        if is_too_small(asked, supports_timer(&request.headers)) {
            rejected.interval += 1;
            return Some(Reply::new(422).with(Field::MinSe, limits::SESSION_SECONDS_MIN.to_string()));
        }
        self.content_objection(request)
    }

    fn content_objection(&mut self, request: &Request) -> Option<Reply> {
        if request.body.is_empty() {
            return None;
        }
        let is_optional = request.headers.value(Field::ContentDisposition).is_some_and(|value| {
            value.to_ascii_lowercase().windows(17).any(|part| part == b"handling=optional")
        });
        let encoded = request.headers.tokens(Field::ContentEncoding).any(|token| token != "identity");
        let offers = matches!(request.method, Method::Invite | Method::Update);
        let reply = if encoded {
            Reply::new(415).with(Field::AcceptEncoding, "identity")
        } else if offers && !is_optional && !has_description(request) {
            Reply::new(415).with(Field::Accept, ACCEPT)
        } else {
            return None;
        };
        self.counters.rejected.content += 1;
        Some(reply)
    }

    fn handle_outside(&mut self, now: Time, id: u64, identity: &Identity, flow: Flow, request: Request) {
        match request.method {
            Method::Invite => self.handle_invite(now, id, identity, flow, request),
            Method::Options => {
                self.answer_options(now, id, !self.draining);
                self.events.push_back(Event::Probed { flow });
            }
            // A REFER without a call to hand off (RFC 3515 allows them) is not for us, nor is a subscription.
            Method::Refer => self.refuse(now, id, Reply::new(403)),
            Method::Subscribe => self.refuse(now, id, bad_event()),
            _ => self.refuse_unknown(now, id),
        }
    }

    /// OPTIONS are answered as an INVITE would be (§11.2).
    pub(super) fn answer_options(&mut self, now: Time, id: u64, available: bool) {
        let reply = if available {
            let reply = Reply::new(200)
                .with(Field::Accept, ACCEPT)
                .with(Field::AcceptEncoding, "identity")
                .with(Field::AcceptLanguage, "en");
            reply.with(Field::Supported, self.config.supported.join(", "))
        } else {
            self.counters.rejected.draining += 1;
            unavailable(limits::RETRY_AFTER_DRAINING_SECONDS)
        };
        self.refuse(now, id, reply);
    }
}

/// What an INVITE may carry.
const ACCEPT: &str = "application/sdp, multipart/mixed";

/// 489 with the one event there is (RFC 6665 §4.1.2.1).
pub(super) fn bad_event() -> Reply {
    Reply::new(489).with(Field::AllowEvents, "refer")
}

/// 503 with the time to try again.
pub(super) fn unavailable(seconds: u32) -> Reply {
    Reply::new(503).with(Field::RetryAfter, seconds.to_string())
}

/// Whether the body is a session description or has one among its parts.
fn has_description(request: &Request) -> bool {
    let kind = request.headers.value(Field::ContentType).map(|value| value.to_ascii_lowercase());
    let kind = kind.unwrap_or_default();
    let sdp = b"application/sdp";
    kind.starts_with(sdp)
        || kind.starts_with(b"multipart/")
            && request.body.windows(sdp.len()).any(|part| part.eq_ignore_ascii_case(sdp))
}
