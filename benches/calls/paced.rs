//! The least program that does a call's media work under the node's own conditions: a process and a thread of its own on the node's
//! core, the generator at the other end, the same 20 ms, the same number of calls. libopus and system calls, and nothing else: no
//! jitter buffer, no RTCP, no SIP, no check of who sends.
//!
//! It is this bench's program, started anew; it is told of calls by datagrams.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use baton_codecs::opus::PAYLOAD_BYTES_MAX;
use baton_codecs::{CodecError, Decoder, Encoder};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use crate::bare::{HEADER_BYTES, decoder, encoder, lost};
use crate::frames::Voice;
use crate::machine::{Nanos, SECOND, failed, now, ticker};
use crate::options::Codecs;
use crate::phone::{Party, sdp};
use crate::process::Process;
use crate::world::World;

/// The first argument of the program as a bare server.
pub(crate) const ARGUMENT: &str = "bare-server";
/// Slots of the 20 ms in which calls are converted, as many as the node has.
const SLOTS: usize = 10;
/// Sockets that one look tells of.
const READY: usize = 256;
/// Steps between two looks for commands.
const COMMAND_STEPS: usize = 32;
/// How long a relay waits for a packet before it looks for commands.
const RELAY_WAIT_MS: u16 = 20;
/// Until it answers.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Longest command or answer.
const TEXT_BYTES_MAX: usize = 65_000;
/// Joined calls before the generator has its turn, and how long that is.
const CALLS_AT_ONCE: usize = 5;
/// How long that turn is.
const TURN: Nanos = SECOND / 10;

/// A running bare server.
#[derive(Debug)]
pub(crate) struct Paced {
    /// The program.
    pub process: Process,
    control: UdpSocket,
}

impl Paced {
    /// Starts it on this thread's core. `folder` gets its log.
    pub(crate) fn start(folder: &Path, codecs: Codecs) -> Result<Self, String> {
        let control = UdpSocket::bind((Party::Agent.ip(), 0)).map_err(lost)?;
        control.set_read_timeout(Some(ANSWER_MAX)).map_err(lost)?;
        let at = control.local_addr().map_err(lost)?;
        let program = std::env::current_exe().map_err(|error| format!("cannot find itself: {error}"))?;
        let mut command = Command::new(program);
        command.arg(ARGUMENT).arg(at.to_string()).arg(codecs.to_string());
        let process = Process::start("the bare server", &mut command, &folder.join("bench-calls-bare.log"))?;
        let mut room = [0; TEXT_BYTES_MAX];
        let (_, from) = control.recv_from(&mut room).map_err(lost)?;
        control.connect(from).map_err(lost)?;
        Ok(Self { process, control })
    }

    /// Brings up so many calls; the first `listened` of them speak marks.
    pub(crate) fn begin(
        &self,
        world: &mut World,
        codecs: Codecs,
        calls: usize,
        listened: usize,
    ) -> Result<(), String> {
        let ports = self.ask(&format!("open {calls}"))?;
        let ports: Vec<u16> = ports.split_whitespace().filter_map(|port| port.parse().ok()).collect();
        for (index, pair) in ports.chunks_exact(2).enumerate() {
            world.join(index < listened, |_, _| {
                let text =
                    |port, voice| String::from_utf8_lossy(&sdp(Party::Agent.ip(), port, voice)).into_owned();
                Ok((text(pair[0], codecs.caller), text(pair[1], codecs.ai)))
            })?;
            if (index + 1) % CALLS_AT_ONCE == 0 {
                world.run_until(now() + TURN)?;
            }
        }
        Ok(())
    }

    /// Ends all calls.
    pub(crate) fn end(&self) -> Result<(), String> {
        self.ask("end").map(|_| ())
    }

    /// Stops it.
    pub(crate) fn stop(self) -> Result<(), String> {
        self.ask("stop")?;
        self.process.ended()
    }

    fn ask(&self, command: &str) -> Result<String, String> {
        self.control.send(command.as_bytes()).map_err(lost)?;
        let mut room = [0; TEXT_BYTES_MAX];
        let length = self.control.recv(&mut room).map_err(lost)?;
        Ok(String::from_utf8_lossy(&room[..length]).into_owned())
    }
}

/// The bare server itself: runs until it is told to stop. `arguments`: where it is told from, and the codecs.
pub(crate) fn serve(arguments: &[String]) -> Result<(), String> {
    let [at, codecs] = arguments else { return Err(format!("{ARGUMENT} is for the bench itself")) };
    let codecs = Codecs::read(codecs)?;
    let control = UdpSocket::bind((Party::Agent.ip(), 0)).map_err(lost)?;
    control.connect(at).map_err(lost)?;
    control.set_nonblocking(true).map_err(lost)?;
    control.send(b"ready").map_err(lost)?;
    let mut calls = Calls { codecs, calls: Vec::new(), epoll: epoll()? };
    if codecs.is_transcoded() { convert(&mut calls, &control) } else { relay(&mut calls, &control) }
}

/// Converts calls, those of a slot at each step of the 20 ms.
fn convert(calls: &mut Calls, control: &UdpSocket) -> Result<(), String> {
    let step = Duration::from_millis(20) / SLOTS as u32;
    let timer = ticker(step)?;
    let watch = epoll()?;
    watch.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, 0)).map_err(failed("cannot watch a timer"))?;
    let (start, mut number) = (now(), 0);
    loop {
        watch.wait(&mut [EpollEvent::empty()], 1_000_u16).map_err(failed("epoll failed"))?;
        let _ = timer.wait();
        let due = ((now() - start) / step.as_nanos() as Nanos) as usize;
        for step in number..due {
            if step % COMMAND_STEPS == 0 && !calls.obey(control)? {
                return Ok(());
            }
            calls.convert(step % SLOTS)?;
        }
        number = due;
    }
}

