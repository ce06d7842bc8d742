//! One turn of a shard: what is due, what has come, what is to leave.
//!
//! Work is cut by budgets, so that a flood of one kind cannot starve another; what is left over is done in the next
//! turn, which follows at once with a fresh time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use baton_signaling::endpoint::{Event, Flow, Leg};
use baton_signaling::message::{Field, Headers, Message, Request};
use baton_signaling::{Time, earliest};
use bytes::Bytes;

use super::sessions::{Out, Panicked};
use super::translate::{incoming, translate};
use super::{Arrival, Caller, Datagram, Denied, Identity, Io, NewCall, OwnerGone, Refusal, Rest, Shard};
use crate::call::Input;
use crate::key::{CallKey, LegId};
use crate::media::{Lane, Session};

/// Packets taken in one turn. At 2 µs each they hold up ticks by half a millisecond at the most.
pub const PACKETS_PER_TURN: usize = 256;

/// SIP messages taken in one turn at the most. At 20 µs each this, too, stays well below two milliseconds; where they take
/// longer, or sessions wait for their ticks, fewer are taken.
pub const MESSAGES_PER_TURN: usize = 64;

/// Packets that one session may send in one step: three legs, each one packet and one report, and digits.
const PACKETS_PER_STEP: usize = 16;

/// Rounds of events and messages at the end of a turn: a refusal or a dead flow leads to one more.
const ROUNDS: usize = 4;

impl Shard {
    /// Runs one turn. Returns when the next is due; `now` or earlier: at once.
    pub fn turn(&mut self, now: Time, io: &mut impl Io) -> Option<Time> {
        // First, though ticks have an instant to keep: what has come before it is to be heard in it.
        self.take_packets(now, io);
        // What was relayed does not wait for the codecs.
        self.flush(io);
        self.run_due_ticks(now, io);
        let messages = self.take_messages(now, io);
        if self.probes.poll_timeout().is_some_and(|due| due <= now) {
            self.probes.handle_timeout(now, &mut self.endpoint, |uri| io.targets(uri).first().copied());
        }
        for _ in 0..ROUNDS {
            if !self.flush_signaling(now, io) {
                break;
            }
        }
        if self.probes.take_changed() {
            self.gate.report(self.probes.health());
        }
        self.flush(io);
        // Nothing waits for us now: codecs that the turn has taken are made anew.
        self.prompts.fill_up();
        let due = if io.has_more() {
            Some(now)
        } else {
            let signaling = earliest(self.endpoint.poll_timeout(), self.probes.poll_timeout());
            earliest(self.wheel.next(), signaling)
        };
        self.messages.took(now, messages, due.is_some_and(|due| due <= now));
        due
    }

    /// How the shard's task is to wait after a turn that said that the next is due at `due`. `looked`: when the last turn began in
    /// which packets could come from any socket, not from those of urgent ones alone.
    pub fn rest(&mut self, now: Time, due: Option<Time>, looked: Time) -> Rest {
        // A full shard looks at its load, though nothing comes: whoever would come is refused before it hears of it.
        let due = if self.load.is_full() { earliest(due, Some(self.load.due())) } else { due };
        self.pace.rest(now, due, looked)
    }

    /// When the shard is to be told what its thread has worked; asked after each rest.
    pub fn work_due(&self) -> Time {
        self.load.due()
    }

    /// Takes what the shard's thread has worked since it began: processor time, whatever it went to.
    pub fn handle_work(&mut self, now: Time, worked: Duration) {
        self.load.handle(now, worked, self.wheel.lateness());
    }

    /// Lets sessions tick, those of one slot of the wheel at the most; the others have the next turns.
    fn run_due_ticks(&mut self, now: Time, io: &mut impl Io) {
        let complexity = self.load.complexity();
        let mut budget = self.pace.ticks();
        while budget.is_left() {
            let Some(session) = self.wheel.take(now) else { break };
            let mut worked = false;
            self.step(now, session, io, |session, out| {
                let coded = session.frames_coded();
                session.set_complexity(complexity);
                session.handle_tick(now, out);
                // Less than before: a leg has gone, which was decoded to its end.
                worked = session.frames_coded() != coded;
            });
            budget.count(worked);
        }
        self.flush(io);
    }

