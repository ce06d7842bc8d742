//! SIP messages made to hurt a parser: what each must get. The 49 messages of RFC 4475 where they can be found, a set
//! of our own beside this file always, and mutations of both. What a whole node does with them is tested elsewhere.

mod mutations;
mod own;
mod rfc4475;
mod srtp;

use baton_signaling::message::{Message, ParseError};
use bytes::Bytes;

/// What a message must get from the parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is taken, and what is written of it is read as the same message.
    Taken,
    /// It is answered with this status.
    Answered(u16),
    /// It is dropped without an answer.
    Dropped,
}

impl Verdict {
    fn of(result: &Result<Message, ParseError>) -> Self {
        match result {
            Ok(_) => Self::Taken,
            Err(error) => error.status().map_or(Self::Dropped, Self::Answered),
        }
    }
}

/// Parses `datagram`; a message that is taken must be the same when it is written and read again.
fn verdict(name: &str, datagram: Bytes) -> (Verdict, String) {
    let result = Message::parse(datagram);
    match &result {
        Ok(message) => assert_is_kept(name, message),
        Err(error) if error.status().is_some() => assert_is_answerable(name, error),
        Err(_) => {}
    }
    let why = result.as_ref().err().map(ToString::to_string).unwrap_or_default();
    (Verdict::of(&result), why)
}

/// Names with their spelling, values, order, start line and body survive writing; only Content-Length may be added.
fn assert_is_kept(name: &str, message: &Message) {
    let written = message.to_bytes();
    let again =
        Message::parse(written.clone()).unwrap_or_else(|error| panic!("{name}: written badly: {error}"));
    let lines = |message: &Message| {
        let kept = message.headers().iter().filter(|header| !header.name.is("Content-Length"));
        kept.map(|header| (header.name.as_bytes().to_vec(), header.value.clone())).collect::<Vec<_>>()
    };
    assert_eq!(lines(&again), lines(message), "{name}: headers changed");
    assert_eq!(again.body(), message.body(), "{name}: body changed");
    assert_eq!(again.to_bytes(), written, "{name}: a second writing differs");
    match (&again, message) {
        (Message::Request(a), Message::Request(b)) => assert_eq!((&a.method, &a.uri), (&b.method, &b.uri)),
        (Message::Response(a), Message::Response(b)) => {
            assert_eq!((a.status, &a.reason), (b.status, &b.reason))
        }
        _ => panic!("{name}: became another kind of message"),
    }
}

/// The answer to a bad request carries its Via, and is fit to be sent.
fn assert_is_answerable(name: &str, error: &ParseError) {
    let answer = error.response().expect("what has a status has an answer");
    assert!(answer.headers.has("Via"), "{name}: nowhere to answer to");
    let text = answer.to_bytes();
    assert!(text.starts_with(b"SIP/2.0 ") && text.ends_with(b"\r\n\r\n"), "{name}: {text:?}");
}
