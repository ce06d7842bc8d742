//! A script's hands and eyes: a call with settings, ports granted at once, every action kept and checked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use baton_engine::call::*;
use baton_engine::key::{CallKey, LegId};
use baton_engine::media::{MediaEvent, Order, Prompt};
use baton_engine::queue::*;
use baton_engine::settings::ContextRules;
use baton_signaling::Time;
use baton_signaling::sdp::{Capabilities, Codec, Description, Direction, Origin, Security, negotiate};
use bytes::Bytes;

pub(crate) const HOLD: Prompt = Prompt(1);
pub(crate) const SORRY: Prompt = Prompt(2);
pub(crate) const CALLER: LegId = LegId::CALLER;

pub(crate) fn settings() -> CallSettings {
    let peer = |codecs: &[&str], uris: &[&str]| CallPeer {
        codecs: codecs.iter().map(|codec| (*codec).to_owned()).collect(),
        uris: uris.iter().map(|uri| (*uri).to_owned()).collect(),
        headers: Vec::new(),
        refer_to: vec!["sip:*@transfer.example".to_owned()],
        ..CallPeer::default()
    };
    let queue = CallQueue {
        peer: "snapcall".to_owned(),
        hold: HOLD,
        announcement: SORRY,
        wait: Duration::from_secs(120),
        ring: Duration::from_secs(15),
    };
    let mut polyai = peer(&["PCMU", "PCMA"], &["sip:1000@127.0.0.2:5070", "sip:1000@127.0.0.2:5071"]);
    polyai.headers = vec![("X-Trunk".to_owned(), Bytes::from_static(b"secret"))];
    CallSettings {
        flows: vec![FlowSettings {
            name: "support".to_owned(),
            user: "support".to_owned(),
            ai: "polyai".to_owned(),
            queue: Some("people".to_owned()),
            on_ai_failure: OnAiFailure::Queue,
            answer: AnswerMode::Late,
            bye_rules: ["X-contained: false", "X-Route-Destination", "X-destination"]
                .iter()
                .map(|rule| ByeRule::parse(rule).expect("a rule"))
                .collect(),
            escape: None,
            context: ContextRules::default(),
            hold: HOLD,
            announcement: SORRY,
        }],
        peers: BTreeMap::from([
            ("snapcall".to_owned(), peer(&["opus", "PCMU", "PCMA"], &[])),
            ("polyai".to_owned(), polyai),
        ]),
        queues: BTreeMap::from([("people".to_owned(), queue.clone()), ("sales".to_owned(), queue)]),
        hosts: vec!["127.0.0.1".to_owned()],
        from_host: "127.0.0.1:5060".to_owned(),
        media_host: [127, 0, 0, 1].into(),
        timers: CallTimers::default(),
        extended_reports: false,
        wideband_reinvite: false,
        handoffs_per_call: 2,
    }
}

pub(crate) fn sdp(formats: &str, rest: &str) -> Description {
    Description::from(format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.9\r\ns=-\r\nc=IN IP4 127.0.0.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP {formats}\r\n{rest}"
    ))
}

pub(crate) fn caller_offer() -> Description {
    sdp("111 0 8", "a=rtpmap:111 opus/48000/2\r\n")
}

pub(crate) fn header(name: &str, value: &'static str) -> Header {
    (name.to_owned(), Bytes::from_static(value.as_bytes()))
}

/// What a phone with these codecs answers to our offer.
pub(crate) fn answer_to(offer: &[u8], codecs: &[&str]) -> Description {
    let phone = Capabilities {
        codecs: codecs.iter().map(|name| Codec::named(name).expect("a codec")).collect(),
        address: ([127, 0, 0, 8], 6000).into(),
        ptime_ms: 20,
        telephone_event: true,
        rtcp_mux: false,
        rtcp_xr: false,
        direction: Direction::SendRecv,
        security: Security::Off,
    };
    negotiate(offer, &phone, Origin { id: 9, version: 1 }).expect("an agreement").sdp.into()
}

