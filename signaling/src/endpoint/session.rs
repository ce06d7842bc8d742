//! Session timers in their dialogs (RFC 4028): what requests and answers say of them, refreshes by UPDATE or by a
//! re-INVITE of the owner's, and the end of a session that nobody refreshes.
//!
//! Leaves out when what is due (`session_timer`).

use super::answering::Reply;
use super::sending::Outcome;
use super::table::Purpose;
use super::{Endpoint, Event, Failure, Flow, Leg};
use crate::Time;
use crate::message::header::SessionExpires;
use crate::message::{CSeq, Field, Headers, Message, Method, Request, Response};
use crate::session_timer::{Due, SessionTimer};

/// Option tag of RFC 4028.
const TIMER: &str = "timer";

impl Endpoint {
    /// What a request of ours that begins or refreshes the leg's session says of its timer (§7.1, §7.4).
    pub(super) fn add_session_terms(&self, leg: Leg, headers: &mut Headers) {
        if let Some(state) = self.legs.get(&leg) {
            write_terms(&state.timer, headers);
        }
    }

    /// What our 2xx to such a request of theirs says (§9), and the timer begins anew.
    pub(super) fn answer_session_terms(&mut self, now: Time, leg: Leg, request: &Headers, reply: &mut Reply) {
        let Some(state) = self.legs.get_mut(&leg).filter(|state| state.is_up()) else { return };
        let supports = supports_timer(request);
        state.takes_update = takes_update(request).unwrap_or(state.takes_update);
        let terms = state.timer.answer(now, request.session_expires(), request.min_se(), supports);
        if let Some(terms) = terms {
            reply.headers.push(Field::SessionExpires, terms.expires.to_bytes());
            if terms.require {
                reply.headers.push(Field::Require, TIMER);
            }
        }
    }

    /// As [`Self::answer_session_terms`], for the request of transaction `id`.
    pub(super) fn answer_terms(&mut self, now: Time, leg: Leg, id: u64, reply: &mut Reply) {
        let request = self.table.servers.get_mut(&id).and_then(|entry| entry.request.take());
        if let Some(request) = &request {
            self.answer_session_terms(now, leg, &request.headers, reply);
        }
        if let Some(entry) = self.table.servers.get_mut(&id) {
            entry.request = request;
        }
    }

    /// 2xx to a request of ours that begins or refreshes the leg's session (§7.2).
    pub(super) fn take_session_terms(&mut self, now: Time, leg: Leg, answer: &Headers) {
        let Some(state) = self.legs.get_mut(&leg).filter(|state| state.is_up()) else { return };
        state.takes_update = takes_update(answer).unwrap_or(state.takes_update);
        state.timer.handle_accepted(now, answer.session_expires());
    }

    /// 422 to a request of ours in the leg; whether it is to be sent again with the interval that the far end wants.
    pub(super) fn raise_interval(&mut self, leg: Leg, response: Option<&Response>) -> bool {
        let least = response.and_then(|response| response.headers.min_se());
        self.legs.get_mut(&leg).is_some_and(|state| state.timer.handle_too_small(least))
    }

    /// The INVITE of transaction `id`, which was refused, as a new request: the next CSeq, the session's terms as they
    /// are now (§7.3: same Call-ID, same From, same To).
    pub(super) fn invite_anew(&self, leg: Leg, id: u64) -> Option<(Flow, Request)> {
        let entry = self.table.clients.get(&id)?;
        let Ok(Message::Request(mut request)) = Message::parse(entry.wire.clone()) else { return None };
        let number = request.headers.cseq().ok()?.number + 1;
        request.headers.remove(Field::Via.name());
        request.headers.set(Field::CSeq, CSeq { number, method: Method::Invite }.to_bytes());
        self.add_session_terms(leg, &mut request.headers);
        Some((entry.flow, request))
    }

