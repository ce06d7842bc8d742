//! Whole calls on a whole node in virtual time: caller, AI and people on a simulated network, what each says in SIP
//! and what each hears, after every change of state. One behaviour per file.
//!
//! Tests that run many seeds print the one that fails; `BATON_SEED=n` runs that one alone.

mod admission;
mod agent_failures;
mod ai_failures;
mod bandwidth;
mod bye_handoff;
mod caller_gone;
mod crowd;
mod digest;
mod early_media;
mod escape;
mod hold;
mod identity;
mod ladder;
mod locating;
mod main_path;
mod mass;
mod meaning;
mod media_lost;
mod races;
mod redirects;
mod refer_rules;
mod return_to_ai;
mod secured;
mod segments;
mod session_timers;
mod sound_watch;
mod torture;
mod weather;
