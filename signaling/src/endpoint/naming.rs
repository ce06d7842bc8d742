//! Session-ID (RFC 7989) in every message of a leg: the UUID of whoever stands behind us, which the owner tells, and the
//! far end's own, which its messages tell.

use super::table::Purpose;
use super::{Endpoint, Event, Leg};
use crate::message::header::{SessionId, Uuid};
use crate::message::{Field, Headers};

impl Endpoint {
    /// Whom the far end of a leg speaks with, from here on. For an INVITE of ours its Session-ID header says so.
    pub fn set_session_id(&mut self, leg: Leg, uuid: Uuid) {
        if let Some(state) = self.legs.get_mut(&leg) {
            state.session_id.local = uuid;
        }
    }

    /// Notes who the far end of a leg says it is.
    pub(super) fn learn_session_id(&mut self, leg: Leg, headers: &Headers) {
        let Some(told) = headers.session_id().filter(|told| !told.local.is_nil()) else { return };
        let Some(state) = self.legs.get_mut(&leg) else { return };
        if state.session_id.remote != told.local {
            state.session_id.remote = told.local;
            if !state.quiet {
                self.events.push_back(Event::SessionId { leg, uuid: told.local });
            }
        }
    }

    /// As [`Self::learn_session_id`], from a response to a request of ours.
    pub(super) fn learn_from_response(&mut self, client: u64, headers: &Headers) {
        let leg = self.table.clients.get(&client).and_then(|entry| entry.purpose.leg());
        if let Some(leg) = leg {
            self.learn_session_id(leg, headers);
        }
    }

    /// Names both ends in a message of a leg.
    pub(super) fn name_session(&self, leg: Option<Leg>, headers: &mut Headers) {
        let known = leg.and_then(|leg| self.legs.get(&leg)).map(|state| state.session_id);
        if let Some(known) = known.filter(|known| !known.is_unknown()) {
            headers.set(Field::SessionId, known.to_bytes());
        }
    }

    /// As [`Self::name_session`], by what a request of ours is for.
    pub(super) fn name_request(&self, purpose: Purpose, headers: &mut Headers) {
        self.name_session(purpose.leg(), headers);
    }
}

/// Takes the owner's Session-ID out of an INVITE's headers, which the stack writes.
pub(super) fn take_session_id(headers: &mut Headers) -> SessionId {
    let told = headers.session_id().unwrap_or(SessionId::UNKNOWN);
    headers.remove(Field::SessionId.name());
    told
}
