//! All queues of a node: callers waiting, agents, offers. Told requests and time, asked for notices. A caller and an
//! agent are brought together in the very turn that makes it possible; nothing polls.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use baton_signaling::Time;

use crate::key::CallKey;
use crate::queue::report::{AgentSnapshot, LineSnapshot, QueueCounters, QueuesSnapshot};
use crate::queue::settings::QueuesSettings;
use crate::queue::{AgentId, Exhausted, Notice, Offer, OfferId, Outcome, Place, QueueRequest, Why};

use super::agent::{Agent, AgentState};
use super::waiting::{Line, Waiting};

/// How long after its ring time an offer's lease runs out: the call needs a port and an INVITE first, and says at
/// once what became of them.
pub const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// Waits kept for [`Queues::poll_wait`]: it is asked after every request, and a request ends one wait at most.
const WAITS_MAX: usize = 16;

/// All queues and agents of a node. After each `handle…` the owner drains [`Queues::poll_notice`] and re-arms its
/// one timer from [`Queues::poll_timeout`].
#[derive(Clone, Debug)]
pub struct Queues {
    lines: Vec<Line>,
    agents: Vec<Agent>,
    offers: BTreeMap<OfferId, Lease>,
    offers_made: u64,
    /// In which line a call waits.
    waiting: BTreeMap<CallKey, usize>,
    due: BTreeSet<(Time, Due)>,
    notices: VecDeque<(CallKey, Notice)>,
    /// Waits that have ended with a person, by line.
    waits: VecDeque<(usize, Duration)>,
    counters: QueueCounters,
}

/// An agent promised to a caller.
#[derive(Clone, Debug)]
struct Lease {
    call: CallKey,
    line: usize,
    agent: u32,
    /// When it runs out; `None`: they talk.
    expires: Option<Time>,
}

/// What may fall due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Wait(CallKey),
    Lease(OfferId),
    Rest(u32),
}

impl Queues {
    /// The queues and agents of `settings`, all agents available.
    pub fn new(settings: QueuesSettings) -> Self {
        Self {
            lines: settings.queues.into_iter().map(Line::new).collect(),
            agents: settings.agents.into_iter().map(Agent::new).collect(),
            offers: BTreeMap::new(),
            offers_made: 0,
            waiting: BTreeMap::new(),
            due: BTreeSet::new(),
            notices: VecDeque::new(),
            waits: VecDeque::new(),
            counters: QueueCounters::default(),
        }
    }

    /// Tells the queues what a call asks or reports.
    pub fn handle(&mut self, now: Time, request: QueueRequest) {
        match request {
            QueueRequest::Enter { call, queue, place } => self.enter(now, call, &queue, place),
            QueueRequest::Leave { call } => self.leave(now, call),
            QueueRequest::Report { call, offer, outcome } => self.report(now, call, offer, outcome),
        }
        self.dispatch(now);
    }

    /// Opens or closes a queue; those who wait in a queue that closes are told so. `false`: there is no such queue.
    pub fn set_open(&mut self, now: Time, queue: &str, open: bool) -> bool {
        let Some(line) = self.lines.iter().position(|line| line.settings.name == queue) else {
            return false;
        };
        self.lines[line].open = open;
        if !open {
            let calls: Vec<_> = self.lines[line].waiting.iter().map(|waiting| waiting.call).collect();
            for call in calls {
                self.drop_offer_of(now, line, call);
                self.exhaust(line, call, Why::Closed);
            }
        }
        self.dispatch(now);
        true
    }

