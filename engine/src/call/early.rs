//! Sound from before the answer (RFC 3960): ringing tones and announcements that a leg describes in a 18x. What of it the
//! caller hears is its peer's setting.
//!
//! A caller who is still being rung hears it through a 183 of ours, whose answer is final: the 200 repeats it (RFC 3261
//! §13.2.1), whoever is heard then.

use baton_signaling::Time;

use crate::call::call::{Call, Feed, Stage};
use crate::call::{Action, LegState, Moment, Role};
use crate::key::LegId;
use crate::settings::EarlyMedia;

impl Call {
    /// A provisional response to an INVITE of ours, with a description or without.
    pub(super) fn described_early(&mut self, now: Time, id: LegId, sdp: Option<&[u8]>) {
        if sdp.is_none() || !self.may_preview(id) {
            return;
        }
        let Some(media) = self.read_answer_on(id, sdp) else { return };
        self.open_media(id, &media);
        if self.feed != Feed::Preview(id) {
            self.note(now, Moment::EarlyMedia { leg: id });
            self.set_feed(Feed::Preview(id));
        }
        self.describe_to_caller(now);
    }

    /// Whether the caller is to hear a leg that has not been answered, and can.
    fn may_preview(&self, id: LegId) -> bool {
        let peer = self.leg(id).and_then(|leg| self.settings.peers.get(&leg.peer));
        let answered = self.caller().is_up();
        let wanted = match peer.map(|peer| peer.early_media).unwrap_or_default() {
            EarlyMedia::Auto => !answered,
            EarlyMedia::Play => true,
            EarlyMedia::Ignore => false,
        };
        // Whoever waits for our offer has nothing to hear with (RFC 3262 §5 would have it in a reliable response).
        wanted && (answered || self.caller().config.is_some() || self.caller_offer.is_some())
    }

    /// The caller that is being rung gets its answer in a 183, as soon as it has its port.
    pub(super) fn describe_to_caller(&mut self, now: Time) {
        let waits = self.caller().state == LegState::Ringing && matches!(self.feed, Feed::Preview(_));
        let Some(ours) = self.capabilities_of(LegId::CALLER).filter(|_| waits) else { return };
        let Some(offer) = self.caller_offer.take() else { return };
        match self.caller_mut().session.answer(&offer.0, &ours) {
            Ok(answer) => {
                self.early_answer = Some(answer.sdp.clone().into());
                self.act(Action::Early(LegId::CALLER, answer.sdp.into()));
                self.open_media(LegId::CALLER, &answer.media);
                self.order_feed();
            }
            Err(refusal) => self.refuse_offer(now, refusal),
        }
    }

    /// A leg that is heard early is about to end without an answer: its rest is played, then hold audio.
    pub(super) fn preview_over(&mut self, id: LegId) {
        if self.feed != Feed::Preview(id) || self.end.is_some() || self.stage == Stage::Ended {
            return;
        }
        let queue = match self.leg(id).map(|leg| leg.role) {
            Some(Role::Agent) => self.queue.clone(),
            _ => None,
        };
        let hold = self.hold_prompt(queue.as_deref());
        self.set_feed(Feed::Park { tail: Some(id), hold });
    }
}
