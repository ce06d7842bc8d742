//! One dialog (RFC 3261 §12): its tags, its sequence numbers both ways, its route set and where its requests go.
//!
//! Leaves out: usages of the dialog (call, subscriptions) and who may send what when; those are the endpoint's.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

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
    /// The flow on which the dialog began: where requests go whose target names no address. Of a stream the connection on
    /// which the far end was heard last.
    origin: Flow,
    /// Whether the connection of `origin` has closed.
    lost: bool,
    /// Whether the far end's own idea of its address is wrong or missing: it is reached where it was seen.
    natted: bool,
    /// Whether it is a dialog of `sips:` (§12.1.1).
    secure: bool,
    /// What we listen on.
    listeners: Arc<[(Transport, SocketAddr)]>,
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
            lost: false,
            natted: is_natted(headers, flow),
            secure: is_sips(&request.uri) && flow.transport.is_secure(),
            listeners: Arc::new([]),
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
            lost: false,
            natted: false,
            secure: is_sips(&request.uri),
            listeners: Arc::new([]),
        };
        dialog.natted |= !dialog.refresh_target(headers);
        dialog
    }

    /// The same dialog, which knows what we listen on.
    pub(crate) fn knowing(self, listeners: Arc<[(Transport, SocketAddr)]>) -> Self {
        Self { listeners, ..self }
    }

    /// Whether it is a dialog of `sips:`: our Contact in it has to be one, too.
    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }

    /// A connection has closed.
    pub(crate) fn lose(&mut self, flow: Flow) {
        self.lost |= self.origin == flow;
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

    /// This is the dialog of a 2xx, `early` what its provisional responses made: requests are counted on.
    pub(crate) fn go_on_from(&mut self, early: &Self) {
        self.local_cseq = self.local_cseq.max(early.local_cseq);
        self.remote_cseq = self.remote_cseq.max(early.remote_cseq);
    }

    /// A request has come from `source`: a far end behind a NAT is wherever it was seen last, and one that speaks over
    /// connections is reached over its newest (RFC 5626 §5.3).
    pub(crate) fn seen_at(&mut self, source: Flow) {
        let streams = source.transport.is_reliable() && self.origin.transport.is_reliable();
        if self.natted || streams {
            (self.origin, self.lost) = (source, false);
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

    /// The flow that requests take: over the far end's own connection while it lives, if the next hop is where that leads
    /// (RFC 5923, RFC 5626); else to the address in the first route or the remote target if it is one that can be reached,
    /// else the way the dialog began. Names are not resolved here.
    pub(crate) fn flow(&self) -> Flow {
        let target = || Uri::parse(&self.target).ok();
        let hop = match self.routes.first() {
            Some(route) => route.uri.sip().and_then(address),
            None if self.natted => None,
            None => target().as_ref().and_then(Uri::sip).and_then(address),
        };
        let old = self.origin.remote;
        let usable = |(_, to): &(Transport, SocketAddr)| {
            let leads_there = self.origin.transport.is_reliable() && !self.lost && to.ip() == old.ip();
            // A private address behind a public one is a NAT's inside.
            !leads_there && to.is_ipv4() == old.is_ipv4() && (!is_private(to.ip()) || is_private(old.ip()))
        };
        let hop = hop.filter(usable);
        hop.and_then(|(transport, remote)| self.towards(transport, remote)).unwrap_or(self.origin)
    }

    /// The flow to `remote` over `transport`, if we have a socket for it.
    fn towards(&self, transport: Transport, remote: SocketAddr) -> Option<Flow> {
        if transport == self.origin.transport {
            return Some(Flow { remote, ..self.origin });
        }
        let fits =
            |(of, local): &&(Transport, SocketAddr)| *of == transport && local.is_ipv4() == remote.is_ipv4();
        self.listeners.iter().find(fits).map(|&(_, local)| Flow { transport, local, remote })
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
/// of the Via: the sender does not know how it is seen. The port of a connection says nothing: nobody listens on it.
fn is_natted(headers: &Headers, flow: Flow) -> bool {
    let (Ok(via), Ok(Some(contact))) = (headers.via(), headers.contact()) else { return false };
    let port = via.port.unwrap_or(flow.transport.port());
    let claimed = via.host.ip().map(|ip| SocketAddr::new(ip, port));
    let own = contact.uri.sip().and_then(address).map(|(_, own)| own);
    let is_seen = |claimed: SocketAddr| {
        claimed == flow.remote || flow.transport.is_reliable() && claimed.ip() == flow.remote.ip()
    };
    claimed.is_some_and(|claimed| !is_seen(claimed) && own == Some(claimed))
        && headers.value(Field::RecordRoute).is_none()
}

/// Where a URI leads, if that can be said without asking anybody. Nobody can be reached by WebSocket (RFC 7118 §5).
fn address(uri: &SipUri) -> Option<(Transport, SocketAddr)> {
    let transport = Transport::of_uri(uri).filter(|transport| !transport.is_websocket())?;
    let ip = uri.host.ip().filter(|ip| !ip.is_unspecified())?;
    Some((transport, SocketAddr::new(ip, uri.port.unwrap_or(transport.port()))))
}

/// Whether it is a `sips:` URI.
pub(crate) fn is_sips(uri: &[u8]) -> bool {
    uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"sips:"))
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

    fn over(transport: Transport, contact: &'static str) -> (Dialog, Flow) {
        let mut invite = invite();
        invite.headers.set(Field::Contact, contact);
        let flow = Flow { transport, remote: "127.0.0.2:40001".parse().unwrap(), ..flow() };
        let listeners =
            [(Transport::Udp, flow.local), (Transport::Tcp, flow.local), (Transport::Tls, flow.local)];
        (Dialog::of_request(&invite, b"b", flow).knowing(Arc::new(listeners)), flow)
    }

    #[test]
    fn a_far_end_that_came_over_a_connection_is_reached_over_it_until_it_closes() {
        let (mut dialog, flow) = over(Transport::Tcp, "<sip:alice@127.0.0.2:5071;transport=tcp>");
        assert_eq!(dialog.flow(), flow);
        let newer = Flow { remote: "127.0.0.2:40002".parse().unwrap(), ..flow };
        dialog.seen_at(newer);
        assert_eq!(dialog.flow(), newer);
        dialog.lose(flow);
        assert_eq!(dialog.flow(), newer, "that one was not in use");
        dialog.lose(newer);
        assert_eq!(dialog.flow(), Flow { remote: "127.0.0.2:5071".parse().unwrap(), ..flow });
        let (mut dialog, flow) = over(Transport::Ws, "<sip:alice@abc.invalid;transport=ws>");
        dialog.lose(flow);
        assert_eq!(dialog.flow(), flow, "there is no other way to a browser");
    }

    #[test]
    fn a_contact_elsewhere_is_reached_over_the_transport_it_names() {
        for (contact, transport, port) in [
            ("<sip:alice@127.0.0.5>", Transport::Udp, 5060),
            ("<sip:alice@127.0.0.5;transport=tls>", Transport::Tls, 5061),
            ("<sips:alice@127.0.0.5:5099>", Transport::Tls, 5099),
        ] {
            let (dialog, flow) = over(Transport::Tcp, contact);
            let remote = SocketAddr::new("127.0.0.5".parse().unwrap(), port);
            assert_eq!(dialog.flow(), Flow { transport, remote, ..flow }, "{contact}");
        }
        let (dialog, flow) = over(Transport::Tcp, "<sip:alice@127.0.0.5;transport=sctp>");
        assert_eq!(dialog.flow(), flow);
    }

    #[test]
    fn a_dialog_is_secure_if_its_uri_was_sips() {
        let flow = Flow { transport: Transport::Tls, ..flow() };
        let mut invite = invite();
        assert!(!Dialog::of_request(&invite, b"b", flow).is_secure());
        invite.uri = Bytes::from_static(b"sips:bob@127.0.0.1");
        assert!(Dialog::of_request(&invite, b"b", flow).is_secure());
    }
}
