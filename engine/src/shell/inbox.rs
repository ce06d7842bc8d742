//! The bounded way of SIP messages from the sockets to a shard, and the bell that wakes it.
//!
//! A socket's task pushes, the shard pops; neither waits. New calls are refused when the queue is above half, since the
//! other half belongs to responses, ACK, CANCEL, BYE and requests of living dialogs.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use baton_signaling::endpoint::Flow;
use baton_signaling::message::{Field, Message, Method};
use crossbeam::queue::ArrayQueue;
use rustix::event::{EventfdFlags, eventfd};

use crate::shard::Arrival;

/// Messages that may wait for one shard: a second of 200 new calls with ten messages each.
pub(crate) const INBOX_MESSAGES: usize = 2048;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It waits for the shard.
    Taken,
    /// It would begin a call and the queue is above half: to be answered with 503.
    Refused,
    /// The queue is full: the message is lost, as on any network, and will be sent again.
    Lost,
}

/// The queue of one shard.
#[derive(Debug)]
pub(crate) struct Inbox {
    queue: ArrayQueue<(Flow, Arrival)>,
    bell: Bell,
    refused: AtomicU64,
    lost: AtomicU64,
    unreadable: AtomicU64,
}

/// What an inbox has turned away since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct InboxCounts {
    /// New calls refused above half.
    pub(crate) refused: u64,
    /// Messages lost at the end.
    pub(crate) lost: u64,
    /// Datagrams that were no SIP, answered or not.
    pub(crate) unreadable: u64,
}

impl Inbox {
    /// An empty queue.
    ///
    /// # Errors
    /// No more file descriptors.
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            queue: ArrayQueue::new(INBOX_MESSAGES),
            bell: Bell::new()?,
            refused: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
        })
    }

    /// Hands a message to the shard and wakes it.
    pub(crate) fn push(&self, flow: Flow, message: Arrival) -> Pushed {
        if begins_a_call(&message) && self.queue.len() > INBOX_MESSAGES / 2 {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Pushed::Refused;
        }
        if self.queue.push((flow, message)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return Pushed::Lost;
        }
        self.bell.ring();
        Pushed::Taken
    }

    /// The message that waits longest.
    pub(crate) fn pop(&self) -> Option<(Flow, Arrival)> {
        self.queue.pop()
    }

    /// Whether none waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether so many wait that whoever can send later should: a quarter is left for those who cannot.
    pub(crate) fn is_congested(&self) -> bool {
        self.queue.len() > INBOX_MESSAGES / 4 * 3
    }

    /// The bell that rings when a message has come.
    pub(crate) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// A datagram could not be read.
    pub(crate) fn unreadable(&self) {
        self.unreadable.fetch_add(1, Ordering::Relaxed);
    }

    /// What was turned away.
    pub(crate) fn counts(&self) -> InboxCounts {
        InboxCounts {
            refused: self.refused.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            unreadable: self.unreadable.load(Ordering::Relaxed),
        }
    }
}

/// An INVITE without a To tag is outside any dialog (RFC 3261 §12.2.2).
fn begins_a_call(arrival: &Arrival) -> bool {
    match arrival {
        Arrival::Message(Message::Request(request)) if request.method == Method::Invite => {
            let to = request.headers.value(Field::To);
            !to.is_some_and(|to| to.to_ascii_lowercase().windows(5).any(|part| part == b";tag="))
        }
        _ => false,
    }
}

/// Wakes a shard from another thread: an eventfd that is written to at most once until it is silenced.
#[derive(Debug)]
pub(crate) struct Bell {
    fd: OwnedFd,
    rung: AtomicBool,
}

impl Bell {
    fn new() -> std::io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self { fd, rung: AtomicBool::new(false) })
    }

    /// Wakes the shard, unless it has been woken and has not yet looked.
    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // It can only fail when the counter is full, and then the shard is being woken already.
            let _ = rustix::io::write(&self.fd, &1_u64.to_ne_bytes());
        }
    }

    /// To be called before looking: whatever comes after it rings again.
    pub(crate) fn silence(&self) {
        if self.rung.load(Ordering::Relaxed) {
            let mut count = [0; 8];
            // Empty means that it is about to be written to, and then wakes us once in vain.
            let _ = rustix::io::read(&self.fd, &mut count);
            self.rung.swap(false, Ordering::AcqRel);
        }
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use baton_signaling::endpoint::Transport;
    use bytes::Bytes;

    use super::*;

    fn request(method: &str, to: &str) -> Arrival {
        let text = format!(
            "{method} sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: {to}\r\nCall-ID: c\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        Arrival::Message(Message::parse(Bytes::from(text)).unwrap())
    }

    fn flow() -> Flow {
        let at = ([127, 0, 0, 1], 5060).into();
        Flow { transport: Transport::Udp, local: at, remote: at }
    }

    #[test]
    fn above_half_new_calls_are_refused_and_all_else_is_taken() {
        let inbox = Inbox::new().unwrap();
        while inbox.queue.len() <= INBOX_MESSAGES / 2 {
            assert_eq!(inbox.push(flow(), request("INVITE", "<sip:x@y>")), Pushed::Taken);
        }
        assert_eq!(inbox.push(flow(), request("INVITE", "<sip:x@y>")), Pushed::Refused);
        assert_eq!(inbox.push(flow(), request("INVITE", "<sip:x@y>;tag=2")), Pushed::Taken);
        while inbox.queue.len() < INBOX_MESSAGES {
            assert_eq!(inbox.push(flow(), request("BYE", "<sip:x@y>;tag=2")), Pushed::Taken);
        }
        assert_eq!(inbox.push(flow(), request("BYE", "<sip:x@y>;tag=2")), Pushed::Lost);
        inbox.unreadable();
        assert_eq!(inbox.counts(), InboxCounts { refused: 1, lost: 1, unreadable: 1 });
    }

    #[test]
    fn a_bell_rings_again_only_after_it_was_silenced() {
        let bell = Bell::new().unwrap();
        let pending = || {
            let mut count = [0; 8];
            rustix::io::read(&bell.fd, &mut count).map(|_| u64::from_ne_bytes(count)).unwrap_or(0)
        };
        bell.ring();
        bell.ring();
        assert_eq!(pending(), 1, "written to once");
        bell.ring();
        assert_eq!(pending(), 0, "not looked at yet");
        bell.silence();
        bell.ring();
        assert_eq!(pending(), 1);
    }
}
