//! How fast calls are set up: INVITE, 200, ACK, BYE, with nobody speaking.

use std::path::Path;

use crate::figures::Spread;
use crate::frames::Voice;
use crate::machine::{Cores, Nanos, SECOND, now};
use crate::node::Node;
use crate::options::Codecs;
use crate::world::{Style, Voices, World};

/// Until the last call has its answer.
const PATIENCE: Nanos = 10 * SECOND;
/// A call in the node is over within a second of its BYE.
const OVER: Nanos = 3 * SECOND;
/// Calls before the measurement, for both sides to be warm.
const WARM_UP_CALLS: usize = 20;
/// How fast these come.
const WARM_UP_RATE: u32 = 20;
/// Kinds of fault that are told.
const FAULTS_TOLD: usize = 3;

/// What a run showed.
#[derive(Clone, Debug)]
pub(crate) struct SetUps {
    /// Set-ups a second that were asked for.
    pub rate: u32,
    /// Calls begun.
    pub calls: usize,
    /// Calls begun in a second, as it came.
    pub reached: f64,
    /// Calls that did not come up, or ended badly.
    pub failures: usize,
    /// Why, for the first kinds.
    pub faults: Vec<String>,
    /// From the caller's INVITE to its 200.
    pub set_up: Option<Spread>,
    /// The node's processor time for one such call.
    pub cpu_per_call: Nanos,
    /// Legs at the AI that the node had not ended 3 s after the last answer.
    pub left: bool,
}

/// Sets up `rate` calls a second for `seconds`.
pub(crate) fn run(program: &Path, cores: Cores, rate: u32, seconds: u64) -> Result<SetUps, String> {
    let folder = crate::target()?;
    let codecs = Codecs { caller: Voice::Pcmu, ai: Voice::Pcmu };
    let mut world = World::new(Voices::new(codecs)?, Style::SetUpOnly)?;
    cores.pin_node()?;
    let mut node = Node::start(program, &folder, &world, codecs)?;
    cores.pin_generator()?;
    world.meet(node.sip);
    world.begin(WARM_UP_CALLS, WARM_UP_RATE, 0);
    world.run_to(PATIENCE, World::is_settled)?;
    world.run_to(OVER, World::is_empty)?;
    world.clear();
    let calls = rate as usize * seconds as usize;
    let (began, before) = (now(), node.process.cpu()?);
    world.begin(calls, rate, 0);
    world.run_to(seconds as Nanos * SECOND + PATIENCE, World::has_begun)?;
    let took = now() - began;
    world.run_to(PATIENCE, World::is_settled)?;
    let left = !world.run_to(OVER, World::is_empty)?;
    let cpu = node.process.cpu()? - before;
    node.process.check_alive()?;
    let mut faults: Vec<String> = Vec::new();
    for fault in world.calls.iter().filter_map(|call| call.fault.as_ref()) {
        if faults.len() < FAULTS_TOLD && !faults.contains(fault) {
            faults.push(fault.clone());
        }
    }
    let set_up = world.calls.iter().filter_map(|call| Some(call.answered? - call.invited)).collect();
    let result = SetUps {
        rate,
        calls: world.calls.len(),
        reached: world.calls.len() as f64 / (took as f64 / SECOND as f64),
        failures: world.calls.iter().filter(|call| call.answered.is_none() || call.fault.is_some()).count(),
        faults,
        set_up: Spread::of(set_up),
        cpu_per_call: cpu / world.calls.len().max(1) as Nanos,
        left,
    };
    node.process.stop()?;
    Ok(result)
}
