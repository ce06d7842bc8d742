//! Requests of ours that a far end or a proxy challenges with 401 or 407 (RFC 3261 §22.2): sent again in the same call,
//! with the next CSeq and a branch of its own. Requests outside any dialog but INVITE are not: an OPTIONS that is challenged
//! has proved all that it was to prove.

use super::leg::{LegState, Phase, ReinviteState};
use super::sending::Outcome;
use super::table::Purpose;
use super::{Endpoint, Failure, Leg};
use crate::Time;
use crate::auth::{Authenticator, Credentials};
use crate::message::{CSeq, Field, Message, Request};

impl Purpose {
    /// The leg whose credentials its request may have.
    pub(super) fn leg(self) -> Option<Leg> {
        match self {
            Self::Invite(leg)
            | Self::Reinvite(leg)
            | Self::Refresh(leg)
            | Self::Bye(leg)
            | Self::Notify(leg, _)
            | Self::Refer(leg, ..)
            | Self::Prack(leg)
            | Self::Request(leg, _) => Some(leg),
            Self::Probe(_) | Self::Abandoned | Self::Nothing => None,
        }
    }
}

impl Endpoint {
    /// How a leg answers whoever challenges its requests; `None`: not at all.
    pub fn set_credentials(&mut self, leg: Leg, credentials: Option<Credentials>) {
        if let Some(state) = self.legs.get_mut(&leg) {
            state.authenticator = credentials.map(|credentials| Box::new(Authenticator::new(credentials)));
        }
    }

    /// Gives a request the answers to the challenges that its leg knows.
    pub(super) fn authorize(&mut self, purpose: Purpose, request: &mut Request) {
        let state = purpose.leg().and_then(|leg| self.legs.get_mut(&leg));
        if let Some(authenticator) = state.and_then(|state| state.authenticator.as_mut()) {
            authenticator.authorize(request, &mut self.random);
        }
    }

    /// §22.1: the ACK to a 2xx has the credentials of its INVITE, since nobody can challenge it.
    pub(super) fn authorize_ack(&self, invite: u64, ack: &mut Request) {
        let invite = self.table.clients.get(&invite).and_then(|entry| entry.request.as_deref());
        for header in invite.into_iter().flat_map(|invite| &invite.headers) {
            if let Some(field @ (Field::Authorization | Field::ProxyAuthorization)) = header.name.field() {
                ack.headers.push(field, header.value.clone());
            }
        }
    }

    /// If request `id` was challenged, sends it again with an answer; `false`: it was not, or that would be in vain.
    pub(super) fn answer_challenge(&mut self, now: Time, id: u64, outcome: &Outcome) -> bool {
        let Err((Failure::Status(401 | 407), Some(response))) = outcome else { return false };
        let Some(entry) = self.table.clients.get_mut(&id) else { return false };
        let (purpose, flow, wire) = (entry.purpose, entry.flow, entry.wire.clone());
        let Some(leg) = purpose.leg() else { return false };
        let Some(state) = self.legs.get_mut(&leg).filter(|state| wants(state, purpose)) else { return false };
        let Some(authenticator) = state.authenticator.as_mut() else { return false };
        let mut tries = std::mem::take(&mut entry.tries);
        let Ok(Message::Request(mut request)) = Message::parse(wire) else { return false };
        if !authenticator.learn(response, &mut tries) {
            self.counters.challenges_failed += 1;
            return false;
        }
        self.counters.challenges_answered += 1;
        let before = request.headers.cseq().map_or(0, |cseq| cseq.number);
        let tag = request.headers.to().ok().and_then(|to| to.tag()).unwrap_or_default();
        let dialog = match purpose {
            Purpose::Prack(_) => state.early_of(&tag).map(|early| &mut early.dialog),
            _ => state.dialog.as_mut(),
        };
        let number = dialog.map_or(before + 1, crate::dialog::Dialog::next_cseq);
        request.headers.set(Field::CSeq, CSeq { number, method: request.method.clone() }.to_bytes());
        request.headers.remove(Field::Via.name());
        let purpose = self.move_watch(now, purpose, number);
        let next = self.send_request(now, flow, request, purpose);
        if let Some(entry) = self.table.clients.get_mut(&next) {
            entry.tries = tries;
        }
        self.follow(leg, purpose, next);
        true
    }

    /// A REFER's subscription is known by the CSeq of the REFER that is accepted.
    fn move_watch(&mut self, now: Time, purpose: Purpose, number: u32) -> Purpose {
        let Purpose::Refer(leg, key, before) = purpose else { return purpose };
        self.unwatch(leg, before);
        self.watch(now, leg, number);
        Purpose::Refer(leg, key, number)
    }

    /// The leg's INVITE is another transaction now.
    fn follow(&mut self, leg: Leg, purpose: Purpose, client: u64) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        match purpose {
            Purpose::Invite(_) => state.phase = Phase::Calling(client),
            Purpose::Reinvite(_) => {
                if let Some(reinvite) = state.reinvite.as_mut() {
                    reinvite.state = ReinviteState::Sent(client);
                }
            }
            _ => {}
        }
    }
}

/// Whether the leg still wants what its request was for.
fn wants(state: &LegState, purpose: Purpose) -> bool {
    match purpose {
        Purpose::Invite(_) | Purpose::Prack(_) => matches!(state.phase, Phase::Calling(_)),
        Purpose::Reinvite(_) | Purpose::Refresh(_) | Purpose::Refer(..) | Purpose::Request(..) => {
            state.is_up()
        }
        Purpose::Bye(_) | Purpose::Notify(..) => true,
        Purpose::Probe(_) | Purpose::Abandoned | Purpose::Nothing => false,
    }
}
