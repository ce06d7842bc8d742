//! The wire: endpoints by address, a seeded network between them, and one clock. What no endpoint owns the address of
//! is kept as text for the test.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use baton_signaling::endpoint::{Endpoint, EndpointConfig, Event, Flow, Invite, Leg, RequestKey, Transport};
use baton_signaling::message::{Headers, Message};
use baton_signaling::{Random, Time, earliest};
use bytes::Bytes;

pub(crate) const ALICE: usize = 0;
pub(crate) const BOB: usize = 1;
/// An address without an endpoint, from which tests speak text.
pub(crate) const RAW: &str = "127.0.0.9:5099";

/// Whether a message from endpoint `n` is lost.
type Loses = Box<dyn FnMut(usize, &str) -> bool>;

pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) ends: Vec<Endpoint>,
    pub(crate) loss_percent: u64,
    pub(crate) delay_ms: (u64, u64),
    pub(crate) loses: Loses,
    /// All that was put on the wire: from whom, and its first line.
    pub(crate) sent: Vec<(usize, String)>,
    /// What arrived at [`RAW`].
    pub(crate) raw: Vec<String>,
    /// 100s told by each end: every INVITE brings one, so they are counted and not kept among the events.
    pub(crate) trying: [u32; 2],
    events: Vec<(usize, Event)>,
    net: BTreeMap<(Time, u64), (SocketAddr, SocketAddr, Bytes)>,
    random: Random,
    count: u64,
}

pub(crate) fn address(end: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1 + u8::try_from(end).unwrap()], 5060))
}

pub(crate) fn flow(local: usize, remote: usize) -> Flow {
    Flow { transport: Transport::Udp, local: address(local), remote: address(remote) }
}

pub(crate) fn raw_flow(local: usize) -> Flow {
    Flow { transport: Transport::Udp, local: address(local), remote: RAW.parse().unwrap() }
}

impl World {
    /// Alice and Bob on a perfect wire of 10 ms.
    pub(crate) fn new(seed: u64) -> Self {
        let end = |n| Endpoint::new(EndpointConfig::default(), seed.wrapping_mul(31).wrapping_add(n));
        Self {
            now: Time::from_secs(1000),
            ends: vec![end(1), end(2)],
            loss_percent: 0,
            delay_ms: (10, 10),
            loses: Box::new(|_, _| false),
            sent: Vec::new(),
            raw: Vec::new(),
            trying: [0; 2],
            events: Vec::new(),
            net: BTreeMap::new(),
            random: Random::new(seed),
            count: 0,
        }
    }

    pub(crate) fn alice(&mut self) -> (&mut Endpoint, Time) {
        (&mut self.ends[ALICE], self.now)
    }

    pub(crate) fn bob(&mut self) -> (&mut Endpoint, Time) {
        (&mut self.ends[BOB], self.now)
    }

    /// Alice calls Bob; her leg.
    pub(crate) fn dial(&mut self) -> Leg {
        self.dial_with(Headers::new())
    }

    /// As [`Self::dial`], with these headers.
    pub(crate) fn dial_with(&mut self, headers: Headers) -> Leg {
        self.dial_to(flow(ALICE, BOB), headers)
    }

    /// Alice calls Bob's URI, which leads to these flows in this order.
    pub(crate) fn dial_through(&mut self, flow: Flow, others: &[Flow]) -> Leg {
        let invite = Invite { others: others.to_vec(), ..Self::invite(flow, Headers::new()) };
        let (alice, now) = self.alice();
        let leg = alice.invite(now, invite);
        self.run_ms(20);
        leg
    }

    fn dial_to(&mut self, flow: Flow, headers: Headers) -> Leg {
        let (alice, now) = self.alice();
        let leg = alice.invite(now, Self::invite(flow, headers));
        self.pump();
        leg
    }

    /// Alice's call to Bob over `flow`.
    pub(crate) fn invite(flow: Flow, headers: Headers) -> Invite {
        Invite {
            uri: Bytes::from("sip:bob@127.0.0.2:5060"),
            from: Bytes::from("\"Alice\" <sip:alice@127.0.0.1>"),
            flow,
            others: Vec::new(),
            headers,
            body: Bytes::from_static(b"v=0\r\n"),
            credentials: None,
        }
    }

    /// Alice calls [`RAW`] with these headers; her INVITE.
    pub(crate) fn raw_invite_with(&mut self, headers: Headers) -> String {
        self.dial_to(raw_flow(ALICE), headers);
        self.run_ms(20);
        self.raw.last().expect("an INVITE").clone()
    }