    fn take_packets(&mut self, now: Time, io: &mut impl Io) {
        let mut buffer = std::mem::take(&mut self.buffer);
        for _ in 0..PACKETS_PER_TURN {
            let Some(Datagram { pair, lane, from, len }) = io.receive_packet(&mut buffer) else { break };
            let Some((slot, leg)) = self.sessions.owner(pair) else {
                self.tally.packets_stray += 1;
                self.pace.count(false);
                continue;
            };
            let packet = &mut buffer[..len];
            let queued = self.outbox.sent();
            self.step(now, slot, io, |session, out| session.handle_packet(now, leg, lane, from, packet, out));
            let relayed = self.outbox.sent() > queued;
            self.pace.count(relayed);
            if lane == Lane::Rtp
                && let Some(urgent) = self.sessions.relayed(pair, relayed)
            {
                io.set_urgent(pair, urgent);
            }
        }
        self.buffer = buffer;
    }

    /// Walks a session one step and tells its call what it has to say; `false`: it has panicked and is gone.
    fn step(
        &mut self,
        now: Time,
        slot: u32,
        io: &mut impl Io,
        step: impl FnOnce(&mut Session, &mut Out<'_>),
    ) -> bool {
        self.make_room(io);
        match self.sessions.walk(slot, &mut self.outbox, step) {
            Some(Err(Panicked)) => {
                if let Some(key) = self.sessions.get(slot).map(|entry| entry.key) {
                    self.tally.panics += 1;
                    self.drop_session(slot, key);
                    self.deliver(now, key, Input::Overload, io);
                }
                false
            }
            _ => {
                if let Some(key) = self.tell(slot, io) {
                    self.remove(now, key, io);
                    return false;
                }
                true
            }
        }
    }

    /// Hands on what a session has to say. A call whose owner is gone is named, to be removed.
    pub(super) fn tell(&mut self, slot: u32, io: &mut impl Io) -> Option<CallKey> {
        let entry = self.sessions.get_mut(slot)?;
        while let Some(event) = entry.session.poll_event() {
            if io.deliver(entry.key, Input::Media(event)) == Err(OwnerGone) {
                self.tally.undelivered += 1;
                return Some(entry.key);
            }
        }
        None
    }

    fn take_messages(&mut self, now: Time, io: &mut impl Io) -> usize {
        if self.gate.is_draining() {
            self.endpoint.set_draining(true);
        }
        let overdue = self.wheel.next().is_some_and(|due| due <= now);
        let (most, mut taken) = (self.messages.messages(now, overdue), 0);
        while taken < most
            && let Some((flow, message)) = io.receive_message()
        {
            self.handle_message(now, flow, message, io);
            taken += 1;
        }
        if self.endpoint.poll_timeout().is_some_and(|due| due <= now) {
            let endpoint = &mut self.endpoint;
            let walked = catch_unwind(AssertUnwindSafe(|| endpoint.handle_timeout(now)));
            self.tally.panics += u64::from(walked.is_err());
        }
        taken
    }

    /// A panic over one message costs that message; its transaction ends by its timers.
    fn handle_message(&mut self, now: Time, flow: Flow, arrival: Arrival, io: &mut impl Io) {
        let identity = io.identity(flow);
        let caller = caller(flow, identity.as_ref());
        let ignored = match &arrival {
            Arrival::Message(Message::Response(_)) | Arrival::Closed => false,
            Arrival::Message(Message::Request(request)) => self.gate.ignores(now, caller, Some(request)),
            Arrival::Malformed(_) => self.gate.ignores(now, caller, None),
        };
        if ignored {
            return;
        }
        if let Arrival::Message(message) = &arrival {
            self.saw(now, flow, message, io);
        }
        let endpoint = &mut self.endpoint;
        let walked = catch_unwind(AssertUnwindSafe(|| match arrival {
            Arrival::Message(message) => endpoint.handle_message(now, flow, message),
            Arrival::Malformed(error) => endpoint.handle_malformed(now, flow, &error),
            Arrival::Closed => endpoint.handle_transport_error(now, flow),
        }));
        self.tally.panics += u64::from(walked.is_err());
    }

    /// Hands on events and sends messages; whether there were any.
    fn flush_signaling(&mut self, now: Time, io: &mut impl Io) -> bool {
        let mut any = false;
        while let Some(event) = self.endpoint.poll_event() {
            any = true;
            self.handle_event(now, event, io);
        }
        while let Some(transmit) = self.endpoint.poll_transmit() {
            any = true;
            let flow = transmit.flow;
            self.says(now, flow, &transmit.bytes, io);
            if !io.send_message(transmit) {
                self.endpoint.handle_transport_error(now, flow);
            }
        }
        any
    }

    fn handle_event(&mut self, now: Time, event: Event, io: &mut impl Io) {
        if let Event::Incoming { leg, flow, request } = event {
            match self.admit(now, leg, flow, request, io) {
                Ok(()) => {}
                Err(Denied::Refused(refusal)) => self.refuse(now, leg, refusal),
                Err(Denied::Challenged(values)) => self.challenge(now, leg, values),
            }
            return;
        }
        if let Event::ProbeReplied { key, result } = &event {
            self.probes.handle_reply(now, *key, result);
        }
        let Some(translated) = translate(event) else { return };
        let Some((key, leg)) = self.calls.owner(translated.leg) else { return };
        if translated.over {
            self.calls.close(key, leg);
        }
        if let Some(event) = translated.event {
            self.deliver(now, key, Input::Sip(leg, event), io);
        }
    }

    /// Lets a new call in and gives it an owner.
    fn admit(
        &mut self,
        now: Time,
        leg: Leg,
        flow: Flow,
        request: Request,
        io: &mut impl Io,
    ) -> Result<(), Denied> {
        let (identity, full) = (io.identity(flow), self.load.is_full());
        let peer = self.gate.enter(now, caller(flow, identity.as_ref()), &request, full)?;
        let key = self.calls.next_key(self.index);
        let id = format!("{:016x}{:016x}", self.random.draw(), self.random.draw());
        let seed = self.random.draw();
        let session = Session::new(self.random.draw(), self.session, self.prompts.clone());
        let slot = self.sessions.insert(key, session);
        self.calls.insert(key, peer, slot);
        self.calls.bind(key, LegId::CALLER, leg);
        let gate = self.gate.clone();
        let name = gate.name(peer);
        self.begin_ladder(now, (key, &id, name), flow, request.clone(), io);
        self.endpoint.set_credentials(leg, gate.credentials(name));
        let incoming = incoming(name, flow, request);
        let keys = self.keys.split();
        if io.start(NewCall { key, id, seed, keys, incoming }) {
            return Ok(());
        }
        // The refusal that follows ends the dialog.
        self.calls.close(key, LegId::CALLER);
        self.remove(now, key, io);
        Err(Refusal::Overload.into())
    }

    fn refuse(&mut self, now: Time, leg: Leg, refusal: Refusal) {
        self.tally.refused[refusal as usize] += 1;
        let mut headers = Headers::default();
        if let Some(seconds) = refusal.retry_after() {
            headers.push("Retry-After", seconds.to_string());
        }
        self.endpoint.reject(now, leg, refusal.status(), "", headers);
    }

    /// Asks a caller for its password (RFC 3261 §22.2).
    fn challenge(&mut self, now: Time, leg: Leg, values: Vec<Bytes>) {
        let mut headers = Headers::default();
        values.into_iter().for_each(|value| headers.push(Field::WwwAuthenticate, value));
        self.endpoint.reject(now, leg, 401, "", headers);
    }

    fn deliver(&mut self, now: Time, key: CallKey, input: Input, io: &mut impl Io) {
        if io.deliver(key, input) == Err(OwnerGone) {
            self.tally.undelivered += 1;
            self.remove(now, key, io);
        }
    }

    /// Sends what lies in the outbox.
    pub(super) fn flush(&mut self, io: &mut impl Io) {
        if !self.outbox.is_empty() {
            io.send_packets(&mut self.outbox);
            self.outbox.clear();
        }
    }

    /// Makes sure that one step of a session finds room in the outbox.
    pub(super) fn make_room(&mut self, io: &mut impl Io) {
        if self.outbox.room() < PACKETS_PER_STEP {
            self.flush(io);
        }
    }
}

fn caller(flow: Flow, identity: Option<&Identity>) -> Caller<'_> {
    let names = identity.map(|identity| &identity.names[..]).unwrap_or_default();
    Caller { address: flow.remote.ip(), names }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::rc::Rc;
    use std::sync::Arc;

