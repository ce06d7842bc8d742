//! What a receiver knows of a stream: loss and jitter as RFC 3550 §A.3 and §A.8 compute them.
//!
//! It leaves out probation (§A.1): the latch has seen to it that a stream is one before it is counted.

use baton_signaling::Time;

use super::{ExtSeq, RtpTime, Seq};

/// How far a sequence number may run ahead before it is taken for a new stream (RFC 3550 §A.1, MAX_DROPOUT).
const DROPOUT_MAX: i16 = 3000;
/// How far it may lie behind (§A.1, MAX_MISORDER).
const MISORDER_MAX: i16 = 100;
/// Jitter samples beyond this say more about a pause or a jump than about the network.
const TRANSIT_SECONDS_MAX: i64 = 2;

/// What a packet's number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The next one, or ahead of it by as many as are missing.
    Ahead(ExtSeq),
    /// An earlier one: out of order, or a duplicate.
    Behind(ExtSeq),
    /// The numbers have jumped and two in a row agree: the sender has begun anew.
    Restarted(ExtSeq),
    /// The number fits nothing; ignored until a second one agrees with it.
    Doubtful,
}

/// A received stream in figures.
#[derive(Clone, Debug)]
pub struct Reception {
    clock: u32,
    base: ExtSeq,
    highest: Option<ExtSeq>,
    /// The number that would confirm a jump.
    doubt: Option<Seq>,
    received: u64,
    /// Lost in streams that ended by a restart.
    lost_before: i64,
    expected_prior: u64,
    received_prior: u64,
    transit: Option<i64>,
    /// Scaled by 16, as in §A.8.
    jitter: u64,
}

impl Reception {
    /// Nothing received yet, of a stream with this clock rate.
    pub fn new(clock: u32) -> Self {
        Self {
            clock,
            base: ExtSeq::default(),
            highest: None,
            doubt: None,
            received: 0,
            lost_before: 0,
            expected_prior: 0,
            received_prior: 0,
            transit: None,
            jitter: 0,
        }
    }

    /// Counts a packet and says where it belongs. `duplicate` of an earlier one is for the caller to find out; here
    /// it counts as received, as RFC 3550 §6.4.1 has it.
    pub fn handle(&mut self, now: Time, seq: Seq, time: RtpTime) -> Arrival {
        let arrival = self.place(seq);
        if arrival != Arrival::Doubtful {
            self.received += 1;
            self.measure(now, time);
        }
        arrival
    }

    /// The same of a packet whose timestamp is not that of its sending, as those of a key press (RFC 4733 §2.5.1.1): it
    /// tells nothing of jitter.
    pub fn handle_untimed(&mut self, seq: Seq) -> Arrival {
        let arrival = self.place(seq);
        self.received += u64::from(arrival != Arrival::Doubtful);
        arrival
    }

    /// The stream goes on in another clock (RFC 7160): its numbers go on, times cannot be compared across the change.
    pub fn set_clock(&mut self, clock: u32) {
        self.jitter = self.jitter * u64::from(clock) / u64::from(self.clock.max(1));
        (self.clock, self.transit) = (clock, None);
    }

    /// A new SSRC: the next packet is the first of a stream.
    pub fn restart(&mut self) {
        self.lost_before = self.lost_now();
        (self.highest, self.doubt, self.transit) = (None, None, None);
    }

    fn place(&mut self, seq: Seq) -> Arrival {
        let Some(highest) = self.highest else {
            return self.begin(seq, Arrival::Ahead);
        };
        let ahead = seq.since(highest.seq());
        let ext = highest.near(seq);
        if (1..DROPOUT_MAX).contains(&ahead) {
            self.highest = Some(ext);
            self.doubt = None;
            Arrival::Ahead(ext)
        } else if (-MISORDER_MAX..=0).contains(&ahead) {
            Arrival::Behind(ext)
        } else if self.doubt == Some(seq) {
            self.restart();
            self.begin(seq, Arrival::Restarted)
        } else {
            self.doubt = Some(seq.plus(1));
            Arrival::Doubtful
        }
    }

    fn begin(&mut self, seq: Seq, arrival: fn(ExtSeq) -> Arrival) -> Arrival {
        let first = ExtSeq::first(seq);
        // What was received before counts on; the new stream expects its packets from here.
        self.base = ExtSeq(first.0.wrapping_sub(self.received as u32));
        self.base = ExtSeq(self.base.0.wrapping_sub(self.lost_before as u32));
        self.highest = Some(first);
        self.doubt = None;
        arrival(first)
    }

    /// §A.8: the mean deviation of the difference between sending and arrival times.
    fn measure(&mut self, now: Time, time: RtpTime) {
        let (seconds, micros) = (now.as_micros() / 1_000_000, now.as_micros() % 1_000_000);
        let clock = u64::from(self.clock);
        let arrival = (seconds.wrapping_mul(clock)).wrapping_add(micros * clock / 1_000_000) as u32;
        let transit = i64::from(arrival.wrapping_sub(time.0) as i32);
        if let Some(before) = self.transit {
            let d = (transit - before).abs();
            if d < TRANSIT_SECONDS_MAX * i64::from(self.clock) {
                self.jitter = (self.jitter as i64 + d - ((self.jitter as i64 + 8) >> 4)).max(0) as u64;
            }
        }
        self.transit = Some(transit);
    }

