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

/// What a handoff may take beyond its wait and its last ring, in each queue: the lease behind a ring, and the watch that
/// a call keeps behind the queues.
const HANDOFF_MARGIN: Duration = Duration::from_secs(60);

impl QueuesSettings {
    /// The longest time from a handoff to its last word: the wait and the last ring of a queue and of all that follow it
    /// when they are exhausted. A REFER's subscription has to live longer (RFC 3515 §2.4.4).
    pub fn handoff_max(&self) -> Duration {
        self.queues.iter().map(|first| self.chain_max(first)).max().unwrap_or_default() + HANDOFF_MARGIN
    }

    fn chain_max(&self, first: &QueueSettings) -> Duration {
        let next = |queue: &&QueueSettings| match &queue.exhausted {
            Exhausted::Queue(name) => self.queues.iter().find(|other| other.name == *name),
            _ => None,
        };
        // No queue comes twice: the settings allow no circles, and a call would end one.
        let chain = std::iter::successors(Some(first), next).take(self.queues.len());
        chain.map(|queue| queue.wait + queue.ring + HANDOFF_MARGIN).sum()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(name: &str, wait: u64, ring: u64, exhausted: Exhausted) -> QueueSettings {
        QueueSettings {
            name: name.to_owned(),
            peer: String::new(),
            agents: Vec::new(),
            strategy: Strategy::LongestIdle,
            ring: Duration::from_secs(ring),
            wait: Duration::from_secs(wait),
            exhausted,
            callers_max: 1,
            open: true,
        }
    }

    #[test]
    fn a_handoff_may_take_the_waits_and_last_rings_of_a_whole_chain() {
        let to = |name: &str| Exhausted::Queue(name.to_owned());
        let mut settings = QueuesSettings {
            queues: vec![
                queue("c", 7, 1, Exhausted::ReturnToAi),
                queue("a", 1000, 30, to("b")),
                queue("b", 500, 20, to("c")),
                queue("alone", 1200, 40, Exhausted::Announce),
            ],
            agents: Vec::new(),
        };
        assert_eq!(settings.handoff_max(), Duration::from_secs(1030 + 520 + 8) + 4 * HANDOFF_MARGIN);
        settings.queues[0].exhausted = to("a");
        assert!(settings.handoff_max() < Duration::from_secs(10_000), "a circle ends");
        settings.queues.clear();
        assert_eq!(settings.handoff_max(), HANDOFF_MARGIN);
    }
}