    use super::*;
    use crate::call::KeySource;
    use crate::media::{Prompts, SessionParams};
    use crate::shard::wheel::{SLOT, TICK};
    use crate::shard::{AdmissionSettings, Gate, Outbox, Pair, ShardParams};
    use baton_signaling::endpoint::{EndpointConfig, Transmit, Transport};

    /// A world in which nothing comes but requests, without end.
    #[derive(Default)]
    struct Flood {
        taken: usize,
    }

    impl Io for Flood {
        fn receive_packet(&mut self, _: &mut [u8]) -> Option<Datagram> {
            None
        }

        fn send_packets(&mut self, _: &mut Outbox) {}

        fn open_ports(&mut self, _: Pair) -> Option<SocketAddr> {
            None
        }

        fn close_ports(&mut self, _: Pair) {}

        fn set_urgent(&mut self, _: Pair, _: bool) {}

        fn receive_message(&mut self) -> Option<(Flow, Arrival)> {
            self.taken += 1;
            let at = SocketAddr::from(([127, 0, 0, 1], 5060));
            let text = format!(
                "OPTIONS sip:x@{at} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{0}\r\nFrom: <sip:a@{at}>;tag=1\r\n\
                 To: <sip:x@{at}>\r\nCall-ID: {0}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
                self.taken
            );
            let flow = Flow { transport: Transport::Udp, local: at, remote: at };
            Some((flow, Message::parse(Bytes::from(text)).into()))
        }

