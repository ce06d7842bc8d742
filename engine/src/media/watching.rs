//! A session's watch over its legs, tick by tick: alarms, and how long the caller waited for an answer.
//!
//! It leaves out what an alarm leads to, which is the call's business, but for the gate: while nothing comes from a leg
//! another source on its host may take its place, once.

use std::time::Duration;

use baton_codecs::g711::Law;
use baton_signaling::Time;

use super::MediaEvent;
use super::coder::Codec;
use super::session::Session;
use super::talk::Heard;
use super::watch::{AlarmKind, Facts};
use crate::key::LegId;

/// What libopus looks ahead lies between a sound and its packet.
const OPUS_DELAY: Duration = Duration::from_micros(6500);
/// An Opus packet no longer than this says that its sender is silent (RFC 7587 §3.1.3).
const DTX_BYTES: usize = 2;
/// A longer Opus packet holds sound: digital silence takes less, whatever the mode.
const SILENCE_BYTES: usize = 10;

/// Whether a payload holds sound, as far as that is known without decoding it; and whether its sender says that it pauses.
pub(super) fn look(codec: Codec, payload: &[u8]) -> (bool, bool) {
    match codec {
        // The two zeros of the law, and its two smallest steps, are silence; so is any constant.
        Codec::G711(law) => {
            let quiet = match law {
                Law::Mu => |byte: u8| byte | 0x80 >= 0xfe,
                Law::A => |byte: u8| byte | 0x80 == 0xd5,
            };
            let first = payload.first().copied().unwrap_or_default();
            (!payload.iter().all(|byte| *byte == first || quiet(*byte) && quiet(first)), false)
        }
        Codec::Opus => (false, payload.len() <= DTX_BYTES),
    }
}

/// The same of an Opus packet that is relayed and not decoded.
pub(super) fn looks_loud(payload: &[u8]) -> bool {
    payload.len() > SILENCE_BYTES
}

impl Session {
    /// Looks at every leg once its tick is sent.
    pub(super) fn watch(&mut self, now: Time) {
        let frame = Duration::from_millis(self.tick_ms.into());
        let unheard = self.watch_talk(now, frame);
        self.watch_gap(now, frame, unheard);
        for at in 0..self.legs.len() {
            let listener = self.listener_of(self.legs[at].id).and_then(|id| self.index(id));
            let waits_since = listener.and_then(|at| self.legs[at].talk.silent_since());
            let leg = &mut self.legs[at];
            let facts = Facts {
                awaited: leg.fed
                    && leg.config.receive
                    // Who does not listen has put us on hold (RFC 3264 §8.4), and need not have music for it.
                    && leg.config.send
                    && leg.closing.is_none()
                    && (leg.id == LegId::CALLER || listener.is_some()),
                packet: leg.last_packet,
                heard: leg.heard,
                pausing: leg.pausing,
                sound: std::mem::take(&mut leg.varied),
                waits_since,
            };
            let (id, latch, events) = (leg.id, &mut leg.latch, &mut self.events);
            leg.sound_watch.tick(now, facts, |kind, raised| {
                if kind == AlarmKind::NoRtp && raised {
                    latch.allow_move();
                }
                events.push(event(id, kind, raised));
            });
        }
    }

    /// Whose turn it is on every leg. Returns whether one of the two who speak is relayed without being heard.
    fn watch_talk(&mut self, now: Time, frame: Duration) -> bool {
        let mut unheard = false;
        for at in 0..self.legs.len() {
            let id = self.legs[at].id;
            if self.legs[at].codec == Codec::Opus && !self.scene.listens_to(id) && self.is_relayed(at, now) {
                self.legs[at].talk = Default::default();
                unheard |= self.listener_of(id).is_some();
                continue;
            }
            let heard = self.heard_of(at, now, frame);
            self.legs[at].talk.tick(now, frame, heard);
        }
        unheard
    }

    /// A leg's sound of this tick. A relayed one is heard as it comes.
    fn heard_of(&self, at: usize, now: Time, frame: Duration) -> Heard {
        let leg = &self.legs[at];
        let activity = leg.playout.activity();
        if self.is_relayed(at, now) {
            return Heard { activity, lag: Duration::ZERO, edges: None };
        }
        let codec = if leg.codec == Codec::Opus { OPUS_DELAY } else { Duration::ZERO };
        Heard { activity, lag: leg.playout.lag(now, frame) + codec, edges: leg.edges }
    }

    fn watch_gap(&mut self, now: Time, frame: Duration, unheard: bool) {
        let partner = self.scene.partner().filter(|_| !unheard);
        let legs = partner.and_then(|id| self.index(id)).zip(self.index(LegId::CALLER));
        if self.answering != partner || legs.is_none() {
            self.answering = partner;
            self.response.restart();
        }
        let Some((other, caller)) = legs else { return };
        let [asked, answered] = [caller, other].map(|at| self.heard_of(at, now, frame));
        if let Some(gap) = self.response.tick(now, frame, asked, answered) {
            let ms = u32::try_from(gap.as_millis()).unwrap_or(u32::MAX);
            self.events.push(MediaEvent::ResponseGap { leg: self.legs[other].id, ms });
        }
    }

    /// The far end reports: whether it hears us.
    pub(super) fn watch_report(&mut self, at: usize, highest: Option<u32>) {
        let leg = &mut self.legs[at];
        if !leg.fed || !leg.config.send {
            return;
        }
        let (id, events) = (leg.id, &mut self.events);
        leg.sound_watch
            .report(leg.outgoing.packets, highest, |kind, raised| events.push(event(id, kind, raised)));
    }
}

fn event(leg: LegId, kind: AlarmKind, raised: bool) -> MediaEvent {
    if raised { MediaEvent::Alarm { leg, kind } } else { MediaEvent::AlarmOver { leg, kind } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_of_either_law_and_any_constant_hold_no_sound() {
        for (law, silences) in [(Law::Mu, [0xff, 0x7f, 0xfe, 0x7e]), (Law::A, [0xd5, 0x55, 0xd5, 0x55])] {
            assert_eq!(look(Codec::G711(law), &silences.repeat(40)), (false, false));
            assert_eq!(look(Codec::G711(law), &[0x12; 160]), (false, false));
            let mut speech = [0xd5; 160];
            speech[77] = 0x80;
            assert_eq!(look(Codec::G711(law), &speech), (true, false));
        }
        assert_eq!(look(Codec::Opus, &[0x08]), (false, true));
        assert!(looks_loud(&[0; 40]) && !looks_loud(&[0; 7]));
    }
}
