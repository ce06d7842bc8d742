//! Concealment of lost G.711 frames by repeating the last pitch period, in the manner of ITU-T G.711 Appendix I, or, where
//! the sound behind the hole is known already, by leading the last period into the next one.
//!
//! What it leaves out: Appendix I's 3.75 ms delay (the first period is bent to meet the last sample heard instead)
//! and its growing number of periods; rates other than 8 kHz; codecs that conceal by themselves.
//!
//! A loss is filled with the last period, whole for 10 ms and then fading to silence at 60 ms, since a repeated
//! period sounds like speech for no longer than that. When sound comes back the made-up signal runs on under it for
//! a few milliseconds and is cross-faded out.

use crate::bridge::{self, bridge};
use crate::fade::cross_fade;
use crate::pitch;

/// Shortest period repeated: 5 ms. A voice above 200 Hz is repeated two or three periods at a time, which buzzes less.
const LAG_MIN: usize = 40;
/// Longest period repeated: 20 ms.
const LAG_MAX: usize = 160;
/// Samples compared at each lag: the last 20 ms.
const WINDOW: usize = 160;
/// Samples remembered: the window, and the window one longest lag before it.
const HISTORY: usize = WINDOW + LAG_MAX;
const _: () = assert!(HISTORY >= bridge::BEFORE);
/// Longest hole that is filled from both sides: a voice's path cannot be guessed for longer (60 ms).
const BRIDGED_MAX: usize = 480;
/// Samples over which the end of a period is bent into the start of the next, and the start to the last sample heard.
const SEAM: usize = 16;
/// Concealed samples before the fade begins (10 ms).
const WHOLE: usize = 80;
/// Concealed samples after which there is silence (60 ms).
const GONE: usize = 480;
/// Cross-fade back into sound: 4 ms, and 4 more for each 10 ms lost, as in Appendix I §I.2.7; at most 10 ms.
const FADE_BACK: usize = 32;
const FADE_BACK_MAX: usize = 80;

/// Remembers 40 ms of sound at 8 kHz and makes up what is missing after it.
#[derive(Clone, Debug)]
pub struct Concealer {
    history: [i16; HISTORY],
    /// The period being repeated, in its first `lag` samples; kept while `concealed` is not zero.
    period: [i16; LAG_MAX],
    lag: usize,
    /// How far the first repetition starts from the last sample heard; bent away over [`SEAM`] samples.
    step: i32,
    /// Samples made up since sound was last heard.
    concealed: usize,
}

impl Default for Concealer {
    fn default() -> Self {
        Concealer::new()
    }
}

impl Concealer {
    /// A concealer that has heard silence.
    pub const fn new() -> Self {
        let (history, period) = ([0; HISTORY], [0; LAG_MAX]);
        Concealer { history, period, lag: LAG_MAX, step: 0, concealed: 0 }
    }

    /// Takes note of a frame that was heard. After a loss its first samples are cross-faded with what was made up.
    pub fn heard(&mut self, frame: &mut [i16]) {
        if self.concealed > 0 {
            let lost_10_ms = self.concealed.div_ceil(80);
            let length = (FADE_BACK * lost_10_ms).min(FADE_BACK_MAX).min(frame.len());
            let mut under = [0; FADE_BACK_MAX];
            self.continue_period(&mut under[..length]);
            cross_fade(&under[..length], &mut frame[..length]);
            self.concealed = 0;
        }
        self.remember(frame);
    }

    /// Makes up the next samples, as many as `frame` holds.
    pub fn conceal(&mut self, frame: &mut [i16]) {
        if self.concealed == 0 {
            self.take_period();
        }
        self.continue_period(frame);
        self.remember(frame);
    }

    /// As [`Concealer::conceal`], with the sound behind the hole at hand: `next` begins `ahead` samples after the start
    /// of `frame`, which is no longer than that. A hole of up to 60 ms is filled from both its ends.
    pub fn bridge(&mut self, next: &[i16], ahead: usize, frame: &mut [i16]) {
        if next.len() < bridge::AFTER || ahead > BRIDGED_MAX || ahead < frame.len() {
            return self.conceal(frame);
        }
        bridge(&self.history, next, ahead, frame);
        self.remember(frame);
        // It leads into what follows: there is nothing to fade back from.
        self.concealed = 0;
    }

    /// Shifts a frame into the history.
    fn remember(&mut self, frame: &[i16]) {
        let new = &frame[frame.len().saturating_sub(HISTORY)..];
        self.history.copy_within(new.len().., 0);
        self.history[HISTORY - new.len()..].copy_from_slice(new);
    }

    /// Finds the pitch and keeps one period whose end leads smoothly into its start.
    fn take_period(&mut self) {
        self.lag = pitch::lag_before(&self.history, WINDOW, LAG_MIN..=LAG_MAX).samples;
        let start = HISTORY - self.lag;
        self.period[..self.lag].copy_from_slice(&self.history[start..]);
        // What preceded the period leads into its start by nature: fade its end over to that.
        let before = &self.history[start - SEAM..start];
        for (i, (end, &lead)) in self.period[self.lag - SEAM..self.lag].iter_mut().zip(before).enumerate() {
            let (to, from) = (i as i32 + 1, (SEAM - 1 - i) as i32);
            *end = ((i32::from(*end) * from + i32::from(lead) * to) / SEAM as i32) as i16;
        }
        self.step = i32::from(self.history[HISTORY - 1]) - i32::from(self.history[start - 1]);
    }

