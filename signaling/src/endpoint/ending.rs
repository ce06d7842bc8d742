//! How legs end (RFC 3261 §15, RFC 5057), and what is done after every change of a leg.

use bytes::Bytes;

use super::answering::Reply;
use super::deadlines::Owner;
use super::leg::{LegState, Phase};
use super::sending::{Outcome, add_body, add_headers};
use super::table::Purpose;
use super::{Endpoint, Event, Failure, Leg, RequestKey};
use crate::Time;
use crate::message::{Field, Headers, Method};
use crate::transaction::T1_64;
use crate::transaction::key::Identity;

impl Endpoint {
    pub(super) fn add_leg(&mut self, leg: Leg, state: LegState) {
        self.leg_of.insert((state.call_id.clone(), state.local_tag.clone()), leg);
        self.legs.insert(leg, state);
    }

    /// The leg whose dialog a request of theirs names (§12.2.2); for an INVITE of ours that has no dialog yet, by our tag
    /// alone.
    pub(super) fn find_leg(&self, identity: &Identity) -> Option<Leg> {
        let leg = *self.leg_of.get(&(identity.call_id.clone(), identity.to_tag.clone()))?;
        let dialog = self.legs.get(&leg)?.dialog.as_ref();
        dialog.is_none_or(|dialog| dialog.remote_tag == identity.from_tag).then_some(leg)
    }

    /// Ends a leg by what its state allows.
    pub(super) fn end_leg(&mut self, now: Time, leg: Leg, headers: Headers) {
        let Some(state) = self.legs.get_mut(&leg) else { return self.counters.commands_ignored += 1 };
        match state.phase {
            Phase::Calling(_) => return self.give_up(now, leg, headers),
            Phase::Ringing(_) => {
                let reply = Reply { headers, ..Reply::new(480) };
                return self.send_rejection(now, leg, reply);
            }
            Phase::Up if state.bye_wanted.is_none() => {
                state.quiet = true;
                state.bye_wanted = Some(headers);
                self.terminate_pending(now, leg);
                self.leave_if_free(now, leg);
            }
            _ => return self.counters.commands_ignored += 1,
        }
        self.settle(now, leg);
    }

