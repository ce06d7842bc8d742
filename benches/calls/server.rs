//! Whoever is measured, by what both can do.

use std::fmt;
use std::path::Path;

use crate::machine::{Nanos, SECOND, now};
use crate::node::Node;
use crate::options::Codecs;
use crate::paced::Paced;
use crate::process::Process;
use crate::rtpengine::{Engine, Tuning};
use crate::world::World;

/// Calls begun in a second.
const RAMP: u32 = 50;
/// Until all calls are up after the last has begun, and until all are over.
pub(crate) const PATIENCE: Nanos = 5 * SECOND;

/// Who is to be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// `baton serve`.
    Baton,
    /// libopus and system calls alone.
    Bare,
    /// rtpengine.
    Rtpengine(Tuning),
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Baton => "Baton",
            Self::Bare => "bare",
            Self::Rtpengine(tuning) => tuning.label(),
        })
    }
}

/// A running server.
#[derive(Debug)]
pub(crate) enum Server {
    /// `baton serve`.
    Baton(Node),
    /// libopus and system calls alone.
    Bare(Paced),
    /// rtpengine.
    Rtpengine(Engine),
}

impl Server {
    /// Starts it on this thread's core.
    pub(crate) fn start(
        by: By,
        program: &Path,
        folder: &Path,
        world: &mut World,
        codecs: Codecs,
    ) -> Result<Self, String> {
        Ok(match by {
            By::Baton => {
                let node = Node::start(program, folder, world, codecs)?;
                world.meet(node.sip);
                Self::Baton(node)
            }
            By::Bare => Self::Bare(Paced::start(folder, codecs)?),
            By::Rtpengine(tuning) => Self::Rtpengine(Engine::start(folder, tuning)?),
        })
    }

    /// The program.
    pub(crate) fn process(&mut self) -> &mut Process {
        match self {
            Self::Baton(node) => &mut node.process,
            Self::Bare(bare) => &mut bare.process,
            Self::Rtpengine(engine) => &mut engine.process,
        }
    }

    /// Brings up so many calls, the first `listened` with marks, and waits until they have their answers.
    pub(crate) fn begin(
        &mut self,
        world: &mut World,
        codecs: Codecs,
        calls: usize,
        listened: usize,
    ) -> Result<(), String> {
        match self {
            Self::Baton(_) => {
                world.begin(calls, RAMP, listened);
                let most = PATIENCE + calls as Nanos * SECOND / Nanos::from(RAMP);
                world.run_to(most, World::is_settled).map(|_| ())
            }
            Self::Bare(bare) => bare.begin(world, codecs, calls, listened),
            Self::Rtpengine(engine) => engine.begin(world, codecs, calls, listened),
        }
    }

    /// Every call ends; whether that was done in time.
    pub(crate) fn end(&mut self, world: &mut World) -> Result<bool, String> {
        world.hang_up();
        match self {
            Self::Baton(_) => {}
            Self::Bare(bare) => bare.end()?,
            Self::Rtpengine(engine) => engine.end()?,
        }
        world.run_to(PATIENCE, World::is_empty)
    }

    /// RTP packets that it says it has received; where it does not say, those that came out of it at the far sides.
    pub(crate) fn received(&self, world: &World) -> Result<u64, String> {
        match self {
            Self::Baton(node) => Ok(node.metric("baton_rtp_packets_total", "received")? as u64),
            Self::Bare(_) | Self::Rtpengine(_) => Ok(world.lines.iter().map(|line| line.received).sum()),
        }
    }

    /// Stops it.
    ///
    /// # Errors
    /// If it did not end well.
    pub(crate) fn stop(self) -> Result<(), String> {
        match self {
            Self::Baton(node) => node.process.stop(),
            Self::Bare(bare) => bare.stop(),
            Self::Rtpengine(engine) => engine.process.stop(),
        }
    }

    /// Lets a moment pass in which it publishes what it has counted.
    pub(crate) fn publish(&self, world: &mut World) -> Result<(), String> {
        // The node publishes its counters once a second.
        world.run_until(now() + SECOND * 13 / 10)
    }
}
