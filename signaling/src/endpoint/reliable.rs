//! Provisional responses that are acknowledged (RFC 3262): ours to a caller that requires it, and PRACK to those of
//! others; and the early dialogs that provisional responses make (RFC 3261 §12.1, several where a proxy forks).
//!
//! No provisional response of ours has a description, and every INVITE of ours has the offer; so no PRACK has one
//! either (RFC 3262 §5).

use std::time::Duration;

use bytes::Bytes;

use super::answering::Reply;
use super::leg::{LegState, Phase};
use super::table::Purpose;
use super::{Endpoint, Event, Failure, Flow, Leg};
use crate::dialog::Dialog;
use crate::message::header::RAck;
use crate::message::{Field, Method, Request, Response};
use crate::transaction::key::Identity;
use crate::transaction::{T1, T1_64};
use crate::{Time, earliest, limits};

/// Option tag of RFC 3262.
const RELIABLE: &str = "100rel";

/// What provisional responses of theirs have made: a dialog that has no 2xx yet.
#[derive(Debug)]
pub(super) struct Early {
    pub(super) dialog: Dialog,
    /// The last that was acknowledged.
    rseq: Option<u32>,
    /// The answer to our offer that a reliable one had: its 2xx need not repeat it. Its Content-Type and its text.
    answer: Option<(Bytes, Bytes)>,
}

/// Provisional responses of ours that are acknowledged.
#[derive(Debug, Default)]
pub(super) struct Reliable {
    /// The last RSeq, and the CSeq of the INVITE.
    last: Option<(u32, u32)>,
    /// Not acknowledged yet.
    sent: Option<Unacknowledged>,
    /// What waits for that; only the latest counts.
    waiting: Option<Reply>,
}

#[derive(Debug)]
struct Unacknowledged {
    wire: Bytes,
    flow: Flow,
    interval: Duration,
    next: Time,
    end: Time,
}

impl Reliable {
    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.sent.as_ref().and_then(|sent| earliest(Some(sent.next), Some(sent.end)))
    }

    /// The INVITE has its final response: nothing is repeated, but a PRACK may still come (§3).
    pub(super) fn stop(&mut self) {
        (self.sent, self.waiting) = (None, None);
    }
}

impl Endpoint {
    /// Sends a provisional response to a caller; reliably if it wants nothing else (§3).
    pub(super) fn send_provisional(&mut self, now: Time, leg: Leg, id: u64, tag: &[u8], reply: Reply) {
        let request = self.table.servers.get(&id).and_then(|entry| entry.request.as_deref());
        let Some(request) = request else { return };
        if !request.headers.has_token(Field::Require, RELIABLE) {
            self.reply(now, id, tag, reply);
            return;
        }
        // §5: the first reliable response to an INVITE without an offer would have to make one. It gets its 2xx unannounced.
        if request.body.is_empty() {
            return;
        }
        let Some(state) = self.legs.get_mut(&leg) else { return };
        if state.reliable.sent.is_some() {
            state.reliable.waiting = Some(reply);
            return;
        }
        self.send_reliable(now, leg, id, tag, reply);
    }

    fn send_reliable(&mut self, now: Time, leg: Leg, id: u64, tag: &[u8], mut reply: Reply) {
        let Some(entry) = self.table.servers.get(&id) else { return };
        let cseq = entry.request.as_deref().and_then(|request| request.headers.cseq().ok());
        let (flow, cseq) = (entry.flow, cseq.map_or(0, |cseq| cseq.number));
        let last = self.legs.get(&leg).and_then(|state| state.reliable.last);
        // §3: the first from 1 to 2^31 - 1, each further one by one more.
        let rseq = last.map_or_else(|| 1 + self.random.below(1 << 30) as u32, |(rseq, _)| rseq + 1);
        reply.headers.push(Field::Require, RELIABLE);
        reply.headers.push(Field::RSeq, rseq.to_string());
        let Some(wire) = self.reply(now, id, tag, reply) else { return };
        if let Some(state) = self.legs.get_mut(&leg) {
            state.reliable.last = Some((rseq, cseq));
            let (interval, next, end) = (T1, now + T1, now + T1_64);
            state.reliable.sent = Some(Unacknowledged { wire, flow, interval, next, end });
        }
    }

