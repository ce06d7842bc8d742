//! What a call asks for, carried out: SIP by the endpoint, media by the session, ports by the world.
//!
//! Leaves out the order in which a call asks (`settle`). Whatever is done here leaves with the next turn, which the
//! owner is to have at once.

use baton_signaling::Time;
use baton_signaling::endpoint::{Invite, RequestKey};
use baton_signaling::message::Headers;
use baton_signaling::message::header::Uuid;
use bytes::Bytes;

use super::sessions::Panicked;
use super::translate::headers_from;
use super::{Io, Shard};
use crate::call::{Action, Dial, Failure, Input, NoPort, SipEvent};
use crate::key::{CallKey, LegId};
use crate::media::{Measured, Order};
use crate::queue::QueueRequest;

/// Pairs that are tried when other programs sit on ports of our range, before a leg is told that it has none.
const PORT_TRIES: usize = 8;

/// What became of an action.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum Applied {
    /// It is done, or on its way.
    Done,
    /// It is done, and the call is to be told this at once.
    Told(Input),
    /// It is for the queues.
    Queue(QueueRequest),
    /// The call is over and the shard has forgotten it.
    Ended,
}

impl Shard {
    /// Carries out one action of a call. For a call that the shard does not know, nothing but its end is done.
    pub fn apply(&mut self, now: Time, key: CallKey, action: Action, io: &mut impl Io) -> Applied {
        match action {
            Action::AllocatePort(leg) => return self.allocate(now, key, leg, io),
            Action::Dial(leg, dial) => return self.dial(now, key, leg, dial, io),
            Action::Queue(request) => return Applied::Queue(request),
            Action::End => {
                self.remove(now, key, io);
                return Applied::Ended;
            }
            Action::Media(order) => return self.order(now, key, order, io),
            Action::ReleasePort(leg) => self.release(now, key, leg, io),
            action => self.signal(now, key, action),
        }
        Applied::Done
    }

    /// The actions that are one command to the endpoint.
    fn signal(&mut self, now: Time, key: CallKey, action: Action) {
        let none = Bytes::new;
        match action {
            Action::Progress(leg, status) => {
                if let Some(sip) = self.calls.dialog(key, leg) {
                    self.endpoint.progress(now, sip, status, Headers::default(), none());
                }
            }
            Action::Early(leg, sdp) => {
                if let Some(sip) = self.calls.dialog(key, leg) {
                    self.endpoint.progress(now, sip, 183, Headers::default(), sdp.0);
                }
            }
            Action::Answer { leg, sdp, headers } => {
                if let Some(sip) = self.calls.dialog(key, leg) {
                    self.endpoint.answer(now, sip, headers_from(headers), sdp.0);
                }
            }
            Action::Reject { leg, status, reason, headers } => {
                if let Some(sip) = self.calls.dialog(key, leg) {
                    self.endpoint.reject(now, sip, status, &reason, headers_from(headers));
                    self.calls.close(key, leg);
                }
            }
            Action::Cancel(leg, headers) => {
                if let Some(sip) = self.calls.dialog(key, leg) {
                    self.endpoint.cancel(now, sip, headers_from(headers));
                    self.calls.close(key, leg);
                }
            }
            Action::HangUp(leg, headers) => {
                if let Some(sip) = self.calls.dialog(key, leg) {
                    self.endpoint.hang_up(now, sip, headers_from(headers));
                    self.calls.close(key, leg);
                }
            }
            Action::Respond { request, status, sdp, headers, .. } => {
                let (headers, sdp) = (headers_from(headers), sdp.map_or_else(Bytes::new, |sdp| sdp.0));
                self.endpoint.respond(now, RequestKey(request.0), status, "", headers, sdp);
            }
            Action::Reinvite(leg, sdp) => {
                if let Some(sip) = self.calls.dialog(key, leg) {
                    self.endpoint.reinvite(now, sip, Headers::default(), sdp.0);
                }
            }
            Action::Info { leg, content_type, body } => {
                if let Some(sip) = self.calls.dialog(key, leg) {
                    self.endpoint.info(now, sip, &content_type, body);
                }
            }
            Action::Probe(leg) => {
                if let Some(sip) = self.calls.dialog(key, leg) {
                    self.endpoint.probe(now, sip);
                }
            }
            Action::Notify { request, status, reason, headers, .. } => {
                let headers = headers_from(headers);
                self.endpoint.notify(now, RequestKey(request.0), status, &reason, &headers);
            }
            Action::SessionId(leg, uuid) => {
                if let (Some(sip), Some(uuid)) = (self.calls.dialog(key, leg), Uuid::parse(uuid.as_bytes())) {
                    self.endpoint.set_session_id(sip, uuid);
                }
            }
            // `apply` has dealt with these.
            Action::AllocatePort(_)
            | Action::Dial(..)
            | Action::Media(_)
            | Action::Queue(_)
            | Action::ReleasePort(_)
            | Action::End => {}
        }
    }

