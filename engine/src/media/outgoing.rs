//! The one RTP stream we send to a leg, whoever stands behind it: one SSRC, rising numbers, rising timestamps, through
//! relaying, encoding, key presses and pauses.
//!
//! What lies in a frame of ours comes from the leg's encoder, or from packets made once for all calls (`frame.rs`).
//!
//! It leaves out where packets go and what is heard.

use std::ops::Range;
use std::time::Duration;

use baton_codecs::dtmf::tone_of;
use baton_codecs::fade::is_faint;
use baton_codecs::telephone_event::TelephoneEvent as TelephoneEventPayload;
use baton_codecs::tone::Tone;
use baton_signaling::Time;

use super::coder::{Codec, FRAME_SAMPLES_MAX, SoundEncoder, TICK_SAMPLES_MAX};
use super::dtmf::EventSender;
use super::frame::{Content, Framer};
use super::prompt::Played;
use super::ring::PAYLOAD_BYTES_MAX;
use super::{Digits, LegConfig, Limits, Prompts, SessionParams, TelephoneEvent};
use crate::key::LegId;
use crate::rtp::packet::{HEADER_BYTES, Header};
use crate::rtp::{PayloadType, RtpTime, Seq, Ssrc};

/// Packets after the start of relaying in which one from before the start may still come; it is dropped.
const YOUNG_PACKETS: u8 = 100;
/// A relayed stream whose timestamps jump by more seconds than this is taken up anew.
const JUMP_SECONDS_MAX: i64 = 10;

/// A usual frame, in milliseconds.
const FRAME_MS: u32 = 20;
/// A decoder that has had nothing for so long is silent.
const CONCEALED: Duration = Duration::from_millis(200);

/// A packet on its way through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passing {
    pub(crate) from: LegId,
    pub(crate) ssrc: Ssrc,
    pub(crate) seq: Seq,
    pub(crate) time: RtpTime,
    pub(crate) marker: bool,
    /// How long it sounds, in units of the clock.
    pub(crate) units: u32,
}

/// Packets left out of a relayed stream that are remembered: those sent before them may come this much later.
const LEFT_OUT: usize = 8;

/// How another stream's numbers become ours.
#[derive(Clone, Copy, Debug)]
struct Relay {
    from: LegId,
    ssrc: Ssrc,
    seq_by: u16,
    time_by: u32,
    first: Seq,
    young: u8,
    heard: Time,
    /// The last packets that were left out, and how many there are.
    left_out: ([Seq; LEFT_OUT], usize),
}

impl Relay {
    /// Our number for a packet. Those behind one that was left out move up, so that none seems lost.
    fn seq(&self, seq: Seq) -> Seq {
        let (left_out, count) = &self.left_out;
        let before = left_out[..*count.min(&LEFT_OUT)].iter().filter(|left| seq.since(**left) < 0).count();
        seq.plus(self.seq_by).plus(before as u16)
    }

    /// More has been left out behind a packet than is remembered: its number may be another's by now.
    fn is_stale(&self, seq: Seq) -> bool {
        let (left_out, count) = &self.left_out;
        *count > LEFT_OUT && left_out.iter().all(|left| seq.since(*left) < 0)
    }

    /// What was left out so long ago that nothing from before it still comes is forgotten: numbers go round.
    fn forget(&mut self, seq: Seq) {
        let (left_out, count) = &mut self.left_out;
        if *count > 0 && seq.since(left_out[(*count - 1) % LEFT_OUT]) > i16::from(YOUNG_PACKETS) {
            *count = 0;
        }
    }
}

/// Sound sent last: when, and its first and following timestamp.
#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Time,
    start: RtpTime,
    end: RtpTime,
}

/// The stream.
pub(crate) struct Outgoing {
    pub(crate) ssrc: Ssrc,
    codec: Codec,
    payload_type: PayloadType,
    event: Option<TelephoneEvent>,
    /// Presses are sent as tones in the sound.
    tones: bool,
    tone: Option<Tone>,
    ptime_ms: u8,
    pub(crate) framer: Framer,
    fifo: Box<[i16]>,
    filled: usize,
    /// What is known of the sound in `fifo`.
    content: Content,
    seq: Seq,
    /// Timestamp of the first sample in `fifo`.
    time: RtpTime,
    last: Option<Sent>,
    /// Frames of ours are being sent without a break.
    running: bool,
    marker: bool,
    relay: Option<Relay>,
    pub(crate) events: EventSender,
    event_start: RtpTime,
    pub(crate) packets: u64,
    pub(crate) octets: u64,
}

