//! Transcodes a recording as a bridge would, without a network: Opus to G.711 or back, frame by frame.
//!
//! `cargo run -p baton-codecs --example transcode -- DIRECTION IN.wav OUT.wav [key=value ...]`
//!
//! Directions: `opus-to-pcmu`, `opus-to-pcma` (IN at 8, 16 or 48 kHz is a caller's microphone; OUT is what an 8 kHz
//! telephone hears), `pcmu-to-opus`, `pcma-to-opus` (IN is resampled to 8 kHz and compressed; OUT is what an Opus
//! listener hears). Keys: `bitrate`, `complexity`, `fec` and `dtx` (0 or 1), `loss` (percent of packets
//! lost, seeded by `seed`), `ms` (frame length), `decode` (the rate of Opus's decoder: 8000, 16000, 48000).
#![allow(clippy::print_stderr)]

use std::collections::HashMap;
use std::error::Error;

use baton_codecs::g711::{G711Decoder, G711Encoder, Law};
use baton_codecs::opus::{OpusDecoder, OpusEncoder, PAYLOAD_BYTES_MAX, Settings};
use baton_codecs::resample::Resampler;
use baton_codecs::{Decoder, Encoder, Rate};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One coded leg: an encoder, a wire that loses, a decoder.
struct Leg<E, D> {
    encoder: E,
    decoder: D,
    ms: u32,
    loss_percent: u32,
    random: u32,
}

impl<E: Encoder, D: Decoder> Leg<E, D> {
    /// Sends all of `samples`, padded with silence to whole frames and two more, and returns what is heard.
    fn carry(&mut self, samples: &[i16]) -> Result<Vec<i16>> {
        let length = self.encoder.rate().samples(self.ms);
        let mut padded = samples.to_vec();
        padded.resize((samples.len().div_ceil(length) + 2) * length, 0);
        let mut buffer = [0; PAYLOAD_BYTES_MAX];
        let mut payloads = Vec::new();
        for frame in padded.chunks(length) {
            let bytes = self.encoder.encode(frame, &mut buffer)?;
            payloads.push((!self.is_lost()).then(|| buffer[..bytes].to_vec()));
        }
        let mut frame = vec![0; self.decoder.rate().samples(self.ms)];
        let mut heard = Vec::new();
        for (n, payload) in payloads.iter().enumerate() {
            match (payload, payloads.get(n + 1)) {
                (Some(payload), _) => self.decoder.decode(payload, &mut frame).map(|_| ())?,
                (None, Some(Some(next))) => self.decoder.recover(next, &mut frame)?,
                (None, _) => self.decoder.conceal(&mut frame)?,
            }
            heard.extend_from_slice(&frame);
        }
        Ok(heard)
    }

    fn is_lost(&mut self) -> bool {
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.random >> 16) % 100 < self.loss_percent
    }
}

fn rate_of(hz: u32) -> Result<Rate> {
    let rates = [Rate::Hz8000, Rate::Hz16000, Rate::Hz48000];
    rates
        .into_iter()
        .find(|rate| rate.hz() == hz)
        .ok_or_else(|| format!("{hz} Hz is not 8, 16 or 48 kHz").into())
}

fn read(path: &str) -> Result<(Rate, Vec<i16>)> {
    let mut wav = hound::WavReader::open(path)?;
    let spec = wav.spec();
    if spec.channels != 1 || spec.bits_per_sample != 16 {
        return Err(format!("{path} is not 16-bit mono").into());
    }
    Ok((rate_of(spec.sample_rate)?, wav.samples().collect::<std::result::Result<_, _>>()?))
}

fn write(path: &str, rate: Rate, samples: &[i16]) -> Result<()> {
    let sample_format = hound::SampleFormat::Int;
    let spec = hound::WavSpec { channels: 1, sample_rate: rate.hz(), bits_per_sample: 16, sample_format };
    let mut wav = hound::WavWriter::create(path, spec)?;
    samples.iter().try_for_each(|&sample| wav.write_sample(sample))?;
    Ok(wav.finalize()?)
}

fn resample(from: Rate, to: Rate, samples: &[i16]) -> Result<Vec<i16>> {
    let mut padded = samples.to_vec();
    padded.resize(samples.len().next_multiple_of(6), 0);
    let mut resampler = Resampler::new(from, to);
    let mut out = vec![0; resampler.samples_out(padded.len())];
    resampler.process(&padded, &mut out)?;
    Ok(out.split_off(resampler.delay_samples().min(out.len())))
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [direction, input, output, keys @ ..] = &arguments[..] else {
        return Err("give DIRECTION IN.wav OUT.wav [key=value ...]".into());
    };
    let keys: HashMap<&str, &str> = keys.iter().filter_map(|key| key.split_once('=')).collect();
    let number =
        |key: &str, otherwise: u32| keys.get(key).map_or(Ok(otherwise), |value| value.parse::<u32>());
    let (ms, loss_percent, random) = (number("ms", 20)?, number("loss", 0)?, number("seed", 1)?);

    let (source_rate, samples) = read(input)?;
    let law = if direction.contains("pcmu") { Law::Mu } else { Law::A };
    let mut telephone =
        Leg { encoder: G711Encoder::new(law), decoder: G711Decoder::new(law), ms, loss_percent, random };
    let to_opus = direction.ends_with("opus");
    let rate = if to_opus { Rate::Hz8000 } else { source_rate };
    let settings = Settings {
        bitrate: number("bitrate", 24_000)?,
        complexity: number("complexity", 5)? as u8,
        fec: number("fec", 0)? != 0,
        dtx: number("dtx", 0)? != 0,
        loss_percent: number("expect", loss_percent)? as u8,
        ..Settings::speech(rate)
    };
    let decoder = OpusDecoder::new(rate_of(number("decode", 8000)?)?)?;
    let mut opus = Leg { encoder: OpusEncoder::new(settings)?, decoder, ms, loss_percent, random };

    let heard = if to_opus {
        let source = resample(source_rate, Rate::Hz8000, &samples)?;
        opus.loss_percent = number("after", 0)?;
        opus.carry(&telephone.carry(&source)?)?
    } else {
        telephone.loss_percent = 0;
        let at_bridge = opus.carry(&samples)?;
        telephone.carry(&resample(opus.decoder.rate(), Rate::Hz8000, &at_bridge)?)?
    };
    let rate = if to_opus { opus.decoder.rate() } else { Rate::Hz8000 };
    write(output, rate, &heard)?;
    eprintln!("{direction}: {} samples in, {} out at {} Hz", samples.len(), heard.len(), rate.hz());
    Ok(())
}
