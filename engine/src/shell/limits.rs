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
