//! The test kit: simulated network, scripted phones that speak raw text, numbered tones. Nothing here is the
//! product's own code but its notion of time, so that one bug cannot hide another.
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a kit panics where a test would")]

pub mod certificates;
pub mod codec;
pub mod dice;
pub mod dns;
pub mod fuzz;
pub mod g711;
pub mod net;
pub mod node;
pub mod phone;
pub mod sip;
pub mod sound;
pub mod srtp;
pub mod tone;
pub mod world;
