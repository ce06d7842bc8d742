//! The call: what it owns, and which concern gets which input. What each concern decides is in the files beside it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::Serialize;

use baton_signaling::Time;
use baton_signaling::sdp::{Description, OpusFormat};

use crate::call::context::Context;
use crate::call::counters::Counters;
use crate::call::digits::{InfoPace, Presses, Way};
use crate::call::flow::Dialing;
use crate::call::handoff::{Handoff, Returned, Tally};
use crate::call::history::Past;
use crate::call::identity::Identity;
use crate::call::leg::{Farewell, Leg};
use crate::call::record::HandoffState;
use crate::call::segments::Segments;
use crate::call::settings::CallSettings;
use crate::call::state::State;
use crate::call::timeline::Timeline;
use crate::call::timers::Timers;
use crate::call::watching::Alarm;
use crate::call::{Action, EndReason, Header, Input, KeySource, LegEnd, Moment, Role, SipEvent, Timer};
use crate::key::{CallKey, LegId};
use crate::media::{MediaEvent, Order, Prompt};

/// The INVITE a call begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// User part of the Request-URI; empty if it has none.
    pub user: String,
    /// Name of the peer it came from, as the settings know its source.
    pub peer: String,
    /// All its headers.
    pub headers: Vec<Header>,
    /// Its offer; `None`: the caller wants ours.
    pub sdp: Option<Description>,
    /// Where it came from.
    pub source: SocketAddr,
}

/// One call: told inputs and time, asked for actions. After `new` and after each `handle…` the owner drains
/// [`Call::poll_action`] and re-arms its one timer from [`Call::poll_timeout`].
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    pub(super) key: CallKey,
    pub(super) id: String,
    #[serde(skip)]
    pub(super) settings: Arc<CallSettings>,
    pub(super) seed: u64,
    pub(super) keys: KeySource,
    pub(super) stage: Stage,
    pub(super) user: String,
    pub(super) source: SocketAddr,
    pub(super) began: Time,
    pub(super) ended: Option<Time>,
    pub(super) end: Option<EndReason>,
    pub(super) flow: Option<usize>,
    pub(super) legs: Vec<Leg>,
    pub(super) legs_made: u16,
    pub(super) timers: Timers,
    pub(super) timeline: Timeline,
    pub(super) counters: Counters,
    pub(super) segments: Segments,
    pub(super) context: Context,

    /// The caller's offer, until it is answered.
    pub(super) caller_offer: Option<Description>,
    /// The answer that the caller has had in a 183; its 200 repeats it.
    pub(super) early_answer: Option<Description>,
    /// The codec chosen for the caller, once and for all.
    pub(super) caller_codec: Option<String>,
    /// What the caller said of the Opus it takes, if that is its codec.
    pub(super) caller_opus: OpusFormat,
    /// The caller is to have its 200 as soon as it has its port.
    pub(super) answer_wanted: bool,
    /// OPTIONS to a silent caller waits for its answer.
    pub(super) caller_probed: bool,
    /// Why the caller's offer was refused, for the refusal.
    #[serde(skip)]
    pub(super) warning: Option<Header>,
    /// From of the legs we begin.
    pub(super) from: String,
    /// Who the caller is said to be.
    pub(super) identity: Identity,
    /// Where it was before it came to us, and why not with the AI.
    pub(super) past: Past,
    /// Whom the caller has been told it speaks with (RFC 7989).
    pub(super) introduced: Option<String>,
    /// What the caller is to hear.
    pub(super) feed: Feed,

    /// The silent leg behind the caller that is being probed.
    pub(super) far_silent: Option<LegId>,
    /// Why no AI answers, while addresses of it are tried.
    pub(super) ai_failure: Option<EndReason>,
    /// The AI is called again, after the caller has been elsewhere: `X-Handoff-Result` says how that went.
    pub(super) result: Option<Returned>,
    pub(super) returns: u32,

    pub(super) handoff: Option<Handoff>,
    pub(super) handoff_state: Option<HandoffState>,
    /// Tries at agents since the caller was last with somebody.
    pub(super) tally: Tally,
    /// A leg whose handoff has succeeded and which has yet to say BYE.
    pub(super) farewell: Option<LegId>,
    pub(super) stay: Stay,
    /// The queue last entered.
    pub(super) queue: Option<String>,
    /// Presses whose second coming may be awaited.
    pub(super) presses: Presses,
    pub(super) info_pace: InfoPace,
    /// The session withholds the caller's escape digit.
    pub(super) withheld: bool,
    /// Queues entered one after the other without a person between.
    pub(super) hops: u32,

    #[serde(skip)]
    pub(super) alarms: VecDeque<Alarm>,
    #[serde(skip)]
    pub(super) actions: VecDeque<Action>,
    /// `Action::End` has been asked for.
    pub(super) over: bool,
}

