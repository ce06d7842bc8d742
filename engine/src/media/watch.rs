//! Watches a leg's sound: no packets, packets without sound, and a far end that hears nothing of us.
//!
//! It leaves out what follows from an alarm, but for the gate, which may then let another source in. In itself no alarm
//! ends anything: a caller may mute the microphone, an AI may think.

use std::time::Duration;

use baton_signaling::Time;
use serde::{Deserialize, Serialize};

/// What is wrong with a leg's sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// Nothing comes, though the far end has said that it will speak.
    NoRtp,
    /// Packets come, and there has never been a sound in them, though the other party has spoken and waits.
    NoSound,
    /// Packets come, there were sounds in them, and there is none since the other party has spoken and waits.
    DeadAir,
    /// The far end reports that nothing of ours reaches it.
    NotReceived,
}

impl AlarmKind {
    /// How many there are.
    pub const COUNT: usize = 4;

    /// Its name in metrics, API and records.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NoRtp => "no_rtp",
            Self::NoSound => "no_sound",
            Self::DeadAir => "dead_air",
            Self::NotReceived => "not_received",
        }
    }
}

/// A sender that has said it is silent (comfort noise, Opus DTX) may send nothing for long. It still sends RTCP: two
/// intervals of RFC 3550 §6.2 without any are no pause.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Packets come if the last one is no older.
const FLOWING: Duration = Duration::from_millis(500);
/// Packets of ours between two reports from which a far end must have noticed us: a second.
const NOTICED_PACKETS: u64 = 50;
/// Reports without a block about us until it counts: some far ends report rarely on what they hear.
const BARE_REPORTS: u8 = 2;

/// What a tick knows of a leg.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// It should speak: its SDP says so, and somebody is there to hear it.
    pub(crate) awaited: bool,
    /// Its last RTP packet.
    pub(crate) packet: Option<Time>,
    /// Its last RTP or RTCP packet.
    pub(crate) heard: Time,
    /// Its last packet said that it is silent.
    pub(crate) pausing: bool,
    /// There was sound in what came since the last tick.
    pub(crate) sound: bool,
    /// The other party has spoken, and has been silent since then.
    pub(crate) waits_since: Option<Time>,
}

/// One leg's watch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    limit: Duration,
    /// It has been awaited without a break since then.
    awaited: Option<Time>,
    sound: Option<Time>,
    raised: [bool; AlarmKind::COUNT],
    reported: Option<Reported>,
    bare: u8,
}

/// The far end's latest report: what we had sent by then, and the highest number it had of us.
#[derive(Clone, Copy, Debug)]
struct Reported {
    sent: u64,
    highest: Option<u32>,
}

