//! The phone's task: its sockets, its SIP endpoint and its 20 ms.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use baton_signaling::endpoint::{Endpoint, EndpointConfig, Event, Failure, Flow, Invite, Leg, Transport};
use baton_signaling::message::{Headers, Message, Name};
use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::ear::{Arrival, Ear};
use super::mouth::Mouth;
use super::{Command, Heard, Told, Voice};
use crate::rtp::is_rtcp;
use crate::rtp::rtcp::{self, Block, Compound, REPORT_BYTES_MAX};
use crate::shell::Clock;

const FRAME: Duration = Duration::from_millis(20);
/// How long a stopped phone still answers what is on its way.
const LINGER: Duration = Duration::from_millis(500);
/// Larger than any datagram a phone is sent.
const DATAGRAM_BYTES: usize = 8_192;

pub(super) struct Line {
    name: &'static str,
    voice: Voice,
    clock: Clock,
    sip: UdpSocket,
    sip_address: SocketAddr,
    rtp: UdpSocket,
    rtp_port: u16,
    endpoint: Endpoint,
    told: mpsc::Sender<(u64, Told)>,
    leg: Option<Leg>,
    /// Where the far end wants RTP; sound is sent while this is known and the call is up.
    remote: Option<SocketAddr>,
    up: bool,
    mouth: Mouth,
    ear: Ear,
    speaking: bool,
}

