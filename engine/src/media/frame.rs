//! What lies in one of our frames, and where it comes from: the leg's encoder, or packets made once for all calls.
//!
//! An Opus decoder goes on from what it has decoded before. So a change of source ends the old sound in silence, or lets
//! the new encoder hear what the decoder has heard, and begins the new one from a reset encoder with a fade: no click.
//! G.711 has no such memory, and none of this.
//!
//! It leaves out numbers, timestamps and packets.

use baton_codecs::Decoder;
use baton_codecs::fade::{Ramp, is_faint, mix};

use super::coder::{Codec, FADE_SAMPLES, SoundEncoder, TICK_SAMPLES_MAX};
use super::past::Past;
use super::prompt::Played;
use super::steer::Steering;
use super::{Limits, Prompts, SessionParams};

/// Frames of silence through the encoder after which silence is sent without it: its own have become like those.
const SETTLED: u8 = 10;
/// Frames that an encoder is let hear before it goes on with a prompt: what Opus looks back on is shorter.
const PRIMING: usize = 3;
/// Room for a payload that is thrown away.
const UNSENT_BYTES: usize = 1024;

/// What is known of a stretch of sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// All samples are zero.
    Silence,
    /// It is a prompt's, from this place on.
    Prompt(Played),
    /// Anything.
    Sound,
}

impl Content {
    /// Of a tick's sound.
    pub(crate) fn of(sound: &[i16], played: Option<Played>) -> Self {
        match played {
            Some(played) => Self::Prompt(played),
            None if sound.iter().all(|sample| *sample == 0) => Self::Silence,
            None => Self::Sound,
        }
    }

    /// Of this behind so many samples of what was `before`.
    pub(crate) fn after(self, before: Self, samples: usize) -> Self {
        match (before, self) {
            _ if samples == 0 => self,
            (Self::Silence, Self::Silence) => before,
            (Self::Prompt(first), Self::Prompt(next))
                if first.prompt == next.prompt && first.place + samples == next.place =>
            {
                before
            }
            _ => Self::Sound,
        }
    }

    /// Of what is left when so many samples are taken from the front.
    pub(crate) fn rest(self, samples: usize) -> Self {
        match self {
            Self::Prompt(Played { prompt, place }) => Self::Prompt(Played { prompt, place: place + samples }),
            other => other,
        }
    }
}

/// Where the last frame came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// From nowhere: nothing was sent, or a fade to nothing.
    Nowhere,
    /// From another stream: its packets are in `past`.
    Relayed,
    Encoder,
    Silence,
    /// A prompt's packets; the next begins at this place.
    Prompt(Played),
}

/// Makes a leg's payloads.
pub(crate) struct Framer {
    codec: Codec,
    encoder: SoundEncoder,
    limits: Limits,
    source: Source,
    ramp: Ramp,
    /// Frames of silence the encoder has made in a row.
    silent: u8,
    /// What the encoder made last is next to nothing.
    faint: bool,
    leaving: bool,
    past: Past,
    /// Frames that went through the encoder.
    pub(crate) encoded: u64,
    /// Frames of prompts: of those made once for all calls, and encoded here.
    pub(crate) prompt_frames: [u64; 2],
}

impl Framer {
    pub(crate) fn new(codec: Codec, encoder: SoundEncoder) -> Self {
        Self {
            codec,
            encoder,
            limits: Limits::default(),
            source: Source::Nowhere,
            ramp: Ramp::new(1.0),
            silent: 0,
            faint: false,
            leaving: false,
            past: Past::new(),
            encoded: 0,
            prompt_frames: [0; 2],
        }
    }

    /// How its encoder is steered.
    pub(crate) fn steering(&self) -> Steering {
        self.encoder.steering()
    }

    pub(crate) fn encoder(&mut self) -> &mut SoundEncoder {
        &mut self.encoder
    }

    /// An Opus encoder has been needed.
    pub(crate) fn has_opus(&self) -> bool {
        self.encoder.is_made()
    }

    /// What the far end takes from now on.
    pub(crate) fn limit(&mut self, params: &SessionParams, limits: Limits) {
        self.limits = limits;
        self.encoder.limit(params, limits);
    }

    /// Another stream's packet has gone to the far end.
    pub(crate) fn passed(&mut self, payload: &[u8]) {
        if self.codec != Codec::Opus {
            return;
        }
        if self.source != Source::Relayed {
            self.past.clear();
        }
        self.past.keep(payload);
        (self.source, self.leaving) = (Source::Relayed, false);
    }

    /// Nothing has gone to the far end for so long that its own concealment has ended what it heard last.
    pub(crate) fn lapse(&mut self) {
        self.source = Source::Nowhere;
    }

    /// Whether another stream's packets may follow the last frame; if not, the next one fades out.
    pub(crate) fn yields(&mut self) -> bool {
        let free = self.codec != Codec::Opus
            || matches!(self.source, Source::Nowhere | Source::Silence | Source::Relayed);
        self.leaving = !free;
        free
    }