/// Where a call stands, with what only that state has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Stage {
    Incoming,
    DialingAi(Dialing),
    WithAi { ai: LegId },
    HandoffRequested,
    Queued { announcing: Option<EndReason> },
    RingingAgent { agent: LegId },
    WithAgent { agent: LegId },
    Ended,
}

/// Whether the queues have us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Stay {
    Outside,
    /// Enter was sent; no word yet.
    Entering,
    Inside,
}

/// What the caller is to hear. Orders go out once the caller's media is open, and again when it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Feed {
    Nothing,
    Bridge(LegId),
    /// A leg that has not been answered.
    Preview(LegId),
    Park {
        tail: Option<LegId>,
        hold: Prompt,
    },
    Join(LegId),
    Announce(Prompt),
}

impl Stage {
    pub(super) fn state(self) -> State {
        match self {
            Self::Incoming => State::Incoming,
            Self::DialingAi(_) => State::DialingAi,
            Self::WithAi { .. } => State::WithAi,
            Self::HandoffRequested => State::HandoffRequested,
            Self::Queued { .. } => State::Queued,
            Self::RingingAgent { .. } => State::RingingAgent,
            Self::WithAgent { .. } => State::WithAgent,
            Self::Ended => State::Ended,
        }
    }
}

impl Call {
    /// A call begins with `incoming`. `id` names it everywhere and is planted toward the AI; `seed` feeds what must
    /// look random in its session descriptions, `keys` what must be secret in them.
    pub fn new(
        now: Time,
        key: CallKey,
        id: String,
        settings: Arc<CallSettings>,
        seed: u64,
        keys: KeySource,
        incoming: Incoming,
    ) -> Self {
        let caller = Leg::new(now, LegId::CALLER, Role::Caller, &incoming.peer, "", seed);
        let mut call = Self {
            key,
            id,
            settings,
            seed,
            keys,
            stage: Stage::Incoming,
            user: incoming.user.clone(),
            source: incoming.source,
            began: now,
            ended: None,
            end: None,
            flow: None,
            legs: vec![caller],
            legs_made: 0,
            timers: Timers::default(),
            timeline: Timeline::default(),
            counters: Counters::default(),
            segments: Segments::default(),
            context: Context::default(),
            caller_offer: None,
            early_answer: None,
            caller_codec: None,
            caller_opus: OpusFormat::default(),
            answer_wanted: false,
            caller_probed: false,
            warning: None,
            from: String::new(),
            identity: Identity::default(),
            past: Past::default(),
            introduced: None,
            feed: Feed::Nothing,
            far_silent: None,
            ai_failure: None,
            result: None,
            returns: 0,
            handoff: None,
            handoff_state: None,
            tally: Tally::default(),
            farewell: None,
            stay: Stay::Outside,
            queue: None,
            presses: Presses::default(),
            info_pace: InfoPace::default(),
            withheld: false,
            hops: 0,
            alarms: VecDeque::new(),
            actions: VecDeque::new(),
            over: false,
        };
        call.note(now, Moment::State { state: State::Incoming });
        call.take_in(now, incoming);
        call
    }

