//! How a phone behaves when it is called, and what it does by itself later.

use std::time::Duration;

use crate::sip::Direction;

/// What a phone does with an INVITE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pickup {
    /// Rings at once, answers after this time.
    After(Duration),
    /// Describes itself in a 183 and speaks at once; after this time it answers, or refuses with this status.
    Early(Duration, Option<u16>),
    /// Rings until it is cancelled.
    Never,
    /// No response at all, as if nobody were there.
    Silent,
    /// 100 at once and nothing more.
    Trying,
    /// Refuses with this status after this time (rings meanwhile if it is not zero), with these header lines.
    Refuse(u16, Duration, String),
}

/// Something a phone does by itself or is told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Do {
    /// Answers the INVITE with 200.
    Answer,
    /// Refuses the INVITE with this status and header lines.
    Refuse(u16, String),
    /// BYE (CANCEL before the answer) with these header lines.
    HangUp(String),
    /// REFER to this Refer-To value with these header lines.
    Refer(String, String),
    /// re-INVITE with this direction of ours.
    Offer(Direction),
    /// OPTIONS in the dialog.
    Options,
    /// UPDATE without an offer, with these header lines.
    Update(String),
    /// INFO in the dialog with this Content-Type and body.
    Info(String, String),
    /// Sends no packets from now on, or again.
    Mute(bool),
    /// Says silence from now on, or its tone again.
    Quiet(bool),
    /// Dies: sends nothing and answers nothing any more, on this line.
    Die,
}

/// How a phone treats one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// What it does with the INVITE.
    pub pickup: Pickup,
    /// What it does by itself, each this long after the call was answered.
    pub then: Vec<(Duration, Do)>,
    /// Answers a CANCEL with a 200 to the INVITE that crossed it (and 200 to the CANCEL).
    pub late_answer: bool,
    /// The status with which it answers NOTIFY; 0: not at all.
    pub notify_status: u16,
    /// Sends BYE when a NOTIFY tells it that a person has answered.
    pub bye_when_told: bool,
    /// Answers every re-INVITE with 491.
    pub glare: bool,
    /// Answers every re-INVITE with 488.
    pub stubborn: bool,
    /// Says silence from the start.
    pub quiet: bool,
}

impl Behaviour {
    /// Answers after this time and does nothing else.
    pub fn answers(after: Duration) -> Self {
        Self::with(Pickup::After(after))
    }

    /// Rings for ever.
    pub fn never_answers() -> Self {
        Self::with(Pickup::Never)
    }

    /// Is not there.
    pub fn is_silent() -> Self {
        Self::with(Pickup::Silent)
    }

    /// Refuses at once.
    pub fn refuses(status: u16) -> Self {
        Self::with(Pickup::Refuse(status, Duration::ZERO, String::new()))
    }

    /// This with the INVITE, and nothing else.
    pub fn with(pickup: Pickup) -> Self {
        Self {
            pickup,
            then: Vec::new(),
            late_answer: false,
            notify_status: 200,
            bye_when_told: false,
            glare: false,
            stubborn: false,
            quiet: false,
        }
    }

    /// And then, this long after the answer, this.
    pub fn then(mut self, after: Duration, what: Do) -> Self {
        self.then.push((after, what));
        self
    }
}
