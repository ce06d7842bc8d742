//! `[[peers]]`: whom we speak with, and how.

use baton_signaling::limits::SESSION_SECONDS_MIN;
use baton_signaling::sdp::Codec;

use crate::limits::PEER_URIS_MAX;

use super::auth::{self, Auth, Challenge};
use super::document::{Found, Table};
use super::value::{self, Network, Secret};

/// One of `[[peers]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// `name`: what flows, queues, logs and metrics call it. Letters, digits and `-_.`.
    pub name: String,
    /// `from`: addresses and networks that may call in as this peer. Default none.
    pub from: Vec<Network>,
    /// `tls_names`: names of whose certificate it may call in as this peer, from wherever (RFC 5922). Default none.
    pub tls_names: Vec<String>,
    /// `uris`: where it is called, first to be tried first. Needed of a flow's `ai`. Default none.
    pub uris: Vec<String>,
    /// `codecs`: of `"opus"`, `"PCMU"`, `"PCMA"`, best first. Default all three in this order.
    pub codecs: Vec<Codec>,
    /// `headers`: added to each INVITE we send it, as `{ "X-Name" = "value" }`. Default none.
    pub headers: Vec<(String, Secret)>,
    /// `repair`: whether what its legs send is decoded, concealed and encoded anew where it could be relayed: `"auto"`
    /// (default), `"never"`, `"always"`.
    pub repair: Repair,
    /// `srtp`: whether media with this peer is secured by SRTP with SDES keys (RFC 4568): `"off"` (default),
    /// `"optional"` (where the peer takes it, RFC 8643), `"required"`.
    pub srtp: Srtp,
    /// `jitter_ms`: least and greatest delay that the jitter buffers of its legs aim at, as `{ min = 20, max = 200 }`
    /// (the default); 0 to 500 each.
    pub jitter_ms: JitterMs,
    /// `calls`: its calls at once; more get 503. Default no limit but the node's.
    pub calls: Option<u32>,
    /// `calls_per_second`: its new calls in a second; more get 503. Default no limit but the node's.
    pub calls_per_second: Option<u32>,
    /// `refer_to`: where its REFER may point besides our own names and queues: SIP URIs in which one `*` stands for
    /// any run of characters. Default none.
    pub refer_to: Vec<String>,
    /// `session_expires`: seconds after which a leg with it ends unless it is refreshed (RFC 4028), as far as we may ask;
    /// 90 to 86400, default 1800. 0: never asked for, though one that it asks for is kept.
    pub session_expires: u32,
    /// `history`: whether History-Info (RFC 7044) and Diversion (RFC 5806) of its legs tell where a call was before: that the
    /// AI came first, and what the caller's INVITE said. Default true.
    pub history: bool,
    /// `early_media`: whether a caller hears what its legs send before they are answered: `"auto"` (default: while nobody
    /// has answered), `"play"`, `"ignore"`.
    pub early_media: EarlyMedia,
    /// `dtmf`: how digits travel to and from it: `"auto"` (default), `"rfc4733"`, `"info"`, `"inband"`.
    pub dtmf: DtmfRule,
    /// `auth`: how we answer its challenges (RFC 7616), as `{ username = "baton", password = "${PASSWORD}" }`. Default: not
    /// at all.
    pub auth: Option<Auth>,
    /// `challenge`: whom we ask for a password, and which, as `{ realm = "baton.example", users = { name = "${PASSWORD}" } }`:
    /// who calls from `from` or, where that is not given, from anywhere. Default: nobody.
    pub challenge: Option<Challenge>,
    /// `trusted`: it may say who calls by P-Asserted-Identity, and is told what others of whom that holds say (RFC 3325).
    /// Default false.
    pub trusted: bool,
}

/// Whether a caller hears what a leg sends before it is answered (RFC 3960).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EarlyMedia {
    /// As long as nobody has answered: later it would take the place of hold audio.
    #[default]
    Auto,
    /// Always.
    Play,
    /// Never.
    Ignore,
}

