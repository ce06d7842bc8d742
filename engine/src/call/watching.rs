//! What an alarm about a leg's sound leads to: it is noted and counted, a leg from which nothing comes is offered its
//! session once more, and nothing is ended. A leg that stays away is the business of `timers.media`.

use std::time::Duration;

use serde::Serialize;

use baton_signaling::{Time, earliest};

use crate::call::call::Call;
use crate::call::leg::Reoffer;
use crate::call::{Action, Moment, Role, Timer};
use crate::key::LegId;
use crate::media::AlarmKind;

/// Gaps kept for the record: a conversation of an hour has about two hundred turns.
const GAPS_MAX: usize = 256;
/// Alarms that wait to be told to the operator; the owner takes them after every input.
const ALARMS_MAX: usize = 16;

/// An alarm for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Alarm {
    /// The leg.
    pub leg: LegId,
    /// Whose leg it is.
    pub role: Role,
    /// What is wrong with its sound.
    pub kind: AlarmKind,
    /// The first of its kind on this leg: the ones after it are counted and not logged.
    pub first: bool,
}

/// Alarms of one call that were alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AlarmCount {
    /// The leg.
    pub leg: LegId,
    /// What was wrong.
    pub kind: AlarmKind,
    /// How often.
    pub count: u64,
}

/// How long the caller waited for the AI's answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Gaps {
    /// Answers.
    pub count: u64,
    /// The median of the latest, in milliseconds.
    pub p50_ms: u32,
    /// The longest of all, in milliseconds.
    pub max_ms: u32,
    /// The latest, in order: whose, and how long in milliseconds.
    pub latest: Vec<(LegId, u32)>,
}

impl Gaps {
    fn add(&mut self, leg: LegId, ms: u32) {
        self.count += 1;
        self.max_ms = self.max_ms.max(ms);
        if self.latest.len() == GAPS_MAX {
            self.latest.remove(0);
        }
        self.latest.push((leg, ms));
        let mut sorted: Vec<u32> = self.latest.iter().map(|(_, ms)| *ms).collect();
        sorted.sort_unstable();
        self.p50_ms = sorted[(sorted.len() - 1) / 2];
    }
}

/// What has been tried for a leg whose sound is missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Remedy {
    /// The session is offered anew then: because nothing comes, because nothing arrives there.
    due: [Option<Time>; 2],
    /// It has been, once and for all.
    done: bool,
}

impl Remedy {
    fn next(&self) -> Option<Time> {
        self.due.iter().copied().fold(None, earliest)
    }

    /// Where the time for an alarm of this kind is kept, if it leads to an offer.
    fn place(&mut self, kind: AlarmKind) -> Option<&mut Option<Time>> {
        match kind {
            AlarmKind::NoRtp => Some(&mut self.due[0]),
            AlarmKind::NotReceived => Some(&mut self.due[1]),
            AlarmKind::NoSound | AlarmKind::DeadAir => None,
        }
    }
}

impl Call {
    /// The next alarm for the operator, after each input.
    pub fn poll_alarm(&mut self) -> Option<Alarm> {
        self.alarms.pop_front()
    }

    /// Something has been wrong with a leg's sound for `timers.one_way`.
    pub(super) fn alarmed(&mut self, now: Time, id: LegId, kind: AlarmKind) {
        let Some(leg) = self.leg(id).filter(|leg| leg.is_up()) else {
            self.counters.late_events += 1;
            return;
        };
        let role = leg.role;
        // A person who has been heard and is silent listens, or has muted the microphone.
        if kind == AlarmKind::DeadAir && role != Role::Ai {
            return;
        }
        let first = self.counters.alarmed(id, kind);
        self.note(now, Moment::Alarm { leg: id, kind });
        if self.alarms.len() < ALARMS_MAX {
            self.alarms.push_back(Alarm { leg: id, role, kind, first });
        }
        match kind {
            // The gate is open for another source; if none comes, the far end is asked where it is.
            AlarmKind::NoRtp => self.plan_remedy(now, id, kind, self.settings.timers.one_way),
            AlarmKind::NotReceived => self.plan_remedy(now, id, kind, Duration::ZERO),
            AlarmKind::NoSound | AlarmKind::DeadAir => {}
        }
    }

    /// What was wrong has come right; what else is wrong stays so.
    pub(super) fn alarm_over(&mut self, now: Time, id: LegId, kind: AlarmKind) {
        if self.counters.alarms.iter().any(|alarm| (alarm.leg, alarm.kind) == (id, kind)) {
            self.note(now, Moment::AlarmOver { leg: id, kind });
        }
        if let Some(due) = self.leg_mut(id).and_then(|leg| leg.remedy.place(kind)) {
            *due = None;
            self.arm_remedy();
        }
    }

    fn plan_remedy(&mut self, now: Time, id: LegId, kind: AlarmKind, wait: Duration) {
        if let Some(leg) = self.leg_mut(id).filter(|leg| !leg.remedy.done)
            && let Some(due) = leg.remedy.place(kind)
        {
            *due = Some(now + wait);
        }
        self.arm_remedy();
    }

