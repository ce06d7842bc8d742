//! The caller's leg: taken in, rung, answered, asked whether it still lives, let go.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use baton_signaling::Time;
use baton_signaling::message::NameAddr;
use baton_signaling::sdp::{self, OpusFormat, Origin, Refusal};

use crate::call::call::{Call, Feed, Incoming};
use crate::call::context::Source;
use crate::call::history::Past;
use crate::call::identity::Identity;
use crate::call::leg::Port;
use crate::call::settings::{AnswerMode, FlowSettings, matches_pattern};
use crate::call::{Action, EndReason, Failure, Header, LegEnd, LegState, Moment, SipEvent, Timer};
use crate::key::LegId;
use crate::media::Order;

/// Between two 180 to an unanswered caller (RFC 3261 §13.3.1.1).
pub(super) const REFRESH: Duration = Duration::from_secs(60);
/// How long a silent far end may take to answer OPTIONS: it is sent four times within it (RFC 3261 §17.1.2.2).
pub(super) const PROBE_ANSWER: Duration = Duration::from_secs(4);

impl Call {
    /// The first turn: flow, codec, 180, and off to the AI.
    pub(super) fn take_in(&mut self, now: Time, incoming: Incoming) {
        let (display_from, uri) = self.read_from(&incoming.headers);
        self.from = display_from;
        let trusted = self.is_trusted(&incoming.peer);
        self.identity = Identity::read(&incoming.headers, trusted);
        self.read_session_id(&incoming.headers);
        self.past = Past::read(&incoming.headers);
        let caller = self.caller_mut();
        caller.state = LegState::Dialing;
        caller.uri = uri;
        self.flow = self.settings.flows.iter().position(|flow| matches_pattern(&flow.user, &incoming.user));
        self.merge_context(Source::Caller, &incoming.headers);
        if self.flow.is_none() {
            return self.end_call(now, EndReason::NoFlow);
        }
        if let Some(offer) = &incoming.sdp
            && let Err(refusal) = self.choose_codec(offer)
        {
            return self.refuse_offer(now, refusal);
        }
        self.caller_offer = incoming.sdp;
        self.caller_mut().state = LegState::Ringing;
        self.act(Action::Progress(LegId::CALLER, 180));
        self.timers.set(Timer::Refresh, now + REFRESH);
        if self.flow_settings().answer == AnswerMode::AtOnce {
            let hold = self.flow_settings().hold;
            self.feed = Feed::Park { tail: None, hold };
            self.answer_wanted = true;
        }
        self.try_ai(now, 0);
        self.ask_port(now, LegId::CALLER);
    }

    /// The flow; every call that gets past its first turn has one.
    pub(super) fn flow_settings(&self) -> &FlowSettings {
        &self.settings.flows[self.flow.expect("a call without a flow ends in its first turn")]
    }

