//! re-INVITEs of ours: one at a time, again after 491 (RFC 3261 §14.1).

use std::time::Duration;

use bytes::Bytes;

use super::leg::{Reinvite, ReinviteState};
use super::sending::{Outcome, add_body, add_headers};
use super::table::Purpose;
use super::{Endpoint, Event, Failure, Leg};
use crate::Time;
use crate::limits;
use crate::message::{Field, Headers, Method, Response};

impl Endpoint {
    /// The owner wants a re-INVITE; it leaves when no other INVITE is under way in the dialog.
    pub(super) fn want_reinvite(&mut self, now: Time, leg: Leg, headers: Headers, body: Bytes) {
        let Some(state) = self.legs.get_mut(&leg).filter(|state| state.is_up()) else {
            self.counters.commands_ignored += 1;
            let result = Err(Failure::Status(481));
            return self.events.push_back(Event::Reanswered { leg, result });
        };
        let wanted = Reinvite { headers, body, retries: 0, state: ReinviteState::Wanted };
        match &mut state.reinvite {
            // What is on its way cannot be called back; the newer one follows it.
            Some(Reinvite { state: ReinviteState::Sent(_), .. }) => state.next_reinvite = Some(wanted),
            other => *other = Some(wanted),
        }
        self.settle(now, leg);
    }

    /// Sends the re-INVITE that is wanted, if it may leave.
    pub(super) fn send_wanted_reinvite(&mut self, now: Time, leg: Leg) {
        let offered = self.awaits_answer(leg);
        let Some(state) = self.legs.get_mut(&leg) else { return };
        // §14.1: not while another INVITE is under way in either direction.
        let blocked = offered || !state.unacked.is_empty() || !state.is_up();
        let (Some(reinvite), Some(dialog)) = (&mut state.reinvite, &mut state.dialog) else { return };
        if blocked || reinvite.state != ReinviteState::Wanted {
            return;
        }
        let cseq = dialog.next_cseq();
        let (flow, secure) = (dialog.flow(), dialog.is_secure());
        let mut request = dialog.request(Method::Invite, cseq);
        let (headers, body) = (reinvite.headers.clone(), reinvite.body.clone());
        request.headers.push(Field::Contact, self.contact(flow, secure));
        request.headers.push(Field::Allow, self.allow());
        if !self.config.supported.is_empty() {
            request.headers.push(Field::Supported, self.config.supported.join(", "));
        }
        self.add_session_terms(leg, &mut request.headers);
        add_headers(&mut request.headers, headers);
        add_body(&mut request.headers, &mut request.body, body);
        let client = self.send_request(now, flow, request, Purpose::Reinvite(leg));
        if let Some(reinvite) = self.legs.get_mut(&leg).and_then(|state| state.reinvite.as_mut()) {
            reinvite.state = ReinviteState::Sent(client);
        }
    }

    /// 2xx to a re-INVITE, for the first time or again.
    pub(super) fn handle_reaccepted(&mut self, now: Time, id: u64, leg: Leg, response: Response) {
        let Some(entry) = self.table.clients.get(&id) else { return };
        let tag = response.headers.to().ok().and_then(|to| to.tag()).unwrap_or_default();
        if !entry.acks.is_empty() {
            return self.repeat_ack(id, &tag);
        }
        let cseq = entry.request.as_deref().and_then(|request| request.headers.cseq().ok());
        let Some(cseq) = cseq.map(|cseq| cseq.number) else { return };
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let Some(dialog) = state.dialog.as_mut() else { return };
        dialog.refresh_target(&response.headers);
        let dialog = dialog.clone();
        self.end_reinvite(leg);
        self.acknowledge(id, tag, &dialog, cseq);
        self.take_session_terms(now, leg, &response.headers);
        if self.legs.get(&leg).is_some_and(super::leg::LegState::is_up) {
            self.events.push_back(Event::Reanswered { leg, result: Ok(response) });
        }
        self.settle(now, leg);
    }

    /// A re-INVITE was refused or not answered.
    pub(super) fn conclude_reinvite(&mut self, now: Time, leg: Leg, outcome: Outcome) {
        let Err((failure, response)) = outcome else { return };
        let too_small = failure == Failure::Status(422) && self.raise_interval(leg, response.as_ref());
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let up = state.is_up();
        let owns_call_id = state.owns_call_id;
        if let Some(reinvite) = state.reinvite.as_mut()
            && (failure, up) == (Failure::Status(491), true)
            && state.next_reinvite.is_none()
            && reinvite.retries < limits::GLARE_RETRIES
        {
            // §14.1: in steps of 10 ms, from ranges that do not overlap.
            let wait = if owns_call_id { 210 + self.random.below(191) } else { self.random.below(201) };
            reinvite.retries += 1;
            reinvite.state = ReinviteState::Waiting(now + Duration::from_millis(wait * 10));
            return self.settle(now, leg);
        }
        if let Some(reinvite) = state.reinvite.as_mut().filter(|_| too_small && up) {
            // RFC 4028 §7.3: the same again with the interval that is asked for.
            reinvite.state = ReinviteState::Wanted;
            return self.settle(now, leg);
        }
        self.end_reinvite(leg);
        self.refused_refresh(now, leg);
        if up {
            self.events.push_back(Event::Reanswered { leg, result: Err(failure) });
            self.lose_if_gone(now, leg, Some(failure));
        }
        self.settle(now, leg);
    }

    fn end_reinvite(&mut self, leg: Leg) {
        if let Some(state) = self.legs.get_mut(&leg) {
            state.reinvite = state.next_reinvite.take();
            if !state.is_up() {
                (state.reinvite, state.give_up) = (None, None);
            }
        }
    }

    pub(super) fn wake_reinvite(&mut self, now: Time, leg: Leg) {
        let reinvite = self.legs.get_mut(&leg).and_then(|state| state.reinvite.as_mut());
        if let Some(reinvite) = reinvite
            && matches!(reinvite.state, ReinviteState::Waiting(at) if at <= now)
        {
            reinvite.state = ReinviteState::Wanted;
        }
    }
}
