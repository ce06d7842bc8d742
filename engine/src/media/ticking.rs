//! A session's tick: every leg's sound is pulled, mixed and sent, reports leave, silence is noticed.
//!
//! It leaves out packets and orders, which are [`super::session`]'s.

use std::time::Duration;

use baton_signaling::Time;

use super::MediaEvent;
use super::coder::{Codec, TICK_SAMPLES_MAX};
use super::leg::Leg;
use super::report::Subject;
use super::scene::Party;
use super::session::{Counters, Lane, Session, Sink};
use crate::key::LegId;

/// Between two looks at what a leg is like.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A closed leg is heard to its end, but no longer than this.
const CLOSING_MAX: Duration = Duration::from_secs(1);
/// A relayed G.711 stream that stops is replaced by silence when its next packet is this late: no sender pauses it on
/// purpose.
const STOPPED_G711: Duration = Duration::from_millis(40);
/// A relayed Opus stream may pause: in its own silence it sends a packet every 400 ms (RFC 6716 §2.1.9).
const STOPPED_OPUS: Duration = Duration::from_millis(500);
/// Legs whose sound a tick holds.
const SOUNDS: usize = 4;

/// A tick's sound of every leg, by its place among the legs.
type Sounds = [[i16; TICK_SAMPLES_MAX]; SOUNDS];

impl Session {
    /// Milliseconds from one tick to the next: 20, or 10 while a leg's packets do not fit that. May change with `apply`.
    pub fn tick_ms(&self) -> u8 {
        self.tick_ms
    }

    /// Runs one tick; to be called every [`Session::tick_ms`]. One that comes late runs once and counts what it missed.
    pub fn handle_tick(&mut self, now: Time, out: &mut impl Sink) {
        let samples = usize::from(self.tick_ms()) * 8;
        self.count_tick(now);
        self.look(now);
        let mut sounds: Sounds = [[0; TICK_SAMPLES_MAX]; SOUNDS];
        self.pull(now, samples, &mut sounds);
        let mut heard = [0; TICK_SAMPLES_MAX];
        self.mix(now, &sounds, &mut heard[..samples]);
        for at in 0..self.legs.len() {
            let sound = match self.legs[at].id {
                LegId::CALLER => &heard,
                id if self.scene.partner() == Some(id) => {
                    self.index(LegId::CALLER).map_or(&[0; _], |at| &sounds[at])
                }
                _ => &[0; _],
            };
            self.send(at, now, &sound[..samples], out);
            let draw = self.random.draw();
            if self.legs[at].fed && self.legs[at].closing.is_none() && self.legs[at].reports.is_due(now, draw)
            {
                self.report(at, now, false, out);
            }
            self.notice_silence(at, now);
        }
        self.watch(now);
        self.remove_closed(now);
    }

    /// Once a second, takes note of what is no count: jitter, delays.
    fn look(&mut self, now: Time) {
        if now.saturating_duration_since(self.looked) >= LOOK_EVERY {
            self.looked = now;
            self.legs.iter_mut().filter(|leg| leg.closing.is_none()).for_each(|leg| leg.look());
        }
    }

    fn count_tick(&mut self, now: Time) {
        let tick = Duration::from_millis(self.tick_ms().into());
        let due = self.tick_due.unwrap_or(now);
        let late = now.saturating_duration_since(due);
        let missed = (late.as_micros() / tick.as_micros()) as u32;
        self.counters.ticks += 1;
        self.counters.ticks_missed += u64::from(missed);
        // A tick that came early moves the schedule: the owner has changed its phase.
        self.tick_due = Some((due + tick * (missed + 1)).min(now + tick));
        if missed > 0 {
            let ms = missed * u32::from(self.tick_ms());
            self.legs.iter_mut().for_each(|leg| leg.outgoing.skip(ms));
        }
    }

    /// Takes every leg's sound out of its buffer, whether anyone hears it or not, so that none falls behind.
    fn pull(&mut self, now: Time, samples: usize, sounds: &mut Sounds) {
        let caller = self.index(LegId::CALLER).map(|at| &self.legs[at]);
        self.caller_ready |= caller.is_some_and(|leg| leg.fed && leg.remote().is_some());
        for (at, sound) in sounds.iter_mut().enumerate().take(self.legs.len()) {
            let id = self.legs[at].id;
            let waits = !self.legs[at].fed || id != LegId::CALLER && !self.caller_ready;
            if waits || self.is_relayed(at, now) {
                continue;
            }
            self.legs[at].playout.pull(now, &mut sound[..samples]);
            self.hear(now, at, &mut sound[..samples]);
            self.tell_sound(at);
        }
    }

    /// Whether a leg's packets go past us right now.
    pub(super) fn is_relayed(&self, at: usize, now: Time) -> bool {
        let target = self.relay_target(self.legs[at].id).and_then(|to| self.index(to));
        target.is_some_and(|to| self.feeds(at, to, now))
    }

