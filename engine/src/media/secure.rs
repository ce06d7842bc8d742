//! SRTP between a leg and the wire: everything a secured leg sends is protected, and nothing it gets is looked at before
//! it has proved genuine. A leg that has keys never speaks plainly again.
//!
//! It leaves out how packets are protected (`rtp::srtp`) and who agreed on the keys.

use super::session::{Lane, Session};
use crate::rtp::is_rtcp;
use crate::rtp::srtp::{Fault, KeyError, Srtp, SrtpKeys};

/// Packets that were dropped, by [`Fault::ALL`].
pub type SrtpFaults = [u64; Fault::ALL.len()];

/// One leg's protection, if it has any.
#[derive(Default)]
pub(crate) struct Secure(Option<Box<Srtp>>);

impl Secure {
    /// As negotiated.
    pub(crate) fn new(keys: Option<&SrtpKeys>) -> Result<Self, KeyError> {
        let srtp = keys.map(|keys| Srtp::new(keys.clone())).transpose()?;
        Ok(Self(srtp.map(Box::new)))
    }

    /// A new offer or answer. One without keys leaves those there are.
    pub(crate) fn update(&mut self, keys: Option<&SrtpKeys>) -> Result<(), KeyError> {
        match (&mut self.0, keys) {
            (_, None) => Ok(()),
            (Some(srtp), Some(keys)) => srtp.update(keys.clone()),
            (None, keys) => Self::new(keys).map(|new| *self = new),
        }
    }

    /// Hands an RTP packet to `send` as it is to leave.
    pub(crate) fn send(&mut self, faults: &mut SrtpFaults, packet: &[u8], send: impl FnOnce(&[u8])) {
        match &mut self.0 {
            None => send(packet),
            Some(srtp) => count(faults, srtp.protect(packet, send)),
        }
    }

    /// Hands an RTCP packet to `send` as it is to leave.
    pub(crate) fn send_rtcp(&mut self, faults: &mut SrtpFaults, packet: &[u8], send: impl FnOnce(&[u8])) {
        match &mut self.0 {
            None => send(packet),
            Some(srtp) => count(faults, srtp.protect_rtcp(packet, send)),
        }
    }

    fn receive(&mut self, rtcp: bool, packet: &mut [u8]) -> Result<usize, Fault> {
        match &mut self.0 {
            None => Ok(packet.len()),
            Some(srtp) if rtcp => srtp.unprotect_rtcp(packet),
            Some(srtp) => srtp.unprotect(packet),
        }
    }
}

fn count(faults: &mut SrtpFaults, result: Result<(), Fault>) {
    if let Err(fault) = result {
        faults[fault as usize] += 1;
    }
}

impl Session {
    /// Opens a packet that came to a leg; its length then. `None`: it is not genuine, and has been counted.
    pub(super) fn receive(&mut self, at: usize, lane: Lane, packet: &mut [u8]) -> Option<usize> {
        let rtcp = lane == Lane::Rtcp || is_rtcp(packet);
        let opened = self.legs[at].secure.receive(rtcp, packet);
        count(&mut self.counters.srtp_faults, opened.map(|_| ()));
        opened.ok()
    }
}
