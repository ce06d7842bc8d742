//! How loud a sound is, and whether somebody speaks.
//!
//! What it leaves out: telling speech from noise of the same loudness, and time: a gate counts samples.
//!
//! Levels are in dBov: decibels of the root mean square against the overload point, a square wave at full scale
//! (RFC 6464 §3). A full-scale sine is at -3 dBov.

/// The least level told: what RFC 6464 can express; digital silence.
pub const SILENCE_DBOV: f32 = -127.0;

/// Root mean square of the samples, 0 to 32 768; 0 of none.
pub fn rms(samples: &[i16]) -> f32 {
    mean_square(samples).sqrt()
}

/// Level of the samples in dBov, [`SILENCE_DBOV`] to 0.
pub fn dbov(samples: &[i16]) -> f32 {
    let ratio = rms(samples) / 32_768.0;
    if ratio > 0.0 { (20.0 * ratio.log10()).clamp(SILENCE_DBOV, 0.0) } else { SILENCE_DBOV }
}

fn mean_square(samples: &[i16]) -> f32 {
    let sum: i64 = samples.iter().map(|&s| i64::from(i32::from(s) * i32::from(s))).sum();
    sum as f32 / samples.len().max(1) as f32
}

/// Mean square of a level in dBov.
fn mean_square_of(dbov: f32) -> f32 {
    32_768.0 * 32_768.0 * 10f32.powf(dbov / 10.0)
}

/// When a [`SpeechGate`] opens and closes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GateSettings {
    /// A frame at least this loud opens the gate.
    pub open_dbov: f32,
    /// A frame below this may close it. Between the two an open gate stays open and a closed one closed.
    pub close_dbov: f32,
    /// Samples below `close_dbov` in a row that close it: the pauses inside a sentence are shorter.
    pub hold_samples: u32,
}

impl GateSettings {
    /// For telephone speech (-20 to -30 dBov while somebody talks, -55 and below while not) at so many samples a
    /// second: opens at -42 dBov, closes after 300 ms below -48.
    pub const fn telephone(rate_hz: u32) -> Self {
        GateSettings { open_dbov: -42.0, close_dbov: -48.0, hold_samples: rate_hz * 3 / 10 }
    }
}

/// What a [`SpeechGate`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Somebody speaks, or has paused for less than the hold.
    pub speaking: bool,
    /// Samples since the last frame that was not below the closing level; counts from the start if none was.
    pub quiet_samples: u32,
}

/// Tells speech from silence by level, with hysteresis and a hold.
#[derive(Clone, Debug)]
pub struct SpeechGate {
    open: f32,
    close: f32,
    hold_samples: u32,
    activity: Activity,
}

impl SpeechGate {
    /// A closed gate.
    pub fn new(settings: GateSettings) -> Self {
        SpeechGate {
            open: mean_square_of(settings.open_dbov),
            close: mean_square_of(settings.close_dbov),
            hold_samples: settings.hold_samples,
            activity: Activity { speaking: false, quiet_samples: 0 },
        }
    }

    /// Takes the next frame and answers for its end.
    pub fn told(&mut self, samples: &[i16]) -> Activity {
        let loudness = mean_square(samples);
        let level = if self.activity.speaking { self.close } else { self.open };
        self.guessed(loudness >= level, samples.len() as u32)
    }

    /// As [`Self::told`], of a frame of so many samples of which only whether somebody speaks is known.
    pub fn guessed(&mut self, loud: bool, samples: u32) -> Activity {
        let Activity { speaking, quiet_samples } = &mut self.activity;
        if loud {
            *speaking = true;
            *quiet_samples = 0;
        } else {
            *quiet_samples = quiet_samples.saturating_add(samples);
            *speaking &= *quiet_samples < self.hold_samples;
        }
        self.activity
    }

    /// The answer to the last frame.
    pub fn activity(&self) -> Activity {
        self.activity
    }

    /// Closes the gate and forgets what was heard.
    pub fn reset(&mut self) {
        self.activity = Activity { speaking: false, quiet_samples: 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::Tone;

    /// A 20 ms frame of a sine at so many dBov.
    fn frame(dbov: f64) -> [i16; 160] {
        let mut frame = [0; 160];
        let peak = 32_768.0 * 2f64.sqrt() * 10f64.powf(dbov / 20.0);
        Tone::new(8000, &[(500.0, peak)]).fill(&mut frame);
        frame
    }

    fn gate() -> SpeechGate {
        SpeechGate::new(GateSettings::telephone(8000))
    }

    #[test]
    fn a_full_scale_square_is_at_zero_and_a_sine_three_below() {
        assert_eq!(dbov(&[i16::MIN; 10]), 0.0);
        let mut sine = [0; 800];
        Tone::new(8000, &[(1000.0, 32_767.0)]).fill(&mut sine);
        assert!((dbov(&sine) + 3.01).abs() < 0.01);
        assert!((dbov(&frame(-30.0)) + 30.0).abs() < 0.05);
    }

    #[test]
    fn silence_and_nothing_are_at_the_bottom() {
        assert_eq!((dbov(&[0; 160]), dbov(&[]), rms(&[])), (SILENCE_DBOV, SILENCE_DBOV, 0.0));
    }

    #[test]
    fn a_gate_opens_with_the_first_loud_frame_and_closes_after_the_hold() {
        let mut gate = gate();
        assert_eq!(gate.told(&frame(-60.0)), Activity { speaking: false, quiet_samples: 160 });
        assert_eq!(gate.told(&frame(-25.0)), Activity { speaking: true, quiet_samples: 0 });
        for n in 1..15 {
            assert_eq!(gate.told(&[0; 160]), Activity { speaking: true, quiet_samples: 160 * n });
        }
        assert_eq!(gate.told(&[0; 160]), Activity { speaking: false, quiet_samples: 2400 });
    }

    #[test]
    fn between_the_two_levels_a_gate_stays_as_it_is() {
        let mut gate = gate();
        assert!(!gate.told(&frame(-45.0)).speaking);
        gate.told(&frame(-25.0));
        for _ in 0..100 {
            assert_eq!(gate.told(&frame(-45.0)), Activity { speaking: true, quiet_samples: 0 });
        }
    }

    #[test]
    fn a_pause_between_words_does_not_close_it() {
        let mut gate = gate();
        for _ in 0..20 {
            assert!(gate.told(&frame(-25.0)).speaking);
            (0..10).for_each(|_| assert!(gate.told(&[0; 160]).speaking));
        }
    }

    #[test]
    fn a_gate_that_is_reset_is_closed() {
        let mut gate = gate();
        gate.told(&frame(-20.0));
        gate.reset();
        assert_eq!(gate.activity(), Activity { speaking: false, quiet_samples: 0 });
    }
}
