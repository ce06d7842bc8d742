//! A scripted phone that speaks raw text SIP and RTP: a caller, an AI agent, a person. It owns no socket and reads no
//! clock: it is told datagrams and time, and asked what it sends.
//!
//! It repeats its requests and answers until they are acknowledged (RFC 3261 §17, §13.3.1.4), so it lives through loss.
//! It leaves out: authentication, forking, Record-Route, other transports than UDP.

mod answering;
mod asking;
mod line;
mod resend;
mod script;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use baton_signaling::{Time, earliest};

pub use line::{Line, LineId, LineState, Said};
pub use script::{Behaviour, Do, Pickup};

use crate::codec::Codec;
use crate::dice::Dice;
use crate::net::Datagram;
use crate::sip::{Direction, Sdp, Text};
use crate::sound::{Ear, Mouth};
use crate::srtp::{self, Wish};
use crate::tone::Tone;
use resend::{Repeats, What};

/// A phone.
#[derive(Debug)]
pub struct Phone {
    /// Its user name in URIs.
    pub name: String,
    /// Where it speaks SIP; its RTP ports are on the same address.
    pub sip: SocketAddr,
    /// What it offers and accepts, best first.
    pub codecs: Vec<Codec>,
    /// Milliseconds in each packet it sends.
    pub ptime: u64,
    /// How it treats calls for which `next` holds nothing.
    pub behaviour: Behaviour,
    /// How it treats the next calls, one each.
    pub next: VecDeque<Behaviour>,
    /// In Opus it speaks with more than telephone bandwidth, unless it is told that no more is heard.
    pub wideband: bool,
    /// What it takes, by its own word.
    pub allow: String,
    /// Sends and answers nothing at all.
    pub dead: bool,
    /// Requests that reached it outside any call of its own, by method.
    pub strays: BTreeMap<String, u64>,
    /// How it wants its media secured.
    pub wish: Wish,
    /// The suite it knows, by its name in SDP.
    pub suite: &'static str,
    tone: Tone,
    rtp_base: u16,
    dice: Dice,
    lines: Vec<Line>,
    repeats: Repeats,
    /// Our requests that are not finally answered, by branch and method.
    pending: BTreeMap<(String, String), (LineId, Text)>,
    /// ACKs sent, by Call-ID, CSeq and tag of the answer.
    acks: BTreeMap<(String, u32, String), (SocketAddr, String)>,
    /// Last answers given, by branch and method.
    replies: BTreeMap<(String, String), String>,
    out: VecDeque<Datagram>,
}

impl Phone {
    /// A phone of this name at this address; its lines' RTP ports are `rtp_base`, `rtp_base + 2`, … on the same IP.
    pub fn new(name: &str, sip: SocketAddr, rtp_base: u16, tone: Tone, seed: u64) -> Self {
        Self {
            name: name.into(),
            sip,
            codecs: vec![Codec::Pcmu, Codec::Pcma],
            ptime: 20,
            behaviour: Behaviour::answers(Duration::from_millis(500)),
            next: VecDeque::new(),
            wideband: false,
            allow: "INVITE, ACK, BYE, CANCEL, OPTIONS, REFER, NOTIFY, UPDATE, INFO".into(),
            dead: false,
            strays: BTreeMap::new(),
            wish: Wish::Plain,
            suite: "AES_CM_128_HMAC_SHA1_80",
            tone,
            rtp_base,
            dice: Dice::new(seed, u64::from(sip.port()) << 32 | u64::from(tone.0)),
            lines: Vec::new(),
            repeats: Repeats::default(),
            pending: BTreeMap::new(),
            acks: BTreeMap::new(),
            replies: BTreeMap::new(),
            out: VecDeque::new(),
        }
    }

    /// Where it speaks SIP.
    pub fn address(&self) -> SocketAddr {
        self.sip
    }

    /// Its URI.
    pub fn uri(&self) -> String {
        format!("sip:{}@{}", self.name, self.sip)
    }

