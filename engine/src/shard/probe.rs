//! Which of our peers' addresses answer: OPTIONS to each, again and again, spread over the interval (RFC 3261 §11).
//!
//! Leaves out what follows from it: a call tries its addresses in their order, whatever is known here.

use std::collections::BTreeMap;
use std::time::Duration;

use baton_signaling::Time;
use baton_signaling::endpoint::{Endpoint, Failure, Flow, RequestKey};

/// An address of a peer and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerHealth {
    /// The peer's name.
    pub peer: String,
    /// The address, as configured.
    pub uri: String,
    /// Whether it answered when it was last asked; `None`: it was not asked yet.
    pub up: Option<bool>,
}

/// The addresses that a shard asks.
#[derive(Debug, Default)]
pub(super) struct Probes {
    targets: Vec<Target>,
    interval: Duration,
    /// Answers that are waited for; at most one for each target.
    asked: BTreeMap<RequestKey, usize>,
}

#[derive(Debug)]
struct Target {
    health: PeerHealth,
    due: Time,
    asked: Option<RequestKey>,
}

impl Probes {
    /// Asks each of `targets`, peer and URI, once in every `interval`, for the first time within the first.
    pub(super) fn new(now: Time, interval: Duration, targets: Vec<(String, String)>) -> Self {
        let count = u32::try_from(targets.len()).unwrap_or(u32::MAX).max(1);
        let target = |(nth, (peer, uri)): (u32, (String, String))| Target {
            health: PeerHealth { peer, uri, up: None },
            due: now + interval / count * (nth + 1),
            asked: None,
        };
        let targets = (0..).zip(targets).map(target).collect();
        Self { targets, interval, asked: BTreeMap::new() }
    }

    /// When the next is to be asked.
    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.targets.iter().map(|target| target.due).min()
    }

    /// Asks those that are due. One that is still waited for, or whose host has no address, is down.
    pub(super) fn handle_timeout(
        &mut self,
        now: Time,
        endpoint: &mut Endpoint,
        mut route: impl FnMut(&str) -> Option<Flow>,
    ) {
        let due = self.targets.iter_mut().enumerate().filter(|(_, target)| target.due <= now);
        for (nth, target) in due {
            // From `now`, not from its instant: a shard that was late asks nobody twice at once.
            target.due = now + self.interval;
            let flow = if target.asked.is_none() { route(&target.health.uri) } else { None };
            let Some(flow) = flow else {
                target.health.up = Some(false);
                continue;
            };
            let key = endpoint.options(now, flow, target.health.uri.as_bytes());
            target.asked = Some(key);
            self.asked.insert(key, nth);
        }
    }

    /// An answer, or that there is none.
    pub(super) fn handle_reply<T>(&mut self, key: RequestKey, result: &Result<T, Failure>) {
        if let Some(target) = self.asked.remove(&key).and_then(|nth| self.targets.get_mut(nth)) {
            target.asked = None;
            target.health.up = Some(is_up(result));
        }
    }

    /// What is known of each.
    pub(super) fn health(&self) -> impl Iterator<Item = &PeerHealth> {
        self.targets.iter().map(|target| &target.health)
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
                    self.probes.handle_reply(key, &result);
                }
            }
        }

        fn up(&self) -> Vec<Option<bool>> {
            self.probes.health().map(|health| health.up).collect()
        }
    }

    fn flow(uri: &str) -> Option<Flow> {
        let remote = uri.strip_prefix("sip:")?.parse().ok()?;
        Some(Flow { transport: Transport::Udp, local: ([127, 0, 0, 1], 5060).into(), remote })
    }

    #[test]
    fn addresses_are_asked_once_in_an_interval_and_spread_over_it() {
        let mut world = World::new(&["sip:127.0.0.2:5070", "sip:127.0.0.2:5071", "sip:127.0.0.2:5072"]);
        assert_eq!(world.up(), [None; 3]);
        assert_eq!(world.run(65, Some(200)), [10, 20, 30, 40, 50, 60]);
        assert_eq!(world.up(), [Some(true); 3]);
    }

    #[test]
    fn a_peer_that_says_nothing_is_down_until_it_answers_again() {
        let mut world = World::new(&["sip:127.0.0.2:5070"]);
        world.run(63, None);
        assert_eq!(world.up(), [Some(false)], "Timer F");
        world.run(121, Some(200));
        assert_eq!(world.up(), [Some(true)]);
        world.run(150, Some(503));
        assert_eq!(world.up(), [Some(false)]);
        world.run(180, Some(405));
        assert_eq!(world.up(), [Some(true)], "whoever refuses OPTIONS is there");
    }

    #[test]
    fn a_peer_whose_name_has_no_address_is_down() {
        let mut world = World::new(&["sip:nowhere.example"]);
        world.run(30, Some(200));
        assert_eq!(world.up(), [Some(false)]);
    }
}
