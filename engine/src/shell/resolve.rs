//! Where names lead: NAPTR, SRV and address records (RFC 3263), looked up at start and again when their time is over.
//!
//! A shard only reads the table: it never waits for a name. A name that is not in it is a failed dial; one of which nothing new
//! can be had keeps the servers it had. Leaves out what is asked and in which order a call goes to what was found
//! (`baton_signaling::locating`).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use baton_signaling::Random;
use baton_signaling::endpoint::Transport;
use baton_signaling::locating::{Directory, Lead, Naptr, Place, Question, Server, Service, order};
use baton_signaling::message::Uri;
use bytes::Bytes;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ProtocolConfig, ResolverConfig,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Clock;
use super::limits::{DNS_PATIENCE, SRV_HOSTS_MAX};

/// Servers by place.
type Table = Arc<BTreeMap<Place, Arc<[Server]>>>;

/// The table, as those who dial read it.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    table: watch::Receiver<Table>,
    random: Random,
}

/// The task that keeps the table.
pub(crate) struct Resolver {
    clock: Clock,
    dns: Dns,
    directory: Directory,
    table: watch::Sender<Table>,
}

/// How a look-up ended: the place, its servers and how long they hold.
type Looked = (Place, Result<(Vec<Server>, Duration), NetError>);

