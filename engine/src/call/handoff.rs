//! Handoffs: asked for by REFER or by a BYE with headers, told to the AI in NOTIFY, completed or failed, each once.
//! Left out: the wait for a person (`stay.rs`) and the person's phone (`agent.rs`).

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use baton_signaling::Time;

use crate::call::call::{Call, Feed, Stage};
use crate::call::context::Source;
use crate::call::counters::HandoffMethod;
use crate::call::leg::Farewell;
use crate::call::record::HandoffState;
use crate::call::target::{self, Target, Wish};
use crate::call::{Action, EndReason, Header, LegEnd, Moment, RequestKey, Role, Timer};
use crate::key::LegId;
use crate::queue::{Outcome, Place};

/// How long the AI may take to say BYE after its handoff has succeeded; then we do.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);
/// REFERs that one handoff may hold: the first and those merged into it. An AI that repeats itself more often gets 491.
pub(super) const REFERS_MAX: usize = 8;
/// Headers of a BYE that may name the destination, in the order in which they are looked at.
const DESTINATIONS: [&str; 2] = ["X-Route-Destination", "X-destination"];

/// A handoff under way.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Handoff {
    /// The leg that asked: kept until a person has answered, unless it leaves by itself.
    pub(crate) origin: LegId,
    pub(crate) method: HandoffMethod,
    pub(crate) target: Target,
    /// Its REFERs, each with a subscription that gets one final NOTIFY.
    pub(crate) refers: Vec<RequestKey>,
    /// The first phone has rung.
    pub(crate) rung: bool,
    /// Legs made before it.
    pub(crate) since: u16,
}

/// How tries at agents ended since the caller was last with somebody.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Tally {
    pub(crate) busy: u32,
    pub(crate) declined: u32,
    pub(crate) no_answer: u32,
    pub(crate) unreachable: u32,
    /// Why the last place asked would not even try.
    pub(crate) turned_away: Option<&'static str>,
}

/// How the caller came back, for `X-Handoff-Result` and the count of returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Returned {
    pub(crate) word: &'static str,
    /// Phones that were tried.
    pub(crate) attempts: Option<u32>,
}

impl fmt::Display for Returned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word)?;
        self.attempts.map_or(Ok(()), |attempts| write!(f, ";attempts={attempts}"))
    }
}

impl Tally {
    pub(super) fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Busy => self.busy += 1,
            Outcome::Declined => self.declined += 1,
            Outcome::NoAnswer => self.no_answer += 1,
            Outcome::Unreachable => self.unreachable += 1,
            Outcome::Ringing | Outcome::Answered | Outcome::Ended => {}
        }
    }

    fn all(&self) -> u32 {
        self.busy + self.declined + self.no_answer + self.unreachable
    }

    /// What the subscription is told at last: 486 or 603 if every try ended so, else 480.
    fn status(&self) -> (u16, &'static str) {
        match self.all() {
            0 => (480, "Temporarily Unavailable"),
            all if all == self.busy => (486, "Busy Here"),
            all if all == self.declined => (603, "Decline"),
            _ => (480, "Temporarily Unavailable"),
        }
    }

    /// The same in a word, for `X-Handoff-Result`.
    pub(super) fn word(&self) -> &'static str {
        if let Some(word) = self.turned_away {
            return word;
        }
        match self.all() {
            0 => "timeout",
            all if all == self.busy => "busy",
            all if all == self.declined => "declined",
            all if all == self.unreachable => "unreachable",
            _ => "no-answer",
        }
    }
}

impl Call {
    /// REFER. It is terminated here, and obeyed from whoever stands behind the caller.
    pub(super) fn referred(
        &mut self,
        now: Time,
        id: LegId,
        request: RequestKey,
        refer_to: &Bytes,
        headers: &[Header],
    ) {
        let role = self.leg(id).map_or(Role::Caller, |leg| leg.role);
        if role == Role::Caller {
            return self.refuse_refer(id, request, 403);
        }
        let Some((uri, inner)) = target::read_refer_to(refer_to) else {
            return self.refuse_refer(id, request, 400);
        };
        if inner.iter().any(|(name, _)| name.eq_ignore_ascii_case("Replaces")) {
            // RFC 3891: it asks that two calls be joined. To ring its target as well would be something else.
            return self.refuse_refer(id, request, 501);
        }
        let wish = target::resolve(&uri, &self.settings, &self.flow_settings().ai, self.allowed(id));
        if self.handoff.is_some() {
            return self.merge_refer(id, request, wish, headers, &inner);
        }
        if self.partner() != Some(id) {
            // The AI's own handoff is done, or this person does not speak with the caller.
            return self.refuse_refer(id, request, 603);
        }
        let Some(target) = self.settle_target(wish) else {
            return self.refuse_refer(id, request, 404);
        };
        if role == Role::Ai && target == Target::Ai {
            // An AI that hands over to itself counts as one that gets its caller back, lest it go round for ever.
            if self.returns >= self.settings.handoffs_per_call {
                return self.refuse_refer(id, request, 603);
            }
            self.returns += 1;
        }
        self.context.begin_handoff();
        self.merge_context(Source::Refer, headers);
        self.merge_context(Source::ReferTo, &inner);
        self.respond_refer(id, request, 202);
        self.start_handoff(now, HandoffMethod::Refer, id, target, vec![request]);
    }

