//! What DNS has said of the places that requests go to, and for how long it holds: a cache that is renewed when its records'
//! time is over, so that no call waits for a name.
//!
//! Leaves out asking. A place of which nothing new can be had keeps what was known of it: a name server that is away for an
//! hour ends no call.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Place, Server};
use crate::{Time, limits};

/// What is known of each place.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    places: BTreeMap<Place, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    servers: Arc<[Server]>,
    /// When it is asked for next; `None`: it is being asked for.
    due: Option<Time>,
    /// Failures in a row.
    failures: u32,
}

impl Directory {
    /// A directory of these places, at most [`limits::PLACES_MAX`], all of them to be asked for at once.
    pub fn new(now: Time, places: impl IntoIterator<Item = Place>) -> Self {
        let entry = || Entry { servers: Arc::new([]), due: Some(now), failures: 0 };
        let places = places.into_iter().map(|place| (place, entry()));
        let mut all: BTreeMap<Place, Entry> = places.collect();
        while all.len() > limits::PLACES_MAX {
            all.pop_last();
        }
        Self { places: all }
    }

    /// When the next is to be asked for.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.places.values().filter_map(|entry| entry.due).min()
    }

    /// Those to be asked for now, at most [`limits::LOOKUPS_AT_ONCE`] under way; each brings [`Self::handle_found`] or
    /// [`Self::handle_failed`].
    pub fn take_due(&mut self, now: Time) -> Vec<Place> {
        let under_way = self.places.values().filter(|entry| entry.due.is_none()).count();
        let due = self.places.iter_mut().filter(|(_, entry)| entry.due.is_some_and(|due| due <= now));
        let taken = due.take(limits::LOOKUPS_AT_ONCE.saturating_sub(under_way)).map(|(place, entry)| {
            entry.due = None;
            place.clone()
        });
        taken.collect()
    }

    /// DNS has named these servers, which holds for `ttl`: the least of all records that led to them.
    pub fn handle_found(&mut self, now: Time, place: &Place, servers: Vec<Server>, ttl: Duration) {
        let Some(entry) = self.places.get_mut(place) else { return };
        let held = ttl.clamp(limits::RECORD_HELD_MIN, limits::RECORD_HELD_MAX);
        *entry = Entry { servers: servers.into(), due: Some(now + held), failures: 0 };
    }

    /// There was no answer, or one that names no server: asked for again soon, and then less and less often. Whether it is news.
    pub fn handle_failed(&mut self, now: Time, place: &Place) -> bool {
        let Some(entry) = self.places.get_mut(place) else { return false };
        let wait = limits::RECORD_HELD_MIN * 2_u32.saturating_pow(entry.failures.min(16));
        entry.due = Some(now + wait.min(limits::LOOKUP_RETRY_MAX));
        entry.failures += 1;
        entry.failures == 1
    }

    /// The servers of each place, as far as they are known.
    pub fn servers(&self) -> impl Iterator<Item = (&Place, &Arc<[Server]>)> {
        self.places.iter().map(|(place, entry)| (place, &entry.servers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Transport;

    fn place(host: &str) -> Place {
        Place { host: host.to_owned(), port: None, transport: None, secure: false }
    }

    fn servers(port: u16) -> Vec<Server> {
        let addresses = vec![[10, 0, 0, 1].into()];
        vec![Server { transport: Transport::Udp, rank: 0, priority: 1, weight: 1, port, addresses }]
    }

    fn ports(directory: &Directory) -> Vec<Vec<u16>> {
        directory.servers().map(|(_, all)| all.iter().map(|server| server.port).collect()).collect()
    }

    const START: Time = Time::from_secs(100);

    #[test]
    fn a_place_is_asked_for_again_when_its_records_are_over() {
        let mut directory = Directory::new(START, [place("a")]);
        assert_eq!(directory.poll_timeout(), Some(START));
        assert_eq!(directory.take_due(START), [place("a")]);
        assert_eq!((directory.poll_timeout(), directory.take_due(START)), (None, vec![]), "once at a time");
        directory.handle_found(START, &place("a"), servers(5060), Duration::from_secs(30));
        assert_eq!(ports(&directory), [[5060]]);
        let over = START + Duration::from_secs(30);
        assert_eq!(directory.poll_timeout(), Some(over));
        assert!(directory.take_due(over - Duration::from_micros(1)).is_empty());
        assert_eq!(directory.take_due(over), [place("a")]);
        assert_eq!(ports(&directory), [[5060]], "what was known serves until there is better");
        directory.handle_found(over, &place("a"), servers(5070), Duration::from_secs(30));
        assert_eq!(ports(&directory), [[5070]]);
    }

    #[test]
    fn a_time_to_live_is_obeyed_within_bounds() {
        let mut directory = Directory::new(START, [place("a")]);
        for (ttl, held) in [
            (0, limits::RECORD_HELD_MIN),
            (1_000_000, limits::RECORD_HELD_MAX),
            (600, Duration::from_secs(600)),
        ] {
            directory.handle_found(START, &place("a"), servers(1), Duration::from_secs(ttl));
            assert_eq!(directory.poll_timeout(), Some(START + held), "{ttl}");
        }
    }

    #[test]
    fn a_name_server_that_is_away_takes_nothing_from_us_and_is_asked_less_and_less() {
        let mut directory = Directory::new(START, [place("a")]);
        directory.handle_found(START, &place("a"), servers(5060), Duration::from_secs(30));
        let mut now = START + Duration::from_secs(30);
        let mut waits = Vec::new();
        for nth in 0..7 {
            assert_eq!(directory.take_due(now).len(), 1);
            assert_eq!(directory.handle_failed(now, &place("a")), nth == 0, "told once");
            let due = directory.poll_timeout().unwrap();
            waits.push((due - now).as_secs());
            now = due;
        }
        assert_eq!(waits, [5, 10, 20, 40, 60, 60, 60]);
        assert_eq!(ports(&directory), [[5060]]);
    }

    #[test]
    fn the_table_and_what_is_under_way_are_bounded() {
        let many = (0..2 * limits::PLACES_MAX).map(|n| place(&n.to_string()));
        let mut directory = Directory::new(START, many);
        assert_eq!(directory.servers().count(), limits::PLACES_MAX);
        let first = directory.take_due(START);
        assert_eq!(first.len(), limits::LOOKUPS_AT_ONCE);
        assert!(directory.take_due(START).is_empty());
        directory.handle_failed(START, &first[0]);
        assert_eq!(directory.take_due(START).len(), 1);
    }
}
