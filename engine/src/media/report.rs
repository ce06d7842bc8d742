//! One leg's RTCP: when to report, what to say, and what the far end's reports tell (RFC 3550 §6, RFC 3611).
//!
//! It leaves out the bandwidth rule of §6.2: with two parties it always yields the minimum interval, which is taken.

use std::rc::Rc;
use std::time::Duration;

use baton_signaling::Time;

use super::LegConfig;
use super::outgoing::Outgoing;
use crate::rtp::Ssrc;
use crate::rtp::rtcp::{self, Block, Compound, Dlrr, Extended, REPORT_BYTES_MAX, Report, SenderInfo, Voip};
use crate::rtp::stats::Reception;

/// Mean time between reports (§6.2); each is drawn between half and one and a half of it (§6.3.1).
const INTERVAL_MICROS: u64 = 5_000_000;
/// Where reduced size is agreed on, one report in so many is a whole compound packet: RFC 5506 §4.1 wants them to go on,
/// and a far end that joins late still learns our CNAME in half a minute.
const WHOLE_EVERY: u8 = 4;
/// A round trip beyond this is a clock that was set, not a network.
const ROUND_TRIP_MAX: i32 = 60 << 16;
/// A far end that counts its delay in whole milliseconds, or stamps late, makes a short round trip negative by a little.
const ROUND_TRIP_MIN: i32 = -(10 << 16) / 1000;

/// Reports of one leg.
pub(crate) struct Reports {
    cname: Rc<str>,
    ntp_at_zero: u64,
    due: Option<Time>,
    /// Our packets at the report before this one and at that before it.
    reported: [u64; 2],
    /// Whose the far end's last sender report was, its middle bits, and when it came.
    heard: Option<(Ssrc, u32, Time)>,
    /// The same of its last receiver reference time (RFC 3611 §4.4).
    reference: Option<(Ssrc, u32, Time)>,
    /// Extended reports are sent.
    extended: bool,
    /// Reports of reduced size are allowed; how many there have been since the last whole one.
    reduced: bool,
    since_whole: u8,
    pub(crate) far_loss: f32,
    pub(crate) far_jitter: u32,
    pub(crate) round_trip_ms: Option<f32>,
    /// How the far end says it receives us (RFC 3611 §4.7).
    pub(crate) far_voip: Option<Voip>,
}

/// What a report is about.
pub(crate) struct Subject<'a> {
    pub(crate) outgoing: &'a Outgoing,
    /// The far end's stream.
    pub(crate) far: Option<Ssrc>,
    pub(crate) reception: &'a mut Reception,
    /// Metrics of the far end's stream, should they be wanted.
    pub(crate) voip: Option<Voip>,
    /// We leave.
    pub(crate) bye: bool,
}

impl Reports {
    pub(crate) fn new(cname: Rc<str>, ntp_at_zero: u64) -> Self {
        Self {
            cname,
            ntp_at_zero,
            due: None,
            reported: [0; 2],
            heard: None,
            reference: None,
            extended: false,
            reduced: false,
            since_whole: 0,
            far_loss: 0.0,
            far_jitter: 0,
            round_trip_ms: None,
            far_voip: None,
        }
    }

    /// What offer and answer say of reports; `always`: extended ones are sent to those who did not ask, too.
    pub(crate) fn configure(&mut self, config: &LegConfig, always: bool) {
        (self.extended, self.reduced) = (config.rtcp_xr || always, config.rtcp_rsize);
    }

    /// Whether extended reports are sent.
    pub(crate) fn is_extended(&self) -> bool {
        self.extended
    }

    /// Whether a report is due; if so, draws when the next one is. The first is due after half an interval (§6.2).
    pub(crate) fn is_due(&mut self, now: Time, draw: u64) -> bool {
        let (due, least) = match self.due {
            None => (false, INTERVAL_MICROS / 4),
            Some(at) if now >= at => (true, INTERVAL_MICROS / 2),
            Some(_) => return false,
        };
        self.due = Some(now + Duration::from_micros(least + draw % (2 * least)));
        due
    }

