//! A shard's actor and its task. The task runs turns; the actor answers other arbiters; both, and the calls of the
//! shard, share one cell that never leaves its arbiter and is never borrowed across an await.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use baton_signaling::Time;

use super::{Ask, CallOver, Cut, Deliver, Describe, DrainDeadline, Draw, Shared};
use crate::call::{CallSnapshot, Input, SegmentFigures};
use crate::key::CallKey;
use crate::queue::QueueRequest;
use crate::shard::{Health, Io, Ladder, PeerHealth, Rest, Shard};
use crate::shell::clock::thread_work;
use crate::shell::limits::{SECOND, SHARD_MAILBOX};
use crate::shell::metrics::{CallMetrics, PeerMetrics, ShardMetrics};
use crate::shell::poller::Poller;
use crate::shell::world::World;

/// Calls whose actor died between two turns. More than a few is a fault that no list helps.
const ORPHANS: usize = 1024;

/// What one arbiter's task and actors share.
pub(crate) struct ShardCell {
    /// The machine and its world.
    pub(crate) core: RefCell<Core>,
    /// What every actor may use.
    pub(crate) shared: Arc<Shared>,
    orphans: RefCell<Vec<CallKey>>,
    metrics: RefCell<CallMetrics>,
    poller: Rc<Poller>,
    /// When all sockets were last looked at.
    looked: Cell<Time>,
    /// Rests of the task that have ended.
    wakes: Cell<u64>,
}

/// A shard and its world, borrowed together.
pub(crate) struct Core {
    /// The machine.
    pub(crate) shard: Shard,
    /// Its sockets and actors.
    pub(crate) world: World,
}

impl ShardCell {
    /// A cell around what `build` makes of a handle to the cell itself.
    pub(crate) fn new(
        shared: Arc<Shared>,
        poller: Rc<Poller>,
        build: impl FnOnce(Weak<Self>) -> Core,
    ) -> Rc<Self> {
        Rc::new_cyclic(|cell| Self {
            core: RefCell::new(build(cell.clone())),
            shared,
            orphans: RefCell::new(Vec::with_capacity(ORPHANS)),
            metrics: RefCell::new(CallMetrics::new()),
            poller,
            looked: Cell::new(Time::ZERO),
            wakes: Cell::new(0),
        })
    }

    /// Wakes the task: an action between turns is to leave at once.
    pub(crate) fn nudge(&self) {
        self.poller.nudge();
    }

    /// A call's actor died, or does not hear: the next turn ends what is left of the call. Never panics.
    pub(crate) fn orphan(&self, key: CallKey) {
        if let Ok(mut orphans) = self.orphans.try_borrow_mut()
            && orphans.len() < ORPHANS
        {
            orphans.push(key);
        }
        self.nudge();
    }

    /// A part of a call is over.
    pub(crate) fn segment_over(&self, part: &SegmentFigures) {
        self.metrics.borrow_mut().segment(part);
    }

    /// A call has ended in order.
    pub(crate) fn ended(&self, now: Time, call: CallSnapshot) {
        let key = call.key;
        self.metrics.borrow_mut().count(now, &call);
        // Told before the shard forgets it, so that whoever asks for it finds it at one of the two. Refused: the
        // supervisor notices by the deadline that passes.
        let over = CallOver { key, record: Some(Box::new(call)) };
        let _ = self.shared.supervisor.try_send(over);
        self.core.borrow_mut().world.forget(key);
    }

    /// Runs one turn; when the next is due, and how to wait for it.
    fn turn(&self) -> Rest {
        let now = self.shared.clock.now();
        let core = &mut *self.core.borrow_mut();
        if core.world.look() {
            self.looked.set(now);
        }
        if core.shard.work_due() <= now {
            core.shard.handle_work(now, thread_work());
            core.world.set_full(core.shard.is_full());
        }
        while let Some(key) = self.orphans.borrow_mut().pop() {
            core.world.forget(key);
            core.shard.remove(now, key, &mut core.world);
            // Refused: the offer's lease runs out.
            let _ = self.shared.queues.try_send(Ask(QueueRequest::Leave { call: key }));
        }
        let due = core.shard.turn(now, &mut core.world);
        core.shard.rest(self.shared.clock.now(), due, self.looked.get())
    }

