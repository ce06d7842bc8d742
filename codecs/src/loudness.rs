//! Brings a voice to a target loudness: its active speech level is measured, a slow gain follows, a limiter keeps what
//! is raised from clipping.
//!
//! What it leaves out: the spectrum of hearing (LUFS); telephone speech is measured by its active level, in the manner of
//! ITU-T P.56 method B: the mean power over the time in which somebody speaks, pauses and noise left out.

use crate::level::SILENCE_DBOV;

/// Where voices are put unless something else is wanted, in dBov: some 3 dB above the level at which codecs are tested (-26).
pub const TARGET_DBOV: f32 = -23.0;
/// Most that is added or taken away: what lies farther off is broken, or no voice.
pub const GAIN_DB_MAX: f32 = 12.0;
/// Within this of the target nothing is done: nobody hears it, and the samples stay as they are.
const WINDOW_DB: f32 = 2.0;
/// Gain changes so fast at the most, in decibels per second of speech.
const SLEW_DB: f32 = 4.0;
/// The level is that of the last three seconds of speech or so.
const MEMORY_SECONDS: f32 = 3.0;
/// Speech needed before the gain moves: a first word.
const LEARN_SECONDS: f32 = 0.4;
/// A frame is speech if its power is at least the active level's by this divisor: P.56 takes a margin of 15.9 dB.
const MARGIN: f32 = 39.0;
/// Nothing below -50 dBov is speech, whatever was heard before.
const FLOOR: f32 = 32_768.0 * 32_768.0 * 1e-5;
/// Above this, peaks are bent towards [`CEILING`] and never reach it.
const KNEE: f32 = 24_000.0;
const CEILING: f32 = 32_000.0;

/// The slow gain of one voice at 8 kHz.
#[derive(Clone, Debug)]
pub struct Leveler {
    target_dbov: f32,
    /// Mean power of what was speech, and how many seconds of it stand behind it (at most [`MEMORY_SECONDS`]).
    power: f32,
    seconds: f32,
    gain_db: f32,
    /// The gain as a factor, as the last frame ended with it.
    factor: f32,
}

impl Leveler {
    /// A gain of one, for a voice that has not been heard.
    pub fn new(target_dbov: f32) -> Self {
        Leveler { target_dbov, power: 0.0, seconds: 0.0, gain_db: 0.0, factor: 1.0 }
    }

    /// Level of the speech heard so far, in dBov; [`SILENCE_DBOV`] before the first word.
    pub fn level_dbov(&self) -> f32 {
        if self.seconds < LEARN_SECONDS { SILENCE_DBOV } else { dbov_of(self.power) }
    }

    /// What is added at the moment, in decibels.
    pub fn gain_db(&self) -> f32 {
        self.gain_db
    }

    /// Takes the next frame of the voice and brings it to the target. `speaking`: a speech gate is open. In pauses the
    /// gain stands still, so that noise is not pumped up.
    pub fn process(&mut self, frame: &mut [i16], speaking: bool) {
        if speaking {
            self.learn(frame);
        }
        if self.gain_db == 0.0 && self.factor == 1.0 {
            return;
        }
        let to = 10f32.powf(self.gain_db / 20.0);
        apply(frame, self.factor, to);
        self.factor = to;
    }

    fn learn(&mut self, frame: &[i16]) {
        let power = mean_square(frame);
        if power < FLOOR || power * MARGIN < self.power {
            return;
        }
        let seconds = frame.len() as f32 / 8000.0;
        self.seconds = (self.seconds + seconds).min(MEMORY_SECONDS);
        self.power += (power - self.power) * (seconds / self.seconds);
        if self.seconds < LEARN_SECONDS {
            return;
        }
        let wanted = (self.target_dbov - dbov_of(self.power)).clamp(-GAIN_DB_MAX, GAIN_DB_MAX);
        // Inside the window the gain rests where it is; it leaves unity only for what is heard.
        if (wanted - self.gain_db).abs() > WINDOW_DB {
            let step = SLEW_DB * seconds;
            self.gain_db += (wanted - self.gain_db).clamp(-step, step);
        }
    }
}

/// Brings a whole sound to the target by one gain, within the same limits; for sounds that are known beforehand.
pub fn level_whole(sound: &mut [i16], target_dbov: f32) {
    // Twice: the first walk finds the level by which the second tells speech (or music) from its pauses.
    let (mut power, mut active) = (0.0f32, 0u32);
    for _ in 0..2 {
        let (floor, mut sum) = (FLOOR.max(power / MARGIN), 0.0f64);
        active = 0;
        for frame in sound.chunks(160) {
            let of_frame = mean_square(frame);
            if of_frame >= floor {
                sum += f64::from(of_frame);
                active += 1;
            }
        }
        power = (sum / f64::from(active.max(1))) as f32;
    }
    let wanted = (target_dbov - dbov_of(power)).clamp(-GAIN_DB_MAX, GAIN_DB_MAX);
    if active > 0 && wanted.abs() > WINDOW_DB {
        let factor = 10f32.powf(wanted / 20.0);
        apply(sound, factor, factor);
    }
}

/// Gain from one factor to another over the frame, peaks bent below the ceiling.
fn apply(frame: &mut [i16], from: f32, to: f32) {
    let step = (to - from) / frame.len().max(1) as f32;
    let mut gain = from;
    for sample in frame {
        gain += step;
        *sample = limit(f32::from(*sample) * gain) as i16;
    }
}

/// A straight line up to the knee, then a bend with the same slope that comes near the ceiling and never reaches it.
#[inline]
fn limit(value: f32) -> f32 {
    let size = value.abs();
    if size <= KNEE {
        return value;
    }
    let (over, room) = (size - KNEE, CEILING - KNEE);
    (KNEE + over * room / (over + room)).copysign(value)
}