    /// Tells the queues that the time of [`Queues::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(&(at, due)) = self.due.first()
            && at <= now
        {
            self.due.pop_first();
            match due {
                Due::Wait(call) => self.waited(call),
                Due::Lease(offer) => self.lapse(now, offer),
                Due::Rest(agent) => self.agents[agent as usize].set_aside = None,
            }
        }
        self.dispatch(now);
    }

    /// The next word to a call.
    pub fn poll_notice(&mut self) -> Option<(CallKey, Notice)> {
        self.notices.pop_front()
    }

    /// How long the next caller who has left a queue for a person had waited in it; for metrics. Whoever does not ask
    /// loses some.
    pub fn poll_wait(&mut self) -> Option<(&str, Duration)> {
        let (line, wait) = self.waits.pop_front()?;
        Some((&self.lines[line].settings.name, wait))
    }

    /// When [`Queues::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The queues as API and metrics show them at `now`.
    pub fn snapshot(&self, now: Time) -> QueuesSnapshot {
        QueuesSnapshot {
            queues: self.lines.iter().map(|line| self.line_snapshot(line, now)).collect(),
            agents: self.agents.iter().map(agent_snapshot).collect(),
            counters: self.counters,
        }
    }

    /// New queues in place of these, in which a step has panicked: what can be told from it at first hand is kept, what
    /// follows from that is built anew. Conversations go on, so that no agent in one is offered; phones that ring stop.
    /// Callers wait on where they stood, or, with `waiters` false because they panic again, are turned away.
    pub fn salvaged(&self, settings: QueuesSettings, waiters: bool) -> Self {
        let mut new = Self::new(settings);
        (new.offers_made, new.counters) = (self.offers_made, self.counters);
        new.notices.clone_from(&self.notices);
        for (id, lease) in self.offers.iter().filter(|(_, lease)| lease.expires.is_none()) {
            new.agents[lease.agent as usize].talking += 1;
            new.offers.insert(*id, lease.clone());
        }
        for (at, old) in self.lines.iter().enumerate() {
            (new.lines[at].open, new.lines[at].counters) = (old.open, old.counters);
            for waiting in &old.waiting {
                new.take_over(at, waiting, waiters);
            }
        }
        new
    }

    fn take_over(&mut self, at: usize, waiting: &Waiting, stays: bool) {
        let call = waiting.call;
        if let Some(offer) = waiting.offer {
            self.notices.push_back((call, Notice::Withdrawn { offer }));
        }
        if stays {
            let line = &mut self.lines[at];
            line.waiting.push_back(waiting.without_offer());
            self.due.insert((waiting.since + line.settings.wait, Due::Wait(call)));
            self.waiting.insert(call, at);
        } else {
            self.turn_away(at, call, Why::Closed, waiting.attempts);
        }
    }

    /// Nobody waits for whom an agent is free.
    #[cfg(test)]
    pub(crate) fn is_settled(&self) -> bool {
        self.lines.iter().all(|line| line.next_match(&self.agents).is_none())
    }

    fn line_snapshot(&self, line: &Line, now: Time) -> LineSnapshot {
        let states = line.settings.agents.iter().map(|agent| self.agents[*agent as usize].state());
        let count = |wanted| {
            u32::try_from(states.clone().filter(|state| *state == wanted).count()).unwrap_or(u32::MAX)
        };
        let since = line.waiting.iter().map(|waiting| waiting.since).min();
        LineSnapshot {
            name: line.settings.name.clone(),
            open: line.open,
            waiting: u32::try_from(line.waiting.len()).unwrap_or(u32::MAX),
            longest_wait: since.map_or(Duration::ZERO, |since| now - since),
            available: count(AgentState::Available),
            offered: count(AgentState::Offered),
            talking: count(AgentState::Talking),
            set_aside: count(AgentState::SetAside),
            counters: line.counters,
        }
    }

    fn enter(&mut self, now: Time, call: CallKey, queue: &str, place: Place) {
        self.forget_waiting(now, call);
        let Some(at) = self.lines.iter().position(|line| line.settings.name == queue) else {
            self.counters.unknown_queue += 1;
            let then = Exhausted::Announce;
            self.notices.push_back((call, Notice::Exhausted { why: Why::Closed, attempts: 0, then }));
            return;
        };
        let line = &mut self.lines[at];
        let why = if !line.open || line.settings.agents.is_empty() {
            Some(Why::Closed)
        } else if place == Place::Back && line.waiting.len() >= line.settings.callers_max as usize {
            // Who lost an agent has been let in before.
            Some(Why::Full)
        } else {
            None
        };
        if let Some(why) = why {
            self.turn_away(at, call, why, 0);
            return;
        }
        line.counters.entered += 1;
        let position = line.push(Waiting::new(call, now, place));
        self.due.insert((now + line.settings.wait, Due::Wait(call)));
        self.waiting.insert(call, at);
        self.notices.push_back((call, Notice::Queued { queue: queue.to_owned(), position }));
    }

    fn leave(&mut self, now: Time, call: CallKey) {
        if let Some(line) = self.forget_waiting(now, call) {
            self.lines[line].counters.abandoned += 1;
        }
        // A call that leaves for good may have vanished in the middle of a conversation.
        let held: Vec<_> =
            self.offers.iter().filter(|(_, lease)| lease.call == call).map(|(id, _)| *id).collect();
        for offer in held {
            self.release(now, offer);
        }
    }

    /// Takes a call out of the line it waits in, its offer withdrawn.
    fn forget_waiting(&mut self, now: Time, call: CallKey) -> Option<usize> {
        let line = *self.waiting.get(&call)?;
        self.drop_offer_of(now, line, call);
        self.take_out(line, call);
        Some(line)
    }

    fn drop_offer_of(&mut self, now: Time, line: usize, call: CallKey) {
        if let Some(offer) = self.lines[line].find(call).and_then(|waiting| waiting.offer.take()) {
            self.release(now, offer);
        }
    }

    fn take_out(&mut self, line: usize, call: CallKey) -> Option<Waiting> {
        self.waiting.remove(&call);
        let waiting = self.lines[line].remove(call)?;
        self.due.remove(&(waiting.since + self.lines[line].settings.wait, Due::Wait(call)));
        Some(waiting)
    }

    fn report(&mut self, now: Time, call: CallKey, offer: OfferId, outcome: Outcome) {
        let Some(lease) = self.offers.get(&offer).filter(|lease| lease.call == call).cloned() else {
            self.counters.late_reports += 1;
            if outcome == Outcome::Answered {
                // The lease ran out in the moment of the answer: who speaks with a person waits for no other.
                self.forget_waiting(now, call);
            }
            return;
        };
        let talking = lease.expires.is_none();
        let counters = &mut self.lines[lease.line].counters;
        match (outcome, talking) {
            (Outcome::Ringing, false) => return,
            (Outcome::Answered, false) => return self.answered(now, offer, &lease),
            (Outcome::Ended, true) => {
                self.release(now, offer);
                return;
            }
            (Outcome::Unreachable, true) => {
                self.counters.agents_lost += 1;
                self.release(now, offer);
                self.rest(now, lease.agent);
                return;
            }
            (Outcome::Busy, false) => counters.busy += 1,
            (Outcome::Declined, false) => counters.declined += 1,
            (Outcome::NoAnswer, false) => counters.no_answer += 1,
            (Outcome::Unreachable, false) => counters.unreachable += 1,
            _ => {
                self.counters.late_reports += 1;
                return;
            }
        }
        self.release(now, offer);
        self.rest(now, lease.agent);
        self.tried_in_vain(&lease, outcome == Outcome::Declined);
    }

    fn answered(&mut self, now: Time, offer: OfferId, lease: &Lease) {
        self.lines[lease.line].counters.answered += 1;
        if let Some(waiting) = self.take_out(lease.line, lease.call) {
            self.waits.truncate(WAITS_MAX - 1);
            self.waits.push_back((lease.line, now.saturating_duration_since(waiting.since)));
        }
        self.agents[lease.agent as usize].answer();
        if let Some(expires) = lease.expires {
            self.due.remove(&(expires, Due::Lease(offer)));
        }
        if let Some(lease) = self.offers.get_mut(&offer) {
            lease.expires = None;
        }
    }

    /// Ends a lease: the agent has one call less.
    fn release(&mut self, now: Time, offer: OfferId) {
        let Some(lease) = self.offers.remove(&offer) else { return };
        let agent = &mut self.agents[lease.agent as usize];
        match lease.expires {
            Some(expires) => {
                agent.offered -= 1;
                self.due.remove(&(expires, Due::Lease(offer)));
            }
            None => {
                agent.talking -= 1;
                agent.idle_since = now;
            }
        }
    }

    fn rest(&mut self, now: Time, agent: u32) {
        if let Some(until) = self.agents[agent as usize].set_aside {
            self.due.remove(&(until, Due::Rest(agent)));
        }
        let until = self.agents[agent as usize].rest(now);
        self.due.insert((until, Due::Rest(agent)));
    }

    /// The lease of an offer has run out: nobody said what became of it.
    fn lapse(&mut self, now: Time, offer: OfferId) {
        let Some(lease) = self.offers.get(&offer).cloned() else { return };
        self.lines[lease.line].counters.lease_expired += 1;
        self.release(now, offer);
        self.rest(now, lease.agent);
        self.notices.push_back((lease.call, Notice::Withdrawn { offer }));
        self.tried_in_vain(&lease, false);
    }

    /// An offer has brought its caller nothing: the caller waits on, unless there is nothing left to wait for.
    fn tried_in_vain(&mut self, lease: &Lease, declined: bool) {
        let line = &mut self.lines[lease.line];
        let Some(waiting) = line.find(lease.call) else { return };
        waiting.offer = None;
        if declined {
            waiting.declined_by(lease.agent);
        }
        let waiting = waiting.clone();
        if waiting.overdue {
            self.exhaust(lease.line, lease.call, Why::Timeout);
        } else if line.is_hopeless_for(&waiting) {
            self.exhaust(lease.line, lease.call, Why::NoAgent);
        }
    }

    /// `wait_seconds` have passed for a caller. A phone that rings for it may still be picked up.
    fn waited(&mut self, call: CallKey) {
        let Some(&line) = self.waiting.get(&call) else { return };
        match self.lines[line].find(call) {
            Some(waiting) if waiting.offer.is_some() => waiting.overdue = true,
            Some(_) => self.exhaust(line, call, Why::Timeout),
            None => {}
        }
    }

    fn exhaust(&mut self, line: usize, call: CallKey, why: Why) {
        let attempts = self.take_out(line, call).map_or(0, |waiting| waiting.attempts);
        self.turn_away(line, call, why, attempts);
    }

    fn turn_away(&mut self, line: usize, call: CallKey, why: Why, attempts: u32) {
        let line = &mut self.lines[line];
        match why {
            Why::Timeout => line.counters.exhausted_timeout += 1,
            Why::Closed => line.counters.exhausted_closed += 1,
            Why::Full => line.counters.exhausted_full += 1,
            Why::NoAgent => line.counters.exhausted_no_agent += 1,
        }
        let then = line.settings.exhausted.clone();
        self.notices.push_back((call, Notice::Exhausted { why, attempts, then }));
    }

    /// Makes every offer that can be made. An agent of several queues goes to the caller who is first by place, then by
    /// time of entry.
    fn dispatch(&mut self, now: Time) {
        loop {
            let matches = self.lines.iter().enumerate().filter_map(|(line, state)| {
                let (at, agent) = state.next_match(&self.agents)?;
                let waiting = &state.waiting[at];
                Some((waiting.place != Place::Front, waiting.since, line, at, agent))
            });
            let Some((_, _, line, at, agent)) = matches.min() else { return };
            self.offer(now, line, at, agent);
        }
    }

    fn offer(&mut self, now: Time, line: usize, at: usize, agent: u32) {
        self.offers_made += 1;
        let id = OfferId(self.offers_made);
        let state = &mut self.lines[line];
        state.counters.offers += 1;
        state.advance(agent);
        let waiting = &mut state.waiting[at];
        waiting.try_agent(agent, id);
        let call = waiting.call;
        let expires = now + state.settings.ring + LEASE_MARGIN;
        self.due.insert((expires, Due::Lease(id)));
        self.offers.insert(id, Lease { call, line, agent, expires: Some(expires) });
        self.agents[agent as usize].offered += 1;
        let offer = Offer {
            id,
            agent: AgentId(agent),
            uri: self.agents[agent as usize].settings.uri.clone(),
            peer: state.settings.peer.clone(),
            ring: state.settings.ring,
        };
        self.notices.push_back((call, Notice::Offer(offer)));
    }
}

fn agent_snapshot(agent: &Agent) -> AgentSnapshot {
    AgentSnapshot {
        uri: agent.settings.uri.clone(),
        state: agent.state(),
        offered: agent.offered,
        talking: agent.talking,
        idle_since: agent.idle_since,
        set_aside_until: agent.set_aside,
    }
}
