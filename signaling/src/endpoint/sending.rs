//! Requests of ours: making their transactions, sending them, matching what comes back (RFC 3261 §17.1, §18.1).

use bytes::Bytes;

use super::deadlines::Owner;
use super::leg::Phase;
use super::table::{ClientEntry, ClientMachine, Purpose};
use super::{Counters, Endpoint, Failure, Flow, Transmit, Transport};
use crate::Time;
use crate::auth::Tries;
use crate::limits;
use crate::message::{CSeq, Field, Headers, Host, Method, Params, Request, Response, SipUri, Uri, Via};
use crate::transaction::key::ClientKey;
use crate::transaction::{Client, InviteClient, Output};

/// How a request of ours ended.
pub(super) type Outcome = Result<Response, (Failure, Option<Response>)>;

impl Endpoint {
    /// Sends a request in a transaction of its own; its number.
    pub(super) fn send_request(
        &mut self,
        now: Time,
        flow: Flow,
        mut request: Request,
        purpose: Purpose,
    ) -> u64 {
        self.authorize(purpose, &mut request);
        self.name_request(purpose, &mut request.headers);
        let branch = self.random.token("z9hG4bK");
        self.send_branch(now, flow, request, purpose, &branch)
    }

    /// As [`Self::send_request`], with the branch given: a CANCEL has that of its INVITE (§9.1).
    pub(super) fn send_branch(
        &mut self,
        now: Time,
        flow: Flow,
        mut request: Request,
        purpose: Purpose,
        branch: &[u8],
    ) -> u64 {
        let id = self.next_key();
        request.headers.push_front(Field::Via, self.via(flow, branch));
        if !self.config.user_agent.is_empty() && !request.headers.has("User-Agent") {
            request.headers.push(Field::UserAgent, self.config.user_agent.clone());
        }
        let wire = request.to_bytes();
        self.counters.requests_sent[Counters::index(&request.method)] += 1;
        let reliable = flow.transport.is_reliable();
        let oversized = !reliable && wire.len() > limits::DATAGRAM_BYTES;
        self.counters.oversized_requests_sent += u64::from(oversized);
        self.transmit(flow, wire.clone());
        let is_invite = request.method == Method::Invite;
        let machine = if is_invite {
            ClientMachine::Invite(InviteClient::new(now, reliable))
        } else {
            ClientMachine::Other(Client::new(now, reliable))
        };
        let key = ClientKey::new(branch, &request.method);
        request.body = Bytes::new();
        let request = is_invite.then(|| Box::new(request));
        self.deadlines.set(Owner::Client(id), machine.poll_timeout());
        let (acks, tries) = (Vec::new(), Tries::default());
        let entry = ClientEntry { machine, key, flow, wire, purpose, request, acks, tries, moved: false };
        self.table.add_client(id, entry);
        id
    }

    /// Sends an ACK: once, outside transactions.
    pub(super) fn send_ack(&mut self, flow: Flow, mut ack: Request) -> Bytes {
        let branch = self.random.token("z9hG4bK");
        ack.headers.push_front(Field::Via, self.via(flow, &branch));
        let wire = ack.to_bytes();
        self.counters.requests_sent[Counters::index(&Method::Ack)] += 1;
        self.transmit(flow, wire.clone());
        wire
    }

    /// A response has come.
    pub(super) fn handle_response(&mut self, now: Time, response: Response) {
        let key = match (response.headers.via(), response.headers.cseq()) {
            (Ok(via), Ok(cseq)) => {
                self.counters.responses_received.count(Some(&cseq.method), response.status);
                ClientKey::new(&via.branch().unwrap_or_default(), &cseq.method)
            }
            _ => return self.counters.malformed += 1,
        };
        let Some(id) = self.table.find_client(&key) else { return self.counters.stray_responses += 1 };
        self.learn_from_response(id, &response.headers);
        let Some(entry) = self.table.clients.get_mut(&id) else { return };
        let output = entry.machine.handle_response(now, response.status);
        match output {
            Some(Output::SendAck) => self.repeat_ack(id, b""),
            Some(Output::AckAndDeliver) => {
                self.acknowledge_rejection(id, &response);
                self.conclude(now, id, Err((Failure::Status(response.status), Some(response))));
            }
            Some(Output::Deliver) => self.deliver(now, id, response),
            _ => {}
        }
        self.settle_client(id);
    }

