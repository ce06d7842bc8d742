//! The actor of all queues and agents of a node: an agent may serve several queues, so there is one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use actix::prelude::*;
use baton_signaling::Time;

use super::{Ask, Deliver, DescribeQueues, Remember, ShardActor};
use crate::call::Input;
use crate::queue::{Queues, QueuesSettings, QueuesSnapshot};
use crate::shell::Clock;
use crate::shell::limits::{QUEUE_MAILBOX, SECOND};
use crate::shell::metrics::QueueMetrics;

/// All queues of a node.
pub struct QueueActor {
    queues: Queues,
    settings: QueuesSettings,
    clock: Clock,
    shards: Vec<Addr<ShardActor>>,
    wake: Option<(Time, SpawnHandle)>,
    metrics: QueueMetrics,
    /// The last step has panicked.
    shaken: bool,
}

impl QueueActor {
    /// The actor of the queues of `settings`, on this arbiter.
    pub fn start(clock: Clock, settings: QueuesSettings) -> Addr<Self> {
        Self::create(|ctx: &mut Context<Self>| {
            ctx.set_mailbox_capacity(QUEUE_MAILBOX);
            let queues = Queues::new(settings.clone());
            let metrics = QueueMetrics::new();
            Self { queues, settings, clock, shards: Vec::new(), wake: None, metrics, shaken: false }
        })
    }

    /// Lets the machine take a step. A panic in it costs that step alone: the machine is built anew from who talks and
    /// who waits. Only if the very next step panics too are those who wait turned away, each to its flow's next place.
    fn step(&mut self, ctx: &mut Context<Self>, step: impl FnOnce(&mut Queues, Time)) {
        let (now, queues) = (self.clock.now(), &mut self.queues);
        let panicked = catch_unwind(AssertUnwindSafe(|| step(queues, now))).is_err();
        if panicked {
            tracing::error!(again = self.shaken, "the queues have panicked and are built anew");
            self.metrics.panicked();
            self.queues = self.queues.salvaged(self.settings.clone(), !self.shaken);
        }
        self.shaken = panicked;
        self.settle(now, ctx);
    }

    fn settle(&mut self, now: Time, ctx: &mut Context<Self>) {
        while let Some((queue, wait)) = self.queues.poll_wait() {
            self.metrics.waited(queue, wait);
        }
        while let Some((call, notice)) = self.queues.poll_notice() {
            if let Some(shard) = self.shards.get(usize::from(call.shard())) {
                // Refused: the call's own watch over its wait takes it out of the queue.
                let told = shard.try_send(Deliver(call, Input::Queue(notice)));
                self.metrics.told(told.is_ok());
            }
        }
        let due = self.queues.poll_timeout();
        if self.wake.map(|(at, _)| at) == due {
            return;
        }
        if let Some((_, wake)) = self.wake.take() {
            ctx.cancel_future(wake);
        }
        self.wake = due.map(|at| {
            let wait = at.saturating_duration_since(now).max(Duration::from_micros(1));
            (at, ctx.run_later(wait, Self::wake))
        });
    }

    fn wake(&mut self, ctx: &mut Context<Self>) {
        self.wake = None;
        self.step(ctx, |queues, now| queues.handle_timeout(now));
    }

    fn publish(&mut self, ctx: &mut Context<Self>) {
        self.metrics.publish(&self.queues.snapshot(self.clock.now()));
        ctx.run_later(SECOND, Self::publish);
    }
}

impl Actor for QueueActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.publish(ctx);
    }
}

impl Handler<Ask> for QueueActor {
    type Result = ();

    fn handle(&mut self, Ask(request): Ask, ctx: &mut Self::Context) {
        self.step(ctx, |queues, now| queues.handle(now, request));
    }
}

impl Handler<Remember> for QueueActor {
    type Result = ();

    fn handle(&mut self, Remember(shards): Remember, _: &mut Self::Context) {
        self.shards = shards;
    }
}

impl Handler<DescribeQueues> for QueueActor {
    type Result = MessageResult<DescribeQueues>;

    fn handle(&mut self, _: DescribeQueues, _: &mut Self::Context) -> Self::Result {
        MessageResult(Box::new(self.queues.snapshot(self.clock.now())) as Box<QueuesSnapshot>)
    }
}

/// What only tests ask: a step of the queues to panic.
#[cfg(test)]
pub(super) mod panic {
    use super::*;

    /// To the queues: panic.
    #[derive(Message)]
    #[rtype(result = "()")]
    pub(crate) struct Panic;

    impl Handler<Panic> for QueueActor {
        type Result = ();

        fn handle(&mut self, _: Panic, ctx: &mut Self::Context) {
            self.step(ctx, |_, _| panic!("as a test asked"));
        }
    }
}
