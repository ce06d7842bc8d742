//! How messages find their transactions (RFC 3261 §17.1.3, §17.2.3), RFC 2543's peers included, and how a request
//! that came by two ways is known (§8.2.2.2).
//!
//! A key is one short run of octets, so that a table of them keeps no datagram alive.

use bytes::Bytes;

use crate::endpoint::Transport;
use crate::message::{HeaderError, Method, Request, Via};

/// Ends each part of a key; no text part can hold a line end, and the numbers have a fixed length.
const SEPARATOR: u8 = b'\n';

/// What tells one client transaction from another: its branch and method.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ClientKey(Box<[u8]>);

impl ClientKey {
    /// By the topmost Via's branch and the method of CSeq.
    pub(crate) fn new(branch: &[u8], method: &Method) -> Self {
        Self(join(&[branch, method.as_bytes()]))
    }
}

/// What tells one server transaction from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ServerKey(Box<[u8]>);

/// The parts of a request by which it is matched.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) via: Via,
    pub(crate) call_id: Bytes,
    /// Empty in RFC 2543's requests.
    pub(crate) from_tag: Bytes,
    /// Empty outside dialogs.
    pub(crate) to_tag: Bytes,
    pub(crate) cseq: u32,
}

impl Identity {
    pub(crate) fn of(request: &Request) -> Result<Self, HeaderError> {
        let headers = &request.headers;
        Ok(Self {
            via: headers.via()?,
            call_id: headers.call_id()?.clone(),
            from_tag: headers.from()?.tag().unwrap_or_default(),
            to_tag: headers.to()?.tag().unwrap_or_default(),
            cseq: headers.cseq()?.number,
        })
    }

    /// The key of the server transaction of `method` that this request belongs to: its own method, but INVITE for an
    /// ACK or for what a CANCEL cancels.
    pub(crate) fn server_key(&self, request: &Request, method: &Method) -> ServerKey {
        // §18.2.2: what an absent port in sent-by stands for.
        let transport = Transport::named(&self.via.transport).unwrap_or(Transport::Udp);
        let port = self.via.port.unwrap_or(transport.port()).to_be_bytes();
        let host = match &self.via.host {
            crate::message::Host::Name(name) => name.to_ascii_lowercase(),
            crate::message::Host::Ip(ip) => ip.to_string().into_bytes(),
        };
        match self.via.unique_branch() {
            Some(branch) => ServerKey(join(&[&branch, &host, &port, method.as_bytes()])),
            // §17.2.3: without a unique branch by everything that a repeat repeats. The To tag is left out where an
            // ACK or CANCEL looks for an INVITE that had none.
            None => {
                let to_tag: &[u8] = if *method == Method::Invite { b"" } else { &self.to_tag };
                let via = self.via.branch().unwrap_or_default();
                let cseq = self.cseq.to_be_bytes();
                ServerKey(join(&[
                    b"2543",
                    &request.uri,
                    &self.call_id,
                    &self.from_tag,
                    to_tag,
                    &cseq,
                    &via,
                    &host,
                    &port,
                    method.as_bytes(),
                ]))
            }
        }
    }

    /// What the same request has in common with itself by another way (§8.2.2.2); `None` within dialogs, and for a
    /// CANCEL, which knows nothing but its own hop: one that matches no transaction gets 481 (§9.2).
    pub(crate) fn merge_key(&self, method: &Method) -> Option<MergeKey> {
        let parts: [&[u8]; 4] = [&self.call_id, &self.from_tag, &self.cseq.to_be_bytes(), method.as_bytes()];
        (self.to_tag.is_empty() && *method != Method::Cancel).then(|| MergeKey(join(&parts)))
    }
}

/// What a request has in common with itself by another way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MergeKey(Box<[u8]>);

