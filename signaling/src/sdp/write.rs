//! Writing a description (RFC 8866): a head, and one line of audio among refused others.

use std::collections::BTreeSet;
use std::net::IpAddr;

use bytes::Bytes;
use sdp_types::{Attribute, Connection, Media, Session, Time};

use super::{Capabilities, Codec, CryptoLine, Direction, Negotiated, Origin};

/// First and last dynamic payload number (RFC 3551 §6).
const DYNAMIC: std::ops::RangeInclusive<u8> = 96..=127;
/// The number that telephone-event has in most of the field's offers.
const TELEPHONE_EVENT: u8 = 101;

/// The extended reports that we send where they are asked for (RFC 3611 §5.1).
const EXTENDED_REPORTS: &str = "rcvr-rtt=all voip-metrics";

/// The audio line to write.
pub(super) struct Audio<'a> {
    /// "audio" in the offer's spelling.
    pub(super) kind: &'a str,
    pub(super) proto: &'a str,
    pub(super) port: u16,
    /// Payload number and format, best first.
    pub(super) codecs: Vec<(u8, &'a Codec)>,
    /// Payload number and clock of each telephone-event format.
    pub(super) events: Vec<(u8, u32)>,
    pub(super) ptime_ms: u8,
    pub(super) direction: Direction,
    pub(super) rtcp_mux: bool,
    pub(super) rtcp_rsize: bool,
    pub(super) rtcp_xr: bool,
    /// Keys, best first.
    pub(super) crypto: Vec<CryptoLine>,
}

/// The bytes of a description. `times` are the offer's (RFC 3264 §6: an answer repeats them), or empty.
pub(super) fn write(origin: Origin, ip: IpAddr, times: &[Time], medias: Vec<Media>) -> Bytes {
    // RFC 8866 §5.3: a single dash where the session has no name.
    let mut session =
        Session::new(sdp_types::Origin::with_ip_addr(origin.id.to_string(), origin.version, ip), "-");
    session.connection = Some(Connection::from_ip_addr(ip));
    session.times = if times.is_empty() { vec![Time::new(0, 0)] } else { times.to_vec() };
    session.medias = medias;
    let mut bytes = Vec::with_capacity(512);
    session.write(&mut bytes).expect("writing to a Vec cannot fail");
    Bytes::from(bytes)
}

/// A media line with port 0: refused (RFC 3264 §6). Its formats stay, as the grammar wants at least one.
pub(super) fn refused(kind: &str, proto: &str, formats: &str) -> Media {
    let formats = if formats.is_empty() { "0" } else { formats };
    line(kind, 0, proto, formats.to_owned())
}

/// The audio line.
pub(super) fn audio(audio: &Audio<'_>) -> Media {
    let numbers = audio.codecs.iter().map(|codec| codec.0).chain(audio.events.iter().map(|event| event.0));
    let formats: Vec<String> = numbers.map(|number| number.to_string()).collect();
    let mut media = line(audio.kind, audio.port, audio.proto, formats.join(" "));
    let mut add = |name: &str, value: String| media.attributes.push(Attribute::with_value(name, value));
    for (number, codec) in &audio.codecs {
        let channels = if codec.channels > 1 { format!("/{}", codec.channels) } else { String::new() };
        add("rtpmap", format!("{number} {}/{}{channels}", codec.encoding, codec.clock));
        if !codec.format.is_empty() {
            add("fmtp", format!("{number} {}", codec.format));
        }
    }
    for (number, clock) in &audio.events {
        add("rtpmap", format!("{number} telephone-event/{clock}"));
        add("fmtp", format!("{number} 0-15"));
    }
    for line in &audio.crypto {
        add("crypto", line.value());
    }
    add("ptime", audio.ptime_ms.to_string());
    add("maxptime", super::PTIME_MS_MAX.to_string());
    if audio.rtcp_mux {
        media.attributes.push(Attribute::new("rtcp-mux"));
    }
    if audio.rtcp_rsize {
        media.attributes.push(Attribute::new("rtcp-rsize"));
    }
    if audio.rtcp_xr {
        media.attributes.push(Attribute::with_value("rtcp-xr", EXTENDED_REPORTS));
    }
    media.attributes.push(Attribute::new(audio.direction.name()));
    media
}

fn line(kind: &str, port: u16, proto: &str, fmt: String) -> Media {
    Media {
        media: kind.to_owned(),
        port,
        num_ports: None,
        proto: proto.to_owned(),
        fmt,
        media_title: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes: Vec::new(),
    }
}

/// Formats with their payload numbers, and telephone-event numbers with their clocks.
pub(super) type Numbered<'a> = (Vec<(u8, &'a Codec)>, Vec<(u8, u32)>);

/// The formats of an offer of ours with their numbers. A number once agreed on keeps its meaning for the whole
/// session (RFC 3264 §8.3.2), so those of `current` come first and the others stay clear of them.
pub(super) fn numbered<'a>(ours: &'a Capabilities, current: Option<&Negotiated>) -> Numbered<'a> {
    let mut taken: BTreeSet<u8> = BTreeSet::new();
    if let Some(current) = current {
        taken.extend([current.payload.number, current.received_number]);
        taken.extend(current.telephone_event.map(|event| event.number));
    }
    let mut free = |wanted: u8| {
        let number = std::iter::once(wanted).chain(DYNAMIC).find(|number| taken.insert(*number));
        number.unwrap_or(wanted)
    };
    let codecs: Vec<(u8, &Codec)> = ours
        .codecs
        .iter()
        .map(|codec| match current.filter(|current| codec.is(&current.payload)) {
            Some(current) => (current.received_number, codec),
            None => (free(codec.number), codec),
        })
        .collect();
    let mut events: Vec<(u8, u32)> = Vec::new();
    for clock in codecs.iter().map(|codec| codec.1.clock).filter(|_| ours.telephone_event) {
        if events.iter().all(|event| event.1 != clock) {
            let kept =
                current.and_then(|current| current.telephone_event).filter(|event| event.clock == clock);
            events.push((kept.map_or_else(|| free(TELEPHONE_EVENT), |event| event.number), clock));
        }
    }
    (codecs, events)
}
