//! The values a settings file is made of, each with its reader: secrets, networks, sounds, names, SIP URIs, patterns.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use baton_signaling::endpoint::Transport;
use baton_signaling::message::{Host, Uri};
use bytes::Bytes;

use super::document::{Found, Table};

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Keeps a value secret.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, to be sent and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A network by address and prefix length (RFC 4632).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its first address.
    pub address: IpAddr,
    /// Leading bits that count.
    pub prefix: u8,
}

impl Network {
    /// Reads `192.0.2.0/24`, `2001:db8::/32`, or one address.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address.parse().ok()?, prefix.parse().ok()?),
            None => {
                let address: IpAddr = text.parse().ok()?;
                (address, bits(address))
            }
        };
        (prefix <= bits(address)).then_some(Self { address, prefix })
    }

    /// Whether `address` lies in it. An IPv4 address mapped into IPv6 is that IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                (a.to_bits() ^ b.to_bits()).checked_shr(u32::from(32 - self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                (a.to_bits() ^ b.to_bits()).checked_shr(u32::from(128 - self.prefix)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    /// Whether all of `other` lies in it.
    pub fn covers(&self, other: &Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.address)
    }

    /// Whether bits beyond the prefix are set: most often a slip.
    fn has_loose_bits(&self) -> bool {
        match self.address {
            IpAddr::V4(v4) => v4.to_bits().checked_shl(u32::from(self.prefix)).unwrap_or(0) != 0,
            IpAddr::V6(v6) => v6.to_bits().checked_shl(u32::from(self.prefix)).unwrap_or(0) != 0,
        }
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// What a caller hears in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sound {
    /// What the program brings along for hold.
    BuiltinHold,
    /// What the program brings along before it hangs up.
    BuiltinAnnouncement,
    /// A WAV file.
    File(PathBuf),
}

/// A network of `from`.
pub(super) fn network(table: &Table<'_>, text: &Found<String>) -> Option<Network> {
    match Network::parse(&text.value) {
        Some(network) if network.has_loose_bits() => {
            table.note(&text.at, format!("has bits set beyond its prefix of {}", network.prefix));
            None
        }
        Some(network) => Some(network),
        None => {
            table.note(&text.at, "must be an address or a network like \"192.0.2.0/24\"");
            None
        }
    }
}

/// A sound: "builtin", or a WAV file that can be played.
pub(super) fn sound(table: &Table<'_>, key: &'static str, builtin: Sound) -> Sound {
    let Some(found) = table.string(key).filter(|found| found.value != "builtin") else { return builtin };
    let path = PathBuf::from(&found.value);
    if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wav")) {
        table.note(&found.at, "must be \"builtin\" or a .wav file");
    } else if let Some(fault) = table.sound_fault(&path) {
        table.note(&found.at, fault);
    }
    Sound::File(path)
}

/// The name of a peer, queue or flow: it stands in SIP URIs, URLs and metric labels.
pub(super) fn name(table: &Table<'_>) -> Found<String> {
    let found = table.required("name");
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !found.value.chars().all(good) || found.value.len() > 64 {
        table.note(&found.at, "may hold letters, digits and -_. and be at most 64 long");
    }
    found
}

/// Whether it is a SIP URI that we can call: `sip:[user@]host[:port][;parameters]`.
pub(super) fn is_uri(table: &Table<'_>, found: &Found<String>) -> bool {
    let checked = check_uri(&found.value);
    if let Err(problem) = &checked {
        table.note(&found.at, problem.as_str());
    }
    checked.is_ok()
}

fn check_uri(text: &str) -> Result<(), String> {
    let wanted = || "must be a SIP URI like \"sip:1000@192.0.2.1:5060\"".to_owned();
    let Ok(Uri::Sip(uri)) = Uri::parse(&Bytes::copy_from_slice(text.as_bytes())) else {
        return Err(wanted());
    };
    let numeric = |name: &Bytes| name.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    // A name of digits and dots is an address with a slip in it.
    let slip = matches!(&uri.host, Host::Name(name) if numeric(name));
    if slip || uri.port == Some(0) || uri.headers.is_some() {
        return Err(wanted());
    }
    match Transport::of_uri(&uri) {
        Some(Transport::Udp | Transport::Tcp | Transport::Tls) => Ok(()),
        Some(_) => Err("nobody can be called over WebSocket: its clients must come to us".to_owned()),
        None => Err("names a transport that is not known; use transport=tcp, or none for UDP".to_owned()),
    }
}

/// How a SIP URI is reached.
pub(super) fn transport_of(uri: &str) -> Option<Transport> {
    let uri = Uri::parse(&Bytes::copy_from_slice(uri.as_bytes())).ok()?;
    Transport::of_uri(uri.sip()?)
}

/// A pattern: text in which one `*` stands for any run of characters.
pub(super) fn pattern(table: &Table<'_>, found: &Found<String>) -> Option<String> {
    if found.value.is_empty() || found.value.matches('*').count() > 1 {
        table.note(&found.at, "must be a text with at most one `*`");
        return None;
    }
    Some(found.value.clone())
}

/// Whether `text` is `pattern`, in which `*` stands for any run of characters; compared without case.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern.eq_ignore_ascii_case(text),
        Some((head, tail)) => {
            let (text, head, tail) = (text.as_bytes(), head.as_bytes(), tail.as_bytes());
            text.len() >= head.len() + tail.len()
                && text[..head.len()].eq_ignore_ascii_case(head)
                && text[text.len() - tail.len()..].eq_ignore_ascii_case(tail)
        }
    }
}

/// Whether `name` is a header's name: a token (RFC 3261 §25.1).
pub(super) fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b))
}