/// How digits travel to and from a peer. Whatever the rule, a telephone-event that was agreed and an INFO that came are
/// understood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DtmfRule {
    /// By telephone-event (RFC 4733); where a far end has none, as tones in the sound.
    #[default]
    Auto,
    /// By telephone-event only.
    Rfc4733,
    /// By SIP INFO; telephone-event is neither offered nor taken.
    Info,
    /// As tones in the sound; telephone-event is neither offered nor taken.
    Inband,
}

impl DtmfRule {
    /// Whether telephone-event is offered and taken.
    pub const fn takes_events(self) -> bool {
        matches!(self, Self::Auto | Self::Rfc4733)
    }
}

/// Least and greatest delay that a jitter buffer aims at, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JitterMs {
    /// The least.
    pub min: u16,
    /// The greatest.
    pub max: u16,
}

/// Greatest delay a jitter buffer may be asked for, in milliseconds: nobody converses beyond it.
const JITTER_MS_MAX: u32 = 500;

/// The interval that RFC 4028 §4 recommends, in seconds.
const SESSION_EXPIRES: u32 = 1800;

/// Whether a leg that could be relayed is repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// G.711 that loses over 1 %.
    Auto,
    /// Never.
    Never,
    /// Always.
    Always,
}

/// Whether media is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Srtp {
    /// Never.
    Off,
    /// Where the peer takes it.
    Optional,
    /// Always: without it there is no call.
    Required,
}

/// Headers that the stack writes itself: one of the file's would make a message with two.
pub(super) const RESERVED: [&str; 19] = [
    "Via",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Contact",
    "Max-Forwards",
    "Content-Length",
    "Content-Type",
    "Route",
    "Record-Route",
    "Allow",
    "Supported",
    "Require",
    "Authorization",
    "Proxy-Authorization",
    "Session-ID",
    "Session-Expires",
    "Min-SE",
];

pub(super) fn read(table: &Table<'_>) -> Found<Peer> {
    let name = value::name(table);
    let peer = Peer {
        name: name.value.clone(),
        from: read_from(table),
        tls_names: read_tls_names(table),
        uris: read_uris(table),
        codecs: read_codecs(table),
        headers: read_headers(table),
        repair: read_repair(table),
        srtp: read_srtp(table),
        jitter_ms: read_jitter(table),
        calls: table.integer("calls", 1..=100_000).map(|found| found.value),
        calls_per_second: table.integer("calls_per_second", 1..=100_000).map(|found| found.value),
        refer_to: read_refer_to(table),
        session_expires: read_session_expires(table),
        history: table.boolean("history", true),
        early_media: read_early_media(table),
        dtmf: read_dtmf(table),
        auth: auth::read_auth(table),
        challenge: auth::read_challenge(table),
        trusted: table.boolean("trusted", false),
    };
    table.finish();
    Found { value: peer, at: name.at }
}

fn read_from(table: &Table<'_>) -> Vec<Network> {
    let list = table.strings("from").map(|list| list.value).unwrap_or_default();
    list.iter().filter_map(|text| value::network(table, text)).collect()
}

fn read_tls_names(table: &Table<'_>) -> Vec<String> {
    let list = table.strings("tls_names").map(|list| list.value).unwrap_or_default();
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    for found in list.iter().filter(|found| !is_name(&found.value)) {
        table.note(&found.at, "must be a host name, as a certificate has it");
    }
    list.into_iter().map(|found| found.value.to_ascii_lowercase()).collect()
}

fn read_uris(table: &Table<'_>) -> Vec<String> {
    let Some(list) = table.strings("uris") else { return Vec::new() };
    if list.value.len() > PEER_URIS_MAX {
        table.note(&list.at, format!("may hold at most {PEER_URIS_MAX} addresses"));
    }
    for uri in &list.value {
        value::is_uri(table, uri);
    }
    list.value.into_iter().map(|uri| uri.value).collect()
}

