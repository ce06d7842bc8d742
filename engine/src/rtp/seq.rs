//! Sequence numbers and timestamps that wrap, and how they are compared (RFC 3550 §5.1, §A.1).

/// A 16-bit sequence number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seq(pub u16);

impl Seq {
    /// The number `by` places on.
    pub const fn plus(self, by: u16) -> Self {
        Self(self.0.wrapping_add(by))
    }

    /// How far `self` lies ahead of `earlier`: -32 768 to 32 767, the shorter way round.
    pub const fn since(self, earlier: Self) -> i16 {
        self.0.wrapping_sub(earlier.0) as i16
    }
}

/// A sequence number with its cycles counted above the lower 16 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtSeq(pub u32);

impl ExtSeq {
    /// The first number of a stream. One cycle lies below it, so that a packet from before it has a number too.
    pub const fn first(seq: Seq) -> Self {
        Self(0x1_0000 | seq.0 as u32)
    }

    /// `seq` in the cycle that brings it nearest to `self`.
    pub const fn near(self, seq: Seq) -> Self {
        Self(self.0.wrapping_add_signed(seq.since(self.seq()) as i32))
    }

    /// The lower 16 bits.
    pub const fn seq(self) -> Seq {
        Seq(self.0 as u16)
    }
}

/// A 32-bit RTP timestamp in units of its stream's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RtpTime(pub u32);

impl RtpTime {
    /// The time `by` units on.
    pub const fn plus(self, by: u32) -> Self {
        Self(self.0.wrapping_add(by))
    }

    /// The time `by` units back.
    pub const fn minus(self, by: u32) -> Self {
        Self(self.0.wrapping_sub(by))
    }

    /// How far `self` lies ahead of `earlier`, the shorter way round.
    pub const fn since(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_number_wraps_and_is_compared_the_shorter_way_round() {
        assert_eq!(Seq(65_535).plus(1), Seq(0));
        assert_eq!(Seq(2).since(Seq(65_534)), 4);
        assert_eq!(Seq(65_534).since(Seq(2)), -4);
        assert_eq!(Seq(0x8000).since(Seq(0)), i16::MIN);
    }

    #[test]
    fn an_extended_number_counts_cycles_both_ways() {
        let last = ExtSeq::first(Seq(65_535));
        let next = last.near(Seq(1));
        assert_eq!(next.0 - last.0, 2);
        assert_eq!(next.near(Seq(65_535)), last);
        assert!(ExtSeq::first(Seq(0)).near(Seq(65_535)) < ExtSeq::first(Seq(0)));
    }

    #[test]
    fn a_timestamp_wraps() {
        assert_eq!(RtpTime(u32::MAX).plus(160), RtpTime(159));
        assert_eq!(RtpTime(159).since(RtpTime(u32::MAX)), 160);
        assert_eq!(RtpTime(159).minus(160), RtpTime(u32::MAX));
    }
}
