//! The `a=fmtp` parameters of Opus (RFC 7587 §6.1) as typed values: what a receiver tells its sender, read and written.
//!
//! What it leaves out: `ptime` and `maxptime`, which have lines of their own (§7), and what an encoder makes of the
//! values. A value that cannot be is ignored or bounded, never a reason to refuse: all of them are wishes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Sampling rates that a bandwidth of Opus stands for (RFC 6716 §2, table 1), in hertz.
const RATES: std::ops::RangeInclusive<u32> = 8_000..=48_000;
/// Bit rates of Opus (RFC 7587 §6.1), in bits per second.
const BITRATES: std::ops::RangeInclusive<u32> = 6_000..=510_000;
/// Shortest and longest packet of Opus in whole milliseconds: `minptime` is no longer standard, and still common.
const PTIMES: std::ops::RangeInclusive<u32> = 3..=120;

/// What one side says of the Opus it receives and sends. The default is that of an empty or absent `a=fmtp`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpusFormat {
    /// `maxplaybackrate`: the highest rate it can render, in hertz (8 000–48 000).
    pub playback_hz: Option<u32>,
    /// `sprop-maxcapturerate`: the highest rate it will send, in hertz (8 000–48 000).
    pub capture_hz: Option<u32>,
    /// `maxaveragebitrate`: the most it wants to receive, in bits per second (6 000–510 000).
    pub bitrate_max: Option<u32>,
    /// `stereo`: it prefers two channels.
    pub stereo: bool,
    /// `useinbandfec`: it makes use of in-band copies of lost frames.
    pub fec: bool,
    /// `usedtx`: it prefers that silence is left out.
    pub dtx: bool,
    /// `cbr`: it prefers a constant bit rate.
    pub cbr: bool,
    /// `minptime`: the shortest packet it wants, in milliseconds (3–120).
    pub ptime_ms_min: Option<u32>,
}

impl OpusFormat {
    /// What we say on every leg: one channel, and we play in-band copies.
    pub const OURS: Self = Self {
        playback_hz: None,
        capture_hz: None,
        bitrate_max: None,
        stereo: false,
        fec: true,
        dtx: false,
        cbr: false,
        ptime_ms_min: None,
    };

    /// Reads the value of an `a=fmtp` line behind its payload number. What is unknown or cannot be read is passed
    /// over, numbers out of range are brought into it; of a name given twice the first counts.
    pub fn read(text: &str) -> Self {
        let mut format = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        for (name, value) in text.split(';').filter_map(|pair| pair.split_once('=')) {
            let (name, value) = (name.trim(), value.trim());
            if !seen.iter().any(|before| before.eq_ignore_ascii_case(name)) {
                seen.push(name);
                format.take(name, value);
            }
        }
        format
    }

    fn take(&mut self, name: &str, value: &str) {
        let number = |range: std::ops::RangeInclusive<u32>| {
            // More digits than any number has are more than any bound.
            let huge = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            let read = u32::from_str(value).ok().or_else(|| huge.then_some(u32::MAX));
            read.map(|number| number.clamp(*range.start(), *range.end()))
        };
        match name.to_ascii_lowercase().as_str() {
            "maxplaybackrate" => self.playback_hz = number(RATES),
            "sprop-maxcapturerate" => self.capture_hz = number(RATES),
            "maxaveragebitrate" => self.bitrate_max = number(BITRATES),
            "minptime" => self.ptime_ms_min = number(PTIMES),
            "stereo" => self.stereo = value == "1",
            "useinbandfec" => self.fec = value == "1",
            "usedtx" => self.dtx = value == "1",
            "cbr" => self.cbr = value == "1",
            _ => {}
        }
    }

    /// Rendering at most this rate, in hertz.
    pub fn played_at(self, hz: u32) -> Self {
        Self { playback_hz: Some(self.playback_hz.map_or(hz, |own| own.min(hz))), ..self }
    }

    /// What we may ask for on one side of a call so that it suits `far`, the Opus receiver on its other side, when
    /// packets go from one to the other as they are.
    pub fn on_behalf_of(self, far: Self) -> Self {
        let least = |ours: Option<u32>, theirs: Option<u32>| match (ours, theirs) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        Self {
            playback_hz: least(self.playback_hz, far.playback_hz),
            bitrate_max: least(self.bitrate_max, far.bitrate_max),
            stereo: self.stereo || far.stereo,
            dtx: self.dtx || far.dtx,
            cbr: self.cbr || far.cbr,
            ..self
        }
    }
}

impl fmt::Display for OpusFormat {
    /// The value of an `a=fmtp` line. FEC and channels are said in any case, the rest where it differs from the default.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "useinbandfec={};stereo={}", u8::from(self.fec), u8::from(self.stereo))?;
        let numbers = [
            ("maxplaybackrate", self.playback_hz),
            ("sprop-maxcapturerate", self.capture_hz),
            ("maxaveragebitrate", self.bitrate_max),
            ("minptime", self.ptime_ms_min),
        ];
        for (name, value) in numbers {
            if let Some(value) = value {
                write!(f, ";{name}={value}")?;
            }
        }
        for (name, set) in [("usedtx", self.dtx), ("cbr", self.cbr)] {
            if set {
                write!(f, ";{name}=1")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_is_read_in_any_case_and_order() {
        let text = "MaxPlaybackRate=16000; sprop-maxcapturerate=8000;maxaveragebitrate=20000 ;stereo=1;\
                    useinbandfec=1;usedtx=1;cbr=1;minptime=10;x-unknown=7";
        let read = OpusFormat::read(text);
        let expected = OpusFormat {
            playback_hz: Some(16_000),
            capture_hz: Some(8_000),
            bitrate_max: Some(20_000),
            stereo: true,
            fec: true,
            dtx: true,
            cbr: true,
            ptime_ms_min: Some(10),
        };
        assert_eq!(read, expected);
        assert_eq!(OpusFormat::read(&expected.to_string()), expected);
    }

    #[test]
    fn nothing_said_is_the_default_and_nonsense_is_nothing_said() {
        for text in
            ["", ";;=;", "stereo", "useinbandfec=yes;usedtx=2;maxplaybackrate=fast;maxaveragebitrate=-1"]
        {
            assert_eq!(OpusFormat::read(text), OpusFormat::default(), "{text}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_brought_into_it_and_the_first_of_a_name_counts() {
        let read =
            OpusFormat::read("maxplaybackrate=1;maxaveragebitrate=99999999999999;maxplaybackrate=48000");
        assert_eq!((read.playback_hz, read.bitrate_max), (Some(8_000), Some(510_000)));
    }

    #[test]
    fn what_is_asked_for_another_receiver_is_no_more_than_either_wants() {
        let far = OpusFormat::read("maxaveragebitrate=16000;usedtx=1");
        let asked = OpusFormat::OURS.played_at(8_000).on_behalf_of(far);
        assert_eq!(
            asked.to_string(),
            "useinbandfec=1;stereo=0;maxplaybackrate=8000;maxaveragebitrate=16000;usedtx=1"
        );
    }
}