    fn feeds(&self, from: usize, to: usize, now: Time) -> bool {
        let limit = match self.legs[from].codec {
            Codec::G711(_) => STOPPED_G711 + Duration::from_millis(self.legs[to].outgoing.ptime_ms().into()),
            Codec::Opus => STOPPED_OPUS,
        };
        let going = self.legs[to].outgoing.relayed();
        going.is_some_and(|(by, heard)| {
            by == self.legs[from].id
                && now.saturating_duration_since(heard) < limit
                && self.can_relay(from, to)
        })
    }

    /// Decides what the caller hears, and mixes it.
    fn mix(&mut self, now: Time, sounds: &Sounds, heard: &mut [i16]) {
        let samples = heard.len();
        let relayed: [bool; SOUNDS] =
            std::array::from_fn(|at| at < self.legs.len() && self.is_relayed(at, now));
        let others =
            self.legs.iter().zip(sounds).zip(relayed).filter(|((leg, _), _)| leg.id != LegId::CALLER);
        let parties = others.map(|((leg, sound), relayed)| Party {
            id: leg.id,
            sound: &sound[..samples],
            speaking: leg.playout.is_speaking(),
            quiet: leg.playout.is_quiet(),
            relayed,
            gone: leg.closing.is_some() && leg.playout.is_drained() && leg.playout.is_quiet(),
        });
        self.scene.advance(now, parties.clone(), |event| self.events.push(event));
        let caller = self.legs.iter().position(|leg| leg.id == LegId::CALLER);
        let passed = self.scene.sole().and_then(|sole| self.index(sole)).zip(caller);
        if passed.is_none_or(|(from, to)| !self.feeds(from, to, now)) {
            let remembers = caller.is_some_and(|at| self.legs[at].codec == Codec::Opus);
            self.scene.fill(&self.prompts, remembers, parties, heard, |event| self.events.push(event));
        } else {
            self.scene.skip();
        }
    }

    /// Sends a leg its tick's sound, unless another leg's packets are going to it.
    fn send(&mut self, at: usize, now: Time, sound: &[i16], out: &mut impl Sink) {
        let id = self.legs[at].id;
        let Some(remote) = self.legs[at].remote().filter(|_| self.legs[at].fed) else {
            self.legs[at].outgoing.pause();
            return;
        };
        let source = if id == LegId::CALLER {
            self.scene.sole()
        } else {
            self.scene.partner().filter(|partner| *partner == id).map(|_| LegId::CALLER)
        };
        if source.and_then(|source| self.index(source)).is_some_and(|from| self.feeds(from, at, now)) {
            return;
        }
        let played = self.scene.played().filter(|_| id == LegId::CALLER);
        let Counters { packets_sent, srtp_faults, .. } = &mut self.counters;
        let Leg { outgoing, secure, .. } = &mut self.legs[at];
        outgoing.push(now, sound, played, &self.prompts, |packet| {
            *packets_sent += 1;
            secure.send(srtp_faults, packet, |packet| out.send(id, Lane::Rtp, remote, packet));
        });
    }

    /// Sends a leg our report on its stream and ours.
    pub(super) fn report(&mut self, at: usize, now: Time, bye: bool, out: &mut impl Sink) {
        let leg = &mut self.legs[at];
        let Some((lane, to)) = leg.remote_rtcp() else { return };
        let (id, voip) = (leg.id, leg.voip(&self.params));
        let (secure, faults) = (&mut leg.secure, &mut self.counters.srtp_faults);
        let subject =
            Subject { outgoing: &leg.outgoing, far: leg.far, reception: &mut leg.reception, voip, bye };
        leg.reports.send(now, subject, |packet| {
            secure.send_rtcp(faults, packet, |packet| out.send(id, lane, to, packet));
        });
    }

    fn notice_silence(&mut self, at: usize, now: Time) {
        let leg = &mut self.legs[at];
        let silent = now.saturating_duration_since(leg.heard) >= self.params.media_timeout;
        let awaited = leg.fed && leg.config.receive && leg.closing.is_none();
        if silent && awaited && !std::mem::replace(&mut leg.silent_told, true) {
            self.events.push(MediaEvent::Silent { leg: leg.id });
        }
    }

    /// Removes legs that are closed and played to their end.
    fn remove_closed(&mut self, now: Time) {
        let scene = &mut self.scene;
        self.legs.retain(|leg| {
            let Some(since) = leg.closing else { return true };
            let late = now.saturating_duration_since(since) >= CLOSING_MAX;
            let stays = scene.wants(leg.id) && !leg.playout.is_drained() && !late;
            if !stays {
                scene.forget(leg.id);
            }
            stays
        });
    }
}
