//! `[[flows]]`: which AI answers whom, how it hands off, and which context goes along.

use super::document::{Found, Table};
use super::peer::RESERVED;
use super::value;

/// One of `[[flows]]`; the first whose `match.user` fits a call takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// `name`: for logs, records and metrics. Letters, digits and `-_.`.
    pub name: String,
    /// `match = { user = "…" }`: the user part of the Request-URI; one `*` stands for any run of characters. Default `"*"`.
    pub user: String,
    /// `ai`: the peer whose AI answers.
    pub ai: String,
    /// `queue`: where callers go whom the AI cannot serve, and handoffs without an allowed target. Default none.
    pub queue: Option<String>,
    /// `on_ai_failure`: `"queue"` (default where the flow has one) or `"reject"`.
    pub on_ai_failure: OnAiFailure,
    /// `answer`: when the caller's INVITE gets its 200: `"late"` (default), when the AI has answered, or `"at-once"`.
    pub answer: Answer,
    /// `[flows.handoff]`.
    pub handoff: Handoff,
    /// `[flows.context]`.
    pub context: ContextRules,
}

/// What happens to a caller whom no address of the AI answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnAiFailure {
    /// Straight to the flow's queue.
    Queue,
    /// A final refusal, so that an upstream fallback fires.
    Reject,
}

/// When a caller's INVITE gets its 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// When the AI has answered.
    Late,
    /// At once.
    AtOnce,
}

/// `[flows.handoff]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handoff {
    /// `bye_rules`: a BYE of the AI that fulfils one of these is a handoff: `"Name: value"` or `"Name"` (not empty).
    /// Default `["X-contained: false", "X-Route-Destination", "X-destination"]`.
    pub bye_rules: Vec<(String, Option<String>)>,
    /// `escape_digit`: a key, 0-9, `*` or `#`, by which a caller who is with the AI asks for a person. Default none.
    pub escape_digit: Option<char>,
}

/// `[flows.context]`: which headers go from the AI and the caller to the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextRules {
    /// `allow`: header names, without case; one `*` stands for any run of characters. Default
    /// `["X-*", "User-to-User", "Call-Info"]`.
    pub allow: Vec<String>,
    /// `rename`: `{ "X-Old" = "X-New" }`, for peers that want names of their own. Default none.
    pub rename: Vec<(String, String)>,
    /// `budget`: what the person's side takes.
    pub budget: Budget,
}

/// `budget = { headers = 10, value_bytes = 256 }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// `headers`: most headers. 1–64, default 10.
    pub headers: u32,
    /// `value_bytes`: longest value. 16–4096, default 256.
    pub value_bytes: u32,
}

pub(super) const BYE_RULES: [&str; 3] = ["X-contained: false", "X-Route-Destination", "X-destination"];
pub(super) const ALLOW: [&str; 3] = ["X-*", "User-to-User", "Call-Info"];

impl Default for ContextRules {
    fn default() -> Self {
        Self {
            allow: ALLOW.map(str::to_owned).to_vec(),
            rename: Vec::new(),
            budget: Budget { headers: 10, value_bytes: 256 },
        }
    }
}

/// A flow and the places of what refers elsewhere.
pub(super) struct Draft {
    pub(super) ai: Found<String>,
    pub(super) queue: Option<Found<String>>,
    pub(super) user: Found<String>,
}

