//! Which connections there are, by their far ends, and how many more there may be.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use baton_signaling::endpoint::Transport;
use bytes::Bytes;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use crate::shell::limits::{CONNECTIONS, CONNECTIONS_PER_ADDRESS};

/// What tells one connection from another.
pub(super) type Key = (Transport, SocketAddr);

/// Why there is no room for another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unwelcome {
    /// There are [`CONNECTIONS`].
    Node,
    /// Its address has [`CONNECTIONS_PER_ADDRESS`].
    Address,
    /// Too many wait to be opened.
    Dials,
}

impl Unwelcome {
    /// All of them, in the order in which they are counted.
    pub(crate) const ALL: [Self; 3] = [Self::Node, Self::Address, Self::Dials];

    /// Its name in metrics.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Address => "address",
            Self::Dials => "dials",
        }
    }
}

struct Entry {
    id: u64,
    out: Sender<Bytes>,
}

/// All connections.
#[derive(Default)]
pub(super) struct Table {
    connections: HashMap<Key, Entry>,
    addresses: HashMap<IpAddr, usize>,
    ids: u64,
}

impl Table {
    /// Makes room for a connection; its number. It takes the place of an older one with the same far end, which is over
    /// then: both ends of a connection can be the same only once.
    pub(super) fn add(&mut self, key: Key, out: Sender<Bytes>) -> Result<u64, Unwelcome> {
        if self.connections.len() >= CONNECTIONS {
            return Err(Unwelcome::Node);
        }
        if self.addresses.get(&key.1.ip()).is_some_and(|&count| count >= CONNECTIONS_PER_ADDRESS) {
            return Err(Unwelcome::Address);
        }
        self.ids += 1;
        let id = self.ids;
        if self.connections.insert(key, Entry { id, out }).is_none() {
            *self.addresses.entry(key.1.ip()).or_default() += 1;
        }
        Ok(id)
    }

    /// Hands a message over. `Err(Some)`: there is no such connection; `Err(None)`: it takes no more, and is given up.
    pub(super) fn offer(&mut self, key: &Key, bytes: Bytes) -> Result<(), Option<Bytes>> {
        let Some(entry) = self.connections.get(key) else { return Err(Some(bytes)) };
        match entry.out.try_send(bytes) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                let id = entry.id;
                self.remove(key, id);
                Err(None)
            }
            // It has just ended, and another can be opened.
            Err(TrySendError::Closed(bytes)) => {
                let id = entry.id;
                self.remove(key, id);
                Err(Some(bytes))
            }
        }
    }

    /// A connection is over, unless another has taken its place.
    pub(super) fn remove(&mut self, key: &Key, id: u64) {
        if self.connections.get(key).is_none_or(|entry| entry.id != id) {
            return;
        }
        self.connections.remove(key);
        if let Some(count) = self.addresses.get_mut(&key.1.ip()) {
            *count -= 1;
            if *count == 0 {
                self.addresses.remove(&key.1.ip());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    fn key(host: u8, port: u16) -> Key {
        (Transport::Tcp, ([127, 0, 0, host], port).into())
    }

    #[test]
    fn an_address_has_only_so_many_connections_and_others_have_theirs() {
        let (mut table, (out, _queue)) = (Table::default(), mpsc::channel(1));
        let mut ids = Vec::new();
        for port in 0..CONNECTIONS_PER_ADDRESS {
            ids.push(table.add(key(1, u16::try_from(port).unwrap()), out.clone()).unwrap());
        }
        assert_eq!(table.add(key(1, 9999), out.clone()), Err(Unwelcome::Address));
        assert!(table.add(key(2, 9999), out.clone()).is_ok());
        table.remove(&key(1, 0), ids[0]);
        assert!(table.add(key(1, 9999), out).is_ok());
    }

    #[test]
    fn a_connection_that_takes_nothing_more_is_given_up_and_the_next_message_opens_another() {
        let (mut table, (out, queue)) = (Table::default(), mpsc::channel(1));
        table.add(key(1, 1), out).unwrap();
        let bytes = || Bytes::from_static(b"x");
        assert_eq!(table.offer(&key(1, 1), bytes()), Ok(()));
        assert_eq!(table.offer(&key(1, 1), bytes()), Err(None));
        assert_eq!(table.offer(&key(1, 1), bytes()), Err(Some(bytes())));
        assert!(queue.is_closed(), "its task hears that nobody sends any more");
        assert!(table.addresses.is_empty());
    }

    #[test]
    fn what_has_taken_anothers_place_is_not_removed_with_it() {
        let (mut table, (out, _queue)) = (Table::default(), mpsc::channel(1));
        let first = table.add(key(1, 1), out.clone()).unwrap();
        let second = table.add(key(1, 1), out).unwrap();
        table.remove(&key(1, 1), first);
        assert!(table.offer(&key(1, 1), Bytes::new()).is_ok());
        table.remove(&key(1, 1), second);
        assert!(table.connections.is_empty() && table.addresses.is_empty());
    }
}
