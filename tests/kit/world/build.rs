//! How a world is made: one flow with an AI of two addresses, one queue with two people, and what a test changes of it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use baton_engine::call::{
    AnswerMode, ByeRule, CallPeer, CallQueue, CallSettings, CallTimers, FlowSettings, KeySource, OnAiFailure,
};
use baton_engine::media::{Prompt, Prompts, SessionParams};
use baton_engine::queue::{AgentSettings, Exhausted, QueueSettings, Queues, QueuesSettings, Strategy};
use baton_engine::settings::ContextRules;
use baton_engine::shard::{AdmissionPeer, AdmissionSettings, Network, ShardParams};
use baton_signaling::Time;
use baton_signaling::endpoint::EndpointConfig;

use super::{ANN, ANNOUNCEMENT, BOB, HOLD, World};
use crate::net::{Net, Weather};
use crate::node::{Node, NodeSettings};
use crate::phone::{Behaviour, Phone};
use crate::tone::{RATE, Tone};

/// The usual world, and what a test may change before it is built.
pub struct WorldBuilder {
    seed: u64,
    /// Of the calls: flows, peers, queues, timers.
    pub calls: CallSettings,
    /// Of the queue `snapcall_agents`.
    pub queue: QueueSettings,
    /// Who is let in, and how many.
    pub admission: AdmissionSettings,
    /// On the wire, both ways.
    pub signalling: Weather,
    /// On the wire, both ways.
    pub media: Weather,
    /// RTP ports of the node.
    pub ports: std::ops::RangeInclusive<u16>,
    /// Further callers behind the usual six phones.
    pub callers: usize,
    /// Names, and the phones behind each in their order.
    pub names: Vec<(String, Vec<super::Who>)>,
}

const NODE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 5060);

/// Names and addresses of the phones, in the order of [`super::Who`].
const PHONES: [(&str, [u8; 4], u16); 6] = [
    ("caller", [10, 0, 1, 1], 5060),
    ("ai", [10, 0, 2, 1], 5070),
    ("ai2", [10, 0, 2, 2], 5071),
    ("ann", [10, 0, 3, 1], 5080),
    ("bob", [10, 0, 3, 2], 5080),
    ("other", [10, 0, 1, 2], 5060),
];

impl WorldBuilder {
    /// Caller peer `snapcall` (Opus, PCMU, PCMA), AI peer `polyai` (PCMU, PCMA) with two addresses, queue
    /// `snapcall_agents` with Ann before Bob, ring 15 s, wait 120 s, then back to the AI.
    pub fn new(seed: u64) -> Self {
        let uri = |at: usize| {
            let (name, ip, port) = PHONES[at];
            format!("sip:{name}@{}", SocketAddr::from((ip, port)))
        };
        let (hold, announcement) = (Prompt(0), Prompt(1));
        let codecs = |names: &[&str]| names.iter().map(|name| (*name).to_string()).collect();
        let snapcall = CallPeer { codecs: codecs(&["opus", "PCMU", "PCMA"]), ..CallPeer::default() };
        let polyai =
            CallPeer { codecs: codecs(&["PCMU", "PCMA"]), uris: vec![uri(1), uri(2)], ..CallPeer::default() };
        let bye_rules = ["X-contained: false", "X-Route-Destination", "X-destination"];
        let flow = FlowSettings {
            name: "support".into(),
            user: "*".into(),
            ai: "polyai".into(),
            queue: Some("snapcall_agents".into()),
            on_ai_failure: OnAiFailure::Queue,
            answer: AnswerMode::Late,
            bye_rules: bye_rules.iter().map(|rule| ByeRule::parse(rule).expect("a rule")).collect(),
            escape: None,
            context: ContextRules::default(),
            hold,
            announcement,
        };
        let call_queue = CallQueue {
            peer: "snapcall".into(),
            hold,
            announcement,
            wait: Duration::from_secs(120),
            ring: Duration::from_secs(15),
        };
        let network = |ip: [u8; 4], prefix: u8| Network { address: IpAddr::from(ip), prefix };
        let admitted =
            |name: &str, from| AdmissionPeer { name: name.into(), from, ..AdmissionPeer::default() };
        Self {
            seed,
            calls: CallSettings {
                flows: vec![flow],
                peers: BTreeMap::from([("snapcall".into(), snapcall), ("polyai".into(), polyai)]),
                queues: BTreeMap::from([("snapcall_agents".into(), call_queue)]),
                hosts: vec![NODE.ip().to_string()],
                from_host: NODE.to_string(),
                media_host: NODE.ip(),
                timers: CallTimers::default(),
                extended_reports: false,
                wideband_reinvite: false,
                handoffs_per_call: 5,
            },
            queue: QueueSettings {
                name: "snapcall_agents".into(),
                peer: "snapcall".into(),
                agents: vec![0, 1],
                strategy: Strategy::RingInOrder,
                ring: Duration::from_secs(15),
                wait: Duration::from_secs(120),
                exhausted: Exhausted::ReturnToAi,
                callers_max: 100,
                open: true,
            },
            admission: AdmissionSettings {
                calls: 1000,
                calls_per_second: 1000,
                peers: vec![
                    admitted("polyai", vec![network([10, 0, 2, 0], 24)]),
                    admitted("snapcall", vec![network([10, 0, 0, 0], 8)]),
                ],
                ..AdmissionSettings::default()
            },
            signalling: Weather::CLEAR,
            media: Weather::CLEAR,
            ports: 20_000..=23_999,
            callers: 0,
            names: Vec::new(),
        }
    }

