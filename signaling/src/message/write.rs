//! Messages as bytes. Content-Length comes from the body, in the place and spelling of the one that is there;
//! everything else goes out as it stands, but no header value can end its line.

use bytes::{BufMut, Bytes, BytesMut};

use super::header::{Field, Headers, put_value};
use super::{Message, Request, Response};

impl Message {
    /// Appends the message.
    pub fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Request(request) => request.write(out),
            Self::Response(response) => response.write(out),
        }
    }

    /// The message as it is sent.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }
}

impl Request {
    /// Appends the message.
    pub fn write(&self, out: &mut BytesMut) {
        out.put_slice(self.method.as_bytes());
        out.put_u8(b' ');
        put_value(&self.uri, out);
        out.put_slice(b" SIP/2.0\r\n");
        write_rest(&self.headers, &self.body, out);
    }

    /// The message as it is sent.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(64 + self.uri.len() + rest_len(&self.headers, &self.body));
        self.write(&mut out);
        out.freeze()
    }
}

impl Response {
    /// Appends the message.
    pub fn write(&self, out: &mut BytesMut) {
        out.put_slice(b"SIP/2.0 ");
        write_number(usize::from(self.status), out);
        out.put_u8(b' ');
        put_value(&self.reason, out);
        out.put_slice(b"\r\n");
        write_rest(&self.headers, &self.body, out);
    }

    /// The message as it is sent.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(64 + self.reason.len() + rest_len(&self.headers, &self.body));
        self.write(&mut out);
        out.freeze()
    }
}

/// Octets that headers and body take at most.
fn rest_len(headers: &Headers, body: &Bytes) -> usize {
    let lines: usize =
        headers.iter().map(|header| header.name.as_bytes().len() + header.value.len() + 4).sum();
    lines + body.len() + 32
}

fn write_rest(headers: &Headers, body: &Bytes, out: &mut BytesMut) {
    let mut length_written = false;
    for header in headers {
        let is_length = header.name.field() == Some(Field::ContentLength);
        if is_length && length_written {
            continue;
        }
        out.put_slice(header.name.as_bytes());
        out.put_slice(b": ");
        if is_length {
            write_number(body.len(), out);
            length_written = true;
        } else {
            put_value(&header.value, out);
        }
        out.put_slice(b"\r\n");
    }
    if !length_written {
        out.put_slice(b"Content-Length: ");
        write_number(body.len(), out);
        out.put_slice(b"\r\n");
    }
    out.put_slice(b"\r\n");
    out.put_slice(body);
}

fn write_number(number: usize, out: &mut BytesMut) {
    let (mut digits, mut at, mut rest) = ([0; 20], 20, number);
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.put_slice(&digits[at..]);
}
