//! Why calls end: one table from the reason to the SIP status, the Q.850 cause, the metric's label and who is to blame.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::call::Header;

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The caller sent BYE.
    CallerHungUp,
    /// The caller cancelled before the answer.
    CallerCancelled,
    /// The caller never acknowledged our 200 (RFC 3261 §13.3.1.4).
    CallerNotAcked,
    /// No RTP, no RTCP and no answer to OPTIONS from the caller.
    CallerSilent,
    /// 481, 408 or silence to a request in the caller's dialog.
    CallerGone,
    /// Nobody has refreshed the caller's session (RFC 4028).
    SessionExpired,
    /// The caller answered our offer with an SDP we cannot use.
    CallerBadAnswer,
    /// The AI ended the call with a BYE that asks for no handoff.
    AiHungUp,
    /// The agent ended the call.
    AgentHungUp,
    /// No flow takes this number.
    NoFlow,
    /// The caller's offer has no codec in common with its peer's list.
    NoCodec,
    /// The caller's offer and its peer's settings have no way to secure (or not to secure) the media in common.
    NoSecurity,
    /// The caller's offer cannot be read.
    BadOffer,
    /// The AI is busy.
    AiBusy,
    /// The AI did not answer in time.
    AiSilent,
    /// The AI cannot be reached.
    AiDown,
    /// The AI refuses us: our fault.
    AiRefused,
    /// The queue is closed or has no agents.
    QueueClosed,
    /// The queue is full.
    QueueFull,
    /// No person could be found, and the announcement has been played (or was not wanted).
    QueueExhausted,
    /// The caller was given back to the AI as often as allowed.
    HandoffLimit,
    /// No RTP port was to be had.
    NoPort,
    /// An operator or the API ended the call.
    HungUpByOperator,
    /// The node's drain deadline came.
    Drained,
    /// The node could not serve the call any further.
    Overload,
    /// The call stood where it could not stand; a fault of ours.
    Internal,
}

/// Who is to blame for an end, for the metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// Nobody: an ordinary end.
    Nobody,
    /// The caller's side.
    Caller,
    /// The AI's side.
    Ai,
    /// The agents' side.
    Agent,
    /// This node or its settings.
    Us,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndRow {
    /// Final status if the caller's INVITE is still unanswered (RFC 3261 §21).
    pub status: u16,
    /// Its reason phrase.
    pub phrase: &'static str,
    /// Q.850 cause, for the Reason header of BYE and CANCEL (RFC 3326).
    pub cause: u8,
    /// The text beside the cause.
    pub text: &'static str,
    /// The metric's label.
    pub label: &'static str,
    /// Who is to blame.
    pub blame: Blame,
}

impl EndReason {
    /// All reasons, in the order of the table.
    pub const ALL: [Self; 26] = [
        Self::CallerHungUp,
        Self::CallerCancelled,
        Self::CallerNotAcked,
        Self::CallerSilent,
        Self::CallerGone,
        Self::SessionExpired,
        Self::CallerBadAnswer,
        Self::AiHungUp,
        Self::AgentHungUp,
        Self::NoFlow,
        Self::NoCodec,
        Self::NoSecurity,
        Self::BadOffer,
        Self::AiBusy,
        Self::AiSilent,
        Self::AiDown,
        Self::AiRefused,
        Self::QueueClosed,
        Self::QueueFull,
        Self::QueueExhausted,
        Self::HandoffLimit,
        Self::NoPort,
        Self::HungUpByOperator,
        Self::Drained,
        Self::Overload,
        Self::Internal,
    ];

