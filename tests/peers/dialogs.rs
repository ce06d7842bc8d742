//! Dialogs that live: session timers (RFC 4028), PRACK (RFC 3262), offers that come late, and answers of several phones.

use std::time::Duration;

use crate::Scenario;
use crate::bench::{Bench, SOON};

pub(crate) const SCENARIOS: &[Scenario] = &[
    // First, since it takes longest.
    ("both_sides_are_refreshed_by_us", both_are_refreshed),
    ("a_caller_refreshes_its_session_by_update_and_by_reinvite", caller_refreshes),
    ("an_ai_refreshes_its_session", ai_refreshes),
    ("a_caller_acknowledges_the_ringing", caller_acknowledges),
    ("an_ai_that_rings_reliably_is_acknowledged", ai_is_acknowledged),
    ("a_caller_that_offers_nothing_gets_an_offer", caller_offers_late),
    ("a_second_phone_that_answers_is_thanked_and_let_go", ai_forks),
    ("a_second_phone_of_a_person_is_thanked_and_let_go", person_forks),
    ("a_caller_hears_the_ai_before_its_answer_and_after_it", caller_hears_early),
    ("both_sides_offer_anew_before_the_answer", both_renew_early),
    ("an_ai_that_has_moved_to_tcp_is_called_there", ai_moves),
    ("a_person_is_heard_before_the_answer_where_the_peer_says_so", person_sounds_early),
];

/// Half of the least interval there is (RFC 4028 §4), and some time to be heard after it.
const REFRESHED: Duration = Duration::from_secs(50);

fn caller_refreshes(bench: &mut Bench) {
    let mut ai = bench.party("ai", "peer_stays", &[]);
    let mut caller = bench.caller("caller_refreshes", &["-d", "1500"]);
    bench.talk(&caller, &ai);
    bench.logged(&caller, "refreshed by UPDATE", SOON);
    bench.talk(&caller, &ai);
    bench.logged(&caller, "refreshed by INVITE", SOON);
    bench.talk(&caller, &ai);
    bench.assert_no_gap(&caller, None);
    caller.sipp.wait_for_success(SOON);
    ai.sipp.wait_for_success(SOON);
}

fn ai_refreshes(bench: &mut Bench) {
    let mut ai = bench.party("ai", "peer_refreshes", &["-d", "1500"]);
    let mut caller = bench.caller("caller_leaves", &["-d", "4000"]);
    bench.talk(&caller, &ai);
    bench.logged(&ai, "refreshed", SOON);
    bench.talk(&caller, &ai);
    bench.assert_no_gap(&caller, None);
    caller.sipp.wait_for_success(SOON);
    ai.sipp.wait_for_success(SOON);
}

fn both_are_refreshed(bench: &mut Bench) {
    bench.restart(|settings| settings.replace("codecs = ", "session_expires = 90\ncodecs = "));
    let mut ai = bench.party("ai", "peer_is_refreshed", &[]);
    let mut caller = bench.caller("caller_is_refreshed", &["-d", "2500"]);
    bench.talk(&caller, &ai);
    bench.logged(&ai, "refreshed", REFRESHED);
    bench.logged(&caller, "refreshed", SOON);
    bench.talk(&caller, &ai);
    bench.assert_no_gap(&caller, None);
    caller.sipp.wait_for_success(SOON);
    ai.sipp.wait_for_success(SOON);
}

fn caller_acknowledges(bench: &mut Bench) {
    let mut ai = bench.party("ai", "peer_stays", &["-d", "1000"]);
    let mut caller = bench.caller("caller_acknowledges", &["-d", "2500"]);
    bench.logged(&caller, "acknowledged", SOON);
    bench.talk(&caller, &ai);
    caller.sipp.wait_for_success(SOON);
    ai.sipp.wait_for_success(SOON);
}

fn ai_is_acknowledged(bench: &mut Bench) {
    let mut ai = bench.party("ai", "peer_is_acknowledged", &["-d", "1000"]);
    let mut caller = bench.caller("caller_leaves", &["-d", "2500"]);
    bench.logged(&ai, "acknowledged", SOON);
    bench.talk(&caller, &ai);
    caller.sipp.wait_for_success(SOON);
    ai.sipp.wait_for_success(SOON);
}

