//! Calls that come in: the INVITE's answer, its ACK and its CANCEL (RFC 3261 §9.2, §13.3).

use bytes::Bytes;

use super::answering::Reply;
use super::leg::{LegState, Phase, Unacked};
use super::receiving::unavailable;
use super::session::take_wish;
use super::{Endpoint, Event, Flow, Leg};
use crate::Time;
use crate::dialog::Dialog;
use crate::limits;
use crate::message::header::Uuid;
use crate::message::{Method, Request};
use crate::transaction::key::Identity;
use crate::transaction::{Output, T1, T1_64, T2};

use super::table::ServerMachine;

impl Endpoint {
    /// An INVITE outside dialogs.
    pub(super) fn handle_invite(
        &mut self,
        now: Time,
        id: u64,
        identity: &Identity,
        flow: Flow,
        request: Request,
    ) {
        // An INVITE goes on from here, so it has to have a hop left (§16.3).
        if matches!(request.headers.max_forwards(), Ok(Some(0))) {
            self.counters.rejected.hops += 1;
            return self.refuse(now, id, Reply::new(483));
        }
        if self.draining {
            self.counters.rejected.draining += 1;
            return self.refuse(now, id, unavailable(limits::RETRY_AFTER_DRAINING_SECONDS));
        }
        if self.legs.len() >= self.config.legs_max {
            self.counters.rejected.overload += 1;
            return self.refuse(now, id, unavailable(limits::RETRY_AFTER_OVERLOAD_SECONDS));
        }
        let leg = Leg(self.next_key());
        let tag = self.random.token("");
        let dialog = Dialog::of_request(&request, &tag, flow).knowing(self.config.listeners.clone());
        let call_id = dialog.call_id.clone();
        debug_assert_eq!(call_id, identity.call_id);
        let mut state = LegState::new(Phase::Ringing(id), call_id, tag);
        state.dialog = Some(dialog);
        state.session_id.remote = request.headers.session_id().map_or(Uuid::NIL, |told| told.local);
        self.add_leg(leg, state);
        self.bind_server(id, leg);
        self.reply(now, id, b"", Reply::new(100));
        self.events.push_back(Event::Incoming { leg, flow, request });
    }

    /// Sends a provisional response.
    pub(super) fn send_progress(&mut self, now: Time, leg: Leg, reply: Reply) {
        match self.ringing(leg) {
            Some((id, tag)) if (101..200).contains(&reply.status) => {
                self.send_provisional(now, leg, id, &tag, reply);
                self.settle(now, leg);
            }
            _ => self.counters.commands_ignored += 1,
        }
    }

    /// Answers with 2xx.
    pub(super) fn send_answer(&mut self, now: Time, leg: Leg, mut reply: Reply) {
        let Some((id, tag)) = self.ringing(leg) else { return self.counters.commands_ignored += 1 };
        if let Some(state) = self.legs.get_mut(&leg) {
            let Some(held) = state.reliable.hold_back(reply) else { return };
            reply = held;
            if state.reliable.is_agreed() {
                // RFC 6337 §2.2: the answer has been given, and acknowledged.
                reply.body = Bytes::new();
            }
            state.phase = Phase::Up;
            state.reliable.stop();
            state.timer.wish(take_wish(&mut reply.headers));
        }
        self.accept_invite(now, leg, id, &tag, reply);
        self.settle(now, leg);
    }

    /// Sends a 2xx to an INVITE of the leg and repeats it until its ACK (§13.3.1.4).
    pub(super) fn accept_invite(&mut self, now: Time, leg: Leg, id: u64, tag: &[u8], mut reply: Reply) {
        let Some(entry) = self.table.servers.get(&id) else { return };
        let flow = entry.flow;
        let cseq = entry.request.as_deref().and_then(|request| request.headers.cseq().ok());
        self.answer_terms(now, leg, id, &mut reply);
        let Some(wire) = self.reply(now, id, tag, reply) else { return };
        if let (Some(state), Some(cseq)) = (self.legs.get_mut(&leg), cseq) {
            let (interval, next, end) = (T1, now + T1, now + T1_64);
            state.unacked.push(Unacked { cseq: cseq.number, wire, flow, interval, next, end });
        }
    }

    /// Refuses; the leg is over.
    pub(super) fn send_rejection(&mut self, now: Time, leg: Leg, reply: Reply) {
        match self.ringing(leg) {
            Some((id, tag)) if reply.status >= 300 => {
                self.reply(now, id, &tag, reply);
                self.close(now, leg);
                self.settle(now, leg);
            }
            _ => self.counters.commands_ignored += 1,
        }
    }

    /// CANCEL (§9.2): 200 to it, and 487 to the INVITE unless that has its answer.
    pub(super) fn handle_cancel(&mut self, now: Time, id: u64, identity: &Identity, request: Request) {
        let key = identity.server_key(&request, &Method::Invite);
        let Some(invite) = self.table.find_server(&key) else { return self.refuse_unknown(now, id) };
        let entry = &self.table.servers[&invite];
        let (leg, is_pending) = (entry.leg, entry.machine.is_pending());
        let tag = leg.and_then(|leg| self.legs.get(&leg)).map(|state| state.local_tag.clone());
        let tag = tag.unwrap_or_else(|| self.random.token(""));
        self.reply(now, id, &tag, Reply::new(200));
        if !is_pending {
            return;
        }
        self.reply(now, invite, &tag, Reply::new(487));
        let Some(leg) = leg else { return };
        if matches!(self.legs.get(&leg), Some(LegState { phase: Phase::Ringing(_), .. })) {
            self.close(now, leg);
            self.events.push_back(Event::Cancelled { leg, request });
        } else {
            self.forget_pending(leg, invite);
        }
        self.settle(now, leg);
    }

    /// ACK: to a rejection for the transaction, to a 2xx for the dialog.
    pub(super) fn handle_ack(&mut self, now: Time, identity: &Identity, request: Request) {
        let key = identity.server_key(&request, &Method::Invite);
        if let Some(id) = self.table.find_server(&key)
            && let Some(entry) = self.table.servers.get_mut(&id)
            && let ServerMachine::Invite(machine) = &mut entry.machine
        {
            let output = machine.handle_ack(now);
            self.settle_server(id);
            if output != Some(Output::DeliverAck) {
                return;
            }
        }
        let Some(leg) = self.find_leg(identity) else { return self.counters.stray_acks += 1 };
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let before = state.unacked.len();
        state.unacked.retain(|unacked| unacked.cseq != identity.cseq);
        if state.unacked.len() < before {
            if !state.quiet {
                self.events.push_back(Event::Acked { leg, request });
            }
            self.leave_if_free(now, leg);
            self.settle(now, leg);
        }
    }

    /// Repeats the 2xx that are due, and gives up those whose time is over.
    pub(super) fn wake_unacked(&mut self, now: Time, leg: Leg) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let before = state.unacked.len();
        state.unacked.retain(|unacked| unacked.end > now);
        let given_up = state.unacked.len() < before;
        for unacked in &mut state.unacked {
            if unacked.next <= now {
                // §13.3.1.4: the interval doubles up to T2.
                unacked.interval = (unacked.interval * 2).min(T2);
                unacked.next = now + unacked.interval;
                self.counters.retransmissions_sent += 1;
                let transmit = super::Transmit { flow: unacked.flow, bytes: unacked.wire.clone() };
                self.transmits.push_back(transmit);
            }
        }
        if given_up {
            if !state.quiet {
                self.events.push_back(Event::NotAcked { leg });
            }
            self.leave_if_free(now, leg);
        }
    }
}
