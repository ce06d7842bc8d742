//! One dialog (RFC 3261 §12): its tags, its sequence numbers both ways, its route set and where its requests go.
//!
//! Leaves out: usages of the dialog (call, subscriptions) and who may send what when; those are the endpoint's.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use crate::endpoint::{Flow, Transport};
use crate::limits;
use crate::message::{CSeq, Field, Headers, Method, NameAddr, Request, Response, SipUri, Uri};

/// One dialog. Every part is a copy of its own, so that it keeps no datagram alive.
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    pub(crate) call_id: Bytes,
    /// Empty for a peer of RFC 2543.
    pub(crate) remote_tag: Bytes,
    /// Our From, with its tag.
    local: Bytes,
    /// Our To, with its tag.
    remote: Bytes,
    local_cseq: u32,
    remote_cseq: Option<u32>,
    /// The remote target, a URI.
    target: Bytes,
    /// The route set in the order of our Route headers, each element `<uri>`.
    routes: Vec<NameAddr>,
    /// The flow on which the dialog began: where requests go whose target names no address.
    origin: Flow,
    /// Whether the far end's own idea of its address is wrong or missing: it is reached where it was seen.
    natted: bool,
}

impl Dialog {
    /// The dialog that a request of theirs, which came on `flow`, makes with our tag (§12.1.1).
    pub(crate) fn of_request(request: &Request, local_tag: &[u8], flow: Flow) -> Self {
        let headers = &request.headers;
        let to = headers.to().map(|to| to.with_tag(local_tag).to_bytes()).unwrap_or_default();
        let from = headers.from().ok();
        let fallback = from.as_ref().map(|from| from.uri.to_bytes()).unwrap_or_default();
        let mut dialog = Self {
            call_id: copy(headers.value(Field::CallId)),
            remote_tag: copy(from.and_then(|from| from.tag()).as_ref()),
            local: to,
            remote: copy(headers.value(Field::From)),
            local_cseq: 0,
            remote_cseq: headers.cseq().ok().map(|cseq| cseq.number),
            target: fallback,
            routes: route_set(headers, false),
            origin: flow,
            natted: is_natted(headers, flow),
        };
        dialog.natted |= !dialog.refresh_target(headers);
        dialog
    }

    /// The dialog that a 2xx to our `request`, which went out on `flow`, makes (§12.1.2).
    pub(crate) fn of_response(request: &Request, response: &Response, flow: Flow) -> Self {
        let headers = &response.headers;
        let mut dialog = Self {
            call_id: copy(request.headers.value(Field::CallId)),
            remote_tag: copy(headers.to().ok().and_then(|to| to.tag()).as_ref()),
            local: copy(request.headers.value(Field::From)),
            remote: copy(headers.value(Field::To)),
            local_cseq: request.headers.cseq().map_or(0, |cseq| cseq.number),
            remote_cseq: None,
            target: request.uri.clone(),
            routes: route_set(headers, true),
            origin: flow,
            natted: false,
        };
        dialog.natted |= !dialog.refresh_target(headers);
        dialog
    }

    /// The next sequence number of ours.
    pub(crate) fn next_cseq(&mut self) -> u32 {
        self.local_cseq += 1;
        self.local_cseq
    }

    /// Whether a request of theirs with this number is in order (§12.2.2); if so it is remembered.
    pub(crate) fn accept_cseq(&mut self, number: u32) -> bool {
        let in_order = self.remote_cseq.is_none_or(|last| number > last);
        if in_order {
            self.remote_cseq = Some(number);
        }
        in_order
    }

    /// A target refresh request or its 2xx has come (§12.2): its Contact is where requests go from here on.
    /// Without one that can be used it stays, and the answer is no.
    pub(crate) fn refresh_target(&mut self, headers: &Headers) -> bool {
        match headers.contact() {
            Ok(Some(contact)) if contact.uri.sip().is_some() => {
                self.target = contact.uri.to_bytes();
                true
            }
            _ => false,
        }
    }

    /// A request has come from `source`: a far end behind a NAT is wherever it was seen last.
    pub(crate) fn seen_at(&mut self, source: Flow) {
        if self.natted {
            self.origin = source;
        }
    }

    /// A request in the dialog (§12.2.1.1) without Via and Contact, with number `cseq`.
    pub(crate) fn request(&self, method: Method, cseq: u32) -> Request {
        let (uri, routes) = self.path();
        let mut request = Request::new(method.clone(), uri);
        request.headers.push(Field::MaxForwards, "70");
        for route in routes {
            request.headers.push(Field::Route, route);
        }
        request.headers.push(Field::From, self.local.clone());
        request.headers.push(Field::To, self.remote.clone());
        request.headers.push(Field::CallId, self.call_id.clone());
        request.headers.push(Field::CSeq, CSeq { number: cseq, method }.to_bytes());
        request
    }