    /// The flow could not carry what was sent on it.
    pub(super) fn fail_flow(&mut self, now: Time, flow: Flow) {
        if flow.transport.is_reliable() {
            self.lose_connection(flow);
        }
        for id in self.table.clients_to(flow.remote) {
            let Some(entry) = self.table.clients.get_mut(&id) else { continue };
            if entry.flow.transport != flow.transport {
                continue;
            }
            // Nobody waits for a transaction that has its answer; such a one just ends.
            let had_answer = !entry.acks.is_empty();
            if entry.machine.handle_transport_error() && !had_answer {
                if self.send_over_another(now, id) {
                    continue;
                }
                self.counters.transport_errors += 1;
                self.conclude(now, id, Err((Failure::Transport, None)));
            }
            self.settle_client(id);
        }
    }

    /// A connection is gone: dialogs that have gone over it look for another way, and so do answers that are due.
    fn lose_connection(&mut self, flow: Flow) {
        for state in self.legs.values_mut() {
            let Some(dialog) = &mut state.dialog else { continue };
            dialog.lose(flow);
            if let Phase::Ringing(server) = state.phase
                && let Some(entry) = self.table.servers.get_mut(&server)
                && entry.flow == flow
                && let Some(via) = entry.request.as_deref().and_then(|request| request.headers.via().ok())
            {
                // §18.2.2: a new connection to the source's address and the port of sent-by.
                entry.flow.remote.set_port(via.port.unwrap_or(flow.transport.port()));
            }
        }
    }

    pub(super) fn wake_client(&mut self, now: Time, id: u64) {
        let Some(entry) = self.table.clients.get_mut(&id) else { return };
        match entry.machine.handle_timeout(now) {
            Some(Output::SendRequest) => {
                let (flow, wire) = (entry.flow, entry.wire.clone());
                self.counters.retransmissions_sent += 1;
                self.transmit(flow, wire);
            }
            Some(Output::TimedOut) => {
                self.counters.timeouts += 1;
                self.conclude(now, id, Err((Failure::Timeout, None)));
            }
            _ => {}
        }
        self.settle_client(id);
    }

    /// Ends a transaction before its time.
    pub(super) fn drop_client(&mut self, id: u64) {
        self.table.remove_client(id);
        self.deadlines.set(Owner::Client(id), None);
    }

    /// Sends the ACK for To tag `tag` again; whether there is one.
    pub(super) fn repeat_ack(&mut self, id: u64, tag: &[u8]) {
        let acks = self.table.clients.get(&id).map(|entry| &entry.acks[..]).unwrap_or_default();
        let Some((_, flow, wire)) = acks.iter().find(|(of, ..)| of == tag).cloned() else { return };
        self.counters.retransmissions_sent += 1;
        self.transmit(flow, wire);
    }

    /// ACK to a rejection goes where the INVITE went, in its branch (§17.1.1.3).
    fn acknowledge_rejection(&mut self, id: u64, response: &Response) {
        let Some(entry) = self.table.clients.get_mut(&id) else { return };
        let Some(invite) = entry.request.as_deref() else { return };
        let mut ack = derived(invite, Method::Ack);
        if let Some(via) = invite.headers.value(Field::Via) {
            ack.headers.push_front(Field::Via, via.clone());
        }
        if let Some(to) = response.headers.value(Field::To) {
            ack.headers.set(Field::To, to.clone());
        }
        let (flow, wire) = (entry.flow, ack.to_bytes());
        entry.acks.push((Bytes::new(), flow, wire.clone()));
        self.counters.requests_sent[Counters::index(&Method::Ack)] += 1;
        self.transmit(flow, wire);
    }

