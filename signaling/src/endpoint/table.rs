//! The transactions that are alive, and how they are found. Leaves out what they lead to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use bytes::Bytes;

use super::{Flow, Leg, RequestKey};
use crate::Time;
use crate::auth::Tries;
use crate::message::Request;
use crate::transaction::key::{ClientKey, MergeKey, ServerKey};
use crate::transaction::{Client, InviteClient, InviteServer, Output, Server};

/// A request of ours.
#[derive(Debug)]
pub(super) struct ClientEntry {
    pub(super) machine: ClientMachine,
    pub(super) key: ClientKey,
    pub(super) flow: Flow,
    /// The request as it was sent.
    pub(super) wire: Bytes,
    pub(super) purpose: Purpose,
    /// Of an INVITE, its headers: ACK and CANCEL are made from them.
    pub(super) request: Option<Box<Request>>,
    /// The ACKs sent, each with the To tag it is for, to be sent again.
    pub(super) acks: Vec<(Bytes, Flow, Bytes)>,
    /// The challenges it has answered.
    pub(super) tries: Tries,
    /// Whether it was sent once more since its connection closed.
    pub(super) moved: bool,
}

#[derive(Debug)]
pub(super) enum ClientMachine {
    Invite(InviteClient),
    Other(Client),
}

/// What a request of ours is for: where its outcome goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Invite(Leg),
    Reinvite(Leg),
    Bye(Leg),
    Notify(Leg, RequestKey),
    /// A REFER, with its CSeq.
    Refer(Leg, RequestKey, u32),
    /// UPDATE that refreshes the session.
    Refresh(Leg),
    /// PRACK to a callee's provisional response: without credentials of its own it would not be believed.
    Prack(Leg),
    /// An INVITE whose target has said nothing for so long that the next is tried.
    Abandoned,
    /// Any other request in a dialog.
    Request(Leg, RequestKey),
    /// OPTIONS outside dialogs.
    Probe(RequestKey),
    /// CANCEL, or BYE to who should not have answered: the outcome is nobody's concern.
    Nothing,
}

/// A request of theirs.
#[derive(Debug)]
pub(super) struct ServerEntry {
    pub(super) machine: ServerMachine,
    pub(super) key: ServerKey,
    pub(super) merge: Option<MergeKey>,
    /// Where responses go.
    pub(super) flow: Flow,
    pub(super) response: Bytes,
    pub(super) leg: Option<Leg>,
    /// Until its final response has been sent.
    pub(super) request: Option<Box<Request>>,
}

#[derive(Debug)]
pub(super) enum ServerMachine {
    Invite(InviteServer),
    Other(Server),
}

impl ClientMachine {
    pub(super) fn handle_response(&mut self, now: Time, status: u16) -> Option<Output> {
        match self {
            Self::Invite(machine) => machine.handle_response(now, status),
            Self::Other(machine) => machine.handle_response(now, status),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Time) -> Option<Output> {
        match self {
            Self::Invite(machine) => machine.handle_timeout(now),
            Self::Other(machine) => machine.handle_timeout(now),
        }
    }

    pub(super) fn handle_transport_error(&mut self) -> bool {
        match self {
            Self::Invite(machine) => machine.handle_transport_error(),
            Self::Other(machine) => machine.handle_transport_error(),
        }
    }

    /// When it wants to be woken; `None` and over: never.
    pub(super) fn poll_timeout(&self) -> Option<Time> {
        match self {
            Self::Invite(machine) => machine.poll_timeout(),
            Self::Other(machine) => machine.poll_timeout(),
        }
    }

    pub(super) fn is_terminated(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_terminated(),
            Self::Other(machine) => machine.is_terminated(),
        }
    }
}

impl ServerMachine {
    pub(super) fn handle_repeat(&mut self) -> Option<Output> {
        match self {
            Self::Invite(machine) => machine.handle_repeat(),
            Self::Other(machine) => machine.handle_repeat(),
        }
    }

    pub(super) fn respond(&mut self, now: Time, status: u16) -> Option<Output> {
        match self {
            Self::Invite(machine) => machine.respond(now, status),
            Self::Other(machine) => machine.respond(now, status),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Time) -> Option<Output> {
        match self {
            Self::Invite(machine) => machine.handle_timeout(now),
            Self::Other(machine) => {
                machine.handle_timeout(now);
                None
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        match self {
            Self::Invite(machine) => machine.poll_timeout(),
            Self::Other(machine) => machine.poll_timeout(),
        }
    }

    /// Whether there is no final response yet.
    pub(super) fn is_pending(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_proceeding(),
            Self::Other(machine) => machine.is_pending(),
        }
    }

    pub(super) fn is_terminated(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_terminated(),
            Self::Other(machine) => machine.is_terminated(),
        }
    }
}

/// All transactions by number, and the ways to their numbers.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) clients: BTreeMap<u64, ClientEntry>,
    client_keys: BTreeMap<ClientKey, u64>,
    /// By where the request went, for errors of the flow.
    by_remote: BTreeSet<(SocketAddr, u64)>,
    pub(super) servers: BTreeMap<u64, ServerEntry>,
    server_keys: BTreeMap<ServerKey, u64>,
    merges: BTreeMap<MergeKey, u64>,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.clients.len() + self.servers.len()
    }

    pub(super) fn add_client(&mut self, id: u64, entry: ClientEntry) {
        self.client_keys.insert(entry.key.clone(), id);
        self.by_remote.insert((entry.flow.remote, id));
        self.clients.insert(id, entry);
    }

    pub(super) fn remove_client(&mut self, id: u64) {
        if let Some(entry) = self.clients.remove(&id) {
            self.client_keys.remove(&entry.key);
            self.by_remote.remove(&(entry.flow.remote, id));
        }
    }

    /// A request goes over another flow from here on; what was sent.
    pub(super) fn move_client(&mut self, id: u64, flow: Flow, machine: ClientMachine) -> Option<Bytes> {
        let entry = self.clients.get_mut(&id)?;
        self.by_remote.remove(&(entry.flow.remote, id));
        self.by_remote.insert((flow.remote, id));
        (entry.flow, entry.machine, entry.moved) = (flow, machine, true);
        Some(entry.wire.clone())
    }

    pub(super) fn find_client(&self, key: &ClientKey) -> Option<u64> {
        self.client_keys.get(key).copied()
    }

    /// The requests of ours that went to `remote`.
    pub(super) fn clients_to(&self, remote: SocketAddr) -> Vec<u64> {
        self.by_remote.range((remote, 0)..=(remote, u64::MAX)).map(|&(_, id)| id).collect()
    }

    pub(super) fn add_server(&mut self, id: u64, entry: ServerEntry) {
        self.server_keys.insert(entry.key.clone(), id);
        if let Some(merge) = &entry.merge {
            self.merges.insert(merge.clone(), id);
        }
        self.servers.insert(id, entry);
    }

    pub(super) fn remove_server(&mut self, id: u64) {
        if let Some(entry) = self.servers.remove(&id) {
            self.server_keys.remove(&entry.key);
            entry.merge.map(|merge| self.merges.remove(&merge));
        }
    }

    pub(super) fn find_server(&self, key: &ServerKey) -> Option<u64> {
        self.server_keys.get(key).copied()
    }

    /// Whether the same request has come by another way and its transaction still lives (RFC 3261 §8.2.2.2).
    pub(super) fn is_merged(&self, key: &MergeKey) -> bool {
        self.merges.contains_key(key)
    }
}
