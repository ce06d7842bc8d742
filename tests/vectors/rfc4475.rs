//! The torture messages of RFC 4475, which are the IETF's and not in this tree. `BATON_TORTURE` names the folder that
//! holds them as `NAME.dat`; else `tests/vectors/rfc4475`, or `kit/torture/rfc4475` in or beside a folder above.
//! `REQUIRE_VECTORS=1` fails where they are missing.

use std::path::{Path, PathBuf};

use super::Verdict::{self, Answered, Dropped, Taken};
use super::verdict;

/// Name, what it gets here, and why. Where the RFC leaves the choice, the strict one is taken if a lenient one would
/// have to guess what the sender meant, and the rest of the job is the endpoint's (416, 420, 483, 415…).
const EXPECTED: [(&str, Verdict, &str); 49] = [
    ("wsinv", Taken, "3.1.1.1 short tortuous INVITE"),
    ("intmeth", Taken, "3.1.1.2 wide range of valid characters"),
    ("esc01", Taken, "3.1.1.3 escapes in URIs"),
    ("escnull", Taken, "3.1.1.4 escaped nulls in URIs"),
    ("esc02", Taken, "3.1.1.5 percent signs that are no escapes"),
    ("lwsdisp", Taken, "3.1.1.6 no space between name and bracket"),
    ("longreq", Taken, "3.1.1.7 long values"),
    ("dblreq", Taken, "3.1.1.8 octets after the body are discarded"),
    ("semiuri", Taken, "3.1.1.9 semicolon in the user part"),
    ("transports", Taken, "3.1.1.10 unknown transports in Via"),
    ("mpart01", Taken, "3.1.1.11 multipart body with binary part"),
    ("unreason", Taken, "3.1.1.12 unusual reason phrase"),
    ("noreason", Taken, "3.1.1.13 empty reason phrase"),
    ("badinv01", Answered(400), "3.1.2.1 empty parameters in Via"),
    ("clerr", Answered(400), "3.1.2.2 Content-Length larger than the datagram"),
    ("ncl", Answered(400), "3.1.2.3 negative Content-Length"),
    ("scalar02", Answered(400), "3.1.2.4 CSeq beyond 32 bits"),
    ("scalarlg", Dropped, "3.1.2.5 the same in a response"),
    ("quotbal", Answered(400), "3.1.2.6 quote without an end in To"),
    ("ltgtruri", Answered(400), "3.1.2.7 brackets around the Request-URI"),
    ("lwsruri", Answered(400), "3.1.2.8 space in the Request-URI"),
    ("lwsstart", Answered(400), "3.1.2.9 two spaces in the request line"),
    ("trws", Answered(400), "3.1.2.10 space after the request line"),
    ("escruri", Answered(400), "3.1.2.11 headers in the Request-URI"),
    ("baddate", Taken, "3.1.2.12 Date is not read, so its zone harms nobody"),
    ("regbadct", Answered(400), "3.1.2.13 Contact with a question mark outside brackets"),
    ("badaspec", Answered(400), "3.1.2.14 spaces within brackets"),
    ("baddn", Answered(400), "3.1.2.15 comma in an unquoted display name"),
    ("badvers", Answered(505), "3.1.2.16 unknown version"),
    ("mismatch01", Answered(400), "3.1.2.17 CSeq of another method"),
    ("mismatch02", Answered(400), "3.1.2.18 the same with an unknown method"),
    ("bigcode", Dropped, "3.1.2.19 status code beyond 699"),
    ("badbranch", Taken, "3.2.1 cookie alone: matched by RFC 2543's rules"),
    ("insuf", Answered(400), "3.3.1 From, To and Call-ID missing"),
    ("unkscm", Taken, "3.3.2 unknown scheme: 416 is the endpoint's"),
    ("novelsc", Taken, "3.3.3 known but not SIP: 416 is the endpoint's"),
    ("unksm2", Taken, "3.3.4 unknown schemes in To, From, Contact"),
    ("bext01", Taken, "3.3.5 Require: 420 is the endpoint's"),
    ("invut", Taken, "3.3.6 unknown body type: 415 is the endpoint's"),
    ("regaut01", Taken, "3.3.7 unknown authorization scheme"),
    ("multi01", Answered(400), "3.3.8 CSeq, Call-ID, To, From twice"),
    ("mcl01", Answered(400), "3.3.9 two different Content-Lengths"),
    ("bcast", Taken, "3.3.10 a second Via: the endpoint drops it"),
    ("zeromf", Taken, "3.3.11 Max-Forwards 0: 483 is a proxy's"),
    ("cparam01", Taken, "3.3.12 unknown parameter of Contact"),
    ("cparam02", Taken, "3.3.13 unknown parameter of a URI"),
    ("regescrt", Taken, "3.3.14 headers in a Contact's URI"),
    ("sdp01", Taken, "3.3.15 Accept: 406 is the endpoint's"),
    ("inv2543", Taken, "3.4.1 no branch, From tag or Max-Forwards"),
];

#[test]
fn every_message_of_rfc_4475_gets_what_it_deserves() {
    let Some(folder) = folder() else {
        let required = std::env::var("REQUIRE_VECTORS").is_ok_and(|value| value == "1");
        assert!(!required, "REQUIRE_VECTORS=1 but no folder with the messages of RFC 4475");
        println!("SKIPPED: the messages of RFC 4475 are not here; name their folder in BATON_TORTURE");
        return;
    };
    let mut wrong = Vec::new();
    for (name, expected, why) in EXPECTED {
        let datagram = std::fs::read(folder.join(format!("{name}.dat"))).expect(name);
        let (got, fault) = verdict(name, datagram.into());
        println!("{name:<11} {:<14} {why}; {fault}", format!("{got:?}"));
        if got != expected {
            wrong.push(format!("{name}: {got:?}, not {expected:?} ({fault})"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Every message the folder holds, for tests that mutate them; empty where there is none.
pub(crate) fn messages() -> Vec<Vec<u8>> {
    let read = |folder: PathBuf| {
        let of_name = |(name, ..): (&str, _, _)| std::fs::read(folder.join(format!("{name}.dat"))).ok();
        EXPECTED.into_iter().filter_map(of_name).collect()
    };
    folder().map(read).unwrap_or_default()
}

fn folder() -> Option<PathBuf> {
    if let Ok(named) = std::env::var("BATON_TORTURE") {
        let folder = PathBuf::from(named);
        assert!(folder.join("wsinv.dat").exists(), "BATON_TORTURE holds no wsinv.dat");
        return Some(folder);
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let above = here.ancestors().take(4).map(|folder| folder.join("kit/torture/rfc4475"));
    let beside =
        here.ancestors().take(4).filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let beside = beside.map(|entry| entry.path().join("kit/torture/rfc4475"));
    std::iter::once(here.join("vectors/rfc4475"))
        .chain(above)
        .chain(beside)
        .find(|folder| folder.join("wsinv.dat").exists())
}
