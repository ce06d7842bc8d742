//! Who speaks when, and how long a caller waits for an answer.
//!
//! It leaves out what is said, and streams that are relayed without being decoded: nobody has heard them.

use std::time::Duration;

use baton_codecs::level::Activity;
use baton_signaling::Time;

/// Shorter sound is a click, a cough or a breath.
const UTTERANCE_MIN: Duration = Duration::from_millis(200);
/// Ticks in which both are loud until they are taken to speak at the same time.
const OVERLAP_TICKS: u8 = 2;
/// An answer after more than this is none: the caller has thought, or gone to fetch something.
const GAP_MAX: Duration = Duration::from_secs(60);

/// One party's speech, as its speech gate tells it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Talk {
    speaking: bool,
    /// The last frame was loud.
    loud: bool,
    /// Beginning of what is being said or was said last, and the end of its last loud frame.
    began: Time,
    ended: Time,
    /// Something was said that was no click.
    spoke: bool,
}

/// What is known of a party's sound in a tick.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    /// What its speech gate says.
    pub(crate) activity: Activity,
    /// How long ago the sound came in.
    pub(crate) lag: Duration,
    /// Where its loud part begins and ends, if that is known more closely than to the tick.
    pub(crate) edges: Option<(Duration, Duration)>,
}

impl Talk {
    /// Takes a tick of `frame` length that began at `now`. Returns whether an utterance has just begun, and just ended.
    pub(crate) fn tick(&mut self, now: Time, frame: Duration, heard: Heard) -> (bool, bool) {
        let Heard { activity, lag, edges } = heard;
        let was = std::mem::replace(&mut self.speaking, activity.speaking);
        self.loud = activity.speaking && activity.quiet_samples == 0;
        let came = Time::from_micros(now.as_micros().saturating_sub(lag.as_micros() as u64));
        let (first, last) = edges.unwrap_or((Duration::ZERO, frame));
        if activity.speaking && !was {
            self.began = came + first;
        }
        if self.loud {
            self.ended = came + last;
        }
        let over = was && !activity.speaking;
        self.spoke |= over && self.lasted() >= UTTERANCE_MIN;
        (activity.speaking && !was, over)
    }

    /// When it last stopped speaking; `None` while it speaks, and before its first words.
    pub(crate) fn silent_since(&self) -> Option<Time> {
        (self.spoke && !self.speaking).then_some(self.ended)
    }

    fn lasted(&self) -> Duration {
        self.ended.saturating_duration_since(self.began)
    }
}

/// From the end of the caller's words to the first sound of whoever answers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ResponseGap {
    caller: Talk,
    other: Talk,
    /// The caller's words ended then, and nobody has answered.
    waiting: Option<Time>,
    overlap: u8,
}

impl ResponseGap {
    /// Takes a tick; an answer's delay, when one has come. What was said at the same time counts for nothing.
    pub(crate) fn tick(
        &mut self,
        now: Time,
        frame: Duration,
        caller: Heard,
        other: Heard,
    ) -> Option<Duration> {
        let (asks, asked) = self.caller.tick(now, frame, caller);
        let (answers, _) = self.other.tick(now, frame, other);
        if asks {
            (self.waiting, self.overlap) = (None, 0);
        }
        if self.caller.speaking && self.caller.loud && self.other.loud {
            self.overlap = self.overlap.saturating_add(1);
        }
        if asked && self.overlap < OVERLAP_TICKS && self.caller.lasted() >= UTTERANCE_MIN {
            let end = self.caller.ended;
            if self.other.speaking {
                // The answer began within the hold of the caller's gate, or the other has spoken all the time.
                return (self.other.began >= end).then(|| self.other.began.saturating_duration_since(end));
            }
            self.waiting = Some(end);
        }
        if answers && let Some(end) = self.waiting.take() {
            let gap = self.other.began.saturating_duration_since(end);
            return (gap <= GAP_MAX).then_some(gap);
        }
        None
    }

    /// Another party stands behind the caller.
    pub(crate) fn restart(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(20);

    /// Runs speech given as (from, to) in milliseconds through gates with their hold of 300 ms; the gaps told.
    fn gaps(caller: &[(u64, u64)], other: &[(u64, u64)], until: u64) -> Vec<u64> {
        let mut gap = ResponseGap::default();
        let mut quiet = [u32::MAX / 2; 2];
        let mut told = Vec::new();
        for now in (0..until).step_by(20) {
            for (quiet, said) in quiet.iter_mut().zip([caller, other]) {
                let loud = said.iter().any(|(from, to)| (*from..*to).contains(&now));
                *quiet = if loud { 0 } else { quiet.saturating_add(160) };
            }
            let [caller, other] = quiet.map(|quiet| Heard {
                activity: Activity { speaking: quiet < 2400, quiet_samples: quiet },
                lag: Duration::ZERO,
                edges: None,
            });
            let found = gap.tick(Time::from_millis(now), FRAME, caller, other);
            told.extend(found.map(|gap| gap.as_millis() as u64));
        }
        told
    }

    #[test]
    fn an_answer_is_timed_from_the_end_of_the_words_to_its_first_sound() {
        for wait in [60, 100, 280, 300, 320, 700, 1500, 4000] {
            let answer = (2000 + wait, 4000 + wait);
            let found = gaps(&[(1000, 2000)], &[answer], 9000);
            assert_eq!(found, [wait], "{wait}");
        }
    }

    #[test]
    fn each_turn_is_told_once_and_pauses_within_words_are_none() {
        let caller = [(1000, 1500), (1700, 2000), (6000, 7000)];
        let other = [(2800, 3500), (3700, 5000), (7500, 8000)];
        assert_eq!(gaps(&caller, &other, 9000), [800, 500]);
    }

    #[test]
    fn barging_in_and_speaking_at_the_same_time_counts_for_nothing() {
        // The caller interrupts; the AI stops, and answers later.
        assert!(gaps(&[(1000, 2500)], &[(500, 1300), (3500, 5000)], 8000).is_empty());
        // The caller agrees while the AI goes on.
        assert!(gaps(&[(1500, 2000)], &[(500, 4000)], 8000).is_empty());
        // The AI begins too early and goes on.
        assert!(gaps(&[(1000, 2500)], &[(2000, 4000)], 8000).is_empty());
    }

    #[test]
    fn clicks_and_answers_to_nothing_are_no_gaps() {
        assert!(gaps(&[(1000, 1100)], &[(2000, 3000)], 5000).is_empty());
        assert!(gaps(&[], &[(2000, 3000), (4000, 5000)], 8000).is_empty());
        assert!(gaps(&[(1000, 2000)], &[], 8000).is_empty());
        assert!(gaps(&[(1000, 2000)], &[(70_000, 71_000)], 80_000).is_empty());
    }

    #[test]
    fn a_caller_who_goes_on_is_answered_from_the_last_word() {
        assert_eq!(gaps(&[(1000, 2000), (3000, 3500)], &[(4500, 5000)], 8000), [1000]);
    }
}
