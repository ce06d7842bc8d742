//! What the parties do when their endpoints tell them something.

use baton_signaling::endpoint::{Event, Leg};
use baton_signaling::message::{Headers, Request};
use bytes::Bytes;

use super::{CALL_HEADER, Style, World};
use crate::machine::Nanos;
use crate::phone::{Party, notified, remote, with_sdp};

impl World {
    /// Takes what `party`'s endpoint tells of a message that came at `at`.
    pub(super) fn take_events(&mut self, party: Party, at: Nanos) -> Result<(), String> {
        while let Some(event) = self.phones[party as usize].endpoint.poll_event() {
            match event {
                Event::Incoming { leg, request, .. } => self.take_call(party, leg, &request, at)?,
                Event::Answered { leg, response } => self.take_answer(leg, &response.body, at),
                Event::Refused { leg, failure, .. } => {
                    self.lose(party, leg, &format!("INVITE failed: {failure:?}"));
                }
                Event::NotAcked { leg } => self.lose(party, leg, "no ACK to our 200"),
                Event::Gone { leg, failure } => {
                    self.lose(party, leg, &format!("the node lost it: {failure:?}"))
                }
                Event::Cancelled { leg, .. } => self.lose(party, leg, "CANCEL"),
                Event::Bye { leg, .. } => self.take_bye(party, leg),
                Event::Notify { leg, request } => self.take_notify(leg, &request),
                Event::Replied { leg, result: Err(failure), .. } => {
                    self.fault(party, leg, &format!("REFER refused: {failure:?}"));
                }
                Event::Offer { leg, key, .. } => {
                    // Nothing in these calls needs one.
                    let time = self.time(at);
                    let endpoint = &mut self.phones[party as usize].endpoint;
                    endpoint.respond(time, key, 488, "", Headers::default(), Bytes::new());
                    self.fault(party, leg, "an unexpected re-INVITE");
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn take_call(&mut self, party: Party, leg: Leg, request: &Request, at: Nanos) -> Result<(), String> {
        let header = request
            .headers
            .iter()
            .find(|header| header.name.as_bytes().eq_ignore_ascii_case(CALL_HEADER.as_bytes()));
        let number = header
            .and_then(|header| std::str::from_utf8(&header.value).ok()?.trim().parse::<usize>().ok())
            .filter(|number| *number < self.calls.len());
        let time = self.time(at);
        let Some(call) = number else {
            let endpoint = &mut self.phones[party as usize].endpoint;
            endpoint.reject(time, leg, 404, "", Headers::default());
            return Ok(());
        };
        let body = self.open_line(call, party)?;
        if party == Party::Agent {
            self.calls[call].person_invited = Some(at);
        }
        self.learn_remote(call, party, &request.body);
        self.note_leg(call, party, leg);
        self.phones[party as usize].endpoint.answer(time, leg, with_sdp(), body);
        self.speak(call, party);
        Ok(())
    }

    fn take_answer(&mut self, leg: Leg, body: &[u8], at: Nanos) {
        let Some(&call) = self.call_of.get(&(Party::Caller, leg)) else { return };
        self.calls[call].answered = Some(at);
        if self.style == Style::SetUpOnly {
            self.calls[call].over = true;
            self.end(call, Party::Caller);
            return;
        }
        self.learn_remote(call, Party::Caller, body);
        self.speak(call, Party::Caller);
    }

    fn take_bye(&mut self, party: Party, leg: Leg) {
        let Some(call) = self.forget(party, leg) else { return };
        let state = &mut self.calls[call];
        if party == Party::Caller {
            state.over = true;
            state.fault.get_or_insert_with(|| "the node hung up on the caller".to_owned());
        } else if !state.over && state.handed_off.is_none() {
            // Between the person's answer and its news to the AI nobody but the AI's leg may end.
            if party == Party::Agent || state.person_invited.is_none() {
                state.fault.get_or_insert_with(|| format!("the node hung up on the {}", party.user()));
            }
        }
    }

    fn take_notify(&mut self, leg: Leg, request: &Request) {
        let Some(&call) = self.call_of.get(&(Party::Ai, leg)) else { return };
        match notified(&request.body) {
            Some(200) => {
                self.calls[call].handed_off = Some(crate::machine::now());
                self.end(call, Party::Ai);
            }
            Some(status @ 300..) => self.fault(Party::Ai, leg, &format!("the handoff failed with {status}")),
            _ => {}
        }
    }

    pub(super) fn learn_remote(&mut self, call: usize, party: Party, body: &[u8]) {
        let Some(line) = self.calls[call].lines[party as usize] else { return };
        match remote(body) {
            Some((address, number)) => {
                self.lines[line].remote = Some(address);
                self.lines[line].payload_type = number;
            }
            None => {
                self.calls[call].fault.get_or_insert_with(|| "SDP without an address".to_owned());
            }
        }
    }

    /// The leg is over by a fault.
    fn lose(&mut self, party: Party, leg: Leg, why: &str) {
        self.fault(party, leg, why);
        if let Some(call) = self.forget(party, leg)
            && party == Party::Caller
        {
            self.calls[call].over = true;
        }
    }

    fn fault(&mut self, party: Party, leg: Leg, why: &str) {
        if let Some(&call) = self.call_of.get(&(party, leg)) {
            self.calls[call].fault.get_or_insert_with(|| format!("{}: {why}", party.user()));
        }
    }

    fn forget(&mut self, party: Party, leg: Leg) -> Option<usize> {
        let call = self.call_of.remove(&(party, leg))?;
        self.calls[call].legs[party as usize] = None;
        self.silence(call, party);
        Some(call)
    }
}
