//! Callers waiting for a person, and the people: one pure machine for all queues of a node.
//! It knows neither SIP nor media.

mod contract;
#[expect(clippy::module_inception, reason = "the queues' own file, beside that of the agents")]
mod queue;
mod settings;

pub use contract::{AgentId, Exhausted, Notice, Offer, OfferId, Outcome, Place, QueueRequest, Why};
pub use queue::{QueueCounters, Queues, QueuesSnapshot};
pub use settings::{AgentSettings, QueueSettings, QueuesSettings, Strategy};