    /// The flow that requests take: to the address in the first route or the remote target if it is one that can be
    /// reached, else the way the dialog began. Names are not resolved here.
    pub(crate) fn flow(&self) -> Flow {
        let target = || Uri::parse(&self.target).ok();
        let hop = match self.routes.first() {
            Some(route) => route.uri.sip().and_then(address),
            None if self.natted => None,
            None => target().as_ref().and_then(Uri::sip).and_then(address),
        };
        let old = self.origin.remote;
        let usable = |to: &SocketAddr| {
            // A private address behind a public one is a NAT's inside.
            to.is_ipv4() == old.is_ipv4() && (!is_private(to.ip()) || is_private(old.ip()))
        };
        match hop.filter(usable) {
            Some(remote) if self.origin.transport == Transport::Udp => Flow { remote, ..self.origin },
            _ => self.origin,
        }
    }

    /// Request-URI and Route values (§12.2.1.1): a first router that is strict gets the request in its own name, and
    /// the remote target goes last.
    fn path(&self) -> (Bytes, Vec<Bytes>) {
        let values = |routes: &[NameAddr]| routes.iter().map(NameAddr::to_bytes).collect::<Vec<_>>();
        match self.routes.split_first() {
            Some((first, rest)) if !first.uri.sip().is_some_and(SipUri::is_loose) => {
                let mut routes = values(rest);
                routes.push(Bytes::from([b"<", &self.target[..], b">"].concat()));
                (without_headers(&first.uri), routes)
            }
            _ => (self.target.clone(), values(&self.routes)),
        }
    }
}

/// A Request-URI may have no headers and no `method` (§19.1.1).
fn without_headers(uri: &Uri) -> Bytes {
    match uri.sip() {
        Some(sip) => Uri::Sip(SipUri { headers: None, ..sip.clone() }).to_bytes(),
        None => uri.to_bytes(),
    }
}

/// Record-Route as it stands, or reversed for who sent the request; elements that cannot be read are left out.
fn route_set(headers: &Headers, reversed: bool) -> Vec<NameAddr> {
    let all = headers.values(Field::RecordRoute);
    let mut routes: Vec<NameAddr> =
        all.filter_map(|value| NameAddr::parse_list(value).ok()).flatten().map(own).collect();
    routes.truncate(limits::ROUTES_PER_DIALOG);
    if reversed {
        routes.reverse();
    }
    routes
}

/// The same route in octets of its own.
fn own(route: NameAddr) -> NameAddr {
    let own = route.to_bytes();
    NameAddr::parse(&own).unwrap_or(route)
}

/// Whether the request's only Via, the sender's own, names another address than it came from, and its Contact is that
/// of the Via: the sender does not know how it is seen.
fn is_natted(headers: &Headers, flow: Flow) -> bool {
    let (Ok(via), Ok(Some(contact))) = (headers.via(), headers.contact()) else { return false };
    let claimed = via.host.ip().map(|ip| SocketAddr::new(ip, via.port.unwrap_or(PORT)));
    let own = contact.uri.sip().and_then(address);
    claimed.is_some_and(|claimed| claimed != flow.remote && own == Some(claimed))
        && headers.value(Field::RecordRoute).is_none()
}

/// The port of SIP over UDP (§19.1.2).
const PORT: u16 = 5060;

/// Where a URI leads by UDP, if that can be said without asking anybody.
fn address(uri: &SipUri) -> Option<SocketAddr> {
    let udp = uri.params.value("transport").is_none_or(|name| name.eq_ignore_ascii_case(b"udp"));
    let ip = uri.host.ip().filter(|ip| !ip.is_unspecified() && udp && !uri.secure)?;
    Some(SocketAddr::new(ip, uri.port.unwrap_or(PORT)))
}

/// Whether the address means nothing outside its own network.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            // RFC 6598: 100.64.0.0/10 is a carrier's inside.
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

