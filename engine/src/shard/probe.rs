//! Which of our peers' addresses answer: OPTIONS to each, again and again, spread over the interval (RFC 3261 §11), sooner where
//! an answer is missed, and less and less often where nobody is.
//!
//! One shard of a node asks; what it learns lies on a board that all of them read: a call passes over an address while another
//! one of its peer is better. Leaves out what a call learns by itself.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use baton_signaling::Time;
use baton_signaling::endpoint::{Endpoint, Failure, Flow, RequestKey};
use serde::Serialize;

use crate::limits::{PROBE_AGAIN, PROBE_PATIENCE};

/// An address of a peer and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PeerHealth {
    /// The peer's name.
    pub peer: String,
    /// The address, as configured.
    pub uri: String,
    /// How it stands; `None`: it was not asked yet.
    pub state: Option<Health>,
}

/// How an address of a peer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It answers.
    Up,
    /// In doubt: one answer was missed, or the first has come after it was down. Calls go there only if there is no better one.
    Probing,
    /// It does not answer.
    Down,
}

impl Health {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Up, Self::Probing, Self::Down];

    /// Its name in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Probing => "probing",
            Self::Down => "down",
        }
    }
}

/// What is known of all addresses, for whoever dials; shared by the shards of a node.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<Vec<PeerHealth>>);

impl Board {
    /// What the one who asks has learned.
    pub(super) fn write<'a>(&self, health: impl Iterator<Item = &'a PeerHealth>) {
        *self.lock() = health.cloned().collect();
    }

    pub(super) fn read(&self) -> Vec<PeerHealth> {
        self.lock().clone()
    }

    /// Whether a call of this peer had better try another of its addresses. One of which nothing is known is as good as any.
    pub(super) fn passes_over(&self, peer: &str, uri: &str) -> bool {
        let badness = |health: &PeerHealth| match health.state {
            None | Some(Health::Up) => 0,
            Some(Health::Probing) => 1,
            Some(Health::Down) => 2,
        };
        let board = self.lock();
        let mut of_peer = board.iter().filter(|health| health.peer == peer);
        let Some(this) = of_peer.clone().find(|health| health.uri == uri) else { return false };
        of_peer.any(|other| badness(other) < badness(this))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<PeerHealth>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The addresses that a shard asks.
#[derive(Debug, Default)]
pub(super) struct Probes {
    targets: Vec<Target>,
    interval: Duration,
    /// Answers that are waited for; at most one for each target.
    asked: BTreeMap<RequestKey, usize>,
    changed: bool,
}

#[derive(Debug)]
struct Target {
    health: PeerHealth,
    /// When it is to be asked, if it is not being asked.
    due: Time,
    /// What it was asked, and until when an answer is waited for.
    asked: Option<(RequestKey, Time)>,
    /// The wait before it is asked again while it does not answer.
    wait: Duration,
}

impl Probes {
    /// Asks each of `targets`, peer and URI, once in every `interval`, for the first time within the first.
    pub(super) fn new(now: Time, interval: Duration, targets: Vec<(String, String)>) -> Self {
        let count = u32::try_from(targets.len()).unwrap_or(u32::MAX).max(1);
        let target = |(nth, (peer, uri)): (u32, (String, String))| Target {
            health: PeerHealth { peer, uri, state: None },
            due: now + interval / count * (nth + 1),
            asked: None,
            wait: PROBE_AGAIN,
        };
        let targets = (0..).zip(targets).map(target).collect();
        Self { targets, interval, asked: BTreeMap::new(), changed: false }
    }

    /// When the next is to be asked, or is waited for no longer.
    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.targets.iter().map(|target| target.asked.map_or(target.due, |(_, until)| until)).min()
    }

    /// Asks those that are due. One that has not answered in time, or whose host has no address, has missed it.
    pub(super) fn handle_timeout(
        &mut self,
        now: Time,
        endpoint: &mut Endpoint,
        mut route: impl FnMut(&str) -> Option<Flow>,
    ) {
        for nth in 0..self.targets.len() {
            let target = &mut self.targets[nth];
            match target.asked {
                Some((key, until)) if until <= now => {
                    target.asked = None;
                    self.asked.remove(&key);
                    self.learn(now, nth, false);
                }
                None if target.due <= now => {
                    // From `now`, not from its instant: a shard that was late asks nobody twice at once.
                    target.due = now + self.interval;
                    if let Some(flow) = route(&target.health.uri) {
                        let key = endpoint.options(now, flow, target.health.uri.as_bytes());
                        target.asked = Some((key, now + PROBE_PATIENCE.min(self.interval)));
                        self.asked.insert(key, nth);
                    } else {
                        self.learn(now, nth, false);
                    }
                }
                _ => {}
            }
        }
    }

    /// An answer, or that there is none.
    pub(super) fn handle_reply<T>(&mut self, now: Time, key: RequestKey, result: &Result<T, Failure>) {
        if let Some(nth) = self.asked.remove(&key) {
            self.targets[nth].asked = None;
            self.learn(now, nth, is_up(result));
        }
    }

    /// What is known of each.
    pub(super) fn health(&self) -> impl Iterator<Item = &PeerHealth> {
        self.targets.iter().map(|target| &target.health)
    }

    /// Whether anything has changed since the last time.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// One answer or miss: the second in a row decides, but for an address that was never asked before and answers.
    fn learn(&mut self, now: Time, nth: usize, answers: bool) {
        let Some(target) = self.targets.get_mut(nth) else { return };
        let next = match (target.health.state, answers) {
            (None | Some(Health::Up | Health::Probing), true) => Health::Up,
            (None | Some(Health::Up), false) | (Some(Health::Down), true) => Health::Probing,
            (Some(Health::Probing | Health::Down), false) => Health::Down,
        };
        match next {
            Health::Up => target.wait = PROBE_AGAIN,
            Health::Probing => {
                target.wait = PROBE_AGAIN;
                target.due = now + target.wait.min(self.interval);
            }
            Health::Down => {
                // Less and less often, at last as often as one that is up.
                target.due = now + target.wait.min(self.interval);
                target.wait = (target.wait * 2).min(self.interval.max(PROBE_AGAIN));
            }
        }
        self.changed |= target.health.state != Some(next);
        target.health.state = Some(next);
    }
}

