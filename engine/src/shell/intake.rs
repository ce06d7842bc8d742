//! The way of SIP messages from the sockets to the shards: read once, then to the shard that its Call-ID leads to.
//!
//! Leaves out how octets become messages' octets (`udp.rs`, `streams/`), and what a message means.

use std::sync::Arc;

use baton_signaling::endpoint::{Flow, Transmit, refuse_stateless};
use baton_signaling::message::{Message, Request};
use baton_signaling::route::shard_of;
use bytes::Bytes;

use super::clock::Clock;
use super::inbox::{Inbox, Pushed};
use crate::shard::{Arrival, Gate, Refusal, is_emergency};

/// The inboxes of all shards, the key by which a Call-ID finds its own, and the door.
#[derive(Clone, Debug)]
pub(crate) struct Intake {
    inboxes: Arc<[Arc<Inbox>]>,
    key: [u64; 2],
    gate: Arc<Gate>,
    clock: Clock,
}

impl Intake {
    /// The way to these inboxes. The gate says who is to get no answer, not even a refusal.
    pub(crate) fn new(inboxes: Arc<[Arc<Inbox>]>, key: [u64; 2], (gate, clock): (Arc<Gate>, Clock)) -> Self {
        Self { inboxes, key, gate, clock }
    }

    /// Takes the octets of a message. What comes back has to be sent back at once: the answer to a new call that finds no
    /// room (RFC 3261 §8.2.7), of which nothing is kept; the ACK that follows is dropped as stray.
    pub(crate) fn take(&self, flow: Flow, bytes: Bytes) -> Option<Transmit> {
        match Message::parse(bytes) {
            Ok(message) => self.route(flow, message),
            Err(error) => {
                // Its Call-ID may be what cannot be read: the first inbox counts for all.
                let inbox = self.inboxes.first()?;
                inbox.unreadable();
                // The endpoint answers without keeping anything, so any shard's will do.
                if error.status().is_some() {
                    inbox.push(flow, Arrival::Malformed(error), false);
                }
                None
            }
        }
    }

    /// Tells every shard that a connection has closed. One whose inbox is full learns it when it next sends.
    pub(crate) fn closed(&self, flow: Flow) {
        for inbox in &*self.inboxes {
            inbox.push(flow, Arrival::Closed, false);
        }
    }

    /// Whether a shard is so far behind that whoever can wait should: messages of a stream are not sent again.
    pub(crate) fn is_congested(&self) -> bool {
        self.inboxes.iter().any(|inbox| inbox.is_congested())
    }

    fn route(&self, flow: Flow, message: Message) -> Option<Transmit> {
        let call_id = message.headers().call_id().cloned().unwrap_or_default();
        let shards = u16::try_from(self.inboxes.len()).expect("shards are counted in u16");
        let inbox = &self.inboxes[usize::from(shard_of(&call_id, shards, self.key))];
        let refusal = match &message {
            Message::Request(request) => Some(request.clone()),
            Message::Response(_) => None,
        };
        // Who has a certificate may be known by it, which is not asked here.
        let (ip, named) = (flow.remote.ip(), flow.transport.is_secure());
        let first = |request: &Request| is_emergency(request) && (named || self.gate.may_be_trusted(ip));
        let first = refusal.as_ref().is_some_and(first);
        let refused = inbox.push(flow, Arrival::Message(message), first) == Pushed::Refused;
        let request = refusal.filter(|_| refused)?;
        if !named && self.gate.ignores(self.clock.now(), ip, Some(&request)) {
            return None;
        }
        refuse_stateless(&request, flow, Refusal::Load.retry_after().unwrap_or_default())
    }
}
