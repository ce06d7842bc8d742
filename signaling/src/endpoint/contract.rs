//! What the endpoint's owner and the endpoint say to each other: keys, flows, events.
//!
//! Leaves out: what any of it leads to (`endpoint/`), and how messages look (`message/`).

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;

use crate::auth::Credentials;
use crate::message::{Headers, Request, Response};
use crate::sdp::masked;

/// One INVITE dialog of this endpoint, from the INVITE on; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Leg(pub u64);

/// A request that waits for an answer, theirs for ours or ours for theirs; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestKey(pub u64);

/// How a message travels (RFC 3261 §18).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// A stream under TLS.
    Tls,
}

/// Between which addresses a message travels: on which of our sockets, and to or from whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// How.
    pub transport: Transport,
    /// Our address.
    pub local: SocketAddr,
    /// Theirs.
    pub remote: SocketAddr,
}

/// Bytes to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Transmit {
    /// On which flow.
    pub flow: Flow,
    /// The whole message.
    pub bytes: Bytes,
}

impl fmt::Debug for Transmit {
    /// A body may hold keys (RFC 4568): it is shown without them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transmit").field("flow", &self.flow).field("bytes", &masked(&self.bytes)).finish()
    }
}

/// Why a request of ours has no good answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// A final response of 300–699.
    Status(u16),
    /// Timer B or F.
    Timeout,
    /// The flow could not carry it.
    Transport,
}

/// What the endpoint tells its owner.
///
/// After [`super::Endpoint::cancel`] or [`super::Endpoint::hang_up`] a leg brings only [`Event::Refer`]'s aftermath
/// ([`Event::NotifyFailed`], [`Event::Notify`]): the owner has said that it is over, and need not be told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are named by their types")]
pub enum Event {
    /// A new INVITE outside any dialog. 100 has been sent.
    Incoming { leg: Leg, flow: Flow, request: Request },
    /// The far end gave up its INVITE by CANCEL, or by BYE before the answer; 200 and 487 have been sent.
    Cancelled { leg: Leg, request: Request },
    /// 1xx to our INVITE; 100 says no more than that somebody works on it.
    Progress { leg: Leg, response: Response },
    /// 2xx to our INVITE; ACK has been sent (and is sent again to each repeat).
    Answered { leg: Leg, response: Response },
    /// Our INVITE failed, a challenge that its credentials could not answer included; the leg is over.
    Refused { leg: Leg, failure: Failure, response: Option<Response> },
    /// ACK to our 2xx, of the first INVITE or of a re-INVITE.
    Acked { leg: Leg, request: Request },
    /// No ACK to our 2xx within 64·T1; the leg lives until it is ended.
    NotAcked { leg: Leg },
    /// BYE; 200 has been sent and the leg is over, but for REFER subscriptions (RFC 5057).
    Bye { leg: Leg, request: Request },
    /// re-INVITE or UPDATE with its session description; waits for [`super::Endpoint::respond`].
    Offer { leg: Leg, key: RequestKey, request: Request },
    /// REFER; waits for [`super::Endpoint::respond`]. A 2xx opens its subscription, told by [`super::Endpoint::notify`].
    Refer { leg: Leg, key: RequestKey, request: Request },
    /// INFO without an Info-Package (RFC 6086 §9: the legacy use); waits for [`super::Endpoint::respond`].
    Info { leg: Leg, key: RequestKey, request: Request },
    /// NOTIFY of a REFER of ours; 200 has been sent.
    Notify { leg: Leg, request: Request },
    /// The final answer to a re-INVITE of ours (491 has been tried again, RFC 3261 §14.1).
    Reanswered { leg: Leg, result: Result<Response, Failure> },
    /// The final answer to another request of ours in the dialog. 481 and 408 also bring [`Event::Gone`].
    Replied { leg: Leg, key: RequestKey, result: Result<Response, Failure> },
    /// A subscription of REFER `key` was ended by the far end (481, silence).
    NotifyFailed { leg: Leg, key: RequestKey },
    /// 481 or 408 or silence to a request in the dialog: the leg is over (RFC 5057 §5.1).
    Gone { leg: Leg, failure: Failure },
    /// OPTIONS outside a dialog that waits for nothing: the endpoint has answered; told so that probes can be counted.
    Probed { flow: Flow },
    /// The final answer to an OPTIONS of ours outside any dialog.
    ProbeReplied { key: RequestKey, result: Result<Response, Failure> },
}

/// A new INVITE of ours.
#[derive(Clone)]
pub struct Invite {
    /// The Request-URI and To.
    pub uri: Bytes,
    /// From without its tag.
    pub from: Bytes,
    /// Which socket, and the address the URI resolved to.
    pub flow: Flow,
    /// Headers to add: any but those that the stack writes (Via, From, To, Call-ID, CSeq, Contact, Max-Forwards, Content-Length).
    pub headers: Headers,
    /// The offer.
    pub body: Bytes,
    /// How 401 and 407 to it, and to later requests of the leg, are answered (RFC 3261 §22.2); none: not at all.
    pub credentials: Option<Credentials>,
}

impl fmt::Debug for Invite {
    /// A body may hold keys (RFC 4568): it is shown without them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Invite");
        shown.field("uri", &self.uri).field("from", &self.from).field("flow", &self.flow);
        shown.field("headers", &self.headers).field("body", &masked(&self.body));
        shown.field("credentials", &self.credentials).finish()
    }
}
