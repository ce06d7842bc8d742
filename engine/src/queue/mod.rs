//! Callers waiting for a person, and the people: one pure machine for all queues of a node.
//! It knows neither SIP nor media.

mod contract;

pub use contract::{AgentId, Exhausted, Notice, Offer, OfferId, Outcome, Place, QueueRequest, Why};
