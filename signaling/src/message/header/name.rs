//! Header names: compared without case and by their compact forms (RFC 3261 §7.3.3 and the registry), written as they
//! came. The names that the stack reads are a [`Field`], so that comparing them is comparing a number.

use bytes::Bytes;

use crate::message::scan;

/// Makes the enum, the table from it to its spelling, and the table of compact forms from one list.
macro_rules! fields {
    ($($field:ident $long:literal $($compact:literal)?,)+) => {
        /// A header that the stack knows by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "each is the header of its name")]
        pub enum Field {
            $($field,)+
        }

        impl Field {
            const ALL: &[Self] = &[$(Self::$field,)+];

            /// Its long name in the usual spelling.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$field => $long,)+
                }
            }

            /// Its one-letter name, in lower case.
            pub const fn compact(self) -> Option<u8> {
                match self {
                    $($(Self::$field => Some($compact),)?)+
                    _ => None,
                }
            }
        }
    };
}

fields! {
    Accept "Accept",
    AcceptContact "Accept-Contact" b'a',
    AcceptEncoding "Accept-Encoding",
    AcceptLanguage "Accept-Language",
    AlertInfo "Alert-Info",
    Allow "Allow",
    AllowEvents "Allow-Events" b'u',
    Authorization "Authorization",
    CallId "Call-ID" b'i',
    CallInfo "Call-Info",
    Contact "Contact" b'm',
    ContentDisposition "Content-Disposition",
    ContentEncoding "Content-Encoding" b'e',
    ContentLength "Content-Length" b'l',
    ContentType "Content-Type" b'c',
    CSeq "CSeq",
    Date "Date",
    Diversion "Diversion",
    Event "Event" b'o',
    Expires "Expires",
    From "From" b'f',
    HistoryInfo "History-Info",
    Identity "Identity" b'y',
    MaxForwards "Max-Forwards",
    MinExpires "Min-Expires",
    MinSe "Min-SE",
    PAssertedIdentity "P-Asserted-Identity",
    Privacy "Privacy",
    ProxyAuthenticate "Proxy-Authenticate",
    ProxyAuthorization "Proxy-Authorization",
    ProxyRequire "Proxy-Require",
    RAck "RAck",
    Reason "Reason",
    RecordRoute "Record-Route",
    ReferSub "Refer-Sub",
    ReferTo "Refer-To" b'r',
    ReferredBy "Referred-By" b'b',
    RejectContact "Reject-Contact" b'j',
    Replaces "Replaces",
    RequestDisposition "Request-Disposition" b'd',
    Require "Require",
    RetryAfter "Retry-After",
    Route "Route",
    RSeq "RSeq",
    Server "Server",
    SessionExpires "Session-Expires" b'x',
    SessionId "Session-ID",
    Subject "Subject" b's',
    SubscriptionState "Subscription-State",
    Supported "Supported" b'k',
    Timestamp "Timestamp",
    To "To" b't',
    Unsupported "Unsupported",
    UserAgent "User-Agent",
    UserToUser "User-to-User",
    Via "Via" b'v',
    Warning "Warning",
    WwwAuthenticate "WWW-Authenticate",
}

/// Longest name in [`Field`].
const LENGTH_MAX: usize = 20;

/// The fields by the length of their name: a lookup compares with the few of its length. `0` ends a row.
const BY_LENGTH: [[u8; ROW]; LENGTH_MAX + 1] = by_length();

/// Fields of one length at the most, and the end mark.
const ROW: usize = 9;

const fn by_length() -> [[u8; ROW]; LENGTH_MAX + 1] {
    let mut rows = [[0; ROW]; LENGTH_MAX + 1];
    let mut index = 0;
    while index < Field::ALL.len() {
        let length = Field::ALL[index].name().len();
        let mut slot = 0;
        while rows[length][slot] != 0 {
            slot += 1;
        }
        rows[length][slot] = index as u8 + 1;
        index += 1;
    }
    rows
}

/// The fields by their compact letter.
const BY_LETTER: [Option<Field>; 26] = by_letter();

