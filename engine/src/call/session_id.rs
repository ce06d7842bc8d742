//! Session-ID (RFC 7989) through a call: the caller's UUID goes to whoever speaks with it, theirs to the caller, and the
//! caller's stays the same whoever that is. An end that has none of its own is given one.
//!
//! Left out: the header on each message, which the endpoint writes.

use bytes::Bytes;

use baton_signaling::message::header::{SessionId, Uuid};

use crate::call::call::Call;
use crate::call::{Action, Header};
use crate::key::LegId;

impl Call {
    /// Notes who the caller says it is.
    pub(super) fn read_session_id(&mut self, headers: &[Header]) {
        let value = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Session-ID"));
        let told = value.and_then(|(_, value)| SessionId::parse(value).ok());
        self.caller_mut().session_id =
            told.filter(|told| !told.local.is_nil()).map(|told| told.local.to_string());
    }

    /// Who a leg's far end is: as it says, or as we have named it.
    pub(super) fn uuid_of(&self, id: LegId) -> String {
        let told = self.leg(id).and_then(|leg| leg.session_id.clone());
        told.unwrap_or_else(|| {
            let half = |salt: u16| {
                let seed = self.seed ^ u64::from(salt) << 48 ^ 0x5e55;
                u128::from(crate::call::leg::session_id(seed, LegId(id.0.wrapping_add(1))))
            };
            Uuid::from_random(half(1) << 65 ^ half(2)).to_string()
        })
    }

    /// On an INVITE of ours: it comes from the caller, and for whom is not known yet.
    pub(super) fn session_id_header(&self) -> Header {
        let value = format!("{};remote={}", self.uuid_of(LegId::CALLER), Uuid::NIL);
        ("Session-ID".to_owned(), Bytes::from(value))
    }

    /// A far end says who it is.
    pub(super) fn identified(&mut self, id: LegId, uuid: String) {
        let Some(leg) = self.leg_mut(id) else { return };
        leg.session_id = Some(uuid.clone());
        if id != LegId::CALLER {
            if self.partner() == Some(id) {
                self.introduce(id);
            }
            return;
        }
        let others: Vec<_> = self.legs.iter().skip(1).filter(|leg| leg.is_live()).map(|leg| leg.id).collect();
        for other in others {
            self.act(Action::SessionId(other, uuid.clone()));
        }
    }

    /// The caller speaks with `with` from here on.
    pub(super) fn introduce(&mut self, with: LegId) {
        let uuid = self.uuid_of(with);
        if self.introduced.as_ref() != Some(&uuid) {
            self.introduced = Some(uuid.clone());
            self.act(Action::SessionId(LegId::CALLER, uuid));
        }
    }
}
