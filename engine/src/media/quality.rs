//! What a listener would say: the mean opinion score that the E-model (ITU-T G.107) estimates from loss, delay and
//! codec. Narrowband scale; it leaves out echo, level and noise, which take their default values.

/// How a codec fares in the E-model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impairment {
    /// Equipment impairment factor Ie without loss.
    pub ie: f64,
    /// Packet-loss robustness factor Bpl.
    pub bpl: f64,
}

impl Impairment {
    /// G.711 with concealment (ITU-T G.113 Appendix I, table I.4: Ie 0, Bpl 25.1).
    pub const G711: Self = Self { ie: 0.0, bpl: 25.1 };
    /// Opus used as a narrowband speech codec. No ITU recommendation gives its factors; these are those of G.711 with
    /// concealment and the small coding loss of a codec near transparency, so scores compare with those of G.711.
    pub const OPUS: Self = Self { ie: 2.0, bpl: 25.1 };

    /// The factors for an SDP encoding name; an unknown one counts as G.711.
    pub fn of(encoding: &str) -> Self {
        if encoding.eq_ignore_ascii_case("opus") { Self::OPUS } else { Self::G711 }
    }
}

/// Mean opinion score (1.0–4.5) of a stream that lost `loss` (0.0–1.0) of its packets at random and took `delay_ms`
/// from mouth to ear.
pub fn mos(codec: Impairment, loss: f64, delay_ms: f64) -> f64 {
    let loss_percent = loss.clamp(0.0, 1.0) * 100.0;
    // G.107 §7.5 with BurstR = 1.
    let ie_eff = codec.ie + (95.0 - codec.ie) * loss_percent / (loss_percent + codec.bpl);
    // G.107 §7.4: Idd grows beyond 100 ms; the usual piecewise fit of its curve with echo cancelled.
    let id = 0.024 * delay_ms + if delay_ms > 177.3 { 0.11 * (delay_ms - 177.3) } else { 0.0 };
    from_rating(93.2 - id - ie_eff)
}

/// G.107 Annex B: the score of a rating R.
fn from_rating(r: f64) -> f64 {
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

    #[test]
    fn a_clean_g711_stream_scores_what_the_standard_says() {
        assert!((mos(Impairment::G711, 0.0, 0.0) - 4.41).abs() < 0.01);
    }

    #[test]
    fn loss_and_delay_only_ever_lower_the_score() {
        let mut last = 5.0;
        for loss in 0..=100 {
            let score = mos(Impairment::OPUS, f64::from(loss) / 100.0, 50.0);
            assert!(score <= last && score >= 1.0);
            last = score;
        }
        assert!(mos(Impairment::G711, 0.0, 400.0) < mos(Impairment::G711, 0.0, 100.0) - 0.5);
    }
}
