//! Owners that do anything at any time on a bad wire, and peers that send anything: no panic, and bounded memory.

use baton_signaling::Random;
use baton_signaling::endpoint::{Event, Leg, RequestKey};
use baton_signaling::message::{Headers, Message, Method};
use bytes::Bytes;

use crate::wire::{ALICE, BOB, World, raw_flow};

const SDP: Bytes = Bytes::from_static(b"v=0\r\n");

/// What an owner has seen of its endpoint.
#[derive(Default)]
struct Owner {
    legs: Vec<Leg>,
    keys: Vec<RequestKey>,
}

impl Owner {
    fn see(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Incoming { leg, .. } | Event::Answered { leg, .. } => self.legs.push(leg),
                Event::Offer { key, .. } | Event::Refer { key, .. } => self.keys.push(key),
                _ => {}
            }
        }
    }

    fn act(&self, world: &mut World, end: usize, random: &mut Random) {
        let now = world.now;
        let pick = |random: &mut Random, len: usize| usize::try_from(random.below(len as u64)).unwrap();
        let leg = if self.legs.is_empty() { Leg(1) } else { self.legs[pick(random, self.legs.len())] };
        let key = if self.keys.is_empty() { RequestKey(1) } else { self.keys[pick(random, self.keys.len())] };
        let it = &mut world.ends[end];
        let none = Headers::new;
        match random.below(16) {
            0 => it.progress(now, leg, 180, none(), Bytes::new()),
            1..=3 => it.answer(now, leg, none(), SDP),
            4 => it.reject(now, leg, 486, "", none()),
            5 => it.cancel(now, leg, none()),
            6 => it.hang_up(now, leg, none()),
            7 | 8 => it.reinvite(now, leg, none(), SDP),
            9 => drop(it.refer(now, leg, b"<sip:q@127.0.0.2>", none())),
            10 | 11 => it.respond(now, key, 200, "", none(), SDP),
            12 => it.respond(now, key, 488, "", none(), Bytes::new()),
            13 => it.notify(now, key, [180, 200, 486][pick(random, 3)], "", &Headers::new()),
            14 => drop(it.probe(now, leg)),
            _ => drop(it.request(now, leg, Method::Update, none(), SDP)),
        }
    }
}

#[test]
fn whatever_the_owners_do_on_a_bad_wire_everything_ends() {
    for seed in 0..200 {
        let mut world = World::new(seed);
        world.loss_percent = 15;
        world.delay_ms = (1, 400);
        let mut random = Random::new(seed ^ 0xc4a0);
        let mut owners = [Owner::default(), Owner::default()];
        for _ in 0..120 {
            if random.below(8) == 0 {
                let leg = world.dial();
                owners[ALICE].legs.push(leg);
            }
            world.run_ms(random.below(600));
            for end in [ALICE, BOB] {
                let events = world.take(end);
                owners[end].see(events);
                owners[end].act(&mut world, end, &mut random);
            }
        }
        // Everybody goes home.
        for _ in 0..3 {
            for end in [ALICE, BOB] {
                let events = world.take(end);
                owners[end].see(events);
                for &leg in &owners[end].legs {
                    let now = world.now;
                    world.ends[end].hang_up(now, leg, Headers::new());
                }
            }
            world.run_ms(70_000);
        }
        world.run_out();
        for end in [ALICE, BOB] {
            world.take(end);
            assert!(world.ends[end].is_idle(), "seed {seed}: {:?}", world.ends[end].counters());
        }
    }
}

#[test]
fn damaged_and_displaced_messages_harm_nothing() {
    for seed in 0..60 {
        let mut world = World::new(seed);
        let mut random = Random::new(seed);
        let (_, b) = world.connect();
        let text = "INFO sip:bob@127.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.9:5099;branch=z9hG4bK1;rport\r\n\
                    Max-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: x\r\n\
                    CSeq: 1 INFO\r\nContact: <sip:a@127.0.0.9>\r\nContent-Length: 0\r\n\r\n";
        for _ in 0..300 {
            let methods =
                ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REFER", "NOTIFY", "SUBSCRIBE", "UPDATE"];
            let method = methods[usize::try_from(random.below(9)).unwrap()];
            let mut bytes =
                text.replace("INFO", method).replace("branch=z9hG4bK1", &branch(&mut random)).into_bytes();
            for _ in 0..random.below(4) {
                let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
                bytes[at] = u8::try_from(random.below(256)).unwrap();
            }
            let now = world.now;
            match Message::parse(Bytes::from(bytes)) {
                Ok(message) => world.ends[BOB].handle_message(now, raw_flow(BOB), message),
                Err(error) => world.ends[BOB].handle_malformed(now, raw_flow(BOB), &error),
            }
            world.run_ms(5);
        }
        let legs = world.take(BOB).into_iter().filter_map(|event| match event {
            Event::Incoming { leg, .. } => Some(leg),
            _ => None,
        });
        for leg in legs.chain([b]) {
            let (bob, now) = world.bob();
            bob.hang_up(now, leg, Headers::new());
        }
        world.run_out();
        world.assert_idle();
    }
}

fn branch(random: &mut Random) -> String {
    match random.below(3) {
        0 => "branch=1".to_owned(),
        1 => format!("branch=z9hG4bK{}", random.below(50)),
        _ => format!("branch=z9hG4bK{:x}", random.draw()),
    }
}