pub(crate) struct Script {
    pub(crate) now: Time,
    pub(crate) call: Call,
    /// Ports are granted in the turn they are asked for.
    pub(crate) grants: bool,
    /// All actions since the last [`Script::take`].
    fresh: Vec<Action>,
    pub(crate) dials: BTreeMap<LegId, Dial>,
    pub(crate) checks: Checks,
}

/// What holds in every history, noted as it goes.
#[derive(Default)]
pub(crate) struct Checks {
    pub finals_to_caller: u32,
    pub(crate) live: BTreeSet<LegId>,
    pub(crate) ports: BTreeSet<LegId>,
    pub(crate) accepted: BTreeSet<RequestKey>,
    pub(crate) notified: BTreeMap<RequestKey, u32>,
    pub(crate) ended: bool,
}

impl Script {
    pub(crate) fn begin(settings: CallSettings, user: &str, sdp: Option<Description>) -> Self {
        Self::begin_with(settings, user, sdp, true)
    }

    pub(crate) fn begin_with(
        settings: CallSettings,
        user: &str,
        sdp: Option<Description>,
        grants: bool,
    ) -> Self {
        let now = Time::from_secs(1000);
        let incoming = Incoming {
            user: user.to_owned(),
            peer: "snapcall".to_owned(),
            headers: vec![
                header("From", "\"Ann\" <sip:ann@widget.example>;tag=1"),
                header("X-Issue", "billing"),
            ],
            sdp,
            source: ([127, 0, 0, 1], 5066).into(),
        };
        let key = CallKey::new(0, 1);
        let call = Call::new(
            now,
            key,
            "call-1".to_owned(),
            Arc::new(settings),
            7,
            KeySource::new([7; 32]),
            incoming,
        );
        let mut script =
            Self { now, call, grants, fresh: Vec::new(), dials: BTreeMap::new(), checks: Checks::default() };
        script.checks.live.insert(CALLER);
        script.drain();
        script
    }

    /// A call to the flow, AI being dialled.
    pub(crate) fn dialing() -> Self {
        Self::begin(settings(), "support", Some(caller_offer()))
    }

    /// Caller and AI speak.
    pub(crate) fn with_ai() -> Self {
        let mut script = Self::dialing();
        script.answer(LegId(1), &["PCMU"]);
        script.take();
        script
    }

    /// The AI has sent REFER 1 to the queue, and the queue has taken the caller.
    pub(crate) fn queued() -> Self {
        let mut script = Self::with_ai();
        script.refer(LegId(1), 1, "<sip:people@127.0.0.1>");
        script.queued_notice("people");
        script.take();
        script
    }

    /// Agent 1's phone is dialled on leg 2.
    pub(crate) fn ringing() -> Self {
        let mut script = Self::queued();
        script.offer(1);
        script.take();
        script
    }

    /// Caller and agent speak; the AI has left.
    pub(crate) fn with_agent() -> Self {
        let mut script = Self::ringing();
        script.answer(LegId(2), &["opus"]);
        script.bye(LegId(1), &[]);
        script.take();
        script
    }

    pub(crate) fn handle(&mut self, input: Input) {
        let before = self.call.state();
        self.call.handle(self.now, input);
        self.drain();
        self.check_turn(before);
    }

    pub(crate) fn sip(&mut self, leg: LegId, event: SipEvent) {
        let over = matches!(
            event,
            SipEvent::Bye { .. }
                | SipEvent::Cancelled { .. }
                | SipEvent::Refused { .. }
                | SipEvent::Gone { .. }
        );
        if over {
            self.checks.live.remove(&leg);
        }
        self.handle(Input::Sip(leg, event));
    }

