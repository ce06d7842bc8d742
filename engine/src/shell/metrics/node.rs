//! What the supervisor publishes once a second: the node as a whole.

use std::sync::Arc;

use metrics::{Counter, Gauge, counter, gauge};

use super::Rising;
use crate::shard::Gate;

/// What the process uses, as the system says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Process {
    /// Processor time since its start, in milliseconds.
    pub(crate) cpu_ms: u64,
    /// Resident memory, in bytes.
    pub(crate) resident: u64,
}

/// The handles of the node.
pub(crate) struct NodeMetrics {
    gate: Arc<Gate>,
    stuck: Counter,
    died: Counter,
    draining: Gauge,
    actors: Gauge,
    handoffs: Gauge,
    resident: Gauge,
    /// Whole seconds, since counters are whole numbers.
    cpu: Rising,
}

impl NodeMetrics {
    /// All handles, looked up once.
    pub(crate) fn new(gate: Arc<Gate>) -> Self {
        Self {
            gate,
            stuck: counter!("baton_calls_stuck_total"),
            died: counter!("baton_actors_died_total"),
            draining: gauge!("baton_draining"),
            actors: gauge!("baton_actors_active"),
            handoffs: gauge!("baton_handoff_active"),
            resident: gauge!("baton_process_resident_memory_bytes"),
            cpu: Rising::new(counter!("baton_process_cpu_seconds_total")),
        }
    }

    /// A call has missed its deadline.
    pub(crate) fn stuck(&self) {
        self.stuck.increment(1);
    }

    /// A call's actor has died.
    pub(crate) fn died(&self) {
        self.died.increment(1);
    }

    /// Publishes how many actors there are, how many callers are on their way to a person, and what the process uses.
    pub(crate) fn publish(&mut self, actors: usize, handoffs: usize, process: Process) {
        self.draining.set(f64::from(u8::from(self.gate.is_draining())));
        self.actors.set(actors as f64);
        self.handoffs.set(handoffs as f64);
        self.resident.set(process.resident as f64);
        self.cpu.set(process.cpu_ms / 1000);
    }
}
