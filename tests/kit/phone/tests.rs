//! The phones against each other, with no node between them: what the kit itself can be trusted with.

use std::time::Duration;

use baton_signaling::Time;

use super::*;
use crate::net::{Net, Weather};
use crate::tone::Heard;

struct Pair {
    now: Time,
    net: Net,
    phones: [Phone; 2],
}

impl Pair {
    fn new(seed: u64, weather: Weather) -> Self {
        let phone = |name: &str, ip: u8| {
            let sip = SocketAddr::from(([127, 0, 0, ip], 5060));
            Phone::new(name, sip, 20_000, Tone(ip), seed)
        };
        let mut net = Net::new(seed);
        net.signalling = weather;
        Self { now: Time::ZERO, net, phones: [phone("ann", 1), phone("bob", 2)] }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let timers = self.phones.iter().map(Phone::poll_timeout).fold(self.net.next(), earliest);
            for phone in &mut self.phones {
                while let Some(datagram) = phone.poll_transmit() {
                    self.net.send(self.now, datagram);
                }
            }
            let Some(at) = earliest(timers, self.net.next()).filter(|at| *at <= end) else { break };
            self.now = at.max(self.now);
            while let Some(datagram) = self.net.take(self.now) {
                let to = usize::from(datagram.to.ip() == self.phones[1].sip.ip());
                self.phones[to].handle(self.now, &datagram);
            }
            self.phones.iter_mut().for_each(|phone| phone.handle_timeout(self.now));
        }
        self.now = end;
    }

    fn call(&mut self) {
        let bob = self.phones[1].sip;
        self.phones[0].call(self.now, "bob", bob, "X-Test: 1\r\n");
    }

    fn act(&mut self, who: usize, what: Do) {
        self.phones[who].act(self.now, LineId(0), what);
    }

    fn heard(&self, who: usize) -> Heard {
        self.phones[who].line(LineId(0)).heard_last(self.now, Duration::from_millis(500))
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn two_phones_talk_hold_and_hang_up() {
    let mut pair = Pair::new(1, Weather::CLEAR);
    pair.call();
    pair.run(2 * SECOND);
    assert_eq!((pair.heard(0), pair.heard(1)), (Heard::only(Tone(2)), Heard::only(Tone(1))));
    pair.act(1, Do::Offer(Direction::SendOnly));
    pair.run(SECOND);
    assert_eq!((pair.heard(0), pair.heard(1)), (Heard::only(Tone(2)), Heard::silence()));
    pair.act(1, Do::Offer(Direction::SendRecv));
    pair.run(SECOND);
    assert_eq!((pair.heard(0), pair.heard(1)), (Heard::only(Tone(2)), Heard::only(Tone(1))));
    pair.act(0, Do::HangUp(String::new()));
    pair.run(SECOND);
    assert!(pair.phones.iter().all(Phone::is_idle));
    assert!(pair.phones[1].line(LineId(0)).ended_by_peer);
}

#[test]
fn phones_get_through_twenty_percent_of_loss() {
    for seed in 0..200 {
        let mut pair = Pair::new(seed, Weather::rough(200, 100));
        pair.call();
        pair.run(30 * SECOND);
        let states = [0, 1].map(|who: usize| pair.phones[who].line(LineId(0)).state);
        assert_eq!(states, [LineState::Up; 2], "seed {seed}");
        assert_eq!(pair.heard(0), Heard::only(Tone(2)), "seed {seed}");
        pair.act(0, Do::HangUp(String::new()));
        pair.run(40 * SECOND);
        assert!(pair.phones.iter().all(Phone::is_idle), "seed {seed}");
    }
}

#[test]
fn a_ringing_phone_is_cancelled() {
    let mut pair = Pair::new(3, Weather::CLEAR);
    pair.phones[1].behaviour = Behaviour::never_answers();
    pair.call();
    pair.run(SECOND);
    pair.act(0, Do::HangUp(String::new()));
    pair.run(SECOND);
    let line = pair.phones[0].line(LineId(0));
    assert_eq!((line.status, line.received("200 CANCEL")), (Some(487), 1), "{}", line.account());
    assert!(pair.phones.iter().all(Phone::is_idle));
}

#[test]
fn a_200_that_crosses_the_cancel_is_acknowledged_and_ended() {
    let mut pair = Pair::new(4, Weather::CLEAR);
    pair.phones[1].behaviour = Behaviour { late_answer: true, ..Behaviour::never_answers() };
    pair.call();
    pair.run(SECOND);
    pair.act(0, Do::HangUp(String::new()));
    pair.run(SECOND);
    let line = pair.phones[1].line(LineId(0));
    assert_eq!((line.received("ACK"), line.received("BYE")), (1, 1), "{}", line.account());
    assert!(pair.phones.iter().all(Phone::is_idle));
}

#[test]
fn a_refusal_and_a_phone_that_is_not_there_end_the_call() {
    for (behaviour, status) in [(Behaviour::refuses(486), Some(486)), (Behaviour::is_silent(), None)] {
        let mut pair = Pair::new(5, Weather::CLEAR);
        pair.phones[1].behaviour = behaviour;
        pair.call();
        pair.run(33 * SECOND);
        let line = pair.phones[0].line(LineId(0));
        assert_eq!((line.status, line.is_ended()), (status, true));
        assert!(pair.phones.iter().all(Phone::is_idle));
    }
}

#[test]
fn a_referring_phone_hears_202_or_whatever_is_answered() {
    let mut pair = Pair::new(6, Weather::CLEAR);
    pair.phones[1].behaviour = Behaviour::answers(SECOND)
        .then(SECOND, Do::Refer("<sip:desk@127.0.0.9>".into(), "X-Reason: bill\r\n".into()));
    pair.call();
    pair.run(3 * SECOND);
    let refer = pair.phones[0].line(LineId(0)).first("REFER").unwrap();
    assert_eq!(refer.text.uri("Refer-To"), Some("sip:desk@127.0.0.9"));
    assert_eq!(refer.text.header("X-Reason"), Some("bill"));
    assert_eq!(pair.phones[1].line(LineId(0)).received("200 REFER"), 1);
}
