//! A session, phones that speak tones to it, and a network between, in virtual time of 1 ms steps.

use std::net::SocketAddr;
use std::rc::Rc;

use baton_codecs::g711::{G711Decoder, G711Encoder, Law};
use baton_codecs::opus::{OpusDecoder, OpusEncoder, Settings, is_silence};
use baton_codecs::tone::{Tone, amplitude};
use baton_codecs::{Decoder, Encoder, Rate};
use baton_engine::key::LegId;
use baton_engine::media::{
    Lane, LegConfig, Limits, MasterKey, MediaEvent, Order, Payload, Prompt, Prompts, Repair, Session,
    SessionParams, Sink, SrtpKeys, Suite, TelephoneEvent,
};
use baton_signaling::Time;
use baton_tests::srtp::{Way, key_bytes};

pub const CALLER: LegId = LegId::CALLER;
pub const AI: LegId = LegId(1);
pub const AGENT: LegId = LegId(2);
pub const HOLD: Prompt = Prompt(0);
pub const NOTICE: Prompt = Prompt(1);
/// The hold audio's tone; a phone's is [`tone_of`] its leg.
pub const HOLD_HZ: f64 = 1300.0;
pub const NOTICE_HZ: f64 = 1700.0;
/// Peak of every tone.
const PEAK: f64 = 8000.0;

pub fn tone_of(leg: LegId) -> f64 {
    400.0 + 200.0 * f64::from(leg.0)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Pcmu,
    Pcma,
    Opus,
}

/// A packet as it left the session.
#[derive(Clone, Debug)]
pub struct Got {
    pub at: Time,
    pub bytes: Vec<u8>,
}

impl Got {
    pub fn marker(&self) -> bool {
        self.bytes[1] & 0x80 != 0
    }

    pub fn payload_type(&self) -> u8 {
        self.bytes[1] & 0x7f
    }

    pub fn seq(&self) -> u16 {
        u16::from_be_bytes([self.bytes[2], self.bytes[3]])
    }

    pub fn time(&self) -> u32 {
        u32::from_be_bytes(self.bytes[4..8].try_into().unwrap())
    }

    pub fn ssrc(&self) -> u32 {
        u32::from_be_bytes(self.bytes[8..12].try_into().unwrap())
    }

    pub fn payload(&self) -> &[u8] {
        &self.bytes[12..]
    }
}

pub struct Phone {
    pub leg: LegId,
    pub kind: Kind,
    pub ptime: u64,
    pub from: SocketAddr,
    /// Where it listened at first, should it send from elsewhere later.
    pub port: u16,
    pub seq: u16,
    pub time: u32,
    pub ssrc: u32,
    /// Sends at all; and is heard when it does.
    pub sends: bool,
    pub speaks: bool,
    pub loss_percent: u64,
    pub jitter_ms: u64,
    /// How much its clock is fast, in millionths; fixed before the first packet.
    pub fast_ppm: i64,
    /// Packets of it come no earlier than this: a line that holds them up and lets them go at once.
    pub held_until: u64,
    /// Sends nothing where its encoder says that silence goes on.
    pub leaves_silence_out: bool,
    pub tone: Tone,
    pub encoder: Box<dyn Encoder>,
    /// When it began, in microseconds, and the packets it has made since.
    began: Option<(u64, u64)>,
    pub got: Vec<Got>,
    pub reports: Vec<Got>,
    /// Where its reports come from, if not from the port above `from`.
    pub rtcp_from: Option<SocketAddr>,
    /// Where the last report was sent.
    pub report_to: Option<SocketAddr>,
    /// What its leg is told, and what it protects and opens its own packets with.
    pub keys: Option<SrtpKeys>,
    pub ways: Option<[Way; 2]>,
}

fn encoder(kind: Kind) -> Box<dyn Encoder> {
    match kind {
        Kind::Pcmu => Box::new(G711Encoder::new(Law::Mu)),
        Kind::Pcma => Box::new(G711Encoder::new(Law::A)),
        Kind::Opus => Box::new(OpusEncoder::new(Settings::speech(Rate::Hz8000)).unwrap()),
    }
}

impl Phone {
    pub fn clock_per_ms(&self) -> u32 {
        if self.kind == Kind::Opus { 48 } else { 8 }
    }

    pub fn payload_type(&self) -> u8 {
        match self.kind {
            Kind::Pcmu => 0,
            Kind::Pcma => 8,
            Kind::Opus => 111 + self.leg.0 as u8,
        }
    }

    pub fn event(&self) -> u8 {
        98 + self.leg.0 as u8
    }