impl Line {
    pub(super) async fn open(
        name: &'static str,
        address: SocketAddr,
        voice: Voice,
        clock: Clock,
        told: mpsc::Sender<(u64, Told)>,
    ) -> std::io::Result<Self> {
        let sip = UdpSocket::bind(address).await?;
        let sip_address = sip.local_addr()?;
        let rtp = UdpSocket::bind((address.ip(), 0)).await?;
        let rtp_port = rtp.local_addr()?.port();
        let seed = u64::from(rtp_port) << 32 | clock.now().as_micros();
        let config = EndpointConfig {
            user: name.to_owned(),
            user_agent: format!("Baton stand-in ({name})"),
            ..EndpointConfig::default()
        };
        let no_codec = || std::io::Error::other("this build has no Opus");
        Ok(Self {
            name,
            voice,
            clock,
            sip,
            sip_address,
            rtp,
            rtp_port,
            endpoint: Endpoint::new(config, seed),
            told,
            leg: None,
            remote: None,
            up: false,
            mouth: Mouth::new(voice, rtp_port.into()).ok_or_else(no_codec)?,
            ear: Ear::new(voice).ok_or_else(no_codec)?,
            speaking: false,
        })
    }

    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) -> Heard {
        let mut tick = interval(FRAME);
        // A phone that was held up sends what it owes: its stream keeps its own time.
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut datagram = [0; DATAGRAM_BYTES];
        let mut sound = [0; DATAGRAM_BYTES];
        let mut stopping = None;
        loop {
            self.settle().await;
            let now = self.clock.now();
            if stopping.is_some_and(|at| now >= at) {
                return self.ear.heard();
            }
            let wake = self.endpoint.poll_timeout().map_or(LINGER, |at| at - now);
            tokio::select! {
                received = self.sip.recv_from(&mut datagram) => if let Ok((length, from)) = received {
                    self.handle_datagram(&datagram[..length], from);
                },
                received = self.rtp.recv_from(&mut sound) => if let Ok((length, from)) = received {
                    match is_rtcp(&sound[..length]) {
                        true => self.handle_report(&sound[..length], from),
                        false => self.handle_sound(&sound[..length]),
                    }
                },
                _ = tick.tick() => self.handle_tick().await,
                () = sleep(wake) => {}
                command = commands.recv(), if stopping.is_none() => match command {
                    Some(command) => self.handle_command(command),
                    None => {
                        self.hang_up();
                        stopping = Some(self.clock.now() + LINGER);
                    }
                },
            }
            let now = self.clock.now();
            self.endpoint.handle_timeout(now);
        }
    }

    /// Carries out what the endpoint asks for.
    async fn settle(&mut self) {
        while let Some(event) = self.endpoint.poll_event() {
            self.handle_event(event);
        }
        while let Some(out) = self.endpoint.poll_transmit() {
            let _ = self.sip.send_to(&out.bytes, out.flow.remote).await;
        }
    }

    fn handle_datagram(&mut self, bytes: &[u8], from: SocketAddr) {
        if let Ok(message) = Message::parse(Bytes::copy_from_slice(bytes)) {
            let now = self.clock.now();
            self.endpoint.handle_message(now, self.flow(from), message);
        }
    }

    fn handle_sound(&mut self, packet: &[u8]) {
        // RFC 3550 §5.1; the node sends neither padding nor header extensions.
        let [first, _, rest @ ..] = packet else { return };
        if first >> 6 != 2 || rest.len() < 10 || !self.up {
            return;
        }
        let word = |at: usize| u32::from_be_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
        let header = 10 + 4 * usize::from(first & 0x0f);
        let Some(payload) = rest.get(header..).filter(|payload| !payload.is_empty()) else { return };
        self.ear.packet(Arrival {
            at_us: self.clock.now().as_micros(),
            seq: u16::from_be_bytes([rest[0], rest[1]]),
            timestamp: word(2),
            ssrc: word(6),
            payload,
        });
    }

    /// Answers a sender report at once, so that the node knows the round trip.
    fn handle_report(&self, packet: &[u8], from: SocketAddr) {
        let ours = self.mouth.ssrc();
        let Some(report) = rtcp::parse(packet, ours) else { return };
        let Some(sender) = report.sender.filter(|_| self.up) else { return };
        let block = Block { ssrc: report.from.0, last_report: (sender.ntp >> 16) as u32, ..Block::default() };
        let answer = Compound { ssrc: ours, blocks: &[block], cname: Some(self.name), ..Compound::default() };
        let mut bytes = [0; REPORT_BYTES_MAX];
        let length = rtcp::write(&mut bytes, &answer);
        // A report that cannot be sent is one less: another one follows.
        let _ = self.rtp.try_send_to(&bytes[..length], from);
    }

    async fn handle_tick(&mut self) {
        let Some(remote) = self.remote.filter(|_| self.up) else { return };
        let packet = self.mouth.next_packet();
        let _ = self.rtp.send_to(packet, remote).await;
        if self.speaking && !self.mouth.is_speaking() {
            self.speaking = false;
            self.tell(Told::Said);
        }
    }

    fn handle_command(&mut self, command: Command) {
        let now = self.clock.now();
        match command {
            Command::Call { uri, at, headers } => {
                let from = format!("\"{0}\" <sip:{0}@{1}>", self.name, self.sip_address);
                let mut added = typed(headers);
                added.push("Content-Type", "application/sdp");
                self.leg = Some(self.endpoint.invite(
                    now,
                    Invite {
                        uri: uri.into(),
                        from: from.into(),
                        flow: self.flow(at),
                        others: Vec::new(),
                        headers: added,
                        body: self.sdp(),
                        credentials: None,
                    },
                ));
            }
            Command::Ring => {
                if let Some(leg) = self.leg {
                    self.endpoint.progress(now, leg, 180, Headers::default(), Bytes::new());
                }
            }
            Command::Answer => {
                if let Some(leg) = self.leg {
                    let mut headers = Headers::default();
                    headers.push("Content-Type", "application/sdp");
                    self.endpoint.answer(now, leg, headers, self.sdp());
                    self.up = true;
                }
            }
            Command::Say(samples) => {
                self.mouth.say(&samples);
                self.speaking = true;
            }
            Command::Refer { to, headers } => {
                if let Some(leg) = self.leg {
                    self.endpoint.refer(now, leg, to.as_bytes(), typed(headers));
                }
            }
            Command::HangUp => self.hang_up(),
        }
    }

    fn hang_up(&mut self) {
        self.up = false;
        if let Some(leg) = self.leg.take() {
            let now = self.clock.now();
            self.endpoint.hang_up(now, leg, Headers::default());
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Incoming { leg, request, .. } if self.leg.is_none() => {
                self.leg = Some(leg);
                self.learn_remote(&request.body);
                self.tell(Told::Incoming { headers: plain(&request.headers) });
            }
            Event::Incoming { leg, .. } => {
                let now = self.clock.now();
                self.endpoint.reject(now, leg, 486, "", Headers::default());
            }
            Event::Progress { response, .. } if response.status == 180 => self.tell(Told::Ringing),
            Event::Answered { response, .. } => {
                self.learn_remote(&response.body);
                self.up = true;
                self.tell(Told::Up);
            }
            Event::Acked { .. } => self.tell(Told::Up),
            Event::Notify { request, .. } => {
                if let Some(status) = sipfrag_status(&request.body) {
                    self.tell(Told::Transfer { status });
                }
            }
            Event::Refused { failure, .. } => {
                self.leg = None;
                let status = if let Failure::Status(status) = failure { Some(status) } else { None };
                self.tell(Told::Over { status });
            }
            Event::Bye { .. } | Event::Cancelled { .. } | Event::Gone { .. } => {
                self.leg = None;
                self.up = false;
                self.tell(Told::Over { status: None });
            }
            _ => {}
        }
    }

    fn tell(&self, told: Told) {
        // The owner reads as fast as a call goes on; what it does not read it does not need.
        let _ = self.told.try_send((self.clock.now().as_micros(), told));
    }

    fn flow(&self, remote: SocketAddr) -> Flow {
        Flow { transport: Transport::Udp, local: self.sip_address, remote }
    }

    fn sdp(&self) -> Bytes {
        let (host, number) = (self.sip_address.ip(), self.voice.payload_type());
        let kind = if host.is_ipv4() { "IP4" } else { "IP6" };
        format!(
            "v=0\r\no={} 1 1 IN {kind} {host}\r\ns=-\r\nc=IN {kind} {host}\r\nt=0 0\r\n\
             m=audio {} RTP/AVP {number}\r\na=rtpmap:{number} {}\r\na=rtcp:{}\r\na=ptime:20\r\n\
             a=sendrecv\r\n",
            self.name,
            self.rtp_port,
            self.voice.rtpmap(),
            self.rtp_port
        )
        .into()
    }

    /// Reads where the far end wants RTP and under which number.
    fn learn_remote(&mut self, sdp: &[u8]) {
        let text = String::from_utf8_lossy(sdp);
        let after = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
        let host = after("c=IN IP4 ")
            .or_else(|| after("c=IN IP6 "))
            .and_then(|host| host.trim().parse::<IpAddr>().ok());
        let Some(media) = after("m=audio ") else { return };
        let mut words = media.split_whitespace();
        let port = words.next().and_then(|port| port.parse::<u16>().ok());
        if let Some(number) = words.nth(1).and_then(|number| number.parse().ok()) {
            self.mouth.set_payload_type(number);
        }
        self.remote = host.zip(port).map(SocketAddr::from);
    }
}

/// The status of a `message/sipfrag` body (RFC 3420).
fn sipfrag_status(body: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(body).ok()?;
    text.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

fn typed(headers: Vec<(String, String)>) -> Headers {
    let mut typed = Headers::default();
    for (name, value) in headers {
        if let Some(name) = Name::new(&name.into()) {
            typed.push(name, value);
        }
    }
    typed
}

fn plain(headers: &Headers) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    headers.iter().map(|header| (text(header.name.as_bytes()), text(&header.value))).collect()
}
