//! Opus codecs made ahead. One is a call into C's heap of some 25 KiB; a leg that has been relayed and cannot be any more
//! needs one at once, on the packet path, where nothing is allocated. So a few lie ready for all sessions of a shard.
//!
//! It leaves out when a leg needs one, and taking codecs back: a leg that has needed one may need it again.

use std::cell::{Cell, RefCell};

use baton_codecs::opus::{OpusDecoder, OpusEncoder, Settings};
use baton_codecs::{CodecError, Decoder, Rate};

/// Codecs of each kind that lie ready. They are filled up with every order to any session and after every turn of the
/// shard, so these are for the legs that change over within one turn.
const READY: usize = 8;

/// The codecs that lie ready.
#[derive(Debug)]
pub(crate) struct Spare {
    encoders: RefCell<Vec<OpusEncoder>>,
    decoders: RefCell<Vec<OpusDecoder>>,
    /// Times that there was none.
    short: Cell<u64>,
}

impl Default for Spare {
    fn default() -> Self {
        Self {
            encoders: RefCell::new(Vec::with_capacity(READY)),
            decoders: RefCell::new(Vec::with_capacity(READY)),
            short: Cell::new(0),
        }
    }
}

impl Spare {
    /// Makes what is missing; allocates, so never on the packet path. A library without memory leaves it missing.
    pub(crate) fn fill(&self) {
        let (mut encoders, mut decoders) = (self.encoders.borrow_mut(), self.decoders.borrow_mut());
        while encoders.len() < READY
            && let Ok(encoder) = OpusEncoder::new(Settings::speech(Rate::Hz8000))
        {
            encoders.push(encoder);
        }
        while decoders.len() < READY
            && let Ok(decoder) = OpusDecoder::new(Rate::Hz8000)
        {
            decoders.push(decoder);
        }
    }

    /// An encoder at the start of its stream. Errors: none is left, and settings out of range.
    pub(crate) fn encoder(&self, settings: Settings) -> Result<OpusEncoder, CodecError> {
        let mut encoder = self.take(&self.encoders)?;
        encoder.set(settings)?;
        Ok(encoder)
    }

    /// A decoder at the start of its stream. Errors: none is left.
    pub(crate) fn decoder(&self) -> Result<OpusDecoder, CodecError> {
        self.take(&self.decoders)
    }

    /// Puts a decoder back that was needed for a moment.
    pub(crate) fn give(&self, mut decoder: OpusDecoder) {
        let mut decoders = self.decoders.borrow_mut();
        if decoders.len() < READY {
            decoder.reset();
            decoders.push(decoder);
        }
    }

    fn take<T>(&self, from: &RefCell<Vec<T>>) -> Result<T, CodecError> {
        let taken = from.borrow_mut().pop();
        if taken.is_none() {
            self.short.set(self.short.get() + 1);
        }
        // The library's own word for "no memory" (OPUS_ALLOC_FAIL).
        taken.ok_or(CodecError::Library { code: -7 })
    }

    /// Times that a codec was wanted and none lay ready: a frame each that was silent instead.
    pub(crate) fn short(&self) -> u64 {
        self.short.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_made_anew_and_an_empty_shelf_is_counted() {
        let spare = Spare::default();
        assert!(spare.decoder().is_err());
        spare.fill();
        for _ in 0..READY {
            spare.encoder(Settings::speech(Rate::Hz8000)).unwrap();
        }
        assert!(spare.encoder(Settings::speech(Rate::Hz8000)).is_err());
        assert_eq!(spare.short(), 2);
        spare.fill();
        spare.encoder(Settings::speech(Rate::Hz8000)).unwrap();
    }
}
