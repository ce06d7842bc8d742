//! Endpoints that talk to each other, and to hand-written text, over a wire that loses, delays, repeats and reorders,
//! in virtual time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod call;
mod chaos;
mod digest;
mod failover;
mod glare;
mod loss;
mod naming;
mod raw;
mod refer;
mod reliable;
mod resending;
mod scale;
mod session;
mod wire;
