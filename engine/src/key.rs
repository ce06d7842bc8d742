//! The ids by which the parts of a node name calls and legs to each other.

use serde::{Deserialize, Serialize};

/// A call on this node: the shard in the upper 16 bits, a count that never repeats in the lower 48.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallKey(u64);

impl CallKey {
    /// The call numbered `count` on `shard`.
    pub const fn new(shard: u16, count: u64) -> Self {
        Self((shard as u64) << 48 | (count & 0xffff_ffff_ffff))
    }

    /// The shard on which the call lives and dies.
    pub const fn shard(self) -> u16 {
        (self.0 >> 48) as u16
    }
}

/// A leg within its call, numbered in the order the legs were made; a number is never used twice in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LegId(pub u16);

impl LegId {
    /// The caller's leg: always the first.
    pub const CALLER: Self = Self(0);
}
