//! One INVITE dialog's state, and when it wants to be woken. What happens then is decided beside it.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::reliable::{Early, Reliable};
use super::{Flow, RequestKey};
use crate::Time;
use crate::auth::Authenticator;
use crate::dialog::Dialog;
use crate::earliest;
use crate::message::Headers;
use crate::message::header::SessionId;
use crate::refer::Subscription;
use crate::session_timer::SessionTimer;

/// One INVITE dialog.
#[derive(Debug)]
pub(super) struct LegState {
    pub(super) phase: Phase,
    pub(super) call_id: Bytes,
    pub(super) local_tag: Bytes,
    /// There from the INVITE on if they call, from its 2xx on if we call.
    pub(super) dialog: Option<Dialog>,
    /// The owner has ended it and is told nothing more about the call.
    pub(super) quiet: bool,
    /// 2xx of ours that wait for their ACK.
    pub(super) unacked: Vec<Unacked>,
    /// BYE waits for the ACK (RFC 3261 §15).
    pub(super) bye_wanted: Option<Headers>,
    pub(super) reinvite: Option<Reinvite>,
    /// Asked for while the one before was on its way.
    pub(super) next_reinvite: Option<Reinvite>,
    /// Whether our re-INVITE that waits after a 491 draws from the longer range (§14.1).
    pub(super) owns_call_id: bool,
    /// Requests of theirs that wait for the owner.
    pub(super) pending: Vec<RequestKey>,
    /// REFERs taken so far: the second and later ones have an id.
    pub(super) refers: u32,
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) watches: Vec<Watch>,
    /// When an INVITE of ours that was cancelled or outlived its call is given up (§9.1).
    pub(super) give_up: Option<Time>,
    /// Of a call of ours: where else it may go, and how long the target it has gone to may say nothing (RFC 3263 §4.3).
    pub(super) others: VecDeque<Flow>,
    pub(super) patience: Option<Time>,
    /// How challenges to our requests are answered (§22.2).
    pub(super) authenticator: Option<Box<Authenticator>>,
    pub(super) timer: SessionTimer,
    /// Of a call of ours: what its provisional responses have made and its 2xx has not taken up.
    pub(super) early: Vec<Early>,
    /// Of a call of theirs: our provisional responses, if they are to be acknowledged.
    pub(super) reliable: Reliable,
    /// Whether the far end takes UPDATE, as far as it has said.
    pub(super) takes_update: bool,
    /// Who stands behind us, and who the far end is.
    pub(super) session_id: SessionId,
}

/// How far an INVITE dialog has come.
#[derive(Debug)]
pub(super) enum Phase {
    /// We call; the transaction of our INVITE.
    Calling(u64),
    /// As before, but the owner wants no more of it. The headers wait for CANCEL to be allowed.
    Cancelling(u64, Option<Headers>),
    /// They call; the transaction of their INVITE.
    Ringing(u64),
    /// 2xx has been sent or received.
    Up,
    /// Our BYE waits for its answer.
    Leaving,
    /// The call is over; subscriptions may live on.
    Over,
}

/// A 2xx of ours that waits for its ACK.
#[derive(Debug)]
pub(super) struct Unacked {
    pub(super) cseq: u32,
    pub(super) wire: Bytes,
    pub(super) flow: Flow,
    pub(super) interval: Duration,
    pub(super) next: Time,
    pub(super) end: Time,
}

/// A re-INVITE of ours.
#[derive(Debug)]
pub(super) struct Reinvite {
    pub(super) headers: Headers,
    pub(super) body: Bytes,
    pub(super) retries: u8,
    pub(super) state: ReinviteState,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReinviteState {
    /// Waits for another INVITE in the dialog to end.
    Wanted,
    /// Its transaction.
    Sent(u64),
    /// Waits after a 491.
    Waiting(Time),
}

/// The subscription of a REFER of ours, at the end that is notified.
#[derive(Debug)]
pub(super) struct Watch {
    /// The REFER's CSeq.
    pub(super) cseq: u32,
    pub(super) expires: Time,
}

impl LegState {
    pub(super) fn new(phase: Phase, call_id: Bytes, local_tag: Bytes) -> Self {
        Self {
            phase,
            call_id,
            local_tag,
            dialog: None,
            quiet: false,
            unacked: Vec::new(),
            bye_wanted: None,
            reinvite: None,
            next_reinvite: None,
            owns_call_id: false,
            pending: Vec::new(),
            refers: 0,
            subscriptions: Vec::new(),
            watches: Vec::new(),
            give_up: None,
            others: VecDeque::new(),
            patience: None,
            authenticator: None,
            timer: SessionTimer::default(),
            early: Vec::new(),
            reliable: Reliable::default(),
            takes_update: false,
            session_id: SessionId::UNKNOWN,
        }
    }

    /// Whether the call of this leg is neither ending nor over, and may carry requests in its dialog.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up) && self.bye_wanted.is_none()
    }

    /// Whether our re-INVITE is on its way.
    pub(super) fn reinvite_sent(&self) -> Option<u64> {
        match self.reinvite.as_ref()?.state {
            ReinviteState::Sent(client) => Some(client),
            _ => None,
        }
    }

    /// Whether nothing is left that needs this dialog.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Over)
            && self.subscriptions.is_empty()
            && self.watches.is_empty()
            && self.reinvite_sent().is_none()
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        let unacked = self.unacked.iter().map(|unacked| unacked.next.min(unacked.end)).min();
        let waiting = match self.reinvite.as_ref().map(|reinvite| &reinvite.state) {
            Some(&ReinviteState::Waiting(at)) => Some(at),
            _ => None,
        };
        let subscriptions = self.subscriptions.iter().filter_map(Subscription::poll_timeout).min();
        let watches = self.watches.iter().map(|watch| watch.expires).min();
        let own = earliest(self.timer.poll_timeout(), self.reliable.poll_timeout());
        let patience = self.patience.filter(|_| !self.others.is_empty());
        [unacked, waiting, subscriptions, watches, self.give_up, patience, own]
            .into_iter()
            .fold(None, earliest)
    }
}
