//! Via (RFC 3261 §20.42) with `rport` (RFC 3581).

use std::net::IpAddr;

use bytes::{BufMut, Bytes, BytesMut};

use crate::message::params::Params;
use crate::message::scan::{Scan, SyntaxError, trim};
use crate::message::uri::{Host, write_port};

/// The magic cookie of branches that are unique (RFC 3261 §8.1.1.7).
pub const BRANCH_COOKIE: &[u8] = b"z9hG4bK";

/// One Via element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// `UDP`, `TCP`, `TLS`, `WSS`…, as it is spelled.
    pub transport: Bytes,
    /// Host of sent-by.
    pub host: Host,
    /// Port of sent-by, if one is written.
    pub port: Option<u16>,
    /// branch, received, rport…
    pub params: Params,
}

impl Via {
    /// A Via of ours, with `rport` asked for (RFC 3581 §3).
    pub fn new(transport: &'static str, host: Host, port: Option<u16>, branch: &[u8]) -> Self {
        let params = Params::default().with("branch", Some(branch)).with("rport", None);
        Self { transport: Bytes::from_static(transport.as_bytes()), host, port, params }
    }

    /// Reads the first element of a header line.
    ///
    /// # Errors
    /// [`SyntaxError`] where the text stops being a Via.
    pub fn parse(value: &Bytes) -> Result<Self, SyntaxError> {
        let mut scan = Scan::new(value);
        let via = Self::read(&mut scan)?;
        scan.skip_space();
        if scan.is_end() || scan.peek() == Some(b',') { Ok(via) } else { Err(scan.error()) }
    }

    /// Name, version and transport with white space around the slashes, then sent-by. The version is the message's
    /// affair: one of another is answered by copying its Via.
    fn read(scan: &mut Scan<'_>) -> Result<Self, SyntaxError> {
        scan.skip_space();
        for _ in 0..2 {
            scan.token()?;
            if !scan.eat_spaced(b'/') {
                return Err(scan.error());
            }
        }
        let transport = scan.token()?;
        let before = scan.at();
        scan.skip_space();
        if scan.at() == before {
            return Err(scan.error());
        }
        let host = {
            let rest = scan.rest_shared();
            let (host, len) = Host::read(&rest).map_err(|e| SyntaxError { at: scan.at() + e.at })?;
            scan.advance(len);
            host.shared(&rest)
        };
        let port = if scan.eat_spaced(b':') { Some(scan.number()?) } else { None };
        Ok(Self { transport, host, port, params: Params::read_header(scan)? })
    }

    /// The branch; `None` if it is absent or empty.
    pub fn branch(&self) -> Option<Bytes> {
        self.params.value("branch").filter(|branch| !branch.is_empty())
    }

    /// The branch if it is unique by RFC 3261: the cookie and something after it. Without one, transactions are
    /// matched by RFC 2543's rules (§17.2.3).
    pub fn unique_branch(&self) -> Option<Bytes> {
        self.branch().filter(|branch| branch.len() > BRANCH_COOKIE.len() && branch.starts_with(BRANCH_COOKIE))
    }

    /// The address the request was seen to come from (§18.2.1); brackets around IPv6 are taken.
    pub fn received(&self) -> Option<IpAddr> {
        let value = self.params.value("received")?;
        let text = std::str::from_utf8(trim(&value)).ok()?;
        text.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// Whether the sender asks for `rport`, and the port if it has been filled in (RFC 3581).
    pub fn rport(&self) -> Option<Option<u16>> {
        let filled = || crate::message::scan::number(&self.params.value("rport")?);
        self.params.has("rport").then(filled)
    }

    /// Notes where the request came from (RFC 3261 §18.2.1, RFC 3581 §4).
    pub fn set_source(&mut self, address: IpAddr, port: u16) {
        let asked = self.params.has("rport");
        if asked {
            self.params.set("rport", Some(port.to_string().as_bytes()));
        }
        if asked || self.host.ip() != Some(address) {
            self.params.set("received", Some(address.to_string().as_bytes()));
        }
    }

    /// Its text.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(96);
        out.put_slice(b"SIP/2.0/");
        out.put_slice(&self.transport);
        out.put_u8(b' ');
        self.host.write(&mut out);
        write_port(self.port, &mut out);
        out.put_slice(self.params.as_bytes());
        out.freeze()
    }
}

impl From<&Via> for Bytes {
    fn from(via: &Via) -> Self {
        via.to_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Result<Via, SyntaxError> {
        Via::parse(&Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn white_space_may_stand_around_every_sign() {
        let via = parse(
            "SIP  / 2.0  / TCP     spindle.example.com : 5070  ; branch  =   z9hG4bK9ikj8  , SIP/2.0/UDP x",
        )
        .unwrap();
        assert_eq!((via.transport.as_ref(), via.port), (&b"TCP"[..], Some(5070)));
        assert_eq!(via.branch().unwrap(), "z9hG4bK9ikj8");
        assert_eq!(via.host, Host::Name("spindle.example.com".into()));
    }

    #[test]
    fn an_ipv6_sent_by_keeps_its_port_apart() {
        let via =
            parse("SIP/2.0/UDP [2001:db8::9:1]:6050;received=[2001:db8::1];branch=z9hG4bKas3-111").unwrap();
        assert_eq!((via.host.ip(), via.port), (Some("2001:db8::9:1".parse().unwrap()), Some(6050)));
        assert_eq!(via.received(), Some("2001:db8::1".parse().unwrap()));
        assert!(via.to_bytes().starts_with(b"SIP/2.0/UDP [2001:db8::9:1]:6050;"));
    }

    #[test]
    fn a_branch_is_unique_only_with_something_after_the_cookie() {
        assert_eq!(parse("SIP/2.0/UDP h;branch=z9hG4bK").unwrap().unique_branch(), None);
        assert_eq!(parse("SIP/2.0/UDP h;branch=1").unwrap().unique_branch(), None);
        assert_eq!(parse("SIP/2.0/UDP h;branch=").unwrap().branch(), None);
        assert_eq!(parse("SIP/2.0/UDP h;branch=z9hG4bKa").unwrap().unique_branch().unwrap(), "z9hG4bKa");
    }

    #[test]
    fn the_source_is_noted_where_it_differs_or_rport_asks() {
        let source = "192.0.2.7".parse().unwrap();
        let mut same = parse("SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKa").unwrap();
        same.set_source(source, 4321);
        assert_eq!(same.to_bytes(), "SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKa");
        let mut other = parse("SIP/2.0/UDP phone.example;branch=z9hG4bKa").unwrap();
        other.set_source(source, 4321);
        assert_eq!((other.received(), other.rport()), (Some(source), None));
        let mut asks = parse("SIP/2.0/UDP 192.0.2.7;rport;branch=z9hG4bKa").unwrap();
        assert_eq!(asks.rport(), Some(None));
        asks.set_source(source, 4321);
        assert_eq!(asks.to_bytes(), "SIP/2.0/UDP 192.0.2.7;rport=4321;branch=z9hG4bKa;received=192.0.2.7");
    }

    #[test]
    fn what_is_no_via_is_refused() {
        for bad in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0 h",
            "SIP/2.0/UDPh",
            "SIP/2.0/UDP 192.0.2.15;;,;,,",
            "SIP/2.0/UDP h:x",
            "SIP/2.0/UDP h:70000",
            "SIP/2.0/UDP h;branch=\"a",
            "SIP/2.0/UDP h b",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
