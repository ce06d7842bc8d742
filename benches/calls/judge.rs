//! What a window's records amount to: loss, pacing, delay, handoffs.

use std::collections::BTreeSet;

use crate::figures::Spread;
use crate::line::{Line, Stamp};
use crate::machine::Nanos;
use crate::marks::{self, Mark};
use crate::phone::Party;
use crate::world::{Call, FRAME, World};

/// What the parties saw in a window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Packets that came.
    pub arrived: usize,
    /// Those of them that came to callers.
    pub callers: usize,
    /// Gaps in their sequence numbers: what the node sent and nobody received.
    pub lost: usize,
    /// Lateness of each packet of a stream that the node makes, against that stream's own grid.
    pub pacing: Option<Spread>,
    /// From the send of a packet that is relayed to its receipt at the far side.
    pub relay: Option<Spread>,
    /// Marks from the caller to the AI.
    pub to_ai: Option<Spread>,
    /// Marks from the AI to the caller.
    pub to_caller: Option<Spread>,
    /// How far into its packet's sound a mark begins, median of each way.
    pub inside: [Option<Nanos>; 2],
    /// Handoffs asked for, and those after which a person had the caller.
    pub handoffs: (usize, usize),
    /// From REFER to the INVITE at the person.
    pub refer: Option<Spread>,
    /// Longest time between two packets to a caller that was handed off.
    pub gap_handed_off: Option<Nanos>,
    /// And to any other caller.
    pub gap_others: Option<Nanos>,
}

/// Judges the window that `world` has recorded.
pub(crate) fn judge(world: &World, transcoded: bool) -> Result<Seen, String> {
    let mut seen = Seen::default();
    let (mut pacing, mut relay, mut refers) = (Vec::new(), Vec::new(), Vec::new());
    let (mut to_ai, mut to_caller) = (Vec::new(), Vec::new());
    for call in &world.calls {
        let line = |party: Party| call.lines[party as usize].map(|index| &world.lines[index]);
        for (party, line) in Party::ALL.into_iter().filter_map(|party| Some((party, line(party)?))) {
            let (arrived, lost) = loss(&line.arrivals);
            seen.callers += if party == Party::Caller { arrived } else { 0 };
            seen.arrived += arrived;
            seen.lost += lost;
        }
        let (Some(caller), Some(ai)) = (line(Party::Caller), line(Party::Ai)) else { continue };
        see_handoff(call, caller, &mut seen, &mut refers);
        if call.referred.is_some() {
            // Its streams change their source, which is no fault of their pacing.
            continue;
        }
        if transcoded {
            pacing.extend(lateness(caller));
            pacing.extend(lateness(ai));
        } else {
            relay.extend(relayed(caller, ai));
            relay.extend(relayed(ai, caller));
        }
        if call.listened {
            let broken = |error: baton_codecs::CodecError| format!("no decoder: {error}");
            to_ai.extend(marks::through(caller, ai).map_err(broken)?);
            to_caller.extend(marks::through(ai, caller).map_err(broken)?);
        }
    }
    let delays = |marks: &[Mark]| Spread::of(marks.iter().map(|mark| mark.delay).collect());
    let inside =
        |marks: &[Mark]| Spread::of(marks.iter().map(|mark| mark.inside).collect()).map(|all| all.p50);
    seen.inside = [inside(&to_ai), inside(&to_caller)];
    (seen.to_ai, seen.to_caller) = (delays(&to_ai), delays(&to_caller));
    (seen.pacing, seen.relay, seen.refer) = (Spread::of(pacing), Spread::of(relay), Spread::of(refers));
    Ok(seen)
}

fn see_handoff(call: &Call, caller: &Line, seen: &mut Seen, refers: &mut Vec<Nanos>) {
    let gap = longest_gap(&caller.arrivals);
    let Some(referred) = call.referred else {
        seen.gap_others = seen.gap_others.max(gap);
        return;
    };
    seen.gap_handed_off = seen.gap_handed_off.max(gap);
    seen.handoffs.0 += 1;
    seen.handoffs.1 += usize::from(call.handed_off.is_some());
    refers.extend(call.person_invited.map(|invited| invited - referred));
}

/// Distinct packets that came, and how many between the first and the last did not.
fn loss(arrivals: &[Stamp]) -> (usize, usize) {
    let Some(first) = arrivals.first() else { return (0, 0) };
    let mut last = i64::from(first.seq);
    let number = |stamp: &Stamp| {
        // Sequence numbers are 16 bits; the nearest to the last one is meant (RFC 3550 §A.1).
        last += i64::from(stamp.seq.wrapping_sub(last as u16) as i16);
        last
    };
    let numbers: BTreeSet<i64> = arrivals.iter().map(number).collect();
    let (Some(low), Some(high)) = (numbers.first(), numbers.last()) else { return (0, 0) };
    let span = usize::try_from(high - low + 1).unwrap_or(0);
    (numbers.len(), span.saturating_sub(numbers.len()))
}

/// By how much each packet came after its instant, on the grid that the earliest of them and its RTP timestamp give.
fn lateness(line: &Line) -> Vec<Nanos> {
    let Some(first) = line.arrivals.first() else { return Vec::new() };
    let step = Nanos::from(line.voice().step());
    let offset = |stamp: &Stamp| {
        let passed = Nanos::from(stamp.timestamp.wrapping_sub(first.timestamp) as i32);
        stamp.at - first.at - passed * FRAME / step
    };
    let offsets: Vec<Nanos> = line.arrivals.iter().map(offset).collect();
    let least = offsets.iter().copied().min().unwrap_or(0);
    offsets.into_iter().map(|offset| offset - least).collect()
}

/// How long each packet took from one side's send to the other side's receipt. A relay shifts sequence numbers by a
/// constant, which the first packet tells: it is the latest that had been sent when it came.
fn relayed(from: &Line, to: &Line) -> Vec<Nanos> {
    let Some(first) =
        to.arrivals.iter().find(|came| from.sends.first().is_some_and(|sent| sent.at <= came.at))
    else {
        return Vec::new();
    };
    let Some(source) = from.sends.iter().rev().find(|sent| sent.at <= first.at) else { return Vec::new() };
    let Some(begin) = from.sends.first() else { return Vec::new() };
    let shift = first.seq.wrapping_sub(source.seq);
    let delay = |came: &Stamp| {
        let index = came.seq.wrapping_sub(shift).wrapping_sub(begin.seq);
        let sent = from.sends.get(usize::from(index))?;
        Some(came.at - sent.at).filter(|delay| *delay >= 0)
    };
    to.arrivals.iter().filter_map(delay).collect()
}

fn longest_gap(arrivals: &[Stamp]) -> Option<Nanos> {
    arrivals.windows(2).map(|pair| pair[1].at - pair[0].at).max()
}
