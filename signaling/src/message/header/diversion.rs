//! Diversion (RFC 5806): who sent a call on, and why, the latest first. Historic, and what most phones and contact centres
//! read all the same.

use bytes::Bytes;

use super::{Field, Headers, NameAddr};
use crate::limits;

/// Why a call was sent on (§5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiversionReason {
    /// The line was in use.
    UserBusy,
    /// It rang in vain.
    NoAnswer,
    /// It could not be reached.
    Unavailable,
    /// Whoever was called sent the call on.
    Deflection,
}

impl DiversionReason {
    /// The word of the header's `reason`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::UserBusy => "user-busy",
            Self::NoAnswer => "no-answer",
            Self::Unavailable => "unavailable",
            Self::Deflection => "deflection",
        }
    }
}

/// `address` has sent a call on, once.
pub fn diversion(address: NameAddr, reason: DiversionReason) -> Bytes {
    let mut address = address;
    address.params.set("reason", Some(reason.word().as_bytes()));
    address.params.set("counter", Some(b"1"));
    address.params.set("privacy", Some(b"off"));
    address.to_bytes()
}

impl Headers {
    /// Who has sent the call on, the latest first; those before one that cannot be read.
    pub fn diversions(&self) -> Vec<NameAddr> {
        let lists = self.values(Field::Diversion).map_while(|value| NameAddr::parse_list(value).ok());
        lists.flatten().take(limits::LIST_ITEMS_MAX).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Uri;

    #[test]
    fn who_sent_a_call_on_is_read_the_latest_first() {
        let mut headers = Headers::new();
        headers.push("Diversion", "\"Bob\" <sip:bob@example.com>;reason=no-answer;counter=2, <tel:+1555>");
        headers.push("diversion", "<sip:carol@example.com>;reason=\"after hours\"");
        let list = headers.diversions();
        assert_eq!(list.len(), 3);
        assert_eq!(list[0].params.value("reason").unwrap(), "no-answer");
        assert_eq!(list[2].params.text("reason").unwrap(), "after hours");
        headers.push("Diversion", "<bad");
        assert_eq!(headers.diversions().len(), 3);
    }

    #[test]
    fn a_diversion_is_written_with_its_reason() {
        let uri = Uri::parse(&Bytes::from_static(b"sip:ai@h.example")).unwrap();
        let value = diversion(NameAddr::new(uri), DiversionReason::Deflection);
        assert_eq!(value, "<sip:ai@h.example>;reason=deflection;counter=1;privacy=off");
    }
}
