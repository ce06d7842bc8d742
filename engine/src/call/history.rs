//! Where a call has been: History-Info (RFC 7044) and Diversion (RFC 5806) tell a person's phone that the AI was called
//! first and why the call is not with it any more. The AI is shown as its peer's name at our host, which leads back to it;
//! its address is nobody's business.
//!
//! Left out: places between agents. One person need not know who would not take the call.

use bytes::Bytes;
use serde::Serialize;

use baton_signaling::message::header::{DiversionReason, HistoryEntry, NameAddr, Reason, diversion};
use baton_signaling::message::{Uri, escape};

use crate::call::call::Call;
use crate::call::leg::Leg;
use crate::call::{EndReason, Header, Role};

/// Places of a caller's own history that are passed on: a call that was sent on more often has been in a loop.
const PLACES_MAX: usize = 8;
/// Most bytes of them: a message has to fit a datagram.
const PAST_BYTES_MAX: usize = 768;

/// Where a call was before it came to us.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Past {
    /// History-Info as it came.
    places: Vec<String>,
    /// The index of its last place: what was called here.
    index: Vec<u32>,
    /// Diversion as it came, the latest first.
    diversions: Vec<String>,
    /// Why the AI did not take the call.
    pub(crate) ai_failure: Option<EndReason>,
}

impl Past {
    pub(super) fn read(headers: &[Header]) -> Self {
        let values = |wanted: &'static str| {
            let named = headers.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(wanted));
            named.map(|(_, value)| value)
        };
        if values("Privacy").any(hides_history) {
            return Self::default();
        }
        let places: Result<Vec<_>, _> = values("History-Info").map(HistoryEntry::parse_list).collect();
        let places: Vec<HistoryEntry> = places.unwrap_or_default().into_iter().flatten().collect();
        let diversions: Result<Vec<_>, _> = values("Diversion").map(NameAddr::parse_list).collect();
        let diversions: Vec<NameAddr> = diversions.unwrap_or_default().into_iter().flatten().collect();
        let index = places.last().map(|last| last.index.clone()).unwrap_or_default();
        let past = Self {
            places: places.iter().map(|place| text(&place.to_bytes())).collect(),
            index,
            diversions: diversions.iter().map(|party| text(&party.to_bytes())).collect(),
            ai_failure: None,
        };
        let bytes: usize = past.places.iter().chain(&past.diversions).map(String::len).sum();
        // A part of it would be another story.
        let fits = bytes <= PAST_BYTES_MAX && past.places.len().max(past.diversions.len()) <= PLACES_MAX;
        if fits { past } else { Self::default() }
    }
}

impl Call {
    /// History-Info and Diversion of an INVITE of ours.
    pub(super) fn history_for(&self, leg: &Leg) -> Vec<Header> {
        let hidden = self.settings.peers.get(&leg.peer).is_some_and(|peer| peer.history_hidden);
        match leg.role {
            _ if hidden => Vec::new(),
            Role::Caller => Vec::new(),
            Role::Ai => self.history_for_ai(),
            Role::Agent => self.history_for_agent(leg).unwrap_or_default(),
        }
    }

    /// To the AI goes what came; a call that was nowhere before has no history.
    fn history_for_ai(&self) -> Vec<Header> {
        let past = &self.past;
        let mut headers = Vec::new();
        if !past.places.is_empty() {
            headers.push(("History-Info".to_owned(), Bytes::from(past.places.join(", "))));
        }
        headers.extend(self.earlier_diversions());
        headers
    }

