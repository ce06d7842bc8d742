//! The bounded way of SIP messages from the sockets to a shard, and the bell that wakes it.
//!
//! A socket's task pushes, the shard pops; neither waits. What belongs to a living dialog overtakes what does not: calls that
//! live come before new ones. These are refused while too many wait or the shard has no time, at no cost but an answer;
//! emergencies (RFC 7135) of peers that may be trusted later than others. Leaves out who these are, which is the gate's.

use std::hash::{BuildHasher, RandomState};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use baton_signaling::endpoint::Flow;
use baton_signaling::message::{Field, Message, Method, Request};
use crossbeam::queue::ArrayQueue;
use rustix::event::{EventfdFlags, eventfd};

use crate::shard::Arrival;

/// Messages of living dialogs that may wait for one shard: a second of 200 new calls with ten messages each.
pub(crate) const INBOX_MESSAGES: usize = 2048;

/// Messages outside any dialog that may wait for one shard. Half of them may be any, which at 0.4 ms each wait for less than
/// T1 (500 ms), after which they would come again; three quarters, with emergencies; the rest is for CANCEL.
pub(crate) const DOOR_MESSAGES: usize = 1024;

/// Every so many messages one outside dialogs comes first: whoever floods the others must not shut the door.
const DOOR_TURN: usize = 8;

/// New calls that are remembered as taken: those of a few seconds. A repeat of one must not be refused, since its caller would
/// give up a call that is being set up; of two in one place the older is forgotten.
const TAKEN: usize = 4096;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It waits for the shard.
    Taken,
    /// It would begin a call for which there is no room, or no time: to be answered with 503.
    Refused,
    /// The queue is full: the message is lost, as on any network, and will be sent again.
    Lost,
}

/// The queue of one shard.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// What belongs to a dialog.
    living: ArrayQueue<(Flow, Arrival)>,
    /// What does not. A CANCEL stays behind its INVITE here.
    door: ArrayQueue<(Flow, Arrival)>,
    full: AtomicBool,
    /// Marks of new calls that were taken, and what they are made by.
    taken: Box<[AtomicU64]>,
    marks: RandomState,
    pops: AtomicUsize,
    bell: Bell,
    refused: AtomicU64,
    loaded: AtomicU64,
    lost: AtomicU64,
    unreadable: AtomicU64,
}

/// What an inbox has turned away since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct InboxCounts {
    /// Requests refused for want of room.
    pub(crate) refused: u64,
    /// New calls refused for want of time.
    pub(crate) loaded: u64,
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
            living: ArrayQueue::new(INBOX_MESSAGES),
            door: ArrayQueue::new(DOOR_MESSAGES),
            full: AtomicBool::new(false),
            taken: (0..TAKEN).map(|_| AtomicU64::new(0)).collect(),
            marks: RandomState::new(),
            pops: AtomicUsize::new(0),
            bell: Bell::new()?,
            refused: AtomicU64::new(0),
            loaded: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
        })
    }

    /// Hands a message to the shard and wakes it. `first`: it is an emergency of somebody whose word may count.
    pub(crate) fn push(&self, flow: Flow, message: Arrival, first: bool) -> Pushed {
        let outside = outside_dialogs(&message);
        let invite = outside.filter(|request| request.method == Method::Invite);
        let mark = invite.map(|request| self.mark(request));
        let known = mark.is_some_and(|mark| self.place(mark).load(Ordering::Relaxed) == mark);
        let waiting = self.door.len();
        let room = if first { DOOR_MESSAGES / 4 * 3 } else { DOOR_MESSAGES / 2 };
        if outside.is_some_and(|request| request.method != Method::Cancel) && !known {
            if waiting >= room {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return Pushed::Refused;
            }
            if invite.is_some() && !first && self.full.load(Ordering::Relaxed) {
                self.loaded.fetch_add(1, Ordering::Relaxed);
                return Pushed::Refused;
            }
        }
        let lives = outside.is_none() && matches!(message, Arrival::Message(_));
        // What cannot be read has no claim on the room that is kept for CANCEL.
        let unreadable = matches!(message, Arrival::Malformed(_)) && waiting >= room;
        let queue = if lives { &self.living } else { &self.door };
        if unreadable || queue.push((flow, message)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return Pushed::Lost;
        }
        if let Some(mark) = mark {
            self.place(mark).store(mark, Ordering::Relaxed);
        }
        self.bell.ring();
        Pushed::Taken
    }

    /// By what a repeat of an INVITE is known: what its branch stands for.
    fn mark(&self, request: &Request) -> u64 {
        let fields = [Field::Via, Field::CallId, Field::CSeq].map(|field| request.headers.value(field));
        self.marks.hash_one(fields)
    }

    fn place(&self, mark: u64) -> &AtomicU64 {
        &self.taken[mark as usize % TAKEN]
    }

    /// The shard has no time for new calls, or has again.
    pub(crate) fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    /// The message that is to be dealt with next: of living dialogs the one that waits longest, else, and every eighth time
    /// before them, of the others.
    pub(crate) fn pop(&self) -> Option<(Flow, Arrival)> {
        let turn = self.pops.fetch_add(1, Ordering::Relaxed) % DOOR_TURN;
        if turn == DOOR_TURN - 1 {
            return self.door.pop().or_else(|| self.living.pop());
        }
        self.living.pop().or_else(|| self.door.pop())
    }

    /// Whether none waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.living.is_empty() && self.door.is_empty()
    }

    /// Whether so many wait that whoever can send later should: a quarter is left for those who cannot.
    pub(crate) fn is_congested(&self) -> bool {
        self.living.len() > INBOX_MESSAGES / 4 * 3 || self.door.len() > DOOR_MESSAGES / 4 * 3
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
            loaded: self.loaded.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            unreadable: self.unreadable.load(Ordering::Relaxed),
        }
    }
}

