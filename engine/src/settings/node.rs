//! `[sip]`, `[media]`, `[http]`, `[timers]`, `[limits]`: the node itself.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use baton_signaling::endpoint::Transport;

use super::document::{At, Found, Table};

/// `[sip]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sip {
    /// `listen`: where SIP is received, as `udp://address:port`, `tcp://…`, `tls://…`, `ws://…` or `wss://…`; what is sent over a transport is
    /// sent from there, too. Default `["udp://127.0.0.1:5060"]`.
    pub listen: Vec<Listen>,
    /// `advertise`: the address written into Contact and Via where it is not the one listened on (behind NAT, or
    /// listening on all). Default: none.
    pub advertise: Option<IpAddr>,
    /// `unknown`: what callers get whom no peer knows: `"403"` (default) or `"silence"`, no answer at all.
    pub unknown: Unknown,
    /// `dns`: the name servers that are asked for the hosts of peers and agents, as `address` or `address:port`. Default: the
    /// system's.
    pub dns: Vec<SocketAddr>,
    /// `tls`: certificates. Needed of `tls://`. Default: none.
    pub tls: Option<Tls>,
}

/// `tls` of `[sip]`: files in PEM, read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// `certificate`: ours, and behind it those between it and its root.
    pub certificate: PathBuf,
    /// `key`: its private key.
    pub key: PathBuf,
    /// `ca`: roots of those whom we call. Default: the system's.
    pub ca: Option<PathBuf>,
    /// `client_ca`: roots of those who call us; with it, whoever connects has to show a certificate. Default: none is asked.
    pub client_ca: Option<PathBuf>,
}

/// What callers get whom no peer knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unknown {
    /// 403.
    #[default]
    Forbidden,
    /// Nothing.
    Silence,
}

/// One address to receive SIP at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listen {
    /// How.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}

/// `[media]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Media {
    /// `address`: where RTP is received, and what SDP says. Default `"127.0.0.1"`.
    pub address: IpAddr,
    /// `ports`: the range of RTP and RTCP ports, `"first-last"`; a leg takes a pair, a call two or three legs.
    /// Default `"20000-29999"`.
    pub ports: Ports,
    /// `rtcp_xr`: extended reports (RFC 3611) are sent to every far end and asked of it in our offers (`"always"`), not
    /// only to those whose SDP asks for them (`"asked"`). Default `"asked"`.
    pub rtcp_xr_always: bool,
    /// `complexity`: how hard Opus encoders work. 0–10, default 5.
    pub complexity: u8,
    /// `complexity_min`: the least to which a shard under load lowers that. 0 to `complexity`, default 0.
    pub complexity_min: u8,
    /// `dtx`: silence is left out toward Opus far ends that ask for it (`usedtx=1`, RFC 7587 §6.1). Default false.
    pub dtx: bool,
    /// `wideband_reinvite`: an Opus far end that was told to send telephone bandwidth only, since the other side was
    /// G.711, is told by re-INVITE when that becomes Opus, and back. Default false.
    pub wideband_reinvite: bool,
    /// `loudness_dbov`: to which loudness the AI, people and hold audio are brought for the caller, in dBov, or `"off"`.
    /// -40 to -12, default -23.
    pub loudness_dbov: Option<i8>,
}

/// A range of ports used in pairs: RTP on the even one, RTCP on the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// The first, even.
    pub first: u16,
    /// The last, odd.
    pub last: u16,
}

impl Ports {
    /// How many pairs there are.
    pub const fn pairs(self) -> u32 {
        (self.last as u32 + 1 - self.first as u32) / 2
    }

    /// Whether `port` is one of them.
    pub const fn contains(self, port: u16) -> bool {
        port >= self.first && port <= self.last
    }
}

/// `[http]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http {
    /// `listen`: console, API, `/metrics`, `/healthz`, `/readyz`. Default `"127.0.0.1:8080"`. It has no login: keep
    /// it on loopback or a network of your own.
    pub listen: SocketAddr,
}

/// `[timers]`, in seconds but for names in `_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// `ai_provisional`: until the AI's first provisional response; then its next address is tried. 1–60, default 2.
    pub ai_provisional: Duration,
    /// `ai_answer`: until the AI has answered; then its next address is tried. 1–120, default 10.
    pub ai_answer: Duration,
    /// `media`: without a packet until a leg counts as silent. 2–3600, default 30.
    pub media: Duration,
    /// `one_way`: how long a leg may be without packets, or without sound where an answer is due, until an alarm. 1–60,
    /// default 2.
    pub one_way: Duration,
    /// `ai_tail_ms`: most that is still played of the AI's sentence when a person has answered. 0–10000, default 1500.
    pub ai_tail: Duration,
    /// `probe`: between OPTIONS to each address of a peer. 5–3600, default 30.
    pub probe: Duration,
    /// `drain`: from SIGTERM until the calls that are left are ended. 0–86400, default 120.
    pub drain: Duration,
}

