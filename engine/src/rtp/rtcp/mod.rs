//! RTCP: reports, descriptions, goodbyes (RFC 3550 §6) and extended reports (RFC 3611), compound or of reduced size
//! (RFC 5506). Written without allocation into the caller's slice, read with bounds.
//!
//! It leaves out APP packets, feedback (RFC 4585) and the extended reports that no far end of ours uses (run-length
//! encoded loss, packet receipt times, statistics summaries): they are stepped over.

mod read;
mod write;
mod xr;

pub use read::{Report, parse, parse_of};
pub use write::{Compound, REPORT_BYTES_MAX, write};
pub use xr::{Dlrr, Extended, Voip};

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
const EXTENDED: u8 = 207;

/// The sender's half of a report (§6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// Wall clock of this report, as a 64-bit NTP timestamp.
    pub ntp: u64,
    /// The same instant in the stream's own time.
    pub rtp: u32,
    /// Packets sent so far.
    pub packets: u32,
    /// Payload bytes sent so far.
    pub octets: u32,
}

/// What one receiver says of one stream (§6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The stream reported on.
    pub ssrc: u32,
    /// Share lost since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost since the beginning; 24 bits on the wire, clipped there.
    pub lost: i32,
    /// Highest sequence number with its cycles.
    pub highest: u32,
    /// Jitter in units of the stream's clock.
    pub jitter: u32,
    /// Middle 32 bits of the NTP timestamp of the last sender report received; 0 if none.
    pub last_report: u32,
    /// Time since that report came, in 1/65 536 seconds.
    pub delay: u32,
}
