//! What a call counts, in plain numbers; the shard adds them up over calls and publishes the sums.

use serde::Serialize;

use crate::call::leg::LEGS_KEPT;
use crate::call::timers::Timer;
use crate::call::watching::{AlarmCount, Gaps};
use crate::key::LegId;
use crate::media::AlarmKind;

/// How a handoff was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HandoffMethod {
    /// REFER.
    Refer,
    /// BYE with the headers agreed on.
    Bye,
    /// The caller's escape digit.
    Dtmf,
}

impl HandoffMethod {
    /// The metric's label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Refer => "refer",
            Self::Bye => "bye",
            Self::Dtmf => "dtmf",
        }
    }
}

/// Handoffs of one call that ended alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HandoffCount {
    /// How they were asked for.
    pub method: HandoffMethod,
    /// The caller spoke with whom it was handed to.
    pub completed: bool,
    /// Why they ended so: `answered`, what the queues or the phones said, or the label of the call's end.
    pub reason: &'static str,
    /// How many.
    pub count: u64,
}

/// Returns to the AI of one call for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ReturnCount {
    /// The word of `X-Handoff-Result`.
    pub reason: &'static str,
    /// How many.
    pub count: u64,
}

/// re-INVITEs by which Opus far ends were told of the bandwidth that is heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BandwidthCount {
    /// Sent, but for repetitions after 491.
    pub asked: u64,
    /// Answered with a description that could be used.
    pub taken: u64,
    /// Refused, or answered with none.
    pub refused: u64,
}

/// Counts of one call from its start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Timers that fired, by [`Timer`].
    pub timers: [u64; Timer::COUNT],
    /// Handoffs that are over, by method, result and reason. As long as there are such combinations at the most.
    pub handoffs: Vec<HandoffCount>,
    /// Callers given back to the AI, by reason.
    pub returns: Vec<ReturnCount>,
    /// Handoffs begun.
    pub handoffs_initiated: u64,
    /// Handoffs after which the caller spoke with a person.
    pub handoffs_completed: u64,
    /// Handoffs that ended without a person.
    pub handoffs_failed: u64,
    /// REFERs merged into a handoff that was under way (202).
    pub refers_merged: u64,
    /// REFERs refused because another handoff was under way (491).
    pub refers_glared: u64,
    /// REFERs refused because their sender may not ask for a handoff, their target cannot be read, or they ask for more
    /// than a handoff (403, 400, 603, 501).
    pub refers_refused: u64,
    /// Handoffs sent to the default queue because their target is not ours and not allowed.
    pub targets_refused: u64,
    /// Subscriptions of a REFER that the far end ended.
    pub notifies_failed: u64,
    /// 3xx answers that were followed.
    pub redirects_followed: u64,
    /// 3xx answers that named no place where their peer may send us, or once too often.
    pub redirects_refused: u64,
    /// AI addresses given up for the next.
    pub ai_attempts_failed: u64,
    /// AI legs lost in conversation.
    pub ais_lost: u64,
    /// Callers sent to the queue because no AI answered.
    pub queue_bypasses: u64,
    /// Agents offered that did not answer.
    pub agent_attempts_failed: u64,
    /// Agents lost in conversation.
    pub agents_lost: u64,
    /// Answers that crossed our CANCEL.
    pub answers_crossed: u64,
    /// Callers given back to the AI.
    pub returns_to_ai: u64,
    /// Digits the caller pressed; which ones is not kept.
    pub digits: u64,
    /// Alarms about the sound of legs: at most four kinds for each leg of the call.
    pub alarms: Vec<AlarmCount>,
    /// Sessions offered once more to a leg that was not heard.
    pub reoffers: u64,
    /// Opus far ends told of another bandwidth by re-INVITE.
    pub bandwidth: BandwidthCount,
    /// How long the AI took to answer.
    pub ai_silence: Gaps,
    /// Presses of the escape digit that began a handoff.
    pub escapes: u64,
    /// INFOs that were no digit, or none that can be read (400, 415).
    pub infos_refused: u64,
    /// Digits that came faster than INFOs are sent.
    pub infos_dropped: u64,
    /// Offers of an older stay in a queue, and other notices that came too late.
    pub late_notices: u64,
    /// Events of legs that are over, and inputs that fit no state.
    pub late_events: u64,
    /// Offers and answers in a living dialog that could not be used.
    pub sdp_failures: u64,
}

impl Counters {
    pub(crate) fn fired(&mut self, timer: Timer) {
        self.timers[timer as usize] += 1;
    }

    /// Counts an alarm; whether it is the first of its kind on this leg.
    pub(crate) fn alarmed(&mut self, leg: LegId, kind: AlarmKind) -> bool {
        if let Some(known) = self.alarms.iter_mut().find(|other| (other.leg, other.kind) == (leg, kind)) {
            known.count += 1;
            return false;
        }
        if self.alarms.len() == LEGS_KEPT * AlarmKind::COUNT {
            return false;
        }
        self.alarms.push(AlarmCount { leg, kind, count: 1 });
        true
    }

    pub(crate) fn handed_off(&mut self, method: HandoffMethod, completed: bool, reason: &'static str) {
        let total = if completed { &mut self.handoffs_completed } else { &mut self.handoffs_failed };
        *total += 1;
        let same = |other: &&mut HandoffCount| {
            (other.method, other.completed, other.reason) == (method, completed, reason)
        };
        match self.handoffs.iter_mut().find(same) {
            Some(known) => known.count += 1,
            None => self.handoffs.push(HandoffCount { method, completed, reason, count: 1 }),
        }
    }

    pub(crate) fn returned(&mut self, reason: &'static str) {
        self.returns_to_ai += 1;
        match self.returns.iter_mut().find(|other| other.reason == reason) {
            Some(known) => known.count += 1,
            None => self.returns.push(ReturnCount { reason, count: 1 }),
        }
    }

    /// How often `timer` fired.
    pub const fn timer(&self, timer: Timer) -> u64 {
        self.timers[timer as usize]
    }
}
