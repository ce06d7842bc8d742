//! The bounds of the shell's queues, each with its reason. What happens at a bound is counted and answered.

use std::time::Duration;

/// Messages that may wait for one call. A call in conversation gets a few a second; a burst of a handoff is about ten.
/// Beyond it the call is ended as overloaded.
pub(crate) const CALL_MAILBOX: usize = 64;

/// Messages that may wait for a shard's actor: notices of the queues and questions of the API, a few per call and second.
pub(crate) const SHARD_MAILBOX: usize = 4096;

/// Requests that may wait for the queues: every call of a full node has one under way. Beyond it a call that asks is
/// ended as overloaded.
pub(crate) const QUEUE_MAILBOX: usize = 16_384;

/// Reports that may wait for the supervisor. A report that is refused is made up for by the next; an end is never one
/// of many, since the door lets no more than `calls_per_second` in.
pub(crate) const SUPERVISOR_MAILBOX: usize = 16_384;

/// How far behind its deadline a call may be before it is ended from outside.
pub(crate) const STUCK_AFTER: Duration = Duration::from_secs(5);

/// How much later a call's deadline must be than the one reported before it is reported again: well below
/// [`STUCK_AFTER`], well above the rate of packets.
pub(crate) const REPORT_STEP: Duration = Duration::from_secs(1);

/// Between two looks at the calls, and between two publications of figures.
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// How long the API waits for an answer of an actor.
pub(crate) const API_PATIENCE: Duration = Duration::from_secs(2);

/// Calls that `GET /v1/calls` lists.
pub(crate) const LISTED_CALLS: usize = 1000;

/// Calls that have ended and are still shown: at a handoff every few seconds, the last quarter of an hour. One takes at
/// most 32 KiB (a full timeline), all together 8 MiB.
pub(crate) const ENDED_CALLS: usize = 256;

/// After the drain's deadline: how long the last BYEs are sent again before the process ends (64·T1 would be 32 s; an
/// answer takes a round trip).
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(2);

/// SIP connections at once. Each holds a descriptor and up to some 40 KiB under TLS: 160 MiB.
pub(crate) const CONNECTIONS: usize = 4096;

/// SIP connections with one address at once: an office behind a NAT, a carrier's proxy that opens one for each call.
pub(crate) const CONNECTIONS_PER_ADDRESS: usize = 1024;

/// Messages that may wait for one connection to take them: those of some twenty calls that begin at once. Beyond it the far
/// end reads nothing any more.
pub(crate) const CONNECTION_QUEUE: usize = 256;

/// Hosts that are remembered by their addresses, for what their certificates have to say: more than any settings name.
pub(crate) const HOSTS: usize = 4096;

/// Between two looks at whether certificates have changed: a renewal is hours before the end of what it replaces.
pub(crate) const RENEWAL_LOOK: Duration = Duration::from_secs(2);

/// Silence of ours on a WebSocket until a ping: below the minute after which proxies of the Web let go of one.
pub(crate) const WEBSOCKET_PING: Duration = Duration::from_secs(25);

/// Connections that wait to be opened; beyond it a message has no way.
pub(crate) const DIALS_WAITING: usize = 256;

/// Connections that the system holds for us before we accept them: a second of a thousand callers.
pub(crate) const ACCEPTS_WAITING: i32 = 1024;

/// After an accept that failed, until the next.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a connection may take to open, its handshake included. Shorter than the patience with an AI's first address would
/// be of no use, since a SYN that was lost is sent again after 1 and 3 s.
pub(crate) const CONNECT_TIME: Duration = Duration::from_secs(4);

/// How long a far end that has connected may say nothing that is SIP.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);

/// How long a message may take from its first octet to its last.
pub(crate) const MESSAGE_TIME: Duration = Duration::from_secs(10);

/// How long a connection may carry nothing. Longer than calls last without a word, and than RFC 5626 §4.4.1's keep-alives.
pub(crate) const IDLE: Duration = Duration::from_secs(3600);

/// How long a far end may refuse to take a message.
pub(crate) const WRITE_TIME: Duration = Duration::from_secs(10);

/// Idle time until the system asks a far end whether it lives, and between its asking again: below the two minutes for which
/// NATs keep TCP's bindings at the least.
pub(crate) const KEEPALIVE: Duration = Duration::from_secs(60);
pub(crate) const KEEPALIVE_AGAIN: Duration = Duration::from_secs(15);

/// Octets that are read from a connection at once: a few messages.
pub(crate) const STREAM_READ: usize = 8 * 1024;

/// Between two looks at a shard that is behind, by a connection that waits for it.
pub(crate) const CONGESTION_LOOK: Duration = Duration::from_millis(10);

/// How long all that leads to the servers of one name may take to be looked up.
pub(crate) const DNS_PATIENCE: Duration = Duration::from_secs(10);

/// Hosts of one service that are looked up: more than are tried for one call.
pub(crate) const SRV_HOSTS_MAX: usize = 16;
