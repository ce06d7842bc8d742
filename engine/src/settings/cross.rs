//! What only the whole file shows: names twice, references to nothing, circles, ports that clash, what is never reached.

use std::collections::BTreeMap;

use baton_signaling::endpoint::Transport;

use crate::queue::Exhausted;

use super::document::{At, Found, Table};
use super::flow::FoundFlow;
use super::node::{Media, Sip};
use super::peer::Peer;
use super::queue::Draft;
use super::value;

/// Everything that can refer to something else.
pub(super) struct Parts<'a> {
    pub(super) sip: &'a Found<Sip>,
    pub(super) media: &'a Found<Media>,
    pub(super) peers: &'a [Found<Peer>],
    pub(super) queues: &'a [Found<Draft>],
    pub(super) flows: &'a [FoundFlow],
}

pub(super) fn check(root: &Table<'_>, parts: &Parts<'_>) {
    names(root, "peer", parts.peers.iter().map(|peer| (peer.value.name.as_str(), &peer.at)));
    names(root, "queue", parts.queues.iter().map(|queue| (queue.value.queue.name.as_str(), &queue.at)));
    names(root, "flow", parts.flows.iter().map(|flow| (flow.name.value.as_str(), &flow.name.at)));
    ports(root, parts);
    transports(root, parts);
    networks(root, parts.peers);
    users(root, parts.peers);
    for queue in parts.queues {
        queue_references(root, queue, parts);
    }
    circles(root, parts.queues);
    agents(root, parts.queues);
    flows(root, parts);
}

fn names<'a>(root: &Table<'_>, kind: &str, all: impl Iterator<Item = (&'a str, &'a At)>) {
    let mut seen = BTreeMap::new();
    for (name, at) in all.filter(|(name, _)| !name.is_empty()) {
        if seen.insert(name, ()).is_some() {
            root.note(at, format!("there are two {kind}s named \"{name}\""));
        }
    }
}

fn ports(root: &Table<'_>, parts: &Parts<'_>) {
    let media = &parts.media.value;
    for listen in &parts.sip.value.listen {
        let ip = listen.address.ip();
        // RTP is UDP: a connection's port is another.
        if listen.transport == Transport::Udp
            && media.ports.contains(listen.address.port())
            && (ip == media.address || ip.is_unspecified())
        {
            root.note(
                &parts.media.at,
                format!("holds port {}, which sip.listen takes", listen.address.port()),
            );
        }
    }
}

/// What is called over a transport must be able to call back over it: our Contact names where we listen.
fn transports(root: &Table<'_>, parts: &Parts<'_>) {
    let listen = &parts.sip.value.listen;
    let check = |uri: &str, at: &At| {
        let transport = value::transport_of(uri).filter(|transport| {
            !transport.is_websocket() && !listen.iter().any(|listen| listen.transport == *transport)
        });
        if let Some(transport) = transport.filter(|_| !listen.is_empty()) {
            let name = transport.label();
            root.note(at, format!("\"{uri}\" needs an address with {name}:// in sip.listen"));
        }
    };
    for (index, peer) in parts.peers.iter().enumerate() {
        for (nth, uri) in peer.value.uris.iter().enumerate() {
            check(uri, &At { field: format!("peers[{index}].uris[{nth}]"), ..peer.at.clone() });
        }
    }
    for agent in parts.queues.iter().flat_map(|queue| &queue.value.agents) {
        check(&agent.value.uri, &agent.at);
    }
}

/// Peers are tried in order, so a network within one of an earlier peer is never reached.
fn networks(root: &Table<'_>, peers: &[Found<Peer>]) {
    for (index, peer) in peers.iter().enumerate() {
        for network in &peer.value.from {
            let hides = |other: &&Found<Peer>| other.value.from.iter().any(|earlier| earlier.covers(network));
            if let Some(earlier) = peers[..index].iter().find(hides) {
                let at = At { field: format!("peers[{index}].from"), ..peer.at.clone() };
                let (address, prefix, name) = (network.address, network.prefix, &earlier.value.name);
                root.note(
                    &at,
                    format!("{address}/{prefix} lies within `from` of peer \"{name}\", which comes first"),
                );
            }
        }
    }
}

