//! RTCP reports: written without allocation into the caller's slice, read with bounds (RFC 3550 §6).
//!
//! It leaves out APP packets, feedback (RFC 4585) and extended reports (RFC 3611): they are stepped over.

use super::Ssrc;

/// Most packets looked at in one compound packet: an attacker's thousand empty ones are not walked.
const COMPOUND_PACKETS_MAX: usize = 16;
/// Most report blocks read of one packet; the count field has five bits.
const BLOCKS_MAX: usize = 31;
/// Room that [`write_report`] needs at most: sender report, one block, SDES with the longest CNAME.
pub const REPORT_BYTES_MAX: usize = 28 + 24 + 8 + 2 + 255 + 4;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;

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

/// Writes SR (or RR if `sender` is none), SDES with `cname`, and BYE if asked, as one compound packet (§6.1); returns
/// its length. `packet` must have [`REPORT_BYTES_MAX`] bytes, 8 more with BYE; a CNAME beyond 255 bytes is cut.
pub fn write_report(
    packet: &mut [u8],
    ssrc: Ssrc,
    sender: Option<SenderInfo>,
    block: Option<Block>,
    cname: &str,
    bye: bool,
) -> usize {
    let mut out = Writer { bytes: packet, at: 0 };
    let count = u8::from(block.is_some());
    let words = 1 + sender.map_or(0, |_| 5) + block.map_or(0, |_| 6);
    out.head(count, if sender.is_some() { SENDER_REPORT } else { RECEIVER_REPORT }, words);
    out.word(ssrc.0);
    if let Some(info) = sender {
        out.word((info.ntp >> 32) as u32);
        out.word(info.ntp as u32);
        out.word(info.rtp);
        out.word(info.packets);
        out.word(info.octets);
    }
    if let Some(block) = block {
        let lost = block.lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
        out.word(block.ssrc);
        out.word(u32::from(block.fraction_lost) << 24 | lost);
        for field in [block.highest, block.jitter, block.last_report, block.delay] {
            out.word(field);
        }
    }
    out.description(ssrc, cname);
    if bye {
        out.head(1, GOODBYE, 1);
        out.word(ssrc.0);
    }
    out.at
}

struct Writer<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    fn word(&mut self, word: u32) {
        self.put(&word.to_be_bytes());
    }

    /// The common head; `words` are the 32-bit words that follow it.
    fn head(&mut self, count: u8, kind: u8, words: u16) {
        self.put(&[0x80 | count, kind]);
        self.put(&words.to_be_bytes());
    }

    /// SDES with one chunk of one item, CNAME (§6.5.1), closed by one to four zero bytes.
    fn description(&mut self, ssrc: Ssrc, cname: &str) {
        let name = &cname.as_bytes()[..cname.len().min(255)];
        let item = 2 + name.len();
        let padding = 4 - item % 4;
        self.head(1, DESCRIPTION, 1 + ((item + padding) / 4) as u16);
        self.word(ssrc.0);
        self.put(&[1, name.len() as u8]);
        self.put(name);
        self.put(&[0; 4][..padding]);
    }
}

/// What a compound packet says that concerns us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Who sent it.
    pub from: Ssrc,
    /// Its sender report, if any.
    pub sender: Option<SenderInfo>,
    /// Its block about our stream, if any.
    pub block: Option<Block>,
    /// It says goodbye.
    pub bye: bool,
}

/// Reads a compound packet, looking for blocks about `ours`. `None` if it is none: every packet must have version 2
/// and fit, and the first must be a report (§6.1, §A.2).
pub fn parse(bytes: &[u8], ours: Ssrc) -> Option<Report> {
    let (mut rest, mut report) = (bytes, None::<Report>);
    for _ in 0..COMPOUND_PACKETS_MAX {
        if rest.is_empty() {
            break;
        }
        let (head, body) = rest.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]])) * 4;
        if head[0] >> 6 != 2 || length > body.len() {
            return None;
        }
        let (body, after) = body.split_at(length);
        let count = usize::from(head[0] & 0x1f);
        match head[1] {
            SENDER_REPORT | RECEIVER_REPORT => {
                let found = read_report(head[1] == SENDER_REPORT, count, body, ours)?;
                report.get_or_insert(found);
            }
            GOODBYE => report.as_mut()?.bye = true,
            _ => _ = report?,
        }
        rest = after;
    }
    report
}