    pub(crate) fn answer(&mut self, leg: LegId, codecs: &[&str]) {
        let sdp = self.dials.get(&leg).map(|dial| answer_to(&dial.sdp, codecs));
        self.sip(leg, SipEvent::Answered { sdp, headers: Vec::new() });
    }

    pub(crate) fn progress(&mut self, leg: LegId, status: u16) {
        self.sip(leg, SipEvent::Progress { status, sdp: None });
    }

    pub(crate) fn refuse(&mut self, leg: LegId, failure: Failure) {
        self.sip(leg, SipEvent::Refused { failure, headers: Vec::new() });
    }

    pub(crate) fn bye(&mut self, leg: LegId, headers: &[Header]) {
        self.sip(leg, SipEvent::Bye { headers: headers.to_vec() });
    }

    pub(crate) fn refer(&mut self, leg: LegId, request: u64, to: &'static str) {
        let refer_to = Bytes::from_static(to.as_bytes());
        let headers = vec![header("X-Reason", "refund")];
        self.sip(leg, SipEvent::Refer { request: RequestKey(request), refer_to, headers });
    }

    pub(crate) fn media(&mut self, event: MediaEvent) {
        self.handle(Input::Media(event));
    }

    pub(crate) fn queued_notice(&mut self, queue: &str) {
        self.handle(Input::Queue(Notice::Queued { queue: queue.to_owned(), position: 1 }));
    }

    pub(crate) fn offer(&mut self, id: u64) {
        self.handle(Input::Queue(Notice::Offer(Offer {
            id: OfferId(id),
            agent: AgentId(0),
            uri: "sip:ann@127.0.0.3:5080".to_owned(),
            peer: "snapcall".to_owned(),
            ring: Duration::from_secs(15),
        })));
    }

    pub(crate) fn exhausted(&mut self, why: Why, attempts: u32, then: Exhausted) {
        self.handle(Input::Queue(Notice::Exhausted { why, attempts, then }));
    }

    /// Lets time pass, every timer on its way.
    pub(crate) fn pass(&mut self, millis: u64) {
        let until = self.now + Duration::from_millis(millis);
        while let Some(at) = self.call.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            let before = self.call.state();
            self.call.handle_timeout(self.now);
            self.drain();
            self.check_turn(before);
        }
        self.now = until;
    }

    /// The actions since the last look.
    pub(crate) fn take(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.fresh)
    }

    pub(crate) fn state(&self) -> State {
        self.call.state()
    }

    fn drain(&mut self) {
        while let Some(action) = self.call.poll_action() {
            self.fresh.push(action.clone());
            self.check(&action);
            if let (Action::AllocatePort(leg), true) = (&action, self.grants) {
                self.grant(*leg);
            }
        }
    }

    pub(crate) fn grant(&mut self, leg: LegId) {
        self.checks.ports.insert(leg);
        let port = 20000 + leg.0 * 2;
        self.call.handle(self.now, Input::Port(leg, Ok(([127, 0, 0, 1], port).into())));
        if !self.grants {
            self.drain();
        }
    }

    fn check(&mut self, action: &Action) {
        let checks = &mut self.checks;
        assert!(!checks.ended, "{action:?} after End");
        match action {
            Action::Dial(leg, dial) => {
                assert!(checks.ports.contains(leg), "{leg:?} dialled without a port");
                checks.live.insert(*leg);
                self.dials.insert(*leg, dial.clone());
            }
            Action::Answer { .. } => checks.finals_to_caller += 1,
            Action::Reject { .. } => {
                checks.finals_to_caller += 1;
                checks.live.remove(&CALLER);
            }
            Action::Cancel(leg, headers) | Action::HangUp(leg, headers) => {
                assert!(checks.live.remove(leg), "{leg:?} ended twice, or never begun");
                assert_eq!(headers[0].0, "Reason");
            }
            Action::Respond { request, status: 202, .. } => {
                checks.accepted.insert(*request);
            }
            Action::Notify { request, status, .. } => {
                assert!(checks.accepted.contains(request), "NOTIFY for a REFER that was not accepted");
                assert_eq!(checks.notified.get(request), None, "NOTIFY after the final one");
                if *status >= 200 {
                    checks.notified.insert(*request, u32::from(*status));
                }
            }
            Action::ReleasePort(leg) => {
                assert!(checks.ports.remove(leg), "{leg:?} gave back a port it had not");
            }
            Action::End => checks.ended = true,
            _ => {}
        }
    }

    /// What holds after every turn.
    fn check_turn(&mut self, before: State) {
        let after = self.call.state();
        assert!(self.checks.finals_to_caller <= 1, "two final responses to the caller");
        if after == State::Ended && before != State::Ended {
            assert!(self.checks.live.is_empty(), "ended with legs up: {:?}", self.checks.live);
            assert!(
                self.checks.accepted.iter().all(|refer| self.checks.notified.contains_key(refer)),
                "a REFER without its final NOTIFY"
            );
        }
        match after {
            State::Ended => assert!(self.call.is_ended() || self.call.poll_timeout().is_some()),
            // Media's own watch stands behind the legs that speak.
            State::WithAi | State::WithAgent => assert!(!self.checks.live.is_empty()),
            _ => assert!(self.call.poll_timeout().is_some(), "nothing will ever end {after:?}"),
        }
    }

    pub(crate) fn check_edges(&self) {
        let states: Vec<State> = self
            .call
            .snapshot()
            .timeline
            .entries()
            .iter()
            .filter_map(|entry| match entry.what {
                Moment::State { state } => Some(state),
                _ => None,
            })
            .collect();
        for pair in states.windows(2) {
            assert!(pair[0].leads_to(pair[1]), "{pair:?}");
        }
    }
}