    /// A leg that holds us is not missed.
    pub(super) fn drop_remedy(&mut self, id: LegId) {
        if let Some(leg) = self.leg_mut(id) {
            leg.remedy.due = [None; 2];
            self.arm_remedy();
        }
    }

    fn arm_remedy(&mut self) {
        match self.legs.iter().filter(|leg| leg.is_live()).filter_map(|leg| leg.remedy.next()).min() {
            Some(due) => self.timers.set(Timer::Remedy, due),
            None => self.timers.stop(Timer::Remedy),
        }
    }

    /// The session is offered once more to legs that are still not heard, or do not hear us.
    pub(super) fn remedy_due(&mut self, now: Time) {
        let due = |leg: &&crate::call::leg::Leg| leg.remedy.next().is_some_and(|due| due <= now);
        let ids: Vec<_> = self.legs.iter().filter(due).map(|leg| leg.id).collect();
        for id in ids {
            self.offer_again(now, id);
        }
        self.arm_remedy();
    }

    fn offer_again(&mut self, now: Time, id: LegId) {
        let Some(leg) = self.leg_mut(id) else { return };
        leg.remedy = Remedy { due: [None; 2], done: true };
        // What is on offer already is the session, whatever for.
        if !leg.is_up() || leg.awaits_answer || leg.reoffer.is_some() {
            return;
        }
        if let Some(offer) = self.offer_on(id) {
            if let Some(leg) = self.leg_mut(id) {
                leg.reoffer = Some(Reoffer::Remedy);
            }
            self.counters.reoffers += 1;
            self.note(now, Moment::Reoffered { leg: id });
            self.act(Action::Reinvite(id, offer));
        }
    }

    /// The far end's own offer was dealt with while ours waits to be sent again (491): that one is written anew, since what
    /// it said has been agreed on otherwise.
    pub(super) fn renew_offer(&mut self, id: LegId) {
        if self.leg(id).is_some_and(|leg| leg.reoffer.is_some())
            && let Some(offer) = self.offer_on(id)
        {
            self.act(Action::Reinvite(id, offer));
        }
    }

    /// The far end has answered our re-INVITE, or refused it; then all is as it was.
    pub(super) fn reanswered(&mut self, now: Time, id: LegId, sdp: Option<&[u8]>) {
        // Without one: ours had left when it was written anew, both were answered, and what counts is the latest word.
        let reoffer = self.leg_mut(id).and_then(|leg| leg.reoffer.take());
        if reoffer.is_none() && sdp.is_none() {
            self.counters.late_events += 1;
            return;
        }
        let media = sdp.and_then(|_| self.read_answer_on(id, sdp));
        if let Some(Reoffer::Bandwidth { beside }) = reoffer {
            self.bandwidth_answered(id, beside, media.is_some());
        }
        if let Some(media) = media {
            self.update_leg(now, id, &media);
        }
        // Once: devices that answer by turns have no end.
        if reoffer.is_some_and(|reoffer| reoffer != Reoffer::Rekey) {
            self.renew_key(id);
        }
    }

    /// Another device has answered an offer of ours: it is offered a key that the one before does not know.
    pub(super) fn renew_key(&mut self, id: LegId) {
        let due = |leg: &crate::call::leg::Leg| {
            leg.is_up() && leg.reoffer.is_none() && !leg.awaits_answer && leg.session.wants_new_key()
        };
        if self.leg(id).is_some_and(due)
            && let Some(offer) = self.offer_on(id)
            && let Some(leg) = self.leg_mut(id)
        {
            leg.reoffer = Some(Reoffer::Rekey);
            self.act(Action::Reinvite(id, offer));
        }
    }

    /// The session's timer wants it offered once more, as it is (RFC 4028 §7.4: the version stays). An offer that is on its
    /// way does as well.
    pub(super) fn refresh_due(&mut self, id: LegId) {
        let Some(leg) = self.leg_mut(id).filter(|leg| leg.is_up() && !leg.awaits_answer) else { return };
        if leg.reoffer.is_none()
            && let Some(last) = leg.session.last().cloned()
        {
            leg.reoffer = Some(Reoffer::Refresh);
            self.act(Action::Reinvite(id, last.into()));
        }
    }

    /// Somebody has answered the caller's words.
    pub(super) fn answered_after(&mut self, id: LegId, ms: u32) {
        if self.leg(id).is_some_and(|leg| leg.role == Role::Ai) {
            self.counters.ai_silence.add(id, ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_kept_with_their_median_and_their_longest() {
        let mut gaps = Gaps::default();
        for ms in [900, 300, 500, 700, 400] {
            gaps.add(LegId(1), ms);
        }
        assert_eq!((gaps.count, gaps.p50_ms, gaps.max_ms), (5, 500, 900));
        (0..1000).for_each(|ms| gaps.add(LegId(1), ms));
        assert_eq!((gaps.count, gaps.latest.len(), gaps.max_ms), (1005, GAPS_MAX, 999));
    }
}
