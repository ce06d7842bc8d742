//! Request methods (RFC 3261 §7.1 and the registry of its extensions), compared with case.

use bytes::Bytes;

use super::scan;

/// A request method; compared with case (RFC 3261 §7.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the method of its name")]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Register,
    Refer,
    Notify,
    Subscribe,
    Info,
    Update,
    Prack,
    Message,
    Publish,
    /// Any other token.
    Other(Bytes),
}

impl Method {
    /// The method named by `token`; `None` if it is no token.
    pub fn parse(token: &Bytes) -> Option<Self> {
        Some(match token.as_ref() {
            b"INVITE" => Self::Invite,
            b"ACK" => Self::Ack,
            b"BYE" => Self::Bye,
            b"CANCEL" => Self::Cancel,
            b"OPTIONS" => Self::Options,
            b"REGISTER" => Self::Register,
            b"REFER" => Self::Refer,
            b"NOTIFY" => Self::Notify,
            b"SUBSCRIBE" => Self::Subscribe,
            b"INFO" => Self::Info,
            b"UPDATE" => Self::Update,
            b"PRACK" => Self::Prack,
            b"MESSAGE" => Self::Message,
            b"PUBLISH" => Self::Publish,
            other if scan::is_token(other) => Self::Other(token.clone()),
            _ => return None,
        })
    }

    /// Its name on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Invite => b"INVITE",
            Self::Ack => b"ACK",
            Self::Bye => b"BYE",
            Self::Cancel => b"CANCEL",
            Self::Options => b"OPTIONS",
            Self::Register => b"REGISTER",
            Self::Refer => b"REFER",
            Self::Notify => b"NOTIFY",
            Self::Subscribe => b"SUBSCRIBE",
            Self::Info => b"INFO",
            Self::Update => b"UPDATE",
            Self::Prack => b"PRACK",
            Self::Message => b"MESSAGE",
            Self::Publish => b"PUBLISH",
            Self::Other(token) => token,
        }
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_compared_with_case() {
        assert_eq!(Method::parse(&Bytes::from_static(b"INVITE")), Some(Method::Invite));
        let lower = Bytes::from_static(b"invite");
        assert_eq!(Method::parse(&lower), Some(Method::Other(lower)));
    }

    #[test]
    fn a_method_is_a_token() {
        assert_eq!(Method::parse(&Bytes::from_static(b"IN VITE")), None);
        assert_eq!(Method::parse(&Bytes::new()), None);
    }

    #[test]
    fn every_method_is_written_as_it_is_read() {
        for name in ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "REFER", "NOTIFY", "SUBSCRIBE"]
        {
            let method = Method::parse(&Bytes::from_static(name.as_bytes())).unwrap();
            assert_eq!(method.to_string(), name);
            assert!(!matches!(method, Method::Other(_)), "{name} is known");
        }
        for name in ["INFO", "UPDATE", "PRACK", "MESSAGE", "PUBLISH"] {
            let method = Method::parse(&Bytes::from_static(name.as_bytes())).unwrap();
            assert_eq!(method.to_string(), name);
            assert!(!matches!(method, Method::Other(_)), "{name} is known");
        }
    }
}
