//! The actors: a supervisor, one for each shard, one for each call, one for all queues. Each holds its machine, a handle
//! and a timer, and nothing that decides.

mod call;
mod messages;
mod queue;
mod shard;
mod supervisor;
#[cfg(test)]
mod tests;

pub use call::CallActor;
pub use messages::{
    Ask, CallBrief, CallList, CallOver, CallReport, Cut, Deliver, Describe, DescribeQueues, DrainDeadline,
    Draw, FindCall, Found, ListCalls, Remember, Tell,
};
pub use queue::QueueActor;
pub use shard::ShardActor;
pub(crate) use shard::{Core, ShardCell};
pub use supervisor::{Remedy, SupervisorActor, Watch};

use std::sync::Arc;

use actix::Addr;

use super::Clock;
use crate::call::CallSettings;

/// What every actor of a node may use.
#[derive(Debug)]
pub struct Shared {
    /// The clock.
    pub clock: Clock,
    /// What calls need of the settings.
    pub settings: Arc<CallSettings>,
    /// The queues.
    pub queues: Addr<QueueActor>,
    /// The supervisor.
    pub supervisor: Addr<SupervisorActor>,
}
