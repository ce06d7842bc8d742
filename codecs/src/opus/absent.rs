//! A build without Opus: nothing can be made, so nothing below `new` is ever reached.

use super::Settings;
use crate::{CodecError, Rate};

pub(super) fn version() -> &'static str {
    "none"
}

#[derive(Debug)]
pub(super) enum Encoder {}

impl Encoder {
    pub(super) fn new(_rate: Rate) -> Result<Self, CodecError> {
        Err(CodecError::NoOpus)
    }

    pub(super) fn apply(&mut self, _settings: &Settings) -> Result<(), CodecError> {
        match *self {}
    }

    pub(super) fn lookahead(&mut self) -> Result<usize, CodecError> {
        match *self {}
    }

    pub(super) fn encode(&mut self, _samples: &[i16], _payload: &mut [u8]) -> Result<usize, CodecError> {
        match *self {}
    }

    pub(super) fn reset(&mut self) {
        match *self {}
    }
}

#[derive(Debug)]
pub(super) enum Decoder {}

impl Decoder {
    pub(super) fn new(_rate: Rate) -> Result<Self, CodecError> {
        Err(CodecError::NoOpus)
    }

    pub(super) fn decode(&mut self, _payload: &[u8], _samples: &mut [i16]) -> Result<usize, CodecError> {
        match *self {}
    }

    pub(super) fn conceal(&mut self, _samples: &mut [i16]) -> Result<(), CodecError> {
        match *self {}
    }

    pub(super) fn recover(&mut self, _next: &[u8], _samples: &mut [i16]) -> Result<(), CodecError> {
        match *self {}
    }

    pub(super) fn reset(&mut self) {
        match *self {}
    }
}
