//! What the supervisor publishes once a second: the node as a whole.

use std::sync::Arc;

use baton_signaling::Time;
use metrics::{Counter, Gauge, counter, gauge};

use super::Rising;
use crate::shard::{Ban, Gate, GuardCounts};

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
    guard: GuardMetrics,
}

/// What callers were asked, and who is not listened to.
struct GuardMetrics {
    auth: [Rising; 4],
    bans: [Rising; Ban::ALL.len()],
    ignored: Rising,
    banned: Gauge,
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
            guard: GuardMetrics::new(),
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

    /// Publishes how many actors there are, how many callers are on their way to a person, what the process uses, and what
    /// happened at the door.
    pub(crate) fn publish(&mut self, now: Time, actors: usize, handoffs: usize, process: Process) {
        self.guard.publish(self.gate.guard_counts(now));
        self.draining.set(f64::from(u8::from(self.gate.is_draining())));
        self.actors.set(actors as f64);
        self.handoffs.set(handoffs as f64);
        self.resident.set(process.resident as f64);
        self.cpu.set(process.cpu_ms / 1000);
    }
}

impl GuardMetrics {
    fn new() -> Self {
        let auth = |result| Rising::new(counter!("baton_auth_total", "result" => result));
        let ban = |ban: Ban| Rising::new(counter!("baton_sip_bans_total", "reason" => ban.label()));
        Self {
            auth: ["challenged", "genuine", "stale", "wrong"].map(auth),
            bans: Ban::ALL.map(ban),
            ignored: Rising::new(counter!("baton_sip_ignored_total")),
            banned: gauge!("baton_sip_banned"),
        }
    }

    fn publish(&mut self, counts: GuardCounts) {
        let GuardCounts { challenged, genuine, stale, wrong, bans, ignored, banned } = counts;
        self.auth
            .iter_mut()
            .zip([challenged, genuine, stale, wrong])
            .for_each(|(rising, sum)| rising.set(sum));
        self.bans.iter_mut().zip(bans).for_each(|(rising, sum)| rising.set(sum));
        self.ignored.set(ignored);
        self.banned.set(banned as f64);
    }
}