    fn dial(&mut self, now: Time, key: CallKey, leg: LegId, dial: Dial, io: &mut impl Io) -> Applied {
        if self.calls.get_mut(key).is_none() {
            return Applied::Done;
        }
        // What does not answer OPTIONS has no target while its peer has another address.
        let passed_over = self.gate.passes_over(&dial.peer, &dial.uri);
        let mut targets = if passed_over { Vec::new() } else { io.targets(&dial.uri) }.into_iter();
        let Some(flow) = targets.next() else {
            let refused = SipEvent::Refused { failure: Failure::Transport, headers: Vec::new() };
            return Applied::Told(Input::Sip(leg, refused));
        };
        let sip = self.endpoint.invite(
            now,
            Invite {
                uri: Bytes::from(dial.uri),
                from: Bytes::from(dial.from),
                flow,
                others: targets.collect(),
                headers: headers_from(dial.headers),
                body: dial.sdp.0,
                credentials: self.gate.credentials(&dial.peer),
            },
        );
        self.calls.bind(key, leg, sip);
        self.join_ladder(key, leg, &dial.peer, sip);
        Applied::Done
    }

    fn allocate(&mut self, now: Time, key: CallKey, leg: LegId, io: &mut impl Io) -> Applied {
        let Some(call) = self.calls.get_mut(key) else { return Applied::Done };
        let mut found = Err(NoPort::Exhausted);
        for _ in 0..PORT_TRIES {
            let Some(pair) = self.ports.take(now) else { break };
            if let Some(address) = io.open_ports(pair) {
                found = Ok(address);
                self.sessions.bind(call.session, key, leg, pair);
                call.leg(leg).pair = Some(pair);
                break;
            }
            self.tally.ports_refused += 1;
            self.ports.give_back(now, pair);
            found = Err(NoPort::Refused);
        }
        Applied::Told(Input::Port(leg, found))
    }

    fn release(&mut self, now: Time, key: CallKey, leg: LegId, io: &mut impl Io) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let (slot, pair) = (call.session, call.leg(leg).pair.take());
        if let Some(pair) = pair {
            // The leg's last packets, RTCP BYE among them, leave before their socket closes.
            self.flush(io);
            self.sessions.unbind(slot, key, leg);
            io.close_ports(pair);
            self.ports.give_back(now, pair);
        }
    }

    fn order(&mut self, now: Time, key: CallKey, order: Order, io: &mut impl Io) -> Applied {
        let Some(slot) = self.calls.get_mut(key).map(|call| call.session) else { return Applied::Done };
        let Some(entry) = self.sessions.of(slot, key) else { return Applied::Done };
        if let Order::Close { leg } = &order {
            let stats = entry.session.stats(*leg);
            self.tally.leg_over(stats);
        }
        self.make_room(io);
        let walked =
            self.sessions.walk(slot, &mut self.outbox, |session, out| session.apply(now, order, out));
        match walked {
            Some(Err(Panicked)) => {
                self.tally.panics += 1;
                self.drop_session(slot, key);
                Applied::Told(Input::Overload)
            }
            Some(Ok(())) => {
                self.keep_tick(now, slot);
                self.tell(slot, io);
                self.take_measured(slot)
            }
            None => Applied::Done,
        }
    }

    /// What the order just carried out has ended, measured: the call is to have it before it goes on.
    fn take_measured(&mut self, slot: u32) -> Applied {
        let measured = self.sessions.get_mut(slot).map(|entry| entry.session.take_measured());
        match measured.filter(|measured| !measured.is_empty()) {
            Some(measured) => Applied::Told(Input::Measured(measured)),
            None => Applied::Done,
        }
    }

    /// What a call's legs, and the part of it that is under way, are like.
    pub fn measure(&mut self, key: CallKey) -> Vec<Measured> {
        let Some(slot) = self.calls.get_mut(key).map(|call| call.session) else { return Vec::new() };
        self.sessions.of(slot, key).map(|entry| entry.session.measure()).unwrap_or_default()
    }

    /// Lets a session tick as often as it wants, from its first order on.
    fn keep_tick(&mut self, now: Time, slot: u32) {
        let Some(entry) = self.sessions.get_mut(slot) else { return };
        let wanted = if entry.session.is_ended() { 0 } else { entry.session.tick_ms() };
        if wanted == entry.tick_ms {
            return;
        }
        match (std::mem::replace(&mut entry.tick_ms, wanted), wanted) {
            (_, 0) => self.wheel.remove(slot),
            // A session that ticks keeps its instants: another slot would be a gap in what it sends.
            (20, _) => self.wheel.double(now, slot),
            (10, _) => self.wheel.halve(slot),
            (_, 10) => {
                self.wheel.add(now, slot);
                self.wheel.double(now, slot);
            }
            _ => self.wheel.add(now, slot),
        }
    }

    /// Forgets a call: BYE (or what their state allows) for its open legs, its session and ports given up.
    pub fn remove(&mut self, now: Time, key: CallKey, io: &mut impl Io) {
        let Some(call) = self.calls.remove(key) else { return };
        self.flush(io);
        self.drop_session(call.session, key);
        for leg in call.legs {
            if let (true, Some(sip)) = (leg.open, leg.sip) {
                self.endpoint.hang_up(now, sip, Headers::default());
            }
            if let Some(pair) = leg.pair {
                io.close_ports(pair);
                self.ports.give_back(now, pair);
            }
        }
        self.gate.leave(call.peer);
        self.ladders.end(key);
    }

    /// Takes a session out, its figures kept.
    pub(super) fn drop_session(&mut self, slot: u32, key: CallKey) {
        let Some(entry) = self.sessions.remove(slot, key) else { return };
        self.wheel.remove(slot);
        self.tally.session_over(&entry.session);
        for leg in entry.legs() {
            self.tally.leg_over(entry.session.stats(leg));
        }
    }
}
