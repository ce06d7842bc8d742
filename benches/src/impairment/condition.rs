//! The faults of a line: which packets are lost and how late the others come, fixed by a seed.

use std::fmt;

use super::{Dice, FRAME_MS};

/// A kind of line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Condition {
    /// Nothing happens.
    Clean,
    /// So many percent of the packets are lost, each for itself. What is lost at 1 % is also lost at 10 %.
    Loss(u8),
    /// 5 % of the packets are lost, three in a row at a time.
    Bursts,
    /// Each packet is held up for up to 40 ms, evenly drawn; none overtakes another.
    Jitter,
    /// The talker's clock is off by 200 ppm: fast with even seeds, slow with odd ones.
    Drift,
    /// One packet in twenty comes 50 ms late, behind the two that follow it.
    Reorder,
}

/// What becomes of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// It never comes.
    pub lost: bool,
    /// When it is sent, in microseconds from the talker's first packet.
    pub sent_us: u64,
    /// When it comes, on the same clock.
    pub arrives_us: u64,
}

/// What the line takes at least, in microseconds: no delay that a session adds.
pub const LINE_US: u64 = 10_000;
/// Greatest delay of [`Condition::Jitter`].
const JITTER_US: f64 = 40_000.0;
/// How late [`Condition::Reorder`] makes a packet, and what share of them.
const OVERTAKEN: (u64, f64) = (50_000, 0.05);
/// Parts per million of [`Condition::Drift`].
const DRIFT_PPM: i64 = 200;
/// Packets of a burst.
const BURST: usize = 3;
/// Share lost in bursts.
const BURSTS_LOSE: f64 = 0.05;

impl Condition {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 9] = [
        Self::Clean,
        Self::Loss(1),
        Self::Loss(3),
        Self::Loss(5),
        Self::Loss(10),
        Self::Bursts,
        Self::Jitter,
        Self::Drift,
        Self::Reorder,
    ];

    /// Whether packets are lost.
    pub fn loses(self) -> bool {
        matches!(self, Self::Loss(_) | Self::Bursts)
    }

    /// Its name in arguments and figures.
    pub fn name(self) -> String {
        match self {
            Self::Clean => "clean".into(),
            Self::Loss(percent) => format!("loss{percent}"),
            Self::Bursts => "bursts".into(),
            Self::Jitter => "jitter".into(),
            Self::Drift => "drift".into(),
            Self::Reorder => "reorder".into(),
        }
    }

    /// Which packets are lost: `before` the scored ones, drawn apart so that the scored ones' losses do not depend on
    /// how many went before, and `scored`.
    pub fn losses(self, seed: u64, before: usize, scored: usize) -> Vec<bool> {
        let mut losses = self.stretch(Dice::new(seed ^ 0x0072_756e_2d75_7000), before);
        losses.extend(self.stretch(Dice::new(seed), scored));
        losses
    }

    fn stretch(self, mut dice: Dice, count: usize) -> Vec<bool> {
        match self {
            Self::Loss(percent) => (0..count).map(|_| dice.share() < f64::from(percent) / 100.0).collect(),
            Self::Bursts => {
                // Between bursts a burst begins with this chance: 3 lost in 60 packets.
                let begins = BURSTS_LOSE / (BURST as f64 * (1.0 - BURSTS_LOSE) + BURSTS_LOSE);
                bursts(&mut dice, begins, count)
            }
            _ => vec![false; count],
        }
    }

    /// When each of so many packets is sent and comes. Losses are laid on apart, by [`Condition::losses`].
    pub fn times(self, seed: u64, count: usize) -> Vec<Fate> {
        let mut dice = Dice::new(seed ^ 0x0074_696d_6573_0000);
        let frame = FRAME_MS * 1000;
        let mut last = 0;
        let one = |at: usize| {
            let even = at as u64 * frame;
            let off = even as i64 * DRIFT_PPM / 1_000_000;
            let sent_us = match self {
                Self::Drift if seed.is_multiple_of(2) => even.saturating_add_signed(-off),
                Self::Drift => even.saturating_add_signed(off),
                _ => even,
            };
            let held = match self {
                Self::Jitter => (dice.share() * JITTER_US) as u64,
                Self::Reorder if dice.share() < OVERTAKEN.1 => OVERTAKEN.0,
                _ => 0,
            };
            let arrives = sent_us + LINE_US + held;
            last = if self == Self::Jitter { arrives.max(last) } else { arrives };
            Fate { lost: false, sent_us, arrives_us: last }
        };
        (0..count).map(one).collect()
    }
}

fn bursts(dice: &mut Dice, begins: f64, count: usize) -> Vec<bool> {
    let mut left = 0;
    let one = |_| {
        if left == 0 && dice.share() < begins {
            left = BURST;
        }
        let lost = left > 0;
        left = left.saturating_sub(1);
        lost
    };
    (0..count).map(one).collect()
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean => f.write_str("clean"),
            Self::Loss(percent) => write!(f, "{percent} % lost"),
            Self::Bursts => f.write_str("5 % lost, by threes"),
            Self::Jitter => f.write_str("40 ms jitter"),
            Self::Drift => f.write_str("200 ppm drift"),
            Self::Reorder => f.write_str("5 % overtaken"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_lost_as_the_condition_says() {
        for (condition, share) in
            [(Condition::Loss(5), 0.05), (Condition::Loss(10), 0.1), (Condition::Bursts, 0.05)]
        {
            let losses = condition.losses(7, 0, 100_000);
            let lost = losses.iter().filter(|lost| **lost).count() as f64 / 100_000.0;
            assert!((lost - share).abs() < 0.005, "{condition}: {lost}");
        }
    }

    #[test]
    fn bursts_are_three_long() {
        let losses = Condition::Bursts.losses(3, 0, 10_000);
        let runs: Vec<usize> = losses.split(|lost| !lost).map(<[bool]>::len).filter(|run| *run > 0).collect();
        assert!(runs.len() > 100 && runs.iter().all(|run| run.is_multiple_of(BURST)), "{runs:?}");
    }

    #[test]
    fn the_scored_losses_are_the_same_whatever_went_before() {
        let condition = Condition::Loss(5);
        assert_eq!(condition.losses(1, 500, 400)[500..], condition.losses(1, 0, 400)[..]);
    }

    #[test]
    fn jitter_keeps_the_order_and_reordering_does_not() {
        let sorted = |condition: Condition| condition.times(1, 1000).is_sorted_by_key(|fate| fate.arrives_us);
        assert!(sorted(Condition::Jitter) && !sorted(Condition::Reorder));
    }
}
