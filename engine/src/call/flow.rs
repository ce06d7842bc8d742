//! Which address of the AI is called next, what its failures mean, and where the caller goes when none answers.

use serde::Serialize;

use baton_signaling::Time;

use crate::call::call::{Call, Feed, Stage};
use crate::call::context::Source;
use crate::call::handoff::Returned;
use crate::call::leg::Farewell;
use crate::call::settings::OnAiFailure;
use crate::call::{Action, Dial, EndReason, Failure, LegEnd, LegState, Moment, Role, SipEvent, Timer};
use crate::key::LegId;
use crate::queue::Place;

/// What is under way while no AI has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Dialing {
    /// This leg, at the AI's address of this number.
    Leg { leg: LegId, address: usize },
    /// No AI answers: the queue has been asked to take the caller, who is not yet told anything.
    Bypass,
}

/// What a failure of one address means.
struct Verdict {
    reason: EndReason,
    /// Another address may do better.
    next: bool,
}

impl Call {
    /// Calls the AI at its address number `address`.
    pub(super) fn try_ai(&mut self, now: Time, address: usize) {
        let name = self.flow_settings().ai.clone();
        let uri = self.settings.peers.get(&name).and_then(|peer| peer.uris.get(address)).cloned();
        let Some(uri) = uri else {
            let reason = self.ai_failure.unwrap_or(EndReason::AiDown);
            return self.ai_unavailable(now, reason);
        };
        let leg = self.add_leg(now, Role::Ai, &name, &uri);
        self.go(now, Stage::DialingAi(Dialing::Leg { leg, address }));
    }

    /// The AI's leg has its port.
    pub(super) fn dial_ai(&mut self, now: Time, id: LegId) {
        let Some(dial) = self.dial_on(id) else { return };
        self.timers.set(Timer::AiProvisional, now + self.settings.timers.ai_provisional);
        self.timers.set(Timer::AiAnswer, now + self.settings.timers.ai_answer);
        self.send_dial(now, id, dial);
    }

    /// The INVITE for a leg that has its port.
    pub(super) fn dial_on(&mut self, id: LegId) -> Option<Dial> {
        let sdp = self.offer_on(id)?;
        let leg = self.leg(id)?;
        Some(Dial {
            uri: leg.uri.clone(),
            peer: leg.peer.clone(),
            from: self.name_for(leg),
            headers: self.headers_for(leg),
            sdp,
        })
    }

    pub(super) fn send_dial(&mut self, now: Time, id: LegId, dial: Dial) {
        self.note(now, Moment::LegDialed { leg: id, uri: dial.uri.clone() });
        if let Some(leg) = self.leg_mut(id) {
            leg.state = LegState::Dialing;
        }
        self.act(Action::Dial(id, dial));
    }

    /// A provisional response to an INVITE of ours; `true`: the first from a phone that rings.
    pub(super) fn progressed(&mut self, now: Time, id: LegId, status: u16) -> bool {
        let Some(leg) = self.leg_mut(id) else { return false };
        // 100 only says that the INVITE is being worked on.
        let first = status > 100 && leg.state == LegState::Dialing;
        if first {
            leg.state = LegState::Ringing;
            self.note(now, Moment::LegRinging { leg: id });
        }
        first
    }

    pub(super) fn ai_event(&mut self, now: Time, id: LegId, event: SipEvent) {
        let dialing = match self.stage {
            Stage::DialingAi(Dialing::Leg { leg, address }) if leg == id => Some(address),
            _ => None,
        };
        match (event, dialing) {
            (SipEvent::Progress { status, sdp }, Some(_)) => {
                self.timers.stop(Timer::AiProvisional);
                self.progressed(now, id, status);
                self.described_early(now, id, sdp.as_deref());
            }
            (SipEvent::Answered { sdp, headers }, Some(address)) => {
                self.merge_context(Source::Answer, &headers);
                self.ai_answered(now, id, address, sdp.as_deref());
            }
            (SipEvent::Refused { failure, headers }, Some(address)) => {
                match self.redirected(id, failure, &headers) {
                    Some(uri) => self.follow_ai(now, id, failure, &uri, address),
                    None => {
                        self.end_leg(now, id, Farewell::Nothing, leg_end(failure));
                        self.ai_failed(now, address, judge(failure));
                    }
                }
            }
            (SipEvent::Bye { .. } | SipEvent::Gone { .. }, Some(address)) => {
                self.end_leg(now, id, Farewell::Nothing, LegEnd::TheyHungUp);
                self.ai_failed(now, address, Verdict { reason: EndReason::AiDown, next: true });
            }
            (SipEvent::Bye { headers }, None) => self.ai_bye(now, id, &headers),
            (SipEvent::Gone { failure }, None) => self.ai_gone(now, id, Farewell::Nothing, gone(failure)),
            // RFC 3261 §13.3.1.4: whoever does not acknowledge our 200 in its time is let go.
            (SipEvent::NotAcked, None) => self.ai_gone(now, id, Farewell::Say, LegEnd::NoResponse),
            (SipEvent::Alive, None) => {}
            _ => self.counters.late_events += 1,
        }
    }

