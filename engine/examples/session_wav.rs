//! Carries a recording through a whole session, as the far phone speaks and hears it, to be scored against the source.
//!
//! `cargo run -p baton-engine --example session_wav -- DIRECTION IN.wav OUT.wav [BITRATE]`
//!
//! Directions: `opus-to-pcmu` (IN at 16 kHz is spoken in Opus at 48 kHz; OUT is what the PCMU phone hears) and
//! `pcmu-to-opus` (IN is brought to 8 kHz and compressed; OUT is what an Opus phone hears). OUT has 8 kHz. The network
//! is perfect; time is virtual.
#![allow(clippy::print_stderr, reason = "a program for the command line")]

use std::error::Error;
use std::net::SocketAddr;
use std::rc::Rc;

use baton_codecs::g711::{G711Decoder, G711Encoder, Law};
use baton_codecs::opus::{OpusDecoder, OpusEncoder, Settings};
use baton_codecs::resample::Resampler;
use baton_codecs::{Decoder, Encoder, Rate};
use baton_engine::key::LegId;
use baton_engine::media::{
    Lane, LegConfig, Limits, Order, Payload, Prompts, Repair, Session, SessionParams, Sink,
};
use baton_signaling::Time;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const CALLER: LegId = LegId::CALLER;
const AI: LegId = LegId(1);

/// What one leg's phone hears, each frame where its timestamp says.
struct Ear {
    leg: LegId,
    decoder: Box<dyn Decoder>,
    clock_per_sample: u32,
    first: Option<u32>,
    sound: Vec<i16>,
}

impl Sink for Ear {
    fn send(&mut self, leg: LegId, lane: Lane, _: SocketAddr, packet: &[u8]) {
        if leg != self.leg || lane != Lane::Rtp {
            return;
        }
        let time = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
        let first = *self.first.get_or_insert(time);
        let at = (time.wrapping_sub(first) / self.clock_per_sample) as usize;
        let mut frame = [0; 960];
        let length = self.decoder.decode(&packet[12..], &mut frame).expect("our own payload");
        self.sound.resize(self.sound.len().max(at + length), 0);
        self.sound[at..at + length].copy_from_slice(&frame[..length]);
    }
}

fn config(leg: LegId) -> LegConfig {
    let (number, encoding, clock) = if leg == CALLER { (111, "opus", 48_000) } else { (0, "PCMU", 8000) };
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
        digits: baton_engine::media::Digits::None,
        srtp: None,
        jitter_ms: None,
    }
}

fn address(leg: LegId) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 4000 + leg.0 * 2))
}

fn resampled(samples: &[i16], from: u32, to: Rate) -> Result<Vec<i16>> {
    let known = [Rate::Hz8000, Rate::Hz16000, Rate::Hz48000].into_iter().find(|rate| rate.hz() == from);
    let mut samples = samples.to_vec();
    samples.resize(samples.len().next_multiple_of(960) + 9600, 0);
    let mut resampler = Resampler::new(known.ok_or("8, 16 or 48 kHz only")?, to);
    let mut out = vec![0; resampler.samples_out(samples.len())];
    resampler.process(&samples, &mut out)?;
    Ok(out)
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [direction, input, output, rest @ ..] = &arguments[..] else {
        return Err("DIRECTION IN.wav OUT.wav [BITRATE]".into());
    };
    let bitrate = rest.first().map_or(Ok(24_000), |text| text.parse())?;
    let mut reader = hound::WavReader::open(input)?;
    let rate = reader.spec().sample_rate;
    let samples = reader.samples().collect::<std::result::Result<Vec<i16>, _>>()?;
    let settings = Settings { complexity: 10, bitrate, ..Settings::speech(Rate::Hz48000) };
    let from_opus = direction == "opus-to-pcmu";
    let (speaker, rate_spoken, clock, number) =
        if from_opus { (CALLER, Rate::Hz48000, 48, 111) } else { (AI, Rate::Hz8000, 8, 0) };
    let mut encoder: Box<dyn Encoder> = match from_opus {
        true => Box::new(OpusEncoder::new(settings)?),
        false => Box::new(G711Encoder::new(Law::Mu)),
    };
    let mut ear = Ear {
        leg: if from_opus { AI } else { CALLER },
        decoder: match from_opus {
            true => Box::new(G711Decoder::new(Law::Mu)),
            false => Box::new(OpusDecoder::new(Rate::Hz8000)?),
        },
        clock_per_sample: if from_opus { 1 } else { 6 },
        first: None,
        sound: Vec::new(),
    };
    let params = SessionParams { bitrate, ..SessionParams::default() };
    let mut session = Session::new(1, params, Rc::new(Prompts::new()));
    for leg in [CALLER, AI] {
        session.apply(Time::ZERO, Order::Open { leg, config: config(leg) }, &mut ear);
    }
    session.apply(Time::ZERO, Order::Bridge { with: AI }, &mut ear);
    let spoken = resampled(&samples, rate, rate_spoken)?;
    for (n, frame) in spoken.chunks_exact(rate_spoken.samples(20)).enumerate() {
        let mut packet = vec![0; 4096];
        let length = encoder.encode(frame, &mut packet[12..])?;
        packet.truncate(12 + length);
        packet[..2].copy_from_slice(&[0x80, number]);
        packet[2..4].copy_from_slice(&(n as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&(n as u32 * 20 * clock).to_be_bytes());
        let now = Time::from_millis(n as u64 * 20);
        session.handle_packet(now, speaker, Lane::Rtp, address(speaker), &mut packet, &mut ear);
        session.handle_tick(Time::from_millis(n as u64 * 20 + 5), &mut ear);
    }
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(output, spec)?;
    ear.sound.iter().try_for_each(|sample| writer.write_sample(*sample))?;
    writer.finalize()?;
    eprintln!("{:?}", session.stats(speaker));
    Ok(())
}
