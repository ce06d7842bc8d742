//! Opus in Rust alone, through crate `opus-pure`. See [`super`] for what is asked of it.
//!
//! Its encoder allocates scratch space in each frame and anew at a reset; its decoder in some kinds of frame.

use opus_pure::{Application, Error, OpusDecoder, OpusEncoder, RateControl};

use super::Settings;
use crate::{CodecError, Rate};

pub(super) fn version() -> &'static str {
    "opus-pure 0.2"
}

/// What a library error means to the caller; `bytes` is the payload's length, for a decoder. The codes are libopus's.
fn told(error: &Error, bytes: usize) -> CodecError {
    match error {
        Error::InvalidPacket(_) => CodecError::Payload { bytes },
        Error::InvalidArgument(_) => CodecError::Library { code: -1 },
        Error::BufferTooSmall { needed, provided, .. } => {
            CodecError::OutputTooSmall { need: *needed, have: *provided }
        }
        _ => CodecError::Library { code: -3 },
    }
}

fn failed(error: Error) -> CodecError {
    told(&error, 0)
}

#[derive(Debug)]
pub(super) struct Encoder(OpusEncoder);

impl Encoder {
    pub(super) fn new(rate: Rate) -> Result<Self, CodecError> {
        OpusEncoder::new(rate.hz() as i32, 1, Application::Voip).map(Encoder).map_err(failed)
    }

    pub(super) fn apply(&mut self, settings: &Settings) -> Result<(), CodecError> {
        self.0.complexity = settings.complexity.into();
        self.0.bitrate_bps = settings.bitrate as i32;
        self.0.rate_control = if settings.cbr { RateControl::Cbr } else { RateControl::ConstrainedVbr };
        self.0.use_inband_fec = settings.fec;
        self.0.use_dtx = settings.dtx;
        self.0.packet_loss_perc = settings.loss_percent.into();
        Ok(())
    }

    pub(super) fn lookahead(&mut self) -> Result<usize, CodecError> {
        Ok(self.0.lookahead())
    }

    pub(super) fn encode(&mut self, samples: &[i16], payload: &mut [u8]) -> Result<usize, CodecError> {
        self.0.encode_s16(samples, samples.len(), payload).map_err(failed)
    }

    pub(super) fn reset(&mut self) {
        self.0.reset_state().expect("an encoder that was built with these arguments is built again");
    }
}

#[derive(Debug)]
pub(super) struct Decoder(OpusDecoder);

impl Decoder {
    pub(super) fn new(rate: Rate) -> Result<Self, CodecError> {
        OpusDecoder::new(rate.hz() as i32, 1).map(Decoder).map_err(failed)
    }

    pub(super) fn decode(&mut self, payload: &[u8], samples: &mut [i16]) -> Result<usize, CodecError> {
        self.0.decode_s16(payload, samples.len(), samples).map_err(|error| told(&error, payload.len()))
    }

    pub(super) fn conceal(&mut self, samples: &mut [i16]) -> Result<(), CodecError> {
        self.0.decode_s16(&[], samples.len(), samples).map(|_| ()).map_err(failed)
    }

    pub(super) fn recover(&mut self, next: &[u8], samples: &mut [i16]) -> Result<(), CodecError> {
        let result = self.0.decode_fec_s16(next, samples.len(), samples);
        result.map(|_| ()).map_err(|error| told(&error, next.len()))
    }

    pub(super) fn reset(&mut self) {
        self.0.reset_state().expect("opus-pure's decoder reset has no way to fail");
    }
}
