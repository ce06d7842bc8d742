//! Reading a description: the sieve before the parser, and a view of one media line with what it inherits from the
//! session level. RFC 8866; static payload numbers of RFC 3551 §6; RTCP addresses of RFC 3605.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use sdp_types::{Attribute, Connection, Media, Session};

use super::{CryptoLine, Direction, PTIME_MS_MAX, PTIME_MS_MIN, Refusal};

/// Most media lines of one description: a browser with many tiles sends a few dozen, each costs a line of answer.
const LINES_MAX: usize = 64;

/// Most keys read of one media line: one for each suite anybody speaks.
const CRYPTO_MAX: usize = 16;

/// Payload numbers that need no rtpmap (RFC 3551 §6), of those still met.
const STATIC: [(u8, &str, u32); 6] = [
    (0, "PCMU", 8000),
    (3, "GSM", 8000),
    (8, "PCMA", 8000),
    (9, "G722", 8000),
    (13, "CN", 8000),
    (18, "G729", 8000),
];

/// Reads a description, however roughly written.
pub(super) fn parse(bytes: &[u8]) -> Result<Session, Refusal> {
    let session = Session::parse(sieve(bytes)?.as_bytes()).map_err(|_| Refusal::Malformed)?;
    if session.medias.len() > LINES_MAX { Err(Refusal::Malformed) } else { Ok(session) }
}

/// The lines that matter (`c= t= m= a=`), in a form that the parser cannot stumble over, under a head of our own.
fn sieve(bytes: &[u8]) -> Result<String, Refusal> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split(['\r', '\n']).map(str::trim_end).filter(|line| !line.is_empty());
    if lines.next().is_none_or(|first| first.trim_start() != "v=0") {
        return Err(Refusal::Malformed);
    }
    let mut kept = String::from("v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\n");
    let mut connected = false;
    let mut timed = false;
    for line in lines {
        let Some((kind, value)) = line.split_once('=') else { continue };
        let words: Vec<&str> = value.split_ascii_whitespace().collect();
        match kind {
            "m" if words.len() < 3 => return Err(Refusal::Malformed),
            "m" => {
                connected = false;
                push(&mut kept, kind, &words.join(" "));
            }
            "c" if !connected && words.len() >= 3 => {
                connected = true;
                push(&mut kept, kind, &words[..3].join(" "));
            }
            "t" if !timed && words.len() == 2 && words.iter().all(|word| word.parse::<u64>().is_ok()) => {
                timed = true;
                push(&mut kept, kind, &words.join(" "));
            }
            "a" if !words.is_empty() => push(&mut kept, kind, value.trim()),
            _ => {}
        }
    }
    Ok(kept)
}

fn push(to: &mut String, kind: &str, value: &str) {
    to.extend([kind, "=", value, "\r\n"]);
}

/// One format of a media line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) number: u8,
    pub(super) encoding: String,
    pub(super) clock: u32,
    pub(super) channels: u8,
    pub(super) fmtp: String,
}

/// Where a line wants its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// No `c=` line, or one that is neither an address nor sendable: a name, a group, a broadcast.
    Unknown,
    /// 0.0.0.0 or ::, the old form of hold (RFC 3264 §8.4).
    Hold,
    /// An address.
    Ip(IpAddr),
}

/// The transport of a media line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Profile {
    /// `RTP/AVP`, `RTP/AVPF`: secured where it has keys (RFC 8643).
    Plain,
    /// `RTP/SAVP`, `RTP/SAVPF`.
    Secure,
    /// Anything else: DTLS, no RTP at all.
    Foreign,
}

/// One media line within its session.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) session: &'a Session,
    pub(super) media: &'a Media,
}

impl<'a> Line<'a> {
    pub(super) fn is_audio(&self) -> bool {
        self.media.media.eq_ignore_ascii_case("audio")
    }

    /// What its transport says. The feedback profiles are spoken without feedback messages (RFC 4585 §3.1 makes them
    /// optional).
    pub(super) fn profile(&self) -> Profile {
        let is = |name: &str| self.media.proto.eq_ignore_ascii_case(name);
        if is("RTP/AVP") || is("RTP/AVPF") {
            Profile::Plain
        } else if is("RTP/SAVP") || is("RTP/SAVPF") {
            Profile::Secure
        } else {
            Profile::Foreign
        }
    }

    /// The `a=crypto` lines that can be used, in their order; of two with one tag the first.
    pub(super) fn crypto(&self) -> Vec<CryptoLine> {
        let values = self.media.attributes.iter().filter(|a| a.attribute == "crypto");
        let mut lines: Vec<CryptoLine> = Vec::new();
        for line in values.filter_map(|a| CryptoLine::parse(a.value.as_deref()?).ok()).take(CRYPTO_MAX) {
            if lines.iter().all(|known| known.tag != line.tag) {
                lines.push(line);
            }
        }
        lines
    }

    /// The formats in the line's order, each number once; numbers without a meaning are left out.
    pub(super) fn formats(&self) -> Vec<Format> {
        let maps = self.numbered("rtpmap");
        let parameters = self.numbered("fmtp");
        let mut seen = [false; 128];
        let numbers = self.media.fmt.split_ascii_whitespace().filter_map(|word| word.parse::<u8>().ok());
        numbers
            .filter(|number| *number < 128 && !std::mem::replace(&mut seen[usize::from(*number)], true))
            .filter_map(|number| {
                let (encoding, clock, channels) = match maps.get(&number) {
                    Some(map) => read_map(map)?,
                    None => {
                        STATIC.iter().find(|known| known.0 == number).map(|known| (known.1, known.2, 1))?
                    }
                };
                let fmtp = parameters.get(&number).map_or_else(String::new, |value| (*value).to_owned());
                Some(Format { number, encoding: encoding.to_owned(), clock, channels, fmtp })
            })
            .collect()
    }

