//! A whole session under any packets, orders and ticks in any order and at any time.
//!
//! What it promises whatever comes: every packet it sends can be read, a leg's stream keeps its SSRC, and RTP
//! leaves only on the RTP lane.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use baton_engine::key::LegId;
use baton_engine::media::{
    Digits, Dtmf, Lane, LegConfig, Limits, Order, Payload, Prompts, Repair, Session, SessionParams, Sink,
    TelephoneEvent,
};
use baton_engine::rtp::{PacketView, Ssrc, is_rtcp, rtcp};
use baton_signaling::Time;

/// Steps taken of one input: enough for a hold, a handoff and a second of sound, and still thousands of inputs a second.
const STEPS_MAX: usize = 400;

struct Checked {
    streams: BTreeMap<LegId, Ssrc>,
}

impl Sink for Checked {
    fn send(&mut self, leg: LegId, lane: Lane, _: SocketAddr, packet: &[u8]) {
        if is_rtcp(packet) {
            assert!(rtcp::parse(packet, Ssrc(0)).is_some(), "RTCP of ours cannot be read");
            return;
        }
        assert_eq!(lane, Lane::Rtp, "RTP on the port of RTCP");
        let view = PacketView::parse(packet).expect("RTP of ours can be read");
        assert_eq!(*self.streams.entry(leg).or_insert(view.ssrc()), view.ssrc(), "a leg's SSRC has changed");
    }
}

/// Reads one byte after another; zeros after the end.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken.to_vec()
    }
}

/// Numbers of a stranger's stream.
#[derive(Clone, Copy, Default)]
struct Stream {
    seq: u16,
    time: u32,
    ssrc: u32,
}

/// Runs a session through what `data` says.
pub fn session(data: &[u8]) {
    let mut data = Bytes(data);
    let mut prompts = Prompts::new();
    let prompt = prompts.add_pcm(&[1000; 400]).expect("50 ms are a prompt");
    let params = SessionParams { media_timeout: Duration::from_secs(2), ..SessionParams::default() };
    let mut session = Session::new(7, params, Rc::new(prompts));
    let mut out = Checked { streams: BTreeMap::new() };
    let mut now = Time::from_millis(1);
    let mut streams = [Stream::default(); 4];
    for _ in 0..STEPS_MAX {
        if data.0.is_empty() {
            break;
        }
        let step = data.next();
        let leg = LegId(u16::from(step >> 4 & 3));
        let stream = &mut streams[usize::from(leg.0)];
        match step & 15 {
            0..=4 => {
                let mut packet = rtp(&mut data, stream, step & 15);
                session.handle_packet(now, leg, Lane::Rtp, from(leg, step), &mut packet, &mut out);
            }
            5 => {
                let length = usize::from(data.next());
                let mut packet = data.take(length);
                session.handle_packet(now, leg, Lane::Rtp, from(leg, step), &mut packet, &mut out);
            }
            6 => {
                let length = usize::from(data.next());
                let mut packet = data.take(length);
                session.handle_packet(now, leg, Lane::Rtcp, from(leg, step), &mut packet, &mut out);
            }
            7 => now += Duration::from_millis(u64::from(data.next()) * 4),
            8 | 9 => {
                if session.stats(leg).is_none() {
                    out.streams.remove(&leg);
                }
                session.apply(now, Order::Open { leg, config: config(leg, data.next()) }, &mut out);
            }
            10 => session.apply(now, Order::Update { leg, config: config(leg, data.next()) }, &mut out),
            11 => {
                let order = match data.next() % 8 {
                    0 => Order::Bridge { with: leg },
                    1 => Order::Park { tail: Some(leg), hold: prompt },
                    2 => Order::Park { tail: None, hold: prompt },
                    3 | 4 => Order::Join { agent: leg, tail_ms: u32::from(data.next()) * 8 },
                    5 => Order::Announce { prompt },
                    6 => Order::Close { leg },
                    _ => Order::Dtmf { leg, digit: Dtmf(data.next() & 15) },
                };
                session.apply(now, order, &mut out);
            }
            _ => {
                now += Duration::from_millis(u64::from(session.tick_ms()));
                session.handle_tick(now, &mut out);
            }
        }
        while session.poll_event().is_some() {}
    }
    let _ = (session.counters(), session.transcodings().count(), session.stats(LegId::CALLER));
    session.apply(now, Order::End, &mut out);
}

/// Mostly the stream's own address, now and then a stranger's.
fn from(leg: LegId, step: u8) -> SocketAddr {
    ([127, 0, 0, if step & 0x80 == 0 { 1 } else { 9 }], 4000 + leg.0 * 2).into()
}

/// The next packet of a stream, with as much amiss as the input wants.
fn rtp(data: &mut Bytes, stream: &mut Stream, kind: u8) -> Vec<u8> {
    let shape = data.next();
    let payload_type = [0, 8, 111, 101, 13, 112, 97, 127][usize::from(shape & 7)];
    let length = match shape >> 3 & 3 {
        0 => 160,
        1 => usize::from(data.next()),
        2 => 480,
        _ => 4,
    };
    let units = if payload_type == 111 { 960 } else { 160 };
    stream.seq = stream.seq.wrapping_add(1);
    stream.time = stream.time.wrapping_add(units);
    if kind == 4 {
        stream.seq = stream.seq.wrapping_add_signed(i16::from(data.next().cast_signed()) * 37);
        stream.time = stream.time.wrapping_add_signed(i32::from(data.next().cast_signed()) * 4001);
        stream.ssrc ^= u32::from(shape & 0x20);
    }
    let mut packet = vec![0x80, payload_type | shape & 0x80];
    packet.extend(stream.seq.to_be_bytes());
    packet.extend(stream.time.to_be_bytes());
    packet.extend(stream.ssrc.to_be_bytes());
    let mut payload = data.take(length.min(24));
    payload.resize(length, payload.last().copied().unwrap_or(0xff));
    packet.extend(payload);
    packet
}

fn config(leg: LegId, shape: u8) -> LegConfig {
    let (number, encoding, clock) =
        [(0, "PCMU", 8000), (8, "PCMA", 8000), (111, "opus", 48_000), (111, "opus", 48_000)]
            [usize::from(shape & 3)];
    LegConfig {
        remote: (shape & 4 == 0).then(|| from(leg, 0)),
        remote_rtcp: None,
        rtcp_mux: shape & 8 != 0,
        rtcp_rsize: shape & 0x10 != 0,
        rtcp_xr: shape & 4 != 0,
        payload: Payload {
            number,
            announced: number,
            encoding: encoding.into(),
            clock,
            format: String::new(),
        },
        telephone_event: (shape & 16 != 0).then_some(TelephoneEvent { number: 101, clock }),
        ptime_ms: [20, 10, 30, 60][usize::from(shape >> 5 & 3)],
        send: shape & 0x80 == 0,
        receive: true,
        limits: Limits { fec: shape & 2 != 0, dtx: shape & 1 != 0, ..Limits::default() },
        repair: [Repair::Auto, Repair::Never, Repair::Always, Repair::Auto][usize::from(shape >> 3 & 3)],
        digits: [Digits::None, Digits::Tones][usize::from(shape >> 6 & 1)],
        srtp: None,
        jitter_ms: None,
    }
}
