//! A shard: one core's share of a node. It owns its SIP endpoint, the sessions of its calls, its ports and its media
//! clock, and is driven in turns; its world is the [`Io`] trait, so that a test runs a whole node on a simulated network.
//!
//! Leaves out what a call decides (`call`) and who owns its machine: an actor, or a test. Pure: no socket, no clock,
//! no actor.

mod admission;
mod apply;
mod calls;
mod guard;
mod io;
mod ladder;
mod load;
mod mask;
mod outbox;
mod pace;
mod ports;
mod priority;
mod probe;
mod seeing;
mod sessions;
mod settle;
mod stats;
mod translate;
mod turn;
mod wheel;

use std::ops::RangeInclusive;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use baton_signaling::endpoint::{Endpoint, EndpointConfig};
use baton_signaling::{Random, Time};

pub use admission::{AdmissionPeer, AdmissionSettings, Caller, Gate, Network, PeerIndex, Refusal};
pub use apply::Applied;
pub use guard::{Ban, Challenge, Denied, GuardCounts, Unknown};
pub use io::{Arrival, Datagram, Identity, Io, NewCall, OwnerGone};
pub use ladder::{Ladder, LadderCounts, Said};
pub use mask::Secrets;
pub use outbox::{OUTBOX_PACKETS, Outbox, PACKET_BYTES, Packet};
pub use pace::Rest;
pub use ports::{Pair, PortCounts, Ports, REST};
pub use priority::is_emergency;
pub use probe::{Health, PeerHealth};
pub use seeing::Seen;
pub use settle::settle;
pub use stats::{MediaTotals, ShardStats};
pub use turn::{MESSAGES_PER_TURN, PACKETS_PER_TURN};
pub use wheel::{LATENESS_MICROS, Lateness, TICK, Wheel};

use crate::call::KeySource;
use crate::key::CallKey;
use crate::media::{Prompts, SessionParams};
use calls::Calls;
use ladder::Ladders;
use load::Load;
use pace::{Budget, Pace};
use probe::Probes;
use sessions::Sessions;
use stats::Tally;

/// What a shard is built with.
#[derive(Clone, Debug)]
pub struct ShardParams {
    /// Which shard of the node, from 0.
    pub index: u16,
    /// Shards of the node.
    pub shards: u16,
    /// The node's RTP ports; the shard takes its part of them.
    pub ports: RangeInclusive<u16>,
    /// Feeds tags, branches, call ids and SSRCs.
    pub seed: u64,
    /// Where the keys of its calls come from: entropy.
    pub keys: KeySource,
    /// How its endpoint presents itself; `shard` in it says which Call-IDs lead here.
    pub endpoint: EndpointConfig,
    /// What every session is built with.
    pub session: SessionParams,
}

/// One core's share of a node.
pub struct Shard {
    index: u16,
    gate: Arc<Gate>,
    prompts: Rc<Prompts>,
    session: SessionParams,
    random: Random,
    keys: KeySource,
    endpoint: Endpoint,
    calls: Calls,
    sessions: Sessions,
    wheel: Wheel,
    pace: Pace,
    messages: Budget,
    load: Load,
    ports: Ports,
    outbox: Outbox,
    /// Where packets are received, one at a time.
    buffer: Box<[u8]>,
    tally: Tally,
    probes: Probes,
    ladders: Ladders,
}

impl Shard {
    /// A shard without calls.
    pub fn new(params: ShardParams, gate: Arc<Gate>, prompts: Rc<Prompts>) -> Self {
        prompts.encode(&params.session);
        prompts.fill_up();
        let mut random = Random::new(params.seed);
        let seed = random.draw();
        Self {
            index: params.index,
            gate,
            prompts,
            session: params.session,
            random,
            keys: params.keys,
            endpoint: Endpoint::new(params.endpoint, seed),
            calls: Calls::default(),
            sessions: Sessions::default(),
            wheel: Wheel::new(SESSIONS_EXPECTED),
            pace: Pace::default(),
            messages: Budget::new(MESSAGES_PER_TURN),
            load: Load::new(params.session.complexity_min..=params.session.complexity),
            ports: Ports::new(params.ports, usize::from(params.index), usize::from(params.shards)),
            outbox: Outbox::new(),
            buffer: vec![0; PACKET_BYTES].into_boxed_slice(),
            tally: Tally::default(),
            probes: Probes::default(),
            ladders: Ladders::default(),
        }
    }

    /// Has this shard ask each of `targets`, peer and URI, with OPTIONS once in every `interval`: one shard of a node
    /// does. Told before its first turn.
    pub fn probe(&mut self, now: Time, interval: Duration, targets: Vec<(String, String)>) {
        self.probes = Probes::new(now, interval, targets);
    }

    /// The addresses it asks and what it knows of each.
    pub fn peers(&self) -> impl Iterator<Item = &PeerHealth> {
        self.probes.health()
    }

    /// What was said in SIP in a call that lives or has ended a while ago.
    pub fn ladder(&self, key: CallKey) -> Option<&Ladder> {
        self.ladders.get(key)
    }

    /// Which shard of the node.
    pub fn index(&self) -> u16 {
        self.index
    }

    /// Whether it has no time for new calls but emergencies.
    pub fn is_full(&self) -> bool {
        self.load.is_full()
    }

    /// Whether it holds no call, no transaction and no dialog.
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty() && self.endpoint.is_idle()
    }
}

/// Sessions for which the wheel has room before it allocates: more than a core can transcode.
const SESSIONS_EXPECTED: usize = 1000;
