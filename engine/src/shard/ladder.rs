//! What was said in SIP, call by call: every message with its time, its leg and its repetitions, kept within bounds while
//! the call lives and for a while after its end.
//!
//! Left out: messages of no call (probes, refusals at the door), how it is shown (`shell/http`), and masking (`mask`).

use std::collections::{HashMap, VecDeque};

use baton_signaling::Time;
use baton_signaling::endpoint::Flow;
use bytes::Bytes;

use crate::key::{CallKey, LegId};
use crate::limits::{
    LADDER_BYTES_PER_CALL, LADDER_BYTES_PER_MESSAGE, LADDER_BYTES_PER_SHARD, LADDER_MESSAGES_PER_CALL,
    LADDERS_ENDED,
};

/// One message, and when it came again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// When it was sent or received first.
    pub at: Time,
    /// In whose dialog.
    pub leg: LegId,
    /// Sent by us; else received.
    pub sent: bool,
    /// Between which addresses.
    pub flow: Flow,
    /// It, or its beginning; empty where there was no room for it.
    pub text: Bytes,
    /// Octets of it all.
    pub len: usize,
    /// How often it was sent or received again.
    pub repeats: u32,
    /// When it was last.
    pub last: Time,
}

/// One call's messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ladder {
    /// The call's id.
    pub call_id: String,
    /// With which peer each leg is.
    pub legs: Vec<(LegId, String)>,
    /// In the order in which they were first sent or received.
    pub said: Vec<Said>,
    /// Messages for which there was no room.
    pub omitted: u64,
    /// Messages whose end, or all of whose text, is left out.
    pub cut: u64,
    dialogs: Vec<Bytes>,
    bytes: usize,
}

/// What was left out for want of room, in all calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LadderCounts {
    /// Messages of which nothing is kept.
    pub omitted: u64,
    /// Messages whose end, or all of whose text, is left out.
    pub cut: u64,
    /// Calls that have ended and were forgotten before their time, since living ones needed the room.
    pub evicted: u64,
}

/// The messages of all calls of a shard.
#[derive(Debug, Default)]
pub(super) struct Ladders {
    calls: HashMap<CallKey, Ladder>,
    /// Whose dialog a Call-ID names.
    owners: HashMap<Bytes, (CallKey, LegId)>,
    /// The oldest first.
    ended: VecDeque<CallKey>,
    bytes: usize,
    pub(super) counts: LadderCounts,
}

impl Ladders {
    /// A call has begun.
    pub(super) fn begin(&mut self, key: CallKey, call_id: &str) {
        self.calls.insert(key, Ladder { call_id: call_id.to_owned(), ..Ladder::default() });
    }

    /// A leg of a call has a dialog of this Call-ID, with this peer.
    pub(super) fn bind(&mut self, key: CallKey, leg: LegId, peer: &str, dialog: &Bytes) {
        let Some(ladder) = self.calls.get_mut(&key) else { return };
        // Own octets: a slice would keep the datagram alive.
        let dialog = Bytes::copy_from_slice(dialog);
        ladder.legs.push((leg, peer.to_owned()));
        ladder.dialogs.push(dialog.clone());
        self.owners.insert(dialog, (key, leg));
    }

    /// Whose dialog a Call-ID names.
    pub(super) fn owner(&self, dialog: &Bytes) -> Option<(CallKey, LegId)> {
        self.owners.get(dialog).copied()
    }

    /// A message of a call was sent or received.
    pub(super) fn note(
        &mut self,
        now: Time,
        (key, leg): (CallKey, LegId),
        sent: bool,
        flow: Flow,
        text: &Bytes,
    ) {
        let Some(ladder) = self.calls.get_mut(&key) else { return };
        let len = text.len();
        let same = |said: &&mut Said| (said.leg, said.sent) == (leg, sent) && is_same(&said.text, text);
        if let Some(said) = ladder.said.iter_mut().rev().find(same) {
            (said.repeats, said.last) = (said.repeats.saturating_add(1), now);
            return;
        }
        if ladder.said.len() >= LADDER_MESSAGES_PER_CALL {
            ladder.omitted += 1;
            self.counts.omitted += 1;
            return;
        }
        let room = LADDER_BYTES_PER_CALL.saturating_sub(ladder.bytes).min(LADDER_BYTES_PER_MESSAGE);
        let room = room.min(LADDER_BYTES_PER_SHARD.saturating_sub(self.bytes));
        let text = if len <= room {
            text.clone()
        } else {
            ladder.cut += 1;
            self.counts.cut += 1;
            Bytes::copy_from_slice(&text[..room])
        };
        ladder.bytes += text.len();
        self.bytes += text.len();
        ladder.said.push(Said { at: now, leg, sent, flow, text, len, repeats: 0, last: now });
        self.make_room();
    }

