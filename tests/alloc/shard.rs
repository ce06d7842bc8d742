//! Packets and ticks through a whole shard: its wheel, its sessions, its outbox; no more allocation than in a session.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use baton_engine::call::{Action, Input, KeySource};
use baton_engine::key::CallKey;
use baton_engine::media::{Lane, Order, Prompts, SessionParams};
use baton_engine::shard::{
    AdmissionPeer, AdmissionSettings, Arrival, Datagram, Gate, Io, Network, NewCall, Outbox, OwnerGone, Pair,
    Shard, ShardParams,
};
use baton_signaling::Time;
use baton_signaling::endpoint::{EndpointConfig, Flow, Transmit, Transport};
use baton_signaling::message::Message;
use bytes::Bytes;

use super::world::*;
use super::{ARMED, COUNT};

const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5070);

/// The world of a shard that has room for all it is given beforehand.
#[derive(Default)]
struct Wires {
    messages: VecDeque<(Flow, Arrival)>,
    packets: VecDeque<(Pair, SocketAddr, Vec<u8>)>,
    calls: Vec<CallKey>,
    pairs: Vec<Pair>,
    inputs: usize,
    sent: usize,
}

impl Io for Wires {
    fn receive_packet(&mut self, buffer: &mut [u8]) -> Option<Datagram> {
        let (pair, from, bytes) = self.packets.front()?;
        buffer[..bytes.len()].copy_from_slice(bytes);
        let datagram = Datagram { pair: *pair, lane: Lane::Rtp, from: *from, len: bytes.len() };
        // Emptied by the test: what it made is not the shard's to give back.
        self.packets.rotate_left(1);
        if self.inputs > 0 {
            self.inputs -= 1;
            return Some(datagram);
        }
        None
    }

    fn send_packets(&mut self, outbox: &mut Outbox) {
        self.sent += outbox.packets().count();
        outbox.clear();
    }

    fn open_ports(&mut self, pair: Pair) -> Option<SocketAddr> {
        self.pairs.push(pair);
        Some(([127, 0, 0, 1], pair.rtp()).into())
    }

    fn close_ports(&mut self, _: Pair) {}

    fn set_urgent(&mut self, _: Pair, _: bool) {}

    fn receive_message(&mut self) -> Option<(Flow, Arrival)> {
        self.messages.pop_front()
    }

    fn send_message(&mut self, _: Transmit) -> bool {
        true
    }

    fn targets(&mut self, _: &str) -> Vec<Flow> {
        Vec::new()
    }

    fn start(&mut self, call: NewCall) -> bool {
        self.calls.push(call.key);
        true
    }

    fn deliver(&mut self, _: CallKey, _: Input) -> Result<(), OwnerGone> {
        Ok(())
    }

    fn has_more(&self) -> bool {
        false
    }
}

fn invite(n: usize) -> (Flow, Arrival) {
    let text = format!(
        "INVITE sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {PEER};branch=z9hG4bK{n}\r\nFrom: <sip:a@{PEER}>;tag={n}\r\n\
         To: <sip:x@127.0.0.1>\r\nCall-ID: {n}\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:a@{PEER}>\r\n\
         Content-Length: 0\r\n\r\n"
    );
    let flow = Flow { transport: Transport::Udp, local: ([127, 0, 0, 1], 5060).into(), remote: PEER };
    (flow, Message::parse(Bytes::from(text)).into())
}

fn shard() -> Shard {
    let everyone = Network { address: [0, 0, 0, 0].into(), prefix: 0 };
    let peer = AdmissionPeer { name: "peer".to_owned(), from: vec![everyone], ..AdmissionPeer::default() };
    let door = AdmissionSettings {
        calls: 100,
        calls_per_second: 100,
        peers: vec![peer],
        ..AdmissionSettings::default()
    };
    let params = ShardParams {
        index: 0,
        shards: 1,
        ports: 20_000..=20_999,
        seed: 1,
        keys: KeySource::new([1; 32]),
        endpoint: EndpointConfig::default(),
        session: SessionParams::default(),
    };
    Shard::new(params, Arc::new(Gate::new(door, [9; 32])), Rc::new(Prompts::new()))
}

/// A call between two phones, bridged on the shard without a call's machine.
fn bridged(shard: &mut Shard, io: &mut Wires, caller: Kind, ai: Kind, ptime: u64) -> (World, Vec<Pair>) {
    let mut world = World::new(1);
    io.messages.push_back(invite(io.calls.len()));
    shard.turn(Time::ZERO, io);
    let key = *io.calls.last().unwrap();
    let first = io.pairs.len();
    for (leg, kind) in [(CALLER, caller), (AI, ai)] {
        world.add(leg, kind, ptime);
        let config = world.config(leg);
        for action in [Action::AllocatePort(leg), Action::Media(Order::Open { leg, config })] {
            let _ = shard.apply(Time::ZERO, key, action, io);
        }
    }
    let _ = shard.apply(Time::ZERO, key, Action::Media(Order::Bridge { with: AI }), io);
    (world, io.pairs[first..].to_vec())
}

#[test]
fn packets_and_ticks_through_a_shard_allocate_nothing() {
    let (mut shard, mut io) = (shard(), Wires::default());
    let mut calls: Vec<_> = [
        (Kind::Pcmu, Kind::Pcmu, 20),
        (Kind::Opus, Kind::Pcmu, 20),
        (Kind::Opus, Kind::Opus, 20),
        (Kind::Pcmu, Kind::Pcma, 10),
    ]
    .into_iter()
    .map(|(caller, ai, ptime)| bridged(&mut shard, &mut io, caller, ai, ptime))
    .collect();
    let mut allocated = 0;
    for ms in 1..6000u64 {
        io.packets.clear();
        for (world, pairs) in &mut calls {
            let spoken =
                world.phones.iter_mut().zip(pairs).filter(|(phone, _)| ms.is_multiple_of(phone.ptime));
            io.packets.extend(spoken.map(|(phone, pair)| (*pair, phone.from, phone.packet())));
        }
        io.inputs = io.packets.len();
        ARMED.set(ms > 1500);
        shard.turn(Time::from_millis(ms), &mut io);
        ARMED.set(false);
        allocated += COUNT.replace(0);
        if ms == 1500 {
            io.sent = 0;
        }
    }
    assert_eq!(allocated, 0);
    // Three calls send 100 packets a second, the fourth, of 10 ms, 200.
    assert!(io.sent.abs_diff(500 * 45 / 10) <= 40, "{}", io.sent);
    let stats = shard.stats(Time::from_secs(6));
    assert_eq!((stats.outbox_dropped, stats.ticks_missed, stats.media.legs), (0, 0, 8));
}
