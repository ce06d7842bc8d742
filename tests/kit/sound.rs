//! What a phone says and hears: RTP made and read by hand (RFC 3550), G.711 inside.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use baton_signaling::Time;

use crate::codec::{Codec, Decode, Encode, WideEncode, wide_amplitude};
use crate::dice::Dice;
use crate::tone::{FRAME, Heard, Tone, longest_silence_ms};

/// A phone's sent stream: its tone, or silence, in frames of one length.
#[derive(Debug)]
pub struct Mouth {
    /// The payload type, as negotiated.
    pub number: u8,
    /// Says silence instead of its tone.
    pub quiet: bool,
    muted: bool,
    tone: Tone,
    codec: Codec,
    encode: Encode,
    /// Says the high tone of [`WIDE_HERTZ`] beside its own, in Opus.
    wide: Option<Box<WideEncode>>,
    ptime: u64,
    ssrc: u32,
    seq: u16,
    stamp: u32,
    begun: bool,
    next: Option<Time>,
    /// Payloads that are said before the tone goes on, one in each packet.
    recital: VecDeque<Vec<u8>>,
    /// Packets sent.
    pub sent: u64,
}

impl Mouth {
    /// A mouth that is shut; each has its own SSRC, sequence and clock.
    pub fn new(tone: Tone, dice: &mut Dice) -> Self {
        Self {
            number: 0,
            quiet: false,
            muted: false,
            tone,
            codec: Codec::Pcmu,
            encode: Encode::new(Codec::Pcmu),
            wide: None,
            ptime: 20,
            ssrc: dice.bits() as u32,
            seq: dice.bits() as u16,
            stamp: dice.bits() as u32,
            begun: false,
            next: None,
            recital: VecDeque::new(),
            sent: 0,
        }
    }

    /// Speaks this format from now on (or goes on with it).
    pub fn open(&mut self, now: Time, codec: Codec, number: u8, ptime: u64) {
        if self.codec != codec {
            self.encode = Encode::new(codec);
        }
        (self.codec, self.number, self.ptime) = (codec, number, ptime);
        self.next.get_or_insert(now);
    }

    /// Speaks Opus with sound above telephone bandwidth from now on, or without.
    pub fn widen(&mut self, wide: bool) {
        if wide != self.wide.is_some() {
            self.encode = Encode::new(self.codec);
            self.wide = wide.then(Box::default);
        }
    }

    /// Says these payloads, one in each packet, then goes on with the tone (or silence).
    pub fn recite(&mut self, payloads: impl IntoIterator<Item = Vec<u8>>) {
        self.recital = payloads.into_iter().collect();
    }

    /// Says no more.
    pub fn shut(&mut self) {
        self.next = None;
    }

    /// Sends nothing from now on, whatever is agreed, or again.
    pub fn mute(&mut self, now: Time, mute: bool) {
        (self.muted, self.next) = (mute, self.next.map(|due| due.max(now)));
    }

    /// When the next packet is due.
    pub fn next(&self) -> Option<Time> {
        self.next
    }

    /// The packet that is due.
    pub fn poll(&mut self, now: Time) -> Option<Vec<u8>> {
        let due = self.next.filter(|due| *due <= now)?;
        self.next = Some(due + Duration::from_millis(self.ptime));
        let samples = self.ptime as usize * 8;
        let frame: [i16; FRAME] = if self.quiet { [0; FRAME] } else { self.tone.frame() };
        // A packet of 10 ms takes the halves in turn; longer ones repeat the frame.
        let offset = usize::from(self.ptime % 20 == 10 && self.seq % 2 == 1) * 80;
        let sound: Vec<i16> = (0..samples).map(|at| frame[(at + offset) % FRAME]).collect();
        let mut packet = vec![0x80, self.number | u8::from(!self.begun) << 7];
        packet.extend(self.seq.to_be_bytes());
        packet.extend(self.stamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        match self.recital.pop_front() {
            Some(payload) => packet.extend(payload),
            None if let Some(wide) = &mut self.wide => wide.append(self.tone, &mut packet),
            None => self.encode.append(&sound, &mut packet),
        }
        self.begun = true;
        if self.muted {
            self.stamp = self.stamp.wrapping_add(samples as u32 * self.codec.clock() / 8000);
            return None;
        }
        self.seq = self.seq.wrapping_add(1);
        self.stamp = self.stamp.wrapping_add(samples as u32 * self.codec.clock() / 8000);
        self.sent += 1;
        Some(packet)
    }
}

/// A received RTP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When it arrived.
    pub at: Time,
    /// From where.
    pub from: SocketAddr,
    /// Its source.
    pub ssrc: u32,
    /// Its payload type.
    pub number: u8,
    /// Its sequence number.
    pub seq: u16,
    /// Its timestamp.
    pub stamp: u32,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// A phone's received stream.
#[derive(Debug, Default)]
pub struct Ear {
    /// All that came, in order of arrival.
    pub packets: Vec<Packet>,
    /// RTCP packets that came.
    pub rtcp: u64,
    /// Datagrams that were neither.
    pub junk: u64,
    formats: Vec<(u8, Codec)>,
    events: Vec<u8>,
}

impl Ear {
    /// Payload types to be heard as audio, and those of telephone-event.
    pub fn expect(&mut self, formats: &[(u8, Codec)], events: &[u8]) {
        self.formats = formats.to_vec();
        self.events = events.to_vec();
    }

