//! Back to the AI: the leg that was kept, else a new INVITE that says how the handoff ended, else the announcement.
//! A handoff that a person began goes back to that person.

use baton_signaling::Time;

use crate::call::EndReason;
use crate::call::call::{Call, Feed, Stage};
use crate::call::leg::Farewell;
use crate::call::{LegEnd, Role};

impl Call {
    /// Gives the caller back. `self.result` says why.
    pub(super) fn return_to_ai(&mut self, now: Time) {
        let origin = self.handoff.as_ref().map(|handoff| handoff.origin);
        // A leg from which nothing comes is no one to be given back to.
        let kept = origin
            .and_then(|origin| self.leg(origin))
            .filter(|leg| leg.is_up() && !leg.silent)
            .map(|leg| (leg.id, leg.role));
        if let Some((agent, Role::Agent)) = kept {
            self.fail_handoff(now, None);
            self.result = None;
            self.set_feed(Feed::Bridge(agent));
            return self.go(now, Stage::WithAgent { agent });
        }
        if self.returns >= self.settings.handoffs_per_call {
            return self.announce(now, EndReason::HandoffLimit);
        }
        self.returns += 1;
        self.counters.returned(self.result.map_or("unknown", |result| result.word));
        self.fail_handoff(now, None);
        match kept {
            Some((ai, _)) => {
                self.result = None;
                self.set_feed(Feed::Bridge(ai));
                self.go(now, Stage::WithAi { ai });
            }
            None => {
                if let Some(origin) = origin {
                    self.end_leg(now, origin, Farewell::Say, LegEnd::WeHungUp);
                }
                self.try_ai(now, 0);
            }
        }
    }

    /// The new INVITE has failed at every address. Whoever wanted the AI and is still there has the caller back.
    pub(super) fn return_failed(&mut self, now: Time, reason: EndReason) {
        let waits = self.handoff.as_ref().and_then(|handoff| self.leg(handoff.origin));
        if waits.is_some_and(|leg| leg.is_up() && !leg.silent) {
            self.go(now, Stage::Queued { announcing: None });
            return self.return_to_ai(now);
        }
        self.announce(now, reason);
    }
}
