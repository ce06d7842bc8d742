//! Event and Subscription-State (RFC 6665 §8.2): what a NOTIFY is about and how long its subscription lives.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Field, HeaderError, Headers};
use crate::message::params::Params;
use crate::message::scan::{self, Scan, SyntaxError};

/// What a SUBSCRIBE or NOTIFY is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The package, `refer`; compared with case.
    pub package: Bytes,
    /// id…
    pub params: Params,
}

/// The state of a subscription as a NOTIFY tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionState {
    /// Which.
    pub state: Substate,
    /// reason, expires, retry-after…
    pub params: Params,
}

/// The states of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Substate {
    /// Accepted.
    Active,
    /// Not decided.
    Pending,
    /// Over.
    Terminated,
    /// An extension, treated as active (RFC 6665 §4.1.3).
    Other(Bytes),
}

impl Event {
    /// Reads a whole value.
    ///
    /// # Errors
    /// [`SyntaxError`] where the text stops being an event.
    pub fn parse(value: &Bytes) -> Result<Self, SyntaxError> {
        let (package, params) = read(value)?;
        Ok(Self { package, params })
    }

    /// Tells one of several subscriptions of a dialog from another (RFC 3515 §2.4.6: the CSeq number of the REFER).
    pub fn id(&self) -> Option<Bytes> {
        self.params.value("id")
    }

    /// Its text.
    pub fn to_bytes(&self) -> Bytes {
        write(&self.package, &self.params)
    }
}

impl SubscriptionState {
    /// `active` for another `seconds`.
    pub fn active(seconds: u32) -> Self {
        let params = Params::default().with("expires", Some(seconds.to_string().as_bytes()));
        Self { state: Substate::Active, params }
    }

    /// `terminated` for `reason` (`noresource` after a REFER's last NOTIFY, RFC 3515 §2.4.7).
    pub fn terminated(reason: &'static str) -> Self {
        let params = Params::default().with("reason", Some(reason.as_bytes()));
        Self { state: Substate::Terminated, params }
    }

    /// Reads a whole value.
    ///
    /// # Errors
    /// [`SyntaxError`] where the text stops being a state.
    pub fn parse(value: &Bytes) -> Result<Self, SyntaxError> {
        let (token, params) = read(value)?;
        let is = |name: &str| token.eq_ignore_ascii_case(name.as_bytes());
        let state = match () {
            () if is("active") => Substate::Active,
            () if is("pending") => Substate::Pending,
            () if is("terminated") => Substate::Terminated,
            () => Substate::Other(token),
        };
        Ok(Self { state, params })
    }

    /// Seconds left, if it says so.
    pub fn expires(&self) -> Option<u32> {
        scan::number(&self.params.value("expires")?)
    }

    /// Why it is over, if it says so.
    pub fn reason(&self) -> Option<Bytes> {
        self.params.value("reason")
    }

    /// Its text.
    pub fn to_bytes(&self) -> Bytes {
        let token: &[u8] = match &self.state {
            Substate::Active => b"active",
            Substate::Pending => b"pending",
            Substate::Terminated => b"terminated",
            Substate::Other(token) => token,
        };
        write(token, &self.params)
    }
}

impl Headers {
    /// Event; `None` if there is none.
    ///
    /// # Errors
    /// [`HeaderError`] if it is repeated or malformed.
    pub fn event(&self) -> Result<Option<Event>, HeaderError> {
        self.optional(Field::Event, Event::parse)
    }

    /// Subscription-State; `None` if there is none.
    ///
    /// # Errors
    /// [`HeaderError`] if it is repeated or malformed.
    pub fn subscription_state(&self) -> Result<Option<SubscriptionState>, HeaderError> {
        self.optional(Field::SubscriptionState, SubscriptionState::parse)
    }
}

fn read(value: &Bytes) -> Result<(Bytes, Params), SyntaxError> {
    let mut scan = Scan::new(value);
    scan.skip_space();
    let token = scan.token()?;
    let params = Params::read_header(&mut scan)?;
    scan.end()?;
    Ok((token, params))
}

fn write(token: &[u8], params: &Params) -> Bytes {
    let mut out = BytesMut::with_capacity(48);
    out.put_slice(token);
    out.put_slice(params.as_bytes());
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_a_package_and_an_id() {
        let event = Event::parse(&Bytes::from_static(b"refer ; id = 93809823")).unwrap();
        assert_eq!((event.package.as_ref(), event.id().unwrap().as_ref()), (&b"refer"[..], &b"93809823"[..]));
        assert!(Event::parse(&Bytes::from_static(b"refer, dialog")).is_err());
        assert!(Event::parse(&Bytes::new()).is_err());
    }

    #[test]
    fn a_state_is_written_as_it_is_read() {
        for text in ["active;expires=60", "terminated;reason=noresource", "pending", "waiting;x=y"] {
            let state = SubscriptionState::parse(&Bytes::from_static(text.as_bytes())).unwrap();
            assert_eq!(state.to_bytes(), text);
        }
        assert_eq!(SubscriptionState::active(60).expires(), Some(60));
        let over = SubscriptionState::parse(&Bytes::from_static(b"Terminated;reason=timeout")).unwrap();
        assert_eq!(
            (over.state, over.params.value("reason").unwrap()),
            (Substate::Terminated, "timeout".into())
        );
    }
}
