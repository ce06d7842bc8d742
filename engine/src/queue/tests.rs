//! The queues in virtual time: who is offered to whom, and what becomes of callers and agents.

use std::time::Duration;

use baton_signaling::Time;

use super::*;
use crate::key::CallKey;

const RING: Duration = Duration::from_secs(15);
const WAIT: Duration = Duration::from_secs(120);

struct World {
    now: Time,
    queues: Queues,
}

fn call(count: u64) -> CallKey {
    CallKey::new(0, count)
}

fn queue(name: &str, agents: &[u32], strategy: Strategy) -> QueueSettings {
    QueueSettings {
        name: name.to_owned(),
        peer: "snapcall".to_owned(),
        agents: agents.to_vec(),
        strategy,
        ring: RING,
        wait: WAIT,
        exhausted: Exhausted::ReturnToAi,
        callers_max: 3,
        open: true,
    }
}

impl World {
    /// Agents with one call each, in one queue `q` of all of them.
    fn new(agents: u32, strategy: Strategy) -> Self {
        let all: Vec<u32> = (0..agents).collect();
        Self::with(vec![queue("q", &all, strategy)], agents)
    }

    fn with(queues: Vec<QueueSettings>, agents: u32) -> Self {
        let agents = (0..agents)
            .map(|number| AgentSettings { uri: format!("sip:{number}@127.0.0.3"), calls: 1 })
            .collect();
        Self { now: Time::from_secs(100), queues: Queues::new(QueuesSettings { queues, agents }) }
    }

    fn enter_at(&mut self, number: u64, queue: &str, place: Place) -> Vec<(CallKey, Notice)> {
        self.queues
            .handle(self.now, QueueRequest::Enter { call: call(number), queue: queue.to_owned(), place });
        self.notices()
    }

    fn enter(&mut self, number: u64) -> Vec<(CallKey, Notice)> {
        self.enter_at(number, "q", Place::Back)
    }

    fn report(&mut self, number: u64, offer: OfferId, outcome: Outcome) -> Vec<(CallKey, Notice)> {
        self.queues.handle(self.now, QueueRequest::Report { call: call(number), offer, outcome });
        self.notices()
    }

    fn leave(&mut self, number: u64) -> Vec<(CallKey, Notice)> {
        self.queues.handle(self.now, QueueRequest::Leave { call: call(number) });
        self.notices()
    }

    /// Lets time pass, with every timer on its way.
    fn pass(&mut self, seconds: u64) -> Vec<(CallKey, Notice)> {
        let until = self.now + Duration::from_secs(seconds);
        let mut notices = Vec::new();
        while let Some(at) = self.queues.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.queues.handle_timeout(self.now);
            notices.extend(self.notices());
        }
        self.now = until;
        notices
    }

    fn notices(&mut self) -> Vec<(CallKey, Notice)> {
        std::iter::from_fn(|| self.queues.poll_notice()).collect()
    }

    fn agent(&self, agent: usize) -> AgentState {
        self.queues.snapshot(self.now).agents[agent].state
    }

    fn line(&self) -> LineSnapshot {
        self.queues.snapshot(self.now).queues[0].clone()
    }
}

/// The offers among `notices`: call, agent, offer.
fn offers(notices: &[(CallKey, Notice)]) -> Vec<(CallKey, u32, OfferId)> {
    let offer = |(call, notice): &(CallKey, Notice)| match notice {
        Notice::Offer(offer) => Some((*call, offer.agent.0, offer.id)),
        _ => None,
    };
    notices.iter().filter_map(offer).collect()
}

fn only_offer(notices: &[(CallKey, Notice)]) -> (u32, OfferId) {
    let offers = offers(notices);
    assert_eq!(offers.len(), 1, "{notices:?}");
    (offers[0].1, offers[0].2)
}

fn exhausted(notices: &[(CallKey, Notice)]) -> Option<(Why, u32)> {
    notices.iter().find_map(|(_, notice)| match notice {
        Notice::Exhausted { why, attempts, .. } => Some((*why, *attempts)),
        _ => None,
    })
}

