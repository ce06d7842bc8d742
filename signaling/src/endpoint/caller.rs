//! Calls that go out: the INVITE, its answers and forks, its ACK and its CANCEL (RFC 3261 §9.1, §13.2).

use bytes::Bytes;

use super::failover::patience;
use super::leg::{LegState, Phase};
use super::naming::take_session_id;
use super::sending::{Outcome, add_body, add_headers, derived};
use super::session::{take_wish, write_terms};
use super::table::{ClientMachine, Purpose};
use super::{Endpoint, Event, Failure, Invite, Leg};
use crate::Time;
use crate::dialog::{Dialog, is_sips};
use crate::limits;
use crate::message::{CSeq, Field, Headers, Method, NameAddr, Request, Response, Uri};
use crate::session_timer::SessionTimer;
use crate::transaction::T1_64;

impl Endpoint {
    pub(super) fn send_invite(&mut self, now: Time, invite: Invite) -> Leg {
        let leg = Leg(self.next_key());
        if self.legs.len() >= self.config.legs_max || self.table.len() >= self.config.transactions_max {
            self.counters.rejected.overload += 1;
            let failure = Failure::Status(503);
            self.events.push_back(Event::Refused { leg, failure, response: None });
            return leg;
        }
        let (tag, call_id) = (self.random.token(""), self.mint_call_id());
        let mut flow = invite.flow;
        let mut request = self.request_outside(Method::Invite, &invite.uri, &invite.from, &tag, &call_id);
        request.headers.push(Field::Contact, self.contact(flow, is_sips(&invite.uri)));
        request.headers.push(Field::Allow, self.allow());
        if !self.config.supported.is_empty() {
            request.headers.push(Field::Supported, self.config.supported.join(", "));
        }
        let mut headers = invite.headers;
        let mut timer = SessionTimer::default();
        timer.wish(take_wish(&mut headers));
        let session_id = take_session_id(&mut headers);
        if !session_id.is_unknown() {
            request.headers.push(Field::SessionId, session_id.to_bytes());
        }
        write_terms(&timer, &mut request.headers);
        add_headers(&mut request.headers, headers);
        add_body(&mut request.headers, &mut request.body, invite.body);
        let (mut others, patience) = (invite.others, patience(flow));
        if let Some(stream) = self.by_size(flow, &request) {
            // A far end without TCP is known by its refusal or, behind a firewall, by its silence.
            others.insert(0, flow);
            flow = stream;
            request.headers.set(Field::Contact, self.contact(flow, is_sips(&invite.uri)));
        }
        let client = self.send_request(now, flow, request, Purpose::Invite(leg));
        let mut state = LegState::new(Phase::Calling(client), call_id, tag);
        (state.owns_call_id, state.timer, state.session_id) = (true, timer, session_id);
        state.others = others.into_iter().take(limits::TARGETS_MAX - 1).collect();
        state.patience = Some(now + patience);
        self.add_leg(leg, state);
        self.set_credentials(leg, invite.credentials);
        self.settle(now, leg);
        leg
    }

    /// A request that belongs to no dialog (§8.1.1), without Via and Contact.
    pub(super) fn request_outside(
        &mut self,
        method: Method,
        uri: &Bytes,
        from: &Bytes,
        tag: &[u8],
        call_id: &Bytes,
    ) -> Request {
        let from = match NameAddr::parse(from) {
            Ok(from) => from.with_tag(tag).to_bytes(),
            Err(_) => Bytes::from([b"<sip:anonymous@anonymous.invalid>;tag=", tag].concat()),
        };
        // A To may have no URI headers; the Request-URI that is dialled is the same URI (§19.1.1).
        let uri = match Uri::parse(uri) {
            Ok(Uri::Sip(mut sip)) => {
                sip.headers = None;
                Uri::Sip(sip).to_bytes()
            }
            _ => uri.clone(),
        };
        let to = Bytes::from([b"<", &uri[..], b">"].concat());
        let mut request = Request::new(method.clone(), uri);
        request.headers.push(Field::MaxForwards, "70");
        request.headers.push(Field::From, from);
        request.headers.push(Field::To, to);
        request.headers.push(Field::CallId, call_id.clone());
        request.headers.push(Field::CSeq, CSeq { number: 1, method }.to_bytes());
        request
    }

