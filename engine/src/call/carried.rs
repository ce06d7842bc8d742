//! What a call carries of its caller's matter, and the headers its own INVITEs get from it.

use bytes::Bytes;
use serde::Serialize;

use crate::call::Header;
use crate::call::call::Call;
use crate::call::leg::{Leg, Role};

/// The headers carried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Carried {
    headers: Vec<Header>,
}

impl Call {
    /// Merges what arrived into what is carried; later values win.
    pub(super) fn merge_context(&mut self, headers: &[Header]) {
        for (name, value) in headers {
            let lower = name.to_ascii_lowercase();
            if !(lower.starts_with("x-") || lower == "user-to-user") || lower.starts_with("x-baton-") {
                continue;
            }
            let carried = &mut self.context.headers;
            let room = carried.len() < 32;
            match carried.iter_mut().find(|(other, _)| other.eq_ignore_ascii_case(name)) {
                Some((_, old)) => old.clone_from(value),
                None if room => carried.push((name.clone(), value.clone())),
                None => {}
            }
        }
    }

    /// Headers of an INVITE of ours: the call's id, how a handoff ended if the AI is called again, what the peer's
    /// settings add, and the context.
    pub(super) fn headers_for(&self, leg: &Leg) -> Vec<Header> {
        let mut headers = vec![("X-Baton-Call-ID".to_owned(), Bytes::from(self.id.clone()))];
        if leg.role == Role::Ai
            && let Some(result) = &self.result
        {
            headers.push(("X-Handoff-Result".to_owned(), Bytes::from(result.clone())));
        }
        if let Some(peer) = self.settings.peers.get(&leg.peer) {
            headers.extend(peer.headers.iter().cloned());
        }
        let given: Vec<String> = headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        let new = |(name, _): &&Header| !given.contains(&name.to_ascii_lowercase());
        headers.extend(self.context.headers.iter().filter(new).cloned());
        headers
    }

    /// The context as API and record show it.
    pub(super) fn shown_context(&self) -> Vec<(String, String)> {
        let shown = |(name, value): &Header| (name.clone(), String::from_utf8_lossy(value).into_owned());
        self.context.headers.iter().map(shown).collect()
    }
}