    /// [`RAW`] answers a request of Alice's, with these header lines.
    pub(crate) fn answer_raw(&mut self, request: &str, status: &str, headers: &str) {
        self.answer_raw_as("raw", request, status, headers, "");
    }

    /// As [`Self::answer_raw`], with this To tag, unless the request has one, and this body.
    pub(crate) fn answer_raw_as(
        &mut self,
        tag: &str,
        request: &str,
        status: &str,
        headers: &str,
        body: &str,
    ) {
        let mut text = format!("SIP/2.0 {status}\n");
        for line in request.lines() {
            if ["Via:", "From:", "Call-ID:", "CSeq:"].iter().any(|name| line.starts_with(name)) {
                text += &format!("{line}\n");
            } else if line.starts_with("To:") {
                let tag = if line.contains(";tag=") { String::new() } else { format!(";tag={tag}") };
                text += &format!("{line}{tag}\n");
            }
        }
        let length = body.replace('\n', "\r\n").len();
        text += &format!("{}Content-Length: {length}\n\n{body}", headers.replace('\r', ""));
        self.inject(ALICE, &text);
    }

    /// [`RAW`] calls Bob with these header lines, who answers; the answer.
    pub(crate) fn raw_call(&mut self, headers: &str) -> String {
        self.raw_call_answered(headers, Headers::new())
    }

    /// As [`Self::raw_call`], with headers in the answer.
    pub(crate) fn raw_call_answered(&mut self, headers: &str, answer: Headers) -> String {
        let invite = format!(
            "INVITE sip:bob@127.0.0.2 SIP/2.0\nVia: SIP/2.0/UDP {RAW};branch=z9hG4bKraw\nMax-Forwards: 70\n\
             From: <sip:raw@127.0.0.9>;tag=raw\nTo: <sip:bob@127.0.0.2>\nCall-ID: raw-call\nCSeq: 1 INVITE\n\
             Contact: <sip:raw@{RAW}>\n{headers}Content-Length: 0\n\n"
        );
        self.inject(BOB, &invite);
        let leg = self.incoming();
        let (bob, now) = self.bob();
        bob.answer(now, leg, answer, Bytes::from_static(b"v=0\r\n"));
        self.run_ms(20);
        self.raw.last().expect("an answer").clone()
    }

    /// An endpoint that knows no UPDATE.
    pub(crate) fn end_without_update(seed: u64) -> Endpoint {
        let mut config = EndpointConfig::default();
        config.allow.retain(|method| *method != baton_signaling::message::Method::Update);
        Endpoint::new(config, seed)
    }

    /// Alice calls Bob, who answers; both legs.
    pub(crate) fn connect(&mut self) -> (Leg, Leg) {
        let a = self.dial();
        let b = self.incoming();
        let (bob, now) = self.bob();
        bob.answer(now, b, Headers::new(), Bytes::from_static(b"v=0\r\nanswer\r\n"));
        self.run_ms(100);
        assert_eq!(self.names(ALICE), ["Answered"]);
        assert_eq!(self.names(BOB), ["Acked"]);
        (a, b)
    }

    /// Bob's leg of the call that is coming in.
    pub(crate) fn incoming(&mut self) -> Leg {
        self.run_ms(50);
        let found = self.take(BOB).into_iter().find_map(|event| match event {
            Event::Incoming { leg, .. } => Some(leg),
            _ => None,
        });
        found.expect("an INVITE has come")
    }

    /// The key of the offer or REFER that waits at `end`.
    pub(crate) fn asked(&mut self, end: usize) -> RequestKey {
        let found = self.take(end).into_iter().find_map(|event| match event {
            Event::Offer { key, .. } | Event::Refer { key, .. } | Event::Info { key, .. } => Some(key),
            _ => None,
        });
        found.expect("a request waits")
    }

    /// A text arrives at endpoint `end` from [`RAW`].
    pub(crate) fn inject(&mut self, end: usize, text: &str) {
        let bytes = Bytes::from(text.replace('\n', "\r\n"));
        match Message::parse(bytes) {
            Ok(message) => self.ends[end].handle_message(self.now, raw_flow(end), message),
            Err(error) => self.ends[end].handle_malformed(self.now, raw_flow(end), &error),
        }
        self.pump();
        self.run_ms(20);
    }