#[test]
fn a_caller_is_offered_a_free_agent_in_the_turn_it_enters() {
    let mut world = World::new(1, Strategy::LongestIdle);
    let notices = world.enter(1);
    assert_eq!(notices[0], (call(1), Notice::Queued { queue: "q".to_owned(), position: 1 }));
    assert_eq!(only_offer(&notices).0, 0);
    assert_eq!(world.agent(0), AgentState::Offered);
}

#[test]
fn an_agent_who_becomes_free_is_offered_the_first_in_line_at_once() {
    let mut world = World::new(1, Strategy::LongestIdle);
    let (_, offer) = only_offer(&world.enter(1));
    world.report(1, offer, Outcome::Answered);
    assert_eq!(world.agent(0), AgentState::Talking);
    assert!(offers(&world.enter(2)).is_empty());
    assert!(offers(&world.enter(3)).is_empty());
    let offered = offers(&world.report(1, offer, Outcome::Ended));
    assert_eq!(offered.iter().map(|(call, ..)| *call).collect::<Vec<_>>(), [call(2)]);
}

#[test]
fn longest_idle_takes_who_has_had_no_call_for_the_longest_time() {
    let mut world = World::new(3, Strategy::LongestIdle);
    let (first, offer) = only_offer(&world.enter(1));
    assert_eq!(first, 0);
    world.report(1, offer, Outcome::Answered);
    world.pass(10);
    world.report(1, offer, Outcome::Ended);
    let (second, _) = only_offer(&world.enter(2));
    let (third, _) = only_offer(&world.enter(3));
    assert_eq!((second, third), (1, 2));
    assert_eq!(only_offer(&world.enter(4)).0, 0);
}

#[test]
fn round_robin_goes_on_after_the_one_offered_last() {
    let mut world = World::new(3, Strategy::RoundRobin);
    let mut taken = Vec::new();
    for number in 1..=4 {
        let (agent, offer) = only_offer(&world.enter(number));
        taken.push(agent);
        world.report(number, offer, Outcome::Answered);
        world.report(number, offer, Outcome::Ended);
    }
    assert_eq!(taken, [0, 1, 2, 0]);
}

#[test]
fn ring_in_order_begins_with_the_first_of_the_list_each_time() {
    let mut world = World::new(3, Strategy::RingInOrder);
    for number in 1..=3 {
        let (agent, offer) = only_offer(&world.enter(number));
        assert_eq!(agent, 0);
        world.report(number, offer, Outcome::Answered);
        world.report(number, offer, Outcome::Ended);
    }
}

#[test]
fn who_does_not_answer_is_followed_by_another_even_in_order() {
    let mut world = World::new(2, Strategy::RingInOrder);
    let (first, offer) = only_offer(&world.enter(1));
    world.pass(15);
    let (second, offer) = only_offer(&world.report(1, offer, Outcome::NoAnswer));
    assert_eq!((first, second), (0, 1));
    // The first is back from its rest when the second fails: the caller has tried both once.
    world.pass(15);
    let (third, _) = only_offer(&world.report(1, offer, Outcome::NoAnswer));
    assert_eq!(third, 0);
}

#[test]
fn an_agent_that_was_not_reached_rests_and_comes_back() {
    let mut world = World::new(1, Strategy::LongestIdle);
    let (_, offer) = only_offer(&world.enter(1));
    assert!(offers(&world.report(1, offer, Outcome::Unreachable)).is_empty());
    assert_eq!(world.agent(0), AgentState::SetAside);
    assert!(offers(&world.pass(4)).is_empty());
    assert_eq!(only_offer(&world.pass(1)).0, 0);
}

#[test]
fn a_caller_whom_all_agents_decline_has_nothing_left_to_wait_for() {
    let mut world = World::new(2, Strategy::LongestIdle);
    let (_, offer) = only_offer(&world.enter(1));
    let (_, offer) = only_offer(&world.report(1, offer, Outcome::Declined));
    let notices = world.report(1, offer, Outcome::Declined);
    assert_eq!(exhausted(&notices), Some((Why::NoAgent, 2)));
    assert_eq!(world.line().waiting, 0);
}

