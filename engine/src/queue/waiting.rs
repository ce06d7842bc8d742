//! One queue's line: who waits in it, since when, and whom each was offered to.

use std::collections::VecDeque;

use baton_signaling::Time;

use crate::key::CallKey;
use crate::queue::settings::{QueueSettings, Strategy};
use crate::queue::{OfferId, Place};

use super::agent::Agent;
use super::report::LineCounters;

/// Tries of one caller at one agent in one stay; after them the agent counts as one who cannot be had.
pub const TRIES_PER_AGENT: u32 = 3;

/// A caller in line.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) call: CallKey,
    pub(crate) since: Time,
    pub(crate) place: Place,
    /// The offer under way for it.
    pub(crate) offer: Option<OfferId>,
    /// `wait_seconds` have passed while a phone rang: it leaves when that offer fails.
    pub(crate) overdue: bool,
    /// Offers made in this stay.
    pub(crate) attempts: u32,
    tried: Vec<Tried>,
}

#[derive(Clone, Copy, Debug)]
struct Tried {
    agent: u32,
    times: u32,
    declined: bool,
}

impl Waiting {
    pub(crate) fn new(call: CallKey, since: Time, place: Place) -> Self {
        Self { call, since, place, offer: None, overdue: false, attempts: 0, tried: Vec::new() }
    }

    fn times(&self, agent: u32) -> u32 {
        self.tried.iter().find(|tried| tried.agent == agent).map_or(0, |tried| tried.times)
    }

    /// This agent will not be had by this caller any more.
    fn is_spent(&self, agent: u32) -> bool {
        let spent = |tried: &Tried| tried.declined || tried.times >= TRIES_PER_AGENT;
        self.tried.iter().any(|tried| tried.agent == agent && spent(tried))
    }

    pub(crate) fn try_agent(&mut self, agent: u32, offer: OfferId) {
        self.offer = Some(offer);
        self.attempts += 1;
        match self.tried.iter_mut().find(|tried| tried.agent == agent) {
            Some(tried) => tried.times += 1,
            None => self.tried.push(Tried { agent, times: 1, declined: false }),
        }
    }

    /// The same caller with no phone ringing for it.
    pub(crate) fn without_offer(&self) -> Self {
        Self { offer: None, ..self.clone() }
    }

    pub(crate) fn declined_by(&mut self, agent: u32) {
        if let Some(tried) = self.tried.iter_mut().find(|tried| tried.agent == agent) {
            tried.declined = true;
        }
    }
}

/// One queue.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) settings: QueueSettings,
    pub(crate) open: bool,
    pub(crate) waiting: VecDeque<Waiting>,
    /// Round-robin: the position in the list at which the search begins.
    cursor: usize,
    pub(crate) counters: LineCounters,
}

impl Line {
    pub(crate) fn new(settings: QueueSettings) -> Self {
        let open = settings.open;
        Self { settings, open, waiting: VecDeque::new(), cursor: 0, counters: LineCounters::default() }
    }

    /// Takes a caller in; its place, from 1.
    pub(crate) fn push(&mut self, waiting: Waiting) -> u32 {
        let at = match waiting.place {
            Place::Back => self.waiting.len(),
            // Behind those who lost their agent earlier.
            Place::Front => self.waiting.iter().take_while(|other| other.place == Place::Front).count(),
        };
        self.waiting.insert(at, waiting);
        u32::try_from(at + 1).unwrap_or(u32::MAX)
    }

    pub(crate) fn find(&mut self, call: CallKey) -> Option<&mut Waiting> {
        self.waiting.iter_mut().find(|waiting| waiting.call == call)
    }

    pub(crate) fn remove(&mut self, call: CallKey) -> Option<Waiting> {
        let at = self.waiting.iter().position(|waiting| waiting.call == call)?;
        self.waiting.remove(at)
    }

    /// Every agent of this queue has been tried by `waiting` in vain.
    pub(crate) fn is_hopeless_for(&self, waiting: &Waiting) -> bool {
        self.settings.agents.iter().all(|agent| waiting.is_spent(*agent))
    }

    /// The first in line for whom an agent is free, and that agent.
    pub(crate) fn next_match(&self, agents: &[Agent]) -> Option<(usize, u32)> {
        if !self.settings.agents.iter().any(|agent| agents[*agent as usize].is_free()) {
            return None;
        }
        self.waiting
            .iter()
            .enumerate()
            .filter(|(_, waiting)| waiting.offer.is_none())
            .find_map(|(at, waiting)| Some((at, self.choose(waiting, agents)?)))
    }

    /// The agent for `waiting`: whom it has tried least, and among these by the queue's strategy.
    fn choose(&self, waiting: &Waiting, agents: &[Agent]) -> Option<u32> {
        let list = &self.settings.agents;
        let free = list
            .iter()
            .enumerate()
            .filter(|(_, agent)| agents[**agent as usize].is_free() && !waiting.is_spent(**agent));
        let key = |place: usize, agent: u32| {
            let state = &agents[agent as usize];
            match self.settings.strategy {
                Strategy::RingInOrder => (0, Time::ZERO, place),
                Strategy::RoundRobin => {
                    (0, Time::ZERO, (place + list.len() - self.cursor % list.len()) % list.len())
                }
                Strategy::LongestIdle => (state.offered + state.talking, state.idle_since, place),
            }
        };
        free.min_by_key(|(place, agent)| (waiting.times(**agent), key(*place, **agent)))
            .map(|(_, agent)| *agent)
    }

    /// `agent` has been offered a caller of this queue.
    pub(crate) fn advance(&mut self, agent: u32) {
        if let Some(place) = self.settings.agents.iter().position(|other| *other == agent) {
            self.cursor = (place + 1) % self.settings.agents.len();
        }
    }
}