    /// Where this leg's peer may send a caller besides our own names.
    fn allowed(&self, id: LegId) -> &[String] {
        let peer = self.leg(id).and_then(|leg| self.settings.peers.get(&leg.peer));
        peer.map_or(&[], |peer| &peer.refer_to)
    }

    /// A second REFER before the first has ended: the same target is merged, another one has to wait.
    fn merge_refer(
        &mut self,
        id: LegId,
        request: RequestKey,
        wish: Wish,
        headers: &[Header],
        inner: &[Header],
    ) {
        let foreign = wish == Wish::Foreign;
        let target = match wish {
            Wish::Target(target) => Some(target),
            Wish::Foreign => self.flow_settings().queue.clone().map(Target::Queue),
        };
        let fits = self.handoff.as_mut().filter(|handoff| {
            handoff.origin == id
                && Some(&handoff.target) == target.as_ref()
                && handoff.refers.len() < REFERS_MAX
        });
        let Some(handoff) = fits else {
            self.counters.refers_glared += 1;
            return self.respond_refer(id, request, 491);
        };
        handoff.refers.push(request);
        let rung = handoff.rung;
        self.counters.refers_merged += 1;
        self.counters.targets_refused += u64::from(foreign);
        self.merge_context(Source::Refer, headers);
        self.merge_context(Source::ReferTo, inner);
        self.respond_refer(id, request, 202);
        self.notify(id, request, (100, "Trying"));
        if rung {
            self.notify(id, request, (180, "Ringing"));
        }
    }

    fn refuse_refer(&mut self, id: LegId, request: RequestKey, status: u16) {
        self.counters.refers_refused += 1;
        self.respond_refer(id, request, status);
    }

    fn respond_refer(&mut self, leg: LegId, request: RequestKey, status: u16) {
        self.act(Action::Respond { leg, request, status, sdp: None, headers: Vec::new() });
    }

    fn notify(&mut self, leg: LegId, request: RequestKey, line: (u16, &str)) {
        self.notify_with(leg, request, line, Vec::new());
    }

    fn notify_with(&mut self, leg: LegId, request: RequestKey, line: (u16, &str), headers: Vec<Header>) {
        let (status, reason) = (line.0, line.1.to_owned());
        self.act(Action::Notify { leg, request, status, reason, headers });
    }

    /// Tells every subscription of the handoff.
    fn notify_all(&mut self, handoff: &Handoff, line: (u16, &str)) {
        for request in &handoff.refers {
            self.notify(handoff.origin, *request, line);
        }
    }

    /// A subscription is over at the far end: nothing more is said to it, and nothing else changes.
    pub(super) fn notify_failed(&mut self, id: LegId, request: RequestKey) {
        self.counters.notifies_failed += 1;
        if let Some(handoff) = self.handoff.as_mut().filter(|handoff| handoff.origin == id) {
            handoff.refers.retain(|other| *other != request);
        }
    }

    /// Whoever stands behind the caller, or the caller, wants another there. `origin` is the leg that is kept until then.
    pub(super) fn start_handoff(
        &mut self,
        now: Time,
        method: HandoffMethod,
        origin: LegId,
        target: Target,
        refers: Vec<RequestKey>,
    ) {
        self.counters.handoffs_initiated += 1;
        self.handoff_state = Some(HandoffState::HandoffInitiated);
        self.tally = Tally::default();
        self.hops = 0;
        self.result = None;
        let asked = if method == HandoffMethod::Dtmf { LegId::CALLER } else { origin };
        self.note(now, Moment::HandoffInitiated { by: asked, to: target.text() });
        self.go(now, Stage::HandoffRequested);
        let handoff =
            Handoff { origin, method, target: target.clone(), refers, rung: false, since: self.legs_made };
        self.notify_all(&handoff, (100, "Trying"));
        self.handoff = Some(handoff);
        let hold = match &target {
            Target::Queue(name) => self.hold_prompt(Some(name)),
            Target::Uri(_) | Target::Ai => self.flow_settings().hold,
        };
        // Who wants to get away from the AI need not hear it out.
        let tail = (method != HandoffMethod::Dtmf).then_some(origin);
        self.set_feed(Feed::Park { tail, hold });
        match target {
            Target::Queue(name) => self.enter_queue(now, &name, Place::Back),
            Target::Uri(uri) => self.ring_uri(now, &uri),
            Target::Ai => {
                self.result = Some(Returned { word: "returned", attempts: None });
                self.tally.turned_away = Some("ai-unavailable");
                self.try_ai(now, 0);
            }
        }
    }

