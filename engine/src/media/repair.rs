//! Whether a G.711 leg loses so much that decoding, concealing and encoding it anew sounds better than relaying it.
//!
//! It leaves out Opus, whose receivers conceal better than any second encoding would sound, and what is done about it.

use std::time::Duration;

use baton_signaling::Time;

/// Loss is looked at over so long: 200 packets of 20 ms, of which one is half a percent.
const WINDOW: Duration = Duration::from_secs(4);
/// Fewer packets in a window say nothing of a share as small as 1 %.
const PACKETS_MIN: u64 = 100;
/// Windows in a row with at most half of 1 % lost, after which a leg is relayed again: a change of route is heard more
/// than a rare loss, so it is not made twice a minute.
const CLEAN_WINDOWS: u8 = 5;

/// Watches one leg's loss.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LossWatch {
    ends: Option<Time>,
    received: u64,
    lost: u64,
    clean: u8,
    lossy: bool,
}

impl LossWatch {
    /// Takes the leg's counts so far: packets received, and packets that never came.
    pub(crate) fn handle(&mut self, now: Time, received: u64, lost: u64) {
        if self.ends.is_some_and(|ends| now < ends) {
            return;
        }
        // Lost packets that come late after all, and streams that begin anew, turn the counts back.
        let (came, missing) = (received.saturating_sub(self.received), lost.saturating_sub(self.lost));
        if self.ends.is_some() && came + missing >= PACKETS_MIN {
            self.judge(came + missing, missing);
        }
        (self.ends, self.received, self.lost) = (Some(now + WINDOW), received, lost);
    }

    fn judge(&mut self, expected: u64, lost: u64) {
        if lost * 100 > expected {
            (self.lossy, self.clean) = (true, 0);
        } else if lost * 200 > expected {
            self.clean = 0;
        } else {
            self.clean = self.clean.saturating_add(1);
            self.lossy &= self.clean < CLEAN_WINDOWS;
        }
    }

    /// Over 1 % was lost of late.
    pub(crate) fn is_lossy(&self) -> bool {
        self.lossy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs so many seconds of 50 packets, of which each `nth` is lost; returns the second after which the answer changed.
    fn run(watch: &mut LossWatch, at: &mut u64, lost: &mut u64, seconds: u64, nth: u64) -> Option<u64> {
        let (before, began) = (watch.is_lossy(), *at);
        let mut changed = None;
        for _ in 0..seconds * 50 {
            *at += 1;
            *lost += u64::from(nth > 0 && at.is_multiple_of(nth));
            watch.handle(Time::from_millis(*at * 20), *at - *lost, *lost);
            if changed.is_none() && watch.is_lossy() != before {
                changed = Some((*at - began) / 50);
            }
        }
        changed
    }

    #[test]
    fn more_than_one_percent_is_lossy_within_two_windows_and_less_never() {
        let (mut watch, mut at, mut lost) = (LossWatch::default(), 0, 0);
        assert_eq!(run(&mut watch, &mut at, &mut lost, 60, 0), None);
        assert_eq!(run(&mut watch, &mut at, &mut lost, 60, 101), None);
        assert!(run(&mut watch, &mut at, &mut lost, 30, 50).is_some_and(|after| after <= 8));
        assert!(watch.is_lossy());
    }

    #[test]
    fn a_line_must_stay_clean_for_twenty_seconds_to_be_relayed_again() {
        let (mut watch, mut at, mut lost) = (LossWatch::default(), 0, 0);
        run(&mut watch, &mut at, &mut lost, 20, 20);
        assert_eq!(run(&mut watch, &mut at, &mut lost, 15, 0), None);
        // A loss in between of over half a percent begins the wait anew.
        assert_eq!(run(&mut watch, &mut at, &mut lost, 5, 100), None);
        let after = run(&mut watch, &mut at, &mut lost, 60, 0);
        assert!(after.is_some_and(|after| (16..=25).contains(&after)), "{after:?}");
    }

    #[test]
    fn a_stream_that_hardly_runs_or_begins_anew_says_nothing() {
        let mut watch = LossWatch::default();
        for second in 0..60 {
            watch.handle(Time::from_secs(second), second, second);
        }
        watch.handle(Time::from_secs(70), 0, 0);
        watch.handle(Time::from_secs(80), 0, 0);
        assert!(!watch.is_lossy());
    }
}
