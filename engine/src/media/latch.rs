//! Whom a leg listens to and where it sends: the gate against stolen streams (symmetric RTP, RFC 4961 and RFC 7362 §4).
//!
//! It leaves out ICE and SRTP, which prove a source; here it must be plausible instead.

use std::net::SocketAddr;
use std::time::Duration;

use baton_signaling::Time;

use crate::rtp::{PayloadType, Ssrc};

/// Packets in a row from one source, of one stream, that make it the far end where the SDP named another.
const LEARN_PACKETS: u8 = 4;
/// They must come within this time.
const LEARN_WINDOW: Duration = Duration::from_secs(1);
/// A stream heard within this time is alive and cannot be taken over.
const ALIVE: Duration = Duration::from_secs(2);
/// The same of RTCP, which comes every five seconds: four reports are missing.
const RTCP_ALIVE: Duration = Duration::from_secs(20);

/// A source that is not the far end yet.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    from: SocketAddr,
    ssrc: Ssrc,
    payload_type: PayloadType,
    packets: u8,
    since: Time,
}

/// One leg's gate.
#[derive(Clone, Debug)]
pub(crate) struct Latch {
    /// What the SDP said.
    named: Option<SocketAddr>,
    /// Where the stream comes from, and its SSRC.
    source: Option<(SocketAddr, Ssrc)>,
    heard: Time,
    candidate: Option<Candidate>,
    /// Where RTCP comes from, and when it was heard last.
    rtcp: Option<(SocketAddr, Time)>,
    /// Nothing has come from the address named last: it may take the stream back at once.
    open: bool,
    /// The stream has been missed: another one from a host that is known may take its place, once.
    movable: bool,
}

impl Latch {
    /// A gate that lets the address of the SDP in at once.
    pub(crate) fn new(named: Option<SocketAddr>) -> Self {
        Self {
            named,
            source: None,
            heard: Time::ZERO,
            candidate: None,
            rtcp: None,
            open: true,
            movable: false,
        }
    }

    /// A new offer or answer: the address it names is let in at once. The old source is sent to until then only if
    /// the address has not changed.
    pub(crate) fn update(&mut self, named: Option<SocketAddr>) {
        if self.named != named {
            (self.source, self.rtcp) = (None, None);
        }
        (self.named, self.open, self.candidate, self.movable) = (named, true, None, false);
    }

    /// The stream has been missed for so long that its sender may have begun anew: a new stream (another SSRC) is let in
    /// too, by the same rules, from the host of the old one or of the SDP, and once.
    pub(crate) fn allow_move(&mut self) {
        self.movable = true;
    }

    fn may_move_to(&self, from: SocketAddr) -> bool {
        let hosts = [self.source.map(|(source, _)| source), self.named];
        self.movable && hosts.iter().flatten().any(|known| known.ip() == from.ip())
    }

    /// Whether a packet is the far end's.
    pub(crate) fn accept(
        &mut self,
        now: Time,
        from: SocketAddr,
        ssrc: Ssrc,
        payload_type: PayloadType,
    ) -> bool {
        let known = self.source.is_some_and(|(source, _)| source == from);
        if known || self.open && self.named == Some(from) || self.learn(now, from, ssrc, payload_type) {
            if self.named == Some(from) {
                self.open = false;
            }
            (self.source, self.heard) = (Some((from, ssrc)), now);
            if !known {
                (self.candidate, self.movable) = (None, false);
            }
            return true;
        }
        false
    }

    /// Counts a stranger's packets towards acceptance.
    fn learn(&mut self, now: Time, from: SocketAddr, ssrc: Ssrc, payload_type: PayloadType) -> bool {
        if let Some((_, ours)) = self.source {
            // A far end behind a NAT that forgot its binding comes back with the stream it had.
            let silent = now.saturating_duration_since(self.heard) >= ALIVE;
            if !silent || !self.open && ssrc != ours && !self.may_move_to(from) {
                return false;
            }
        }
        let candidate = match self.candidate {
            Some(mut c)
                if (c.from, c.ssrc, c.payload_type) == (from, ssrc, payload_type)
                    && now.saturating_duration_since(c.since) <= LEARN_WINDOW =>
            {
                c.packets += 1;
                c
            }
            _ => Candidate { from, ssrc, payload_type, packets: 1, since: now },
        };
        self.candidate = Some(candidate);
        candidate.packets >= LEARN_PACKETS
    }

    /// Whether RTCP from there may be the far end's: same host as the stream's or the SDP's.
    pub(crate) fn accept_rtcp(&self, from: SocketAddr) -> bool {
        let host = self.source.map(|(source, _)| source).or(self.named).map(|a| a.ip());
        host == Some(from.ip()) || self.named.map(|a| a.ip()) == Some(from.ip())
    }

    /// A report of the far end's stream came to the RTCP port. Its source is where ours go to, for a NAT may give RTCP a
    /// port that no SDP can name: if it is the host that the stream comes from, and nowhere else is RTCP alive. From
    /// where SDP says (`named`) it is believed in any case.
    pub(crate) fn heard_rtcp(&mut self, now: Time, from: SocketAddr, named: Option<SocketAddr>) {
        let known = self.rtcp.is_some_and(|(source, _)| source == from);
        let alive = self.rtcp.is_some_and(|(_, heard)| now.saturating_duration_since(heard) < RTCP_ALIVE);
        let host = self.source.map(|(source, _)| source.ip()) == Some(from.ip());
        if known || Some(from) == named || host && !alive {
            self.rtcp = Some((from, now));
        }
    }

