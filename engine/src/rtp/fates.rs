//! What became of each packet of a received stream: came, came too late, came twice, never came.
//!
//! A packet's fate is settled when the stream is `SETTLE` numbers past it; then [`Bursts`] counts it. It leaves out
//! loss and jitter as RFC 3550 has them, which are [`super::stats`]'.

use super::ExtSeq;
use super::bursts::{BurstCounts, Bursts, Fate};

/// How far a stream must be past a number before its fate is settled: further than a network reorders, 640 ms of
/// speech.
const SETTLE: u32 = 32;
/// Numbers remembered, to know duplicates.
const WINDOW: u32 = 128;

/// The window and what was counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fates {
    highest: ExtSeq,
    /// Bit n: number `highest - n` has come.
    came: u128,
    /// Bit n: it came too late.
    late: u128,
    /// The latest numbers not settled yet; 0 before the first packet.
    open: u32,
    bursts: Bursts,
}

impl Fates {
    /// A packet came; false if it came before.
    pub fn came(&mut self, seq: ExtSeq) -> bool {
        let ahead = seq.0.wrapping_sub(self.highest.0) as i32;
        if self.open == 0 {
            (self.highest, self.came, self.late, self.open) = (seq, 1, 0, 1);
            return true;
        }
        if ahead > 0 {
            self.advance(ahead.unsigned_abs());
            self.highest = seq;
            self.came |= 1;
            return true;
        }
        let bit = 1u128.checked_shl(ahead.unsigned_abs()).unwrap_or(0);
        let before = self.came & bit != 0;
        self.came |= bit;
        !before
    }

    /// A packet came after its turn and was not played.
    pub fn was_late(&mut self, seq: ExtSeq) {
        let behind = self.highest.0.wrapping_sub(seq.0);
        self.late |= 1u128.checked_shl(behind).unwrap_or(0);
    }

    /// Whether a packet that comes now lies behind one that came.
    pub fn is_behind(&self, seq: ExtSeq) -> bool {
        self.open > 0 && seq < self.highest
    }

    /// The stream is over, another one begins: what is open is settled as it stands.
    pub fn restart(&mut self) {
        self.settle(0);
        *self = Self { bursts: self.bursts, ..Self::default() };
    }

    fn advance(&mut self, by: u32) {
        if by >= WINDOW - SETTLE {
            // A hole longer than the window: nothing in it will come in time.
            self.settle(0);
            self.bursts.lost(u64::from(by - 1));
            (self.came, self.late, self.open) = (0, 0, 1);
            return;
        }
        (self.came, self.late) = (self.came << by, self.late << by);
        self.open += by;
        self.settle(SETTLE);
    }

    /// Settles the oldest open numbers until `left` are open.
    fn settle(&mut self, left: u32) {
        while self.open > left {
            self.open -= 1;
            let bit = 1u128 << self.open;
            self.bursts.feed(match (self.came & bit != 0, self.late & bit != 0) {
                (false, _) => Fate::Lost,
                (true, true) => Fate::Discarded,
                (true, false) => Fate::Good,
            });
        }
    }

    /// What has been counted, the open numbers as they stand.
    pub fn counts(mut self) -> BurstCounts {
        self.settle(0);
        self.bursts.counts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::Seq;

    fn fates(seqs: impl IntoIterator<Item = u32>) -> Fates {
        let mut fates = Fates::default();
        let base = ExtSeq::first(Seq(65_500)).0;
        seqs.into_iter().for_each(|n| _ = fates.came(ExtSeq(base + n)));
        fates
    }

    #[test]
    fn what_never_comes_is_lost_and_what_comes_out_of_order_is_not() {
        let counts = fates((0..10).chain([12, 11, 14, 15]).chain(20..200)).counts();
        assert_eq!((counts.packets, counts.lost, counts.rows), (200, 6, 3));
        assert_eq!((counts.bursts, counts.burst_missing), (1, 6));
    }

    #[test]
    fn a_late_packet_is_discarded_whether_its_fate_is_settled_or_not() {
        let mut late = fates((0..50).filter(|n| *n != 40));
        let seq = ExtSeq(ExtSeq::first(Seq(65_500)).0 + 40);
        assert!(late.came(seq));
        late.was_late(seq);
        assert_eq!((late.counts().lost, late.counts().discarded), (0, 1));
        let mut settled = fates((0..50).filter(|n| *n != 2));
        let seq = ExtSeq(ExtSeq::first(Seq(65_500)).0 + 2);
        assert!(settled.came(seq));
        settled.was_late(seq);
        assert_eq!((settled.counts().lost, settled.counts().discarded), (1, 0), "lost it stays");
    }

    #[test]
    fn a_duplicate_is_told_and_counted_once() {
        let mut fates = fates(0..5);
        assert!(!fates.came(ExtSeq(ExtSeq::first(Seq(65_500)).0 + 3)));
        assert_eq!(fates.counts().packets, 5);
    }

    #[test]
    fn a_hole_longer_than_the_window_is_lost_to_the_last_packet() {
        let counts = fates((0..10).chain(1000..1010)).counts();
        assert_eq!((counts.packets, counts.lost, counts.rows, counts.bursts), (1010, 990, 1, 1));
    }

    #[test]
    fn a_new_stream_settles_the_old_one_and_what_lies_between_is_no_loss() {
        let mut fates = fates((0..10).filter(|n| *n != 8));
        fates.restart();
        assert!(fates.came(ExtSeq(5)));
        assert_eq!((fates.counts().packets, fates.counts().lost), (11, 1));
    }
}