    /// Values of `a=name:NUMBER VALUE`, the first of each number.
    fn numbered(&self, name: &str) -> BTreeMap<u8, &'a str> {
        let mut found = BTreeMap::new();
        for value in
            self.media.attributes.iter().filter(|a| a.attribute == name).filter_map(|a| a.value.as_deref())
        {
            if let Some((number, rest)) = value.trim().split_once([' ', '\t'])
                && let Ok(number) = number.parse()
            {
                found.entry(number).or_insert(rest.trim());
            }
        }
        found
    }

    /// The last direction attribute of the line, else of the session, else sendrecv (RFC 8866 §6.7).
    pub(super) fn direction(&self) -> Direction {
        let within = |attributes: &[Attribute]| {
            attributes.iter().rev().find_map(|attribute| {
                let name = attribute.attribute.trim();
                [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive]
                    .into_iter()
                    .find(|direction| name.eq_ignore_ascii_case(direction.name()))
            })
        };
        within(&self.media.attributes).or_else(|| within(&self.session.attributes)).unwrap_or_default()
    }

    /// Where RTP is to go: the line's `c=`, else the session's.
    pub(super) fn address(&self) -> Address {
        self.media
            .connections
            .first()
            .or(self.session.connection.as_ref())
            .map_or(Address::Unknown, read_connection)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.media.attributes.iter().any(|attribute| attribute.attribute == name)
    }

    /// RFC 3611 §5.1: `a=rtcp-xr:` with `voip-metrics` or `rcvr-rtt`, of the line or of the session.
    pub(super) fn wants_extended_reports(&self) -> bool {
        let all = self.media.attributes.iter().chain(&self.session.attributes);
        all.filter(|attribute| attribute.attribute == "rtcp-xr")
            .filter_map(|attribute| attribute.value.as_deref())
            .flat_map(str::split_ascii_whitespace)
            .any(|word| word == "voip-metrics" || word.starts_with("rcvr-rtt"))
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        let in_media = self.media.attributes.iter().find(|attribute| attribute.attribute == name);
        in_media
            .or_else(|| self.session.attributes.iter().find(|attribute| attribute.attribute == name))
            .and_then(|attribute| attribute.value.as_deref())
    }

    /// RFC 3605: `a=rtcp:PORT [IN IP4 ADDRESS]`, if it says anything but the port above RTP's.
    pub(super) fn rtcp(&self, rtp: Option<SocketAddr>) -> Option<SocketAddr> {
        let rtp = rtp?;
        let value =
            self.media.attributes.iter().find(|attribute| attribute.attribute == "rtcp")?.value.as_deref()?;
        let mut words = value.split_ascii_whitespace();
        let port = words.next()?.parse::<u16>().ok().filter(|port| *port != 0)?;
        let ip = match words.nth(2) {
            Some(word) => sendable(word.parse().ok()?)?,
            None => rtp.ip(),
        };
        // Reports may go to another port, never to another family than our socket has.
        let rtcp = SocketAddr::new(ip, port);
        let usual = rtp.port().checked_add(1).map(|port| SocketAddr::new(rtp.ip(), port));
        (rtcp.is_ipv4() == rtp.is_ipv4() && Some(rtcp) != usual).then_some(rtcp)
    }

    /// The packet time the far end asks for, else `ours`; within its `maxptime` and our bounds, in whole tens.
    pub(super) fn ptime_ms(&self, ours: u8) -> u8 {
        self.milliseconds("ptime").unwrap_or(ours).min(self.ptime_ms_max()) / 10 * 10
    }

    /// The longest packet the far end takes, within our bounds.
    pub(super) fn ptime_ms_max(&self) -> u8 {
        self.milliseconds("maxptime").unwrap_or(PTIME_MS_MAX)
    }

    /// A time attribute within our bounds; one too short for any packet is none.
    fn milliseconds(&self, name: &str) -> Option<u8> {
        // RFC 8866 §6.4 wants an integer; some write a fraction.
        let value = self.value(name)?.trim().parse::<f32>().ok()?;
        // Saturating by definition of `as`; the clamp makes it exact.
        (value >= f32::from(PTIME_MS_MIN)).then(|| value.min(f32::from(PTIME_MS_MAX)) as u8)
    }
}

/// `PCMU/8000`, `opus/48000/2`.
fn read_map(map: &str) -> Option<(&str, u32, u8)> {
    let mut parts = map.split('/').map(str::trim);
    let encoding = parts.next().filter(|name| !name.is_empty())?;
    let clock = parts.next()?.parse().ok().filter(|clock| *clock > 0)?;
    let channels = parts.next().and_then(|channels| channels.parse().ok()).unwrap_or(1);
    Some((encoding, clock, channels))
}

fn read_connection(connection: &Connection) -> Address {
    // A group address carries /TTL; the number before it is what counts.
    let text = connection.connection_address.split('/').next().unwrap_or_default();
    match text.parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() => Address::Hold,
        Ok(ip) => sendable(ip).map_or(Address::Unknown, Address::Ip),
        Err(_) => Address::Unknown,
    }
}

/// An address that one stream may be sent to. Groups and broadcasts would make us an amplifier.
fn sendable(ip: IpAddr) -> Option<IpAddr> {
    let ip = ip.to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    (!ip.is_unspecified() && !ip.is_multicast() && !broadcast).then_some(ip)
}
