//! What the actors of a node say to each other.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::{Addr, Message};
use baton_signaling::Time;
use serde::Serialize;

use super::ShardActor;
use crate::call::{CallSnapshot, Input, State};
use crate::key::CallKey;
use crate::queue::{QueueRequest, QueuesSnapshot};
use crate::shard::Ladder;

/// To a call: something has happened.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Tell(pub Input);

/// To a shard: hand this to a call; whether there is such a call.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub struct Deliver(pub CallKey, pub Input);

/// To a call or, by its key, to a shard: how do you stand?
#[derive(Debug, Message)]
#[rtype(result = "Option<Box<CallSnapshot>>")]
pub struct Describe(pub CallKey);

/// To a shard: what was said in SIP in this call?
#[derive(Debug, Message)]
#[rtype(result = "Option<Box<Ladder>>")]
pub struct Draw(pub CallKey);

/// To a shard: the drain's deadline has come; every call is to end.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct DrainDeadline;

/// To a shard: end what this call has, without its actor, which does not hear.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Cut(pub CallKey);

/// To the queues: a call's request.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Ask(pub QueueRequest);

/// To the queues and the supervisor: the shards, once they run.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Remember(pub Vec<Addr<ShardActor>>);

/// To the queues: how do you stand?
#[derive(Debug, Message)]
#[rtype(result = "Box<QueuesSnapshot>")]
pub struct DescribeQueues;

/// To the supervisor: where a call stands and when it will next act by itself.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CallReport {
    /// Which.
    pub key: CallKey,
    /// Its id, said once at its start.
    pub id: Option<String>,
    /// Where it stands.
    pub state: State,
    /// When its next timer is due.
    pub deadline: Option<Time>,
}

/// To the supervisor: a call is over.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CallOver {
    /// Which.
    pub key: CallKey,
    /// How it stood at its end; `None`: its actor died.
    pub record: Option<Box<CallSnapshot>>,
}

/// To the supervisor: which calls are there?
#[derive(Debug, Message)]
#[rtype(result = "CallList")]
pub struct ListCalls;

/// To the supervisor: which call has this id?
#[derive(Debug, Message)]
#[rtype(result = "Option<Found>")]
pub struct FindCall(pub String);

/// A call that was found by its id.
#[derive(Clone, Debug)]
pub enum Found {
    /// It lives: its shard knows more.
    Living(CallKey),
    /// It has ended; this is how it stood then.
    Ended(Arc<CallSnapshot>),
}

/// The calls of a node by id, as many as may be listed.
pub type CallList = BTreeMap<String, CallBrief>;

/// A call in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallBrief {
    /// Where it stands.
    pub state: State,
    /// Milliseconds since 1970 at its start.
    pub began_unix_ms: u64,
}
