//! Bursts and gaps of a received stream, exactly as RFC 3611 §4.7.2 defines them, in whole numbers.
//!
//! A packet is fed once, in the order of its number, when its fate is known ([`super::fates`]). It leaves out the Markov
//! model of the RFC's Appendix A.2: the same figures are counted directly.

use serde::{Deserialize, Serialize};

/// So many packets in a row that were received and not discarded end a burst (§4.7.2 recommends 16).
pub const GMIN: u8 = 16;

/// Fates of a stream's packets, counted. All only rise, but for what the last [`GMIN`] packets may yet turn a lonely
/// loss into; the difference of two of them is what happened between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BurstCounts {
    /// Packets whose fate is known.
    pub packets: u64,
    /// Of those, packets that never came.
    pub lost: u64,
    /// Of those, packets that came after their turn.
    pub discarded: u64,
    /// Uninterrupted rows of missing packets, one packet long or longer.
    pub rows: u64,
    /// Bursts: stretches that begin and end with a missing packet, have two or more, and never [`GMIN`] good ones in a row.
    pub bursts: u64,
    /// Packets within bursts.
    pub burst_packets: u64,
    /// Missing packets within bursts.
    pub burst_missing: u64,
    /// Gaps: what lies before, between and after bursts.
    pub gaps: u64,
}

impl BurstCounts {
    /// Packets lost or discarded.
    pub fn missing(&self) -> u64 {
        self.lost + self.discarded
    }

    /// What happened since `before`.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            packets: self.packets.saturating_sub(before.packets),
            lost: self.lost.saturating_sub(before.lost),
            discarded: self.discarded.saturating_sub(before.discarded),
            rows: self.rows.saturating_sub(before.rows),
            bursts: self.bursts.saturating_sub(before.bursts),
            burst_packets: self.burst_packets.saturating_sub(before.burst_packets),
            burst_missing: self.burst_missing.saturating_sub(before.burst_missing),
            gaps: self.gaps.saturating_sub(before.gaps),
        }
    }

    /// Share of missing packets within bursts, 0 to 1.
    pub fn burst_density(&self) -> f64 {
        share(self.burst_missing, self.burst_packets)
    }

    /// Share of missing packets outside bursts, 0 to 1.
    pub fn gap_density(&self) -> f64 {
        share(self.missing().saturating_sub(self.burst_missing), self.gap_packets())
    }

    /// Mean length of a burst, in packets.
    pub fn burst_length(&self) -> f64 {
        self.burst_packets as f64 / self.bursts.max(1) as f64
    }

    /// Mean length of a gap, in packets.
    pub fn gap_length(&self) -> f64 {
        self.gap_packets() as f64 / self.gaps.max(1) as f64
    }

    /// ITU-T G.107 §7.5, BurstR: mean length of a row of missing packets against that of random loss, which is
    /// 1/(1 - loss). At least 1: a stream that loses every packet is no even one.
    pub fn burst_ratio(&self) -> f64 {
        if self.rows == 0 {
            return 1.0;
        }
        let length = self.missing() as f64 / self.rows as f64;
        (length * (1.0 - share(self.missing(), self.packets))).max(1.0)
    }

    fn gap_packets(&self) -> u64 {
        self.packets.saturating_sub(self.burst_packets)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64).min(1.0) }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It came in time.
    Good,
    /// It never came.
    Lost,
    /// It came too late.
    Discarded,
}

/// The machine that counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bursts {
    counts: BurstCounts,
    /// From the first missing packet of a stretch that has not ended to its last one, and how many are missing in it.
    open_packets: u64,
    open_missing: u64,
    /// Good packets since the last missing one of that stretch.
    good: u64,
    /// Packets since the last burst, without the open stretch.
    gap: u64,
    in_row: bool,
}

impl Bursts {
    /// The next packet by number.
    pub fn feed(&mut self, fate: Fate) {
        match fate {
            Fate::Good => self.good(),
            Fate::Lost => self.lost(1),
            Fate::Discarded => {
                self.counts.discarded += 1;
                self.missing(1);
            }
        }
    }

    /// The next `count` packets by number were lost.
    pub fn lost(&mut self, count: u64) {
        if count > 0 {
            self.counts.lost += count;
            self.missing(count);
        }
    }

    fn good(&mut self) {
        self.counts.packets += 1;
        self.in_row = false;
        if self.open_missing == 0 {
            self.gap += 1;
            return;
        }
        self.good += 1;
        if self.good == u64::from(GMIN) {
            self.close();
        }
    }

    fn missing(&mut self, count: u64) {
        self.counts.packets += count;
        self.counts.rows += u64::from(!std::mem::replace(&mut self.in_row, true));
        self.open_packets += self.good + count;
        self.open_missing += count;
        self.good = 0;
    }

    /// The open stretch is over: a burst, or a lonely loss, which belongs to the gap around it.
    fn close(&mut self) {
        if self.open_missing > 1 {
            self.counts.bursts += 1;
            self.counts.burst_packets += self.open_packets;
            self.counts.burst_missing += self.open_missing;
            self.counts.gaps += u64::from(self.gap > 0);
            self.gap = 0;
        } else {
            self.gap += self.open_packets;
        }
        self.gap += self.good;
        (self.open_packets, self.open_missing, self.good) = (0, 0, 0);
    }