    fn ai_answered(&mut self, now: Time, id: LegId, address: usize, sdp: Option<&[u8]>) {
        let Some(media) = self.agreed_on(id, sdp) else {
            self.mark_up(now, id);
            self.end_leg(now, id, Farewell::Say, LegEnd::WeHungUp);
            return self.ai_failed(now, address, Verdict { reason: EndReason::AiRefused, next: false });
        };
        self.stop_ai_timers();
        self.ai_failure = None;
        self.result = None;
        self.open_leg(now, id, &media);
        self.go(now, Stage::WithAi { ai: id });
        // A caller who has been answered hears the AI at once; another is answered first, and then hears it.
        self.set_feed(Feed::Bridge(id));
        self.answer_caller(now);
        self.handoff_completed(now, id);
    }

    fn stop_ai_timers(&mut self) {
        self.timers.stop(Timer::AiProvisional);
        self.timers.stop(Timer::AiAnswer);
    }

    /// No provisional response, or no answer, in time.
    pub(super) fn ai_overdue(&mut self, now: Time) {
        if let Stage::DialingAi(Dialing::Leg { leg, address }) = self.stage {
            self.end_leg(now, leg, Farewell::Say, LegEnd::NoResponse);
            self.ai_failed(now, address, Verdict { reason: EndReason::AiSilent, next: true });
        }
    }

    pub(super) fn ai_without_port(&mut self, now: Time, id: LegId) {
        self.end_leg(now, id, Farewell::Nothing, LegEnd::Unreachable);
        self.ai_unavailable(now, EndReason::NoPort);
    }

    fn ai_failed(&mut self, now: Time, address: usize, verdict: Verdict) {
        self.stop_ai_timers();
        self.counters.ai_attempts_failed += 1;
        self.ai_failure = Some(verdict.reason);
        if verdict.next {
            self.try_ai(now, address + 1);
        } else {
            self.ai_unavailable(now, verdict.reason);
        }
    }

    /// No address of the AI answers.
    fn ai_unavailable(&mut self, now: Time, reason: EndReason) {
        self.stop_ai_timers();
        self.ai_failure = None;
        self.past.ai_failure = Some(reason);
        if self.result.is_some() {
            return self.return_failed(now, reason);
        }
        let flow = self.flow_settings();
        let (queue, wish) = (flow.queue.clone(), flow.on_ai_failure);
        let answered = self.caller().is_up();
        match queue {
            // A caller who has been answered cannot be refused any more.
            Some(queue) if wish == OnAiFailure::Queue || answered => {
                self.counters.queue_bypasses += 1;
                self.go(now, Stage::DialingAi(Dialing::Bypass));
                self.enter_queue(now, &queue, Place::Back);
            }
            _ if answered => self.announce(now, reason),
            _ => self.end_call(now, reason),
        }
    }

    fn ai_gone(&mut self, now: Time, id: LegId, farewell: Farewell, cause: LegEnd) {
        if self.stage == (Stage::WithAi { ai: id }) {
            self.ai_lost(now, id, farewell, cause);
        } else {
            self.end_leg(now, id, farewell, cause);
        }
    }

    /// The AI is lost in the middle of the conversation: the caller goes to the queue, and without one to the AI again.
    pub(super) fn ai_lost(&mut self, now: Time, id: LegId, farewell: Farewell, cause: LegEnd) {
        self.counters.ais_lost += 1;
        let queue = self.flow_settings().queue.clone();
        let hold = self.hold_prompt(queue.as_deref());
        self.set_feed(Feed::Park { tail: Some(id), hold });
        self.end_leg(now, id, farewell, cause);
        self.go(now, Stage::Queued { announcing: None });
        self.result = Some(Returned { word: "ai-lost", attempts: None });
        match queue {
            Some(queue) => self.enter_queue(now, &queue, Place::Back),
            None => self.return_to_ai(now),
        }
    }
}

/// What the failure of one address says of the AI, and whether the next is worth a try.
fn judge(failure: Failure) -> Verdict {
    let (reason, next) = match failure {
        Failure::Timeout | Failure::Expired => (EndReason::AiSilent, true),
        Failure::Transport | Failure::Status(408 | 500..=599) => (EndReason::AiDown, true),
        Failure::Status(486 | 600) => (EndReason::AiBusy, false),
        Failure::Status(480 | 487) => (EndReason::AiSilent, false),
        // 401, 403, 404, a codec it will not have: what we send is wrong, and is so at its other address too.
        Failure::Status(_) => (EndReason::AiRefused, false),
    };
    Verdict { reason, next }
}

pub(super) fn leg_end(failure: Failure) -> LegEnd {
    match failure {
        Failure::Status(status) => LegEnd::Refused(status),
        Failure::Timeout => LegEnd::NoResponse,
        Failure::Transport => LegEnd::Unreachable,
        Failure::Expired => LegEnd::Expired,
    }
}

/// How a leg ends whose far end has no such dialog any more.
pub(super) fn gone(failure: Failure) -> LegEnd {
    if failure == Failure::Expired { LegEnd::Expired } else { LegEnd::Gone }
}
