//! What a fuzzer feeds: one function for each parser and decoder that hears strangers. Each takes any bytes, and panics
//! if a promise is broken. The fuzzer's programs are in `tests/fuzz`; the inputs they found interesting are replayed
//! by `tests/replay`.

mod session;

use baton_codecs::comfort_noise::Noise;
use baton_codecs::g711::{G711Decoder, Law};
use baton_codecs::opus::{OpusDecoder, PAYLOAD_MS_MAX, Toc, carries_copy};
use baton_codecs::stretch::{self, Alike};
use baton_codecs::telephone_event::{self, TelephoneEvent};
use baton_codecs::{Decoder, Rate};
use baton_engine::rtp::packet::{HEADER_BYTES, Header};
use baton_engine::rtp::srtp::{MasterKey, Srtp, SrtpKeys, Suite};
use baton_engine::rtp::{PacketView, Ssrc, is_rtcp, rtcp};
use baton_signaling::message::Message;
use baton_signaling::sdp::{
    Capabilities, Codec, Direction, Origin, Security, make_offer, negotiate, read_answer,
};
use baton_signaling::stream::{Frame, Framer, StreamError};

pub use session::session;

/// A target by its name.
pub type Target = fn(&[u8]);

/// All targets, as `tests/fuzz` and the folders of its corpus name them.
pub const TARGETS: [(&str, Target); 8] = [
    ("rtp", rtp),
    ("rtcp", rtcp),
    ("srtp", srtp),
    ("sdp", sdp),
    ("stream", stream),
    ("g711", g711),
    ("opus", opus),
    ("session", session),
];

/// An RTP header is read without leaving the packet, and what is written over it is read again.
pub fn rtp(data: &[u8]) {
    let _ = is_rtcp(data);
    let Ok(view) = PacketView::parse(data) else { return };
    let range = view.payload_range();
    assert_eq!(&data[range.clone()], view.payload());
    assert!(range.start >= HEADER_BYTES);
    let header = Header {
        marker: view.marker(),
        payload_type: view.payload_type(),
        seq: view.seq(),
        time: view.time(),
        ssrc: view.ssrc(),
    };
    let mut copy = data.to_vec();
    let again = header.write_before(&mut copy, range);
    let again = PacketView::parse(again).expect("a header of ours is valid");
    assert_eq!(again.payload(), view.payload());
    assert_eq!(
        (again.marker(), again.payload_type(), again.seq(), again.time(), again.ssrc()),
        (view.marker(), view.payload_type(), view.seq(), view.time(), view.ssrc())
    );
}

/// A compound RTCP packet is read or refused; the stream it may report on is among its own words.
pub fn rtcp(data: &[u8]) {
    let _ = rtcp::parse(data, Ssrc(0));
    for word in data.chunks_exact(4).take(16) {
        let _ = rtcp::parse(data, Ssrc(u32::from_be_bytes([word[0], word[1], word[2], word[3]])));
    }
}

/// What was not protected with the key is refused, be it anything or a protected packet with one bit turned.
pub fn srtp(data: &[u8]) {
    let [suite, bit, rest @ ..] = data else { return };
    let (suite, key) = [
        (Suite::AesCm128HmacSha1_80, 30),
        (Suite::AesCm128HmacSha1_32, 30),
        (Suite::AeadAes128Gcm, 28),
        (Suite::AeadAes256Gcm, 44),
    ][usize::from(suite & 3)];
    let keys = |sent: u8, received: u8| SrtpKeys {
        suite,
        sent: MasterKey::new(&vec![sent; key]),
        received: MasterKey::new(&vec![received; key]),
    };
    let mut ours = Srtp::new(keys(1, 2)).expect("the key has its suite's length");
    for rtcp in [false, true] {
        let mut packet = rest.to_vec();
        let opened = if rtcp { ours.unprotect_rtcp(&mut packet) } else { ours.unprotect(&mut packet) };
        assert!(opened.is_err(), "a packet of a stranger was opened");
    }
    let mut theirs = Srtp::new(keys(2, 1)).expect("the key has its suite's length");
    let mut packet = vec![0x80, 0, 0, 1, 0, 0, 0, 160, 0, 0, 0, 7];
    packet.extend(rest.iter().take(200));
    let mut sealed = Vec::new();
    theirs.protect(&packet, |bytes| sealed = bytes.to_vec()).expect("the first packet of a stream");
    let (mut turned, length) = (sealed.clone(), sealed.len());
    turned[usize::from(*bit) % length] ^= 1 << (bit >> 5);
    assert!(ours.unprotect(&mut turned).is_err(), "a packet that was changed was opened");
    assert_eq!(ours.unprotect(&mut sealed), Ok(packet.len()));
    assert_eq!(sealed[..packet.len()], packet);
}

