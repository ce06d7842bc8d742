//! A caller's stay in the queues: entered, waited, left; and what an exhausted queue leads to.

use std::time::Duration;

use baton_signaling::Time;

use crate::call::call::{Call, Feed, Stage, Stay};
use crate::call::flow::Dialing;
use crate::call::handoff::Returned;
use crate::call::leg::Farewell;
use crate::call::{Action, EndReason, LegEnd, Moment, Timer};
use crate::media::Prompt;
use crate::queue::{Exhausted, Notice, OfferId, Place, QueueRequest, Why};

/// Longest wait for the queues' first word: they answer in the turn they are asked.
pub(super) const QUEUE_WORD: Duration = Duration::from_secs(2);
/// How long after its wait time and a last ring a caller is taken out of a queue that has forgotten it.
pub(super) const QUEUE_MARGIN: Duration = Duration::from_secs(30);
/// Queues a caller is sent on to, one after the other; the settings allow no cycles, this holds should they.
pub(super) const HOPS_MAX: u32 = 8;
/// Longest announcement.
pub(super) const ANNOUNCEMENT_MAX: Duration = Duration::from_secs(60);

impl Call {
    pub(super) fn enter_queue(&mut self, now: Time, queue: &str, place: Place) {
        self.queue = Some(queue.to_owned());
        self.stay = Stay::Entering;
        self.timers.set(Timer::Queue, now + QUEUE_WORD);
        self.act(Action::Queue(QueueRequest::Enter { call: self.key, queue: queue.to_owned(), place }));
    }

    pub(super) fn leave_queue(&mut self) {
        self.stay = Stay::Outside;
        self.timers.stop(Timer::Queue);
        self.act(Action::Queue(QueueRequest::Leave { call: self.key }));
    }

    pub(super) fn hold_prompt(&self, queue: Option<&str>) -> Prompt {
        let queue = queue.and_then(|name| self.settings.queues.get(name));
        queue.map_or(self.flow_settings().hold, |queue| queue.hold)
    }

    pub(super) fn handle_notice(&mut self, now: Time, notice: Notice) {
        match notice {
            Notice::Queued { queue, position } if self.stay == Stay::Entering => {
                self.queued(now, queue, position);
            }
            Notice::Offer(offer) if self.stay == Stay::Inside => self.ring(now, offer),
            Notice::Withdrawn { offer } if self.ringing_offer() == Some(offer) => self.withdrawn(now),
            Notice::Exhausted { why, attempts, then } if self.stay != Stay::Outside => {
                self.exhausted(now, why, attempts, then);
            }
            // Of an earlier stay, or of an offer that has ended.
            _ => self.counters.late_notices += 1,
        }
    }

    fn queued(&mut self, now: Time, queue: String, position: u32) {
        self.stay = Stay::Inside;
        if let Some(settings) = self.settings.queues.get(&queue) {
            self.timers.set(Timer::Queue, now + settings.wait + settings.ring + QUEUE_MARGIN);
        }
        match self.stage {
            Stage::DialingAi(Dialing::Bypass) => {
                let hold = self.hold_prompt(Some(&queue));
                self.go(now, Stage::Queued { announcing: None });
                self.set_feed(Feed::Park { tail: None, hold });
                self.answer_caller(now);
            }
            Stage::HandoffRequested => self.go(now, Stage::Queued { announcing: None }),
            _ => {}
        }
        self.note(now, Moment::Queued { queue, position });
    }

    /// The queues' offer whose phone rings.
    fn ringing_offer(&self) -> Option<OfferId> {
        let Stage::RingingAgent { agent } = self.stage else { return None };
        self.leg(agent)?.offer
    }

    fn withdrawn(&mut self, now: Time) {
        self.stop_ringing(now);
    }

    /// The phone that rings, if one does, is given up without a word to the queues: they know.
    pub(super) fn stop_ringing(&mut self, now: Time) {
        if let Stage::RingingAgent { agent } = self.stage {
            self.timers.stop(Timer::Ring);
            self.end_leg(now, agent, Farewell::Say, LegEnd::WeHungUp);
            self.go(now, Stage::Queued { announcing: None });
        }
    }

    /// The queues have not said in time what they owe us: we act as if they had said that nobody is there.
    pub(super) fn queue_overdue(&mut self, now: Time) {
        if self.stay != Stay::Outside {
            self.leave_queue();
            self.exhausted(now, Why::Timeout, 0, Exhausted::ReturnToAi);
        }
    }

    fn exhausted(&mut self, now: Time, why: Why, attempts: u32, then: Exhausted) {
        self.stay = Stay::Outside;
        self.timers.stop(Timer::Queue);
        self.stop_ringing(now);
        let onward = match then {
            Exhausted::Queue(ref name) if self.hops < HOPS_MAX && self.settings.queues.contains_key(name) => {
                Some(name.clone())
            }
            _ => None,
        };
        if let Some(name) = onward {
            self.hops += 1;
            return self.enter_queue(now, &name, Place::Back);
        }
        let (turned_away, reason) = match why {
            Why::Closed => (Some("closed"), EndReason::QueueClosed),
            Why::Full => (Some("full"), EndReason::QueueFull),
            Why::Timeout | Why::NoAgent => (None, EndReason::QueueExhausted),
        };
        self.tally.turned_away = turned_away;
        self.result = Some(Returned { word: self.tally.word(), attempts: Some(attempts) });
        if self.stage == Stage::DialingAi(Dialing::Bypass) {
            if !self.caller().is_up() {
                return self.end_call(now, reason);
            }
            self.go(now, Stage::Queued { announcing: None });
        }
        match then {
            Exhausted::ReturnToAi => self.return_to_ai(now),
            Exhausted::Announce | Exhausted::Queue(_) => self.announce(now, reason),
            Exhausted::HangUp => {
                self.fail_handoff(now, None);
                self.end_call(now, reason);
            }
        }
    }

    /// Nothing is left but to say so: the announcement, then the end. Every leg but the caller's is let go.
    pub(super) fn announce(&mut self, now: Time, reason: EndReason) {
        self.fail_handoff(now, None);
        if self.stay != Stay::Outside {
            self.leave_queue();
        }
        let queue = self.queue.as_deref().and_then(|name| self.settings.queues.get(name));
        let prompt = queue.map_or(self.flow_settings().announcement, |queue| queue.announcement);
        self.go(now, Stage::Queued { announcing: None });
        self.stage = Stage::Queued { announcing: Some(reason) };
        self.note(now, Moment::Announcement);
        self.set_feed(Feed::Announce(prompt));
        self.timers.set(Timer::Announcement, now + ANNOUNCEMENT_MAX);
        self.answer_caller(now);
        let others: Vec<_> = self.legs.iter().skip(1).map(|leg| leg.id).collect();
        for id in others {
            self.end_leg(now, id, Farewell::Say, LegEnd::WeHungUp);
        }
    }

    /// The announcement is over.
    pub(super) fn announced(&mut self, now: Time) {
        match self.stage {
            Stage::Queued { announcing: Some(reason) } => self.end_call(now, reason),
            _ => self.counters.late_events += 1,
        }
    }
}
