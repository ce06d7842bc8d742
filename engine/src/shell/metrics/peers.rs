//! What is published of our peers' addresses: whether each answers.

use metrics::{Gauge, gauge};

use crate::shard::PeerHealth;

/// The handles of all addresses, each made when it is first known whether it answers.
#[derive(Default)]
pub(crate) struct PeerMetrics {
    peers: Vec<Option<(Gauge, bool)>>,
}

impl PeerMetrics {
    /// Publishes what is known of each address, always in the same order. `changed` hears of each that came or went,
    /// and of each that is not there when it is first asked.
    pub(crate) fn publish<'a>(
        &mut self,
        peers: impl Iterator<Item = &'a PeerHealth>,
        changed: impl Fn(&PeerHealth),
    ) {
        for (nth, health) in peers.enumerate() {
            if self.peers.len() <= nth {
                self.peers.push(None);
            }
            let Some(up) = health.up else { continue };
            let before = self.peers[nth].as_ref().map(|(_, up)| *up);
            if before == Some(up) {
                continue;
            }
            let gauge =
                || gauge!("baton_peer_up", "peer" => health.peer.clone(), "uri" => health.uri.clone());
            let (gauge, known) = self.peers[nth].get_or_insert_with(|| (gauge(), up));
            gauge.set(f64::from(u8::from(up)));
            *known = up;
            if before.is_some() || !up {
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
        for up in [None, Some(true), Some(true), Some(false), Some(false), Some(true)] {
            let health = PeerHealth { peer: "p".to_owned(), uri: "sip:p".to_owned(), up };
            metrics.publish([&health].into_iter(), |health| told.borrow_mut().push(health.up));
        }
        assert_eq!(told.into_inner(), [Some(false), Some(true)]);
        let told = RefCell::new(0);
        let health = PeerHealth { peer: "p".to_owned(), uri: "sip:p".to_owned(), up: Some(false) };
        PeerMetrics::default().publish([&health].into_iter(), |_| *told.borrow_mut() += 1);
        assert_eq!(told.into_inner(), 1, "one that was never there is told of too");
    }
}
