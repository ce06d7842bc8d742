//! A whole node and its phones on a simulated network, in virtual time.
//!
//! A world is made from a seed; the same seed gives the same world to the last packet. `BATON_SEED` in the environment
//! replays one seed where a test runs many.

mod build;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use baton_engine::call::{Call, CallSnapshot, State};
use baton_signaling::{Time, earliest};

pub use build::{WorldBuilder, polite_ai};

use crate::net::{Datagram, Net};
use crate::node::Node;
use crate::phone::{Behaviour, Do, Line, LineId, Phone};
use crate::tone::{Heard, Tone};

/// One second.
pub const SECOND: Duration = Duration::from_secs(1);

/// Milliseconds as a duration.
pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A party of the world: a position among its phones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Who(pub usize);

/// The caller.
pub const CALLER: Who = Who(0);
/// The AI's first address.
pub const AI: Who = Who(1);
/// The AI's second address.
pub const AI2: Who = Who(2);
/// The first person of the queue.
pub const ANN: Who = Who(3);
/// The second person of the queue.
pub const BOB: Who = Who(4);
/// A second caller.
pub const OTHER: Who = Who(5);

/// The hold audio of every world: a tone of its own.
pub const HOLD: Tone = Tone(16);
/// Longest silence that a caller may hear where everybody who could speak does, in milliseconds.
pub const GAP_MS: usize = 60;
/// How long the end of the AI's sentence may take to be recognised by its silence.
pub const SENTENCE_END: Duration = ms(500);

/// The announcement of every world: two seconds of a tone of its own.
pub const ANNOUNCEMENT: Tone = Tone(17);

/// A node with its phones.
pub struct World {
    /// The present.
    pub now: Time,
    /// The network.
    pub net: Net,
    /// The node.
    pub node: Node,
    /// The phones, by [`Who`].
    pub phones: Vec<Phone>,
    /// What it was made from.
    pub seed: u64,
    /// Datagrams to addresses at which nobody is, the latest last.
    pub strays: Vec<Datagram>,
    lossy: bool,
}

impl World {
    /// The usual world: see [`WorldBuilder`].
    pub fn new(seed: u64) -> Self {
        WorldBuilder::new(seed).build()
    }

    /// A phone.
    pub fn phone(&mut self, who: Who) -> &mut Phone {
        &mut self.phones[who.0]
    }

    /// How a phone treats calls from now on.
    pub fn behave(&mut self, who: Who, behaviour: Behaviour) {
        self.phone(who).behaviour = behaviour;
    }

    /// The caller calls.
    pub fn call(&mut self) -> LineId {
        self.call_from(CALLER, "1000", "")
    }

    /// A phone calls this user of the node, with these header lines.
    pub fn call_from(&mut self, who: Who, user: &str, headers: &str) -> LineId {
        let (now, node) = (self.now, self.node.sip());
        let line = self.phone(who).call(now, user, node, headers);
        self.run(Duration::ZERO);
        line
    }

    /// A world in which the caller speaks with the AI.
    pub fn with_ai(&mut self) {
        self.call();
        self.run(2 * SECOND);
        self.assert_talk(CALLER, AI);
    }

    /// A world in which the AI has handed the caller over to Ann.
    pub fn with_agent(&mut self) {
        self.with_ai();
        self.hand_over("snapcall_agents", "");
        self.run(3 * SECOND);
        self.assert_talk(CALLER, ANN);
    }

    /// The AI hands over to a queue's name by REFER, with these header lines.
    pub fn refer(&mut self, queue: &str, headers: &str) {
        let (user, headers_of_uri) =
            queue.split_once('?').map_or((queue, String::new()), |(user, rest)| (user, format!("?{rest}")));
        let to = format!("<sip:{user}@{}{headers_of_uri}>", self.node.sip());
        self.act(AI, Do::Refer(to, headers.into()));
    }

    /// The AI hands over by REFER and ends its sentence 300 ms later.
    pub fn hand_over(&mut self, queue: &str, headers: &str) {
        self.refer(queue, headers);
        self.act_later(AI, ms(300), Do::Quiet(true));
    }

