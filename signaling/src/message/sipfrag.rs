//! `message/sipfrag` (RFC 3420) as a REFER's NOTIFY carries it (RFC 3515 §2.4.5): a status line, perhaps headers.

use bytes::{BufMut, Bytes, BytesMut};

use super::reason;

/// The media type.
pub const MEDIA_TYPE: &str = "message/sipfrag;version=2.0";

/// The body that says `status`, with its usual phrase.
pub fn write(status: u16) -> Bytes {
    let mut out = BytesMut::with_capacity(48);
    out.put_slice(b"SIP/2.0 ");
    out.put_slice(status.to_string().as_bytes());
    out.put_u8(b' ');
    out.put_slice(reason::phrase(status).as_bytes());
    out.put_slice(b"\r\n");
    out.freeze()
}

/// The status and phrase that `body` begins with; `None` if it is no fragment of a response.
pub fn parse(body: &Bytes) -> Option<(u16, Bytes)> {
    let end = body.iter().position(|&byte| byte == b'\n').unwrap_or(body.len());
    let line = &body[..end];
    super::parse::status_line(&body.slice_ref(line.strip_suffix(b"\r").unwrap_or(line)))
        .filter(|(status, _)| (100..700).contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_is_read_as_it_is_written() {
        assert_eq!(write(180), "SIP/2.0 180 Ringing\r\n");
        assert_eq!(parse(&write(603)), Some((603, "Decline".into())));
    }

    #[test]
    fn a_line_end_a_phrase_and_headers_are_optional() {
        assert_eq!(parse(&Bytes::from_static(b"SIP/2.0 200")), Some((200, Bytes::new())));
        assert_eq!(parse(&Bytes::from_static(b"SIP/2.0 486 Busy\r\nX: y\r\n")), Some((486, "Busy".into())));
    }

    #[test]
    fn what_is_no_status_line_is_refused() {
        for bad in
            [&b""[..], b"INVITE sip:a@b SIP/2.0", b"SIP/2.0 99 x", b"SIP/2.0 1000 x", b"SIP/3.0 200 OK"]
        {
            assert_eq!(parse(&Bytes::from_static(bad)), None);
        }
    }
}
