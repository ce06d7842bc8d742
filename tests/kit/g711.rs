//! G.711 for the test phones, from the definition and apart from the product's: one bug cannot hide another.

/// µ-law to linear, 16 bits (ITU-T G.711 table 2a, bias 33 at 14 bits).
pub fn from_ulaw(byte: u8) -> i16 {
    let code = !byte;
    let (exponent, mantissa) = (i32::from(code >> 4 & 7), i32::from(code & 15));
    let magnitude = (((2 * mantissa + 33) << exponent) - 33) * 4;
    (if code & 0x80 != 0 { -magnitude } else { magnitude }) as i16
}

/// Linear to the nearest µ-law code, by search among all: slow and plain.
pub fn to_ulaw(sample: i16) -> u8 {
    let off = |byte: &u8| (i32::from(from_ulaw(*byte)) - i32::from(sample)).abs();
    // 0xff is the usual zero; the search begins there.
    (0..=255u8).rev().min_by_key(off).expect("there are codes")
}

/// A-law to linear, 16 bits (ITU-T G.711 table 1a, 13 bits).
pub fn from_alaw(byte: u8) -> i16 {
    let code = byte ^ 0x55;
    let (exponent, mantissa) = (i32::from(code >> 4 & 7), i32::from(code & 15));
    let magnitude = if exponent == 0 { 2 * mantissa + 1 } else { (2 * mantissa + 33) << (exponent - 1) };
    (if code & 0x80 != 0 { magnitude } else { -magnitude } * 8) as i16
}

/// Linear to the nearest A-law code.
pub fn to_alaw(sample: i16) -> u8 {
    let off = |byte: &u8| (i32::from(from_alaw(*byte)) - i32::from(sample)).abs();
    (0..=255u8).min_by_key(off).expect("there are codes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_round_trip() {
        for byte in 0..=255u8 {
            assert_eq!(from_ulaw(to_ulaw(from_ulaw(byte))), from_ulaw(byte));
            assert_eq!(from_alaw(to_alaw(from_alaw(byte))), from_alaw(byte));
        }
        assert_eq!((from_ulaw(0x00), from_ulaw(0x80), from_ulaw(0xff)), (-32124, 32124, 0));
        assert_eq!((from_alaw(0xd5), from_alaw(0x55), from_alaw(0xaa)), (8, -8, 32256));
    }
}
