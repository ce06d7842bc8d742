//! REFER's subscriptions in their dialog: NOTIFYs sent and received (RFC 3515, RFC 6665, RFC 3420, RFC 5057).

use std::time::Duration;

use bytes::Bytes;

use super::answering::Reply;
use super::leg::Watch;
use super::receiving::bad_event;
use super::sending::Outcome;
use super::table::Purpose;
use super::{Endpoint, Event, Failure, Leg, RequestKey};
use crate::Time;
use crate::limits;
use crate::message::{Field, Headers, Method, Request};
use crate::refer::Subscription;
use crate::transaction::T1_64;

impl Endpoint {
    /// A REFER has been accepted.
    pub(super) fn subscribe(&mut self, now: Time, leg: Leg, key: RequestKey, cseq: u32) {
        let expires = now + self.config.refer_expires;
        if let Some(state) = self.legs.get_mut(&leg) {
            state.subscriptions.push(Subscription::new(key, cseq, state.refers > 0, expires));
            state.refers += 1;
            self.leg_of_refer.insert(key, leg);
        }
    }

    /// The owner has news for the subscription of REFER `key`.
    pub(super) fn report(
        &mut self,
        now: Time,
        key: RequestKey,
        status: u16,
        reason: &str,
        headers: &Headers,
    ) {
        let leg = self.leg_of_refer.get(&key).copied();
        let state = leg.and_then(|leg| self.legs.get_mut(&leg));
        let found = state.and_then(|state| state.subscriptions.iter_mut().find(|it| it.key == key));
        match (leg, found) {
            (Some(leg), Some(subscription)) => {
                subscription.report(status, reason, headers);
                self.settle(now, leg);
            }
            _ => self.counters.commands_ignored += 1,
        }
    }

    /// Sends what the leg's subscriptions have to tell.
    pub(super) fn send_notifications(&mut self, now: Time, leg: Leg) {
        loop {
            let Some(state) = self.legs.get_mut(&leg) else { return };
            let due = state
                .subscriptions
                .iter_mut()
                .find_map(|subscription| Some((subscription.key, subscription.poll_notification(now)?)));
            let (Some((key, notification)), Some(dialog)) = (due, state.dialog.as_mut()) else { return };
            let cseq = dialog.next_cseq();
            let (flow, secure) = (dialog.flow(), dialog.is_secure());
            let mut notify = dialog.request(Method::Notify, cseq);
            notify.headers.push(Field::Contact, self.contact(flow, secure));
            notify.headers.push(Field::Event, notification.event);
            notify.headers.push(Field::SubscriptionState, notification.state);
            notify.headers.push(Field::ContentType, "message/sipfrag;version=2.0");
            notify.body = notification.sipfrag;
            self.send_request(now, flow, notify, Purpose::Notify(leg, key));
        }
    }

    /// A NOTIFY of ours was answered. Whatever the answer, it concerns the subscription alone (RFC 6665 §4.2.2).
    pub(super) fn conclude_notify(&mut self, now: Time, leg: Leg, key: RequestKey, outcome: Outcome) {
        let (status, retry) = match &outcome {
            Ok(response) => (Some(response.status), false),
            Err((Failure::Status(status), response)) => {
                let retry = response.as_ref().is_some_and(|it| it.headers.has("Retry-After"));
                (Some(*status), retry)
            }
            Err(_) => (None, false),
        };
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let Some(subscription) = state.subscriptions.iter_mut().find(|it| it.key == key) else { return };
        let failed = subscription.handle_answer(status, retry);
        if subscription.is_over() {
            state.subscriptions.retain(|it| it.key != key);
            self.leg_of_refer.remove(&key);
        }
        if failed {
            self.events.push_back(Event::NotifyFailed { leg, key });
        }
        self.settle(now, leg);
    }

