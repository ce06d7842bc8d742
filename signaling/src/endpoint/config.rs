//! How an endpoint presents itself, and what it counts.

use std::time::Duration;

use crate::limits;
use crate::message::Method;
use crate::route::Shard;

/// How an endpoint presents itself and what it takes on.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// User part of our Contact.
    pub user: String,
    /// Host or `host:port` (IPv6 in brackets) to write into Via and Contact; `None`: the flow's local address.
    pub advertise: Option<String>,
    /// Value of Server and User-Agent; empty: none.
    pub user_agent: String,
    /// The methods of Allow; others are refused with 405. INVITE, ACK, BYE, CANCEL and OPTIONS are always taken.
    pub allow: Vec<Method>,
    /// The option tags of Supported, which are also those that a Require may name.
    pub supported: Vec<String>,
    /// How long a REFER's subscription may last (`Subscription-State: active;expires=`).
    pub refer_expires: Duration,
    /// Which Call-IDs we may mint: those that lead back to our shard.
    pub shard: Option<Shard>,
    /// Transactions at once; beyond it new INVITEs get a stateless 503.
    pub transactions_max: usize,
    /// Legs at once; beyond it new INVITEs get 503.
    pub legs_max: usize,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self {
            user: "baton".to_owned(),
            advertise: None,
            user_agent: "Baton".to_owned(),
            allow: vec![
                Method::Invite,
                Method::Ack,
                Method::Bye,
                Method::Cancel,
                Method::Options,
                Method::Info,
                Method::Update,
                Method::Refer,
                Method::Notify,
            ],
            supported: Vec::new(),
            refer_expires: limits::REFER_EXPIRES,
            shard: None,
            transactions_max: limits::TRANSACTIONS_MAX,
            legs_max: limits::LEGS_MAX,
        }
    }
}

/// What an endpoint has counted since it was made, and what it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests received, retransmissions included, in the order of [`Counters::METHODS`].
    pub requests_received: [u64; 15],
    /// Requests sent, without retransmissions, in the order of [`Counters::METHODS`].
    pub requests_sent: [u64; 15],
    /// Responses received by class: 1xx at 0 to 6xx at 5.
    pub responses_received: [u64; 6],
    /// Responses sent by class, without retransmissions: 1xx at 0 to 6xx at 5.
    pub responses_sent: [u64; 6],
    /// Requests and responses that we sent again.
    pub retransmissions_sent: u64,
    /// Requests that a server transaction had seen before.
    pub retransmissions_received: u64,
    /// Transactions alive.
    pub transactions_active: u64,
    /// Legs alive, those that only wait for a subscription or an answer to BYE included.
    pub legs_active: u64,
    /// Subscriptions of REFERs of theirs alive.
    pub subscriptions_active: u64,
    /// Client transactions ended by Timer B or F.
    pub timeouts: u64,
    /// Client transactions ended because the flow could not carry them.
    pub transport_errors: u64,
    /// Rejections by the endpoint itself, by reason.
    pub rejected: Rejected,
    /// Responses that match no transaction.
    pub stray_responses: u64,
    /// ACKs that match nothing.
    pub stray_acks: u64,
    /// Messages too broken to be answered.
    pub malformed: u64,
    /// Requests longer than a datagram should carry (RFC 3261 §18.1.1), sent all the same.
    pub oversized_requests_sent: u64,
    /// 2xx to our INVITE from a second fork, acknowledged and ended.
    pub forks_ended: u64,
    /// Commands that the leg's state left nothing to do for.
    pub commands_ignored: u64,
}

/// Rejections by the endpoint itself, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// 400: a header that is needed is missing or wrong.
    pub bad_request: u64,
    /// 405 and 501.
    pub method: u64,
    /// 415: a body or an encoding that is not SDP.
    pub content: u64,
    /// 416: a Request-URI that is neither sip nor tel, or sips on a flow without TLS.
    pub uri: u64,
    /// 420: Require names what we have not.
    pub extension: u64,
    /// 481: no such dialog, transaction or subscription.
    pub unknown: u64,
    /// 482: the same request by another way.
    pub merged: u64,
    /// 483: Max-Forwards is spent.
    pub hops: u64,
    /// 491: offers crossed.
    pub glare: u64,
    /// 500: CSeq out of order, or a second offer before the first was answered.
    pub order: u64,
    /// 503: draining.
    pub draining: u64,
    /// 503: a table is full.
    pub overload: u64,
    /// 505.
    pub version: u64,
}

impl Counters {
    /// The methods in the order in which they are counted; the last stands for every other.
    pub const METHODS: [&'static str; 15] = [
        "INVITE",
        "ACK",
        "BYE",
        "CANCEL",
        "OPTIONS",
        "REGISTER",
        "REFER",
        "NOTIFY",
        "SUBSCRIBE",
        "INFO",
        "UPDATE",
        "PRACK",
        "MESSAGE",
        "PUBLISH",
        "other",
    ];

    /// Where `method` stands in [`Self::METHODS`].
    pub fn index(method: &Method) -> usize {
        match method {
            Method::Invite => 0,
            Method::Ack => 1,
            Method::Bye => 2,
            Method::Cancel => 3,
            Method::Options => 4,
            Method::Register => 5,
            Method::Refer => 6,
            Method::Notify => 7,
            Method::Subscribe => 8,
            Method::Info => 9,
            Method::Update => 10,
            Method::Prack => 11,
            Method::Message => 12,
            Method::Publish => 13,
            Method::Other(_) => 14,
        }
    }

    /// Where a status stands among the classes; out of range statuses count as 6xx.
    pub fn class(status: u16) -> usize {
        (usize::from(status / 100).max(1) - 1).min(5)
    }
}