/// The request, if it is one outside any dialog: without a To tag (RFC 3261 §12.2.2).
fn outside_dialogs(arrival: &Arrival) -> Option<&Request> {
    let Arrival::Message(Message::Request(request)) = arrival else { return None };
    let within = request.headers.to().is_ok_and(|to| to.tag().is_some());
    (!within).then_some(request)
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
        numbered(1, method, to)
    }

    fn numbered(n: usize, method: &str, to: &str) -> Arrival {
        let text = format!(
            "{method} sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK{n}\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: {to}\r\nCall-ID: c\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        Arrival::Message(Message::parse(Bytes::from(text)).unwrap())
    }

    fn flow() -> Flow {
        let at = ([127, 0, 0, 1], 5060).into();
        Flow { transport: Transport::Udp, local: at, remote: at }
    }

    fn method((_, arrival): (Flow, Arrival)) -> String {
        let Arrival::Message(Message::Request(request)) = arrival else { panic!("only requests came") };
        String::from_utf8_lossy(request.method.as_bytes()).into_owned()
    }

    /// Pushes an INVITE, the `n`th.
    fn invite(inbox: &Inbox, n: usize, first: bool) -> Pushed {
        inbox.push(flow(), numbered(n, "INVITE", "<sip:x@y>"), first)
    }

    fn push(inbox: &Inbox, method: &str, to: &str) -> Pushed {
        inbox.push(flow(), request(method, to), false)
    }

    #[test]
    fn new_calls_are_refused_first_then_emergencies_and_cancels_are_taken() {
        let inbox = Inbox::new().unwrap();
        for n in 0..DOOR_MESSAGES / 2 {
            assert_eq!(invite(&inbox, n, false), Pushed::Taken);
        }
        assert_eq!(invite(&inbox, 5_000, false), Pushed::Refused);
        assert_eq!(push(&inbox, "OPTIONS", "<sip:x@y>"), Pushed::Refused);
        for n in DOOR_MESSAGES / 2..DOOR_MESSAGES / 4 * 3 {
            assert_eq!(invite(&inbox, n, true), Pushed::Taken);
        }
        assert_eq!(invite(&inbox, 5_001, true), Pushed::Refused);
        assert_eq!(push(&inbox, "INVITE", "<sip:x@y> ; tag=2"), Pushed::Taken);
        assert_eq!(push(&inbox, "CANCEL", "<sip:x@y>"), Pushed::Taken);
        while inbox.living.len() < INBOX_MESSAGES {
            assert_eq!(push(&inbox, "BYE", "<sip:x@y>;TAG=2"), Pushed::Taken);
        }
        assert_eq!(push(&inbox, "BYE", "<sip:x@y>;tag=2"), Pushed::Lost);
        inbox.unreadable();
        assert_eq!(inbox.counts(), InboxCounts { refused: 3, loaded: 0, lost: 1, unreadable: 1 });
    }

    #[test]
    fn living_dialogs_come_before_new_calls_and_a_cancel_after_its_invite() {
        let inbox = Inbox::new().unwrap();
        for (name, to) in [
            ("INVITE", "<sip:x@y>"),
            ("CANCEL", "<sip:x@y>"),
            ("BYE", "<sip:x@y>;tag=2"),
            ("ACK", "<sip:x@y>;tag=2"),
        ] {
            push(&inbox, name, to);
        }
        inbox.push(flow(), Arrival::Closed, false);
        let order: Vec<String> = std::iter::from_fn(|| inbox.pop()).take(4).map(method).collect();
        assert_eq!(order, ["BYE", "ACK", "INVITE", "CANCEL"]);
        assert_eq!(inbox.pop().map(|(_, last)| last), Some(Arrival::Closed));
        assert!(inbox.is_empty());
    }

    #[test]
    fn a_flood_in_dialogs_that_may_not_exist_does_not_shut_the_door() {
        let inbox = Inbox::new().unwrap();
        invite(&inbox, 1, false);
        assert!((0..20).all(|_| push(&inbox, "BYE", "<sip:x@y>;tag=2") == Pushed::Taken));
        let order: Vec<String> = std::iter::from_fn(|| inbox.pop()).take(8).map(method).collect();
        assert_eq!(order.last().map(String::as_str), Some("INVITE"));
    }

    #[test]
    fn a_shard_without_time_takes_emergencies_alone_and_refuses_no_repeat_of_what_it_has_taken() {
        let inbox = Inbox::new().unwrap();
        assert_eq!(invite(&inbox, 1, false), Pushed::Taken);
        inbox.set_full(true);
        assert_eq!(invite(&inbox, 2, false), Pushed::Refused);
        assert_eq!(invite(&inbox, 1, false), Pushed::Taken, "its caller would give up a call that lives");
        assert_eq!(push(&inbox, "OPTIONS", "<sip:x@y>"), Pushed::Taken);
        assert_eq!(invite(&inbox, 3, true), Pushed::Taken);
        inbox.set_full(false);
        assert_eq!(invite(&inbox, 2, false), Pushed::Taken);
        assert_eq!(inbox.counts().loaded, 1);
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
