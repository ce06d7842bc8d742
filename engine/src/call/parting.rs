//! What a far end says when it ends its leg, passed on to whoever was behind it: Reason (RFC 3326), User-to-User of a BYE
//! (RFC 7433), Retry-After of a refusal (RFC 3261 §20.33). Where it says nothing, the end's own row speaks.
//!
//! Left out: what its end leads to.

use bytes::Bytes;
use serde::Serialize;

use baton_signaling::message::header::{Reason, RetryAfter};

use crate::call::call::Call;
use crate::call::settings::matches_pattern;
use crate::call::{EndReason, Header, Role, SipEvent};
use crate::key::LegId;

/// Reasons that are passed on of one message: RFC 3326 §2 allows one for each protocol, and there are two.
const REASONS_MAX: usize = 4;
/// Longest value that is passed on, in bytes: a Reason's text is a line, User-to-User carries 128 octets as hex and more.
const VALUE_BYTES_MAX: usize = 512;
/// The longest wait that a far end may ask of a caller, in seconds.
const RETRY_SECONDS_MAX: u32 = 3600;

/// The last words of a far end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Parting {
    /// Each a value of Reason, of different protocols.
    pub(crate) reasons: Vec<String>,
    user_to_user: Vec<String>,
    retry_after: Option<u32>,
}

impl Parting {
    /// Reads the headers of a message that ends a leg.
    fn read(headers: &[Header]) -> Self {
        let mut parting = Self::default();
        let values = |wanted: &'static str| {
            let named = headers.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(wanted));
            named.map(|(_, value)| value)
        };
        let mut protocols: Vec<Bytes> = Vec::new();
        for reason in values("Reason").filter_map(|value| Reason::parse_list(value).ok()).flatten() {
            let known = protocols.iter().any(|other| other.eq_ignore_ascii_case(&reason.protocol));
            let text = reason.to_bytes();
            if !known && protocols.len() < REASONS_MAX && text.len() <= VALUE_BYTES_MAX {
                protocols.push(reason.protocol);
                parting.reasons.push(String::from_utf8_lossy(&text).into_owned());
            }
        }
        for value in values("User-to-User").filter(|value| value.len() <= VALUE_BYTES_MAX).take(REASONS_MAX) {
            parting.user_to_user.push(String::from_utf8_lossy(value).into_owned());
        }
        let seconds = values("Retry-After").find_map(|value| RetryAfter::parse(value).ok());
        parting.retry_after = seconds.map(|it| it.seconds.min(RETRY_SECONDS_MAX));
        parting
    }

    /// The Reasons as headers, with `own` for Q.850 if they have none of it.
    fn reason_headers(&self, own: Header) -> Vec<Header> {
        let is_q850 = |value: &String| value.get(..5).is_some_and(|head| head.eq_ignore_ascii_case("Q.850"));
        let mut headers: Vec<Header> =
            self.reasons.iter().map(|value| ("Reason".to_owned(), Bytes::from(value.clone()))).collect();
        if !self.reasons.iter().any(is_q850) {
            headers.push(own);
        }
        headers
    }
}

impl Call {
    /// Notes the last words of a leg.
    pub(super) fn hear_parting(&mut self, id: LegId, event: &SipEvent) {
        let (SipEvent::Bye { headers } | SipEvent::Cancelled { headers } | SipEvent::Refused { headers, .. }) =
            event
        else {
            return;
        };
        let parting = Parting::read(headers);
        if let Some(leg) = self.leg_mut(id) {
            leg.parting = parting;
        }
    }

    /// The last words of whoever has brought about the call's end.
    fn parting(&self, end: EndReason) -> Option<&Parting> {
        use EndReason::{
            AgentHungUp, AiBusy, AiDown, AiHungUp, AiRefused, AiSilent, CallerCancelled, CallerHungUp,
        };
        let role = match end {
            CallerHungUp | CallerCancelled => return Some(&self.caller().parting),
            AiHungUp | AiBusy | AiDown | AiRefused | AiSilent => Role::Ai,
            AgentHungUp => Role::Agent,
            _ => return None,
        };
        let over = self.legs.iter().filter(|leg| leg.role == role && !leg.is_live());
        over.max_by_key(|leg| (leg.ended, leg.id)).map(|leg| &leg.parting)
    }

    /// The headers of messages that end legs: Reason (RFC 3326 §2), of whoever brought it about and by the call's end, or
    /// of an ordinary clearing.
    pub(super) fn last_words(&self) -> Vec<Header> {
        let Some(end) = self.end else {
            return vec![("Reason".to_owned(), Bytes::from_static(b"Q.850;cause=16;text=\"leg released\""))];
        };
        let own = end.reason_header();
        let Some(parting) = self.parting(end) else { return vec![own] };
        let mut headers = parting.reason_headers(own);
        if self.carries("User-to-User") {
            let values = parting.user_to_user.iter();
            headers.extend(
                values.map(|value| ("User-to-User".to_owned(), Bytes::copy_from_slice(value.as_bytes()))),
            );
        }
        headers
    }

    /// When a caller that is refused may try again, in seconds.
    pub(super) fn retry_after(&self, end: EndReason) -> Option<u32> {
        let own = end.retry_after()?;
        Some(self.parting(end).and_then(|parting| parting.retry_after).unwrap_or(own))
    }

    /// Whether the flow lets a header of this name through.
    fn carries(&self, name: &str) -> bool {
        let rules = self.flow.map(|flow| &self.settings.flows[flow].context);
        rules.is_some_and(|rules| rules.allow.iter().any(|pattern| matches_pattern(pattern, name)))
    }

    /// Why the last person who has given a reason did not come, for the one who asked for a person.
    pub(super) fn refusal_of_person(&self, since: u16) -> Vec<Header> {
        let asked = self.legs.iter().filter(|leg| leg.role == Role::Agent && leg.id.0 > since);
        let spoken = asked.filter(|leg| !leg.parting.reasons.is_empty());
        let last = spoken.max_by_key(|leg| (leg.ended, leg.id));
        let reasons = last.map(|leg| &leg.parting.reasons[..]).unwrap_or_default();
        reasons.iter().map(|value| ("Reason".to_owned(), Bytes::from(value.clone()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &'static str) -> Header {
        (name.to_owned(), Bytes::from_static(value.as_bytes()))
    }

    #[test]
    fn one_reason_of_each_protocol_is_kept_and_what_is_none_is_not() {
        let parting = Parting::read(&[
            header("reason", "Q.850;cause=31;text=\"a, b\", SIP ;cause=480"),
            header("Reason", "q.850;cause=16"),
            header("Reason", ";;"),
            header("Retry-After", "99999 (later)"),
            header("User-to-User", "3132;encoding=hex"),
        ]);
        assert_eq!(parting.reasons, ["Q.850;cause=31;text=\"a, b\"", "SIP;cause=480"]);
        assert_eq!(parting.retry_after, Some(RETRY_SECONDS_MAX));
        assert_eq!(parting.user_to_user, ["3132;encoding=hex"]);
    }

    #[test]
    fn our_cause_is_said_where_theirs_is_missing() {
        let own = || header("Reason", "Q.850;cause=16");
        let with = |value| Parting::read(&[header("Reason", value)]).reason_headers(own());
        assert_eq!(with("SIP;cause=200"), [header("Reason", "SIP;cause=200"), own()]);
        assert_eq!(with("q.850;cause=31"), [header("Reason", "q.850;cause=31")]);
        assert_eq!(Parting::default().reason_headers(own()), [own()]);
    }
}
