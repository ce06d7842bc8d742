//! What RFC 3264 §6 asks of any answer, judged line by line on the text, and the capabilities most tests use.

use baton_signaling::sdp::{Capabilities, Codec, Direction, Origin, Security};

/// Our side in most tests: these codecs, 127.0.0.1:20000, 20 ms, DTMF, both directions.
pub(crate) fn ours(codecs: &[&str]) -> Capabilities {
    Capabilities {
        codecs: codecs.iter().map(|name| Codec::named(name).expect("a known codec")).collect(),
        address: "127.0.0.1:20000".parse().expect("an address"),
        ptime_ms: 20,
        telephone_event: true,
        rtcp_mux: false,
        rtcp_xr: false,
        direction: Direction::SendRecv,
        security: Security::Off,
    }
}

/// The numbers of a first description.
pub(crate) const FIRST: Origin = Origin { id: 4711, version: 1 };

/// The text of a description.
pub(crate) fn text(sdp: &[u8]) -> &str {
    std::str::from_utf8(sdp).expect("we write UTF-8")
}

/// All `m=` lines, without their name.
pub(crate) fn media_lines(sdp: &str) -> Vec<&str> {
    sdp.lines().filter_map(|line| line.strip_prefix("m=")).collect()
}

/// Whether the description has this very line.
pub(crate) fn has_line(sdp: &[u8], wanted: &str) -> bool {
    text(sdp).split("\r\n").any(|line| line == wanted)
}

/// Fails unless `answer` is a well-formed answer to `offer` with at most one line served.
pub(crate) fn assert_answers(offer: &str, answer: &[u8]) {
    let answer = text(answer);
    assert!(answer.ends_with("\r\n") && answer.matches('\n').count() == answer.matches("\r\n").count());
    let heads: Vec<&str> = answer.split("\r\n").take(5).map(|line| &line[..2]).collect();
    assert_eq!(heads, ["v=", "o=", "s=", "c=", "t="], "the order of RFC 8866 §5: {answer}");
    let (offered, answered) = (media_lines(offer), media_lines(answer));
    assert_eq!(offered.len(), answered.len(), "a line for each line: {answer}");
    let mut served = 0;
    for (offered, answered) in offered.iter().zip(&answered) {
        let offered: Vec<&str> = offered.split_ascii_whitespace().collect();
        let answered: Vec<&str> = answered.split(' ').collect();
        assert_eq!(offered[0], answered[0], "the same media");
        assert_eq!(offered[2], answered[2], "the same transport");
        assert!(answered.len() > 3, "at least one format: {answered:?}");
        if answered[1] == "0" {
            continue;
        }
        served += 1;
        assert_ne!(offered[1].split('/').next(), Some("0"), "a refused line stays refused");
        for format in &answered[3..] {
            assert!(offered[3..].contains(format), "{format} was not offered: {offered:?}");
        }
    }
    assert!(served <= 1, "one stream at most: {answer}");
    assert_formats_are_described(answer);
}

/// Every number of a served line has its rtpmap, and no rtpmap stands without a number.
fn assert_formats_are_described(answer: &str) {
    let mut numbers: Vec<&str> = Vec::new();
    for line in answer.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            assert!(numbers.is_empty(), "no rtpmap for {numbers:?}");
            let words: Vec<&str> = media.split(' ').collect();
            numbers = if words[1] == "0" { Vec::new() } else { words[3..].to_vec() };
        } else if let Some(map) = line.strip_prefix("a=rtpmap:") {
            let number = map.split(' ').next().unwrap_or_default();
            let at = numbers.iter().position(|known| *known == number);
            numbers
                .remove(at.unwrap_or_else(|| panic!("rtpmap for {number} which the line lacks: {answer}")));
        }
    }
    assert!(numbers.is_empty(), "no rtpmap for {numbers:?}");
}