const fn by_letter() -> [Option<Field>; 26] {
    let mut letters = [None; 26];
    let mut index = 0;
    while index < Field::ALL.len() {
        if let Some(letter) = Field::ALL[index].compact() {
            letters[(letter - b'a') as usize] = Some(Field::ALL[index]);
        }
        index += 1;
    }
    letters
}

impl Field {
    /// The field named by `name`, in any case or by its compact form.
    pub fn find(name: &[u8]) -> Option<Self> {
        if let [letter] = name {
            let index = usize::from(letter.to_ascii_lowercase().wrapping_sub(b'a'));
            return BY_LETTER.get(index).copied().flatten();
        }
        BY_LENGTH
            .get(name.len())?
            .iter()
            .take_while(|&&index| index != 0)
            .map(|&index| Self::ALL[usize::from(index) - 1])
            .find(|field| field.name().as_bytes().eq_ignore_ascii_case(name))
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A header's name: compared without case, with its compact form (RFC 3261 §7.3.3), written as it came.
#[derive(Clone)]
pub struct Name {
    field: Option<Field>,
    spelling: Bytes,
}

impl Name {
    /// The name spelled `spelling`; `None` if that is no token.
    pub fn new(spelling: &Bytes) -> Option<Self> {
        let field = Field::find(spelling);
        match field {
            // The usual spelling needs no share of the message.
            Some(known) if known.name().as_bytes() == spelling => Some(known.into()),
            Some(_) => Some(Self { field, spelling: spelling.clone() }),
            None => scan::is_token(spelling).then(|| Self { field, spelling: spelling.clone() }),
        }
    }

    /// The name as it is written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.spelling
    }

    /// The known header it names, if it is one.
    pub fn field(&self) -> Option<Field> {
        self.field
    }

    /// Whether it is `name`, in any case or as its compact form.
    pub fn is(&self, name: &str) -> bool {
        match Field::find(name.as_bytes()) {
            Some(field) => self.field == Some(field),
            None => self.spelling.eq_ignore_ascii_case(name.as_bytes()),
        }
    }
}

impl From<Field> for Name {
    fn from(field: Field) -> Self {
        Self { field: Some(field), spelling: Bytes::from_static(field.name().as_bytes()) }
    }
}

impl From<&'static str> for Name {
    /// `name` is one of ours, so it is a token.
    fn from(name: &'static str) -> Self {
        debug_assert!(scan::is_token(name.as_bytes()), "{name:?} is no header name");
        Self { field: Field::find(name.as_bytes()), spelling: Bytes::from_static(name.as_bytes()) }
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.field == other.field
            && (self.field.is_some() || self.spelling.eq_ignore_ascii_case(&other.spelling))
    }
}

impl Eq for Name {}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.spelling.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_in_any_case() {
        for &field in Field::ALL {
            assert_eq!(Field::find(field.name().as_bytes()), Some(field));
            assert_eq!(Field::find(field.name().to_ascii_uppercase().as_bytes()), Some(field));
            assert_eq!(Field::find(field.name().to_ascii_lowercase().as_bytes()), Some(field));
        }
    }

    #[test]
    fn a_compact_form_is_its_long_name() {
        for (letter, long) in
            [("i", "Call-ID"), ("m", "Contact"), ("e", "Content-Encoding"), ("l", "Content-Length")]
        {
            assert!(Name::from(letter).is(long));
            assert_eq!(Name::from(letter), Name::from(long));
        }
        assert!(Name::from("V").is("via"));
        assert!(Name::from("Via").is("v"));
        assert!(!Name::from("z").is("Via"));
    }

    #[test]
    fn an_unknown_name_is_compared_without_case_and_keeps_its_spelling() {
        let name = Name::new(&Bytes::from_static(b"X-PolyAI-Call")).unwrap();
        assert!(name.is("x-polyai-CALL"));
        assert_eq!(name.as_bytes(), b"X-PolyAI-Call");
        assert_eq!(Name::new(&Bytes::from_static(b"X Y")), None);
        assert_eq!(Name::new(&Bytes::new()), None);
    }
}
