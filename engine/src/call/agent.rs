//! A person's leg: offered, given a port, rung, answered or not, spoken with, lost.

use std::time::Duration;

use baton_signaling::Time;

use crate::call::call::{Call, Feed, Stage, Stay};
use crate::call::flow::{gone, leg_end};
use crate::call::handoff::Returned;
use crate::call::leg::Farewell;
use crate::call::{Action, EndReason, Failure, LegEnd, Role, SipEvent, Timer};
use crate::key::LegId;
use crate::queue::{Offer, Outcome, Place, QueueRequest};

/// How long a target that is one URI rings where there is no queue to say so.
const RING_DEFAULT: Duration = Duration::from_secs(30);

impl Call {
    /// The queues offer an agent.
    pub(super) fn ring(&mut self, now: Time, offer: Offer) {
        match self.stage {
            Stage::Queued { announcing: None } => {}
            // The queues have given up the agent whose phone rings, or they would not offer another.
            Stage::RingingAgent { .. } => self.stop_ringing(now),
            _ => {
                self.counters.late_notices += 1;
                return;
            }
        }
        let agent = self.add_leg(now, Role::Agent, &offer.peer, &offer.uri);
        if let Some(leg) = self.leg_mut(agent) {
            leg.offer = Some(offer.id);
            leg.ring = offer.ring;
        }
        self.go(now, Stage::RingingAgent { agent });
    }

    /// A handoff to one URI, and no queue: its leg speaks by the rules of the default queue's peer.
    pub(super) fn ring_uri(&mut self, now: Time, uri: &str) {
        let queue = self.flow_settings().queue.as_ref().and_then(|name| self.settings.queues.get(name));
        let ring = queue.map_or(RING_DEFAULT, |queue| queue.ring);
        let peer = queue.map_or_else(|| self.caller().peer.clone(), |queue| queue.peer.clone());
        let agent = self.add_leg(now, Role::Agent, &peer, uri);
        if let Some(leg) = self.leg_mut(agent) {
            leg.ring = ring;
        }
        self.go(now, Stage::RingingAgent { agent });
    }

    /// The agent's leg has its port.
    pub(super) fn dial_agent(&mut self, now: Time, id: LegId) {
        let Some(dial) = self.dial_on(id) else { return };
        let ring = self.leg(id).map_or(RING_DEFAULT, |leg| leg.ring);
        self.timers.set(Timer::Ring, now + ring);
        self.send_dial(now, id, dial);
    }

    pub(super) fn agent_event(&mut self, now: Time, id: LegId, event: SipEvent) {
        let ringing = self.stage == (Stage::RingingAgent { agent: id });
        match event {
            SipEvent::Progress { status, sdp } if ringing => {
                self.agent_rings(now, id, status);
                self.described_early(now, id, sdp.as_deref());
            }
            SipEvent::Answered { sdp, .. } if ringing => self.agent_answered(now, id, sdp.as_deref()),
            SipEvent::Refused { failure, headers } if ringing => {
                match self.redirected(id, failure, &headers) {
                    Some(uri) => self.follow_agent(now, id, failure, &uri),
                    None => self.agent_failed(now, id, outcome_of(failure), leg_end(failure)),
                }
            }
            SipEvent::Bye { .. } if ringing => {
                self.agent_failed(now, id, Outcome::Declined, LegEnd::TheyHungUp);
            }
            SipEvent::Gone { .. } if ringing => {
                self.agent_failed(now, id, Outcome::Unreachable, LegEnd::Gone);
            }
            SipEvent::Bye { .. } => {
                self.end_leg(now, id, Farewell::Nothing, LegEnd::TheyHungUp);
                // A person who has handed over and leaves ends nothing.
                if self.stage == (Stage::WithAgent { agent: id }) {
                    self.end_call(now, EndReason::AgentHungUp);
                }
            }
            SipEvent::Gone { failure } => self.agent_lost(now, id, Farewell::Nothing, gone(failure)),
            // RFC 3261 §13.3.1.4: whoever does not acknowledge our 200 in its time is let go.
            SipEvent::NotAcked => self.agent_lost(now, id, Farewell::Say, LegEnd::NoResponse),
            SipEvent::Alive => {}
            _ => self.counters.late_events += 1,
        }
    }

    fn agent_rings(&mut self, now: Time, id: LegId, status: u16) {
        if !self.progressed(now, id, status) {
            return;
        }
        if let Some(offer) = self.leg(id).and_then(|leg| leg.offer) {
            let report = QueueRequest::Report { call: self.key, offer, outcome: Outcome::Ringing };
            self.act(Action::Queue(report));
        }
        self.handoff_rings();
    }

    fn agent_answered(&mut self, now: Time, id: LegId, sdp: Option<&[u8]>) {
        let Some(media) = self.agreed_on(id, sdp) else {
            return self.agent_unusable(now, id);
        };
        self.timers.stop(Timer::Ring);
        self.open_leg(now, id, &media);
        self.set_feed(Feed::Join(id));
        if let Some(offer) = self.leg(id).and_then(|leg| leg.offer) {
            let report = QueueRequest::Report { call: self.key, offer, outcome: Outcome::Answered };
            self.act(Action::Queue(report));
        }
        self.stay = Stay::Outside;
        self.timers.stop(Timer::Queue);
        self.go(now, Stage::WithAgent { agent: id });
        self.handoff_completed(now, id);
    }

