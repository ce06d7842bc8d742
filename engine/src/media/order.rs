//! What a call tells its session, and what the session tells the call.
//!
//! A call names media by an order ("bridge these", "park"), never by a packet. Both enums are plain data, so a
//! call can be journalled and replayed without a session behind it.

use std::fmt;
use std::net::SocketAddr;

use baton_codecs::telephone_event::{event_of, key_of};
use serde::{Deserialize, Serialize};

use super::watch::AlarmKind;
use crate::key::LegId;
use crate::rtp::srtp::SrtpKeys;

/// How one leg speaks, as negotiated in SDP (RFC 3264) and worded as SDP words it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegConfig {
    /// Where the far end asked for RTP; `None` while it gave no usable address (0.0.0.0, port 0).
    pub remote: Option<SocketAddr>,
    /// Where the far end asked for RTCP (RFC 3605), if not at the port above `remote`.
    pub remote_rtcp: Option<SocketAddr>,
    /// RTP and RTCP share one port (RFC 5761).
    pub rtcp_mux: bool,
    /// Reports may be of reduced size (RFC 5506).
    pub rtcp_rsize: bool,
    /// The far end asks for extended reports (RFC 3611 §5).
    pub rtcp_xr: bool,
    /// The audio payload both sides agreed on.
    pub payload: Payload,
    /// The telephone-event payload of the same clock, if agreed (RFC 4733).
    pub telephone_event: Option<TelephoneEvent>,
    /// Audio per packet we send, in milliseconds (10–60).
    pub ptime_ms: u8,
    /// The far end wants to hear us (its direction was sendrecv or recvonly).
    pub send: bool,
    /// The far end will speak (its direction was sendrecv or sendonly).
    pub receive: bool,
    /// What the far end takes.
    pub limits: Limits,
    /// Whether what it sends is repaired where it could be relayed: its peer's setting.
    pub repair: Repair,
    /// How digits travel where no telephone-event was agreed.
    pub digits: Digits,
    /// The keys, if packets are protected. Once a leg has some, an order without does not take them away.
    pub srtp: Option<SrtpKeys>,
    /// How long what it sends may be held; `None`: as the session says.
    pub jitter_ms: Option<JitterMs>,
}

/// Least and greatest delay that a jitter buffer aims at, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JitterMs {
    /// The least, however even packets come.
    pub min: u16,
    /// The greatest, however uneven.
    pub max: u16,
}

/// What a far end said of the audio it takes: packet length (RFC 8866 §6.4) and, of an Opus sender, RFC 7587 §6.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Longest packet, in milliseconds.
    pub ptime_ms_max: u8,
    /// Greatest average bit rate, in bits per second (`maxaveragebitrate`); `None`: any.
    pub bitrate_max: Option<u32>,
    /// It would rather hear two channels than one (`stereo`).
    pub stereo: bool,
    /// It makes use of in-band copies of lost frames (`useinbandfec`).
    pub fec: bool,
    /// It wants silence left out (`usedtx`).
    pub dtx: bool,
    /// It wants a constant bit rate (`cbr`).
    pub cbr: bool,
}

impl Default for Limits {
    /// What holds where nothing is said: the defaults of RFC 7587 §6.1, and the longest packet we ever send.
    fn default() -> Self {
        Self { ptime_ms_max: 60, bitrate_max: None, stereo: false, fec: false, dtx: false, cbr: false }
    }
}

/// Whether a leg that could be relayed is decoded, concealed and encoded anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Repair {
    /// G.711 that loses audibly; Opus has its own means.
    #[default]
    Auto,
    /// Never.
    Never,
    /// Always.
    Always,
}

/// How digits travel on a leg without telephone-event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Digits {
    /// Not at all: they are lost, and counted.
    #[default]
    None,
    /// As tones in the sound (ITU-T Q.23), heard and made here.
    Tones,
    /// By SIP INFO, which is the call's business.
    Info,
}

/// An audio payload type in SDP's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// RTP payload type number we send, and receive.
    pub number: u8,
    /// The number we announced: we receive it too. Another one only if an answer renumbered it (RFC 3264 §6.1).
    pub announced: u8,
    /// Encoding name as in `a=rtpmap` ("PCMU", "opus"); compared without case.
    pub encoding: String,
    /// RTP clock rate in hertz (48000 for Opus, RFC 7587).
    pub clock: u32,
    /// The far end's `a=fmtp` parameters, empty if none.
    pub format: String,
}

/// A telephone-event payload type (RFC 4733).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TelephoneEvent {
    /// RTP payload type number.
    pub number: u8,
    /// RTP clock rate in hertz; that of the audio beside it.
    pub clock: u32,
}

/// Something the node can play, encoded once per codec and shared by all calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Prompt(pub u16);