    /// Gives it keys of this suite, told apart by their seeds: ours and its own. Ways that have not changed go on.
    pub fn secure(&mut self, suite: Suite, ours: u8, its: u8) {
        let key = |seed: u8| (0..key_bytes(suite.name()) as u8).map(|n| n ^ seed).collect::<Vec<u8>>();
        let old = self.keys.take();
        let (sent, received) = (MasterKey::new(&key(ours)), MasterKey::new(&key(its)));
        let keys = SrtpKeys { suite, sent, received };
        let new = |seed: u8| Way::new(suite.name(), &key(seed));
        let same = |pick: fn(&SrtpKeys) -> &MasterKey| {
            old.as_ref().is_some_and(|old| old.suite == suite && pick(old) == pick(&keys))
        };
        self.ways = Some(match self.ways.take() {
            Some([goes, comes]) => [
                if same(|keys| &keys.received) { goes } else { new(its) },
                if same(|keys| &keys.sent) { comes } else { new(ours) },
            ],
            None => [new(its), new(ours)],
        });
        self.keys = Some(keys);
    }

    /// A packet of its own as it goes over the wire.
    pub fn sealed(&mut self, packet: Vec<u8>) -> Vec<u8> {
        match &mut self.ways {
            Some([goes, _]) => goes.protect(&packet),
            None => packet,
        }
    }

    pub fn packet(&mut self) -> Vec<u8> {
        let samples = self.ptime as usize * 8;
        let mut sound = vec![0; samples];
        self.tone.fill(&mut sound);
        if !self.speaks {
            sound.fill(0);
        }
        let mut payload = vec![0; 4000];
        let length = self.encoder.encode(&sound, &mut payload).unwrap();
        let packet = self.wrap(self.payload_type(), self.time, &payload[..length]);
        self.time = self.time.wrapping_add(self.ptime as u32 * self.clock_per_ms());
        packet
    }

    pub fn wrap(&mut self, payload_type: u8, time: u32, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80, payload_type];
        packet.extend(self.seq.to_be_bytes());
        packet.extend(time.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(payload);
        self.seq = self.seq.wrapping_add(1);
        packet
    }

    /// Whether its next packet is to be sent in this millisecond. Each phone has its own instant.
    fn is_due(&mut self, now_ms: u64) -> bool {
        if self.fast_ppm == 0 {
            return (now_ms + u64::from(self.leg.0) * 7).is_multiple_of(self.ptime);
        }
        let (began, sent) = self.began.get_or_insert((now_ms * 1000, 0));
        let even = (*sent * self.ptime * 1000) as i64;
        let due = *began as i64 + even - even * self.fast_ppm / 1_000_000;
        let is_due = due <= now_ms as i64 * 1000;
        *sent += u64::from(is_due);
        is_due
    }

    /// All that was heard, at 8 kHz, each sample where its timestamp says.
    pub fn sound(&self) -> Vec<i16> {
        let mut decoder: Box<dyn Decoder> = match self.kind {
            Kind::Pcmu => Box::new(G711Decoder::new(Law::Mu)),
            Kind::Pcma => Box::new(G711Decoder::new(Law::A)),
            Kind::Opus => Box::new(OpusDecoder::new(Rate::Hz8000).unwrap()),
        };
        let mut sound = Vec::new();
        let Some(first) = self.got.first() else { return sound };
        let audio = self.got.iter().filter(|got| got.payload_type() == self.payload_type());
        for got in audio {
            let at = got.time().wrapping_sub(first.time()) as usize * 8 / self.clock_per_ms() as usize;
            let mut frame = [0; 960];
            let length = decoder.decode(got.payload(), &mut frame).unwrap();
            sound.resize(sound.len().max(at + length), 0);
            sound[at..at + length].copy_from_slice(&frame[..length]);
        }
        sound
    }

    /// Tones heard in the last `ms` milliseconds of sound.
    pub fn hears(&self, ms: usize) -> Vec<f64> {
        let sound = self.sound();
        tones(&sound[sound.len().saturating_sub(ms * 8)..])
    }
}

/// The known tones that a piece of sound holds.
pub fn tones(sound: &[i16]) -> Vec<f64> {
    let known = [tone_of(CALLER), tone_of(AI), tone_of(AGENT), HOLD_HZ, NOTICE_HZ];
    known.into_iter().filter(|hz| amplitude(sound, 8000, *hz) > PEAK / 6.0).collect()
}

/// Longest stretch without any tone, in milliseconds, looked at in windows of 10.
pub fn longest_gap_ms(sound: &[i16]) -> usize {
    let loud = |window: &[i16]| window.iter().any(|sample| sample.unsigned_abs() > 1500);
    let (mut longest, mut run) = (0, 0);
    for window in sound.chunks(80) {
        run = if loud(window) { 0 } else { run + 10 };
        longest = longest.max(run);
    }
    longest
}

/// The largest step between neighbouring samples.
pub fn largest_step(sound: &[i16]) -> i32 {
    sound.windows(2).map(|pair| (i32::from(pair[0]) - i32::from(pair[1])).abs()).max().unwrap_or(0)
}

