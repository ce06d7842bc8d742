//! The session timer of one INVITE dialog (RFC 4028): who refreshes the session, when, and when it has run out.
//!
//! Leaves out how a refresh is sent (UPDATE or re-INVITE) and what an end leads to; both are the endpoint's.

use std::time::Duration;

use crate::limits;
use crate::message::header::{SessionExpires, SessionRole};
use crate::{Time, earliest};

/// Who refreshes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refresher {
    Us,
    Them,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// A refresh of ours.
    Refresh,
    /// Nobody has refreshed the session: it ends.
    End,
}

/// What a 2xx of ours says of the session timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) expires: SessionExpires,
    /// `Require: timer`: the far end knows what is said to it.
    pub(crate) require: bool,
}

/// A timer that runs.
#[derive(Clone, Copy, Debug)]
struct Running {
    seconds: u32,
    refresher: Refresher,
    /// When the next refresh of ours is due; `None`: it is under way, or theirs.
    refresh: Option<Time>,
    end: Time,
}

/// The session timer of one dialog.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SessionTimer {
    /// The interval we ask for, in seconds; 0: none.
    wish: u32,
    /// The largest Min-SE that a 422 has named.
    least: Option<u32>,
    /// 422s so far.
    refusals: u8,
    /// The far end has shown that it knows timers.
    known: bool,
    running: Option<Running>,
}

impl SessionTimer {
    /// Asks for an interval of `seconds` from now on; 0: for none.
    pub(crate) fn wish(&mut self, seconds: u32) {
        self.wish = seconds;
    }

    /// Session-Expires of a request of ours that begins or refreshes the session (§7.1, §7.4). Who refreshes now is to
    /// go on; in the beginning the answer chooses.
    pub(crate) fn asks(&self) -> Option<SessionExpires> {
        let at_least = |seconds: u32| seconds.max(self.least.unwrap_or(0));
        match self.running {
            Some(Running { seconds, refresher, .. }) => {
                let refresher = match refresher {
                    Refresher::Us => SessionRole::Uac,
                    Refresher::Them => SessionRole::Uas,
                };
                Some(SessionExpires { seconds: at_least(seconds), refresher: Some(refresher) })
            }
            None if self.wish > 0 => Some(SessionExpires { seconds: at_least(self.wish), refresher: None }),
            None => None,
        }
    }

    /// Min-SE of a request of ours: only what a 422 has told us (§7.4).
    pub(crate) fn least(&self) -> Option<u32> {
        self.least
    }

    /// 422 with this Min-SE; whether the request is to be sent again (§7.3).
    pub(crate) fn handle_too_small(&mut self, least: Option<u32>) -> bool {
        let asked = self.asks().map_or(0, |asked| asked.seconds);
        let Some(least) = least.filter(|&least| least > asked) else { return false };
        self.refusals += 1;
        self.least = Some(least);
        self.refusals <= limits::SESSION_INTERVAL_TRIES
    }

    /// 2xx to a request of ours that begins or refreshes the session. Without Session-Expires there is no timer, or no
    /// longer one (§7.2); but for a caller that never knew of it, whom we refresh all the same.
    pub(crate) fn handle_accepted(&mut self, now: Time, answer: Option<SessionExpires>) {
        let Some(SessionExpires { seconds, refresher }) = answer else {
            return match self.running {
                Some(running) if !self.known => self.start(now, running.seconds, running.refresher),
                _ => {
                    self.wish = 0;
                    self.stop();
                }
            };
        };
        self.known = true;
        let refresher = match refresher {
            Some(SessionRole::Uas) => Refresher::Them,
            // Unsaid, which §9 does not allow: who refreshes in vain harms nobody.
            Some(SessionRole::Uac) | None => Refresher::Us,
        };
        self.start(now, seconds, refresher);
    }

