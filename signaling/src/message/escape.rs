//! Percent escapes of URIs (RFC 3261 §19.1.2).

use bytes::{BufMut, Bytes, BytesMut};

/// `text` with its `%HH` escapes decoded; a `%` that begins no escape stays as it is.
pub fn decode(text: &Bytes) -> Bytes {
    if !text.contains(&b'%') {
        return text.clone();
    }
    let mut plain = BytesMut::with_capacity(text.len());
    let mut rest: &[u8] = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, hex_pair(tail)) {
            (b'%', Some(decoded)) => {
                plain.put_u8(decoded);
                rest = &tail[2..];
            }
            _ => plain.put_u8(byte),
        }
    }
    plain.freeze()
}

/// `plain` escaped for a user part: unreserved and user-unreserved octets stay.
pub fn encode_user(plain: &[u8]) -> Bytes {
    encode(plain, b"&=+$,;?/")
}

/// `plain` escaped for a name or value after the `?` of a URI (hnv-unreserved).
pub fn encode_header(plain: &[u8]) -> Bytes {
    encode(plain, b"[]/?:+$")
}

/// `plain` escaped for a URI parameter (param-unreserved).
pub fn encode_param(plain: &[u8]) -> Bytes {
    encode(plain, b"[]/:&+$")
}

fn encode(plain: &[u8], also_plain: &[u8]) -> Bytes {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut text = BytesMut::with_capacity(plain.len() + 8);
    for &byte in plain {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) || also_plain.contains(&byte) {
            text.put_u8(byte);
        } else {
            text.put_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
    text.freeze()
}

fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (high, low) = (digit(bytes.first()?)?, digit(bytes.get(1)?)?);
    Some(high << 4 | low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_is_decoded_once() {
        assert_eq!(decode(&Bytes::from_static(b"v%61lue%25%34%31")), "value%41");
        assert_eq!(decode(&Bytes::from_static(b"null-%00-null")), &b"null-\0-null"[..]);
    }

    #[test]
    fn a_percent_that_begins_no_escape_stays() {
        assert_eq!(decode(&Bytes::from_static(b"100%")), "100%");
        assert_eq!(decode(&Bytes::from_static(b"%Z1%4")), "%Z1%4");
    }

    #[test]
    fn encoding_and_decoding_give_the_text_back() {
        let every: Vec<u8> = (0..=255).collect();
        for encode in [encode_user, encode_header, encode_param] {
            let text = encode(&every);
            assert!(text.iter().all(|byte| byte.is_ascii_graphic()));
            assert_eq!(decode(&text), every);
        }
    }

    #[test]
    fn each_place_escapes_what_would_end_it() {
        assert_eq!(encode_user(b"a@b:c;d"), "a%40b%3Ac;d");
        assert_eq!(encode_header(b"a&b=c"), "a%26b%3Dc");
        assert_eq!(encode_param(b"a;b=c"), "a%3Bb%3Dc");
    }
}
