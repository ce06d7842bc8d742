//! A call's media: sessions, legs, jitter buffers, playout. It knows RTP and sound, and nothing of SIP.

mod order;

pub use order::{Dtmf, LegConfig, MediaEvent, Order, Payload, Prompt, TelephoneEvent};