    /// From of our legs, with the caller's name and user part, and the caller's URI.
    fn read_from(&self, headers: &[Header]) -> (String, String) {
        let host = &self.settings.from_host;
        let value = headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("From") || name.eq_ignore_ascii_case("f"))
            .map(|(_, value)| value);
        let Some(from) = value.and_then(|value| NameAddr::parse(value).ok()) else {
            return (format!("<sip:{host}>"), String::new());
        };
        let display = from
            .display
            .as_ref()
            .map_or_else(String::new, |name| format!("{} ", String::from_utf8_lossy(name)));
        let user =
            from.uri.user().map_or_else(String::new, |user| format!("{}@", String::from_utf8_lossy(user)));
        (format!("{display}<sip:{user}{host}>"), from.uri.to_string())
    }

    /// Chooses the caller's codec by its peer's own order, before there is a port to answer with.
    fn choose_codec(&mut self, offer: &[u8]) -> Result<(), Refusal> {
        // Any port will do: the answer is read for its codec and thrown away.
        let ours = self.capabilities(LegId::CALLER, SocketAddr::new(self.settings.media_host, 9));
        let ours = ours.ok_or(Refusal::Malformed)?;
        let answer = sdp::negotiate(offer, &ours, Origin { id: 1, version: 1 })?;
        self.caller_speaks(answer.media.payload);
        Ok(())
    }

    pub(super) fn caller_speaks(&mut self, payload: sdp::Payload) {
        self.caller_opus = OpusFormat::read(&payload.format);
        self.caller_codec = Some(payload.encoding);
    }

    pub(super) fn refuse_offer(&mut self, now: Time, refusal: Refusal) {
        self.counters.sdp_failures += 1;
        self.warning = Some(warning(refusal, &self.settings.from_host));
        let reason = match refusal {
            Refusal::Malformed => EndReason::BadOffer,
            Refusal::Security => EndReason::NoSecurity,
            _ => EndReason::NoCodec,
        };
        self.end_call(now, reason);
    }

    pub(super) fn refresh_ringing(&mut self, now: Time) {
        if self.caller().state == LegState::Ringing {
            // A caller that hears something goes on hearing it: a 180 would have it ring by itself again.
            self.act(match self.early_answer.clone() {
                Some(answer) => Action::Early(LegId::CALLER, answer),
                None => Action::Progress(LegId::CALLER, 180),
            });
            self.timers.set(Timer::Refresh, now + REFRESH);
        }
    }

    /// The caller is to have its 200: at once if it has its port, else when that comes.
    pub(super) fn answer_caller(&mut self, now: Time) {
        self.answer_wanted = true;
        if self.caller().state != LegState::Ringing {
            return;
        }
        if let Some(answer) = self.early_answer.take() {
            return self.send_answer(now, answer.0);
        }
        let Some(ours) = self.capabilities_of(LegId::CALLER) else { return };
        match self.caller_offer.take() {
            Some(offer) => match self.caller_mut().session.answer(&offer.0, &ours) {
                Ok(answer) => {
                    self.send_answer(now, answer.sdp);
                    self.open_leg(now, LegId::CALLER, &answer.media);
                    self.order_feed();
                }
                Err(refusal) => self.refuse_offer(now, refusal),
            },
            None => {
                let caller = self.caller_mut();
                caller.awaits_answer = true;
                let offer = caller.session.offer(&ours);
                self.send_answer(now, offer);
            }
        }
    }

    fn send_answer(&mut self, now: Time, sdp: Bytes) {
        self.timers.stop(Timer::Refresh);
        self.mark_up(now, LegId::CALLER);
        let headers = self.session_wish(&self.caller().peer).into_iter().collect();
        self.act(Action::Answer { leg: LegId::CALLER, sdp: sdp.into(), headers });
    }

    pub(super) fn caller_has_port(&mut self, now: Time) {
        self.describe_to_caller(now);
        if self.answer_wanted {
            self.answer_caller(now);
        }
    }

    /// The ACK to our 200 brings the answer of a caller who sent no offer.
    pub(super) fn caller_answered_offer(&mut self, now: Time, sdp: Option<&[u8]>) {
        self.caller_mut().awaits_answer = false;
        let Some(media) = self.read_answer_on(LegId::CALLER, sdp) else {
            return self.end_call(now, EndReason::CallerBadAnswer);
        };
        self.caller_speaks(media.payload.clone());
        self.open_leg(now, LegId::CALLER, &media);
        self.order_feed();
    }

    pub(super) fn caller_event(&mut self, now: Time, event: SipEvent) {
        match event {
            SipEvent::Bye { .. } => self.caller_left(now, EndReason::CallerHungUp, LegEnd::TheyHungUp),
            SipEvent::Cancelled { .. } => {
                self.caller_left(now, EndReason::CallerCancelled, LegEnd::TheyHungUp);
            }
            SipEvent::Gone { failure: Failure::Expired } => {
                self.caller_left(now, EndReason::SessionExpired, LegEnd::Expired);
            }
            SipEvent::Gone { .. } => self.caller_left(now, EndReason::CallerGone, LegEnd::Gone),
            SipEvent::NotAcked => self.end_call(now, EndReason::CallerNotAcked),
            SipEvent::Alive => self.caller_alive(now),
            _ => self.counters.late_events += 1,
        }
    }

    fn caller_left(&mut self, now: Time, reason: EndReason, cause: LegEnd) {
        self.close_caller(now, cause);
        self.end_call(now, reason);
    }

    /// The caller's leg is over on the wire: its media and its port go.
    fn close_caller(&mut self, now: Time, cause: LegEnd) {
        let caller = self.caller_mut();
        caller.state = LegState::Over;
        caller.ended = Some(now);
        let (open, port) = (caller.config.is_some(), caller.port);
        if open {
            self.act(Action::Media(Order::Close { leg: LegId::CALLER }));
        }
        if matches!(port, Port::Held(_)) {
            self.release_port(LegId::CALLER, port);
        }
        self.note(now, Moment::LegEnded { leg: LegId::CALLER, cause });
    }

    /// We end the caller's leg, unless it is over: BYE, or the final refusal its INVITE still waits for.
    pub(super) fn end_caller(&mut self, now: Time, reason: EndReason) {
        let row = reason.row();
        let mut headers = self.last_words();
        match self.caller().state {
            LegState::Over => return,
            LegState::Up => self.act(Action::HangUp(LegId::CALLER, headers)),
            LegState::Idle | LegState::Dialing | LegState::Ringing => {
                headers.extend(self.warning.take());
                let wait = self.retry_after(reason);
                headers.extend(wait.map(|it| ("Retry-After".to_owned(), Bytes::from(it.to_string()))));
                let reason = row.phrase.to_owned();
                self.act(Action::Reject { leg: LegId::CALLER, status: row.status, reason, headers });
            }
        }
        self.close_caller(now, LegEnd::WeHungUp);
    }

    /// Nothing has come from a leg for `timers.media`.
    pub(super) fn leg_silent(&mut self, now: Time, id: LegId) {
        let Some(leg) = self.leg_mut(id).filter(|leg| leg.is_up()) else {
            self.counters.late_events += 1;
            return;
        };
        leg.silent = true;
        self.note(now, Moment::LegSilent { leg: id });
        if id == LegId::CALLER {
            self.probe_caller(now);
        } else if self.partner() == Some(id) {
            self.far_silent = Some(id);
            self.timers.set(Timer::FarProbe, now + PROBE_ANSWER);
            self.act(Action::Probe(id));
        }
    }

    pub(super) fn leg_heard(&mut self, id: LegId) {
        if let Some(leg) = self.leg_mut(id) {
            leg.silent = false;
        }
        if id == LegId::CALLER {
            self.caller_probed = false;
            self.timers.stop(Timer::CallerProbe);
        } else if self.far_silent == Some(id) {
            self.far_silent = None;
            self.timers.stop(Timer::FarProbe);
        }
    }

    fn probe_caller(&mut self, now: Time) {
        self.caller_probed = true;
        self.timers.set(Timer::CallerProbe, now + PROBE_ANSWER);
        self.act(Action::Probe(LegId::CALLER));
    }

    /// A caller who sends nothing but answers OPTIONS is there; it is asked again after `timers.media`.
    fn caller_alive(&mut self, now: Time) {
        if self.caller_probed {
            self.caller_probed = false;
            self.timers.set(Timer::CallerProbe, now + self.settings.timers.media);
        }
    }

    pub(super) fn caller_probe_due(&mut self, now: Time) {
        if self.caller_probed {
            self.end_call(now, EndReason::CallerSilent);
        } else {
            self.probe_caller(now);
        }
    }
}

/// `Warning: 305 host "text"` (RFC 3261 §20.43).
pub(super) fn warning(refusal: Refusal, host: &str) -> Header {
    let (code, text) = refusal.warning();
    ("Warning".to_owned(), Bytes::from(format!("{code} {host} \"{text}\"")))
}
