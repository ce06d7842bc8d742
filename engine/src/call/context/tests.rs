//! Contexts as platforms send them, and any bytes at all.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::settings::Budget;

fn header(name: &str, value: impl AsRef<[u8]>) -> Header {
    (name.to_owned(), Bytes::copy_from_slice(value.as_ref()))
}

fn rules(headers: u32, value_bytes: u32) -> ContextRules {
    ContextRules { budget: Budget { headers, value_bytes }, ..ContextRules::default() }
}

/// Name and value of what a person gets.
fn written(context: &Context, rules: &ContextRules) -> Vec<(String, String)> {
    let text = |(name, value): Header| (name, String::from_utf8(value.to_vec()).unwrap());
    context.headers_for_agent(rules).into_iter().map(text).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn merged(headers: &[Header]) -> Context {
    let mut context = Context::default();
    context.merge(&ContextRules::default(), Source::Refer, headers);
    context
}

#[test]
fn what_the_ai_knows_reaches_the_person_in_its_spelling() {
    let mut context = Context::default();
    let rules = ContextRules::default();
    context.merge(
        &rules,
        Source::Caller,
        &[header("Via", "x"), header("X-Page-URL", "https://shop.example/cart")],
    );
    context.begin_handoff();
    let refer = [
        header("Refer-To", "<sip:snapcall_agents@ms.example.com>"),
        header("X-Customer-ID", "12345"),
        header("x-issue-Type", " billing "),
        header("User-to-User", "0073616c6573;encoding=hex"),
    ];
    context.merge(&rules, Source::Refer, &refer);
    let expected = [
        ("X-Page-URL", "https://shop.example/cart"),
        ("X-Customer-ID", "12345"),
        ("x-issue-Type", "billing"),
        ("User-to-User", "0073616c6573;encoding=hex"),
    ];
    assert_eq!(written(&context, &rules), pairs(&expected));
    assert_eq!(context.value("X-ISSUE-TYPE"), Some("billing"));
    assert_eq!(context.losses(&rules).total(), 0, "headers of the stack are no loss");
}

#[test]
fn within_a_handoff_the_refer_to_uri_wins_whichever_comes_first() {
    let rules = ContextRules::default();
    for uri_first in [true, false] {
        let mut context = Context::default();
        context.merge(&rules, Source::Caller, &[header("X-Reason", "web")]);
        context.begin_handoff();
        let mut sources = [(Source::Refer, "refer"), (Source::ReferTo, "uri")];
        if uri_first {
            sources.reverse();
        }
        for (source, value) in sources {
            context.merge(&rules, source, &[header("X-Reason", value)]);
        }
        assert_eq!(context.value("x-reason"), Some("uri"));
        assert_eq!(context.losses(&rules).overruled, 2);
    }
}

#[test]
fn a_later_handoff_overrules_an_earlier_one() {
    let rules = ContextRules::default();
    let mut context = Context::default();
    context.begin_handoff();
    context.merge(&rules, Source::ReferTo, &[header("X-Reason", "billing")]);
    context.begin_handoff();
    context.merge(&rules, Source::Refer, &[header("X-Reason", "complaint")]);
    assert_eq!(context.value("X-Reason"), Some("complaint"));
}

#[test]
fn credentials_and_our_own_headers_are_never_passed_on() {
    let all = ContextRules { allow: vec!["*".to_owned()], ..ContextRules::default() };
    let headers = [
        header("Authorization", "Digest x"),
        header("X-PolyAI-SIP-Trunk-Token", "t"),
        header("x-polyai-auth-token", "t"),
        header("X-Baton-Call-ID", "forged"),
        header("Contact", "<sip:a@b>"),
        header("m", "<sip:a@b>"),
        header("P-Charging-Vector", "<sip:a@b>"),
    ];
    let mut context = Context::default();
    context.merge(&all, Source::Refer, &headers);
    assert_eq!(written(&context, &all), pairs(&[("P-Charging-Vector", "<sip:a@b>")]));
    assert_eq!((context.losses(&all).secret, context.losses(&all).total()), (4, 4));
    let unasked = merged(&headers);
    assert_eq!((unasked.entries().len(), unasked.losses(&all).not_allowed), (0, 1));
}

#[test]
fn a_renamed_header_cannot_become_one_of_ours() {
    let rename = |to: &str| ContextRules {
        rename: vec![("x-issue-type".to_owned(), to.to_owned())],
        ..ContextRules::default()
    };
    let context = merged(&[header("X-Issue-Type", "billing"), header("X-Kind", "b")]);
    let good = rename("X-Snapcall-Issue");
    assert_eq!(written(&context, &good), pairs(&[("X-Snapcall-Issue", "billing"), ("X-Kind", "b")]));
    for bad in ["X-Baton-Call-ID", "Via", "a b"] {
        assert_eq!(written(&context, &rename(bad)), pairs(&[("X-Kind", "b")]), "{bad}");
        assert_eq!(context.losses(&rename(bad)).bad_name, 1);
    }
    let clash = rename("x-kind");
    assert_eq!(written(&context, &clash), pairs(&[("x-kind", "billing")]), "one value per name");
    assert_eq!(context.losses(&clash).duplicate, 1);
}

#[test]
fn values_are_cleaned() {
    let cases: [(&[u8], &str); 7] = [
        (b"a\r\nX-Evil: b", "aX-Evil: b"),
        (b"a\0b", "ab"),
        (b"caf\xe9", "caf%E9"),
        ("café".as_bytes(), "café"),
        (b"a\tb\x07\x7f", "a b"),
        (b"\xff\xfe", "%FF%FE"),
        ("a\u{85}b".as_bytes(), "ab"),
    ];
    for (raw, clean) in cases {
        let context = merged(&[header("X-A", raw)]);
        assert_eq!(context.value("X-A"), Some(clean), "{raw:?}");
        let changed = u32::from(raw != clean.as_bytes());
        assert_eq!(context.losses(&ContextRules::default()).cleaned, changed, "{raw:?}");
    }
}

#[test]
fn a_name_twice_in_a_message_counts_once_and_is_told() {
    let context = merged(&[header("X-A", "1"), header("x-a", "2"), header("X-B", ""), header("X C", "3")]);
    assert_eq!(context.shown(), pairs(&[("X-A", "1")]));
    let losses = context.losses(&ContextRules::default());
    assert_eq!((losses.duplicate, losses.bad_name), (1, 1));
}

#[test]
fn of_too_many_headers_ids_stay_then_the_latest() {
    let mut context = Context::default();
    let rules = rules(3, 256);
    context.merge(
        &rules,
        Source::Caller,
        &[header("X-Old", "1"), header("X-Call-ID", "c"), header("X-Older", "2")],
    );
    context.begin_handoff();
    context.merge(&rules, Source::Refer, &[header("X-New", "3"), header("X-Customer-ID", "d")]);
    assert_eq!(
        written(&context, &rules),
        pairs(&[("X-Call-ID", "c"), ("X-New", "3"), ("X-Customer-ID", "d")])
    );
    assert_eq!(context.losses(&rules).over_budget, 2);
    assert_eq!(context.entries().len(), 5, "the record keeps them");
}

#[test]
fn too_long_a_value_is_cut_but_never_an_id_or_an_encoded_one() {
    let long = "x".repeat(15) + "é%E9";
    let headers = [
        header("X-Summary", &long),
        header("X-Order-Id", &long),
        header("X-User-to-User", "0011223344556677;encoding=hex"),
    ];
    let context = merged(&headers);
    for (bytes, expected) in [(19, "x".repeat(15) + "é"), (16, "x".repeat(15)), (17, "x".repeat(15) + "é")]
    {
        let rules = rules(10, bytes);
        assert_eq!(written(&context, &rules), [("X-Summary".to_owned(), expected)]);
        assert_eq!((context.losses(&rules).shortened, context.losses(&rules).too_long), (1, 2));
    }
}

#[test]
fn a_full_context_makes_room_for_an_id_alone() {
    let mut context = Context::default();
    let rules = rules(64, 256);
    let many: Vec<Header> = (0..CONTEXT_ENTRIES_MAX).map(|n| header(&format!("X-H{n}"), "v")).collect();
    context.merge(&rules, Source::Caller, &many);
    context.merge(&rules, Source::Refer, &[header("X-More", "v"), header("X-Customer-ID", "7")]);
    assert_eq!(context.entries().len(), CONTEXT_ENTRIES_MAX);
    assert_eq!((context.value("X-More"), context.value("X-Customer-ID")), (None, Some("7")));
    assert_eq!(context.losses(&rules).no_room, 2);
}

fn any_header() -> impl Strategy<Value = Header> {
    let name = prop_oneof![
        3 => "X-[A-Ca-c]{1,2}(-ID)?",
        1 => prop::sample::select(vec!["User-to-User", "Via", "X-Baton-Call-ID", "Authorization", "v"]).prop_map(str::to_owned),
        1 => "[ -~]{0,80}",
        1 => any::<String>(),
    ];
    let value = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        "[a-c]{0,400}(;encoding=hex)?".prop_map(String::into_bytes),
        any::<String>().prop_map(String::into_bytes),
    ];
    (name, value).prop_map(|(name, value)| (name, Bytes::from(value)))
}

