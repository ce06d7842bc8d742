//! Responses of ours: their transactions, making them, sending them (RFC 3261 §8.2.6, §17.2, §18.2).

use bytes::Bytes;

use super::Transmit;
use super::deadlines::Owner;
use super::sending::{add_body, add_headers};
use super::table::{ServerEntry, ServerMachine};
use super::{Endpoint, Flow, Leg};
use crate::Time;
use crate::dialog::is_sips;
use crate::message::{Field, Headers, Method, Request, Response};
use crate::transaction::key::{Identity, ServerKey};
use crate::transaction::{InviteServer, Output, Server};

/// A response's parts, but for those that its request decides.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// Empty: the usual phrase.
    pub(super) reason: Bytes,
    pub(super) headers: Headers,
    pub(super) body: Bytes,
}

impl Reply {
    pub(super) fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub(super) fn with(mut self, field: Field, value: impl Into<Bytes>) -> Self {
        self.headers.push(field, value);
        self
    }
}

impl Endpoint {
    /// Makes the transaction of a request of theirs; its number.
    pub(super) fn serve(&mut self, key: ServerKey, identity: &Identity, flow: Flow, request: Request) -> u64 {
        let id = self.next_key();
        let reliable = flow.transport.is_reliable();
        let machine = if request.method == Method::Invite {
            ServerMachine::Invite(InviteServer::new(reliable))
        } else {
            ServerMachine::Other(Server::new(reliable))
        };
        let merge = identity.merge_key(&request.method);
        let flow = response_flow(identity, flow);
        let request = Some(Box::new(request));
        let entry = ServerEntry { machine, key, merge, flow, response: Bytes::new(), leg: None, request };
        self.table.add_server(id, entry);
        id
    }

    /// Sends a response in transaction `id`, with `tag` for a To that has none; the response as it was sent, or nothing
    /// if the transaction has had its final one.
    pub(super) fn reply(&mut self, now: Time, id: u64, tag: &[u8], reply: Reply) -> Option<Bytes> {
        let entry = self.table.servers.get(&id)?;
        let (flow, request) = (entry.flow, entry.request.as_deref()?);
        let (status, method) = (reply.status, request.method.clone());
        let mut response = self.response(flow, request, tag, reply);
        self.name_session(entry.leg, &mut response.headers);
        let wire = response.to_bytes();
        let entry = self.table.servers.get_mut(&id)?;
        let output = entry.machine.respond(now, status);
        if output == Some(Output::SendResponse) {
            entry.response = wire.clone();
            if status >= 200 {
                entry.request = None;
            }
            self.counters.responses_sent.count(Some(&method), status);
            self.transmit(flow, wire.clone());
        }
        self.settle_server(id);
        output.map(|_| wire)
    }

    /// Answers a request outside any transaction: it will be answered alike when it comes again (§8.2.7).
    pub(super) fn reply_stateless(
        &mut self,
        identity: &Identity,
        flow: Flow,
        request: &Request,
        reply: Reply,
    ) {
        let flow = response_flow(identity, flow);
        let tag = self.random.token("");
        let status = reply.status;
        let wire = self.response(flow, request, &tag, reply).to_bytes();
        self.counters.responses_sent.count(Some(&request.method), status);
        self.transmit(flow, wire);
    }

    fn response(&self, flow: Flow, request: &Request, tag: &[u8], reply: Reply) -> Response {
        let mut response = Response::to_request(request, reply.status);
        if !reply.reason.is_empty() {
            response.reason = reply.reason;
        }
        if reply.status > 100 {
            response.set_to_tag(tag);
        }
        let makes_or_moves = matches!(
            request.method,
            Method::Invite | Method::Update | Method::Refer | Method::Subscribe | Method::Notify
        );
        if makes_or_moves && (101..300).contains(&reply.status) {
            response.headers.push(Field::Contact, self.contact(flow, is_sips(&request.uri)));
        }
        let tells_allow = request.method == Method::Invite && (200..300).contains(&reply.status);
        if tells_allow || reply.status == 405 || request.method == Method::Options {
            response.headers.push(Field::Allow, self.allow());
        }
        if tells_allow && !self.config.supported.is_empty() {
            response.headers.push(Field::Supported, self.config.supported.join(", "));
        }
        add_headers(&mut response.headers, reply.headers);
        if !self.config.user_agent.is_empty() && !response.headers.has("Server") {
            response.headers.push(Field::Server, self.config.user_agent.clone());
        }
        add_body(&mut response.headers, &mut response.body, reply.body);
        response
    }