impl Watch {
    /// Nothing is awaited yet. An alarm is told when something has been wrong for `limit`.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, awaited: None, sound: None, raised: [false; 4], reported: None, bare: 0 }
    }

    /// An offer or answer, or a new party on the other side: everything is waited for anew.
    pub(crate) fn restart(&mut self) {
        (self.awaited, self.reported, self.bare) = (None, None, 0);
    }

    /// Takes a tick. `tell` gets an alarm with `true` when it is raised and `false` when it is over.
    pub(crate) fn tick(&mut self, now: Time, facts: Facts, mut tell: impl FnMut(AlarmKind, bool)) {
        if facts.sound {
            self.sound = Some(now);
        }
        self.awaited = if facts.awaited { self.awaited.or(Some(now)) } else { None };
        let Some(awaited) = self.awaited else {
            // Held, parked, over: nothing is wrong any more, and nothing has come right.
            self.raised[..3].fill(false);
            return;
        };
        let silent = now.saturating_duration_since(facts.packet.unwrap_or(awaited).max(awaited));
        let pausing = facts.pausing && now.saturating_duration_since(facts.heard) < PAUSE_MAX;
        // Waiting anew, after an offer, is no packet.
        let came = facts.packet.is_some_and(|at| now.saturating_duration_since(at) < FLOWING);
        self.set(AlarmKind::NoRtp, silent >= self.limit && !pausing, came, &mut tell);
        let flowing = silent < FLOWING || pausing;
        let since = facts.waits_since.map(|at| at.max(awaited).max(self.sound.unwrap_or(awaited)));
        let waited = since.is_some_and(|since| now.saturating_duration_since(since) >= self.limit);
        let never = self.sound.is_none();
        let dead = flowing && waited;
        self.set(AlarmKind::NoSound, dead && never, facts.sound, &mut tell);
        self.set(AlarmKind::DeadAir, dead && !never, facts.sound, &mut tell);
    }

    /// Takes a report of the far end: packets we had sent when it came, and the highest number of its block about us.
    pub(crate) fn report(&mut self, sent: u64, highest: Option<u32>, mut tell: impl FnMut(AlarmKind, bool)) {
        let before = self.reported.replace(Reported { sent, highest });
        let Some(before) = before else { return };
        let due = sent.saturating_sub(before.sent) >= NOTICED_PACKETS;
        if !due {
            // Held, or hardly anything sent: the longer stretch is looked at the next time.
            self.reported = Some(before);
            return;
        }
        let lost = match (highest, before.highest) {
            (Some(highest), Some(last)) => highest == last,
            (Some(_), None) => false,
            (None, _) => {
                self.bare = self.bare.saturating_add(1);
                self.bare >= BARE_REPORTS
            }
        };
        if highest.is_some() {
            self.bare = 0;
        }
        self.set(AlarmKind::NotReceived, lost, highest.is_some() && !lost, &mut tell);
    }

    fn set(&mut self, kind: AlarmKind, wrong: bool, right: bool, tell: &mut impl FnMut(AlarmKind, bool)) {
        let raised = &mut self.raised[kind as usize];
        if wrong && !*raised {
            *raised = true;
            tell(kind, true);
        } else if right && *raised {
            *raised = false;
            tell(kind, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(2);

    /// A leg that behaves as told, from tick to tick; what was raised and when.
    struct Leg {
        watch: Watch,
        now: u64,
        packet: Option<u64>,
        heard: u64,
        told: Vec<(AlarmKind, bool, u64)>,
    }

    impl Leg {
        fn new() -> Self {
            Self { watch: Watch::new(LIMIT), now: 1000, packet: None, heard: 1000, told: Vec::new() }
        }

        /// So many seconds with packets or without, with sound or without, the other party waiting since then.
        fn run(&mut self, seconds: f32, packets: bool, sound: bool, waits: Option<u64>) {
            self.run_as(seconds, packets, sound, waits, true, false);
        }

        fn run_as(
            &mut self,
            seconds: f32,
            packets: bool,
            sound: bool,
            waits: Option<u64>,
            awaited: bool,
            pausing: bool,
        ) {
            for _ in 0..(seconds * 50.0) as u32 {
                self.now += 20;
                if packets {
                    (self.packet, self.heard) = (Some(self.now), self.now);
                }
                let facts = Facts {
                    awaited,
                    packet: self.packet.map(Time::from_millis),
                    heard: Time::from_millis(self.heard),
                    pausing,
                    sound,
                    waits_since: waits.map(Time::from_millis),
                };
                let (now, told) = (self.now, &mut self.told);
                self.watch.tick(Time::from_millis(now), facts, |kind, on| told.push((kind, on, now)));
            }
        }
    }

    #[test]
    fn a_leg_that_sends_nothing_is_told_once_after_two_seconds_and_its_return_too() {
        let mut leg = Leg::new();
        leg.run(10.0, false, false, None);
        assert_eq!(leg.told, [(AlarmKind::NoRtp, true, 3020)]);
        leg.run(1.0, true, true, None);
        assert_eq!(leg.told[1], (AlarmKind::NoRtp, false, 11_020));
        leg.run(1.9, false, false, None);
        assert_eq!(leg.told.len(), 2, "a short gap is none");
        leg.run(1.0, false, false, None);
        assert_eq!(leg.told.len(), 3);
    }

    #[test]
    fn a_leg_on_hold_or_parked_is_not_waited_for() {
        let mut leg = Leg::new();
        leg.run_as(20.0, false, false, Some(0), false, false);
        assert!(leg.told.is_empty());
        leg.run(1.9, false, false, None);
        assert!(leg.told.is_empty(), "it is waited for from its return on");
    }

    #[test]
    fn a_sender_that_said_it_is_silent_may_pause_as_long_as_its_rtcp_comes() {
        let mut leg = Leg::new();
        leg.run(1.0, true, true, None);
        for _ in 0..12 {
            leg.heard = leg.now;
            leg.run_as(5.0, false, false, None, true, true);
        }
        assert!(leg.told.is_empty(), "{:?}", leg.told);
        leg.run_as(6.0, false, false, None, true, true);
        assert_eq!(leg.told.len(), 1, "and not without it");
    }

    #[test]
    fn dead_air_is_silence_for_two_seconds_after_the_other_has_spoken() {
        let mut leg = Leg::new();
        leg.run(30.0, true, false, None);
        assert!(leg.told.is_empty(), "nobody waits");
        let asked = leg.now;
        leg.run(1.9, true, false, Some(asked));
        assert!(leg.told.is_empty());
        leg.run(5.0, true, false, Some(asked));
        assert_eq!(leg.told, [(AlarmKind::NoSound, true, asked + 2000)]);
        leg.run(1.0, true, true, None);
        let asked = leg.now;
        leg.run(5.0, true, false, Some(asked));
        let kinds: Vec<_> = leg.told[1..].iter().map(|(kind, on, _)| (*kind, *on)).collect();
        assert_eq!(kinds, [(AlarmKind::NoSound, false), (AlarmKind::DeadAir, true)]);
    }

    #[test]
    fn a_new_offer_alone_brings_nothing_back() {
        let mut leg = Leg::new();
        leg.run(5.0, false, false, None);
        leg.watch.restart();
        leg.run(5.0, false, false, None);
        assert_eq!(leg.told, [(AlarmKind::NoRtp, true, 3020)]);
        leg.run(1.0, true, true, None);
        assert_eq!(leg.told[1..], [(AlarmKind::NoRtp, false, 11_020)]);
    }

    #[test]
    fn an_answer_within_two_seconds_raises_nothing() {
        let mut leg = Leg::new();
        for _ in 0..20 {
            let asked = leg.now;
            leg.run(1.8, true, false, Some(asked));
            leg.run(3.0, true, true, Some(asked));
            leg.run(3.0, true, false, None);
        }
        assert!(leg.told.is_empty());
    }

    #[test]
    fn reports_that_do_not_move_or_do_not_name_us_say_that_we_are_not_heard() {
        let told = |reports: &[(u64, Option<u32>)]| {
            let (mut watch, mut told) = (Watch::new(LIMIT), Vec::new());
            for (sent, highest) in reports {
                watch.report(*sent, *highest, |kind, on| told.push((kind, on)));
            }
            told
        };
        let on = (AlarmKind::NotReceived, true);
        assert_eq!(told(&[(250, Some(1250)), (500, Some(1250))]), [on]);
        assert_eq!(told(&[(250, None), (500, None), (750, None)]), [on]);
        let off = (AlarmKind::NotReceived, false);
        assert_eq!(told(&[(250, Some(9)), (500, Some(9)), (750, Some(700))]), [on, off]);
        assert!(told(&[(250, Some(9)), (500, Some(259)), (750, Some(509))]).is_empty());
        assert!(told(&[(250, Some(9)), (260, Some(9)), (270, Some(9))]).is_empty(), "we were silent");
        assert!(told(&[(250, None), (500, Some(9)), (750, None), (1000, Some(509))]).is_empty());
    }
}
