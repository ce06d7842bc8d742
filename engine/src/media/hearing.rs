//! What is done to a leg's decoded sound before anyone hears it: digits in it are heard and taken out, its loudness is
//! brought to the target.
//!
//! It leaves out packets that are relayed: they are untouched, and neither is a reason to decode them. Only a leg whose
//! digits come as tones is decoded for their sake, unless its tones go to a leg that takes tones, too.

use std::time::Duration;

use baton_codecs::dtmf::{Detector, Heard};
use baton_codecs::loudness::Leveler;
use baton_signaling::Time;

use super::dtmf::Seen;
use super::session::Session;
use super::{Digits, Dtmf, LegConfig, SessionParams};
use crate::key::LegId;

/// Loudness we say a heard tone had, in dBm0 below zero; the tone itself is not measured.
const VOLUME: u8 = 10;
/// The same in time.
const STEP: Duration = Duration::from_millis(5);
/// Swing of a sound below which it is taken for digital silence: G.711 and its idle patterns stay within 16.
const FLAT: i32 = 32;

/// A leg's tones.
pub(crate) struct Tones {
    detector: Detector,
    /// The key held down, and since when.
    pressed: Option<(Dtmf, Time)>,
}

impl Tones {
    /// For a leg whose digits come as tones; `None` for any other, which saves the listening.
    pub(crate) fn of(config: &LegConfig) -> Option<Box<Self>> {
        let wanted = config.digits == Digits::Tones && config.telephone_event.is_none();
        wanted.then(|| Box::new(Self { detector: Detector::new(), pressed: None }))
    }
}

/// The gain of a leg that others hear; the caller's words go on to an AI or a person as they came.
pub(crate) fn leveler(id: LegId, params: &SessionParams) -> Option<Leveler> {
    let target = params.loudness_dbov.filter(|_| id != LegId::CALLER)?;
    Some(Leveler::new(f32::from(target)))
}

/// Whether a piece of sound is anything but digital silence or a constant.
pub(crate) fn varies(sound: &[i16]) -> bool {
    let (least, most) =
        sound.iter().fold((i16::MAX, i16::MIN), |(least, most), &s| (least.min(s), most.max(s)));
    i32::from(most) - i32::from(least) > FLAT
}

/// A sound at this mean square is loud: where the telephone's speech gate opens, -42 dBov. A decoder's ringing is below.
const LOUD: i64 = 67_749;
/// Loudness is looked for in steps of 5 ms.
const STEP_SAMPLES: usize = 40;

/// Where the loud part of a tick's sound begins and ends.
fn edges(sound: &[i16]) -> Option<(Duration, Duration)> {
    let loud = |step: &[i16]| {
        let power: i64 = step.iter().map(|&s| i64::from(i32::from(s) * i32::from(s))).sum();
        power >= LOUD * step.len() as i64
    };
    let first = sound.chunks(STEP_SAMPLES).position(loud)?;
    let last = sound.chunks(STEP_SAMPLES).rposition(loud)?;
    Some((STEP * first as u32, STEP * (last as u32 + 1)))
}

impl Session {
    /// Takes a tick's sound of a leg.
    pub(super) fn hear(&mut self, now: Time, at: usize, sound: &mut [i16]) {
        let leg = &mut self.legs[at];
        leg.varied |= varies(sound);
        leg.edges = edges(sound);
        if let Some(tones) = &mut leg.tones {
            let heard = tones.detector.told(sound);
            if tones.detector.suspects() {
                // It goes on as what the other side takes; heard in the sound too, it would count twice. What comes before
                // the first suspicion is too short to be a key (ITU-T Q.24).
                sound.fill(0);
            }
            self.hear_digits(now, at, heard);
        }
        let leg = &mut self.legs[at];
        if let Some(leveler) = &mut leg.leveler {
            leveler.process(sound, leg.playout.is_speaking());
        }
    }

    /// Makes of a tone what a telephone-event says packet by packet.
    fn hear_digits(&mut self, now: Time, at: usize, heard: Heard) {
        let Some(tones) = &mut self.legs[at].tones else { return };
        let ended = heard.ended.and_then(|_| tones.pressed.take());
        let began = heard.began.map(Dtmf);
        if let Some(digit) = began {
            tones.pressed = Some((digit, now));
        }
        let held = tones.pressed.filter(|_| began.is_none());
        let seen = |digit, began, ended_ms| Seen { began, digit, volume: VOLUME, ended_ms };
        if let Some((digit, since)) = ended {
            let ms = now.saturating_duration_since(since).as_millis();
            self.handle_digit(now, at, seen(digit, false, Some(u32::try_from(ms).unwrap_or(u32::MAX))));
        }
        if let Some((digit, _)) = held {
            self.handle_digit(now, at, seen(digit, false, None));
        }
        if let Some(digit) = began {
            self.handle_digit(now, at, seen(digit, true, None));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digital_silence_and_its_idle_patterns_do_not_vary_and_a_quiet_room_does() {
        for idle in [[0, 0, 0, 0], [8, -8, 8, -8], [0, 8, 0, 0], [-8, -8, -8, -8], [900; 4]] {
            assert!(!varies(&idle), "{idle:?}");
        }
        assert!(varies(&[20, -20, 5, 0]));
        assert!(!varies(&[]));
    }

    #[test]
    fn the_loud_part_of_a_tick_is_found_to_five_milliseconds() {
        let mut sound = [0; 160];
        assert_eq!(edges(&sound), None);
        sound[50..90].fill(3000);
        let ms = Duration::from_millis;
        assert_eq!(edges(&sound), Some((ms(5), ms(15))));
        assert_eq!(edges(&[3000; 80]), Some((ms(0), ms(10))));
    }
}