    /// The request has come again.
    pub(super) fn repeat(&mut self, id: u64) {
        self.counters.retransmissions_received += 1;
        let Some(entry) = self.table.servers.get_mut(&id) else { return };
        if entry.machine.handle_repeat() == Some(Output::SendResponse) && !entry.response.is_empty() {
            let (flow, wire) = (entry.flow, entry.response.clone());
            self.counters.retransmissions_sent += 1;
            self.transmit(flow, wire);
        }
    }

    pub(super) fn wake_server(&mut self, now: Time, id: u64) {
        let Some(entry) = self.table.servers.get_mut(&id) else { return };
        // A rejection without ACK is nobody's loss: Timer H just ends it.
        if entry.machine.handle_timeout(now) == Some(Output::SendResponse) {
            let (flow, wire) = (entry.flow, entry.response.clone());
            self.counters.retransmissions_sent += 1;
            self.transmit(flow, wire);
        }
        self.settle_server(id);
    }

    pub(super) fn settle_server(&mut self, id: u64) {
        let Some(entry) = self.table.servers.get(&id) else { return };
        if entry.machine.is_terminated() {
            self.table.remove_server(id);
            self.deadlines.set(Owner::Server(id), None);
        } else {
            self.deadlines.set(Owner::Server(id), entry.machine.poll_timeout());
        }
    }

    pub(super) fn bind_server(&mut self, id: u64, leg: Leg) {
        if let Some(entry) = self.table.servers.get_mut(&id) {
            entry.leg = Some(leg);
        }
    }

    pub(super) fn allow(&self) -> Bytes {
        let names: Vec<&[u8]> = self.config.allow.iter().map(Method::as_bytes).collect();
        Bytes::from(names.join(&b", "[..]))
    }
}

/// Notes in the topmost Via where the request came from (§18.2.1, RFC 3581 §4).
pub(super) fn note_source(request: &mut Request, identity: &mut Identity, flow: Flow) {
    identity.via.set_source(flow.remote.ip(), flow.remote.port());
    let Some(value) = request.headers.value(Field::Via) else { return };
    // One line may hold the Vias of several hops; only the first is ours to note in.
    let rest = first_comma(value).map(|at| value.slice(at..)).unwrap_or_default();
    let line = [&identity.via.to_bytes()[..], &rest].concat();
    request.headers.set_first(Field::Via, line);
}

/// Where the first element of a list ends.
fn first_comma(value: &[u8]) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    value.iter().position(|&byte| {
        let was_escaped = std::mem::take(&mut escaped);
        match byte {
            b'\\' if quoted && !was_escaped => escaped = true,
            b'"' if !was_escaped => quoted = !quoted,
            b',' => return !quoted,
            _ => {}
        }
        false
    })
}

/// Refuses a request for want of room or time, `retry_after` seconds long: for who stands before an endpoint and hands it no
/// more. Of it nothing is kept, and a repeat gets the same (RFC 3261 §8.2.7, §21.5.4). `None`: the request lacks what an answer needs.
pub fn refuse_stateless(request: &Request, flow: Flow, retry_after: u32) -> Option<Transmit> {
    let (mut request, mut identity) = (request.clone(), Identity::of(request).ok()?);
    note_source(&mut request, &mut identity, flow);
    let mut response = Response::to_request(&request, 503).with("Retry-After", retry_after.to_string());
    response.set_to_tag(b"overload");
    Some(Transmit { flow: response_flow(&identity, flow), bytes: response.to_bytes() })
}