    /// Its tone.
    pub fn tone(&self) -> Tone {
        self.tone
    }

    /// All its calls so far.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// One of its calls.
    pub fn line(&self, id: LineId) -> &Line {
        &self.lines[id.0]
    }

    /// One of its calls, to change what it says.
    pub fn line_mut(&mut self, id: LineId) -> &mut Line {
        &mut self.lines[id.0]
    }

    /// Its latest call.
    pub fn last(&self) -> Option<&Line> {
        self.lines.last()
    }

    /// Whether nothing is going on any more: no line open, nothing repeated.
    pub fn is_idle(&self) -> bool {
        self.lines.iter().all(|line| line.is_ended() || line.dead) && self.repeats.is_empty()
    }

    /// Does something on a line at once.
    pub fn act(&mut self, now: Time, id: LineId, what: Do) {
        if self.dead || self.lines[id.0].dead {
            return;
        }
        let state = self.lines[id.0].state;
        match what {
            Do::Answer if state == LineState::Calling => self.answer(now, id),
            Do::Refuse(status, headers) if state == LineState::Calling => {
                self.refuse(now, id, status, &headers)
            }
            Do::HangUp(headers) => self.hang_up(now, id, &headers),
            Do::Refer(to, headers) if state == LineState::Up => {
                let headers = format!("Refer-To: {to}\r\n{headers}");
                self.request(now, id, "REFER", &headers, "");
            }
            Do::Offer(direction) if state == LineState::Up => self.offer(now, id, direction),
            Do::Options if state == LineState::Up => self.request(now, id, "OPTIONS", "", ""),
            Do::Update(headers) if state == LineState::Up => self.request(now, id, "UPDATE", &headers, ""),
            Do::Info(kind, body) if state == LineState::Up => {
                self.request(now, id, "INFO", &format!("Content-Type: {kind}\r\n"), &body);
            }
            Do::Mute(mute) => self.lines[id.0].mouth.mute(now, mute),
            Do::Quiet(quiet) => self.lines[id.0].mouth.quiet = quiet,
            Do::Die => self.die(id),
            _ => {}
        }
    }

    /// Does something on a line after some time.
    pub fn act_later(&mut self, at: Time, id: LineId, what: Do) {
        self.lines[id.0].plan.push((at, what));
    }

    fn die(&mut self, id: LineId) {
        let line = &mut self.lines[id.0];
        line.dead = true;
        line.mouth.shut();
        line.plan.clear();
        let branches: Vec<_> =
            self.pending.iter().filter(|(_, (of, _))| *of == id).map(|(key, _)| key.clone()).collect();
        for (branch, method) in branches {
            self.repeats.stop(&What::Request(branch, method));
        }
        let invite = &self.lines[id.0].invite;
        self.repeats.stop(&What::Answer(invite.call_id().into(), invite.cseq()));
    }

    /// Takes a datagram that came to one of its addresses.
    pub fn handle(&mut self, now: Time, datagram: &Datagram) {
        if self.dead {
            return;
        }
        if datagram.to == self.sip {
            let text = Text(String::from_utf8_lossy(&datagram.bytes).into_owned());
            match text.status() {
                Some(status) => self.handle_response(now, status, &text),
                None => self.handle_request(now, datagram.from, &text),
            }
            return;
        }
        let port = datagram.to.port() & !1;
        // The latest line of a port has it: ports go round.
        if let Some(line) = self.lines.iter_mut().rev().find(|line| line.rtp.port() == port && !line.dead) {
            let bytes = match &mut line.srtp {
                None => Some(datagram.bytes.clone()),
                Some([_, comes]) => comes.open(&datagram.bytes),
            };
            let Some(bytes) = bytes else {
                line.spoilt += 1;
                return;
            };
            if datagram.to.port() == port {
                line.ear.handle(now, datagram.from, &bytes);
            } else {
                line.ear.rtcp += 1;
            }
        }
    }

