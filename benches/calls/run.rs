//! One run: a node, N calls, a window, and what both sides saw in it.

use std::fmt;
use std::path::Path;

use crate::bare;
use crate::figures::Spread;
use crate::judge::{Seen, judge};
use crate::machine::{Cores, MS, Nanos, SECOND, now, thread_cpu};
use crate::options::Codecs;
use crate::phone::Party;
use crate::server::{By, Server};
use crate::world::{Style, Voices, World};

/// Calls that warm the node up: enough to touch every path, too few to leave memory that others would then find free.
const WARM_UP_CALLS: usize = 2;
/// Calls that carry marks instead of speech, and no more than a tenth: near silence is cheaper to encode.
const LISTENED: usize = 8;
/// From the last answer to the window: jitter buffers settle.
const SETTLE: Nanos = 2 * SECOND;
/// A bare timer that misses this at p99.9 says that the machine, not the node, is measured.
const QUIET: Nanos = 2 * MS;
/// Runs begun again because of that.
const REPEATS_MAX: usize = 2;
/// Handoffs lie between these shares of the window.
const HANDOFFS: (f64, f64) = (0.1, 0.7);
/// A node that sends its callers less than this share of what is due has no processor time to measure.
const ENOUGH: f64 = 0.99;
/// Kinds of fault that are told.
const FAULTS_TOLD: usize = 3;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Through whom.
    pub by: By,
    /// Which codecs.
    pub codecs: Codecs,
    /// Calls at once.
    pub calls: usize,
    /// Seconds of the window.
    pub seconds: u64,
    /// Share of calls handed off in it.
    pub handoff: f64,
}

/// What a run showed.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    /// What was run.
    pub load: Load,
    /// How often it was begun again because of the bare timer, and whether that helped.
    pub repeats: usize,
    /// The bare timer on the node's core, before the load.
    pub bare: Spread,
    /// Calls that came up.
    pub up: usize,
    /// Calls of which something went wrong, and what, for the first kinds.
    pub faults: (usize, Vec<String>),
    /// The node's processor time per call-second.
    pub cpu_per_call_second: Nanos,
    /// The node's processor time per second without calls.
    pub cpu_idle: Nanos,
    /// The node's share of its core in the window.
    pub node_share: f64,
    /// The generator's share of its core in the window.
    pub generator_share: f64,
    /// The node's memory per call, in bytes.
    pub memory_per_call: u64,
    /// The node's memory without calls, in bytes.
    pub memory_idle: u64,
    /// RTP packets sent to the node in the whole run, and how many of them it has not counted.
    pub towards_node: (u64, i64),
    /// Lateness of the generator's own packets.
    pub generator: Option<Spread>,
    /// Frames that the generator left out.
    pub skipped: u64,
    /// Payload that came to callers, in kbit/s of sound, over the whole run.
    pub kbits_to_callers: f64,
    /// Processor time per call-second of the least program that does the same in the same way, measured next to this run.
    pub paced: Option<Nanos>,
    /// What the parties saw.
    pub seen: Seen,
}

impl Point {
    /// Packets that the window owes each caller, in all.
    pub(crate) fn due(&self) -> usize {
        self.up * self.load.seconds as usize * 50
    }

    /// Whether the node got the processor for what it had to do; else its cost is that of less work.
    pub(crate) fn is_fed(&self) -> bool {
        self.seen.callers as f64 >= self.due() as f64 * ENOUGH
    }

    /// Whether the machine was quiet enough for figures of pacing to be the node's.
    pub(crate) fn is_quiet(&self) -> bool {
        self.bare.p999 <= QUIET
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.calls, self.codecs)?;
        if self.by != By::Baton {
            write!(f, " {}", self.by)?;
        }
        if self.handoff > 0.0 { write!(f, " handoff {}", self.handoff) } else { Ok(()) }
    }
}

/// Runs `load`; begins again while the machine is not quiet, at most [`REPEATS_MAX`] times.
pub(crate) fn point(program: &Path, cores: Cores, load: &Load) -> Result<Point, String> {
    let folder = crate::target()?;
    let mut repeats = 0;
    loop {
        let mut world = World::new(Voices::new(load.codecs)?, Style::Spoken)?;
        cores.pin_node()?;
        let mut server = Server::start(load.by, program, &folder, &mut world, load.codecs)?;
        cores.pin_generator()?;
        let bare = bare::lateness(cores)?;
        if bare.p999 > QUIET && repeats < REPEATS_MAX {
            println!("  the bare timer missed {} ms at p99.9; begun again", QUIET / MS);
            repeats += 1;
            server.stop()?;
            continue;
        }
        warm_up(&mut world, &mut server, load)?;
        let mut point = measure(&mut world, &mut server, load, bare)?;
        point.repeats = repeats;
        server.stop()?;
        return Ok(point);
    }
}