/// Where responses go: over the connection of their request if it came on one, to the source of a datagram if the sender
/// asked for that (RFC 3581), else to the source's address and the port of sent-by (§18.2.2). `maddr` is not obeyed: it would let anybody aim our responses at a third party.
fn response_flow(identity: &Identity, flow: Flow) -> Flow {
    if flow.transport.is_reliable() || identity.via.params.has("rport") {
        return flow;
    }
    let mut remote = flow.remote;
    remote.set_port(identity.via.port.unwrap_or(5060));
    Flow { remote, ..flow }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Transport;

    #[test]
    fn a_refusal_without_a_trace_goes_where_the_sender_listens() {
        let flow = |port| Flow {
            transport: Transport::Udp,
            local: ([127, 0, 0, 1], 5060).into(),
            remote: ([127, 0, 0, 9], port).into(),
        };
        for (via, port) in
            [("a.example:5070;branch=z9hG4bK1", 5070), ("a.example;branch=z9hG4bK1;rport", 4444)]
        {
            let request = Request::new(Method::Invite, "sip:x")
                .with("Via", format!("SIP/2.0/UDP {via}"))
                .with("From", "<sip:a@a>;tag=1")
                .with("To", "<sip:b@b>")
                .with("Call-ID", "c")
                .with("CSeq", "1 INVITE");
            let answer = refuse_stateless(&request, flow(4444), 5).unwrap();
            assert_eq!(answer.flow, flow(port));
            let text = String::from_utf8_lossy(&answer.bytes).into_owned();
            assert!(text.contains("received=127.0.0.9") && text.contains("Retry-After: 5"), "{text}");
        }
        assert!(refuse_stateless(&Request::new(Method::Invite, "sip:x"), flow(1), 5).is_none());
    }

    #[test]
    fn the_source_is_noted_in_the_first_via_of_a_line_and_the_others_stay() {
        let mut request = Request::new(Method::Options, "sip:x")
            .with(
                "Via",
                "SIP/2.0/UDP a.example;branch=z9hG4bK1;rport;x=\"a,b\", SIP/2.0/UDP c.example;branch=2",
            )
            .with("Via", "SIP/2.0/UDP d.example;branch=3")
            .with("From", "<sip:a@a>;tag=1")
            .with("To", "<sip:b@b>")
            .with("Call-ID", "c")
            .with("CSeq", "1 OPTIONS");
        let mut identity = Identity::of(&request).unwrap();
        let flow = Flow {
            transport: Transport::Udp,
            local: "127.0.0.1:5060".parse().unwrap(),
            remote: "127.0.0.9:4321".parse().unwrap(),
        };
        note_source(&mut request, &mut identity, flow);
        let lines: Vec<_> = request.headers.values(Field::Via).collect();
        assert_eq!(lines.len(), 2);
        let via = request.headers.via().unwrap();
        assert_eq!(via.received(), Some(flow.remote.ip()));
        assert_eq!(via.rport(), Some(Some(4321)));
        assert!(lines[0].ends_with(b", SIP/2.0/UDP c.example;branch=2"));
    }

    #[test]
    fn without_rport_a_response_goes_to_the_port_of_sent_by() {
        let flow = Flow {
            transport: Transport::Udp,
            local: "127.0.0.1:5060".parse().unwrap(),
            remote: "127.0.0.9:4321".parse().unwrap(),
        };
        for (via, port) in [
            ("SIP/2.0/UDP a.example;branch=z9hG4bK1", 5060),
            ("SIP/2.0/UDP a.example:5099;branch=z9hG4bK1", 5099),
            ("SIP/2.0/UDP a.example:5099;branch=z9hG4bK1;rport", 4321),
        ] {
            let request = Request::new(Method::Options, "sip:x")
                .with("Via", via)
                .with("From", "<sip:a@a>;tag=1")
                .with("To", "<sip:b@b>")
                .with("Call-ID", "c")
                .with("CSeq", "1 OPTIONS");
            let identity = Identity::of(&request).unwrap();
            assert_eq!(response_flow(&identity, flow).remote.port(), port);
        }
    }
}
