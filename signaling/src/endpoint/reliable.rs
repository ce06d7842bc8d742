//! Provisional responses that are acknowledged (RFC 3262): ours to a caller that requires it, and PRACK to those of
//! others; and the early dialogs that provisional responses make (RFC 3261 §12.1, several where a proxy forks).
//!
//! An early dialog may be offered another session once the first offer has its answer in an acknowledged response
//! (RFC 3311 §5.1, RFC 3262 §5); every INVITE of ours has the offer, and no PRACK of ours has one.

use std::time::Duration;

use bytes::Bytes;

use super::answering::Reply;
use super::leg::{LegState, Phase};
use super::table::Purpose;
use super::within::Kind;
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
    /// Another offer has been answered since: what its 2xx describes is out of date.
    renewed: bool,
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
    /// The 2xx that waits for that.
    answer: Option<Reply>,
    /// A response that was acknowledged had the answer to their offer.
    agreed: bool,
}

#[derive(Debug)]
struct Unacknowledged {
    wire: Bytes,
    flow: Flow,
    /// It has a description.
    describes: bool,
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
        (self.sent, self.waiting, self.answer) = (None, None, None);
    }

    /// Whether the caller's first offer has its answer, so that there may be another (RFC 3311 §5.1).
    pub(super) fn is_agreed(&self) -> bool {
        self.agreed
    }

    /// Keeps a 2xx back that may not leave before the description in a provisional response is acknowledged (§3).
    pub(super) fn hold_back(&mut self, answer: Reply) -> Option<Reply> {
        if self.sent.as_ref().is_some_and(|sent| sent.describes) {
            self.answer = Some(answer);
            return None;
        }
        Some(answer)
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
        if last.is_some() && self.legs.get(&leg).is_some_and(|state| state.reliable.agreed) {
            // §5: the answer has been given; again, it would be an offer.
            reply.body = Bytes::new();
        }
        let describes = !reply.body.is_empty();
        let Some(wire) = self.reply(now, id, tag, reply) else { return };
        if let Some(state) = self.legs.get_mut(&leg) {
            state.reliable.last = Some((rseq, cseq));
            let (interval, next, end) = (T1, now + T1, now + T1_64);
            state.reliable.sent = Some(Unacknowledged { wire, flow, describes, interval, next, end });
        }
    }

    /// PRACK of a caller: 200 if it is for what was sent last, 481 for anything else (§3). An offer in it is the owner's
    /// to answer, if the first one has its answer (§5).
    pub(super) fn handle_prack(&mut self, now: Time, id: u64, leg: Leg, cseq: u32, request: Request) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let rack = request.headers.rack().filter(|rack| rack.method == Method::Invite);
        let matches = rack.is_some_and(|rack| state.reliable.last == Some((rack.rseq, rack.cseq)));
        if !matches {
            return self.refuse_unknown(now, id);
        }
        let described = state.reliable.sent.as_ref().is_some_and(|sent| sent.describes);
        let agreed = state.reliable.agreed || described;
        if !request.body.is_empty() && !agreed {
            // The offer of the INVITE has no answer yet, so this cannot be one (RFC 6337 §3.2).
            return self.refuse(now, id, Reply::new(488));
        }
        state.reliable.agreed = agreed;
        state.reliable.sent = None;
        let (waiting, answer) = (state.reliable.waiting.take(), state.reliable.answer.take());
        if request.body.is_empty() {
            self.refuse(now, id, Reply::new(200));
        } else if self.awaits_answer(leg) {
            self.refuse_order(now, id);
        } else {
            self.offer(leg, id, cseq, Kind::Prack, request);
        }
        match (answer, waiting, self.ringing(leg)) {
            (Some(answer), ..) => self.send_answer(now, leg, answer),
            (None, Some(reply), Some((invite, tag))) => self.send_reliable(now, leg, invite, &tag, reply),
            _ => {}
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
                state.early.push(Early { dialog, rseq: None, answer: None, renewed: false });
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
    /// without a description means the one that was acknowledged before; after another offer, what stands is no longer that.
    pub(super) fn confirm(&mut self, leg: Leg, dialog: &mut Dialog, response: &mut Response) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let at = state.early.iter().position(|early| early.dialog.remote_tag == dialog.remote_tag);
        let Some(early) = at.map(|at| state.early.swap_remove(at)) else { return };
        dialog.go_on_from(&early.dialog);
        if early.renewed {
            response.body = Bytes::new();
            return;
        }
        if let (true, Some((kind, body))) = (response.body.is_empty(), early.answer) {
            response.headers.set(Field::ContentType, kind);
            response.body = body;
        }
    }

    /// A request of theirs in an early dialog of a call of ours: an UPDATE that offers nothing moves its target, one that
    /// does is the owner's to answer, OPTIONS is answered; anything else waits for the 2xx, and may come again.
    pub(super) fn handle_early(
        &mut self,
        now: Time,
        id: u64,
        leg: Leg,
        identity: &Identity,
        request: Request,
    ) {
        let state = self.legs.get_mut(&leg);
        let others = state.as_ref().is_some_and(|state| state.early.len() > 1);
        let early = state.and_then(|state| state.early_of(&identity.from_tag));
        let Some(early) = early else { return self.refuse_order(now, id) };
        if !early.dialog.accept_cseq(identity.cseq) {
            return self.refuse_order(now, id);
        }
        match request.method {
            Method::Update if request.body.is_empty() => {
                early.dialog.refresh_target(&request.headers);
                self.refuse(now, id, Reply::new(200));
            }
            // RFC 3311 §5.2: our offer has no answer yet.
            Method::Update if early.answer.is_none() => self.refuse_glare(now, id),
            // One of several phones: the owner has one session, and does not know yet with which.
            Method::Update if others || self.awaits_answer(leg) => self.refuse_order(now, id),
            Method::Update => self.offer(leg, id, identity.cseq, Kind::Update, request),
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
    pub(super) fn early_of(&mut self, tag: &[u8]) -> Option<&mut Early> {
        self.early.iter_mut().find(|early| early.dialog.remote_tag == tag)
    }

    /// Another offer of theirs has been accepted in the dialog of this tag, early or not (RFC 3311 §5.2).
    pub(super) fn accept_offer(&mut self, request: &Request) {
        if let Some(dialog) = &mut self.dialog {
            dialog.refresh_target(&request.headers);
            return;
        }
        let tag = request.headers.from().ok().and_then(|from| from.tag()).unwrap_or_default();
        if let Some(early) = self.early_of(&tag) {
            early.dialog.refresh_target(&request.headers);
            early.renewed = true;
        }
    }
}
