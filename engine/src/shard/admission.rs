//! Which new calls a node takes on: from whom, how many at once, how many a second, and none while it drains.
//!
//! Cheap on purpose, since a refusal is what protects the calls that live. Leaves out flows, which are the call's own
//! business. The counts are shared by all shards of a node.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use baton_signaling::Time;
use baton_signaling::auth::Credentials;
use baton_signaling::message::{Field, Request};

use super::guard::{Challenge, Denied, Guard, GuardCounts, Unknown};
use super::priority::is_emergency;
use super::probe::{Board, PeerHealth};

/// From whom calls are taken, and how many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdmissionSettings {
    /// Calls at once.
    pub calls: usize,
    /// New calls in a second.
    pub calls_per_second: u32,
    /// What becomes of callers whom no peer knows.
    pub unknown: Unknown,
    /// Peers, in the order in which they are tried.
    pub peers: Vec<AdmissionPeer>,
}

/// A peer as admission sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdmissionPeer {
    /// Its name.
    pub name: String,
    /// Where it calls from.
    pub from: Vec<Network>,
    /// Names of certificates with which it calls from wherever; in lower case.
    pub tls_names: Vec<String>,
    /// Its calls at once, if limited.
    pub calls: Option<usize>,
    /// Its new calls in a second, if limited.
    pub calls_per_second: Option<u32>,
    /// Its word counts: that a call is an emergency (RFC 7135 §7).
    pub trusted: bool,
    /// How its challenges to our requests are answered.
    pub credentials: Option<Credentials>,
    /// Its users, who are asked for their password: those who call from its addresses or, if it has none, from anywhere.
    pub challenge: Option<Challenge>,
}

/// A network by address and prefix length (RFC 4632).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Any address in it.
    pub address: IpAddr,
    /// Leading bits that count.
    pub prefix: u8,
}

impl Network {
    /// Whether `address` lies in it. An IPv4 address mapped into IPv6 is that IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let shift = |bits: u8| u32::from(bits.saturating_sub(self.prefix));
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                (a.to_bits() ^ b.to_bits()).checked_shr(shift(32)).unwrap_or(0) == 0
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                (a.to_bits() ^ b.to_bits()).checked_shr(shift(128)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// Why a new call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The node drains: 503.
    Draining,
    /// No peer of ours has this address: 403.
    UnknownPeer,
    /// Wrong passwords, too often: 403.
    Password,
    /// `limits.calls`: 503.
    Calls,
    /// `limits.calls_per_second`: 503.
    Rate,
    /// The peer's own `calls`: 503.
    PeerCalls,
    /// The peer's own `calls_per_second`: 503.
    PeerRate,
    /// The shard has no time for more: 503.
    Load,
    /// The call could not be given an owner (its actor's mailbox, a panic): 503.
    Overload,
}

impl Refusal {
    /// All of them, in the order in which they are counted.
    pub const ALL: [Self; 9] = [
        Self::Draining,
        Self::UnknownPeer,
        Self::Password,
        Self::Calls,
        Self::Rate,
        Self::PeerCalls,
        Self::PeerRate,
        Self::Load,
        Self::Overload,
    ];

    /// The SIP status it is answered with.
    pub const fn status(self) -> u16 {
        match self {
            Self::UnknownPeer | Self::Password => 403,
            _ => 503,
        }
    }

    /// Seconds in Retry-After, if another try has a chance.
    pub const fn retry_after(self) -> Option<u32> {
        match self {
            Self::UnknownPeer | Self::Password => None,
            // A burst is over in the next second; calls that end take longer; a node that drains does not come back soon.
            Self::Rate | Self::PeerRate => Some(1),
            Self::Calls | Self::PeerCalls | Self::Load | Self::Overload => Some(5),
            Self::Draining => Some(60),
        }
    }

    /// Its name in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::UnknownPeer => "unknown_peer",
            Self::Password => "password",
            Self::Calls => "calls",
            Self::Rate => "rate",
            Self::PeerCalls => "peer_calls",
            Self::PeerRate => "peer_rate",
            Self::Load => "load",
            Self::Overload => "overload",
        }
    }
}

/// The place of a peer in [`AdmissionSettings::peers`], held by each call of its until [`Gate::leave`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerIndex(usize);

/// Who calls, as far as it is known without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller<'a> {
    /// From where.
    pub address: IpAddr,
    /// The names that its certificate has proven, in lower case.
    pub names: &'a [String],
}

impl From<IpAddr> for Caller<'_> {
    fn from(address: IpAddr) -> Self {
        Self { address, names: &[] }
    }
}