impl Resolver {
    /// A resolver for the hosts of `uris` that are names, with an empty table. It asks `dns`, or the system's name servers.
    pub(crate) fn new<'a>(
        clock: Clock,
        dns: &[SocketAddr],
        uris: impl IntoIterator<Item = &'a str>,
    ) -> (Self, Names) {
        let places = uris.into_iter().filter_map(|uri| match lead(uri)? {
            // A pattern of hosts is no host.
            Lead::Name(place) => Some(place).filter(|place| !place.host.contains('*')),
            Lead::Address(..) => None,
        });
        let directory = Directory::new(clock.now(), places);
        let (table, reader) = watch::channel(Table::default());
        let names = Names { table: reader, random: Random::new(0) };
        (Self { clock, dns: Dns::new(dns), directory, table }, names)
    }

    /// Looks every name up once.
    pub(crate) async fn look(&mut self) {
        let mut looks = JoinSet::new();
        self.begin(&mut looks);
        while let Some(Ok(looked)) = looks.join_next().await {
            self.take(looked);
            // More of them than are asked for at once wait their turn.
            self.begin(&mut looks);
        }
        self.publish();
    }

    /// Looks names up again, each when its records' time is over.
    pub(crate) async fn run(mut self) {
        let mut looks = JoinSet::new();
        loop {
            self.begin(&mut looks);
            let due = self.directory.poll_timeout();
            let rest = due.map_or(Duration::from_secs(3600), |due| self.clock.until(due));
            tokio::select! {
                Some(Ok(looked)) = looks.join_next() => {
                    self.take(looked);
                    self.publish();
                }
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    fn begin(&mut self, looks: &mut JoinSet<Looked>) {
        for place in self.directory.take_due(self.clock.now()) {
            let dns = self.dns.clone();
            looks.spawn(async move {
                let found = tokio::time::timeout(DNS_PATIENCE, dns.locate(&place)).await;
                let found = found.unwrap_or(Err(NetError::Timeout));
                (place, found)
            });
        }
    }

    fn take(&mut self, (place, found): Looked) {
        let now = self.clock.now();
        match found {
            Ok((servers, ttl)) if servers.iter().any(|server| !server.addresses.is_empty()) => {
                self.directory.handle_found(now, &place, servers, ttl);
            }
            other => {
                let why = other.err().map_or("it has no server".to_owned(), |error| error.to_string());
                if self.directory.handle_failed(now, &place) {
                    tracing::warn!(host = place.host, why, "host name does not resolve");
                }
            }
        }
    }

    fn publish(&self) {
        let table = self.directory.servers().map(|(place, servers)| (place.clone(), servers.clone()));
        self.table.send_replace(Arc::new(table.collect()));
    }
}

impl Names {
    /// The table, with draws of its own among servers of the same weight.
    pub(crate) fn drawing(&self, seed: u64) -> Self {
        Self { table: self.table.clone(), random: Random::new(seed) }
    }

    /// Where a request for `uri` goes, and how, the best first; none: it is no SIP URI of a transport that is known, or its name
    /// is not.
    pub(crate) fn targets(&mut self, uri: &str) -> Vec<(Transport, SocketAddr)> {
        match lead(uri) {
            Some(Lead::Address(transport, address)) => vec![(transport, address)],
            Some(Lead::Name(place)) => {
                let servers = self.table.borrow().get(&place).cloned();
                servers.map(|servers| order(&servers, &mut self.random)).unwrap_or_default()
            }
            None => Vec::new(),
        }
    }
}

fn lead(uri: &str) -> Option<Lead> {
    match Uri::parse(&Bytes::copy_from_slice(uri.as_bytes())).ok()? {
        Uri::Sip(uri) => Place::of(&uri),
        Uri::Tel(_) | Uri::Other(_) => None,
    }
}

/// Who is asked.
#[derive(Clone)]
struct Dns(TokioResolver);

/// Records, and how long they hold.
struct Found<T> {
    records: Vec<T>,
    ttl: Duration,
}

impl Dns {
    /// The name servers given, or the system's.
    fn new(servers: &[SocketAddr]) -> Self {
        let builder = TokioResolver::builder_tokio().ok().filter(|_| servers.is_empty());
        let mut builder = builder.unwrap_or_else(|| {
            let config = ResolverConfig::from_name_servers(servers.iter().map(name_server).collect());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        });
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        // What is known, and for how long, is the directory's affair.
        options.cache_size = 0;
        Self(builder.build().expect("without TLS there is nothing that could fail"))
    }

    /// The servers of a place, and how long that holds (RFC 3263 §4).
    async fn locate(&self, place: &Place) -> Result<(Vec<Server>, Duration), NetError> {
        match place.question() {
            Question::Addresses(transport, port) => self.host(place, transport, port).await,
            Question::Service(service) => self.services(place, vec![service]).await,
            Question::Services => {
                let naptr = self.naptr(&place.host).await?;
                let named = place.services(&naptr.records);
                if named.is_empty() {
                    return self.services(place, place.usual_services()).await;
                }
                let (servers, ttl) = self.services(place, named).await?;
                Ok((servers, ttl.min(naptr.ttl)))
            }
        }
    }

    /// The servers of these services; where there are none, the host itself (§4.2).
    async fn services(
        &self,
        place: &Place,
        services: Vec<Service>,
    ) -> Result<(Vec<Server>, Duration), NetError> {
        let (mut all, mut ttl) = (Vec::new(), Duration::MAX);
        for (rank, service) in (0..).zip(services) {
            let found = self.srv(&service, rank).await?;
            ttl = ttl.min(found.ttl);
            all.extend(found.records);
        }
        if all.is_empty() {
            let transport = place.transport();
            return self.host(place, transport, transport.port()).await;
        }
        for (server, target) in &mut all {
            // One host that cannot be resolved takes nothing from the others.
            let Ok(addresses) = self.addresses(target).await else { continue };
            ttl = ttl.min(addresses.ttl);
            server.addresses = addresses.records;
        }
        Ok((all.into_iter().map(|(server, _)| server).collect(), ttl))
    }

    async fn host(
        &self,
        place: &Place,
        transport: Transport,
        port: u16,
    ) -> Result<(Vec<Server>, Duration), NetError> {
        let found = self.addresses(&place.host).await?;
        let server = Server { transport, rank: 0, priority: 0, weight: 0, port, addresses: found.records };
        Ok((vec![server], found.ttl))
    }

    async fn naptr(&self, host: &str) -> Result<Found<Naptr>, NetError> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let record = |data: &RData| match data {
            // A record that rewrites leads elsewhere than to SRV records (RFC 3263 §4.1).
            RData::NAPTR(record) if record.regexp.is_empty() => Some(Naptr {
                order: record.order,
                preference: record.preference,
                flags: text(&record.flags),
                service: text(&record.services),
                replacement: record.replacement.to_ascii(),
            }),
            _ => None,
        };
        found(self.0.lookup(host, RecordType::NAPTR).await, record)
    }

    /// The servers of a service, without addresses, and their hosts.
    async fn srv(&self, service: &Service, rank: u16) -> Result<Found<(Server, String)>, NetError> {
        let record = |data: &RData| match data {
            // RFC 2782: a single dot says that there is no such service here.
            RData::SRV(record) if !record.target.is_root() => {
                let server = Server {
                    transport: service.transport,
                    rank,
                    priority: record.priority,
                    weight: record.weight,
                    port: record.port,
                    addresses: Vec::new(),
                };
                Some((server, record.target.to_ascii()))
            }
            _ => None,
        };
        let mut found = found(self.0.lookup(service.name.as_str(), RecordType::SRV).await, record)?;
        found.records.sort_by_key(|(server, _)| server.priority);
        found.records.truncate(SRV_HOSTS_MAX);
        Ok(found)
    }

    async fn addresses(&self, host: &str) -> Result<Found<IpAddr>, NetError> {
        let record = |data: &RData| match data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        };
        found(self.0.lookup_ip(host).await.map(|found| found.as_lookup().clone()), record)
    }
}

