//! Walking a TOML document that may be wrong everywhere: each reader notes a fault with its line and goes on.
//! `${NAME}` in any string is replaced by an environment variable; `$${` stands for itself.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use crate::limits::SETTINGS_ISSUES_MAX;

use super::{Issue, Surroundings, Tls};

/// A file's text, and what is wrong with it so far.
pub(super) struct Document<'a> {
    text: &'a str,
    world: &'a Surroundings<'a>,
    table: DeTable<'a>,
    issues: RefCell<BTreeSet<Issue>>,
}

/// A value, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) at: At,
}

/// A place in the document.
#[derive(Clone, Debug, Default)]
pub(super) struct At {
    pub(super) field: String,
    /// Byte offset.
    pub(super) offset: usize,
}

impl<T> Found<T> {
    pub(super) fn map<U>(self, with: impl FnOnce(T) -> U) -> Found<U> {
        Found { value: with(self.value), at: self.at }
    }
}

/// A table of the document. Every key that is read is remembered, so that [`Table::finish`] knows the others.
pub(super) struct Table<'a> {
    document: &'a Document<'a>,
    entries: Option<&'a DeTable<'a>>,
    pub(super) at: At,
    known: RefCell<BTreeSet<&'static str>>,
}

/// An element that may be a string or a table.
pub(super) type Either<'a> = Result<Found<String>, Table<'a>>;

impl<'a> Document<'a> {
    pub(super) fn new(text: &'a str, world: &'a Surroundings<'a>) -> Self {
        let (table, errors) = DeTable::parse_recoverable(text);
        let document = Self { text, world, table: table.into_inner(), issues: RefCell::new(BTreeSet::new()) };
        for error in errors {
            let offset = error.span().map_or(0, |span| span.start);
            document.note(&At { field: String::new(), offset }, error.message().replace('\n', ", "));
        }
        document
    }

    /// The root; `None` where the text is not TOML: what is left of it would only bring false faults.
    pub(super) fn root(&'a self) -> Option<Table<'a>> {
        let broken = !self.issues.borrow().is_empty();
        (!broken).then(|| Table {
            document: self,
            entries: Some(&self.table),
            at: At::default(),
            known: RefCell::default(),
        })
    }

    pub(super) fn into_issues(self) -> Vec<Issue> {
        self.issues.into_inner().into_iter().collect()
    }

    fn note(&self, at: &At, problem: impl Into<String>) {
        let before = &self.text.as_bytes()[..at.offset.min(self.text.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let mut issues = self.issues.borrow_mut();
        if issues.len() < SETTINGS_ISSUES_MAX {
            issues.insert(Issue { line, field: at.field.clone(), problem: problem.into() });
        }
    }

    /// Replaces `${NAME}`.
    fn expand(&self, text: &str, at: &At) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            if rest[..start].ends_with('$') {
                out.push_str(&rest[..start - 1]);
                out.push_str("${");
                rest = &rest[start + 2..];
                continue;
            }
            out.push_str(&rest[..start]);
            let Some((name, after)) = rest[start + 2..].split_once('}') else {
                self.note(at, "`${` without `}`");
                return out;
            };
            match (self.world.env)(name) {
                Some(value) => out.push_str(&value),
                None => self.note(at, format!("the environment variable {name} is not set")),
            }
            rest = after;
        }
        out + rest
    }
}

impl<'a> Table<'a> {
    /// Notes a fault.
    pub(super) fn note(&self, at: &At, problem: impl Into<String>) {
        self.document.note(at, problem);
    }

    /// Notes that something the contract knows cannot be done yet.
    pub(super) fn later(&self, at: &At, what: &str) {
        self.note(at, format!("not supported yet: {what}"));
    }

    /// Why a sound file cannot be played, if so.
    pub(super) fn sound_fault(&self, path: &Path) -> Option<String> {
        (self.document.world.sound_fault)(path)
    }

    /// Notes what is wrong with files of certificates.
    pub(super) fn tls_faults(&self, tls: &Tls) {
        for (key, problem) in (self.document.world.tls_faults)(tls) {
            self.note(&At { field: self.field(key), offset: self.at.offset }, problem);
        }
    }

