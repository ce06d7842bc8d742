//! The four transaction machines of RFC 3261 §17 with RFC 6026's Accepted states, and how messages find them.
//!
//! A machine knows time and status codes. It holds no message and no address: whoever owns it keeps the bytes and sends
//! them when the machine says so.

mod client;
mod invite_client;
mod invite_server;
pub(crate) mod key;
mod server;
mod timers;

pub(crate) use client::Client;
pub(crate) use invite_client::InviteClient;
pub(crate) use invite_server::InviteServer;
pub(crate) use server::Server;
pub(crate) use timers::{T1, T1_64, T2};

/// What a transaction wants of its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Send the request again.
    SendRequest,
    /// Send the last response, again or for the first time.
    SendResponse,
    /// Send the ACK to the rejection again.
    SendAck,
    /// The response is news for the transaction's user.
    Deliver,
    /// As [`Output::Deliver`]; the response is a rejection, so send its ACK too.
    AckAndDeliver,
    /// The ACK is for the transaction's user: it acknowledges a 2xx.
    DeliverAck,
    /// No response came: tell the transaction's user.
    TimedOut,
    /// No ACK to a rejection came: tell the transaction's user.
    NoAck,
}
