//! One leg of a call: its dialog's state, its port, what offer and answer have agreed on; and the steps every leg
//! takes, whoever's it is: made, given a port, opened for media, ended.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use baton_signaling::Time;
use baton_signaling::sdp::{Capabilities, Description, LocalSession, Negotiated};

use crate::call::bandwidth::Bandwidth;
use crate::call::call::Call;
use crate::call::parting::Parting;
use crate::call::record::LegSnapshot;
use crate::call::watching::Remedy;
use crate::call::{Action, LegEnd, Moment, NoPort, Timer};
use crate::key::LegId;
use crate::media::{LegConfig, Order, StreamFigures};
use crate::queue::{OfferId, Outcome, QueueRequest};

/// Legs kept for the record; beyond it the oldest that are over are forgotten. A handoff over twenty agents takes
/// twenty-two.
pub(crate) const LEGS_KEPT: usize = 64;
/// Longest wait for a port; the shard has one at hand or none.
pub(crate) const PORT_WAIT: Duration = Duration::from_secs(2);

/// Whose leg it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The caller's.
    Caller,
    /// The AI's.
    Ai,
    /// A person's.
    Agent,
}

impl Role {
    /// Its name in metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Ai => "ai",
            Self::Agent => "agent",
        }
    }
}

/// Where a leg stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegState {
    /// No INVITE has been sent: it waits for its port.
    Idle,
    /// An INVITE is out (or, of the caller, has come) and nothing has been heard.
    Dialing,
    /// A provisional response was heard (or, of the caller, sent).
    Ringing,
    /// Answered.
    Up,
    /// Over.
    Over,
}

/// What a leg has of a port pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Port {
    None,
    Asked,
    Held(SocketAddr),
    Released,
}

/// Why a leg is offered its session anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Reoffer {
    /// Its sound is missed.
    Remedy,
    /// It is another device than before, and is to have a key that the one before does not know.
    Rekey,
    /// Its session is to be refreshed.
    Refresh,
    /// It was told of another bandwidth than is heard beside this leg.
    Bandwidth { beside: LegId },
}

/// One leg.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Leg {
    pub(crate) id: LegId,
    pub(crate) role: Role,
    pub(crate) state: LegState,
    pub(crate) peer: String,
    pub(crate) uri: String,
    pub(crate) port: Port,
    pub(crate) session: LocalSession,
    /// What the session was told of it; `None` while it has no media.
    pub(crate) config: Option<LegConfig>,
    /// An offer of ours went out in a 200: the ACK brings the answer.
    pub(crate) awaits_answer: bool,
    /// The queues' offer it serves, until its end has been reported.
    pub(crate) offer: Option<OfferId>,
    /// How long it may ring.
    pub(crate) ring: Duration,
    /// Where the INVITE was before it was sent on by 3xx.
    pub(crate) hops: Vec<String>,
    /// Nothing has come from it for `timers.media`.
    pub(crate) silent: bool,
    pub(crate) held: bool,
    /// What its stream was like, once it is over.
    pub(crate) media: Option<StreamFigures>,
    /// What has been tried where its sound is missed.
    pub(crate) remedy: Remedy,
    /// What has been tried where it could sound better, or need not sound so well.
    pub(crate) bandwidth: Bandwidth,
    /// A re-INVITE of ours that has no answer yet.
    pub(crate) reoffer: Option<Reoffer>,
    /// Who its far end says it is (RFC 7989).
    pub(crate) session_id: Option<String>,
    /// What its far end has said at its end.
    pub(crate) parting: Parting,
    pub(crate) began: Time,
    pub(crate) answered: Option<Time>,
    pub(crate) ended: Option<Time>,
}

impl Leg {
    pub(crate) fn new(now: Time, id: LegId, role: Role, peer: &str, uri: &str, seed: u64) -> Self {
        Self {
            id,
            role,
            state: LegState::Idle,
            peer: peer.to_owned(),
            uri: uri.to_owned(),
            port: Port::None,
            session: LocalSession::new(session_id(seed, id)),
            config: None,
            awaits_answer: false,
            offer: None,
            ring: Duration::ZERO,
            hops: Vec::new(),
            silent: false,
            held: false,
            media: None,
            remedy: Remedy::default(),
            bandwidth: Bandwidth::default(),
            reoffer: None,
            session_id: None,
            parting: Parting::default(),
            began: now,
            answered: None,
            ended: None,
        }
    }

    /// It is not over.
    pub(crate) fn is_live(&self) -> bool {
        self.state != LegState::Over
    }

    pub(crate) fn is_up(&self) -> bool {
        self.state == LegState::Up
    }

