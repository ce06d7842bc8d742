//! A simulated network of datagrams: delay, loss, reordering, duplicates, all seeded. No NAT, no fragments.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::Duration;

use baton_signaling::Time;

use crate::dice::Dice;

/// Bytes on their way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Datagram {
    /// Who sends.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// What.
    pub bytes: Vec<u8>,
}

impl Datagram {
    /// Whether it is RTP or RTCP by its first byte (RFC 7983); all else is signalling.
    pub fn is_media(&self) -> bool {
        self.bytes.first().is_some_and(|byte| (128..192).contains(byte))
    }
}

/// How a path treats datagrams.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Time on the way.
    pub delay: Duration,
    /// Up to this much more, at random: above the spacing of packets it reorders them.
    pub jitter: Duration,
    /// Lost, in a thousand.
    pub loss: u32,
    /// Delivered twice, in a thousand.
    pub duplicate: u32,
}

impl Weather {
    /// A wire of 1 ms.
    pub const CLEAR: Self =
        Self { delay: Duration::from_millis(1), jitter: Duration::ZERO, loss: 0, duplicate: 0 };

    /// 20 ms with some jitter, and this loss and duplication in a thousand.
    pub const fn rough(loss: u32, duplicate: u32) -> Self {
        Self { delay: Duration::from_millis(20), jitter: Duration::from_millis(15), loss, duplicate }
    }
}

/// The network.
#[derive(Debug)]
pub struct Net {
    dice: Dice,
    /// For SIP.
    pub signalling: Weather,
    /// For RTP and RTCP.
    pub media: Weather,
    /// Addresses from and to which nothing gets through.
    pub cut: Vec<std::net::IpAddr>,
    on_way: BinaryHeap<Reverse<(Time, u64, Datagram)>>,
    count: u64,
    /// Datagrams lost so far.
    pub lost: u64,
}

impl Net {
    /// A network in clear weather.
    pub fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed, 0x4e45_5400),
            signalling: Weather::CLEAR,
            media: Weather::CLEAR,
            cut: Vec::new(),
            on_way: BinaryHeap::new(),
            count: 0,
            lost: 0,
        }
    }

    /// Sends: it arrives later, or not, or twice.
    pub fn send(&mut self, now: Time, datagram: Datagram) {
        let weather = if datagram.is_media() { self.media } else { self.signalling };
        let cut = self.cut.contains(&datagram.from.ip()) || self.cut.contains(&datagram.to.ip());
        if cut || self.dice.chance(weather.loss) {
            self.lost += 1;
            return;
        }
        if self.dice.chance(weather.duplicate) {
            self.arrive(now, weather, datagram.clone());
        }
        self.arrive(now, weather, datagram);
    }

    fn arrive(&mut self, now: Time, weather: Weather, datagram: Datagram) {
        let at = now + weather.delay + self.dice.between(Duration::ZERO, weather.jitter);
        self.count += 1;
        self.on_way.push(Reverse((at, self.count, datagram)));
    }

    /// When the next datagram arrives.
    pub fn next(&self) -> Option<Time> {
        self.on_way.peek().map(|Reverse((at, ..))| *at)
    }

    /// A datagram that has arrived by `now`.
    pub fn take(&mut self, now: Time) -> Option<Datagram> {
        if self.next()? > now {
            return None;
        }
        self.on_way.pop().map(|Reverse((.., datagram))| datagram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(byte: u8) -> Datagram {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Datagram { from: at(1), to: at(2), bytes: vec![byte] }
    }

    fn deliver(weather: Weather, count: usize) -> Vec<Time> {
        let mut net = Net::new(7);
        net.signalling = weather;
        for n in 0..count {
            net.send(Time::from_millis(n as u64), datagram(b'S'));
        }
        let mut arrived = Vec::new();
        while let Some(at) = net.next() {
            net.take(at).unwrap();
            arrived.push(at);
        }
        arrived
    }

    #[test]
    fn clear_weather_delivers_all_in_order() {
        let arrived = deliver(Weather::CLEAR, 100);
        assert_eq!(arrived.len(), 100);
        assert_eq!(arrived[99], Time::from_millis(100));
    }

    #[test]
    fn rough_weather_loses_and_doubles_as_often_as_told_and_the_same_each_time() {
        let weather = Weather::rough(200, 50);
        let arrived = deliver(weather, 10_000);
        assert!((8_200..8_600).contains(&arrived.len()), "{}", arrived.len());
        assert_eq!(arrived, deliver(weather, 10_000));
    }
}