    /// Takes a datagram.
    pub fn handle(&mut self, now: Time, from: SocketAddr, bytes: &[u8]) {
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        match bytes {
            [b, kind, ..] if b >> 6 == 2 && (192..224).contains(kind) => self.rtcp += 1,
            [b, kind, ..] if b >> 6 == 2 && bytes.len() >= 12 => {
                let header = 12 + 4 * usize::from(b & 15);
                self.packets.push(Packet {
                    at: now,
                    from,
                    ssrc: word(8),
                    number: kind & 127,
                    seq: u16::from_be_bytes([bytes[2], bytes[3]]),
                    stamp: word(4),
                    payload: bytes.get(header..).unwrap_or(&[]).to_vec(),
                });
            }
            _ => self.junk += 1,
        }
    }

    /// What arrived from `from` until before `to`.
    pub fn between(&self, from: Time, to: Time) -> &[Packet] {
        let start = self.packets.partition_point(|packet| packet.at < from);
        let end = self.packets.partition_point(|packet| packet.at < to);
        &self.packets[start..end.max(start)]
    }

    /// The sound of what arrived from `from` until before `to`, at 8 kHz, laid out by its timestamps; where nothing
    /// came there are zeros. Sound of another source begins where that of the last ended.
    pub fn samples(&self, from: Time, to: Time) -> Vec<i16> {
        let mut sound: Vec<i16> = Vec::new();
        // A decoder needs what came before: Opus begins softly.
        for run in self.between(from - Duration::from_millis(300), to).chunk_by(|a, b| a.ssrc == b.ssrc) {
            let mut run: Vec<&Packet> =
                run.iter().filter(|packet| !self.events.contains(&packet.number)).collect();
            let Some(base) = run.first().map(|packet| packet.stamp) else { continue };
            // Differences are signed: the first to arrive need not be the first said.
            run.sort_by_key(|packet| packet.stamp.wrapping_sub(base) as i32);
            let (start, mut decode, mut first) = (sound.len(), Decode::default(), None);
            for packet in run {
                let codec = self.formats.iter().find(|(number, _)| *number == packet.number);
                let Some(&(_, codec)) = codec else { continue };
                let samples = decode.samples(codec, &packet.payload);
                if packet.at < from {
                    continue;
                }
                let first = *first.get_or_insert(packet.stamp);
                let at = start + (packet.stamp.wrapping_sub(first) / (codec.clock() / 8000)) as usize;
                // A clock that jumps by an hour is a fault to be seen, not memory to be filled.
                assert!(at < start + 60 * 60 * 8000, "timestamp jumped: {} after {first}", packet.stamp);
                sound.resize(sound.len().max(at + samples.len()), 0);
                sound[at..at + samples.len()].copy_from_slice(&samples);
            }
        }
        sound
    }

    /// Amplitude of the high tone in the Opus that arrived in this time.
    pub fn wide_heard(&self, from: Time, to: Time) -> f64 {
        let is_opus = |number: u8| self.formats.contains(&(number, Codec::Opus));
        let packets = self.between(from, to).iter().filter(|packet| is_opus(packet.number));
        wide_amplitude(packets.map(|packet| packet.payload.as_slice()))
    }

