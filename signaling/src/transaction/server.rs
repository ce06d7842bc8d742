//! A request that we answer and that is not INVITE (RFC 3261 §17.2.2).

use super::Output;
use super::timers::{T1_64, Timer, Timers};
use crate::Time;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Trying,
    Proceeding,
    Completed,
    Terminated,
}

/// A request that we answer and that is not INVITE.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    state: State,
    timers: Timers,
    reliable: bool,
}

impl Server {
    /// The request has just come.
    pub(crate) fn new(reliable: bool) -> Self {
        Self { state: State::Trying, timers: Timers::new(), reliable }
    }

    /// The request has come again.
    pub(crate) fn handle_repeat(&mut self) -> Option<Output> {
        matches!(self.state, State::Proceeding | State::Completed).then_some(Output::SendResponse)
    }

    /// The user responds with `status`.
    pub(crate) fn respond(&mut self, now: Time, status: u16) -> Option<Output> {
        match (self.state, status) {
            (State::Trying | State::Proceeding, ..200) => self.state = State::Proceeding,
            (State::Trying | State::Proceeding, _) => {
                self.state = State::Completed;
                self.timers.set(Timer::J, if self.reliable { now } else { now + T1_64 });
            }
            _ => return None,
        }
        Some(Output::SendResponse)
    }

    pub(crate) fn handle_timeout(&mut self, now: Time) {
        while let Some(timer) = self.timers.expire(now) {
            match (self.state, timer) {
                (State::Completed, Timer::J) => self.state = State::Terminated,
                (state, timer) => debug_assert!(false, "{timer:?} armed in {state:?}"),
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    /// Whether there is no final response yet.
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.state, State::Trying | State::Proceeding)
    }

    pub(crate) fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_secs(100);

    #[test]
    fn a_repeat_before_any_response_is_dropped() {
        let mut machine = Server::new(false);
        assert_eq!(machine.handle_repeat(), None);
        assert!(machine.is_pending());
        assert_eq!(machine.poll_timeout(), None);
    }

    #[test]
    fn a_repeat_gets_the_last_response_again() {
        let mut machine = Server::new(false);
        assert_eq!(machine.respond(START, 183), Some(Output::SendResponse));
        assert_eq!(machine.handle_repeat(), Some(Output::SendResponse));
        assert_eq!(machine.respond(START, 200), Some(Output::SendResponse));
        assert_eq!(machine.handle_repeat(), Some(Output::SendResponse));
        assert!(!machine.is_pending());
    }

    #[test]
    fn a_second_final_response_is_not_sent() {
        let mut machine = Server::new(false);
        machine.respond(START, 200);
        assert_eq!(machine.respond(START, 500), None);
        assert_eq!(machine.respond(START, 183), None);
    }

    #[test]
    fn an_answered_request_is_remembered_for_32_seconds_or_not_at_all_on_a_reliable_transport() {
        let mut machine = Server::new(false);
        machine.respond(START, 200);
        assert_eq!(machine.poll_timeout(), Some(START + T1_64));
        machine.handle_timeout(START + T1_64);
        assert!(machine.is_terminated());
        let mut machine = Server::new(true);
        machine.respond(START, 200);
        machine.handle_timeout(START);
        assert!(machine.is_terminated());
    }
}
