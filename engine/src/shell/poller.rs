//! What a shard's task waits on: one epoll instance that holds its RTP sockets, the bell of its inbox and a timerfd.
//!
//! No task per socket and no runtime timer for media: a timerfd is several times more punctual than the runtime's wheel.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
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

const TIMER: u64 = u64::MAX;
const BELL: u64 = u64::MAX - 1;

/// The epoll instance of a shard.
#[derive(Debug)]
pub(crate) struct Poller {
    epoll: AsyncFd<OwnedFd>,
    timer: OwnedFd,
}

/// What was ready when the poller was last looked at.
pub(crate) struct Ready {
    events: Vec<Event>,
    next: usize,
}

impl Poller {
    /// An instance that holds `bell` and its own timer. Within a runtime only.
    ///
    /// # Errors
    /// No more file descriptors.
    pub(crate) fn new(bell: &Bell) -> io::Result<Self> {
        let poll = epoll::create(CreateFlags::CLOEXEC)?;
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        epoll::add(&poll, &timer, EventData::new_u64(TIMER), EventFlags::IN)?;
        epoll::add(&poll, bell, EventData::new_u64(BELL), EventFlags::IN)?;
        #[expect(
            deprecated,
            reason = "an OwnedFd keeps its descriptor open; the new constructor is unsafe for all types"
        )]
        let epoll = AsyncFd::with_interest(poll, Interest::READABLE)?;
        Ok(Self { epoll, timer })
    }

    /// Watches a socket; [`Ready::next_port`] tells its `port`.
    ///
    /// # Errors
    /// The system's limit of watched sockets is reached.
    pub(crate) fn watch(&self, socket: impl AsFd, port: u16) -> io::Result<()> {
        Ok(epoll::add(self.epoll.get_ref(), socket, EventData::new_u64(u64::from(port)), EventFlags::IN)?)
    }

    /// Looks, without waiting, at what is ready.
    pub(crate) fn look(&self, bell: &Bell, ready: &mut Ready) {
        ready.events.clear();
        ready.next = 0;
        // Clears the readiness that tokio keeps when there is nothing, so that `ready` waits.
        let looked = self.epoll.try_io(Interest::READABLE, |epoll| {
            let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
            match epoll::wait(epoll, spare_capacity(&mut ready.events), Some(&zero))? {
                0 => Err(io::ErrorKind::WouldBlock.into()),
                _ => Ok(()),
            }
        });
        if looked.is_err() {
            return;
        }
        for event in &ready.events {
            match event.data.u64() {
                TIMER => {
                    // Reading stops it from being ready; it has done its work by waking us.
                    let _ = rustix::io::read(&self.timer, &mut [0; 8]);
                }
                BELL => bell.silence(),
                _ => {}
            }
        }
    }

    /// Wakes [`Self::ready`] after `wait`; `None`: by nothing but sockets and the bell.
    pub(crate) fn set_timer(&self, wait: Option<Duration>) {
        // Zero would disarm it.
        let wait = wait.map_or(Duration::ZERO, |wait| wait.max(Duration::from_nanos(1)));
        let value = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: wait.subsec_nanos().into(),
        };
        let spec = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &spec)
            .expect("a duration makes a valid timer");
    }

    /// Waits until something is ready.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub(crate) async fn ready(&self) -> io::Result<()> {
        self.epoll.readable().await?.retain_ready();
        Ok(())
    }
}

impl Ready {
    /// Nothing is ready.
    pub(crate) fn new() -> Self {
        Self { events: Vec::with_capacity(READY), next: 0 }
    }

    /// The port of the next socket that was ready. Each is told once per look: one that holds more is ready again.
    pub(crate) fn next_port(&mut self) -> Option<u16> {
        while let Some(event) = self.events.get(self.next) {
            self.next += 1;
            if let Ok(port) = u16::try_from(event.data.u64()) {
                return Some(port);
            }
        }
        None
    }

    /// Whether more sockets may be ready than the last look could tell.
    pub(crate) fn was_full(&self) -> bool {
        self.events.len() == self.events.capacity()
    }
}

impl Default for Ready {
    fn default() -> Self {
        Self::new()
    }
}
