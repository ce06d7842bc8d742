//! Many measurements as a few figures.

use serde_json::{Value, json};

use crate::machine::Nanos;

/// How measurements spread, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spread {
    /// How many there were.
    pub count: usize,
    /// Half are below.
    pub p50: Nanos,
    /// 99 % are below.
    pub p99: Nanos,
    /// 99.9 % are below.
    pub p999: Nanos,
    /// None is above.
    pub max: Nanos,
}

impl Spread {
    /// Of these; `None` if there are none.
    pub(crate) fn of(mut all: Vec<Nanos>) -> Option<Self> {
        all.sort_unstable();
        let &max = all.last()?;
        // The nearest rank: the least value that is not below the share.
        let at = |mille: usize| all[(all.len() * mille).div_ceil(1000).max(1) - 1];
        Some(Self { count: all.len(), p50: at(500), p99: at(990), p999: at(999), max })
    }

    /// In milliseconds.
    pub(crate) fn json(self) -> Value {
        let ms = |nanos: Nanos| (nanos as f64 / 1e3).round() / 1e3;
        json!({
            "count": self.count,
            "p50_ms": ms(self.p50),
            "p99_ms": ms(self.p99),
            "p99.9_ms": ms(self.p999),
            "max_ms": ms(self.max),
        })
    }
}