#[test]
fn a_silent_agent_is_tried_a_bounded_number_of_times_by_one_caller() {
    let mut world = World::new(1, Strategy::LongestIdle);
    let mut notices = world.enter(1);
    for rest in [5, 10] {
        let (_, offer) = only_offer(&notices);
        assert_eq!(exhausted(&world.report(1, offer, Outcome::Unreachable)), None);
        notices = world.pass(rest);
    }
    let (_, offer) = only_offer(&notices);
    assert_eq!(
        exhausted(&world.report(1, offer, Outcome::Unreachable)),
        Some((Why::NoAgent, TRIES_PER_AGENT))
    );
}

#[test]
fn an_offer_of_which_nothing_is_heard_is_withdrawn() {
    let mut world = World::new(2, Strategy::LongestIdle);
    let (_, offer) = only_offer(&world.enter(1));
    let notices = world.pass(20);
    assert!(notices.contains(&(call(1), Notice::Withdrawn { offer })), "{notices:?}");
    let (next, _) = only_offer(&notices);
    assert_eq!(next, 1);
    assert_eq!(world.line().counters.lease_expired, 1);
}

#[test]
fn an_answer_that_crosses_the_end_of_its_lease_ends_the_wait() {
    let mut world = World::new(2, Strategy::LongestIdle);
    let (_, offer) = only_offer(&world.enter(1));
    world.pass(20);
    assert_eq!(world.agent(1), AgentState::Offered);
    assert!(world.report(1, offer, Outcome::Answered).is_empty());
    assert_eq!((world.line().waiting, world.agent(1)), (0, AgentState::Available));
    assert!(world.pass(300).is_empty(), "nobody is rung for a caller who speaks with a person");
}

#[test]
fn a_report_about_an_old_offer_is_counted_and_changes_nothing() {
    let mut world = World::new(2, Strategy::LongestIdle);
    let (_, old) = only_offer(&world.enter(1));
    world.report(1, old, Outcome::NoAnswer);
    let before = world.queues.snapshot(world.now).agents;
    assert!(world.report(1, old, Outcome::Busy).is_empty());
    assert!(world.report(9, OfferId(2), Outcome::Answered).is_empty(), "another call's offer");
    assert_eq!(world.queues.snapshot(world.now).agents, before);
    assert_eq!(world.queues.snapshot(world.now).counters.late_reports, 2);
}

#[test]
fn a_caller_waits_no_longer_than_its_queue_allows() {
    let mut world = World::new(1, Strategy::LongestIdle);
    let (_, offer) = only_offer(&world.enter(1));
    world.report(1, offer, Outcome::Answered);
    world.enter(2);
    assert_eq!(exhausted(&world.pass(119)), None);
    assert_eq!(exhausted(&world.pass(1)), Some((Why::Timeout, 0)));
}

#[test]
fn a_phone_that_rings_when_the_time_is_up_may_still_be_answered() {
    let mut world = World::new(1, Strategy::LongestIdle);
    let (_, offer) = only_offer(&world.enter(1));
    world.report(1, offer, Outcome::Answered);
    world.enter(2);
    world.pass(115);
    let (_, offer) = only_offer(&world.report(1, offer, Outcome::Ended));
    assert_eq!(exhausted(&world.pass(10)), None);
    assert_eq!(exhausted(&world.report(2, offer, Outcome::NoAnswer)), Some((Why::Timeout, 1)));
}

#[test]
fn a_queue_without_agents_or_closed_turns_callers_away() {
    let mut world = World::new(0, Strategy::LongestIdle);
    assert_eq!(exhausted(&world.enter(1)), Some((Why::Closed, 0)));
    let mut world = World::new(1, Strategy::LongestIdle);
    world.enter(1);
    assert!(world.queues.set_open(world.now, "q", false));
    assert_eq!(exhausted(&world.notices()), Some((Why::Closed, 1)));
    assert_eq!(world.agent(0), AgentState::Available);
    assert_eq!(exhausted(&world.enter(2)), Some((Why::Closed, 0)));
    assert!(!world.queues.set_open(world.now, "nowhere", false));
}

#[test]
fn an_unknown_queue_turns_its_caller_away_and_is_counted() {
    let mut world = World::new(1, Strategy::LongestIdle);
    assert_eq!(exhausted(&world.enter_at(1, "nowhere", Place::Back)), Some((Why::Closed, 0)));
    assert_eq!(world.queues.snapshot(world.now).counters.unknown_queue, 1);
}

