//! The implicit subscription that a REFER makes (RFC 3515 §2.4.4, RFC 6665), at the end that notifies.
//!
//! It says what the next NOTIFY is to carry and when the subscription is over. It outlives the call that carries it (RFC
//! 5057). Leaves out: the NOTIFY as a message, which the dialog makes.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::Time;
use crate::endpoint::RequestKey;
use crate::limits;
use crate::message::header::clean_value;
use crate::message::{Header, Headers, reason};

/// The subscription of one REFER of theirs.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) key: RequestKey,
    /// The REFER's CSeq.
    pub(crate) cseq: u32,
    /// Whether `cseq` is told as Event's id: for every REFER of a dialog but the first (RFC 3515 §2.4.6).
    with_id: bool,
    expires: Time,
    waiting: VecDeque<Report>,
    last: Report,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The next NOTIFY may leave.
    Idle,
    /// One is on its way; the next waits for its answer, lest they be seen out of order.
    Sent,
    /// The last one is on its way.
    Ending,
    Over,
}

/// How the referred request goes, as one NOTIFY tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Report {
    status: u16,
    reason: Bytes,
    /// Header lines of the fragment, each with its line end.
    lines: Bytes,
}

/// What a NOTIFY carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notification {
    /// Event.
    pub(crate) event: String,
    /// Subscription-State (RFC 6665 §8.2.3).
    pub(crate) state: String,
    /// The body, `message/sipfrag` (RFC 3420): a status line.
    pub(crate) sipfrag: Bytes,
}

impl Subscription {
    /// The REFER has been accepted; the first NOTIFY, 100, is due at once (RFC 6665 §4.2.1.2).
    pub(crate) fn new(key: RequestKey, cseq: u32, with_id: bool, expires: Time) -> Self {
        let trying = Report { status: 100, reason: Bytes::from_static(b"Trying"), lines: Bytes::new() };
        let waiting = VecDeque::from([trying.clone()]);
        Self { key, cseq, with_id, expires, waiting, last: trying, state: State::Idle }
    }

    /// There is news. News after a final status, and the same provisional status again, is none.
    pub(crate) fn report(&mut self, status: u16, phrase: &str, headers: &Headers) {
        let phrase = if phrase.is_empty() { reason::phrase(status) } else { phrase };
        // The phrase may be a far end's: a line end in it would end the status line.
        let reason = clean_value(&Bytes::copy_from_slice(phrase.as_bytes()));
        let report = Report { status, reason, lines: lines_of(headers) };
        if self.last.status >= 200 || self.last == report {
            return;
        }
        if self.waiting.len() >= limits::NOTIFIES_WAITING {
            // The newest of those that wait is overtaken by this one.
            self.waiting.pop_back();
        }
        self.last = report.clone();
        self.waiting.push_back(report);
    }

    /// The subscriber asks for the state and a new expiry by SUBSCRIBE (RFC 6665 §4.2.1).
    pub(crate) fn refresh(&mut self, expires: Time) {
        self.expires = expires;
        if self.waiting.is_empty() {
            self.waiting.push_back(self.last.clone());
        }
    }

    /// The NOTIFY to send, if one is due and the one before has been answered.
    pub(crate) fn poll_notification(&mut self, now: Time) -> Option<Notification> {
        if self.state != State::Idle {
            return None;
        }
        let expired = now >= self.expires;
        let report = match self.waiting.pop_front() {
            Some(report) => report,
            None if expired => self.last.clone(),
            None => return None,
        };
        let (state, text) = if report.status >= 200 {
            (State::Ending, "terminated;reason=noresource".to_owned())
        } else if expired {
            (State::Ending, "terminated;reason=timeout".to_owned())
        } else {
            // Rounded up: not over before it says so.
            let left = self.expires - now;
            let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
            (State::Sent, format!("active;expires={seconds}"))
        };
        self.state = state;
        let event = if self.with_id { format!("refer;id={}", self.cseq) } else { "refer".to_owned() };
        let sipfrag =
            [format!("SIP/2.0 {} ", report.status).as_bytes(), &report.reason, b"\r\n", &report.lines]
                .concat();
        Some(Notification { event, state: text, sipfrag: Bytes::from(sipfrag) })
    }

    /// The NOTIFY was answered; whether that ended a subscription that was to go on. A refusal that names a time to try
    /// again does not (RFC 6665 §4.2.2).
    pub(crate) fn handle_answer(&mut self, status: Option<u16>, retry_after: bool) -> bool {
        let accepted = status.is_some_and(|status| (200..300).contains(&status) || retry_after);
        let was_ending = self.state == State::Ending;
        self.state = if accepted && !was_ending { State::Idle } else { State::Over };
        // Whoever refuses the last word has lost nothing that could still be told.
        !accepted && !was_ending
    }

    /// When [`Self::poll_notification`] has something to say without being told anything.
    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        (self.state == State::Idle).then_some(self.expires)
    }

    /// Whether a SUBSCRIBE of this event id means this subscription.
    pub(crate) fn matches(&self, id: Option<u32>) -> bool {
        id.map_or(!self.with_id, |id| id == self.cseq)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state == State::Over
    }
}

