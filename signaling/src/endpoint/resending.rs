//! Other ways for a request of ours: over a new connection where the one it took has closed under it, and over TCP where it is
//! too long for a datagram (RFC 3261 §18.1.1).
//!
//! Leaves out other servers of a URI (`failover.rs`), and when a connection is opened, which is the owner's affair.

use super::deadlines::Owner;
use super::table::{ClientMachine, Purpose};
use super::{Endpoint, Flow, Transport};
use crate::Time;
use crate::limits;
use crate::message::Request;
use crate::transaction::Client;

/// What Via and User-Agent, which are not there yet, add to a request, about.
const STILL_TO_COME: usize = 150;

impl Endpoint {
    /// Sends request `id` of a dialog, whose connection has closed before its answer, once more: over the way that the dialog
    /// has now, in the same transaction, so that a far end that has had it knows it again. `false`: it was no such request,
    /// or that was tried.
    pub(super) fn send_over_another(&mut self, now: Time, id: u64) -> bool {
        let Some(entry) = self.table.clients.get(&id) else { return false };
        let (Purpose::Bye(leg)
        | Purpose::Notify(leg, _)
        | Purpose::Refer(leg, ..)
        | Purpose::Refresh(leg)
        | Purpose::Request(leg, _)) = entry.purpose
        else {
            return false;
        };
        let dialog = self.legs.get(&leg).and_then(|state| state.dialog.as_ref());
        // Via names the transport: it has to stay.
        let fits = |flow: &Flow| flow.transport == entry.flow.transport && flow.transport.is_reliable();
        let Some(flow) = dialog.map(|dialog| dialog.flow()).filter(fits).filter(|_| !entry.moved) else {
            return false;
        };
        let machine = ClientMachine::Other(Client::new(now, true));
        self.deadlines.set(Owner::Client(id), machine.poll_timeout());
        let Some(wire) = self.table.move_client(id, flow, machine) else { return false };
        self.counters.retransmissions_sent += 1;
        self.transmit(flow, wire);
        true
    }

    /// The flow over TCP that a request takes before the datagrams of `flow`, for which it is too long (§18.1.1), if we listen
    /// on TCP: its Contact has to lead to us.
    pub(super) fn by_size(&self, flow: Flow, request: &Request) -> Option<Flow> {
        let fits = |(of, local): &&(Transport, std::net::SocketAddr)| {
            *of == Transport::Tcp && local.is_ipv4() == flow.remote.is_ipv4()
        };
        if flow.transport != Transport::Udp {
            return None;
        }
        let &(transport, local) = self.config.listeners.iter().find(fits)?;
        let is_long = request.to_bytes().len() + STILL_TO_COME > limits::DATAGRAM_BYTES;
        is_long.then_some(Flow { transport, local, remote: flow.remote })
    }
}