#[test]
fn a_full_queue_turns_callers_away_but_not_those_who_lost_their_agent() {
    let mut world = World::new(1, Strategy::LongestIdle);
    let (_, offer) = only_offer(&world.enter(1));
    world.report(1, offer, Outcome::Answered);
    for number in 2..=4 {
        assert_eq!(exhausted(&world.enter(number)), None);
    }
    assert_eq!(exhausted(&world.enter(5)), Some((Why::Full, 0)));
    let notices = world.enter_at(6, "q", Place::Front);
    assert_eq!(notices[0], (call(6), Notice::Queued { queue: "q".to_owned(), position: 1 }));
    let notices = world.enter_at(7, "q", Place::Front);
    assert_eq!(notices[0], (call(7), Notice::Queued { queue: "q".to_owned(), position: 2 }));
    let offered = offers(&world.report(1, offer, Outcome::Ended));
    assert_eq!(offered[0].0, call(6));
}

#[test]
fn a_lost_agent_rests_while_its_caller_is_offered_another() {
    let mut world = World::new(2, Strategy::RingInOrder);
    let (_, offer) = only_offer(&world.enter(1));
    world.report(1, offer, Outcome::Answered);
    world.report(1, offer, Outcome::Unreachable);
    assert_eq!(world.agent(0), AgentState::SetAside);
    assert_eq!(only_offer(&world.enter_at(1, "q", Place::Front)).0, 1);
}

#[test]
fn a_call_that_leaves_frees_the_agent_it_rang_or_spoke_with() {
    let mut world = World::new(2, Strategy::LongestIdle);
    world.enter(1);
    let (_, offer) = only_offer(&world.enter(2));
    world.report(2, offer, Outcome::Answered);
    assert!(world.leave(1).is_empty());
    assert!(world.leave(2).is_empty());
    assert_eq!((world.agent(0), world.agent(1)), (AgentState::Available, AgentState::Available));
    assert_eq!(world.line().counters.abandoned, 1);
    assert_eq!(world.queues.poll_timeout(), None, "no timer outlives its caller");
}

#[test]
fn an_agent_of_two_queues_goes_to_who_has_waited_longest() {
    let queues = vec![queue("a", &[0], Strategy::LongestIdle), queue("b", &[0], Strategy::LongestIdle)];
    let mut world = World::with(queues, 1);
    let (_, offer) = only_offer(&world.enter_at(1, "a", Place::Back));
    world.report(1, offer, Outcome::Answered);
    world.enter_at(2, "b", Place::Back);
    world.pass(1);
    world.enter_at(3, "a", Place::Back);
    let offered = offers(&world.report(1, offer, Outcome::Ended));
    assert_eq!(offered[0].0, call(2));
}

#[test]
fn an_agent_with_room_for_two_takes_two() {
    let mut world = World::new(1, Strategy::LongestIdle);
    let agents = vec![AgentSettings { uri: "sip:desk@127.0.0.3".to_owned(), calls: 2 }];
    let queues = vec![queue("q", &[0], Strategy::LongestIdle)];
    world.queues = Queues::new(QueuesSettings { queues, agents });
    assert_eq!(offers(&world.enter(1)).len(), 1);
    assert_eq!(offers(&world.enter(2)).len(), 1);
    assert_eq!(offers(&world.enter(3)).len(), 0);
}

#[test]
fn entering_again_gives_up_the_first_place_and_its_offer() {
    let queues = vec![queue("a", &[0], Strategy::LongestIdle), queue("b", &[1], Strategy::LongestIdle)];
    let mut world = World::with(queues, 2);
    world.enter_at(1, "a", Place::Back);
    assert_eq!(only_offer(&world.enter_at(1, "b", Place::Back)).0, 1);
    assert_eq!(world.agent(0), AgentState::Available);
    assert_eq!(world.line().waiting, 0);
}

/// A small generator for the walk below (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

const OUTCOMES: [Outcome; 7] = [
    Outcome::Ringing,
    Outcome::Answered,
    Outcome::Busy,
    Outcome::Declined,
    Outcome::NoAnswer,
    Outcome::Unreachable,
    Outcome::Ended,
];