    /// An answer without a usable description: the dialog stands and has to be ended with BYE.
    fn agent_unusable(&mut self, now: Time, id: LegId) {
        if let Some(leg) = self.leg_mut(id) {
            // Reported below; the leg's own end has nothing to report.
            let offer = leg.offer.take();
            self.mark_up(now, id);
            self.end_leg(now, id, Farewell::Say, LegEnd::WeHungUp);
            self.after_failure(now, offer, Outcome::Unreachable);
        }
    }

    /// The phone was not picked up in time.
    pub(super) fn ring_overdue(&mut self, now: Time) {
        if let Stage::RingingAgent { agent } = self.stage {
            let offer = self.leg_mut(agent).and_then(|leg| leg.offer.take());
            self.end_leg(now, agent, Farewell::Say, LegEnd::NoResponse);
            self.after_failure(now, offer, Outcome::NoAnswer);
        }
    }

    /// The agent's INVITE has failed, or there was no port for it.
    pub(super) fn agent_failed(&mut self, now: Time, id: LegId, outcome: Outcome, cause: LegEnd) {
        let offer = self.leg_mut(id).and_then(|leg| leg.offer.take());
        self.end_leg(now, id, Farewell::Nothing, cause);
        if self.stage == (Stage::RingingAgent { agent: id }) {
            self.after_failure(now, offer, outcome);
        }
    }

    fn after_failure(&mut self, now: Time, offer: Option<crate::queue::OfferId>, outcome: Outcome) {
        self.timers.stop(Timer::Ring);
        self.counters.agent_attempts_failed += 1;
        self.tally.add(outcome);
        self.go(now, Stage::Queued { announcing: None });
        match offer {
            Some(offer) => {
                self.act(Action::Queue(QueueRequest::Report { call: self.key, offer, outcome }));
            }
            None => self.uri_failed(now),
        }
    }

    /// The one URI of a handoff did not answer: back to who asked, else to the default queue, else to the AI anew.
    fn uri_failed(&mut self, now: Time) {
        self.result = Some(Returned { word: self.tally.word(), attempts: Some(1) });
        let kept = self.handoff.as_ref().is_some_and(|handoff| self.is_up(handoff.origin));
        match self.flow_settings().queue.clone() {
            Some(queue) if !kept => self.enter_queue(now, &queue, Place::Back),
            _ => self.return_to_ai(now),
        }
    }

    /// A person is lost. The one who speaks with the caller leaves it at the front of the queue, with hold audio.
    pub(super) fn agent_lost(&mut self, now: Time, id: LegId, farewell: Farewell, cause: LegEnd) {
        let with_caller = self.stage == (Stage::WithAgent { agent: id });
        if !with_caller {
            return self.end_leg(now, id, farewell, cause);
        }
        self.counters.agents_lost += 1;
        let queue = self.queue.clone().or_else(|| self.flow_settings().queue.clone());
        let hold = self.hold_prompt(queue.as_deref());
        self.set_feed(Feed::Park { tail: Some(id), hold });
        self.end_leg(now, id, farewell, cause);
        self.go(now, Stage::Queued { announcing: None });
        self.result = Some(Returned { word: "agent-lost", attempts: None });
        match queue {
            Some(queue) => self.enter_queue(now, &queue, Place::Front),
            None => self.return_to_ai(now),
        }
    }

    /// The silent leg behind the caller has not been heard again.
    pub(super) fn far_probe_due(&mut self, now: Time) {
        let Some(id) = self.far_silent.take() else { return };
        match self.stage {
            Stage::WithAi { ai } if ai == id => self.ai_lost(now, id, Farewell::Say, LegEnd::NoResponse),
            Stage::WithAgent { agent } if agent == id => {
                self.agent_lost(now, id, Farewell::Say, LegEnd::NoResponse);
            }
            _ => {}
        }
    }
}

/// What the failure of an agent's INVITE says of the agent.
fn outcome_of(failure: Failure) -> Outcome {
    match failure {
        Failure::Timeout | Failure::Transport | Failure::Expired => Outcome::Unreachable,
        Failure::Status(486 | 600) => Outcome::Busy,
        Failure::Status(487) => Outcome::NoAnswer,
        // Nobody there, or what we send is not to the phone's liking.
        Failure::Status(
            300..=399 | 401..=402 | 404..=421 | 480..=485 | 488 | 493 | 500..=599 | 604 | 606,
        ) => Outcome::Unreachable,
        Failure::Status(_) => Outcome::Declined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_declined_and_unreachable_agents_are_told_apart() {
        for (status, outcome) in [
            (486, Outcome::Busy),
            (600, Outcome::Busy),
            (603, Outcome::Declined),
            (403, Outcome::Declined),
            (404, Outcome::Unreachable),
            (408, Outcome::Unreachable),
            (480, Outcome::Unreachable),
            (503, Outcome::Unreachable),
            (487, Outcome::NoAnswer),
        ] {
            assert_eq!(outcome_of(Failure::Status(status)), outcome, "{status}");
        }
        assert_eq!(outcome_of(Failure::Timeout), Outcome::Unreachable);
        assert_eq!(outcome_of(Failure::Transport), Outcome::Unreachable);
    }
}
