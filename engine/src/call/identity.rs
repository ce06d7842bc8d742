//! Who the caller is said to be and how urgent the call, by whom that may be said, and to whom it may be told (RFC 3325,
//! RFC 3323, RFC 4412).
//!
//! An identity is asserted by a peer that we trust, and passed to peers that we trust, and to nobody else: whatever anybody
//! else asserts is not believed, and what a caller merely prefers (P-Preferred-Identity) asserts nothing. Leaves out
//! asserting by ourselves, which nobody has asked for.

use bytes::Bytes;
use serde::Serialize;

use crate::call::Header;
use crate::limits::{ASSERTED_BYTES_MAX, ASSERTED_MAX};

/// A caller's asserted identity, and what it wants hidden.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Identity {
    /// Values of P-Asserted-Identity as they came, of a trusted peer.
    asserted: Vec<Bytes>,
    /// Values of Resource-Priority, likewise.
    priority: Vec<Bytes>,
    /// The caller's Privacy, as it came.
    privacy: Option<Bytes>,
}

impl Identity {
    /// Reads an INVITE's headers; `trusted`: its peer may say who calls.
    pub(super) fn read(headers: &[Header], trusted: bool) -> Self {
        let values = |wanted: &'static str| {
            let is = move |(name, _): &&Header| name.eq_ignore_ascii_case(wanted);
            headers
                .iter()
                .filter(is)
                .map(|(_, value)| value.clone())
                .filter(|value| value.len() <= ASSERTED_BYTES_MAX)
        };
        let asserted = values("P-Asserted-Identity").filter(|_| trusted).take(ASSERTED_MAX).collect();
        let priority = values("Resource-Priority").filter(|_| trusted).take(ASSERTED_MAX).collect();
        Self { asserted, priority, privacy: values("Privacy").next() }
    }

    /// What the INVITE to a peer has of it. A peer that is not trusted gets nothing, so that `Privacy: id` (RFC 3325 §7) is
    /// obeyed whoever asks for it; one that is gets the wish with it, to obey it further on.
    pub(super) fn headers(&self, trusted: bool) -> Vec<Header> {
        let asserted = self.asserted.iter().map(|value| ("P-Asserted-Identity".to_owned(), value.clone()));
        let privacy = self.privacy.iter().map(|value| ("Privacy".to_owned(), value.clone()));
        let priority = self.priority.iter().map(|value| ("Resource-Priority".to_owned(), value.clone()));
        if trusted { asserted.chain(priority).chain(privacy).collect() } else { Vec::new() }
    }

    /// Whether the caller's name and address are to be kept from a peer that is not trusted (RFC 3323 §4.2: `user`; `id`
    /// too, since our From would tell what the assertion may not).
    pub(super) fn is_private(&self) -> bool {
        let privacy = self.privacy.as_deref().unwrap_or_default();
        privacy.split(|&byte| byte == b';' || byte == b',').any(|one| {
            let one = one.trim_ascii();
            one.eq_ignore_ascii_case(b"user") || one.eq_ignore_ascii_case(b"id")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers() -> Vec<Header> {
        let header =
            |name: &str, value: &'static str| (name.to_owned(), Bytes::from_static(value.as_bytes()));
        vec![
            header("p-asserted-identity", "\"Ann\" <sip:+4420@carrier.example>, <tel:+4420>"),
            header("P-Preferred-Identity", "<sip:queen@palace.example>"),
            header("Privacy", "id"),
            header("Resource-Priority", "esnet.1"),
        ]
    }

    #[test]
    fn an_identity_goes_from_a_trusted_peer_to_a_trusted_peer_alone() {
        let names = |from, to| {
            let told = Identity::read(&headers(), from).headers(to);
            told.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(true, true), ["P-Asserted-Identity", "Resource-Priority", "Privacy"]);
        assert_eq!(names(false, true), ["Privacy"], "whatever it asserts, and prefers");
        assert!(names(true, false).is_empty() && names(false, false).is_empty());
    }

    #[test]
    fn a_caller_is_private_if_it_says_so_and_not_by_other_wishes() {
        let private = |value: &'static str| {
            Identity::read(&[("Privacy".to_owned(), Bytes::from_static(value.as_bytes()))], false)
                .is_private()
        };
        assert!(private("header; User ;critical") && private("id"));
        assert!(!private("none") && !private("session"));
    }
}
