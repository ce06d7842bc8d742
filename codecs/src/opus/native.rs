//! Opus by libopus (C), through crate `opus`. See [`super`] for what is asked of it.

use opus::{Application, Bitrate, Channels, ErrorCode};

use super::Settings;
use crate::{CodecError, Rate};

pub(super) fn version() -> &'static str {
    opus::version()
}

/// What a library error means to the caller; `bytes` is the payload's length, for a decoder.
fn told(error: &opus::Error, bytes: usize) -> CodecError {
    match error.code() {
        ErrorCode::InvalidPacket => CodecError::Payload { bytes },
        code => CodecError::Library { code: code as i32 },
    }
}

fn failed(error: opus::Error) -> CodecError {
    told(&error, 0)
}

#[derive(Debug)]
pub(super) struct Encoder(opus::Encoder);

impl Encoder {
    pub(super) fn new(rate: Rate) -> Result<Self, CodecError> {
        opus::Encoder::new(rate.hz(), Channels::Mono, Application::Voip).map(Encoder).map_err(failed)
    }

    pub(super) fn apply(&mut self, settings: &Settings) -> Result<(), CodecError> {
        let apply = |encoder: &mut opus::Encoder| {
            encoder.set_complexity(settings.complexity.into())?;
            encoder.set_bitrate(Bitrate::Bits(settings.bitrate as i32))?;
            encoder.set_vbr(!settings.cbr)?;
            encoder.set_inband_fec(settings.fec)?;
            encoder.set_dtx(settings.dtx)?;
            encoder.set_packet_loss_perc(settings.loss_percent.into())
        };
        apply(&mut self.0).map_err(failed)
    }

    pub(super) fn lookahead(&mut self) -> Result<usize, CodecError> {
        self.0.get_lookahead().map(|samples| samples as usize).map_err(failed)
    }

    pub(super) fn encode(&mut self, samples: &[i16], payload: &mut [u8]) -> Result<usize, CodecError> {
        self.0.encode(samples, payload).map_err(failed)
    }

    pub(super) fn reset(&mut self) {
        self.0.reset_state().expect("libopus refuses a reset of no living encoder");
    }
}

#[derive(Debug)]
pub(super) struct Decoder(opus::Decoder);

impl Decoder {
    pub(super) fn new(rate: Rate) -> Result<Self, CodecError> {
        opus::Decoder::new(rate.hz(), Channels::Mono).map(Decoder).map_err(failed)
    }

    pub(super) fn decode(&mut self, payload: &[u8], samples: &mut [i16]) -> Result<usize, CodecError> {
        self.0.decode(payload, samples, false).map_err(|error| told(&error, payload.len()))
    }

    pub(super) fn conceal(&mut self, samples: &mut [i16]) -> Result<(), CodecError> {
        self.0.decode(&[], samples, false).map(|_| ()).map_err(failed)
    }

    pub(super) fn recover(&mut self, next: &[u8], samples: &mut [i16]) -> Result<(), CodecError> {
        self.0.decode(next, samples, true).map(|_| ()).map_err(|error| told(&error, next.len()))
    }

    pub(super) fn reset(&mut self) {
        self.0.reset_state().expect("libopus refuses a reset of no living decoder");
    }
}
