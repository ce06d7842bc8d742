//! A phone of our own: one line that calls or is called, speaks recordings and keeps what it hears. The demo's
//! caller, AI and people are such phones; they meet the node only on the wire.
//!
//! It leaves out what a person's phone does not need to show: hold, several calls, DTMF.

mod ear;
mod line;
mod mouth;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use baton_codecs::Rate;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub(crate) use ear::{DELAY_US, Heard};

use crate::shell::Clock;

/// How a phone speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    /// Opus, 16 kHz speech on its 48 kHz clock (RFC 7587).
    Opus,
    /// G.711 µ-law.
    Pcmu,
}

impl Voice {
    /// Its rate of samples.
    pub(crate) const fn rate(self) -> Rate {
        match self {
            Self::Opus => Rate::Hz16000,
            Self::Pcmu => Rate::Hz8000,
        }
    }

    const fn clock(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Pcmu => 8_000,
        }
    }

    const fn payload_type(self) -> u8 {
        match self {
            Self::Opus => 111,
            Self::Pcmu => 0,
        }
    }

    const fn rtpmap(self) -> &'static str {
        match self {
            Self::Opus => "opus/48000/2",
            Self::Pcmu => "PCMU/8000",
        }
    }
}

/// What a phone is told.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    /// Call this URI at this address, with these headers.
    Call { uri: String, at: SocketAddr, headers: Vec<(String, String)> },
    /// Ring: 180 to the INVITE that came.
    Ring,
    /// Answer the INVITE that came.
    Answer,
    /// Say this (mono, 16 kHz).
    Say(Arc<[i16]>),
    /// Transfer the far end, with these headers on the REFER.
    Refer { to: String, headers: Vec<(String, String)> },
    /// End the call.
    HangUp,
}

/// What a phone tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Somebody calls, with these headers.
    Incoming { headers: Vec<(String, String)> },
    /// 180 has come.
    Ringing,
    /// The call is up.
    Up,
    /// All that was to be said has been said.
    Said,
    /// What the far end says of a transfer we asked for.
    Transfer { status: u16 },
    /// The call is over, or was refused with this status.
    Over { status: Option<u16> },
}

/// A phone, driven by a task of its own.
#[derive(Debug)]
pub(crate) struct Phone {
    commands: mpsc::Sender<Command>,
    told: mpsc::Receiver<(u64, Told)>,
    task: JoinHandle<Heard>,
}

/// Commands waiting for a phone's task, which takes them within 20 ms.
const COMMANDS_MAX: usize = 16;
/// Events waiting for a phone's owner; the demo has fewer in a whole call.
const TOLD_MAX: usize = 64;

impl Phone {
    /// A phone that listens at `address` for SIP, and for RTP at a port of its own on the same host.
    ///
    /// # Errors
    /// If one of its sockets cannot be opened.
    pub(crate) async fn start(
        name: &'static str,
        address: SocketAddr,
        voice: Voice,
        clock: Clock,
    ) -> std::io::Result<Self> {
        let (commands, command_queue) = mpsc::channel(COMMANDS_MAX);
        let (teller, told) = mpsc::channel(TOLD_MAX);
        let line = line::Line::open(name, address, voice, clock, teller).await?;
        Ok(Self { commands, told, task: tokio::spawn(line.run(command_queue)) })
    }

    /// Tells the phone what to do. A phone that has stopped does nothing.
    pub(crate) async fn tell(&self, command: Command) {
        let _ = self.commands.send(command).await;
    }

    /// The next thing it tells, with its time in microseconds of the clock; `None` when it has stopped or `within` has passed.
    pub(crate) async fn next(&mut self, within: Duration) -> Option<(u64, Told)> {
        tokio::time::timeout(within, self.told.recv()).await.ok().flatten()
    }

    /// Stops the phone (within half a second, for what is still on its way) and returns what it heard.
    pub(crate) async fn stop(self) -> Heard {
        drop(self.commands);
        self.task.await.unwrap_or_default()
    }
}
