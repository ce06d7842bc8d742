//! Writing RTCP into a slice (RFC 3550 §6.1, RFC 3611 §2, RFC 5506).

use super::xr::{Extended, XR_BYTES_MAX};
use super::{Block, DESCRIPTION, EXTENDED, GOODBYE, RECEIVER_REPORT, SENDER_REPORT, SenderInfo};
use crate::rtp::Ssrc;

/// Report blocks written at most: one leg has one far end, and a second while it changes its SSRC.
const BLOCKS_MAX: usize = 2;
/// Room that [`write()`] needs at most: sender report with its blocks, SDES with the longest CNAME, extended report, BYE.
pub const REPORT_BYTES_MAX: usize = 28 + BLOCKS_MAX * 24 + (8 + 2 + 255 + 4) + XR_BYTES_MAX + 8;

/// What one packet is to say. The first part is always a report, so that it is a compound packet as §6.1 wants it; it is
/// one of reduced size (RFC 5506 §3.4.1) only if `cname` is left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compound<'a> {
    /// Who says it.
    pub ssrc: Ssrc,
    /// What we have sent; `None`: nothing since the last reports, and a receiver report is written.
    pub sender: Option<SenderInfo>,
    /// What we have received, two at most.
    pub blocks: &'a [Block],
    /// CNAME of §6.5.1, cut at 255 bytes; `None` only where reduced size was agreed on.
    pub cname: Option<&'a str>,
    /// Extended report.
    pub extended: Option<&'a Extended>,
    /// We leave.
    pub bye: bool,
}

/// Writes SR or RR, SDES, XR and BYE, as asked; returns the length. `packet` must have [`REPORT_BYTES_MAX`] bytes.
pub fn write(packet: &mut [u8], compound: &Compound<'_>) -> usize {
    let mut out = Writer { bytes: packet, at: 0 };
    let blocks = &compound.blocks[..compound.blocks.len().min(BLOCKS_MAX)];
    let words = 1 + compound.sender.map_or(0, |_| 5) + blocks.len() as u16 * 6;
    let kind = if compound.sender.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
    out.head(blocks.len() as u8, kind, words);
    out.word(compound.ssrc.0);
    if let Some(info) = compound.sender {
        out.long(info.ntp);
        out.word(info.rtp);
        out.word(info.packets);
        out.word(info.octets);
    }
    blocks.iter().for_each(|block| out.block(block));
    if let Some(cname) = compound.cname {
        out.description(compound.ssrc, cname);
    }
    if let Some(extended) = compound.extended.filter(|extended| !extended.is_empty()) {
        out.head(0, EXTENDED, 1 + extended.words());
        out.word(compound.ssrc.0);
        extended.write(&mut out);
    }
    if compound.bye {
        out.head(1, GOODBYE, 1);
        out.word(compound.ssrc.0);
    }
    out.at
}

