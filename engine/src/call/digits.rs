//! Digits: the caller's way out to a person, and what comes and goes as INFO.
//!
//! The session passes on by itself what it hears as telephone-event or tone, where the other side has one of the two;
//! here is what is left. No digit is kept, logged or shown.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use baton_signaling::Time;
use baton_signaling::sdp::Negotiated;

use crate::call::call::{Call, Feed, Stage};
use crate::call::counters::HandoffMethod;
use crate::call::target::Target;
use crate::call::{Action, Moment, RequestKey, Role, leg_config};
use crate::key::LegId;
use crate::media::{Digits, Dtmf, LegConfig, Order};
use crate::settings::DtmfRule;

/// One press that comes as INFO and in the media comes the second time within this: a round trip and a jitter buffer.
const SAME_PRESS: Duration = Duration::from_millis(700);
/// A key that bounces, or is hit twice in impatience, asks once.
const DEBOUNCE: Duration = Duration::from_secs(1);
/// INFOs sent to one call's legs in a second: nobody presses faster, and each is a transaction (for 32 s, where it is
/// not answered) of a table that all calls share.
const INFOS_PER_SECOND: u32 = 20;
/// What INFO may bring, for the Accept of a refusal (RFC 3261 §21.4.13).
const ACCEPT: &str = "application/dtmf-relay, application/dtmf";

/// How a press came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Way {
    /// telephone-event or a tone.
    Media,
    Info,
}

/// Presses that may come a second time: nobody presses more keys within [`SAME_PRESS`], and who does is heard twice.
const PRESSES_MAX: usize = 16;

/// The latest presses, in their order.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Presses(VecDeque<Press>);

impl Presses {
    /// Whether this is the second coming of a press that came the other way, which is then done with.
    fn again(&mut self, now: Time, leg: LegId, digit: Dtmf, way: Way) -> bool {
        let same = |press: &Press| press.is(leg, digit) && press.way != way && press.within(now, SAME_PRESS);
        self.0.iter().position(same).and_then(|at| self.0.remove(at)).is_some()
    }

    /// Whether this digit was the last one pressed, and a moment ago.
    fn bounces(&self, now: Time, leg: LegId, digit: Dtmf) -> bool {
        self.0.back().is_some_and(|press| press.is(leg, digit) && press.within(now, DEBOUNCE))
    }

    fn push(&mut self, press: Press) {
        if self.0.len() == PRESSES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(press);
    }
}

/// A press, to know its second coming.
#[derive(Clone, Copy, Debug, Serialize)]
struct Press {
    leg: LegId,
    #[serde(skip)]
    digit: Dtmf,
    way: Way,
    at: Time,
}

impl Press {
    fn is(&self, leg: LegId, digit: Dtmf) -> bool {
        (self.leg, self.digit) == (leg, digit)
    }

    fn within(&self, now: Time, span: Duration) -> bool {
        now.saturating_duration_since(self.at) < span
    }
}

/// INFOs sent in the second that began then.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct InfoPace {
    since: Time,
    sent: u32,
}

impl InfoPace {
    /// Whether one more may be sent.
    fn allows(&mut self, now: Time) -> bool {
        if now.saturating_duration_since(self.since) >= Duration::from_secs(1) {
            *self = Self { since: now, sent: 0 };
        }
        self.sent += 1;
        self.sent <= INFOS_PER_SECOND
    }
}

/// What an INFO says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Info {
    /// Nothing that concerns us, but well said: no body (a keep-alive), or the hook flash.
    Nothing,
    Digit(Dtmf),
    /// A kind of body that we do not take.
    Unknown,
    /// The right kind, and not to be read.
    Bad,
}

impl Call {
    /// How digits travel to and from a peer.
    pub(super) fn dtmf_rule(&self, peer: &str) -> DtmfRule {
        self.settings.peers.get(peer).map(|peer| peer.dtmf).unwrap_or_default()
    }

    /// How a leg speaks by its offer and answer and by its peer's settings.
    pub(super) fn config_of(&self, id: LegId, media: &Negotiated) -> LegConfig {
        let rule = self.leg(id).map(|leg| self.dtmf_rule(&leg.peer)).unwrap_or_default();
        let mut config = leg_config(media, self.repair_of(id));
        let peer = self.leg(id).and_then(|leg| self.settings.peers.get(&leg.peer));
        config.jitter_ms = peer.and_then(|peer| peer.jitter_ms);
        config.digits = match rule {
            DtmfRule::Auto | DtmfRule::Inband if config.telephone_event.is_none() => Digits::Tones,
            DtmfRule::Info => Digits::Info,
            _ => Digits::None,
        };
        config
    }

    /// INFO: a digit in the old way.
    pub(super) fn info(
        &mut self,
        now: Time,
        id: LegId,
        request: RequestKey,
        content_type: &str,
        body: &[u8],
    ) {
        let info = read_info(content_type, body);
        let (status, headers) = match info {
            Info::Nothing | Info::Digit(_) => (200, Vec::new()),
            Info::Unknown => (415, vec![("Accept".to_owned(), Bytes::from_static(ACCEPT.as_bytes()))]),
            Info::Bad => (400, Vec::new()),
        };
        self.counters.infos_refused += u64::from(status != 200);
        self.respond(id, request, status, None, headers);
        if let Info::Digit(digit) = info {
            self.pressed(now, id, digit, Way::Info);
        }
    }

