//! A running node: its sockets, arbiters and actors, from start to the last BYE.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Arbiter};
use baton_signaling::endpoint::{EndpointConfig, Transport};
use baton_signaling::message::Host;
use baton_signaling::route;
use tokio::sync::oneshot;

use super::actors::{
    Core, DrainDeadline, QueueActor, Remember, ShardActor, ShardCell, Shared, SupervisorActor,
};
use super::hep::Export;
use super::http::Api;
use super::inbox::Inbox;
use super::intake::Intake;
use super::limits::LAST_WORDS;
use super::metrics::{self, NodeMetrics};
use super::poller::Poller;
use super::resolve::{Names, Resolver};
use super::streams::{Certificates, Streams, TlsFault};
use super::udp::{BindError, SipSockets};
use super::world::{MediaAddress, World};
use super::{Clock, Plan, entropy, http, secret};
use crate::call::KeySource;
use crate::media::PromptError;
use crate::settings::Hep;
use crate::shard::{Gate, Shard, ShardParams};

/// Time between two looks at how many calls are left while draining.
const DRAIN_LOOK: Duration = Duration::from_millis(50);

/// Why a node could not start; one sentence each.
#[derive(Debug)]
pub enum StartError {
    /// An address could not be listened on.
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The system refused something that every node needs.
    System(io::Error),
    /// A certificate cannot be used; the sentence names its file.
    Tls(String),
    /// A sound cannot be played.
    Sound {
        /// Its place among the sounds of the settings.
        at: usize,
        /// Why.
        error: PromptError,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { address, error } if error.kind() == io::ErrorKind::AddrInUse => {
                write!(f, "{address} is in use by another program")
            }
            Self::Bind { address, error } => write!(f, "cannot listen on {address}: {error}"),
            Self::Tls(fault) => f.write_str(fault),
            Self::System(error) => write!(f, "the system refuses what the node needs: {error}"),
            Self::Sound { at, error } => {
                write!(f, "sound {} of the settings cannot be played: {error}", at + 1)
            }
        }
    }
}

impl std::error::Error for StartError {}

impl StartError {
    fn tls(fault: TlsFault) -> Self {
        Self::Tls(fault.to_string())
    }
}

