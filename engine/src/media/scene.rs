//! What the caller hears, out of what: the party behind them, the rest of the AI's sentence, hold audio, announcements.
//!
//! It leaves out packets and codecs: sound in, sound out, a tick at a time.

use std::time::Duration;

use baton_codecs::fade::{Ramp, is_faint, mix};
use baton_signaling::Time;

use super::coder::TICK_SAMPLES_MAX;
use super::prompt::{Played, Player};
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
/// Fade of hold audio under the person's first sound, 10 ms.
const HOLD_OUT_SAMPLES: usize = 80;
/// Before a prompt begins for a caller whose decoder remembers, next to nothing is heard for 20 ms: its packets are made for
/// one that has heard nothing, and Opus looks back on so much, gains included (RFC 6716 §4.2.7.4, §4.2.7.9.1).
const HUSH_SAMPLES: usize = 160;
/// One source's last sample fades out, and the next one's sound fades in, over this, 10 ms.
const SEAM_SAMPLES: usize = 80;

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
    /// Its packets went past us until now: there is no sound of it to be faded.
    pub(crate) relayed: bool,
}

/// Who stands behind the caller and what else they hear.
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
    /// Samples since the caller heard more than next to nothing.
    hush: usize,
    /// How many there must be before a prompt begins.
    hush_wanted: usize,
    /// The last tick's sound was this and nothing else.
    played: Option<Played>,
}

impl Default for Scene {
    /// Nobody, and nothing was heard before.
    fn default() -> Self {
        Self {
            partner: None,
            joining: None,
            tail: None,
            parked: None,
            hold: None,
            announce: None,
            seam: false,
            last: 0,
            hush: HUSH_SAMPLES,
            hush_wanted: HUSH_SAMPLES,
            played: None,
        }
    }
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

    /// The last sample the caller heard of a stream that went past us; `None`: it was not decoded.
    pub(crate) fn passed(&mut self, sample: Option<i16>) {
        // What was not decoded is still heard: it fades out in the first tick that follows.
        let fading = if sample.is_none() { TICK_SAMPLES_MAX } else { 0 };
        (self.last, self.hush, self.hush_wanted) = (sample.unwrap_or(0), 0, HUSH_SAMPLES + fading);
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
                self.hold = Some(Player::looped(prompt));
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

    /// What the last tick's sound was, if it was a prompt's alone.
    pub(crate) fn played(&self) -> Option<Played> {
        self.played
    }

    /// A tick passed in which nothing was mixed.
    pub(crate) fn skip(&mut self) {
        self.played = None;
    }

    /// The caller's sound of this tick. `remembers`: so does the decoder of the caller's codec.
    pub(crate) fn fill<'a>(
        &mut self,
        prompts: &Prompts,
        remembers: bool,
        parties: impl Iterator<Item = Party<'a>>,
        sound: &mut [i16],
        tell: impl FnMut(MediaEvent),
    ) {
        sound.fill(0);
        self.played = None;
        // A prompt's packets begin after silence: what was heard before it ends first.
        if !remembers || !self.is_breaking_in() {
            self.mix(prompts, parties, sound, tell);
        }
        if std::mem::take(&mut self.seam) {
            bend(self.last, sound);
            // A prompt that begins under what fades out is not the prompt as it is.
            self.played = self.played.filter(|_| remembers);
        }
        self.last = sound.last().copied().unwrap_or(self.last);
        if is_faint(sound) {
            self.hush = (self.hush + sound.len()).min(self.hush_wanted);
        } else {
            (self.hush, self.hush_wanted) = (0, HUSH_SAMPLES);
        }
    }

    /// A prompt is about to begin where something else was heard a moment ago.
    fn is_breaking_in(&self) -> bool {
        let next = self.announce.as_ref().or(self.hold.as_ref().filter(|_| self.is_alone()));
        self.hush < self.hush_wanted && next.is_some_and(Player::is_fresh)
    }

    /// No party is heard.
    fn is_alone(&self) -> bool {
        self.tail.is_none() && (self.partner.is_none() || self.joining.is_some())
    }

    fn mix<'a>(
        &mut self,
        prompts: &Prompts,
        parties: impl Iterator<Item = Party<'a>>,
        sound: &mut [i16],
        mut tell: impl FnMut(MediaEvent),
    ) {
        if let Some(player) = &mut self.announce {
            if player.is_ending(prompts, sound.len()) {
                player.fade_out(sound.len());
            }
            self.played = player.played();
            if !player.add(prompts, sound) {
                (self.announce, self.seam) = (None, true);
                if let Some(hold) = self.hold.as_mut().filter(|hold| !hold.is_leaving()) {
                    hold.rewind();
                }
                tell(MediaEvent::PromptEnded);
            }
            return;
        }
        for party in parties {
            self.add(party, sound);
        }
        let alone = self.is_alone();
        if let Some(hold) = &mut self.hold {
            self.played = hold.played().filter(|_| alone);
            if !hold.add(prompts, sound) {
                self.hold = None;
            }
        }
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
            self.ramp.move_to(0.0, if party.relayed { 0 } else { CUT_SAMPLES });
            self.fading = true;
        }
    }
}

/// Lets the last sample fade out and what follows fade in.
fn bend(last: i16, sound: &mut [i16]) {
    let length = SEAM_SAMPLES.min(sound.len()) as i32;
    for (n, sample) in (0..length).zip(sound) {
        *sample = ((i32::from(last) * (length - n) + i32::from(*sample) * n) / length) as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_bent_away_over_ten_milliseconds() {
        let mut sound = [0; 160];
        bend(8000, &mut sound);
        assert_eq!(sound[0], 8000);
        assert!(sound.windows(2).all(|pair| (pair[0] - pair[1]).abs() <= 200));
        assert!(sound[SEAM_SAMPLES..].iter().all(|sample| *sample == 0));
    }
}
