//! Reading RTCP: compound packets (RFC 3550 §6.1, §A.2) and single ones (RFC 5506), whoever wrote them.

use super::xr::Extended;
use super::{Block, DESCRIPTION, EXTENDED, GOODBYE, RECEIVER_REPORT, SENDER_REPORT, SenderInfo};
use crate::rtp::Ssrc;

/// Most packets looked at in one compound packet: an attacker's thousand empty ones are not walked.
const COMPOUND_PACKETS_MAX: usize = 16;
/// Packet types of RTCP (RFC 5761 §4); what lies outside is none.
const TYPES: std::ops::RangeInclusive<u8> = 192..=223;

/// What a packet says that concerns us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Who sent it.
    pub from: Ssrc,
    /// Its sender report, if any.
    pub sender: Option<SenderInfo>,
    /// Its block about our stream, if any.
    pub block: Option<Block>,
    /// Its extended report about our stream.
    pub extended: Extended,
    /// Its sender says goodbye.
    pub bye: bool,
}

/// Reads a compound packet or one of reduced size, looking for blocks about `ours`. `None` if it is none: every packet
/// must have version 2, a type of RTCP's, and fit. Types we do not know are stepped over.
pub fn parse(bytes: &[u8], ours: Ssrc) -> Option<Report> {
    parse_of(bytes, ours, None)
}

/// As [`parse`]; of the sender reports in it, that of `theirs` counts if it is there: a mixer sends one for each source.
pub fn parse_of(bytes: &[u8], ours: Ssrc, theirs: Option<Ssrc>) -> Option<Report> {
    let (mut rest, mut report) = (bytes, None::<Report>);
    for _ in 0..COMPOUND_PACKETS_MAX {
        if rest.is_empty() {
            break;
        }
        let (packet, after) = Packet::split(rest)?;
        if packet.is_padded && !after.is_empty() {
            // RFC 3550 §6.4.1: only the last packet is padded.
            return None;
        }
        let report = report
            .get_or_insert_with(|| Report { from: Ssrc(packet.word(0).unwrap_or(0)), ..Report::default() });
        packet.read(report, ours, theirs)?;
        rest = after;
    }
    report
}

/// One packet of a compound.
struct Packet<'a> {
    count: usize,
    kind: u8,
    is_padded: bool,
    /// After the head, without padding.
    body: &'a [u8],
}

