//! 3xx answers to INVITEs of ours (RFC 3261 §8.1.3.4): followed a few times, never twice to the same place, and only to
//! where the leg's peer may send us: its own `uris` and what its `refer_to` allows. Anything else would be toll fraud,
//! and counts as a refusal.

use std::time::Duration;

use baton_signaling::Time;
use baton_signaling::endpoint::Transport;
use baton_signaling::message::{NameAddr, SipUri, Uri};
use bytes::Bytes;

use crate::call::call::{Call, Stage};
use crate::call::flow::{Dialing, leg_end};
use crate::call::leg::Farewell;
use crate::call::target::{bare, dialled, is_allowed};
use crate::call::{Failure, Header, Role, Timer};
use crate::key::LegId;

/// How often one INVITE is sent on; a forwarded phone takes one, a moved one two.
const HOPS_MAX: usize = 3;

impl Call {
    /// Where the refusal of a leg sends us. 300, 301 and 302 name places to try; 305 and 380 mean other things.
    pub(super) fn redirected(&mut self, id: LegId, failure: Failure, headers: &[Header]) -> Option<String> {
        if !matches!(failure, Failure::Status(300..=302)) {
            return None;
        }
        let leg = self.leg(id)?;
        let peer = self.settings.peers.get(&leg.peer);
        let patterns = peer.map_or(&[][..], |peer| &peer.refer_to);
        let own = peer.map_or(&[][..], |peer| &peer.uris);
        let among = |uris: &[String], uri: &SipUri| uris.iter().any(|other| is_same(other, uri));
        let allowed = |uri: &SipUri| among(own, uri) || is_allowed(uri, patterns);
        let before = || leg.hops.iter().chain([&leg.uri]);
        let seen = |uri: &SipUri| before().any(|text| is_seen(text, uri));
        let found = contacts(headers).into_iter().find(|uri| allowed(uri) && !seen(uri));
        let found = found.filter(|_| leg.hops.len() < HOPS_MAX).map(|uri| dialled(&uri));
        match found {
            Some(_) => self.counters.redirects_followed += 1,
            None => self.counters.redirects_refused += 1,
        }
        found
    }

    /// The AI is called where the refusal of `id` sends us, in the place of its address number `address`.
    pub(super) fn follow_ai(&mut self, now: Time, id: LegId, failure: Failure, uri: &str, address: usize) {
        self.end_leg(now, id, Farewell::Nothing, leg_end(failure));
        self.timers.stop(Timer::AiProvisional);
        let Some(leg) = self.succeed(now, id, Role::Ai, uri) else { return };
        self.go(now, Stage::DialingAi(Dialing::Leg { leg, address }));
    }

    /// A person is called where the refusal of `id` sends us, for what is left of the time to ring.
    pub(super) fn follow_agent(&mut self, now: Time, id: LegId, failure: Failure, uri: &str) {
        let Some(leg) = self.leg_mut(id) else { return };
        let (offer, left) = (leg.offer.take(), leg.ring.saturating_sub(now - leg.began));
        self.end_leg(now, id, Farewell::Nothing, leg_end(failure));
        let Some(agent) = self.succeed(now, id, Role::Agent, uri) else { return };
        if let Some(leg) = self.leg_mut(agent) {
            (leg.offer, leg.ring) = (offer, left.max(Duration::from_secs(1)));
        }
        self.go(now, Stage::RingingAgent { agent });
    }

    /// A new leg in the place of one that was sent on.
    fn succeed(&mut self, now: Time, id: LegId, role: Role, uri: &str) -> Option<LegId> {
        let before = self.leg(id)?;
        let (peer, mut hops) = (before.peer.clone(), before.hops.clone());
        hops.push(before.uri.clone());
        let next = self.add_leg(now, role, &peer, uri);
        if let Some(leg) = self.leg_mut(next) {
            leg.hops = hops;
        }
        Some(next)
    }
}

/// The SIP URIs of Contact, the preferred first (§20.10: q, 1 unless said).
fn contacts(headers: &[Header]) -> Vec<SipUri> {
    let is_contact = |name: &str| name.eq_ignore_ascii_case("Contact") || name.eq_ignore_ascii_case("m");
    let values = headers.iter().filter(|(name, _)| is_contact(name)).map(|(_, value)| value);
    let mut all: Vec<(f32, SipUri)> = values
        .filter_map(|value| NameAddr::parse_list(value).ok())
        .flatten()
        .filter_map(|contact| Some((quality(&contact), contact.uri.sip()?.clone())))
        .collect();
    all.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    all.into_iter().map(|(_, uri)| uri).collect()
}

fn quality(contact: &NameAddr) -> f32 {
    let text = contact.params.text("q").map(|text| String::from_utf8_lossy(&text).into_owned());
    let value = text.and_then(|text| text.parse::<f32>().ok());
    value.filter(|value| (0.0..=1.0).contains(value)).unwrap_or(1.0)
}

/// Whether `text` names what `uri` does, whatever the parameters.
fn is_same(text: &str, uri: &SipUri) -> bool {
    read(text).is_some_and(|other| bare(&other).eq_ignore_ascii_case(&bare(uri)))
}

/// Whether to dial `uri` would be to dial `text` again: by another transport it is not.
fn is_seen(text: &str, uri: &SipUri) -> bool {
    is_same(text, uri) && read(text).is_some_and(|other| Transport::of_uri(&other) == Transport::of_uri(uri))
}

fn read(text: &str) -> Option<SipUri> {
    match Uri::parse(&Bytes::copy_from_slice(text.as_bytes())) {
        Ok(Uri::Sip(sip)) => Some(sip),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_contact_comes_first() {
        let headers = [
            (
                "m".to_owned(),
                Bytes::from_static(b"<sip:a@h.example:5070;maddr=evil.example>;q=0.3, <tel:+1>"),
            ),
            (
                "Contact".to_owned(),
                Bytes::from_static(b"<sip:b@h.example?Subject=x>, <sip:c@h.example>;q=0.7"),
            ),
            ("Contact".to_owned(), Bytes::from_static(b"<<")),
        ];
        let bares: Vec<String> = contacts(&headers).iter().map(bare).collect();
        assert_eq!(bares, ["sip:b@h.example", "sip:c@h.example", "sip:a@h.example:5070"]);
    }

    #[test]
    fn a_place_is_known_again_in_another_spelling() {
        let uri = contacts(&[("Contact".to_owned(), Bytes::from_static(b"<sip:a@h.example>"))]).remove(0);
        assert!(is_same("sip:a@H.example;transport=udp", &uri));
        assert!(!is_same("sip:a@h.example:5070", &uri) && !is_same("tel:+1", &uri));
        assert!(is_seen("sip:a@H.example;transport=udp", &uri));
        assert!(!is_seen("sip:a@h.example;transport=tcp", &uri), "the same place by another way");
    }
}