    /// Sends the BYE that waits, unless a 2xx of ours still waits for its ACK (§15: a callee must not send BYE before).
    pub(super) fn leave_if_free(&mut self, now: Time, leg: Leg) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        if state.unacked.is_empty()
            && let Some(headers) = state.bye_wanted.take()
        {
            self.send_bye(now, leg, headers);
        }
    }

    pub(super) fn send_bye(&mut self, now: Time, leg: Leg, headers: Headers) {
        self.close(now, leg);
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let Some(dialog) = state.dialog.as_mut() else { return };
        let cseq = dialog.next_cseq();
        let mut bye = dialog.request(Method::Bye, cseq);
        add_headers(&mut bye.headers, headers);
        let flow = dialog.flow();
        state.phase = Phase::Leaving;
        self.send_request(now, flow, bye, Purpose::Bye(leg));
    }

    /// The call of this leg is over; subscriptions live on.
    pub(super) fn close(&mut self, now: Time, leg: Leg) {
        self.terminate_pending(now, leg);
        let Some(state) = self.legs.get_mut(&leg) else { return };
        state.phase = Phase::Over;
        state.timer.stop();
        state.reliable.stop();
        state.unacked.clear();
        state.bye_wanted = None;
        if state.reinvite_sent().is_some() {
            // Its 2xx would want an ACK; but an answer that never comes must not hold the leg.
            state.give_up = Some(now + T1_64);
        } else {
            state.reinvite = None;
            state.give_up = None;
        }
    }

    /// Sends a request in the dialog; its answer comes as [`Event::Replied`].
    pub(super) fn send_within(
        &mut self,
        now: Time,
        leg: Leg,
        method: Method,
        headers: Headers,
        body: Bytes,
    ) -> RequestKey {
        let key = RequestKey(self.next_key());
        if method == Method::Bye {
            self.end_leg(now, leg, headers);
            return key;
        }
        let sendable = !matches!(method, Method::Invite | Method::Ack | Method::Cancel);
        let state = self.legs.get_mut(&leg).filter(|state| state.is_up() && sendable);
        let Some((state, flow, secure)) = state.and_then(|state| {
            let dialog = state.dialog.as_ref()?;
            let (flow, secure) = (dialog.flow(), dialog.is_secure());
            Some((state, flow, secure))
        }) else {
            self.counters.commands_ignored += 1;
            let result = Err(Failure::Status(481));
            self.events.push_back(Event::Replied { leg, key, result });
            return key;
        };
        let Some(dialog) = state.dialog.as_mut() else { return key };
        let cseq = dialog.next_cseq();
        let mut request = dialog.request(method.clone(), cseq);
        let refers = method == Method::Refer;
        if matches!(method, Method::Refer | Method::Update | Method::Subscribe | Method::Notify) {
            request.headers.push(Field::Contact, self.contact(flow, secure));
        }
        add_headers(&mut request.headers, headers);
        add_body(&mut request.headers, &mut request.body, body);
        let purpose = if refers { Purpose::Refer(leg, key, cseq) } else { Purpose::Request(leg, key) };
        self.send_request(now, flow, request, purpose);
        if refers {
            self.watch(now, leg, cseq);
        }
        self.settle(now, leg);
        key
    }

    pub(super) fn conclude_request(&mut self, now: Time, leg: Leg, key: RequestKey, outcome: Outcome) {
        let failure = outcome.as_ref().err().map(|&(failure, _)| failure);
        let result = outcome.map_err(|(failure, _)| failure);
        self.tell(leg, Event::Replied { leg, key, result });
        self.lose_if_gone(now, leg, failure);
        self.settle(now, leg);
    }

    /// 481, 408 and silence mean that the far end has no such dialog (§12.2.1.2, RFC 5057 §5.1).
    pub(super) fn lose_if_gone(&mut self, now: Time, leg: Leg, failure: Option<Failure>) {
        let Some(failure @ (Failure::Status(481 | 408) | Failure::Timeout)) = failure else { return };
        let Some(state) = self.legs.get(&leg) else { return };
        if !matches!(state.phase, Phase::Up) {
            return;
        }
        self.tell(leg, Event::Gone { leg, failure });
        if let Some(state) = self.legs.get_mut(&leg) {
            state.quiet = true;
        }
        if failure == Failure::Status(481) {
            // It has just said that a BYE would find nothing. Its subscriptions are gone with the dialog.
            self.close(now, leg);
            self.drop_subscriptions(leg);
        } else {
            self.send_bye(now, leg, Headers::new());
        }
    }

    pub(super) fn wake_leg(&mut self, now: Time, leg: Leg) {
        self.wake_unacked(now, leg);
        self.wake_reinvite(now, leg);
        self.expire_watches(now, leg);
        self.wake_session(now, leg);
        self.wake_reliable(now, leg);
        self.wake_patience(now, leg);
        if let Some(state) = self.legs.get_mut(&leg)
            && state.give_up.is_some_and(|at| at <= now)
        {
            state.give_up = None;
            let client = match state.phase {
                Phase::Cancelling(client, _) => Some(client),
                _ => state.reinvite_sent(),
            };
            state.reinvite = None;
            if matches!(state.phase, Phase::Cancelling(..)) {
                state.phase = Phase::Over;
            }
            if let Some(client) = client {
                self.drop_client(client);
            }
        }
        self.settle(now, leg);
    }

    /// After every change of a leg: what can leave now leaves, what is done is forgotten, the deadline is set anew.
    pub(super) fn settle(&mut self, now: Time, leg: Leg) {
        self.send_wanted_reinvite(now, leg);
        self.send_notifications(now, leg);
        let Some(state) = self.legs.get(&leg) else { return };
        if state.is_done() {
            self.leg_of.remove(&(state.call_id.clone(), state.local_tag.clone()));
            self.legs.remove(&leg);
            self.deadlines.set(Owner::Leg(leg), None);
        } else {
            self.deadlines.set(Owner::Leg(leg), state.poll_timeout());
        }
    }
}