/// The parts, each with its end marked.
fn join(parts: &[&[u8]]) -> Box<[u8]> {
    let length = parts.iter().map(|part| part.len() + 1).sum();
    let mut key = Vec::with_capacity(length);
    for part in parts {
        key.extend_from_slice(part);
        key.push(SEPARATOR);
    }
    key.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &'static str, via: &'static str, to: &'static str, cseq: u32) -> Request {
        let method = Method::parse(&Bytes::from_static(method.as_bytes())).unwrap();
        Request::new(method.clone(), "sip:bob@b.example")
            .with("Via", via)
            .with("From", "<sip:a@a.example>;tag=1")
            .with("To", to)
            .with("Call-ID", "c")
            .with("CSeq", format!("{cseq} {method}"))
    }

    fn key(request: &Request, method: Method) -> ServerKey {
        Identity::of(request).unwrap().server_key(request, &method)
    }

    const TO: &str = "<sip:b@b.example>";
    const TO_TAGGED: &str = "<sip:b@b.example>;tag=2";

    #[test]
    fn branch_sent_by_and_method_make_the_key() {
        let via = "SIP/2.0/UDP Host:5060;branch=z9hG4bKx";
        let invite = key(&request("INVITE", via, TO, 1), Method::Invite);
        let same = request("INVITE", "SIP/2.0/UDP hOST;branch=z9hG4bKx;received=1.2.3.4", TO, 1);
        assert_eq!(invite, key(&same, Method::Invite));
        let ack = request("ACK", via, TO_TAGGED, 1);
        assert_eq!(invite, key(&ack, Method::Invite));
        let cancel = request("CANCEL", via, TO, 1);
        assert_ne!(invite, key(&cancel, Method::Cancel));
        assert_eq!(invite, key(&cancel, Method::Invite));
        for other in ["SIP/2.0/UDP Host:5061;branch=z9hG4bKx", "SIP/2.0/UDP Host:5060;branch=z9hG4bKy"] {
            assert_ne!(invite, key(&request("INVITE", other, TO, 1), Method::Invite));
        }
    }

    #[test]
    fn an_old_peer_is_matched_by_what_its_requests_repeat() {
        let via = "SIP/2.0/UDP host;branch=1";
        let invite = key(&request("INVITE", via, TO, 1), Method::Invite);
        assert_eq!(invite, key(&request("INVITE", via, TO, 1), Method::Invite));
        assert_eq!(invite, key(&request("ACK", via, TO_TAGGED, 1), Method::Invite));
        assert_eq!(invite, key(&request("CANCEL", via, TO, 1), Method::Invite));
        assert_ne!(invite, key(&request("INVITE", via, TO, 2), Method::Invite));
        assert_ne!(invite, key(&request("INVITE", "SIP/2.0/UDP host;branch=2", TO, 1), Method::Invite));
        let bye = key(&request("BYE", via, TO_TAGGED, 2), Method::Bye);
        assert_ne!(bye, key(&request("BYE", via, TO, 2), Method::Bye));
    }

    #[test]
    fn a_request_by_two_ways_has_one_merge_key_unless_it_is_in_a_dialog() {
        let merge = |request: &Request| Identity::of(request).unwrap().merge_key(&request.method);
        let one = request("INVITE", "SIP/2.0/UDP p1;branch=z9hG4bK1", TO, 1);
        let two = request("INVITE", "SIP/2.0/UDP p2;branch=z9hG4bK2", TO, 1);
        assert!(merge(&one).is_some());
        assert_eq!(merge(&one), merge(&two));
        assert_ne!(merge(&one), merge(&request("INVITE", "SIP/2.0/UDP p1;branch=z9hG4bK1", TO, 2)));
        assert_eq!(merge(&request("BYE", "SIP/2.0/UDP p1;branch=z9hG4bK1", TO_TAGGED, 2)), None);
        assert_eq!(merge(&request("CANCEL", "SIP/2.0/UDP p1;branch=z9hG4bK1", TO, 1)), None);
    }
}
