//! What a listener would say: the E-model of ITU-T G.107 (narrowband) and G.107.1 (wideband), from loss and its
//! distribution, delay and codec.
//!
//! It leaves out echo, level, noise and the advantage factor, which take their default values: they are the far ends'
//! and cannot be measured here. It leaves out the fullband model of G.107.2: G.113 gives its factors for EVS alone, so
//! a fullband score of Opus would be a guess; Opus of any bandwidth above narrowband is rated as wideband speech.
//! Scores of the two scales cannot be compared: each says how good a connection is among those of its kind.

use serde::{Deserialize, Serialize};

/// By which model a stream is rated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// G.107: 300–3400 Hz, R up to 93.2.
    #[default]
    Narrowband,
    /// G.107.1: 50–7000 Hz, R up to 129.
    Wideband,
}

impl Scale {
    /// The metric's label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Narrowband => "nb",
            Self::Wideband => "wb",
        }
    }

    /// R of a clean line with all defaults: Ro - Is. G.107 §7.7 gives 93.2, G.107.1 §7.7 129.
    const fn clean(self) -> f64 {
        match self {
            Self::Narrowband => 93.2,
            Self::Wideband => 129.0,
        }
    }

    /// What R is divided by before it becomes a score: G.107.1 Annex A stretches the scale of G.107 Annex B.
    const fn stretch(self) -> f64 {
        match self {
            Self::Narrowband => 1.0,
            Self::Wideband => 1.29,
        }
    }
}

/// How a codec fares in the E-model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impairment {
    /// Equipment impairment factor Ie without loss.
    pub ie: f64,
    /// Packet-loss robustness factor Bpl.
    pub bpl: f64,
}

impl Impairment {
    /// G.711 with concealment like that of its Appendix I (G.113 Appendix I: Ie 0, Bpl 25.1).
    pub const G711: Self = Self { ie: 0.0, bpl: 25.1 };
    /// Opus that is decoded at 8 kHz. G.113 has no factors for it; these are those of G.711 with concealment and the
    /// small coding loss of a codec near transparency, so scores compare with those of G.711.
    pub const OPUS: Self = Self { ie: 2.0, bpl: 25.1 };
    /// Opus that is passed on with 8 kHz of bandwidth or more. G.113 has no factors for it either. Ie is that of the
    /// codec nearest to it that has one, G.722.2 at 23.85 kbit/s (Table IV.1); Bpl that of a codec without concealment,
    /// since we cannot know whether the far decoder uses FEC.
    pub const OPUS_WIDEBAND: Self = Self { ie: 8.0, bpl: 4.3 };

    /// The factors for an SDP encoding name on a scale; an unknown name counts as G.711.
    pub fn of(encoding: &str, scale: Scale) -> Self {
        match (encoding.eq_ignore_ascii_case("opus"), scale) {
            (true, Scale::Wideband) => Self::OPUS_WIDEBAND,
            (true, Scale::Narrowband) => Self::OPUS,
            (false, _) => Self::G711,
        }
    }

    /// Ie,eff (G.107 §7.5, G.107.1 §7.5) of a stream that misses `loss` (0–1) of its packets, in rows `burst_ratio` times
    /// as long as random loss would make them.
    pub fn effective(self, loss: f64, burst_ratio: f64) -> f64 {
        let percent = loss.clamp(0.0, 1.0) * 100.0;
        self.ie + (95.0 - self.ie) * percent / (percent / burst_ratio.max(1.0) + self.bpl)
    }
}

/// A way from a mouth to an ear.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Path {
    /// By which model it is rated.
    pub scale: Scale,
    /// Its codec.
    pub codec: Impairment,
    /// Share of packets lost or discarded, 0–1.
    pub loss: f64,
    /// BurstR: 1 for random loss, more if it comes in rows.
    pub burst_ratio: f64,
    /// Mouth to ear, in milliseconds.
    pub delay_ms: f64,
}

/// What the E-model says of a [`Path`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rating {
    /// Transmission rating, on the path's scale.
    pub r: f64,
    /// Listening quality: delay left out. 1.0–4.5.
    pub mos_lq: f64,
    /// Conversational quality. 1.0–4.5.
    pub mos_cq: f64,
}

impl Path {
    /// Rates the path.
    pub fn rate(&self) -> Rating {
        let heard = self.scale.clean() - self.codec.effective(self.loss, self.burst_ratio);
        // On the longer scale a delay weighs as much of the whole as on the shorter one.
        let r = heard - self.scale.stretch() * delay_impairment(self.delay_ms);
        let score = |r: f64| score(r / self.scale.stretch());
        Rating { r: r.max(0.0), mos_lq: score(heard), mos_cq: score(r) }
    }
}

impl Rating {
    /// R on the scale of 0 to 100, whatever the model: what RFC 3611 §4.7.5 carries.
    pub fn r_of_hundred(&self, scale: Scale) -> f64 {
        self.r / scale.stretch()
    }
}

