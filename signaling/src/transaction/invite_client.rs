//! An INVITE of ours (RFC 3261 §17.1.1, RFC 6026 §7.2).

use std::time::Duration;

use super::Output;
use super::timers::{T1, T1_64, Timer, Timers};
use crate::Time;

/// Timer D on unreliable transports (RFC 3261 §17.1.1.2): at least 32 s.
const D: Duration = Duration::from_secs(32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Calling,
    Proceeding,
    Completed,
    Accepted,
    Terminated,
}

/// An INVITE of ours, from its first transmission to the last response that may be repeated.
#[derive(Clone, Debug)]
pub(crate) struct InviteClient {
    state: State,
    timers: Timers,
    interval: Duration,
    reliable: bool,
}

impl InviteClient {
    /// The INVITE has just been sent.
    pub(crate) fn new(now: Time, reliable: bool) -> Self {
        let mut timers = Timers::new();
        if !reliable {
            timers.set(Timer::A, now + T1);
        }
        timers.set(Timer::B, now + T1_64);
        Self { state: State::Calling, timers, interval: T1, reliable }
    }

    /// A response has come.
    pub(crate) fn handle_response(&mut self, now: Time, status: u16) -> Option<Output> {
        match (self.state, status) {
            (State::Calling | State::Proceeding, ..200) => {
                self.enter(State::Proceeding);
                Some(Output::Deliver)
            }
            (State::Calling | State::Proceeding, 200..300) => {
                self.enter(State::Accepted);
                self.timers.set(Timer::M, now + T1_64);
                Some(Output::Deliver)
            }
            (State::Calling | State::Proceeding, _) => {
                self.enter(State::Completed);
                self.timers.set(Timer::D, if self.reliable { now } else { now + D });
                Some(Output::AckAndDeliver)
            }
            // RFC 6026 §7.2: every 2xx, of any fork, is for the user.
            (State::Accepted, 200..300) => Some(Output::Deliver),
            (State::Completed, 300..) => Some(Output::SendAck),
            _ => None,
        }
    }

    /// The request could not be sent; whether its user has to be told.
    pub(crate) fn handle_transport_error(&mut self) -> bool {
        let is_news = matches!(self.state, State::Calling | State::Completed);
        if is_news {
            self.enter(State::Terminated);
        }
        is_news
    }

    pub(crate) fn handle_timeout(&mut self, now: Time) -> Option<Output> {
        let mut output = None;
        while let Some(timer) = self.timers.expire(now) {
            match (self.state, timer) {
                // §17.1.1.2: A doubles without bound.
                (State::Calling, Timer::A) => {
                    self.interval *= 2;
                    self.timers.set(Timer::A, now + self.interval);
                    output = Some(Output::SendRequest);
                }
                (State::Calling, Timer::B) => {
                    self.enter(State::Terminated);
                    output = Some(Output::TimedOut);
                }
                (State::Completed, Timer::D) | (State::Accepted, Timer::M) => self.enter(State::Terminated),
                (state, timer) => debug_assert!(false, "{timer:?} armed in {state:?}"),
            }
        }
        output
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    /// Whether a provisional response has come and no final one: CANCEL is allowed (§9.1).
    pub(crate) fn is_proceeding(&self) -> bool {
        self.state == State::Proceeding
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

    /// Runs until `for_ms` after the start; each output with its time in ms.
    fn run(machine: &mut InviteClient, for_ms: u64) -> Vec<(u64, Output)> {
        let mut outputs = Vec::new();
        while let Some(at) = machine.poll_timeout().filter(|&at| at <= START + Duration::from_millis(for_ms))
        {
            let ms = u64::try_from((at - START).as_millis()).unwrap();
            outputs.extend(machine.handle_timeout(at).map(|output| (ms, output)));
        }
        outputs
    }

    #[test]
    fn an_unanswered_invite_is_sent_seven_times_and_given_up_after_32_seconds() {
        let mut machine = InviteClient::new(START, false);
        let outputs = run(&mut machine, 60_000);
        let sent: Vec<u64> = outputs[..6].iter().map(|&(ms, _)| ms).collect();
        assert_eq!(sent, [500, 1500, 3500, 7500, 15_500, 31_500]);
        assert!(outputs[..6].iter().all(|&(_, output)| output == Output::SendRequest));
        assert_eq!(outputs[6..], [(32_000, Output::TimedOut)]);
        assert!(machine.is_terminated());
        assert_eq!(machine.poll_timeout(), None);
    }

    #[test]
    fn on_a_reliable_transport_an_invite_is_sent_once() {
        let mut machine = InviteClient::new(START, true);
        assert_eq!(run(&mut machine, 60_000), [(32_000, Output::TimedOut)]);
    }

    #[test]
    fn a_provisional_response_ends_repetition_and_giving_up() {
        let mut machine = InviteClient::new(START, false);
        assert_eq!(machine.handle_response(START, 100), Some(Output::Deliver));
        assert!(machine.is_proceeding());
        assert_eq!(machine.poll_timeout(), None);
        assert_eq!(machine.handle_response(START, 180), Some(Output::Deliver));
    }

    #[test]
    fn a_rejection_is_delivered_once_and_acknowledged_each_time_for_32_seconds() {
        for first in [None, Some(180)] {
            let mut machine = InviteClient::new(START, false);
            first.map(|status| machine.handle_response(START, status));
            assert_eq!(machine.handle_response(START, 486), Some(Output::AckAndDeliver));
            assert_eq!(machine.handle_response(START, 486), Some(Output::SendAck));
            assert_eq!(machine.handle_response(START, 180), None);
            assert_eq!(machine.handle_response(START, 200), None);
            assert_eq!(machine.poll_timeout(), Some(START + D));
            assert_eq!(run(&mut machine, 32_000), []);
            assert!(machine.is_terminated());
            assert_eq!(machine.handle_response(START, 486), None);
        }
    }

    #[test]
    fn on_a_reliable_transport_a_rejected_invite_is_over_at_once() {
        let mut machine = InviteClient::new(START, true);
        machine.handle_response(START, 486);
        assert_eq!(machine.handle_timeout(START), None);
        assert!(machine.is_terminated());
    }

    #[test]
    fn every_2xx_within_timer_m_is_delivered_and_nothing_else() {
        for first in [None, Some(180)] {
            let mut machine = InviteClient::new(START, false);
            first.map(|status| machine.handle_response(START, status));
            assert_eq!(machine.handle_response(START, 200), Some(Output::Deliver));
            assert_eq!(machine.handle_response(START, 200), Some(Output::Deliver));
            assert_eq!(machine.handle_response(START, 183), None);
            assert_eq!(machine.handle_response(START, 500), None);
            assert_eq!(machine.poll_timeout(), Some(START + T1_64));
            assert_eq!(run(&mut machine, 32_000), []);
            assert!(machine.is_terminated());
            assert_eq!(machine.handle_response(START, 200), None);
        }
    }

    #[test]
    fn a_transport_error_is_news_only_before_any_answer_or_for_the_ack() {
        let mut machine = InviteClient::new(START, false);
        assert!(machine.handle_transport_error());
        assert!(machine.is_terminated());
        let mut machine = InviteClient::new(START, false);
        machine.handle_response(START, 180);
        assert!(!machine.handle_transport_error());
        machine.handle_response(START, 404);
        assert!(machine.handle_transport_error());
    }
}
