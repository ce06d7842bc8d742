//! Which keys an offer and its answer agree on (RFC 4568 §7.1, RFC 8643).
//!
//! A stream that is secured stays so: later offers and answers without keys are refused. Keys stay through hold and
//! re-INVITE (§7.1.4) for as long as the suite does; a far end that comes back at another address with another key is
//! another device, which cannot know how often our sequence numbers have wrapped, and so is given a new key of ours:
//! in the answer to its offer, or, where it has answered ours, in our next one.

use std::net::SocketAddr;

use super::read::{Line, Profile};
use super::{CryptoLine, MasterKey, Negotiated, Refusal, Security, Srtp, Suite};

/// The line of an offer that we take: of the suite agreed on before, else the first. `None`: plain RTP.
pub(super) fn choose(
    line: &Line<'_>,
    security: &Security,
    current: Option<&Negotiated>,
) -> Result<Option<CryptoLine>, Refusal> {
    let profile = line.profile();
    let current = current.and_then(|current| current.srtp.as_ref());
    let may_be_plain = profile == Profile::Plain && current.is_none();
    if profile == Profile::Foreign {
        return Err(Refusal::Security);
    }
    match security {
        Security::Off if may_be_plain => return Ok(None),
        Security::Off => return Err(Refusal::Security),
        Security::Optional(_) | Security::Required(_) => {}
    }
    let mut lines = line.crypto();
    let kept = current.and_then(|current| lines.iter().position(|line| line.suite == current.suite));
    match kept.or((!lines.is_empty()).then_some(0)) {
        Some(at) => Ok(Some(lines.swap_remove(at))),
        None if may_be_plain && matches!(security, Security::Optional(_)) => Ok(None),
        None => Err(Refusal::Security),
    }
}

/// The keys for a line taken from an offer whose stream is to go to `remote`.
pub(super) fn agree(
    line: CryptoLine,
    security: &Security,
    current: Option<&Negotiated>,
    remote: Option<SocketAddr>,
) -> Option<Srtp> {
    let fresh = security.keys()?;
    let kept = current.and_then(|current| {
        let srtp = current.srtp.as_ref()?;
        let another = is_another(current, remote, &line.key);
        (srtp.suite == line.suite && !another).then(|| srtp.local.clone())
    });
    let local = kept.unwrap_or_else(|| fresh.of(line.suite));
    Some(Srtp { tag: line.tag, suite: line.suite, local, remote: line.key })
}

/// Whether whoever speaks with this key from `remote` is another device than the one agreed with before.
pub(super) fn is_another(before: &Negotiated, remote: Option<SocketAddr>, key: &MasterKey) -> bool {
    let moved = remote.is_some() && before.remote.is_some() && remote != before.remote;
    moved && before.srtp.as_ref().is_some_and(|srtp| srtp.remote != *key)
}

/// An agreement with a new key of ours, if there is one to be had.
pub(super) fn renewed(srtp: Srtp, security: &Security) -> Srtp {
    let local = security.keys().map_or(srtp.local, |fresh| fresh.of(srtp.suite));
    Srtp { local, ..srtp }
}

/// The line of ours that an agreement puts into a description.
pub(super) fn ours(srtp: &Srtp) -> CryptoLine {
    CryptoLine { tag: srtp.tag, suite: srtp.suite, key: srtp.local.clone(), lifetime: None }
}

/// The lines of an offer of ours: every suite in the first, later ones what was agreed on.
pub(super) fn to_offer(security: &Security, current: Option<&Negotiated>) -> Vec<CryptoLine> {
    match (current, security.keys()) {
        (Some(current), _) => current.srtp.iter().map(ours).collect(),
        (None, Some(fresh)) => Suite::ALL
            .into_iter()
            .zip(1..)
            .map(|(suite, tag)| CryptoLine { tag, suite, key: fresh.of(suite), lifetime: None })
            .collect(),
        (None, None) => Vec::new(),
    }
}

/// What the answer to an offer of ours means.
pub(super) fn answered(ours: &Line<'_>, theirs: &Line<'_>) -> Result<Option<Srtp>, Refusal> {
    let (offered, lines) = (ours.crypto(), theirs.crypto());
    if theirs.profile() == Profile::Foreign {
        return Err(Refusal::Security);
    }
    // RFC 4568 §5.1.2: tag and suite name the line that was taken.
    let pair = lines.into_iter().find_map(|line| {
        let taken = offered.iter().find(|ours| (ours.tag, ours.suite) == (line.tag, line.suite))?;
        Some((taken.clone(), line))
    });
    match pair {
        Some((ours, theirs)) => {
            Ok(Some(Srtp { tag: ours.tag, suite: ours.suite, local: ours.key, remote: theirs.key }))
        }
        // A far end that has no SRTP passes over what it does not know (RFC 8643 §3.2).
        None if ours.profile() == Profile::Plain
            && theirs.profile() == Profile::Plain
            && !theirs.has("crypto") =>
        {
            Ok(None)
        }
        None => Err(Refusal::Security),
    }
}
