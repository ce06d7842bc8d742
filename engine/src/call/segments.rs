//! What each part of a call was like: with the AI, waiting, with a person; for record, API and metrics.
//!
//! It leaves out measuring, which is the session's.

use serde::Serialize;

use baton_signaling::Time;

use crate::call::Role;
use crate::call::call::Call;
use crate::call::record::{CallSnapshot, LegSnapshot};
use crate::key::LegId;
use crate::media::{Measured, Segment, StreamFigures};

/// Most entries kept: a handoff makes two or three, with at most so many handoffs as the limits allow. Beyond it the
/// latest are left out and counted.
pub const SEGMENTS_MAX: usize = 128;

/// One leg in one part of the call.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SegmentFigures {
    /// Who stood behind the caller.
    pub segment: Segment,
    /// Whose leg.
    pub role: Role,
    /// The leg.
    pub leg: LegId,
    /// When the part began.
    pub began: Time,
    /// When it ended; `None` while it is under way.
    pub ended: Option<Time>,
    /// What the leg's stream was like.
    pub stream: StreamFigures,
}

/// The parts of one call, in the order in which they ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Segments {
    entries: Vec<SegmentFigures>,
    /// Entries left out.
    omitted: u64,
}

impl Segments {
    /// All that were kept.
    pub fn entries(&self) -> &[SegmentFigures] {
        &self.entries
    }

    fn push(&mut self, entry: SegmentFigures) {
        if self.entries.len() < SEGMENTS_MAX {
            self.entries.push(entry);
        } else {
            self.omitted += 1;
        }
    }
}

impl Call {
    /// The session has measured parts and legs that are over.
    pub(super) fn measured(&mut self, now: Time, measured: Vec<Measured>) {
        for Measured { leg: id, segment, began, stream } in measured {
            let Some(leg) = self.leg_mut(id) else { continue };
            let role = leg.role;
            match segment {
                None => leg.media = Some(stream),
                Some(segment) => {
                    let entry = SegmentFigures { segment, role, leg: id, began, ended: Some(now), stream };
                    self.segments.push(entry);
                }
            }
        }
    }

    /// The parts that are over.
    pub fn segments(&self) -> &Segments {
        &self.segments
    }
}

impl CallSnapshot {
    /// Adds what is under way: what the session says of legs that live, and of the current part.
    pub fn add_measured(&mut self, measured: Vec<Measured>) {
        for Measured { leg: id, segment, began, stream } in measured {
            let Some(leg) = self.legs.iter_mut().find(|leg: &&mut LegSnapshot| leg.id == id) else {
                continue;
            };
            let role = leg.role;
            match segment {
                None => leg.media = Some(stream),
                Some(segment) => {
                    self.segments.push(SegmentFigures { segment, role, leg: id, began, ended: None, stream });
                }
            }
        }
    }
}