        fn send_message(&mut self, _: Transmit) -> bool {
            true
        }

        fn targets(&mut self, _: &str) -> Vec<Flow> {
            Vec::new()
        }

        fn start(&mut self, _: NewCall) -> bool {
            false
        }

        fn deliver(&mut self, _: CallKey, _: Input) -> Result<(), OwnerGone> {
            Ok(())
        }

        fn has_more(&self) -> bool {
            true
        }
    }

    fn shard() -> Shard {
        let params = ShardParams {
            index: 0,
            shards: 1,
            ports: 20_000..=20_999,
            seed: 1,
            keys: KeySource::new([1; 32]),
            endpoint: EndpointConfig::default(),
            session: SessionParams::default(),
        };
        let door = AdmissionSettings { calls: 1, calls_per_second: 1, ..AdmissionSettings::default() };
        Shard::new(params, Arc::new(Gate::new(door, [1; 32])), Rc::new(Prompts::new()))
    }

    #[test]
    fn a_full_shard_looks_at_its_load_until_it_is_open_again() {
        let mut shard = shard();
        let (mut now, mut worked) = (Time::ZERO, Duration::ZERO);
        let step = Duration::from_millis(200);
        for _ in 0..20 {
            (now, worked) = (now + step, worked + step);
            shard.handle_work(now, worked);
        }
        assert!(shard.is_full());
        let mut looks = 0;
        while shard.is_full() {
            now = shard.rest(now, None, now).until.expect("it is to look again");
            shard.handle_work(now, worked);
            looks += 1;
        }
        assert!((5..20).contains(&looks), "{looks}: in a second or two");
        assert_eq!(shard.rest(now, None, now).until, None);
    }

    #[test]
    fn a_flood_of_messages_waits_for_ticks_that_are_overdue() {
        let mut shard = shard();
        // A session in each slot of the wheel; that there is none behind it does not matter to the wheel.
        (0..10).for_each(|session| shard.wheel.add(Time::ZERO, session));
        let (late, mut io, mut turns) = (Time::ZERO + TICK - SLOT / 2, Flood::default(), 0);
        while shard.wheel.next().is_some_and(|due| due <= late) {
            assert_eq!(shard.turn(late, &mut io), Some(late));
            turns += 1;
        }
        assert_eq!(turns, 9, "a slot a turn");
        // In the last of them nothing is overdue any more.
        assert!(io.taken <= 8 * 4 + MESSAGES_PER_TURN, "{}", io.taken);
        let before = io.taken;
        shard.turn(late, &mut io);
        assert_eq!(io.taken - before, MESSAGES_PER_TURN);
    }
}