    /// Packets counted.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The highest number, with its cycles; zero before the first packet.
    pub fn highest(&self) -> ExtSeq {
        self.highest.unwrap_or_default()
    }

    /// Packets that never came (§A.3); duplicates can make it negative, which is told as zero.
    pub fn lost(&self) -> u64 {
        self.lost_now().max(0) as u64
    }

    fn expected(&self) -> u64 {
        self.highest.map_or(0, |highest| u64::from(highest.0.wrapping_sub(self.base.0)) + 1)
    }

    fn lost_now(&self) -> i64 {
        if self.highest.is_none() {
            return self.lost_before;
        }
        self.expected() as i64 - self.received as i64
    }

    /// Jitter in units of the clock (§A.8).
    pub fn jitter(&self) -> u32 {
        u32::try_from(self.jitter >> 4).unwrap_or(u32::MAX)
    }

    /// Jitter in milliseconds.
    pub fn jitter_ms(&self) -> f32 {
        self.jitter as f32 / 16.0 * 1000.0 / self.clock as f32
    }

    /// The share lost since the last call, in 256ths, for a report (§A.3).
    pub fn take_fraction_lost(&mut self) -> u8 {
        let (expected, received) = (self.expected(), self.received);
        let expected_since = expected as i64 - self.expected_prior as i64;
        let lost_since = expected_since - (received - self.received_prior) as i64;
        (self.expected_prior, self.received_prior) = (expected, received);
        if expected_since <= 0 || lost_since <= 0 {
            0
        } else {
            (lost_since * 256 / expected_since).min(255) as u8
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(reception: &mut Reception, seqs: impl IntoIterator<Item = u16>) {
        for seq in seqs {
            reception.handle(Time::ZERO, Seq(seq), RtpTime(u32::from(seq) * 160));
        }
    }

    #[test]
    fn loss_is_what_was_expected_and_did_not_come_across_the_wrap() {
        let mut reception = Reception::new(8000);
        feed(&mut reception, (65_530..=65_535).chain([2, 3, 4]));
        assert_eq!((reception.received(), reception.lost()), (9, 2));
        assert_eq!(reception.take_fraction_lost(), (2 * 256 / 11) as u8);
        assert_eq!(reception.take_fraction_lost(), 0);
        assert_eq!(reception.highest().0, 0x2_0004);
    }

    #[test]
    fn a_packet_out_of_order_is_not_lost() {
        let mut reception = Reception::new(8000);
        feed(&mut reception, [1, 2, 4, 3, 5]);
        assert_eq!((reception.received(), reception.lost()), (5, 0));
        assert_eq!(reception.handle(Time::ZERO, Seq(4), RtpTime(0)), Arrival::Behind(ExtSeq(0x1_0004)));
    }

    #[test]
    fn a_jump_is_believed_when_two_packets_agree() {
        let mut reception = Reception::new(8000);
        feed(&mut reception, [1, 2, 4]);
        assert_eq!(reception.handle(Time::ZERO, Seq(30_000), RtpTime(0)), Arrival::Doubtful);
        assert_eq!(
            reception.handle(Time::ZERO, Seq(30_001), RtpTime(0)),
            Arrival::Restarted(ExtSeq(0x1_7531))
        );
        feed(&mut reception, [30_002, 30_004]);
        assert_eq!((reception.received(), reception.lost()), (6, 2));
    }

    #[test]
    fn a_new_stream_keeps_the_old_ones_loss() {
        let mut reception = Reception::new(8000);
        feed(&mut reception, [1, 4]);
        reception.restart();
        feed(&mut reception, [500, 502]);
        assert_eq!((reception.received(), reception.lost()), (4, 3));
    }

    #[test]
    fn a_change_of_clock_keeps_counts_numbers_and_the_jitter_in_seconds() {
        let mut reception = Reception::new(8000);
        for n in 0..200u32 {
            let at = Time::from_millis(u64::from(n) * 20 + u64::from(n % 2) * 10);
            reception.handle(at, Seq(n as u16), RtpTime(n * 160));
        }
        let before = (reception.received(), reception.highest(), reception.jitter_ms());
        reception.set_clock(48_000);
        assert_eq!((reception.received(), reception.highest()), (before.0, before.1));
        assert!((reception.jitter_ms() - before.2).abs() < 0.1);
        reception.handle(Time::from_secs(4), Seq(200), RtpTime(7));
        assert_eq!((reception.received(), reception.lost()), (201, 0));
        assert!((reception.jitter_ms() - before.2).abs() < 0.1, "no transit across the change");
    }

    #[test]
    fn jitter_follows_the_formula_of_the_rfc() {
        let mut reception = Reception::new(8000);
        let mut at = Time::ZERO;
        for n in 0..2000u32 {
            // Every second packet 10 ms late: |D| is 80 units throughout, and J tends to it.
            at = Time::from_millis(u64::from(n) * 20 + u64::from(n % 2) * 10);
            reception.handle(at, Seq(n as u16), RtpTime(n * 160));
        }
        assert!(at > Time::ZERO);
        assert!((79..=80).contains(&reception.jitter()), "{}", reception.jitter());
        assert!((reception.jitter_ms() - 10.0).abs() < 0.2);
    }
}
