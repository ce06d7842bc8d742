//! Everybody but the node: callers, AI and people on one thread, by one timer and the readiness of their sockets.

mod events;
mod joined;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use baton_signaling::Time;
use baton_signaling::endpoint::{Invite, Leg};
use baton_signaling::message::Headers;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::timerfd::TimerFd;

use crate::frames::Frames;
use crate::line::Line;
use crate::machine::{MS, Nanos, SECOND, failed, now, ticker};
use crate::options::Codecs;
use crate::phone::{Party, Phone, sdp, with_sdp};
use crate::wire::{self, Room};

/// How often the generator looks at its clock.
const TICK: Duration = Duration::from_millis(1);
/// Longest wait for anything.
const WAIT_MS: u8 = 5;
/// The spacing of a stream's packets.
pub(crate) const FRAME: Nanos = 20 * MS;
/// A line that is later than this leaves frames out: a burst of more would measure the generator.
const CATCH_UP: Nanos = 5 * FRAME;
/// Packets sent before sockets are read again.
const SENDS_PER_TURN: usize = 1_024;
/// Readiness taken at once.
const EVENTS_PER_TURN: usize = 256;
/// SIP messages of one phone taken before others have their turn.
const MESSAGES_PER_TURN: usize = 64;
/// Calls begun before sockets are read again.
const CALLS_PER_TURN: usize = 32;
/// The golden ratio's fraction spreads any number of streams evenly over the 20 ms.
const SPREAD: f64 = 0.618_033_988_749_894_9;
/// The queue that people wait in.
pub(crate) const QUEUE: &str = "people";
/// Which call an INVITE belongs to; the node carries it on as context.
const CALL_HEADER: &str = "X-Bench-Call";

/// What the parties say.
#[derive(Clone, Debug)]
pub(crate) struct Voices {
    /// Which codecs.
    pub codecs: Codecs,
    /// Speech of caller, AI and people.
    pub speech: [Frames; 3],
    /// Marks of caller, AI and people.
    pub marks: [Frames; 3],
}

impl Voices {
    /// Encodes everything.
    pub(crate) fn new(codecs: Codecs) -> Result<Self, String> {
        let Codecs { caller, ai } = codecs;
        let speech = |voice, file| Frames::speech(voice, file);
        Ok(Self {
            codecs,
            speech: [speech(caller, "caller.wav")?, speech(ai, "ai.wav")?, speech(ai, "agent.wav")?],
            marks: [Frames::marks(caller)?, Frames::marks(ai)?, Frames::marks(ai)?],
        })
    }
}

/// One call as its parties see it.
#[derive(Debug, Default)]
pub(crate) struct Call {
    legs: [Option<Leg>; 3],
    /// The parties' lines, as positions in [`World::lines`].
    pub lines: [Option<usize>; 3],
    /// When the caller sent INVITE.
    pub invited: Nanos,
    /// When the caller received 200.
    pub answered: Option<Nanos>,
    /// When it sent REFER.
    pub referred: Option<Nanos>,
    /// When INVITE reached the person.
    pub person_invited: Option<Nanos>,
    /// When the AI was told that a person has the caller.
    pub handed_off: Option<Nanos>,
    /// It is over for the caller.
    pub over: bool,
    /// What went wrong first.
    pub fault: Option<String>,
    /// Marks instead of speech, and payloads are kept.
    pub listened: bool,
}

/// Calls that are still to begin.
#[derive(Clone, Copy, Debug)]
struct Beginning {
    at: Nanos,
    every: Nanos,
    left: usize,
    listened: usize,
}

/// How calls go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// They stay up and speak.
    Spoken,
    /// The caller hangs up as soon as it has the answer; nobody speaks.
    SetUpOnly,
}