fn any_rules() -> impl Strategy<Value = ContextRules> {
    let allow = prop::sample::select(vec!["*", "X-*", "User-to-User", "x-a*"]).prop_map(str::to_owned);
    let rename = ("X-[A-C]", prop::sample::select(vec!["X-Z", "X-B", "Via", "x-baton-a", "X-Z-ID"]));
    let rename = rename.prop_map(|(from, to)| (from, to.to_owned()));
    (prop::collection::vec(allow, 0..3), prop::collection::vec(rename, 0..3), 1..12u32, 16..64u32).prop_map(
        |(allow, rename, headers, value_bytes)| ContextRules {
            allow,
            rename,
            budget: Budget { headers, value_bytes },
        },
    )
}

fn any_messages() -> impl Strategy<Value = Vec<(Source, Vec<Header>)>> {
    let sources = [Source::Caller, Source::Answer, Source::Refer, Source::Bye, Source::ReferTo, Source::Api];
    let source = prop::sample::select(sources.to_vec());
    prop::collection::vec((source, prop::collection::vec(any_header(), 0..12)), 0..5)
}

fn build(rules: &ContextRules, messages: &[(Source, Vec<Header>)]) -> Context {
    let mut context = Context::default();
    for (index, (source, headers)) in messages.iter().enumerate() {
        if index % 2 == 1 {
            context.begin_handoff();
        }
        context.merge(rules, *source, headers);
    }
    context
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(7433),
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_goes_out_is_clean_and_within_the_budget(rules in any_rules(), messages in any_messages()) {
        let context = build(&rules, &messages);
        let out = context.headers_for_agent(&rules);
        prop_assert!(out.len() <= rules.budget.headers as usize);
        for (index, (name, value)) in out.iter().enumerate() {
            prop_assert!(clean::is_token(name) && !clean::is_secret(name) && !clean::is_of_the_stack(name), "{name}");
            let whole = |entry: &Entry| entry.has_room_of_its_own() && entry.value.as_bytes() == &value[..];
            let fits = value.len() <= rules.budget.value_bytes as usize || context.entries().iter().any(whole);
            prop_assert!(!value.is_empty() && fits);
            let text = std::str::from_utf8(value).expect("UTF-8");
            prop_assert!(!text.chars().any(char::is_control), "{text:?}");
            prop_assert!(out[..index].iter().all(|(other, _)| !other.eq_ignore_ascii_case(name)), "{name} twice");
        }
        prop_assert_eq!(out, build(&rules, &messages).headers_for_agent(&rules), "the same in, the same out");
    }

    #[test]
    fn nothing_is_lost_without_a_count(rules in any_rules(), headers in prop::collection::vec(any_header(), 0..12)) {
        let context = build(&rules, &[(Source::Refer, headers.clone())]);
        let out = context.headers_for_agent(&rules);
        let meant = headers.iter().filter(|(name, value)| !clean::is_of_the_stack(name) && !clean::value(value).0.is_empty());
        // Several lines of a list are one value.
        let lists = headers.iter().filter(|(name, _)| clean::is_list(name)).count().saturating_sub(1);
        let lost = meant.count().saturating_sub(lists).saturating_sub(out.len());
        prop_assert!(context.losses(&rules).total() as usize >= lost, "{lost}: {:?}", context.losses(&rules));
    }

    #[test]
    fn an_id_is_never_left_out_for_what_is_none(rules in any_rules(), messages in any_messages()) {
        let context = build(&rules, &messages);
        let plain = ContextRules { rename: Vec::new(), ..rules };
        let out = context.headers_for_agent(&plain);
        let fits = |entry: &&Entry| entry.is_id() && entry.value.len() <= plain.budget.value_bytes as usize;
        let left_out = context.entries().iter().filter(fits).any(|id| out.iter().all(|(name, _)| *name != id.name));
        prop_assert!(!left_out || out.iter().all(|(name, _)| clean::is_id(name)));
    }
}
