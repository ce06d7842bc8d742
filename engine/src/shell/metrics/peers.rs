//! What is published of our peers' addresses: whether each answers.

use metrics::{Gauge, gauge};

use crate::shard::{Health, PeerHealth};

/// The handles of all addresses, each made when it is first known whether it answers.
#[derive(Default)]
pub(crate) struct PeerMetrics {
    peers: Vec<Option<Address>>,
}

struct Address {
    up: Gauge,
    states: [Gauge; Health::ALL.len()],
    known: Health,
}

impl Address {
    fn new(health: &PeerHealth, known: Health) -> Self {
        let (peer, uri) = (health.peer.clone(), health.uri.clone());
        let state = |state: Health| {
            let labels = [("peer", peer.clone()), ("uri", uri.clone()), ("state", state.label().to_owned())];
            gauge!("baton_peer_state", &labels)
        };
        let up = gauge!("baton_peer_up", "peer" => peer.clone(), "uri" => uri.clone());
        Self { up, states: Health::ALL.map(state), known }
    }

    fn set(&mut self, state: Health) {
        self.up.set(f64::from(u8::from(state == Health::Up)));
        for (of, gauge) in Health::ALL.into_iter().zip(&self.states) {
            gauge.set(f64::from(u8::from(of == state)));
        }
        self.known = state;
    }
}

impl PeerMetrics {
    /// Publishes what is known of each address, always in the same order. `changed` hears of each that came or went,
    /// and of each that does not answer when it is first asked.
    pub(crate) fn publish<'a>(
        &mut self,
        peers: impl Iterator<Item = &'a PeerHealth>,
        changed: impl Fn(&PeerHealth),
    ) {
        for (nth, health) in peers.enumerate() {
            if self.peers.len() <= nth {
                self.peers.push(None);
            }
            let Some(state) = health.state else { continue };
            let before = self.peers[nth].as_ref().map(|address| address.known);
            if before == Some(state) {
                continue;
            }
            self.peers[nth].get_or_insert_with(|| Address::new(health, state)).set(state);
            if before.is_some() || state != Health::Up {
                changed(health);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn a_peer_is_told_of_once_for_each_change() {
        let mut metrics = PeerMetrics::default();
        let told = RefCell::new(Vec::new());
        let (up, down) = (Some(Health::Up), Some(Health::Down));
        for state in [None, up, up, down, down, up] {
            let health = PeerHealth { peer: "p".to_owned(), uri: "sip:p".to_owned(), state };
            metrics.publish([&health].into_iter(), |health| told.borrow_mut().push(health.state));
        }
        assert_eq!(told.into_inner(), [down, up]);
        let told = RefCell::new(0);
        let health = PeerHealth { peer: "p".to_owned(), uri: "sip:p".to_owned(), state: down };
        PeerMetrics::default().publish([&health].into_iter(), |_| *told.borrow_mut() += 1);
        assert_eq!(told.into_inner(), 1, "one that was never there is told of too");
    }
}
