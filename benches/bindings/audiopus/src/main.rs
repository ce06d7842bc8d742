//! The crate `audiopus`, the second opinion: a bundled libopus 1.3.1.

use audiopus::coder::{Decoder as LibraryDecoder, Encoder as LibraryEncoder};
use audiopus::packet::Packet;
use audiopus::{Application, Bitrate, Channels, MutSignals, SampleRate};
use measure::BITRATE;

fn sample_rate(rate: u32) -> SampleRate {
    if rate == 8_000 { SampleRate::Hz8000 } else { SampleRate::Hz48000 }
}

struct Encoder(LibraryEncoder);

impl measure::Encoder for Encoder {
    fn new(rate: u32, complexity: u8, fec: bool) -> Self {
        let mut encoder =
            LibraryEncoder::new(sample_rate(rate), Channels::Mono, Application::Voip).expect("an encoder");
        encoder.set_bitrate(Bitrate::BitsPerSecond(BITRATE)).expect("a bit rate");
        encoder.set_complexity(complexity).expect("a complexity");
        encoder.set_inband_fec(fec).expect("FEC");
        encoder.set_packet_loss_perc(if fec { 10 } else { 0 }).expect("a loss");
        Self(encoder)
    }

    fn encode(&mut self, frame: &[i16], payload: &mut [u8]) -> usize {
        self.0.encode(frame, payload).expect("20 ms are a frame")
    }
}

struct Decoder(LibraryDecoder);

impl measure::Decoder for Decoder {
    fn new(rate: u32) -> Self {
        Self(LibraryDecoder::new(sample_rate(rate), Channels::Mono).expect("a decoder"))
    }

    fn decode(&mut self, payload: &[u8], samples: &mut [i16]) -> usize {
        let packet = Packet::try_from(payload).expect("our own payload");
        let samples = MutSignals::try_from(samples).expect("no more than an i32 holds");
        self.0.decode(Some(packet), samples, false).expect("our own payload")
    }
}

fn main() {
    measure::run::<Encoder, Decoder>(audiopus::version());
}