impl From<BindError> for StartError {
    fn from(BindError { address, error }: BindError) -> Self {
        Self::Bind { address, error }
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Where a node listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAddresses {
    /// SIP over UDP.
    pub sip: Vec<SocketAddr>,
    /// SIP over connections.
    pub streams: Vec<(Transport, SocketAddr)>,
    /// The API.
    pub http: SocketAddr,
}

/// A running node.
pub struct Node {
    addresses: NodeAddresses,
    gate: Arc<Gate>,
    shards: Vec<Addr<ShardActor>>,
    arbiters: Vec<Arbiter>,
    drain: Duration,
    clock: Clock,
}

/// What every shard is made of.
#[derive(Clone)]
struct Parts {
    plan: Arc<Plan>,
    shared: Arc<Shared>,
    gate: Arc<Gate>,
    sip: SipSockets,
    streams: Streams,
    names: Names,
    route_key: [u64; 2],
    export: Option<Export>,
}

impl Node {
    /// Starts a node. Within an actix system only.
    ///
    /// # Errors
    /// An address is in use, a sound cannot be played, or the system has no more descriptors or entropy.
    pub async fn start(plan: Plan) -> Result<Self, StartError> {
        let clock = Clock::start();
        plan.prompts().map_err(|(at, error)| StartError::Sound { at, error })?;
        // First, since whoever counts holds handles of what is installed.
        let rendered = metrics::install();
        let sip = SipSockets::bind(&plan.sip)?;
        let certificates = plan.tls.clone().map(Certificates::read).transpose().map_err(StartError::tls)?;
        let (streams, listening) = Streams::bind(&plan.streams, certificates)?;
        let page = std::net::TcpListener::bind(plan.http)
            .map_err(|error| StartError::Bind { address: plan.http, error })?;
        let addresses = NodeAddresses {
            sip: sip.addresses().collect(),
            streams: streams.listeners().to_vec(),
            http: page.local_addr()?,
        };
        let gate = Arc::new(Gate::new(plan.admission.clone(), secret().map_err(io::Error::other)?));
        let supervisor = SupervisorActor::start(clock, NodeMetrics::new(gate.clone()));
        let queues = QueueActor::start(clock, plan.queues.clone());
        let shared = Shared { clock, settings: plan.call.clone(), queues, supervisor };
        let (mut resolver, names) = Resolver::new(clock, &plan.dns, plan.uris());
        resolver.look().await;
        actix::spawn(resolver.run());
        let route_key = [random()?, random()?];
        let secrets = Arc::new(plan.secrets());
        let open = |hep: &Hep| Export::open(hep.clone(), plan.secrets(), clock);
        let export = plan.hep.as_ref().map(open).transpose()?;
        let (drain, plan) = (plan.drain, Arc::new(plan));
        let parts = Parts {
            plan,
            shared: Arc::new(shared),
            gate: gate.clone(),
            sip: sip.clone(),
            streams: streams.clone(),
            names,
            route_key,
            export,
        };
        let mut node = Self { addresses, gate, shards: Vec::new(), arbiters: Vec::new(), drain, clock };
        let inboxes = node.start_shards(&parts).await?;
        node.introduce(&parts.shared);
        let readers = Arbiter::new();
        let intake = Intake::new(inboxes, route_key, (node.gate.clone(), clock));
        readers.spawn_fn(move || {
            sip.readers(&intake).into_iter().for_each(|reader| drop(actix::spawn(reader)));
            streams.serve(listening, &intake);
        });
        let api = Api::new(node.gate.clone(), node.shards.clone(), parts.shared.clone(), rendered, secrets);
        let pages = Arbiter::new();
        page.set_nonblocking(true)?;
        pages.spawn_fn(move || drop(actix::spawn(http::serve(page, api))));
        node.arbiters.extend([readers, pages]);
        Ok(node)
    }

    async fn start_shards(&mut self, parts: &Parts) -> Result<Arc<[Arc<Inbox>]>, StartError> {
        let mut inboxes = Vec::new();
        for index in 0..parts.plan.shards.max(1) {
            let inbox = Arc::new(Inbox::new()?);
            inboxes.push(inbox.clone());
            let (parts, seed, arbiter) = (parts.clone(), random()?, Arbiter::new());
            let (started, addr) = oneshot::channel();
            arbiter.spawn_fn(move || {
                // The receiver waits below; if it does not, the node is not starting any more.
                let _ = started.send(parts.start_shard(index, seed, inbox));
            });
            self.arbiters.push(arbiter);
            let addr = addr.await.map_err(|_| io::Error::other("a shard's thread has ended"))??;
            self.shards.push(addr);
        }
        Ok(inboxes.into())
    }

    /// Tells queues and supervisor of the shards.
    fn introduce(&self, shared: &Shared) {
        // Neither mailbox can be full before the first call.
        let _ = shared.queues.try_send(Remember(self.shards.clone()));
        let _ = shared.supervisor.try_send(Remember(self.shards.clone()));
    }

    /// Where it listens.
    pub fn addresses(&self) -> &NodeAddresses {
        &self.addresses
    }

    /// Calls alive.
    pub fn calls(&self) -> usize {
        self.gate.active()
    }

    /// The handle by which tests and the API end calls.
    pub fn shards(&self) -> &[Addr<ShardActor>] {
        &self.shards
    }

    /// Takes no new call from here on; running ones go on until they end or their time is over, then BYE ends them.
    pub async fn drain(&self) {
        self.gate.drain();
        tracing::info!(calls = self.calls(), "draining");
        let deadline = self.clock.now() + self.drain;
        while self.calls() > 0 && self.clock.now() < deadline {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
        self.end_calls().await;
    }

    /// Ends every call with BYE at once.
    pub async fn end_calls(&self) {
        self.gate.drain();
        let deadline = self.clock.now() + LAST_WORDS;
        if self.calls() > 0 {
            tracing::warn!(calls = self.calls(), "ending the calls that are left");
            for shard in &self.shards {
                // Refused: its calls are cut by the end of the process, and their far ends notice by RTCP.
                let _ = shard.try_send(DrainDeadline);
            }
        }
        while self.calls() > 0 && self.clock.now() < deadline {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
        // The last answers arrive, the last BYE leaves.
        tokio::time::sleep(DRAIN_LOOK).await;
    }

    /// Stops the node's threads.
    pub fn stop(self) {
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
    }
}

impl Parts {
    /// Makes a shard, its task and its actor. On the shard's arbiter.
    fn start_shard(self, index: u16, seed: u64, inbox: Arc<Inbox>) -> Result<Addr<ShardActor>, StartError> {
        let keys = KeySource::new(secret().map_err(io::Error::other)?);
        let plan = &self.plan;
        let prompts = plan.prompts().map_err(|(at, error)| StartError::Sound { at, error })?;
        let poller = Rc::new(Poller::new(inbox.bell())?);
        let params = ShardParams {
            index,
            shards: plan.shards,
            ports: plan.ports.clone(),
            seed,
            keys,
            endpoint: EndpointConfig {
                advertise: plan.advertise.map(|address| Host::Ip(address).to_string()),
                listeners: self.listeners(),
                shard: Some(route::Shard { mine: index, shards: plan.shards.max(1), key: self.route_key }),
                refer_expires: EndpointConfig::default().refer_expires.max(plan.queues.handoff_max()),
                ..EndpointConfig::default()
            },
            session: crate::media::SessionParams {
                ntp_at_zero: self.shared.clock.ntp_at_zero(),
                ..plan.session
            },
        };
        let mut shard = Shard::new(params, self.gate, Rc::new(prompts));
        if index == 0 {
            shard.probe(self.shared.clock.now(), plan.probe, plan.peer_uris());
        }
        let media = MediaAddress { local: plan.media, advertised: plan.advertise.unwrap_or(plan.media) };
        let names = self.names.drawing(random()?);
        let (sip, waits) = ((self.sip, self.streams), poller.clone());
        let cell = ShardCell::new(self.shared, poller, |cell| Core {
            shard,
            world: World::new(waits, inbox, sip, media, names, cell).exporting(self.export),
        });
        actix::spawn(cell.clone().run());
        Ok(ShardActor::start(cell))
    }

    /// All that SIP is received at.
    fn listeners(&self) -> Arc<[(Transport, SocketAddr)]> {
        let udp = self.sip.addresses().map(|local| (Transport::Udp, local));
        udp.chain(self.streams.listeners().iter().copied()).collect()
    }
}

fn random() -> io::Result<u64> {
    entropy().map_err(io::Error::other)
}
