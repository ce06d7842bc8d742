//! The world of one shard, made of sockets and actors: what `shard::Io` is in a running node.

use std::cell::Cell;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use actix::Addr;
use actix::prelude::SendError;
use baton_signaling::endpoint::{Flow, Transmit, Transport};
use baton_signaling::message::{Host, Uri};
use bytes::Bytes;

use super::actors::{CallActor, ShardCell, Tell};
use super::hep::Export;
use super::inbox::{Inbox, InboxCounts};
use super::poller::{Poller, Ready};
use super::resolve::Names;
use super::streams::Streams;
use super::udp::{PairSockets, SipSockets};
use crate::call::Input;
use crate::key::CallKey;
use crate::media::Lane;
use crate::shard::{Arrival, Datagram, Identity, Io, NewCall, Outbox, OwnerGone, Pair, Seen};

/// Looks at the sockets in one turn: a stream that sends more than a packet at once had a stall of the network behind it, of
/// 140 ms at the most, or is none.
const LOOKS_PER_TURN: usize = 8;

/// Where media is received and how it is called in SDP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MediaAddress {
    /// The address sockets are bound to.
    pub local: IpAddr,
    /// The address written into SDP.
    pub advertised: IpAddr,
}

/// The owner of a call.
struct Owner {
    actor: Addr<CallActor>,
    /// Set when the mailbox was full: the actor ends the call as soon as it runs.
    overloaded: Rc<Cell<bool>>,
}

/// Sockets, inbox, names and owners of one shard.
pub(crate) struct World {
    poller: Rc<Poller>,
    ready: Ready,
    /// How often sockets were looked at in this turn.
    looks: usize,
    inbox: Arc<Inbox>,
    sip: SipSockets,
    streams: Streams,
    media: MediaAddress,
    names: Names,
    /// By RTP port / 2.
    pairs: Vec<Option<PairSockets>>,
    owners: HashMap<CallKey, Owner>,
    cell: Weak<ShardCell>,
    overflows: u64,
    unsent: u64,
    export: Option<Export>,
}

impl World {
    /// A world without calls. `cell` is what the owners of calls are given.
    pub(crate) fn new(
        poller: Rc<Poller>,
        inbox: Arc<Inbox>,
        (sip, streams): (SipSockets, Streams),
        media: MediaAddress,
        names: Names,
        cell: Weak<ShardCell>,
    ) -> Self {
        let pairs = (0..=u16::MAX / 2).map(|_| None).collect();
        Self {
            poller,
            ready: Ready::new(),
            looks: 0,
            inbox,
            sip,
            streams,
            media,
            names,
            pairs,
            owners: HashMap::new(),
            cell,
            overflows: 0,
            unsent: 0,
            export: None,
        }
    }

    /// This world, with copies of SIP messages to a server.
    pub(crate) fn exporting(self, export: Option<Export>) -> Self {
        Self { export, ..self }
    }

    /// Looks at the sockets and the inbox, without waiting; whether at all sockets.
    pub(crate) fn look(&mut self) -> bool {
        self.inbox.bell().silence();
        self.looks = 1;
        self.poller.look(&mut self.ready)
    }

    /// New calls are refused before they cost anything, or no longer.
    pub(crate) fn set_full(&self, full: bool) {
        self.inbox.set_full(full);
    }

    /// The port of the next socket that has something. What came in a burst is taken in one turn: packets that are left for
    /// the next would seem to have come later than they have.
    fn next_port(&mut self) -> Option<u16> {
        if let Some(port) = self.ready.next_port() {
            return Some(port);
        }
        if self.looks >= LOOKS_PER_TURN || self.ready.was_empty() {
            return None;
        }
        self.looks += 1;
        self.poller.look(&mut self.ready);
        self.ready.next_port()
    }

    /// The owner of a call.
    pub(crate) fn owner(&self, key: CallKey) -> Option<&Addr<CallActor>> {
        self.owners.get(&key).map(|owner| &owner.actor)
    }

    /// The keys of all calls that have an owner.
    pub(crate) fn keys(&self) -> Vec<CallKey> {
        self.owners.keys().copied().collect()
    }

    /// A call is over.
    pub(crate) fn forget(&mut self, key: CallKey) {
        self.owners.remove(&key);
    }

    /// Mailboxes that were full.
    pub(crate) fn overflows(&self) -> u64 {
        self.overflows
    }

    /// RTP and RTCP packets that the system would not send.
    pub(crate) fn unsent(&self) -> u64 {
        self.unsent
    }

    /// What the inbox turned away.
    pub(crate) fn inbox_counts(&self) -> InboxCounts {
        self.inbox.counts()
    }

    /// Whether what goes over a flow reaches whom a URI names, under TLS by certificate (RFC 5922 §7.2).
    fn is_to(&self, flow: &Flow, uri: &str) -> bool {
        let host = (flow.transport == Transport::Tls).then(|| host_of(uri)).flatten();
        host.is_none_or(|host| self.streams.expect(flow.remote, host))
    }

