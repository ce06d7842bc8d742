//! A whole node without a runtime: one shard, its calls, the queues, and a world for them made of queues.
//!
//! What the actors do on a real node is done here in plain loops: an admitted call gets an owner, inputs are handed on,
//! actions carried out, timers re-armed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use baton_engine::call::{Call, CallSettings, CallSnapshot, Input};
use baton_engine::key::CallKey;
use baton_engine::media::{Lane, Prompts};
use baton_engine::queue::{QueueRequest, Queues};
use baton_engine::shard::{
    AdmissionSettings, Arrival, Datagram, Gate, Io, Ladder, NewCall, Outbox, OwnerGone, Pair, Shard,
    ShardParams, ShardStats, settle,
};
use baton_signaling::endpoint::{Flow, Transmit, Transport};
use baton_signaling::message::Message;
use baton_signaling::{Time, earliest};
use bytes::Bytes;

use crate::net;

/// What a node is made of.
pub struct NodeSettings {
    /// Where it speaks SIP; RTP is on the same address.
    pub sip: SocketAddr,
    /// What its shard is built with.
    pub shard: ShardParams,
    /// Whom it lets in.
    pub admission: AdmissionSettings,
    /// What its calls go by.
    pub calls: Arc<CallSettings>,
    /// Its queues.
    pub queues: Queues,
    /// What it plays.
    pub prompts: Rc<Prompts>,
    /// Where names lead, in order.
    pub names: BTreeMap<String, Vec<SocketAddr>>,
}

/// The world of the shard.
struct World {
    sip: SocketAddr,
    names: BTreeMap<String, Vec<SocketAddr>>,
    packets: VecDeque<net::Datagram>,
    messages: VecDeque<(Flow, Arrival)>,
    out: Vec<net::Datagram>,
    open: BTreeSet<Pair>,
    owners: BTreeSet<CallKey>,
    started: VecDeque<NewCall>,
    inputs: VecDeque<(CallKey, Input)>,
}

impl World {
    fn pair(&self, port: u16) -> Option<(Pair, Lane)> {
        let pair = Pair::of_rtp(port & !1).filter(|pair| self.open.contains(pair))?;
        Some((pair, if port == pair.rtp() { Lane::Rtp } else { Lane::Rtcp }))
    }

    fn is_quiet(&self) -> bool {
        self.started.is_empty() && self.inputs.is_empty() && !self.has_more()
    }
}

impl Io for World {
    fn receive_packet(&mut self, buffer: &mut [u8]) -> Option<Datagram> {
        loop {
            let packet = self.packets.pop_front()?;
            // Nobody listens on a closed port.
            let Some((pair, lane)) = self.pair(packet.to.port()) else { continue };
            let len = packet.bytes.len().min(buffer.len());
            buffer[..len].copy_from_slice(&packet.bytes[..len]);
            return Some(Datagram { pair, lane, from: packet.from, len });
        }
    }

    fn send_packets(&mut self, outbox: &mut Outbox) {
        for packet in outbox.packets() {
            let port = if packet.lane == Lane::Rtp { packet.pair.rtp() } else { packet.pair.rtcp() };
            let from = SocketAddr::new(self.sip.ip(), port);
            assert!(self.open.contains(&packet.pair), "sent from a closed port {port}");
            self.out.push(net::Datagram { from, to: packet.to, bytes: packet.bytes.to_vec() });
        }
        outbox.clear();
    }

    fn open_ports(&mut self, pair: Pair) -> Option<SocketAddr> {
        assert!(self.open.insert(pair), "{pair:?} opened twice");
        Some(SocketAddr::new(self.sip.ip(), pair.rtp()))
    }

    fn close_ports(&mut self, pair: Pair) {
        assert!(self.open.remove(&pair), "{pair:?} closed but not open");
    }

    fn set_urgent(&mut self, pair: Pair, _: bool) {
        assert!(self.open.contains(&pair), "{pair:?} is not open");
    }

    fn receive_message(&mut self) -> Option<(Flow, Arrival)> {
        self.messages.pop_front()
    }

    fn send_message(&mut self, transmit: Transmit) -> bool {
        let bytes = transmit.bytes.to_vec();
        self.out.push(net::Datagram { from: transmit.flow.local, to: transmit.flow.remote, bytes });
        true
    }