struct Out<'a> {
    now: Time,
    sent: &'a mut Vec<(LegId, Lane, SocketAddr, Got)>,
}

impl Sink for Out<'_> {
    fn send(&mut self, leg: LegId, lane: Lane, to: SocketAddr, packet: &[u8]) {
        self.sent.push((leg, lane, to, Got { at: self.now, bytes: packet.to_vec() }));
    }
}

pub struct World {
    pub now_ms: u64,
    pub session: Session,
    pub phones: Vec<Phone>,
    pub events: Vec<(u64, MediaEvent)>,
    on_the_way: Vec<(u64, LegId, SocketAddr, Vec<u8>)>,
    sent: Vec<(LegId, Lane, SocketAddr, Got)>,
    dice: u64,
    pub tick_at: u64,
    /// Ticks that will be left out.
    pub stall_until: u64,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self::with(seed, SessionParams::default())
    }

    pub fn with(seed: u64, params: SessionParams) -> Self {
        let mut prompts = Prompts::new();
        for hz in [HOLD_HZ, NOTICE_HZ] {
            let mut sound = vec![0; 8000];
            Tone::new(8000, &[(hz, PEAK)]).fill(&mut sound);
            prompts.add_pcm(&sound).unwrap();
        }
        Self {
            now_ms: 7,
            session: Session::new(seed, params, Rc::new(prompts)),
            phones: Vec::new(),
            events: Vec::new(),
            on_the_way: Vec::new(),
            sent: Vec::new(),
            dice: seed,
            tick_at: 10,
            stall_until: 0,
        }
    }

    pub fn config(&self, leg: LegId) -> LegConfig {
        let phone = self.phone(leg);
        let (encoding, clock) = match phone.kind {
            Kind::Pcmu => ("PCMU", 8000),
            Kind::Pcma => ("PCMA", 8000),
            Kind::Opus => ("opus", 48_000),
        };
        LegConfig {
            remote: Some(phone.from),
            remote_rtcp: None,
            rtcp_mux: false,
            rtcp_rsize: false,
            rtcp_xr: false,
            payload: Payload {
                number: phone.payload_type(),
                announced: phone.payload_type(),
                encoding: encoding.into(),
                clock,
                format: String::new(),
            },
            telephone_event: Some(TelephoneEvent { number: phone.event(), clock }),
            ptime_ms: phone.ptime as u8,
            send: true,
            receive: true,
            limits: Limits::default(),
            repair: Repair::Auto,
            digits: baton_engine::media::Digits::None,
            srtp: phone.keys.clone(),
            jitter_ms: None,
        }
    }

    /// A phone that speaks its tone from now on, and its open leg.
    pub fn open(&mut self, leg: LegId, kind: Kind, ptime: u64) {
        self.add(leg, kind, ptime);
        let config = self.config(leg);
        self.order(Order::Open { leg, config });
    }

    pub fn add(&mut self, leg: LegId, kind: Kind, ptime: u64) {
        self.phones.push(Phone {
            leg,
            kind,
            ptime,
            from: SocketAddr::from(([127, 0, 0, 1], 4000 + leg.0 * 2)),
            port: 4000 + leg.0 * 2,
            // Both wraps come early.
            seq: 65_500,
            time: u32::MAX - 20_000,
            ssrc: 0x1000 + u32::from(leg.0),
            sends: true,
            speaks: true,
            loss_percent: 0,
            jitter_ms: 0,
            fast_ppm: 0,
            held_until: 0,
            leaves_silence_out: false,
            began: None,
            tone: Tone::new(8000, &[(tone_of(leg), PEAK)]),
            encoder: encoder(kind),
            got: Vec::new(),
            reports: Vec::new(),
            rtcp_from: None,
            report_to: None,
            keys: None,
            ways: None,
        });
    }

    /// A phone sends RTCP.
    pub fn report_in(&mut self, leg: LegId, bytes: Vec<u8>) {
        let phone = self.phone(leg);
        let above = SocketAddr::new(phone.from.ip(), phone.from.port() + 1);
        let from = phone.rtcp_from.unwrap_or(above);
        self.packet_in(leg, Lane::Rtcp, from, bytes);
    }

    /// A phone and its leg change over to another codec; what the phone has got so far is taken from it.
    pub fn change(&mut self, leg: LegId, kind: Kind, ptime: u64) -> Vec<Got> {
        let phone = self.phone_mut(leg);
        (phone.kind, phone.ptime, phone.encoder) = (kind, ptime, encoder(kind));
        let got = std::mem::take(&mut phone.got);
        let config = self.config(leg);
        self.order(Order::Update { leg, config });
        got
    }

    pub fn order(&mut self, order: Order) {
        let now = Time::from_millis(self.now_ms);
        self.session.apply(now, order, &mut Out { now, sent: &mut self.sent });
        self.deliver();
    }

    pub fn phone(&self, leg: LegId) -> &Phone {
        self.phones.iter().find(|phone| phone.leg == leg).unwrap()
    }

    pub fn phone_mut(&mut self, leg: LegId) -> &mut Phone {
        self.phones.iter_mut().find(|phone| phone.leg == leg).unwrap()
    }

    fn roll(&mut self, below: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % below.max(1)
    }

    pub fn packet_in(&mut self, leg: LegId, lane: Lane, from: SocketAddr, mut bytes: Vec<u8>) {
        let now = Time::from_millis(self.now_ms);
        self.session.handle_packet(now, leg, lane, from, &mut bytes, &mut Out { now, sent: &mut self.sent });
        self.deliver();
    }

    pub fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.now_ms += 1;
            self.phones_speak();
            let now_ms = self.now_ms;
            let (due, later) =
                std::mem::take(&mut self.on_the_way).into_iter().partition(|(at, ..)| *at <= now_ms);
            self.on_the_way = later;
            let due: Vec<(u64, LegId, SocketAddr, Vec<u8>)> = due;
            for (_, leg, from, bytes) in due {
                self.packet_in(leg, Lane::Rtp, from, bytes);
            }
            if self.now_ms >= self.tick_at {
                self.tick_at += u64::from(self.session.tick_ms());
                if self.now_ms >= self.stall_until {
                    let now = Time::from_millis(self.now_ms);
                    self.session.handle_tick(now, &mut Out { now, sent: &mut self.sent });
                    self.deliver();
                }
            }
        }
    }

    fn phones_speak(&mut self) {
        for at in 0..self.phones.len() {
            let phone = &mut self.phones[at];
            if !phone.is_due(self.now_ms) {
                continue;
            }
            let (sends, bytes) = (phone.sends, phone.packet());
            let sends = sends && !(phone.leaves_silence_out && is_silence(&bytes[12..]));
            let held_until = phone.held_until;
            let (leg, from, loss, jitter) = (phone.leg, phone.from, phone.loss_percent, phone.jitter_ms);
            let (lost, late) = (self.roll(100) < loss, self.roll(jitter + 1));
            if sends && !lost {
                let bytes = self.phones[at].sealed(bytes);
                self.on_the_way.push(((self.now_ms + 1 + late).max(held_until), leg, from, bytes));
            }
        }
    }

    fn deliver(&mut self) {
        while let Some(event) = self.session.poll_event() {
            self.events.push((self.now_ms, event));
        }
        for (leg, lane, to, mut got) in std::mem::take(&mut self.sent) {
            let phone = self.phones.iter_mut().find(|phone| phone.leg == leg).unwrap();
            if let Some([_, comes]) = &mut phone.ways {
                got.bytes =
                    comes.open(&got.bytes).expect("a secured leg is sent nothing that is not genuine");
            }
            let reports = (200..=204).contains(&got.bytes[1]);
            let [first, now] = [phone.port, phone.from.port()]
                .map(|port| SocketAddr::new(to.ip(), port + u16::from(lane == Lane::Rtcp)));
            assert!(to == first || to == now || reports && Some(to) == phone.rtcp_from, "{to}");
            if reports {
                phone.report_to = Some(to);
                phone.reports.push(got);
            } else {
                phone.got.push(got);
            }
        }
    }

    pub fn happened(&self, event: MediaEvent) -> bool {
        self.events.iter().any(|(_, happened)| *happened == event)
    }

    /// A call of caller and AI.
    pub fn call(seed: u64, caller: Kind, ai: Kind) -> Self {
        let mut world = Self::new(seed);
        world.open(CALLER, caller, 20);
        world.open(AI, ai, 20);
        world.order(Order::Bridge { with: AI });
        world
    }

    /// Asserts that a phone was sent one stream: one SSRC, numbers one by one, timestamps that never go back over
    /// sound already sent.
    pub fn assert_one_stream(&self, leg: LegId) {
        let phone = self.phone(leg);
        for pair in phone.got.windows(2) {
            // What G.711 of ours is left over before another stream's packets comes in a shorter packet.
            let g711 = phone.kind != Kind::Opus;
            let frame = phone.ptime as u32 * phone.clock_per_ms();
            let frame = if g711 { pair[0].payload().len() as u32 } else { frame };
            assert_eq!(pair[0].ssrc(), pair[1].ssrc());
            assert_eq!(pair[1].seq(), pair[0].seq().wrapping_add(1), "at {:?}", pair[1].at);
            if [&pair[0], &pair[1]].iter().all(|got| got.payload_type() == phone.payload_type()) {
                let step = pair[1].time().wrapping_sub(pair[0].time());
                assert!((frame..frame * 50).contains(&step), "{step} at {:?}", pair[1].at);
            }
        }
    }
}