    /// What our 2xx says to a request that begins or refreshes the session (§9, table 2). `supports`: the sender knows
    /// timers. Where it is ours to choose, who has refreshed goes on, and in the beginning we do: then a far end that
    /// forgets to loses no call.
    pub(crate) fn answer(
        &mut self,
        now: Time,
        asked: Option<SessionExpires>,
        least: Option<u32>,
        supports: bool,
    ) -> Option<Terms> {
        self.known |= supports;
        let ours = self.running.map_or(self.wish, |running| running.seconds);
        let seconds = asked.map_or(ours.max(least.unwrap_or(0)), |asked| asked.seconds);
        if seconds < limits::SESSION_SECONDS_MIN {
            self.stop();
            return None;
        }
        let before = self.running.map_or(Refresher::Us, |running| running.refresher);
        let refresher = match asked.and_then(|asked| asked.refresher) {
            Some(SessionRole::Uac) => Refresher::Them,
            Some(SessionRole::Uas) => Refresher::Us,
            None if supports => before,
            None => Refresher::Us,
        };
        self.start(now, seconds, refresher);
        let role = if refresher == Refresher::Us { SessionRole::Uas } else { SessionRole::Uac };
        Some(Terms { expires: SessionExpires { seconds, refresher: Some(role) }, require: supports })
    }

    /// A refresh of ours was refused, and the dialog lives: another try, as long as there is time.
    pub(crate) fn handle_refused(&mut self, now: Time) {
        if let Some(running) = &mut self.running
            && running.refresher == Refresher::Us
            && running.refresh.is_none()
        {
            let wait = (running.end - now) / 2;
            running.refresh = Some(now + wait.max(limits::REFRESH_RETRY_MIN));
        }
    }

    /// The session has ended, or goes on without a timer.
    pub(crate) fn stop(&mut self) {
        self.running = None;
    }

    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self, now: Time) -> Option<Due> {
        let running = self.running.as_mut()?;
        if running.end <= now {
            self.running = None;
            return Some(Due::End);
        }
        running.refresh.take_if(|at| *at <= now).map(|_| Due::Refresh)
    }

    /// When [`Self::handle_timeout`] is wanted.
    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        self.running.and_then(|running| earliest(running.refresh, Some(running.end)))
    }

    /// From now: a refresh at half the interval (§7.2), the end before the interval is over by 32 s or a third of it,
    /// whichever is less (§10).
    fn start(&mut self, now: Time, seconds: u32, refresher: Refresher) {
        let seconds = seconds.max(limits::SESSION_SECONDS_MIN);
        let interval = Duration::from_secs(u64::from(seconds));
        let early = (interval / 3).min(Duration::from_secs(32));
        let refresh = (refresher == Refresher::Us).then(|| now + interval / 2);
        self.running = Some(Running { seconds, refresher, refresh, end: now + (interval - early) });
    }
}

