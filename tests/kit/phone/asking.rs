//! A phone's own requests, and the answers to them.

use std::net::SocketAddr;
use std::time::Duration;

use baton_signaling::Time;

use super::resend::What;
use super::{Behaviour, Do, LineId, LineState, Phone};
use crate::sip::{Direction, Sdp, Text};

impl Phone {
    /// Calls this user at this node. `headers` are whole lines.
    pub fn call(&mut self, now: Time, user: &str, node: SocketAddr, headers: &str) -> LineId {
        let behaviour = Behaviour::answers(Duration::ZERO);
        let id = self.new_line(Text(String::new()), node, true, behaviour);
        let call_id = format!("{}@{}", self.dice.token(), self.sip.ip());
        let line = &mut self.lines[id.0];
        line.call_id = call_id;
        line.target = format!("sip:{user}@{node}");
        line.local = format!("\"{0}\" <sip:{0}@{1}>;tag={2}", self.name, self.sip.ip(), line.tag);
        line.remote = format!("<sip:{user}@{}>", node.ip());
        line.cseq = 0;
        let body = self.sdp(id, None, Direction::SendRecv);
        let headers = format!("{headers}Allow: {}\r\n", self.allow);
        self.request(now, id, "INVITE", &headers, &body);
        id
    }

    /// Sends a request in the line's dialog (or the one that makes it).
    pub(super) fn request(&mut self, now: Time, id: LineId, method: &str, headers: &str, body: &str) {
        let branch = format!("z9hG4bK{}", self.dice.token());
        let (contact, sip) = (self.contact(), self.sip);
        let line = &mut self.lines[id.0];
        line.cseq += 1;
        let kind = if body.is_empty() || headers.contains("Content-Type:") {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        let text = Text(format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/UDP {sip};rport;branch={branch}\r\nMax-Forwards: 70\r\nFrom: {}\r\n\
             To: {}\r\nCall-ID: {}\r\nCSeq: {} {method}\r\n{contact}{headers}{kind}Content-Length: {}\r\n\r\n{body}",
            line.target,
            line.local,
            line.remote,
            line.call_id,
            line.cseq,
            body.len()
        ));
        if method == "INVITE" && line.invite.0.is_empty() {
            line.invite = text.clone();
        }
        self.begin(now, id, &text);
    }

    fn begin(&mut self, now: Time, id: LineId, text: &Text) {
        let peer = self.lines[id.0].peer;
        let key = (text.branch().to_string(), text.method().to_string());
        self.lines[id.0].record(now, true, text);
        self.repeats.start(
            now,
            What::Request(key.0.clone(), key.1.clone()),
            peer,
            text.0.clone().into_bytes(),
        );
        self.pending.insert(key, (id, text.clone()));
        self.send(peer, &text.0);
    }

    /// BYE, or CANCEL before the answer, or a refusal of what rings here.
    pub(super) fn hang_up(&mut self, now: Time, id: LineId, headers: &str) {
        match (self.lines[id.0].state, self.lines[id.0].we_called) {
            (LineState::Up, _) => {
                self.request(now, id, "BYE", headers, "");
                self.lines[id.0].end(now, false);
            }
            (LineState::Calling, true) => self.cancel(now, id, headers),
            (LineState::Calling, false) => self.refuse(now, id, 486, headers),
            (LineState::Ended, _) => {}
        }
    }

    /// CANCEL, once a provisional answer has come (RFC 3261 §9.1).
    fn cancel(&mut self, now: Time, id: LineId, headers: &str) {
        let line = &mut self.lines[id.0];
        line.cancel_wanted = Some(headers.to_string());
        let rings = line.said.iter().any(|said| !said.sent && said.text.status().is_some());
        if line.cancelled || !rings {
            return;
        }
        line.cancelled = true;
        let invite = line.invite.clone();
        let header = |name: &'static str| format!("{name}: {}\r\n", invite.header(name).unwrap_or(""));
        let text = Text(format!(
            "CANCEL {} SIP/2.0\r\n{}Max-Forwards: 70\r\n{}{}{}CSeq: {} CANCEL\r\n{headers}Content-Length: 0\r\n\r\n",
            line.target,
            header("Via"),
            header("From"),
            header("To"),
            header("Call-ID"),
            invite.cseq()
        ));
        self.begin(now, id, &text);
    }

