//! Phones that speak tones to a session in virtual time: who hears whom, without a gap, in one stream.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, missing_docs, unreachable_pub, reason = "tests")]

mod announcement;
mod digits;
mod first_words;
mod gate;
mod handoff;
mod held;
mod jitter;
mod loudness;
mod odd_packets;
mod odd_streams;
mod pace;
mod packet_lengths;
mod relay;
mod renegotiated;
mod reports;
mod secured;
mod segments;
mod silence;
mod sources;
mod steered;
mod ticks;
mod tones;
mod transcoders;
mod watching;
mod world;
mod xr;
