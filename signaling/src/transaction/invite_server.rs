//! An INVITE that we answer (RFC 3261 §17.2.1, RFC 6026 §7.1). Leaves out the repetition of a 2xx until its ACK, which
//! is the dialog's (RFC 3261 §13.3.1.4).

use std::time::Duration;

use super::Output;
use super::timers::{T1, T1_64, T2, T4, Timer, Timers};
use crate::Time;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Proceeding,
    Completed,
    Confirmed,
    Accepted,
    Terminated,
}

/// An INVITE that we answer.
#[derive(Clone, Debug)]
pub(crate) struct InviteServer {
    state: State,
    timers: Timers,
    interval: Duration,
    reliable: bool,
}

impl InviteServer {
    /// The INVITE has just come. Its user answers 100 at once, so there is no timer for that.
    pub(crate) fn new(reliable: bool) -> Self {
        Self { state: State::Proceeding, timers: Timers::new(), interval: T1, reliable }
    }

    /// The INVITE has come again.
    pub(crate) fn handle_repeat(&mut self) -> Option<Output> {
        matches!(self.state, State::Proceeding | State::Completed).then_some(Output::SendResponse)
    }

    /// An ACK has come.
    pub(crate) fn handle_ack(&mut self, now: Time) -> Option<Output> {
        match self.state {
            State::Completed => {
                self.enter(State::Confirmed);
                self.timers.set(Timer::I, if self.reliable { now } else { now + T4 });
                None
            }
            // RFC 6026 §7.1: it acknowledges the 2xx.
            State::Accepted => Some(Output::DeliverAck),
            _ => None,
        }
    }

    /// The user responds with `status`.
    pub(crate) fn respond(&mut self, now: Time, status: u16) -> Option<Output> {
        match (self.state, status) {
            (State::Proceeding, ..200) => {}
            (State::Proceeding, 200..300) => {
                self.enter(State::Accepted);
                self.timers.set(Timer::L, now + T1_64);
            }
            (State::Proceeding, _) => {
                self.enter(State::Completed);
                if !self.reliable {
                    self.timers.set(Timer::G, now + T1);
                }
                self.timers.set(Timer::H, now + T1_64);
            }
            // RFC 6026 §7.1: the user repeats its 2xx through the transaction.
            (State::Accepted, 200..300) => {}
            _ => return None,
        }
        Some(Output::SendResponse)
    }

    pub(crate) fn handle_timeout(&mut self, now: Time) -> Option<Output> {
        let mut output = None;
        while let Some(timer) = self.timers.expire(now) {
            match (self.state, timer) {
                // §17.2.1: G doubles up to T2.
                (State::Completed, Timer::G) => {
                    self.interval = (self.interval * 2).min(T2);
                    self.timers.set(Timer::G, now + self.interval);
                    output = Some(Output::SendResponse);
                }
                (State::Completed, Timer::H) => {
                    self.enter(State::Terminated);
                    output = Some(Output::NoAck);
                }
                (State::Confirmed, Timer::I) | (State::Accepted, Timer::L) => self.enter(State::Terminated),
                (state, timer) => debug_assert!(false, "{timer:?} armed in {state:?}"),
            }
        }
        output
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    /// Whether there is no final response yet.
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

    fn run(machine: &mut InviteServer, for_ms: u64) -> Vec<(u64, Output)> {
        let mut outputs = Vec::new();
        while let Some(at) = machine.poll_timeout().filter(|&at| at <= START + Duration::from_millis(for_ms))
        {
            let ms = u64::try_from((at - START).as_millis()).unwrap();
            outputs.extend(machine.handle_timeout(at).map(|output| (ms, output)));
        }
        outputs
    }

    fn rejected(reliable: bool) -> InviteServer {
        let mut machine = InviteServer::new(reliable);
        assert_eq!(machine.respond(START, 486), Some(Output::SendResponse));
        machine
    }

    #[test]
    fn an_unacknowledged_rejection_is_sent_eleven_times_in_thirty_two_seconds() {
        let mut machine = rejected(false);
        let outputs = run(&mut machine, 60_000);
        let again: Vec<u64> = outputs[..10].iter().map(|&(ms, _)| ms).collect();
        assert_eq!(again, [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
        assert!(outputs[..10].iter().all(|&(_, output)| output == Output::SendResponse));
        assert_eq!(outputs[10..], [(32_000, Output::NoAck)]);
        assert!(machine.is_terminated());
    }

    #[test]
    fn on_a_reliable_transport_a_rejection_is_sent_once() {
        assert_eq!(run(&mut rejected(true), 60_000), [(32_000, Output::NoAck)]);
    }

    #[test]
    fn provisional_responses_set_no_timer_and_repeats_get_the_last() {
        let mut machine = InviteServer::new(false);
        assert_eq!(machine.respond(START, 100), Some(Output::SendResponse));
        assert_eq!(machine.respond(START, 180), Some(Output::SendResponse));
        assert_eq!(machine.handle_repeat(), Some(Output::SendResponse));
        assert_eq!(machine.handle_ack(START), None);
        assert!(machine.is_proceeding());
        assert_eq!(machine.poll_timeout(), None);
    }

    #[test]
    fn the_ack_ends_repetition_and_further_acks_are_absorbed_for_t4() {
        let mut machine = rejected(false);
        assert_eq!(machine.handle_repeat(), Some(Output::SendResponse));
        assert_eq!(machine.handle_ack(START), None);
        assert_eq!(machine.handle_ack(START), None);
        assert_eq!(machine.handle_repeat(), None);
        assert_eq!(machine.respond(START, 200), None);
        assert_eq!(machine.poll_timeout(), Some(START + T4));
        assert_eq!(run(&mut machine, 5000), []);
        assert!(machine.is_terminated());
    }

    #[test]
    fn on_a_reliable_transport_the_ack_ends_the_transaction() {
        let mut machine = rejected(true);
        machine.handle_ack(START);
        assert_eq!(machine.handle_timeout(START), None);
        assert!(machine.is_terminated());
    }

    #[test]
    fn an_accepted_invite_absorbs_repeats_and_delivers_acks_until_timer_l() {
        let mut machine = InviteServer::new(false);
        machine.respond(START, 200);
        assert_eq!(machine.handle_repeat(), None);
        assert_eq!(machine.respond(START, 200), Some(Output::SendResponse));
        assert_eq!(machine.respond(START, 486), None);
        assert_eq!(machine.handle_ack(START), Some(Output::DeliverAck));
        assert_eq!(machine.handle_ack(START), Some(Output::DeliverAck));
        assert_eq!(run(&mut machine, 31_999), []);
        assert!(!machine.is_terminated());
        assert_eq!(run(&mut machine, 32_000), []);
        assert!(machine.is_terminated());
    }
}
