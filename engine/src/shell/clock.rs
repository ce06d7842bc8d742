//! The one reader of clocks and of the system's entropy.
//!
//! Machines are handed a [`Time`]; wall time comes from one pair of readings taken at start, so that a step of the
//! system's clock moves no timer and no call record.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use baton_signaling::Time;

/// Seconds from the epoch of NTP (1900) to that of Unix (1970), RFC 5905 §6.
const NTP_TO_UNIX_SECONDS: u64 = 2_208_988_800;

/// Time since the node's start, and the wall time at it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    wall: SystemTime,
}

impl Clock {
    /// Begins at [`Time::ZERO`].
    #[expect(clippy::disallowed_methods, reason = "this is the one reader of both clocks")]
    pub fn start() -> Self {
        Self { start: Instant::now(), wall: SystemTime::now() }
    }

    /// Time since the start.
    pub fn now(&self) -> Time {
        Time::from_micros(u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// Time from now until `due`; zero if it has passed.
    pub fn until(&self, due: Time) -> Duration {
        due.saturating_duration_since(self.now())
    }

    /// The wall time of `at`, in milliseconds since 1970.
    pub fn unix_millis(&self, at: Time) -> u64 {
        let wall = self.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(wall.as_millis()).unwrap_or(u64::MAX).saturating_add(at.as_micros() / 1000)
    }

    /// The wall time of [`Time::ZERO`] as a 64-bit NTP timestamp (RFC 3550 §4).
    pub fn ntp_at_zero(&self) -> u64 {
        let wall = self.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = wall.as_secs().wrapping_add(NTP_TO_UNIX_SECONDS);
        let fraction = (u64::from(wall.subsec_nanos()) << 32) / 1_000_000_000;
        seconds << 32 | fraction
    }
}

/// Processor time of this thread since it began.
pub(crate) fn thread_work() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// 64 bits of the system's entropy.
///
/// # Errors
/// The system has none to give.
pub fn entropy() -> Result<u64, getrandom::Error> {
    getrandom::u64()
}

/// 256 bits of the system's entropy, for keys.
///
/// # Errors
/// The system has none to give.
pub fn secret() -> Result<[u8; 32], getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_and_ntp_time_name_the_same_instant() {
        let clock = Clock { wall: UNIX_EPOCH + Duration::from_millis(1500), ..Clock::start() };
        assert_eq!(clock.unix_millis(Time::from_millis(250)), 1750);
        assert_eq!(clock.ntp_at_zero() >> 32, NTP_TO_UNIX_SECONDS + 1);
        assert_eq!(clock.ntp_at_zero() as u32, 1 << 31, "half a second");
    }

    #[test]
    fn a_thread_that_works_has_worked() {
        let before = thread_work();
        let sum = (0..1_000_000u64).fold(0, |sum, n| std::hint::black_box(sum + n));
        assert!(thread_work() > before, "{sum}");
    }

    #[test]
    fn an_instant_that_has_passed_is_no_time_away() {
        let clock = Clock::start();
        assert_eq!(clock.until(Time::ZERO), Duration::ZERO);
        assert!(clock.until(clock.now() + Duration::from_secs(9)) > Duration::from_secs(8));
    }
}