    /// The flow.
    pub fn flow(&mut self) -> &mut FlowSettings {
        &mut self.calls.flows[0]
    }

    /// Both the queue's and the calls' idea of how long a caller waits and an agent rings.
    pub fn patience(mut self, wait: Duration, ring: Duration) -> Self {
        let call_queue = self.calls.queues.get_mut("snapcall_agents").expect("the usual queue");
        (self.queue.wait, self.queue.ring) = (wait, ring);
        (call_queue.wait, call_queue.ring) = (wait, ring);
        self
    }

    /// The same weather for signalling and media.
    pub fn weather(mut self, weather: Weather) -> Self {
        (self.signalling, self.media) = (weather, weather);
        self
    }

    /// Makes the world.
    pub fn build(self) -> World {
        let mut net = Net::new(self.seed);
        (net.signalling, net.media) = (self.signalling, self.media);
        let phone = |(at, (name, ip, port)): (usize, (&str, [u8; 4], u16))| {
            // The hold audio and the announcement have tones 16 and 17.
            Phone::new(name, SocketAddr::from((ip, port)), 30_000, Tone(at as u8 % 16), self.seed)
        };
        let further =
            (0..self.callers).map(|at| ("caller", [10, 1, (at / 250) as u8, (at % 250) as u8 + 1], 5060));
        let mut phones: Vec<Phone> = PHONES.into_iter().chain(further).enumerate().map(phone).collect();
        // The AI says goodbye once it is told that a person has answered.
        for ai in [1, 2] {
            phones[ai].behaviour = polite_ai();
        }
        let uri = |who: super::Who| phones[who.0].uri();
        let agents = [ANN, BOB].map(|who| AgentSettings { uri: uri(who), calls: 1 });
        let queues = QueuesSettings { queues: vec![self.queue], agents: agents.into() };
        let handoff_max = queues.handoff_max();
        let session = SessionParams { media_timeout: self.calls.timers.media, ..SessionParams::default() };
        let behind = |all: Vec<super::Who>| all.iter().map(|who| phones[who.0].address()).collect();
        let names = self.names.into_iter().map(|(name, all)| (name, behind(all))).collect();
        let node = Node::new(NodeSettings {
            names,
            sip: NODE,
            shard: ShardParams {
                index: 0,
                shards: 1,
                ports: self.ports,
                seed: self.seed,
                keys: KeySource::new([self.seed as u8; 32]),
                endpoint: EndpointConfig {
                    refer_expires: EndpointConfig::default().refer_expires.max(handoff_max),
                    ..EndpointConfig::default()
                },
                session,
            },
            admission: self.admission,
            calls: Arc::new(self.calls),
            queues: Queues::new(queues),
            prompts: PROMPTS.with(Rc::clone),
        });
        let lossy = self.media.loss + self.media.duplicate > 0 || !self.media.jitter.is_zero();
        World { now: Time::ZERO, net, node, phones, seed: self.seed, strays: Vec::new(), lossy }
    }
}

thread_local! {
    /// Encoded once for all worlds of a test, as for all calls of a shard.
    static PROMPTS: Rc<Prompts> = Rc::new(prompts());
}

/// Hold audio and announcement, in this order.
fn prompts() -> Prompts {
    let mut prompts = Prompts::new();
    let sound =
        |tone: Tone, seconds: usize| (0..seconds * RATE).map(|at| tone.sample(at)).collect::<Vec<_>>();
    prompts.add_pcm(&sound(HOLD, 10)).expect("a prompt");
    prompts.add_pcm(&sound(ANNOUNCEMENT, 2)).expect("a prompt");
    prompts
}

/// An AI that answers soon and says goodbye once it is told that a person has answered.
pub fn polite_ai() -> Behaviour {
    Behaviour { bye_when_told: true, ..Behaviour::answers(Duration::from_millis(300)) }
}
