//! What the queues show of themselves, to API and metrics.

use std::time::Duration;

use serde::Serialize;

use baton_signaling::Time;

use super::agent::AgentState;

/// Counts of one queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LineCounters {
    /// Callers taken in.
    pub entered: u64,
    /// Callers who spoke with a person.
    pub answered: u64,
    /// Callers who went away while waiting.
    pub abandoned: u64,
    /// Offers made.
    pub offers: u64,
    /// Offers that ended: the agent was busy.
    pub busy: u64,
    /// The agent declined.
    pub declined: u64,
    /// The phone was not picked up.
    pub no_answer: u64,
    /// The phone was not reached.
    pub unreachable: u64,
    /// The call never said what became of it.
    pub lease_expired: u64,
    /// Callers out of the queue because they waited too long.
    pub exhausted_timeout: u64,
    /// Because it is closed.
    pub exhausted_closed: u64,
    /// Because it is full.
    pub exhausted_full: u64,
    /// Because every agent was tried.
    pub exhausted_no_agent: u64,
}

/// Counts of no one queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueueCounters {
    /// Reports about offers that have ended, or of another call.
    pub late_reports: u64,
    /// Requests for queues that are not there.
    pub unknown_queue: u64,
    /// Agents lost in conversation.
    pub agents_lost: u64,
}

/// All queues and agents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueuesSnapshot {
    /// The queues, in the order of the settings.
    pub queues: Vec<LineSnapshot>,
    /// The agents, by their ids.
    pub agents: Vec<AgentSnapshot>,
    /// Counts of no one queue.
    pub counters: QueueCounters,
}

/// One queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LineSnapshot {
    /// Its name.
    pub name: String,
    /// It takes callers.
    pub open: bool,
    /// Callers in it, those for whom a phone rings included.
    pub waiting: u32,
    /// How long the longest of them has waited.
    pub longest_wait: Duration,
    /// Its agents that could be offered a caller.
    pub available: u32,
    /// Its agents whose phone rings.
    pub offered: u32,
    /// Its agents in conversation.
    pub talking: u32,
    /// Its agents that rest after a try that brought nothing.
    pub set_aside: u32,
    /// Counts.
    pub counters: LineCounters,
}

/// One agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgentSnapshot {
    /// Its URI.
    pub uri: String,
    /// What it does.
    pub state: AgentState,
    /// Phones ringing.
    pub offered: u32,
    /// Conversations.
    pub talking: u32,
    /// Since when it has had no call.
    pub idle_since: Time,
    /// Until when it rests.
    pub set_aside_until: Option<Time>,
}