    /// Whom one heard in this time.
    pub fn heard(&self, from: Time, to: Time) -> Heard {
        let mut sound = self.samples(from, to);
        // Whoever got less than half of the time's packets heard silence in the rest.
        sound.resize(sound.len().max((to - from).as_millis() as usize * 8), 0);
        Heard::of(&sound)
    }

    /// The longest stretch in this time without any sound, by the stream's own clock, in milliseconds.
    pub fn longest_gap_ms(&self, from: Time, to: Time) -> usize {
        longest_silence_ms(&self.samples(from, to))
    }

    /// The longest time between two packets in this time, in milliseconds.
    pub fn longest_wait_ms(&self, from: Time, to: Time) -> u128 {
        let packets = self.between(from, to);
        packets.windows(2).map(|pair| (pair[1].at - pair[0].at).as_millis()).max().unwrap_or(u128::MAX)
    }

    /// The faults of the whole received stream as one stream: other SSRC, missing or repeated sequence numbers,
    /// timestamps that do not rise with them. Only of use where the network loses nothing.
    pub fn stream_faults(&self) -> Vec<String> {
        let pairs = self.packets.windows(2);
        let fault = |pair: &[Packet]| {
            let (a, b) = (&pair[0], &pair[1]);
            let stamp = b.stamp.wrapping_sub(a.stamp) as i32;
            // Packets of one telephone event share their timestamp (RFC 4733 §2.5.1.2).
            let event = self.events.contains(&b.number);
            let fault = match b.seq.wrapping_sub(a.seq) {
                _ if a.ssrc != b.ssrc => format!("SSRC {:08x} became {:08x}", a.ssrc, b.ssrc),
                step if step != 1 => format!("sequence {} after {}", b.seq, a.seq),
                _ if stamp < 0 || (stamp == 0 && !event) => {
                    format!("timestamp {} after {}", b.stamp, a.stamp)
                }
                _ => return None,
            };
            Some(format!("{:?}: {fault}", b.at))
        };
        pairs.filter_map(fault).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(codec: Codec, ptime: u64, drop: &[usize]) -> Ear {
        let mut mouth = Mouth::new(Tone(4), &mut Dice::new(1, 1));
        let mut ear = Ear::default();
        ear.expect(&[(0, codec)], &[]);
        mouth.open(Time::from_secs(1), codec, 0, ptime);
        let mut sent = 0;
        while let Some(due) = mouth.next().filter(|due| *due < Time::from_secs(2)) {
            let packet = mouth.poll(due).unwrap();
            if !drop.contains(&sent) {
                ear.handle(due, "127.0.0.1:4000".parse().unwrap(), &packet);
            }
            sent += 1;
        }
        ear
    }

    #[test]
    fn a_mouth_is_heard_by_an_ear_in_every_codec_and_packet_length() {
        for codec in Codec::ALL {
            // Opus has no frame of 30 ms.
            for ptime in [10, 20, 30, 40, 60].into_iter().filter(|&ptime| codec != Codec::Opus || ptime != 30)
            {
                let ear = talk(codec, ptime, &[]);
                let heard = ear.heard(Time::from_millis(1500), Time::from_millis(1990));
                assert!(heard == Heard::only(Tone(4)), "{codec:?} {ptime}: {heard:?}");
                assert!(ear.stream_faults().is_empty(), "{:?}", ear.stream_faults());
                assert!(
                    ear.longest_gap_ms(Time::from_millis(1100), Time::from_secs(2)) <= 10,
                    "{codec:?} {ptime}"
                );
            }
        }
    }

    #[test]
    fn lost_packets_are_a_gap_and_a_fault() {
        let ear = talk(Codec::Pcmu, 20, &[20, 21, 22, 23, 24]);
        let gap = ear.longest_gap_ms(Time::from_secs(1), Time::from_secs(2));
        assert!((90..=100).contains(&gap), "{gap}");
        assert_eq!(ear.longest_wait_ms(Time::from_secs(1), Time::from_secs(2)), 120);
        assert_eq!(ear.stream_faults().len(), 1);
    }

    #[test]
    fn an_ear_that_got_nothing_heard_silence() {
        assert_eq!(
            talk(Codec::Pcmu, 20, &[]).heard(Time::from_secs(5), Time::from_secs(6)),
            Heard::silence()
        );
    }
}
