//! A call: a caller, the AI, the people, and what happens between them. Pure: it is told what happened and asked
//! what to do. It holds no byte of a packet.
#![allow(dead_code, reason = "the concerns that use these follow")]

#[expect(clippy::module_inception, reason = "the call's own file, beside those of its concerns")]
mod call;
mod counters;
mod end_reason;
mod input;
mod leg;
mod negotiated;
mod record;
mod settings;
mod state;
mod timeline;
mod timers;

pub use call::{Call, Incoming};
pub use counters::Counters;
pub use end_reason::{Blame, EndReason, EndRow};
pub use input::{Action, Dial, Failure, Header, Input, NoPort, RequestKey, SipEvent};
pub use leg::{LegState, Role};
pub use negotiated::leg_config;
pub use record::{CallSnapshot, HandoffState, LegSnapshot};
pub use settings::{
    AnswerMode, ByeRule, CallPeer, CallQueue, CallSettings, CallTimers, FlowSettings, OnAiFailure,
};
pub use state::State;
pub use timeline::{Entry, LegEnd, Moment, TIMELINE_MAX, Timeline};
pub use timers::Timer;
