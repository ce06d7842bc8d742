//! What a call carries of its caller's matter, and the headers its own INVITEs get from it.

use bytes::Bytes;

use crate::call::Header;
use crate::call::call::Call;
use crate::call::context::{Losses, Source};
use crate::call::leg::{Leg, Role};

impl Call {
    /// Merges what arrived into what is carried, as the flow's rules allow.
    pub(super) fn merge_context(&mut self, source: Source, headers: &[Header]) {
        if let Some(flow) = self.flow {
            self.context.merge(&self.settings.flows[flow].context, source, headers);
        }
    }

    /// Headers of an INVITE of ours: the call's id, how a handoff ended if the AI is called again, how
    /// it was asked for if a person is, what the peer's
    /// settings add, and the context. What the settings and we ourselves say is not overruled by the context.
    pub(super) fn headers_for(&self, leg: &Leg) -> Vec<Header> {
        let mut headers = vec![("X-Baton-Call-ID".to_owned(), Bytes::from(self.id.clone()))];
        if leg.role == Role::Ai
            && let Some(result) = &self.result
        {
            headers.push(("X-Handoff-Result".to_owned(), Bytes::from(result.to_string())));
        }
        if leg.role == Role::Agent
            && let Some(handoff) = &self.handoff
        {
            let method = Bytes::from_static(handoff.method.label().as_bytes());
            headers.push(("X-Handoff-Method".to_owned(), method));
        }
        if let Some(peer) = self.settings.peers.get(&leg.peer) {
            headers.extend(peer.headers.iter().cloned());
        }
        headers.extend(self.session_wish(&leg.peer));
        headers.extend(self.identity.headers(self.is_trusted(&leg.peer)));
        headers.push(self.session_id_header());
        headers.extend(self.history_for(leg));
        let given = headers.len();
        for (name, value) in self.context.headers_for_agent(&self.flow_settings().context) {
            if !headers[..given].iter().any(|(other, _)| other.eq_ignore_ascii_case(&name)) {
                headers.push((name, value));
            }
        }
        headers
    }

    /// By which header the endpoint is asked for a session timer with this peer.
    pub(super) fn session_wish(&self, peer: &str) -> Option<Header> {
        let seconds = self.settings.peers.get(peer)?.session_expires;
        (seconds > 0).then(|| ("Session-Expires".to_owned(), Bytes::from(seconds.to_string())))
    }

    /// From of an INVITE of ours, with the caller's name and user part unless it wants them hidden (RFC 3323 §4.1.1.3).
    pub(super) fn name_for(&self, leg: &Leg) -> String {
        if self.identity.is_private() && !self.is_trusted(&leg.peer) {
            "\"Anonymous\" <sip:anonymous@anonymous.invalid>".to_owned()
        } else {
            self.from.clone()
        }
    }

    /// Whether a peer may say who calls, and be told.
    pub(super) fn is_trusted(&self, peer: &str) -> bool {
        self.settings.peers.get(peer).is_some_and(|peer| peer.trusted)
    }

    /// What the context has lost, on its way in and to the budget of its way out.
    pub(super) fn context_losses(&self) -> Losses {
        self.flow.map_or_else(Losses::default, |flow| self.context.losses(&self.settings.flows[flow].context))
    }
}
