//! The timers of transactions by the RFC's letters (RFC 3261 table 4, RFC 6026 §8.11), and the three times they are
//! made of. Leaves out Timer C, which is a proxy's.

use std::time::Duration;

use crate::Time;

/// Estimate of the round-trip time (RFC 3261 §17.1.1.1).
pub(crate) const T1: Duration = Duration::from_millis(500);
/// The longest interval between retransmissions of anything but INVITE (§17.1.2.2).
pub(crate) const T2: Duration = Duration::from_secs(4);
/// How long a message may stay in the network (§17.1.2.2).
pub(crate) const T4: Duration = Duration::from_secs(5);
/// 64·T1: how long an answer is waited for.
pub(crate) const T1_64: Duration = Duration::from_secs(32);

/// A timer of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// INVITE again.
    A,
    /// INVITE has no answer.
    B,
    /// Rejections of our INVITE may still be repeated.
    D,
    /// Another request again.
    E,
    /// Another request has no answer.
    F,
    /// Rejection of an INVITE again.
    G,
    /// Rejection of an INVITE has no ACK.
    H,
    /// ACKs may still be repeated.
    I,
    /// The request may still be repeated.
    J,
    /// The response may still be repeated.
    K,
    /// Repeats of an INVITE that was accepted may still come (RFC 6026).
    L,
    /// 2xx to our INVITE may still come, from other forks too (RFC 6026).
    M,
}

const ALL: [Timer; 12] = {
    use Timer::{A, B, D, E, F, G, H, I, J, K, L, M};
    [A, B, D, E, F, G, H, I, J, K, L, M]
};

/// Far beyond any timer: not armed.
const NEVER: Time = Time::from_micros(u64::MAX);

/// When each timer fires.
#[derive(Clone, Debug)]
pub(crate) struct Timers([Time; ALL.len()]);

impl Timers {
    /// None armed.
    pub(crate) const fn new() -> Self {
        Self([NEVER; ALL.len()])
    }

    pub(crate) fn set(&mut self, timer: Timer, at: Time) {
        self.0[timer as usize] = at;
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.0[timer as usize] = NEVER;
    }

    /// Disarms all.
    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }

    /// The timer that is due at `now` and was due first; it is disarmed.
    pub(crate) fn expire(&mut self, now: Time) -> Option<Timer> {
        let at = self.next().filter(|&at| at <= now)?;
        let timer = ALL.into_iter().find(|&timer| self.0[timer as usize] == at)?;
        self.stop(timer);
        Some(timer)
    }

    /// When the first fires.
    pub(crate) fn next(&self) -> Option<Time> {
        self.0.iter().copied().min().filter(|&at| at != NEVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_expire_in_the_order_of_their_time() {
        let mut timers = Timers::new();
        timers.set(Timer::B, Time::from_secs(3));
        timers.set(Timer::M, Time::from_secs(1));
        timers.set(Timer::A, Time::from_secs(2));
        assert_eq!(timers.next(), Some(Time::from_secs(1)));
        assert_eq!(timers.expire(Time::from_millis(999)), None);
        let now = Time::from_secs(9);
        assert_eq!(timers.expire(now), Some(Timer::M));
        assert_eq!(timers.expire(now), Some(Timer::A));
        timers.stop(Timer::B);
        assert_eq!((timers.expire(now), timers.next()), (None, None));
    }

    #[test]
    fn each_letter_has_its_own_place() {
        for (place, timer) in ALL.into_iter().enumerate() {
            assert_eq!(timer as usize, place);
        }
    }
}
