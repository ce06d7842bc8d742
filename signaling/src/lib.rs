//! SIP (RFC 3261) and SDP (RFC 8866, RFC 3264) as pure machines: they are told bytes and time and are asked what
//! to do next. They own no socket, read no clock and roll no dice.
//!
//! What it leaves out: sockets, DNS, runtimes, and any knowledge of codecs or media.

pub mod auth;
mod dialog;
pub mod endpoint;
pub mod limits;
pub mod locating;
pub mod message;
mod random;
mod refer;
pub mod route;
pub mod sdp;
mod session_timer;
pub mod stream;
mod time;
mod transaction;

pub use random::Random;
pub use time::{Time, earliest};