/// The node's door, shared by its shards.
#[derive(Debug)]
pub struct Gate {
    settings: AdmissionSettings,
    draining: AtomicBool,
    active: AtomicUsize,
    rate: Rate,
    peers: Vec<(AtomicUsize, Rate)>,
    guard: Mutex<Guard>,
    board: Board,
}

impl Gate {
    /// An open door. From `secret`, which must be entropy, come the challenges of those who have to prove who they are.
    pub fn new(settings: AdmissionSettings, secret: [u8; 32]) -> Self {
        let peers = settings.peers.iter().map(|_| <(AtomicUsize, Rate)>::default()).collect();
        Self {
            settings,
            draining: AtomicBool::new(false),
            active: AtomicUsize::new(0),
            rate: Rate::default(),
            peers,
            guard: Mutex::new(Guard::new(secret)),
            board: Board::default(),
        }
    }

    /// Lets a call of `caller` in, or says why not. Each call let in is to [`Gate::leave`]. `full`: there is no time for calls
    /// but emergencies of trusted peers, for which no limit of calls in a second holds either.
    ///
    /// # Errors
    /// The refusal, or the challenges that the caller is to answer first.
    pub fn enter<'a>(
        &self,
        now: Time,
        caller: impl Into<Caller<'a>>,
        request: &Request,
        full: bool,
    ) -> Result<PeerIndex, Denied> {
        if self.is_draining() {
            return Err(Refusal::Draining.into());
        }
        let emergency = is_emergency(request);
        // Before anything that costs.
        if full && !emergency {
            return Err(Refusal::Load.into());
        }
        let index = self.identify(now, caller.into(), request)?;
        let first = emergency && self.settings.peers[index].trusted;
        if full && !first {
            return Err(Refusal::Load.into());
        }
        Ok(self.count_in(now, index, first)?)
    }

    /// Whether whoever sends from there could be a trusted peer: by its address, or by a password it may yet say.
    pub fn may_be_trusted(&self, source: IpAddr) -> bool {
        match self.known(source.into()) {
            Some(at) => self.settings.peers[at].trusted,
            None => self.strangers().any(|(at, _)| self.settings.peers[at].trusted),
        }
    }

    /// Whether a request is to get no answer at all: its sender is nobody's address, it belongs to no dialog, and the
    /// sender is banned, or nobody unknown is answered. `None`: what has come is no request that could be read.
    pub fn ignores<'a>(&self, now: Time, caller: impl Into<Caller<'a>>, request: Option<&Request>) -> bool {
        let caller = caller.into();
        // Dialogs are trusted: their tags cannot be guessed.
        let within = |request: &Request| request.headers.to().is_ok_and(|to| to.tag().is_some());
        if self.known(caller).is_some() || request.is_some_and(within) {
            return false;
        }
        // Whoever could come in by a password has to be asked for it.
        let silent = self.settings.unknown == Unknown::Silence && self.strangers().next().is_none();
        let agent = request.and_then(|request| request.headers.value(Field::UserAgent));
        self.guard().ignores(now, caller.address, agent.map(|agent| &agent[..]), silent)
    }

    /// Which peer a caller is, by its certificate, its address or the password of one of its users.
    fn identify(&self, now: Time, caller: Caller<'_>, request: &Request) -> Result<usize, Denied> {
        let source = caller.address;
        let challenge = |at: usize| Some((at, self.settings.peers[at].challenge.as_ref()?));
        if let Some(at) = self.known(caller) {
            return match challenge(at) {
                Some(asked) => self.guard().prove(now, source, request, std::iter::once(asked)),
                None => Ok(at),
            };
        }
        let mut guard = self.guard();
        let found = match self.strangers().next() {
            Some(_) => guard.prove(now, source, request, self.strangers()),
            None => Err(Refusal::UnknownPeer.into()),
        };
        if found.is_err() {
            guard.refused(now, source);
        }
        found
    }

    /// The peer that has one of these names or, since a certificate says more than an address, after that this address.
    fn known(&self, caller: Caller<'_>) -> Option<usize> {
        let peers = &self.settings.peers;
        let has_name = |peer: &AdmissionPeer| caller.names.iter().any(|name| peer.tls_names.contains(name));
        let has_address =
            |peer: &AdmissionPeer| peer.from.iter().any(|network| network.contains(caller.address));
        peers.iter().position(has_name).or_else(|| peers.iter().position(has_address))
    }

    /// The peers whose users may call from anywhere.
    fn strangers(&self) -> impl Iterator<Item = (usize, &Challenge)> + Clone {
        let peers = self.settings.peers.iter().enumerate();
        peers
            .filter(|(_, peer)| peer.from.is_empty() && peer.tls_names.is_empty())
            .filter_map(|(at, peer)| Some((at, peer.challenge.as_ref()?)))
    }

    fn guard(&self) -> MutexGuard<'_, Guard> {
        // What a panic has left behind is a count too few at the most.
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was asked of callers, and who is banned.
    pub fn guard_counts(&self, now: Time) -> GuardCounts {
        self.guard().counts(now)
    }

    /// `first`: however many come in this second.
    fn count_in(&self, now: Time, index: usize, first: bool) -> Result<PeerIndex, Refusal> {
        let (peer, (active, rate)) = (&self.settings.peers[index], &self.peers[index]);
        // The peer's own limits first: a call they refuse must not use up the node's.
        if peer.calls.is_some_and(|limit| active.load(Ordering::Relaxed) >= limit) {
            return Err(Refusal::PeerCalls);
        }
        if self.active.load(Ordering::Relaxed) >= self.settings.calls {
            return Err(Refusal::Calls);
        }
        if peer.calls_per_second.is_some_and(|limit| !rate.take(now, limit)) && !first {
            return Err(Refusal::PeerRate);
        }
        if !self.rate.take(now, self.settings.calls_per_second) && !first {
            return Err(Refusal::Rate);
        }
        active.fetch_add(1, Ordering::Relaxed);
        self.active.fetch_add(1, Ordering::Relaxed);
        Ok(PeerIndex(index))
    }

    /// A call that was let in is over.
    pub fn leave(&self, peer: PeerIndex) {
        self.peers[peer.0].0.fetch_sub(1, Ordering::Relaxed);
        self.active.fetch_sub(1, Ordering::Relaxed);
    }

    /// The name of a peer.
    pub fn name(&self, peer: PeerIndex) -> &str {
        &self.settings.peers[peer.0].name
    }

    /// How challenges of the peer of this name are answered, if they are.
    pub fn credentials(&self, name: &str) -> Option<Credentials> {
        self.settings.peers.iter().find(|peer| peer.name == name)?.credentials.clone()
    }

    /// What the shard that asks has learned of the peers' addresses.
    pub(super) fn report<'a>(&self, health: impl Iterator<Item = &'a PeerHealth>) {
        self.board.write(health);
    }

    /// The peers' addresses and how they stand; none before the first was asked.
    pub fn health(&self) -> Vec<PeerHealth> {
        self.board.read()
    }

    /// Whether a call of this peer had better try another of its addresses.
    pub(super) fn passes_over(&self, peer: &str, uri: &str) -> bool {
        self.board.passes_over(peer, uri)
    }

    /// Calls that are in.
    pub fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// Lets nobody in from here on.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether it lets nobody in.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// How many have passed in the current second: the second in the upper half, the count in the lower.