    /// BYE of an AI that has answered.
    pub(super) fn ai_bye(&mut self, now: Time, id: LegId, headers: &[Header]) {
        let asked = self.flow_settings().bye_rules.iter().any(|rule| rule.holds(headers));
        let with_caller = self.stage == (Stage::WithAi { ai: id });
        if with_caller && !asked {
            self.end_leg(now, id, Farewell::Nothing, LegEnd::TheyHungUp);
            return self.end_call(now, EndReason::AiHungUp);
        }
        if with_caller {
            self.context.begin_handoff();
        }
        if with_caller || self.handoff.as_ref().is_some_and(|handoff| handoff.origin == id) {
            self.merge_context(Source::Bye, headers);
        }
        if with_caller {
            self.handoff_by_bye(now, id, headers);
        }
        // After a 202 a BYE says that the AI has left, whatever its headers: the handoff goes on.
        self.end_leg(now, id, Farewell::Nothing, LegEnd::TheyHungUp);
    }

    fn handoff_by_bye(&mut self, now: Time, id: LegId, headers: &[Header]) {
        let destination = DESTINATIONS.iter().find_map(|wanted| {
            let named =
                headers.iter().find(|(name, value)| name.eq_ignore_ascii_case(wanted) && !value.is_empty());
            named.map(|(_, value)| value)
        });
        let target = match destination {
            Some(value) => {
                let ai = &self.flow_settings().ai;
                let wish = target::read_destination(value, &self.settings, ai, self.allowed(id));
                self.settle_target(wish)
            }
            None => self.flow_settings().queue.clone().map(Target::Queue),
        };
        // An AI that hangs up to be called again would ring for ever.
        let target = match target {
            Some(Target::Ai) => self.settle_target(Wish::Foreign),
            other => other,
        };
        match target {
            Some(target) => self.start_handoff(now, HandoffMethod::Bye, id, target, Vec::new()),
            None => {
                self.end_leg(now, id, Farewell::Nothing, LegEnd::TheyHungUp);
                self.counters.handoffs_initiated += 1;
                self.counters.handed_off(HandoffMethod::Bye, false, "no-target");
                self.handoff_state = Some(HandoffState::HandoffFailed);
                self.note(now, Moment::HandoffFailed { status: 404 });
                self.announce(now, EndReason::QueueClosed);
            }
        }
    }

    /// An agent's phone rings: the AI is told of the first.
    pub(super) fn handoff_rings(&mut self) {
        if let Some(mut handoff) = self.handoff.take() {
            if !handoff.rung {
                handoff.rung = true;
                self.notify_all(&handoff, (180, "Ringing"));
            }
            self.handoff = Some(handoff);
        }
    }

    /// The caller is with somebody: `with`. Whoever handed over has [`FAREWELL`] to leave.
    pub(super) fn handoff_completed(&mut self, now: Time, with: LegId) {
        self.tally = Tally::default();
        self.hops = 0;
        self.result = None;
        let Some(handoff) = self.handoff.take() else { return };
        self.notify_all(&handoff, (200, "OK"));
        self.counters.handed_off(handoff.method, true, "answered");
        self.handoff_state = Some(HandoffState::HandoffCompleted);
        self.note(now, Moment::HandoffCompleted { agent: with });
        self.farewell_overdue(now);
        if self.is_live(handoff.origin) {
            self.farewell = Some(handoff.origin);
            self.timers.set(Timer::Farewell, now + FAREWELL);
        }
    }

    /// The handoff under way, if any, has found nobody; `ended`: because the call has ended.
    pub(super) fn fail_handoff(&mut self, now: Time, ended: Option<EndReason>) {
        let Some(handoff) = self.handoff.take() else { return };
        let line = self.tally.status();
        let headers = self.refusal_of_person(handoff.since);
        for request in &handoff.refers {
            self.notify_with(handoff.origin, *request, line, headers.clone());
        }
        let reason = ended.map_or_else(|| self.tally.word(), EndReason::label);
        self.counters.handed_off(handoff.method, false, reason);
        self.handoff_state = Some(HandoffState::HandoffFailed);
        self.note(now, Moment::HandoffFailed { status: line.0 });
    }

    pub(super) fn farewell_overdue(&mut self, now: Time) {
        if let Some(leg) = self.farewell.take() {
            self.end_leg(now, leg, Farewell::Say, LegEnd::WeHungUp);
        }
        self.timers.stop(Timer::Farewell);
    }

    /// The leg that speaks with the caller.
    pub(super) fn partner(&self) -> Option<LegId> {
        match self.stage {
            Stage::WithAi { ai } => Some(ai),
            Stage::WithAgent { agent } => Some(agent),
            _ => None,
        }
    }
}