fn copy(value: Option<&Bytes>) -> Bytes {
    value.map(|value| Bytes::copy_from_slice(value)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow() -> Flow {
        Flow {
            transport: Transport::Udp,
            local: "127.0.0.1:5060".parse().unwrap(),
            remote: "127.0.0.2:5070".parse().unwrap(),
        }
    }

    fn invite() -> Request {
        Request::new(Method::Invite, "sip:bob@127.0.0.1")
            .with("Via", "SIP/2.0/UDP 127.0.0.2:5070;branch=z9hG4bK1")
            .with("From", "<sip:alice@a.example>;tag=a")
            .with("To", "<sip:bob@127.0.0.1>")
            .with("Call-ID", "c1")
            .with("CSeq", "7 INVITE")
            .with("Contact", "<sip:alice@127.0.0.2:5071>")
    }

    fn answer(contact: &'static str) -> Response {
        let mut response = Response::to_request(&invite(), 200).with("Contact", contact);
        response.set_to_tag(b"b");
        response
    }

    fn values<'a>(request: &'a Request, name: &'a str) -> Vec<&'a [u8]> {
        request.headers.all(name).map(|value| &value[..]).collect()
    }

    #[test]
    fn a_callee_sends_to_the_callers_contact_along_the_record_route_as_it_stands() {
        let invite = invite()
            .with("Record-Route", "<sip:127.0.0.9;lr>, <sip:127.0.0.8;lr>")
            .with("Record-Route", "<sip:127.0.0.7;lr>");
        let mut dialog = Dialog::of_request(&invite, b"b", flow());
        let cseq = dialog.next_cseq();
        let bye = dialog.request(Method::Bye, cseq);
        assert_eq!(bye.uri, "sip:alice@127.0.0.2:5071");
        assert_eq!(
            values(&bye, "Route"),
            [&b"<sip:127.0.0.9;lr>"[..], b"<sip:127.0.0.8;lr>", b"<sip:127.0.0.7;lr>"]
        );
        assert_eq!(bye.headers.from().unwrap().tag().unwrap(), "b");
        assert_eq!(bye.headers.to().unwrap().tag().unwrap(), "a");
        assert_eq!(bye.headers.value(Field::CSeq).unwrap(), "1 BYE");
        assert_eq!(dialog.flow().remote, "127.0.0.9:5060".parse().unwrap());
    }

    #[test]
    fn a_caller_sends_along_the_record_route_reversed() {
        let answer =
            answer("<sip:bob@127.0.0.3:5080>").with("Record-Route", "<sip:127.0.0.9;lr>, <sip:127.0.0.8;lr>");
        let mut dialog = Dialog::of_response(&invite(), &answer, flow());
        let cseq = dialog.next_cseq();
        let bye = dialog.request(Method::Bye, cseq);
        assert_eq!(bye.uri, "sip:bob@127.0.0.3:5080");
        assert_eq!(values(&bye, "Route"), [&b"<sip:127.0.0.8;lr>"[..], b"<sip:127.0.0.9;lr>"]);
        assert_eq!(bye.headers.value(Field::CSeq).unwrap(), "8 BYE");
        assert_eq!(dialog.flow().remote, "127.0.0.8:5060".parse().unwrap());
    }

    #[test]
    fn a_strict_router_gets_the_request_in_its_own_name() {
        let invite = invite().with("Record-Route", "<sip:127.0.0.9:5062>, <sip:127.0.0.8;lr>");
        let dialog = Dialog::of_request(&invite, b"b", flow());
        let bye = dialog.request(Method::Bye, 1);
        assert_eq!(bye.uri, "sip:127.0.0.9:5062");
        assert_eq!(values(&bye, "Route"), [&b"<sip:127.0.0.8;lr>"[..], b"<sip:alice@127.0.0.2:5071>"]);
        assert_eq!(dialog.flow().remote, "127.0.0.9:5062".parse().unwrap());
    }

    #[test]
    fn a_request_that_is_not_above_the_last_is_out_of_order() {
        let mut dialog = Dialog::of_request(&invite(), b"b", flow());
        assert!(!dialog.accept_cseq(6));
        assert!(!dialog.accept_cseq(7));
        assert!(dialog.accept_cseq(9));
        assert!(!dialog.accept_cseq(8));
        let mut dialog = Dialog::of_response(&invite(), &answer("<sip:b@127.0.0.3>"), flow());
        assert!(dialog.accept_cseq(0));
    }

    #[test]
    fn a_new_contact_moves_the_target_but_not_the_routes() {
        let invite = invite().with("Record-Route", "<sip:127.0.0.9;lr>");
        let mut dialog = Dialog::of_request(&invite, b"b", flow());
        let refresh = Request::new(Method::Update, "sip:x")
            .with("Contact", "<sip:alice@127.0.0.5>")
            .with("Record-Route", "<sip:127.0.0.1;lr>");
        dialog.refresh_target(&refresh.headers);
        let bye = dialog.request(Method::Bye, 1);
        assert_eq!(bye.uri, "sip:alice@127.0.0.5");
        assert_eq!(values(&bye, "Route"), [&b"<sip:127.0.0.9;lr>"[..]]);
    }

    #[test]
    fn a_target_that_leads_nowhere_known_is_reached_the_way_the_dialog_began() {
        for contact in [
            "<sip:bob@pbx.example>",
            "<sip:bob@0.0.0.0>",
            "<sip:bob@[::1]>",
            "<sip:bob@127.0.0.3;transport=tcp>",
            "<tel:+4420>",
        ] {
            let dialog = Dialog::of_response(&invite(), &answer(contact), flow());
            assert_eq!(dialog.flow(), flow(), "{contact}");
        }
        let public = Flow { remote: "203.0.113.7:5060".parse().unwrap(), ..flow() };
        let dialog = Dialog::of_response(&invite(), &answer("<sip:bob@192.168.1.4>"), public);
        assert_eq!(dialog.flow(), public);
    }

    #[test]
    fn a_caller_behind_a_nat_is_wherever_it_was_seen_last() {
        let seen = |port| Flow { remote: SocketAddr::new("127.0.0.9".parse().unwrap(), port), ..flow() };
        let mut invite = invite();
        invite.headers.set(Field::Contact, "<sip:alice@127.0.0.2:5070>");
        let mut dialog = Dialog::of_request(&invite, b"b", seen(4000));
        assert_eq!(dialog.flow(), seen(4000));
        dialog.seen_at(seen(4001));
        assert_eq!(dialog.flow(), seen(4001));
    }
}
