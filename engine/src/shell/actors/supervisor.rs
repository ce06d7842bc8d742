//! The node's supervisor: it knows every call's state and deadline, ends and counts those that miss it by far, and
//! answers for the node as a whole.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use actix::prelude::*;
use baton_signaling::Time;

use super::messages::CallList;
use super::{
    CallBrief, CallOver, CallReport, Cut, Deliver, FindCall, Found, ListCalls, Remember, ShardActor,
};
use crate::call::{CallSnapshot, Input, State};
use crate::key::CallKey;
use crate::shell::Clock;
use crate::shell::limits::{ENDED_CALLS, LISTED_CALLS, SECOND, STUCK_AFTER, SUPERVISOR_MAILBOX};
use crate::shell::metrics::NodeMetrics;
use crate::shell::process::process;

/// What the supervisor knows of a call.
#[derive(Debug)]
struct Known {
    id: String,
    state: State,
    began: Time,
    deadline: Option<Time>,
    /// It was told to end and has not.
    told: bool,
}

/// What is to be done about a call that has missed its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Tell it to end.
    Tell(CallKey),
    /// It was told and does not hear: end what it has on its shard, without it.
    Cut(CallKey),
}

/// Knows every call, and ends those that are stuck.
#[derive(Debug)]
pub struct Watch {
    calls: BTreeMap<CallKey, Known>,
    /// The latest last.
    ended: VecDeque<Arc<CallSnapshot>>,
}

impl Watch {
    /// No calls yet.
    pub fn new() -> Self {
        Self { calls: BTreeMap::new(), ended: VecDeque::new() }
    }

    /// A call stands here.
    pub fn report(&mut self, now: Time, report: CallReport) {
        let CallReport { key, id, state, deadline } = report;
        let fresh = || Known { id: String::new(), state, began: now, deadline, told: false };
        let known = self.calls.entry(key).or_insert_with(fresh);
        known.id = id.unwrap_or_else(|| std::mem::take(&mut known.id));
        (known.state, known.deadline, known.told) = (state, deadline, false);
    }

    /// A call is no more; `record`: how it stood at its end, if its actor lived to say so.
    pub fn over(&mut self, key: CallKey, record: Option<Box<CallSnapshot>>) {
        self.calls.remove(&key);
        let Some(record) = record else { return };
        if self.ended.len() == ENDED_CALLS {
            self.ended.pop_front();
        }
        self.ended.push_back(Arc::from(record));
    }

    /// What to do about calls whose deadline passed more than `STUCK_AFTER` ago. One that was told is given as long
    /// again; one that is cut is known no more.
    pub fn stuck(&mut self, now: Time) -> Vec<Remedy> {
        let mut remedies = Vec::new();
        for (&key, known) in &mut self.calls {
            if known.deadline.is_some_and(|due| due + STUCK_AFTER < now) {
                remedies.push(if known.told { Remedy::Cut(key) } else { Remedy::Tell(key) });
                (known.deadline, known.told) = (Some(now), true);
            }
        }
        for remedy in &remedies {
            if let Remedy::Cut(key) = remedy {
                self.calls.remove(key);
            }
        }
        remedies
    }

    /// How many calls there are, and how many of them are on their way to a person.
    pub fn counts(&self) -> (usize, usize) {
        let to_person = |known: &&Known| {
            matches!(known.state, State::HandoffRequested | State::Queued | State::RingingAgent)
        };
        (self.calls.len(), self.calls.values().filter(to_person).count())
    }

    /// The call of this id, if it lives or was one of the last `ENDED_CALLS` to end.
    pub fn find(&self, id: &str) -> Option<Found> {
        let living = self.calls.iter().find(|(_, known)| known.id == id).map(|(&key, _)| Found::Living(key));
        living.or_else(|| {
            self.ended.iter().rfind(|ended| ended.call_id == id).map(|ended| Found::Ended(ended.clone()))
        })
    }

