//! Offers in the manner of programs that will call us.

/// A browser without encryption would write this (its own is `BROWSER`): many formats, two telephone-event clocks.
pub(crate) const CHROMIUM_PLAIN: &str = "v=0\r\n\
o=- 7614219274584779017 2 IN IP4 127.0.0.1\r\n\
s=-\r\n\
t=0 0\r\n\
a=group:BUNDLE 0\r\n\
a=msid-semantic: WMS stream\r\n\
m=audio 50312 RTP/AVPF 111 63 9 0 8 13 110 126\r\n\
c=IN IP4 127.0.0.9\r\n\
a=rtcp:9 IN IP4 0.0.0.0\r\n\
a=mid:0\r\n\
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
a=sendrecv\r\n\
a=rtcp-mux\r\n\
a=rtcp-rsize\r\n\
a=rtpmap:111 opus/48000/2\r\n\
a=rtcp-fb:111 transport-cc\r\n\
a=fmtp:111 minptime=10;useinbandfec=1\r\n\
a=rtpmap:63 red/48000/2\r\n\
a=fmtp:63 111/111\r\n\
a=rtpmap:9 G722/8000\r\n\
a=rtpmap:0 PCMU/8000\r\n\
a=rtpmap:8 PCMA/8000\r\n\
a=rtpmap:13 CN/8000\r\n\
a=rtpmap:110 telephone-event/48000\r\n\
a=rtpmap:126 telephone-event/8000\r\n\
a=ssrc:3570614608 cname:4TOk42mSjXCkVIa6\r\n";

/// A browser: DTLS-SRTP and ICE.
pub(crate) const BROWSER: &str = "v=0\r\n\
o=- 1 2 IN IP4 127.0.0.1\r\n\
s=-\r\n\
t=0 0\r\n\
a=group:BUNDLE 0\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\n\
c=IN IP4 0.0.0.0\r\n\
a=ice-ufrag:4ZcD\r\n\
a=ice-pwd:2/1muCWoOi3uLifh0NuRHlgA\r\n\
a=fingerprint:sha-256 00:11:22\r\n\
a=setup:actpass\r\n\
a=rtpmap:111 opus/48000/2\r\n\
a=rtpmap:0 PCMU/8000\r\n";

/// baresip: Opus first, telephone-event of both clocks, RTCP given, a video line.
pub(crate) const BARESIP: &str = "v=0\r\n\
o=- 2890844526 1 IN IP4 127.0.0.5\r\n\
s=-\r\n\
c=IN IP4 127.0.0.5\r\n\
t=0 0\r\n\
a=tool:baresip 2.0.1\r\n\
m=audio 10002 RTP/AVP 96 0 8 97 101\r\n\
b=AS:125\r\n\
a=rtpmap:96 opus/48000/2\r\n\
a=fmtp:96 stereo=1;sprop-stereo=1\r\n\
a=rtpmap:0 PCMU/8000\r\n\
a=rtpmap:8 PCMA/8000\r\n\
a=rtpmap:97 telephone-event/48000\r\n\
a=fmtp:97 0-15\r\n\
a=rtpmap:101 telephone-event/8000\r\n\
a=fmtp:101 0-15\r\n\
a=rtcp:10003\r\n\
a=sendrecv\r\n\
a=label:1\r\n\
a=rtcp-rsize\r\n\
a=ssrc:3218734 cname:sip:ann@127.0.0.5\r\n\
a=ptime:20\r\n\
m=video 10004 RTP/AVP 98\r\n\
a=rtpmap:98 H264/90000\r\n\
a=sendrecv\r\n";

/// SIPp's built-in caller: no direction, no ptime, no telephone-event.
pub(crate) const SIPP: &str = "v=0\r\n\
o=user1 53655765 2353687637 IN IP4 127.0.0.1\r\n\
s=-\r\n\
c=IN IP4 127.0.0.1\r\n\
t=0 0\r\n\
m=audio 6000 RTP/AVP 0\r\n\
a=rtpmap:0 PCMU/8000\r\n";

/// A trunk that speaks PCMU and nothing else, and leaves the static rtpmap out.
pub(crate) const PCMU_TRUNK: &str = "v=0\r\n\
o=PolyAI 1700000000 1700000001 IN IP4 127.0.0.2\r\n\
s=call\r\n\
c=IN IP4 127.0.0.2\r\n\
t=0 0\r\n\
m=audio 31000 RTP/AVP 0 101\r\n\
a=rtpmap:101 telephone-event/8000\r\n\
a=fmtp:101 0-16\r\n\
a=ptime:20\r\n\
a=sendrecv\r\n";

/// Asterisk: A-law first, 150 ms at most, and its telephone-event for Opus at 8000.
pub(crate) const ASTERISK: &str = "v=0\r\n\
o=- 1122334455 1122334455 IN IP4 127.0.0.3\r\n\
s=Asterisk\r\n\
c=IN IP4 127.0.0.3\r\n\
t=0 0\r\n\
m=audio 18392 RTP/AVP 8 107 0 101\r\n\
a=rtpmap:8 PCMA/8000\r\n\
a=rtpmap:107 opus/48000/2\r\n\
a=fmtp:107 useinbandfec=1\r\n\
a=rtpmap:0 PCMU/8000\r\n\
a=rtpmap:101 telephone-event/8000\r\n\
a=fmtp:101 0-16\r\n\
a=ptime:20\r\n\
a=maxptime:150\r\n\
a=sendrecv\r\n";

/// Linphone: blanks in names, session-level attributes, RTCP feedback, its own session name.
pub(crate) const LINPHONE: &str = "v=0\r\n\
o=ann lee 3862 2043 IN IP4 127.0.0.4\r\n\
s=Talk\r\n\
c=IN IP4 127.0.0.4\r\n\
b=AS:380\r\n\
t=0 0\r\n\
a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics\r\n\
a=recvonly\r\n\
m=audio 7078 RTP/AVPF 96 97 98 0 8 101 99 100\r\n\
a=rtpmap:96 opus/48000/2\r\n\
a=fmtp:96 useinbandfec=1\r\n\
a=rtpmap:97 speex/16000\r\n\
a=fmtp:97 vbr=on\r\n\
a=rtpmap:98 speex/8000\r\n\
a=fmtp:98 vbr=on\r\n\
a=rtpmap:101 telephone-event/48000\r\n\
a=rtpmap:99 telephone-event/16000\r\n\
a=rtpmap:100 telephone-event/8000\r\n\
a=rtcp-fb:* trr-int 5000\r\n";

/// All that can be answered.
pub(crate) const ALL: [&str; 6] = [CHROMIUM_PLAIN, BARESIP, SIPP, PCMU_TRUNK, ASTERISK, LINPHONE];