/// The orders among actions.
pub(crate) fn orders(actions: &[Action]) -> Vec<Order> {
    let order = |action: &Action| match action {
        Action::Media(order) => Some(order.clone()),
        _ => None,
    };
    actions.iter().filter_map(order).collect()
}

/// The status lines told to REFER `request`.
pub(crate) fn notified(actions: &[Action], wanted: u64) -> Vec<u16> {
    let status = |action: &Action| match action {
        Action::Notify { request, status, .. } if request.0 == wanted => Some(*status),
        _ => None,
    };
    actions.iter().filter_map(status).collect()
}

/// The answer to request `wanted`.
pub(crate) fn responded(actions: &[Action], wanted: u64) -> Option<u16> {
    actions.iter().find_map(|action| match action {
        Action::Respond { request, status, .. } if request.0 == wanted => Some(*status),
        _ => None,
    })
}

/// The caller's final refusal: status and headers.
pub(crate) fn rejected(actions: &[Action]) -> Option<(u16, Vec<Header>)> {
    actions.iter().find_map(|action| match action {
        Action::Reject { status, headers, .. } => Some((*status, headers.clone())),
        _ => None,
    })
}

pub(crate) fn reports(actions: &[Action]) -> Vec<(u64, Outcome)> {
    let report = |action: &Action| match action {
        Action::Queue(QueueRequest::Report { offer, outcome, .. }) => Some((offer.0, *outcome)),
        _ => None,
    };
    actions.iter().filter_map(report).collect()
}

pub(crate) fn entered(actions: &[Action]) -> Option<(String, Place)> {
    actions.iter().find_map(|action| match action {
        Action::Queue(QueueRequest::Enter { queue, place, .. }) => Some((queue.clone(), *place)),
        _ => None,
    })
}

pub(crate) fn dialed(actions: &[Action]) -> Option<(LegId, Dial)> {
    actions.iter().find_map(|action| match action {
        Action::Dial(leg, dial) => Some((*leg, dial.clone())),
        _ => None,
    })
}

pub(crate) fn value(headers: &[Header], wanted: &str) -> Option<String> {
    let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
}