impl Outgoing {
    /// A stream that has not begun; `draw` gives its random SSRC, first number and first timestamp (RFC 3550 §5.1).
    pub(crate) fn new(codec: Codec, encoder: SoundEncoder, mut draw: impl FnMut() -> u64) -> Self {
        Self {
            ssrc: Ssrc(draw() as u32),
            codec,
            payload_type: PayloadType(0),
            event: None,
            tones: false,
            tone: None,
            ptime_ms: 20,
            framer: Framer::new(codec, encoder),
            fifo: vec![0; FRAME_SAMPLES_MAX + TICK_SAMPLES_MAX].into(),
            filled: 0,
            content: Content::Sound,
            // The upper half is left out, so that the first wrap is far away (RFC 3711 §3.3.1 advises it for SRTP).
            seq: Seq(draw() as u16 & 0x7fff),
            time: RtpTime(draw() as u32),
            last: None,
            running: false,
            marker: true,
            relay: None,
            events: EventSender::new(),
            event_start: RtpTime(0),
            packets: 0,
            octets: 0,
        }
    }

    /// Takes payload numbers and packet length from an offer or answer.
    pub(crate) fn configure(&mut self, config: &LegConfig) {
        self.payload_type = PayloadType(config.payload.number);
        self.event = config.telephone_event;
        self.tones = self.event.is_none() && config.digits == Digits::Tones;
        if !self.takes_digits() {
            // Presses that can no longer be sent would hold up relaying.
            self.events = EventSender::new();
        }
        let ptime_ms = self.codec.ptime_ms(config.ptime_ms);
        if ptime_ms != self.ptime_ms {
            (self.ptime_ms, self.filled, self.running) = (ptime_ms, 0, false);
        }
    }

    /// Another codec: same stream, other payloads. Timestamps go on in the new clock (RFC 7160 §4).
    pub(crate) fn replace(&mut self, codec: Codec, encoder: SoundEncoder) {
        if codec.clock() != self.codec.clock()
            && let Some(last) = self.last.take()
        {
            self.time = last.end;
        }
        let prompt_frames = self.framer.prompt_frames;
        (self.codec, self.framer) = (codec, Framer::new(codec, encoder));
        self.framer.prompt_frames = prompt_frames;
        self.pause();
    }

    /// The encoder works with this complexity from its next frame on.
    pub(crate) fn set_complexity(&mut self, complexity: u8) {
        self.framer.encoder().set_complexity(complexity);
    }

    /// What the far end takes from now on.
    pub(crate) fn limit(&mut self, params: &SessionParams, limits: Limits) {
        self.framer.limit(params, limits);
    }

    /// Whether packets of another stream may take the place of ours right now. If our own sound is still heard, it
    /// fades out with the next frame first.
    pub(crate) fn yields(&mut self) -> bool {
        !self.running || self.relay.is_some() || self.framer.yields()
    }

    /// Key presses can be sent.
    pub(crate) fn takes_digits(&self) -> bool {
        self.event.is_some() || self.tones
    }

    /// Key presses are sent as tones in the sound.
    pub(crate) fn takes_tones(&self) -> bool {
        self.tones
    }

    /// Milliseconds of sound in a packet of ours.
    pub(crate) fn ptime_ms(&self) -> u8 {
        self.ptime_ms
    }

    /// Nothing is sent for a while: held by SDP, or nothing was ever wanted.
    pub(crate) fn pause(&mut self) {
        (self.running, self.relay, self.filled) = (false, None, 0);
    }

    /// Who is being relayed, and when it was heard last.
    pub(crate) fn relayed(&self) -> Option<(LegId, Time)> {
        self.relay.map(|relay| (relay.from, relay.heard))
    }

    /// The timestamp that belongs to `now`: after all that was sent, and as far on as time has gone on. A tick and another
    /// stream's packets have each their own instant: less than a frame between them is no pause, and would be heard as one.
    fn resume(&self, now: Time) -> RtpTime {
        let Some(last) = self.last else { return self.time };
        let elapsed =
            now.saturating_duration_since(last.at).as_micros() * u128::from(self.codec.clock()) / 1_000_000;
        let lasted = last.end.since(last.start).max(0) as u128;
        let pause = elapsed >= lasted + u128::from(self.units(FRAME_MS));
        last.start.plus(if pause { elapsed } else { lasted } as u32)
    }