fn read_report(sends: bool, count: usize, body: &[u8], ours: Ssrc) -> Option<Report> {
    let field =
        |at: usize| body.get(at * 4..at * 4 + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let mut report = Report { from: Ssrc(field(0)?), ..Report::default() };
    if sends {
        let ntp = u64::from(field(1)?) << 32 | u64::from(field(2)?);
        report.sender = Some(SenderInfo { ntp, rtp: field(3)?, packets: field(4)?, octets: field(5)? });
    }
    let first = if sends { 6 } else { 1 };
    for n in 0..count.min(BLOCKS_MAX) {
        let at = first + n * 6;
        let (ssrc, loss) = (field(at)?, field(at + 1)?);
        if ssrc == ours.0 {
            report.block = Some(Block {
                ssrc,
                fraction_lost: (loss >> 24) as u8,
                // Sign-extends the lower 24 bits.
                lost: (loss << 8) as i32 >> 8,
                highest: field(at + 2)?,
                jitter: field(at + 3)?,
                last_report: field(at + 4)?,
                delay: field(at + 5)?,
            });
        }
    }
    Some(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtcp::goodbye::Goodbye;
    use rtcp::packet::{Packet, unmarshal};
    use rtcp::receiver_report::ReceiverReport;
    use rtcp::sender_report::SenderReport;
    use rtcp::source_description::SourceDescription;
    use webrtc_util::marshal::Marshal;

    const SENDER: SenderInfo = SenderInfo { ntp: 0x0102030405060708, rtp: 9, packets: 10, octets: 11 };
    const BLOCK: Block = Block {
        ssrc: 77,
        fraction_lost: 12,
        lost: 13,
        highest: 0x2_0001,
        jitter: 14,
        last_report: 15,
        delay: 16,
    };

    fn read(bytes: &[u8]) -> Vec<Box<dyn Packet + Send + Sync>> {
        unmarshal(&mut &*bytes).unwrap()
    }

    #[test]
    fn a_report_of_ours_is_read_alike_by_another_library() {
        for cname in ["a", "ab", "abc", "abcd", &"x".repeat(255)] {
            let mut bytes = [0xee; REPORT_BYTES_MAX + 8];
            let length = write_report(&mut bytes, Ssrc(5), Some(SENDER), Some(BLOCK), cname, true);
            let packets = read(&bytes[..length]);
            assert_eq!(packets.len(), 3);
            let sent = packets[0].as_any().downcast_ref::<SenderReport>().unwrap();
            assert_eq!((sent.ssrc, sent.ntp_time, sent.rtp_time), (5, SENDER.ntp, 9));
            assert_eq!((sent.packet_count, sent.octet_count), (10, 11));
            let block = &sent.reports[0];
            assert_eq!((block.ssrc, block.fraction_lost, block.total_lost), (77, 12, 13));
            assert_eq!((block.last_sequence_number, block.jitter), (0x2_0001, 14));
            assert_eq!((block.last_sender_report, block.delay), (15, 16));
            let told = packets[1].as_any().downcast_ref::<SourceDescription>().unwrap();
            assert_eq!(told.chunks[0].items[0].text, cname.as_bytes());
            assert_eq!(packets[2].as_any().downcast_ref::<Goodbye>().unwrap().sources, [5]);
        }
    }

    #[test]
    fn a_receiver_without_news_sends_an_empty_report() {
        let mut bytes = [0; REPORT_BYTES_MAX];
        let length = write_report(&mut bytes, Ssrc(5), None, None, "c", false);
        let packets = read(&bytes[..length]);
        let told = packets[0].as_any().downcast_ref::<ReceiverReport>().unwrap();
        assert!(told.ssrc == 5 && told.reports.is_empty());
        assert_eq!(packets.len(), 2);
    }

    #[test]
    fn reports_of_another_library_are_read() {
        let block =
            rtcp::reception_report::ReceptionReport { ssrc: 77, total_lost: 0xff_ffff, ..Default::default() };
        let other = rtcp::reception_report::ReceptionReport { ssrc: 1, ..Default::default() };
        let sent = SenderReport { ssrc: 3, ntp_time: 4, reports: vec![other, block], ..Default::default() };
        let mut bytes = sent.marshal().unwrap().to_vec();
        bytes.extend(Goodbye { sources: vec![3], ..Default::default() }.marshal().unwrap());
        let report = parse(&bytes, Ssrc(77)).unwrap();
        assert_eq!((report.from, report.sender.unwrap().ntp, report.bye), (Ssrc(3), 4, true));
        assert_eq!(report.block.unwrap().lost, -1);
        assert_eq!(parse(&bytes, Ssrc(78)).unwrap().block, None);
    }

    #[test]
    fn every_cut_and_every_false_length_is_refused_and_none_panics() {
        let mut bytes = [0; REPORT_BYTES_MAX + 8];
        let length = write_report(&mut bytes, Ssrc(5), Some(SENDER), Some(BLOCK), "name", true);
        let whole = &bytes[..length];
        assert!(parse(whole, Ssrc(77)).is_some());
        // Cuts between packets leave a shorter compound packet; all others are refused.
        let ends = [52, 52 + 16];
        for end in 0..length {
            assert_eq!(parse(&whole[..end], Ssrc(77)).is_some(), ends.contains(&end), "{end}");
        }
        let mut short = whole[..52].to_vec();
        short[0] = 0x80 | 31;
        assert_eq!(parse(&short, Ssrc(77)), None);
        assert_eq!(parse(&whole[52..], Ssrc(77)), None, "a compound packet begins with a report");
    }
}
