//! G.711 µ-law and A-law (ITU-T G.711, RFC 3551 §4.5.14): 8 bits a sample at 8 kHz.
//!
//! What it leaves out: how a hole is filled ([`crate::plc`]); Annex A (lossless compression) and Appendix II
//! (discontinuous transmission).
//!
//! G.711 speaks of 14-bit (µ) and 13-bit (A) numbers; a 16-bit sample is such a number with a fraction of two or
//! three bits. A negative sample that lies on a decision value goes to the interval nearer to zero, as in ITU-T
//! G.191's own software: its magnitude is that of its one's complement.

use crate::{CodecError, Decoder, Encoder, Rate, plc::Concealer, room};

/// Which of the two laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Law {
    /// µ-law: North America, Japan. RTP payload type 0.
    Mu,
    /// A-law: everywhere else. RTP payload type 8.
    A,
}

impl Law {
    /// The code that decodes to silence (µ: zero; A: its smallest positive value).
    pub const fn silence(self) -> u8 {
        match self {
            Law::Mu => 0xFF,
            Law::A => 0xD5,
        }
    }

    /// One sample's code.
    #[inline]
    pub const fn compress(self, sample: i16) -> u8 {
        match self {
            Law::Mu => compress_mu(sample),
            Law::A => compress_a(sample),
        }
    }

    /// One code's sample.
    #[inline]
    pub const fn expand(self, code: u8) -> i16 {
        match self {
            Law::Mu => MU[code as usize],
            Law::A => A[code as usize],
        }
    }
}

/// Encodes as many samples as given into the front of `payload`, one byte each, and returns how many.
///
/// # Errors
/// [`CodecError::OutputTooSmall`] if `payload` is shorter than `samples`.
pub fn encode(law: Law, samples: &[i16], payload: &mut [u8]) -> Result<usize, CodecError> {
    room(samples.len(), payload.len())?;
    match law {
        Law::Mu => payload.iter_mut().zip(samples).for_each(|(code, &s)| *code = compress_mu(s)),
        Law::A => payload.iter_mut().zip(samples).for_each(|(code, &s)| *code = compress_a(s)),
    }
    Ok(samples.len())
}

/// Decodes as many codes as given into the front of `samples` and returns how many.
///
/// # Errors
/// [`CodecError::OutputTooSmall`] if `samples` is shorter than `payload`.
pub fn decode(law: Law, payload: &[u8], samples: &mut [i16]) -> Result<usize, CodecError> {
    room(payload.len(), samples.len())?;
    let table = match law {
        Law::Mu => &MU,
        Law::A => &A,
    };
    samples.iter_mut().zip(payload).for_each(|(sample, &code)| *sample = table[code as usize]);
    Ok(payload.len())
}

/// A G.711 encoder. It has no memory.
#[derive(Clone, Copy, Debug)]
pub struct G711Encoder {
    law: Law,
}

impl G711Encoder {
    /// An encoder of this law.
    pub const fn new(law: Law) -> Self {
        G711Encoder { law }
    }
}

impl Encoder for G711Encoder {
    fn rate(&self) -> Rate {
        Rate::Hz8000
    }

    fn encode(&mut self, samples: &[i16], payload: &mut [u8]) -> Result<usize, CodecError> {
        encode(self.law, samples, payload)
    }

    fn reset(&mut self) {}
}

/// Sound behind a hole that is looked at, 20 ms: the first pitch periods are in it.
const NEXT_SAMPLES_MAX: usize = 160;

/// A G.711 decoder with waveform concealment behind it.
#[derive(Clone, Debug)]
pub struct G711Decoder {
    law: Law,
    concealer: Concealer,
}

impl G711Decoder {
    /// A decoder of this law.
    pub const fn new(law: Law) -> Self {
        G711Decoder { law, concealer: Concealer::new() }
    }

    /// Makes up a lost frame, exactly as long as `samples`, of a hole behind which `next` follows: that begins `ahead`
    /// samples after the start of this frame and is still to be decoded.
    pub fn bridge(&mut self, next: &[u8], ahead: usize, samples: &mut [i16]) {
        let mut sound = [0; NEXT_SAMPLES_MAX];
        let known = next.len().min(NEXT_SAMPLES_MAX);
        sound.iter_mut().zip(next).for_each(|(sample, &code)| *sample = self.law.expand(code));
        self.concealer.bridge(&sound[..known], ahead, samples);
    }
}