/// A description is answered or refused, as an offer and as an answer to ours, with and without keys.
pub fn sdp(data: &[u8]) {
    let origin = Origin { id: 1, version: 1 };
    let ours = Capabilities {
        codecs: ["opus", "PCMU", "PCMA"].iter().filter_map(|name| Codec::named(name)).collect(),
        address: ([127, 0, 0, 1], 20_000).into(),
        ptime_ms: 20,
        telephone_event: true,
        rtcp_mux: true,
        rtcp_xr: false,
        direction: Direction::SendRecv,
        security: Security::Off,
    };
    if let Ok(answer) = negotiate(data, &ours, origin) {
        let text = std::str::from_utf8(&answer.sdp).expect("an answer is UTF-8");
        let lines: Vec<&str> = text.split_terminator("\r\n").collect();
        let fits = |line: &&str| line.as_bytes().get(1) == Some(&b'=') && !line.contains(['\r', '\n', '\0']);
        assert!(lines.iter().all(fits), "a line of an answer is none: {text:?}");
        // The offer's own spelling is kept: types of media are compared without case (RFC 6838 §4.2).
        let is_sound = |line: &str| line.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("m=audio "));
        assert!(lines.iter().any(|line| is_sound(line)), "an answer without sound: {text:?}");
    }
    let _ = read_answer(&make_offer(&ours, origin), data);
}

/// Bytes become as many samples as there are bytes; holes are filled whatever their length.
pub fn g711(data: &[u8]) {
    let [law, rest @ ..] = data else { return };
    let mut decoder = G711Decoder::new(if law & 1 == 0 { Law::Mu } else { Law::A });
    let mut noise = Noise::new(u32::from(*law), -f32::from(law >> 1));
    for piece in pieces(rest) {
        let mut samples = vec![0; piece.len().max(480)];
        match piece {
            [] => decoder.conceal(&mut samples[..80]).expect("G.711 conceals any length"),
            [0xff, ahead, next @ ..] => decoder.bridge(next, usize::from(*ahead) * 4, &mut samples[..160]),
            [0xfe, ..] => noise.fill(&mut samples),
            [0xfd, most, sound @ ..] => change_length(usize::from(*most), sound, &mut samples),
            payload => {
                assert_eq!(decoder.samples_in(payload), Ok(payload.len()));
                assert_eq!(decoder.decode(payload, &mut samples), Ok(payload.len()));
            }
        }
        if let Ok(event) = TelephoneEvent::parse(piece) {
            assert_eq!(TelephoneEvent::parse(&event.to_bytes()), Ok(event));
            assert_eq!(event.key().is_some(), telephone_event::key_of(event.event).is_some());
        }
    }
}

/// Sound made shorter or longer is so by no more than was allowed.
fn change_length(most: usize, sound: &[u8], samples: &mut Vec<i16>) {
    samples.clear();
    samples.resize(stretch::BEFORE, 0);
    samples
        .extend(sound.chunks(2).map(|pair| i16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])));
    let alike = if most & 1 == 0 { Alike::Whatever } else { Alike::AtLeast(0.5) };
    let taken = stretch::shrink(samples, stretch::BEFORE, most, alike);
    assert!(taken.is_none_or(|taken| taken <= most));
    let filled = samples.len();
    samples.resize(filled + most, 0);
    let put = stretch::grow(samples, stretch::BEFORE, filled, most, alike);
    assert!(put.is_none_or(|put| put <= most));
}

/// An Opus payload decodes to the length that its first byte promises or is refused, and the decoder lives on.
pub fn opus(data: &[u8]) {
    let [rate, rest @ ..] = data else { return };
    let rate = [Rate::Hz8000, Rate::Hz16000, Rate::Hz48000][usize::from(*rate) % 3];
    let Ok(mut decoder) = OpusDecoder::new(rate) else { return };
    let mut samples = vec![0; rate.samples(PAYLOAD_MS_MAX)];
    for piece in pieces(rest) {
        let _ = (Toc::of(piece), carries_copy(piece));
        match piece {
            [] => decoder.conceal(&mut samples[..rate.samples(20)]).expect("20 ms can be concealed"),
            [0xff, next @ ..] => {
                let _ = decoder.recover(next, &mut samples[..rate.samples(20)]);
            }
            payload => {
                let promised = decoder.samples_in(payload);
                if let Ok(length) = decoder.decode(payload, &mut samples) {
                    assert_eq!(promised, Ok(length));
                }
            }
        }
    }
    decoder.reset();
}

/// The data cut into pieces: each begins with its length.
fn pieces(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (&length, rest) = data.split_first()?;
        let (piece, rest) = rest.split_at(usize::from(length).min(rest.len()));
        data = rest;
        Some(piece)
    })
}

/// A stream gives the same messages however it is cut, and each is as long as it says.
pub fn stream(data: &[u8]) {
    let [most, rest @ ..] = data else { return };
    let whole = frames(rest, rest.len().max(1));
    assert_eq!(frames(rest, usize::from(*most) % 16 + 1), whole, "cut otherwise, read otherwise");
    for frame in whole.0 {
        let Frame::Message(bytes) = frame else { continue };
        assert!(bytes.len() <= baton_signaling::limits::MESSAGE_BYTES_MAX);
        // Written again it may be longer by white space, and must not pass a bound by it.
        let is_small = bytes.len() < 8192;
        if let (Ok(message), true) = (Message::parse(bytes), is_small) {
            let again = Message::parse(message.to_bytes()).expect("a message of ours is valid");
            assert_eq!(again.body(), message.body());
        }
    }
}

/// All frames of a stream that comes in pieces of `piece` octets.
fn frames(bytes: &[u8], piece: usize) -> (Vec<Frame>, Option<StreamError>) {
    let (mut framer, mut all) = (Framer::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        framer.push(piece);
        loop {
            match framer.poll() {
                Ok(Some(frame)) => all.push(frame),
                Ok(None) => break,
                Err(error) => return (all, Some(error)),
            }
        }
    }
    (all, None)
}
