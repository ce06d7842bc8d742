//! Offer and answer (RFC 3264) as functions of bytes and capabilities, without memory: first offers and answers.
//! What a leg must remember between them is `session.rs`.

use std::net::SocketAddr;

use bytes::Bytes;
use sdp_types::Session;

use super::read::{self, Address, Format, Line};
use super::write::{self, Audio};
use super::{
    Answer, Capabilities, Codec, Direction, Negotiated, Origin, Payload, Refusal, Security, TelephoneEvent,
    secure,
};

/// Answers an offer with what we can do: the first audio line that we can serve, every other line refused.
///
/// # Errors
/// Why no line can be served; nothing is to be sent but 488.
pub fn negotiate(offer: &[u8], ours: &Capabilities, origin: Origin) -> Result<Answer, Refusal> {
    let session = read::parse(offer)?;
    let (index, media, codec) = choose(&session, ours, None)?;
    Ok(Answer { sdp: write_answer(&session, Some((index, &media, codec)), ours, origin), media })
}

/// Our offer: one audio line with all our formats.
pub fn make_offer(ours: &Capabilities, origin: Origin) -> Bytes {
    write::write(origin, ours.address.ip(), &[], vec![offered_audio(ours, None, first_proto(ours))])
}

/// The transport of a first offer.
pub(super) fn first_proto(ours: &Capabilities) -> &'static str {
    match ours.security {
        // RFC 8643 §3.1: what is optional is offered in a plain line with keys.
        Security::Off | Security::Optional(_) => "RTP/AVP",
        Security::Required(_) => "RTP/SAVP",
    }
}

/// Reads the answer to `offer`, which we wrote.
///
/// # Errors
/// The answer refuses the audio, or agrees to something that we did not offer.
pub fn read_answer(offer: &[u8], answer: &[u8]) -> Result<Negotiated, Refusal> {
    let (offered, answered) = (read::parse(offer)?, read::parse(answer)?);
    let index = offered.medias.iter().position(|media| media.port != 0).ok_or(Refusal::NoAudio)?;
    let ours = Line { session: &offered, media: &offered.medias[index] };
    // RFC 3264 §6: the lines of an answer stand in the offer's order.
    let media = answered.medias.get(index).ok_or(Refusal::NoAudio)?;
    let theirs = Line { session: &answered, media };
    if media.port == 0 {
        return Err(Refusal::Rejected);
    }
    if !theirs.is_audio() {
        return Err(Refusal::NoAudio);
    }
    let srtp = secure::answered(&ours, &theirs)?;
    check_family(&theirs, &ours)?;
    let known = ours.formats();
    let formats = theirs.formats();
    // RFC 3264 §6.1: the first format of the answer that is audio is the one to send.
    let (format, sent) = formats
        .iter()
        .filter(|format| !is_event(format))
        .find_map(|format| known.iter().find(|sent| same(sent, format)).map(|sent| (format, sent)))
        .ok_or(Refusal::NoCodec)?;
    let payload = payload(format, &sent.encoding, sent.channels);
    let told = Told { number: sent.number, format: sent.fmtp.clone() };
    let events: Vec<Format> = formats
        .iter()
        .filter(|event| is_event(event) && known.iter().any(|sent| same(sent, event)))
        .cloned()
        .collect();
    let wanted = ours.direction();
    let may = Rtcp { mux: ours.has("rtcp-mux"), rsize: ours.has("rtcp-rsize") };
    let media = agreed(&theirs, payload, told, &events, ours.ptime_ms(20), wanted, may);
    Ok(Negotiated { srtp, ..media })
}

