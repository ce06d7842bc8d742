//! What a call shows of itself: to the API while it lives, to its record when it is over.

use std::net::SocketAddr;

use serde::Serialize;

use baton_signaling::Time;

use crate::call::call::Call;
use crate::call::counters::Counters;
use crate::call::leg::Leg;
use crate::call::segments::Segments;
use crate::call::state::State;
use crate::call::timeline::Timeline;
use crate::call::{EndReason, LegState, Losses, Role};
use crate::key::{CallKey, LegId};
use crate::media::StreamFigures;

/// A call as it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CallSnapshot {
    /// Its number on this node; not shown, since JSON's numbers end at 2^53 and `call_id` names the call everywhere.
    #[serde(skip)]
    pub key: CallKey,
    /// Its id, the same in API, logs, records and `X-Baton-Call-ID`.
    pub call_id: String,
    /// Where it stands.
    pub state: State,
    /// Why it ended, once it has.
    pub end: Option<EndReason>,
    /// The flow's name.
    pub flow: Option<String>,
    /// The user part that was called.
    pub user: String,
    /// Where the INVITE came from.
    pub source: SocketAddr,
    /// The queue the caller waits in or last waited in.
    pub queue: Option<String>,
    /// Handoffs in PolyAI's words, the latest last.
    pub handoff: Option<HandoffState>,
    /// When the INVITE came.
    pub began: Time,
    /// When the caller got its 200.
    pub answered: Option<Time>,
    /// When the call ended.
    pub ended: Option<Time>,
    /// All legs, in the order they were made.
    pub legs: Vec<LegSnapshot>,
    /// What is known about the caller's matter: name and value, as passed on to the agent.
    pub context: Vec<(String, String)>,
    /// What of it was lost, by reason.
    pub context_losses: Losses,
    /// What happened.
    pub timeline: Timeline,
    /// What each part of the call was like.
    pub segments: Segments,
    /// What was counted.
    pub counters: Counters,
}

/// A leg as it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LegSnapshot {
    /// Its number.
    pub id: LegId,
    /// Whose it is.
    pub role: Role,
    /// Where it stands.
    pub state: LegState,
    /// Its peer's name.
    pub peer: String,
    /// Where it was called, or who called.
    pub uri: String,
    /// The codec agreed on ("opus/48000").
    pub codec: Option<String>,
    /// The suite by which its media is secured; `None`: it is not.
    pub srtp: Option<&'static str>,
    /// Who its far end says it is (RFC 7989); `None`: it has not said.
    pub session_id: Option<String>,
    /// Why its far end has ended or refused it, each a value of Reason (RFC 3326).
    pub reasons: Vec<String>,
    /// The far end has put it on hold.
    pub held: bool,
    /// What its stream was like; `None` while it has none.
    pub media: Option<StreamFigures>,
    /// When it was made.
    pub began: Time,
    /// When it was answered.
    pub answered: Option<Time>,
    /// When it ended.
    pub ended: Option<Time>,
}

/// A handoff in PolyAI's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HandoffState {
    /// Asked for and under way.
    HandoffInitiated,
    /// The caller speaks with a person.
    HandoffCompleted,
    /// No person was found.
    HandoffFailed,
}

impl Call {
    /// The call as API and record show it.
    pub fn snapshot(&self) -> CallSnapshot {
        CallSnapshot {
            key: self.key,
            call_id: self.id.clone(),
            state: self.state(),
            end: self.end,
            flow: self.flow.map(|flow| self.settings.flows[flow].name.clone()),
            user: self.user.clone(),
            source: self.source,
            queue: self.queue.clone(),
            handoff: self.handoff_state,
            began: self.began,
            answered: self.caller().answered,
            ended: self.ended,
            legs: self.legs.iter().map(Leg::snapshot).collect(),
            context: self.context.shown(),
            context_losses: self.context_losses(),
            timeline: self.timeline.clone(),
            segments: self.segments.clone(),
            counters: self.counters.clone(),
        }
    }
}