impl Decoder for G711Decoder {
    fn rate(&self) -> Rate {
        Rate::Hz8000
    }

    fn samples_in(&self, payload: &[u8]) -> Result<usize, CodecError> {
        match payload.len() {
            0 => Err(CodecError::Payload { bytes: 0 }),
            bytes => Ok(bytes),
        }
    }

    fn decode(&mut self, payload: &[u8], samples: &mut [i16]) -> Result<usize, CodecError> {
        self.samples_in(payload)?;
        let written = decode(self.law, payload, samples)?;
        self.concealer.heard(&mut samples[..written]);
        Ok(written)
    }

    fn conceal(&mut self, samples: &mut [i16]) -> Result<(), CodecError> {
        self.concealer.conceal(samples);
        Ok(())
    }

    /// G.711 carries no copies, but a hole whose two ends are known is filled from both.
    fn recover(&mut self, next: &[u8], samples: &mut [i16]) -> Result<(), CodecError> {
        self.bridge(next, samples.len(), samples);
        Ok(())
    }

    fn reset(&mut self) {
        self.concealer = Concealer::new();
    }
}

/// µ-law: the magnitude plus 33 has its top bit at 5 + segment; the four bits behind it are the step. All codes are
/// sent inverted (G.711 table 2).
const fn compress_mu(sample: i16) -> u8 {
    let (magnitude, sign) = magnitude(sample);
    // 8158 is the last magnitude below the virtual decision value 8159: louder samples are clipped.
    let m = if magnitude >> 2 > 8158 { 8158 + 33 } else { (magnitude >> 2) + 33 };
    let segment = m.ilog2() - 5;
    let step = (m >> (segment + 1)) & 0xF;
    !(sign | (segment << 4) as u8 | step as u8)
}

/// A-law: segments 0 and 1 share one step size; each later one doubles it. Even bits are sent inverted, a one is
/// positive (G.711 table 1).
const fn compress_a(sample: i16) -> u8 {
    let (magnitude, sign) = magnitude(sample);
    let m = magnitude >> 4;
    let segment = (m | 0xF).ilog2() - 3;
    let shift = segment.saturating_sub(1);
    let step = (m >> shift) & 0xF;
    (sign | (segment << 4) as u8 | step as u8) ^ 0xD5
}

/// Magnitude of a sample and, for a negative one, the sign bit.
const fn magnitude(sample: i16) -> (u32, u8) {
    if sample < 0 { (!sample as u32, 0x80) } else { (sample as u32, 0) }
}

/// Every µ-law code's sample: the middle of its interval, times four.
const MU: [i16; 256] = {
    let mut table = [0i16; 256];
    let mut code = 0;
    while code < 256 {
        let bits = !(code as u8);
        let (segment, step) = ((bits >> 4) & 7, (bits & 0xF) as i16);
        let value = (((2 * step + 33) << segment) - 33) * 4;
        table[code] = if bits & 0x80 != 0 { -value } else { value };
        code += 1;
    }
    table
};