    /// Where RTCP comes from, once it has come.
    pub(crate) fn rtcp(&self) -> Option<SocketAddr> {
        self.rtcp.map(|(source, _)| source)
    }

    /// Where to send: to where the stream comes from, else to where the SDP says.
    pub(crate) fn remote(&self) -> Option<SocketAddr> {
        self.source.map(|(source, _)| source).or(self.named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Ssrc = Ssrc(1);
    const B: Ssrc = Ssrc(2);
    const PT: PayloadType = PayloadType(0);

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn ms(n: u64) -> Time {
        Time::from_millis(n)
    }

    #[test]
    fn the_address_of_the_sdp_is_accepted_at_once() {
        let mut latch = Latch::new(Some(at(1)));
        assert!(latch.accept(ms(0), at(1), A, PT));
        assert_eq!(latch.remote(), Some(at(1)));
    }

    #[test]
    fn another_source_must_send_one_stream_four_times_within_a_second() {
        let mut latch = Latch::new(Some(at(1)));
        let steady: Vec<bool> = (0..5).map(|n| latch.accept(ms(n * 20), at(2), A, PT)).collect();
        assert_eq!(steady, [false, false, false, true, true]);
        assert_eq!(latch.remote(), Some(at(2)));

        let mut latch = Latch::new(None);
        assert!((0..20).all(|n| !latch.accept(ms(n * 20), at(2), Ssrc(n as u32), PT)), "an SSRC each");
        assert!((0..20).all(|n| !latch.accept(ms(n * 20), at(2 + n as u16 % 2), A, PT)), "two sources");
        assert!((20..40).all(|n| !latch.accept(ms(n * 400), at(2), A, PT)), "too slow");
    }

    #[test]
    fn a_living_stream_is_never_stolen() {
        let mut latch = Latch::new(Some(at(1)));
        for n in 0..500 {
            assert!(latch.accept(ms(n * 20), at(1), A, PT));
            assert!(!latch.accept(ms(n * 20 + 1), at(2), B, PT));
            assert!(!latch.accept(ms(n * 20 + 2), at(3), A, PT));
        }
        assert_eq!(latch.remote(), Some(at(1)));
    }

    #[test]
    fn a_silent_stream_comes_back_from_a_new_port_only_as_the_same_stream() {
        let mut latch = Latch::new(Some(at(1)));
        latch.accept(ms(0), at(1), A, PT);
        assert!((0..10).all(|n| !latch.accept(ms(3000 + n * 20), at(2), B, PT)));
        assert_eq!((0..10).filter(|n| latch.accept(ms(4000 + n * 20), at(2), A, PT)).count(), 7);
    }

    #[test]
    fn a_stream_that_is_missed_may_be_replaced_once_from_its_own_host() {
        let mut latch = Latch::new(Some(at(1)));
        latch.accept(ms(0), at(1), A, PT);
        latch.allow_move();
        assert!((0..10).all(|n| !latch.accept(ms(1000 + n * 20), at(2), B, PT)), "it may live yet");
        let stranger = SocketAddr::from(([127, 0, 0, 9], 2));
        assert!((0..10).all(|n| !latch.accept(ms(3000 + n * 20), stranger, B, PT)));
        assert_eq!((0..10).filter(|n| latch.accept(ms(4000 + n * 20), at(2), B, PT)).count(), 7);
        assert_eq!(latch.remote(), Some(at(2)));
        assert!((0..10).all(|n| !latch.accept(ms(8000 + n * 20), at(3), A, PT)), "only once");
    }

    #[test]
    fn a_new_offer_opens_the_gate_for_the_address_it_names() {
        let mut latch = Latch::new(Some(at(1)));
        latch.accept(ms(0), at(1), A, PT);
        latch.update(Some(at(9)));
        assert_eq!(latch.remote(), Some(at(9)));
        assert!(latch.accept(ms(20), at(9), B, PT));
        assert!(!latch.accept(ms(40), at(1), A, PT));
    }

    #[test]
    fn reports_go_to_where_they_come_from_unless_others_come_from_elsewhere() {
        let mut latch = Latch::new(Some(at(1)));
        latch.heard_rtcp(ms(0), at(9), Some(at(2)));
        assert_eq!(latch.rtcp(), None, "no stream yet: whose host is it?");
        latch.accept(ms(0), at(1), A, PT);
        latch.heard_rtcp(ms(1), at(9), Some(at(2)));
        assert_eq!(latch.rtcp(), Some(at(9)));
        latch.heard_rtcp(ms(5000), at(8), Some(at(2)));
        assert_eq!(latch.rtcp(), Some(at(9)), "alive");
        latch.heard_rtcp(ms(5001), at(2), Some(at(2)));
        assert_eq!(latch.rtcp(), Some(at(2)), "as SDP says");
        latch.heard_rtcp(ms(26_000), at(8), Some(at(2)));
        assert_eq!(latch.rtcp(), Some(at(8)));
        let stranger = SocketAddr::from(([127, 0, 0, 9], 2));
        latch.heard_rtcp(ms(90_000), stranger, Some(at(2)));
        assert_eq!(latch.rtcp(), Some(at(8)));
        latch.update(Some(at(5)));
        assert_eq!(latch.rtcp(), None);
    }

    #[test]
    fn rtcp_comes_from_the_host_of_the_stream() {
        let latch = Latch::new(Some(at(1)));
        assert!(latch.accept_rtcp(at(2)));
        assert!(!latch.accept_rtcp(SocketAddr::from(([127, 0, 0, 9], 2))));
    }
}
