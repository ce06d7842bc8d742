//! One call as one phone sees it: its dialog, its sound, and what was said so far.

use std::net::SocketAddr;
use std::time::Duration;

use baton_signaling::Time;

use super::script::{Behaviour, Do};
use crate::sip::{Direction, Sdp, Text};
use crate::sound::{Ear, Mouth};
use crate::srtp::{self, Way, Wish};
use crate::tone::{Heard, Tone};

/// A call of a phone, numbered in the order in which they came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineId(pub usize);

/// Where a line is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineState {
    /// INVITE sent or received, no final answer yet.
    Calling,
    /// Answered with 200.
    Up,
    /// Over.
    Ended,
}

/// A message sent or received for the first time.
#[derive(Clone, Debug)]
pub struct Said {
    /// When.
    pub at: Time,
    /// By us, or by the other side.
    pub sent: bool,
    /// What.
    pub text: Text,
}

/// One call of a phone.
#[derive(Debug)]
pub struct Line {
    /// Its number.
    pub id: LineId,
    /// Where it is in its life.
    pub state: LineState,
    /// What it hears.
    pub ear: Ear,
    /// What it says.
    pub mouth: Mouth,
    /// Every message, repeats left out.
    pub said: Vec<Said>,
    /// Messages that came again.
    pub repeats: u64,
    /// The final status of the INVITE that began the line, if we sent it.
    pub status: Option<u16>,
    /// When 200 was sent or received.
    pub answered_at: Option<Time>,
    /// When it ended.
    pub ended_at: Option<Time>,
    /// The other side ended it by BYE or CANCEL.
    pub ended_by_peer: bool,
    /// Its tone.
    pub tone: Tone,
    /// Sends nothing and answers nothing any more.
    pub dead: bool,
    /// Requests of ours that nobody answered in 32 s.
    pub unanswered: Vec<String>,
    /// Our SRTP key, which later offers and answers of ours name.
    pub key: Vec<u8>,
    /// What protects our packets, once agreed on, and what opens those that come.
    pub srtp: Option<[Way; 2]>,
    /// Packets that came and were not genuine.
    pub spoilt: u64,
    /// What it has described before its answer, which says the same.
    pub(super) described: Option<String>,
    pub(super) call_id: String,
    pub(super) we_called: bool,
    pub(super) local: String,
    pub(super) remote: String,
    pub(super) tag: String,
    pub(super) target: String,
    pub(super) peer: SocketAddr,
    pub(super) cseq: u32,
    pub(super) invite: Text,
    pub(super) rtp: SocketAddr,
    pub(super) remote_rtp: Option<SocketAddr>,
    pub(super) direction: Direction,
    pub(super) remote_hears: bool,
    pub(super) version: u32,
    pub(super) offering: Option<Direction>,
    pub(super) cancelled: bool,
    /// Header lines of a CANCEL that is wanted.
    pub(super) cancel_wanted: Option<String>,
    /// How it treats the rest of this call.
    pub behaviour: Behaviour,
    pub(super) plan: Vec<(Time, Do)>,
}

impl Line {
    /// The messages of one side: `"REFER"`, or `"200 INVITE"` for answers.
    pub fn messages<'a>(&'a self, sent: bool, what: &str) -> impl Iterator<Item = &'a Said> + use<'a> {
        let what = what.to_string();
        let is = move |said: &Said| match (said.text.status(), what.split_once(' ')) {
            (None, None) => said.text.method() == what,
            (Some(status), Some((number, method))) => {
                status.to_string() == number && said.text.method() == method
            }
            _ => false,
        };
        self.said.iter().filter(move |said| said.sent == sent && is(said))
    }

    /// How often such a message came.
    pub fn received(&self, what: &str) -> usize {
        self.messages(false, what).count()
    }

    /// How often we sent such a message.
    pub fn sent(&self, what: &str) -> usize {
        self.messages(true, what).count()
    }

    /// The first such message that came.
    pub fn first(&self, what: &str) -> Option<&Said> {
        self.messages(false, what).next()
    }

    /// The statuses of the sipfrag bodies that came by NOTIFY, in order.
    pub fn notified(&self) -> Vec<u16> {
        let fragment = |said: &Said| Text(said.text.body().to_string()).status();
        self.messages(false, "NOTIFY").filter_map(fragment).collect()
    }

    /// Where it speaks from and listens.
    pub fn media_address(&self) -> SocketAddr {
        self.rtp
    }

    /// Where it speaks to, if it knows.
    pub fn remote_media(&self) -> Option<SocketAddr> {
        self.remote_rtp
    }

    /// The INVITE that began the line.
    pub fn invite(&self) -> &Text {
        &self.invite
    }

    /// Whom the line heard in the `span` before `now`.
    pub fn heard_last(&self, now: Time, span: Duration) -> Heard {
        self.ear.heard(now - span, now)
    }

    /// Whether it is over.
    pub fn is_ended(&self) -> bool {
        self.state == LineState::Ended
    }

    /// A short account for a failed assertion.
    pub fn account(&self) -> String {
        let one = |said: &Said| {
            let arrow = if said.sent { "->" } else { "<-" };
            format!("  {:>9.3} {arrow} {}", said.at.as_micros() as f64 / 1e6, said.text.first_line())
        };
        let lines: Vec<String> = self.said.iter().map(one).collect();
        format!("{:?} {:?} rtp in {}\n{}", self.id, self.state, self.ear.packets.len(), lines.join("\n"))
    }

    pub(super) fn record(&mut self, now: Time, sent: bool, text: &Text) -> bool {
        let again = self.said.iter().any(|said| said.sent == sent && said.text == *text);
        if again {
            self.repeats += 1;
        } else {
            self.said.push(Said { at: now, sent, text: text.clone() });
        }
        !again
    }

    /// Takes the keys of both sides; those that have not changed go on where they were.
    pub(super) fn secure(&mut self, theirs: &Sdp, wish: Wish, suite: &str) {
        let Some((_, key)) = srtp::find(&theirs.body, suite).filter(|_| wish != Wish::Plain) else { return };
        let keep = |way: Option<Way>, key: &[u8]| match way {
            Some(way) if way.key == key => way,
            _ => Way::new(suite, key),
        };
        let (goes, comes) = self.srtp.take().map_or((None, None), |[goes, comes]| (Some(goes), Some(comes)));
        self.srtp = Some([keep(goes, &self.key), keep(comes, &key)]);
    }

    pub(super) fn end(&mut self, now: Time, by_peer: bool) {
        if self.state != LineState::Ended {
            (self.state, self.ended_at, self.ended_by_peer) = (LineState::Ended, Some(now), by_peer);
        }
        self.mouth.shut();
        self.plan.clear();
    }
}
