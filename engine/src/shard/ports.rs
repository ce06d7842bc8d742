//! The port pairs of a shard: RTP on the even port, RTCP on the odd one above it (RFC 3550 §11).
//!
//! Leaves out the sockets. The node's range is split among its shards at start, so that the local port alone says
//! whose packet it is. A pair that was given back goes behind all others and rests, so that stragglers of the old
//! call find a closed port and not the next caller.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

use baton_signaling::Time;

/// How long a pair rests before it may be used again. 1 000 set-ups a second with two legs each rest in 4 000
/// pairs, which the default range holds; the new leg's latch stops what still arrives later.
pub const REST: Duration = Duration::from_secs(2);

/// A port pair, named by its even port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair(u16);

impl Pair {
    /// The pair whose RTP port is `port`, if that is even.
    pub fn of_rtp(port: u16) -> Option<Self> {
        port.is_multiple_of(2).then_some(Self(port))
    }

    /// The RTP port.
    pub fn rtp(self) -> u16 {
        self.0
    }

    /// The RTCP port.
    pub fn rtcp(self) -> u16 {
        self.0 + 1
    }
}

/// How many pairs are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortCounts {
    /// Held by legs.
    pub used: usize,
    /// Given back less than [`REST`] ago.
    pub resting: usize,
    /// Ready.
    pub free: usize,
}

/// The pairs of one shard.
#[derive(Debug)]
pub struct Ports {
    /// Oldest first, each with the instant from which it may be used.
    idle: VecDeque<(Pair, Time)>,
    used: usize,
    exhausted: u64,
}

impl Ports {
    /// Every `shards`th pair of `range`, beginning with the `shard`th.
    pub fn new(range: RangeInclusive<u16>, shard: usize, shards: usize) -> Self {
        let (first, last) = (u32::from(*range.start()), u32::from(*range.end()));
        let pairs = (first.next_multiple_of(2)..last).step_by(2);
        let ours = pairs.skip(shard).step_by(shards.max(1));
        let idle = ours.filter_map(|port| Some((Pair(u16::try_from(port).ok()?), Time::ZERO))).collect();
        Self { idle, used: 0, exhausted: 0 }
    }

    /// The pair that was idle longest, unless it still rests.
    pub fn take(&mut self, now: Time) -> Option<Pair> {
        match self.idle.front() {
            Some(&(pair, ready)) if ready <= now => {
                self.idle.pop_front();
                self.used += 1;
                Some(pair)
            }
            _ => {
                self.exhausted += 1;
                None
            }
        }
    }

    /// Gives a pair back; it rests first.
    pub fn give_back(&mut self, now: Time, pair: Pair) {
        debug_assert!(self.used > 0, "{pair:?} was not taken");
        self.used = self.used.saturating_sub(1);
        self.idle.push_back((pair, now + REST));
    }

    /// How many pairs are in which state.
    pub fn counts(&self, now: Time) -> PortCounts {
        let free = self.idle.partition_point(|&(_, ready)| ready <= now);
        PortCounts { used: self.used, resting: self.idle.len() - free, free }
    }

    /// How often no pair was ready.
    pub fn exhausted(&self) -> u64 {
        self.exhausted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_the_range_and_no_pair_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for shard in 0..3 {
            let mut ports = Ports::new(20_001..=20_020, shard, 3);
            while let Some(pair) = ports.take(Time::ZERO) {
                assert!(pair.rtp().is_multiple_of(2) && pair.rtp() >= 20_001 && pair.rtcp() <= 20_020);
                assert!(seen.insert(pair), "{pair:?} belongs to two shards");
            }
        }
        assert_eq!(seen.len(), 9, "20002 to 20018; the odd ends of the range have no partner");
    }

    #[test]
    fn a_pair_rests_two_seconds_and_the_oldest_comes_first() {
        let mut ports = Ports::new(20_000..=20_003, 0, 1);
        let (a, b) = (ports.take(Time::ZERO).unwrap(), ports.take(Time::ZERO).unwrap());
        assert_eq!(ports.take(Time::ZERO), None);
        ports.give_back(Time::from_secs(1), b);
        ports.give_back(Time::from_secs(2), a);
        assert_eq!(ports.take(Time::from_millis(2_999)), None, "b still rests");
        assert_eq!(ports.take(Time::from_secs(3)), Some(b));
        assert_eq!(ports.take(Time::from_secs(3)), None, "a still rests");
        assert_eq!(ports.take(Time::from_secs(4)), Some(a));
        assert_eq!(ports.exhausted(), 3);
    }

    #[test]
    fn pairs_are_counted_by_their_state() {
        let mut ports = Ports::new(20_000..=20_009, 0, 1);
        let pair = ports.take(Time::ZERO).unwrap();
        ports.take(Time::ZERO).unwrap();
        ports.give_back(Time::ZERO, pair);
        let counts = |used, resting, free| PortCounts { used, resting, free };
        assert_eq!(ports.counts(Time::from_secs(1)), counts(1, 1, 3));
        assert_eq!(ports.counts(Time::from_secs(2)), counts(1, 0, 4));
    }

    #[test]
    fn an_empty_range_is_exhausted_from_the_start() {
        assert_eq!(Ports::new(20_001..=20_001, 0, 1).take(Time::ZERO), None);
    }
}
