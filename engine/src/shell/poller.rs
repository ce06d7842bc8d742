//! What a shard's task waits on: a timerfd, the bell of its inbox, its own actors, and, while packets are to wake it, one epoll
//! instance that holds its RTP sockets.
//!
//! No task per socket and no runtime timer for media: a timerfd is several times more punctual than the runtime's wheel. Leaves
//! out how long to wait and for what (`shard::Rest`).

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::inbox::Bell;

/// Sockets told as ready by one look. As many as a shard takes packets in one turn.
const READY: usize = crate::shard::PACKETS_PER_TURN;

/// What a shard's task waits on.
#[derive(Debug)]
pub(crate) struct Poller {
    /// Holds the sockets.
    sockets: OwnedFd,
    /// The same in the runtime's eyes, while packets are to wake the task. A socket that belongs to an epoll instance on which
    /// nobody waits costs its packets next to nothing.
    watched: RefCell<Option<AsyncFd<OwnedFd>>>,
    timer: AsyncFd<OwnedFd>,
    bell: AsyncFd<OwnedFd>,
    nudge: Nudge,
}

/// Wakes a shard's task from its own thread.
#[derive(Debug, Default)]
struct Nudge {
    pending: Cell<bool>,
    task: RefCell<Option<Waker>>,
}

/// What was ready when the poller was last looked at.
pub(crate) struct Ready {
    events: Vec<Event>,
    next: usize,
}

impl Poller {
    /// A poller of no socket yet, which hears `bell`. Within a runtime only.
    ///
    /// # Errors
    /// No more file descriptors.
    pub(crate) fn new(bell: &Bell) -> io::Result<Self> {
        let sockets = epoll::create(CreateFlags::CLOEXEC)?;
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self {
            watched: RefCell::new(Some(register(sockets.try_clone()?)?)),
            sockets,
            timer: register(timer)?,
            bell: register(bell.as_fd().try_clone_to_owned()?)?,
            nudge: Nudge::default(),
        })
    }

    /// Watches a socket; [`Ready::next_port`] tells its `port`.
    ///
    /// # Errors
    /// The system's limit of watched sockets is reached.
    pub(crate) fn watch(&self, socket: impl AsFd, port: u16) -> io::Result<()> {
        Ok(epoll::add(&self.sockets, socket, EventData::new_u64(u64::from(port)), EventFlags::IN)?)
    }

    /// Looks, without waiting, at which sockets have something.
    pub(crate) fn look(&self, ready: &mut Ready) {
        ready.events.clear();
        ready.next = 0;
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let looked = epoll::wait(&self.sockets, spare_capacity(&mut ready.events), Some(&zero));
        if looked.unwrap_or(0) == 0
            && let Some(watched) = &*self.watched.borrow()
        {
            // Clears the readiness that the runtime keeps, and not before there is nothing: the runtime is told of what comes,
            // not of what is left.
            let nothing = watched.try_io(Interest::READABLE, |_| io::Result::<()>::Err(would_block()));
            debug_assert!(nothing.is_err(), "it was told so");
        }
    }

    /// Wakes the task at once, from its own thread.
    pub(crate) fn nudge(&self) {
        self.nudge.pending.set(true);
        if let Some(task) = self.nudge.task.borrow_mut().take() {
            task.wake();
        }
    }

    /// Waits: until `wait` is over (`None`: for ever), the bell rings, somebody nudges, or, if `packets_wake`, a packet comes.
    ///
    /// # Errors
    /// The runtime is shutting down, or has no more descriptors.
    pub(crate) async fn rest(&self, wait: Option<Duration>, packets_wake: bool) -> io::Result<()> {
        if packets_wake != self.watched.borrow().is_some() {
            // Rarely: only when a shard gets or loses many streams.
            let watched = if packets_wake { Some(register(self.sockets.try_clone()?)?) } else { None };
            self.watched.replace(watched);
        }
        self.set_timer(wait);
        poll_fn(|task| self.poll(task)).await
    }

    fn poll(&self, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.nudge.pending.take() {
            return Poll::Ready(Ok(()));
        }
        let known = self.nudge.task.borrow().as_ref().is_some_and(|waker| waker.will_wake(task.waker()));
        if !known {
            self.nudge.task.replace(Some(task.waker().clone()));
        }
        // Neither is read here: set anew, the timer forgets that it has fired; and the bell's hearer silences it.
        for one in [&self.timer, &self.bell] {
            if let Poll::Ready(ready) = one.poll_read_ready(task) {
                ready?.clear_ready();
                return Poll::Ready(Ok(()));
            }
        }
        if let Some(watched) = &*self.watched.borrow()
            && let Poll::Ready(ready) = watched.poll_read_ready(task)
        {
            ready?.retain_ready();
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    /// Ends a rest after `wait`; `None`: never.
    fn set_timer(&self, wait: Option<Duration>) {
        // Zero would disarm it.
        let wait = wait.map_or(Duration::ZERO, |wait| wait.max(Duration::from_nanos(1)));
        let value = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: wait.subsec_nanos().into(),
        };
        let spec = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::empty(), &spec)
            .expect("a duration makes a valid timer");
    }
}

fn register(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(
        deprecated,
        reason = "an OwnedFd keeps its descriptor open; the new constructor is unsafe for all types"
    )]
    AsyncFd::with_interest(fd, Interest::READABLE)
}

fn would_block() -> io::Error {
    io::ErrorKind::WouldBlock.into()
}

impl Ready {
    /// Nothing is ready.
    pub(crate) fn new() -> Self {
        Self { events: Vec::with_capacity(READY), next: 0 }
    }

    /// The port of the next socket that was ready. Each is told once per look: one that holds more is ready again.
    pub(crate) fn next_port(&mut self) -> Option<u16> {
        let event = self.events.get(self.next)?;
        self.next += 1;
        Some(u16::try_from(event.data.u64()).expect("what is watched has a port for its name"))
    }

    /// Whether sockets are left that were ready, or more may be than the last look could tell.
    pub(crate) fn has_more(&self) -> bool {
        self.next < self.events.len() || self.events.len() == self.events.capacity()
    }

    /// Whether the last look found nothing.
    pub(crate) fn was_empty(&self) -> bool {
        self.events.is_empty()
    }
}

impl Default for Ready {
    fn default() -> Self {
        Self::new()
    }
}
