//! rtpengine as a rival: the distribution's program in user space, on the node's core, told of calls by its NG protocol
//! (bencoded dictionaries over UDP). SIP has no part in it.
//!
//! Its Opus encoder is libopus by way of libavcodec, which sets complexity 10 and "audio", and neither can be
//! configured. `opus_settings.c`, loaded before libopus, makes it what the node uses.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::machine::{Nanos, SECOND, now};
use crate::options::Codecs;
use crate::process::Process;
use crate::world::World;

/// Its address for everything.
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 4));
/// Its ports for RTP.
const PORTS: (u16, u16) = (10_000, 29_999);
/// Until it answers.
const START_MAX: Nanos = 10 * SECOND;
/// Until it answers one command.
const ANSWER_MAX: Duration = Duration::from_millis(500);
/// Longest answer.
const ANSWER_BYTES_MAX: usize = 16_384;
/// Calls set up before the generator has its turn.
const CALLS_AT_ONCE: usize = 5;
/// How long that turn is.
const TURN: Nanos = SECOND / 10;

/// How its Opus encoder is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tuning {
    /// As it comes: complexity 10, application "audio".
    AsItComes,
    /// Complexity 5, as the node's.
    Complexity5,
    /// Complexity 5 and application "voip", both as the node's.
    AsTheNode,
}

impl Tuning {
    /// Its name in tables.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::AsItComes => "rtpengine",
            Self::Complexity5 => "rtpengine, complexity 5",
            Self::AsTheNode => "rtpengine, complexity 5, voip",
        }
    }
}

/// A running rtpengine.
#[derive(Debug)]
pub(crate) struct Engine {
    /// The program.
    pub process: Process,
    control: UdpSocket,
    commands: u64,
    calls: u64,
}

/// Its version, if it is installed.
pub(crate) fn version() -> Option<String> {
    let output = Command::new("rtpengine").arg("--version").output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().find_map(|line| line.strip_prefix("Version: ")).map(|version| version.trim().to_owned())
}

impl Engine {
    /// Starts it on this thread's core with one worker and waits until it answers. `folder` gets its log.
    pub(crate) fn start(folder: &Path, tuning: Tuning) -> Result<Self, String> {
        let control = UdpSocket::bind((ADDRESS, 0)).map_err(lost)?;
        control.set_read_timeout(Some(ANSWER_MAX)).map_err(lost)?;
        let ng = UdpSocket::bind((ADDRESS, 0)).and_then(|socket| socket.local_addr()).map_err(lost)?;
        control.connect(ng).map_err(lost)?;
        let mut command = Command::new("rtpengine");
        command.args(["--table=-1", "--foreground", "--log-stderr", "--log-level=3", "--num-threads=1"]);
        command.args(["--timeout=60", "--silent-timeout=600", "--delete-delay=0"]);
        command.arg(format!("--interface=lo/{ADDRESS}")).arg(format!("--listen-ng={ng}"));
        command.arg(format!("--port-min={}", PORTS.0)).arg(format!("--port-max={}", PORTS.1));
        if tuning != Tuning::AsItComes {
            command.env("LD_PRELOAD", settings_library(folder)?).env("OPUS_COMPLEXITY", "5");
        }
        if tuning == Tuning::AsTheNode {
            command.env("OPUS_APPLICATION", "2048");
        }
        let log = folder.join("bench-calls-rtpengine.log");
        let process = Process::start("rtpengine", &mut command, &log)?;
        let mut engine = Self { process, control, commands: 0, calls: 0 };
        let end = now() + START_MAX;
        while engine.ask("ping", &[]).is_err() {
            engine.process.check_alive()?;
            if now() > end {
                return Err(format!("rtpengine does not answer: {}", engine.process.log_tail()));
            }
        }
        Ok(engine)
    }

    /// Brings up so many calls; the first `listened` of them speak marks.
    pub(crate) fn begin(
        &mut self,
        world: &mut World,
        codecs: Codecs,
        calls: usize,
        listened: usize,
    ) -> Result<(), String> {
        for index in 0..calls {
            self.calls += 1;
            let id = format!("bench-{}", self.calls);
            world.join(index < listened, |caller, ai| {
                let transcode = if codecs.is_transcoded() {
                    "5:codecd4:maskl4:PCMUe9:transcodel18:opus/48000/1/24000ee"
                } else {
                    ""
                };
                let to_caller = self.offer(&id, &ai, transcode)?;
                let to_ai = self.answer(&id, &caller(&to_caller))?;
                Ok((to_caller, to_ai))
            })?;
            if (index + 1) % CALLS_AT_ONCE == 0 {
                world.run_until(now() + TURN)?;
            }
        }
        Ok(())
    }

    fn offer(&mut self, id: &str, sdp: &str, codec: &str) -> Result<String, String> {
        self.ask("offer", &[("call-id", id), ("from-tag", "ai"), ("sdp", sdp), ("", codec)])
    }

    fn answer(&mut self, id: &str, sdp: &str) -> Result<String, String> {
        self.ask("answer", &[("call-id", id), ("from-tag", "ai"), ("to-tag", "caller"), ("sdp", sdp)])
    }

    /// Ends all calls.
    pub(crate) fn end(&mut self) -> Result<(), String> {
        for call in 1..=self.calls {
            // A call that was deleted before is an error of no consequence.
            let _ = self.ask("delete", &[("call-id", &format!("bench-{call}")), ("from-tag", "ai")]);
        }
        self.process.check_alive()
    }

    /// Sends a command and returns the SDP of its answer, empty if it has none. A field without a name is bencoded already.
    fn ask(&mut self, command: &str, fields: &[(&str, &str)]) -> Result<String, String> {
        self.commands += 1;
        let cookie = format!("{} ", self.commands);
        let mut text = format!("{cookie}d{}", string("command") + &string(command));
        for (name, value) in fields {
            text += &if name.is_empty() { (*value).to_owned() } else { string(name) + &string(value) };
        }
        text.push('e');
        self.control.send(text.as_bytes()).map_err(lost)?;
        let mut room = vec![0; ANSWER_BYTES_MAX];
        loop {
            let length = self.control.recv(&mut room).map_err(lost)?;
            // What answers an earlier command came too late.
            let Some(answer) = room[..length].strip_prefix(cookie.as_bytes()) else { continue };
            let answer = String::from_utf8_lossy(answer).into_owned();
            if answer.contains("6:result5:error") {
                return Err(format!("rtpengine refuses {command}: {answer}"));
            }
            return Ok(value(&answer, "3:sdp").unwrap_or_default());
        }
    }
}

fn lost(error: std::io::Error) -> String {
    format!("rtpengine's control fails: {error}")
}

fn string(text: &str) -> String {
    format!("{}:{text}", text.len())
}

/// The string that follows a key. No key of an answer lies within another value.
fn value(answer: &str, key: &str) -> Option<String> {
    let rest = &answer[answer.find(key)? + key.len()..];
    let (length, rest) = rest.split_once(':')?;
    rest.get(..length.parse().ok()?).map(str::to_owned)
}

/// Compiles what sets Opus's complexity.
fn settings_library(folder: &Path) -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("calls/opus_settings.c");
    let library = folder.join("bench-opus-settings.so");
    let status =
        Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).status();
    match status {
        Ok(status) if status.success() => Ok(library),
        Ok(status) => Err(format!("cc cannot compile {}: {status}", source.display())),
        Err(error) => Err(format!("no cc: {error}")),
    }
}
