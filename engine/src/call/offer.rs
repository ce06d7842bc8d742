//! What we say we can do on a leg: the caller's codec first wherever its peer allows it, and to a sender of Opus what
//! the other side of the call makes of it (RFC 7587 §6.1).
//!
//! It leaves out when something is offered or answered, which is the business of the leg it is said on.

use std::net::SocketAddr;

use baton_signaling::sdp::{Capabilities, Codec, Direction, OpusFormat, Security};

use crate::call::call::Call;
use crate::call::leg::Leg;
use crate::call::{Role, SrtpPolicy};
use crate::key::LegId;
use crate::media::{LegConfig, Repair};

/// Audio per packet we ask for, in milliseconds: what every phone speaks.
const PTIME_MS: u8 = 20;
/// Beside G.711 nothing above telephone bandwidth is heard, in hertz.
const TELEPHONE_HZ: u32 = 8_000;

impl Call {
    /// What we can do on a leg. The caller's codec comes first wherever its peer allows it, so that nothing need be
    /// transcoded; what the far end then chooses is its own affair.
    /// Each set of them has keys of its own.
    pub(super) fn capabilities(&mut self, id: LegId, address: SocketAddr) -> Option<Capabilities> {
        let security = self.security_of(id);
        let leg = self.leg(id)?;
        let mut codecs = self.codecs_of(&leg.peer);
        if leg.role != Role::Caller
            && let Some(wanted) = &self.caller_codec
        {
            codecs.sort_by_key(|codec| !codec.encoding.eq_ignore_ascii_case(wanted));
        }
        for opus in codecs.iter_mut().filter(|codec| codec.is_opus()) {
            opus.format = self.opus_wanted(leg).to_string();
        }
        Some(Capabilities {
            codecs,
            address,
            ptime_ms: PTIME_MS,
            telephone_event: self.dtmf_rule(&leg.peer).takes_events(),
            rtcp_mux: leg.role == Role::Caller && self.may_share_port(leg),
            rtcp_xr: self.settings.extended_reports,
            direction: Direction::SendRecv,
            security,
        })
    }

    /// One port for RTP and RTCP is taken where it is offered, never asked for: old gateways stumble over it.
    fn may_share_port(&self, leg: &Leg) -> bool {
        self.caller_offer.is_some() || leg.session.current().is_some()
    }

    /// What a leg's peer wants of SRTP, with keys that were never used.
    fn security_of(&mut self, id: LegId) -> Security {
        let peer = self.leg(id).and_then(|leg| self.settings.peers.get(&leg.peer));
        match peer.map(|peer| peer.srtp).unwrap_or_default() {
            SrtpPolicy::Off => Security::Off,
            SrtpPolicy::Optional => Security::Optional(self.keys.draw()),
            SrtpPolicy::Required => Security::Required(self.keys.draw()),
        }
    }

    /// What an Opus sender on `leg` is told: no more than the other side of the call hears or wants.
    pub(super) fn opus_wanted(&self, leg: &Leg) -> OpusFormat {
        let narrow = OpusFormat::OURS.played_at(TELEPHONE_HZ);
        if leg.role != Role::Caller {
            return match &self.caller_codec {
                Some(codec) if !codec.eq_ignore_ascii_case("opus") => narrow,
                _ => OpusFormat::OURS.on_behalf_of(self.caller_opus),
            };
        }
        let other = self.partner().and_then(|partner| self.leg(partner));
        match other.and_then(|other| Some((other.id, other.config.as_ref()?))) {
            // What is repaired is decoded, and that at telephone bandwidth.
            Some((other, _)) if [leg.id, other].iter().any(|id| self.repair_of(*id) == Repair::Always) => {
                narrow
            }
            Some((_, config)) if is_opus(config) => {
                OpusFormat::OURS.on_behalf_of(OpusFormat::read(&config.payload.format))
            }
            Some(_) => narrow,
            // Nobody is behind the caller yet: the AI will be.
            None if self.ai_knows_opus() => OpusFormat::OURS,
            None => narrow,
        }
    }

    fn ai_knows_opus(&self) -> bool {
        let flow = self.flow.map(|flow| &self.settings.flows[flow]);
        flow.is_some_and(|flow| self.codecs_of(&flow.ai).iter().any(Codec::is_opus))
    }

    fn codecs_of(&self, peer: &str) -> Vec<Codec> {
        let names = self.settings.peers.get(peer).map_or(&[][..], |peer| &peer.codecs);
        names.iter().filter_map(|name| Codec::named(name)).collect()
    }

    /// Whether a leg's peer wants it repaired.
    pub(super) fn repair_of(&self, id: LegId) -> Repair {
        let peer = self.leg(id).and_then(|leg| self.settings.peers.get(&leg.peer));
        peer.map_or(Repair::Auto, |peer| peer.repair)
    }
}

pub(super) fn is_opus(config: &LegConfig) -> bool {
    config.payload.encoding.eq_ignore_ascii_case("opus")
}
