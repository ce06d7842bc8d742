//! The media server: calls, queues and media as pure machines, and under `shell` the actors and sockets that
//! drive them.
//!
//! Who may know whom: `rtp ← media ← call`, `queue` beside them, all `← shard ← shell`, never back.

pub mod call;
pub mod key;
pub mod limits;
pub mod media;
pub mod queue;
pub mod rtp;
pub mod settings;
pub mod shard;
#[cfg(feature = "runtime")]
pub mod shell;