    /// A call has ended; its last messages are still to come.
    pub(super) fn end(&mut self, key: CallKey) {
        if !self.calls.contains_key(&key) {
            return;
        }
        self.ended.push_back(key);
        if self.ended.len() > LADDERS_ENDED {
            self.forget_oldest();
        }
    }

    /// The messages of a call, if they are still kept.
    pub(super) fn get(&self, key: CallKey) -> Option<&Ladder> {
        self.calls.get(&key)
    }

    /// Calls that have ended make room for those that live.
    fn make_room(&mut self) {
        while self.bytes + LADDER_BYTES_PER_MESSAGE > LADDER_BYTES_PER_SHARD && !self.ended.is_empty() {
            self.counts.evicted += 1;
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(ladder) = self.ended.pop_front().and_then(|key| self.calls.remove(&key)) else { return };
        self.bytes -= ladder.bytes;
        for dialog in ladder.dialogs {
            self.owners.remove(&dialog);
        }
    }
}

/// Whether `kept` is `text` or its beginning, but for Via: where a request came from is noted there once (RFC 3261 §18.2.1).
fn is_same(kept: &[u8], text: &[u8]) -> bool {
    fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
        let is_via = |line: &&[u8]| {
            let name = line.split(|&byte| byte == b':').next().unwrap_or_default().trim_ascii_end();
            name.eq_ignore_ascii_case(b"Via") || name.eq_ignore_ascii_case(b"v")
        };
        text.split_inclusive(|&byte| byte == b'\n').filter(move |line| !is_via(line))
    }
    let mut others = lines(text);
    // A line that was cut is like any that begins so.
    !kept.is_empty() && lines(kept).all(|line| others.next().is_some_and(|other| other.starts_with(line)))
}