impl<'a> Packet<'a> {
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (head, body) = bytes.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]])) * 4;
        if head[0] >> 6 != 2 || !TYPES.contains(&head[1]) {
            return None;
        }
        let (mut body, after) = body.split_at_checked(length)?;
        let is_padded = head[0] & 0x20 != 0;
        if is_padded {
            // The last octet counts the padding, itself included. Whole words, says §6.4.1; a widespread library pads by
            // single bytes what it could leave unpadded.
            let padding = usize::from(*body.last()?);
            if padding == 0 {
                return None;
            }
            body = &body[..body.len().checked_sub(padding)?];
        }
        Some((Self { count: usize::from(head[0] & 0x1f), kind: head[1], is_padded, body }, after))
    }

    fn word(&self, at: usize) -> Option<u32> {
        self.body.get(at * 4..at * 4 + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// Adds what it says; `None` if its contents do not fit it.
    fn read(&self, report: &mut Report, ours: Ssrc, theirs: Option<Ssrc>) -> Option<()> {
        match self.kind {
            SENDER_REPORT => {
                let from = Ssrc(self.word(0)?);
                let info = self.sender()?;
                if report.sender.is_none() || theirs == Some(from) {
                    (report.sender, report.from) = (Some(info), from);
                }
                self.blocks(6, report, ours)?;
            }
            RECEIVER_REPORT => {
                self.word(0)?;
                self.blocks(1, report, ours)?;
            }
            GOODBYE => {
                let gone = |ssrc| (0..self.count).any(|n| self.word(n) == Some(ssrc));
                // §6.6: a count of zero is valid and useless.
                report.bye |= gone(report.from.0) || theirs.is_some_and(|theirs| gone(theirs.0));
                self.body.get(..self.count * 4)?;
            }
            EXTENDED => {
                self.word(0)?;
                report.extended.read(&self.body[4..], ours);
            }
            // Each chunk has at least its SSRC and the word that ends its items (§6.5).
            DESCRIPTION => _ = self.body.get(..self.count * 8)?,
            // Feedback, APP and what is to come.
            _ => {}
        }
        Some(())
    }

    fn sender(&self) -> Option<SenderInfo> {
        let ntp = u64::from(self.word(1)?) << 32 | u64::from(self.word(2)?);
        Some(SenderInfo { ntp, rtp: self.word(3)?, packets: self.word(4)?, octets: self.word(5)? })
    }

    fn blocks(&self, first: usize, report: &mut Report, ours: Ssrc) -> Option<()> {
        for n in 0..self.count {
            let at = first + n * 6;
            let (ssrc, loss, delay) = (self.word(at)?, self.word(at + 1)?, self.word(at + 5)?);
            if ssrc != ours.0 {
                continue;
            }
            report.block = Some(Block {
                ssrc,
                fraction_lost: (loss >> 24) as u8,
                // Sign-extends the lower 24 bits.
                lost: (loss << 8) as i32 >> 8,
                highest: self.word(at + 2)?,
                jitter: self.word(at + 3)?,
                last_report: self.word(at + 4)?,
                delay,
            });
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::rtcp::{Compound, Dlrr, REPORT_BYTES_MAX, Voip, write};
    use rtcp::goodbye::Goodbye;
    use rtcp::reception_report::ReceptionReport;
    use rtcp::sender_report::SenderReport;
    use webrtc_util::marshal::Marshal;

    const OURS: Ssrc = Ssrc(77);

    /// A compound packet with one of each kind, and where each of its packets ends.
    fn whole() -> (Vec<u8>, Vec<usize>) {
        let extended = Extended {
            reference: Some(1 << 40),
            dlrr: Some(Dlrr { ssrc: OURS, last: 3, delay: 4 }),
            voip: Some(Voip { ssrc: OURS, loss_rate: 9, mos_cq: 42, ..Voip::default() }),
        };
        let compound = Compound {
            ssrc: Ssrc(5),
            sender: Some(SenderInfo { ntp: 7 << 32, rtp: 9, packets: 10, octets: 11 }),
            blocks: &[
                Block { ssrc: 1, ..Block::default() },
                Block { ssrc: OURS.0, jitter: 14, ..Block::default() },
            ],
            cname: Some("name"),
            extended: Some(&extended),
            bye: true,
        };
        let mut bytes = vec![0; REPORT_BYTES_MAX];
        let length = write(&mut bytes, &compound);
        bytes.truncate(length);
        let (mut ends, mut at) = (Vec::new(), 0);
        while at < length {
            at += 4 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]])) * 4;
            ends.push(at);
        }
        (bytes, ends)
    }

    #[test]
    fn what_we_write_we_read() {
        let report = parse(&whole().0, OURS).unwrap();
        assert_eq!((report.from, report.bye, report.block.unwrap().jitter), (Ssrc(5), true, 14));
        assert_eq!(report.extended.reference, Some(1 << 40));
        assert_eq!(report.extended.dlrr, Some(Dlrr { ssrc: OURS, last: 3, delay: 4 }));
        let voip = report.extended.voip.unwrap();
        assert_eq!((voip.loss_rate, Voip::known(voip.mos_cq), Voip::known(voip.mos_lq)), (9, Some(42), None));
        let stranger = parse(&whole().0, Ssrc(78)).unwrap();
        assert_eq!((stranger.block, stranger.extended.dlrr, stranger.extended.voip), (None, None, None));
    }

    #[test]
    fn reports_of_another_library_are_read() {
        let block = ReceptionReport { ssrc: 77, total_lost: 0xff_ffff, ..Default::default() };
        let other = ReceptionReport { ssrc: 1, ..Default::default() };
        let sent = SenderReport { ssrc: 3, ntp_time: 4, reports: vec![other, block], ..Default::default() };
        let mut bytes = sent.marshal().unwrap().to_vec();
        bytes.extend(Goodbye { sources: vec![9, 3], ..Default::default() }.marshal().unwrap());
        let report = parse(&bytes, OURS).unwrap();
        assert_eq!((report.from, report.sender.unwrap().ntp, report.bye), (Ssrc(3), 4, true));
        assert_eq!(report.block.unwrap().lost, -1);
        assert_eq!(parse(&bytes, Ssrc(78)).unwrap().block, None);
    }

    #[test]
    fn of_a_mixers_sender_reports_the_one_of_the_stream_counts() {
        let of = |ssrc, ntp| SenderReport { ssrc, ntp_time: ntp, ..Default::default() }.marshal().unwrap();
        let bytes = [of(1, 10), of(2, 20), of(3, 30)].concat();
        let ntp = |theirs| parse_of(&bytes, OURS, theirs).unwrap().sender.unwrap().ntp;
        assert_eq!((ntp(None), ntp(Some(Ssrc(2))), ntp(Some(Ssrc(9)))), (10, 20, 10));
        let gone =
            [of(1, 10), Goodbye { sources: vec![2], ..Default::default() }.marshal().unwrap()].concat();
        assert!(!parse_of(&gone, OURS, Some(Ssrc(1))).unwrap().bye, "another source has left");
        assert!(parse_of(&gone, OURS, Some(Ssrc(2))).unwrap().bye);
    }

    #[test]
    fn every_cut_and_every_false_length_is_refused_and_none_panics() {
        let (bytes, ends) = whole();
        // Cuts between packets leave a shorter compound packet; all others are refused.
        for end in 0..=bytes.len() {
            assert_eq!(parse(&bytes[..end], OURS).is_some(), ends.contains(&end), "{end}");
        }
        let mut short = bytes[..ends[0]].to_vec();
        short[0] = 0x80 | 31;
        assert_eq!(parse(&short, OURS), None);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut wrong = bytes.clone();
                wrong[at] ^= 1 << bit;
                let _ = parse(&wrong, OURS);
            }
        }
    }

    #[test]
    fn a_packet_of_reduced_size_and_one_of_unknown_type_are_read() {
        let (bytes, ends) = whole();
        let single = parse(&bytes[ends[1]..ends[2]], OURS).unwrap();
        assert_eq!((single.from, single.extended.voip.unwrap().loss_rate), (Ssrc(5), 9));
        let feedback = [0x81, 205, 0, 3, 0, 0, 0, 5, 0, 0, 0, 77, 0, 1, 0, 0];
        let app = [0x80, 204, 0, 2, 0, 0, 0, 5, b'n', b'a', b'm', b'e'];
        let unknown = [0x80, 210, 0, 0];
        let all = [&bytes[..ends[0]], &feedback, &app, &unknown, &bytes[ends[0]..]].concat();
        assert_eq!(parse(&all, OURS), parse(&bytes, OURS));
        assert_eq!(parse(&feedback, OURS).unwrap().from, Ssrc(5));
        assert_eq!(parse(&[0x80, 100, 0, 0], OURS), None, "no type of RTCP's");
    }

    #[test]
    fn padding_is_taken_off_the_last_packet_and_refused_elsewhere() {
        let (bytes, ends) = whole();
        let mut padded = bytes[..ends[0]].to_vec();
        padded[0] |= 0x20;
        let length = u16::from_be_bytes([padded[2], padded[3]]) + 2;
        padded[2..4].copy_from_slice(&length.to_be_bytes());
        padded.extend([0, 0, 0, 0, 0, 0, 0, 8]);
        assert_eq!(parse(&padded, OURS).unwrap().block.unwrap().jitter, 14);
        *padded.last_mut().unwrap() = 3;
        assert!(parse(&padded, OURS).is_some());
        for count in [0u8, 10, 255] {
            let mut wrong = padded.clone();
            *wrong.last_mut().unwrap() = count;
            assert_eq!(parse(&wrong, OURS), None, "{count}");
        }
        assert_eq!(parse(&[&padded[..], &bytes[ends[0]..]].concat(), OURS), None);
    }
}