    /// The timestamp of `now`, for a sender report.
    pub(crate) fn time_at(&self, now: Time) -> RtpTime {
        match self.last {
            Some(last) => {
                let elapsed = now.saturating_duration_since(last.at).as_micros();
                last.start.plus((elapsed * u128::from(self.codec.clock()) / 1_000_000) as u32)
            }
            None => self.time,
        }
    }

    /// Ticks were missed: the frames they would have sent are left out.
    pub(crate) fn skip(&mut self, ms: u32) {
        if self.running {
            self.time = self.time.plus(self.units(ms));
        }
    }

    /// Takes a tick's sound, which is what `played` says if that is said; sends what makes whole packets.
    pub(crate) fn push(
        &mut self,
        now: Time,
        sound: &[i16],
        played: Option<Played>,
        prompts: &Prompts,
        mut send: impl FnMut(&[u8]),
    ) {
        if !self.running {
            self.time = self.resume(now);
            if self.last.is_none_or(|last| now.saturating_duration_since(last.at) >= CONCEALED) {
                self.framer.lapse();
            }
            (self.running, self.marker, self.relay, self.filled) = (true, true, None, 0);
        }
        let begins = played.is_some_and(|played| played.place == 0);
        if self.filled > 0 && begins && is_faint(&self.fifo[..self.filled]) {
            // A prompt's packets begin with it: of what lies before it, a part of a frame, nothing is heard.
            self.time = self.time.plus(self.units((self.filled / 8) as u32));
            self.filled = 0;
        }
        self.content = Content::of(sound, played).after(self.content, self.filled);
        self.fifo[self.filled..self.filled + sound.len()].copy_from_slice(sound);
        self.filled += sound.len();
        let frame = usize::from(self.ptime_ms) * 8;
        while self.filled >= frame {
            self.send_frame(now, frame, prompts, &mut send);
            self.fifo.copy_within(frame..self.filled, 0);
            self.filled -= frame;
            self.content = self.content.rest(frame);
        }
    }

    /// Sends what is left of a frame, in a shorter packet: another stream's packets are about to follow. G.711 only, of
    /// which packets may have any length; of Opus, the frame before has faded out.
    pub(crate) fn send_rest(&mut self, now: Time, prompts: &Prompts, mut send: impl FnMut(&[u8])) {
        if self.filled > 0 && self.codec != Codec::Opus && self.content != Content::Silence {
            let rest = std::mem::take(&mut self.filled);
            self.send_frame(now, rest, prompts, &mut send);
        }
    }

    /// Whether a part of a frame waits to become a whole one.
    pub(crate) fn has_rest(&self) -> bool {
        self.filled > 0
    }

    /// Puts what belongs to a press into a frame, in place of its sound.
    fn put_tone(&mut self, now: Time, frame: usize) {
        let busy = self.events.is_busy();
        let sound = &mut self.fifo[..frame];
        let next = self.events.next(now, u32::from(self.ptime_ms), 8000);
        let event = next.and_then(|next| TelephoneEventPayload::parse(&next.payload).ok());
        if let (Some(next), Some(event)) = (next, event) {
            if next.first {
                self.tone = Some(tone_of(event.event));
            }
            match &mut self.tone {
                Some(tone) => tone.fill(sound),
                None => sound.fill(0),
            }
            if event.end {
                // Its repeats are for packets that may be lost: here they are the beginning of the pause.
                self.tone = None;
            }
        } else if busy {
            sound.fill(0);
        }
    }

