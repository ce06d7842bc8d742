//! Calls without SIP: both parties' lines, joined by whoever is told of their SDP.

use super::{Call, World};
use crate::machine::now;
use crate::phone::{Party, remote, sdp_as};

impl World {
    /// Opens the lines of caller and AI and lets `exchange` join them. It is given how the caller answers an offer, and the AI's
    /// offer; it returns the offer to the caller and the answer to the AI. Both speak from then on.
    pub(crate) fn join(
        &mut self,
        listened: bool,
        exchange: impl FnOnce(&dyn Fn(&str) -> String, String) -> Result<(String, String), String>,
    ) -> Result<(), String> {
        let number = self.calls.len();
        self.calls.push(Call { listened, invited: now(), ..Call::default() });
        let ours = self.open_line(number, Party::Caller)?;
        let theirs = self.open_line(number, Party::Ai)?;
        let port = remote(&ours).ok_or("our own SDP has no address")?.0.port();
        let voice = self.voices.codecs.caller;
        let answer = |offer: &str| {
            let number = remote(offer.as_bytes()).map_or(voice.payload_type(), |(_, number)| number);
            let map = format!("a=rtpmap:{number} ");
            let named = offer.lines().find_map(|line| line.strip_prefix(map.as_str()));
            sdp_as(Party::Caller.ip(), port, number, named.map_or(voice.rtpmap(), str::trim))
        };
        let (to_caller, to_ai) = exchange(&answer, String::from_utf8_lossy(&theirs).into_owned())?;
        for (party, sdp) in [(Party::Caller, to_caller), (Party::Ai, to_ai)] {
            self.learn_remote(number, party, sdp.as_bytes());
            self.speak(number, party);
        }
        self.calls[number].answered = Some(now());
        Ok(())
    }
}
