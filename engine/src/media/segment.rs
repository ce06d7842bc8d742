//! The parts of a call, by who stands behind the caller: the AI, a queue, a person. Each is measured from the order that
//! begins it to the order that ends it.
//!
//! It leaves out what is measured ([`super::figures`]). Orders alone change parts, so what was measured is handed over
//! where an order is carried out, and no packet and no tick pays for it.

use baton_signaling::Time;
use serde::{Deserialize, Serialize};

use super::session::Session;
use super::{Order, StreamFigures};
use crate::key::LegId;

/// Who stands behind the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Segment {
    /// The AI.
    Ai,
    /// Nobody: the rest of a sentence, hold audio, an announcement.
    Queue,
    /// A person.
    Human,
}

impl Segment {
    /// The metric's label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ai => "ai",
            Self::Queue => "queue",
            Self::Human => "human",
        }
    }
}

/// A leg's stream over a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The leg.
    pub leg: LegId,
    /// The part of the call; `None`: the whole leg, from its first packet on.
    pub segment: Option<Segment>,
    /// When it began.
    pub began: Time,
    /// What it was like.
    pub stream: StreamFigures,
}

/// The part under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    segment: Segment,
    began: Time,
    /// Whose leg it is about besides the caller's.
    other: Option<LegId>,
}

/// What a session remembers of its parts.
#[derive(Debug, Default)]
pub(super) struct Parts {
    current: Option<Part>,
    /// The latest person: bridged to them again, a caller is with a person.
    person: Option<LegId>,
    /// Measured, and not taken yet.
    done: Vec<Measured>,
}

impl Session {
    /// What was measured up to the last order: parts of the call and legs that are over.
    pub fn take_measured(&mut self) -> Vec<Measured> {
        std::mem::take(&mut self.parts.done)
    }

    /// What is under way, as it stands: all legs, and the current part of the call.
    pub fn measure(&self) -> Vec<Measured> {
        let legs = self.legs.iter().filter(|leg| leg.closing.is_none());
        let part = self.parts.current;
        legs.flat_map(|leg| {
            let whole = Measured { leg: leg.id, segment: None, began: leg.began, stream: leg.figures() };
            let of_part = part.filter(|part| part.is_about(leg.id)).map(|part| Measured {
                leg: leg.id,
                segment: Some(part.segment),
                began: part.began,
                stream: leg.segment_figures(),
            });
            [Some(whole), of_part].into_iter().flatten()
        })
        .collect()
    }

    /// An order is about to be carried out: ends the part it ends, and notes legs that it closes.
    pub(super) fn part_ends(&mut self, order: &Order) {
        match order {
            Order::Close { leg } => self.leg_ends(*leg),
            Order::End => {
                for at in 0..self.legs.len() {
                    self.leg_ends(self.legs[at].id);
                }
                self.parts.current = None;
            }
            _ => {
                let next = self.next_part(order);
                if next.is_some() && self.parts.current.map(|part| (part.segment, part.other)) != next {
                    self.measure_part(LegId::CALLER);
                    if let Some(other) = self.parts.current.and_then(|part| part.other) {
                        self.measure_part(other);
                    }
                    self.parts.current = None;
                }
            }
        }
    }

    /// An order was carried out: begins the part it begins.
    pub(super) fn part_begins(&mut self, now: Time, order: Option<(Segment, Option<LegId>)>) {
        let Some((segment, other)) = order.filter(|_| self.parts.current.is_none()) else { return };
        if segment == Segment::Human {
            self.parts.person = other;
        }
        self.parts.current = Some(Part { segment, began: now, other });
        for leg in self.legs.iter_mut().filter(|leg| leg.id == LegId::CALLER || Some(leg.id) == other) {
            leg.begin_segment();
        }
    }

    /// The part that an order leads to, if it leads to any.
    pub(super) fn next_part(&self, order: &Order) -> Option<(Segment, Option<LegId>)> {
        match order {
            Order::Bridge { with } if self.parts.person == Some(*with) => Some((Segment::Human, Some(*with))),
            Order::Bridge { with } => Some((Segment::Ai, Some(*with))),
            Order::Park { .. } | Order::Announce { .. } => Some((Segment::Queue, None)),
            Order::Join { agent, .. } => Some((Segment::Human, Some(*agent))),
            _ => None,
        }
    }

    fn leg_ends(&mut self, id: LegId) {
        let Some(leg) = self.legs.iter().find(|leg| leg.id == id && leg.closing.is_none()) else { return };
        let whole = Measured { leg: id, segment: None, began: leg.began, stream: leg.figures() };
        self.parts.done.push(whole);
        self.measure_part(id);
        if let Some(part) = self.parts.current.as_mut().filter(|part| part.other == Some(id)) {
            part.other = None;
        }
    }

    /// Measures one leg of the current part.
    fn measure_part(&mut self, id: LegId) {
        let Some(part) = self.parts.current.filter(|part| part.is_about(id)) else { return };
        let Some(leg) = self.legs.iter().find(|leg| leg.id == id) else { return };
        self.parts.done.push(Measured {
            leg: id,
            segment: Some(part.segment),
            began: part.began,
            stream: leg.segment_figures(),
        });
    }
}

impl Part {
    fn is_about(&self, leg: LegId) -> bool {
        leg == LegId::CALLER || self.other == Some(leg)
    }
}