/// Every A-law code's sample: the middle of its interval, times eight.
const A: [i16; 256] = {
    let mut table = [0i16; 256];
    let mut code = 0;
    while code < 256 {
        let bits = code as u8 ^ 0x55;
        let (segment, step) = ((bits >> 4) & 7, (bits & 0xF) as i16);
        let value = match segment {
            0 => (2 * step + 1) * 8,
            _ => ((2 * step + 33) << (segment - 1)) * 8,
        };
        table[code] = if bits & 0x80 != 0 { value } else { -value };
        code += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// G.711 tables 1a and 2a as they are printed: intervals from zero upwards as (how many, how wide), then the
    /// decision values and the quantized values between them, in the law's own unit.
    struct Printed {
        decisions: Vec<f64>,
        values: Vec<f64>,
    }

    impl Printed {
        fn new(intervals: &[(usize, f64)], first_value: Option<f64>) -> Self {
            let mut decisions = vec![0.0];
            for &(count, width) in intervals {
                for _ in 0..count {
                    decisions.push(decisions[decisions.len() - 1] + width);
                }
            }
            let mut values: Vec<f64> = decisions.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).collect();
            if let Some(value) = first_value {
                values[0] = value;
            }
            assert_eq!(values.len(), 128);
            Printed { decisions, values }
        }

        fn mu() -> Self {
            let wide = [4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0].map(|width| (16, width));
            let printed = Printed::new(&[&[(1, 1.0), (15, 2.0)], &wide[..]].concat(), Some(0.0));
            assert_eq!((printed.decisions[128], printed.values[127]), (8159.0, 8031.0)); // as printed
            printed
        }

        fn a() -> Self {
            let wide = [4.0, 8.0, 16.0, 32.0, 64.0, 128.0].map(|width| (16, width));
            let printed = Printed::new(&[&[(32, 2.0)], &wide[..]].concat(), None);
            assert_eq!((printed.decisions[128], printed.values[127]), (4096.0, 4032.0)); // as printed
            printed
        }

        /// The number (0 to 127) of the interval that a magnitude lies in; one that lies on a decision value goes
        /// outwards if `outwards`. Louder than the last is the last.
        fn interval(&self, magnitude: f64, outwards: bool) -> u8 {
            let below = |&&d: &&f64| if outwards { d <= magnitude } else { d < magnitude };
            let passed = self.decisions.iter().filter(below).count();
            passed.saturating_sub(1).min(127) as u8
        }
    }

    #[test]
    fn every_sample_has_the_mu_law_code_of_the_printed_table() {
        let printed = Printed::mu();
        for sample in i16::MIN..=i16::MAX {
            let n = printed.interval(f64::from(sample).abs() / 4.0, sample >= 0);
            // Table 2a: value 0 is sent as 11111111, value 127 as 10000000; negative ones with a leading 0.
            let code = if sample < 0 { 0x7F - n } else { 0xFF - n };
            assert_eq!(Law::Mu.compress(sample), code, "{sample}");
        }
    }

    #[test]
    fn every_sample_has_the_a_law_code_of_the_printed_table() {
        let printed = Printed::a();
        for sample in i16::MIN..=i16::MAX {
            let n = printed.interval(f64::from(sample).abs() / 8.0, sample >= 0);
            // Table 1a: a leading 1 is positive; note 2: even bits are inverted on the line.
            let code = (if sample < 0 { n } else { 0x80 | n }) ^ 0b0101_0101;
            assert_eq!(Law::A.compress(sample), code, "{sample}");
        }
    }

    #[test]
    fn every_code_has_the_value_of_the_printed_table() {
        let (mu, a) = (Printed::mu(), Printed::a());
        for n in 0..128u8 {
            let value = (mu.values[usize::from(n)] * 4.0) as i16;
            assert_eq!((Law::Mu.expand(0xFF - n), Law::Mu.expand(0x7F - n)), (value, -value), "{n}");
            let value = (a.values[usize::from(n)] * 8.0) as i16;
            assert_eq!((Law::A.expand((0x80 | n) ^ 0x55), Law::A.expand(n ^ 0x55)), (value, -value), "{n}");
        }
    }

    #[test]
    fn every_code_survives_the_way_there_and_back() {
        for code in 0..=255u8 {
            assert_eq!(Law::A.compress(Law::A.expand(code)), code);
            // µ-law has two zeros; the negative one comes back as the positive.
            let back = if code == 0x7F { 0xFF } else { code };
            assert_eq!(Law::Mu.compress(Law::Mu.expand(code)), back);
        }
    }

    #[test]
    fn silence_is_the_code_of_zero() {
        for law in [Law::Mu, Law::A] {
            assert_eq!(law.compress(0), law.silence());
        }
    }

    #[test]
    fn a_slice_too_short_is_refused_with_both_lengths() {
        let short = Err(CodecError::OutputTooSmall { need: 160, have: 159 });
        assert_eq!(encode(Law::Mu, &[0; 160], &mut [0; 159]), short);
        assert_eq!(decode(Law::A, &[0; 160], &mut [0; 159]), short);
    }

    #[test]
    fn what_lies_behind_the_frame_is_left_alone() {
        let mut payload = [7; 4];
        assert_eq!(encode(Law::A, &[0, 0], &mut payload), Ok(2));
        assert_eq!(payload, [0xD5, 0xD5, 7, 7]);
    }

    #[test]
    fn an_empty_payload_is_no_frame() {
        let error = G711Decoder::new(Law::Mu).decode(&[], &mut [0; 160]);
        assert_eq!(error, Err(CodecError::Payload { bytes: 0 }));
    }
}