/// A place in a slice.
pub(super) struct Writer<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    pub(super) fn word(&mut self, word: u32) {
        self.put(&word.to_be_bytes());
    }

    pub(super) fn long(&mut self, long: u64) {
        self.put(&long.to_be_bytes());
    }

    pub(super) fn half(&mut self, half: u16) {
        self.put(&half.to_be_bytes());
    }

    /// The common head; `words` are the 32-bit words that follow it.
    fn head(&mut self, count: u8, kind: u8, words: u16) {
        self.put(&[0x80 | count, kind]);
        self.half(words);
    }

    fn block(&mut self, block: &Block) {
        let lost = block.lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
        self.word(block.ssrc);
        self.word(u32::from(block.fraction_lost) << 24 | lost);
        for field in [block.highest, block.jitter, block.last_report, block.delay] {
            self.word(field);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::rtcp::{Dlrr, Voip};
    use rtcp::extended_report::{
        DLRRReportBlock, ExtendedReport, ReceiverReferenceTimeReportBlock, VoIPMetricsReportBlock,
    };
    use rtcp::goodbye::Goodbye;
    use rtcp::packet::{Packet, unmarshal};
    use rtcp::receiver_report::ReceiverReport;
    use rtcp::sender_report::SenderReport;
    use rtcp::source_description::SourceDescription;

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
            let mut bytes = [0xee; REPORT_BYTES_MAX];
            let compound = Compound {
                ssrc: Ssrc(5),
                sender: Some(SENDER),
                blocks: &[BLOCK, Block { ssrc: 78, ..BLOCK }],
                cname: Some(cname),
                extended: None,
                bye: true,
            };
            let length = write(&mut bytes, &compound);
            let packets = read(&bytes[..length]);
            assert_eq!(packets.len(), 3);
            let sent = packets[0].as_any().downcast_ref::<SenderReport>().unwrap();
            assert_eq!((sent.ssrc, sent.ntp_time, sent.rtp_time), (5, SENDER.ntp, 9));
            assert_eq!((sent.packet_count, sent.octet_count), (10, 11));
            let block = &sent.reports[0];
            assert_eq!((block.ssrc, block.fraction_lost, block.total_lost), (77, 12, 13));
            assert_eq!((block.last_sequence_number, block.jitter), (0x2_0001, 14));
            assert_eq!((block.last_sender_report, block.delay), (15, 16));
            assert_eq!(sent.reports[1].ssrc, 78);
            let told = packets[1].as_any().downcast_ref::<SourceDescription>().unwrap();
            assert_eq!(told.chunks[0].items[0].text, cname.as_bytes());
            assert_eq!(packets[2].as_any().downcast_ref::<Goodbye>().unwrap().sources, [5]);
        }
    }

    #[test]
    fn a_receiver_without_news_sends_an_empty_report() {
        let mut bytes = [0; REPORT_BYTES_MAX];
        let compound = Compound { ssrc: Ssrc(5), cname: Some("c"), ..Compound::default() };
        let length = write(&mut bytes, &compound);
        let packets = read(&bytes[..length]);
        let told = packets[0].as_any().downcast_ref::<ReceiverReport>().unwrap();
        assert!(told.ssrc == 5 && told.reports.is_empty());
        assert_eq!(packets.len(), 2);
    }

    #[test]
    fn an_extended_report_of_ours_is_read_alike_by_another_library() {
        let voip = Voip {
            ssrc: Ssrc(77),
            loss_rate: 1,
            discard_rate: 2,
            burst_density: 3,
            gap_density: 4,
            burst_ms: 500,
            gap_ms: 60_000,
            round_trip_ms: 70,
            end_system_ms: 80,
            r_factor: 93,
            mos_lq: 44,
            mos_cq: 43,
            buffer_ms: 40,
            buffer_ms_max: 200,
            buffer_ms_abs_max: 1000,
            ..Voip::default()
        };
        let extended = Extended {
            reference: Some(0x1112131415161718),
            dlrr: Some(Dlrr { ssrc: Ssrc(77), last: 21, delay: 22 }),
            voip: Some(voip),
        };
        let mut bytes = [0; REPORT_BYTES_MAX];
        let compound = Compound { ssrc: Ssrc(5), extended: Some(&extended), ..Compound::default() };
        let length = write(&mut bytes, &compound);
        let packets = read(&bytes[..length]);
        assert_eq!(packets.len(), 2, "of reduced size: no description");
        let told = packets[1].as_any().downcast_ref::<ExtendedReport>().unwrap();
        assert_eq!((told.sender_ssrc, told.reports.len()), (5, 3));
        let time = told.reports[0].as_any().downcast_ref::<ReceiverReferenceTimeReportBlock>().unwrap();
        assert_eq!(time.ntp_timestamp, 0x1112131415161718);
        let dlrr = &told.reports[1].as_any().downcast_ref::<DLRRReportBlock>().unwrap().reports[0];
        assert_eq!((dlrr.ssrc, dlrr.last_rr, dlrr.dlrr), (77, 21, 22));
        let read = told.reports[2].as_any().downcast_ref::<VoIPMetricsReportBlock>().unwrap();
        assert_eq!((read.ssrc, read.loss_rate, read.discard_rate), (77, 1, 2));
        assert_eq!((read.burst_density, read.gap_density), (3, 4));
        assert_eq!((read.burst_duration, read.gap_duration), (500, 60_000));
        assert_eq!((read.round_trip_delay, read.end_system_delay), (70, 80));
        assert_eq!((read.signal_level, read.noise_level, read.rerl), (127, 127, 127));
        assert_eq!((read.gmin, read.rfactor, read.ext_rfactor), (16, 93, 127));
        assert_eq!((read.mos_lq, read.mos_cq), (44, 43));
        assert_eq!((read.rx_config, read.reserved), (0b1011_1111, 0));
        assert_eq!((read.jb_nominal, read.jb_maximum, read.jb_abs_max), (40, 200, 1000));
    }
}
