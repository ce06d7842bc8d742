//! What the queues need of the settings.

use std::time::Duration;

use crate::queue::Exhausted;

/// All queues and all agents of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueuesSettings {
    /// The queues.
    pub queues: Vec<QueueSettings>,
    /// The distinct agents; [`crate::queue::AgentId`] is a position in this list.
    pub agents: Vec<AgentSettings>,
}

/// One queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// Its name.
    pub name: String,
    /// The peer by whose rules its agents' legs speak.
    pub peer: String,
    /// Its agents, in the order of the settings, as positions in [`QueuesSettings::agents`].
    pub agents: Vec<u32>,
    /// Which free agent is offered the next caller.
    pub strategy: Strategy,
    /// How long an agent rings.
    pub ring: Duration,
    /// How long a caller waits.
    pub wait: Duration,
    /// What happens to a caller for whom nobody was found.
    pub exhausted: Exhausted,
    /// Most callers that may wait.
    pub callers_max: u32,
    /// Whether it takes callers.
    pub open: bool,
}

/// One agent: a phone, or a group behind one URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSettings {
    /// Where to call.
    pub uri: String,
    /// Calls at once.
    pub calls: u32,
}

/// Which free agent is offered the next caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Who has had no call for the longest time.
    LongestIdle,
    /// The next after the one offered last.
    RoundRobin,
    /// The first of the list.
    RingInOrder,
}
