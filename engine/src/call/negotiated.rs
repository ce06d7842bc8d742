//! What SDP agreed on, in the words of a session: the one place of a call that knows both.
//!
//! It leaves out which codec a name means; that is the leg's business.

use baton_signaling::sdp::{self, Negotiated, OpusFormat};

use crate::media::{Digits, LegConfig, Limits, MasterKey, Payload, Repair, SrtpKeys, Suite, TelephoneEvent};

/// How a leg speaks after this offer and answer, if its peer wants it repaired like this; but for its
/// digits and its jitter buffer, which are the call's matter.
pub fn leg_config(media: &Negotiated, repair: Repair) -> LegConfig {
    let payload = &media.payload;
    // Read whatever the codec is: other formats have none of these names.
    let opus = OpusFormat::read(&payload.format);
    let longer = opus.ptime_ms_min.map_or(0, |ms| u8::try_from(ms).unwrap_or(u8::MAX));
    let ptime_ms = media.ptime_ms.max(longer).min(media.ptime_ms_max);
    LegConfig {
        remote: media.remote,
        remote_rtcp: media.remote_rtcp,
        rtcp_mux: media.rtcp_mux,
        rtcp_rsize: media.rtcp_rsize,
        rtcp_xr: media.rtcp_xr,
        payload: Payload {
            number: payload.number,
            announced: media.received_number,
            encoding: payload.encoding.clone(),
            clock: payload.clock,
            format: payload.format.clone(),
        },
        telephone_event: media
            .telephone_event
            .map(|event| TelephoneEvent { number: event.number, clock: event.clock }),
        ptime_ms: frame_ms(&payload.encoding, ptime_ms),
        send: media.send,
        receive: media.receive,
        limits: Limits {
            ptime_ms_max: media.ptime_ms_max,
            bitrate_max: opus.bitrate_max,
            stereo: opus.stereo,
            fec: opus.fec,
            dtx: opus.dtx,
            cbr: opus.cbr,
        },
        repair,
        digits: Digits::None,
        srtp: media.srtp.as_ref().map(keys),
        jitter_ms: None,
    }
}

fn keys(srtp: &sdp::Srtp) -> SrtpKeys {
    let suite = match srtp.suite {
        sdp::Suite::AesCm128HmacSha1_80 => Suite::AesCm128HmacSha1_80,
        sdp::Suite::AesCm128HmacSha1_32 => Suite::AesCm128HmacSha1_32,
        sdp::Suite::AeadAes128Gcm => Suite::AeadAes128Gcm,
        sdp::Suite::AeadAes256Gcm => Suite::AeadAes256Gcm,
    };
    let key = |key: &sdp::MasterKey| MasterKey::new(key.expose());
    SrtpKeys { suite, sent: key(&srtp.local), received: key(&srtp.remote) }
}

/// One Opus frame is 10, 20, 40 or 60 ms (RFC 6716 §2.1.4); 30 and 50 would take two frames in a packet.
fn frame_ms(encoding: &str, ptime_ms: u8) -> u8 {
    match ptime_ms {
        30 if encoding.eq_ignore_ascii_case("opus") => 20,
        50 if encoding.eq_ignore_ascii_case("opus") => 40,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use baton_signaling::sdp::{self, Capabilities, Codec, Direction, Origin, Security};

    use super::*;

    fn answer_to(offer: &str, codec: &str) -> LegConfig {
        let ours = Capabilities {
            codecs: vec![Codec::named(codec).unwrap()],
            address: "127.0.0.1:20000".parse().unwrap(),
            ptime_ms: 20,
            telephone_event: true,
            rtcp_mux: false,
            rtcp_xr: false,
            direction: Direction::SendRecv,
            security: Security::Off,
        };
        leg_config(
            &sdp::negotiate(offer.as_bytes(), &ours, Origin { id: 1, version: 1 }).unwrap().media,
            Repair::Auto,
        )
    }

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\n\
        m=audio 4000 RTP/AVP 0 97 101\r\na=rtpmap:97 opus/48000/2\r\na=fmtp:97 useinbandfec=1\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=ptime:30\r\na=sendonly\r\n";

    #[test]
    fn an_answer_becomes_a_leg() {
        let expected = LegConfig {
            remote: Some("127.0.0.2:4000".parse().unwrap()),
            remote_rtcp: None,
            rtcp_mux: false,
            rtcp_rsize: false,
            rtcp_xr: false,
            payload: Payload {
                number: 0,
                announced: 0,
                encoding: "PCMU".to_owned(),
                clock: 8000,
                format: String::new(),
            },
            telephone_event: Some(TelephoneEvent { number: 101, clock: 8000 }),
            ptime_ms: 30,
            send: false,
            receive: true,
            limits: Limits::default(),
            repair: Repair::Auto,
            digits: Digits::None,
            srtp: None,
            jitter_ms: None,
        };
        assert_eq!(answer_to(OFFER, "PCMU"), expected);
    }

    #[test]
    fn what_an_opus_receiver_wishes_bounds_what_it_is_sent() {
        let wishes = "minptime=40;useinbandfec=1;usedtx=1;cbr=1;stereo=1;maxaveragebitrate=16000";
        let leg =
            answer_to(&OFFER.replace("useinbandfec=1", wishes).replace("a=ptime:30", "a=ptime:10"), "opus");
        let limits = Limits {
            ptime_ms_max: 60,
            bitrate_max: Some(16_000),
            stereo: true,
            fec: true,
            dtx: true,
            cbr: true,
        };
        assert_eq!((leg.limits, leg.ptime_ms), (limits, 40));
    }

    #[test]
    fn opus_is_sent_in_packets_of_one_frame() {
        let leg = answer_to(OFFER, "opus");
        assert_eq!((leg.payload.number, leg.payload.clock, leg.ptime_ms), (97, 48000, 20));
        assert_eq!(leg.payload.format, "useinbandfec=1");
        assert_eq!(answer_to(&OFFER.replace("ptime:30", "ptime:55"), "opus").ptime_ms, 40);
    }
}