    fn field(&self, key: &str) -> String {
        if self.at.field.is_empty() { key.to_owned() } else { format!("{}.{key}", self.at.field) }
    }

    fn get(&self, key: &'static str) -> Option<Found<&'a DeValue<'a>>> {
        self.known.borrow_mut().insert(key);
        let value = self.entries?.get(key)?;
        let at = At { field: self.field(key), offset: value.span().start };
        Some(Found { value: value.get_ref(), at })
    }

    fn wrong(&self, found: &Found<&DeValue<'_>>, wanted: &str) {
        self.note(&found.at, format!("must be {wanted}, not {}", article(found.value.type_str())));
    }

    fn as_string(&self, found: Found<&DeValue<'_>>) -> Option<Found<String>> {
        match found.value {
            DeValue::String(text) => {
                let value = self.document.expand(text, &found.at);
                Some(Found { value, at: found.at })
            }
            _ => {
                self.wrong(&found, "a string");
                None
            }
        }
    }

    /// A string.
    pub(super) fn string(&self, key: &'static str) -> Option<Found<String>> {
        self.get(key).and_then(|found| self.as_string(found))
    }

    /// A string that must be there and not be empty.
    pub(super) fn required(&self, key: &'static str) -> Found<String> {
        match self.string(key) {
            Some(found) if !found.value.is_empty() => found,
            Some(found) => {
                self.note(&found.at, "must not be empty");
                found
            }
            None => {
                if self.entries.is_some_and(|entries| !entries.contains_key(key)) {
                    self.note(&self.at, format!("`{key}` is missing"));
                }
                Found { value: String::new(), at: self.at.clone() }
            }
        }
    }

    /// The elements of an array.
    fn elements(&self, key: &'static str) -> Option<Found<Vec<Found<&'a DeValue<'a>>>>> {
        let found = self.get(key)?;
        let DeValue::Array(array) = found.value else {
            self.wrong(&found, "an array");
            return None;
        };
        let element = |(index, value): (usize, &'a toml::Spanned<DeValue<'a>>)| Found {
            value: value.get_ref(),
            at: At { field: format!("{}[{index}]", found.at.field), offset: value.span().start },
        };
        let value = array.iter().enumerate().map(element).collect();
        Some(Found { value, at: found.at })
    }

    /// An array of strings.
    pub(super) fn strings(&self, key: &'static str) -> Option<Found<Vec<Found<String>>>> {
        let list = self.elements(key)?;
        Some(list.map(|list| list.into_iter().filter_map(|element| self.as_string(element)).collect()))
    }

    /// An array whose elements are strings or tables.
    pub(super) fn mixed(&self, key: &'static str) -> Option<Found<Vec<Either<'a>>>> {
        let list = self.elements(key)?;
        let one = |element: Found<&'a DeValue<'a>>| match element.value {
            DeValue::Table(entries) => Some(Err(self.at_table(entries, element.at))),
            DeValue::String(_) => self.as_string(element).map(Ok),
            _ => {
                self.wrong(&element, "a string or a table");
                None
            }
        };
        Some(list.map(|list| list.into_iter().filter_map(one).collect()))
    }

    /// An integer within bounds.
    pub(super) fn integer(&self, key: &'static str, bounds: RangeInclusive<u32>) -> Option<Found<u32>> {
        let found = self.get(key)?;
        let DeValue::Integer(integer) = found.value else {
            self.wrong(&found, "an integer");
            return None;
        };
        match u32::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(value) if bounds.contains(&value) => Some(Found { value, at: found.at }),
            _ => {
                self.note(&found.at, format!("must be from {} to {}", bounds.start(), bounds.end()));
                None
            }
        }
    }

    /// A level in whole decibels, or the default; `None` for `"off"`.
    pub(super) fn decibels_or_off(
        &self,
        key: &'static str,
        default: i8,
        bounds: RangeInclusive<i8>,
    ) -> Option<i8> {
        let Some(found) = self.get(key) else { return Some(default) };
        let level = match found.value {
            DeValue::String(word) if word == "off" => return None,
            DeValue::Integer(integer) => i8::from_str_radix(integer.as_str(), integer.radix()).ok(),
            _ => None,
        };
        let level = level.filter(|level| bounds.contains(level));
        if level.is_none() {
            self.note(&found.at, format!("must be from {} to {}, or \"off\"", bounds.start(), bounds.end()));
        }
        level
    }

