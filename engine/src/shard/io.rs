//! What a shard asks of the world around it. The shell answers with sockets and actors, a test with a simulated
//! network and plain calls.
//!
//! Nothing here waits: every method returns at once, and none may call back into the shard, which is borrowed while
//! it runs. What a method cannot do at that moment (start a call's owner, hand it an input) it queues.

use std::net::SocketAddr;
use std::sync::Arc;

use baton_signaling::endpoint::{Flow, Transmit};
use baton_signaling::message::{Message, ParseError};

use super::{Outbox, Pair, Seen};
use crate::call::{Incoming, Input, KeySource};
use crate::key::CallKey;
use crate::media::Lane;

/// An RTP or RTCP datagram that lies in the buffer it was received into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The port pair it came to.
    pub pair: Pair,
    /// To which of its ports.
    pub lane: Lane,
    /// Who sent it.
    pub from: SocketAddr,
    /// Its bytes in the buffer.
    pub len: usize,
}

/// An admitted INVITE. Its owner makes the `Call` of it and settles it.
#[derive(Clone, Debug, PartialEq)]
pub struct NewCall {
    /// Its number.
    pub key: CallKey,
    /// Its id on the wire, in logs and in the API: 32 hexadecimal digits.
    pub id: String,
    /// Feeds what must look random in its session descriptions.
    pub seed: u64,
    /// Where its SRTP keys come from.
    pub keys: KeySource,
    /// The INVITE.
    pub incoming: Incoming,
}

/// A call's owner is not there any more; the shard ends what is left of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerGone;

/// What has come on a flow of SIP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// A message.
    Message(Message),
    /// What is wrong with one that deserves an answer all the same.
    Malformed(ParseError),
    /// Nothing more: the connection has closed, or could not be opened.
    Closed,
}

impl From<Result<Message, ParseError>> for Arrival {
    fn from(read: Result<Message, ParseError>) -> Self {
        match read {
            Ok(message) => Self::Message(message),
            Err(error) => Self::Malformed(error),
        }
    }
}

/// Who the far end of a flow has proven to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Names of its certificate (RFC 5922 §7.1), in lower case.
    pub names: Arc<[String]>,
}

/// The world of one shard.
pub trait Io {
    /// Writes the next waiting datagram of any open pair into `buffer`; a longer one is cut.
    fn receive_packet(&mut self, buffer: &mut [u8]) -> Option<Datagram>;

    /// Sends all packets of `outbox` and empties it. A packet that cannot leave is lost, as on any network.
    fn send_packets(&mut self, outbox: &mut Outbox);

    /// Opens both sockets of a pair and tells the address to write into SDP; `None`: another program has the port.
    fn open_ports(&mut self, pair: Pair) -> Option<SocketAddr>;

    /// Closes both sockets of a pair.
    fn close_ports(&mut self, pair: Pair);

    /// Whether packets to the pair's RTP port are urgent from now on: one that is ends a rest at once, in any case. Those of a
    /// new pair are not.
    fn set_urgent(&mut self, pair: Pair, urgent: bool);

    /// What has come next for this shard's endpoint.
    fn receive_message(&mut self) -> Option<(Flow, Arrival)>;

    /// Sends a SIP message, over a connection that is opened if there is none; `false`: its flow cannot carry it.
    fn send_message(&mut self, transmit: Transmit) -> bool;

    /// Who the far end of a flow has proven to be; `None`: nobody has asked it, or it has shown nothing.
    fn identity(&self, _: Flow) -> Option<Identity> {
        None
    }

    /// From which of our sockets to which addresses a request for `uri` may go, the best first (RFC 3263), at most
    /// [`TARGETS_MAX`](baton_signaling::limits::TARGETS_MAX); none: its host is not known.
    fn targets(&mut self, uri: &str) -> Vec<Flow>;

    /// A SIP message of a call has come or leaves, for whoever wants to export it. Must not wait.
    fn seen(&mut self, _: Seen<'_>) {}

    /// Makes an owner for an admitted call; `false`: there is none to be had, and the caller is refused.
    fn start(&mut self, call: NewCall) -> bool;

    /// Hands an input to the call's owner. A full mailbox is the owner's affair: it ends the call as overloaded.
    fn deliver(&mut self, call: CallKey, input: Input) -> Result<(), OwnerGone>;

    /// Whether packets or messages wait that the last turn's budget left behind.
    fn has_more(&self) -> bool;
}
