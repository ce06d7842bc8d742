//! Messages as they may be shown: without what proves who somebody is, and without the keys of media (RFC 4568).

use baton_signaling::sdp::masked;

/// Headers whose values prove who somebody is; the settings name more.
const SECRET: [&str; 4] =
    ["Authorization", "Proxy-Authorization", "X-PolyAI-SIP-Trunk-Token", "X-PolyAI-Auth-Token"];

/// Which headers are not to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// Those that are never shown, and these.
    pub fn new(more: impl IntoIterator<Item = String>) -> Self {
        Self(SECRET.iter().map(|&name| name.to_owned()).chain(more).collect())
    }

    /// A message, or its beginning, with the values of secret headers and the keys of its description masked.
    pub fn mask(&self, message: &[u8]) -> String {
        let text = masked(message);
        let mut shown = String::with_capacity(text.len());
        let (mut in_head, mut hidden) = (true, false);
        for line in text.split_inclusive('\n') {
            in_head &= !matches!(line, "\r\n" | "\n");
            // A line that begins with a blank goes on with the one before it (RFC 3261 §7.3.1).
            let goes_on = line.starts_with([' ', '\t']);
            let name = line.split(':').next().unwrap_or_default();
            hidden = in_head && if goes_on { hidden } else { self.has(name.trim_end()) };
            match hidden {
                false => shown.push_str(line),
                true if goes_on => {}
                true => {
                    shown.push_str(name);
                    shown.push_str(": masked\r\n");
                }
            }
        }
        shown
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|secret| secret.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_secrets_nor_keys_are_shown_and_all_else_is() {
        let message = "INVITE sip:a@b SIP/2.0\r\nauthorization : Digest username=\"x\",\r\n response=\"y\"\r\nX-Token: t\r\n\
                       X-Other: o\r\n\r\nv=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0|2^31\r\nX-Token: body\r\n";
        let shown = Secrets::new(["x-token".to_owned()]).mask(message.as_bytes());
        assert_eq!(
            shown,
            "INVITE sip:a@b SIP/2.0\r\nauthorization : masked\r\nX-Token: masked\r\nX-Other: o\r\n\r\nv=0\r\n\
             a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:masked|2^31\r\nX-Token: body\r\n"
        );
    }
}