/// The Call-ID of a message of ours, whose lines end as we write them.
pub(super) fn call_id_of(message: &Bytes) -> Option<Bytes> {
    for line in message.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return None;
        }
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let name = line[..colon].trim_ascii_end();
        if name.eq_ignore_ascii_case(b"Call-ID") || name.eq_ignore_ascii_case(b"i") {
            return Some(message.slice_ref(line[colon + 1..].trim_ascii()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use baton_signaling::endpoint::Transport;

    use super::*;

    const KEY: CallKey = CallKey::new(0, 1);

    fn flow() -> Flow {
        let at = "127.0.0.1:5060".parse().unwrap();
        Flow { transport: Transport::Udp, local: at, remote: at }
    }

    fn begun() -> Ladders {
        let mut ladders = Ladders::default();
        ladders.begin(KEY, "id");
        ladders.bind(KEY, LegId::CALLER, "web", &Bytes::from_static(b"a@b"));
        ladders
    }

    fn note(ladders: &mut Ladders, millis: u64, sent: bool, text: &str) {
        let owner = ladders.owner(&Bytes::from_static(b"a@b")).unwrap();
        ladders.note(Time::from_millis(millis), owner, sent, flow(), &Bytes::from(text.to_owned()));
    }

    #[test]
    fn a_message_that_comes_again_is_one_message_with_its_repetitions() {
        let mut ladders = begun();
        note(&mut ladders, 0, false, "INVITE 1");
        note(&mut ladders, 1, true, "SIP/2.0 100");
        note(&mut ladders, 500, false, "INVITE 1");
        note(&mut ladders, 1500, false, "INVITE 1");
        note(&mut ladders, 1600, false, "INVITE 2");
        let ladder = ladders.get(KEY).unwrap();
        let told: Vec<_> = ladder.said.iter().map(|said| (&said.text[..], said.repeats)).collect();
        assert_eq!(told, [(&b"INVITE 1"[..], 2), (b"SIP/2.0 100", 0), (b"INVITE 2", 0)]);
        assert_eq!(ladder.said[0].last, Time::from_millis(1500));
        assert_eq!(ladder.legs, [(LegId::CALLER, "web".to_owned())]);
    }

    #[test]
    fn where_a_request_came_from_makes_it_no_other_one_but_its_number_does() {
        let invite = b"INVITE sip:a SIP/2.0\r\nVia: x;received=1.2.3.4\r\nCSeq: 1 INVITE\r\n\r\n";
        assert!(is_same(invite, b"INVITE sip:a SIP/2.0\r\nVia: x\r\nCSeq: 1 INVITE\r\n\r\n"));
        assert!(!is_same(invite, b"INVITE sip:a SIP/2.0\r\nVia: x\r\nCSeq: 2 INVITE\r\n\r\n"));
        assert!(is_same(&invite[..30], invite) && !is_same(b"", invite));
    }

    #[test]
    fn long_messages_and_many_are_cut_and_counted() {
        let mut ladders = begun();
        note(&mut ladders, 0, true, &"x".repeat(LADDER_BYTES_PER_MESSAGE + 1));
        let first = ladders.get(KEY).unwrap().said[0].clone();
        assert_eq!((first.text.len(), first.len), (LADDER_BYTES_PER_MESSAGE, LADDER_BYTES_PER_MESSAGE + 1));
        for count in 0..LADDER_MESSAGES_PER_CALL + 3 {
            note(&mut ladders, 1, true, &format!("{count} {}", "y".repeat(2000)));
        }
        let ladder = ladders.get(KEY).unwrap();
        assert_eq!((ladder.said.len(), ladder.omitted), (LADDER_MESSAGES_PER_CALL, 4));
        let kept: usize = ladder.said.iter().map(|said| said.text.len()).sum();
        assert!(kept <= LADDER_BYTES_PER_CALL && ladder.cut > 1, "{kept}");
        assert_eq!((ladders.counts.omitted, ladders.counts.cut), (ladder.omitted, ladder.cut));
    }

    #[test]
    fn the_oldest_calls_that_have_ended_are_forgotten() {
        let mut ladders = Ladders::default();
        for count in 0..=LADDERS_ENDED as u64 {
            let key = CallKey::new(0, count);
            ladders.begin(key, "id");
            ladders.bind(key, LegId::CALLER, "web", &Bytes::from(count.to_string()));
            ladders.note(Time::ZERO, (key, LegId::CALLER), true, flow(), &Bytes::from_static(b"BYE"));
            ladders.end(key);
        }
        assert!(ladders.get(CallKey::new(0, 0)).is_none() && ladders.get(CallKey::new(0, 1)).is_some());
        assert_eq!(ladders.owner(&Bytes::from_static(b"0")), None);
        assert_eq!((ladders.bytes, ladders.owners.len()), (3 * LADDERS_ENDED, LADDERS_ENDED));
    }

    #[test]
    fn living_calls_take_the_room_of_those_that_have_ended() {
        let mut ladders = Ladders::default();
        let full = Bytes::from(vec![b'x'; LADDER_BYTES_PER_MESSAGE]);
        let calls = (LADDER_BYTES_PER_SHARD / LADDER_BYTES_PER_CALL) as u64 + 1;
        for count in 0..calls {
            let key = CallKey::new(0, count);
            ladders.begin(key, "id");
            for line in 0..LADDER_BYTES_PER_CALL / LADDER_BYTES_PER_MESSAGE {
                let mut text = full.to_vec();
                text[0] = line as u8;
                ladders.note(Time::ZERO, (key, LegId::CALLER), true, flow(), &text.into());
            }
            if count < 2 {
                ladders.end(key);
            }
        }
        assert!(ladders.get(CallKey::new(0, 0)).is_none());
        assert!(ladders.counts.evicted >= 1 && ladders.bytes <= LADDER_BYTES_PER_SHARD);
    }

    #[test]
    fn the_call_id_of_a_message_is_found_by_either_name() {
        let found = |text: &'static str| call_id_of(&Bytes::from_static(text.as_bytes()));
        assert_eq!(found("BYE sip:a SIP/2.0\r\nVia: x\r\nCall-ID: a@b\r\n\r\n").unwrap(), "a@b");
        assert_eq!(found("SIP/2.0 200 OK\r\nI : c \r\n\r\n").unwrap(), "c");
        assert_eq!(found("SIP/2.0 200 OK\r\nVia: x\r\n\r\nCall-ID: body\r\n"), None);
    }
}
