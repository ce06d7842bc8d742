//! Everything a call can be told, and everything it can ask for.
//!
//! Headers are kept as they came: name in the sender's spelling, value without surrounding white space.

use std::net::SocketAddr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use baton_signaling::sdp::Description;

use crate::key::LegId;
use crate::media::{Measured, MediaEvent, Order};
use crate::queue::{Notice, QueueRequest};

/// A header as it stood or is to stand in a message.
pub type Header = (String, Bytes);

/// A request of the far end that waits for our answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestKey(pub u64);

/// Everything a call can be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// Something happened in a leg's SIP dialog.
    Sip(LegId, SipEvent),
    /// A port pair asked for by [`Action::AllocatePort`] is there: the address to write into SDP.
    Port(LegId, Result<SocketAddr, NoPort>),
    /// Something happened in the session.
    Media(MediaEvent),
    /// What legs and parts of the call were like that an order has just ended.
    Measured(Vec<Measured>),
    /// The queues have news.
    Queue(Notice),
    /// An operator or the API wants the call ended.
    HangUp,
    /// The node's drain deadline has come: end with BYE on every leg.
    DrainDeadline,
    /// The node could not serve this call any further (mailbox overflow, panic of a neighbour machine).
    Overload,
}

/// Why there is no port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoPort {
    /// All of the shard's ports are in use or resting.
    Exhausted,
    /// The socket could not be opened.
    Refused,
}

/// Why a request has no good answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Failure {
    /// The far end said no: the SIP status, 300–699.
    Status(u16),
    /// No response within the transaction's time (RFC 3261 timers B and F).
    Timeout,
    /// The message could not be sent: no address, port unreachable.
    Transport,
    /// Nobody has refreshed the session (RFC 4028).
    Expired,
}

/// What can happen in a leg's dialog. Transactions, ACK, retransmission, 100 Trying and 487 are the endpoint's business.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SipEvent {
    /// 100–199 to our INVITE; 100 only ends the wait for a first sign of life.
    Progress {
        /// The status.
        status: u16,
        /// Its SDP, if any.
        sdp: Option<Description>,
    },
    /// 2xx to our INVITE. The ACK has been sent. Further 2xx of other forks are acknowledged and ended by the endpoint.
    Answered {
        /// The answer.
        sdp: Option<Description>,
        /// All its headers.
        headers: Vec<Header>,
    },
    /// Our INVITE failed.
    Refused {
        /// How.
        failure: Failure,
        /// Headers of the response, if there was one.
        headers: Vec<Header>,
    },
    /// The ACK to our 2xx came, with its SDP if any.
    Acked {
        /// The answer of a far end that sent no offer.
        sdp: Option<Description>,
    },
    /// No ACK came for our 2xx within 64·T1 (RFC 3261 §13.3.1.4).
    NotAcked,
    /// The far end cancelled its INVITE; 487 has been sent.
    Cancelled {
        /// Headers of the CANCEL (Reason).
        headers: Vec<Header>,
    },
    /// BYE; 200 has been sent.
    Bye {
        /// All its headers.
        headers: Vec<Header>,
    },
    /// A re-INVITE or UPDATE that waits for [`Action::Respond`].
    Offer {
        /// To answer with.
        request: RequestKey,
        /// The offer; `None`: the far end asks us for one.
        sdp: Option<Description>,
    },
    /// REFER that waits for [`Action::Respond`]; its implicit subscription (RFC 3515) is named by `request` in [`Action::Notify`].
    Refer {
        /// To answer with.
        request: RequestKey,
        /// The Refer-To value as it came (with URI headers).
        refer_to: Bytes,
        /// All its headers.
        headers: Vec<Header>,
    },
    /// INFO that waits for [`Action::Respond`].
    Info {
        /// To answer with.
        request: RequestKey,
        /// Its Content-Type.
        content_type: String,
        /// Its body.
        body: Bytes,
    },
    /// A NOTIFY of ours was refused or not answered: that subscription is over, nothing else.
    NotifyFailed {
        /// The REFER whose subscription it was.
        request: RequestKey,
    },
    /// Our re-INVITE was answered.
    Reanswered {
        /// The answer.
        sdp: Option<Description>,
    },
    /// Our re-INVITE was refused; the dialog lives on as it was. 491 has been retried by the endpoint (RFC 3261 §14.1).
    Rerefused {
        /// How.
        failure: Failure,
    },
    /// An OPTIONS of ours within the dialog was answered: the far end lives.
    Alive,
    /// Who the far end is (RFC 7989), 32 hexadecimal digits, or is from here on; of a new INVITE its headers tell.
    SessionId {
        /// Its UUID.
        uuid: String,
    },
    /// The session is to be refreshed (RFC 4028) by [`Action::Reinvite`] with the description sent last.
    RefreshDue,
    /// 481 or 408 (or silence) to a request within the dialog, or a session nobody has refreshed: the dialog is over (RFC 5057).
    Gone {
        /// How.
        failure: Failure,
    },
}

