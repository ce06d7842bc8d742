//! Requests of theirs within a dialog (RFC 3261 §12.2.2, §14.2, §15.1.2; RFC 3311, 3515, 6086), and the owner's answers.

use super::answering::Reply;
use super::leg::Phase;
use super::{Endpoint, Event, Flow, Leg, RequestKey};
use crate::Time;
use crate::limits;
use crate::message::{Field, Method, Request};
use crate::transaction::key::Identity;

/// A request of theirs that waits for the owner.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) leg: Leg,
    /// Its transaction.
    server: u64,
    kind: Kind,
    cseq: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Invite,
    Update,
    /// One that brings an offer.
    Prack,
    Refer,
    Info,
}

impl Endpoint {
    pub(super) fn handle_within(
        &mut self,
        now: Time,
        id: u64,
        identity: &Identity,
        flow: Flow,
        request: Request,
    ) {
        let Some(leg) = self.find_leg(identity) else { return self.refuse_unknown(now, id) };
        self.bind_server(id, leg);
        self.learn_session_id(leg, &request.headers);
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let Some(dialog) = state.dialog.as_mut() else {
            return self.handle_early(now, id, leg, identity, request);
        };
        dialog.seen_at(flow);
        let in_order = dialog.accept_cseq(identity.cseq);
        // A BYE that was overtaken still means the end; §12.2.2 would refuse it and keep a call that nobody wants.
        if !in_order && request.method != Method::Bye {
            return self.refuse_order(now, id);
        }
        match request.method {
            Method::Bye => self.handle_bye(now, id, leg, request),
            Method::Notify => self.handle_notify(now, id, leg, request),
            Method::Subscribe => self.handle_subscribe(now, id, leg, &request),
            Method::Options => self.answer_options(now, id, true),
            Method::Prack => self.handle_prack(now, id, leg, identity.cseq, request),
            _ if self.is_call_over(leg) => self.refuse_unknown(now, id),
            Method::Info => self.handle_info(now, id, leg, identity.cseq, request),
            Method::Invite => self.handle_reinvite(now, id, leg, identity.cseq, request),
            Method::Update => self.handle_update(now, id, leg, identity.cseq, request),
            Method::Refer => self.handle_refer(now, id, leg, identity.cseq, request),
            _ => {
                self.counters.rejected.method += 1;
                self.refuse(now, id, Reply::new(405));
            }
        }
        self.settle(now, leg);
    }

    /// Whether the call of this leg has ended or is ending, whatever else lives in its dialog.
    fn is_call_over(&self, leg: Leg) -> bool {
        self.legs.get(&leg).is_none_or(|state| {
            matches!(state.phase, Phase::Leaving | Phase::Over) || state.bye_wanted.is_some()
        })
    }

    /// An event of the call, unless the owner has ended it.
    pub(super) fn tell(&mut self, leg: Leg, event: Event) {
        if self.legs.get(&leg).is_some_and(|state| !state.quiet) {
            self.events.push_back(event);
        }
    }

    /// 500 with the time to try again: out of order, or before its turn (§14.2: 0 to 10 s).
    pub(super) fn refuse_order(&mut self, now: Time, id: u64) {
        self.counters.rejected.order += 1;
        let seconds = self.random.below(11);
        self.refuse(now, id, Reply::new(500).with(Field::RetryAfter, seconds.to_string()));
    }

    pub(super) fn refuse_glare(&mut self, now: Time, id: u64) {
        self.counters.rejected.glare += 1;
        self.refuse(now, id, Reply::new(491));
    }

    /// BYE (§15.1.2).
    fn handle_bye(&mut self, now: Time, id: u64, leg: Leg, request: Request) {
        let Some(state) = self.legs.get(&leg) else { return };
        let event = match state.phase {
            Phase::Over => return self.refuse_unknown(now, id),
            Phase::Ringing(invite) => {
                let tag = state.local_tag.clone();
                self.refuse(now, id, Reply::new(200));
                self.reply(now, invite, &tag, Reply::new(487));
                Event::Cancelled { leg, request }
            }
            _ => {
                self.refuse(now, id, Reply::new(200));
                Event::Bye { leg, request }
            }
        };
        self.tell(leg, event);
        self.close(now, leg);
    }

    /// re-INVITE (§14.2).
    fn handle_reinvite(&mut self, now: Time, id: u64, leg: Leg, cseq: u32, request: Request) {
        let Some(state) = self.legs.get(&leg) else { return };
        if state.reinvite_sent().is_some() {
            return self.refuse_glare(now, id);
        }
        let unacked_full = state.unacked.len() >= limits::UNACKED_ANSWERS;
        if !state.is_up() || unacked_full || self.awaits_answer(leg) {
            return self.refuse_order(now, id);
        }
        self.reply(now, id, b"", Reply::new(100));
        self.offer(leg, id, cseq, Kind::Invite, request);
    }

