//! The few values of the settings that a call needs: flows, peers, queues, timers, limits. Shared by all calls of a
//! node and never changed after start. Left out: what only transports, media or the queues themselves need.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::call::Header;
use crate::media::{Dtmf, JitterMs, Prompt, Repair};
use crate::settings::{ContextRules, DtmfRule, EarlyMedia};

/// What all calls of a node share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSettings {
    /// The flows, in the order in which they are tried.
    pub flows: Vec<FlowSettings>,
    /// Peers by name.
    pub peers: BTreeMap<String, CallPeer>,
    /// Queues by name.
    pub queues: BTreeMap<String, CallQueue>,
    /// Hosts that are this node: a handoff's target at one of them names a queue by its user part. Compared without case.
    pub hosts: Vec<String>,
    /// The host and port written into the From of legs we begin ("203.0.113.7:5060").
    pub from_host: String,
    /// The address written into SDP for RTP; offers of the other IP family cannot be answered.
    pub media_host: IpAddr,
    /// How long things may take.
    pub timers: CallTimers,
    /// Our offers ask every far end for extended RTCP reports (RFC 3611 §5.1).
    pub extended_reports: bool,
    /// An Opus far end is told by re-INVITE when another bandwidth than it was told of is heard on the other side.
    pub wideband_reinvite: bool,
    /// How often, per call, a caller is given back to the AI before the announcement is all that is left.
    pub handoffs_per_call: u32,
}

/// One flow: which AI answers whom, and what happens when it cannot or will not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowSettings {
    /// Its name.
    pub name: String,
    /// Which user parts of the Request-URI it takes: exact, or with one `*` that stands for any run of characters.
    pub user: String,
    /// The AI's peer.
    pub ai: String,
    /// The default queue: where callers go whom the AI cannot serve and handoffs whose target is not allowed.
    pub queue: Option<String>,
    /// What happens to a caller whom no address of the AI answers.
    pub on_ai_failure: OnAiFailure,
    /// When the caller's INVITE gets its 200.
    pub answer: AnswerMode,
    /// By which headers a BYE of the AI is a handoff.
    pub bye_rules: Vec<ByeRule>,
    /// The caller's own way from the AI to a person.
    pub escape: Option<Dtmf>,
    /// Which headers are carried to a person, under which names, and how many.
    pub context: ContextRules,
    /// What a caller hears who waits in no queue (answered at once, or dialling one URI).
    pub hold: Prompt,
    /// What a caller hears before we hang up, where no queue has an announcement of its own.
    pub announcement: Prompt,
}

/// What happens to a caller whom no address of the AI answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnAiFailure {
    /// Straight to the flow's queue.
    Queue,
    /// A final refusal, so that an upstream fallback fires.
    Reject,
}

/// When the caller's INVITE gets its 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerMode {
    /// When the AI has answered.
    Late,
    /// As soon as we have a port.
    AtOnce,
}

/// A rule by which a BYE is a handoff: the header is there and not empty, and equals `value` if that is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByeRule {
    /// The header's name, compared without case.
    pub name: String,
    /// The value it must have, compared without case; `None`: any that is not empty.
    pub value: Option<String>,
}

/// What a call needs to know of a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallPeer {
    /// Codecs by their SDP names, in order of preference.
    pub codecs: Vec<String>,
    /// Its addresses, first to be tried first.
    pub uris: Vec<String>,
    /// Headers added to each INVITE we send it.
    pub headers: Vec<Header>,
    /// Where its REFER may point besides our own names and queues: SIP URIs with one `*` that stands for any run of characters.
    pub refer_to: Vec<String>,
    /// Whether what its legs send is repaired where it could be relayed.
    pub repair: Repair,
    /// How digits travel to and from it.
    pub dtmf: DtmfRule,
    /// Whether its legs are to be secured.
    pub srtp: SrtpPolicy,
    /// Whether the caller hears what its legs send before they are answered.
    pub early_media: EarlyMedia,
    /// The session timer asked for, in seconds (RFC 4028); 0: none.
    pub session_expires: u32,
    /// Where a call was before is not told to it (RFC 7044, RFC 5806).
    pub history_hidden: bool,
    /// How long what its legs send may be held; `None`: as every session does.
    pub jitter_ms: Option<JitterMs>,
    /// It may say who calls, and may be told (RFC 3325).
    pub trusted: bool,
}