    /// Writes the payload of a frame; its length, 0 if none is to be sent. Changes the sound where it fades.
    pub(crate) fn make(
        &mut self,
        sound: &mut [i16],
        content: Content,
        ptime_ms: u8,
        prompts: &Prompts,
        payload: &mut [u8],
    ) -> usize {
        let prompt = matches!(content, Content::Prompt(_));
        if let Some(length) = self.share(sound.len(), content, ptime_ms, prompts, payload) {
            self.prompt_frames[0] += u64::from(prompt);
            return length;
        }
        if self.codec == Codec::Opus {
            self.take_up(sound, prompts);
        }
        let Ok(length) = self.encoder.encode(sound, payload) else {
            // No codec lies ready: the next frame tries again.
            self.source = Source::Nowhere;
            return 0;
        };
        self.encoded += 1;
        self.prompt_frames[1] += u64::from(prompt);
        let silent = sound.iter().all(|sample| *sample == 0);
        self.silent = if silent { self.silent.saturating_add(1) } else { 0 };
        self.faint = is_faint(sound);
        self.source = if std::mem::take(&mut self.leaving) { Source::Nowhere } else { Source::Encoder };
        if self.encoder.may_leave_out(&payload[..length]) { 0 } else { length }
    }

    /// A frame that need not be encoded.
    fn share(
        &mut self,
        samples: usize,
        content: Content,
        ptime_ms: u8,
        prompts: &Prompts,
        payload: &mut [u8],
    ) -> Option<usize> {
        let shared = prompts.shared()?;
        let opus = self.codec == Codec::Opus;
        match content {
            Content::Prompt(played) => {
                let next = Played { place: played.place + samples, ..played };
                // What is heard before a prompt has ended by then: the scene sees to it.
                let quiet = match self.source {
                    Source::Nowhere | Source::Silence => true,
                    Source::Encoder => self.faint,
                    Source::Prompt(_) | Source::Relayed => false,
                };
                let begins = played.place == 0 && quiet;
                let fits = self.source == Source::Prompt(played) || begins;
                if opus && !(fits && shared.suits(self.limits, ptime_ms)) {
                    return None;
                }
                let length = shared.payload(self.codec, played, samples, payload)?;
                self.source = Source::Prompt(next);
                Some(length)
            }
            // Silence that is left out altogether is the encoder's to leave out.
            Content::Silence if opus && !self.encoder.settings().is_some_and(|settings| settings.dtx) => {
                let quiet = match self.source {
                    Source::Nowhere | Source::Silence => true,
                    Source::Encoder => self.silent >= SETTLED,
                    Source::Prompt(_) | Source::Relayed => false,
                };
                let silence = shared.silence(ptime_ms).filter(|_| quiet)?;
                payload.get_mut(..silence.len())?.copy_from_slice(silence);
                self.source = Source::Silence;
                Some(silence.len())
            }
            Content::Silence | Content::Sound => None,
        }
    }

    /// Gets encoder and sound ready to follow the last frame.
    fn take_up(&mut self, sound: &mut [i16], prompts: &Prompts) {
        let mut rest = [0; TICK_SAMPLES_MAX];
        match self.source {
            Source::Encoder => {}
            Source::Prompt(next) => self.prime(next, prompts),
            Source::Relayed => {
                self.fade_in();
                rest = self.follow(prompts);
            }
            Source::Nowhere | Source::Silence => self.fade_in(),
        }
        if self.leaving {
            self.ramp.move_to(0.0, FADE_SAMPLES);
        }
        self.ramp.apply(sound);
        mix(sound, &rest);
    }

    fn fade_in(&mut self) {
        self.encoder.reset();
        self.ramp = Ramp::new(0.0);
        self.ramp.move_to(1.0, FADE_SAMPLES);
    }

    /// Lets the encoder hear what was relayed last, and makes up how that would have faded out.
    fn follow(&mut self, prompts: &Prompts) -> [i16; TICK_SAMPLES_MAX] {
        let mut rest = [0; TICK_SAMPLES_MAX];
        let Ok(mut decoder) = prompts.spare().decoder() else { return rest };
        let (encoder, mut unsent) = (&mut self.encoder, [0; UNSENT_BYTES]);
        // Where nothing can be told of the past, the new sound alone fades in.
        let heard = self.past.replay(&mut decoder, |sound| _ = encoder.encode(sound, &mut unsent));
        if heard.and_then(|()| decoder.conceal(&mut rest)).is_err() {
            rest.fill(0);
        }
        prompts.spare().give(decoder);
        let mut ramp = Ramp::new(1.0);
        ramp.move_to(0.0, FADE_SAMPLES);
        ramp.apply(&mut rest);
        rest
    }

    /// Lets the encoder hear what the far end has heard last, so that it goes on from there.
    fn prime(&mut self, next: Played, prompts: &Prompts) {
        self.encoder.reset();
        self.ramp = Ramp::new(1.0);
        let (mut sound, mut unsent) = ([0; TICK_SAMPLES_MAX], [0; UNSENT_BYTES]);
        let first = next.place.saturating_sub(PRIMING * TICK_SAMPLES_MAX);
        for place in (first..next.place).step_by(TICK_SAMPLES_MAX) {
            prompts.fill(next.prompt, place, &mut sound);
            // Should it fail, so will the frame that follows, which tells.
            let _ = self.encoder.encode(&sound, &mut unsent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Prompt;

    #[test]
    fn a_frame_of_several_ticks_is_a_prompts_if_all_of_them_are_and_follow_each_other() {
        let of = |place| Content::Prompt(Played { prompt: Prompt(1), place });
        assert_eq!(of(160).after(of(80), 80), of(80));
        assert_eq!(of(240).after(of(80), 80), Content::Sound);
        assert_eq!(of(80).after(Content::Silence, 0), of(80));
        assert_eq!(Content::Silence.after(Content::Sound, 80), Content::Sound);
        assert_eq!(of(80).rest(160), of(240));
        assert_eq!(Content::of(&[0, 0], None), Content::Silence);
    }
}
