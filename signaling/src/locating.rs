//! Where a request for a URI goes (RFC 3263): what to ask of DNS, in which order, and how its answers become targets.
//!
//! Pure: names are looked up by the shell, which is told what to ask and tells what it found; draws come from a generator that is
//! handed in. How long answers are believed is `directory.rs`.

mod directory;

use std::net::{IpAddr, SocketAddr};

use crate::Random;
use crate::endpoint::Transport;
use crate::limits;
use crate::message::{Host, SipUri};

pub use directory::Directory;

/// The parts of a SIP URI that decide where it leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// A name in lower case, without a final dot.
    pub host: String,
    /// The port it names.
    pub port: Option<u16>,
    /// The transport it names.
    pub transport: Option<Transport>,
    /// `sips:`.
    pub secure: bool,
}

/// Where a URI leads, before anything is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lead {
    /// It says so itself.
    Address(Transport, SocketAddr),
    /// To what DNS knows of this place.
    Name(Place),
}

/// What is to be asked of DNS about a place, first (RFC 3263 §4.1, §4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The addresses of the host, for this transport and port.
    Addresses(Transport, u16),
    /// The SRV records of this service; if there are none, the host's addresses at the transport's port.
    Service(Service),
    /// The host's NAPTR records; if there are none, the SRV records of [`Place::usual_services`]; if there are none of
    /// them either, the host's addresses.
    Services,
}

/// A service with SRV records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// How its servers are reached.
    pub transport: Transport,
    /// Where its SRV records are.
    pub name: String,
}

/// A NAPTR record (RFC 3403 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// Its order.
    pub order: u16,
    /// Its preference among those of the same order.
    pub preference: u16,
    /// Its flags; only `s` leads to SRV records.
    pub flags: String,
    /// Its service, as `SIP+D2U`.
    pub service: String,
    /// The name it leads to.
    pub replacement: String,
}

/// A server of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// How it is reached.
    pub transport: Transport,
    /// Its service's place among those of the URI, the best first.
    pub rank: u16,
    /// The priority of its SRV record: the least first.
    pub priority: u16,
    /// Its share of the calls among those of its priority.
    pub weight: u16,
    /// Its port.
    pub port: u16,
    /// Its addresses, in DNS's order.
    pub addresses: Vec<IpAddr>,
}

impl Place {
    /// Where a URI leads; `None`: it names a transport that is not known.
    pub fn of(uri: &SipUri) -> Option<Lead> {
        let transport = Transport::of_uri(uri)?;
        match &uri.host {
            Host::Ip(address) => {
                let port = uri.port.unwrap_or(transport.port());
                Some(Lead::Address(transport, SocketAddr::new(*address, port)))
            }
            Host::Name(name) => {
                let host = String::from_utf8_lossy(name).to_ascii_lowercase();
                Some(Lead::Name(Self {
                    host: host.trim_end_matches('.').to_owned(),
                    port: uri.port,
                    transport: uri.params.value("transport").is_some().then_some(transport),
                    secure: uri.secure,
                }))
            }
        }
    }

    /// The transport where nothing else says one (§4.1).
    pub fn transport(&self) -> Transport {
        self.transport.unwrap_or(if self.secure { Transport::Tls } else { Transport::Udp })
    }

    /// What to ask first.
    pub fn question(&self) -> Question {
        let transport = self.transport();
        match (self.port, self.transport) {
            (Some(port), _) => Question::Addresses(transport, port),
            (None, Some(_)) => match service_of(transport, &self.host) {
                Some(service) => Question::Service(service),
                None => Question::Addresses(transport, transport.port()),
            },
            (None, None) => Question::Services,
        }
    }

    /// The services whose SRV records are asked for where a domain has no NAPTR records (§4.1): of the transports that fit.
    pub fn usual_services(&self) -> Vec<Service> {
        let usual = [Transport::Udp, Transport::Tcp, Transport::Tls];
        let fits = usual.into_iter().filter(|transport| !self.secure || transport.is_secure());
        fits.filter_map(|transport| service_of(transport, &self.host)).collect()
    }