    /// Writes a report, or a goodbye, and hands it to `send`.
    pub(crate) fn send(&mut self, now: Time, subject: Subject<'_>, send: impl FnOnce(&[u8])) {
        let Subject { outgoing, far, reception, voip, bye } = subject;
        let ntp = self.ntp(now);
        // §6.4: a sender is who has sent since the last report but one.
        let sends = outgoing.packets > self.reported[1];
        self.reported = [outgoing.packets, self.reported[0]];
        let sender = sends.then(|| SenderInfo {
            ntp,
            rtp: outgoing.time_at(now).0,
            packets: outgoing.packets as u32,
            octets: outgoing.octets as u32,
        });
        let block = far.filter(|_| reception.received() > 0).map(|far| self.block(now, far, reception));
        let extended = self.extended.then(|| Extended {
            reference: Some(ntp),
            dlrr: self.reference.map(|(ssrc, last, at)| Dlrr {
                ssrc,
                last,
                delay: units_65536(now.saturating_duration_since(at)),
            }),
            voip,
        });
        let compound = Compound {
            ssrc: outgoing.ssrc,
            sender,
            blocks: block.as_slice(),
            cname: self.takes_cname(bye).then_some(&self.cname),
            extended: extended.as_ref(),
            bye,
        };
        let mut packet = [0; REPORT_BYTES_MAX];
        let length = rtcp::write(&mut packet, &compound);
        send(&packet[..length]);
    }

    /// Whether this report is a whole compound packet.
    fn takes_cname(&mut self, bye: bool) -> bool {
        let whole = !self.reduced || bye || self.since_whole == 0;
        self.since_whole = (self.since_whole + 1) % WHOLE_EVERY;
        whole
    }

    fn block(&self, now: Time, far: Ssrc, reception: &mut Reception) -> Block {
        let (last_report, delay) = match self.heard {
            Some((ssrc, mid, at)) if ssrc == far => (mid, units_65536(now.saturating_duration_since(at))),
            _ => (0, 0),
        };
        Block {
            ssrc: far.0,
            fraction_lost: reception.take_fraction_lost(),
            lost: i32::try_from(reception.lost()).unwrap_or(i32::MAX),
            highest: reception.highest().0,
            jitter: reception.jitter(),
            last_report,
            delay,
        }
    }

    /// Takes the far end's report.
    pub(crate) fn handle(&mut self, now: Time, report: Report) {
        if let Some(sender) = report.sender {
            self.heard = Some((report.from, (sender.ntp >> 16) as u32, now));
        }
        if let Some(time) = report.extended.reference {
            self.reference = Some((report.from, (time >> 16) as u32, now));
        }
        self.far_voip = report.extended.voip.or(self.far_voip);
        // RFC 3611 §4.5: as with a sender report, of a time that a mere receiver can send too.
        if let Some(dlrr) = report.extended.dlrr {
            self.measure(now, dlrr.last, dlrr.delay);
        }
        let Some(block) = report.block else { return };
        self.far_loss = f32::from(block.fraction_lost) / 256.0;
        self.far_jitter = block.jitter;
        self.measure(now, block.last_report, block.delay);
    }

    /// §6.4.1: round trip = arrival - LSR - DLSR, all in the middle bits of NTP.
    fn measure(&mut self, now: Time, last: u32, delay: u32) {
        if last == 0 {
            return;
        }
        let trip = ((self.ntp(now) >> 16) as u32).wrapping_sub(last).wrapping_sub(delay) as i32;
        // Clock steps of the far end can make it negative or absurd.
        if (ROUND_TRIP_MIN..ROUND_TRIP_MAX).contains(&trip) {
            self.round_trip_ms = Some(trip.max(0) as f32 * 1000.0 / 65_536.0);
        }
    }

    fn ntp(&self, now: Time) -> u64 {
        let passed = (u128::from(now.as_micros()) << 32) / 1_000_000;
        self.ntp_at_zero.wrapping_add(passed as u64)
    }
}

fn units_65536(time: Duration) -> u32 {
    u32::try_from(time.as_micros() * 65_536 / 1_000_000).unwrap_or(u32::MAX)
}