#[derive(Debug, Default)]
struct Rate(AtomicU64);

impl Rate {
    fn take(&self, now: Time, limit: u32) -> bool {
        let second = now.as_micros() / 1_000_000;
        let step = |word: u64| {
            // A shard whose `now` is a little older counts in the newer second.
            let (at, count) = (word >> 32, word & 0xffff_ffff);
            let count = if at < second { 0 } else { count };
            (count < u64::from(limit)).then_some(at.max(second) << 32 | (count + 1))
        };
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use baton_signaling::message::Method;

    use super::*;

    fn network(text: &str, prefix: u8) -> Network {
        Network { address: text.parse().unwrap(), prefix }
    }

    fn peer(name: &str, net: &str) -> AdmissionPeer {
        AdmissionPeer { name: name.to_owned(), from: vec![network(net, 32)], ..AdmissionPeer::default() }
    }

    fn gate(calls: usize, per_second: u32, peers: Vec<AdmissionPeer>) -> Gate {
        Gate::new(
            AdmissionSettings { calls, calls_per_second: per_second, peers, ..Default::default() },
            [1; 32],
        )
    }

    fn enter(gate: &Gate, now: Time, source: IpAddr) -> Result<PeerIndex, Denied> {
        gate.enter(now, source, &Request::new(Method::Invite, "sip:x"), false)
    }

    fn emergency(gate: &Gate, source: IpAddr, full: bool) -> Result<PeerIndex, Denied> {
        let request = Request::new(Method::Invite, "sip:x").with("Resource-Priority", "esnet.1");
        gate.enter(Time::ZERO, source, &request, full)
    }

    const ANN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 1));

    #[test]
    fn a_network_contains_its_addresses_and_no_others() {
        assert!(network("10.1.0.0", 16).contains("10.1.255.3".parse().unwrap()));
        assert!(network("10.1.0.0", 16).contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!network("10.1.0.0", 16).contains("10.2.0.0".parse().unwrap()));
        assert!(network("0.0.0.0", 0).contains("255.0.0.1".parse().unwrap()));
        assert!(!network("0.0.0.0", 0).contains("::1".parse().unwrap()));
        assert!(network("2001:db8::", 32).contains("2001:db8:9::1".parse().unwrap()));
        assert!(!network("2001:db8::", 32).contains("2001:db9::1".parse().unwrap()));
    }

    #[test]
    fn an_unknown_source_is_forbidden() {
        let gate = gate(9, 9, vec![peer("ann", "127.0.0.1")]);
        let refused = enter(&gate, Time::ZERO, "127.0.0.2".parse().unwrap());
        assert_eq!(refused, Err(Refusal::UnknownPeer.into()));
        assert_eq!(Refusal::UnknownPeer.status(), 403);
        let peer = enter(&gate, Time::ZERO, ANN).unwrap();
        assert_eq!(gate.name(peer), "ann");
    }

    #[test]
    fn who_has_proven_a_peers_name_comes_in_from_anywhere() {
        let mut ann = peer("ann", "127.0.0.1");
        ann.tls_names = vec!["sip.ann.example".to_owned()];
        let gate = gate(9, 9, vec![peer("bob", "127.0.0.2"), ann]);
        let elsewhere = "192.0.2.1".parse().unwrap();
        let names = ["other.example", "sip.ann.example"].map(str::to_owned);
        let invite = Request::new(Method::Invite, "sip:x");
        let enter = |names| gate.enter(Time::ZERO, Caller { address: elsewhere, names }, &invite, false);
        assert_eq!(gate.name(enter(&names).unwrap()), "ann");
        assert_eq!(enter(&names[..1]), Err(Refusal::UnknownPeer.into()));
    }

    #[test]
    fn calls_at_once_are_limited_until_one_leaves() {
        let gate = gate(1, 9, vec![peer("ann", "127.0.0.1")]);
        let first = enter(&gate, Time::ZERO, ANN).unwrap();
        assert_eq!(enter(&gate, Time::ZERO, ANN), Err(Refusal::Calls.into()));
        gate.leave(first);
        assert!(enter(&gate, Time::ZERO, ANN).is_ok());
        assert_eq!(gate.active(), 1);
    }

    #[test]
    fn calls_per_second_are_limited_until_the_next_second() {
        let gate = gate(9, 2, vec![peer("ann", "127.0.0.1")]);
        let tries: Vec<bool> =
            [0, 999, 999, 1_000].map(|millis| enter(&gate, Time::from_millis(millis), ANN).is_ok()).to_vec();
        assert_eq!(tries, [true, true, false, true]);
    }

    #[test]
    fn a_peers_own_limits_do_not_use_up_the_nodes() {
        let mut ann = peer("ann", "127.0.0.1");
        (ann.calls, ann.calls_per_second) = (Some(1), Some(5));
        let gate = gate(9, 2, vec![ann, peer("bob", "127.0.0.2")]);
        assert!(enter(&gate, Time::ZERO, ANN).is_ok());
        assert_eq!(enter(&gate, Time::ZERO, ANN), Err(Refusal::PeerCalls.into()));
        assert!(enter(&gate, Time::ZERO, "127.0.0.2".parse().unwrap()).is_ok());
    }

    #[test]
    fn an_emergency_of_a_trusted_peer_comes_in_however_many_others_do() {
        let trusted = AdmissionPeer { trusted: true, ..peer("ann", "127.0.0.1") };
        let gate = gate(5, 1, vec![trusted, peer("bob", "127.0.0.2")]);
        let bob: IpAddr = "127.0.0.2".parse().unwrap();
        let ordinary = Request::new(Method::Invite, "sip:x");
        assert_eq!(gate.enter(Time::ZERO, ANN, &ordinary, true), Err(Refusal::Load.into()));
        assert_eq!(emergency(&gate, bob, true), Err(Refusal::Load.into()), "anybody can say so");
        assert!(enter(&gate, Time::ZERO, ANN).is_ok());
        assert_eq!(emergency(&gate, bob, false), Err(Refusal::Rate.into()));
        for full in [false, true, true, true] {
            assert!(emergency(&gate, ANN, full).is_ok());
        }
        assert_eq!(emergency(&gate, ANN, false), Err(Refusal::Calls.into()), "there is no room at all");
    }

    #[test]
    fn nobody_comes_in_while_the_node_drains() {
        let gate = gate(9, 9, vec![peer("ann", "127.0.0.1")]);
        gate.drain();
        assert_eq!(enter(&gate, Time::ZERO, ANN), Err(Refusal::Draining.into()));
        assert_eq!(Refusal::Draining.retry_after(), Some(60));
    }
}
