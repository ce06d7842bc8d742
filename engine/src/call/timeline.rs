//! What happened in a call and when, for API, record and report. Bounded: the first and the latest entries stay.

use serde::Serialize;

use baton_signaling::Time;

use crate::call::state::State;
use crate::call::{EndReason, Timer};
use crate::key::LegId;
use crate::media::AlarmKind;

/// Most entries kept; a plain call has about ten, a handoff over five agents about forty.
pub const TIMELINE_MAX: usize = 256;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When.
    pub at: Time,
    /// What.
    pub what: Moment,
}

/// What can happen in a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
#[allow(missing_docs, reason = "the fields are named by their types and their variant")]
pub enum Moment {
    /// The call came to stand here.
    State { state: State },
    /// A leg is being called.
    LegDialed { leg: LegId, uri: String },
    /// A leg's far end rings.
    LegRinging { leg: LegId },
    /// A leg has answered, or was answered by us.
    LegAnswered { leg: LegId },
    /// A leg is over: its end's cause in a few words, with the SIP status if there was one.
    LegEnded { leg: LegId, cause: LegEnd },
    /// A leg was put on hold by its far end.
    LegHeld { leg: LegId },
    /// A leg was resumed by its far end.
    LegResumed { leg: LegId },
    /// Nothing more comes from a leg.
    LegSilent { leg: LegId },
    /// PolyAI's handoff_initiated.
    HandoffInitiated { by: LegId, to: String },
    /// PolyAI's handoff_completed.
    HandoffCompleted { agent: LegId },
    /// PolyAI's handoff_failed, with the status told to the subscription.
    HandoffFailed { status: u16 },
    /// The caller waits at this place of a queue.
    Queued { queue: String, position: u32 },
    /// The first packet of a leg came.
    FirstPacket { leg: LegId },
    /// The first sound of a leg was played.
    FirstSound { leg: LegId },
    /// The caller now hears the person.
    AgentHeard { leg: LegId },
    /// The caller now hears hold audio.
    HoldHeard,
    /// The caller is to hear what this leg sends before it is answered.
    EarlyMedia { leg: LegId },
    /// An announcement begins.
    Announcement,
    /// A digit was pressed; which one is not kept, and shown as `*`.
    Digit { leg: LegId, digit: Masked },
    /// Something is wrong with a leg's sound.
    Alarm { leg: LegId, kind: AlarmKind },
    /// What was wrong has come right.
    AlarmOver { leg: LegId, kind: AlarmKind },
    /// Its session was offered to a leg once more.
    Reoffered { leg: LegId },
    /// A leg was asked for Opus of at most this rate, in hertz.
    BandwidthAsked { leg: LegId, hz: u32 },
    /// A timer fired.
    TimerFired { timer: Timer },
    /// The call's end.
    Ended { reason: EndReason },
}

/// What is not shown, since it may be a digit of a card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Masked;

impl Serialize for Masked {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("*")
    }
}

/// How a leg ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LegEnd {
    /// Its far end sent BYE or CANCEL.
    TheyHungUp,
    /// We sent BYE, CANCEL or a refusal.
    WeHungUp,
    /// Its far end refused with this status.
    Refused(u16),
    /// Its far end did not respond.
    NoResponse,
    /// It could not be sent to.
    Unreachable,
    /// A request in its dialog got 481, 408 or nothing.
    Gone,
    /// Nobody has refreshed its session (RFC 4028).
    Expired,
}

/// The entries of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Timeline {
    entries: Vec<Entry>,
    /// Entries left out from the middle.
    omitted: u64,
}

impl Timeline {
    /// All entries that were kept, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn note(&mut self, at: Time, what: Moment) {
        if self.entries.len() == TIMELINE_MAX {
            // The beginning tells how the call came about and the end why it ended: the middle goes.
            self.entries.remove(TIMELINE_MAX / 2);
            self.omitted += 1;
        }
        self.entries.push(Entry { at, what });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_timeline_keeps_its_beginning_and_its_end() {
        let mut timeline = Timeline::default();
        for second in 0..1000 {
            timeline.note(Time::from_secs(second), Moment::HoldHeard);
        }
        assert_eq!(timeline.entries().len(), TIMELINE_MAX);
        assert_eq!(timeline.omitted, 1000 - TIMELINE_MAX as u64);
        assert_eq!(timeline.entries().first().unwrap().at, Time::ZERO);
        assert_eq!(timeline.entries().last().unwrap().at, Time::from_secs(999));
    }
}
