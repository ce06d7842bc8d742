//! The sessions of a shard, found by port without a message and walked at the session's edge: a panic inside one ends
//! that session and no other.
//!
//! Leaves out when a session ticks (`wheel`) and what it does with a packet (`media`).

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Outbox, Pair};
use crate::key::{CallKey, LegId};
use crate::media::{Lane, Session, Sink};

/// A session with what its packets need on their way.
pub(super) struct SessionEntry {
    /// Its call.
    pub(super) key: CallKey,
    /// Its machine.
    pub(super) session: Session,
    /// Milliseconds between its ticks; 0 before its first order.
    pub(super) tick_ms: u8,
    /// The ports of its legs.
    pairs: Vec<(LegId, Pair)>,
}

/// Sessions in slots, and the way from a port to its session.
#[derive(Default)]
pub(super) struct Sessions {
    slots: Vec<Option<SessionEntry>>,
    free: Vec<u32>,
    /// By RTP port / 2.
    owners: Vec<Option<Owner>>,
}

#[derive(Clone, Copy)]
struct Owner {
    slot: u32,
    leg: LegId,
    /// How many more packets that are not relayed leave it urgent.
    urgent: u8,
}

/// Packets in a row that were not relayed, after which the port's next one is no longer urgent: a second of sound. To change it
/// costs two system calls.
const CALM: u8 = 50;

/// A session has panicked; it is not to be walked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Panicked;

/// Where the packets of one session go.
pub(super) struct Out<'a> {
    outbox: &'a mut Outbox,
    pairs: &'a [(LegId, Pair)],
}

impl Sink for Out<'_> {
    fn send(&mut self, leg: LegId, lane: Lane, to: SocketAddr, packet: &[u8]) {
        if let Some(&(_, pair)) = self.pairs.iter().find(|(id, _)| *id == leg) {
            self.outbox.push(pair, lane, to, packet);
        }
    }
}

impl Sessions {
    /// Adds a session; its slot.
    pub(super) fn insert(&mut self, key: CallKey, session: Session) -> u32 {
        let entry = SessionEntry { key, session, tick_ms: 0, pairs: Vec::with_capacity(4) };
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(entry);
                slot
            }
            None => {
                self.slots.push(Some(entry));
                u32::try_from(self.slots.len() - 1).expect("sessions are bounded by limits.calls")
            }
        }
    }

    /// Takes a session of this call out of its slot, with all its ports.
    pub(super) fn remove(&mut self, slot: u32, key: CallKey) -> Option<SessionEntry> {
        let place = self.slots.get_mut(slot as usize)?;
        let entry = place.take_if(|entry| entry.key == key)?;
        self.free.push(slot);
        for &(_, pair) in &entry.pairs {
            self.owners[index(pair)] = None;
        }
        Some(entry)
    }

    /// The session in a slot.
    pub(super) fn get(&self, slot: u32) -> Option<&SessionEntry> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// The session in a slot, if it is still this call's: a slot whose session has panicked may be another call's by now.
    pub(super) fn of(&self, slot: u32, key: CallKey) -> Option<&SessionEntry> {
        self.get(slot).filter(|entry| entry.key == key)
    }

    /// As [`Self::of`].
    pub(super) fn of_mut(&mut self, slot: u32, key: CallKey) -> Option<&mut SessionEntry> {
        self.get_mut(slot).filter(|entry| entry.key == key)
    }

    /// The session in a slot.
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut SessionEntry> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// All sessions.
    pub(super) fn iter(&self) -> impl Iterator<Item = &SessionEntry> {
        self.slots.iter().flatten()
    }

    /// Whose packets come to `pair`.
    pub(super) fn owner(&self, pair: Pair) -> Option<(u32, LegId)> {
        let owner = self.owners.get(index(pair)).copied().flatten()?;
        Some((owner.slot, owner.leg))
    }

    /// A packet to `pair` was relayed, or was not. `Some`: whether the next ones are urgent, if that has changed: a relayed packet
    /// waits for nobody's tick.
    pub(super) fn relayed(&mut self, pair: Pair, relayed: bool) -> Option<bool> {
        let owner = self.owners.get_mut(index(pair))?.as_mut()?;
        let before = owner.urgent > 0;
        owner.urgent = if relayed { CALM } else { owner.urgent.saturating_sub(1) };
        let after = owner.urgent > 0;
        (before != after).then_some(after)
    }

    /// Packets to `pair` go to this leg of this call.
    pub(super) fn bind(&mut self, slot: u32, key: CallKey, leg: LegId, pair: Pair) {
        let Some(entry) = self.of_mut(slot, key) else { return };
        entry.pairs.push((leg, pair));
        if self.owners.is_empty() {
            self.owners = vec![None; usize::from(u16::MAX) / 2 + 1];
        }
        self.owners[index(pair)] = Some(Owner { slot, leg, urgent: 0 });
    }

    /// Packets to the ports of this leg go to nobody.
    pub(super) fn unbind(&mut self, slot: u32, key: CallKey, leg: LegId) {
        let entry = self.slots.get_mut(slot as usize).and_then(Option::as_mut);
        if let Some(entry) = entry.filter(|entry| entry.key == key) {
            for &(_, pair) in entry.pairs.iter().filter(|(id, _)| *id == leg) {
                self.owners[index(pair)] = None;
            }
            entry.pairs.retain(|(id, _)| *id != leg);
        }
    }

    /// Walks a session, its packets going to `outbox`. `None`: there is none in this slot.
    pub(super) fn walk(
        &mut self,
        slot: u32,
        outbox: &mut Outbox,
        step: impl FnOnce(&mut Session, &mut Out<'_>),
    ) -> Option<Result<(), Panicked>> {
        let SessionEntry { session, pairs, .. } = self.slots.get_mut(slot as usize)?.as_mut()?;
        let mut out = Out { outbox, pairs };
        // Nothing else holds a part of a session, and one that has panicked is dropped unwalked.
        let result = catch_unwind(AssertUnwindSafe(|| step(session, &mut out)));
        Some(result.map_err(|_| Panicked))
    }
}

