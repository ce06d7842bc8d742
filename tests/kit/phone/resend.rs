//! What is sent again until it is answered (RFC 3261 §17: timers A, E, G, and §13.3.1.4 for 2xx).

use std::net::SocketAddr;
use std::time::Duration;

use baton_signaling::Time;

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
const GIVE_UP: Duration = Duration::from_secs(32);

/// What one repeated message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A request of ours, by branch and method.
    Request(String, String),
    /// A final answer of ours to an INVITE, by Call-ID and CSeq: until the ACK.
    Answer(String, u32),
}

#[derive(Debug)]
struct Repeat {
    what: What,
    to: SocketAddr,
    bytes: Vec<u8>,
    next: Time,
    interval: Duration,
    end: Time,
    most: Duration,
}

/// All that a phone repeats.
#[derive(Debug, Default)]
pub(super) struct Repeats(Vec<Repeat>);

impl Repeats {
    /// Repeats `bytes` until [`Repeats::stop`] or 64·T1.
    pub(super) fn start(&mut self, now: Time, what: What, to: SocketAddr, bytes: Vec<u8>) {
        // Timer A doubles without an end, E and G and the 2xx's stop at T2.
        let most = if matches!(&what, What::Request(_, method) if method == "INVITE") { GIVE_UP } else { T2 };
        self.0.push(Repeat { what, to, bytes, next: now + T1, interval: T1, end: now + GIVE_UP, most });
    }

    /// It is answered.
    pub(super) fn stop(&mut self, what: &What) -> bool {
        let before = self.0.len();
        self.0.retain(|repeat| repeat.what != *what);
        self.0.len() < before
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn next(&self) -> Option<Time> {
        self.0.iter().map(|repeat| repeat.next.min(repeat.end)).min()
    }

    /// What is to be sent again, and what was never answered.
    pub(super) fn expire(&mut self, now: Time) -> (Vec<(SocketAddr, Vec<u8>)>, Vec<What>) {
        let given_up =
            self.0.iter().filter(|repeat| repeat.end <= now).map(|repeat| repeat.what.clone()).collect();
        self.0.retain(|repeat| repeat.end > now);
        let mut again = Vec::new();
        for repeat in self.0.iter_mut().filter(|repeat| repeat.next <= now) {
            again.push((repeat.to, repeat.bytes.clone()));
            repeat.interval = (repeat.interval * 2).min(repeat.most);
            repeat.next += repeat.interval;
        }
        (again, given_up)
    }
}
