//! The call: what it owns, and which concern gets which input. What each concern decides is in the files beside it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use baton_signaling::Time;

use crate::call::counters::Counters;
use crate::call::leg::Leg;
use crate::call::record::{CallSnapshot, HandoffState};
use crate::call::settings::CallSettings;
use crate::call::state::State;
use crate::call::timeline::Timeline;
use crate::call::timers::Timers;
use crate::call::{Action, EndReason, Header, Input, Role};
use crate::key::{CallKey, LegId};

/// The INVITE a call begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// User part of the Request-URI; empty if it has none.
    pub user: String,
    /// Name of the peer it came from, as the settings know its source.
    pub peer: String,
    /// All its headers.
    pub headers: Vec<Header>,
    /// Its offer; `None`: the caller wants ours.
    pub sdp: Option<Bytes>,
    /// Where it came from.
    pub source: SocketAddr,
}

/// One call: told inputs and time, asked for actions. After `new` and after each `handle…` the owner drains
/// [`Call::poll_action`] and re-arms its one timer from [`Call::poll_timeout`].
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    key: CallKey,
    id: String,
    #[serde(skip)]
    settings: Arc<CallSettings>,
    seed: u64,
    state: State,
    user: String,
    source: SocketAddr,
    began: Time,
    ended: Option<Time>,
    end: Option<EndReason>,
    flow: Option<usize>,
    legs: Vec<Leg>,
    timers: Timers,
    timeline: Timeline,
    counters: Counters,
    handoff: Option<HandoffState>,
    #[serde(skip)]
    actions: VecDeque<Action>,
    /// `Action::End` has been asked for.
    over: bool,
}

impl Call {
    /// A call begins with `incoming`. `id` names it everywhere and is planted toward the AI; `seed` feeds what must
    /// look random in its session descriptions.
    pub fn new(
        now: Time,
        key: CallKey,
        id: String,
        settings: Arc<CallSettings>,
        seed: u64,
        incoming: Incoming,
    ) -> Self {
        let caller = Leg::new(now, LegId::CALLER, Role::Caller, &incoming.peer, "");
        Self {
            key,
            id,
            settings,
            seed,
            state: State::Incoming,
            user: incoming.user,
            source: incoming.source,
            began: now,
            ended: None,
            end: None,
            flow: None,
            legs: vec![caller],
            timers: Timers::default(),
            timeline: Timeline::default(),
            counters: Counters::default(),
            handoff: None,
            actions: VecDeque::new(),
            over: false,
        }
    }

    /// Its number on this node.
    pub fn key(&self) -> CallKey {
        self.key
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Why it ended, once it has.
    pub fn end_reason(&self) -> Option<EndReason> {
        self.end
    }

    /// [`Action::End`] has been asked for: nothing follows.
    pub fn is_ended(&self) -> bool {
        self.over
    }

    /// What it has counted so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Tells the call what happened.
    pub fn handle(&mut self, now: Time, input: Input) {
        let _ = (now, input);
        self.counters.late_events += 1;
    }

    /// Tells the call that the time of [`Call::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(timer) = self.timers.expire(now) {
            self.counters.fired(timer);
        }
    }

    /// What the call wants done next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Call::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    /// The call as API and record show it.
    pub fn snapshot(&self) -> CallSnapshot {
        CallSnapshot {
            key: self.key,
            call_id: self.id.clone(),
            state: self.state,
            end: self.end,
            flow: self.flow.map(|flow| self.settings.flows[flow].name.clone()),
            user: self.user.clone(),
            source: self.source,
            queue: None,
            handoff: self.handoff,
            began: self.began,
            answered: self.legs[0].answered,
            ended: self.ended,
            legs: self.legs.iter().map(Leg::snapshot).collect(),
            context: Vec::new(),
            timeline: self.timeline.clone(),
            counters: self.counters.clone(),
        }
    }
}
