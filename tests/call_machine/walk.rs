//! A walker: thousands of seeds, each a history of valid, late and repeated inputs against a call and real queues.
//! The driver checks every action and every turn; here are the ends.

use std::collections::BTreeSet;
use std::time::Duration;

use baton_engine::call::*;
use baton_engine::media::{Dtmf, MediaEvent};
use baton_engine::queue::*;

use crate::driver::*;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len() as u64) as usize].clone()
    }
}

struct Walk {
    dice: Dice,
    script: Script,
    queues: Queues,
    requests: u64,
    /// Notices of the past, to be told again.
    past: Vec<Notice>,
}

fn queues(dice: &mut Dice) -> Queues {
    let thens =
        [Exhausted::ReturnToAi, Exhausted::Announce, Exhausted::HangUp, Exhausted::Queue("sales".to_owned())];
    let queue = |name: &str, agents: Vec<u32>, exhausted, open| QueueSettings {
        name: name.to_owned(),
        peer: "snapcall".to_owned(),
        agents,
        strategy: Strategy::LongestIdle,
        ring: Duration::from_secs(15),
        wait: Duration::from_secs(40),
        exhausted,
        callers_max: 1,
        open,
    };
    let agent = |name: &str| AgentSettings { uri: format!("sip:{name}@127.0.0.3"), calls: 1 };
    let people = queue("people", vec![0, 1], dice.one(&thens), dice.roll(8) != 0);
    let sales = queue("sales", vec![1, 2], dice.one(&thens[..3]), dice.roll(8) != 0);
    let settings = QueuesSettings {
        queues: vec![people, sales],
        agents: vec![agent("ann"), agent("bob"), agent("eve")],
    };
    Queues::new(settings)
}