    fn targets(&mut self, uri: &str) -> Vec<Flow> {
        let flow = |remote| Flow { transport: Transport::Udp, local: self.sip, remote };
        let host = uri.split_once(':').and_then(|(_, rest)| rest.split([';', '?', '>']).next());
        let host = host.and_then(|host| host.rsplit('@').next()).unwrap_or_default();
        if let Some(remotes) = self.names.get(host) {
            return remotes.iter().copied().map(flow).collect();
        }
        let remote = host.parse::<SocketAddr>().ok();
        let remote = remote.or(host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 5060)));
        remote.map(flow).into_iter().collect()
    }

    fn start(&mut self, call: NewCall) -> bool {
        self.owners.insert(call.key);
        self.started.push_back(call);
        true
    }

    fn deliver(&mut self, call: CallKey, input: Input) -> Result<(), OwnerGone> {
        if !self.owners.contains(&call) {
            return Err(OwnerGone);
        }
        self.inputs.push_back((call, input));
        Ok(())
    }

    fn has_more(&self) -> bool {
        !self.packets.is_empty() || !self.messages.is_empty()
    }
}

/// A node.
pub struct Node {
    /// Its door.
    pub gate: Arc<Gate>,
    /// Its queues.
    pub queues: Queues,
    /// How its finished calls ended up.
    pub records: Vec<CallSnapshot>,
    /// SIP datagrams that were no message.
    pub malformed: u64,
    shard: Shard,
    io: World,
    calls: BTreeMap<CallKey, Call>,
    settings: Arc<CallSettings>,
    asked: VecDeque<QueueRequest>,
    next_turn: Option<Time>,
    /// When each call wants to be woken.
    wakes: BTreeSet<(Time, CallKey)>,
    armed: BTreeMap<CallKey, Time>,
}

impl Node {
    /// A node without calls.
    pub fn new(settings: NodeSettings) -> Self {
        let gate = Arc::new(Gate::new(settings.admission, [9; 32]));
        Self {
            shard: Shard::new(settings.shard, gate.clone(), settings.prompts),
            gate,
            queues: settings.queues,
            records: Vec::new(),
            malformed: 0,
            io: World {
                sip: settings.sip,
                names: settings.names,
                packets: VecDeque::new(),
                messages: VecDeque::new(),
                out: Vec::new(),
                open: BTreeSet::new(),
                owners: BTreeSet::new(),
                started: VecDeque::new(),
                inputs: VecDeque::new(),
            },
            calls: BTreeMap::new(),
            settings: settings.calls,
            asked: VecDeque::new(),
            next_turn: Some(Time::ZERO),
            wakes: BTreeSet::new(),
            armed: BTreeMap::new(),
        }
    }

    /// Tells its shard what the thread it runs on would have worked since the start.
    pub fn work(&mut self, now: Time, worked: Duration) {
        self.shard.handle_work(now, worked);
    }

    /// Where it speaks SIP.
    pub fn sip(&self) -> SocketAddr {
        self.io.sip
    }