    fn sockets(&self, pair: Pair) -> Option<&PairSockets> {
        self.pairs.get(index(pair))?.as_ref()
    }
}

impl Io for World {
    fn receive_packet(&mut self, buffer: &mut [u8]) -> Option<Datagram> {
        while let Some(port) = self.next_port() {
            let (pair, lane) = match Pair::of_rtp(port) {
                Some(pair) => (pair, Lane::Rtp),
                None => (Pair::of_rtp(port - 1)?, Lane::Rtcp),
            };
            let Some(sockets) = self.sockets(pair) else { continue };
            // An error is an ICMP message about something we sent, or a packet that went elsewhere: no end of a leg.
            if let Ok((len, from)) = sockets.lane(lane).recv_from(buffer) {
                return Some(Datagram { pair, lane, from, len });
            }
        }
        None
    }

    fn send_packets(&mut self, outbox: &mut Outbox) {
        let mut unsent = 0;
        for packet in outbox.packets() {
            // Lost, as on any network: no buffer, no way, a closed port. The far end's own report tells of it.
            let sockets = self.sockets(packet.pair);
            let sent = sockets.is_some_and(|s| s.lane(packet.lane).send_to(packet.bytes, packet.to).is_ok());
            unsent += u64::from(!sent);
        }
        self.unsent += unsent;
        outbox.clear();
    }

    fn open_ports(&mut self, pair: Pair) -> Option<SocketAddr> {
        let sockets = PairSockets::open(self.media.local, pair)
            .inspect_err(|error| tracing::warn!(port = pair.rtp(), %error, "no RTP port"))
            .ok()?;
        for (lane, port) in [(Lane::Rtp, pair.rtp()), (Lane::Rtcp, pair.rtcp())] {
            self.poller.watch(sockets.lane(lane), port).ok()?;
        }
        self.pairs[index(pair)] = Some(sockets);
        Some((self.media.advertised, pair.rtp()).into())
    }

    fn close_ports(&mut self, pair: Pair) {
        // A closed socket leaves the epoll instance by itself.
        self.pairs[index(pair)] = None;
    }

    fn set_urgent(&mut self, pair: Pair, urgent: bool) {
        let Some(sockets) = self.sockets(pair) else { return };
        if let Err(error) = self.poller.set_urgent(sockets.lane(Lane::Rtp), pair.rtp(), urgent) {
            tracing::error!(port = pair.rtp(), %error, "relayed packets wait for a look");
        }
    }

    fn receive_message(&mut self) -> Option<(Flow, Arrival)> {
        self.inbox.pop()
    }

    fn send_message(&mut self, transmit: Transmit) -> bool {
        match transmit.flow.transport {
            Transport::Udp => self.sip.send(&transmit),
            _ => self.streams.send(transmit),
        }
    }

    fn identity(&self, flow: Flow) -> Option<Identity> {
        flow.transport.is_secure().then(|| self.streams.names(flow)).flatten().map(|names| Identity { names })
    }

    fn targets(&mut self, uri: &str) -> Vec<Flow> {
        let towards = |(transport, remote)| match transport {
            Transport::Udp => self.sip.towards(remote),
            transport => self.streams.towards(transport, remote),
        };
        let flows = self.names.targets(uri).into_iter().filter_map(towards);
        flows.filter(|flow| self.is_to(flow, uri)).collect()
    }

    fn seen(&mut self, seen: Seen<'_>) {
        if let Some(export) = &self.export {
            export.copy(&seen);
        }
    }

    fn start(&mut self, call: NewCall) -> bool {
        let Some(cell) = self.cell.upgrade() else { return false };
        let key = call.key;
        let overloaded = Rc::new(Cell::new(false));
        // A panic over an INVITE costs that INVITE: it is refused, and nothing of it stays.
        let started = catch_unwind(AssertUnwindSafe(|| CallActor::start(cell, call, overloaded.clone())));
        let Ok(actor) = started else { return false };
        self.owners.insert(key, Owner { actor, overloaded });
        true
    }

    fn deliver(&mut self, key: CallKey, input: Input) -> Result<(), OwnerGone> {
        let owner = self.owners.get(&key).ok_or(OwnerGone)?;
        match owner.actor.try_send(Tell(input)) {
            Ok(()) => Ok(()),
            Err(SendError::Full(_)) => {
                self.overflows += 1;
                owner.overloaded.set(true);
                Ok(())
            }
            Err(SendError::Closed(_)) => {
                self.owners.remove(&key);
                Err(OwnerGone)
            }
        }
    }

    fn has_more(&self) -> bool {
        self.ready.has_more() || !self.inbox.is_empty()
    }
}

fn index(pair: Pair) -> usize {
    usize::from(pair.rtp() / 2)
}

/// The host that a SIP URI names: whose certificate its server has to show, wherever that is.
fn host_of(uri: &str) -> Option<Host> {
    let uri = Uri::parse(&Bytes::copy_from_slice(uri.as_bytes())).ok()?;
    uri.sip().map(|uri| uri.host.clone())
}