fn walk(seed: u64) {
    let mut dice = Dice(seed);
    let strategies = [Strategy::LongestIdle, Strategy::RoundRobin, Strategy::RingInOrder];
    let strategy = strategies[dice.roll(3) as usize];
    let queues = vec![queue("q", &[0, 1, 2], strategy), queue("b", &[2, 3], Strategy::LongestIdle)];
    let mut world = World::with(queues, 4);
    for _ in 0..200 {
        let number = dice.roll(6);
        match dice.roll(8) {
            0 | 1 => {
                let place = if dice.roll(4) == 0 { Place::Front } else { Place::Back };
                world.enter_at(number, if dice.roll(2) == 0 { "q" } else { "b" }, place);
            }
            2 => drop(world.leave(number)),
            3 => drop(world.pass(dice.roll(30))),
            _ => {
                let offer = OfferId(dice.roll(world.queues_made() + 2));
                world.report(number, offer, OUTCOMES[dice.roll(7) as usize]);
            }
        }
        let snapshot = world.queues.snapshot(world.now);
        for agent in &snapshot.agents {
            assert!(agent.offered + agent.talking <= 1, "seed {seed}: {agent:?}");
        }
        assert!(
            world.queues.is_settled(),
            "seed {seed}: a free agent and a caller who could have it: {snapshot:?}"
        );
    }
    for number in 0..6 {
        world.leave(number);
    }
    world.pass(3600);
    let snapshot = world.queues.snapshot(world.now);
    assert!(snapshot.agents.iter().all(|agent| agent.state == AgentState::Available), "seed {seed}");
    assert!(snapshot.queues.iter().all(|line| line.waiting == 0), "seed {seed}");
    assert_eq!(world.queues.poll_timeout(), None, "seed {seed}: a timer is left");
}

impl World {
    fn queues_made(&self) -> u64 {
        self.queues.snapshot(self.now).queues.iter().map(|line| line.counters.offers).sum()
    }
}

#[test]
fn whatever_happens_every_agent_is_free_again_when_all_callers_have_left() {
    for seed in 0..500 {
        walk(seed);
    }
}

#[test]
fn a_wait_that_ends_with_a_person_is_told_once_and_one_that_does_not_is_not() {
    let mut world = World::new(1, Strategy::RingInOrder);
    let (_, offer) = only_offer(&world.enter(1));
    world.enter(2);
    world.now += Duration::from_secs(7);
    world.report(1, offer, Outcome::Answered);
    world.queues.handle(world.now, QueueRequest::Leave { call: call(2) });
    assert_eq!(world.queues.poll_wait(), Some(("q", Duration::from_secs(7))));
    assert_eq!(world.queues.poll_wait(), None);
}

#[test]
fn after_a_panic_agents_who_talk_still_talk_and_callers_wait_on() {
    let mut world = World::new(2, Strategy::RingInOrder);
    let (_, talk) = only_offer(&world.enter(1));
    world.report(1, talk, Outcome::Answered);
    let (_, ring) = only_offer(&world.enter(2));
    world.enter(3);
    let settings = QueuesSettings {
        queues: vec![queue("q", &[0, 1], Strategy::RingInOrder)],
        agents: (0..2).map(|n| AgentSettings { uri: format!("sip:{n}@127.0.0.3"), calls: 1 }).collect(),
    };
    world.queues = world.queues.salvaged(settings.clone(), true);
    assert_eq!(world.notices(), [(call(2), Notice::Withdrawn { offer: ring })]);
    assert_eq!((world.agent(0), world.line().waiting), (AgentState::Talking, 2));
    let offered = offers(&world.pass(1));
    let again = offers(&world.report(9, talk, Outcome::Ringing));
    let offered = [offered, again].concat();
    assert_eq!(offered.len(), 1, "the free agent alone is offered again");
    assert_eq!((offered[0].0, offered[0].1), (call(2), 1));
    assert!(offered[0].2 > ring, "an offer's number is never used twice");
    world.report(1, talk, Outcome::Ended);
    assert_eq!(world.line().talking, 0, "the conversation ends as it would have");

    world.queues = world.queues.salvaged(settings, false);
    let gone: Vec<_> =
        world.notices().into_iter().filter(|(_, n)| matches!(n, Notice::Exhausted { .. })).collect();
    assert_eq!(
        (gone.len(), world.line().waiting),
        (2, 0),
        "callers whose places panic again are turned away"
    );
}
