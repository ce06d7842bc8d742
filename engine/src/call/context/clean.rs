//! Names and values of context headers: what may pass, and in which form.

use crate::limits::CONTEXT_VALUE_BYTES_MAX;

/// Never passed on: credentials between us and a peer, and headers by which we speak of ourselves.
const SECRET: [&str; 9] = [
    "Authorization",
    "Proxy-Authorization",
    "WWW-Authenticate",
    "Proxy-Authenticate",
    "Authentication-Info",
    "X-PolyAI-SIP-Trunk-Token",
    "X-PolyAI-SIP-Trunk-ID",
    "X-PolyAI-Auth-Token",
    "X-Handoff-Result",
];
/// Our own headers begin so; a far end that sends one back, or makes one up, is not believed.
const OWN: &str = "X-Baton-";

/// Headers of a SIP message that belong to its hop or dialog (RFC 3261 §20 and extensions), long and compact. They
/// are written anew for each leg.
const STACK: [&str; 66] = [
    "Accept",
    "Accept-Contact",
    "Accept-Encoding",
    "Accept-Language",
    "Alert-Info",
    "Allow",
    "Allow-Events",
    "Call-ID",
    "Contact",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-Type",
    "CSeq",
    "Date",
    "Error-Info",
    "Event",
    "Expires",
    "From",
    "In-Reply-To",
    "Join",
    "Max-Forwards",
    "MIME-Version",
    "Min-Expires",
    "Min-SE",
    "Organization",
    "P-Access-Network-Info",
    "P-Asserted-Identity",
    "P-Preferred-Identity",
    "Path",
    "Priority",
    "Privacy",
    "Proxy-Require",
    "RAck",
    "Reason",
    "Record-Route",
    "Refer-Sub",
    "Refer-To",
    "Referred-By",
    "Reject-Contact",
    "Replaces",
    "Reply-To",
    "Request-Disposition",
    "Require",
    "Retry-After",
    "Route",
    "RSeq",
    "Server",
    "Session-Expires",
    "Session-ID",
    "SIP-ETag",
    "Subject",
    "Subscription-State",
    "Supported",
    "Timestamp",
    "To",
    "Unsupported",
    "User-Agent",
    "Via",
    "Warning",
    "Identity",
    "Service-Route",
    "Security-Client",
    "Security-Server",
    "Security-Verify",
];
const COMPACT: &[u8] = b"abcdefijklmnorstuvxy";

/// Names that identify something without ending in `-ID`.
const IDS: [&str; 3] = ["x-inin-cnv", "X-Context-URL", "X-ZOOM-Call-SID"];

/// Headers whose values are lists: several lines of one message are one value (RFC 3261 §7.3.1). Half of such a value would
/// be a wrong one.
const LISTS: [&str; 2] = ["User-to-User", "Call-Info"];

pub(super) fn is_list(name: &str) -> bool {
    LISTS.iter().any(|list| list.eq_ignore_ascii_case(name))
}

pub(super) fn is_secret(name: &str) -> bool {
    SECRET.iter().any(|secret| secret.eq_ignore_ascii_case(name))
        || name.get(..OWN.len()).is_some_and(|head| head.eq_ignore_ascii_case(OWN))
}

pub(super) fn is_of_the_stack(name: &str) -> bool {
    let compact = |byte: u8| COMPACT.contains(&byte.to_ascii_lowercase());
    matches!(name.as_bytes(), [byte] if compact(*byte))
        || STACK.iter().any(|known| known.eq_ignore_ascii_case(name))
}

pub(super) fn is_id(name: &str) -> bool {
    let last = name.rsplit(['-', '_']).next().unwrap_or_default();
    let ends_in_id = last.eq_ignore_ascii_case("id") || last.ends_with("Id") || last.ends_with("ID");
    ends_in_id || IDS.iter().any(|id| id.eq_ignore_ascii_case(name))
}

/// RFC 3261 §25.1.
pub(super) fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b))
}

/// Whether `text` is `pattern`, in which the first `*` stands for any run of characters; compared without case.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    crate::call::settings::matches_pattern(pattern, text)
}

/// A value fit for a header line, and whether anything but blanks at its ends had to change: line ends, NUL and
/// other control characters go, bytes that are not UTF-8 become `%HH`, what is beyond [`CONTEXT_VALUE_BYTES_MAX`] is cut.
pub(super) fn value(raw: &[u8]) -> (String, bool) {
    let raw = raw.trim_ascii();
    let mut clean = String::with_capacity(raw.len());
    for chunk in raw.utf8_chunks() {
        clean.extend(chunk.valid().chars().filter_map(|c| match c {
            '\t' => Some(' '),
            c if c.is_control() => None,
            c => Some(c),
        }));
        for byte in chunk.invalid() {
            clean.push_str(&format!("%{byte:02X}"));
        }
    }
    let clean = cut(clean.trim(), CONTEXT_VALUE_BYTES_MAX).to_owned();
    let changed = clean.as_bytes() != raw;
    (clean, changed)
}

/// The longest beginning of `text` within `bytes_max` that splits neither a character nor a `%HH`.
pub(super) fn cut(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    let mut end = bytes_max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let kept = &text.as_bytes()[..end];
    if let Some(percent) = kept.iter().rposition(|byte| *byte == b'%').filter(|at| *at + 3 > end) {
        end = percent;
    }
    text[..end].trim_end()
}
