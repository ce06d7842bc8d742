//! How an endpoint presents itself, and what it counts.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Transport;
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
    /// What is listened on, so that a dialog finds its way where a route or Contact names another transport than it began
    /// with; without it requests keep to the transport of their dialog.
    pub listeners: Arc<[(Transport, SocketAddr)]>,
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
            listeners: Arc::new([]),
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
                Method::Prack,
            ],
            supported: vec!["timer".to_owned(), "100rel".to_owned(), "uui".to_owned()],
            refer_expires: limits::REFER_EXPIRES,
            shard: None,
            transactions_max: limits::TRANSACTIONS_MAX,
            legs_max: limits::LEGS_MAX,
        }
    }
}

/// Responses by the method they answer and by code. Codes that RFC 3261 §21 and the extensions in use here name are
/// counted each; any other, which a far end may make up, by its class, so that nobody can make the table grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Responses(BTreeMap<(usize, u16), u64>);

impl Responses {
    /// The codes that are counted each: RFC 3261 §21, 3262, 3265/6665, 3323, 4028, 4474, 5626 and Q.850 gateways' usual.
    const CODES: [u16; 62] = [
        100, 180, 181, 182, 183, 200, 202, 300, 301, 302, 305, 380, 400, 401, 402, 403, 404, 405, 406, 407,
        408, 410, 412, 413, 414, 415, 416, 420, 421, 422, 423, 428, 429, 430, 433, 436, 437, 438, 439, 440,
        469, 470, 480, 481, 482, 483, 484, 485, 486, 487, 488, 489, 491, 493, 494, 500, 501, 502, 503, 504,
        505, 513,
    ];

    /// Counts one; `None`: what it answers could not be read that far.
    pub(super) fn count(&mut self, method: Option<&Method>, status: u16) {
        let method = method.map_or(Counters::METHODS.len() - 1, Counters::index);
        let code = if Self::is_known(status) { status } else { (status / 100).clamp(1, 6) };
        *self.0.entry((method, code)).or_default() += 1;
    }

    /// Method (as in [`Counters::METHODS`]), code and count; a code below 10 stands for the rest of its class.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u16, u64)> {
        self.0.iter().map(|(&(method, code), &count)| (Counters::METHODS[method], code, count))
    }

    /// All of one code, to whatever method.
    pub fn of(&self, code: u16) -> u64 {
        self.iter().filter(|(_, other, _)| *other == code).map(|(_, _, count)| count).sum()
    }

    /// How a code of [`Self::iter`] is written: `503`, or `5xx` for the rest of a class.
    pub fn label(code: u16) -> String {
        if code < 10 { format!("{code}xx") } else { code.to_string() }
    }

    fn is_known(status: u16) -> bool {
        Self::CODES.contains(&status) || matches!(status, 600 | 603 | 604 | 606 | 607 | 608)
    }
}

/// What an endpoint has counted since it was made, and what it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests received, retransmissions included, in the order of [`Counters::METHODS`].
    pub requests_received: [u64; 15],
    /// Requests sent, without retransmissions, in the order of [`Counters::METHODS`].
    pub requests_sent: [u64; 15],
    /// Responses received.
    pub responses_received: Responses,
    /// Responses sent, without retransmissions.
    pub responses_sent: Responses,
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
    /// Requests of ours sent again with an answer to a 401 or 407.
    pub challenges_answered: u64,
    /// Requests of ours whose challenge had been answered before, or cannot be: the credentials are wrong.
    pub challenges_failed: u64,
    /// Refreshes of sessions that we have begun (RFC 4028).
    pub session_refreshes_sent: u64,
    /// INVITEs sent to the next of their targets (RFC 3263 §4.3).
    pub failovers: u64,
    /// Legs ended because nobody has refreshed their session.
    pub sessions_expired: u64,
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
    /// 422: a session interval below 90 s (RFC 4028 §5).
    pub interval: u64,
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
}

impl Rejected {
    /// Each reason with its count.
    pub const fn by_reason(&self) -> [(&'static str, u64); 14] {
        [
            ("bad_request", self.bad_request),
            ("method", self.method),
            ("content", self.content),
            ("uri", self.uri),
            ("extension", self.extension),
            ("interval", self.interval),
            ("unknown", self.unknown),
            ("merged", self.merged),
            ("hops", self.hops),
            ("glare", self.glare),
            ("order", self.order),
            ("draining", self.draining),
            ("overload", self.overload),
            ("version", self.version),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_a_far_end_makes_up_is_counted_by_its_class() {
        let mut responses = Responses::default();
        for status in [486, 486, 499, 498, 200, 699] {
            responses.count(Some(&Method::Invite), status);
        }
        responses.count(Some(&Method::Bye), 200);
        let shown: Vec<_> =
            responses.iter().map(|(method, code, count)| (method, Responses::label(code), count)).collect();
        let row = |method, code: &str, count| (method, code.to_owned(), count);
        let expected = [
            row("INVITE", "4xx", 2),
            row("INVITE", "6xx", 1),
            row("INVITE", "200", 1),
            row("INVITE", "486", 2),
            row("BYE", "200", 1),
        ];
        assert_eq!(shown, expected);
        assert_eq!(responses.of(200), 2);
    }
}