/// Whether legs of a peer are secured by SRTP with SDES keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SrtpPolicy {
    /// Plain RTP.
    #[default]
    Off,
    /// SRTP where the peer takes it.
    Optional,
    /// SRTP or no call.
    Required,
}

/// What a call needs to know of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallQueue {
    /// The peer by whose rules its agents' legs speak.
    pub peer: String,
    /// What a caller hears while waiting.
    pub hold: Prompt,
    /// What a caller hears before we hang up.
    pub announcement: Prompt,
    /// Longest stay in the queue; the queues end it, the call only keeps watch behind them.
    pub wait: Duration,
    /// How long an agent rings; used for a target that is one URI and no queue.
    pub ring: Duration,
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallTimers {
    /// Until the AI's first provisional response.
    pub ai_provisional: Duration,
    /// Until the AI's final response.
    pub ai_answer: Duration,
    /// Without a packet until a leg is silent; also between two looks at a silent caller that still answers OPTIONS.
    pub media: Duration,
    /// Something wrong with a leg's sound until an alarm, and again until the session is offered to it once more.
    pub one_way: Duration,
    /// Most that is still played of the AI's sentence when a person has answered, in milliseconds.
    pub ai_tail_ms: u32,
}

impl Default for CallTimers {
    fn default() -> Self {
        Self {
            ai_provisional: Duration::from_secs(2),
            ai_answer: Duration::from_secs(10),
            media: Duration::from_secs(30),
            one_way: Duration::from_secs(2),
            ai_tail_ms: 1500,
        }
    }
}

impl ByeRule {
    /// Reads `Name` or `Name: value`; `None` if the name is empty or is no token (RFC 3261 §25.1).
    pub fn parse(text: &str) -> Option<Self> {
        let (name, value) = match text.split_once(':') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (text.trim(), None),
        };
        let token = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
        if name.is_empty() || !name.chars().all(token) || value.is_some_and(str::is_empty) {
            return None;
        }
        Some(Self { name: name.to_owned(), value: value.map(str::to_owned) })
    }

    /// Whether one of `headers` fulfils the rule.
    pub fn holds(&self, headers: &[Header]) -> bool {
        headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(&self.name)).any(|(_, value)| {
            let value = value.trim_ascii();
            match &self.value {
                Some(wanted) => value.eq_ignore_ascii_case(wanted.as_bytes()),
                None => !value.is_empty(),
            }
        })
    }
}

/// Whether `text` is `pattern`, in which the first `*` stands for any run of characters; compared without case.
pub(crate) fn matches_pattern(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern.eq_ignore_ascii_case(text),
        Some((head, tail)) => {
            let (text, head, tail) = (text.as_bytes(), head.as_bytes(), tail.as_bytes());
            text.len() >= head.len() + tail.len()
                && text[..head.len()].eq_ignore_ascii_case(head)
                && text[text.len() - tail.len()..].eq_ignore_ascii_case(tail)
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn header(name: &str, value: &'static str) -> Header {
        (name.to_owned(), Bytes::from_static(value.as_bytes()))
    }

    #[test]
    fn a_bye_rule_with_a_value_wants_that_value_without_case() {
        let rule = ByeRule::parse("X-contained: false").unwrap();
        assert!(rule.holds(&[header("x-CONTAINED", " False ")]));
        assert!(!rule.holds(&[header("X-contained", "true")]));
        assert!(!rule.holds(&[]));
    }

    #[test]
    fn a_bye_rule_without_a_value_wants_any_that_is_not_empty() {
        let rule = ByeRule::parse("X-destination").unwrap();
        assert!(rule.holds(&[header("x-destination", "sales")]));
        assert!(!rule.holds(&[header("X-destination", "  ")]));
    }

    #[test]
    fn a_rule_that_names_no_header_is_none() {
        for text in ["", ": x", "X y", "X-a:"] {
            assert_eq!(ByeRule::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        assert!(matches_pattern("*", ""));
        assert!(matches_pattern("sip:*@transfer.example", "sip:ann@Transfer.example"));
        assert!(!matches_pattern("sip:*@transfer.example", "sip:ann@evil.example"));
        assert!(!matches_pattern("ab*ba", "aba"));
        assert!(matches_pattern("1000", "1000"));
        assert!(!matches_pattern("1000", "10001"));
    }
}