/// Whether a request is to get 422 (§9): it asks for less than anybody may, and knows what that means.
pub(crate) fn is_too_small(asked: Option<SessionExpires>, supports: bool) -> bool {
    supports && asked.is_some_and(|asked| asked.seconds < limits::SESSION_SECONDS_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_secs(100);

    fn asked(seconds: u32, refresher: Option<SessionRole>) -> Option<SessionExpires> {
        Some(SessionExpires { seconds, refresher })
    }

    fn wishing(seconds: u32) -> SessionTimer {
        SessionTimer { wish: seconds, ..SessionTimer::default() }
    }

    /// All that is due, in seconds from the start, until the timer stops.
    fn run(timer: &mut SessionTimer) -> Vec<(u64, Due)> {
        let mut due = Vec::new();
        while let Some(at) = timer.poll_timeout() {
            due.extend(timer.handle_timeout(at).map(|what| ((at - START).as_secs(), what)));
        }
        due
    }

    #[test]
    fn who_refreshes_does_so_at_half_the_interval_and_who_waits_ends_it_early() {
        let mut timer = wishing(1800);
        timer.handle_accepted(START, asked(1800, Some(SessionRole::Uac)));
        assert_eq!(run(&mut timer), [(900, Due::Refresh), (1768, Due::End)]);
        timer.handle_accepted(START, asked(90, Some(SessionRole::Uas)));
        assert_eq!(run(&mut timer), [(60, Due::End)]);
    }

    #[test]
    fn an_answer_without_an_interval_means_no_timer_from_then_on() {
        let mut timer = wishing(1800);
        assert_eq!(timer.asks(), asked(1800, None));
        timer.handle_accepted(START, None);
        assert_eq!((timer.poll_timeout(), timer.asks()), (None, None));
    }

    #[test]
    fn a_caller_that_knows_no_timers_is_refreshed_whatever_it_answers() {
        let mut timer = wishing(600);
        timer.answer(START, None, None, false);
        timer.handle_accepted(START, None);
        assert_eq!(run(&mut timer), [(300, Due::Refresh), (568, Due::End)]);
        timer.answer(START, None, None, true);
        timer.handle_accepted(START, None);
        assert_eq!(timer.poll_timeout(), None);
    }

    #[test]
    fn a_later_request_names_who_refreshes_by_its_own_view() {
        let mut timer = wishing(0);
        assert_eq!(timer.asks(), None);
        timer.answer(START, asked(600, Some(SessionRole::Uac)), None, true);
        assert_eq!(timer.asks(), asked(600, Some(SessionRole::Uas)));
        timer.answer(START, asked(600, Some(SessionRole::Uas)), None, true);
        assert_eq!(timer.asks(), asked(600, Some(SessionRole::Uac)));
    }

    #[test]
    fn an_answer_follows_the_table_of_who_supports_and_who_is_named() {
        use SessionRole::{Uac, Uas};
        for (supports, named, ours, refresher, require) in [
            (false, asked(600, None), 0, Some(Uas), false),
            (false, None, 1800, Some(Uas), false),
            (false, None, 0, None, false),
            (true, None, 0, None, false),
            (true, None, 1800, Some(Uas), true),
            (true, asked(600, None), 0, Some(Uas), true),
            (true, asked(600, Some(Uac)), 0, Some(Uac), true),
            (true, asked(600, Some(Uas)), 1800, Some(Uas), true),
        ] {
            let terms = wishing(ours).answer(START, named, None, supports);
            let got = terms.map(|terms| (terms.expires.refresher, terms.require));
            let wanted = refresher.map(|_| (refresher, require));
            assert_eq!(got, wanted, "{supports} {named:?} {ours}");
            let seconds = terms.map(|terms| terms.expires.seconds);
            assert!(seconds.is_none_or(|seconds| seconds == named.map_or(ours, |named| named.seconds)));
        }
        let terms = wishing(1800).answer(START, None, Some(2400), true).unwrap();
        assert_eq!(terms.expires.seconds, 2400);
    }

    #[test]
    fn a_request_without_an_interval_refreshes_and_leaves_the_parts_as_they_are() {
        let mut timer = wishing(0);
        timer.answer(START, asked(600, Some(SessionRole::Uac)), None, true);
        let later = START + Duration::from_secs(300);
        let terms = timer.answer(later, None, None, true).unwrap();
        assert_eq!(terms.expires, SessionExpires { seconds: 600, refresher: Some(SessionRole::Uac) });
        assert_eq!(run(&mut timer), [(868, Due::End)]);
    }

    #[test]
    fn an_interval_that_is_too_small_is_raised_a_few_times() {
        let mut timer = wishing(90);
        assert!(!timer.handle_too_small(None));
        assert!(!timer.handle_too_small(Some(90)));
        assert!(timer.handle_too_small(Some(1800)));
        assert_eq!((timer.asks(), timer.least()), (asked(1800, None), Some(1800)));
        let again = (1801..1900).take_while(|&least| timer.handle_too_small(Some(least))).count();
        assert_eq!(again, usize::from(limits::SESSION_INTERVAL_TRIES) - 1);
        assert!(is_too_small(asked(89, None), true) && !is_too_small(asked(90, None), true));
        assert!(!is_too_small(asked(89, None), false) && !is_too_small(None, true));
    }

    #[test]
    fn a_refused_refresh_is_tried_again_until_the_session_ends() {
        let mut timer = wishing(90);
        timer.handle_accepted(START, asked(90, Some(SessionRole::Uac)));
        let mut tries = Vec::new();
        while let Some(at) = timer.poll_timeout() {
            if timer.handle_timeout(at) == Some(Due::Refresh) {
                tries.push((at - START).as_secs());
                timer.handle_refused(at);
            }
        }
        assert_eq!(tries, [45, 52, 57]);
    }
}
