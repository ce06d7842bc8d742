//! Key presses as telephone-events (RFC 4733): recognised once per press, and made anew toward the other leg.
//!
//! It leaves out tones in the sound itself: they are heard in `hearing.rs` and made in `outgoing.rs`, press by press as here.

use std::time::Duration;

use baton_codecs::telephone_event::{KEY_MAX, TelephoneEvent as Event};
use baton_signaling::Time;

use super::Dtmf;
use crate::rtp::RtpTime;

/// Presses waiting to be sent: more than anyone types ahead; further ones are dropped and counted.
const QUEUE_MAX: usize = 16;
/// Length of a press we make ourselves, in milliseconds.
const PRESS_MS: u32 = 160;
/// Longest press we send, in milliseconds, for one of which nothing but the end has come: it is over, and takes the place
/// of sound.
const PRESS_MS_MAX: u32 = 1000;
/// Shortest press we send: what receivers must recognise (ITU-T Q.24 §2.2).
const PRESS_MS_MIN: u32 = 40;
/// Shortest pause between two presses.
const PAUSE_MS: u32 = 60;
/// A press whose sender falls silent is over after this.
const LOST_AFTER: Duration = Duration::from_millis(300);
/// The end of a press is sent this often (RFC 4733 §2.5.1.4).
const ENDS: u8 = 3;
/// A press that was ordered (it came as INFO) and is heard in the media within this is one press.
const SAME_PRESS: Duration = Duration::from_millis(700);
/// Loudness of a press we make ourselves, in dBm0 below zero.
const VOLUME: u8 = 10;

/// What an event packet means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// First packet of a press.
    pub(crate) began: bool,
    pub(crate) digit: Dtmf,
    pub(crate) volume: u8,
    /// The press is over and lasted this long.
    pub(crate) ended_ms: Option<u32>,
}

/// Reads a leg's event packets.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventReceiver {
    current: Option<Current>,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    /// Timestamp of the press's first packet, and of its segment (RFC 4733 §2.5.1.3).
    start: RtpTime,
    segment: RtpTime,
    duration: u16,
    event: u8,
    ended: bool,
}

impl EventReceiver {
    /// Takes a packet; `None` if it says nothing new or is no key.
    pub(crate) fn handle(&mut self, clock: u32, time: RtpTime, payload: &[u8]) -> Option<Seen> {
        let event = Event::parse(payload).ok().filter(|event| event.event <= KEY_MAX)?;
        let mut began = false;
        let mut current = match self.current {
            // A repeat, or an update of the same press.
            Some(current) if current.segment == time => current,
            // An older one, overtaken.
            Some(current) if time.since(current.segment) < 0 => return None,
            // A press longer than 16 bits goes on in a further segment, without its end having been sent.
            Some(mut current)
                if !current.ended
                    && current.event == event.event
                    && current.duration > u16::MAX - 4800
                    && time.since(current.segment) <= 0x1_0000 =>
            {
                current.segment = time;
                current
            }
            _ => {
                began = true;
                Current { start: time, segment: time, duration: 0, event: event.event, ended: false }
            }
        };
        let news = began || !current.ended;
        current.duration = event.duration;
        current.ended |= event.end;
        self.current = Some(current);
        let units = current.segment.since(current.start).max(0) as u32 + u32::from(event.duration);
        let ended_ms = event.end.then(|| units / (clock / 1000).max(1));
        let digit = Dtmf(current.event);
        news.then_some(Seen { began, digit, volume: event.volume, ended_ms })
    }
}

/// A press being sent.
#[derive(Clone, Copy, Debug)]
struct Active {
    digit: Dtmf,
    volume: u8,
    /// Milliseconds already told of this segment, and of segments before it.
    told_ms: u32,
    before_ms: u32,
    /// How long it is to last; `None` while the key is still held down elsewhere.
    length_ms: Option<u32>,
    heard: Time,
    ends: u8,
}

/// What is to be sent in place of a frame of sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventPacket {
    pub(crate) payload: [u8; 4],
    /// First of the press: its timestamp is that of the frame it replaces.
    pub(crate) first: bool,
    /// Milliseconds by which the timestamp of this segment lies behind the press's first.
    pub(crate) segment_ms: u32,
}

