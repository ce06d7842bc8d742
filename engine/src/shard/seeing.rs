//! What goes over the wire of calls is seen here: noted in their ladders and told to whoever exports it.
//!
//! Left out: what is in a ladder (`ladder`), and where it is exported to (`shell`).

use baton_signaling::Time;
use baton_signaling::endpoint::{Flow, Leg};
use baton_signaling::message::{Message, Request};
use bytes::Bytes;

use super::ladder::call_id_of;
use super::{Io, Shard};
use crate::key::{CallKey, LegId};

/// A SIP message of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// When.
    pub at: Time,
    /// The call's id.
    pub call_id: &'a str,
    /// Sent by us; else received.
    pub sent: bool,
    /// Between which addresses.
    pub flow: Flow,
    /// The whole message, with its secrets.
    pub text: &'a Bytes,
}

impl Shard {
    /// A message has come.
    pub(super) fn saw(&mut self, now: Time, flow: Flow, message: &Message, io: &mut impl Io) {
        let dialog = message.headers().call_id().ok();
        if let Some(owner) = dialog.and_then(|dialog| self.ladders.owner(dialog)) {
            self.see(now, owner, false, flow, &message.to_bytes(), io);
        }
    }

    /// A message leaves.
    pub(super) fn says(&mut self, now: Time, flow: Flow, text: &Bytes, io: &mut impl Io) {
        let dialog = call_id_of(text);
        if let Some(owner) = dialog.and_then(|dialog| self.ladders.owner(&dialog)) {
            self.see(now, owner, true, flow, text, io);
        }
    }

    /// A call begins with this INVITE.
    pub(super) fn begin_ladder(
        &mut self,
        now: Time,
        (key, id, peer): (CallKey, &str, &str),
        flow: Flow,
        request: Request,
        io: &mut impl Io,
    ) {
        self.ladders.begin(key, id);
        if let Ok(dialog) = request.headers.call_id() {
            self.ladders.bind(key, LegId::CALLER, peer, dialog);
        }
        self.see(now, (key, LegId::CALLER), false, flow, &Message::from(request).to_bytes(), io);
    }

    /// A leg of ours has its dialog.
    pub(super) fn join_ladder(&mut self, key: CallKey, leg: LegId, peer: &str, sip: Leg) {
        if let Some(dialog) = self.endpoint.call_id(sip) {
            self.ladders.bind(key, leg, peer, dialog);
        }
    }

    fn see(
        &mut self,
        at: Time,
        owner: (CallKey, LegId),
        sent: bool,
        flow: Flow,
        text: &Bytes,
        io: &mut impl Io,
    ) {
        self.ladders.note(at, owner, sent, flow, text);
        if let Some(ladder) = self.ladders.get(owner.0) {
            io.seen(Seen { at, call_id: &ladder.call_id, sent, flow, text });
        }
    }
}