    /// What this reason means to everybody else.
    pub const fn row(self) -> EndRow {
        use Blame::{Agent, Ai, Caller, Nobody, Us};
        match self {
            Self::CallerHungUp => {
                row(487, "Request Terminated", 16, "caller hung up", "caller_hung_up", Nobody)
            }
            Self::CallerCancelled => {
                row(487, "Request Terminated", 16, "caller cancelled", "caller_cancelled", Nobody)
            }
            Self::CallerNotAcked => {
                row(487, "Request Terminated", 102, "caller did not acknowledge", "caller_not_acked", Caller)
            }
            Self::CallerSilent => {
                row(487, "Request Terminated", 102, "caller silent", "caller_silent", Caller)
            }
            Self::CallerGone => row(487, "Request Terminated", 27, "caller gone", "caller_gone", Caller),
            Self::SessionExpired => {
                row(487, "Request Terminated", 102, "session expired", "session_expired", Caller)
            }
            Self::CallerBadAnswer => {
                row(488, "Not Acceptable Here", 65, "caller's answer unusable", "caller_bad_answer", Caller)
            }
            Self::AiHungUp => row(480, "Temporarily Unavailable", 16, "AI hung up", "ai_hung_up", Nobody),
            Self::AgentHungUp => {
                row(480, "Temporarily Unavailable", 16, "agent hung up", "agent_hung_up", Nobody)
            }
            Self::NoFlow => row(404, "Not Found", 1, "no flow for this number", "no_flow", Caller),
            Self::NoCodec => row(488, "Not Acceptable Here", 65, "no codec in common", "no_codec", Caller),
            Self::NoSecurity => {
                row(488, "Not Acceptable Here", 65, "no security in common", "no_security", Caller)
            }
            Self::BadOffer => row(488, "Not Acceptable Here", 65, "offer unreadable", "bad_offer", Caller),
            Self::AiBusy => row(486, "Busy Here", 17, "AI busy", "ai_busy", Ai),
            Self::AiSilent => row(480, "Temporarily Unavailable", 18, "AI did not answer", "ai_silent", Ai),
            Self::AiDown => row(503, "Service Unavailable", 27, "AI not reachable", "ai_down", Ai),
            Self::AiRefused => row(503, "Service Unavailable", 21, "AI refused the call", "ai_refused", Us),
            Self::QueueClosed => {
                row(480, "Temporarily Unavailable", 20, "queue closed", "queue_closed", Agent)
            }
            Self::QueueFull => row(480, "Temporarily Unavailable", 42, "queue full", "queue_full", Agent),
            Self::QueueExhausted => {
                row(480, "Temporarily Unavailable", 19, "nobody took the call", "queue_exhausted", Agent)
            }
            Self::HandoffLimit => {
                row(480, "Temporarily Unavailable", 25, "too many handoffs", "handoff_limit", Agent)
            }
            Self::NoPort => row(503, "Service Unavailable", 34, "no media port", "no_port", Us),
            Self::HungUpByOperator => {
                row(480, "Temporarily Unavailable", 16, "ended by an operator", "operator", Nobody)
            }
            Self::Drained => row(503, "Service Unavailable", 41, "node is draining", "drained", Us),
            Self::Overload => row(503, "Service Unavailable", 42, "node overloaded", "overload", Us),
            Self::Internal => row(500, "Server Internal Error", 41, "internal fault", "internal", Us),
        }
    }

    /// The metric's label.
    pub const fn label(self) -> &'static str {
        self.row().label
    }

    /// Seconds after which a caller refused for this reason may try again (RFC 3261 §20.33); `None`: not by waiting.
    pub const fn retry_after(self) -> Option<u32> {
        match self {
            // An upstream has another way, and comes back soon to see.
            Self::AiDown | Self::AiRefused | Self::NoPort | Self::Overload => Some(5),
            // Somebody else's call has to end first.
            Self::AiBusy | Self::AiSilent | Self::QueueFull | Self::QueueExhausted | Self::HandoffLimit => {
                Some(30)
            }
            // What is closed, or leaves, does not come back soon.
            Self::QueueClosed | Self::Drained => Some(60),
            _ => None,
        }
    }

    /// `Reason: Q.850;cause=16;text="…"` for BYE, CANCEL and refusals (RFC 3326 §2).
    pub fn reason_header(self) -> Header {
        let row = self.row();
        ("Reason".to_owned(), Bytes::from(format!("Q.850;cause={};text=\"{}\"", row.cause, row.text)))
    }
}

const fn row(
    status: u16,
    phrase: &'static str,
    cause: u8,
    text: &'static str,
    label: &'static str,
    blame: Blame,
) -> EndRow {
    EndRow { status, phrase, cause, text, label, blame }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_a_final_status_a_cause_and_a_label_of_its_own() {
        let mut labels = BTreeSet::new();
        for reason in EndReason::ALL {
            let row = reason.row();
            assert!((400..=699).contains(&row.status), "{reason:?}");
            assert!((1..=127).contains(&row.cause), "{reason:?}");
            assert!(!row.phrase.is_empty() && !row.text.contains('"'), "{reason:?}");
            assert!(labels.insert(row.label), "{reason:?} shares its label");
        }
    }

    #[test]
    fn whoever_is_refused_for_a_time_is_told_for_how_long() {
        for reason in EndReason::ALL {
            let (status, waits) = (reason.row().status, reason.retry_after().is_some());
            let for_good = [EndReason::AiHungUp, EndReason::AgentHungUp, EndReason::HungUpByOperator];
            let expected = matches!(status, 480 | 486 | 503) && !for_good.contains(&reason);
            assert_eq!(waits, expected, "{reason:?}");
        }
    }

    #[test]
    fn the_codes_of_an_unanswered_caller_are_those_of_the_product() {
        let status = |reason: EndReason| reason.row().status;
        assert_eq!(status(EndReason::NoFlow), 404);
        assert_eq!([EndReason::NoCodec, EndReason::NoSecurity].map(status), [488; 2]);
        assert_eq!(status(EndReason::AiBusy), 486);
        assert_eq!(status(EndReason::AiSilent), 480);
        for ours in [EndReason::AiDown, EndReason::AiRefused, EndReason::Drained, EndReason::NoPort] {
            assert_eq!(status(ours), 503, "{ours:?}");
        }
        for queue in [EndReason::QueueClosed, EndReason::QueueFull] {
            assert_eq!(status(queue), 480, "{queue:?}");
        }
    }
}
