//! Typed readers of the header list: each finds its header, reads it, and says which one is wrong.

use bytes::Bytes;

use super::{CSeq, Field, HeaderError, Headers, NameAddr, Via};
use crate::limits;
use crate::message::scan::{self, SyntaxError};

type Result<T> = std::result::Result<T, HeaderError>;

impl Headers {
    /// The topmost Via.
    ///
    /// # Errors
    /// [`HeaderError`] if it is missing or malformed.
    pub fn via(&self) -> Result<Via> {
        Via::parse(self.required(Field::Via)?).map_err(HeaderError::syntax(Field::Via))
    }

    /// From.
    ///
    /// # Errors
    /// [`HeaderError`] if it is missing, repeated or malformed.
    pub fn from(&self) -> Result<NameAddr> {
        NameAddr::parse(self.single(Field::From)?).map_err(HeaderError::syntax(Field::From))
    }

    /// To.
    ///
    /// # Errors
    /// [`HeaderError`] if it is missing, repeated or malformed.
    pub fn to(&self) -> Result<NameAddr> {
        NameAddr::parse(self.single(Field::To)?).map_err(HeaderError::syntax(Field::To))
    }

    /// Call-ID: compared octet by octet (RFC 3261 §20.8).
    ///
    /// # Errors
    /// [`HeaderError`] if it is missing, repeated, empty or holds white space.
    pub fn call_id(&self) -> Result<&Bytes> {
        let value = self.single(Field::CallId)?;
        match value.iter().position(|&byte| byte <= b' ') {
            None if !value.is_empty() => Ok(value),
            at => Err(HeaderError::Syntax { field: Field::CallId, at: at.unwrap_or(0) }),
        }
    }

    /// CSeq.
    ///
    /// # Errors
    /// [`HeaderError`] if it is missing, repeated or malformed.
    pub fn cseq(&self) -> Result<CSeq> {
        CSeq::parse(self.single(Field::CSeq)?).map_err(HeaderError::syntax(Field::CSeq))
    }

    /// The first Contact; `None` if there is none. `*` is malformed here.
    ///
    /// # Errors
    /// [`HeaderError`] if it is malformed.
    pub fn contact(&self) -> Result<Option<NameAddr>> {
        let read = |value| NameAddr::parse_first(value).map_err(HeaderError::syntax(Field::Contact));
        self.value(Field::Contact).map(read).transpose()
    }

    /// The addresses of all headers that are `field`, in order: Route, Record-Route, Contact, P-Asserted-Identity.
    ///
    /// # Errors
    /// [`HeaderError`] if one is malformed, or there are more than [`limits::LIST_ITEMS_MAX`].
    pub fn addresses(&self, field: Field) -> Result<Vec<NameAddr>> {
        let mut all = Vec::new();
        for value in self.values(field) {
            all.extend(NameAddr::parse_list(value).map_err(HeaderError::syntax(field))?);
            if all.len() > limits::LIST_ITEMS_MAX {
                return Err(HeaderError::Syntax { field, at: 0 });
            }
        }
        Ok(all)
    }

    /// Refer-To (RFC 3515); `None` if there is none.
    ///
    /// # Errors
    /// [`HeaderError`] if it is repeated or malformed.
    pub fn refer_to(&self) -> Result<Option<NameAddr>> {
        self.optional(Field::ReferTo, NameAddr::parse)
    }

    /// Max-Forwards; `None` if there is none.
    ///
    /// # Errors
    /// [`HeaderError`] if it is repeated, or not a number of 0–255 (RFC 3261 §20.22).
    pub fn max_forwards(&self) -> Result<Option<u8>> {
        self.optional(Field::MaxForwards, |value| scan::number(value).ok_or(SyntaxError { at: 0 }))
    }

    /// Content-Length; `None` if there is none. Repeated with one and the same value it is taken.
    ///
    /// # Errors
    /// [`HeaderError`] if it is malformed, or there are different ones.
    pub fn content_length(&self) -> Result<Option<usize>> {
        let mut length = None;
        for value in self.values(Field::ContentLength) {
            let syntax = HeaderError::Syntax { field: Field::ContentLength, at: 0 };
            let next: usize = scan::number(value).ok_or(syntax)?;
            if length.is_some_and(|length| length != next) {
                return Err(HeaderError::Repeated(Field::ContentLength));
            }
            length = Some(next);
        }
        Ok(length)
    }

    /// The tokens of all headers that are `field`, in order: Allow, Supported, Require, Unsupported, Allow-Events…
    pub fn tokens(&self, field: Field) -> impl Iterator<Item = Bytes> {
        self.values(field).flat_map(|value| scan::split(value, b',')).filter(|token| !token.is_empty())
    }

    /// Whether `token` is among [`Headers::tokens`], compared without case.
    pub fn has_token(&self, field: Field, token: &str) -> bool {
        self.tokens(field).any(|found| found.eq_ignore_ascii_case(token.as_bytes()))
    }

    fn required(&self, field: Field) -> Result<&Bytes> {
        self.value(field).ok_or(HeaderError::Missing(field))
    }

    /// The value of a header that must be there once.
    fn single(&self, field: Field) -> Result<&Bytes> {
        self.at_most_one(field)?.ok_or(HeaderError::Missing(field))
    }

    fn at_most_one(&self, field: Field) -> Result<Option<&Bytes>> {
        let mut values = self.values(field);
        let first = values.next();
        if values.next().is_some() { Err(HeaderError::Repeated(field)) } else { Ok(first) }
    }

    pub(crate) fn optional<T>(
        &self,
        field: Field,
        read: impl FnOnce(&Bytes) -> std::result::Result<T, SyntaxError>,
    ) -> Result<Option<T>> {
        self.at_most_one(field)?.map(|value| read(value).map_err(HeaderError::syntax(field))).transpose()
    }
}
