//! Which of the latest packets have come: the replay list of SRTP (RFC 3711 §3.3.2), over indices that do not wrap.
//!
//! It leaves out authenticity: a number is marked once its packet has proved genuine, and only asked about before.

use super::Seq;

/// Numbers looked back. RFC 3711 §3.3.2 wants at least 64; a jitter buffer takes none that is older than this.
const LOOK_BACK: u64 = 128;
/// What the first number is lifted by, so that one from before it has an index too.
const BASE: u64 = 1 << 32;

/// The window of one stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    highest: u64,
    seen: u128,
}

impl Window {
    /// The index of a sequence number: in the cycle nearest to the highest so far.
    pub(crate) fn index_of(&self, seq: Seq) -> u64 {
        if self.seen == 0 {
            return BASE + u64::from(seq.0);
        }
        self.highest.wrapping_add_signed(i64::from(seq.since(Seq(self.highest as u16))))
    }

    /// Neither marked before nor older than can be told.
    pub(crate) fn is_new(&self, index: u64) -> bool {
        match self.highest.checked_sub(index) {
            Some(behind) if self.seen != 0 => behind < LOOK_BACK && self.seen >> behind & 1 == 0,
            _ => true,
        }
    }

    /// Marks a number that is new.
    pub(crate) fn mark(&mut self, index: u64) {
        if self.seen == 0 || index > self.highest {
            let ahead = u32::try_from(index.saturating_sub(self.highest)).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = index;
        } else {
            self.seen |= 1u128.checked_shl((self.highest - index) as u32).unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(window: &mut Window, seq: u16) -> bool {
        let index = window.index_of(Seq(seq));
        let new = window.is_new(index);
        if new {
            window.mark(index);
        }
        new
    }

    #[test]
    fn a_number_is_new_once_across_the_wrap_and_in_any_order() {
        let mut window = Window::default();
        for seq in [65_533, 65_535, 65_534, 1, 0, 3] {
            assert!(takes(&mut window, seq), "{seq}");
            assert!(!takes(&mut window, seq), "{seq}");
        }
        assert!(takes(&mut window, 2) && takes(&mut window, 65_532));
        for seq in [65_533, 65_534, 65_535, 0, 1, 2, 3] {
            assert!(!takes(&mut window, seq), "{seq}");
        }
    }

    #[test]
    fn a_number_older_than_the_window_is_not_new() {
        let mut window = Window::default();
        assert!(takes(&mut window, 1000));
        assert!(takes(&mut window, 1000 - 127) && !takes(&mut window, 1000 - 128));
        assert!(takes(&mut window, 1200) && !takes(&mut window, 1000));
        assert!(takes(&mut window, 1200 - 127) && !takes(&mut window, 1200 - 128));
        assert!(takes(&mut window, 20_000) && takes(&mut window, 19_999) && !takes(&mut window, 1200));
    }
}