/// Makes a leg's event packets, one per frame.
#[derive(Clone, Debug)]
pub(crate) struct EventSender {
    queue: [Dtmf; QUEUE_MAX],
    queued: usize,
    active: Option<Active>,
    pause_ms: u32,
    /// The press ordered last: it may be heard in the media as well.
    ordered: Option<(Dtmf, Time)>,
}

impl EventSender {
    /// Nothing to send.
    pub(crate) fn new() -> Self {
        Self { queue: [Dtmf(0); QUEUE_MAX], queued: 0, active: None, pause_ms: 0, ordered: None }
    }

    /// A press or a pause after one is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.active.is_some() || self.queued > 0 || self.pause_ms > 0
    }

    /// Queues a press of standard length; false if the queue is full.
    pub(crate) fn press(&mut self, now: Time, digit: Dtmf) -> bool {
        self.ordered = Some((digit, now));
        self.queue_up(digit)
    }

    fn queue_up(&mut self, digit: Dtmf) -> bool {
        if self.queued == QUEUE_MAX {
            return false;
        }
        self.queue[self.queued] = digit;
        self.queued += 1;
        true
    }

    /// Follows a press on the other leg, packet by packet; false if one had to be dropped.
    pub(crate) fn mirror(&mut self, now: Time, seen: Seen) -> bool {
        if let Some(active) = self.active.as_mut().filter(|a| a.length_ms.is_none() && a.digit == seen.digit)
        {
            active.heard = now;
            active.length_ms = seen.ended_ms.map(|ms| ms.max(PRESS_MS_MIN));
            return true;
        }
        let same = |at: Time| now.saturating_duration_since(at) < SAME_PRESS;
        if !seen.began || self.ordered.is_some_and(|(digit, at)| digit == seen.digit && same(at)) {
            return true;
        }
        if self.is_busy() {
            // The press before is still being sent: this one follows with the standard length.
            return self.queue_up(seen.digit);
        }
        let length_ms = seen.ended_ms.map(|ms| ms.clamp(PRESS_MS_MIN, PRESS_MS_MAX));
        self.begin(seen.digit, seen.volume, length_ms, now);
        true
    }

    fn begin(&mut self, digit: Dtmf, volume: u8, length_ms: Option<u32>, heard: Time) {
        self.active = Some(Active { digit, volume, told_ms: 0, before_ms: 0, length_ms, heard, ends: 0 });
    }

    /// What replaces the next `frame_ms` of sound; `None`: the sound itself. `clock` is the event's.
    pub(crate) fn next(&mut self, now: Time, frame_ms: u32, clock: u32) -> Option<EventPacket> {
        if self.active.is_none() && self.pause_ms > 0 {
            self.pause_ms = self.pause_ms.saturating_sub(frame_ms);
            return None;
        }
        if self.active.is_none() && self.queued > 0 {
            let digit = self.queue[0];
            self.queue.copy_within(1..self.queued, 0);
            self.queued -= 1;
            self.begin(digit, VOLUME, Some(PRESS_MS), now);
        }
        let active = self.active.as_mut()?;
        let first = active.told_ms == 0 && active.before_ms == 0;
        if active.length_ms.is_none() && now.saturating_duration_since(active.heard) > LOST_AFTER {
            active.length_ms = Some(active.before_ms + active.told_ms);
        }
        let per_ms = (clock / 1000).max(1);
        if active.ends == 0 {
            if (active.told_ms + frame_ms) * per_ms > 0xffff {
                active.before_ms += active.told_ms;
                active.told_ms = 0;
            }
            active.told_ms += frame_ms;
        }
        let lasted = active.before_ms + active.told_ms;
        let end = active.ends > 0 || active.length_ms.is_some_and(|length| lasted >= length);
        let payload = Event {
            event: active.digit.0,
            end,
            volume: active.volume,
            duration: (active.told_ms * per_ms).min(0xffff) as u16,
        };
        let packet = EventPacket { payload: payload.to_bytes(), first, segment_ms: active.before_ms };
        active.ends += u8::from(end);
        if active.ends == ENDS {
            (self.active, self.pause_ms) = (None, PAUSE_MS);
        }
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(event: u8, end: bool, duration: u16) -> [u8; 4] {
        Event { event, end, volume: 7, duration }.to_bytes()
    }

    #[test]
    fn a_press_is_told_once_however_often_its_packets_come() {
        let mut receiver = EventReceiver::default();
        let mut began = 0;
        let mut ended = Vec::new();
        for (duration, end) in
            [(160, false), (320, false), (320, false), (480, true), (480, true), (480, true)]
        {
            if let Some(seen) = receiver.handle(8000, RtpTime(1000), &payload(5, end, duration)) {
                began += u32::from(seen.began);
                ended.extend(seen.ended_ms);
            }
        }
        assert_eq!((began, ended), (1, vec![60]));
        // The same key again is another press; a straggler of the first is not.
        assert!(receiver.handle(8000, RtpTime(3000), &payload(5, false, 160)).unwrap().began);
        assert_eq!(receiver.handle(8000, RtpTime(1000), &payload(5, true, 480)), None);
    }

    #[test]
    fn a_press_of_which_only_the_end_came_is_told() {
        let seen = EventReceiver::default().handle(48_000, RtpTime(9), &payload(11, true, 4800)).unwrap();
        assert!(seen.began && seen.ended_ms == Some(100) && seen.digit == Dtmf(11));
        assert_eq!(EventReceiver::default().handle(8000, RtpTime(9), &payload(16, true, 80)), None);
    }

    fn send(sender: &mut EventSender, frames: u64, clock: u32) -> Vec<(bool, Event, u32)> {
        let packets = (0..frames).filter_map(|n| sender.next(Time::from_millis(n * 20), 20, clock));
        packets.map(|p| (p.first, Event::parse(&p.payload).unwrap(), p.segment_ms)).collect()
    }

    #[test]
    fn a_press_of_ours_grows_and_ends_three_times() {
        let mut sender = EventSender::new();
        sender.press(Time::ZERO, Dtmf(3));
        let sent = send(&mut sender, 30, 48_000);
        let durations: Vec<u16> = sent.iter().map(|(_, event, _)| event.duration / 960).collect();
        assert_eq!(durations, [1, 2, 3, 4, 5, 6, 7, 8, 8, 8]);
        assert_eq!(sent.iter().filter(|(_, event, _)| event.end).count(), 3);
        assert_eq!(sent.iter().map(|(first, ..)| *first).collect::<Vec<_>>()[..2], [true, false]);
        assert!(!sender.is_busy());
    }

    #[test]
    fn a_held_key_is_followed_over_segments_until_its_sender_falls_silent() {
        let mut sender = EventSender::new();
        let held = Seen { began: true, digit: Dtmf(1), volume: 9, ended_ms: None };
        sender.mirror(Time::ZERO, held);
        for n in 0..100u64 {
            sender.mirror(Time::from_millis(n * 20), Seen { began: false, ..held });
            let packet = sender.next(Time::from_millis(n * 20), 20, 48_000).unwrap();
            assert!(!Event::parse(&packet.payload).unwrap().end);
            assert_eq!(packet.segment_ms > 0, n >= 68);
        }
        let after = (100..140).filter_map(|n| sender.next(Time::from_millis(n * 20), 20, 48_000));
        assert_eq!(after.filter(|p| Event::parse(&p.payload).unwrap().end).count(), 3);
    }

    #[test]
    fn a_press_that_was_ordered_and_is_then_heard_is_sent_once() {
        let mut sender = EventSender::new();
        sender.press(Time::ZERO, Dtmf(5));
        let heard = Seen { began: true, digit: Dtmf(5), volume: 9, ended_ms: None };
        assert!(sender.mirror(Time::from_millis(150), heard));
        let ends = send(&mut sender, 60, 8000).iter().filter(|(_, event, _)| event.end).count();
        assert_eq!(ends, 3);
        assert!(sender.mirror(Time::from_secs(2), heard));
        assert!(sender.is_busy(), "later it is another press");
    }

    #[test]
    fn a_lone_end_of_a_long_press_does_not_take_the_place_of_seconds_of_sound() {
        let mut sender = EventSender::new();
        let seen = EventReceiver::default().handle(8000, RtpTime(0), &payload(5, true, 0xffff)).unwrap();
        assert!(sender.mirror(Time::ZERO, seen));
        let sent = send(&mut sender, 500, 8000);
        assert_eq!(sent.len(), 50 + usize::from(ENDS) - 1);
    }

    #[test]
    fn more_presses_than_anyone_types_ahead_are_refused() {
        let mut sender = EventSender::new();
        assert_eq!((0..20).filter(|n| sender.press(Time::ZERO, Dtmf(n % 10))).count(), QUEUE_MAX);
    }
}
