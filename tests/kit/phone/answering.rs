//! Requests that come to a phone, and its answers.

use std::net::SocketAddr;

use baton_signaling::Time;

use super::resend::What;
use super::{Do, Line, LineId, LineState, Phone, Pickup};
use crate::sip::{Direction, Sdp, Text};

impl Phone {
    pub(super) fn handle_request(&mut self, now: Time, from: SocketAddr, text: &Text) {
        let key = (text.branch().to_string(), text.method().to_string());
        // A call that was refused may come again, with what was missing (RFC 3261 §22.2).
        let anew = text.method() == "INVITE" && text.tag("To").is_none();
        let same = |line: &&mut Line| line.call_id == text.call_id() && !(anew && line.is_ended());
        let line = self.lines.iter_mut().rev().find(same);
        let found = line.map(|line| {
            line.record(now, false, text);
            (line.id, line.dead)
        });
        if found.is_some_and(|(_, dead)| dead) {
            return;
        }
        if let Some(reply) = self.replies.get(&key).cloned().filter(|_| text.method() != "ACK") {
            self.send(from, &reply);
            return;
        }
        match (found.map(|(id, _)| id), text.method()) {
            (None, "INVITE") if text.tag("To").is_none() => self.ring(now, from, text),
            (None, method) => {
                *self.strays.entry(method.to_string()).or_default() += 1;
                match method {
                    "ACK" => {}
                    "OPTIONS" => self.reply(now, None, from, text, 200, "OK", ""),
                    _ => self.reply(now, None, from, text, 481, "Call Does Not Exist", ""),
                }
            }
            (Some(id), _) => self.handle_in_call(now, id, from, text),
        }
    }

    fn handle_in_call(&mut self, now: Time, id: LineId, from: SocketAddr, text: &Text) {
        let ended = self.lines[id.0].is_ended();
        match text.method() {
            "ACK" => {
                self.repeats.stop(&What::Answer(text.call_id().into(), text.cseq()));
                if let Some(theirs) = Sdp::parse(text.body()).filter(|_| !ended) {
                    self.apply(now, id, &theirs, Direction::SendRecv);
                }
            }
            "CANCEL" => self.cancelled(now, id, from, text),
            "BYE" => {
                let status = if ended && self.lines[id.0].ended_by_peer { 481 } else { 200 };
                self.reply(now, Some(id), from, text, status, "OK", "");
                self.lines[id.0].end(now, true);
            }
            "NOTIFY" => match self.lines[id.0].behaviour.notify_status {
                0 => {}
                status => {
                    self.reply(now, Some(id), from, text, status, "As told", "");
                    if self.lines[id.0].behaviour.bye_when_told && text.body().starts_with("SIP/2.0 200") {
                        self.act(now, id, Do::HangUp(String::new()));
                    }
                }
            },
            _ if ended => self.reply(now, Some(id), from, text, 481, "Call Does Not Exist", ""),
            "INVITE" | "UPDATE" => self.reoffered(now, id, from, text),
            _ => self.reply(now, Some(id), from, text, 200, "OK", ""),
        }
    }

    fn ring(&mut self, now: Time, from: SocketAddr, text: &Text) {
        let behaviour = self.next.pop_front().unwrap_or_else(|| self.behaviour.clone());
        let id = self.new_line(text.clone(), from, false, behaviour);
        let line = &mut self.lines[id.0];
        line.local = format!("{};tag={}", text.header("To").unwrap_or(""), line.tag);
        line.remote = text.header("From").unwrap_or("").to_string();
        line.target = text.uri("Contact").unwrap_or("").to_string();
        line.cseq = 100;
        line.record(now, false, text);
        match line.behaviour.pickup.clone() {
            Pickup::Silent => line.dead = true,
            Pickup::Trying => self.reply(now, Some(id), from, text, 100, "Trying", ""),
            Pickup::Never => self.reply(now, Some(id), from, text, 180, "Ringing", ""),
            Pickup::After(wait) => {
                self.reply(now, Some(id), from, text, 180, "Ringing", "");
                self.act_later(now + wait, id, Do::Answer);
            }
            Pickup::Early(wait, refusal) => {
                let body = self.describe(now, id);
                self.reply(now, Some(id), from, text, 183, "Session Progress", &body);
                let then = refusal.map_or(Do::Answer, |status| Do::Refuse(status, String::new()));
                self.act_later(now + wait, id, then);
            }
            Pickup::Refuse(status, wait, headers) if wait.is_zero() => self.refuse(now, id, status, &headers),
            Pickup::Refuse(status, wait, headers) => {
                self.reply(now, Some(id), from, text, 180, "Ringing", "");
                self.act_later(now + wait, id, Do::Refuse(status, headers));
            }
        }
    }