    /// A phone does something on its latest line in some time.
    pub fn act_later(&mut self, who: Who, wait: Duration, what: Do) {
        let at = self.now + wait;
        let line = self.line(who).id;
        self.phone(who).act_later(at, line, what);
    }

    /// A phone does something on its latest line.
    pub fn act(&mut self, who: Who, what: Do) {
        let now = self.now;
        let phone = self.phone(who);
        let line = phone.last().expect("the phone has a call").id;
        phone.act(now, line, what);
        self.run(Duration::ZERO);
    }

    /// A phone's host goes dark: nothing comes from it and nothing reaches it.
    pub fn cut(&mut self, who: Who) {
        let ip = self.phones[who.0].sip.ip();
        self.net.cut.push(ip);
    }

    /// A phone's latest line; the world's phones have one call at a time in most tests.
    pub fn line(&self, who: Who) -> &Line {
        self.phones[who.0].last().unwrap_or_else(|| panic!("{who:?} has no call; seed {}", self.seed))
    }

    /// How many calls a phone has had.
    pub fn calls_of(&self, who: Who) -> usize {
        self.phones[who.0].lines().len()
    }

    /// The node's living call, if there is one.
    pub fn living(&self) -> Option<&Call> {
        self.node.calls().next()
    }

    /// The state of the node's only call; `Ended` if there is none.
    pub fn state(&self) -> State {
        self.living().map_or(State::Ended, Call::state)
    }

    /// The record of the call that ended last.
    pub fn record(&self) -> &CallSnapshot {
        self.node.records.last().expect("a call has ended")
    }

    /// Whom a phone heard in the `span` before now, on its latest line.
    pub fn heard(&self, who: Who, span: Duration) -> Heard {
        self.line(who).heard_last(self.now, span)
    }

    /// Two parties hear each other, and nobody else, in the half second before now.
    #[track_caller]
    pub fn assert_talk(&self, a: Who, b: Who) {
        self.assert_hears(a, &Heard::only(self.line(b).tone));
        self.assert_hears(b, &Heard::only(self.line(a).tone));
    }

    /// What a party heard in the half second before now.
    #[track_caller]
    pub fn assert_hears(&self, who: Who, heard: &Heard) {
        let got = self.heard(who, ms(500));
        let (state, seed) = (self.state(), self.seed);
        assert!(
            got == *heard,
            "{who:?} heard {got:?} instead of {heard:?}; {state:?}, seed {seed}\n{}",
            self.account()
        );
    }

    /// Since `from` a party has always heard something, and its packets came evenly.
    #[track_caller]
    pub fn assert_no_gap(&self, who: Who, from: Time) {
        let ear = &self.line(who).ear;
        let (sound, packets) = (ear.longest_gap_ms(from, self.now), ear.longest_wait_ms(from, self.now));
        let fine = sound <= GAP_MS && packets <= GAP_MS as u128;
        assert!(
            fine,
            "{who:?}: {sound} ms of silence, {packets} ms without a packet; seed {}\n{}",
            self.seed,
            self.account()
        );
    }

