//! Which connections there are, by their far ends, and how many more there may be.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use baton_signaling::endpoint::Transport;
use baton_signaling::message::Host;
use bytes::Bytes;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use crate::shell::limits::{CONNECTIONS, CONNECTIONS_PER_ADDRESS, HOSTS};

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
    /// To whom we have opened it.
    host: Option<Host>,
    /// What its far end's certificate has shown.
    names: Arc<[String]>,
}

impl Entry {
    /// Whether what is meant for `host` may go over it.
    fn is_for(&self, host: &Host) -> bool {
        let is_name =
            |name: &Bytes| self.names.iter().any(|shown| name.eq_ignore_ascii_case(shown.as_bytes()));
        let is_shown = matches!(host, Host::Name(name) if is_name(name));
        is_shown || self.host.as_ref().is_none_or(|of| of == host)
    }
}

/// All connections.
#[derive(Default)]
pub(super) struct Table {
    connections: HashMap<Key, Entry>,
    addresses: HashMap<IpAddr, usize>,
    /// Whose certificates those are to show to whom we connect.
    hosts: HashMap<SocketAddr, Host>,
    ids: u64,
}

impl Table {
    /// Makes room for a connection; its number. It takes the place of an older one with the same far end, which is over
    /// then: both ends of a connection can be the same only once. `host`: to whom we open it.
    pub(super) fn add(&mut self, key: Key, out: Sender<Bytes>, host: Option<Host>) -> Result<u64, Unwelcome> {
        if self.connections.len() >= CONNECTIONS {
            return Err(Unwelcome::Node);
        }
        if self.addresses.get(&key.1.ip()).is_some_and(|&count| count >= CONNECTIONS_PER_ADDRESS) {
            return Err(Unwelcome::Address);
        }
        self.ids += 1;
        let id = self.ids;
        if self.connections.insert(key, Entry { id, out, host, names: Arc::new([]) }).is_none() {
            *self.addresses.entry(key.1.ip()).or_default() += 1;
        }
        Ok(id)
    }

    /// Who is to be at `remote`; `false`: somebody else is, to whom there is a connection.
    pub(super) fn expect(&mut self, remote: SocketAddr, host: &Host) -> bool {
        if self.connections.get(&(Transport::Tls, remote)).is_some_and(|entry| !entry.is_for(host)) {
            return false;
        }
        if self.hosts.len() >= HOSTS && !self.hosts.contains_key(&remote) {
            // They come back with the next request to each.
            self.hosts.clear();
        }
        if self.hosts.get(&remote) != Some(host) {
            self.hosts.insert(remote, host.clone());
        }
        true
    }

    /// Who is to be at `remote`: whoever was named last, else the address itself.
    pub(super) fn host(&self, remote: SocketAddr) -> Host {
        self.hosts.get(&remote).cloned().unwrap_or(Host::Ip(remote.ip()))
    }

    /// The far end of connection `id` has shown a certificate with these names.
    pub(super) fn identify(&mut self, key: &Key, id: u64, names: Arc<[String]>) {
        if let Some(entry) = self.connections.get_mut(key).filter(|entry| entry.id == id) {
            entry.names = names;
        }
    }

    /// The names that a far end has proven to have.
    pub(super) fn names(&self, key: &Key) -> Option<Arc<[String]>> {
        self.connections.get(key).map(|entry| entry.names.clone()).filter(|names| !names.is_empty())
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
            ids.push(table.add(key(1, u16::try_from(port).unwrap()), out.clone(), None).unwrap());
        }
        assert_eq!(table.add(key(1, 9999), out.clone(), None), Err(Unwelcome::Address));
        assert!(table.add(key(2, 9999), out.clone(), None).is_ok());
        table.remove(&key(1, 0), ids[0]);
        assert!(table.add(key(1, 9999), out, None).is_ok());
    }

    #[test]
    fn a_connection_that_takes_nothing_more_is_given_up_and_the_next_message_opens_another() {
        let (mut table, (out, queue)) = (Table::default(), mpsc::channel(1));
        table.add(key(1, 1), out, None).unwrap();
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
        let first = table.add(key(1, 1), out.clone(), None).unwrap();
        let second = table.add(key(1, 1), out, None).unwrap();
        table.remove(&key(1, 1), first);
        assert!(table.offer(&key(1, 1), Bytes::new()).is_ok());
        table.remove(&key(1, 1), second);
        assert!(table.connections.is_empty() && table.addresses.is_empty());
    }

    #[test]
    fn a_connection_carries_what_is_meant_for_whom_its_certificate_names_and_nothing_else() {
        let (mut table, (out, _queue)) = (Table::default(), mpsc::channel(1));
        let to = (Transport::Tls, SocketAddr::from(([192, 0, 2, 1], 5061)));
        let host = |name: &'static str| Host::Name(Bytes::from_static(name.as_bytes()));
        let (first, alias, other) = (host("sip.example"), host("Alias.example"), host("other.example"));
        assert_eq!(table.host(to.1), Host::Ip(to.1.ip()));
        assert!(table.expect(to.1, &other) && table.expect(to.1, &first));
        assert_eq!(table.host(to.1), first);
        let id = table.add(to, out, Some(first.clone())).unwrap();
        assert!(table.expect(to.1, &first) && !table.expect(to.1, &alias), "before the handshake");
        assert_eq!(table.names(&to), None);
        table.identify(&to, id, ["sip.example".to_owned(), "alias.example".to_owned()].into());
        assert!(table.expect(to.1, &first) && table.expect(to.1, &alias) && !table.expect(to.1, &other));
        assert_eq!(table.names(&to).unwrap().len(), 2);
        table.remove(&to, id);
        assert!(table.expect(to.1, &other));
    }
}
