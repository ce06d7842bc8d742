//! What our Opus encoder is to expect of the line, from the loss that the far end reports (RFC 3550 §6.4.1).
//!
//! It leaves out reading reports, and the encoder. In-band copies of lost frames cost bits of the frames themselves,
//! so they are made only where they are used: by a far end that said so, on a line that loses, at a bit rate that
//! leaves room for them.

use baton_codecs::opus::Settings;

/// Share lost, in 256ths, from which copies pay: 1 %.
const ON: f32 = 2.56;
/// And below which they no longer do: half a percent.
const OFF: f32 = 1.28;
/// A line that gets better is believed slowly: of a report that says less, this much counts.
const DECAY: f32 = 0.25;
/// Most loss the encoder is told at 24 kbit/s and more, in percent: beyond it the copies take so much of the frames
/// that a line without loss sounds worse by more than a lossy one gains.
const LOSS_PERCENT_MAX: u8 = 10;
/// At and below this bit rate libopus makes hardly any copies, whatever it is told, in bits per second.
const BITRATE_COPIES_MIN: u32 = 16_000;

/// What the encoder is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expectation {
    /// Copies are made.
    pub(crate) fec: bool,
    /// Share of packets that will be lost, in percent.
    pub(crate) loss_percent: u8,
}

/// How an Opus encoder is steered, and how often that has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steering {
    /// There is an encoder at work: `fec` and `loss_percent` are its own.
    pub working: bool,
    /// Copies of lost frames are made.
    pub fec: bool,
    /// Share of packets that are expected to be lost, in percent.
    pub loss_percent: u8,
    /// Changes, by [`Steering::STEPS`].
    pub steps: [u64; 4],
}

impl Steering {
    /// What can change: copies on, copies off, the expected loss, the bit rate.
    pub const STEPS: [&'static str; 4] = ["fec_on", "fec_off", "expected_loss", "bitrate"];

    /// Takes over what the encoder is told from now on.
    pub(crate) fn count(&mut self, before: &Settings, after: &Settings) {
        (self.fec, self.loss_percent) = (after.fec, after.loss_percent);
        let changes = [
            after.fec && !before.fec,
            before.fec && !after.fec,
            before.loss_percent != after.loss_percent,
            before.bitrate != after.bitrate,
        ];
        self.steps.iter_mut().zip(changes).for_each(|(sum, changed)| *sum += u64::from(changed));
    }
}

/// Follows one far end's reports.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Steer {
    /// Smoothed share lost, in 256ths.
    lost: f32,
    on: bool,
}

impl Steer {
    /// Takes a report: the share of our packets lost since the one before, in 256ths.
    pub(crate) fn handle(&mut self, fraction_lost: u8) {
        let told = f32::from(fraction_lost);
        self.lost = if told > self.lost { told } else { self.lost + (told - self.lost) * DECAY };
        self.on = self.lost >= if self.on { OFF } else { ON };
    }

    /// What to expect, at this bit rate, for a far end that does or does not use copies.
    pub(crate) fn expectation(&self, bitrate: u32, copies_used: bool) -> Expectation {
        if !self.on || !copies_used || bitrate <= BITRATE_COPIES_MIN {
            return Expectation::default();
        }
        // A report's window is short: what it says is a sample, and one percent less than the truth costs more than one
        // more.
        let percent = (self.lost * 100.0 / 256.0).ceil() as u8;
        Expectation { fec: true, loss_percent: percent.saturating_add(1).min(LOSS_PERCENT_MAX) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(reports: impl IntoIterator<Item = u8>) -> Steer {
        let mut steer = Steer::default();
        reports.into_iter().for_each(|lost| steer.handle(lost));
        steer
    }

    #[test]
    fn one_report_of_loss_turns_copies_on_and_several_clean_ones_off() {
        let mut steer = told([0, 0, 13]);
        assert_eq!(steer.expectation(24_000, true), Expectation { fec: true, loss_percent: 7 });
        let mut reports = 0;
        while steer.expectation(24_000, true).fec {
            steer.handle(0);
            reports += 1;
        }
        assert!((5..=12).contains(&reports), "{reports}");
        assert_eq!(steer.expectation(24_000, true), Expectation::default());
    }

    #[test]
    fn a_single_lost_packet_is_no_lossy_line() {
        // One of 250 in five seconds is one 256th.
        assert_eq!(told([1, 0, 1, 0, 1]).expectation(24_000, true), Expectation::default());
    }

    #[test]
    fn no_more_than_ten_percent_are_expected_however_much_is_lost() {
        for lost in [26, 60, 255] {
            assert_eq!(told([lost]).expectation(24_000, true).loss_percent, 10);
        }
    }

    #[test]
    fn nothing_is_made_for_who_does_not_use_it_or_where_there_is_no_room() {
        let steer = told([26]);
        assert_eq!(steer.expectation(24_000, false), Expectation::default());
        assert_eq!(steer.expectation(16_000, true), Expectation::default());
        assert!(steer.expectation(20_000, true).fec);
    }
}