    /// Writes the period on from where it was left, and counts.
    fn continue_period(&mut self, frame: &mut [i16]) {
        for sample in frame {
            let bend = self.step * SEAM.saturating_sub(self.concealed) as i32 / SEAM as i32;
            let value = i32::from(self.period[self.concealed % self.lag]) + bend;
            let left = GONE.saturating_sub(self.concealed.max(WHOLE)) as i32;
            *sample = (value * left / (GONE - WHOLE) as i32).clamp(-32768, 32767) as i16;
            // Silence has no phase: a loss of any length must not overflow the count.
            self.concealed = (self.concealed + 1).min(GONE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::rms;
    use crate::tone::{Tone, amplitude};

    const FRAME: usize = 160;

    /// Half a second of a 125 Hz voice-like sound (three harmonics) in 20 ms frames.
    fn voice() -> Vec<[i16; FRAME]> {
        let mut tone = Tone::new(8000, &[(125.0, 6000.0), (250.0, 3000.0), (375.0, 1500.0)]);
        (0..25)
            .map(|_| {
                let mut frame = [0; FRAME];
                tone.fill(&mut frame);
                frame
            })
            .collect()
    }

    /// Plays the voice, losing the frames numbered in `lost`.
    fn play(lost: &[usize]) -> Vec<i16> {
        let mut concealer = Concealer::new();
        let mut out = Vec::new();
        for (i, mut frame) in voice().into_iter().enumerate() {
            if lost.contains(&i) {
                frame = [0x55; FRAME]; // stale bytes of the caller's buffer
                concealer.conceal(&mut frame);
            } else {
                concealer.heard(&mut frame);
            }
            out.extend_from_slice(&frame);
        }
        out
    }

    /// The largest step between neighbouring samples.
    fn largest_step(samples: &[i16]) -> i32 {
        samples.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max().unwrap()
    }

    #[test]
    fn what_is_heard_without_loss_is_untouched() {
        assert_eq!(play(&[]), voice().concat());
    }

    #[test]
    fn a_lost_frame_of_a_steady_voice_is_hardly_noticed() {
        let (clean, concealed) = (play(&[]), play(&[10]));
        let lost = 10 * FRAME..11 * FRAME;
        let error: Vec<i16> =
            lost.clone().map(|i| (i32::from(clean[i]) - i32::from(concealed[i])) as i16).collect();
        // The last half of the frame is faded by up to 20 %, which alone is 14 dB below.
        assert!(rms(&error) < 0.2 * rms(&clean[lost.clone()]), "{}", rms(&error));
        assert!(amplitude(&concealed[lost], 8000, 125.0) > 4800.0);
    }

    #[test]
    fn there_is_no_click_into_or_out_of_a_loss() {
        let clean = largest_step(&play(&[]));
        for lost in [&[10][..], &[10, 11], &[10, 11, 12, 13], &[3, 5, 7, 9]] {
            let step = largest_step(&play(lost));
            assert!(step <= clean * 5 / 4, "{lost:?}: {step} against {clean}");
        }
    }

    #[test]
    fn a_long_loss_is_silent_after_sixty_milliseconds() {
        let out = play(&[10, 11, 12, 13, 14, 15]);
        assert!(out[10 * FRAME..13 * FRAME].iter().any(|&s| s != 0));
        assert!(out[13 * FRAME..16 * FRAME].iter().all(|&s| s == 0));
        assert_eq!(out[17 * FRAME..], voice().concat()[17 * FRAME..]);
    }

    #[test]
    fn sound_after_silence_fades_in() {
        let mut concealer = Concealer::new();
        let mut frame = [0; FRAME];
        (0..1000).for_each(|_| concealer.conceal(&mut frame));
        let mut loud = [10_000; FRAME];
        concealer.heard(&mut loud);
        assert!(loud[0] < 500 && loud[FADE_BACK_MAX..] == [10_000; FRAME - FADE_BACK_MAX]);
    }

    #[test]
    fn a_loss_at_the_very_start_is_silence() {
        let mut frame = [1; FRAME];
        Concealer::new().conceal(&mut frame);
        assert_eq!(frame, [0; FRAME]);
    }

    #[test]
    fn ten_millisecond_frames_conceal_as_twenty_do() {
        let (mut one, mut two) = (Concealer::new(), Concealer::new());
        for mut frame in voice() {
            one.heard(&mut frame);
        }
        for frame in voice() {
            let mut halves = frame;
            halves.chunks_mut(80).for_each(|half| two.heard(half));
        }
        let (mut whole, mut halves) = ([0; FRAME], [0; FRAME]);
        one.conceal(&mut whole);
        halves.chunks_mut(80).for_each(|half| two.conceal(half));
        assert_eq!(whole, halves);
    }

    #[test]
    fn full_scale_noise_and_any_length_do_not_overflow() {
        let mut concealer = Concealer::new();
        let mut square: Vec<i16> =
            (0..700).map(|i| if i / 3 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        concealer.heard(&mut square);
        for length in [0, 1, 79, 480, 700] {
            concealer.conceal(&mut vec![0; length]);
            concealer.heard(&mut vec![i16::MIN; length]);
        }
    }
}