/// A new leg to be called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dial {
    /// The Request-URI, as configured or as an offer said.
    pub uri: String,
    /// The peer's name, for its credentials and outgoing headers.
    pub peer: String,
    /// From: display name and URI; the tag is the endpoint's.
    pub from: String,
    /// Headers to add, in order.
    pub headers: Vec<Header>,
    /// Our offer.
    pub sdp: Description,
}

/// Everything a call can ask for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// A pair of ports for this leg; [`Input::Port`] follows at once or later.
    AllocatePort(LegId),
    /// Send INVITE.
    Dial(LegId, Dial),
    /// Send a provisional response to the caller's INVITE.
    Progress(LegId, u16),
    /// Answer the offer of the caller's INVITE in a 183: what it is to hear before the call is answered.
    Early(LegId, Description),
    /// Answer the caller's INVITE with 200.
    Answer {
        /// The caller's leg.
        leg: LegId,
        /// The answer.
        sdp: Description,
        /// Headers to add.
        headers: Vec<Header>,
    },
    /// Answer the caller's INVITE with a final refusal.
    Reject {
        /// The caller's leg.
        leg: LegId,
        /// 300–699.
        status: u16,
        /// Reason phrase.
        reason: String,
        /// Headers to add (Retry-After, Warning, Reason).
        headers: Vec<Header>,
    },
    /// Give up an INVITE of ours: CANCEL as soon as RFC 3261 §9.1 allows; a 2xx that crosses it is acknowledged and ended.
    Cancel(LegId, Vec<Header>),
    /// Send BYE (or CANCEL, or a refusal: whatever ends this leg in its state).
    HangUp(LegId, Vec<Header>),
    /// Answer an [`SipEvent::Offer`], [`SipEvent::Refer`] or [`SipEvent::Info`].
    Respond {
        /// The leg.
        leg: LegId,
        /// Which request.
        request: RequestKey,
        /// The status.
        status: u16,
        /// SDP, if it answers an offer.
        sdp: Option<Description>,
        /// Headers to add.
        headers: Vec<Header>,
    },
    /// Send re-INVITE with this offer.
    Reinvite(LegId, Description),
    /// Send INFO in the dialog (RFC 6086 calls this use legacy; phones know no other).
    Info {
        /// The leg.
        leg: LegId,
        /// Its Content-Type.
        content_type: String,
        /// Its body.
        body: Bytes,
    },
    /// Ask the far end with OPTIONS, in the dialog, whether it lives.
    Probe(LegId),
    /// Tell a REFER's subscription how it goes (RFC 3515, sipfrag); a final status ends the subscription.
    Notify {
        /// The leg that sent REFER.
        leg: LegId,
        /// Which REFER.
        request: RequestKey,
        /// SIP status of the sipfrag.
        status: u16,
        /// Its reason phrase.
        reason: String,
        /// Headers of the sipfrag (Reason).
        headers: Vec<Header>,
    },
    /// With whom the far end of a leg speaks from here on (RFC 7989): 32 hexadecimal digits.
    SessionId(LegId, String),
    /// Something for the session.
    Media(Order),
    /// Something for the queues.
    Queue(QueueRequest),
    /// Give the port pair of a closed leg back.
    ReleasePort(LegId),
    /// The call is over; its record is to be had from the call. Nothing follows.
    End,
}
