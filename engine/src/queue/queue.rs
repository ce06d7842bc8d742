//! All queues of a node: callers waiting, agents, offers. Told requests and time, asked for notices.

use std::collections::VecDeque;

use serde::Serialize;

use baton_signaling::Time;

use crate::key::CallKey;
use crate::queue::settings::QueuesSettings;
use crate::queue::{Notice, QueueRequest};

/// All queues and agents of a node. After each `handle…` the owner drains [`Queues::poll_notice`] and re-arms its
/// one timer from [`Queues::poll_timeout`].
#[derive(Clone, Debug)]
pub struct Queues {
    settings: QueuesSettings,
    notices: VecDeque<(CallKey, Notice)>,
    counters: QueueCounters,
}

/// What the queues have counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueueCounters {
    /// Requests about offers that have ended.
    pub late_reports: u64,
}

/// The queues as API and metrics show them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueuesSnapshot {
    /// What was counted.
    pub counters: QueueCounters,
}

impl Queues {
    /// The queues and agents of `settings`, all agents available.
    pub fn new(settings: QueuesSettings) -> Self {
        Self { settings, notices: VecDeque::new(), counters: QueueCounters::default() }
    }

    /// Tells the queues what a call asks or reports.
    pub fn handle(&mut self, now: Time, request: QueueRequest) {
        let _ = (now, request, &self.settings);
    }

    /// Tells the queues that the time of [`Queues::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Time) {
        let _ = now;
    }

    /// The next word to a call.
    pub fn poll_notice(&mut self) -> Option<(CallKey, Notice)> {
        self.notices.pop_front()
    }

    /// When [`Queues::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Time> {
        None
    }

    /// The queues as API and metrics show them at `now`.
    pub fn snapshot(&self, now: Time) -> QueuesSnapshot {
        let _ = now;
        QueuesSnapshot { counters: self.counters.clone() }
    }
}
