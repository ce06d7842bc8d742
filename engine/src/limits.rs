//! How much the pure machines hold at most, each number with its reason. What happens at a limit is written, counted and
//! tested where it is met. Limits of sockets and mailboxes are the shell's own.

/// Most entries of a call's context: more than any peer's budget, few enough for thousands of calls.
pub const CONTEXT_ENTRIES_MAX: usize = 64;
/// Longest value in a context, in bytes: the largest budget that the settings allow.
pub const CONTEXT_VALUE_BYTES_MAX: usize = 4096;
/// Longest name in a context, in bytes: peers that limit it at all take 24 to 64.
pub const CONTEXT_NAME_BYTES_MAX: usize = 64;

/// Most addresses of a peer: each silent one costs a caller `timers.ai_provisional`.
pub const PEER_URIS_MAX: usize = 8;
/// Most faults that are told of one settings file: text that is no TOML at all must not print itself line by line.
pub const SETTINGS_ISSUES_MAX: usize = 100;
