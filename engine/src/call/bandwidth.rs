//! What an Opus sender was told of the bandwidth that is heard (`maxplaybackrate`, RFC 7587 §6.1), said anew when another
//! party takes the other side of its call: with G.711 there, nothing above telephone bandwidth arrives; with Opus, which
//! is passed on as it is, everything does. Only where `media.wideband_reinvite` says so: a phone that takes no re-INVITE
//! well is worse than one that sends less than it could.
//!
//! It leaves out what is said in every other offer and answer, which is right already when it is written.

use serde::Serialize;

use baton_signaling::Time;
use baton_signaling::sdp::OpusFormat;

use crate::call::call::Call;
use crate::call::leg::{Leg, Reoffer};
use crate::call::offer::is_opus;
use crate::call::{Action, Moment};
use crate::key::LegId;

/// Highest rate of Opus, in hertz: what a sender that was told none may take for granted.
const FULL_HZ: u32 = 48_000;

/// Times that a leg is asked beside the same other one: far ends that take up in their answers what they were told, as many
/// do, would have each other asked without end.
const ASKED_MAX: u8 = 4;

/// What has been tried of a leg's bandwidth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Bandwidth {
    /// Beside whom it was last asked, and how often.
    asked: Option<(LegId, u8)>,
    /// Beside whom it has been refused: not asked again.
    refused: Option<LegId>,
}

impl Bandwidth {
    /// How often it was asked beside `other`.
    fn times(&self, other: LegId) -> u8 {
        self.asked.filter(|(beside, _)| *beside == other).map_or(0, |(_, times)| times)
    }
}

impl Call {
    /// Asks the two who speak with each other for the bandwidth that each hears of the other, where they were told of
    /// another. The last thing of a turn: it waits for everything else, and nothing waits for it.
    pub(super) fn match_bandwidth(&mut self, now: Time) {
        if !self.settings.wideband_reinvite {
            return;
        }
        if let Some(partner) = self.partner() {
            self.match_leg(now, LegId::CALLER, partner);
            self.match_leg(now, partner, LegId::CALLER);
        }
    }

    fn match_leg(&mut self, now: Time, id: LegId, other: LegId) {
        let Some(hz) = self.bandwidth_due(id, other) else { return };
        let Some(mut ours) = self.capabilities_of(id) else { return };
        // The codec is not at issue.
        ours.codecs.retain(baton_signaling::sdp::Codec::is_opus);
        let Some(leg) = self.leg_mut(id) else { return };
        leg.bandwidth.asked = Some((other, leg.bandwidth.times(other) + 1));
        leg.reoffer = Some(Reoffer::Bandwidth { beside: other });
        let offer = leg.session.offer(&ours);
        self.counters.bandwidth.asked += 1;
        self.note(now, Moment::BandwidthAsked { leg: id, hz });
        self.act(Action::Reinvite(id, offer.into()));
    }

    /// The rate that a leg's far end is to be told because of `other`, if it is another than it was told, and if this is
    /// the time.
    fn bandwidth_due(&self, id: LegId, other: LegId) -> Option<u32> {
        let leg = self.leg(id).filter(|leg| may_be_asked(leg))?;
        self.leg(other).filter(|other| other.is_up() && other.config.is_some())?;
        let told = OpusFormat::read(&leg.session.current()?.told).playback_hz.unwrap_or(FULL_HZ);
        let wanted = self.opus_wanted(leg).playback_hz.unwrap_or(FULL_HZ);
        let spent = leg.bandwidth.refused == Some(other) || leg.bandwidth.times(other) >= ASKED_MAX;
        (told != wanted && !spent).then_some(wanted)
    }

    /// The far end has taken a re-INVITE of this kind, or refused it.
    pub(super) fn bandwidth_answered(&mut self, id: LegId, beside: LegId, taken: bool) {
        let count = &mut self.counters.bandwidth;
        if taken {
            count.taken += 1;
            return;
        }
        count.refused += 1;
        if let Some(leg) = self.leg_mut(id) {
            leg.bandwidth.refused = Some(beside);
        }
    }
}

/// It speaks Opus, is not on hold (a phone could take our offer for the end of it), and no offer of either side is open.
fn may_be_asked(leg: &Leg) -> bool {
    let speaks_opus = leg.config.as_ref().is_some_and(|config| is_opus(config) && config.receive);
    leg.is_up() && speaks_opus && !leg.held && !leg.awaits_answer && leg.reoffer.is_none()
}
