//! What a context lost, by reason.

use serde::{Deserialize, Serialize};

/// Headers lost or changed, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Losses {
    /// No header name, or one that is too long, or a new name that may not be written.
    pub bad_name: u32,
    /// Not on the flow's `allow` list.
    pub not_allowed: u32,
    /// Credentials and our own headers, which are never passed on.
    pub secret: u32,
    /// Line ends, control characters or bytes that are not UTF-8 had to go; the rest was kept.
    pub cleaned: u32,
    /// The same name twice.
    pub duplicate: u32,
    /// Another value for a name, overruled by a later or more particular source.
    pub overruled: u32,
    /// More names than are kept.
    pub no_room: u32,
    /// Value cut to the budget.
    pub shortened: u32,
    /// Left out, since half of an id or of an encoded value is none.
    pub too_long: u32,
    /// More headers than the budget allows.
    pub over_budget: u32,
}

impl Losses {
    /// Each reason with its count, for metrics and records.
    pub const fn by_reason(&self) -> [(&'static str, u32); 10] {
        [
            ("bad_name", self.bad_name),
            ("not_allowed", self.not_allowed),
            ("secret", self.secret),
            ("cleaned", self.cleaned),
            ("duplicate", self.duplicate),
            ("overruled", self.overruled),
            ("no_room", self.no_room),
            ("shortened", self.shortened),
            ("too_long", self.too_long),
            ("over_budget", self.over_budget),
        ]
    }

    /// All together.
    pub fn total(&self) -> u32 {
        self.by_reason().iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Adds another's counts.
    pub(super) fn add(&mut self, other: &Self) {
        let Self {
            bad_name,
            not_allowed,
            secret,
            cleaned,
            duplicate,
            overruled,
            no_room,
            shortened,
            too_long,
            over_budget,
        } = other;
        self.bad_name += bad_name;
        self.not_allowed += not_allowed;
        self.secret += secret;
        self.cleaned += cleaned;
        self.duplicate += duplicate;
        self.overruled += overruled;
        self.no_room += no_room;
        self.shortened += shortened;
        self.too_long += too_long;
        self.over_budget += over_budget;
    }
}
