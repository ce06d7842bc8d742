//! One leg's RTCP: when to report, what to say, and what the far end's reports tell (RFC 3550 §6).
//!
//! It leaves out the bandwidth rule of §6.2: with two parties it always yields the minimum interval, which is taken.

use std::rc::Rc;
use std::time::Duration;

use baton_signaling::Time;

use super::outgoing::Outgoing;
use crate::rtp::Ssrc;
use crate::rtp::rtcp::{self, Block, REPORT_BYTES_MAX, Report, SenderInfo};
use crate::rtp::stats::Reception;

/// Mean time between reports (§6.2); each is drawn between half and one and a half of it (§6.3.1).
const INTERVAL_MICROS: u64 = 5_000_000;

/// Reports of one leg.
pub(crate) struct Reports {
    cname: Rc<str>,
    ntp_at_zero: u64,
    due: Option<Time>,
    /// Middle bits of the far end's last sender report, and when it came.
    heard: Option<(u32, Time)>,
    pub(crate) far_loss: f32,
    pub(crate) far_jitter: u32,
    pub(crate) round_trip_ms: Option<f32>,
}

impl Reports {
    pub(crate) fn new(cname: Rc<str>, ntp_at_zero: u64) -> Self {
        Self { cname, ntp_at_zero, due: None, heard: None, far_loss: 0.0, far_jitter: 0, round_trip_ms: None }
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
    pub(crate) fn send(
        &mut self,
        now: Time,
        outgoing: &Outgoing,
        far: Option<Ssrc>,
        reception: &mut Reception,
        bye: bool,
        send: impl FnOnce(&[u8]),
    ) {
        let ntp = self.ntp(now);
        let sender = (outgoing.packets > 0).then(|| SenderInfo {
            ntp,
            rtp: outgoing.time_at(now).0,
            packets: outgoing.packets as u32,
            octets: outgoing.octets as u32,
        });
        let block = far.filter(|_| reception.received() > 0).map(|far| self.block(now, far, reception));
        let mut packet = [0; REPORT_BYTES_MAX + 8];
        let length = rtcp::write_report(&mut packet, outgoing.ssrc, sender, block, &self.cname, bye);
        send(&packet[..length]);
    }

    fn block(&self, now: Time, far: Ssrc, reception: &mut Reception) -> Block {
        let (last_report, delay) = match self.heard {
            Some((mid, at)) => (mid, units_65536(now.saturating_duration_since(at))),
            None => (0, 0),
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
            self.heard = Some(((sender.ntp >> 16) as u32, now));
        }
        let Some(block) = report.block else { return };
        self.far_loss = f32::from(block.fraction_lost) / 256.0;
        self.far_jitter = block.jitter;
        if block.last_report != 0 {
            // §6.4.1: round trip = arrival - LSR - DLSR, all in the middle bits of NTP.
            let now = (self.ntp(now) >> 16) as u32;
            let trip = now.wrapping_sub(block.last_report).wrapping_sub(block.delay) as i32;
            // Clock steps of the far end can make it negative or absurd: more than a minute is neither.
            if (0..60 << 16).contains(&trip) {
                self.round_trip_ms = Some(trip as f32 * 1000.0 / 65_536.0);
            }
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
