//! Offers that cannot be served, and what a Warning header says of each.

use baton_signaling::sdp::{Refusal, negotiate};

use crate::check::{FIRST, ours};
use crate::styles::{BROWSER, SIPP};

fn refusal(offer: &str) -> Refusal {
    negotiate(offer.as_bytes(), &ours(&["PCMU"]), FIRST).expect_err(offer)
}

#[test]
fn each_refusal_has_its_reason_and_warning() {
    let only_g729 = SIPP.replace("RTP/AVP 0\r\na=rtpmap:0 PCMU/8000", "RTP/AVP 18");
    assert_eq!(refusal(&only_g729), Refusal::NoCodec);
    assert_eq!(refusal(BROWSER), Refusal::Security);
    assert_eq!(refusal(&SIPP.replace("RTP/AVP", "RTP/SAVP")), Refusal::Security);
    assert_eq!(refusal(&SIPP.replace("m=audio", "m=video")), Refusal::NoAudio);
    assert_eq!(refusal(&SIPP.replace("6000", "0")), Refusal::NoAudio);
    assert_eq!(refusal(&SIPP.replace("IN IP4 127.0.0.1", "IN IP6 ::1")), Refusal::Address);
    let warnings =
        [Refusal::NoCodec, Refusal::NoAudio, Refusal::Security, Refusal::Address, Refusal::Malformed];
    assert_eq!(warnings.map(|refusal| refusal.warning().0), [305, 304, 302, 301, 399]);
}

#[test]
fn what_is_no_description_is_malformed() {
    for offer in ["", "\r\n", "hello", "v=1\r\n", "v=0\r\nm=audio\r\n", "v=0\r\nm=audio 99999 RTP/AVP 0\r\n"]
    {
        assert_eq!(refusal(offer), Refusal::Malformed, "{offer:?}");
    }
    let many = format!("v=0\r\n{}", "m=audio 4000 RTP/AVP 0\r\n".repeat(65));
    assert_eq!(refusal(&many), Refusal::Malformed);
}

#[test]
fn a_number_redefined_by_an_rtpmap_is_what_the_rtpmap_says() {
    assert_eq!(refusal(&SIPP.replace("PCMU/8000", "L16/8000")), Refusal::NoCodec);
    assert_eq!(refusal(&SIPP.replace("PCMU/8000", "PCMU/16000")), Refusal::NoCodec);
    assert_eq!(refusal(&SIPP.replace("PCMU/8000", "PCMU")), Refusal::NoCodec);
}