    /// The services that a domain's NAPTR records name, the best first (§4.1).
    pub fn services(&self, records: &[Naptr]) -> Vec<Service> {
        let known = |record: &Naptr| match record.service.to_ascii_uppercase().as_str() {
            "SIP+D2U" => Some(Transport::Udp),
            "SIP+D2T" => Some(Transport::Tcp),
            "SIPS+D2T" => Some(Transport::Tls),
            _ => None,
        };
        let mut sorted: Vec<&Naptr> =
            records.iter().filter(|record| record.flags.eq_ignore_ascii_case("s")).collect();
        sorted.sort_by_key(|record| (record.order, record.preference));
        let services = sorted.into_iter().filter_map(|record| {
            let transport = known(record).filter(|transport| !self.secure || transport.is_secure())?;
            Some(Service { transport, name: record.replacement.clone() })
        });
        services.take(limits::SERVICES_PER_PLACE).collect()
    }
}

/// Where the SRV records of a domain's service are; WebSockets have none: their servers are asked by nobody (RFC 7118 §5).
fn service_of(transport: Transport, host: &str) -> Option<Service> {
    let prefix = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
        Transport::Ws | Transport::Wss => return None,
    };
    Some(Service { transport, name: format!("{prefix}.{host}") })
}

/// The targets of a call: the servers by rank and priority, those of one priority drawn by weight (RFC 2782), each with its
/// addresses; at most [`limits::TARGETS_MAX`].
pub fn order(servers: &[Server], random: &mut Random) -> Vec<(Transport, SocketAddr)> {
    let mut left: Vec<&Server> = servers.iter().collect();
    // Those of weight 0 before the others of their priority: they are drawn last but for a small chance.
    left.sort_by_key(|server| (server.rank, server.priority, server.weight > 0));
    let mut targets = Vec::new();
    while let Some(first) = left.first().filter(|_| targets.len() < limits::TARGETS_MAX) {
        let best = (first.rank, first.priority);
        let equals = left.iter().take_while(|server| (server.rank, server.priority) == best);
        let total: u64 = equals.clone().map(|server| u64::from(server.weight)).sum();
        let drawn = random.below(total + 1);
        let mut sum = 0;
        let at = equals.clone().position(|server| {
            sum += u64::from(server.weight);
            sum >= drawn
        });
        let server = left.remove(at.unwrap_or(0));
        targets.extend(server.addresses.iter().map(|&address| {
            let target = SocketAddr::new(address, server.port);
            (server.transport, target)
        }));
    }
    targets.truncate(limits::TARGETS_MAX);
    targets
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::message::Uri;

    fn lead(uri: &str) -> Option<Lead> {
        match Uri::parse(&Bytes::copy_from_slice(uri.as_bytes())).unwrap() {
            Uri::Sip(uri) => Place::of(&uri),
            other => panic!("{other:?}"),
        }
    }

    fn place(uri: &str) -> Place {
        match lead(uri) {
            Some(Lead::Name(place)) => place,
            other => panic!("{other:?}"),
        }
    }

    fn service(transport: Transport, name: &str) -> Service {
        Service { transport, name: name.to_owned() }
    }

    fn server(priority: u16, weight: u16, last: u8) -> Server {
        let addresses = vec![IpAddr::from([10, 0, 0, last])];
        Server { transport: Transport::Udp, rank: 0, priority, weight, port: 5060, addresses }
    }

    /// The last octets of the targets in their order.
    fn drawn(servers: &[Server], random: &mut Random) -> Vec<u8> {
        let octet = |(_, target): (Transport, SocketAddr)| match target.ip() {
            IpAddr::V4(ip) => ip.octets()[3],
            IpAddr::V6(_) => panic!("an IPv4 address"),
        };
        order(servers, random).into_iter().map(octet).collect()
    }

    #[test]
    fn an_address_is_asked_of_nobody() {
        let udp = |at: &str| Some(Lead::Address(Transport::Udp, at.parse().unwrap()));
        assert_eq!(lead("sip:ann@192.0.2.1"), udp("192.0.2.1:5060"));
        assert_eq!(lead("sip:[2001:db8::1]:5070"), udp("[2001:db8::1]:5070"));
        let tls = Some(Lead::Address(Transport::Tls, "192.0.2.1:5061".parse().unwrap()));
        assert_eq!(lead("sips:ann@192.0.2.1"), tls);
        assert_eq!(lead("sip:ann@a.example;transport=sctp"), None);
    }

    #[test]
    fn what_the_uri_names_decides_what_is_asked() {
        use Transport::{Tcp, Tls, Udp, Ws};
        for (uri, question) in [
            ("sip:a@B.Example.", Question::Services),
            ("sips:a@b.example", Question::Services),
            ("sip:a@b.example:5070", Question::Addresses(Udp, 5070)),
            ("sips:a@b.example:5071", Question::Addresses(Tls, 5071)),
            ("sip:a@b.example:5070;transport=tcp", Question::Addresses(Tcp, 5070)),
            ("sip:a@b.example;transport=tcp", Question::Service(service(Tcp, "_sip._tcp.b.example"))),
            ("sips:a@b.example;transport=tcp", Question::Service(service(Tls, "_sips._tcp.b.example"))),
            ("sip:a@b.example;transport=ws", Question::Addresses(Ws, 80)),
        ] {
            assert_eq!(place(uri).question(), question, "{uri}");
        }
    }

    #[test]
    fn naptr_records_are_taken_in_their_order_as_far_as_they_are_understood() {
        let record = |order, preference, flags: &str, service: &str| Naptr {
            order,
            preference,
            flags: flags.to_owned(),
            service: service.to_owned(),
            replacement: format!("_{service}"),
        };
        let records = [
            record(90, 50, "s", "SIP+D2U"),
            record(50, 60, "S", "sip+d2t"),
            record(50, 50, "s", "SIPS+D2T"),
            record(10, 10, "s", "SIP+D2S"),
            record(10, 10, "u", "E2U+sip"),
        ];
        let transports = |uri| -> Vec<Transport> {
            place(uri).services(&records).into_iter().map(|service| service.transport).collect()
        };
        assert_eq!(transports("sip:b.example"), [Transport::Tls, Transport::Tcp, Transport::Udp]);
        assert_eq!(transports("sips:b.example"), [Transport::Tls], "§4.1: no way around TLS");
    }

    #[test]
    fn a_domain_without_naptr_records_has_the_usual_services() {
        let names = |uri| -> Vec<String> {
            place(uri).usual_services().into_iter().map(|service| service.name).collect()
        };
        let all = ["_sip._udp.b.example", "_sip._tcp.b.example", "_sips._tcp.b.example"];
        assert_eq!(names("sip:b.example"), all);
        assert_eq!(names("sips:b.example"), all[2..]);
    }

    #[test]
    fn a_lower_priority_number_comes_first_and_a_better_service_before_all() {
        let mut random = Random::new(1);
        let mut servers = [server(20, 100, 1), server(10, 0, 2), server(30, 5, 3), server(1, 1, 4)];
        servers[3].rank = 1;
        for _ in 0..50 {
            assert_eq!(drawn(&servers, &mut random), [2, 1, 3, 4]);
        }
    }

    #[test]
    fn equals_are_drawn_by_their_weights() {
        let servers = [server(1, 60, 1), server(1, 30, 2), server(1, 10, 3), server(1, 0, 4)];
        let mut random = Random::new(2);
        let mut first = [0_u32; 5];
        for _ in 0..10_000 {
            let mut order = drawn(&servers, &mut random);
            first[usize::from(order[0])] += 1;
            order.sort_unstable();
            assert_eq!(order, [1, 2, 3, 4], "each is a target once");
        }
        for (at, expected) in [(1, 6000), (2, 3000), (3, 1000), (4, 100)] {
            assert!(first[at].abs_diff(expected) < 300, "{first:?}");
        }
    }

    #[test]
    fn targets_are_bounded_whatever_dns_says() {
        let many: Vec<Server> = (0..100).map(|n| server(n, 1, 1)).collect();
        assert_eq!(order(&many, &mut Random::new(3)).len(), limits::TARGETS_MAX);
        let mut one = server(1, 1, 1);
        one.addresses = vec![IpAddr::from([10, 0, 0, 1]); 100];
        assert_eq!(order(&[one], &mut Random::new(3)).len(), limits::TARGETS_MAX);
        assert_eq!(order(&[], &mut Random::new(3)), []);
    }
}
