//! A call's session and the packets of its two ends, made one by one, for benches that count what each costs.

use std::hint::black_box;
use std::net::SocketAddr;
use std::rc::Rc;

use baton_codecs::opus::{OpusEncoder, Settings};
use baton_codecs::tone::Tone;
use baton_codecs::{Encoder, Rate};
use baton_engine::key::LegId;
use baton_engine::media::{
    Digits, Lane, LegConfig, Limits, Order, Payload, Prompt, Prompts, Repair, Session, SessionParams, Sink,
};
use baton_signaling::Time;

/// The caller's leg.
pub const CALLER: LegId = LegId::CALLER;
/// The AI's.
pub const AI: LegId = LegId(1);

/// Takes packets and touches their bytes, as the outbox's copy does.
#[derive(Default)]
struct Outbox {
    slot: Vec<u8>,
}

impl Sink for Outbox {
    fn send(&mut self, _: LegId, _: Lane, _: SocketAddr, packet: &[u8]) {
        self.slot.clear();
        self.slot.extend_from_slice(black_box(packet));
    }
}

fn address(leg: LegId) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 4000 + leg.0 * 2))
}

fn config(leg: LegId, opus: bool) -> LegConfig {
    let (number, encoding, clock) = if opus { (111, "opus", 48_000) } else { (0, "PCMU", 8000) };
    LegConfig {
        remote: Some(address(leg)),
        remote_rtcp: None,
        rtcp_mux: false,
        rtcp_rsize: false,
        rtcp_xr: false,
        payload: Payload {
            number,
            announced: number,
            encoding: encoding.into(),
            clock,
            format: String::new(),
        },
        telephone_event: None,
        ptime_ms: 20,
        send: true,
        receive: true,
        limits: Limits::default(),
        repair: Repair::Auto,
        digits: Digits::None,
        srtp: None,
        jitter_ms: None,
    }
}

/// A call of caller and AI, and the packets of its two ends.
pub struct Call {
    session: Session,
    out: Outbox,
    now_ms: u64,
    seq: u16,
    opus: Vec<u8>,
    pcmu: Vec<u8>,
}

impl Call {
    /// A call whose AI speaks PCMU, and whose caller Opus or PCMU.
    ///
    /// # Panics
    /// If this build has no Opus.
    pub fn new(caller_opus: bool) -> Self {
        let mut prompts = Prompts::new();
        let mut hold = vec![0; 8000];
        Tone::new(8000, &[(440.0, 6000.0)]).fill(&mut hold);
        prompts.add_pcm(&hold).expect("a second of sound");
        let mut session = Session::new(1, SessionParams::default(), Rc::new(prompts));
        let mut out = Outbox::default();
        for (leg, opus) in [(CALLER, caller_opus), (AI, false)] {
            session.apply(Time::ZERO, Order::Open { leg, config: config(leg, opus) }, &mut out);
        }
        session.apply(Time::ZERO, Order::Bridge { with: AI }, &mut out);
        let mut opus = vec![0; 4000];
        let mut encoder = OpusEncoder::new(Settings::speech(Rate::Hz8000)).expect("Opus");
        let length = encoder.encode(&hold[..160], &mut opus).expect("20 ms");
        opus.truncate(length);
        Self { session, out, now_ms: 0, seq: 0, opus, pcmu: (0..160).map(|n| 0x20 + n).collect() }
    }

    /// A packet comes from a leg.
    pub fn packet(&mut self, leg: LegId, opus: bool) {
        let (number, clock, payload) = if opus { (111, 48, &self.opus) } else { (0, 8, &self.pcmu) };
        let mut packet = [0; 200];
        let time = (self.now_ms as u32).wrapping_mul(clock);
        packet[..2].copy_from_slice(&[0x80, number]);
        packet[2..4].copy_from_slice(&self.seq.to_be_bytes());
        packet[4..8].copy_from_slice(&time.to_be_bytes());
        packet[8..12].copy_from_slice(&[1, 2, 3, leg.0 as u8]);
        packet[12..12 + payload.len()].copy_from_slice(payload);
        let packet = &mut packet[..12 + payload.len()];
        let now = Time::from_millis(self.now_ms);
        self.session.handle_packet(now, leg, Lane::Rtp, address(leg), packet, &mut self.out);
    }

    /// 20 ms pass.
    pub fn step(&mut self) {
        (self.now_ms, self.seq) = (self.now_ms + 20, self.seq.wrapping_add(1));
    }

    /// The session's tick.
    pub fn tick(&mut self) {
        self.session.handle_tick(Time::from_millis(self.now_ms), &mut self.out);
        while self.session.poll_event().is_some() {}
    }

    /// The caller hears hold audio from now on.
    pub fn park(&mut self) {
        let park = Order::Park { tail: None, hold: Prompt(0) };
        self.session.apply(Time::ZERO, park, &mut self.out);
    }
}
