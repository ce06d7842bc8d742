//! What a seed decides of a call.

use std::time::Duration;

use baton_engine::queue::Exhausted;
use baton_tests::codec::Codec;
use baton_tests::dice::Dice;
use baton_tests::net::Weather;
use baton_tests::phone::{Behaviour, Do, Pickup};
use baton_tests::sip::Direction;
use baton_tests::world::{AI, AI2, ANN, BOB, CALLER, World, WorldBuilder, ms};

/// A call's fate.
#[derive(Debug)]
pub(super) struct Drawn {
    seed: u64,
    /// Nothing is lost, late or doubled.
    pub(super) clear: bool,
    /// Somebody holds.
    pub(super) holds: bool,
    /// What the caller does, after the INVITE.
    pub(super) caller: Vec<(Duration, Do)>,
    weather: Weather,
    codecs: Vec<Codec>,
    ptime: u64,
    ais: [Behaviour; 2],
    agents: [Behaviour; 2],
    ring: Duration,
    wait: Duration,
    /// What happens when nobody is found.
    pub(super) exhausted: Exhausted,
}

impl Drawn {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 0x4d41_5353);
        let clear = dice.chance(700);
        let holds = dice.chance(250);
        let weather =
            if clear { Weather::CLEAR } else { Weather::rough(dice.below(50) as u32, dice.below(50) as u32) };
        let mut caller = vec![(dice.between(ms(100), ms(25_000)), Do::HangUp(String::new()))];
        if holds && dice.chance(500) {
            let at = dice.between(ms(1500), ms(10_000));
            let direction = *dice.pick(&[Direction::SendOnly, Direction::Inactive]);
            caller.push((at, Do::Offer(direction)));
            caller.push((at + dice.between(ms(50), ms(3000)), Do::Offer(Direction::SendRecv)));
        }
        let codecs = match seed % 30 {
            0 => vec![Codec::Opus],
            n if n % 2 == 0 => vec![Codec::Pcma],
            _ => vec![Codec::Pcmu, Codec::Pcma],
        };
        let ptime = if codecs == [Codec::Opus] { 20 } else { *dice.pick(&[20, 20, 20, 10, 30, 40, 60]) };
        Self {
            seed,
            clear,
            holds,
            caller,
            weather,
            codecs,
            ptime,
            ais: [ai(&mut dice), ai(&mut dice)],
            agents: [agent(&mut dice, holds), agent(&mut dice, holds)],
            ring: dice.between(ms(1000), ms(4000)),
            wait: dice.between(ms(4000), ms(15_000)),
            exhausted: dice.pick(&[Exhausted::ReturnToAi, Exhausted::Announce, Exhausted::HangUp]).clone(),
        }
    }

    pub(super) fn world(&self) -> World {
        let mut builder = WorldBuilder::new(self.seed).patience(self.wait, self.ring).weather(self.weather);
        builder.queue.exhausted = self.exhausted.clone();
        let mut world = builder.build();
        for (who, behaviour) in
            [AI, AI2].into_iter().zip(&self.ais).chain([ANN, BOB].into_iter().zip(&self.agents))
        {
            world.behave(who, behaviour.clone());
        }
        world.phone(CALLER).codecs = self.codecs.clone();
        world.phone(CALLER).ptime = self.ptime;
        world
    }
}

fn ai(dice: &mut Dice) -> Behaviour {
    let pickup = match dice.below(20) {
        0 => Pickup::Silent,
        1 => Pickup::Refuse(503, Duration::ZERO, String::new()),
        2 => Pickup::Refuse(486, dice.between(ms(0), ms(1000)), String::new()),
        3 => Pickup::Trying,
        _ => Pickup::After(dice.between(ms(0), ms(1500))),
    };
    let mut behaviour = Behaviour::with(pickup);
    behaviour.bye_when_told = dice.chance(700);
    behaviour.notify_status = if dice.chance(100) { *dice.pick(&[0, 481, 500]) } else { 200 };
    behaviour.late_answer = dice.chance(100);
    let at = dice.between(ms(300), ms(4000));
    let refer = || Do::Refer("<sip:snapcall_agents@10.0.0.1>".into(), "X-Handoff-Reason: billing\r\n".into());
    match dice.below(10) {
        0 => behaviour.then.push((at, Do::HangUp(String::new()))),
        1 => {}
        2 | 3 => behaviour.then.push((at, Do::HangUp("X-contained: false\r\n".into()))),
        _ => {
            behaviour.then.push((at, refer()));
            let soon = at + dice.between(ms(0), ms(1500));
            match dice.below(6) {
                0 => behaviour.then.push((soon, Do::HangUp(String::new()))),
                1 => behaviour.then.push((soon, refer())),
                2 => behaviour.then.push((soon, Do::Refer("<sip:other@10.0.0.1>".into(), String::new()))),
                _ => {}
            }
        }
    }
    behaviour
}

fn agent(dice: &mut Dice, holds: bool) -> Behaviour {
    let pickup = match dice.below(12) {
        0 => Pickup::Silent,
        1 => Pickup::Never,
        2 => Pickup::Refuse(486, Duration::ZERO, String::new()),
        3 => Pickup::Refuse(603, dice.between(ms(0), ms(2000)), String::new()),
        4 => Pickup::Refuse(*dice.pick(&[480, 404, 503, 600]), Duration::ZERO, String::new()),
        _ => Pickup::After(dice.between(ms(0), ms(4500))),
    };
    let mut behaviour = Behaviour::with(pickup);
    behaviour.late_answer = dice.chance(100);
    let at = dice.between(ms(500), ms(5000));
    match dice.below(6) {
        0 => behaviour.then.push((at, Do::HangUp(String::new()))),
        1 if holds => {
            behaviour.then.push((at, Do::Offer(Direction::SendOnly)));
            behaviour.then.push((at + dice.between(ms(50), ms(2000)), Do::Offer(Direction::SendRecv)));
        }
        2 => behaviour.then.push((at, Do::Refer("<sip:snapcall_agents@10.0.0.1>".into(), String::new()))),
        _ => {}
    }
    behaviour
}