    fn earlier_diversions(&self) -> impl Iterator<Item = Header> + '_ {
        let values = self.past.diversions.iter();
        values.map(|value| ("Diversion".to_owned(), Bytes::copy_from_slice(value.as_bytes())))
    }

    fn history_for_agent(&self, leg: &Leg) -> Option<Vec<Header>> {
        let host = &self.settings.from_host;
        let uri = |user: &str| {
            let user = escape::encode_user(user.as_bytes());
            let at = if user.is_empty() { "" } else { "@" };
            address(&format!("sip:{}{at}{host}", text(&user)))
        };
        let ai = uri(&self.flow_settings().ai)?;
        let mut places = self.past.places.clone();
        let called = if places.is_empty() {
            let called = HistoryEntry::new(uri(&self.user)?, vec![1]);
            places.push(text(&called.to_bytes()));
            called
        } else {
            HistoryEntry::new(ai.clone(), self.past.index.clone())
        };
        let (reason, why) = self.why_not_the_ai();
        let first = mapped(HistoryEntry::new(ai.clone(), called.child(1)), &called).with_reason(&reason);
        let person = mapped(HistoryEntry::new(address(&leg.uri)?, called.child(2)), &first);
        places.extend([first, person].iter().map(|place| text(&place.to_bytes())));
        let mut headers = vec![
            ("History-Info".to_owned(), Bytes::from(places.join(", "))),
            ("Diversion".to_owned(), diversion(ai, why)),
        ];
        headers.extend(self.earlier_diversions());
        Some(headers)
    }

    /// Why the call is not with the AI, in the words of either header.
    fn why_not_the_ai(&self) -> (Reason, DiversionReason) {
        let answered = self.legs.iter().any(|leg| leg.role == Role::Ai && leg.answered.is_some());
        match self.past.ai_failure.filter(|_| !answered) {
            None => (Reason::new("SIP", 200, b"answered, then handed over"), DiversionReason::Deflection),
            Some(failure) => {
                let row = failure.row();
                let why = match failure {
                    EndReason::AiBusy => DiversionReason::UserBusy,
                    EndReason::AiSilent => DiversionReason::NoAnswer,
                    _ => DiversionReason::Unavailable,
                };
                (Reason::new("SIP", row.status, row.text.as_bytes()), why)
            }
        }
    }
}

/// RFC 7044 §8: `mp` says that the place stands for another user than the one before it.
fn mapped(mut place: HistoryEntry, from: &HistoryEntry) -> HistoryEntry {
    let index: Vec<String> = from.index.iter().map(u32::to_string).collect();
    place.address.params.set("mp", Some(index.join(".").as_bytes()));
    place
}

/// RFC 7044 §10.1.2: whoever asks for privacy of its history, its headers or its session asks that it be told to nobody.
fn hides_history(privacy: &Bytes) -> bool {
    let mut words = privacy.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    words.any(|word| [&b"history"[..], b"header", b"session"].iter().any(|it| word.eq_ignore_ascii_case(it)))
}

fn address(uri: &str) -> Option<NameAddr> {
    let uri = Uri::parse(&Bytes::copy_from_slice(uri.as_bytes())).ok()?;
    match uri {
        Uri::Sip(mut sip) => {
            sip.headers = None;
            Some(NameAddr::new(sip.into()))
        }
        other => Some(NameAddr::new(other)),
    }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &'static str) -> Header {
        (name.to_owned(), Bytes::from_static(value.as_bytes()))
    }

    #[test]
    fn where_a_call_was_is_kept_unless_its_caller_wants_privacy() {
        let mut headers = vec![
            header("History-Info", "<sip:a@b>;index=1, <sip:c@d>;index=1.2"),
            header("Diversion", "<sip:a@b>;reason=no-answer"),
        ];
        let past = Past::read(&headers);
        assert_eq!((past.places.len(), past.index.clone(), past.diversions.len()), (2, vec![1, 2], 1));
        headers.push(header("Privacy", "id; history"));
        assert_eq!(Past::read(&headers), Past::default());
    }

    #[test]
    fn a_history_that_is_too_long_or_cannot_be_read_is_none() {
        let endless = Bytes::from(["<sip:a@b>;index=1"; PLACES_MAX + 1].join(","));
        assert_eq!(Past::read(&[("History-Info".to_owned(), endless)]), Past::default());
        assert_eq!(Past::read(&[header("History-Info", "<sip:a@b>")]), Past::default());
    }
}