    fn send_frame(&mut self, now: Time, frame: usize, prompts: &Prompts, send: &mut impl FnMut(&[u8])) {
        let mut packet = [0; HEADER_BYTES + PAYLOAD_BYTES_MAX];
        let frame_ms = (frame / 8) as u32;
        let event = match self.event {
            Some(event) => self.events.next(now, frame_ms, event.clock).map(|next| (event.number, next)),
            None => {
                if self.tones {
                    if self.events.is_busy() {
                        self.content = Content::Sound;
                    }
                    self.put_tone(now, frame);
                }
                None
            }
        };
        let (start, end) = (self.time, self.time.plus(self.units(frame_ms)));
        let mut header = Header {
            marker: self.marker,
            payload_type: self.payload_type,
            seq: self.seq,
            time: start,
            ssrc: self.ssrc,
        };
        let length = match event {
            Some((number, next)) => {
                if next.first {
                    self.event_start = start;
                }
                // RFC 4733 §2.5.1.1: all packets of a press carry its beginning; §2.5.1.3: segments follow each other.
                header.time = self.event_start.plus(self.units(next.segment_ms));
                (header.payload_type, header.marker) = (PayloadType(number), next.first);
                packet[HEADER_BYTES..HEADER_BYTES + 4].copy_from_slice(&next.payload);
                4
            }
            None => {
                let (sound, payload) = (&mut self.fifo[..frame], &mut packet[HEADER_BYTES..]);
                self.framer.make(sound, self.content, self.ptime_ms, prompts, payload)
            }
        };
        self.time = end;
        self.last = Some(Sent { at: now, start, end });
        if length == 0 {
            self.marker = true;
            return;
        }
        // RFC 3551 §4.1: the first packet of sound after a pause, and after a press, is marked.
        self.marker = event.is_some();
        self.seq = self.seq.plus(1);
        header.write(&mut packet);
        self.count(length);
        send(&packet[..HEADER_BYTES + length]);
    }

    /// Sends another stream's packet as ours, rewritten in place. Its losses stay losses in our numbers.
    pub(crate) fn pass(
        &mut self,
        now: Time,
        passing: Passing,
        packet: &mut [u8],
        payload: Range<usize>,
        mut send: impl FnMut(&[u8]),
    ) {
        let relay = match self.relay {
            Some(relay) if self.goes_on(now, relay, passing) => relay,
            _ => self.take_up(now, passing),
        };
        if relay.young > 0 && passing.seq.since(relay.first) < 0 || relay.is_stale(passing.seq) {
            return;
        }
        let young = relay.young.saturating_sub(1);
        let mut relay = Relay { young, heard: now, ..relay };
        relay.forget(passing.seq);
        self.relay = Some(relay);
        let (seq, time) = (relay.seq(passing.seq), passing.time.plus(relay.time_by));
        let marker = passing.marker || self.marker;
        self.marker = false;
        if seq.since(self.seq) >= 0 {
            self.seq = seq.plus(1);
            self.last = Some(Sent { at: now, start: time, end: time.plus(passing.units) });
        }
        self.count(payload.len());
        self.framer.passed(&packet[payload.clone()]);
        let header = Header { marker, payload_type: self.payload_type, seq, time, ssrc: self.ssrc };
        send(header.write_before(packet, payload));
    }

    fn goes_on(&self, now: Time, relay: Relay, passing: Passing) -> bool {
        let jump = i64::from(passing.time.plus(relay.time_by).since(self.resume(now)));
        let numbers = relay.seq(passing.seq).since(self.seq);
        relay.from == passing.from
            && relay.ssrc == passing.ssrc
            && jump.abs() < JUMP_SECONDS_MAX * i64::from(self.codec.clock())
            && (-100..3000).contains(&numbers)
    }

    fn take_up(&mut self, now: Time, passing: Passing) -> Relay {
        let time = self.resume(now);
        (self.running, self.filled, self.marker) = (false, 0, true);
        Relay {
            from: passing.from,
            ssrc: passing.ssrc,
            seq_by: self.seq.0.wrapping_sub(passing.seq.0),
            time_by: time.0.wrapping_sub(passing.time.0),
            first: passing.seq,
            young: YOUNG_PACKETS,
            heard: now,
            left_out: ([Seq(0); LEFT_OUT], 0),
        }
    }

    /// A packet of the stream that is being relayed is not passed on: comfort noise, key presses, keep-alives. Its number is
    /// no loss. One that comes after those behind it leaves its hole in the numbers.
    pub(crate) fn leave_out(&mut self, from: LegId, ssrc: Ssrc, seq: Seq) {
        let Some(relay) = self.relay.as_mut().filter(|relay| relay.from == from && relay.ssrc == ssrc) else {
            return;
        };
        if relay.seq(seq).since(self.seq) >= 0 {
            let (left_out, count) = &mut relay.left_out;
            left_out[*count % LEFT_OUT] = seq;
            *count += 1;
            relay.seq_by = relay.seq_by.wrapping_sub(1);
        }
    }

