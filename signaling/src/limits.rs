//! The bounds of every table and queue in this crate, each with its reason.

use std::time::Duration;

/// Transactions at once. A call set-up holds about 12 of them for 32 s (Timers D, H, J, L, M), so 1 000 calls a second
/// over four shards are just below this; at some 2 KiB each the table stays below 200 MiB.
pub const TRANSACTIONS_MAX: usize = 100_000;

/// Legs at once: two per call and some that only wait out a BYE, for more calls than a shard can transcode.
pub const LEGS_MAX: usize = 20_000;

/// How long a REFER's subscription may last: longer than a queue's wait and every ring after it.
pub const REFER_EXPIRES: Duration = Duration::from_secs(600);

/// REFER subscriptions of one leg, at either end. One handoff at a time is the rule; a few more while old ones end.
pub const SUBSCRIPTIONS_PER_LEG: usize = 8;

/// NOTIFYs of one subscription that wait for the answer to the one before: trying, ringing, the final one, one to spare.
pub const NOTIFIES_WAITING: usize = 4;

/// 2xx of ours in one leg that wait for an ACK: the one before may still be on its way when a re-INVITE is answered.
pub const UNACKED_ANSWERS: usize = 4;

/// How often a re-INVITE is tried again after 491; both ends draw from different ranges, so two suffice nearly always.
pub const GLARE_RETRIES: u8 = 5;

/// Requests of one leg that wait for the owner's answer; an owner that never answers must not be a leak.
pub const PENDING_PER_LEG: usize = 8;

/// Route headers of one dialog that are kept; longer sets are a loop or an attack.
pub const ROUTES_PER_DIALOG: usize = 32;

/// Seconds in Retry-After when a table is full: a transaction's life.
pub const RETRY_AFTER_OVERLOAD_SECONDS: u32 = 32;

/// Seconds in Retry-After while draining: another node should be tried at once, this one not soon.
pub const RETRY_AFTER_DRAINING_SECONDS: u32 = 60;

/// A request of more bytes than this should not travel as a datagram on a path of unknown MTU (RFC 3261 §18.1.1).
pub const DATAGRAM_BYTES: usize = 1300;

/// Draws of a Call-ID until it leads to our own shard. With 64 shards a draw fails 63 of 64 times; 4 096 draws all
/// fail once in 10^27.
pub const CALL_ID_DRAWS: u32 = 4096;

/// Octets of one message: the most a UDP datagram can carry, and ten times what real calls send.
pub const MESSAGE_BYTES_MAX: usize = 65_535;

/// Header lines of one message: real messages have 10–40; more only costs memory.
pub const HEADERS_MAX: usize = 256;

/// Octets of the start line: the longest Request-URI seen in the wild (context in URI headers) is below 4 KiB.
pub const START_LINE_BYTES_MAX: usize = 8 * 1024;

/// Octets of one header with its folds: an Identity header with certificates stays below 8 KiB.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Octets of the head of a message on a stream, which has no datagram's end: four of its longest headers.
pub const STREAM_HEAD_BYTES_MAX: usize = 4 * HEADER_BYTES_MAX - 1024;

/// Octets of a method on a stream: the longest that is registered has ten.
pub const METHOD_BYTES_MAX: usize = 64;

/// Elements of one comma-separated list that are read; a Route or Via set is below 70 (Max-Forwards).
pub const LIST_ITEMS_MAX: usize = 128;

/// Parameters of one URI or header element: real ones have below 20.
pub const PARAMS_MAX: usize = 64;

/// Parts of a multipart body that are split: an offer, a location and a few attachments.
pub const BODY_PARTS_MAX: usize = 16;

/// Octets of a multipart boundary (RFC 2046 §5.1.1).
pub const BOUNDARY_BYTES_MAX: usize = 70;

/// Forks of one INVITE whose 2xx are acknowledged, all but one of them to be ended; a proxy rings a handful of phones.
pub const FORKS_ENDED: usize = 16;

/// How long the subscription of a REFER of ours is believed at the most, whatever its NOTIFY says.
pub const WATCH_MAX: Duration = Duration::from_secs(3600);

/// Targets of one INVITE that are tried (RFC 3263 §4.3): four servers by either address family; the call's own patience is shorter.
pub const TARGETS_MAX: usize = 8;

/// Services that a domain's NAPTR records may name: the few transports there are, and some to spare.
pub const SERVICES_PER_PLACE: usize = 4;

/// Places whose servers are kept known: every host that the settings of a large site name.
pub const PLACES_MAX: usize = 1024;

/// Places that are asked for at the same time: a start with hundreds of names must not flood their server.
pub const LOOKUPS_AT_ONCE: usize = 16;

/// The least for which what DNS has said is held, and the first wait after it said nothing: a TTL of zero asks to be looked up
/// for every call, which none of them waits for.
pub const RECORD_HELD_MIN: Duration = Duration::from_secs(5);

/// The most: a TTL of days would outlast a server that has moved in haste.
pub const RECORD_HELD_MAX: Duration = Duration::from_secs(3600);

/// The longest wait before a name that could not be looked up is tried again.
pub const LOOKUP_RETRY_MAX: Duration = Duration::from_secs(60);

/// Realms whose challenges one dialog, or one request, answers: the far end and a few proxies on the way.
pub const REALMS_PER_DIALOG: usize = 4;

/// How long a nonce of ours may be used; then its user is challenged anew, which costs a round trip and no password.
pub const NONCE_LIFE: Duration = Duration::from_secs(300);

/// Nonces in use whose counts are kept: some 100 octets each. Beyond it the oldest are stale before their time.
pub const NONCES_KEPT: usize = 10_000;

/// The shortest session interval that anybody may ask for, in seconds (RFC 4028 §5).
pub const SESSION_SECONDS_MIN: u32 = 90;

/// How often a request is sent again with the interval that a 422 asks for; each proxy on the way may have one of its own.
pub const SESSION_INTERVAL_TRIES: u8 = 4;

/// The least wait before a refresh that was refused is tried again: as long as a message may stay in the network (T4).
pub const REFRESH_RETRY_MIN: Duration = Duration::from_secs(5);

/// Early dialogs of one INVITE that are kept: as many phones as may answer it.
pub const EARLY_DIALOGS: usize = FORKS_ENDED;
