//! Callers waiting for a person, and the people: one pure machine for all queues of a node.
//! It knows neither SIP nor media.

mod agent;
mod contract;
#[expect(clippy::module_inception, reason = "the queues' own file, beside that of the agents")]
mod queue;
mod report;
mod settings;
#[cfg(test)]
mod tests;
mod waiting;

pub use agent::{AgentState, SET_ASIDE_FIRST, SET_ASIDE_MAX};
pub use contract::{AgentId, Exhausted, Notice, Offer, OfferId, Outcome, Place, QueueRequest, Why};
pub use queue::{LEASE_MARGIN, Queues};
pub use report::{AgentSnapshot, LineCounters, LineSnapshot, QueueCounters, QueuesSnapshot};
pub use settings::{AgentSettings, QueueSettings, QueuesSettings, Strategy};
pub use waiting::TRIES_PER_AGENT;
