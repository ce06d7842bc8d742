//! Sound at 8 kHz made shorter or longer by a pitch period, at the pitch it has: overlap-add where it resembles itself
//! (WSOLA).
//!
//! What it leaves out: when to do so and how often, which is a jitter buffer's business.
//!
//! Both work at one place in a slice that also holds what was played before: from there on a period is left out, or the
//! period before it comes once more. The two courses are cross-faded where they are most alike, so that nothing jumps.
//! Nothing is delayed for it: sound that is not changed is not touched.

use std::ops::RangeInclusive;

use crate::pitch::{self, Lag};

/// Least that is taken out or put in: 2.5 ms. A higher voice changes by two or three periods.
pub const CHANGE_MIN: usize = 20;
/// Most: 15 ms, a period of 67 Hz.
pub const CHANGE_MAX: usize = 120;
/// Samples before the place that are compared, too: a period alone may be too short to tell.
const BACK: usize = 40;
/// Sound needed before the place.
pub const BEFORE: usize = CHANGE_MAX + BACK;
/// Longest cross-fade, 10 ms.
const FADE_MAX: usize = 80;
/// Shortest cross-fade, 3 ms, and so the least sound needed behind the place besides what is taken out.
pub const FADE_MIN: usize = 24;

/// How alike two periods must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Alike {
    /// At least this much: normalised correlation, -1 to 1. Voices have 0.8 and more from one period to the next.
    AtLeast(f32),
    /// However little: the sound is so quiet that nobody hears a difference. The greatest change allowed is made.
    Whatever,
}

/// Takes between [`CHANGE_MIN`] and `most` samples out of `sound` at `from` and moves what follows up; returns how many.
/// Before `from` lie [`BEFORE`] samples or more that were played already and stay. `None`: nothing was alike enough, or
/// the sound is too short; it is untouched.
pub fn shrink(sound: &mut [i16], from: usize, most: usize, alike: Alike) -> Option<usize> {
    let behind = sound.len() - from;
    let most = match alike {
        Alike::Whatever => most.min(behind.checked_sub(FADE_MIN)?),
        Alike::AtLeast(_) => most.min(CHANGE_MAX).min(behind.checked_sub(FADE_MIN)?),
    };
    let lag = choose(most, alike, |lags| {
        let width = |lag: usize| (behind - lag).min(FADE_MAX);
        let likeness = |lag: usize| {
            pitch::likeness(
                &sound[from - BACK..from + width(lag)],
                &sound[from + lag - BACK..][..BACK + width(lag)],
            )
        };
        pitch::search(likeness, lags)
    })?;
    let fade = (behind - lag).min(FADE_MAX);
    let (early, late) = sound.split_at_mut(from + lag);
    crate::fade::cross_fade(&early[from..from + fade.min(lag)], &mut late[..fade.min(lag)]);
    sound.copy_within(from + lag.., from);
    Some(lag)
}

/// Puts between [`CHANGE_MIN`] and `most` samples into `sound` at `from`, which holds `filled` samples and has room for
/// `most` more; returns how many. Before `from` lie [`BEFORE`] samples or more that were played already and stay.
/// `None`: nothing was alike enough, or the sound is too short; it is untouched.
pub fn grow(sound: &mut [i16], from: usize, filled: usize, most: usize, alike: Alike) -> Option<usize> {
    let behind = filled - from;
    let most = most.min(CHANGE_MAX).min(sound.len() - filled);
    if behind < FADE_MIN {
        return None;
    }
    let width = behind.min(FADE_MAX);
    let lag = choose(most, alike, |lags| {
        let likeness = |lag: usize| {
            pitch::likeness(&sound[from - BACK..from + width], &sound[from - lag - BACK..from - lag + width])
        };
        pitch::search(likeness, lags)
    })?;
    sound.copy_within(from..filled, from + lag);
    // The period before once more; its beginning comes out of what would have followed.
    let (early, late) = sound.split_at_mut(from);
    let again = &mut late[..lag];
    let fade = lag.min(width);
    let mut course = [0; FADE_MAX];
    course[..fade].copy_from_slice(&again[..fade]);
    again.copy_from_slice(&early[from - lag..]);
    crate::fade::cross_fade(&course[..fade], &mut again[..fade]);
    Some(lag)
}

