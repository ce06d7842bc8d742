//! SIP messages as they come from a network.

use bytes::Bytes;

const OFFER: &str = "v=0\r\no=- 3914 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 111 0 8 101\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\n\
    a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
    a=ptime:20\r\na=sendrecv\r\n";

const DIALOG: &str = "From: \"Ann Caller\" <sip:ann@widget.example>;tag=9fxced76sl\r\n\
    To: <sip:support@baton.example>;tag=8321234356\r\nCall-ID: 3848276298220188511@widget.example\r\n";

fn with_body(head: &str, body: &str) -> Bytes {
    Bytes::from(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()))
}

/// An INVITE with an offer.
pub fn invite() -> Bytes {
    let head = format!(
        "INVITE sip:support@baton.example:5060;transport=udp SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.0.2.10:5062;rport;branch=z9hG4bK74bf9a1c\r\nMax-Forwards: 70\r\n{DIALOG}\
        CSeq: 1 INVITE\r\nContact: <sip:ann@192.0.2.10:5062;transport=udp>\r\n\
        Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, REFER, NOTIFY\r\nSupported: replaces, timer\r\n\
        User-Agent: Widget/4.2\r\nX-Issue-Type: billing\r\nX-Customer: 48291\r\nContent-Type: application/sdp\r\n"
    );
    with_body(&head, OFFER)
}

/// Its 200.
pub fn answer() -> Bytes {
    let head = format!(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.10:5062;rport=5062;branch=z9hG4bK74bf9a1c\r\n\
        Record-Route: <sip:proxy.example;lr>\r\n{DIALOG}CSeq: 1 INVITE\r\nContact: <sip:192.0.2.20:5060>\r\n\
        Allow: INVITE, ACK, CANCEL, BYE\r\nContent-Type: application/sdp\r\n"
    );
    with_body(&head, OFFER)
}

/// A REFER with headers inside Refer-To.
pub fn refer() -> Bytes {
    let head = format!(
        "REFER sip:baton@192.0.2.20:5060 SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.0.2.30:5070;rport;branch=z9hG4bK9a1c74bf\r\nMax-Forwards: 70\r\n{DIALOG}\
        CSeq: 2 REFER\r\nContact: <sip:agent@192.0.2.30:5070>\r\n\
        Refer-To: <sip:snapcall_agents@baton.example?X-Issue-Type=billing&X-Utterance=I%20want%20a%20human>\r\n\
        Referred-By: <sip:agent@192.0.2.30>\r\nX-Reason: escalation\r\n"
    );
    with_body(&head, "")
}