    /// The calls by id, at most `limit`.
    fn list(&self, clock: Clock, limit: usize) -> CallList {
        let brief = |known: &Known| {
            let began_unix_ms = clock.unix_millis(known.began);
            (known.id.clone(), CallBrief { state: known.state, began_unix_ms })
        };
        self.calls.values().map(brief).take(limit).collect()
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

/// The actor around a [`Watch`].
pub struct SupervisorActor {
    clock: Clock,
    watch: Watch,
    shards: Vec<Addr<ShardActor>>,
    metrics: NodeMetrics,
}

impl SupervisorActor {
    /// The supervisor, on this arbiter.
    pub(crate) fn start(clock: Clock, metrics: NodeMetrics) -> Addr<Self> {
        Self::create(|ctx: &mut Context<Self>| {
            ctx.set_mailbox_capacity(SUPERVISOR_MAILBOX);
            Self { clock, watch: Watch::new(), shards: Vec::new(), metrics }
        })
    }

    fn shard(&self, key: CallKey) -> Option<&Addr<ShardActor>> {
        self.shards.get(usize::from(key.shard()))
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        for remedy in self.watch.stuck(self.clock.now()) {
            tracing::error!(?remedy, "a call has missed its deadline");
            match remedy {
                Remedy::Tell(key) => {
                    self.metrics.stuck();
                    // Refused: it is cut as if it had not heard.
                    self.shard(key).map(|shard| shard.try_send(Deliver(key, Input::Overload)));
                }
                Remedy::Cut(key) => {
                    // Refused: a shard that answers nobody is not ready, and the node says so.
                    self.shard(key).map(|shard| shard.try_send(Cut(key)));
                }
            }
        }
        let (calls, handoffs) = self.watch.counts();
        self.metrics.publish(self.clock.now(), calls, handoffs, process());
        ctx.run_later(SECOND, Self::look);
    }
}

impl Actor for SupervisorActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.look(ctx);
    }
}

impl Handler<CallReport> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, report: CallReport, _: &mut Self::Context) {
        self.watch.report(self.clock.now(), report);
    }
}

impl Handler<CallOver> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, CallOver { key, record }: CallOver, _: &mut Self::Context) {
        if record.is_none() {
            tracing::error!(?key, "a call's actor has died");
            self.metrics.died();
        }
        self.watch.over(key, record);
    }
}

impl Handler<Remember> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, Remember(shards): Remember, _: &mut Self::Context) {
        self.shards = shards;
    }
}

impl Handler<ListCalls> for SupervisorActor {
    type Result = MessageResult<ListCalls>;

    fn handle(&mut self, _: ListCalls, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.watch.list(self.clock, LISTED_CALLS))
    }
}

impl Handler<FindCall> for SupervisorActor {
    type Result = Option<Found>;

    fn handle(&mut self, FindCall(id): FindCall, _: &mut Self::Context) -> Self::Result {
        self.watch.find(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(count: u64, deadline: Option<Time>) -> CallReport {
        CallReport {
            key: CallKey::new(0, count),
            id: Some(count.to_string()),
            state: State::WithAi,
            deadline,
        }
    }

    #[test]
    fn a_call_five_seconds_behind_its_deadline_is_told_and_after_as_long_again_is_cut() {
        let mut watch = Watch::new();
        watch.report(Time::ZERO, report(1, Some(Time::from_secs(10))));
        watch.report(Time::ZERO, report(2, None));
        watch.report(Time::ZERO, report(3, Some(Time::from_secs(60))));
        let key = CallKey::new(0, 1);
        assert_eq!(watch.stuck(Time::from_secs(15)), []);
        assert_eq!(watch.stuck(Time::from_millis(15_001)), [Remedy::Tell(key)]);
        assert_eq!(watch.stuck(Time::from_millis(20_001)), []);
        assert_eq!(watch.stuck(Time::from_millis(20_002)), [Remedy::Cut(key)]);
        assert_eq!((watch.stuck(Time::from_secs(60)), watch.counts().0), (vec![], 2));
    }

    #[test]
    fn a_call_that_hears_is_not_cut() {
        let mut watch = Watch::new();
        watch.report(Time::ZERO, report(1, Some(Time::ZERO)));
        assert_eq!(watch.stuck(Time::from_secs(6)).len(), 1);
        watch.report(Time::from_secs(6), report(1, Some(Time::from_secs(7))));
        assert_eq!(watch.stuck(Time::from_secs(13)), [Remedy::Tell(CallKey::new(0, 1))]);
    }

    #[test]
    fn a_call_keeps_the_id_it_said_first() {
        let mut watch = Watch::new();
        watch.report(Time::ZERO, report(7, None));
        watch.report(Time::ZERO, CallReport { id: None, state: State::Queued, ..report(7, None) });
        let list = watch.list(Clock::start(), 10);
        assert_eq!(list["7"].state, State::Queued);
        assert!(matches!(watch.find("7"), Some(Found::Living(key)) if key == CallKey::new(0, 7)));
        assert!(watch.find("8").is_none());
        assert_eq!(watch.counts(), (1, 1));
    }
}