    /// A Call-ID that leads back to this shard.
    pub(super) fn mint_call_id(&mut self) -> Bytes {
        let draw = |random: &mut crate::Random| {
            let (first, second) = (random.draw(), random.draw());
            Bytes::from(format!("{first:016x}{second:016x}"))
        };
        let mut call_id = draw(&mut self.random);
        if let Some(shard) = self.config.shard {
            for _ in 0..limits::CALL_ID_DRAWS {
                if shard.owns(&call_id) {
                    break;
                }
                call_id = draw(&mut self.random);
            }
        }
        call_id
    }

    /// Gives up an INVITE of ours, as soon as §9.1 allows.
    pub(super) fn give_up(&mut self, now: Time, leg: Leg, headers: Headers) {
        let Some(state) = self.legs.get_mut(&leg) else { return self.counters.commands_ignored += 1 };
        let client = match state.phase {
            Phase::Calling(client) => client,
            // The 2xx has crossed the owner's command: it was acknowledged, and whoever answered is let go (§15).
            Phase::Up => return self.end_leg(now, leg, headers),
            _ => return self.counters.commands_ignored += 1,
        };
        state.quiet = true;
        state.phase = Phase::Cancelling(client, Some(headers));
        self.send_cancel_if_allowed(now, leg);
        self.settle(now, leg);
    }

