//! The node's settings: one TOML file, read once, checked as a whole, never changed after start.
//!
//! [`Settings::read`] finds every fault at once, each with its field and line. It walks the document by itself: a
//! derived reader would stop at the first. It reads no file and no environment; both are handed in. A machine is
//! given the few values it needs, not these structs.

mod auth;
mod cross;
mod document;
mod flow;
mod hep;
mod node;
mod peer;
mod queue;
mod report;
#[cfg(test)]
mod tests;
mod value;

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

pub use auth::{Auth, Challenge};
pub use flow::{Answer, Budget, ContextRules, Flow, Handoff, OnAiFailure};
pub use hep::Hep;
pub use node::{Http, Limits, Listen, Media, Ports, Sip, Timers, Tls, Unknown};
pub use peer::{DtmfRule, EarlyMedia, JitterMs, Peer, Repair, Srtp};
pub use queue::{Agent, AgentIndex, Queue};
pub use report::{Report, report};
pub use value::{Network, Secret, Sound};

use document::Document;

/// The settings of a node that is given no file: it takes calls on loopback.
pub const EMBEDDED: &str = include_str!("../../assets/baton.toml");

/// A node's settings, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `[sip]`: signalling.
    pub sip: Sip,
    /// `[media]`: RTP.
    pub media: Media,
    /// `[http]`: console, API, metrics.
    pub http: Http,
    /// `[[peers]]`: whom we speak with, in the file's order.
    pub peers: Vec<Peer>,
    /// `[[queues]]`: where callers wait for a person.
    pub queues: Vec<Queue>,
    /// The distinct agents of all queues, in the order in which they are first named.
    pub agents: Vec<Agent>,
    /// `[[flows]]`: which AI answers whom, tried in this order.
    pub flows: Vec<Flow>,
    /// `[timers]`: how long things may take.
    pub timers: Timers,
    /// `[limits]`: how much a node takes on.
    pub limits: Limits,
    /// `[hep]`: where copies of SIP messages go, if anywhere.
    pub hep: Option<Hep>,
}

/// One fault of a settings file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Issue {
    /// Its line, from 1.
    pub line: usize,
    /// The key, as a path from the root: `peers[1].codecs[0]`.
    pub field: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, field, problem } = self;
        if field.is_empty() {
            write!(f, "{line}: {problem}")
        } else {
            write!(f, "{line}: {field}: {problem}")
        }
    }
}

/// What the settings' reader may ask of the world.
pub struct Surroundings<'a> {
    /// The value of an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Why a sound file cannot be played, as the rest of a sentence that names it, if so.
    pub sound_fault: &'a dyn Fn(&Path) -> Option<String>,
    /// What is wrong with files of certificates: the key of each, and the rest of a sentence.
    pub tls_faults: &'a dyn Fn(&Tls) -> Vec<(&'static str, String)>,
}

impl Settings {
    /// Reads and checks a file's text.
    ///
    /// # Errors
    /// Every fault found, by line.
    pub fn read(text: &str, world: &Surroundings<'_>) -> Result<Self, Vec<Issue>> {
        let document = Document::new(text, world);
        let settings = read_all(&document);
        match (settings, document.into_issues()) {
            (Some(settings), issues) if issues.is_empty() => Ok(settings),
            (_, issues) => Err(issues),
        }
    }

    /// The settings of [`EMBEDDED`].
    pub fn embedded() -> Self {
        let world = Surroundings { env: &|_| None, sound_fault: &|_| None, tls_faults: &|_| Vec::new() };
        Self::read(EMBEDDED, &world).expect("the embedded settings are tested")
    }

    /// The first flow that takes calls to this user part of a Request-URI.
    pub fn flow_for(&self, user: &str) -> Option<&Flow> {
        self.flows.iter().find(|flow| value::matches(&flow.user, user))
    }

    /// The first peer that calls from this address.
    pub fn peer_for(&self, ip: IpAddr) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.from.iter().any(|network| network.contains(ip)))
    }

    /// The peer of this name.
    pub fn peer(&self, name: &str) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.name == name)
    }

    /// The queue of this name.
    pub fn queue(&self, name: &str) -> Option<&Queue> {
        self.queues.iter().find(|queue| queue.name == name)
    }

    /// The distinct sounds that queues play, in the order in which they are first named.
    pub fn sounds(&self) -> Vec<&Sound> {
        let mut sounds = Vec::new();
        for sound in self.queues.iter().flat_map(|queue| [&queue.hold_audio, &queue.announcement]) {
            if !sounds.contains(&sound) {
                sounds.push(sound);
            }
        }
        sounds
    }
}

/// Everything in the document; `None` where it is so broken that nothing can be built (a fault has been noted).
fn read_all(document: &Document<'_>) -> Option<Settings> {
    let root = document.root()?;
    let sip = node::read_sip(&root);
    let media = node::read_media(&root);
    let http = node::read_http(&root);
    let timers = node::read_timers(&root);
    let limits = node::read_limits(&root, &media);
    let hep = hep::read(&root);
    let peers: Vec<_> = root.tables("peers").iter().map(peer::read).collect();
    let queues: Vec<_> = root.tables("queues").iter().map(queue::read).collect();
    let flows: Vec<_> = root.tables("flows").iter().map(flow::read).collect();
    root.finish();
    cross::check(
        &root,
        &cross::Parts { sip: &sip, media: &media, peers: &peers, queues: &queues, flows: &flows },
    );
    let (queues, agents) = queue::resolve(queues);
    Some(Settings {
        sip: sip.value,
        media: media.value,
        http,
        peers: peers.into_iter().map(|peer| peer.value).collect(),
        queues,
        agents,
        flows: flows.into_iter().map(|flow| flow.value).collect(),
        timers,
        limits,
        hep,
    })
}