    /// re-INVITE with this direction.
    pub(super) fn offer(&mut self, now: Time, id: LineId, direction: Direction) {
        self.lines[id.0].offering = Some(direction);
        let body = self.sdp(id, None, direction);
        self.request(now, id, "INVITE", "", &body);
    }

    pub(super) fn handle_response(&mut self, now: Time, status: u16, text: &Text) {
        let key = (text.branch().to_string(), text.method().to_string());
        let tag = text.tag("To").unwrap_or("").to_string();
        if let Some((to, ack)) = self.acks.get(&(text.call_id().to_string(), text.cseq(), tag)).cloned()
            && text.method() == "INVITE"
            && status >= 200
        {
            if let Some(line) = self.lines.iter_mut().find(|line| line.call_id == text.call_id()) {
                line.record(now, false, text);
            }
            self.send(to, &ack);
            return;
        }
        let Some((id, request)) = self.pending.get(&key).cloned() else { return };
        if self.lines[id.0].dead {
            return;
        }
        self.lines[id.0].record(now, false, text);
        let provisional = status < 200;
        if !provisional || text.method() == "INVITE" {
            self.repeats.stop(&What::Request(key.0.clone(), key.1.clone()));
        }
        if provisional {
            let early = Sdp::parse(text.body()).filter(|_| self.lines[id.0].state == LineState::Calling);
            if let Some(theirs) = early {
                self.apply(now, id, &theirs, Direction::SendRecv);
            }
            if let Some(headers) = self.lines[id.0].cancel_wanted.clone() {
                self.cancel(now, id, &headers);
            }
            return;
        }
        self.pending.remove(&key);
        if text.method() == "INVITE" {
            self.invite_answered(now, id, status, &request, text);
        }
    }

    fn invite_answered(&mut self, now: Time, id: LineId, status: u16, request: &Text, text: &Text) {
        let first = *request == self.lines[id.0].invite;
        if (200..300).contains(&status) {
            let line = &mut self.lines[id.0];
            line.remote = text.header("To").unwrap_or("").to_string();
            line.target = text.uri("Contact").unwrap_or(&line.target).to_string();
            self.acknowledge(now, id, text, None);
            let ours = self.lines[id.0].offering.take().unwrap_or(Direction::SendRecv);
            if let Some(theirs) = Sdp::parse(text.body()) {
                self.apply(now, id, &theirs, ours);
            }
            if first {
                let line = &mut self.lines[id.0];
                (line.state, line.status, line.answered_at) = (LineState::Up, Some(status), Some(now));
                if line.cancel_wanted.is_some() {
                    self.act(now, id, Do::HangUp(String::new()));
                }
            }
            return;
        }
        self.acknowledge(now, id, text, Some(request));
        let line = &mut self.lines[id.0];
        if first {
            line.status = Some(status);
            line.end(now, false);
        } else if let (491, Some(direction)) = (status, line.offering.take()) {
            // RFC 3261 §14.1: the owner of the Call-ID waits 2.1 to 4 s, the other less than 2 s.
            let (low, high) = if line.we_called { (2100, 4000) } else { (0, 2000) };
            let wait = self.dice.between(Duration::from_millis(low), Duration::from_millis(high));
            self.act_later(now + wait, id, Do::Offer(direction));
        }
    }

    /// ACK: of a refusal in the INVITE's own transaction, of a 2xx in one of its own.
    fn acknowledge(&mut self, now: Time, id: LineId, answer: &Text, refused: Option<&Text>) {
        let branch = format!("z9hG4bK{}", self.dice.token());
        let sip = self.sip;
        let line = &mut self.lines[id.0];
        let via = match refused {
            Some(request) => request.header("Via").unwrap_or("").to_string(),
            None => format!("SIP/2.0/UDP {sip};rport;branch={branch}"),
        };
        let target = refused.map_or(line.target.clone(), |request| {
            request.first_line().split(' ').nth(1).unwrap_or("").to_string()
        });
        let ack = format!(
            "ACK {target} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\n\
             CSeq: {} ACK\r\nContent-Length: 0\r\n\r\n",
            line.local,
            answer.header("To").unwrap_or(""),
            line.call_id,
            answer.cseq()
        );
        line.record(now, true, &Text(ack.clone()));
        let peer = line.peer;
        let tag = answer.tag("To").unwrap_or("").to_string();
        self.acks.insert((answer.call_id().to_string(), answer.cseq(), tag), (peer, ack.clone()));
        self.send(peer, &ack);
    }
}