    /// What has been counted, as though [`GMIN`] good packets followed (§4.7.2).
    pub fn counts(mut self) -> BurstCounts {
        self.close();
        self.counts.gaps += u64::from(self.gap > 0);
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pattern: impl IntoIterator<Item = bool>) -> BurstCounts {
        let mut bursts = Bursts::default();
        for good in pattern {
            bursts.feed(if good { Fate::Good } else { Fate::Lost });
        }
        bursts.counts()
    }

    fn pattern(text: &str) -> Vec<bool> {
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c == '1').collect()
    }

    #[test]
    fn a_lonely_loss_belongs_to_the_gap_and_two_near_ones_are_a_burst() {
        let lonely = counts(pattern(&format!("{0}0{0}", "1".repeat(20))));
        assert_eq!((lonely.bursts, lonely.gaps, lonely.lost), (0, 1, 1));
        assert_eq!(lonely.gap_density(), 1.0 / 41.0);
        let near = counts(pattern(&format!("{0}0{1}0{0}", "1".repeat(20), "1".repeat(15))));
        assert_eq!((near.bursts, near.burst_packets, near.burst_missing, near.gaps), (1, 17, 2, 2));
        assert_eq!((near.burst_length(), near.gap_length(), near.gap_density()), (17.0, 20.0, 0.0));
        let far = counts(pattern(&format!("{0}0{1}0{0}", "1".repeat(20), "1".repeat(16))));
        assert_eq!((far.bursts, far.gaps), (0, 1));
    }

    #[test]
    fn a_stream_that_begins_or_ends_in_a_burst_has_a_gap_less() {
        let begins = counts(pattern(&format!("00{}", "1".repeat(30))));
        assert_eq!((begins.bursts, begins.gaps, begins.gap_length()), (1, 1, 30.0));
        let only = counts(pattern("0000"));
        assert_eq!((only.bursts, only.gaps, only.burst_density()), (1, 0, 1.0));
        assert_eq!(counts([]), BurstCounts::default());
    }

    #[test]
    fn a_loss_at_the_end_may_yet_become_a_burst() {
        let mut bursts = Bursts::default();
        (0..20).for_each(|_| bursts.feed(Fate::Good));
        bursts.feed(Fate::Discarded);
        assert_eq!(bursts.counts().bursts, 0);
        bursts.feed(Fate::Good);
        bursts.feed(Fate::Lost);
        let counts = bursts.counts();
        assert_eq!((counts.bursts, counts.burst_packets, counts.lost, counts.discarded), (1, 3, 1, 1));
    }

    #[test]
    fn many_lost_at_once_count_as_one_by_one() {
        let (mut once, mut each) = (Bursts::default(), Bursts::default());
        for bursts in [&mut once, &mut each] {
            (0..9).for_each(|_| bursts.feed(Fate::Good));
        }
        once.lost(1000);
        (0..1000).for_each(|_| each.feed(Fate::Lost));
        assert_eq!(once.counts(), each.counts());
    }

    /// RFC 3611 Appendix A.2, of two states of loss with 16 packets between, as its text gives it: burst and gap density.
    fn markov(pattern: &[bool]) -> (f64, f64) {
        let (mut c11, mut c13, mut c14, mut c22, mut c23, mut c33) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        // The session is taken to be preceded by enough good packets.
        let (mut pkt, mut lost) = (16u32, 0u32);
        let mut first = true;
        for good in pattern {
            if *good {
                pkt += 1;
                continue;
            }
            if pkt >= 16 {
                if lost == 1 {
                    c14 += 1.0;
                } else if !first {
                    c13 += 1.0;
                }
                lost = 1;
                c11 += f64::from(if first { pkt - 16 } else { pkt });
            } else {
                lost += 1;
                if pkt == 0 {
                    c33 += 1.0;
                } else {
                    c23 += 1.0;
                    c22 += f64::from(pkt - 1);
                }
            }
            (pkt, first) = (0, false);
        }
        // What ended the last stretch: a burst, or a lonely loss; and the good packets after it.
        if lost == 1 {
            c14 += 1.0
        } else {
            c13 += 1.0
        }
        c11 += f64::from(pkt);
        let p32 = c23 / (c13 + c23 + c33);
        let p23 = 1.0 - c22 / (c22 + c23);
        (p23 / (p23 + p32), c14 / (c11 + c14))
    }

    #[test]
    fn densities_are_those_of_the_rfcs_own_algorithm() {
        let mut dice = 7u64;
        let mut roll = move || {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % 1000
        };
        let (mut bad, mut pattern) = (false, Vec::new());
        for _ in 0..20_000 {
            bad = if bad { roll() >= 80 } else { roll() < 8 };
            pattern.push(roll() >= if bad { 350 } else { 5 });
        }
        let (burst, gap) = markov(&pattern);
        let counts = counts(pattern);
        assert!(counts.bursts > 20);
        assert!((counts.burst_density() - burst).abs() < 1e-9, "{} {burst}", counts.burst_density());
        assert!((counts.gap_density() - gap).abs() < 1e-9, "{} {gap}", counts.gap_density());
    }

    #[test]
    fn random_loss_has_a_burst_ratio_of_one_and_loss_in_threes_of_nearly_three() {
        let mut dice = 1u64;
        let mut roll = move || {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % 100
        };
        let random = counts((0..100_000).map(|_| roll() >= 5));
        assert!((1.0..1.03).contains(&random.burst_ratio()), "{}", random.burst_ratio());
        let threes = counts((0..6_000).map(|n| n % 60 >= 3));
        assert!((threes.burst_ratio() - 3.0 * 0.95).abs() < 0.01, "{}", threes.burst_ratio());
        assert_eq!(counts([false; 50]).burst_ratio(), 1.0);
    }
}
