//! The crate's front door: owns transactions and dialogs, is told messages and time, and is asked for messages to
//! send and events to act on.
//!
//! An INVITE and all that follows from it is one [`Leg`], from its first message to its last, whichever side began.
//! After any `handle_*` or command the owner drains [`Endpoint::poll_transmit`] and [`Endpoint::poll_event`], then
//! re-arms its timer with [`Endpoint::poll_timeout`]. A command to a leg that is over does nothing but count: the event
//! that says so may still be on its way to whoever gave the command.

mod answering;
mod callee;
mod caller;
mod challenged;
mod config;
mod contract;
mod deadlines;
mod ending;
mod failover;
mod leg;
mod naming;
mod notify;
mod receiving;
mod reinvite;
mod reliable;
mod resending;
mod sending;
mod session;
mod table;
mod within;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use bytes::Bytes;

pub use answering::refuse_stateless;
pub use config::{Counters, EndpointConfig, Rejected, Responses};
pub use contract::{Event, Failure, Flow, Invite, Leg, RequestKey, Transmit, Transport};

use self::answering::Reply;
use self::deadlines::{Deadlines, Owner};
use self::leg::LegState;
use self::table::{Purpose, Table};
use self::within::Pending;
use crate::Time;
use crate::message::{Headers, Message, Method, ParseError};
use crate::random::Random;