/// `[limits]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `calls`: calls at once; more get 503. 1–100000, default 1000, or fewer where the ports do not carry as many.
    pub calls: u32,
    /// `calls_per_second`: new calls in a second; more get 503. 1–100000, default 1000.
    pub calls_per_second: u32,
    /// `handoffs_per_call`: how often a caller is given back to the AI before the announcement. 1–100, default 5.
    pub handoffs_per_call: u32,
}

/// Where name servers listen (RFC 1035 §4.2).
const DNS_PORT: u16 = 53;
/// Ports of the well-known range are not ours (RFC 6335 §6).
const PORT_MIN: u16 = 1024;
/// Pairs that a call takes at its height: caller, AI kept, agent.
const PAIRS_PER_CALL: u32 = 3;

const LISTEN: Listen =
    Listen { transport: Transport::Udp, address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5060) };

/// `[sip]`; the place is that of the first address that has one.
pub(super) fn read_sip(root: &Table<'_>) -> Found<Sip> {
    let table = root.table("sip");
    let advertise = table.string("advertise").and_then(|found| match found.value.parse::<IpAddr>() {
        Ok(address) if !address.is_unspecified() => Some(address),
        _ => {
            table.note(&found.at, "must be an IP address that others can reach");
            None
        }
    });
    let listen = match table.strings("listen") {
        Some(list) => {
            if list.value.is_empty() {
                table.note(&list.at, "must name at least one address");
            }
            read_listen(&table, &list.value, advertise)
        }
        None => vec![LISTEN],
    };
    let tls = table.table_if("tls").map(|table| read_tls(&table));
    if tls.is_none() && listen.iter().any(|listen| listen.transport.is_secure()) {
        let at = At { field: "sip.listen".to_owned(), ..table.at.clone() };
        table.note(&at, "has an address under TLS, which needs `tls = { certificate = …, key = … }`");
    }
    let words = [("403", Unknown::Forbidden), ("silence", Unknown::Silence)];
    let unknown = table.choice("unknown", &words).map(|found| found.value).unwrap_or_default();
    let dns = read_dns(&table);
    table.finish();
    Found { value: Sip { listen, advertise, unknown, dns, tls }, at: table.at }
}

fn read_tls(table: &Table<'_>) -> Tls {
    let path = |key| table.string(key).map(|found| PathBuf::from(found.value));
    let [certificate, key] = ["certificate", "key"].map(|key| table.required(key).value);
    let is_whole = !certificate.is_empty() && !key.is_empty();
    let tls = Tls {
        certificate: certificate.into(),
        key: key.into(),
        ca: path("ca"),
        client_ca: path("client_ca"),
    };
    if is_whole {
        table.tls_faults(&tls);
    }
    table.finish();
    tls
}

fn read_dns(table: &Table<'_>) -> Vec<SocketAddr> {
    let list = table.strings("dns").map(|list| list.value).unwrap_or_default();
    let one = |found: &Found<String>| {
        let address = found.value.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, DNS_PORT));
        let address = address.or(found.value.parse().ok());
        if address.is_none() {
            table.note(
                &found.at,
                "must be the address of a name server, like \"192.0.2.53\" or \"127.0.0.1:5353\"",
            );
        }
        address
    };
    list.iter().filter_map(one).collect()
}

fn read_listen(table: &Table<'_>, list: &[Found<String>], advertise: Option<IpAddr>) -> Vec<Listen> {
    let mut listen: Vec<Listen> = Vec::new();
    for found in list {
        let Some(one) = read_one_listen(table, found) else { continue };
        if listen.contains(&one) {
            table.note(&found.at, "is there twice");
        } else if one.transport.is_reliable()
            && listen.iter().any(|other| other.transport.is_reliable() && other.address == one.address)
        {
            table.note(&found.at, "has the address of another that is TCP underneath, too");
        }
        if one.address.ip().is_unspecified() && advertise.is_none() {
            table.note(&found.at, "listens on every address: `advertise` must say which one others are told");
        }
        listen.push(one);
    }
    listen
}

fn read_one_listen(table: &Table<'_>, found: &Found<String>) -> Option<Listen> {
    let wanted = "must be like \"udp://127.0.0.1:5060\"";
    let split = found.value.split_once("://");
    let named = split.and_then(|(name, address)| {
        Transport::ALL.into_iter().find(|transport| transport.label() == name).map(|it| (it, address))
    });
    let Some((transport, address)) = named else {
        table.note(&found.at, wanted);
        return None;
    };
    match address.parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 => Some(Listen { transport, address }),
        _ => {
            table.note(&found.at, "must be an IP address and a port, like \"udp://127.0.0.1:5060\"");
            None
        }
    }
}