    /// Its number on this node.
    pub fn key(&self) -> CallKey {
        self.key
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.stage.state()
    }

    /// Why it ended, once it has.
    pub fn end_reason(&self) -> Option<EndReason> {
        self.end
    }

    /// [`Action::End`] has been asked for: nothing follows.
    pub fn is_ended(&self) -> bool {
        self.over
    }

    /// What it has counted so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Tells the call what happened.
    pub fn handle(&mut self, now: Time, input: Input) {
        match input {
            Input::Port(leg, port) => self.handle_port(now, leg, port),
            // The end of a call is the last thing measured.
            Input::Measured(measured) => self.measured(now, measured),
            _ if self.stage == Stage::Ended => self.counters.late_events += 1,
            Input::Sip(leg, event) => self.handle_sip(now, leg, event),
            Input::Media(event) => self.handle_media(now, event),
            Input::Queue(notice) => self.handle_notice(now, notice),
            Input::HangUp => self.end_call(now, EndReason::HungUpByOperator),
            Input::DrainDeadline => self.end_call(now, EndReason::Drained),
            Input::Overload => self.end_call(now, EndReason::Overload),
        }
        self.match_bandwidth(now);
    }

    /// Tells the call that the time of [`Call::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(timer) = self.timers.expire(now) {
            self.counters.fired(timer);
            if timer != Timer::Refresh {
                self.note(now, Moment::TimerFired { timer });
            }
            match timer {
                Timer::Refresh => self.refresh_ringing(now),
                Timer::Port => self.port_overdue(now),
                Timer::AiProvisional | Timer::AiAnswer => self.ai_overdue(now),
                Timer::Queue => self.queue_overdue(now),
                Timer::Ring => self.ring_overdue(now),
                Timer::Farewell => self.farewell_overdue(now),
                Timer::Announcement => self.announced(now),
                Timer::CallerProbe => self.caller_probe_due(now),
                Timer::FarProbe => self.far_probe_due(now),
                Timer::Remedy => self.remedy_due(now),
                Timer::WindDown => self.wound_down(),
            }
        }
        self.match_bandwidth(now);
    }

    /// What the call wants done next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Call::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    fn handle_sip(&mut self, now: Time, id: LegId, event: SipEvent) {
        let Some(leg) = self.leg(id) else {
            self.counters.late_events += 1;
            return;
        };
        let (role, live) = (leg.role, leg.is_live());
        if live {
            self.hear_parting(id, &event);
        }
        match event {
            // Subscriptions outlive their dialog's call (RFC 5057 §4.1).
            SipEvent::NotifyFailed { request } => self.notify_failed(id, request),
            SipEvent::Answered { .. } if !live => self.counters.answers_crossed += 1,
            _ if !live => self.counters.late_events += 1,
            SipEvent::Offer { request, sdp } => self.offered(now, id, request, sdp),
            SipEvent::Acked { sdp } => self.acked(now, id, sdp),
            SipEvent::Refer { request, refer_to, headers } => {
                self.referred(now, id, request, &refer_to, &headers);
            }
            SipEvent::Info { request, content_type, body } => {
                self.info(now, id, request, &content_type, &body);
            }
            SipEvent::RefreshDue => self.refresh_due(id),
            SipEvent::SessionId { uuid } => self.identified(id, uuid),
            SipEvent::Reanswered { sdp } => self.reanswered(now, id, sdp.as_deref()),
            SipEvent::Rerefused { .. } => self.reanswered(now, id, None),
            event => match role {
                Role::Caller => self.caller_event(now, event),
                Role::Ai => self.ai_event(now, id, event),
                Role::Agent => self.agent_event(now, id, event),
            },
        }
    }

    fn handle_media(&mut self, now: Time, event: MediaEvent) {
        match event {
            MediaEvent::FirstPacket { leg } => self.note(now, Moment::FirstPacket { leg }),
            MediaEvent::FirstSound { leg } => self.note(now, Moment::FirstSound { leg }),
            MediaEvent::Silent { leg } => self.leg_silent(now, leg),
            MediaEvent::Heard { leg } => self.leg_heard(leg),
            MediaEvent::Digit { leg, digit } => self.pressed(now, leg, digit, Way::Media),
            MediaEvent::Alarm { leg, kind } => self.alarmed(now, leg, kind),
            MediaEvent::AlarmOver { leg, kind } => self.alarm_over(now, leg, kind),
            MediaEvent::ResponseGap { leg, ms } => self.answered_after(leg, ms),
            MediaEvent::TailEnded => self.note(now, Moment::HoldHeard),
            MediaEvent::AgentHeard { leg } => self.note(now, Moment::AgentHeard { leg }),
            MediaEvent::PromptEnded => self.announced(now),
        }
    }

    pub(super) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    pub(super) fn note(&mut self, now: Time, what: Moment) {
        self.timeline.note(now, what);
    }

    /// Goes on to `stage`.
    pub(super) fn go(&mut self, now: Time, stage: Stage) {
        let (from, to) = (self.stage.state(), stage.state());
        self.stage = stage;
        if from != to {
            debug_assert!(from.leads_to(to), "{from:?} does not lead to {to:?}");
            self.far_silent = None;
            self.timers.stop(Timer::FarProbe);
            self.note(now, Moment::State { state: to });
            if let Some(with) = self.partner() {
                self.introduce(with);
            }
        }
    }

    pub(super) fn set_feed(&mut self, feed: Feed) {
        self.feed = feed;
        self.order_feed();
    }

    /// Tells the session what the caller is to hear, if there is a caller who can hear.
    pub(super) fn order_feed(&mut self) {
        if self.caller().config.is_none() {
            return;
        }
        self.order_escape();
        let order = match self.feed {
            Feed::Nothing => return,
            Feed::Bridge(with) => Order::Bridge { with },
            Feed::Preview(with) => Order::Preview { with },
            Feed::Park { tail, hold } => Order::Park { tail, hold },
            Feed::Join(agent) => Order::Join { agent, tail_ms: self.settings.timers.ai_tail_ms },
            Feed::Announce(prompt) => Order::Announce { prompt },
        };
        self.act(Action::Media(order));
    }

    /// Ends the call: in this very turn every leg gets what ends it, the queues are left and the session removed.
    pub(super) fn end_call(&mut self, now: Time, reason: EndReason) {
        if self.stage == Stage::Ended {
            return;
        }
        self.fail_handoff(now, Some(reason));
        self.end = Some(reason);
        self.ended = Some(now);
        self.end_caller(now, reason);
        let others: Vec<_> = self.legs.iter().skip(1).map(|leg| leg.id).collect();
        for id in others {
            self.end_leg(now, id, Farewell::Say, LegEnd::WeHungUp);
        }
        if self.queue.is_some() {
            // Also when we are outside: whatever the queues still hold for this call is let go.
            self.leave_queue();
        }
        self.act(Action::Media(Order::End));
        self.timers.stop_all();
        self.note(now, Moment::Ended { reason });
        self.go(now, Stage::Ended);
        self.timers.set(Timer::WindDown, now + super::WIND_DOWN);
        self.finish();
    }

    /// The last word, once no port is on its way to us any more.
    pub(super) fn finish(&mut self) {
        let waits = self.legs.iter().any(|leg| leg.port == super::leg::Port::Asked);
        if self.stage == Stage::Ended && !waits && !self.over {
            self.timers.stop_all();
            self.over = true;
            self.act(Action::End);
        }
    }

    /// A port asked for never came: whoever has it is told to take it back.
    fn wound_down(&mut self) {
        let asked: Vec<_> =
            self.legs.iter().filter(|leg| leg.port == super::leg::Port::Asked).map(|leg| leg.id).collect();
        for id in asked {
            if let Some(leg) = self.leg_mut(id) {
                leg.port = super::leg::Port::Released;
            }
            self.act(Action::ReleasePort(id));
        }
        self.finish();
    }
}
