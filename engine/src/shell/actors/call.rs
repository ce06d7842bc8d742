//! The actor of one call: it owns the call's machine, the handle to what the call has on its shard, and one timer.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use actix::prelude::*;
use baton_signaling::Time;

use super::{Ask, CallOver, CallReport, Describe, ShardCell, Tell};
use crate::call::{Blame, Call, CallSnapshot, EndReason, Input, State};
use crate::key::CallKey;
use crate::shard::{NewCall, settle};
use crate::shell::limits::{CALL_MAILBOX, REPORT_STEP};
use crate::shell::metrics;

/// One call.
pub struct CallActor {
    call: Call,
    shard: SessionHandle,
    wake: Option<(Time, SpawnHandle)>,
    overloaded: Rc<Cell<bool>>,
    reported: Option<(State, Option<Time>)>,
    /// Parts of the call that the metrics have.
    published: usize,
}

/// The one owner of what a call has on its shard: session, ports, dialogs. Dropped before the call is over, it has the
/// shard end all of it; a panic in a handler drops it while unwinding, so it never panics itself.
struct SessionHandle {
    cell: Rc<ShardCell>,
    key: CallKey,
    over: bool,
}

impl CallActor {
    /// Makes the owner of a new call, on the arbiter of its shard.
    pub(crate) fn start(cell: Rc<ShardCell>, new: NewCall, overloaded: Rc<Cell<bool>>) -> Addr<Self> {
        Self::create(|ctx: &mut Context<Self>| {
            ctx.set_mailbox_capacity(CALL_MAILBOX);
            let settings = cell.shared.settings.clone();
            let now = cell.shared.clock.now();
            let call = Call::new(now, new.key, new.id, settings, new.seed, new.keys, new.incoming);
            let shard = SessionHandle { cell, key: new.key, over: false };
            Self { call, shard, wake: None, overloaded, reported: None, published: 0 }
        })
    }

    /// Carries out what the call asked for, then re-arms its one timer.
    fn settle(&mut self, now: Time, ctx: &mut Context<Self>) {
        if self.overloaded.take() {
            self.call.handle(now, Input::Overload);
        }
        let cell = self.shard.cell.clone();
        let ended = {
            let core = &mut *cell.core.borrow_mut();
            let queues = &cell.shared.queues;
            let ask = |request| queues.try_send(Ask(request)).is_ok();
            settle(&mut self.call, &mut core.shard, now, &mut core.world, ask)
        };
        cell.nudge();
        for part in &self.call.segments().entries()[self.published..] {
            cell.segment_over(part);
        }
        self.published = self.call.segments().entries().len();
        self.tell_alarms();
        self.report();
        if ended {
            self.shard.over = true;
            self.tell_operator();
            cell.ended(now, self.call.snapshot());
            ctx.stop();
        } else {
            self.arm(now, ctx);
        }
    }

    /// Alarms about the sound: each is counted at once, the first of its kind on a leg is a line in the log.
    fn tell_alarms(&mut self) {
        while let Some(alarm) = self.call.poll_alarm() {
            metrics::count_alarm(alarm);
            if alarm.first {
                let (leg, kind) = (alarm.role.label(), alarm.kind.label());
                tracing::warn!(
                    call = self.call.id(),
                    leg,
                    kind,
                    "something is wrong with the sound of a leg"
                );
            }
        }
    }

    /// An end that is to blame on us is something an operator acts on; any other is not.
    fn tell_operator(&self) {
        let (call, reason) = (self.call.id(), self.call.end_reason().unwrap_or(EndReason::Internal));
        match reason.row().blame {
            Blame::Us => tracing::warn!(call, reason = reason.label(), "a call has ended by our fault"),
            _ => tracing::debug!(call, reason = reason.label(), "a call has ended"),
        }
    }

    fn arm(&mut self, now: Time, ctx: &mut Context<Self>) {
        let due = self.call.poll_timeout();
        if self.wake.map(|(at, _)| at) == due {
            return;
        }
        if let Some((_, wake)) = self.wake.take() {
            ctx.cancel_future(wake);
        }
        self.wake = due.map(|at| {
            // The runtime's timer counts in milliseconds and rounds up; never earlier than due.
            let wait = at.saturating_duration_since(now).max(Duration::from_micros(1));
            (at, ctx.run_later(wait, Self::wake))
        });
    }

    fn wake(&mut self, ctx: &mut Context<Self>) {
        self.wake = None;
        let now = self.shard.cell.shared.clock.now();
        self.call.handle_timeout(now);
        self.settle(now, ctx);
    }

    /// Tells the supervisor where the call stands, if that has changed by enough.
    fn report(&mut self) {
        let (state, deadline) = (self.call.state(), self.call.poll_timeout());
        let moved = |before: Option<Time>| match (before, deadline) {
            (Some(before), Some(deadline)) => {
                before > deadline || deadline.saturating_duration_since(before) >= REPORT_STEP
            }
            (before, deadline) => before != deadline,
        };
        if self.reported.is_some_and(|(before, at)| before == state && !moved(at)) {
            return;
        }
        let id = self.reported.is_none().then(|| self.call.id().to_owned());
        let report = CallReport { key: self.call.key(), id, state, deadline };
        // Refused: said again with the next change.
        if self.shard.cell.shared.supervisor.try_send(report).is_ok() {
            self.reported = Some((state, deadline));
        }
    }
}

impl Actor for CallActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let now = self.shard.cell.shared.clock.now();
        self.settle(now, ctx);
    }
}

impl Handler<Tell> for CallActor {
    type Result = ();

    fn handle(&mut self, Tell(input): Tell, ctx: &mut Self::Context) {
        let now = self.shard.cell.shared.clock.now();
        self.call.handle(now, input);
        self.settle(now, ctx);
    }
}

impl Handler<Describe> for CallActor {
    type Result = Option<Box<CallSnapshot>>;

    fn handle(&mut self, _: Describe, _: &mut Self::Context) -> Self::Result {
        let mut call = self.call.snapshot();
        call.add_measured(self.shard.cell.core.borrow_mut().shard.measure(call.key));
        Some(Box::new(call))
    }
}

impl Drop for SessionHandle {
    fn drop(&mut self) {
        if !self.over {
            self.cell.orphan(self.key);
            // Refused: the supervisor notices by the deadline that passes.
            let _ = self.cell.shared.supervisor.try_send(CallOver { key: self.key, record: None });
        }
    }
}

/// What only tests ask: a call's handler to panic with the shard borrowed.
#[cfg(test)]
pub(super) mod panic {
    use super::*;

    /// To a shard and from there to a call: panic.
    #[derive(Message)]
    #[rtype(result = "()")]
    pub(crate) struct Panic(pub(crate) CallKey);

    impl Handler<Panic> for CallActor {
        type Result = ();

        fn handle(&mut self, _: Panic, _: &mut Self::Context) {
            let _borrowed = self.shard.cell.core.borrow_mut();
            panic!("as a test asked");
        }
    }
}
