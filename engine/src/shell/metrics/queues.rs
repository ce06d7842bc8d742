//! What the queues publish once a second.

use std::time::Duration;

use metrics::{Counter, counter, gauge, histogram};

use super::{Part, Rising};
use crate::queue::{LineSnapshot, QueuesSnapshot};

/// The handles of all queues.
pub(crate) struct QueueMetrics {
    lines: Vec<LineMetrics>,
    late_reports: Rising,
    lost: Counter,
    panics: Counter,
}

struct LineMetrics {
    size: Part,
    longest_wait: Part,
    agents: [Part; 4],
    answered: Rising,
    abandoned: Rising,
    offers: [Rising; 6],
    exhausted: [Rising; 4],
}

impl QueueMetrics {
    /// The handles of no queue yet; the first snapshot brings them.
    pub(crate) fn new() -> Self {
        Self {
            lines: Vec::new(),
            late_reports: Rising::new(counter!("baton_queue_late_reports_total")),
            lost: counter!("baton_queue_notices_lost_total"),
            panics: counter!("baton_panics_total"),
        }
    }

    /// A notice has found room at its shard, or not.
    pub(crate) fn told(&self, taken: bool) {
        self.lost.increment(u64::from(!taken));
    }

    /// A caller has left a queue for a person. Looks its handle up by name: for a wait, not for a packet.
    pub(crate) fn waited(&self, queue: &str, wait: Duration) {
        histogram!("baton_queue_wait_seconds", "queue" => queue.to_owned()).record(wait.as_secs_f64());
    }

    /// A step of the queues has panicked.
    pub(crate) fn panicked(&self) {
        self.panics.increment(1);
    }

    /// Publishes what the queues have counted.
    pub(crate) fn publish(&mut self, snapshot: &QueuesSnapshot) {
        if self.lines.is_empty() {
            self.lines = snapshot.queues.iter().map(|line| LineMetrics::new(&line.name)).collect();
        }
        for (metrics, line) in self.lines.iter_mut().zip(&snapshot.queues) {
            metrics.publish(line);
        }
        self.late_reports.set(snapshot.counters.late_reports);
    }
}

impl Default for QueueMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl LineMetrics {
    fn new(queue: &str) -> Self {
        let name = || queue.to_owned();
        let agents =
            |state: &'static str| Part::new(gauge!("baton_agents", "queue" => name(), "state" => state));
        let offers = |result: &'static str| {
            Rising::new(counter!("baton_queue_offers_total", "queue" => name(), "result" => result))
        };
        let exhausted = |reason: &'static str| {
            Rising::new(counter!("baton_queue_exhausted_total", "queue" => name(), "reason" => reason))
        };
        Self {
            size: Part::new(gauge!("baton_queue_size", "queue" => name())),
            longest_wait: Part::new(gauge!("baton_queue_longest_wait_seconds", "queue" => name())),
            agents: ["available", "offered", "talking", "set_aside"].map(agents),
            answered: Rising::new(counter!("baton_queue_answered_total", "queue" => name())),
            abandoned: Rising::new(counter!("baton_queue_abandoned_total", "queue" => name())),
            offers: ["accepted", "declined", "busy", "timeout", "unreachable", "stale"].map(offers),
            exhausted: ["timeout", "closed", "full", "no_agent"].map(exhausted),
        }
    }

    fn publish(&mut self, line: &LineSnapshot) {
        let counters = &line.counters;
        self.size.set(f64::from(line.waiting));
        self.longest_wait.set(line.longest_wait.as_secs_f64());
        let agents = [line.available, line.offered, line.talking, line.set_aside];
        self.agents.iter_mut().zip(agents).for_each(|(part, count)| part.set(f64::from(count)));
        self.answered.set(counters.answered);
        self.abandoned.set(counters.abandoned);
        let offers = [
            counters.answered,
            counters.declined,
            counters.busy,
            counters.no_answer,
            counters.unreachable,
            counters.lease_expired,
        ];
        self.offers.iter_mut().zip(offers).for_each(|(rising, sum)| rising.set(sum));
        let exhausted = [
            counters.exhausted_timeout,
            counters.exhausted_closed,
            counters.exhausted_full,
            counters.exhausted_no_agent,
        ];
        self.exhausted.iter_mut().zip(exhausted).for_each(|(rising, sum)| rising.set(sum));
    }
}