/// The audio line of an offer of ours.
pub(super) fn offered_audio(
    ours: &Capabilities,
    current: Option<&Negotiated>,
    proto: &str,
) -> sdp_types::Media {
    let (codecs, events) = write::numbered(ours, current);
    write::audio(&Audio {
        kind: "audio",
        proto,
        port: ours.address.port(),
        codecs,
        events,
        ptime_ms: ours.ptime_ms,
        direction: ours.direction,
        // Who has not wanted one port for both is not asked again.
        rtcp_mux: ours.rtcp_mux && current.is_none_or(|current| current.rtcp_mux),
        // What the far end has asked for before is kept (RFC 3264 §8).
        rtcp_rsize: current.is_some_and(|current| current.rtcp_rsize),
        rtcp_xr: ours.rtcp_xr || current.is_some_and(|current| current.rtcp_xr),
        crypto: secure::to_offer(&ours.security, current),
    })
}

/// The first line that can be served with SRTP, else the first that can be served at all, and how.
pub(super) fn choose<'a>(
    session: &Session,
    ours: &'a Capabilities,
    current: Option<&Negotiated>,
) -> Result<(usize, Negotiated, &'a Codec), Refusal> {
    let mut why = Refusal::NoAudio;
    let mut plain = None;
    for (index, media) in session.medias.iter().enumerate() {
        match try_line(&Line { session, media }, ours, current) {
            Ok((media, codec)) if media.srtp.is_some() => return Ok((index, media, codec)),
            Ok((media, codec)) => plain = plain.or(Some((index, media, codec))),
            // The first line that was audio at all tells best what is wrong.
            Err(refusal) if why == Refusal::NoAudio => why = refusal,
            Err(_) => {}
        }
    }
    plain.ok_or(why)
}

fn try_line<'a>(
    line: &Line<'_>,
    ours: &'a Capabilities,
    current: Option<&Negotiated>,
) -> Result<(Negotiated, &'a Codec), Refusal> {
    if !line.is_audio() || line.media.port == 0 {
        return Err(Refusal::NoAudio);
    }
    let secured = secure::choose(line, &ours.security, current)?;
    if let Address::Ip(ip) = line.address()
        && ip.is_ipv4() != ours.address.is_ipv4()
    {
        return Err(Refusal::Address);
    }
    let formats = line.formats();
    // Our order decides, the offer's numbers are used.
    let (codec, format) = ours
        .codecs
        .iter()
        .find_map(|codec| formats.iter().find(|format| codec.matches(format)).map(|format| (codec, format)))
        .ok_or(Refusal::NoCodec)?;
    let events = if ours.telephone_event { formats.as_slice() } else { &[] };
    let payload = payload(format, &codec.encoding, codec.channels);
    let told = Told { number: payload.number, format: codec.format.clone() };
    // Of reduced size is what a report of ours can be wherever the offer allows it.
    let may = Rtcp { mux: ours.rtcp_mux, rsize: true };
    let media = agreed(line, payload, told, events, ours.ptime_ms, ours.direction, may);
    let srtp = secured.map(|line| secure::agree(line, &ours.security, current, media.remote));
    Ok((Negotiated { srtp: srtp.flatten(), ..media }, codec))
}

/// What our side allows of RTCP, if the far end's line says so too.
struct Rtcp {
    mux: bool,
    rsize: bool,
}

/// What our own description says of the format agreed on.
struct Told {
    number: u8,
    format: String,
}

/// Everything that follows from the far end's line once the format is known.
fn agreed(
    theirs: &Line<'_>,
    payload: Payload,
    told: Told,
    events: &[Format],
    ptime_ms: u8,
    wanted: Direction,
    may: Rtcp,
) -> Negotiated {
    let address = theirs.address();
    let remote = match address {
        Address::Ip(ip) if theirs.media.port != 0 => Some(SocketAddr::new(ip, theirs.media.port)),
        _ => None,
    };
    let direction = theirs.direction();
    let rtcp_mux = may.mux && theirs.has("rtcp-mux");
    Negotiated {
        remote,
        remote_rtcp: theirs.rtcp(remote).filter(|_| !rtcp_mux),
        rtcp_mux,
        rtcp_rsize: may.rsize && theirs.has("rtcp-rsize"),
        rtcp_xr: theirs.wants_extended_reports(),
        telephone_event: event_for(payload.clock, events),
        payload,
        received_number: told.number,
        told: told.format,
        ptime_ms: theirs.ptime_ms(ptime_ms),
        ptime_ms_max: theirs.ptime_ms_max(),
        // RFC 3264 §8.4: to 0.0.0.0 nothing is sent, whatever the attribute says.
        send: wanted.sends() && direction.receives() && address != Address::Hold,
        receive: wanted.receives() && direction.sends(),
        srtp: None,
    }
}