/// Idd (G.107 §7.4): what too long an absolute delay spoils, echo aside. sT 1 and mT 100 ms, the defaults.
pub fn delay_impairment(delay_ms: f64) -> f64 {
    if delay_ms <= 100.0 {
        return 0.0;
    }
    let x = (delay_ms / 100.0).log2();
    let root = |x: f64| (1.0 + x.powi(6)).powf(1.0 / 6.0);
    25.0 * (root(x) - 3.0 * root(x / 3.0) + 2.0)
}

/// G.107 Annex B: the score of a rating R.
pub fn score(r: f64) -> f64 {
    if r <= 0.0 {
        1.0
    } else if r >= 100.0 {
        4.5
    } else {
        (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(codec: Impairment, loss: f64, delay_ms: f64) -> Path {
        Path { scale: Scale::Narrowband, codec, loss, burst_ratio: 1.0, delay_ms }
    }

    #[test]
    fn the_defaults_of_g107_give_93_2_and_4_41() {
        let rating = path(Impairment::G711, 0.0, 0.0).rate();
        assert_eq!(rating.r, 93.2);
        assert!((rating.mos_cq - 4.41).abs() < 0.005 && rating.mos_lq == rating.mos_cq, "{rating:?}");
    }

    #[test]
    fn scores_are_those_of_table_b_1() {
        for (r, mos) in [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)] {
            // The table rounds up.
            assert!((score(r) - mos).abs() < 0.007, "{r}: {}", score(r));
        }
        assert_eq!((score(-1.0), score(0.0), score(100.0), score(129.0)), (1.0, 1.0, 4.5, 4.5));
    }

    #[test]
    fn effective_impairment_is_that_of_the_tables_of_g113() {
        // G.729A with VAD, random loss: G.113 gives Ie 11, Bpl 19, and rounds to whole numbers.
        let g729a = Impairment { ie: 11.0, bpl: 19.0 };
        let table = [(0.0, 11), (0.5, 13), (1.0, 15), (1.5, 17), (2.0, 19), (4.0, 26), (8.0, 36), (16.0, 49)];
        for (percent, ie) in table {
            let effective = g729a.effective(percent / 100.0, 1.0);
            assert!((effective - f64::from(ie)).abs() <= 0.5, "{percent} %: {effective}");
        }
        assert!((Impairment::G711.effective(0.05, 1.0) - 15.78).abs() < 0.01);
        assert!((Impairment::G711.effective(1.0, 1.0) - 75.94).abs() < 0.01);
    }

    #[test]
    fn loss_in_rows_is_worse_than_as_much_at_random() {
        let random = Impairment::G711.effective(0.05, 1.0);
        let rows = Impairment::G711.effective(0.05, 2.0);
        assert!((rows - 95.0 * 5.0 / (2.5 + 25.1)).abs() < 1e-9 && rows > random);
        assert!(Impairment::G711.effective(1.0, 0.0) > 70.0, "a stream that is all loss is no good one");
    }

    #[test]
    fn delay_costs_nothing_up_to_100_ms_and_follows_the_curve_beyond() {
        assert_eq!((delay_impairment(0.0), delay_impairment(100.0)), (0.0, 0.0));
        // X is 1 at 200 ms and 2 at 400 ms; the formula by hand.
        let by_hand = |x: f64| {
            25.0 * ((1.0 + x.powi(6)).powf(1.0 / 6.0) - 3.0 * (1.0 + (x / 3.0).powi(6)).powf(1.0 / 6.0) + 2.0)
        };
        for (ms, x, about) in [(200.0, 1.0, 3.04), (400.0, 2.0, 24.1), (800.0, 3.0, 40.8)] {
            assert!((delay_impairment(ms) - by_hand(x)).abs() < 1e-9);
            assert!((delay_impairment(ms) - about).abs() < 0.1, "{ms}: {}", delay_impairment(ms));
        }
        let late = path(Impairment::G711, 0.0, 400.0).rate();
        assert!(late.mos_lq - late.mos_cq > 0.8, "{late:?}");
    }

    #[test]
    fn wideband_ratings_are_those_published_for_g722_2() {
        // G.113 Table IV.1 on the scale of G.107.1 Annex A.
        for (ie, mos) in [(1.0, 4.49), (8.0, 4.42), (13.0, 4.34), (26.0, 4.02), (41.0, 3.51)] {
            let codec = Impairment { ie, bpl: 4.3 };
            let rating = Path { scale: Scale::Wideband, ..path(codec, 0.0, 0.0) }.rate();
            assert_eq!(rating.r, 129.0 - ie);
            assert!((rating.mos_cq - mos).abs() < 0.006, "{ie}: {rating:?}");
        }
        let best = Path { scale: Scale::Wideband, ..path(Impairment { ie: 0.0, bpl: 4.3 }, 0.0, 0.0) }.rate();
        assert_eq!((best.r, best.mos_cq, best.r_of_hundred(Scale::Wideband)), (129.0, 4.5, 100.0));
    }

    #[test]
    fn loss_and_delay_only_ever_lower_the_score() {
        for codec in [Impairment::G711, Impairment::OPUS] {
            let mut last = 5.0;
            for step in 0..=100 {
                let score = path(codec, f64::from(step) / 100.0, f64::from(step) * 8.0).rate().mos_cq;
                assert!(score <= last && score >= 1.0);
                last = score;
            }
        }
    }
}