/// The generator.
#[derive(Debug)]
pub(crate) struct World {
    start: Nanos,
    node: SocketAddr,
    style: Style,
    voices: Voices,
    /// What it waits for: its timer and SIP.
    watch: Epoll,
    /// The lines. Nobody waits here: what has come is taken at the timer's next tick, its time is the kernel's. A generator
    /// that each packet had to wake would be paid for by whoever sends it.
    arrived: Epoll,
    timer: TimerFd,
    room: Room,
    phones: [Phone; 3],
    /// Where parties of calls without sound want what nobody sends.
    deaf: [UdpSocket; 3],
    /// All lines there have been.
    pub lines: Vec<Line>,
    /// All calls there have been.
    pub calls: Vec<Call>,
    call_of: BTreeMap<(Party, Leg), usize>,
    beginning: Option<Beginning>,
    /// Lines by the instant of their next frame.
    due: BinaryHeap<Reverse<(Nanos, usize)>>,
    /// Calls by the instant of their handoff.
    handoffs: BinaryHeap<Reverse<(Nanos, usize)>>,
    /// Whether sends and arrivals are kept.
    pub recording: bool,
    /// How late packets of the window left, against their own instants.
    pub lateness: Vec<Nanos>,
    /// Frames that were left out because the generator was too late.
    pub skipped: u64,
}

impl World {
    /// Everybody at their phones, before the node has started.
    pub(crate) fn new(voices: Voices, style: Style) -> Result<Self, String> {
        let phones = [Phone::open(Party::Caller)?, Phone::open(Party::Ai)?, Phone::open(Party::Agent)?];
        let deaf = [Party::Caller, Party::Ai, Party::Agent].map(|party| wire::open(party.ip(), 0));
        let [caller, ai, agent] = deaf;
        let epoll = || Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(failed("no epoll"));
        let (watch, arrived) = (epoll()?, epoll()?);
        let timer = ticker(TICK)?;
        let event = |token| EpollEvent::new(EpollFlags::EPOLLIN, token);
        watch.add(&timer, event(0)).map_err(failed("cannot watch the timer"))?;
        // 0 is the timer's.
        for (phone, token) in phones.iter().zip(1..) {
            watch.add(&phone.socket, event(token)).map_err(failed("cannot watch a phone"))?;
        }
        Ok(Self {
            start: now(),
            node: phones[0].address,
            style,
            voices,
            watch,
            arrived,
            timer,
            room: Room::new(),
            phones,
            deaf: [caller?, ai?, agent?],
            lines: Vec::new(),
            calls: Vec::new(),
            call_of: BTreeMap::new(),
            beginning: None,
            due: BinaryHeap::new(),
            handoffs: BinaryHeap::new(),
            recording: false,
            lateness: Vec::new(),
            skipped: 0,
        })
    }

    /// Where a party's phone is.
    pub(crate) fn address(&self, party: Party) -> SocketAddr {
        self.phones[party as usize].address
    }

    /// Tells where the node takes calls.
    pub(crate) fn meet(&mut self, node: SocketAddr) {
        self.node = node;
    }

    /// Lets so many calls begin, `per_second` of them a second; the first `listened` of them speak marks.
    pub(crate) fn begin(&mut self, calls: usize, per_second: u32, listened: usize) {
        let every = SECOND / Nanos::from(per_second.max(1));
        self.beginning = Some(Beginning { at: now(), every, left: calls, listened });
    }

    /// The AI of this call, if it is still in it, hands off at `at`.
    pub(crate) fn hand_off(&mut self, call: usize, at: Nanos) {
        self.handoffs.push(Reverse((at, call)));
    }

    /// Runs until `end`.
    pub(crate) fn run_until(&mut self, end: Nanos) -> Result<(), String> {
        while now() < end {
            self.turn()?;
        }
        Ok(())
    }

    /// Runs until `done` or for `most`; whether it is done.
    pub(crate) fn run_to(&mut self, most: Nanos, done: impl Fn(&Self) -> bool) -> Result<bool, String> {
        let end = now() + most;
        while !done(self) {
            if now() >= end {
                return Ok(false);
            }
            self.turn()?;
        }
        Ok(true)
    }