/// The change to make, of at most `most` samples.
fn choose(most: usize, alike: Alike, best: impl Fn(RangeInclusive<usize>) -> Lag) -> Option<usize> {
    if most < CHANGE_MIN {
        return None;
    }
    match alike {
        Alike::Whatever => Some(most),
        Alike::AtLeast(least) => {
            let lag = best(CHANGE_MIN..=most);
            (lag.likeness >= least).then_some(lag.samples)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comfort_noise::Noise;
    use crate::level::rms;
    use crate::tone::{Tone, amplitude};

    const ALIKE: Alike = Alike::AtLeast(0.8);

    fn tone(hz: f64, samples: usize) -> Vec<i16> {
        let mut sound = vec![0; samples];
        Tone::new(8000, &[(hz, 8000.0)]).fill(&mut sound);
        sound
    }

    fn largest_step(sound: &[i16]) -> i32 {
        sound.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap()
    }

    /// What is not the tone, against the tone, in dB.
    fn residue_db(sound: &[i16], hz: f64) -> f64 {
        let (all, pure) = (f64::from(rms(sound)), amplitude(sound, 8000, hz) / 2f64.sqrt());
        10.0 * ((all * all - pure * pure).max(1.0) / (pure * pure)).log10()
    }

    #[test]
    fn a_tone_made_shorter_or_longer_is_the_same_tone_without_a_click() {
        for hz in [90.0, 137.0, 250.0, 440.0, 1010.0] {
            let sound = tone(hz, 960);
            let natural = largest_step(&sound);
            let mut short = sound.clone();
            let taken = shrink(&mut short, 400, CHANGE_MAX, ALIKE).unwrap_or_else(|| panic!("{hz}"));
            short.truncate(960 - taken);
            let mut long = [&sound[..], &[0; CHANGE_MAX]].concat();
            let put = grow(&mut long, 400, 960, CHANGE_MAX, ALIKE).unwrap_or_else(|| panic!("{hz}"));
            long.truncate(960 + put);
            for changed in [short, long] {
                assert!(largest_step(&changed) <= natural * 21 / 20 + 20, "{hz}: {}", largest_step(&changed));
                // 80 ms about the place: a slip of the phase is all that is left.
                assert!(
                    residue_db(&changed[200..840], hz) < -15.0,
                    "{hz}: {}",
                    residue_db(&changed[200..840], hz)
                );
                assert_eq!(changed[..400], sound[..400], "what was played stays");
                assert_eq!(changed[changed.len() - 300..], sound[660..], "what follows is what followed");
            }
        }
    }

    #[test]
    fn noise_is_not_alike_but_may_be_changed_where_it_is_quiet() {
        let mut sound = vec![0; 480];
        Noise::new(3, -30.0).fill(&mut sound);
        let before = sound.clone();
        assert_eq!(shrink(&mut sound, 200, CHANGE_MAX, ALIKE), None);
        assert_eq!(grow(&mut sound, 200, 320, CHANGE_MAX, ALIKE), None);
        assert_eq!(sound, before);
        assert_eq!(shrink(&mut sound, 200, 150, Alike::Whatever), Some(150));
        assert_eq!(grow(&mut sound, 200, 320, 80, Alike::Whatever), Some(80));
    }

    #[test]
    fn too_little_sound_is_left_alone() {
        let mut sound = tone(200.0, BEFORE + 320);
        for behind in 0..CHANGE_MIN + FADE_MIN {
            assert_eq!(shrink(&mut sound[..BEFORE + behind], BEFORE, CHANGE_MAX, ALIKE), None);
        }
        for behind in 0..FADE_MIN {
            assert_eq!(grow(&mut sound, BEFORE, BEFORE + behind, CHANGE_MAX, ALIKE), None);
        }
        assert_eq!(
            grow(&mut sound, BEFORE, BEFORE + 310, CHANGE_MAX, ALIKE),
            None,
            "there is room for 10 only"
        );
        assert_eq!(shrink(&mut sound, BEFORE, CHANGE_MIN - 1, Alike::Whatever), None);
    }

    #[test]
    fn any_sound_and_every_length_is_safe() {
        let square: Vec<i16> = (0..640).map(|n| if n / 3 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        for behind in 0..320 {
            for most in [0, CHANGE_MIN, 77, CHANGE_MAX, 1000] {
                for alike in [Alike::AtLeast(-1.0), Alike::Whatever] {
                    let mut sound = square.clone();
                    let taken = shrink(&mut sound[..BEFORE + behind], BEFORE, most, alike);
                    assert!(taken.is_none_or(|taken| taken <= most && taken + FADE_MIN <= behind));
                    grow(&mut sound, BEFORE, BEFORE + behind, most, alike);
                }
            }
        }
    }
}
