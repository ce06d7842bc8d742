//! A call: a caller, the AI, the people, and what happens between them. Pure: it is told what happened and asked
//! what to do. It holds no byte of a packet.

mod input;

pub use input::{Action, Dial, Failure, Header, Input, NoPort, RequestKey, SipEvent};
