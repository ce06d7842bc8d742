//! Host names of peers and agents, resolved at start and again each minute by the system's resolver.
//!
//! Leaves out SRV and NAPTR (RFC 3263 §4). A shard only reads the table: it never waits for a name. A name that is not
//! in it is a failed dial; one that could be resolved once keeps its last address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use baton_signaling::endpoint::Transport;
use baton_signaling::message::{Host, SipUri, Uri};
use bytes::Bytes;
use tokio::sync::watch;

/// Time between two looks at all names.
const INTERVAL: Duration = Duration::from_secs(60);

/// Addresses by name.
type Table = Arc<BTreeMap<String, IpAddr>>;

/// The table, as those who dial read it.
#[derive(Clone, Debug)]
pub(crate) struct Names(watch::Receiver<Table>);

/// The task that keeps the table.
#[derive(Debug)]
pub(crate) struct Resolver {
    names: BTreeSet<String>,
    table: watch::Sender<Table>,
}

impl Resolver {
    /// A resolver for the hosts of `uris` that are names, with an empty table.
    pub(crate) fn new<'a>(uris: impl IntoIterator<Item = &'a str>) -> (Self, Names) {
        let names = uris.into_iter().filter_map(|uri| match host_of(uri)?.host {
            Host::Name(name) => Some(String::from_utf8_lossy(&name).to_ascii_lowercase()),
            Host::Ip(_) => None,
        });
        let (table, reader) = watch::channel(Table::default());
        (Self { names: names.collect(), table }, Names(reader))
    }

    /// Resolves all names once.
    pub(crate) async fn look(&self) {
        let mut table = BTreeMap::clone(&self.table.borrow());
        for name in &self.names {
            match tokio::net::lookup_host((name.as_str(), 0)).await {
                Ok(mut found) => {
                    if let Some(address) = found.next() {
                        table.insert(name.clone(), address.ip());
                    }
                }
                Err(error) => tracing::warn!(name, %error, "host name does not resolve"),
            }
        }
        self.table.send_replace(Arc::new(table));
    }

    /// Resolves all names again and again.
    pub(crate) async fn run(self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            self.look().await;
        }
    }
}

impl Names {
    /// Where a request for `uri` goes, and how; `None`: it is no SIP URI of a transport that is known, or its name is not.
    pub(crate) fn address(&self, uri: &str) -> Option<(Transport, SocketAddr)> {
        let uri = host_of(uri)?;
        let transport = Transport::of_uri(&uri)?;
        let address = match &uri.host {
            Host::Ip(address) => *address,
            Host::Name(name) => {
                let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                *self.0.borrow().get(&name)?
            }
        };
        Some((transport, SocketAddr::new(address, uri.port.unwrap_or(transport.port()))))
    }
}

fn host_of(uri: &str) -> Option<SipUri> {
    match Uri::parse(&Bytes::copy_from_slice(uri.as_bytes())).ok()? {
        Uri::Sip(uri) => Some(uri),
        Uri::Tel(_) | Uri::Other(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_no_table_and_the_uri_says_how_it_is_reached() {
        let (_resolver, names) = Resolver::new([]);
        for (uri, transport, address) in [
            ("sip:ann@127.0.0.3:5080", Transport::Udp, "127.0.0.3:5080"),
            ("sip:ann@[::1];transport=UDP", Transport::Udp, "[::1]:5060"),
            ("sip:a@127.0.0.1;transport=tcp", Transport::Tcp, "127.0.0.1:5060"),
            ("sip:a@127.0.0.1;transport=tls", Transport::Tls, "127.0.0.1:5061"),
            ("sips:a@127.0.0.1", Transport::Tls, "127.0.0.1:5061"),
        ] {
            assert_eq!(names.address(uri), Some((transport, address.parse().unwrap())), "{uri}");
        }
    }

    #[test]
    fn what_cannot_be_reached_has_no_address() {
        let (_resolver, names) = Resolver::new([]);
        for uri in ["sip:a@127.0.0.1;transport=sctp", "tel:+49", "sip:a@unknown.example", ""] {
            assert_eq!(names.address(uri), None, "{uri}");
        }
    }

    #[tokio::test]
    async fn a_name_is_found_without_case_after_the_first_look() {
        let (resolver, names) = Resolver::new(["sip:ann@LocalHost:5080"]);
        assert_eq!(names.address("sip:ann@localhost:5080"), None);
        resolver.look().await;
        let (_, found) = names.address("sip:x@LOCALHOST:5090").unwrap();
        assert!(found.ip().is_loopback() && found.port() == 5090);
    }
}
