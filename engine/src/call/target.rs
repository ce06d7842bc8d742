//! Where a handoff is to go: a queue, a SIP URI that is allowed, or back to the AI. Anything else would be toll fraud
//! and goes to the default queue.

use bytes::Bytes;
use serde::Serialize;

use baton_signaling::endpoint::Transport;
use baton_signaling::message::{NameAddr, SipUri, Uri, escape};

use crate::call::Header;
use crate::call::call::Call;
use crate::call::settings::{CallSettings, matches_pattern};

/// Where a handoff goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Target {
    Queue(String),
    Uri(String),
    Ai,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// It is ours or allowed.
    Target(Target),
    /// It is neither.
    Foreign,
}

impl Target {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Queue(name) => name.clone(),
            Self::Uri(uri) => uri.clone(),
            Self::Ai => "ai".to_owned(),
        }
    }
}

/// Reads a Refer-To value: its URI, and the headers in it with their escapes decoded (RFC 3261 §19.1.1).
pub(super) fn read_refer_to(value: &Bytes) -> Option<(Uri, Vec<Header>)> {
    let uri = NameAddr::parse(value).ok()?.uri;
    let pairs = uri.sip().into_iter().flat_map(SipUri::header_pairs);
    let headers = pairs
        .map(|(name, value)| (text(&escape::decode(&name)), escape::decode(&value)))
        .filter(|(name, _)| !name.eq_ignore_ascii_case("body"))
        .collect();
    Some((uri, headers))
}

/// What a destination in a header names: a queue or the AI's peer, plain, or a URI.
pub(super) fn read_destination(
    value: &Bytes,
    settings: &CallSettings,
    ai: &str,
    refer_to: &[String],
) -> Wish {
    let plain = text(value);
    let plain = plain.trim();
    match named(plain, settings, ai) {
        Some(target) => Wish::Target(target),
        None => match NameAddr::parse(&Bytes::copy_from_slice(plain.as_bytes())) {
            Ok(address) => resolve(&address.uri, settings, ai, refer_to),
            Err(_) => Wish::Foreign,
        },
    }
}

fn named(name: &str, settings: &CallSettings, ai: &str) -> Option<Target> {
    if settings.queues.contains_key(name) {
        Some(Target::Queue(name.to_owned()))
    } else if name.eq_ignore_ascii_case(ai) {
        Some(Target::Ai)
    } else {
        None
    }
}

/// What a URI names: at our own hosts a queue or the AI, elsewhere what the peer's allow-list holds.
pub(super) fn resolve(uri: &Uri, settings: &CallSettings, ai: &str, refer_to: &[String]) -> Wish {
    let Some(sip) = uri.sip() else { return Wish::Foreign };
    let user = sip.user.as_ref().map_or_else(String::new, |user| text(&escape::decode(user)));
    let mut host = bytes::BytesMut::new();
    sip.host.write(&mut host);
    let host = text(&host.freeze());
    let ours = settings.hosts.iter().any(|ours| ours.eq_ignore_ascii_case(&host));
    if let Some(target) = named(&user, settings, ai).filter(|_| ours) {
        return Wish::Target(target);
    }
    // A phone may live at our host, at another port.
    // A maddr would lead elsewhere than the host that is allowed.
    if is_allowed(sip, refer_to) { Wish::Target(Target::Uri(dialled(sip))) } else { Wish::Foreign }
}

/// Whether one of the patterns of a `refer_to` takes a URI, with its port or without.
pub(super) fn is_allowed(sip: &SipUri, patterns: &[String]) -> bool {
    let full = bare(sip);
    let without_port = bare(&SipUri { port: None, ..sip.clone() });
    patterns.iter().any(|pattern| matches_pattern(pattern, &without_port) || matches_pattern(pattern, &full))
}

/// A URI as it is dialled: what it names, and by which transport. Other parameters are not obeyed.
pub(super) fn dialled(sip: &SipUri) -> String {
    let named = sip.params.value("transport").and_then(|name| Transport::named(&name));
    named.map_or_else(|| bare(sip), |transport| format!("{};transport={}", bare(sip), transport.parameter()))
}