    /// The session's time has come.
    pub(super) fn wake_session(&mut self, now: Time, leg: Leg) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        match state.timer.handle_timeout(now) {
            Some(Due::Refresh) => self.refresh(now, leg),
            Some(Due::End) if state.is_up() => {
                self.counters.sessions_expired += 1;
                self.tell(leg, Event::Gone { leg, failure: Failure::Expired });
                if let Some(state) = self.legs.get_mut(&leg) {
                    state.quiet = true;
                }
                let mut headers = Headers::new();
                headers.push(Field::Reason, "Q.850;cause=102;text=\"session expired\"");
                self.send_bye(now, leg, headers);
            }
            _ => {}
        }
    }

    /// Refreshes the session: by UPDATE without an offer where the far end takes that (§7.4), else by a re-INVITE, whose
    /// description is the owner's to repeat.
    fn refresh(&mut self, now: Time, leg: Leg) {
        let Some(state) = self.legs.get_mut(&leg).filter(|state| state.is_up()) else { return };
        self.counters.session_refreshes_sent += 1;
        if !state.takes_update {
            return self.tell(leg, Event::RefreshDue { leg });
        }
        let Some(dialog) = &mut state.dialog else { return };
        let (cseq, flow, secure) = (dialog.next_cseq(), dialog.flow(), dialog.is_secure());
        let mut update = dialog.request(Method::Update, cseq);
        write_terms(&state.timer, &mut update.headers);
        update.headers.push(Field::Contact, self.contact(flow, secure));
        if !self.config.supported.is_empty() {
            update.headers.push(Field::Supported, self.config.supported.join(", "));
        }
        self.send_request(now, flow, update, Purpose::Refresh(leg));
    }

    /// Our UPDATE that was to refresh the session has its answer.
    pub(super) fn conclude_refresh(&mut self, now: Time, leg: Leg, outcome: Outcome) {
        let too_small = match &outcome {
            Err((Failure::Status(422), response)) => self.raise_interval(leg, response.as_ref()),
            _ => false,
        };
        let Some(state) = self.legs.get_mut(&leg).filter(|state| state.is_up()) else { return };
        match outcome {
            Ok(response) => {
                if let Some(dialog) = &mut state.dialog {
                    dialog.refresh_target(&response.headers);
                }
                self.take_session_terms(now, leg, &response.headers);
            }
            Err(_) if too_small => self.refresh(now, leg),
            // It said so in Allow, and yet: then by re-INVITE.
            Err((Failure::Status(405 | 501), _)) => {
                state.takes_update = false;
                self.refresh(now, leg);
            }
            Err((failure, _)) => {
                self.lose_if_gone(now, leg, Some(failure));
                self.refused_refresh(now, leg);
            }
        }
        self.settle(now, leg);
    }

    /// A request of ours that would have refreshed the session was refused.
    pub(super) fn refused_refresh(&mut self, now: Time, leg: Leg) {
        if let Some(state) = self.legs.get_mut(&leg).filter(|state| state.is_up()) {
            state.timer.handle_refused(now);
        }
    }
}

/// Writes Session-Expires and Min-SE in the place of what was there.
pub(super) fn write_terms(timer: &SessionTimer, headers: &mut Headers) {
    headers.remove(Field::SessionExpires.name());
    headers.remove(Field::MinSe.name());
    if let Some(asks) = timer.asks() {
        headers.push(Field::SessionExpires, asks.to_bytes());
        if let Some(least) = timer.least() {
            headers.push(Field::MinSe, least.to_string());
        }
    }
}

/// The interval that the owner asks for by a Session-Expires among its headers, in seconds; 0: none. It is taken out.
pub(super) fn take_wish(headers: &mut Headers) -> u32 {
    let wish: Option<SessionExpires> = headers.session_expires();
    headers.remove(Field::SessionExpires.name());
    wish.map_or(0, |wish| wish.seconds)
}

/// Whether the sender of a request knows session timers.
pub(super) fn supports_timer(request: &Headers) -> bool {
    request.has_token(Field::Supported, TIMER) || request.has_token(Field::Require, TIMER)
}

/// Whether the sender takes UPDATE; `None`: it does not say.
fn takes_update(headers: &Headers) -> Option<bool> {
    headers.value(Field::Allow).map(|_| headers.has_token(Field::Allow, "UPDATE"))
}
