//! What a shard's task waits on: a timerfd, the bell of its inbox, its own actors, and two epoll instances that hold its RTP
//! sockets: one whose packets always wake it, for what is relayed, and one that does while there are few of them.
//!
//! No task per socket and no runtime timer for media: a timerfd is several times more punctual than the runtime's wheel. Leaves
//! out how long to wait and for what (`shard::Rest`).

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use baton_signaling::Time;
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

/// Between two looks where the system has no descriptor left to wait with.
const BLIND: Duration = Duration::from_millis(2);

/// What a shard's task waits on.
#[derive(Debug)]
pub(crate) struct Poller {
    /// Holds the sockets whose packets are urgent.
    urgent: AsyncFd<OwnedFd>,
    /// Holds the others.
    calm: OwnedFd,
    /// The same in the runtime's eyes, while these packets, too, are to wake the task. A socket that belongs to an epoll
    /// instance on which nobody waits costs its packets next to nothing.
    watched: RefCell<Option<AsyncFd<OwnedFd>>>,
    /// Whether an urgent packet alone has ended the last rest.
    only_urgent: Cell<bool>,
    timer: AsyncFd<OwnedFd>,
    /// What the timer is set to, until it has fired.
    armed: Cell<Option<Time>>,
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
        let (urgent, calm) = (epoll::create(CreateFlags::CLOEXEC)?, epoll::create(CreateFlags::CLOEXEC)?);
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self {
            urgent: register(urgent)?,
            watched: RefCell::new(Some(register(calm.try_clone()?)?)),
            calm,
            only_urgent: Cell::new(false),
            timer: register(timer)?,
            armed: Cell::new(None),
            bell: register(bell.as_fd().try_clone_to_owned()?)?,
            nudge: Nudge::default(),
        })
    }

    /// Watches a socket, whose packets are not urgent; [`Ready::next_port`] tells its `port`.
    ///
    /// # Errors
    /// The system's limit of watched sockets is reached.
    pub(crate) fn watch(&self, socket: impl AsFd, port: u16) -> io::Result<()> {
        Ok(epoll::add(&self.calm, socket, EventData::new_u64(u64::from(port)), EventFlags::IN)?)
    }

    /// Makes the packets of a watched socket urgent, or no longer so.
    ///
    /// # Errors
    /// The system's limit of watched sockets is reached: all stays as it was.
    pub(crate) fn set_urgent(&self, socket: impl AsFd, port: u16, urgent: bool) -> io::Result<()> {
        let (from, to) =
            if urgent { (&self.calm, self.urgent.get_ref()) } else { (self.urgent.get_ref(), &self.calm) };
        // In this order it is watched whatever fails, and being in both for a moment does no harm.
        epoll::add(to, &socket, EventData::new_u64(u64::from(port)), EventFlags::IN)?;
        Ok(epoll::delete(from, socket)?)
    }

    /// Looks, without waiting, at which sockets have something: at those of urgent packets alone, if one of these has ended
    /// the rest. Whether at all of them.
    pub(crate) fn look(&self, ready: &mut Ready) -> bool {
        ready.events.clear();
        ready.next = 0;
        look_at(self.urgent.get_ref(), Some(&self.urgent), &mut ready.events);
        let all = !self.only_urgent.get() && ready.events.len() < ready.events.capacity();
        if all {
            look_at(&self.calm, self.watched.borrow().as_ref(), &mut ready.events);
        }
        all
    }

    /// Wakes the task at once, from its own thread.
    pub(crate) fn nudge(&self) {
        self.nudge.pending.set(true);
        if let Some(task) = self.nudge.task.borrow_mut().take() {
            task.wake();
        }
    }

    /// Waits: until `until`, which is `wait` from now (`None`: for ever), the bell rings, somebody nudges, an urgent packet comes,
    /// or, if `packets_wake`, any packet.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub(crate) async fn rest(
        &self,
        until: Option<Time>,
        wait: Option<Duration>,
        packets_wake: bool,
    ) -> io::Result<()> {
        if packets_wake != self.watched.borrow().is_some() {
            // Rarely: only when a shard gets or loses many streams.
            let watched = if packets_wake { self.calm.try_clone().and_then(register).ok() } else { None };
            self.watched.replace(watched);
        }
        // No descriptor is left for it: then packets are looked for.
        let blind = packets_wake && self.watched.borrow().is_none();
        let (until, wait) =
            if blind { (None, Some(wait.map_or(BLIND, |wait| wait.min(BLIND)))) } else { (until, wait) };
        // Between two packets the next tick mostly stays the same, and to set a timer costs as much as to take a packet.
        if self.armed.replace(until) != until || blind {
            self.set_timer(wait);
        }
        self.only_urgent.set(false);
        poll_fn(|task| self.poll(task)).await
    }

    /// The last rest has not been one: everything is to be looked at.
    pub(crate) fn skip_rest(&self) {
        self.only_urgent.set(false);
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
        if let Poll::Ready(ready) = self.timer.poll_read_ready(task) {
            ready?.clear_ready();
            self.armed.set(None);
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(ready) = self.bell.poll_read_ready(task) {
            ready?.clear_ready();
            return Poll::Ready(Ok(()));
        }
        if let Some(watched) = &*self.watched.borrow()
            && let Poll::Ready(ready) = watched.poll_read_ready(task)
        {
            ready?.retain_ready();
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(ready) = self.urgent.poll_read_ready(task) {
            ready?.retain_ready();
            self.only_urgent.set(true);
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

/// Appends what is ready of `sockets`, which are `watched` in the runtime's eyes.
fn look_at(sockets: &OwnedFd, watched: Option<&AsyncFd<OwnedFd>>, events: &mut Vec<Event>) {
    let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
    let looked = epoll::wait(sockets, spare_capacity(events), Some(&zero));
    if looked.unwrap_or(0) == 0
        && let Some(watched) = watched
    {
        // Clears the readiness that the runtime keeps, and not before there is nothing: the runtime is told of what comes,
        // not of what is left.
        let nothing = watched.try_io(Interest::READABLE, |_| io::Result::<()>::Err(would_block()));
        debug_assert!(nothing.is_err(), "it was told so");
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

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::super::inbox::Inbox;
    use super::*;

    /// A poller, two sockets that it watches, and one that sends to them.
    struct Bench {
        poller: Poller,
        sockets: [UdpSocket; 2],
        sender: UdpSocket,
        turns: u64,
    }

    impl Bench {
        fn new() -> Self {
            let poller = Poller::new(Inbox::new().unwrap().bell()).unwrap();
            let [one, two, sender] = std::array::from_fn(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
            let bench = Self { poller, sockets: [one, two], sender, turns: 0 };
            for at in 0..2 {
                bench.poller.watch(&bench.sockets[at], bench.port(at)).unwrap();
            }
            bench
        }

        fn port(&self, at: usize) -> u16 {
            self.sockets[at].local_addr().unwrap().port()
        }

        fn send(&self, at: usize) {
            self.sender.send_to(b"packet", self.sockets[at].local_addr().unwrap()).unwrap();
        }

        fn set_urgent(&self, at: usize, urgent: bool) {
            self.poller.set_urgent(&self.sockets[at], self.port(at), urgent).unwrap();
        }

        /// A rest of 20 ms at the most and the look after it: which sockets had something, taken until there is nothing.
        async fn turn(&mut self, packets_wake: bool) -> Vec<usize> {
            self.turns += 1;
            let wait = Duration::from_millis(20);
            self.poller.rest(Some(Time::from_millis(self.turns)), Some(wait), packets_wake).await.unwrap();
            let (mut ready, mut found) = (Ready::new(), Vec::new());
            loop {
                self.poller.look(&mut ready);
                let Some(port) = ready.next_port() else { return found };
                let at = (0..2).find(|at| self.port(*at) == port).unwrap();
                self.sockets[at].recv(&mut [0; 16]).unwrap();
                found.push(at);
            }
        }
    }

    #[tokio::test]
    async fn an_urgent_packet_ends_a_rest_at_which_the_others_wait_for_its_end() {
        let mut bench = Bench::new();
        bench.set_urgent(1, true);
        for _ in 0..3 {
            bench.send(0);
            bench.send(1);
            assert_eq!(bench.turn(false).await, [1]);
            assert_eq!(bench.turn(false).await, [0], "the rest was over");
        }
    }

    #[tokio::test]
    async fn any_packet_ends_a_rest_if_it_is_to() {
        let mut bench = Bench::new();
        bench.set_urgent(1, true);
        for at in [0, 1, 1, 0] {
            bench.send(at);
            assert_eq!(bench.turn(true).await, [at]);
        }
    }

    #[tokio::test]
    async fn a_socket_that_is_no_longer_urgent_waits_as_before() {
        let mut bench = Bench::new();
        bench.set_urgent(0, true);
        bench.send(0);
        assert_eq!(bench.turn(false).await, [0]);
        bench.set_urgent(0, false);
        bench.set_urgent(1, true);
        bench.send(0);
        bench.send(1);
        assert_eq!(bench.turn(false).await, [1]);
        assert_eq!(bench.turn(false).await, [0]);
    }

    #[tokio::test]
    async fn a_timer_that_is_set_to_the_same_instant_again_still_fires() {
        let mut bench = Bench::new();
        bench.set_urgent(1, true);
        bench.send(1);
        assert_eq!(bench.turn(false).await, [1]);
        // The same instant: not set anew, and not lost.
        bench.turns -= 1;
        bench.send(0);
        assert_eq!(bench.turn(false).await, [0]);
    }
}
