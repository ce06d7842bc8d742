//! A call's timers: an enum and a fixed array. Every wait of a call is one of these; each that fires is counted by
//! name.

use serde::Serialize;

use baton_signaling::{Time, earliest};

/// What a call can be waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Timer {
    /// The next 180 to an unanswered caller (RFC 3261 §13.3.1.1).
    Refresh,
    /// A port we asked for.
    Port,
    /// The AI's first provisional response.
    AiProvisional,
    /// The AI's final response.
    AiAnswer,
    /// The queues' first word about a caller sent to them, and after it their last one.
    Queue,
    /// An agent's phone.
    Ring,
    /// The BYE of an AI (or agent) whose handoff has succeeded.
    Farewell,
    /// The end of an announcement.
    Announcement,
    /// The caller's answer to OPTIONS, or the next OPTIONS.
    CallerProbe,
    /// Life on the side behind the caller.
    FarProbe,
    /// The time to offer its session once more to a leg that is not heard.
    Remedy,
    /// The last words of legs that are being ended.
    WindDown,
}

impl Timer {
    /// How many there are.
    pub const COUNT: usize = 12;

    /// All, in the order of their places in the array.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Refresh,
        Self::Port,
        Self::AiProvisional,
        Self::AiAnswer,
        Self::Queue,
        Self::Ring,
        Self::Farewell,
        Self::Announcement,
        Self::CallerProbe,
        Self::FarProbe,
        Self::Remedy,
        Self::WindDown,
    ];

    /// The metric's label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Refresh => "refresh",
            Self::Port => "port",
            Self::AiProvisional => "ai_provisional",
            Self::AiAnswer => "ai_answer",
            Self::Queue => "queue",
            Self::Ring => "ring",
            Self::Farewell => "farewell",
            Self::Announcement => "announcement",
            Self::CallerProbe => "caller_probe",
            Self::FarProbe => "far_probe",
            Self::Remedy => "remedy",
            Self::WindDown => "wind_down",
        }
    }
}

/// The deadlines of one call.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Timers {
    at: [Option<Time>; Timer::COUNT],
}

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, at: Time) {
        self.at[timer as usize] = Some(at);
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.at[timer as usize] = None;
    }

    pub(crate) fn stop_all(&mut self) {
        self.at = [None; Timer::COUNT];
    }

    #[cfg(test)]
    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.at[timer as usize].is_some()
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Time> {
        self.at.iter().copied().fold(None, earliest)
    }

    /// Takes the earliest timer that is due at `now`.
    pub(crate) fn expire(&mut self, now: Time) -> Option<Timer> {
        let due = |timer: &Timer| self.at[*timer as usize].filter(|at| *at <= now);
        let (_, timer) = Timer::ALL.iter().filter_map(|timer| Some((due(timer)?, *timer))).min()?;
        self.stop(timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn timers_fire_in_the_order_of_their_deadlines_and_only_once() {
        let mut timers = Timers::default();
        timers.set(Timer::Ring, Time::from_secs(2));
        timers.set(Timer::Refresh, Time::from_secs(1));
        timers.set(Timer::Queue, Time::from_secs(9));
        assert_eq!(timers.next(), Some(Time::from_secs(1)));
        assert_eq!(timers.expire(Time::from_secs(3)), Some(Timer::Refresh));
        assert_eq!(timers.expire(Time::from_secs(3)), Some(Timer::Ring));
        assert_eq!(timers.expire(Time::from_secs(3)), None);
        assert!(timers.is_set(Timer::Queue));
    }

    #[test]
    fn every_timer_has_its_own_place_and_label() {
        for (place, timer) in Timer::ALL.iter().enumerate() {
            assert_eq!(*timer as usize, place);
        }
        assert_eq!(Timer::ALL.map(Timer::label).iter().collect::<BTreeSet<_>>().len(), Timer::COUNT);
    }
}