/// A flow; `Found::value.1` is for the cross checks.
pub(super) fn read(table: &Table<'_>) -> FoundFlow {
    let name = value::name(table);
    let matching = table.table("match");
    let user = matching.string("user");
    matching.finish();
    let user = match user {
        Some(found) => {
            value::pattern(table, &found);
            found
        }
        None => Found { value: "*".to_owned(), at: matching.at },
    };
    let ai = table.required("ai");
    let queue = table.string("queue");
    let default = if queue.is_some() { OnAiFailure::Queue } else { OnAiFailure::Reject };
    let failure =
        table.choice("on_ai_failure", &[("queue", OnAiFailure::Queue), ("reject", OnAiFailure::Reject)]);
    if let Some(found) = failure.as_ref().filter(|found| found.value == OnAiFailure::Queue && queue.is_none())
    {
        table.note(&found.at, "the flow has no `queue`");
    }
    let answer = table.choice("answer", &[("late", Answer::Late), ("at-once", Answer::AtOnce)]);
    let handoff = read_handoff(&table.table("handoff"), queue.is_some());
    let flow = Flow {
        name: name.value.clone(),
        user: user.value.clone(),
        ai: ai.value.clone(),
        queue: queue.as_ref().map(|queue| queue.value.clone()),
        on_ai_failure: failure.map_or(default, |found| found.value),
        answer: answer.map_or(Answer::Late, |found| found.value),
        handoff,
        context: read_context(&table.table("context")),
    };
    table.finish();
    FoundFlow { value: flow, draft: Draft { ai, queue, user }, name }
}

/// A flow with its places.
pub(super) struct FoundFlow {
    pub(super) value: Flow,
    pub(super) draft: Draft,
    pub(super) name: Found<String>,
}

fn read_handoff(table: &Table<'_>, has_queue: bool) -> Handoff {
    let rule = |text: &str| {
        let (name, value) = match text.split_once(':') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (text.trim(), None),
        };
        let good = value::is_token(name) && value.is_none_or(|value| !value.is_empty());
        good.then(|| (name.to_owned(), value.map(str::to_owned)))
    };
    let bye_rules = match table.strings("bye_rules") {
        Some(list) => {
            let one = |found: &Found<String>| {
                let read = rule(&found.value);
                if read.is_none() {
                    table.note(&found.at, "must be \"Name: value\" or \"Name\"");
                }
                read
            };
            list.value.iter().filter_map(one).collect()
        }
        None => BYE_RULES.iter().filter_map(|text| rule(text)).collect(),
    };
    if let Some(found) = table.choice("invite_handoff", &[("through-ai", false), ("direct", true)])
        && found.value
    {
        table.later(&found.at, "\"direct\"; only \"through-ai\"");
    }
    let mut escape_digit = None;
    if let Some(found) = table.string("escape_digit") {
        let mut digits = found.value.chars();
        match (digits.next(), digits.next()) {
            (Some(digit @ ('0'..='9' | '*' | '#')), None) => escape_digit = Some(digit),
            _ => table.note(&found.at, "must be one of 0-9, * and #"),
        }
        if !has_queue {
            table.note(&found.at, "leads to the flow's `queue`, and it has none");
        }
    }
    table.finish();
    Handoff { bye_rules, escape_digit }
}

fn read_context(table: &Table<'_>) -> ContextRules {
    let mut rules = ContextRules::default();
    if let Some(list) = table.strings("allow") {
        let one = |found: &Found<String>| {
            let good = value::is_token(&found.value.replacen('*', "x", 1));
            if !good {
                table.note(&found.at, "must be a header name with at most one `*`");
            }
            value::pattern(table, found).filter(|_| good)
        };
        rules.allow = list.value.iter().filter_map(one).collect();
    }
    for (from, to) in table.table("rename").pairs() {
        for found in [&from, &to] {
            if !value::is_token(&found.value) {
                table.note(&found.at, "is no header name (RFC 3261 §25.1)");
            }
        }
        let reserved = RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(&to.value));
        if reserved || to.value.to_ascii_lowercase().starts_with("x-baton-") {
            table.note(&to.at, "must not be a header that the SIP stack or Baton itself writes");
        }
        if rules.rename.iter().any(|(_, other)| to.value.eq_ignore_ascii_case(other)) {
            table.note(&to.at, "two headers would get this name");
        }
        rules.rename.push((from.value, to.value));
    }
    let budget = table.table("budget");
    if let Some(found) = budget.integer("headers", 1..=64) {
        rules.budget.headers = found.value;
    }
    if let Some(found) = budget.integer("value_bytes", 16..=4096) {
        rules.budget.value_bytes = found.value;
    }
    budget.finish();
    table.finish();
    rules
}