impl Walk {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let mut settings = settings();
        settings.wideband_reinvite = seed % 2 == 1;
        let flow = &mut settings.flows[0];
        flow.answer = dice.one(&[AnswerMode::Late, AnswerMode::AtOnce]);
        flow.on_ai_failure = dice.one(&[OnAiFailure::Queue, OnAiFailure::Queue, OnAiFailure::Reject]);
        if dice.roll(6) == 0 {
            flow.queue = None;
        }
        let offer = (dice.roll(5) != 0).then(caller_offer);
        let user = if dice.roll(40) == 0 { "nobody" } else { "support" };
        let queues = queues(&mut dice);
        let script = Script::begin(settings, user, offer);
        let mut walk = Self { dice, script, queues, requests: 0, past: Vec::new() };
        walk.settle();
        walk
    }

    /// Carries requests to the queues and notices back until both are quiet.
    fn settle(&mut self) {
        loop {
            let mut moved = false;
            for action in self.script.take() {
                if let Action::Queue(request) = action {
                    self.queues.handle(self.script.now, request);
                    moved = true;
                }
            }
            while let Some((_, notice)) = self.queues.poll_notice() {
                moved = true;
                self.past.push(notice.clone());
                if !self.script.call.is_ended() {
                    self.script.handle(Input::Queue(notice));
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn pass(&mut self, millis: u64) {
        let until = self.script.now + Duration::from_millis(millis);
        while self.script.now < until {
            let next = baton_signaling::earliest(self.script.call.poll_timeout(), self.queues.poll_timeout());
            let next = next.map_or(until, |at| at.min(until)).max(self.script.now);
            let step = next - self.script.now;
            self.script.pass(step.as_micros().div_ceil(1000) as u64);
            self.queues.handle_timeout(self.script.now);
            self.settle();
            if step == Duration::ZERO {
                self.script.pass(1);
                self.settle();
            }
        }
    }

    /// A leg of the call that could send us something: live most often, over at times.
    fn leg(&mut self) -> LegSnapshot {
        let legs = self.script.call.snapshot().legs;
        let live: Vec<_> = legs.iter().filter(|leg| leg.state != LegState::Over).cloned().collect();
        if live.is_empty() || self.dice.roll(10) == 0 { self.dice.one(&legs) } else { self.dice.one(&live) }
    }

    fn step(&mut self) {
        match self.dice.roll(20) {
            0..=2 => {
                let millis = self.dice.one(&[1, 400, 1_500, 9_000, 20_000]);
                self.pass(millis);
            }
            3 => self.old_notice(),
            4 | 5 => self.media(),
            6 if self.dice.roll(12) == 0 => {
                let input = self.dice.one(&[Input::HangUp, Input::DrainDeadline, Input::Overload]);
                self.script.handle(input);
            }
            _ => self.sip(),
        }
        self.settle();
    }

    fn old_notice(&mut self) {
        // The queues never repeat themselves, but an offer may come late.
        let old: Vec<_> =
            self.past.iter().filter(|notice| matches!(notice, Notice::Withdrawn { .. })).cloned().collect();
        if !old.is_empty() {
            let notice = self.dice.one(&old);
            self.script.handle(Input::Queue(notice));
        }
    }

    fn media(&mut self) {
        let leg = self.leg().id;
        let event = self.dice.one(&[
            MediaEvent::Silent { leg },
            MediaEvent::Heard { leg },
            MediaEvent::FirstPacket { leg },
            MediaEvent::Digit { leg, digit: Dtmf(3) },
            MediaEvent::PromptEnded,
            MediaEvent::TailEnded,
        ]);
        self.script.media(event);
    }

    fn sip(&mut self) {
        let leg = self.leg();
        let (id, none) = (leg.id, Vec::new());
        self.requests += 1;
        let request = RequestKey(self.requests);
        match (leg.state, leg.role) {
            (LegState::Up, _) => self.within(&leg, request),
            (LegState::Over, _) => {
                let late = [
                    SipEvent::Alive,
                    SipEvent::Bye { headers: none.clone() },
                    SipEvent::Progress { status: 180, sdp: None },
                    SipEvent::NotifyFailed { request: RequestKey(u64::MAX) },
                ];
                let event = self.dice.one(&late);
                self.script.handle(Input::Sip(id, event));
            }
            (_, Role::Caller) => {
                if self.dice.roll(8) == 0 {
                    self.script.sip(id, SipEvent::Cancelled { headers: none });
                }
            }
            (LegState::Idle, _) => {}
            _ => match self.dice.roll(8) {
                0 => {
                    let failure = self.dice.one(&[
                        Failure::Transport,
                        Failure::Timeout,
                        Failure::Status(486),
                        Failure::Status(603),
                        Failure::Status(503),
                        Failure::Status(404),
                        Failure::Status(302),
                        Failure::Status(407),
                    ]);
                    self.script.refuse(id, failure);
                }
                1..=3 => {
                    let status = self.dice.one(&[100, 180, 183]);
                    self.script.progress(id, status);
                }
                4 => self.script.sip(id, SipEvent::Answered { sdp: None, headers: none }),
                _ => self.script.answer(id, &["PCMU", "opus"]),
            },
        }
    }

    /// Something in an answered dialog.
    fn within(&mut self, leg: &LegSnapshot, request: RequestKey) {
        let id = leg.id;
        match self.dice.roll(14) {
            0 if leg.role != Role::Caller || self.dice.roll(4) == 0 => self.script.bye(id, &[]),
            1 if leg.role != Role::Caller => {
                self.script.bye(id, &[header("X-contained", "false"), header("X-destination", "sales")])
            }
            2 if leg.role != Role::Caller || self.dice.roll(4) == 0 => {
                self.script.sip(id, SipEvent::Gone { failure: Failure::Status(481) })
            }
            3 if self.dice.roll(4) == 0 => self.script.sip(id, SipEvent::NotAcked),
            3..=7 => {
                let to = self.dice.one(&[
                    "<sip:people@127.0.0.1>",
                    "<sip:people@127.0.0.1?X-Topic=money>",
                    "<sip:sales@127.0.0.1>",
                    "<sip:sales@127.0.0.1?Replaces=x>",
                    "<sip:bob@transfer.example>",
                    "<sip:polyai@127.0.0.1>",
                    "<tel:+1900>",
                    "rubbish",
                ]);
                self.script.refer(id, request.0, to);
            }
            8 => self.script.sip(id, SipEvent::Offer { request, sdp: None }),
            9 => {
                let body = self.dice.one(&[sdp("0", "a=sendonly\r\n"), sdp("0 8", ""), sdp("18", "")]);
                self.script.sip(id, SipEvent::Offer { request, sdp: Some(body) });
            }
            10 => self.script.sip(id, SipEvent::Alive),
            11 => self.script.sip(id, SipEvent::Acked { sdp: Some(sdp("0", "")) }),
            12 => self.script.sip(id, SipEvent::Acked { sdp: None }),
            _ => {}
        }
    }

    /// The caller goes, and all must be over.
    fn finish(&mut self, seed: u64) {
        if self.script.call.state() != State::Ended {
            self.script.bye(CALLER, &[]);
        }
        self.settle();
        self.pass(1_000);
        assert!(self.script.call.is_ended(), "seed {seed}: End does not follow");
        assert!(self.script.checks.ports.is_empty(), "seed {seed}: ports left");
        self.script.check_edges();
        let now = self.script.now;
        let talking =
            |agent: &AgentSnapshot| matches!(agent.state, AgentState::Offered | AgentState::Talking);
        let snapshot = self.queues.snapshot(now);
        assert!(!snapshot.agents.iter().any(talking), "seed {seed}: an agent is held: {:?}", snapshot.agents);
        assert!(snapshot.queues.iter().all(|queue| queue.waiting == 0), "seed {seed}: a ghost in the queue");
    }
}

/// Names the seed of a walk that panics.
struct Named(u64);

impl Drop for Named {
    #[expect(clippy::print_stdout, reason = "a failing seed is printed")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("failing seed: {}", self.0);
        }
    }
}

fn walk(seed: u64) -> CallSnapshot {
    let _named = Named(seed);
    let mut walk = Walk::new(seed);
    for _ in 0..60 {
        if walk.script.call.state() == State::Ended {
            break;
        }
        walk.step();
    }
    walk.finish(seed);
    walk.script.call.snapshot()
}

fn steps(snapshot: &CallSnapshot) -> Vec<State> {
    let state = |entry: &Entry| match entry.what {
        Moment::State { state } => Some(state),
        _ => None,
    };
    snapshot.timeline.entries().iter().filter_map(state).collect()
}

#[test]
fn whatever_happens_the_rules_hold() {
    let (mut edges, mut ends) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..10_000 {
        let snapshot = walk(seed);
        edges.extend(steps(&snapshot).windows(2).map(|pair| (pair[0], pair[1])));
        ends.extend(snapshot.end);
    }
    // The walk is of use only if it gets about: every edge of the graph and most ends are met.
    let all = State::ALL.iter().flat_map(|from| State::ALL.map(|to| (*from, to)));
    let graph: BTreeSet<_> = all.filter(|(from, to)| from.leads_to(*to)).collect();
    assert_eq!(edges, graph);
    assert!(ends.len() >= 12, "{ends:?}");
}

#[test]
fn the_same_seed_walks_the_same_way() {
    for seed in [3, 17, 4711] {
        assert_eq!(walk(seed), walk(seed), "seed {seed}");
    }
}
