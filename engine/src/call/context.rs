//! What is known about the caller's matter: headers from wherever they came, merged into one context, cleaned,
//! bounded, and written out again for a person's phone. Whatever is lost on the way is counted by its reason.
//!
//! Left out: reading URIs and messages; who is told what besides (`X-Baton-Call-ID`, a peer's own headers).

mod clean;
mod losses;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::call::Header;
use crate::limits::{CONTEXT_ENTRIES_MAX, CONTEXT_NAME_BYTES_MAX};
use crate::settings::ContextRules;

pub use losses::Losses;

/// Two values of User-to-User with 128 octets each as hex, and their parameters.
const USER_TO_USER_BYTES: usize = 640;

/// Where a header came from. Within one handoff a later one of this list overrules an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Source {
    /// The caller's INVITE.
    Caller,
    /// The AI's answer to our INVITE.
    Answer,
    /// Headers of a REFER.
    Refer,
    /// Headers of a BYE.
    Bye,
    /// Headers within the Refer-To URI, which are meant for the new INVITE (RFC 3261 §19.1.5).
    ReferTo,
    /// Our HTTP API.
    Api,
}

/// One header of the context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The handoff it came with; 0 before the first.
    pub round: u32,
    /// Where it came from.
    pub source: Source,
    /// Its name in the sender's spelling.
    pub name: String,
    /// Its value, cleaned.
    pub value: String,
}

/// All that is known about a caller's matter. One value per name; names are compared without case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    round: u32,
    entries: Vec<Entry>,
    losses: Losses,
}

impl Context {
    /// A new handoff has begun: what comes from here on overrules all that came before, whatever its source.
    pub fn begin_handoff(&mut self) {
        self.round = self.round.saturating_add(1);
    }