    /// Whether every call has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.beginning.is_none()
    }

    /// Whether every call has begun and has its answer or its fault.
    pub(crate) fn is_settled(&self) -> bool {
        self.beginning.is_none()
            && self.calls.iter().all(|call| call.answered.is_some() || call.fault.is_some())
    }

    /// Whether no leg is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.beginning.is_none() && self.call_of.is_empty()
    }

    /// Nobody speaks any more.
    pub(crate) fn mute(&mut self) {
        self.lines.iter_mut().for_each(|line| line.speaks = false);
        self.due.clear();
    }

    /// Every caller hangs up.
    pub(crate) fn hang_up(&mut self) {
        self.mute();
        for call in 0..self.calls.len() {
            self.end(call, Party::Caller);
            self.calls[call].over = true;
        }
        self.settle();
    }

    /// Forgets calls and lines that are over, between warm-up and measurement.
    pub(crate) fn clear(&mut self) {
        self.call_of.clear();
        self.calls.clear();
        self.due.clear();
        self.handoffs.clear();
        // Closing a socket takes it out of the epoll.
        self.lines.clear();
    }

    fn turn(&mut self) -> Result<(), String> {
        let mut events = [EpollEvent::empty(); EVENTS_PER_TURN];
        let ready = self.watch.wait(&mut events, WAIT_MS).map_err(failed("epoll failed"))?;
        for event in &events[..ready] {
            match event.data() {
                0 => {
                    let _ = self.timer.wait();
                }
                phone => self.read_phone(phone as usize - 1)?,
            }
        }
        let ready = self.arrived.wait(&mut events, 0_u8).map_err(failed("epoll failed"))?;
        for event in &events[..ready] {
            self.lines[event.data() as usize].receive(&mut self.room, self.recording);
        }
        self.begin_due()?;
        self.refer_due();
        self.send_due();
        let time = self.time(now());
        self.phones.iter_mut().for_each(|phone| phone.endpoint.handle_timeout(time));
        for party in Party::ALL {
            self.take_events(party, now())?;
        }
        self.settle();
        Ok(())
    }

    fn time(&self, at: Nanos) -> Time {
        Time::from_micros(u64::try_from((at - self.start) / 1_000).unwrap_or(0))
    }

    fn settle(&mut self) {
        self.phones.iter_mut().for_each(Phone::send);
    }

    fn read_phone(&mut self, index: usize) -> Result<(), String> {
        for _ in 0..MESSAGES_PER_TURN {
            let start = self.start;
            let time = |at: Nanos| Time::from_micros(u64::try_from((at - start) / 1_000).unwrap_or(0));
            let Some(at) = self.phones[index].receive(&mut self.room, time) else { return Ok(()) };
            self.take_events(Party::ALL[index], at)?;
            self.phones[index].send();
        }
        Ok(())
    }

    fn begin_due(&mut self) -> Result<(), String> {
        for _ in 0..CALLS_PER_TURN {
            let Some(mut plan) = self.beginning.filter(|plan| plan.at <= now()) else { return Ok(()) };
            self.beginning = None;
            if plan.left == 0 {
                return Ok(());
            }
            self.invite(plan.listened > 0)?;
            plan.at += plan.every;
            plan.left -= 1;
            plan.listened = plan.listened.saturating_sub(1);
            self.beginning = Some(plan).filter(|plan| plan.left > 0);
        }
        Ok(())
    }

    fn invite(&mut self, listened: bool) -> Result<(), String> {
        let number = self.calls.len();
        self.calls.push(Call { listened, ..Call::default() });
        let body = self.open_line(number, Party::Caller)?;
        let mut headers = with_sdp();
        headers.push(CALL_HEADER, number.to_string());
        let time = self.time(now());
        let phone = &mut self.phones[Party::Caller as usize];
        let from = format!("<sip:caller-{number}@{}>", phone.address);
        let invite = Invite {
            uri: format!("sip:support@{}", self.node).into(),
            from: from.into(),
            flow: phone.flow(self.node),
            others: Vec::new(),
            headers,
            body,
            credentials: None,
        };
        self.calls[number].invited = now();
        let leg = phone.endpoint.invite(time, invite);
        phone.send();
        self.note_leg(number, Party::Caller, leg);
        Ok(())
    }

    fn note_leg(&mut self, call: usize, party: Party, leg: Leg) {
        self.calls[call].legs[party as usize] = Some(leg);
        self.call_of.insert((party, leg), call);
    }

    /// Opens a party's line, if calls are spoken, and describes it.
    fn open_line(&mut self, call: usize, party: Party) -> Result<bytes::Bytes, String> {
        let voice = match party {
            Party::Caller => self.voices.codecs.caller,
            Party::Ai | Party::Agent => self.voices.codecs.ai,
        };
        if self.style == Style::SetUpOnly {
            return Ok(sdp(party.ip(), wire::port(&self.deaf[party as usize])?, voice));
        }
        let listened = self.calls[call].listened;
        let sounds = if listened { &self.voices.marks } else { &self.voices.speech };
        let index = self.lines.len();
        let line = Line::open(party.ip(), sounds[party as usize].clone(), index as u32 + 1, listened)?;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, index as u64);
        self.arrived.add(&line.socket, event).map_err(failed("cannot watch a line"))?;
        let body = sdp(party.ip(), line.port, voice);
        self.lines.push(line);
        self.calls[call].lines[party as usize] = Some(index);
        Ok(body)
    }

    /// A line begins to speak, at its own place in the 20 ms.
    fn speak(&mut self, call: usize, party: Party) {
        let Some(index) = self.calls[call].lines[party as usize] else { return };
        self.lines[index].speaks = true;
        let place = (index as f64 * SPREAD).fract() * FRAME as f64;
        let at = now();
        self.due.push(Reverse((at - at % FRAME + FRAME + place as Nanos, index)));
    }

    fn send_due(&mut self) {
        for _ in 0..SENDS_PER_TURN {
            let Some(&Reverse((at, index))) = self.due.peek() else { return };
            let late = now() - at;
            if late < 0 {
                return;
            }
            self.due.pop();
            let line = &mut self.lines[index];
            if !line.speaks {
                continue;
            }
            let mut next = at + FRAME;
            if late > CATCH_UP {
                let left_out = late / FRAME;
                line.skip(left_out as usize);
                self.skipped += left_out as u64;
                next += left_out * FRAME;
            }
            line.send(self.recording);
            if self.recording {
                self.lateness.push(late);
            }
            self.due.push(Reverse((next, index)));
        }
    }

    fn refer_due(&mut self) {
        while let Some(&Reverse((at, index))) = self.handoffs.peek()
            && at <= now()
        {
            self.handoffs.pop();
            let call = &mut self.calls[index];
            let Some(leg) = call.legs[Party::Ai as usize].filter(|_| !call.over) else { continue };
            call.referred = Some(now());
            let time = self.time(now());
            let target = format!("<sip:{QUEUE}@{}>", self.node);
            let phone = &mut self.phones[Party::Ai as usize];
            phone.endpoint.refer(time, leg, target.as_bytes(), Headers::default());
            phone.send();
        }
    }

    /// A party hangs up, if it is in the call.
    fn end(&mut self, call: usize, party: Party) {
        let time = self.time(now());
        self.silence(call, party);
        if let Some(leg) = self.calls[call].legs[party as usize].take() {
            self.call_of.remove(&(party, leg));
            self.phones[party as usize].endpoint.hang_up(time, leg, Headers::default());
        }
    }

    fn silence(&mut self, call: usize, party: Party) {
        if let Some(line) = self.calls[call].lines[party as usize] {
            self.lines[line].speaks = false;
        }
    }
}
