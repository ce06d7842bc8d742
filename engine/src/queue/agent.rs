//! One agent: how many calls it has, since when it is idle, whether it is set aside. Left out: who is offered to whom
//! (`queue.rs`).

use std::time::Duration;

use serde::Serialize;

use baton_signaling::Time;

use crate::queue::settings::AgentSettings;

/// First rest after a try that brought nothing: long enough that the next caller is not sent to a phone that has just
/// not been picked up, short enough that a queue of one agent goes on ringing it.
pub const SET_ASIDE_FIRST: Duration = Duration::from_secs(5);
/// Longest rest; a phone that comes back is found within it.
pub const SET_ASIDE_MAX: Duration = Duration::from_secs(60);

/// What an agent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// Could be offered a caller.
    Available,
    /// Its phone is being rung.
    Offered,
    /// Speaks with a caller and takes no further one.
    Talking,
    /// Rests after a try that brought nothing.
    SetAside,
}

#[derive(Clone, Debug)]
pub(crate) struct Agent {
    pub(crate) settings: AgentSettings,
    pub(crate) offered: u32,
    pub(crate) talking: u32,
    pub(crate) idle_since: Time,
    pub(crate) set_aside: Option<Time>,
    /// Tries in a row that brought nothing.
    failures: u32,
}

impl Agent {
    pub(crate) fn new(settings: AgentSettings) -> Self {
        Self { settings, offered: 0, talking: 0, idle_since: Time::ZERO, set_aside: None, failures: 0 }
    }

    pub(crate) fn is_free(&self) -> bool {
        self.set_aside.is_none() && self.offered + self.talking < self.settings.calls
    }

    pub(crate) fn state(&self) -> AgentState {
        if self.set_aside.is_some() {
            AgentState::SetAside
        } else if self.is_free() {
            AgentState::Available
        } else if self.offered > 0 {
            AgentState::Offered
        } else {
            AgentState::Talking
        }
    }

    /// A try brought nothing, or the agent was lost: it rests, twice as long after each failure in a row.
    pub(crate) fn rest(&mut self, now: Time) -> Time {
        let rest = SET_ASIDE_FIRST.saturating_mul(1 << self.failures.min(8)).min(SET_ASIDE_MAX);
        self.failures = self.failures.saturating_add(1);
        self.idle_since = now;
        let until = self.set_aside.map_or(now + rest, |until| until.max(now + rest));
        self.set_aside = Some(until);
        until
    }

    pub(crate) fn answer(&mut self) {
        self.offered -= 1;
        self.talking += 1;
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(calls: u32) -> Agent {
        Agent::new(AgentSettings { uri: "sip:ann@127.0.0.3".to_owned(), calls })
    }

    #[test]
    fn rests_double_up_to_their_maximum_and_begin_anew_after_an_answer() {
        let mut ann = agent(1);
        let mut rests = Vec::new();
        for _ in 0..6 {
            ann.set_aside = None;
            rests.push(ann.rest(Time::ZERO).as_micros() / 1_000_000);
        }
        assert_eq!(rests, [5, 10, 20, 40, 60, 60]);
        ann.offered = 1;
        ann.answer();
        ann.set_aside = None;
        assert_eq!(ann.rest(Time::ZERO), Time::ZERO + SET_ASIDE_FIRST);
    }

    #[test]
    fn an_agent_is_free_until_all_its_calls_are_taken() {
        let mut desk = agent(2);
        assert_eq!(desk.state(), AgentState::Available);
        desk.talking = 1;
        assert!(desk.is_free());
        desk.offered = 1;
        assert_eq!(desk.state(), AgentState::Offered);
        desk.answer();
        assert_eq!(desk.state(), AgentState::Talking);
        assert!(!desk.is_free());
    }
}