/// The records of an answer and the least of their times; that there are none is an answer, too.
fn found<T>(
    answer: Result<Lookup, NetError>,
    record: impl Fn(&RData) -> Option<T>,
) -> Result<Found<T>, NetError> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if error.is_no_records_found() => {
            return Ok(Found { records: Vec::new(), ttl: Duration::MAX });
        }
        Err(error) => return Err(error),
    };
    let ttl = answer.answers().iter().map(|record| Duration::from_secs(record.ttl.into())).min();
    let records = answer.answers().iter().filter_map(|each| record(&each.data)).collect();
    Ok(Found { records, ttl: ttl.unwrap_or(Duration::MAX) })
}

fn name_server(at: &SocketAddr) -> NameServerConfig {
    let connection = |protocol| {
        let mut connection = ConnectionConfig::new(protocol);
        connection.port = at.port();
        connection
    };
    let connections = [ProtocolConfig::Udp, ProtocolConfig::Tcp].map(connection);
    NameServerConfig::new(at.ip(), true, connections.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(uris: &[&str]) -> (Resolver, Names) {
        Resolver::new(Clock::start(), &[], uris.iter().copied())
    }

    #[tokio::test]
    async fn an_address_needs_no_table_and_the_uri_says_how_it_is_reached() {
        let (_resolver, mut names) = names(&[]);
        for (uri, transport, address) in [
            ("sip:ann@127.0.0.3:5080", Transport::Udp, "127.0.0.3:5080"),
            ("sip:ann@[::1];transport=UDP", Transport::Udp, "[::1]:5060"),
            ("sip:a@127.0.0.1;transport=tcp", Transport::Tcp, "127.0.0.1:5060"),
            ("sip:a@127.0.0.1;transport=tls", Transport::Tls, "127.0.0.1:5061"),
            ("sips:a@127.0.0.1", Transport::Tls, "127.0.0.1:5061"),
        ] {
            assert_eq!(names.targets(uri), [(transport, address.parse().unwrap())], "{uri}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_reached_has_no_target() {
        let (_resolver, mut names) = names(&[]);
        for uri in ["sip:a@127.0.0.1;transport=sctp", "tel:+49", "sip:a@unknown.example", ""] {
            assert_eq!(names.targets(uri), [], "{uri}");
        }
    }

    #[tokio::test]
    async fn a_name_is_found_without_case_after_the_first_look() {
        let (mut resolver, mut names) = names(&["sip:ann@LocalHost:5080"]);
        assert_eq!(names.targets("sip:ann@localhost:5080"), []);
        resolver.look().await;
        let (_, found) = names.targets("sip:x@LOCALHOST:5080")[0];
        assert!(found.ip().is_loopback() && found.port() == 5080);
    }
}
