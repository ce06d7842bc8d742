//! What the caller hears, out of what: the party behind them, the rest of the AI's sentence, hold audio, announcements.
//!
//! It leaves out packets and codecs: sound in, sound out, a tick at a time.

use std::time::Duration;

use baton_codecs::fade::{Ramp, mix};
use baton_signaling::Time;

use super::coder::TICK_SAMPLES_MAX;
use super::prompt::Player;
use super::{MediaEvent, Prompt, Prompts};
use crate::key::LegId;

/// The AI's sentence is over after this much silence.
const SENTENCE_PAUSE: Duration = Duration::from_millis(300);
/// An AI that never pauses is faded after this, or the caller would never hear that they wait.
const SENTENCE_MAX: Duration = Duration::from_secs(15);
/// A person who says nothing is taken to listen after this: the hold audio ends.
const PERSON_WAIT: Duration = Duration::from_millis(300);
/// Fade of a sentence that is cut, in samples: 60 ms.
const CUT_SAMPLES: usize = 480;
/// Fade of hold audio in and out: 40 ms in, 10 ms out under the person's first sound.
const HOLD_IN_SAMPLES: usize = 320;
const HOLD_OUT_SAMPLES: usize = 80;
/// A step between one source's last sample and the next one's first is bent away over this, 5 ms.
const SEAM_SAMPLES: usize = 40;

/// The rest of a sentence.
struct Tail {
    leg: LegId,
    sound_at: Time,
    until: Time,
    ramp: Ramp,
    fading: bool,
}

/// One party's sound of this tick.
pub(crate) struct Party<'a> {
    pub(crate) id: LegId,
    pub(crate) sound: &'a [i16],
    pub(crate) speaking: bool,
    pub(crate) quiet: bool,
    /// Closed, and nothing of it is left.
    pub(crate) gone: bool,
}

/// Who stands behind the caller and what else they hear.
#[derive(Default)]
pub(crate) struct Scene {
    partner: Option<LegId>,
    /// The partner is a person not heard yet: until when to wait for their first sound.
    joining: Option<Time>,
    tail: Option<Tail>,
    parked: Option<Prompt>,
    hold: Option<Player>,
    announce: Option<Player>,
    /// The sources have changed since the last tick.
    seam: bool,
    last: i16,
}

impl Scene {
    /// Caller and `with`, both ways.
    pub(crate) fn bridge(&mut self, with: LegId) {
        self.seam |= self.partner != Some(with) || self.tail.is_some() || self.announce.is_some();
        (self.partner, self.joining, self.tail, self.parked) = (Some(with), None, None, None);
        self.announce = None;
        self.end_hold();
    }

    /// The rest of `tail`'s sentence, then `hold`.
    pub(crate) fn park(&mut self, now: Time, tail: Option<LegId>, hold: Prompt) {
        self.seam |= self.partner != tail || self.announce.is_some();
        (self.partner, self.joining, self.announce, self.parked) = (None, None, None, Some(hold));
        self.tail = tail.map(|leg| Tail::new(now, leg, now + SENTENCE_MAX));
    }

    /// A person: heard from their first sound on, over what is left of the sentence and the hold audio.
    pub(crate) fn join(&mut self, now: Time, agent: LegId, tail_ms: u32) {
        let until = now + Duration::from_millis(tail_ms.into());
        match &mut self.tail {
            Some(tail) => tail.until = tail.until.min(until),
            // Straight from the AI to the person: the AI's sentence becomes the tail.
            None => {
                let before = self.partner.filter(|before| *before != agent);
                self.tail = before.map(|leg| Tail::new(now, leg, until));
            }
        }
        (self.partner, self.joining, self.announce) = (Some(agent), Some(now + PERSON_WAIT), None);
    }

    /// A prompt once, instead of everything else.
    pub(crate) fn announce(&mut self, prompt: Prompt) {
        self.seam = true;
        self.announce = Some(Player::once(prompt));
    }

    /// A leg has gone.
    pub(crate) fn forget(&mut self, leg: LegId) {
        if self.partner == Some(leg) {
            (self.partner, self.joining, self.seam) = (None, None, true);
        }
    }

    /// Who hears the caller.
    pub(crate) fn partner(&self) -> Option<LegId> {
        self.partner
    }

    /// Whether anything of `leg` is to be heard.
    pub(crate) fn wants(&self, leg: LegId) -> bool {
        self.partner == Some(leg) || self.tail.as_ref().is_some_and(|tail| tail.leg == leg)
    }

    /// Whether `leg`'s loudness decides what comes next.
    pub(crate) fn listens_to(&self, leg: LegId) -> bool {
        self.tail.as_ref().is_some_and(|tail| tail.leg == leg)
    }

