//! `[[queues]]` and their agents.

use std::time::Duration;

use crate::queue::{AgentSettings, Exhausted, QueueSettings, QueuesSettings, Strategy};

use super::Settings;
use super::document::{Found, Table};
use super::value::{self, Sound};

/// One of `[[queues]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// `name`: the handoff's destination, as in `sip:NAME@this-node`. Letters, digits and `-_.`.
    pub name: String,
    /// `peer`: by whose codecs and headers its agents' legs speak.
    pub peer: String,
    /// `agents`: SIP URIs, or `{ uri = "sip:…", calls = 20 }` for a group behind one URI. As positions in
    /// [`Settings::agents`].
    pub agents: Vec<AgentIndex>,
    /// `strategy`: `"longest-idle"` (default), `"round-robin"`, `"ring-in-order"`.
    pub strategy: Strategy,
    /// `ring_seconds`: how long each agent rings. 1–600, default 15.
    pub ring: Duration,
    /// `wait_seconds`: how long a caller waits in all. 1–86400, default 120.
    pub wait: Duration,
    /// `exhausted`: what then: `"return-to-ai"` (default), `"announce"`, `"hang-up"`, or another queue's name.
    pub exhausted: Exhausted,
    /// `hold_audio`: what a caller hears meanwhile: `"builtin"` (default) or a WAV file.
    pub hold_audio: Sound,
    /// `announcement`: what a caller hears before we hang up: `"builtin"` (default) or a WAV file.
    pub announcement: Sound,
    /// `callers`: most callers that may wait; it is full then. 1–10000, default 100.
    pub callers: u32,
    /// `open`: whether it takes callers at start. Default true.
    pub open: bool,
}

/// A position in [`Settings::agents`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentIndex(pub u32);

/// An agent: a person's phone, or a group behind one URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// `uri`: where to call.
    pub uri: String,
    /// `calls`: calls at once. 1–1000, default 1.
    pub calls: u32,
}

/// A queue before its agents have their positions.
pub(super) struct Draft {
    pub(super) queue: Queue,
    pub(super) agents: Vec<Found<Agent>>,
    /// Where `peer` stands.
    pub(super) peer: Found<String>,
    /// Where `exhausted` stands.
    pub(super) exhausted: Option<Found<String>>,
}

pub(super) fn read(table: &Table<'_>) -> Found<Draft> {
    let name = value::name(table);
    let peer = table.required("peer");
    let strategies = [
        ("longest-idle", Strategy::LongestIdle),
        ("round-robin", Strategy::RoundRobin),
        ("ring-in-order", Strategy::RingInOrder),
    ];
    let exhausted = table.string("exhausted");
    let queue = Queue {
        name: name.value.clone(),
        peer: peer.value.clone(),
        agents: Vec::new(),
        strategy: table.choice("strategy", &strategies).map_or(Strategy::LongestIdle, |found| found.value),
        ring: table.seconds("ring_seconds", 15, 1..=600),
        wait: table.seconds("wait_seconds", 120, 1..=86_400),
        exhausted: read_exhausted(exhausted.as_ref().map_or("return-to-ai", |found| &found.value)),
        hold_audio: value::sound(table, "hold_audio", Sound::BuiltinHold),
        announcement: value::sound(table, "announcement", Sound::BuiltinAnnouncement),
        callers: table.integer("callers", 1..=10_000).map_or(100, |found| found.value),
        open: table.boolean("open", true),
    };
    let agents = read_agents(table);
    if queue.ring > queue.wait {
        table.note(&name.at, "`ring_seconds` is longer than `wait_seconds`: no agent would ring to the end");
    }
    table.finish();
    Found { value: Draft { queue, agents, peer, exhausted }, at: name.at }
}

fn read_exhausted(word: &str) -> Exhausted {
    match word {
        "return-to-ai" => Exhausted::ReturnToAi,
        "announce" => Exhausted::Announce,
        "hang-up" => Exhausted::HangUp,
        queue => Exhausted::Queue(queue.to_owned()),
    }
}

fn read_agents(table: &Table<'_>) -> Vec<Found<Agent>> {
    let Some(list) = table.mixed("agents") else {
        table.note(&table.at, "`agents` is missing");
        return Vec::new();
    };
    if list.value.is_empty() {
        table.note(&list.at, "must name at least one agent");
    }
    let mut agents: Vec<Found<Agent>> = Vec::new();
    for one in list.value {
        let (uri, calls) = match one {
            Ok(uri) => (uri, 1),
            Err(table) => {
                let uri = table.required("uri");
                let calls = table.integer("calls", 1..=1000).map_or(1, |found| found.value);
                table.finish();
                (uri, calls)
            }
        };
        if !value::is_uri(table, &uri) {
            continue;
        }
        if agents.iter().any(|agent| agent.value.uri == uri.value) {
            table.note(&uri.at, "is in this queue twice");
        } else {
            agents.push(uri.map(|uri| Agent { uri, calls }));
        }
    }
    agents
}

/// Gives each distinct agent its position.
pub(super) fn resolve(drafts: Vec<Found<Draft>>) -> (Vec<Queue>, Vec<Agent>) {
    let mut all: Vec<Agent> = Vec::new();
    let queues = drafts.into_iter().map(|draft| {
        let Draft { mut queue, agents, .. } = draft.value;
        for agent in agents {
            let at = all.iter().position(|known| known.uri == agent.value.uri).unwrap_or_else(|| {
                all.push(agent.value);
                all.len() - 1
            });
            queue.agents.push(AgentIndex(u32::try_from(at).unwrap_or(u32::MAX)));
        }
        queue
    });
    (queues.collect(), all)
}

impl Settings {
    /// What the machine of all queues needs.
    pub fn for_queues(&self) -> QueuesSettings {
        let queue = |queue: &Queue| QueueSettings {
            name: queue.name.clone(),
            peer: queue.peer.clone(),
            agents: queue.agents.iter().map(|agent| agent.0).collect(),
            strategy: queue.strategy,
            ring: queue.ring,
            wait: queue.wait,
            exhausted: queue.exhausted.clone(),
            callers_max: queue.callers,
            open: queue.open,
        };
        let agent = |agent: &Agent| AgentSettings { uri: agent.uri.clone(), calls: agent.calls };
        QueuesSettings {
            queues: self.queues.iter().map(queue).collect(),
            agents: self.agents.iter().map(agent).collect(),
        }
    }
}
