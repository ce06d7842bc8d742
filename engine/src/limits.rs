//! How much the pure machines hold at most, each number with its reason. What happens at a limit is written, counted and
//! tested where it is met. Limits of sockets and mailboxes are the shell's own.

use std::time::Duration;

/// Most entries of a call's context: more than any peer's budget, few enough for thousands of calls.
pub const CONTEXT_ENTRIES_MAX: usize = 64;
/// Longest value in a context, in bytes: the largest budget that the settings allow.
pub const CONTEXT_VALUE_BYTES_MAX: usize = 4096;
/// Longest name in a context, in bytes: peers that limit it at all take 24 to 64.
pub const CONTEXT_NAME_BYTES_MAX: usize = 64;

/// Most addresses of a peer: each silent one costs a caller `timers.ai_provisional`.
pub const PEER_URIS_MAX: usize = 8;
/// How long an answer to OPTIONS is waited for: four datagrams are sent by then.
pub const PROBE_PATIENCE: Duration = Duration::from_secs(5);
/// Until an address that is in doubt is asked again, and the first wait of one that is down, which doubles up to `timers.probe`.
pub const PROBE_AGAIN: Duration = Duration::from_secs(2);
/// Most names and passwords of one peer's `challenge`: more belong into a registrar's database.
pub const USERS_MAX: usize = 1000;
/// Realms that one 401 asks for: each is two headers.
pub const REALMS_ASKED_MAX: usize = 4;
/// Wrong passwords from one address within [`PASSWORDS_WITHIN`] until it is banned: more than slips, too few to guess.
pub const PASSWORDS_MAX: u32 = 5;
/// See [`PASSWORDS_MAX`].
pub const PASSWORDS_WITHIN: Duration = Duration::from_secs(60);
/// Refusals and challenges of one unknown address within [`REFUSALS_WITHIN`], less those that led to a call, until it is
/// banned: phones try thrice, scanners hundreds of times.
pub const REFUSALS_MAX: u32 = 30;
/// See [`REFUSALS_MAX`].
pub const REFUSALS_WITHIN: Duration = Duration::from_secs(10);
/// How long an address is not listened to: long enough to make guessing useless, short enough for a phone put right.
pub const BAN: Duration = Duration::from_secs(300);
/// Addresses whose refusals are remembered, some 100 bytes each; beyond it the oldest is forgotten, its ban with it.
pub const OFFENDERS_MAX: usize = 10_000;
/// Most P-Asserted-Identity headers that are passed on: a SIP and a tel URI (RFC 3325 §9.1). As many of Resource-Priority.
pub const ASSERTED_MAX: usize = 2;
/// Longest of them, and longest Privacy, in bytes: a display name and a URI.
pub const ASSERTED_BYTES_MAX: usize = 512;
/// Most faults that are told of one settings file: text that is no TOML at all must not print itself line by line.
pub const SETTINGS_ISSUES_MAX: usize = 100;

/// Messages of one call's ladder: a handoff over twenty agents takes some 150.
pub const LADDER_MESSAGES_PER_CALL: usize = 200;
/// Octets of one call's ladder: three legs with their offers take 15 to 25 KiB.
pub const LADDER_BYTES_PER_CALL: usize = 64 * 1024;
/// Octets of one message in a ladder: real ones have 400 to 2000.
pub const LADDER_BYTES_PER_MESSAGE: usize = 4096;
/// Octets of all ladders of a shard: more than a thousand calls that live.
pub const LADDER_BYTES_PER_SHARD: usize = 32 * 1024 * 1024;
/// Ladders of calls that have ended, by shard: as many as records of a node are kept.
pub const LADDERS_ENDED: usize = 256;
