//! When two URIs are the same (RFC 3261 §19.1.4), and the tests of `uri.rs`.

use bytes::Bytes;

use super::escape;
use super::uri::{SipUri, TelUri, Uri};

/// Parameters that must be in both or in neither.
const TELLING: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

impl Uri {
    /// Whether both are the same resource: SIP URIs by RFC 3261 §19.1.4, numbers by RFC 3966 §4, others by their text.
    pub fn equivalent(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sip(a), Self::Sip(b)) => a.equivalent(b),
            (Self::Tel(a), Self::Tel(b)) => a.equivalent(b),
            (a, b) => a == b,
        }
    }
}

impl SipUri {
    /// Whether both are the same resource (RFC 3261 §19.1.4).
    pub fn equivalent(&self, other: &Self) -> bool {
        self.secure == other.secure
            && same_text(self.user.as_ref(), other.user.as_ref())
            && same_text(self.password.as_ref(), other.password.as_ref())
            && self.host.equivalent(&other.host)
            && self.port == other.port
            && self.same_params(other)
            && self.same_headers(other)
    }

    /// A parameter in both must agree; those in one only count if they tell where or how to send.
    fn same_params(&self, other: &Self) -> bool {
        TELLING.iter().all(|name| self.params.has(name) == other.params.has(name))
            && self.params.iter().all(|(name, value)| {
                let found = other.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.is_none_or(|(_, theirs)| same_value(value, theirs))
            })
    }

    /// Headers are never ignored, but their order is.
    fn same_headers(&self, other: &Self) -> bool {
        let sorted = |uri: &Self| {
            let decode = |(name, value): (Bytes, Bytes)| {
                (escape::decode(&name).to_ascii_lowercase(), escape::decode(&value))
            };
            let mut pairs: Vec<_> = uri.header_pairs().map(decode).collect();
            pairs.sort();
            pairs
        };
        self.headers == other.headers || sorted(self) == sorted(other)
    }
}

impl TelUri {
    /// Whether both are the same number, its visual separators ignored (RFC 3966 §4).
    pub fn equivalent(&self, other: &Self) -> bool {
        let digits = |uri: &Self| {
            let kept = uri.number.iter().filter(|byte| !b"-.()".contains(byte));
            kept.map(u8::to_ascii_lowercase).collect::<Vec<_>>()
        };
        let covers = |a: &Self, b: &Self| {
            a.params.iter().all(|(name, value)| {
                let found = b.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.is_some_and(|(_, theirs)| same_value(value, theirs))
            })
        };
        digits(self) == digits(other) && covers(self, other) && covers(other, self)
    }
}

/// With case, escapes decoded.
fn same_text(a: Option<&Bytes>, b: Option<&Bytes>) -> bool {
    a == b || matches!((a, b), (Some(a), Some(b)) if escape::decode(a) == escape::decode(b))
}

/// Without case, escapes decoded.
fn same_value(a: Option<&[u8]>, b: Option<&[u8]>) -> bool {
    let decode = |value: &[u8]| escape::decode(&Bytes::copy_from_slice(value));
    match (a, b) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b) || decode(a).eq_ignore_ascii_case(&decode(b)),
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::uri::Host;

    fn uri(text: &'static str) -> Uri {
        Uri::parse(&Bytes::from_static(text.as_bytes())).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn equivalent_uris_of_the_rfc_are_the_same() {
        for (a, b) in [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=a",
                "sip:biloxi.com;method=REGISTER;transport=tcp?To=a",
            ),
            (
                "sip:alice@atlanta.com?subject=p%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=p%20x",
            ),
            ("tel:+1-201-555-0123", "tel:+12015550123"),
            ("sip:a@[2001:DB8::1]", "sip:a@[2001:db8:0::1]"),
        ] {
            assert!(uri(a).equivalent(&uri(b)), "{a} {b}");
            assert!(uri(b).equivalent(&uri(a)), "{b} {a}");
        }
    }

    #[test]
    fn different_uris_of_the_rfc_are_different() {
        for (a, b) in [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:carol@chicago.com;x=1", "sip:carol@chicago.com;x=2"),
            ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
            ("sip:bob@192.0.2.4", "sip:bob@phone21.boxesbybob.com"),
            ("tel:+1", "tel:+1;phone-context=x"),
        ] {
            assert!(!uri(a).equivalent(&uri(b)), "{a} {b}");
        }
    }

    #[test]
    fn every_part_of_a_sip_uri_is_read() {
        let text = "sips:alice;day=tue:pass%20w@[2001:db8::9]:5061;lr;transport=tcp?X-A=1&X-B=%22q%22";
        let parsed = uri(text);
        let sip = parsed.sip().unwrap();
        assert!(sip.secure && sip.is_loose());
        assert_eq!(sip.user.as_ref().unwrap(), "alice;day=tue");
        assert_eq!(sip.password.as_ref().unwrap(), "pass%20w");
        assert_eq!((sip.host.ip(), sip.port), (Some("2001:db8::9".parse().unwrap()), Some(5061)));
        assert_eq!(sip.params.value("transport").unwrap(), "tcp");
        let pairs: Vec<_> = sip.header_pairs().map(|(name, value)| (name, escape::decode(&value))).collect();
        assert_eq!(pairs, [("X-A".into(), "1".into()), ("X-B".into(), "\"q\"".into())]);
        assert_eq!(parsed.to_string(), text);
    }

    #[test]
    fn what_a_user_part_may_hold_is_no_parameter() {
        let parsed = uri("sip:user;par=u%40example.net@example.com");
        let sip = parsed.sip().unwrap();
        assert_eq!(sip.user.as_ref().unwrap(), "user;par=u%40example.net");
        assert!(sip.params.is_empty());
        assert_eq!(sip.host, Host::Name("example.com".into()));
        assert_eq!(uri("sip:a?b/c@d").user().unwrap(), "a?b/c");
    }

    #[test]
    fn other_schemes_are_kept_whole() {
        for text in [
            "tel:+44-20(7946);phone-context=+44",
            "http://www.example.com/?q=1",
            "urn:service:sos",
            "isbn:2983792873",
        ] {
            assert_eq!(uri(text).to_string(), text);
        }
        assert_eq!(uri("TEL:+1").scheme(), b"tel");
        assert_eq!(uri("soap.beep://192.0.2.103:3002").scheme(), b"soap.beep");
    }

    #[test]
    fn what_is_no_uri_is_refused() {
        for bad in [
            "",
            "sip",
            "sip:",
            "sip:@host",
            "sip:a@",
            "sip:a@b:",
            "sip:a@b:99999",
            "sip:a@b:5060x",
            "sip:a@b; lr",
            "sip:a b@c",
            "sip:a@b;",
            "sip:a@b;;lr",
            "sip:a@[::g]",
            "sip:a@[::1",
            "sip:a@b@c",
            "<sip:a@b>",
            "sip:a@b?x y",
            "tel:",
            "tel:abc z",
            ":a",
            "1x:y",
            "http:",
            "sip:a@b;=x",
        ] {
            assert!(Uri::parse(&Bytes::from_static(bad.as_bytes())).is_err(), "{bad}");
        }
    }
}
