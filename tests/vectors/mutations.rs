//! Properties over made-up and mutated messages: nothing panics, and what is written is read as the same.

use baton_signaling::message::header::{
    ContentType, Reason, RetryAfter, SubscriptionState, UserToUser, Warning,
};
use baton_signaling::message::{
    CSeq, Field, Header, Headers, Message, Method, Name, NameAddr, Request, Response, Uri, Via, sipfrag,
};
use bytes::Bytes;
use proptest::prelude::*;

use super::{own, rfc4475, verdict};

/// Every typed reader on one value.
fn read_everything(value: &Bytes) {
    let _ = Uri::parse(value).map(|uri| uri.equivalent(&uri));
    let _ = (Via::parse(value), CSeq::parse(value), NameAddr::parse(value), NameAddr::parse_list(value));
    let _ = (ContentType::parse(value), Reason::parse_list(value), RetryAfter::parse(value));
    let _ = (SubscriptionState::parse(value), UserToUser::parse_list(value), Warning::parse_list(value));
    let _ = sipfrag::parse(value);
    if let Ok(mixed) = ContentType::parse(&Bytes::from_static(b"multipart/mixed;boundary=b")) {
        let _ = mixed.parts(value);
    }
    // What is read and written once is read again as the same.
    if let Ok(uri) = Uri::parse(value) {
        assert_eq!(Uri::parse(&uri.to_bytes()), Ok(uri));
    }
    if let Ok(address) = NameAddr::parse(value) {
        assert_eq!(NameAddr::parse(&address.to_bytes()), Ok(address));
    }
    if let Ok(via) = Via::parse(value) {
        assert_eq!(Via::parse(&via.to_bytes()), Ok(via));
    }
}

fn read_all_values(datagram: &Bytes) {
    if let Ok(message) = Message::parse(datagram.clone()) {
        message.headers().iter().for_each(|header| read_everything(&header.value));
    }
}

/// Cuts, repeats, swaps and overwrites by a list of numbers.
fn mutate(mut text: Vec<u8>, edits: &[(u8, u16, u8)]) -> Vec<u8> {
    const SIGNS: &[u8] = b"\r\n \t:;,<>\"\\@=?/%[]\0\xffaz09";
    for &(kind, place, byte) in edits {
        if text.is_empty() {
            break;
        }
        let at = usize::from(place) % text.len();
        let sign = SIGNS[usize::from(byte) % SIGNS.len()];
        match kind % 5 {
            0 => text[at] = sign,
            1 => text.insert(at, sign),
            2 => drop(text.remove(at)),
            3 => text.truncate(at),
            _ => {
                let piece = text[at..(at + usize::from(byte)).min(text.len())].to_vec();
                text.splice(at..at, piece);
            }
        }
    }
    text
}

fn header_name() -> impl Strategy<Value = Name> {
    let known = prop::sample::select(vec![Field::Route, Field::Subject, Field::UserAgent, Field::Reason]);
    let token = "[A-Za-z0-9.!%*_+`'~-]{2,24}";
    prop_oneof![
        known.prop_map(Name::from),
        token
            .prop_filter_map("a name of its own", |text| Name::new(&Bytes::from(text)))
            .prop_filter("a header that is judged", |name| name.field().is_none()),
    ]
}

/// Octets that may stand in a value, without white space around them.
fn header_value() -> impl Strategy<Value = Bytes> {
    let octet = any::<u8>().prop_map(|byte| if matches!(byte, b'\r' | b'\n' | 0) { b'x' } else { byte });
    prop::collection::vec(octet, 0..60)
        .prop_map(|octets| Bytes::copy_from_slice(octets.trim_ascii()))
        .prop_filter("no white space around it", |value| value.trim_ascii().len() == value.len())
}

fn headers() -> impl Strategy<Value = Headers> {
    let header = (header_name(), header_value()).prop_map(|(name, value)| Header { name, value });
    (prop::collection::vec(header, 0..20), any::<u32>()).prop_map(|(extra, number)| {
        let mut headers = Headers::new();
        headers.push("v", "SIP/2.0/UDP [::1]:5070;branch=z9hG4bKx");
        headers.push("From", "\"a;b\" <sip:a@b>;tag=1");
        headers.push("t", "tel:+1");
        headers.extend(extra);
        headers.push("call-id", "x@y");
        headers.push("CSeq", CSeq { number, method: Method::Info }.to_bytes());
        headers
    })
}

fn message() -> impl Strategy<Value = Message> {
    let body = prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from);
    let request = |(mut headers, body): (Headers, Bytes)| {
        headers.push("Content-Length", body.len().to_string());
        Message::from(Request { method: Method::Info, uri: Bytes::from_static(b"sip:a@b"), headers, body })
    };
    let response = |(mut headers, body, status, reason): (Headers, Bytes, u16, Bytes)| {
        headers.push("l", body.len().to_string());
        Message::from(Response { status, reason, headers, body })
    };
    prop_oneof![
        (headers(), body.clone()).prop_map(request),
        (headers(), body, 100_u16..700, header_value()).prop_map(response),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_as_the_same(message in message()) {
        prop_assert_eq!(Message::parse(message.to_bytes()), Ok(message));
    }

    #[test]
    fn no_octets_make_a_reader_panic(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let octets = Bytes::from(octets);
        let _ = verdict("octets", octets.clone());
        read_everything(&octets);
    }

    #[test]
    fn no_text_of_signs_makes_a_reader_panic(text in "[sip:@<>\";,=?\\\\/\\[\\]%0-9 a-c\t-]{0,60}") {
        read_everything(&Bytes::from(text));
    }

    #[test]
    fn no_mutation_makes_the_parser_panic(
        seed in any::<prop::sample::Index>(),
        edits in prop::collection::vec(any::<(u8, u16, u8)>(), 1..12),
    ) {
        let mut all = own::messages();
        all.extend(rfc4475::messages());
        let text = Bytes::from(mutate(seed.get(&all).clone(), &edits));
        let _ = verdict("a mutation", text.clone());
        read_all_values(&text);
    }
}