    /// Lets time pass: repeats, plans, packets.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.dead {
            self.repeats.clear();
            return;
        }
        let (again, given_up) = self.repeats.expire(now);
        for (to, bytes) in again {
            self.out.push_back(Datagram { from: self.sip, to, bytes });
        }
        for what in given_up {
            self.give_up(now, what);
        }
        for at in 0..self.lines.len() {
            self.follow_plan(now, LineId(at));
            let line = &mut self.lines[at];
            while let Some(bytes) = line.mouth.poll(now) {
                // Hold is the mouth's business too, but its clock goes on (RFC 3550 §5.1).
                let speaks = line.direction.sends() && line.remote_hears;
                if let Some(to) = line.remote_rtp.filter(|_| speaks) {
                    let bytes = line.srtp.as_mut().map_or(bytes.clone(), |[goes, _]| goes.protect(&bytes));
                    self.out.push_back(Datagram { from: line.rtp, to, bytes });
                }
            }
        }
    }

    fn follow_plan(&mut self, now: Time, id: LineId) {
        loop {
            let line = &mut self.lines[id.0];
            let due =
                line.plan.iter().enumerate().filter(|(_, (at, _))| *at <= now).min_by_key(|(_, (at, _))| *at);
            let Some((index, _)) = due else { return };
            let (_, what) = line.plan.remove(index);
            self.act(now, id, what);
        }
    }

    /// When [`Phone::handle_timeout`] is wanted.
    pub fn poll_timeout(&self) -> Option<Time> {
        if self.dead {
            return None;
        }
        let lines = self.lines.iter().filter(|line| !line.is_ended() && !line.dead);
        let of = |line: &Line| earliest(line.mouth.next(), line.plan.iter().map(|(at, _)| *at).min());
        lines.map(of).fold(self.repeats.next(), earliest)
    }

    /// What it sends.
    pub fn poll_transmit(&mut self) -> Option<Datagram> {
        self.out.pop_front()
    }

    fn send(&mut self, to: SocketAddr, text: &str) {
        self.out.push_back(Datagram { from: self.sip, to, bytes: text.as_bytes().to_vec() });
    }

    fn give_up(&mut self, now: Time, what: What) {
        let What::Request(branch, method) = what else { return };
        if let Some((id, _)) = self.pending.remove(&(branch, method.clone())) {
            let line = &mut self.lines[id.0];
            line.unanswered.push(method.clone());
            if line.state == LineState::Calling && method == "INVITE" {
                line.end(now, false);
            }
        }
    }

    fn new_line(&mut self, invite: Text, peer: SocketAddr, we_called: bool, behaviour: Behaviour) -> LineId {
        let id = LineId(self.lines.len());
        // RTP ports go round after a hundred lines.
        let rtp = SocketAddr::new(self.sip.ip(), self.rtp_base + 2 * (id.0 % 100) as u16);
        let mut mouth = Mouth::new(self.tone, &mut self.dice);
        mouth.quiet = behaviour.quiet;
        let key = match self.wish {
            Wish::Plain => Vec::new(),
            Wish::BestEffort | Wish::Secure => self.new_key(),
        };
        self.lines.push(Line {
            id,
            state: LineState::Calling,
            ear: Ear::default(),
            mouth,
            said: Vec::new(),
            repeats: 0,
            status: None,
            answered_at: None,
            ended_at: None,
            ended_by_peer: false,
            tone: self.tone,
            dead: false,
            unanswered: Vec::new(),
            key,
            srtp: None,
            spoilt: 0,
            described: None,
            call_id: invite.call_id().to_string(),
            we_called,
            local: String::new(),
            remote: String::new(),
            tag: self.dice.token(),
            target: String::new(),
            peer,
            cseq: 1,
            invite,
            rtp,
            remote_rtp: None,
            direction: Direction::SendRecv,
            remote_hears: true,
            version: 1,
            offering: None,
            cancelled: false,
            cancel_wanted: None,
            behaviour,
            plan: Vec::new(),
        });
        id
    }

    /// Our session description: what we offer, or the answer to `offer`.
    fn sdp(&mut self, id: LineId, offer: Option<&Sdp>, direction: Direction) -> String {
        let formats: Vec<(u8, String)> = match offer {
            None => self.codecs.iter().map(|codec| (codec.number(), codec.name().to_string())).collect(),
            Some(offer) => {
                let known = |name: &str| Codec::named(name).is_some_and(|codec| self.codecs.contains(&codec));
                offer.formats.iter().filter(|(_, name)| known(name)).take(1).cloned().collect()
            }
        };
        let event = match offer {
            None => Some((101, "telephone-event/8000".to_string())),
            Some(offer) => {
                offer.formats.iter().find(|(_, name)| name.starts_with("telephone-event")).cloned()
            }
        };
        let all: Vec<_> = formats.into_iter().chain(event).collect();
        let numbers: String = all.iter().map(|(number, _)| format!(" {number}")).collect();
        let maps: String = all.iter().map(|(number, name)| format!("a=rtpmap:{number} {name}\r\n")).collect();
        let (proto, keys) = self.security(id, offer);
        let line = &mut self.lines[id.0];
        let (version, ip, port) = (line.version, line.rtp.ip(), line.rtp.port());
        line.version += 1;
        let port = if numbers.is_empty() { 0 } else { port };
        format!(
            "v=0\r\no={} 1 {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} {proto}{numbers}\r\n\
             {maps}{keys}a=ptime:{}\r\na={}\r\n",
            self.name,
            self.ptime,
            direction.word()
        )
    }

    /// Takes the other side's description, as offer or answer, and speaks accordingly.
    fn apply(&mut self, now: Time, id: LineId, theirs: &Sdp, ours: Direction) {
        let supported = |name: &str| Codec::named(name).filter(|codec| self.codecs.contains(codec));
        let audio: Vec<(u8, Codec)> =
            theirs.formats.iter().filter_map(|(number, name)| Some((*number, supported(name)?))).collect();
        let events = theirs.formats.iter().filter(|(_, name)| name.starts_with("telephone-event"));
        let events: Vec<u8> = events.map(|(number, _)| *number).collect();
        let ptime = self.ptime;
        // RFC 7587 §6.1: what the other side cannot play need not be sent.
        let wide = self.wideband && !theirs.body.contains("maxplaybackrate=8000");
        let line = &mut self.lines[id.0];
        line.ear.expect(&audio, &events);
        line.secure(theirs, self.wish, self.suite);
        line.direction = ours;
        line.remote_hears = theirs.direction.hears();
        let unusable = theirs.address.port() == 0 || theirs.address.ip().is_unspecified();
        line.remote_rtp = Some(theirs.address).filter(|_| !unusable);
        if let Some((number, codec)) = audio.first() {
            line.mouth.open(now, *codec, *number, ptime);
            line.mouth.widen(wide && *codec == Codec::Opus);
        }
    }

    /// The transport of our description and its keys.
    fn security(&self, id: LineId, offer: Option<&Sdp>) -> (String, String) {
        let line = &self.lines[id.0];
        let proto = match offer {
            Some(offer) => offer.proto.clone(),
            None if self.wish == Wish::Secure => "RTP/SAVP".to_string(),
            None => "RTP/AVP".to_string(),
        };
        let tag = match offer {
            _ if self.wish == Wish::Plain => None,
            None => Some("1".to_string()),
            Some(offer) => srtp::find(&offer.body, self.suite).map(|(tag, _)| tag),
        };
        (proto, tag.map_or_else(String::new, |tag| srtp::line(&tag, self.suite, &line.key)))
    }

    /// A key that no other line has.
    pub fn new_key(&mut self) -> Vec<u8> {
        let dice = &mut self.dice;
        (0..srtp::key_bytes(self.suite)).map(|_| dice.below(256) as u8).collect()
    }

    fn contact(&self) -> String {
        format!("Contact: <sip:{}@{}>\r\n", self.name, self.sip)
    }
}