    /// UPDATE (RFC 3311 §5.2): without an offer it only moves the target.
    fn handle_update(&mut self, now: Time, id: u64, leg: Leg, cseq: u32, request: Request) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        if request.body.is_empty() {
            if let Some(dialog) = &mut state.dialog {
                dialog.refresh_target(&request.headers);
            }
            let mut reply = Reply::new(200);
            self.answer_session_terms(now, leg, &request.headers, &mut reply);
            return self.refuse(now, id, reply);
        }
        if state.reinvite_sent().is_some() {
            return self.refuse_glare(now, id);
        }
        // RFC 3311 §5.2: before that, the offer of their INVITE waits for its answer.
        let agreed = matches!(state.phase, Phase::Ringing(_)) && state.reliable.is_agreed();
        if !(state.is_up() || agreed) || self.awaits_answer(leg) {
            return self.refuse_order(now, id);
        }
        self.offer(leg, id, cseq, Kind::Update, request);
    }

    /// INFO. We asked for no package (no Recv-Info), so one that names a package is refused (RFC 6086 §4.2.2).
    fn handle_info(&mut self, now: Time, id: u64, leg: Leg, cseq: u32, request: Request) {
        if request.headers.has("Info-Package") {
            self.counters.rejected.content += 1;
            let mut reply = Reply::new(469);
            reply.headers.push("Recv-Info", "nil");
            return self.refuse(now, id, reply);
        }
        let Some(state) = self.legs.get(&leg) else { return };
        if state.quiet {
            return self.refuse_unknown(now, id);
        }
        if state.pending.len() >= limits::PENDING_PER_LEG {
            return self.refuse_order(now, id);
        }
        let key = self.wait_for_owner(leg, id, cseq, Kind::Info);
        self.events.push_back(Event::Info { leg, key, request });
    }

    fn handle_refer(&mut self, now: Time, id: u64, leg: Leg, cseq: u32, request: Request) {
        // RFC 3515 §2.4.2: exactly one Refer-To.
        if !matches!(request.headers.refer_to(), Ok(Some(_))) {
            self.counters.rejected.bad_request += 1;
            return self.refuse(now, id, Reply::new(400));
        }
        let Some(state) = self.legs.get(&leg) else { return };
        let full = state.pending.len() >= limits::PENDING_PER_LEG
            || state.subscriptions.len() >= limits::SUBSCRIPTIONS_PER_LEG;
        if !state.is_up() || state.quiet || full {
            return self.refuse_order(now, id);
        }
        let key = self.wait_for_owner(leg, id, cseq, Kind::Refer);
        self.events.push_back(Event::Refer { leg, key, request });
    }

    /// Whether an offer of theirs waits for the owner's answer.
    pub(super) fn awaits_answer(&self, leg: Leg) -> bool {
        let pending = self.legs.get(&leg).map(|state| &state.pending[..]).unwrap_or_default();
        pending.iter().any(|key| {
            self.pending
                .get(key)
                .is_some_and(|pending| matches!(pending.kind, Kind::Invite | Kind::Update | Kind::Prack))
        })
    }

    pub(super) fn offer(&mut self, leg: Leg, id: u64, cseq: u32, kind: Kind, request: Request) {
        let key = self.wait_for_owner(leg, id, cseq, kind);
        self.events.push_back(Event::Offer { leg, key, request });
    }

    fn wait_for_owner(&mut self, leg: Leg, server: u64, cseq: u32, kind: Kind) -> RequestKey {
        let key = RequestKey(self.next_key());
        self.pending.insert(key, Pending { leg, server, kind, cseq });
        if let Some(state) = self.legs.get_mut(&leg) {
            state.pending.push(key);
        }
        key
    }

    /// The owner answers an offer or a REFER.
    pub(super) fn answer_pending(&mut self, now: Time, key: RequestKey, mut reply: Reply) {
        let Some(pending) = self.pending.get(&key).copied() else {
            return self.counters.commands_ignored += 1;
        };
        let Pending { leg, server, kind, cseq } = pending;
        let Some(tag) = self.legs.get(&leg).map(|state| state.local_tag.clone()) else { return };
        let accepted = (200..300).contains(&reply.status);
        if reply.status >= 200 {
            self.take_pending(key);
        }
        if accepted && matches!(kind, Kind::Invite | Kind::Update) {
            self.move_target(leg, server);
        }
        match kind {
            Kind::Invite if accepted => self.accept_invite(now, leg, server, &tag, reply),
            Kind::Refer if accepted => {
                self.reply(now, server, &tag, reply);
                self.subscribe(now, leg, key, cseq);
            }
            Kind::Update if accepted => {
                self.answer_terms(now, leg, server, &mut reply);
                self.reply(now, server, &tag, reply);
            }
            _ => drop(self.reply(now, server, &tag, reply)),
        }
        self.settle(now, leg);
    }

    /// The target moves when the request that asks for it is accepted (§12.2.2).
    fn move_target(&mut self, leg: Leg, server: u64) {
        let request = self.table.servers.get(&server).and_then(|entry| entry.request.as_deref());
        if let (Some(request), Some(state)) = (request, self.legs.get_mut(&leg)) {
            state.accept_offer(request);
        }
    }

    fn take_pending(&mut self, key: RequestKey) {
        if let Some(pending) = self.pending.remove(&key)
            && let Some(state) = self.legs.get_mut(&pending.leg)
        {
            state.pending.retain(|&other| other != key);
        }
    }

    /// A request that waited for the owner has been answered otherwise.
    pub(super) fn forget_pending(&mut self, leg: Leg, server: u64) {
        let keys = self.legs.get(&leg).map(|state| state.pending.clone()).unwrap_or_default();
        let found = keys
            .into_iter()
            .find(|key| self.pending.get(key).is_some_and(|pending| pending.server == server));
        if let Some(key) = found {
            self.take_pending(key);
        }
    }

    /// The call is over: what waits for the owner gets 487 (§15.1.2).
    pub(super) fn terminate_pending(&mut self, now: Time, leg: Leg) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let (keys, tag) = (std::mem::take(&mut state.pending), state.local_tag.clone());
        for key in keys {
            if let Some(pending) = self.pending.remove(&key) {
                self.reply(now, pending.server, &tag, Reply::new(487));
            }
        }
    }
}