/// A user of one realm is one peer's: by its name alone nobody could tell whose it is.
fn users(root: &Table<'_>, peers: &[Found<Peer>]) {
    let mut owners: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for (index, peer) in peers.iter().enumerate() {
        let Some(challenge) = &peer.value.challenge else { continue };
        for (user, _) in &challenge.users {
            let owner = owners.entry((&challenge.realm, user)).or_insert(&peer.value.name);
            if *owner != peer.value.name {
                let at = At { field: format!("peers[{index}].challenge.users.{user}"), ..peer.at.clone() };
                root.note(&at, format!("is a user of peer \"{owner}\" in the same realm"));
            }
        }
    }
}

fn queue_references(root: &Table<'_>, queue: &Found<Draft>, parts: &Parts<'_>) {
    let draft = &queue.value;
    if !draft.peer.value.is_empty() && !parts.peers.iter().any(|peer| peer.value.name == draft.peer.value) {
        unknown(root, &draft.peer, "peer");
    }
    if let (Exhausted::Queue(next), Some(found)) = (&draft.queue.exhausted, &draft.exhausted)
        && !parts.queues.iter().any(|queue| queue.value.queue.name == *next)
    {
        root.note(
            &found.at,
            format!(
                "must be \"return-to-ai\", \"announce\", \"hang-up\" or a queue; there is no queue \"{next}\""
            ),
        );
    }
}

fn unknown(root: &Table<'_>, found: &Found<String>, kind: &str) {
    root.note(&found.at, format!("there is no {kind} \"{}\"", found.value));
}

/// A caller who is passed from queue to queue must come to an end.
fn circles(root: &Table<'_>, queues: &[Found<Draft>]) {
    let next = |name: &str| {
        let queue = queues.iter().find(|queue| queue.value.queue.name == name)?;
        match &queue.value.queue.exhausted {
            Exhausted::Queue(next) => Some(next.as_str()),
            _ => None,
        }
    };
    for queue in queues {
        let start = queue.value.queue.name.as_str();
        let mut path = vec![start];
        // A chain without a circle is at most as long as there are queues.
        while let Some(name) = path.last().and_then(|name| next(name)).filter(|_| path.len() <= queues.len())
        {
            path.push(name);
            if name == start {
                let at = queue.value.exhausted.as_ref().map_or(&queue.at, |found| &found.at);
                root.note(at, format!("goes round in a circle: {}", path.join(" → ")));
                break;
            }
        }
    }
}

/// An agent of several queues is one agent: it cannot take one call here and twenty there.
fn agents(root: &Table<'_>, queues: &[Found<Draft>]) {
    let mut calls: BTreeMap<&str, u32> = BTreeMap::new();
    for agent in queues.iter().flat_map(|queue| &queue.value.agents) {
        let first = *calls.entry(&agent.value.uri).or_insert(agent.value.calls);
        if first != agent.value.calls {
            root.note(&agent.at, format!("`calls` is {first} where this agent is named first"));
        }
    }
}

fn flows(root: &Table<'_>, parts: &Parts<'_>) {
    if parts.flows.is_empty() {
        root.note(
            &At { field: "flows".to_owned(), offset: 0 },
            "at least one is needed: no call would be taken",
        );
    }
    for (index, flow) in parts.flows.iter().enumerate() {
        let draft = &flow.draft;
        match parts.peers.iter().find(|peer| peer.value.name == draft.ai.value) {
            Some(peer) if peer.value.uris.is_empty() => {
                root.note(&draft.ai.at, format!("peer \"{}\" has no `uris` to call", draft.ai.value));
            }
            None if !draft.ai.value.is_empty() => unknown(root, &draft.ai, "peer"),
            _ => {}
        }
        if let Some(queue) = &draft.queue
            && !parts.queues.iter().any(|known| known.value.queue.name == queue.value)
        {
            unknown(root, queue, "queue");
        }
        // A pattern that takes this one's text, star and all, takes every call this one would.
        let hides = |other: &&FoundFlow| value::matches(&other.draft.user.value, &draft.user.value);
        if let Some(earlier) = parts.flows[..index].iter().find(hides) {
            root.note(
                &draft.user.at,
                format!("is never reached: flow \"{}\" takes these calls", earlier.name.value),
            );
        }
    }
}
