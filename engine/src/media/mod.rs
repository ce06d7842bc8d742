//! A call's media: sessions, legs, jitter buffers, playout. It knows RTP and sound, and nothing of SIP.

mod coder;
mod delay;
mod dtmf;
mod early;
mod figures;
mod frame;
mod hearing;
mod jitter;
mod latch;
mod leg;
mod order;
mod outgoing;
mod past;
mod playout;
mod prompt;
pub mod quality;
mod repair;
mod report;
mod ring;
mod scene;
mod secure;
mod segment;
mod session;
mod shared;
mod spare;
mod steer;
mod talk;
mod ticking;
mod transcoding;
mod watch;
mod watching;

pub use crate::rtp::srtp::{MasterKey, SrtpKeys, Suite};
pub use figures::StreamFigures;
pub use order::{
    Digits, Dtmf, JitterMs, LegConfig, Limits, MediaEvent, Order, Payload, Prompt, Repair, TelephoneEvent,
};
pub use prompt::{PROMPT_SECONDS_MAX, PromptError, Prompts};
pub use secure::SrtpFaults;
pub use segment::{Measured, Segment};
pub use session::{Counters, Lane, LegStats, Session, SessionParams, Sink};
pub use steer::Steering;
pub use transcoding::CODEC_NAMES;
pub use watch::AlarmKind;
