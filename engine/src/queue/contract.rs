//! What a call asks of the queues, and what the queues tell a call. Every offer has an id; a message about an
//! offer that has ended is counted and ignored.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::key::CallKey;

/// An agent of the node: a position in the settings' list of distinct agent URIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AgentId(pub u32);

/// One offer of one caller to one agent; never used twice on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OfferId(pub u64);

/// Where a caller joins a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// Behind all who wait.
    Back,
    /// Before all who wait, behind those who came to the front earlier: a caller whose agent was lost.
    Front,
}

/// What a call asks of the queues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueueRequest {
    /// The caller wants a person of this queue.
    Enter {
        /// The call.
        call: CallKey,
        /// The queue's name; checked by the call to be one of ours.
        queue: String,
        /// At which end.
        place: Place,
    },
    /// The caller has gone, or went elsewhere. Any offer it holds is withdrawn, any agent it talks with is free; no
    /// notice follows.
    Leave {
        /// The call.
        call: CallKey,
    },
    /// What became of an offer.
    Report {
        /// The call.
        call: CallKey,
        /// The offer.
        offer: OfferId,
        /// What became of it.
        outcome: Outcome,
    },
}

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// The agent's phone rings.
    Ringing,
    /// A person has answered: the caller has left the queue, the agent talks until `Ended`.
    Answered,
    /// 486 or 600: busy. The caller waits on.
    Busy,
    /// 603 or another refusal by the person. The caller waits on.
    Declined,
    /// Ring time passed. The caller waits on.
    NoAnswer,
    /// Not reached: 404, 408, 480, 5xx, no response, transport error. The caller waits on. After `Answered`: the agent
    /// was lost in conversation and rests before it is offered another caller.
    Unreachable,
    /// An answered conversation is over and the agent is free again.
    Ended,
}

/// An agent offered to a caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Its id, to be reported with.
    pub id: OfferId,
    /// Who.
    pub agent: AgentId,
    /// Where to call: a SIP URI.
    pub uri: String,
    /// The peer by whose rules this leg speaks (codecs, headers).
    pub peer: String,
    /// How long to let it ring.
    pub ring: Duration,
}

/// Why a queue cannot (or can no longer) serve a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Why {
    /// `wait_seconds` have passed.
    Timeout,
    /// It is closed, or has no agents at all.
    Closed,
    /// It holds as many callers as it may.
    Full,
    /// Every agent was tried for this caller and none could be reached or would take the call.
    NoAgent,
}

/// What the call is to do when a queue is exhausted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exhausted {
    /// Give the caller back to the AI with the reason in a header.
    ReturnToAi,
    /// Play the announcement, then hang up.
    Announce,
    /// Hang up.
    HangUp,
    /// Try this queue.
    Queue(String),
}

/// What the queues tell a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// The caller waits in the queue.
    Queued {
        /// The queue's name.
        queue: String,
        /// Its place, from 1.
        position: u32,
    },
    /// Ring this agent.
    Offer(Offer),
    /// Stop ringing: the lease of the offer has run out or the agent went away. The caller waits on.
    Withdrawn {
        /// Which offer.
        offer: OfferId,
    },
    /// The caller is out of the queue without a person.
    Exhausted {
        /// Why.
        why: Why,
        /// Agents that were offered to the caller in this stay.
        attempts: u32,
        /// What to do.
        then: Exhausted,
    },
}