    pub(crate) fn snapshot(&self) -> LegSnapshot {
        LegSnapshot {
            id: self.id,
            role: self.role,
            state: self.state,
            peer: self.peer.clone(),
            uri: self.uri.clone(),
            codec: self.config.as_ref().map(|c| format!("{}/{}", c.payload.encoding, c.payload.clock)),
            srtp: self.config.as_ref().and_then(|c| Some(c.srtp.as_ref()?.suite.name())),
            held: self.held,
            session_id: self.session_id.clone(),
            reasons: self.parting.reasons.clone(),
            media: self.media,
            began: self.began,
            answered: self.answered,
            ended: self.ended,
        }
    }
}

/// The session id of a leg's `o=` line: unguessable with the seed, below 2^63 as some phones read it signed.
pub(crate) fn session_id(seed: u64, leg: LegId) -> u64 {
    let mut z = seed.wrapping_add(u64::from(leg.0).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) >> 1
}

/// By which message a leg is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// None: it is over on the wire.
    Nothing,
    /// CANCEL or BYE, whatever its state wants.
    Say,
}

impl Call {
    pub(super) fn leg(&self, id: LegId) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.id == id)
    }

    pub(super) fn leg_mut(&mut self, id: LegId) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|leg| leg.id == id)
    }

    /// The caller's leg: made first and never forgotten.
    pub(super) fn caller(&self) -> &Leg {
        &self.legs[0]
    }

    pub(super) fn caller_mut(&mut self) -> &mut Leg {
        &mut self.legs[0]
    }

    pub(super) fn is_up(&self, id: LegId) -> bool {
        self.leg(id).is_some_and(Leg::is_up)
    }

    pub(super) fn is_live(&self, id: LegId) -> bool {
        self.leg(id).is_some_and(Leg::is_live)
    }

    /// A new leg that has asked for its port.
    pub(super) fn add_leg(&mut self, now: Time, role: Role, peer: &str, uri: &str) -> LegId {
        self.legs_made = self.legs_made.saturating_add(1);
        let id = LegId(self.legs_made);
        if self.legs.len() >= LEGS_KEPT
            && let Some(at) =
                self.legs.iter().skip(1).position(|leg| !leg.is_live() && leg.port != Port::Asked)
        {
            self.legs.remove(at + 1);
        }
        self.legs.push(Leg::new(now, id, role, peer, uri, self.seed));
        self.ask_port(now, id);
        id
    }

    pub(super) fn ask_port(&mut self, now: Time, id: LegId) {
        if let Some(leg) = self.leg_mut(id) {
            leg.port = Port::Asked;
        }
        self.timers.set(Timer::Port, now + PORT_WAIT);
        self.act(Action::AllocatePort(id));
    }

    pub(super) fn handle_port(&mut self, now: Time, id: LegId, port: Result<SocketAddr, NoPort>) {
        let Some(leg) = self.leg_mut(id) else {
            return self.late_port(id, port);
        };
        let role = leg.role;
        match (leg.port, leg.is_live()) {
            (Port::Asked, true) => {}
            (Port::Asked, false) => {
                leg.port = Port::Released;
                self.late_port(id, port);
                return self.finish();
            }
            // It has its port: the news is an old one.
            (Port::Held(_), _) => {
                self.counters.late_events += 1;
                return;
            }
            (Port::None | Port::Released, _) => return self.late_port(id, port),
        }
        match port {
            Ok(address) => {
                leg.port = Port::Held(address);
                self.port_came();
                match role {
                    Role::Caller => self.caller_has_port(now),
                    Role::Ai => self.dial_ai(now, id),
                    Role::Agent => self.dial_agent(now, id),
                }
            }
            Err(_) => {
                leg.port = Port::None;
                self.port_came();
                self.no_port(now, id, role);
            }
        }
    }

    /// A port for a leg that is over goes straight back.
    fn late_port(&mut self, id: LegId, port: Result<SocketAddr, NoPort>) {
        self.counters.late_events += 1;
        if port.is_ok() {
            self.act(Action::ReleasePort(id));
        }
    }

    fn port_came(&mut self) {
        if !self.legs.iter().any(|leg| leg.is_live() && leg.port == Port::Asked) {
            self.timers.stop(Timer::Port);
        }
    }

    fn no_port(&mut self, now: Time, id: LegId, role: Role) {
        match role {
            Role::Caller => self.end_call(now, crate::call::EndReason::NoPort),
            Role::Ai => self.ai_without_port(now, id),
            Role::Agent => self.agent_failed(now, id, Outcome::Unreachable, LegEnd::Unreachable),
        }
    }

    /// No word about a port within [`PORT_WAIT`]. Should it come yet, it goes back.
    pub(super) fn port_overdue(&mut self, now: Time) {
        let waiting: Vec<_> = self
            .legs
            .iter()
            .filter(|leg| leg.is_live() && leg.port == Port::Asked)
            .map(|leg| (leg.id, leg.role))
            .collect();
        for (id, role) in waiting {
            if self.is_live(id) {
                self.no_port(now, id, role);
            }
        }
    }

    /// What we can do on a leg that has its port.
    pub(super) fn capabilities_of(&mut self, id: LegId) -> Option<Capabilities> {
        let Port::Held(address) = self.leg(id)?.port else { return None };
        self.capabilities(id, address)
    }

    /// Our first offer on a leg that has its port.
    pub(super) fn offer_on(&mut self, id: LegId) -> Option<Description> {
        let ours = self.capabilities_of(id)?;
        Some(self.leg_mut(id)?.session.offer(&ours).into())
    }

    /// What a leg whose INVITE was answered has agreed on: the answer or, where there is none, what an early offer of
    /// theirs has put in its place.
    pub(super) fn agreed_on(&mut self, id: LegId, sdp: Option<&[u8]>) -> Option<Negotiated> {
        let current = self.leg(id).and_then(|leg| leg.session.current().cloned());
        if sdp.is_none() && current.is_some() { current } else { self.read_answer_on(id, sdp) }
    }

    /// Reads the answer to our offer on a leg.
    pub(super) fn read_answer_on(&mut self, id: LegId, sdp: Option<&[u8]>) -> Option<Negotiated> {
        let media = sdp.and_then(|sdp| self.leg_mut(id)?.session.read_answer(sdp).ok());
        if media.is_none() {
            self.counters.sdp_failures += 1;
        }
        media
    }

    /// A leg has been answered and is opened for media.
    pub(super) fn open_leg(&mut self, now: Time, id: LegId, media: &Negotiated) {
        self.mark_up(now, id);
        self.open_media(id, media);
    }

    /// Opens a leg for media, or tells its session what has changed since it was heard early.
    pub(super) fn open_media(&mut self, id: LegId, media: &Negotiated) {
        let config = self.config_of(id, media);
        let Some(leg) = self.leg_mut(id) else { return };
        leg.held = !config.send;
        match leg.config.replace(config.clone()) {
            None => self.act(Action::Media(Order::Open { leg: id, config })),
            Some(before) if before != config => self.act(Action::Media(Order::Update { leg: id, config })),
            Some(_) => {}
        }
    }

    pub(super) fn mark_up(&mut self, now: Time, id: LegId) {
        let Some(leg) = self.leg_mut(id) else { return };
        if leg.state != LegState::Up {
            leg.state = LegState::Up;
            leg.answered = Some(now);
            self.note(now, Moment::LegAnswered { leg: id });
        }
    }

    /// A leg of the AI or of a person is over: its media closed, its port given back, its agent freed.
    pub(super) fn end_leg(&mut self, now: Time, id: LegId, farewell: Farewell, cause: LegEnd) {
        let words = self.last_words();
        self.preview_over(id);
        let Some(leg) = self.leg_mut(id).filter(|leg| leg.is_live()) else { return };
        let (was, port, open) = (leg.state, leg.port, leg.config.is_some());
        let talking = leg.offer.take_if(|_| was == LegState::Up);
        leg.state = LegState::Over;
        leg.ended = Some(now);
        if open {
            self.act(Action::Media(Order::Close { leg: id }));
        }
        match (farewell, was) {
            (Farewell::Nothing, _) | (_, LegState::Idle | LegState::Over) => {}
            (Farewell::Say, LegState::Dialing | LegState::Ringing) => {
                self.act(Action::Cancel(id, words));
            }
            (Farewell::Say, LegState::Up) => self.act(Action::HangUp(id, words)),
        }
        self.release_port(id, port);
        if let Some(offer) = talking {
            // Gone or silent: the queues let the agent rest before they try it again.
            let lost = matches!(cause, LegEnd::Gone | LegEnd::NoResponse);
            let outcome = if lost { Outcome::Unreachable } else { Outcome::Ended };
            self.act(Action::Queue(QueueRequest::Report { call: self.key, offer, outcome }));
        }
        if self.farewell == Some(id) {
            self.farewell = None;
            self.timers.stop(Timer::Farewell);
        }
        self.note(now, Moment::LegEnded { leg: id, cause });
    }

    pub(super) fn release_port(&mut self, id: LegId, port: Port) {
        if matches!(port, Port::Held(_)) {
            if let Some(leg) = self.leg_mut(id) {
                leg.port = Port::Released;
            }
            self.act(Action::ReleasePort(id));
        } else {
            self.port_came();
        }
    }
}