    /// Whole seconds, or the default.
    pub(super) fn seconds(&self, key: &'static str, default: u32, bounds: RangeInclusive<u32>) -> Duration {
        let seconds = self.integer(key, bounds).map_or(default, |found| found.value);
        Duration::from_secs(u64::from(seconds))
    }

    /// True or false.
    pub(super) fn boolean(&self, key: &'static str, default: bool) -> bool {
        let Some(found) = self.get(key) else { return default };
        found.value.as_bool().unwrap_or_else(|| {
            self.wrong(&found, "true or false");
            default
        })
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<Found<T>> {
        let found = self.string(key)?;
        match words.iter().find(|(word, _)| *word == found.value) {
            Some((_, value)) => Some(Found { value: *value, at: found.at }),
            None => {
                let list: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
                self.note(&found.at, format!("must be {}", list.join(" or ")));
                None
            }
        }
    }

    /// A table; one without entries where it is absent, so that its reader finds the defaults.
    pub(super) fn table(&self, key: &'static str) -> Table<'a> {
        self.table_if(key).unwrap_or_else(|| Table {
            document: self.document,
            entries: None,
            at: At { field: self.field(key), offset: self.at.offset },
            known: RefCell::default(),
        })
    }

    /// A table, if it is there.
    pub(super) fn table_if(&self, key: &'static str) -> Option<Table<'a>> {
        let found = self.get(key)?;
        match found.value {
            DeValue::Table(entries) => Some(self.at_table(entries, found.at)),
            _ => {
                self.wrong(&found, "a table");
                None
            }
        }
    }

    /// An array of tables.
    pub(super) fn tables(&self, key: &'static str) -> Vec<Table<'a>> {
        let list = self.elements(key).map(|list| list.value).unwrap_or_default();
        let one = |element: Found<&'a DeValue<'a>>| match element.value {
            DeValue::Table(entries) => Some(self.at_table(entries, element.at)),
            _ => {
                self.wrong(&element, "a table");
                None
            }
        };
        list.into_iter().filter_map(one).collect()
    }

    /// All entries of a table whose keys are free, in the file's order: name and string.
    pub(super) fn pairs(&self) -> Vec<(Found<String>, Found<String>)> {
        let Some(entries) = self.entries else { return Vec::new() };
        let one = |(key, value): (&'a toml::Spanned<_>, &'a toml::Spanned<DeValue<'a>>)| {
            let name: &std::borrow::Cow<'a, str> = key.get_ref();
            let at = |offset| At { field: format!("{}.{name}", self.at.field), offset };
            let value = self.as_string(Found { value: value.get_ref(), at: at(value.span().start) })?;
            Some((Found { value: name.clone().into_owned(), at: at(key.span().start) }, value))
        };
        let mut pairs: Vec<_> = entries.iter().filter_map(one).collect();
        pairs.sort_by_key(|(name, _)| name.at.offset);
        pairs
    }

    fn at_table(&self, entries: &'a DeTable<'a>, at: At) -> Table<'a> {
        Table { document: self.document, entries: Some(entries), at, known: RefCell::default() }
    }

    /// Notes every key that nobody has asked for.
    pub(super) fn finish(&self) {
        let known = self.known.borrow();
        let Some(entries) = self.entries else { return };
        for (key, _) in entries {
            let name: &str = key.get_ref();
            if known.contains(name) {
                continue;
            }
            let near = known.iter().map(|known| (distance(known, name), *known)).min();
            let hint =
                near.filter(|(far, _)| *far <= 2).map(|(_, known)| format!("; did you mean `{known}`?"));
            let at = At { field: self.field(name), offset: key.span().start };
            self.note(&at, format!("unknown key{}", hint.unwrap_or_default()));
        }
    }
}

fn article(kind: &str) -> String {
    let an = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if an { "an" } else { "a" })
}

/// How many letters must be changed, added or left out to make one word the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(40).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}
