//! The states of a call as its users see them, and which may follow which.

use serde::{Deserialize, Serialize};

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// An INVITE has come.
    Incoming,
    /// An address of the AI is being called.
    DialingAi,
    /// Caller and AI speak.
    WithAi,
    /// Somebody behind the caller has asked for a handoff.
    HandoffRequested,
    /// The caller waits for a person (or hears the announcement after waiting in vain).
    Queued,
    /// An agent's phone rings.
    RingingAgent,
    /// Caller and person speak.
    WithAgent,
    /// It is over; at most legs are still being ended.
    Ended,
}

impl State {
    /// All states, in the order of a call that goes well.
    pub const ALL: [Self; 8] = [
        Self::Incoming,
        Self::DialingAi,
        Self::WithAi,
        Self::HandoffRequested,
        Self::Queued,
        Self::RingingAgent,
        Self::WithAgent,
        Self::Ended,
    ];

    /// Its name in metrics, API and records.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Incoming => "incoming",
            Self::DialingAi => "dialing_ai",
            Self::WithAi => "with_ai",
            Self::HandoffRequested => "handoff_requested",
            Self::Queued => "queued",
            Self::RingingAgent => "ringing_agent",
            Self::WithAgent => "with_agent",
            Self::Ended => "ended",
        }
    }

    /// Whether a call may go from here to `next` in one step.
    pub const fn leads_to(self, next: Self) -> bool {
        match self {
            Self::Incoming => matches!(next, Self::DialingAi | Self::Ended),
            // Queued: no address answers (bypass).
            Self::DialingAi => matches!(next, Self::WithAi | Self::Queued | Self::Ended),
            // Queued: the AI was lost (bypass).
            Self::WithAi => matches!(next, Self::HandoffRequested | Self::Queued | Self::Ended),
            // RingingAgent: the target is one URI and no queue. DialingAi: the person asks for the AI.
            // WithAi, WithAgent: back to who asked, because the target was refused at once.
            Self::HandoffRequested => matches!(
                next,
                Self::Queued
                    | Self::RingingAgent
                    | Self::DialingAi
                    | Self::WithAi
                    | Self::WithAgent
                    | Self::Ended
            ),
            // WithAi: the kept leg. DialingAi: a new INVITE to the AI. WithAgent: the person who asked for the handoff.
            Self::Queued => {
                matches!(
                    next,
                    Self::RingingAgent | Self::WithAi | Self::DialingAi | Self::WithAgent | Self::Ended
                )
            }
            Self::RingingAgent => matches!(next, Self::WithAgent | Self::Queued | Self::Ended),
            // Queued: the person was lost.
            Self::WithAgent => matches!(next, Self::HandoffRequested | Self::Queued | Self::Ended),
            Self::Ended => false,
        }
    }
}
