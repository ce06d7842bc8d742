//! The codecs that a test phone speaks.

use crate::g711;

/// A codec by its name in SDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
}

impl Codec {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Pcmu, Self::Pcma];

    /// Its name with clock and channels as in `a=rtpmap`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU/8000",
            Self::Pcma => "PCMA/8000",
        }
    }

    /// Its payload type in our offers.
    pub fn number(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// Its RTP clock.
    pub fn clock(self) -> u32 {
        8000
    }

    /// The codec of an `a=rtpmap` name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))
    }
}

/// A sender's codec state.
#[derive(Debug)]
pub struct Encode {
    codec: Codec,
    /// The codes of the last packet's samples: a tone repeats itself, so most packets are found here.
    last: (Vec<i16>, Vec<u8>),
}

impl Encode {
    /// A new encoder.
    pub fn new(codec: Codec) -> Self {
        Self { codec, last: Default::default() }
    }

    /// Appends the payload for these samples at 8 kHz.
    pub fn append(&mut self, samples: &[i16], to: &mut Vec<u8>) {
        if self.last.0 != samples {
            let code = match self.codec {
                Codec::Pcmu => g711::to_ulaw,
                Codec::Pcma => g711::to_alaw,
            };
            self.last = (samples.to_vec(), samples.iter().map(|&sample| code(sample)).collect());
        }
        to.extend(&self.last.1);
    }
}

/// A receiver's codec state.
#[derive(Debug, Default)]
pub struct Decode {}

impl Decode {
    /// The samples of a payload at 8 kHz.
    pub fn samples(&mut self, codec: Codec, payload: &[u8]) -> Vec<i16> {
        let value = match codec {
            Codec::Pcmu => g711::from_ulaw,
            Codec::Pcma => g711::from_alaw,
        };
        payload.iter().map(|&byte| value(byte)).collect()
    }
}