    pub(super) fn answer(&mut self, now: Time, id: LineId) {
        let (invite, peer) = (self.lines[id.0].invite.clone(), self.lines[id.0].peer);
        let body = self.describe(now, id);
        self.final_answer(now, id, peer, &invite, 200, &body);
        let line = &mut self.lines[id.0];
        (line.state, line.answered_at) = (LineState::Up, Some(now));
        for (after, what) in line.behaviour.then.clone() {
            line.plan.push((now + after, what));
        }
    }

    /// Our description in answer to the INVITE of this line, the same whenever it is asked for, and speaks by it.
    fn describe(&mut self, now: Time, id: LineId) -> String {
        if let Some(body) = self.lines[id.0].described.clone() {
            return body;
        }
        let offer = Sdp::parse(self.lines[id.0].invite.body());
        let direction = offer.as_ref().map_or(Direction::SendRecv, |offer| offer.direction.mirrored());
        let body = self.sdp(id, offer.as_ref(), direction);
        if let Some(offer) = offer {
            self.apply(now, id, &offer, direction);
        }
        self.lines[id.0].described = Some(body.clone());
        body
    }

    pub(super) fn refuse(&mut self, now: Time, id: LineId, status: u16, headers: &str) {
        let (invite, peer) = (self.lines[id.0].invite.clone(), self.lines[id.0].peer);
        let text = invite.reply(status, "Refused", &self.lines[id.0].tag, headers, "");
        self.answer_with(now, Some(id), peer, &invite, text, true);
        self.lines[id.0].end(now, false);
    }

    fn cancelled(&mut self, now: Time, id: LineId, from: SocketAddr, text: &Text) {
        self.reply(now, Some(id), from, text, 200, "OK", "");
        if self.lines[id.0].state != LineState::Calling {
            return;
        }
        if self.lines[id.0].behaviour.late_answer {
            self.answer(now, id);
            return;
        }
        let invite = self.lines[id.0].invite.clone();
        self.final_answer(now, id, from, &invite, 487, "");
        self.lines[id.0].end(now, true);
    }

    /// A re-INVITE or UPDATE of the other side.
    fn reoffered(&mut self, now: Time, id: LineId, from: SocketAddr, text: &Text) {
        let line = &self.lines[id.0];
        if line.offering.is_some() || line.behaviour.glare {
            self.final_answer(now, id, from, text, 491, "");
            return;
        }
        if line.behaviour.stubborn {
            return self.final_answer(now, id, from, text, 488, "");
        }
        let offer = Sdp::parse(text.body());
        let direction = offer.as_ref().map_or(Direction::SendRecv, |offer| offer.direction.mirrored());
        let body = match (&offer, text.method()) {
            (None, "UPDATE") => String::new(),
            _ => self.sdp(id, offer.as_ref(), direction),
        };
        if let Some(target) = text.uri("Contact") {
            self.lines[id.0].target = target.to_string();
        }
        self.final_answer(now, id, from, text, 200, &body);
        if let Some(offer) = offer {
            self.apply(now, id, &offer, direction);
        }
    }

    fn final_answer(
        &mut self,
        now: Time,
        id: LineId,
        to: SocketAddr,
        request: &Text,
        status: u16,
        body: &str,
    ) {
        let headers = format!("{}Allow: {}\r\n", self.contact(), self.allow);
        let reason = if status == 200 { "OK" } else { "Refused" };
        let text = request.reply(status, reason, &self.lines[id.0].tag, &headers, body);
        self.answer_with(now, Some(id), to, request, text, request.method() == "INVITE");
    }

    #[allow(clippy::too_many_arguments, reason = "a response has that many parts")]
    fn reply(
        &mut self,
        now: Time,
        id: Option<LineId>,
        to: SocketAddr,
        request: &Text,
        status: u16,
        reason: &str,
        body: &str,
    ) {
        let tag = id.map_or_else(|| "stray".to_string(), |id| self.lines[id.0].tag.clone());
        let text = request.reply(status, reason, &tag, &self.contact(), body);
        self.answer_with(now, id, to, request, text, false);
    }

    fn answer_with(
        &mut self,
        now: Time,
        id: Option<LineId>,
        to: SocketAddr,
        request: &Text,
        text: String,
        until_ack: bool,
    ) {
        if let Some(id) = id {
            self.lines[id.0].record(now, true, &Text(text.clone()));
        }
        if until_ack {
            let what = What::Answer(request.call_id().into(), request.cseq());
            self.repeats.start(now, what, to, text.clone().into_bytes());
        }
        self.replies.insert((request.branch().to_string(), request.method().to_string()), text.clone());
        self.send(to, &text);
    }
}