    /// Takes over the headers of one message that `rules` allow. A name that stands in the message twice counts once,
    /// with its first value.
    pub fn merge(&mut self, rules: &ContextRules, source: Source, headers: &[Header]) {
        for (index, (name, value)) in headers.iter().enumerate() {
            if !self.admits(rules, name) {
                continue;
            }
            if headers[..index].iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                // Those of a list have been taken with the first of them.
                self.losses.duplicate += u32::from(!clean::is_list(name));
                continue;
            }
            let whole = if clean::is_list(name) { joined(&headers[index..], name) } else { value.clone() };
            let (value, changed) = clean::value(&whole);
            self.losses.cleaned += u32::from(changed);
            if !value.is_empty() {
                self.take(Entry { round: self.round, source, name: name.clone(), value });
            }
        }
    }

    /// Whether a header of this name may enter; if it may not, why is counted.
    fn admits(&mut self, rules: &ContextRules, name: &str) -> bool {
        if clean::is_secret(name) {
            self.losses.secret += 1;
        } else if clean::is_of_the_stack(name) {
            // Every message has these; they are no context and no loss.
        } else if name.len() > CONTEXT_NAME_BYTES_MAX || !clean::is_token(name) {
            self.losses.bad_name += 1;
        } else if !rules.allow.iter().any(|pattern| clean::matches(pattern, name)) {
            self.losses.not_allowed += 1;
        } else {
            return true;
        }
        false
    }

    fn take(&mut self, new: Entry) {
        if let Some(old) = self.entries.iter_mut().find(|old| old.name.eq_ignore_ascii_case(&new.name)) {
            self.losses.overruled += u32::from(old.value != new.value);
            if new.rank() >= old.rank() {
                *old = new;
            }
            return;
        }
        if self.entries.len() == CONTEXT_ENTRIES_MAX {
            self.losses.no_room += 1;
            // An id makes room for itself: without it the rest cannot be found anywhere else.
            let others = self.entries.iter().enumerate().filter(|(_, entry)| !entry.is_id());
            let Some((least, _)) = others.min_by_key(|(_, entry)| entry.rank()).filter(|_| new.is_id())
            else {
                return;
            };
            self.entries.remove(least);
        }
        self.entries.push(new);
    }

    /// All entries, in the order in which their names first came.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The value of this name.
    pub fn value(&self, name: &str) -> Option<&str> {
        let entry = self.entries.iter().find(|entry| entry.name.eq_ignore_ascii_case(name))?;
        Some(&entry.value)
    }

    /// Name and value of all entries, for API and record.
    pub fn shown(&self) -> Vec<(String, String)> {
        self.entries.iter().map(|entry| (entry.name.clone(), entry.value.clone())).collect()
    }

    /// The headers that a person's INVITE carries: renamed, within the budget, one value per name. A value that is
    /// too long is cut, but an id or an encoded one is left out: half of it would be a wrong one. Of too many, the
    /// latest and most particular stay, ids before all others.
    pub fn headers_for_agent(&self, rules: &ContextRules) -> Vec<Header> {
        self.written(rules).0
    }

    /// All that was lost: on the way in, and to the budget of `rules` on the way out.
    pub fn losses(&self, rules: &ContextRules) -> Losses {
        let mut losses = self.losses;
        let (_, out) = self.written(rules);
        losses.add(&out);
        losses
    }

    fn written(&self, rules: &ContextRules) -> (Vec<Header>, Losses) {
        let mut losses = Losses::default();
        let value_bytes = usize::try_from(rules.budget.value_bytes).unwrap_or(usize::MAX);
        let headers_max = usize::try_from(rules.budget.headers).unwrap_or(usize::MAX);
        // Best first, to choose by; the place among the entries is kept, to write by.
        let mut best: Vec<(usize, &Entry)> = self.entries.iter().enumerate().collect();
        best.sort_by_key(|(place, entry)| (Reverse(entry.is_id()), Reverse(entry.rank()), *place));
        let mut chosen: Vec<(usize, Header)> = Vec::new();
        for (place, entry) in best {
            let name = rules.new_name(&entry.name);
            if clean::is_secret(name) || clean::is_of_the_stack(name) || !clean::is_token(name) {
                losses.bad_name += 1;
            } else if chosen.iter().any(|(_, (other, _))| other.eq_ignore_ascii_case(name)) {
                losses.duplicate += 1;
            } else if entry.value.len() > value_bytes
                && entry.is_whole_or_nothing()
                && !entry.has_room_of_its_own()
            {
                losses.too_long += 1;
            } else if chosen.len() >= headers_max {
                losses.over_budget += 1;
            } else {
                let value = if entry.has_room_of_its_own() {
                    &entry.value
                } else {
                    clean::cut(&entry.value, value_bytes)
                };
                losses.shortened += u32::from(value.len() < entry.value.len());
                chosen.push((place, (name.to_owned(), Bytes::copy_from_slice(value.as_bytes()))));
            }
        }
        chosen.sort_by_key(|(place, _)| *place);
        (chosen.into_iter().map(|(_, header)| header).collect(), losses)
    }
}

impl Entry {
    fn rank(&self) -> (u32, Source) {
        (self.round, self.source)
    }

    /// Whether it names something that can be looked up elsewhere.
    fn is_id(&self) -> bool {
        clean::is_id(&self.name)
    }

    /// User-to-User of 128 octets has to fit (RFC 7433 §4, RFC 3261 §7.3.1), whatever the budget for values that people made.
    fn has_room_of_its_own(&self) -> bool {
        self.name.eq_ignore_ascii_case("User-to-User") && self.value.len() <= USER_TO_USER_BYTES
    }

    /// Whether a part of its value would be worse than nothing: ids, and values with an encoding (RFC 7433).
    fn is_whole_or_nothing(&self) -> bool {
        self.is_id() || clean::is_list(&self.name) || self.value.to_ascii_lowercase().contains(";encoding=")
    }
}

/// The values of all headers of this name as one list.
fn joined(headers: &[Header], name: &str) -> Bytes {
    let values =
        headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| &value[..]);
    Bytes::from(values.collect::<Vec<_>>().join(&b", "[..]))
}

impl ContextRules {
    /// The name under which `name` goes to the person.
    fn new_name<'a>(&'a self, name: &'a str) -> &'a str {
        let renamed = self.rename.iter().find(|(from, _)| from.eq_ignore_ascii_case(name));
        renamed.map_or(name, |(_, to)| to.as_str())
    }
}