    /// The far end has said that it has no such dialog.
    pub(super) fn drop_subscriptions(&mut self, leg: Leg) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        state.watches.clear();
        for subscription in std::mem::take(&mut state.subscriptions) {
            self.leg_of_refer.remove(&subscription.key);
            self.events.push_back(Event::NotifyFailed { leg, key: subscription.key });
        }
    }

    /// A REFER of ours has left: its NOTIFYs may come even before its answer (RFC 6665 §4.1.2.4, Timer N).
    pub(super) fn watch(&mut self, now: Time, leg: Leg, cseq: u32) {
        if let Some(state) = self.legs.get_mut(&leg) {
            if state.watches.len() >= limits::SUBSCRIPTIONS_PER_LEG {
                state.watches.remove(0);
            }
            state.watches.push(Watch { cseq, expires: now + T1_64 });
        }
    }

    pub(super) fn unwatch(&mut self, leg: Leg, cseq: u32) {
        if let Some(state) = self.legs.get_mut(&leg) {
            state.watches.retain(|watch| watch.cseq != cseq);
        }
    }

    pub(super) fn expire_watches(&mut self, now: Time, leg: Leg) {
        if let Some(state) = self.legs.get_mut(&leg) {
            state.watches.retain(|watch| watch.expires > now);
        }
    }

    /// NOTIFY, which tells how a REFER of ours goes.
    pub(super) fn handle_notify(&mut self, now: Time, id: u64, leg: Leg, request: Request) {
        let event = request.headers.value(Field::Event).cloned().unwrap_or_default();
        let Some(cseq) = refer_id(&event) else { return self.refuse(now, id, bad_event()) };
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let index = match cseq {
            Some(cseq) => state.watches.iter().position(|watch| watch.cseq == cseq),
            None => (!state.watches.is_empty()).then_some(0),
        };
        let Some(index) = index else { return self.refuse_unknown(now, id) };
        let text = request.headers.value(Field::SubscriptionState).cloned().unwrap_or_default();
        if word(&text).eq_ignore_ascii_case(b"terminated") {
            state.watches.remove(index);
        } else {
            let expires = parameter(&text, "expires").map_or(T1_64, Duration::from_secs);
            // A little longer than it says: the last NOTIFY may be late.
            state.watches[index].expires = now + expires.min(limits::WATCH_MAX) + T1_64;
        }
        self.refuse(now, id, Reply::new(200));
        self.events.push_back(Event::Notify { leg, request });
    }

    /// SUBSCRIBE to what a REFER has begun: a longer life, or its end (RFC 6665 §4.2.1, RFC 3515 §2.4.4).
    pub(super) fn handle_subscribe(&mut self, now: Time, id: u64, leg: Leg, request: &Request) {
        let event = request.headers.value(Field::Event).cloned().unwrap_or_default();
        let Some(cseq) = refer_id(&event) else { return self.refuse(now, id, bad_event()) };
        let asked = request.headers.value(Field::Expires).and_then(|value| decimal(value));
        let expires =
            asked.map_or(self.config.refer_expires, Duration::from_secs).min(self.config.refer_expires);
        let state = self.legs.get_mut(&leg);
        let found = state.and_then(|state| state.subscriptions.iter_mut().find(|it| it.matches(cseq)));
        let Some(subscription) = found else { return self.refuse_unknown(now, id) };
        subscription.refresh(now + expires);
        self.refuse(now, id, Reply::new(200).with(Field::Expires, expires.as_secs().to_string()));
    }
}

/// The id of an Event header of REFER; `None` if it is another event.
fn refer_id(event: &Bytes) -> Option<Option<u32>> {
    word(event)
        .eq_ignore_ascii_case(b"refer")
        .then(|| parameter(event, "id").and_then(|id| u32::try_from(id).ok()))
}

/// The value before its parameters.
fn word(value: &Bytes) -> &[u8] {
    value.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii()
}

/// A parameter that is a number.
fn parameter(value: &Bytes, name: &str) -> Option<u64> {
    value.split(|&byte| byte == b';').skip(1).find_map(|piece| {
        let at = piece.iter().position(|&byte| byte == b'=')?;
        piece[..at].trim_ascii().eq_ignore_ascii_case(name.as_bytes()).then(|| decimal(&piece[at + 1..]))?
    })
}

fn decimal(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_refer_is_told_from_others_and_its_id_is_read() {
        assert_eq!(refer_id(&Bytes::from_static(b"refer")), Some(None));
        assert_eq!(refer_id(&Bytes::from_static(b"Refer ; id = 93")), Some(Some(93)));
        assert_eq!(refer_id(&Bytes::from_static(b"presence;id=93")), None);
        assert_eq!(parameter(&Bytes::from_static(b"active;expires=60"), "expires"), Some(60));
        assert_eq!(parameter(&Bytes::from_static(b"active;expires=x"), "expires"), None);
    }
}