fn warm_up(world: &mut World, server: &mut Server, load: &Load) -> Result<(), String> {
    server.begin(world, load.codecs, WARM_UP_CALLS, 0)?;
    world.run_until(now() + SECOND)?;
    let fault = world.calls.iter().find_map(|call| call.fault.clone());
    if let Some(fault) = fault {
        return Err(format!("a first call failed: {fault}"));
    }
    if !server.end(world)? {
        return Err("a first call has not ended 5 s after its caller hung up".to_owned());
    }
    world.clear();
    server.publish(world)
}

fn measure(world: &mut World, server: &mut Server, load: &Load, bare: Spread) -> Result<Point, String> {
    let received_before = server.received(world)?;
    let memory_idle = server.process().memory()?;
    let cpu_idle = used(world, server, SECOND)?;
    server.begin(world, load.codecs, load.calls, LISTENED.min(load.calls.div_ceil(10)))?;
    world.run_until(now() + SETTLE)?;
    server.process().check_alive()?;
    let up = world.calls.iter().filter(|call| call.answered.is_some() && !call.over).count();
    if up == 0 {
        return Err(format!("no call came up: {}", faults(world).1.join("; ")));
    }
    let window = load.seconds as Nanos * SECOND;
    plan_handoffs(world, load, window);
    world.lines.iter_mut().for_each(|line| line.reserve(load.seconds as usize * 51));
    world.recording = true;
    let (began, generator_before) = (now(), thread_cpu());
    let cpu = used(world, server, window)?;
    let (length, generator) = (now() - began, thread_cpu() - generator_before);
    world.recording = false;
    let memory = server.process().memory()?;
    world.mute();
    server.publish(world)?;
    let sent: u64 = world.lines.iter().map(|line| line.sent).sum();
    let received = server.received(world)? - received_before;
    if !server.end(world)? {
        println!("  not all calls have ended 5 s after their callers hung up");
    }
    server.process().check_alive()?;
    let share = |spent: Nanos| spent as f64 / length as f64;
    Ok(Point {
        load: *load,
        repeats: 0,
        bare,
        up,
        faults: faults(world),
        cpu_per_call_second: (cpu as f64 / up as f64 / (length as f64 / SECOND as f64)) as Nanos,
        cpu_idle,
        node_share: share(cpu),
        generator_share: share(generator),
        memory_per_call: memory.saturating_sub(memory_idle) / up as u64,
        memory_idle,
        towards_node: (sent, sent as i64 - received as i64),
        generator: Spread::of(std::mem::take(&mut world.lateness)),
        skipped: world.skipped,
        kbits_to_callers: kbits_to_callers(world),
        paced: None,
        seen: judge(world, load.codecs.is_transcoded())?,
    })
}

/// The node's processor time while `world` runs for `length`.
fn used(world: &mut World, server: &mut Server, length: Nanos) -> Result<Nanos, String> {
    let before = server.process().cpu()?;
    world.run_until(now() + length)?;
    Ok(server.process().cpu()? - before)
}

fn plan_handoffs(world: &mut World, load: &Load, window: Nanos) {
    let count = (load.calls as f64 * load.handoff).round() as usize;
    let (from, to) = HANDOFFS;
    let begin = now();
    // The last calls: the first are listened to.
    for (index, call) in (0..world.calls.len()).rev().take(count).enumerate() {
        let share = from + (to - from) * index as f64 / count as f64;
        world.hand_off(call, begin + (window as f64 * share) as Nanos);
    }
}

/// Bits in 20 ms packets that came to callers, by the milliseconds that these sound.
fn kbits_to_callers(world: &World) -> f64 {
    let lines = world.calls.iter().filter_map(|call| call.lines[Party::Caller as usize]);
    let sum = |(packets, octets), line: usize| {
        (packets + world.lines[line].received, octets + world.lines[line].octets)
    };
    let (packets, octets) = lines.fold((0, 0), sum);
    octets as f64 * 8.0 / (packets.max(1) * 20) as f64
}

/// How many calls had a fault, and the first kinds.
fn faults(world: &World) -> (usize, Vec<String>) {
    let all: Vec<&String> = world.calls.iter().filter_map(|call| call.fault.as_ref()).collect();
    let mut kinds: Vec<String> = Vec::new();
    for fault in &all {
        if kinds.len() < FAULTS_TOLD && !kinds.contains(fault) {
            kinds.push((*fault).clone());
        }
    }
    (all.len(), kinds)
}