    /// Every line of every phone, for a failed assertion.
    pub fn account(&self) -> String {
        let of = |(who, phone): (usize, &Phone)| {
            let lines: Vec<String> = phone.lines().iter().map(Line::account).collect();
            format!("{:?} {}: {}", Who(who), phone.name, lines.join("\n"))
        };
        self.phones
            .iter()
            .enumerate()
            .filter(|(_, phone)| !phone.lines().is_empty())
            .map(of)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.exchange();
            let Some(at) = self.next_event().filter(|at| *at <= end) else { break };
            self.now = at.max(self.now);
            while let Some(datagram) = self.net.take(self.now) {
                self.deliver(datagram);
            }
            for phone in
                self.phones.iter_mut().filter(|phone| phone.poll_timeout().is_some_and(|at| at <= self.now))
            {
                phone.handle_timeout(self.now);
            }
        }
        self.now = end;
    }

    /// Lets time pass until `done`, at most `limit`; whether it came to be.
    pub fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + limit;
        while self.now < end {
            if done(self) {
                return true;
            }
            self.run(ms(10));
        }
        done(self)
    }

    fn next_event(&self) -> Option<Time> {
        let node = earliest(self.net.next(), self.node.poll_timeout());
        self.phones.iter().map(Phone::poll_timeout).fold(node, earliest)
    }

    /// All that anyone wants to send goes onto the network.
    fn exchange(&mut self) {
        for phone in &mut self.phones {
            while let Some(datagram) = phone.poll_transmit() {
                self.net.send(self.now, datagram);
            }
        }
        if self.node.poll_timeout().is_some_and(|at| at <= self.now) {
            for datagram in self.node.run(self.now) {
                self.net.send(self.now, datagram);
            }
        }
    }

    fn deliver(&mut self, datagram: Datagram) {
        if datagram.to.ip() == self.node.sip().ip() {
            self.node.receive(datagram);
        } else if let Some(phone) = self.phones.iter_mut().find(|phone| owns(phone, &datagram.to)) {
            phone.handle(self.now, &datagram);
        } else {
            self.strays.push(datagram);
        }
    }

    /// A datagram from anywhere to the node's SIP port, at once.
    pub fn inject(&mut self, from: IpAddr, bytes: &[u8]) {
        let from = SocketAddr::new(from, 5060);
        self.node.receive(Datagram { from, to: self.node.sip(), bytes: bytes.to_vec() });
        self.run(Duration::ZERO);
    }

    /// The end of a test: everybody has hung up, and nothing is left a while later. What must hold in every world is
    /// checked here.
    #[track_caller]
    pub fn finish(mut self) -> Self {
        self.run(SECOND);
        assert_eq!(
            self.node.calls().count(),
            0,
            "calls left after 1 s; seed {}\n{}",
            self.seed,
            self.account()
        );
        let stats = self.node.stats(self.now);
        assert_eq!(
            (stats.legs, stats.ports.used),
            (0, 0),
            "legs and ports left after 1 s; seed {}",
            self.seed
        );
        // 64·T1 for transactions, then the rest of ports; agents set aside come back within that, too.
        self.run(Duration::from_secs(100));
        let left = self.node.leftovers(self.now);
        assert!(left.is_empty(), "left behind: {left:?}; seed {}\n{}", self.seed, self.account());
        let busy: Vec<&str> =
            self.phones.iter().filter(|phone| !phone.is_idle()).map(|phone| &*phone.name).collect();
        assert!(busy.is_empty(), "phones still busy: {busy:?}; seed {}\n{}", self.seed, self.account());
        self.assert_one_stream();
        self.assert_reasons();
        self
    }

    /// Every caller's received stream was one stream from its first packet to its last (rule 3).
    #[track_caller]
    fn assert_one_stream(&self) {
        if self.lossy {
            return;
        }
        for who in [CALLER, OTHER] {
            for line in self.phones[who.0].lines() {
                let faults = line.ear.stream_faults();
                assert!(faults.is_empty(), "{who:?}: {faults:?}; seed {}\n{}", self.seed, self.account());
            }
        }
    }

    /// Every end has a reason (rule 7).
    #[track_caller]
    fn assert_reasons(&self) {
        for record in &self.node.records {
            assert!(record.end.is_some(), "a call ended without a reason; seed {}\n{record:?}", self.seed);
        }
    }

    /// The seed to run, or the one that `BATON_SEED` asks for.
    pub fn seeds(count: u64) -> Vec<u64> {
        match std::env::var("BATON_SEED").ok().and_then(|text| text.parse().ok()) {
            Some(seed) => vec![seed],
            None => (0..count).collect(),
        }
    }
}

fn owns(phone: &Phone, to: &SocketAddr) -> bool {
    phone.sip.ip() == to.ip() && (phone.sip == *to || to.port() >= 10_000)
}
