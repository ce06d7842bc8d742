//! Our own strange messages, for those who have not got the RFC's: each class of trouble once, in a call of Ann's.

use bytes::Bytes;

use super::Verdict::{self, Answered, Dropped, Taken};
use super::verdict;

const REQUEST: &str = "INVITE sip:desk@pbx.example SIP/2.0";
const VIA: &str = "Via: SIP/2.0/UDP 198.51.100.7:5062;branch=z9hG4bKq1;rport";
const FROM: &str = "From: \"Ann\" <sip:ann@pbx.example>;tag=a7";
const TO: &str = "To: <sip:desk@pbx.example>";
const CALL_ID: &str = "Call-ID: own-1@198.51.100.7";
const CSEQ: &str = "CSeq: 17 INVITE";

/// A valid INVITE with `line` in place of the one of `lines` it names, or as one more.
fn invite(replaced: &str, line: &str) -> Bytes {
    let mut text = String::new();
    let mut is_placed = false;
    for usual in [REQUEST, VIA, FROM, TO, CALL_ID, CSEQ] {
        let is_it = usual == replaced;
        is_placed |= is_it;
        let chosen = if is_it { line } else { usual };
        if !chosen.is_empty() {
            text.push_str(chosen);
            text.push_str("\r\n");
        }
    }
    if !is_placed && !line.is_empty() {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.push_str("\r\nv=0\r\n");
    Bytes::from(text)
}

/// Name, the line replaced (empty: none), the line in its place, and what the message gets.
const LINES: [(&str, &str, &str, Verdict); 51] = [
    ("plain", "", "", Taken),
    ("tel Request-URI", REQUEST, "INVITE tel:+44-20-7946-0000;phone-context=x SIP/2.0", Taken),
    ("sips and IPv6", REQUEST, "INVITE sips:desk@[2001:db8::5]:5071;lr SIP/2.0", Taken),
    ("signs in the user part", REQUEST, "INVITE sip:a;b?c/d&e=f+$,(g)!'*~:p@pbx.example SIP/2.0", Taken),
    ("unknown scheme", REQUEST, "INVITE news:alt.example SIP/2.0", Taken),
    ("lower-case version", REQUEST, "INVITE sip:desk@pbx.example sip/2.0", Taken),
    ("a method of odd signs, not CSeq's", REQUEST, "IN%56!TE sip:desk@pbx.example SIP/2.0", Answered(400)),
    ("bracketed Request-URI", REQUEST, "INVITE <sip:desk@pbx.example> SIP/2.0", Answered(400)),
    ("Request-URI with headers", REQUEST, "INVITE sip:desk@pbx.example?Subject=x SIP/2.0", Answered(400)),
    ("two spaces", REQUEST, "INVITE  sip:desk@pbx.example SIP/2.0", Answered(400)),
    ("space at the end", REQUEST, "INVITE sip:desk@pbx.example SIP/2.0 ", Answered(400)),
    ("no Request-URI", REQUEST, "INVITE SIP/2.0", Answered(400)),
    ("empty Request-URI", REQUEST, "INVITE  SIP/2.0", Answered(400)),
    ("version 1.0", REQUEST, "INVITE sip:desk@pbx.example SIP/1.0", Answered(505)),
    ("version of many digits", REQUEST, "INVITE sip:desk@pbx.example SIP/2.00000000000", Answered(505)),
    ("another protocol", REQUEST, "GET /desk HTTP/1.1", Dropped),
    ("port beyond 16 bits", REQUEST, "INVITE sip:desk@pbx.example:65536 SIP/2.0", Answered(400)),
    ("ACK is never answered", REQUEST, "ACK sip:desk@[ SIP/2.0", Dropped),
    ("spaced Via", VIA, "v  :  SIP / 2.0 /\r\n\tUDP  198.51.100.7 : 5062 ; branch = z9hG4bKq1", Taken),
    ("unknown transport", VIA, "Via: SIP/2.0/PIGEON loft.example;branch=z9hG4bKq", Taken),
    ("two in one Via", VIA, "Via: SIP/2.0/TCP a;branch=z9hG4bK1, SIP/2.0/TLS [::1]:1;branch=z9hG4bK2", Taken),
    ("cookie alone", VIA, "Via: SIP/2.0/UDP a;branch=z9hG4bK", Taken),
    ("no branch", VIA, "Via: SIP/2.0/UDP a", Taken),
    ("separators alone in Via", VIA, "Via: SIP/2.0/UDP a;;,,;", Answered(400)),
    ("no Via", VIA, "", Dropped),
    ("no From", FROM, "", Answered(400)),
    ("From without tag", FROM, "f:sip:ann@pbx.example", Taken),
    ("unterminated quote", FROM, "From: \"Ann <sip:ann@pbx.example>;tag=a7", Answered(400)),
    ("comma in a bare name", FROM, "From: Ann, B. <sip:ann@pbx.example>;tag=a7", Answered(400)),
    (
        "escaped quotes and octets",
        FROM,
        "From: \"A\\\"\\\\\\\u{7f} \u{fc}\" <sip:ann@pbx.example>;tag=a7",
        Taken,
    ),
    ("escaped NUL", FROM, "From: \"A\\\0\" <sip:ann@pbx.example>;tag=a7", Taken),
    ("bare NUL", FROM, "From: \"A\0\" <sip:ann@pbx.example>;tag=a7", Answered(400)),
    ("bare CR", FROM, "From: \"A\rX: y\" <sip:ann@pbx.example>;tag=a7", Answered(400)),
    ("spaces in brackets", TO, "To: < sip:desk@pbx.example >", Answered(400)),
    ("two To", "", "t: <sip:other@pbx.example>", Answered(400)),
    ("To of another scheme", TO, "To: <https://pbx.example/desk>", Taken),
    ("Call-ID of signs", CALL_ID, "i:<>[]{}()/?\\\":~`@\u{fc}", Taken),
    ("Call-ID with a space", CALL_ID, "Call-ID: a b", Answered(400)),
    ("CSeq of 2^32", CSEQ, "CSeq: 4294967296 INVITE", Answered(400)),
    ("CSeq of another method", CSEQ, "CSeq: 17 BYE", Answered(400)),
    ("CSeq with zeros and a fold", CSEQ, "cseq: 00017\r\n  INVITE", Taken),
    ("Content-Length too large", "", "Content-Length: 6", Answered(400)),
    ("Content-Length smaller", "", "l:3", Taken),
    ("the same Content-Length twice", "", "l:3\r\nContent-Length: 3", Taken),
    ("two Content-Lengths", "", "l:3\r\nContent-Length: 4", Answered(400)),
    ("negative Content-Length", "", "Content-Length: -1", Answered(400)),
    ("endless Content-Length", "", "Content-Length: 99999999999999999999999999", Answered(400)),
    ("Max-Forwards of 0", "", "Max-Forwards: 0", Taken),
    ("Max-Forwards of 300", "", "Max-Forwards: 300", Answered(400)),
    ("Contact with a bare question mark", "", "m: sip:ann@198.51.100.7?X=y", Answered(400)),
    (
        "unknown things",
        "",
        "X-Odd!: ;;,,;\"\r\nC%6Fntact: <<<\r\nDate: tomorrow\r\nX:\r\n\t\r\n \r\nY:\r\n z",
        Taken,
    ),
];

#[test]
fn every_strange_line_gets_what_it_deserves() {
    let mut wrong = Vec::new();
    for (name, replaced, line, expected) in LINES {
        let (got, fault) = verdict(name, invite(replaced, line));
        if got != expected {
            wrong.push(format!("{name}: {got:?}, not {expected:?} ({fault})"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_cut_of_a_message_is_survived() {
    let whole = invite("", "Content-Length: 5");
    for len in 0..whole.len() {
        let (got, _) = verdict("a cut", whole.slice(..len));
        assert_ne!(got, Taken, "{len} of {} octets", whole.len());
    }
}

/// Every message of this file, for tests that mutate them.
pub(crate) fn messages() -> Vec<Vec<u8>> {
    LINES.iter().map(|&(_, replaced, line, _)| invite(replaced, line).to_vec()).collect()
}