/// Our answer to an offer of which `chosen` is served; `None` refuses every line (a stream that has ended).
pub(super) fn write_answer(
    offer: &Session,
    chosen: Option<(usize, &Negotiated, &Codec)>,
    ours: &Capabilities,
    origin: Origin,
) -> Bytes {
    let lines = offer.medias.iter().enumerate().map(|(index, line)| match chosen {
        Some((at, media, codec)) if at == index => write::audio(&Audio {
            kind: &line.media,
            proto: &line.proto,
            port: ours.address.port(),
            codecs: vec![(media.payload.number, codec)],
            events: media.telephone_event.iter().map(|event| (event.number, event.clock)).collect(),
            ptime_ms: media.ptime_ms,
            direction: Direction::of(media.send, media.receive),
            rtcp_mux: media.rtcp_mux,
            rtcp_rsize: media.rtcp_rsize,
            rtcp_xr: media.rtcp_xr,
            crypto: media.srtp.iter().map(secure::ours).collect(),
        }),
        _ => write::refused(&line.media, &line.proto, &line.fmt),
    });
    write::write(origin, ours.address.ip(), &offer.times, lines.collect())
}

fn check_family(theirs: &Line<'_>, ours: &Line<'_>) -> Result<(), Refusal> {
    match (theirs.address(), ours.address()) {
        (Address::Ip(theirs), Address::Ip(ours)) if theirs.is_ipv4() != ours.is_ipv4() => {
            Err(Refusal::Address)
        }
        _ => Ok(()),
    }
}

fn payload(format: &Format, encoding: &str, channels: u8) -> Payload {
    Payload {
        number: format.number,
        encoding: encoding.to_owned(),
        clock: format.clock,
        channels,
        format: format.fmtp.clone(),
    }
}

fn is_event(format: &Format) -> bool {
    format.encoding.eq_ignore_ascii_case("telephone-event")
}

/// The telephone-event format of the audio's clock (RFC 4733 §2.1), else that of 8000 Hz: gateways that speak Opus
/// and know no other are common.
fn event_for(clock: u32, formats: &[Format]) -> Option<TelephoneEvent> {
    let of = |clock| formats.iter().find(|format| is_event(format) && format.clock == clock);
    of(clock).or_else(|| of(8000)).map(|format| TelephoneEvent { number: format.number, clock: format.clock })
}

/// The same format in two descriptions.
fn same(one: &Format, other: &Format) -> bool {
    one.encoding.eq_ignore_ascii_case(&other.encoding)
        && one.clock == other.clock
        && (one.channels == other.channels || one.encoding.eq_ignore_ascii_case("opus"))
}

impl Codec {
    fn matches(&self, format: &Format) -> bool {
        // RFC 7587 §7 wants opus/48000/2; the channel count says nothing about the stream, and some leave it out.
        self.encoding.eq_ignore_ascii_case(&format.encoding)
            && self.clock == format.clock
            && (self.channels == format.channels || self.encoding.eq_ignore_ascii_case("opus"))
    }

    /// Whether `payload` is of this codec.
    pub(super) fn is(&self, payload: &Payload) -> bool {
        self.encoding.eq_ignore_ascii_case(&payload.encoding) && self.clock == payload.clock
    }
}
