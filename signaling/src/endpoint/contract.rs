//! What the endpoint's owner and the endpoint say to each other: keys, flows, events.
//!
//! Leaves out: what any of it leads to (`endpoint/`), and how messages look (`message/`).

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;

use crate::auth::Credentials;
use crate::message::header::Uuid;
use crate::message::{Headers, Request, Response, SipUri};
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
    /// A WebSocket (RFC 7118).
    Ws,
    /// A WebSocket under TLS.
    Wss,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss];

    /// Whether what is sent arrives, in order, or the connection is seen to fail: nothing is sent again over it.
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// Whether nobody on the way can read it: what `sips:` asks for (RFC 3261 §26.2.2).
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// Whether only the far end can open a connection of it: a browser listens on nothing (RFC 7118 §5).
    pub const fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    /// Its name in Via (RFC 3261 §20.42, RFC 7118 §5.1).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// Its name in the settings and in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// Its value of a URI's parameter `transport` (§19.1.1); WebSockets have one, with and without TLS (RFC 7118 §5.2.3).
    pub const fn parameter(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws | Self::Wss => "ws",
        }
    }

    /// The port where a URI or Via has none (§18.2.2, §19.1.2; RFC 7118 §5.2.3).
    pub const fn port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// The transport of this name in a Via, in the settings or in a URI's parameter, without case.
    pub fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|transport| name.eq_ignore_ascii_case(transport.name().as_bytes()))
    }

    /// The transport that a URI asks for: that of its parameter, under TLS for `sips:`; without one UDP, or TLS
    /// (RFC 3263 §4.1). `None`: one that is not known.
    pub fn of_uri(uri: &SipUri) -> Option<Self> {
        let named = uri.params.value("transport").map(|name| Self::named(&name));
        match (uri.secure, named.unwrap_or(Some(Self::Udp))?) {
            (false, transport) => Some(transport),
            (true, Self::Udp | Self::Tcp | Self::Tls) => Some(Self::Tls),
            (true, Self::Ws | Self::Wss) => Some(Self::Wss),
        }
    }
}

/// Between which addresses a message travels: on which of our sockets, and to or from whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// How.
    pub transport: Transport,
    /// Our address; of a stream the one that is listened on, which Via and Contact tell, whoever has connected.
    pub local: SocketAddr,
    /// Theirs; of a stream the far end of the connection.
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
    /// Of a leg: nobody has refreshed its session in time (RFC 4028 §10).
    Expired,
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
    /// re-INVITE, UPDATE (in an early dialog, too) or PRACK with its session description; waits for [`super::Endpoint::respond`].
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
    /// 481 or 408 or silence to a request in the dialog, or a session that nobody has refreshed: the leg is over (RFC 5057 §5.1,
    /// RFC 4028 §10).
    Gone { leg: Leg, failure: Failure },
    /// The session is to be refreshed (RFC 4028 §7.4) and the far end takes no UPDATE: a [`super::Endpoint::reinvite`] with the
    /// description that was sent last, unless another one is under way.
    RefreshDue { leg: Leg },
    /// Who the far end of a leg is (RFC 7989), or is from here on; of a new INVITE its headers tell.
    SessionId { leg: Leg, uuid: Uuid },
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
    /// Where else the URI leads, in order (RFC 3263 §4.3), at most [`TARGETS_MAX`](crate::limits::TARGETS_MAX): after 503, silence
    /// and a transport error the next is tried.
    pub others: Vec<Flow>,
    /// Headers to add: any but those that the stack writes (Via, From, To, Call-ID, CSeq, Contact, Max-Forwards, Content-Length).
    /// Session-Expires asks for a session timer of so many seconds, Session-ID says who stands behind us.
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
        shown.field("others", &self.others);
        shown.field("headers", &self.headers).field("body", &masked(&self.body));
        shown.field("credentials", &self.credentials).finish()
    }
}