    /// The status of the last response at [`RAW`].
    pub(crate) fn status(&self) -> u16 {
        let last = self.raw.iter().rev().find_map(|text| text.strip_prefix("SIP/2.0 "));
        last.map_or(0, |text| text[..3].parse().unwrap())
    }

    /// Events of `end` since the last time.
    pub(crate) fn take(&mut self, end: usize) -> Vec<Event> {
        self.pump();
        let all = std::mem::take(&mut self.events);
        let (taken, rest) = all.into_iter().partition(|(of, _)| *of == end);
        self.events = rest;
        let taken: Vec<(usize, Event)> = taken;
        taken.into_iter().map(|(_, event)| event).collect()
    }

    /// The names of the events of `end` since the last time.
    pub(crate) fn names(&mut self, end: usize) -> Vec<String> {
        let name = |event: &Event| {
            let text = format!("{event:?}");
            text.split([' ', '(']).next().unwrap_or_default().to_owned()
        };
        self.take(end).iter().map(name).collect()
    }

    /// How often `end` has sent a message that begins with `start`.
    pub(crate) fn count_sent(&self, end: usize, start: &str) -> usize {
        self.sent.iter().filter(|(from, line)| *from == end && line.starts_with(start)).count()
    }

    /// Puts on the wire what the endpoints want sent, and collects their events.
    pub(crate) fn pump(&mut self) {
        for end in 0..self.ends.len() {
            while let Some(transmit) = self.ends[end].poll_transmit() {
                let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
                self.sent.push((end, text.lines().next().unwrap_or_default().to_owned()));
                assert_eq!(transmit.flow.local, address(end));
                let lost = self.random.below(100) < self.loss_percent || (self.loses)(end, &text);
                if !lost {
                    self.carry(transmit.flow.local, transmit.flow.remote, transmit.bytes);
                }
            }
            while let Some(event) = self.ends[end].poll_event() {
                match event {
                    Event::Progress { response, .. } if response.status == 100 => self.trying[end] += 1,
                    event => self.events.push((end, event)),
                }
            }
        }
    }

    fn carry(&mut self, from: SocketAddr, to: SocketAddr, bytes: Bytes) {
        let copies = 1 + u64::from(self.loss_percent > 0 && self.random.below(100) < 5);
        for _ in 0..copies {
            let (low, high) = self.delay_ms;
            let delay = Duration::from_millis(low + self.random.below(high - low + 1));
            self.count += 1;
            self.net.insert((self.now + delay, self.count), (from, to, bytes.clone()));
        }
    }

    pub(crate) fn run_ms(&mut self, ms: u64) {
        self.run_until(self.now + Duration::from_millis(ms));
    }

    pub(crate) fn run_until(&mut self, end: Time) {
        self.pump();
        while let Some(at) = self.next().filter(|&at| at <= end) {
            self.step(at);
        }
        self.now = end;
    }

    /// Runs until no endpoint waits for anything.
    pub(crate) fn run_out(&mut self) {
        let end = self.now + Duration::from_secs(4000);
        self.run_until(end);
        assert_eq!(self.next(), None, "a timer is left");
    }

    fn next(&self) -> Option<Time> {
        let net = self.net.keys().next().map(|&(at, _)| at);
        self.ends.iter().map(Endpoint::poll_timeout).fold(net, earliest)
    }

    fn step(&mut self, at: Time) {
        self.now = self.now.max(at);
        while let Some(entry) = self.net.first_entry().filter(|entry| entry.key().0 <= at) {
            let (from, to, bytes) = entry.remove();
            self.arrive(from, to, bytes);
        }
        for end in &mut self.ends {
            if end.poll_timeout().is_some_and(|due| due <= at) {
                end.handle_timeout(at);
            }
        }
        self.pump();
    }

    fn arrive(&mut self, from: SocketAddr, to: SocketAddr, bytes: Bytes) {
        let Some(end) = (0..self.ends.len()).find(|&end| address(end) == to) else {
            return self.raw.push(String::from_utf8_lossy(&bytes).into_owned());
        };
        let flow = Flow { transport: Transport::Udp, local: to, remote: from };
        let message = Message::parse(bytes).expect("endpoints write what can be read");
        self.ends[end].handle_message(self.now, flow, message);
        self.pump();
    }

    /// Nothing is left anywhere.
    pub(crate) fn assert_idle(&mut self) {
        self.events.clear();
        for (n, end) in self.ends.iter().enumerate() {
            assert!(end.is_idle(), "endpoint {n} is not idle: {:?}", end.counters());
        }
    }
}
