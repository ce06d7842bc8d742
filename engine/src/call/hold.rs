//! Offers within a living dialog: hold, resume, a new address. Each side's is answered here by negotiating again; the
//! other side's dialog is not touched, since the session plays to each what it is to hear.

use bytes::Bytes;

use baton_signaling::Time;
use baton_signaling::sdp::Negotiated;

use crate::call::call::Call;
use crate::call::caller::warning;
use crate::call::{Action, Moment, RequestKey, leg_config};
use crate::key::LegId;
use crate::media::{Dtmf, Order};

impl Call {
    /// re-INVITE or UPDATE.
    pub(super) fn offered(&mut self, now: Time, id: LegId, request: RequestKey, sdp: Option<Bytes>) {
        let ready = self.leg(id).is_some_and(|leg| leg.is_up() && !leg.awaits_answer);
        let Some(ours) = self.capabilities_of(id).filter(|_| ready) else {
            // RFC 3261 §14.2, RFC 3311 §5.2: another offer is still open.
            return self.respond(id, request, 491, None, Vec::new());
        };
        let Some(leg) = self.leg_mut(id) else { return };
        match sdp {
            Some(offer) => match leg.session.answer(&offer, &ours) {
                Ok(answer) => {
                    self.respond(id, request, 200, Some(answer.sdp), Vec::new());
                    self.update_leg(now, id, &answer.media);
                }
                Err(refusal) => {
                    // The session goes on as it was (RFC 3261 §14.2).
                    self.counters.sdp_failures += 1;
                    let warning = warning(refusal, &self.settings.from_host);
                    self.respond(id, request, 488, None, vec![warning]);
                }
            },
            None => {
                leg.awaits_answer = true;
                let offer = leg.session.offer(&ours);
                self.respond(id, request, 200, Some(offer), Vec::new());
            }
        }
    }

    fn respond(
        &mut self,
        leg: LegId,
        request: RequestKey,
        status: u16,
        sdp: Option<Bytes>,
        headers: Vec<crate::call::Header>,
    ) {
        self.act(Action::Respond { leg, request, status, sdp, headers });
    }

    /// ACK; with the answer if we made the offer.
    pub(super) fn acked(&mut self, now: Time, id: LegId, sdp: Option<Bytes>) {
        let Some(leg) = self.leg_mut(id) else { return };
        if !leg.awaits_answer {
            return;
        }
        if id == LegId::CALLER && leg.config.is_none() {
            return self.caller_answered_offer(now, sdp.as_deref());
        }
        leg.awaits_answer = false;
        if let Some(media) = self.read_answer_on(id, sdp.as_deref()) {
            self.update_leg(now, id, &media);
        }
    }

    fn update_leg(&mut self, now: Time, id: LegId, media: &Negotiated) {
        let config = leg_config(media, self.repair_of(id));
        let Some(leg) = self.leg_mut(id) else { return };
        let (before, after) = (leg.held, !config.send);
        leg.held = after;
        if leg.config.as_ref() != Some(&config) {
            leg.config = Some(config.clone());
            self.act(Action::Media(Order::Update { leg: id, config }));
        }
        match (before, after) {
            (false, true) => self.note(now, Moment::LegHeld { leg: id }),
            (true, false) => self.note(now, Moment::LegResumed { leg: id }),
            _ => {}
        }
    }

    /// INFO: a digit in the old way (`application/dtmf-relay`, `application/dtmf`) goes on as telephone-event.
    pub(super) fn info(&mut self, id: LegId, content_type: &str, body: &[u8]) {
        let Some(digit) = read_digit(content_type, body) else { return };
        self.counters.digits += 1;
        let to = match self.partner() {
            Some(partner) if id == LegId::CALLER => partner,
            Some(partner) if id == partner => LegId::CALLER,
            _ => return,
        };
        self.act(Action::Media(Order::Dtmf { leg: to, digit }));
    }
}

fn read_digit(content_type: &str, body: &[u8]) -> Option<Dtmf> {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let text = std::str::from_utf8(body).ok()?;
    let digit = match kind.as_str() {
        "application/dtmf" => text.trim(),
        "application/dtmf-relay" => text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case("signal").then(|| value.trim())
        })?,
        _ => return None,
    };
    let mut letters = digit.chars();
    let (Some(letter), None) = (letters.next(), letters.next()) else { return None };
    let at = "0123456789*#ABCD".find(letter.to_ascii_uppercase())?;
    Some(Dtmf(u8::try_from(at).expect("sixteen digits")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_in_info_are_read_in_both_spellings() {
        assert_eq!(read_digit("application/dtmf-relay", b"Signal= 5\r\nDuration=160\r\n"), Some(Dtmf(5)));
        assert_eq!(read_digit("Application/DTMF; x=y", b"#"), Some(Dtmf(11)));
        assert_eq!(read_digit("application/dtmf-relay", b"Duration=160"), None);
        assert_eq!(read_digit("application/dtmf", b"55"), None);
        assert_eq!(read_digit("text/plain", b"5"), None);
    }
}