    /// PRACK of a caller: 200 if it is for what was sent last, 481 for anything else (§3).
    pub(super) fn handle_prack(&mut self, now: Time, id: u64, leg: Leg, request: &Request) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let rack = request.headers.rack().filter(|rack| rack.method == Method::Invite);
        let matches = rack.is_some_and(|rack| state.reliable.last == Some((rack.rseq, rack.cseq)));
        if !matches {
            return self.refuse_unknown(now, id);
        }
        if !request.body.is_empty() {
            // The offer of the INVITE has no answer yet, so this cannot be one (RFC 6337 §3.2).
            return self.refuse(now, id, Reply::new(488));
        }
        state.reliable.sent = None;
        let waiting = state.reliable.waiting.take();
        self.refuse(now, id, Reply::new(200));
        if let (Some(reply), Some((invite, tag))) = (waiting, self.ringing(leg)) {
            self.send_reliable(now, leg, invite, &tag, reply);
        }
    }

    /// Repeats what is not acknowledged, at intervals that double; after 64·T1 the INVITE is refused (§3).
    pub(super) fn wake_reliable(&mut self, now: Time, leg: Leg) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let Some(sent) = &mut state.reliable.sent else { return };
        if sent.end <= now {
            state.reliable.stop();
            self.tell(leg, Event::Gone { leg, failure: Failure::Timeout });
            return self.send_rejection(now, leg, Reply::new(504));
        }
        if sent.next <= now {
            sent.interval *= 2;
            sent.next = now + sent.interval;
            let (flow, wire) = (sent.flow, sent.wire.clone());
            self.counters.retransmissions_sent += 1;
            self.transmit(flow, wire);
        }
    }

    /// A provisional response above 100 to our INVITE of transaction `id`: its early dialog is kept, and it is
    /// acknowledged if it wants to be. `false`: it has come before, or out of order (§4), and is no news.
    pub(super) fn take_provisional(&mut self, now: Time, id: u64, leg: Leg, response: &Response) -> bool {
        let headers = &response.headers;
        let tag = headers.to().ok().and_then(|to| to.tag()).unwrap_or_default();
        let entry = self.table.clients.get(&id);
        let Some((flow, invite)) = entry.and_then(|entry| Some((entry.flow, entry.request.as_deref()?)))
        else {
            return true;
        };
        let Some(state) = self.legs.get_mut(&leg).filter(|_| !tag.is_empty()) else { return true };
        let at = match state.early.iter().position(|early| early.dialog.remote_tag == tag) {
            Some(at) => at,
            None if state.early.len() >= limits::EARLY_DIALOGS => return true,
            None => {
                let dialog = Dialog::of_response(invite, response, flow);
                state.early.push(Early { dialog, rseq: None, answer: None });
                state.early.len() - 1
            }
        };
        let rseq = headers.rseq().filter(|_| headers.has_token(Field::Require, RELIABLE));
        let Some(rseq) = rseq else { return true };
        let early = &mut state.early[at];
        if early.rseq.is_some_and(|last| last.checked_add(1) != Some(rseq)) {
            return false;
        }
        early.rseq = Some(rseq);
        if early.answer.is_none() && !response.body.is_empty() {
            let kind = headers.value(Field::ContentType).map(|kind| Bytes::copy_from_slice(kind));
            early.answer = Some((kind.unwrap_or_default(), Bytes::copy_from_slice(&response.body)));
        }
        let cseq = invite.headers.cseq().map_or(0, |cseq| cseq.number);
        let rack = RAck { rseq, cseq, method: Method::Invite };
        let number = early.dialog.next_cseq();
        let mut prack = early.dialog.request(Method::Prack, number);
        prack.headers.push(Field::RAck, rack.to_bytes());
        let flow = early.dialog.flow();
        self.send_request(now, flow, prack, Purpose::Prack(leg));
        true
    }

    /// The dialog of a 2xx goes on where its early dialog was: its requests are counted on (RFC 3261 §12.1.2). A 2xx
    /// without a description means the one that was acknowledged before.
    pub(super) fn confirm(&mut self, leg: Leg, dialog: &mut Dialog, response: &mut Response) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let at = state.early.iter().position(|early| early.dialog.remote_tag == dialog.remote_tag);
        let Some(early) = at.map(|at| state.early.swap_remove(at)) else { return };
        dialog.go_on_from(&early.dialog);
        if let (true, Some((kind, body))) = (response.body.is_empty(), early.answer) {
            response.headers.set(Field::ContentType, kind);
            response.body = body;
        }
    }

    /// A request of theirs in an early dialog of a call of ours (RFC 3311 §5.2): an UPDATE that offers nothing moves its
    /// target, OPTIONS is answered; anything else waits for the 2xx, and may come again.
    pub(super) fn handle_early(
        &mut self,
        now: Time,
        id: u64,
        leg: Leg,
        identity: &Identity,
        request: &Request,
    ) {
        let dialog = self.legs.get_mut(&leg).and_then(|state| state.early_of(&identity.from_tag));
        let Some(dialog) = dialog else { return self.refuse_order(now, id) };
        if !dialog.accept_cseq(identity.cseq) {
            return self.refuse_order(now, id);
        }
        match request.method {
            Method::Update if request.body.is_empty() => {
                dialog.refresh_target(&request.headers);
                self.refuse(now, id, Reply::new(200));
            }
            Method::Options => self.answer_options(now, id, true),
            // We send nothing that a callee could acknowledge so.
            Method::Prack => self.refuse_unknown(now, id),
            _ => self.refuse_order(now, id),
        }
    }

    /// The transaction and our tag of an INVITE that waits for the owner's answer.
    pub(super) fn ringing(&self, leg: Leg) -> Option<(u64, Bytes)> {
        let state = self.legs.get(&leg)?;
        match state.phase {
            Phase::Ringing(id) => Some((id, state.local_tag.clone())),
            _ => None,
        }
    }
}

impl LegState {
    /// The early dialog with the far end of this tag.
    pub(super) fn early_of(&mut self, tag: &[u8]) -> Option<&mut Dialog> {
        self.early.iter_mut().map(|early| &mut early.dialog).find(|dialog| dialog.remote_tag == tag)
    }
}