    /// The shard's task: turn after turn until the arbiter ends.
    pub(crate) async fn run(self: Rc<Self>) {
        loop {
            // The edges inside a turn catch what a session or the endpoint may do; this is the last one.
            let rest = catch_unwind(AssertUnwindSafe(|| self.turn())).unwrap_or_else(|_| {
                tracing::error!("a turn of the shard has panicked");
                Rest { until: Some(self.shared.clock.now()), packets_wake: true }
            });
            let wait = rest.until.map(|until| self.shared.clock.until(until));
            if wait == Some(Duration::ZERO) {
                self.poller.skip_rest();
                tokio::task::yield_now().await;
            } else if self.poller.rest(rest.until, wait, rest.packets_wake).await.is_err() {
                return;
            } else {
                self.wakes.set(self.wakes.get() + 1);
            }
        }
    }
}

/// Answers for a shard to other arbiters, and publishes its figures.
pub struct ShardActor {
    cell: Rc<ShardCell>,
    metrics: ShardMetrics,
    peers: PeerMetrics,
}

impl ShardActor {
    /// The actor of a shard, on the shard's arbiter.
    pub(crate) fn start(cell: Rc<ShardCell>) -> Addr<Self> {
        Self::create(|ctx: &mut Context<Self>| {
            ctx.set_mailbox_capacity(SHARD_MAILBOX);
            let index = cell.core.borrow().shard.index();
            Self { cell, metrics: ShardMetrics::new(index), peers: PeerMetrics::default() }
        })
    }

    fn publish(&mut self, ctx: &mut Context<Self>) {
        let now = self.cell.shared.clock.now();
        if let Ok(core) = self.cell.core.try_borrow() {
            let stats = core.shard.stats(now);
            let (overflows, unsent) = (core.world.overflows(), core.world.unsent());
            let inbox = core.world.inbox_counts();
            self.metrics.publish(&stats, overflows, unsent, self.cell.wakes.get(), inbox);
            self.peers.publish(core.shard.peers(), tell_operator);
        }
        ctx.run_later(SECOND, Self::publish);
    }

    fn deliver(&self, key: CallKey, input: Input) -> bool {
        self.cell.core.borrow_mut().world.deliver(key, input).is_ok()
    }
}

/// An address of a peer has come or gone.
fn tell_operator(health: &PeerHealth) {
    let PeerHealth { peer, uri, state } = health;
    match state {
        Some(Health::Probing) => tracing::info!(peer, uri, "a peer's answers to OPTIONS are in doubt"),
        Some(Health::Down) => tracing::warn!(peer, uri, "a peer does not answer OPTIONS"),
        _ => tracing::info!(peer, uri, "a peer answers OPTIONS"),
    }
}

impl Actor for ShardActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.publish(ctx);
    }
}

impl Handler<Deliver> for ShardActor {
    type Result = bool;

    fn handle(&mut self, Deliver(key, input): Deliver, _: &mut Self::Context) -> bool {
        self.deliver(key, input)
    }
}

impl Handler<Cut> for ShardActor {
    type Result = ();

    fn handle(&mut self, Cut(key): Cut, _: &mut Self::Context) {
        self.cell.orphan(key);
    }
}

impl Handler<DrainDeadline> for ShardActor {
    type Result = ();

    fn handle(&mut self, _: DrainDeadline, _: &mut Self::Context) {
        let keys = self.cell.core.borrow().world.keys();
        for key in keys {
            self.deliver(key, Input::DrainDeadline);
        }
    }
}

impl Handler<Draw> for ShardActor {
    type Result = Option<Box<Ladder>>;

    fn handle(&mut self, Draw(key): Draw, _: &mut Self::Context) -> Self::Result {
        self.cell.core.borrow().shard.ladder(key).cloned().map(Box::new)
    }
}

impl Handler<Describe> for ShardActor {
    type Result = ResponseFuture<Option<Box<CallSnapshot>>>;

    fn handle(&mut self, Describe(key): Describe, _: &mut Self::Context) -> Self::Result {
        let owner = self.cell.core.borrow().world.owner(key).cloned();
        Box::pin(async move { owner?.send(Describe(key)).await.ok().flatten() })
    }
}

#[cfg(test)]
impl Handler<super::call::panic::Panic> for ShardActor {
    type Result = ();

    fn handle(&mut self, panic: super::call::panic::Panic, _: &mut Self::Context) {
        let owner = self.cell.core.borrow().world.owner(panic.0).cloned();
        owner.expect("the test names a call that is there").try_send(panic).expect("its mailbox is empty");
    }
}