    fn count(&mut self, octets: usize) {
        self.packets += 1;
        self.octets += octets as u64;
    }

    fn units(&self, ms: u32) -> u32 {
        self.codec.clock() / 1000 * ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An Opus stream and the codecs it may take.
    fn stream() -> (Outgoing, Prompts) {
        let prompts = Prompts::new();
        prompts.encode(&SessionParams::default());
        prompts.fill_up();
        let encoder = Codec::Opus.encoder(&SessionParams::default(), Limits::default(), prompts.spare());
        (Outgoing::new(Codec::Opus, encoder, || 7), prompts)
    }

    /// Encodes `frames` of a tone; the payloads.
    fn speak(
        (stream, prompts): &mut (Outgoing, Prompts),
        from_ms: u64,
        frames: u64,
        step: usize,
    ) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        for n in 0..frames {
            let sound: [i16; 160] = std::array::from_fn(|at| ((at * step) % 97) as i16 * 100 - 4800);
            stream.push(Time::from_millis(from_ms + n * 20), &sound, None, prompts, |packet| {
                sent.push(packet[HEADER_BYTES..].to_vec());
            });
        }
        sent
    }

    #[test]
    fn after_relayed_packets_the_encoder_begins_anew_and_without_them_it_goes_on() {
        let fresh = speak(&mut stream(), 0, 5, 3);
        for relays in [true, false] {
            let mut stream = stream();
            speak(&mut stream, 0, 20, 11);
            if relays {
                let passing = Passing {
                    from: LegId(1),
                    ssrc: Ssrc(9),
                    seq: Seq(1),
                    time: RtpTime(1),
                    marker: false,
                    units: 960,
                };
                let mut packet = [0x08; HEADER_BYTES + 40];
                stream.0.pass(
                    Time::from_millis(400),
                    passing,
                    &mut packet,
                    HEADER_BYTES..HEADER_BYTES + 40,
                    |_| {},
                );
            } else {
                stream.0.pause();
            }
            assert_eq!(speak(&mut stream, 420, 5, 3) == fresh, relays);
        }
    }

    /// The `n`th packet of a relayed Opus stream.
    fn passing(n: u16) -> Passing {
        let time = RtpTime(u32::from(n) * 960);
        Passing { from: LegId(1), ssrc: Ssrc(9), seq: Seq(n), time, marker: false, units: 960 }
    }

    #[test]
    fn no_number_is_used_twice_however_many_packets_were_left_out_before_a_late_one_comes() {
        for left_out in [1, 8, 9, 12, 40] {
            let (mut stream, mut numbers) = (stream().0, Vec::new());
            let after = 51 + left_out;
            let came = (1..=50).filter(|n| *n != 40).chain([after, after + 1, 40, after + 2]);
            for n in came {
                if n == after {
                    (51..after).for_each(|n| stream.leave_out(LegId(1), Ssrc(9), Seq(n)));
                }
                let mut packet = [0x08; HEADER_BYTES + 40];
                let now = Time::from_millis(u64::from(n) * 20);
                stream.pass(now, passing(n), &mut packet, HEADER_BYTES..HEADER_BYTES + 40, |bytes| {
                    numbers.push(u16::from_be_bytes([bytes[2], bytes[3]]));
                });
            }
            let distinct: std::collections::BTreeSet<u16> = numbers.iter().copied().collect();
            assert_eq!(distinct.len(), numbers.len(), "{left_out}: {numbers:?}");
            assert!(numbers.len() >= 52, "{left_out}: the late one at the most is lost");
        }
    }

    #[test]
    fn a_change_of_clock_after_relaying_never_turns_the_timestamps_back() {
        let (mut stream, prompts) = stream();
        let mut last = RtpTime(0);
        for n in 0..100u16 {
            let mut packet = [0x08; HEADER_BYTES + 40];
            let now = Time::from_millis(u64::from(n) * 20);
            stream.pass(now, passing(n), &mut packet, HEADER_BYTES..HEADER_BYTES + 40, |bytes| {
                last = RtpTime(u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]));
            });
        }
        let pcmu = Codec::G711(baton_codecs::g711::Law::Mu);
        let encoder = pcmu.encoder(&SessionParams::default(), Limits::default(), prompts.spare());
        stream.replace(pcmu, encoder);
        assert_eq!(stream.time_at(Time::from_secs(2)).since(last), 960);
    }
}
