//! A call: a caller, the AI, the people, and what happens between them. Pure: it is told what happened and asked
//! what to do. It holds no byte of a packet.

mod agent;
mod ai_return;
mod bandwidth;
#[expect(clippy::module_inception, reason = "the call's own file, beside those of its concerns")]
mod call;
mod caller;
mod carried;
mod context;
mod counters;
mod digits;
mod early;
mod end_reason;
mod flow;
mod handoff;
mod history;
mod hold;
mod identity;
mod input;
mod keys;
mod leg;
mod negotiated;
mod offer;
mod parting;
mod record;
mod redirect;
mod segments;
mod session_id;
mod settings;
mod state;
mod stay;
mod target;
mod timeline;
mod timers;
mod watching;

pub use call::{Call, Incoming};
pub use context::{Context, Entry as ContextEntry, Losses, Source as ContextSource};
pub use counters::{BandwidthCount, Counters, HandoffCount, HandoffMethod, ReturnCount};
pub use end_reason::{Blame, EndReason, EndRow};
pub use input::{Action, Dial, Failure, Header, Input, NoPort, RequestKey, SipEvent};
pub use keys::KeySource;
pub use leg::{LegState, Role};
pub use negotiated::leg_config;
pub use record::{CallSnapshot, HandoffState, LegSnapshot};
pub use segments::{SEGMENTS_MAX, SegmentFigures, Segments};
pub use settings::{
    AnswerMode, ByeRule, CallPeer, CallQueue, CallSettings, CallTimers, FlowSettings, OnAiFailure, SrtpPolicy,
};
pub use state::State;
pub use timeline::{Entry, LegEnd, Masked, Moment, TIMELINE_MAX, Timeline};
pub use timers::Timer;
pub use watching::{Alarm, AlarmCount, Gaps};

use std::time::Duration;

/// Longest wait for a port that was asked for before the call ended; then whoever has it is told to take it back.
pub const WIND_DOWN: Duration = Duration::from_millis(500);