/// A URI's scheme, user, host and port.
pub(super) fn bare(sip: &SipUri) -> String {
    let mut host = bytes::BytesMut::new();
    sip.host.write(&mut host);
    let scheme = if sip.secure { "sips" } else { "sip" };
    let user = sip.user.as_ref().map_or_else(String::new, |user| format!("{}@", text(user)));
    let port = sip.port.map_or_else(String::new, |port| format!(":{port}"));
    format!("{scheme}:{user}{}{port}", text(&host.freeze()))
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Call {
    /// The target of a wish; `None`: it is foreign and there is no default queue.
    pub(super) fn settle_target(&mut self, wish: Wish) -> Option<Target> {
        match wish {
            Wish::Target(target) => Some(target),
            Wish::Foreign => {
                self.counters.targets_refused += 1;
                self.flow_settings().queue.clone().map(Target::Queue)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::call::{CallQueue, CallTimers};
    use crate::media::Prompt;

    fn settings() -> CallSettings {
        let queue = CallQueue {
            peer: "snapcall".to_owned(),
            hold: Prompt(0),
            announcement: Prompt(1),
            wait: Duration::from_secs(120),
            ring: Duration::from_secs(15),
        };
        CallSettings {
            flows: Vec::new(),
            peers: BTreeMap::new(),
            queues: BTreeMap::from([("sales desk".to_owned(), queue.clone()), ("sales".to_owned(), queue)]),
            hosts: vec!["baton.example".to_owned(), "127.0.0.1".to_owned()],
            from_host: "127.0.0.1:5060".to_owned(),
            media_host: std::net::Ipv4Addr::LOCALHOST.into(),
            timers: CallTimers::default(),
            extended_reports: false,
            wideband_reinvite: false,
            handoffs_per_call: 5,
        }
    }

    fn wish(refer_to: &str) -> Wish {
        let (uri, _) = read_refer_to(&Bytes::copy_from_slice(refer_to.as_bytes())).unwrap();
        resolve(&uri, &settings(), "polyai", &["sip:*@transfer.example".to_owned()])
    }

    #[test]
    fn a_user_part_at_our_own_host_names_a_queue() {
        let sales = Wish::Target(Target::Queue("sales".to_owned()));
        assert_eq!(wish("<sip:sales@Baton.Example:5060;transport=udp?X-A=1>"), sales);
        assert_eq!(wish("sip:sales@127.0.0.1"), sales);
        assert_eq!(
            wish("<sip:sales%20desk@127.0.0.1>"),
            Wish::Target(Target::Queue("sales desk".to_owned()))
        );
        assert_eq!(wish("<sip:polyai@127.0.0.1>"), Wish::Target(Target::Ai));
    }

    #[test]
    fn what_is_neither_ours_nor_allowed_is_foreign() {
        for foreign in [
            "<sip:nobody@baton.example>",
            "<sip:sales@elsewhere.example>",
            "<tel:+15551234>",
            "<sip:x@transfer.example.evil>",
            "<sips:x@transfer.example>",
        ] {
            assert_eq!(wish(foreign), Wish::Foreign, "{foreign}");
        }
    }

    #[test]
    fn an_allowed_uri_is_dialled_without_what_could_lead_it_elsewhere() {
        let allowed = Wish::Target(Target::Uri("sip:ann@transfer.example:5080".to_owned()));
        assert_eq!(wish("<sip:ann@transfer.example:5080;maddr=10.0.0.1?X-A=1>"), allowed);
        let by_tcp = Wish::Target(Target::Uri("sip:ann@transfer.example:5080;transport=tcp".to_owned()));
        assert_eq!(wish("<sip:ann@transfer.example:5080;lr;transport=TCP;maddr=10.0.0.1>"), by_tcp);
    }

    #[test]
    fn an_allowed_phone_at_our_own_host_is_no_queue_and_yet_ours_to_ring() {
        let at_home = |refer_to: &str| {
            let (uri, _) = read_refer_to(&Bytes::copy_from_slice(refer_to.as_bytes())).unwrap();
            resolve(&uri, &settings(), "polyai", &["sip:*@127.0.0.1:5080".to_owned()])
        };
        let ann = Wish::Target(Target::Uri("sip:ann@127.0.0.1:5080".to_owned()));
        assert_eq!(at_home("<sip:ann@127.0.0.1:5080>"), ann);
        assert_eq!(at_home("<sip:sales@127.0.0.1:5080>"), Wish::Target(Target::Queue("sales".to_owned())));
        assert_eq!(at_home("<sip:ann@127.0.0.1:5060>"), Wish::Foreign);
    }

    #[test]
    fn headers_inside_refer_to_are_read_with_their_escapes() {
        let value = Bytes::from_static(
            b"<sip:sales@127.0.0.1?X-Reason=billing%20issue&body=no&User-to-User=41%3Bencoding%3Dhex>",
        );
        let (_, headers) = read_refer_to(&value).unwrap();
        let expected: Vec<Header> = vec![
            ("X-Reason".to_owned(), Bytes::from_static(b"billing issue")),
            ("User-to-User".to_owned(), Bytes::from_static(b"41;encoding=hex")),
        ];
        assert_eq!(headers, expected);
        assert!(read_refer_to(&Bytes::from_static(b"not a uri")).is_none());
    }

    #[test]
    fn a_destination_may_be_a_bare_name_or_a_uri() {
        let read = |value: &'static str| {
            read_destination(&Bytes::from_static(value.as_bytes()), &settings(), "polyai", &[])
        };
        assert_eq!(read(" sales "), Wish::Target(Target::Queue("sales".to_owned())));
        assert_eq!(read("<sip:sales@127.0.0.1>"), Wish::Target(Target::Queue("sales".to_owned())));
        assert_eq!(read("+15551234"), Wish::Foreign);
    }
}
