//! When each transaction and leg wants to be woken: ordered by time, so that only what is due is looked at.

use std::collections::{BTreeMap, BTreeSet};

use super::Leg;
use crate::Time;

/// Whose deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Client(u64),
    Server(u64),
    Leg(Leg),
}

/// One deadline for each owner that has one.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    queue: BTreeSet<(Time, Owner)>,
    of: BTreeMap<Owner, Time>,
}

impl Deadlines {
    /// `owner` wants to be woken at `at`, or not at all, and no longer at the time said before.
    pub(super) fn set(&mut self, owner: Owner, at: Option<Time>) {
        let before = match at {
            Some(at) => self.of.insert(owner, at),
            None => self.of.remove(&owner),
        };
        if before != at {
            before.map(|before| self.queue.remove(&(before, owner)));
            at.map(|at| self.queue.insert((at, owner)));
        }
    }

    /// The next owner whose time has come; its deadline is taken out.
    pub(super) fn expire(&mut self, now: Time) -> Option<Owner> {
        let &(at, owner) = self.queue.first()?;
        (at <= now).then(|| self.set(owner, None)).map(|()| owner)
    }

    /// The first deadline.
    pub(super) fn next(&self) -> Option<Time> {
        self.queue.first().map(|&(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_owner_is_woken_once_at_the_time_it_named_last() {
        let mut deadlines = Deadlines::default();
        deadlines.set(Owner::Client(1), Some(Time::from_secs(5)));
        deadlines.set(Owner::Server(2), Some(Time::from_secs(3)));
        deadlines.set(Owner::Client(1), Some(Time::from_secs(2)));
        deadlines.set(Owner::Leg(Leg(3)), Some(Time::from_secs(1)));
        deadlines.set(Owner::Leg(Leg(3)), None);
        assert_eq!(deadlines.next(), Some(Time::from_secs(2)));
        assert_eq!(deadlines.expire(Time::from_secs(1)), None);
        assert_eq!(deadlines.expire(Time::from_secs(9)), Some(Owner::Client(1)));
        assert_eq!(deadlines.expire(Time::from_secs(9)), Some(Owner::Server(2)));
        assert_eq!((deadlines.expire(Time::from_secs(9)), deadlines.next()), (None, None));
    }
}