/// Headers as they stand in a message.
fn lines_of(headers: &Headers) -> Bytes {
    let line =
        |header: &Header| [header.name.as_bytes(), b": ", &clean_value(&header.value), b"\r\n"].concat();
    headers.iter().flat_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPIRES: Time = Time::from_secs(60);

    fn subscription() -> Subscription {
        Subscription::new(RequestKey(1), 93, false, EXPIRES)
    }

    fn told(subscription: &mut Subscription, now: Time) -> Option<(String, Bytes)> {
        subscription.poll_notification(now).map(|n| (n.state, n.sipfrag))
    }

    #[test]
    fn trying_ringing_and_success_are_told_one_after_the_other() {
        let mut it = subscription();
        it.report(180, "", &Headers::new());
        it.report(200, "", &Headers::new());
        let expect = |text: &str, frag: &'static str| Some((text.to_owned(), Bytes::from(frag)));
        assert_eq!(told(&mut it, Time::ZERO), expect("active;expires=60", "SIP/2.0 100 Trying\r\n"));
        assert_eq!(told(&mut it, Time::ZERO), None);
        assert!(!it.handle_answer(Some(200), false));
        let later = Time::from_millis(1500);
        assert_eq!(told(&mut it, later), expect("active;expires=59", "SIP/2.0 180 Ringing\r\n"));
        assert!(!it.handle_answer(Some(200), false));
        let end = "terminated;reason=noresource";
        assert_eq!(told(&mut it, later), expect(end, "SIP/2.0 200 OK\r\n"));
        assert!(!it.handle_answer(Some(200), false));
        assert!(it.is_over());
    }

    #[test]
    fn a_fragment_says_why_and_no_header_of_it_begins_another() {
        let mut it = subscription();
        it.poll_notification(Time::ZERO).unwrap();
        it.handle_answer(Some(200), false);
        let mut headers = Headers::new();
        headers.push("Reason", "Q.850;cause=17\r\nEvil: 1");
        it.report(486, "", &headers);
        let (_, fragment) = told(&mut it, Time::ZERO).unwrap();
        assert_eq!(fragment, "SIP/2.0 486 Busy Here\r\nReason: Q.850;cause=17  Evil: 1\r\n");
    }

    #[test]
    fn the_same_news_twice_and_news_after_the_end_are_not_told() {
        let mut it = subscription();
        it.report(100, "", &Headers::new());
        it.report(486, "Busy Here", &Headers::new());
        it.report(200, "", &Headers::new());
        assert_eq!(it.waiting.len(), 2);
        assert_eq!(it.last.status, 486);
    }

    #[test]
    fn more_news_than_can_wait_keeps_the_last() {
        let mut it = subscription();
        for status in 180..200 {
            it.report(status, "", &Headers::new());
        }
        it.report(603, "", &Headers::new());
        assert_eq!(it.waiting.len(), limits::NOTIFIES_WAITING);
        assert_eq!(it.waiting.back().unwrap().status, 603);
    }

    #[test]
    fn silence_or_a_refusal_ends_it_unless_a_time_to_try_again_is_named() {
        for (status, retry, failed) in [
            (None, false, true),
            (Some(481), false, true),
            (Some(405), false, true),
            (Some(503), true, false),
        ] {
            let mut it = subscription();
            it.poll_notification(Time::ZERO).unwrap();
            assert_eq!(it.handle_answer(status, retry), failed);
            assert_eq!(it.is_over(), failed);
        }
    }

    #[test]
    fn an_expired_subscription_says_so_and_ends() {
        let mut it = subscription();
        it.poll_notification(Time::ZERO).unwrap();
        assert_eq!(it.poll_timeout(), None);
        it.handle_answer(Some(200), false);
        assert_eq!(it.poll_timeout(), Some(EXPIRES));
        assert_eq!(told(&mut it, EXPIRES).unwrap().0, "terminated;reason=timeout");
        assert!(!it.handle_answer(None, false));
        assert!(it.is_over());
    }

    #[test]
    fn a_second_refer_is_told_apart_by_its_number() {
        let mut it = Subscription::new(RequestKey(1), 94, true, EXPIRES);
        assert_eq!(it.poll_notification(Time::ZERO).unwrap().event, "refer;id=94");
        assert!(it.matches(Some(94)) && !it.matches(None) && !it.matches(Some(93)));
        assert!(subscription().matches(None) && subscription().matches(Some(93)));
    }

    #[test]
    fn a_refresh_is_answered_with_the_state_as_it_is() {
        let mut it = subscription();
        it.report(180, "", &Headers::new());
        while it.poll_notification(Time::ZERO).is_some() {
            it.handle_answer(Some(200), false);
        }
        it.refresh(Time::from_secs(100));
        let (state, sipfrag) = told(&mut it, Time::from_secs(10)).unwrap();
        assert_eq!((state.as_str(), sipfrag), ("active;expires=90", Bytes::from("SIP/2.0 180 Ringing\r\n")));
    }
}