/// Any answer is a sign of life, a refusal too, but for those by which a proxy speaks for a peer that is not there
/// (408, 502, 504) or a peer says that it takes no calls (503).
fn is_up<T>(result: &Result<T, Failure>) -> bool {
    match result {
        Ok(_) => true,
        Err(Failure::Status(status)) => !matches!(status, 408 | 502 | 503 | 504),
        Err(Failure::Timeout | Failure::Transport | Failure::Expired) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use baton_signaling::endpoint::{EndpointConfig, Event, Transport};
    use baton_signaling::message::{Message, Response};

    const INTERVAL: Duration = Duration::from_secs(30);

    struct World {
        endpoint: Endpoint,
        probes: Probes,
    }

    impl World {
        fn new(uris: &[&str]) -> Self {
            let targets = uris.iter().map(|uri| ("polyai".to_owned(), (*uri).to_owned())).collect();
            let probes = Probes::new(Time::ZERO, INTERVAL, targets);
            Self { endpoint: Endpoint::new(EndpointConfig::default(), 1), probes }
        }

        /// Lets time pass until `seconds`, each OPTIONS that leaves answered with `status`; when they left.
        fn run(&mut self, seconds: u64, status: Option<u16>) -> Vec<u64> {
            let mut left = Vec::new();
            let until = Time::from_secs(seconds);
            loop {
                let due = baton_signaling::earliest(self.probes.poll_timeout(), self.endpoint.poll_timeout());
                let Some(now) = due.filter(|due| *due <= until) else { return left };
                self.endpoint.handle_timeout(now);
                if self.probes.poll_timeout().is_some_and(|due| due <= now) {
                    left.push(now.as_micros() / 1_000_000);
                    self.probes.handle_timeout(now, &mut self.endpoint, flow);
                }
                while let Some(transmit) = self.endpoint.poll_transmit() {
                    let Ok(Message::Request(request)) = Message::parse(transmit.bytes) else {
                        panic!("no request")
                    };
                    if let Some(status) = status {
                        let mut answer = Response::to_request(&request, status);
                        answer.set_to_tag(b"theirs");
                        self.endpoint.handle_message(now, transmit.flow, Message::Response(answer));
                    }
                }
                while let Some(event) = self.endpoint.poll_event() {
                    let Event::ProbeReplied { key, result } = event else { panic!("{event:?}") };
                    self.probes.handle_reply(now, key, &result);
                }
            }
        }

        fn states(&self) -> Vec<Option<Health>> {
            self.probes.health().map(|health| health.state).collect()
        }
    }

    fn flow(uri: &str) -> Option<Flow> {
        let remote = uri.strip_prefix("sip:")?.parse().ok()?;
        Some(Flow { transport: Transport::Udp, local: ([127, 0, 0, 1], 5060).into(), remote })
    }

    #[test]
    fn addresses_are_asked_once_in_an_interval_and_spread_over_it() {
        let mut world = World::new(&["sip:127.0.0.2:5070", "sip:127.0.0.2:5071", "sip:127.0.0.2:5072"]);
        assert_eq!(world.states(), [None; 3]);
        assert_eq!(world.run(65, Some(200)), [10, 20, 30, 40, 50, 60]);
        assert_eq!(world.states(), [Some(Health::Up); 3]);
    }

    #[test]
    fn a_peer_that_says_nothing_is_in_doubt_then_down_and_asked_less_and_less() {
        let mut world = World::new(&["sip:127.0.0.2:5070"]);
        world.run(36, None);
        assert_eq!(world.states(), [Some(Health::Probing)], "one miss is a lost datagram");
        // Asked at 37, waited for until 42, then after 2, 4, 8, 16, 30 and 30 s, each time for 5 s.
        world.run(43, None);
        assert_eq!(world.states(), [Some(Health::Down)]);
        assert_eq!(world.run(160, None), [44, 49, 53, 58, 66, 71, 87, 92, 122, 127, 157]);
    }

    #[test]
    fn a_peer_that_comes_back_is_in_doubt_until_it_has_answered_twice() {
        let mut world = World::new(&["sip:127.0.0.2:5070"]);
        world.run(43, None);
        assert_eq!(world.states(), [Some(Health::Down)]);
        world.run(45, Some(200));
        assert_eq!(world.states(), [Some(Health::Probing)]);
        world.run(47, Some(200));
        assert_eq!(world.states(), [Some(Health::Up)]);
    }

    #[test]
    fn a_refusal_is_a_sign_of_life_but_503_is_none() {
        let mut world = World::new(&["sip:127.0.0.2:5070"]);
        world.run(30, Some(405));
        assert_eq!(world.states(), [Some(Health::Up)], "whoever refuses OPTIONS is there");
        world.run(62, Some(503));
        assert_eq!(world.states(), [Some(Health::Down)]);
    }

    #[test]
    fn a_peer_whose_name_has_no_address_is_down() {
        let mut world = World::new(&["sip:nowhere.example"]);
        world.run(32, Some(200));
        assert_eq!(world.states(), [Some(Health::Down)]);
    }

    #[test]
    fn an_address_is_passed_over_while_its_peer_has_a_better_one() {
        let board = Board::default();
        let health = |peer: &str, uri: &str, state| PeerHealth { peer: peer.into(), uri: uri.into(), state };
        let write = |first, second| {
            board.write([health("p", "a", first), health("p", "b", second), health("q", "a", None)].iter());
            (board.passes_over("p", "a"), board.passes_over("p", "b"))
        };
        let (up, probing, down) = (Some(Health::Up), Some(Health::Probing), Some(Health::Down));
        assert!(!board.passes_over("p", "a"), "nothing is known");
        assert_eq!(write(up, up), (false, false));
        assert_eq!(write(down, up), (true, false));
        assert_eq!(write(down, None), (true, false));
        assert_eq!(write(up, probing), (false, true));
        assert_eq!(write(down, probing), (true, false));
        assert_eq!(write(down, down), (false, false), "the first is tried all the same");
        assert!(!board.passes_over("p", "elsewhere") && !board.passes_over("q", "a"));
    }
}
