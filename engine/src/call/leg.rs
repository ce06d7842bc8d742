//! One leg of a call: its dialog's state, its port, and what offer and answer have agreed on.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use baton_signaling::Time;

use crate::call::record::LegSnapshot;
use crate::key::LegId;
use crate::media::LegConfig;
use crate::queue::OfferId;

/// Whose leg it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The caller's.
    Caller,
    /// The AI's.
    Ai,
    /// A person's.
    Agent,
}

/// Where a leg stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegState {
    /// No INVITE has been sent: it waits for its port.
    Idle,
    /// An INVITE is out (or, of the caller, has come) and nothing has been heard.
    Dialing,
    /// A provisional response was heard (or, of the caller, sent).
    Ringing,
    /// Answered.
    Up,
    /// Cancelled by us, and not yet heard of.
    Ending,
    /// Over.
    Over,
}

/// What a leg has of a port pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Port {
    None,
    Asked,
    Held(SocketAddr),
    Released,
}

/// One leg.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Leg {
    pub(crate) id: LegId,
    pub(crate) role: Role,
    pub(crate) state: LegState,
    pub(crate) peer: String,
    pub(crate) uri: String,
    pub(crate) port: Port,
    /// What the session was told of it; `None` while it has no media.
    pub(crate) config: Option<LegConfig>,
    /// The queues' offer it answers.
    pub(crate) offer: Option<OfferId>,
    pub(crate) held: bool,
    pub(crate) began: Time,
    pub(crate) answered: Option<Time>,
    pub(crate) ended: Option<Time>,
}

impl Leg {
    pub(crate) fn new(now: Time, id: LegId, role: Role, peer: &str, uri: &str) -> Self {
        Self {
            id,
            role,
            state: LegState::Idle,
            peer: peer.to_owned(),
            uri: uri.to_owned(),
            port: Port::None,
            config: None,
            offer: None,
            held: false,
            began: now,
            answered: None,
            ended: None,
        }
    }

    /// Its far end could still send us something that matters.
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self.state, LegState::Ending | LegState::Over)
    }

    pub(crate) fn snapshot(&self) -> LegSnapshot {
        LegSnapshot {
            id: self.id,
            role: self.role,
            state: self.state,
            peer: self.peer.clone(),
            uri: self.uri.clone(),
            codec: self.config.as_ref().map(|c| format!("{}/{}", c.payload.encoding, c.payload.clock)),
            held: self.held,
            began: self.began,
            answered: self.answered,
            ended: self.ended,
        }
    }
}
