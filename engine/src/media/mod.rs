//! A call's media: sessions, legs, jitter buffers, playout. It knows RTP and sound, and nothing of SIP.

mod order;
mod prompt;
pub mod quality;
mod session;

pub use order::{Dtmf, LegConfig, MediaEvent, Order, Payload, Prompt, TelephoneEvent};
pub use prompt::{PROMPT_SECONDS_MAX, PromptError, Prompts};
pub use session::{Counters, Lane, LegStats, Session, SessionParams, Sink};