fn caller_offers_late(bench: &mut Bench) {
    let mut ai = bench.party("ai", "peer_stays", &[]);
    let mut caller = bench.caller("caller_offers_late", &["-d", "2500"]);
    bench.talk(&caller, &ai);
    caller.sipp.wait_for_success(SOON);
    ai.sipp.wait_for_success(SOON);
}

fn ai_forks(bench: &mut Bench) {
    let mut ai = bench.party("ai", "peer_forks", &["-d", "1000"]);
    let mut caller = bench.caller("caller_leaves", &["-d", "4500"]);
    bench.talk(&caller, &ai);
    bench.logged(&ai, "let go", SOON);
    bench.talk(&caller, &ai);
    bench.assert_no_gap(&caller, None);
    caller.sipp.wait_for_success(SOON);
    ai.sipp.wait_for_success(SOON);
}

fn person_forks(bench: &mut Bench) {
    let _ai = bench.party("ai", "refuses_503", &[]);
    let mut ann = bench.party("ann", "peer_forks", &["-d", "1000"]);
    let mut caller = bench.caller("caller_leaves", &["-d", "5500"]);
    bench.talk(&caller, &ann);
    bench.logged(&ann, "let go", SOON);
    bench.talk(&caller, &ann);
    bench.assert_no_gap(&caller, None);
    caller.sipp.wait_for_success(SOON);
    ann.sipp.wait_for_success(SOON);
}

fn caller_hears_early(bench: &mut Bench) {
    let mut ai = bench.party("ai", "peer_sounds_early", &["-d", "2500"]);
    let mut caller = bench.caller("caller_hears_early", &["-d", "2000"]);
    bench.talk(&caller, &ai);
    assert!(!caller.sipp.log().iter().any(|line| line.starts_with("answered")), "that was early");
    bench.logged(&caller, "answered same=true", SOON);
    bench.talk(&caller, &ai);
    bench.assert_no_gap(&caller, None);
    caller.sipp.wait_for_success(SOON);
    ai.sipp.wait_for_success(SOON);
}

fn both_renew_early(bench: &mut Bench) {
    let mut ai = bench.party("ai", "peer_renews_early", &["-d", "2500"]);
    let mut caller = bench.caller("caller_renews_early", &["-d", "2000"]);
    bench.logged(&ai, "renewed", SOON);
    bench.logged(&caller, "renewed", SOON);
    bench.talk(&caller, &ai);
    bench.logged(&caller, "answered", SOON);
    bench.talk(&caller, &ai);
    bench.assert_no_gap(&caller, None);
    caller.sipp.wait_for_success(SOON);
    ai.sipp.wait_for_success(SOON);
}

fn person_sounds_early(bench: &mut Bench) {
    let snapcall = "name = \"snapcall\"\n";
    bench.restart(|settings| settings.replace(snapcall, &format!("{snapcall}early_media = \"play\"\n")));
    let _ai = bench.party("ai", "refuses_503", &[]);
    let mut ann = bench.party("ann", "peer_sounds_early", &["-d", "2000"]);
    let mut caller = bench.caller("caller_leaves", &["-d", "5500"]);
    bench.talk(&caller, &ann);
    bench.logged(&ann, "answered", SOON);
    bench.talk(&caller, &ann);
    bench.assert_no_gap(&caller, None);
    caller.sipp.wait_for_success(SOON);
    ann.sipp.wait_for_success(SOON);
}

fn ai_moves(bench: &mut Bench) {
    let sip = bench.node.sip;
    let udp = format!("\"udp://{sip}\"");
    bench.restart(|settings| settings.replace(&udp, &format!("{udp}, \"tcp://{sip}\"")));
    let moved = format!("sip:1000@{};transport=tcp", bench.address("ai2"));
    let _ai = bench.party("ai", "refuses_302", &["-key", "moved", &moved]);
    let mut there = bench.party("ai2", "peer_stays", &["-t", "t1"]);
    let mut caller = bench.caller("caller_leaves", &["-d", "2500"]);
    bench.talk(&caller, &there);
    caller.sipp.wait_for_success(SOON);
    there.sipp.wait_for_success(SOON);
    let followed = || bench.node.metric("baton_sip_redirects_total{result=\"followed\"}") == 1.0;
    bench.wait("the redirect is counted", &[], SOON, followed);
}