    fn send_cancel_if_allowed(&mut self, now: Time, leg: Leg) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let Phase::Cancelling(client, headers) = &mut state.phase else { return };
        let Some(entry) = self.table.clients.get(client) else { return };
        let ClientMachine::Invite(machine) = &entry.machine else { return };
        if !machine.is_proceeding() {
            return;
        }
        let (Some(headers), client) = (headers.take(), *client) else { return };
        // §9.1: with no final answer within 64·T1 the INVITE counts as cancelled.
        state.give_up = Some(now + T1_64);
        self.send_cancel(now, client, headers);
    }

    /// CANCEL of INVITE `client`, in its branch.
    pub(super) fn send_cancel(&mut self, now: Time, client: u64, headers: Headers) {
        let Some(entry) = self.table.clients.get(&client) else { return };
        let Some(invite) = entry.request.as_deref() else { return };
        let mut cancel = derived(invite, Method::Cancel);
        add_headers(&mut cancel.headers, headers);
        let branch = invite.headers.via().ok().and_then(|via| via.branch()).unwrap_or_default();
        let flow = entry.flow;
        self.send_branch(now, flow, cancel, Purpose::Nothing, &branch);
    }

    /// A response other than a rejection has come to a request of ours.
    pub(super) fn deliver(&mut self, now: Time, id: u64, response: Response) {
        let Some(entry) = self.table.clients.get(&id) else { return };
        let purpose = entry.purpose;
        if response.status >= 300 {
            let failure = Failure::Status(response.status);
            return self.conclude(now, id, Err((failure, Some(response))));
        }
        match (purpose, response.is_provisional()) {
            (Purpose::Invite(leg), true) => self.handle_progress(now, id, leg, response),
            (Purpose::Invite(leg), false) => self.handle_accepted(now, id, leg, response),
            (Purpose::Abandoned, true) => self.send_cancel(now, id, Headers::new()),
            (Purpose::Abandoned, false) => self.let_go(now, id, &response),
            (Purpose::Reinvite(leg), false) => self.handle_reaccepted(now, id, leg, response),
            (_, true) => {}
            (_, false) => self.conclude(now, id, Ok(response)),
        }
    }

    fn handle_progress(&mut self, now: Time, id: u64, leg: Leg, response: Response) {
        self.heard_from_target(leg);
        if response.status > 100 && !self.take_provisional(now, id, leg, &response) {
            return;
        }
        match self.legs.get(&leg).map(|state| &state.phase) {
            Some(Phase::Calling(_)) => {
                self.events.push_back(Event::Progress { leg, response });
            }
            Some(Phase::Cancelling(..)) => {
                self.send_cancel_if_allowed(now, leg);
                self.settle(now, leg);
            }
            _ => {}
        }
    }

    /// 2xx to the first INVITE, of the first fork or of another, for the first time or again.
    fn handle_accepted(&mut self, now: Time, id: u64, leg: Leg, mut response: Response) {
        let Some(entry) = self.table.clients.get(&id) else { return };
        let tag = response.headers.to().ok().and_then(|to| to.tag()).unwrap_or_default();
        if entry.acks.iter().any(|(of, ..)| *of == tag) {
            return self.repeat_ack(id, &tag);
        }
        if entry.acks.len() >= limits::FORKS_ENDED {
            return;
        }
        let is_first = entry.acks.is_empty();
        let Some(invite) = entry.request.as_deref() else { return };
        let mut dialog =
            Dialog::of_response(invite, &response, entry.flow).knowing(self.config.listeners.clone());
        let cseq = invite.headers.cseq().map_or(0, |cseq| cseq.number);
        self.confirm(leg, &mut dialog, &mut response);
        self.acknowledge(id, tag, &dialog, cseq);
        let phase = self.legs.get_mut(&leg).filter(|_| is_first);
        match phase {
            Some(state) if matches!(state.phase, Phase::Calling(_) | Phase::Cancelling(..)) => {
                let cancelled = matches!(state.phase, Phase::Cancelling(..));
                (state.phase, state.dialog, state.give_up) = (Phase::Up, Some(dialog), None);
                self.take_session_terms(now, leg, &response.headers);
                if cancelled {
                    self.send_bye(now, leg, Headers::new());
                } else {
                    self.events.push_back(Event::Answered { leg, response });
                }
                self.settle(now, leg);
            }
            // §13.2.2.4: who answers second is thanked and let go.
            _ => self.send_off(now, dialog),
        }
    }

    /// BYE to who has answered and is not wanted.
    pub(super) fn send_off(&mut self, now: Time, mut dialog: Dialog) {
        self.counters.forks_ended += 1;
        let number = dialog.next_cseq();
        let bye = dialog.request(Method::Bye, number);
        self.send_request(now, dialog.flow(), bye, Purpose::Nothing);
    }

    /// Sends the ACK to a 2xx and keeps it to be sent again.
    pub(super) fn acknowledge(&mut self, id: u64, tag: Bytes, dialog: &Dialog, cseq: u32) {
        let flow = dialog.flow();
        let mut ack = dialog.request(Method::Ack, cseq);
        self.authorize_ack(id, &mut ack);
        let leg = self.table.clients.get(&id).and_then(|entry| entry.purpose.leg());
        self.name_session(leg, &mut ack.headers);
        let wire = self.send_ack(flow, ack);
        if let Some(entry) = self.table.clients.get_mut(&id) {
            // Own octets: a slice would keep the response's datagram alive.
            entry.acks.push((Bytes::copy_from_slice(&tag), flow, wire));
            entry.wire = Bytes::new();
        }
    }

    /// A request of ours has its outcome, other than the 2xx of an INVITE.
    pub(super) fn conclude(&mut self, now: Time, id: u64, outcome: Outcome) {
        if self.answer_challenge(now, id, &outcome) || self.try_next_target(now, id, &outcome) {
            return;
        }
        let Some(entry) = self.table.clients.get(&id) else { return };
        match entry.purpose {
            Purpose::Invite(leg) => self.conclude_invite(now, id, leg, outcome),
            Purpose::Reinvite(leg) => self.conclude_reinvite(now, leg, outcome),
            Purpose::Bye(leg) => {
                self.close(now, leg);
                self.settle(now, leg);
            }
            Purpose::Notify(leg, key) => self.conclude_notify(now, leg, key, outcome),
            Purpose::Refer(leg, key, cseq) => {
                if outcome.is_err() {
                    self.unwatch(leg, cseq);
                }
                self.conclude_request(now, leg, key, outcome);
            }
            Purpose::Refresh(leg) => self.conclude_refresh(now, leg, outcome),
            Purpose::Request(leg, key) => self.conclude_request(now, leg, key, outcome),
            Purpose::Probe(key) => {
                let result = outcome.map_err(|(failure, _)| failure);
                self.events.push_back(Event::ProbeReplied { key, result });
            }
            Purpose::Prack(_) | Purpose::Abandoned | Purpose::Nothing => {}
        }
    }

    fn conclude_invite(&mut self, now: Time, id: u64, leg: Leg, outcome: Outcome) {
        if let Err((Failure::Status(422), response)) = &outcome
            && matches!(self.legs.get(&leg), Some(LegState { phase: Phase::Calling(_), .. }))
            && self.raise_interval(leg, response.as_ref())
            && let Some((flow, request)) = self.invite_anew(leg, id)
        {
            let client = self.send_request(now, flow, request, Purpose::Invite(leg));
            if let Some(state) = self.legs.get_mut(&leg) {
                state.phase = Phase::Calling(client);
            }
            return;
        }
        let Some(state) = self.legs.get(&leg) else { return };
        let (quiet, calling) =
            (state.quiet, matches!(state.phase, Phase::Calling(_) | Phase::Cancelling(..)));
        if !calling {
            return;
        }
        if let (false, Err((failure, response))) = (quiet, outcome) {
            self.events.push_back(Event::Refused { leg, failure, response });
        }
        self.close(now, leg);
        self.settle(now, leg);
    }
}
