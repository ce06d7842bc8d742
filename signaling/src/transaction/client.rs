//! A request of ours that is not INVITE (RFC 3261 §17.1.2).

use std::time::Duration;

use super::Output;
use super::timers::{T1, T1_64, T2, T4, Timer, Timers};
use crate::Time;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Trying,
    Proceeding,
    Completed,
    Terminated,
}

/// A request of ours that is not INVITE.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    state: State,
    timers: Timers,
    interval: Duration,
    reliable: bool,
}

impl Client {
    /// The request has just been sent.
    pub(crate) fn new(now: Time, reliable: bool) -> Self {
        let mut timers = Timers::new();
        if !reliable {
            timers.set(Timer::E, now + T1);
        }
        timers.set(Timer::F, now + T1_64);
        Self { state: State::Trying, timers, interval: T1, reliable }
    }

    /// A response has come.
    pub(crate) fn handle_response(&mut self, now: Time, status: u16) -> Option<Output> {
        match (self.state, status) {
            (State::Trying | State::Proceeding, ..200) => {
                self.state = State::Proceeding;
                Some(Output::Deliver)
            }
            (State::Trying | State::Proceeding, _) => {
                self.enter(State::Completed);
                self.timers.set(Timer::K, if self.reliable { now } else { now + T4 });
                Some(Output::Deliver)
            }
            _ => None,
        }
    }

    /// The request could not be sent; whether its user has to be told.
    pub(crate) fn handle_transport_error(&mut self) -> bool {
        let is_news = self.state == State::Trying;
        if is_news {
            self.enter(State::Terminated);
        }
        is_news
    }

    pub(crate) fn handle_timeout(&mut self, now: Time) -> Option<Output> {
        let mut output = None;
        while let Some(timer) = self.timers.expire(now) {
            match (self.state, timer) {
                // §17.1.2.2: E doubles up to T2, and is T2 once the far end is known to work on it.
                (State::Trying | State::Proceeding, Timer::E) => {
                    let proceeding = self.state == State::Proceeding;
                    self.interval = if proceeding { T2 } else { (self.interval * 2).min(T2) };
                    self.timers.set(Timer::E, now + self.interval);
                    output = Some(Output::SendRequest);
                }
                (State::Trying | State::Proceeding, Timer::F) => {
                    self.enter(State::Terminated);
                    output = Some(Output::TimedOut);
                }
                (State::Completed, Timer::K) => self.enter(State::Terminated),
                (state, timer) => debug_assert!(false, "{timer:?} armed in {state:?}"),
            }
        }
        output
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    pub(crate) fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.timers.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_secs(100);

    fn run(machine: &mut Client, for_ms: u64) -> Vec<(u64, Output)> {
        let mut outputs = Vec::new();
        while let Some(at) = machine.poll_timeout().filter(|&at| at <= START + Duration::from_millis(for_ms))
        {
            let ms = u64::try_from((at - START).as_millis()).unwrap();
            outputs.extend(machine.handle_timeout(at).map(|output| (ms, output)));
        }
        outputs
    }

    #[test]
    fn an_unanswered_request_is_sent_eleven_times_and_given_up_after_32_seconds() {
        let mut machine = Client::new(START, false);
        let outputs = run(&mut machine, 60_000);
        let again: Vec<u64> = outputs[..10].iter().map(|&(ms, _)| ms).collect();
        assert_eq!(again, [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
        assert_eq!(outputs[10..], [(32_000, Output::TimedOut)]);
        assert!(machine.is_terminated());
    }

    #[test]
    fn on_a_reliable_transport_a_request_is_sent_once() {
        assert_eq!(run(&mut Client::new(START, true), 60_000), [(32_000, Output::TimedOut)]);
    }

    #[test]
    fn a_provisional_response_slows_repetition_to_t2_but_does_not_end_it() {
        let mut machine = Client::new(START, false);
        assert_eq!(machine.handle_response(START, 100), Some(Output::Deliver));
        assert!(!machine.handle_transport_error());
        let outputs = run(&mut machine, 60_000);
        let at: Vec<u64> = outputs.iter().map(|&(ms, _)| ms).collect();
        assert_eq!(at, [500, 4500, 8500, 12_500, 16_500, 20_500, 24_500, 28_500, 32_000]);
        assert_eq!(outputs.last().unwrap().1, Output::TimedOut);
    }

    #[test]
    fn the_final_response_is_delivered_once_and_repeats_are_absorbed_for_t4() {
        let mut machine = Client::new(START, false);
        assert_eq!(machine.handle_response(START, 200), Some(Output::Deliver));
        assert_eq!(machine.handle_response(START, 200), None);
        assert_eq!(machine.handle_response(START, 100), None);
        assert_eq!(machine.poll_timeout(), Some(START + T4));
        assert_eq!(run(&mut machine, 5000), []);
        assert!(machine.is_terminated());
    }

    #[test]
    fn on_a_reliable_transport_the_final_response_ends_the_transaction() {
        let mut machine = Client::new(START, true);
        machine.handle_response(START, 404);
        assert_eq!(machine.handle_timeout(START), None);
        assert!(machine.is_terminated());
    }

    #[test]
    fn a_transport_error_before_any_answer_ends_it() {
        let mut machine = Client::new(START, false);
        assert!(machine.handle_transport_error());
        assert!(machine.is_terminated());
        assert!(!machine.handle_transport_error());
    }
}
