//! rtpengine as a rival: the distribution's program in user space, on the node's core, told of calls by its NG protocol
//! (bencoded dictionaries over UDP). SIP has no part in it.
//!
//! Its Opus encoder is libopus by way of libavcodec, which sets complexity 10 and "audio", and neither can be
//! configured. `opus_settings.c`, loaded before libopus, makes it what the node uses.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;

use baton_benches::ng::Ng;

use crate::machine::{Nanos, SECOND, now, pause};
use crate::options::Codecs;
use crate::process::{LOOK, Process};
use crate::world::World;

/// Its address for everything.
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 4));
/// Its ports for RTP.
const PORTS: (u16, u16) = (10_000, 29_999);
/// Until it answers.
const START_MAX: Nanos = 10 * SECOND;
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
    ng: Ng,
    calls: u64,
}

impl Engine {
    /// Starts it on this thread's core with one worker and waits until it answers. `folder` gets its log.
    pub(crate) fn start(folder: &Path, tuning: Tuning) -> Result<Self, String> {
        let ng = Ng::new(ADDRESS)?;
        let mut command = Command::new("rtpengine");
        command.args(["--table=-1", "--foreground", "--log-stderr", "--log-level=3", "--num-threads=1"]);
        command.args(["--timeout=60", "--silent-timeout=600", "--delete-delay=0"]);
        command.arg(format!("--interface=lo/{ADDRESS}")).arg(format!("--listen-ng={}", ng.listens));
        command.arg(format!("--port-min={}", PORTS.0)).arg(format!("--port-max={}", PORTS.1));
        if tuning != Tuning::AsItComes {
            command.env("LD_PRELOAD", settings_library(folder)?).env("OPUS_COMPLEXITY", "5");
        }
        if tuning == Tuning::AsTheNode {
            command.env("OPUS_APPLICATION", "2048");
        }
        let log = folder.join("bench-calls-rtpengine.log");
        let process = Process::start("rtpengine", &mut command, &log)?;
        let mut engine = Self { process, ng, calls: 0 };
        let end = now() + START_MAX;
        while engine.ng.ping().is_err() {
            engine.process.check_alive()?;
            if now() > end {
                return Err(format!("rtpengine does not answer: {}", engine.process.log_tail()));
            }
            // It starts on this core, and under a real-time scheduler only while nobody else wants it.
            pause(LOOK)?;
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
                let to_caller = self.ng.offer(&id, &ai, codecs.is_transcoded())?;
                let to_ai = self.ng.answer(&id, &caller(&to_caller))?;
                Ok((to_caller, to_ai))
            })?;
            if (index + 1) % CALLS_AT_ONCE == 0 {
                world.run_until(now() + TURN)?;
            }
        }
        Ok(())
    }

    /// Ends all calls.
    pub(crate) fn end(&mut self) -> Result<(), String> {
        for call in 1..=self.calls {
            // A call that was deleted before is an error of no consequence.
            let _ = self.ng.delete(&format!("bench-{call}"));
        }
        self.process.check_alive()
    }
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