/// `[media]`; the place is that of `ports`, if it is there.
pub(super) fn read_media(root: &Table<'_>) -> Found<Media> {
    let table = root.table("media");
    let mut media = Media {
        address: LISTEN.address.ip(),
        ports: Ports { first: 20_000, last: 29_999 },
        rtcp_xr_always: false,
        complexity: 5,
        complexity_min: 0,
        dtx: table.boolean("dtx", false),
        wideband_reinvite: table.boolean("wideband_reinvite", false),
        loudness_dbov: table.decibels_or_off("loudness_dbov", -23, -40..=-12),
    };
    let mut at = table.at.clone();
    if let Some(found) = table.string("address") {
        match found.value.parse::<IpAddr>() {
            Ok(address) if !address.is_unspecified() && !address.is_multicast() => media.address = address,
            _ => table
                .note(&found.at, "must be the IP address at which others can reach us; it is told to them"),
        }
    }
    if let Some(found) = table.string("ports") {
        match read_ports(&found.value) {
            Ok(ports) => media.ports = ports,
            Err(problem) => table.note(&found.at, problem),
        }
        at = found.at;
    }
    if let Some(found) = table.choice("rtcp_xr", &[("asked", false), ("always", true)]) {
        media.rtcp_xr_always = found.value;
    }
    read_complexity(&table, &mut media);
    table.finish();
    Found { value: media, at }
}

fn read_complexity(table: &Table<'_>, media: &mut Media) {
    let read = |key| {
        let found = table.integer(key, 0..=10)?;
        Some(Found { value: u8::try_from(found.value).unwrap_or(u8::MAX), at: found.at })
    };
    if let Some(found) = read("complexity") {
        media.complexity = found.value;
    }
    if let Some(found) = read("complexity_min") {
        media.complexity_min = found.value;
        if found.value > media.complexity {
            table.note(&found.at, format!("must not be above complexity, which is {}", media.complexity));
        }
    }
}

fn read_ports(text: &str) -> Result<Ports, String> {
    let parsed = text.split_once('-').and_then(|(first, last)| {
        Some((first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?))
    });
    let Some((first, last)) = parsed else {
        return Err("must be a range like \"20000-29999\"".to_owned());
    };
    if first < PORT_MIN {
        return Err(format!("must begin at {PORT_MIN} or above"));
    }
    if first > last {
        return Err("ends before it begins".to_owned());
    }
    if first % 2 != 0 || last.is_multiple_of(2) {
        return Err(
            "must begin with an even port and end with an odd one: RTP and RTCP go in pairs".to_owned()
        );
    }
    let ports = Ports { first, last };
    if ports.pairs() < PAIRS_PER_CALL {
        return Err(format!("must hold at least {PAIRS_PER_CALL} pairs: that is what one call takes"));
    }
    Ok(ports)
}

/// `[http]`.
pub(super) fn read_http(root: &Table<'_>) -> Http {
    let table = root.table("http");
    let mut http = Http { listen: SocketAddr::new(LISTEN.address.ip(), 8080) };
    if let Some(found) = table.string("listen") {
        match found.value.parse::<SocketAddr>() {
            Ok(address) if address.port() != 0 => http.listen = address,
            _ => table.note(&found.at, "must be an IP address and a port, like \"127.0.0.1:8080\""),
        }
    }
    table.finish();
    http
}

/// `[timers]`.
pub(super) fn read_timers(root: &Table<'_>) -> Timers {
    let table = root.table("timers");
    let tail = table.integer("ai_tail_ms", 0..=10_000).map_or(1500, |found| found.value);
    let timers = Timers {
        ai_provisional: table.seconds("ai_provisional", 2, 1..=60),
        ai_answer: table.seconds("ai_answer", 10, 1..=120),
        media: table.seconds("media", 30, 2..=3600),
        one_way: table.seconds("one_way", 2, 1..=60),
        ai_tail: Duration::from_millis(u64::from(tail)),
        probe: table.seconds("probe", 30, 5..=3600),
        drain: table.seconds("drain", 120, 0..=86_400),
    };
    if timers.ai_provisional > timers.ai_answer {
        let at = At { field: "timers.ai_provisional".to_owned(), ..table.at.clone() };
        table.note(&at, "must not be longer than `ai_answer`: the answer would be given up first");
    }
    table.finish();
    timers
}

/// `[limits]`.
pub(super) fn read_limits(root: &Table<'_>, media: &Found<Media>) -> Limits {
    let table = root.table("limits");
    let pairs = media.value.ports.pairs();
    let calls = match table.integer("calls", 1..=100_000) {
        Some(found) => {
            // Two legs at least: a call that waits for its third then waits for a port.
            if found.value.saturating_mul(2) > pairs {
                table.note(&found.at, format!("media.ports has {pairs} pairs; a call takes two or three"));
            }
            found.value
        }
        None => (pairs / PAIRS_PER_CALL).clamp(1, 1000),
    };
    let limits = Limits {
        calls,
        calls_per_second: table.integer("calls_per_second", 1..=100_000).map_or(1000, |found| found.value),
        handoffs_per_call: table.integer("handoffs_per_call", 1..=100).map_or(5, |found| found.value),
    };
    table.finish();
    limits
}
