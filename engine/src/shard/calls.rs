//! What a shard knows of its calls: which dialog is which leg, and which ports and session are theirs.
//!
//! Leaves out everything a call decides. An entry lives from admission to the call's end, a dialog's name in it too,
//! since a REFER's subscription outlives its dialog (RFC 5057).

use std::collections::HashMap;

use baton_signaling::endpoint::Leg;

use super::{Pair, PeerIndex};
use crate::key::{CallKey, LegId};

/// The calls of a shard.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: HashMap<CallKey, CallEntry>,
    legs: HashMap<Leg, (CallKey, LegId)>,
    count: u64,
}

/// One call.
#[derive(Debug)]
pub(super) struct CallEntry {
    /// Its caller's peer, for the counts at the door.
    pub(super) peer: PeerIndex,
    /// Its session's place.
    pub(super) session: u32,
    /// Its legs that have a dialog or ports.
    pub(super) legs: Vec<LegEntry>,
}

/// One leg.
#[derive(Clone, Copy, Debug)]
pub(super) struct LegEntry {
    /// Which.
    pub(super) id: LegId,
    /// Its dialog, once there is one.
    pub(super) sip: Option<Leg>,
    /// The dialog has not ended.
    pub(super) open: bool,
    /// Its ports.
    pub(super) pair: Option<Pair>,
}

impl CallEntry {
    /// The entry of a leg, made if there is none.
    pub(super) fn leg(&mut self, id: LegId) -> &mut LegEntry {
        let at = self.legs.iter().position(|leg| leg.id == id).unwrap_or_else(|| {
            self.legs.push(LegEntry { id, sip: None, open: false, pair: None });
            self.legs.len() - 1
        });
        &mut self.legs[at]
    }
}

impl Calls {
    /// A number for a new call of shard `shard`.
    pub(super) fn next_key(&mut self, shard: u16) -> CallKey {
        self.count += 1;
        CallKey::new(shard, self.count)
    }

    /// Adds a call.
    pub(super) fn insert(&mut self, key: CallKey, peer: PeerIndex, session: u32) {
        self.calls.insert(key, CallEntry { peer, session, legs: Vec::with_capacity(4) });
    }

    /// A call.
    pub(super) fn get_mut(&mut self, key: CallKey) -> Option<&mut CallEntry> {
        self.calls.get_mut(&key)
    }

    /// Takes a call out, with all its dialogs' names.
    pub(super) fn remove(&mut self, key: CallKey) -> Option<CallEntry> {
        let entry = self.calls.remove(&key)?;
        for leg in entry.legs.iter().filter_map(|leg| leg.sip) {
            self.legs.remove(&leg);
        }
        Some(entry)
    }

    /// Names the dialog of a leg.
    pub(super) fn bind(&mut self, key: CallKey, id: LegId, sip: Leg) {
        if let Some(entry) = self.calls.get_mut(&key) {
            let leg = entry.leg(id);
            (leg.sip, leg.open) = (Some(sip), true);
            self.legs.insert(sip, (key, id));
        }
    }

    /// Whose leg a dialog is.
    pub(super) fn owner(&self, sip: Leg) -> Option<(CallKey, LegId)> {
        self.legs.get(&sip).copied()
    }

    /// The dialog of a leg.
    pub(super) fn dialog(&self, key: CallKey, id: LegId) -> Option<Leg> {
        self.calls.get(&key)?.legs.iter().find(|leg| leg.id == id)?.sip
    }

    /// A leg's dialog has ended.
    pub(super) fn close(&mut self, key: CallKey, id: LegId) {
        if let Some(entry) = self.calls.get_mut(&key) {
            entry.leg(id).open = false;
        }
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Dialogs that have not ended.
    pub(super) fn open_legs(&self) -> usize {
        self.calls.values().flat_map(|call| &call.legs).filter(|leg| leg.open).count()
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }
}
