//! The crate `opus`, which Baton uses: a bundled libopus 1.6.

use measure::BITRATE;
use opus::{Application, Bitrate, Channels};

struct Encoder(opus::Encoder);

impl measure::Encoder for Encoder {
    fn new(rate: u32, complexity: u8, fec: bool) -> Self {
        let mut encoder = opus::Encoder::new(rate, Channels::Mono, Application::Voip).expect("an encoder");
        encoder.set_bitrate(Bitrate::Bits(BITRATE)).expect("a bit rate");
        encoder.set_complexity(complexity.into()).expect("a complexity");
        encoder.set_inband_fec(fec).expect("FEC");
        encoder.set_packet_loss_perc(if fec { 10 } else { 0 }).expect("a loss");
        Self(encoder)
    }

    fn encode(&mut self, frame: &[i16], payload: &mut [u8]) -> usize {
        self.0.encode(frame, payload).expect("20 ms are a frame")
    }
}

struct Decoder(opus::Decoder);

impl measure::Decoder for Decoder {
    fn new(rate: u32) -> Self {
        Self(opus::Decoder::new(rate, Channels::Mono).expect("a decoder"))
    }

    fn decode(&mut self, payload: &[u8], samples: &mut [i16]) -> usize {
        self.0.decode(payload, samples, false).expect("our own payload")
    }
}

fn main() {
    measure::run::<Encoder, Decoder>(opus::version());
}