/// Relays packets as they come.
fn relay(calls: &mut Calls, control: &UdpSocket) -> Result<(), String> {
    for turn in 0_usize.. {
        let came = calls.relay(RELAY_WAIT_MS)?;
        if (!came || turn % COMMAND_STEPS == 0) && !calls.obey(control)? {
            break;
        }
    }
    Ok(())
}

fn epoll() -> Result<Epoll, String> {
    Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(failed("no epoll"))
}

/// All calls of the bare server.
struct Calls {
    codecs: Codecs,
    calls: Vec<Call>,
    epoll: Epoll,
}

impl Calls {
    /// Does what it is told; `false`: to stop.
    fn obey(&mut self, control: &UdpSocket) -> Result<bool, String> {
        let mut room = [0; 64];
        let Ok(length) = control.recv(&mut room) else { return Ok(true) };
        let text = String::from_utf8_lossy(&room[..length]).into_owned();
        let mut answer = "done".to_owned();
        if let Some(calls) = text.strip_prefix("open ") {
            answer.clear();
            for _ in 0..calls.parse().unwrap_or(0) {
                let call = Call::open(self.codecs)?;
                for (side, face) in call.faces.iter().enumerate() {
                    let token = (self.calls.len() * 2 + side) as u64;
                    let event = EpollEvent::new(EpollFlags::EPOLLIN, token);
                    self.epoll.add(face, event).map_err(failed("cannot watch a socket"))?;
                    answer += &format!("{} ", face.local_addr().map_err(lost)?.port());
                }
                self.calls.push(call);
            }
        } else if text == "end" {
            self.calls.clear();
        }
        control.send(answer.as_bytes()).map_err(lost)?;
        Ok(text != "stop")
    }

    /// The calls of a slot: a packet each way of each, as the codecs have it.
    fn convert(&mut self, slot: usize) -> Result<(), String> {
        self.calls.iter_mut().skip(slot).step_by(SLOTS).try_for_each(Call::convert)
    }

    /// Waits for packets; whatever has come goes out at the other side. Whether anything has.
    fn relay(&mut self, wait_ms: u16) -> Result<bool, String> {
        let mut events = [EpollEvent::empty(); READY];
        let ready = self.epoll.wait(&mut events, wait_ms).map_err(failed("epoll failed"))?;
        for event in &events[..ready] {
            let token = event.data() as usize;
            self.calls[token / 2].relay(token % 2);
        }
        Ok(ready > 0)
    }
}

/// A call of which nothing is left but its sockets, its codecs and RTP's numbers.
struct Call {
    faces: [UdpSocket; 2],
    /// Where the parties are, by the packets that came from them.
    parties: [Option<SocketAddr>; 2],
    decoders: [Box<dyn Decoder>; 2],
    encoders: [Box<dyn Encoder>; 2],
    voices: [Voice; 2],
    /// Packets sent to each.
    sent: [u32; 2],
}

impl Call {
    fn open(codecs: Codecs) -> Result<Self, String> {
        let open = || -> Result<UdpSocket, String> {
            let socket = UdpSocket::bind((Party::Agent.ip(), 0)).map_err(lost)?;
            socket.set_nonblocking(true).map_err(lost)?;
            Ok(socket)
        };
        Ok(Self {
            faces: [open()?, open()?],
            parties: [None; 2],
            decoders: [decoder(codecs.caller).map_err(broken)?, decoder(codecs.ai).map_err(broken)?],
            encoders: [encoder(codecs.ai).map_err(broken)?, encoder(codecs.caller).map_err(broken)?],
            voices: [codecs.caller, codecs.ai],
            sent: [0; 2],
        })
    }

    /// One packet each way; of a party that has sent none since, none.
    fn convert(&mut self) -> Result<(), String> {
        let mut room = [0; HEADER_BYTES + PAYLOAD_BYTES_MAX];
        let mut samples = [0; 160];
        for from in [0, 1] {
            let to = 1 - from;
            let Ok((length, party)) = self.faces[from].recv_from(&mut room) else { continue };
            self.parties[from] = Some(party);
            self.decoders[from].decode(&room[HEADER_BYTES..length], &mut samples).map_err(broken)?;
            let out = &mut room[HEADER_BYTES..];
            let length = HEADER_BYTES + self.encoders[from].encode(&samples, out).map_err(broken)?;
            let Some(party) = self.parties[to] else { continue };
            self.write_header(to, &mut room);
            // What cannot leave is lost.
            let _ = self.faces[to].send_to(&room[..length], party);
        }
        Ok(())
    }

    fn write_header(&mut self, to: usize, room: &mut [u8]) {
        self.sent[to] = self.sent[to].wrapping_add(1);
        let units = if self.voices[to] == Voice::Opus { 960 } else { 160 };
        room[..2].copy_from_slice(&[0x80, self.voices[to].payload_type()]);
        room[2..4].copy_from_slice(&(self.sent[to] as u16).to_be_bytes());
        room[4..8].copy_from_slice(&self.sent[to].wrapping_mul(units).to_be_bytes());
        room[8..HEADER_BYTES].copy_from_slice(&[1, 2, 3, to as u8]);
    }

    fn relay(&mut self, from: usize) {
        let mut room = [0; HEADER_BYTES + PAYLOAD_BYTES_MAX];
        let Ok((length, party)) = self.faces[from].recv_from(&mut room) else { return };
        self.parties[from] = Some(party);
        if let Some(party) = self.parties[1 - from] {
            let _ = self.faces[1 - from].send_to(&room[..length], party);
        }
    }
}

fn broken(error: CodecError) -> String {
    format!("a codec failed: {error}")
}