    /// Its living calls.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.values()
    }

    /// What was said in SIP in a call.
    pub fn ladder(&self, call: CallKey) -> Option<&Ladder> {
        self.shard.ladder(call)
    }

    /// Its shard in figures.
    pub fn stats(&self, now: Time) -> ShardStats {
        self.shard.stats(now)
    }

    /// Takes a datagram that came to one of its addresses.
    pub fn receive(&mut self, datagram: net::Datagram) {
        if datagram.to != self.io.sip {
            self.io.packets.push_back(datagram);
            return;
        }
        let flow = Flow { transport: Transport::Udp, local: self.io.sip, remote: datagram.from };
        let message = Message::parse(Bytes::from(datagram.bytes));
        self.malformed += u64::from(message.is_err());
        // As the shell does: a broken request is the endpoint's to answer, if it can be.
        if message.as_ref().err().is_none_or(|error| error.status().is_some()) {
            self.io.messages.push_back((flow, message.into()));
        }
    }

    /// Tells a living call something, as an operator or the node would.
    pub fn tell(&mut self, call: CallKey, input: Input) {
        self.io.inputs.push_back((call, input));
    }

    /// When the node wants to run.
    pub fn poll_timeout(&self) -> Option<Time> {
        let calls = self.wakes.first().map(|(at, _)| *at);
        if self.io.is_quiet() {
            [self.next_turn, calls].into_iter().fold(self.queues.poll_timeout(), earliest)
        } else {
            Some(Time::ZERO)
        }
    }

    /// Runs until nothing is left to do at `now`; returns what it sends.
    pub fn run(&mut self, now: Time) -> Vec<net::Datagram> {
        let due = |at: Option<Time>| at.is_some_and(|at| at <= now);
        // A turn that is due again at once for ever would be a fault of the shard.
        for _ in 0..100_000 {
            let mut busy = false;
            if due(self.next_turn) || self.io.has_more() {
                self.next_turn = self.shard.turn(now, &mut self.io);
                busy = true;
            }
            busy |= self.run_calls(now);
            busy |= self.run_queues(now);
            if !busy {
                return std::mem::take(&mut self.io.out);
            }
        }
        panic!("the node does not come to rest at {now:?}");
    }

    fn run_calls(&mut self, now: Time) -> bool {
        let mut busy = false;
        while let Some(new) = self.io.started.pop_front() {
            let call =
                Call::new(now, new.key, new.id, self.settings.clone(), new.seed, new.keys, new.incoming);
            self.calls.insert(new.key, call);
            self.settle(now, new.key);
            busy = true;
        }
        while let Some((key, input)) = self.io.inputs.pop_front() {
            if let Some(call) = self.calls.get_mut(&key) {
                call.handle(now, input);
                self.settle(now, key);
            }
            busy = true;
        }
        while let Some(&(at, key)) = self.wakes.first().filter(|(at, _)| *at <= now) {
            self.wakes.remove(&(at, key));
            self.armed.remove(&key);
            if let Some(call) = self.calls.get_mut(&key) {
                call.handle_timeout(now);
                self.settle(now, key);
            }
            busy = true;
        }
        busy
    }

    fn run_queues(&mut self, now: Time) -> bool {
        let mut busy = false;
        while let Some(request) = self.asked.pop_front() {
            self.queues.handle(now, request);
            busy = true;
        }
        if self.queues.poll_timeout().is_some_and(|at| at <= now) {
            self.queues.handle_timeout(now);
            busy = true;
        }
        while let Some((key, notice)) = self.queues.poll_notice() {
            self.io.inputs.push_back((key, Input::Queue(notice)));
            busy = true;
        }
        busy
    }

    /// Carries out what a call asks for and re-arms its timer; what it did leaves with the next turn, at once.
    fn settle(&mut self, now: Time, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let asked = &mut self.asked;
        let over = settle(call, &mut self.shard, now, &mut self.io, |request| {
            asked.push_back(request);
            true
        });
        if let Some(at) = self.armed.remove(&key) {
            self.wakes.remove(&(at, key));
        }
        if over {
            self.records.push(call.snapshot());
            self.calls.remove(&key);
            self.io.owners.remove(&key);
        } else if let Some(at) = call.poll_timeout() {
            self.wakes.insert((at, key));
            self.armed.insert(key, at);
        }
        self.next_turn = Some(now);
    }

    /// What is still held at `now`; empty when the node is as it was at its start.
    pub fn leftovers(&self, now: Time) -> Vec<String> {
        let stats = self.stats(now);
        let queues = self.queues.snapshot(now);
        let counts = [
            ("calls", self.calls.len() + stats.calls),
            ("admitted calls", self.gate.active()),
            ("legs", stats.legs),
            ("legs with media", stats.media.legs as usize),
            ("ports in use", stats.ports.used),
            ("ports resting", stats.ports.resting),
            ("open sockets", self.io.open.len()),
            ("transactions", stats.sip.transactions_active as usize),
            ("dialogs", stats.sip.legs_active as usize),
            ("subscriptions", stats.sip.subscriptions_active as usize),
            ("timers of calls", self.wakes.len()),
            ("timers of queues", usize::from(self.queues.poll_timeout().is_some())),
            ("timers of the shard", usize::from(self.next_turn.is_some())),
            ("panics", stats.panics as usize),
            ("inputs without owner", stats.undelivered as usize),
            ("callers waiting", queues.queues.iter().map(|line| line.waiting as usize).sum()),
        ];
        let left = counts.into_iter().filter(|(_, count)| *count != 0);
        left.map(|(what, count)| format!("{count} {what}")).collect()
    }
}