fn index(pair: Pair) -> usize {
    usize::from(pair.rtp() / 2)
}

impl SessionEntry {
    /// The legs that have ports.
    pub(super) fn legs(&self) -> impl Iterator<Item = LegId> {
        self.pairs.iter().map(|&(leg, _)| leg)
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::media::{Prompts, SessionParams};

    fn session() -> Session {
        Session::new(1, SessionParams::default(), Rc::new(Prompts::new()))
    }

    #[test]
    fn a_slot_that_has_gone_to_another_call_is_closed_to_the_one_before() {
        let mut sessions = Sessions::default();
        let (old, new) = (CallKey::new(0, 1), CallKey::new(0, 2));
        let [a, b] = [20_000, 20_002].map(|port| Pair::of_rtp(port).unwrap());
        // As after a panic: the session is gone, its call not yet.
        let slot = sessions.insert(old, session());
        assert!(sessions.remove(slot, old).is_some());
        assert_eq!(sessions.insert(new, session()), slot);
        sessions.bind(slot, old, LegId::CALLER, a);
        assert_eq!(sessions.owner(a), None, "not led to a stranger's session");
        sessions.bind(slot, new, LegId::CALLER, b);
        sessions.unbind(slot, old, LegId::CALLER);
        assert_eq!(sessions.owner(b), Some((slot, LegId::CALLER)));
        assert!(sessions.of(slot, old).is_none() && sessions.of(slot, new).is_some());
        assert!(sessions.remove(slot, old).is_none());
    }

    #[test]
    fn a_port_is_urgent_from_its_first_relayed_packet_to_a_second_after_its_last() {
        let mut sessions = Sessions::default();
        let (key, pair) = (CallKey::new(0, 1), Pair::of_rtp(20_000).unwrap());
        let slot = sessions.insert(key, session());
        assert_eq!(sessions.relayed(pair, true), None, "nobody's");
        sessions.bind(slot, key, LegId::CALLER, pair);
        assert_eq!(sessions.relayed(pair, false), None);
        assert_eq!([true, true].map(|relayed| sessions.relayed(pair, relayed)), [Some(true), None]);
        for _ in 1..CALM {
            assert_eq!(sessions.relayed(pair, false), None);
        }
        assert_eq!(sessions.relayed(pair, false), Some(false));
        assert_eq!([false, true].map(|relayed| sessions.relayed(pair, relayed)), [None, Some(true)]);
    }
}