    fn settle_client(&mut self, id: u64) {
        let Some(entry) = self.table.clients.get(&id) else { return };
        if entry.machine.is_terminated() {
            self.drop_client(id);
        } else {
            self.deadlines.set(Owner::Client(id), entry.machine.poll_timeout());
        }
    }

    pub(super) fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        self.transmits.push_back(Transmit { flow, bytes });
    }

    fn via(&self, flow: Flow, branch: &[u8]) -> Bytes {
        let (host, port) = self.sent_by(flow);
        Via::new(flow.transport.name(), host, port, branch).to_bytes()
    }

    /// Our Contact for requests and responses on `flow`; `secure`: the dialog is one of `sips:` (§12.1.1, §8.1.1.8).
    pub(super) fn contact(&self, flow: Flow, secure: bool) -> Bytes {
        let (host, port) = self.sent_by(flow);
        let user = (!self.config.user.is_empty()).then(|| Bytes::from(self.config.user.clone()));
        let mut uri = SipUri::new(host);
        (uri.user, uri.port, uri.secure) = (user, port, secure);
        let parameter = match flow.transport {
            // What is meant where nothing is said.
            Transport::Udp => None,
            Transport::Tls if secure => None,
            other => Some(other.parameter()),
        };
        if let Some(name) = parameter {
            uri.params = Params::default().with("transport", Some(name.as_bytes()));
        }
        let mut value = b"<".to_vec();
        value.extend_from_slice(&Uri::Sip(uri).to_bytes());
        value.push(b'>');
        Bytes::from(value)
    }

    /// Under which host and port we are to be reached.
    pub(super) fn sent_by(&self, flow: Flow) -> (Host, Option<u16>) {
        let local = (Host::Ip(flow.local.ip()), Some(flow.local.port()));
        let Some(advertised) = &self.config.advertise else { return local };
        let uri = Uri::parse(&Bytes::from(format!("sip:{advertised}")));
        match uri.as_ref().ok().and_then(Uri::sip) {
            Some(uri) => (uri.host.clone(), uri.port.or(Some(flow.local.port()))),
            None => local,
        }
    }
}

/// ACK to a rejection of `invite`, or its CANCEL (§9.1, §17.1.1.3), without Via.
pub(super) fn derived(invite: &Request, method: Method) -> Request {
    let mut request = Request::new(method.clone(), invite.uri.clone());
    request.headers.push(Field::MaxForwards, "70");
    for header in &invite.headers {
        if let Some(field @ (Field::Route | Field::From | Field::To | Field::CallId | Field::SessionId)) =
            header.name.field()
        {
            request.headers.push(field, header.value.clone());
        }
    }
    let number = invite.headers.cseq().map_or(0, |cseq| cseq.number);
    request.headers.push(Field::CSeq, CSeq { number, method }.to_bytes());
    request
}

/// Appends the owner's headers, but for those that the stack writes.
pub(super) fn add_headers(to: &mut Headers, headers: Headers) {
    let is_ours = |field| {
        use Field::{CSeq, CallId, Contact, ContentLength, From, MaxForwards, RecordRoute, Route, To, Via};
        matches!(
            field,
            Via | From | To | CallId | CSeq | Contact | MaxForwards | ContentLength | Route | RecordRoute
        )
    };
    to.extend(headers.into_iter().filter(|header| !header.name.field().is_some_and(is_ours)));
}

/// Gives a message its body; without a Content-Type it is a session description.
pub(super) fn add_body(headers: &mut Headers, to: &mut Bytes, body: Bytes) {
    if !body.is_empty() && !headers.has("Content-Type") {
        headers.push(Field::ContentType, "application/sdp");
    }
    *to = body;
}