/// What a call tells its session to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Begin a leg on the port it was given; it sends nothing until fed by one of the orders below.
    Open {
        /// The new leg.
        leg: LegId,
        /// How it speaks.
        config: LegConfig,
    },
    /// A new offer/answer on a living leg: hold, resume, new address. The sent stream goes on (same SSRC).
    Update {
        /// The leg.
        leg: LegId,
        /// How it speaks from now on.
        config: LegConfig,
    },
    /// The leg is over. RTCP BYE leaves for it; the caller still hears what of it is already in the jitter buffer.
    Close {
        /// The leg.
        leg: LegId,
    },
    /// Join the caller and the AI, both ways, at once.
    Bridge {
        /// The leg that stands behind the caller.
        with: LegId,
    },
    /// As [`Order::Bridge`], with a leg that has not been answered: the part of the call that is under way goes on.
    Preview {
        /// The leg that is heard early.
        with: LegId,
    },
    /// A handoff has begun: the caller hears the rest of what `tail` is saying, then `hold`; `tail` (if it lives)
    /// is sent silence frames and RTCP.
    Park {
        /// The leg whose sentence is played to its end, if any.
        tail: Option<LegId>,
        /// What the caller hears after it.
        hold: Prompt,
    },
    /// A person has answered: `agent` hears the caller from this moment. The caller's hold audio ends when the
    /// agent's first sound leaves the jitter buffer, or after 300 ms; what the AI is still saying is played for at
    /// most `tail_ms`, then faded.
    Join {
        /// The leg of the person.
        agent: LegId,
        /// Most that is still played of the AI's sentence, in milliseconds.
        tail_ms: u32,
    },
    /// Play a prompt to the caller once; [`MediaEvent::PromptEnded`] follows.
    Announce {
        /// What to play.
        prompt: Prompt,
    },
    /// Send a digit to a leg as telephone-event (RFC 4733), or as a tone where its [`Digits`] say so.
    Dtmf {
        /// The leg that is to receive it.
        leg: LegId,
        /// The digit.
        digit: Dtmf,
    },
    /// The caller's press of this digit is told and not passed on, until another order says otherwise.
    Withhold {
        /// The digit; `None`: all are passed on.
        digit: Option<Dtmf>,
    },
    /// All legs are over; the session is removed.
    End,
}

/// A telephone-event code from 0 to 15: `0`–`9`, `*`, `#`, `A`–`D` (RFC 4733 §3.2). It may be a digit of a card: its debug
/// form does not say which, so that no log line and no panic does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Dtmf(pub u8);

impl Dtmf {
    /// The key of a character, letters in either case.
    pub fn of(key: char) -> Option<Self> {
        event_of(key).map(Self)
    }

    /// Its character.
    pub fn key(self) -> Option<char> {
        key_of(self.0)
    }
}

impl fmt::Debug for Dtmf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dtmf(*)")
    }
}

/// What a session tells its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediaEvent {
    /// The first RTP packet of a leg was accepted.
    FirstPacket {
        /// The leg.
        leg: LegId,
    },
    /// The first sound of a leg above the speech threshold left its jitter buffer.
    FirstSound {
        /// The leg.
        leg: LegId,
    },
    /// Neither RTP nor RTCP has come from a leg for `timers.media`, and it is not on hold. Told once, until a packet comes.
    Silent {
        /// The leg.
        leg: LegId,
    },
    /// A packet came again from a leg that was told [`MediaEvent::Silent`].
    Heard {
        /// The leg.
        leg: LegId,
    },
    /// A leg has pressed a digit; told once per press, at its end or when it is sure.
    Digit {
        /// The leg.
        leg: LegId,
        /// The digit.
        digit: Dtmf,
    },
    /// Something has been wrong with a leg's sound for [`super::SessionParams::one_way`]; told once, until it is over.
    Alarm {
        /// The leg.
        leg: LegId,
        /// What is wrong.
        kind: AlarmKind,
    },
    /// What an [`MediaEvent::Alarm`] said is wrong no longer.
    AlarmOver {
        /// The leg.
        leg: LegId,
        /// What was wrong.
        kind: AlarmKind,
    },
    /// Whoever stands behind the caller has answered the caller's words; told for each turn in which nobody interrupted.
    ResponseGap {
        /// Who answered.
        leg: LegId,
        /// From the end of the caller's words to the first sound of the answer, in milliseconds.
        ms: u32,
    },
    /// The AI's sentence is over (or cut) and the caller now hears the hold audio.
    TailEnded,
    /// The caller now hears the person of [`Order::Join`].
    AgentHeard {
        /// The person's leg.
        leg: LegId,
    },
    /// The announcement is over.
    PromptEnded,
}