fn mean_square(samples: &[i16]) -> f32 {
    let sum: i64 = samples.iter().map(|&s| i64::from(i32::from(s) * i32::from(s))).sum();
    sum as f32 / samples.len().max(1) as f32
}

fn dbov_of(power: f32) -> f32 {
    (10.0 * (power.max(1e-3) / (32_768.0 * 32_768.0)).log10()).max(SILENCE_DBOV)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::dbov;
    use crate::tone::Tone;

    /// Half a second of a tone at so many dBov, then half a second of noise at -60.
    fn words(level: f64, seconds: usize) -> Vec<i16> {
        let peak = 32_768.0 * 2f64.sqrt() * 10f64.powf(level / 20.0);
        let mut tone = Tone::new(8000, &[(440.0, peak)]);
        let mut sound = vec![0; seconds * 8000];
        tone.fill(&mut sound);
        for second in sound.chunks_mut(8000) {
            second[4000..].iter_mut().enumerate().for_each(|(n, sample)| *sample = [33, -33][n / 2 % 2]);
        }
        sound
    }

    fn process(leveler: &mut Leveler, sound: &mut [i16]) {
        for (n, frame) in sound.chunks_mut(160).enumerate() {
            leveler.process(frame, n % 50 < 25);
        }
    }

    fn first_word(sound: &[i16], second: usize) -> f32 {
        dbov(&sound[second * 8000..second * 8000 + 4000])
    }

    #[test]
    fn quiet_and_loud_voices_come_to_the_target_within_seconds_of_speech() {
        for level in [-33.0, -30.0, -17.0, -12.0] {
            let mut leveler = Leveler::new(TARGET_DBOV);
            let mut sound = words(level, 12);
            process(&mut leveler, &mut sound);
            let after = first_word(&sound, 11);
            assert!((after - TARGET_DBOV).abs() <= 2.1, "{level}: {after}");
            assert!((leveler.level_dbov() - level as f32).abs() < 0.3, "{}", leveler.level_dbov());
        }
    }

    #[test]
    fn a_voice_near_the_target_is_left_bit_for_bit() {
        for level in [-24.5, -23.0, -21.5] {
            let (mut leveler, before) = (Leveler::new(TARGET_DBOV), words(level, 10));
            let mut after = before.clone();
            process(&mut leveler, &mut after);
            assert!(before == after && leveler.gain_db() == 0.0, "{level}");
        }
    }

    #[test]
    fn the_gain_never_goes_beyond_twelve_decibels() {
        for (level, gain) in [(-48.0, 12.0), (-3.1, -12.0)] {
            let mut leveler = Leveler::new(TARGET_DBOV);
            process(&mut leveler, &mut words(level, 20));
            assert!((leveler.gain_db() - gain).abs() <= 2.1, "{level}: {}", leveler.gain_db());
            assert!(leveler.gain_db().abs() <= GAIN_DB_MAX);
        }
    }

    #[test]
    fn noise_in_a_pause_is_not_pumped_up() {
        let mut leveler = Leveler::new(TARGET_DBOV);
        process(&mut leveler, &mut words(-30.0, 6));
        let gain = leveler.gain_db();
        let mut pause = vec![0; 80_000];
        pause.iter_mut().enumerate().for_each(|(n, sample)| *sample = [33, -33][n / 2 % 2]);
        pause.chunks_mut(160).for_each(|frame| leveler.process(frame, false));
        assert_eq!(leveler.gain_db(), gain);
        // A gate that stays open over noise changes nothing either.
        pause.chunks_mut(160).for_each(|frame| leveler.process(frame, true));
        assert_eq!(leveler.gain_db(), gain);
    }

    #[test]
    fn gain_moves_slowly_and_without_a_step() {
        let mut leveler = Leveler::new(TARGET_DBOV);
        let mut last = 0.0;
        let mut sound = words(-33.0, 4);
        for frame in sound.chunks_mut(160) {
            leveler.process(frame, true);
            assert!((leveler.gain_db() - last).abs() <= SLEW_DB * 0.02 + 1e-4);
            last = leveler.gain_db();
        }
    }

    #[test]
    fn what_is_raised_is_bent_and_never_clipped() {
        // A quiet voice with a shout in it.
        let mut leveler = Leveler::new(TARGET_DBOV);
        process(&mut leveler, &mut words(-35.0, 10));
        assert!(leveler.gain_db() > 9.0);
        let mut shout = [0; 160];
        Tone::new(8000, &[(440.0, 32_767.0)]).fill(&mut shout);
        leveler.process(&mut shout, true);
        let most = shout.iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!((24_000..32_000).contains(&most), "{most}");
        let run = shout.windows(3).filter(|w| w[0] == w[1] && w[1] == w[2] && w[0] != 0).count();
        assert_eq!(run, 0, "a clipped wave has flat tops");
        assert!((-40_000..40_000).all(|n| limit(n as f32).abs() < CEILING));
        assert!((0..40_000).all(|n| limit(n as f32 + 1.0) >= limit(n as f32)));
    }

    #[test]
    fn a_whole_sound_is_levelled_by_its_loud_parts() {
        let mut sound = words(-30.0, 4);
        level_whole(&mut sound, TARGET_DBOV);
        assert!((first_word(&sound, 0) - TARGET_DBOV).abs() < 0.2, "{}", first_word(&sound, 0));
        let near = words(-24.0, 4);
        let mut same = near.clone();
        level_whole(&mut same, TARGET_DBOV);
        assert_eq!(near, same);
        let mut silence = vec![0; 800];
        level_whole(&mut silence, TARGET_DBOV);
        assert_eq!(silence, vec![0; 800]);
    }
}