    /// A digit was pressed. One that came both ways counts once.
    pub(super) fn pressed(&mut self, now: Time, leg: LegId, digit: Dtmf, way: Way) {
        if self.presses.again(now, leg, digit, way) {
            return;
        }
        let bounced = self.presses.bounces(now, leg, digit);
        self.presses.push(Press { leg, digit, way, at: now });
        self.counters.digits += 1;
        self.note(now, Moment::Digit { leg, digit: crate::call::Masked });
        if let (Stage::WithAi { ai }, LegId::CALLER) = (self.stage, leg)
            && self.flow_settings().escape == Some(digit)
        {
            if !bounced {
                self.escape(now, ai);
            }
            return;
        }
        self.pass_on(now, leg, digit, way);
    }

    /// The caller asks for a person.
    fn escape(&mut self, now: Time, ai: LegId) {
        let Some(queue) = self.flow_settings().queue.clone() else { return };
        self.counters.escapes += 1;
        self.context.begin_handoff();
        self.start_handoff(now, HandoffMethod::Dtmf, ai, Target::Queue(queue), Vec::new());
    }

    /// To the other side, as far as the session has not done so by itself.
    fn pass_on(&mut self, now: Time, from: LegId, digit: Dtmf, way: Way) {
        let to = match self.partner() {
            Some(partner) if from == LegId::CALLER => partner,
            Some(partner) if from == partner => LegId::CALLER,
            _ => return,
        };
        let Some(config) = self.leg(to).and_then(|leg| leg.config.as_ref()) else { return };
        if config.digits == Digits::Info && config.telephone_event.is_none() {
            let Some(key) = digit.key() else { return };
            if !self.info_pace.allows(now) {
                self.counters.infos_dropped += 1;
                return;
            }
            self.act(Action::Info {
                leg: to,
                content_type: "application/dtmf-relay".to_owned(),
                body: Bytes::from(format!("Signal={key}\r\nDuration=160\r\n")),
            });
        } else if way == Way::Info {
            self.act(Action::Media(Order::Dtmf { leg: to, digit }));
        }
    }

    /// Has the session keep the escape digit from the AI, and from nobody else.
    pub(super) fn order_escape(&mut self) {
        let Some(digit) = self.flow_settings().escape else { return };
        let ai = |id| self.leg(id).is_some_and(|leg| leg.role == Role::Ai);
        let withheld = matches!(self.feed, Feed::Bridge(with) if ai(with));
        if std::mem::replace(&mut self.withheld, withheld) != withheld {
            self.act(Action::Media(Order::Withhold { digit: withheld.then_some(digit) }));
        }
    }
}

fn read_info(content_type: &str, body: &[u8]) -> Info {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let relay = kind.eq_ignore_ascii_case("application/dtmf-relay");
    if body.is_empty() && !relay {
        return Info::Nothing;
    }
    if !relay && !kind.eq_ignore_ascii_case("application/dtmf") {
        return Info::Unknown;
    }
    let Ok(text) = std::str::from_utf8(body) else { return Info::Bad };
    let signal = if relay {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case("signal").then(|| value.trim())
        })
    } else {
        Some(text.trim())
    };
    signal.map_or(Info::Bad, read_signal)
}

/// A key by its character or, as gateways also write it, by its event code; 16 is the hook flash.
fn read_signal(signal: &str) -> Info {
    let mut letters = signal.chars();
    if let (Some(letter), None) = (letters.next(), letters.next()) {
        return match Dtmf::of(letter) {
            Some(digit) => Info::Digit(digit),
            None if letter == '!' => Info::Nothing,
            None => Info::Bad,
        };
    }
    match signal.parse::<u8>() {
        Ok(code @ 10..=15) => Info::Digit(Dtmf(code)),
        Ok(16) => Info::Nothing,
        _ if signal.eq_ignore_ascii_case("hf") => Info::Nothing,
        _ => Info::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_in_info_are_read_in_all_spellings() {
        for (kind, body, digit) in [
            ("application/dtmf-relay", "Signal= 5\r\nDuration=160\r\n", 5),
            ("application/dtmf-relay", "Duration=160\nsignal=d\n", 15),
            ("Application/DTMF; x=y", "#", 11),
            ("application/dtmf", "10\r\n", 10),
            ("application/dtmf-relay", "Signal=*\r\n", 10),
        ] {
            assert_eq!(read_info(kind, body.as_bytes()), Info::Digit(Dtmf(digit)), "{body}");
        }
    }

    #[test]
    fn what_is_no_digit_is_told_from_what_cannot_be_read() {
        for (kind, body, info) in [
            ("", "", Info::Nothing),
            ("application/dtmf-relay", "Signal=16\r\n", Info::Nothing),
            ("application/dtmf-relay", "", Info::Bad),
            ("application/dtmf-relay", "Duration=160", Info::Bad),
            ("application/dtmf-relay", "Signal=\r\n", Info::Bad),
            ("application/dtmf", "55", Info::Bad),
            ("application/dtmf", "x", Info::Bad),
            ("text/plain", "5", Info::Unknown),
            ("", "5", Info::Unknown),
        ] {
            assert_eq!(read_info(kind, body.as_bytes()), info, "{kind} {body}");
        }
        assert_eq!(read_info("application/dtmf", b"\xff"), Info::Bad);
    }
}