/// All transactions and dialogs of one shard or one phone.
pub struct Endpoint {
    config: EndpointConfig,
    random: Random,
    counters: Counters,
    draining: bool,
    keys: u64,
    table: Table,
    legs: BTreeMap<Leg, LegState>,
    /// Legs by Call-ID and our tag.
    leg_of: BTreeMap<(Bytes, Bytes), Leg>,
    /// Legs by the REFERs whose subscriptions they carry.
    leg_of_refer: BTreeMap<RequestKey, Leg>,
    /// Requests of theirs that wait for the owner.
    pending: BTreeMap<RequestKey, Pending>,
    deadlines: Deadlines,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

impl fmt::Debug for Endpoint {
    /// How much it holds: its messages are the far ends' affair, and hold keys (RFC 4568).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("legs", &self.legs.len()).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// An endpoint that draws its tags, branches and Call-IDs from `seed`.
    pub fn new(config: EndpointConfig, seed: u64) -> Self {
        Self {
            config,
            random: Random::new(seed),
            counters: Counters::default(),
            draining: false,
            keys: 0,
            table: Table::default(),
            legs: BTreeMap::new(),
            leg_of: BTreeMap::new(),
            leg_of_refer: BTreeMap::new(),
            pending: BTreeMap::new(),
            deadlines: Deadlines::default(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// A message has come on `flow`, whose `remote` is where it came from.
    pub fn handle_message(&mut self, now: Time, flow: Flow, message: Message) {
        match message {
            Message::Request(request) => self.handle_request(now, flow, request),
            Message::Response(response) => self.handle_response(now, response),
        }
        self.count_active();
    }

    /// What has come on `flow` could not be read. A request that can be answered is; keep-alives and garbage are not.
    pub fn handle_malformed(&mut self, now: Time, flow: Flow, error: &ParseError) {
        // The answer needs no transaction: it would be the same again.
        let _ = now;
        self.refuse_malformed(flow, error);
    }

    /// The flow could not carry what was sent on it (an ICMP error, a failed send): requests of ours to that address
    /// that have had no answer fail at once (RFC 3261 §17.1.4).
    pub fn handle_transport_error(&mut self, now: Time, flow: Flow) {
        self.fail_flow(now, flow);
        self.count_active();
    }

    /// Timers that are due at `now` fire.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(owner) = self.deadlines.expire(now) {
            match owner {
                Owner::Client(id) => self.wake_client(now, id),
                Owner::Server(id) => self.wake_server(now, id),
                Owner::Leg(leg) => self.wake_leg(now, leg),
            }
        }
        self.count_active();
    }

    /// When [`Self::handle_timeout`] wants to be called; `None`: nothing waits.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.deadlines.next()
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next event for the owner.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What has been counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether no transaction, leg or subscription is left.
    pub fn is_idle(&self) -> bool {
        self.table.len() == 0 && self.legs.is_empty() && self.transmits.is_empty() && self.events.is_empty()
    }

    /// The Call-ID of a leg that is not forgotten, for logs.
    pub fn call_id(&self, leg: Leg) -> Option<&Bytes> {
        self.legs.get(&leg).map(|state| &state.call_id)
    }

    /// While draining, INVITE and OPTIONS outside dialogs get 503.
    pub fn set_draining(&mut self, draining: bool) {
        self.draining = draining;
    }

    /// Calls. At a limit, [`Event::Refused`] with 503 follows.
    pub fn invite(&mut self, now: Time, invite: Invite) -> Leg {
        let leg = self.send_invite(now, invite);
        self.count_active();
        leg
    }

    /// Sends a provisional response, 101–199, to a caller's INVITE. A body without Content-Type is SDP.
    pub fn progress(&mut self, now: Time, leg: Leg, status: u16, headers: Headers, body: Bytes) {
        self.send_progress(now, leg, Reply { status, headers, body, ..Reply::default() });
    }

    /// Answers a caller's INVITE with 200, again and again until the ACK (RFC 3261 §13.3.1.4).
    pub fn answer(&mut self, now: Time, leg: Leg, headers: Headers, body: Bytes) {
        self.send_answer(now, leg, Reply { headers, body, ..Reply::new(200) });
        self.count_active();
    }

    /// Refuses a caller's INVITE with 300–699; the leg is over. An empty `reason` is written as the RFC's phrase.
    pub fn reject(&mut self, now: Time, leg: Leg, status: u16, reason: &str, headers: Headers) {
        let reason = Bytes::copy_from_slice(reason.as_bytes());
        self.send_rejection(now, leg, Reply { status, reason, headers, body: Bytes::new() });
        self.count_active();
    }

    /// Gives up an INVITE of ours: CANCEL as soon as there is a provisional response (RFC 3261 §9.1); a 2xx that
    /// crosses it, or has come before the owner could know, is acknowledged and ended with BYE.
    pub fn cancel(&mut self, now: Time, leg: Leg, headers: Headers) {
        self.give_up(now, leg, headers);
        self.count_active();
    }

    /// Ends a leg by what its state allows: CANCEL, a refusal (480) or BYE, which for a callee waits for the ACK or its
    /// timeout (RFC 3261 §15). `headers` go onto that message.
    pub fn hang_up(&mut self, now: Time, leg: Leg, headers: Headers) {
        self.end_leg(now, leg, headers);
        self.count_active();
    }

    /// Answers [`Event::Offer`] or [`Event::Refer`] with a final response.
    pub fn respond(
        &mut self,
        now: Time,
        key: RequestKey,
        status: u16,
        reason: &str,
        headers: Headers,
        body: Bytes,
    ) {
        let reason = Bytes::copy_from_slice(reason.as_bytes());
        self.answer_pending(now, key, Reply { status, reason, headers, body });
        self.count_active();
    }

    /// Sends re-INVITE as soon as no other INVITE is under way in the dialog; [`Event::Reanswered`] follows. A second
    /// one before the first has left replaces it.
    pub fn reinvite(&mut self, now: Time, leg: Leg, headers: Headers, body: Bytes) {
        self.want_reinvite(now, leg, headers, body);
        self.count_active();
    }

    /// Tells the subscription of REFER `key` how it goes; a status of 200 or above ends the subscription. `headers` go
    /// into the fragment, behind the status line (RFC 3420).
    pub fn notify(&mut self, now: Time, key: RequestKey, status: u16, reason: &str, headers: &Headers) {
        self.report(now, key, status, reason, headers);
        self.count_active();
    }

    /// Asks with OPTIONS in the dialog whether the far end lives; [`Event::Replied`] follows.
    pub fn probe(&mut self, now: Time, leg: Leg) -> RequestKey {
        self.request(now, leg, Method::Options, Headers::default(), Bytes::new())
    }

    /// Sends INFO in the dialog; [`Event::Replied`] follows.
    pub fn info(&mut self, now: Time, leg: Leg, content_type: &str, body: Bytes) -> RequestKey {
        let mut headers = Headers::default();
        headers.push("Content-Type", content_type.to_owned());
        self.request(now, leg, Method::Info, headers, body)
    }

    /// Sends REFER in the dialog; [`Event::Replied`] and [`Event::Notify`] follow.
    pub fn refer(&mut self, now: Time, leg: Leg, refer_to: &[u8], mut headers: Headers) -> RequestKey {
        headers.push("Refer-To", Bytes::copy_from_slice(refer_to));
        self.request(now, leg, Method::Refer, headers, Bytes::new())
    }

    /// Sends any request but INVITE, ACK and CANCEL in the dialog; [`Event::Replied`] follows, for a leg that is not up
    /// with 481. BYE is [`Self::hang_up`], and brings no reply.
    pub fn request(
        &mut self,
        now: Time,
        leg: Leg,
        method: Method,
        headers: Headers,
        body: Bytes,
    ) -> RequestKey {
        let key = self.send_within(now, leg, method, headers, body);
        self.count_active();
        key
    }

    /// Asks with OPTIONS outside any dialog whether a peer is there; [`Event::ProbeReplied`] follows.
    pub fn options(&mut self, now: Time, flow: Flow, uri: &[u8]) -> RequestKey {
        let key = RequestKey(self.next_key());
        let (tag, call_id) = (self.random.token(""), self.mint_call_id());
        let (host, port) = self.sent_by(flow);
        let mut from = crate::message::SipUri::new(host);
        from.port = port;
        let from = crate::message::NameAddr::new(from.into()).to_bytes();
        let uri = Bytes::copy_from_slice(uri);
        let request = self.request_outside(Method::Options, &uri, &from, &tag, &call_id);
        self.send_request(now, flow, request, Purpose::Probe(key));
        self.count_active();
        key
    }

    fn count_active(&mut self) {
        self.counters.transactions_active = self.table.len() as u64;
        self.counters.legs_active = self.legs.len() as u64;
        self.counters.subscriptions_active = self.leg_of_refer.len() as u64;
    }

    fn next_key(&mut self) -> u64 {
        self.keys += 1;
        self.keys
    }
}