    /// The one leg that is all the caller hears, as it is.
    pub(crate) fn sole(&self) -> Option<LegId> {
        if self.hold.is_some() || self.announce.is_some() {
            return None;
        }
        match (&self.tail, self.partner) {
            (None, partner) => partner.filter(|_| self.joining.is_none()),
            (Some(tail), None) if !tail.fading => Some(tail.leg),
            _ => None,
        }
    }

    /// The last sample the caller heard of a stream that went past us.
    pub(crate) fn passed(&mut self, sample: i16) {
        self.last = sample;
    }

    /// Moves on by a tick: decides whose turn it is. `tell` gets what the call is to know.
    pub(crate) fn advance<'a>(
        &mut self,
        now: Time,
        parties: impl Iterator<Item = Party<'a>> + Clone,
        mut tell: impl FnMut(MediaEvent),
    ) {
        let find = |leg: LegId| parties.clone().find(|party| party.id == leg);
        if let Some(tail) = &mut self.tail {
            tail.advance(now, find(tail.leg));
            if tail.fading && tail.ramp.is_done() {
                self.tail = None;
            }
        }
        if self.tail.is_none()
            && let Some(prompt) = self.parked.take()
        {
            if self.partner.is_none() {
                self.hold = Some(Player::looped(prompt, HOLD_IN_SAMPLES));
            }
            self.seam = true;
            tell(MediaEvent::TailEnded);
        }
        if let (Some(agent), Some(until)) = (self.partner, self.joining) {
            let speaks = find(agent).is_some_and(|party| party.speaking);
            if speaks || now >= until {
                self.joining = None;
                self.end_hold();
                tell(MediaEvent::AgentHeard { leg: agent });
            }
        }
    }

    /// The caller's sound of this tick.
    pub(crate) fn fill<'a>(
        &mut self,
        prompts: &Prompts,
        parties: impl Iterator<Item = Party<'a>>,
        sound: &mut [i16],
        mut tell: impl FnMut(MediaEvent),
    ) {
        sound.fill(0);
        if let Some(player) = &mut self.announce {
            if !player.add(prompts, sound) {
                (self.announce, self.seam) = (None, true);
                tell(MediaEvent::PromptEnded);
            }
        } else {
            for party in parties {
                self.add(party, sound);
            }
            if self.hold.as_mut().is_some_and(|player| !player.add(prompts, sound)) {
                self.hold = None;
            }
        }
        if std::mem::take(&mut self.seam) {
            bend(self.last, sound);
        }
        self.last = sound.last().copied().unwrap_or(self.last);
    }

    fn add(&mut self, party: Party<'_>, sound: &mut [i16]) {
        match &mut self.tail {
            Some(tail) if tail.leg == party.id => {
                let mut part = [0; TICK_SAMPLES_MAX];
                let part = &mut part[..sound.len()];
                part.copy_from_slice(party.sound);
                tail.ramp.apply(part);
                mix(sound, part);
            }
            _ if self.partner == Some(party.id) && self.joining.is_none() => mix(sound, party.sound),
            _ => {}
        }
    }

    fn end_hold(&mut self) {
        if let Some(hold) = &mut self.hold {
            hold.fade_out(HOLD_OUT_SAMPLES);
        }
    }
}

impl Tail {
    fn new(now: Time, leg: LegId, until: Time) -> Self {
        Self { leg, sound_at: now, until, ramp: Ramp::new(1.0), fading: false }
    }

    fn advance(&mut self, now: Time, party: Option<Party<'_>>) {
        let Some(party) = party.filter(|party| !party.gone) else {
            (self.ramp, self.fading) = (Ramp::new(0.0), true);
            return;
        };
        if !party.quiet {
            self.sound_at = now;
        }
        let over = now.saturating_duration_since(self.sound_at) >= SENTENCE_PAUSE;
        if !self.fading && (over || now >= self.until) {
            self.ramp.move_to(0.0, CUT_SAMPLES);
            self.fading = true;
        }
    }
}

/// Bends a step away: the difference to the last sample, fading to nothing.
fn bend(last: i16, sound: &mut [i16]) {
    let Some(&first) = sound.first() else { return };
    let step = i32::from(last) - i32::from(first);
    for (n, sample) in sound.iter_mut().take(SEAM_SAMPLES).enumerate() {
        let left = step * (SEAM_SAMPLES - n) as i32 / SEAM_SAMPLES as i32;
        *sample = (i32::from(*sample) + left).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_bent_away_over_five_milliseconds() {
        let mut sound = [0; 160];
        bend(8000, &mut sound);
        assert_eq!(sound[0], 8000);
        assert!(sound.windows(2).all(|pair| (pair[0] - pair[1]).abs() <= 200));
        assert!(sound[SEAM_SAMPLES..].iter().all(|sample| *sample == 0));
    }
}
