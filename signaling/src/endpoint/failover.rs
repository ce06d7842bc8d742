//! The next target of an INVITE whose first one fails (RFC 3263 §4.3): on 503, on a transport error, after Timer B, and on
//! silence that has lasted for so long that a caller would notice. Its owner sees one leg.
//!
//! Leaves out how a URI becomes targets (`locating`).

use std::time::Duration;

use super::leg::Phase;
use super::sending::Outcome;
use super::table::Purpose;
use super::{Endpoint, Failure, Flow, Leg};
use crate::Time;
use crate::dialog::{Dialog, is_sips};
use crate::message::{Field, Message, Request, Response};
use crate::transaction::T1;

/// How long a target may say nothing at all while there is another one. Timer B, half a minute, is what RFC 3263 has; by then
/// the caller has hung up. A datagram has been sent twice by then; a connection may have to be opened and secured first.
pub(super) fn patience(flow: Flow) -> Duration {
    if flow.transport.is_reliable() { 4 * T1 } else { 2 * T1 }
}

impl Endpoint {
    /// If INVITE `id` has failed as another target might not, sends it there; `false`: it has not, or there is none.
    pub(super) fn try_next_target(&mut self, now: Time, id: u64, outcome: &Outcome) -> bool {
        let Err((Failure::Status(503) | Failure::Timeout | Failure::Transport, _)) = outcome else {
            return false;
        };
        let Some(Purpose::Invite(leg)) = self.table.clients.get(&id).map(|entry| entry.purpose) else {
            return false;
        };
        if matches!(outcome, Err((Failure::Status(_), _))) {
            self.leave_server(leg, id);
        }
        self.is_calling(leg, id) && self.go_on(now, leg, id)
    }

    /// A server has refused: it would over another transport, too.
    fn leave_server(&mut self, leg: Leg, id: u64) {
        let Some(remote) = self.table.clients.get(&id).map(|entry| entry.flow.remote) else { return };
        if let Some(state) = self.legs.get_mut(&leg) {
            state.others.retain(|flow| flow.remote != remote);
        }
    }

    /// The target has said nothing for too long, and there is another one. It may still answer: it is not wanted then.
    pub(super) fn wake_patience(&mut self, now: Time, leg: Leg) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        if state.patience.is_none_or(|until| until > now) {
            return;
        }
        state.patience = None;
        let Phase::Calling(client) = state.phase else { return };
        if self.go_on(now, leg, client)
            && let Some(entry) = self.table.clients.get_mut(&client)
        {
            entry.purpose = Purpose::Abandoned;
        }
    }

    /// A target has answered something: it is given its time.
    pub(super) fn heard_from_target(&mut self, leg: Leg) {
        if let Some(state) = self.legs.get_mut(&leg) {
            state.patience = None;
        }
    }

    /// A 2xx of a target that was given up: acknowledged and ended, as any fork but the first.
    pub(super) fn let_go(&mut self, now: Time, id: u64, response: &Response) {
        let tag = response.headers.to().ok().and_then(|to| to.tag()).unwrap_or_default();
        let Some(entry) = self.table.clients.get(&id) else { return };
        if entry.acks.iter().any(|(of, ..)| *of == tag) {
            return self.repeat_ack(id, &tag);
        }
        let Some(invite) = entry.request.as_deref().filter(|_| entry.acks.is_empty()) else { return };
        let cseq = invite.headers.cseq().map_or(0, |cseq| cseq.number);
        let dialog = Dialog::of_response(invite, response, entry.flow);
        self.acknowledge(id, tag, &dialog, cseq);
        self.send_off(now, dialog);
    }

    fn is_calling(&self, leg: Leg, id: u64) -> bool {
        self.legs.get(&leg).is_some_and(|state| matches!(state.phase, Phase::Calling(client) if client == id))
    }

    /// Sends INVITE `id` to the next target of its leg, if there is one: the same request with another branch.
    fn go_on(&mut self, now: Time, leg: Leg, id: u64) -> bool {
        let next = self.legs.get(&leg).and_then(|state| state.others.front().copied());
        let Some((flow, request)) = next.and_then(|flow| Some((flow, self.invite_towards(id, flow)?))) else {
            return false;
        };
        self.counters.failovers += 1;
        let client = self.send_request(now, flow, request, Purpose::Invite(leg));
        if let Some(state) = self.legs.get_mut(&leg) {
            state.others.pop_front();
            state.early.clear();
            state.phase = Phase::Calling(client);
            state.patience = Some(now + patience(flow));
        }
        self.settle(now, leg);
        true
    }

    /// INVITE `id` as it goes on another flow, without Via: only our own address in it may differ.
    fn invite_towards(&self, id: u64, flow: Flow) -> Option<Request> {
        let entry = self.table.clients.get(&id)?;
        let Ok(Message::Request(mut request)) = Message::parse(entry.wire.clone()) else { return None };
        request.headers.remove(Field::Via.name());
        request.headers.set(Field::Contact, self.contact(flow, is_sips(&request.uri)));
        Some(request)
    }
}