fn read_codecs(table: &Table<'_>) -> Vec<Codec> {
    let Some(list) = table.strings("codecs") else {
        return ["opus", "PCMU", "PCMA"].into_iter().filter_map(Codec::named).collect();
    };
    if list.value.is_empty() {
        table.note(&list.at, "must name at least one codec");
    }
    let mut codecs: Vec<Codec> = Vec::new();
    for name in &list.value {
        match Codec::named(&name.value) {
            Some(codec) if codecs.contains(&codec) => table.note(&name.at, "is there twice"),
            Some(codec) => codecs.push(codec),
            None => table.note(&name.at, "must be \"opus\", \"PCMU\" or \"PCMA\""),
        }
    }
    codecs
}

fn read_headers(table: &Table<'_>) -> Vec<(String, Secret)> {
    let headers = table.table("headers");
    let mut read: Vec<(String, Secret)> = Vec::new();
    for (name, text) in headers.pairs() {
        if !value::is_token(&name.value) {
            table.note(&name.at, "is no header name (RFC 3261 §25.1)");
        } else if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(&name.value)) {
            table.note(&name.at, "is a header that the SIP stack writes itself");
        } else if read.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name.value)) {
            table.note(&name.at, "is there twice: header names are compared without case");
        }
        if text.value.chars().any(|c| c.is_control()) {
            table.note(&text.at, "holds a line end or another control character");
        }
        read.push((name.value, Secret::new(text.value)));
    }
    read
}

fn read_repair(table: &Table<'_>) -> Repair {
    let words = [("auto", Repair::Auto), ("never", Repair::Never), ("always", Repair::Always)];
    table.choice("repair", &words).map_or(Repair::Auto, |found| found.value)
}

fn read_early_media(table: &Table<'_>) -> EarlyMedia {
    let words = [("auto", EarlyMedia::Auto), ("play", EarlyMedia::Play), ("ignore", EarlyMedia::Ignore)];
    table.choice("early_media", &words).map(|found| found.value).unwrap_or_default()
}

fn read_dtmf(table: &Table<'_>) -> DtmfRule {
    let words = [
        ("auto", DtmfRule::Auto),
        ("rfc4733", DtmfRule::Rfc4733),
        ("info", DtmfRule::Info),
        ("inband", DtmfRule::Inband),
    ];
    table.choice("dtmf", &words).map(|found| found.value).unwrap_or_default()
}

fn read_jitter(table: &Table<'_>) -> JitterMs {
    let bounds = table.table("jitter_ms");
    let ms = |key| bounds.integer(key, 0..=JITTER_MS_MAX).and_then(|found| u16::try_from(found.value).ok());
    let (min, max) = (ms("min"), ms("max"));
    if min.zip(max).is_some_and(|(min, max)| min > max) {
        bounds.note(&bounds.at, "needs a `min` that is no greater than its `max`");
    }
    bounds.finish();
    // Where one is given alone, the other's default gives way to it.
    let least = min.unwrap_or(20.min(max.unwrap_or(20)));
    JitterMs { min: least, max: max.unwrap_or(200.max(least)) }
}

fn read_srtp(table: &Table<'_>) -> Srtp {
    let words = [("off", Srtp::Off), ("optional", Srtp::Optional), ("required", Srtp::Required)];
    table.choice("srtp", &words).map_or(Srtp::Off, |found| found.value)
}

fn read_refer_to(table: &Table<'_>) -> Vec<String> {
    let list = table.strings("refer_to").map(|list| list.value).unwrap_or_default();
    let one = |found: &Found<String>| {
        // The star may stand for a part of a URI that must have something there.
        let filled = Found { value: found.value.replacen('*', "x", 1), at: found.at.clone() };
        value::pattern(table, found).filter(|_| value::is_uri(table, &filled))
    };
    list.iter().filter_map(one).collect()
}

fn read_session_expires(table: &Table<'_>) -> u32 {
    let Some(found) = table.integer("session_expires", 0..=86_400) else { return SESSION_EXPIRES };
    if (1..SESSION_SECONDS_MIN).contains(&found.value) {
        let least = SESSION_SECONDS_MIN;
        table.note(&found.at, format!("must be 0 or at least {least} (RFC 4028 §5)"));
    }
    found.value
}
