//! Offers within a living dialog: hold, resume, a new address. Each side's is answered here by negotiating again; the
//! other side's dialog is not touched, since the session plays to each what it is to hear.

use baton_signaling::Time;
use baton_signaling::sdp::{Description, Negotiated};

use crate::call::call::Call;
use crate::call::caller::warning;
use crate::call::{Action, LegState, Moment, RequestKey};
use crate::key::LegId;
use crate::media::Order;

impl Call {
    /// re-INVITE or UPDATE.
    pub(super) fn offered(&mut self, now: Time, id: LegId, request: RequestKey, sdp: Option<Description>) {
        // Before the answer the endpoint lets only those through that may come then (RFC 3311 §5.1).
        let ready = self
            .leg(id)
            .is_some_and(|leg| matches!(leg.state, LegState::Up | LegState::Ringing) && !leg.awaits_answer);
        let Some(ours) = self.capabilities_of(id).filter(|_| ready) else {
            // RFC 3261 §14.2, RFC 3311 §5.2: another offer is still open.
            return self.respond(id, request, 491, None, Vec::new());
        };
        let Some(leg) = self.leg_mut(id) else { return };
        match sdp {
            Some(offer) => match leg.session.answer(&offer, &ours) {
                Ok(answer) => {
                    self.respond(id, request, 200, Some(answer.sdp.into()), Vec::new());
                    self.update_leg(now, id, &answer.media);
                    self.renew_offer(id);
                }
                Err(refusal) => {
                    // The session goes on as it was (RFC 3261 §14.2).
                    self.counters.sdp_failures += 1;
                    let warning = warning(refusal, &self.settings.from_host);
                    self.respond(id, request, 488, None, vec![warning]);
                }
            },
            None => {
                leg.awaits_answer = true;
                let offer = leg.session.offer(&ours);
                self.respond(id, request, 200, Some(offer.into()), Vec::new());
            }
        }
    }

    pub(super) fn respond(
        &mut self,
        leg: LegId,
        request: RequestKey,
        status: u16,
        sdp: Option<Description>,
        headers: Vec<crate::call::Header>,
    ) {
        self.act(Action::Respond { leg, request, status, sdp, headers });
    }

    /// ACK; with the answer if we made the offer.
    pub(super) fn acked(&mut self, now: Time, id: LegId, sdp: Option<Description>) {
        let Some(leg) = self.leg_mut(id).filter(|leg| leg.awaits_answer) else { return };
        if id == LegId::CALLER && leg.config.is_none() {
            return self.caller_answered_offer(now, sdp.as_deref());
        }
        leg.awaits_answer = false;
        if let Some(media) = self.read_answer_on(id, sdp.as_deref()) {
            self.update_leg(now, id, &media);
        }
        self.renew_offer(id);
        self.renew_key(id);
    }

    pub(super) fn update_leg(&mut self, now: Time, id: LegId, media: &Negotiated) {
        let config = self.config_of(id, media);
        if id == LegId::CALLER {
            self.caller_speaks(media.payload.clone());
        }
        // Not answered yet, and not heard: what stands is taken up with the answer.
        let Some(leg) = self.leg_mut(id).filter(|leg| leg.config.is_some()) else { return };
        let (before, after) = (leg.held, !config.send);
        leg.held = after;
        if leg.config.as_ref() != Some(&config) {
            leg.config = Some(config.clone());
            self.act(Action::Media(Order::Update { leg: id, config }));
        }
        if after {
            self.drop_remedy(id);
        }
        match (before, after) {
            (false, true) => self.note(now, Moment::LegHeld { leg: id }),
            (true, false) => self.note(now, Moment::LegResumed { leg: id }),
            _ => {}
        }
    }
}
