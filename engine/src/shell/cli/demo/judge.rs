//! Turns what the parties saw and heard, and what the node said of itself, into figures and verdicts.

use serde_json::Value;

use super::api::metric;
use super::facts::{Delivered, Facts, Gap, LegFacts, Moment};
use super::sound::{WINDOW_MS, first_above, levels, likeness, longest_below};
use super::story::{CONTEXT, Outcome, Voices};
use crate::media::quality::{Impairment, Path, Scale};
use crate::shell::phone::{DELAY_US, Heard};

/// Nobody is heard below this level: the parties' own beds of noise lie at -52 dB, digital silence far below.
const HEARD_DBFS: f64 = -66.0;
/// Speech, not the bed under it.
const SPEECH_DBFS: f64 = -40.0;
/// The longest gap that passes.
const GAP_MS_MAX: f64 = 60.0;
/// A phone's packet, an Opus encoder's look-ahead (one of two codecs on every way is Opus), and a sample's mean wait
/// for the node's tick.
const PACKET_MS: f64 = 20.0;
const LOOK_AHEAD_MS: f64 = 6.5;
const TICK_MS: f64 = 10.0;
/// Two level curves this alike carry the same words.
const LIKENESS_MIN: f64 = 0.9;
/// How much of the AI's first words is compared to the source.
const FIRST_WORDS_MS: usize = 200;
/// The AI greets so soon, in milliseconds of what the caller heard.
const GREETING_MS: usize = 3000;

/// The node's own account: the call's last snapshot and the metrics page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    /// `GET /v1/calls/{id}`, the last one that was there.
    pub(crate) call: Value,
    /// `GET /metrics` after the call.
    pub(crate) metrics: String,
}

/// What the run was worth. `began_us` is the run's start on the phones' clock.
pub(crate) fn judge(outcome: &Outcome, voices: &Voices, account: &Account, began_us: u64) -> Facts {
    let seconds = |us: u64| us.saturating_sub(began_us) as f64 / 1e6;
    let mut facts = Facts {
        call_id: account.call["call_id"].as_str().unwrap_or_default().to_owned(),
        heard: levels(&outcome.caller.samples, outcome.caller.rate),
        heard_from: seconds(outcome.caller.began_us),
        ..Facts::default()
    };
    facts.timeline = timeline(&account.call, began_us);
    durations(&mut facts, outcome, voices);
    gap(&mut facts, outcome);
    words(&mut facts, outcome, voices);
    for (name, role, codec, heard) in [
        ("caller", "caller", "opus", &outcome.caller),
        ("AI", "ai", "PCMU", &outcome.ai),
        ("person", "agent", "PCMU", &outcome.ben),
    ] {
        facts.legs.push(leg(name, codec, heard, mouth_to_ear_ms(&account.call, role)));
    }
    context(&mut facts, outcome);
    identity(&mut facts, outcome, account);
    facts
}

/// What happened in a call by its snapshot, in seconds since `began_us`.
pub(super) fn timeline(call: &Value, began_us: u64) -> Vec<Moment> {
    let entries = call["timeline"]["entries"].as_array().cloned().unwrap_or_default();
    entries
        .iter()
        .map(|entry| {
            let at = entry["at"].as_u64().unwrap_or(began_us).saturating_sub(began_us) as f64 / 1e6;
            let what = &entry["what"];
            Moment { at, what: in_words(what, call), state: what["state"].as_str().map(str::to_owned) }
        })
        .collect()
}

/// `{"event":"leg_dialed","leg":2,"uri":"sip:…"}` as "leg dialed: agent (leg 2), sip:…".
fn in_words(what: &Value, call: &Value) -> String {
    let event = what["event"].as_str().unwrap_or("?").replace('_', " ");
    if event == "state" {
        return String::new();
    }
    let detail = |(key, value): (&String, &Value)| match (key.as_str(), value) {
        ("event", _) => None,
        ("leg" | "by" | "agent", id) => Some(leg_name(id, call)),
        (_, Value::String(text)) => Some(text.clone()),
        (key, value) => Some(format!("{key} {value}")),
    };
    let details: Vec<String> = what.as_object().into_iter().flatten().filter_map(detail).collect();
    if details.is_empty() { event } else { format!("{event}: {}", details.join(", ")) }
}

fn leg_name(id: &Value, call: &Value) -> String {
    let legs = call["legs"].as_array();
    let role =
        legs.and_then(|legs| legs.iter().find(|leg| leg["id"] == *id)).and_then(|leg| leg["role"].as_str());
    role.map_or(format!("leg {id}"), |role| format!("{role} (leg {id})"))
}

fn durations(facts: &mut Facts, outcome: &Outcome, voices: &Voices) {
    let ms = |from: u64, to: u64| to.saturating_sub(from) as f64 / 1e3;
    facts.durations.push(("call set-up: INVITE to 200 at the caller", ms(outcome.called_us, outcome.up_us)));
    facts
        .durations
        .push(("REFER to INVITE at the first person", ms(outcome.referred_us, outcome.ann_rang_us)));
    facts.durations.push(("REFER to a person's answer", ms(outcome.referred_us, outcome.ben_answered_us)));
    let said = spoken(&voices.agent);
    let (_, offset) = likeness(&said, &facts.heard);
    let heard_us = outcome.caller.began_us + (offset * WINDOW_MS * 1000) as u64;
    facts.durations.push((
        "a person's answer to the person's first word at the caller",
        ms(outcome.ben_answered_us, heard_us),
    ));
    facts
        .durations
        .push(("REFER to the person's first word at the caller", ms(outcome.referred_us, heard_us)));
}

/// The level curve of a recording from its first word to its last.
fn spoken(samples: &[i16]) -> Vec<f64> {
    let curve = levels(samples, 16_000);
    let first = first_above(&curve, SPEECH_DBFS, 0).unwrap_or(0);
    let last = curve.iter().rposition(|&level| level >= SPEECH_DBFS).unwrap_or(0);
    curve[first..=last.max(first)].to_vec()
}

/// The longest stretch in which the caller heard nobody, from the first sound to the moment of hanging up.
fn gap(facts: &mut Facts, outcome: &Outcome) {
    let window = |us: u64| us.saturating_sub(outcome.caller.began_us) as usize / (WINDOW_MS * 1000);
    let first = first_above(&facts.heard, HEARD_DBFS, 0);
    let (heard_any, first) = (first.is_some(), first.unwrap_or(0));
    let silent = longest_below(&facts.heard, HEARD_DBFS, first..window(outcome.hung_up_us));
    facts.gap = Gap {
        sound_ms: (silent.len() * WINDOW_MS) as f64,
        at: facts.heard_from + (silent.start * WINDOW_MS) as f64 / 1e3,
        packet_ms: outcome.caller.pause_us_max as f64 / 1e3,
    };
    let (found, ms) = (format!("{} ms", facts.gap.sound_ms), facts.gap.sound_ms);
    facts.check(
        format!("the caller heard no gap longer than {GAP_MS_MAX} ms"),
        ms <= GAP_MS_MAX && heard_any,
        found,
    );
    let streams = outcome.caller.streams;
    facts.check("the caller heard one RTP stream", streams == 1, format!("{streams} SSRC"));
}

/// Who said it, what was said, and in whose recording it must be.
fn words(facts: &mut Facts, outcome: &Outcome, voices: &Voices) {
    let half = voices.caller.len() / 2;
    let claims: [(&str, &[i16], &Heard); 4] = [
        ("the caller heard the AI's words", &voices.ai, &outcome.caller),
        ("the caller heard the person's words", &voices.agent, &outcome.caller),
        ("the AI heard the caller's words", &voices.caller[..half], &outcome.ai),
        ("the person heard the caller's words", &voices.caller[half..], &outcome.ben),
    ];
    for (claim, said, heard) in claims {
        let (score, _) = likeness(&spoken(said), &levels(&heard.samples, heard.rate));
        facts.check(claim, score >= LIKENESS_MIN, format!("likeness {score:.3} of 1"));
    }
    first_words(facts, voices);
}

/// The AI's first 200 ms of speech, at the place where the whole sentence fits, are as loud as they were said.
fn first_words(facts: &mut Facts, voices: &Voices) {
    const CHECK: &str = "the AI's first 200 ms reached the caller";
    let said = spoken(&voices.ai);
    // It says the same again later, when its loudness has been brought to the target: that is not looked at.
    let first = facts.heard.len().min(said.len() + GREETING_MS / WINDOW_MS);
    let (_, offset) = likeness(&said, &facts.heard[..first]);
    let count = FIRST_WORDS_MS / WINDOW_MS;
    let loud = |curve: &[f64]| curve.iter().sum::<f64>() / count as f64;
    match (said.get(..count), facts.heard.get(offset..offset + count)) {
        (Some(said), Some(heard)) => {
            let difference = loud(heard) - loud(said);
            facts.check(CHECK, difference.abs() < 6.0, format!("{difference:+.1} dB"));
        }
        _ => facts.check(CHECK, false, "the recording is too short"),
    }
}

/// From a mouth to the ear of the leg of this role, in milliseconds: a packet of the speaker's and what their encoder
/// looks ahead, half of either leg's round trip, the node's buffer and its tick, the phone's buffer. The slowest of
/// those the listener hears counts.
fn mouth_to_ear_ms(call: &Value, role: &str) -> f64 {
    let legs = call["legs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_listener = |leg: &&Value| leg["role"] == role;
    let way = |leg: &Value| leg["media"]["round_trip_ms"].as_f64().unwrap_or(0.0) / 2.0;
    let near = legs.iter().filter(is_listener).map(way).fold(0.0, f64::max);
    // A caller hears AI and people; these hear the caller.
    let spoke = |leg: &&Value| !leg["media"].is_null() && (leg["role"] == "caller") != (role == "caller");
    let far =
        legs.iter().filter(spoke).map(|leg| way(leg) + leg["media"]["buffer_ms"].as_f64().unwrap_or(0.0));
    PACKET_MS + LOOK_AHEAD_MS + far.fold(0.0, f64::max) + TICK_MS + near + DELAY_US as f64 / 1e3
}

fn leg(name: &'static str, codec: &str, heard: &Heard, delay_ms: f64) -> LegFacts {
    let all = heard.packets + heard.lost;
    let loss = if all == 0 { 1.0 } else { (heard.lost + heard.late) as f64 / all as f64 };
    let scale = Scale::Narrowband;
    let path = Path { scale, codec: Impairment::of(codec, scale), loss, burst_ratio: 1.0, delay_ms };
    LegFacts {
        name,
        codec: codec.to_owned(),
        packets: heard.packets,
        lost: heard.lost,
        jitter_ms: heard.jitter_us / 1e3,
        delay_ms,
        mos: path.rate().mos_cq,
    }
}

fn context(facts: &mut Facts, outcome: &Outcome) {
    for (name, sent) in CONTEXT {
        let found = outcome.ben_headers.iter().find(|(header, _)| header == name);
        let received = found.map(|(_, value)| value.clone());
        facts.context.push(Delivered { name: name.to_owned(), sent: sent.to_owned(), received });
    }
    let whole = facts.context.iter().filter(|entry| entry.received.as_ref() == Some(&entry.sent)).count();
    facts.check(
        "all of the AI's context reached the person",
        whole == CONTEXT.len(),
        format!("{whole} of {}", CONTEXT.len()),
    );
}

fn identity(facts: &mut Facts, outcome: &Outcome, account: &Account) {
    let id_in = |headers: &[(String, String)]| {
        headers.iter().find(|(name, _)| name == "X-Baton-Call-ID").map(|(_, value)| value.clone())
    };
    let (ai, person) = (id_in(&outcome.ai_headers), id_in(&outcome.ben_headers));
    let same = !facts.call_id.is_empty()
        && [ai, person].iter().flatten().filter(|id| **id == facts.call_id).count() == 2;
    facts.check("one id in the API and at AI and person", same, facts.call_id.clone());
    let handoffs = metric(&account.metrics, "baton_handoff_total", "method=\"refer\"").unwrap_or(0.0);
    facts.check("the metrics count one handoff by REFER", handoffs == 1.0, format!("{handoffs}"));
    let status = outcome.transfer_status;
    facts.check("the AI was told that a person has answered", status == 200, format!("status {status}"));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_of_the_timeline_reads_as_words() {
        let entries = json!([
            {"at": 1_500_000, "what": {"event": "state", "state": "with_ai"}},
            {"at": 1_600_000, "what": {"event": "leg_dialed", "leg": 2, "uri": "sip:ann@127.0.0.3"}},
        ]);
        let call = json!({"timeline": {"entries": entries}, "legs": [{"id": 2, "role": "agent"}]});
        let moments = timeline(&call, 500_000);
        assert_eq!((moments[0].at, moments[0].state.as_deref()), (1.0, Some("with_ai")));
        assert_eq!(moments[1].what, "leg dialed: agent (leg 2), sip:ann@127.0.0.3");
    }

    #[test]
    fn mouth_to_ear_is_made_of_what_the_node_measured() {
        let media = |trip, buffer| json!({"round_trip_ms": trip, "buffer_ms": buffer});
        let call = json!({"legs": [
            {"role": "caller", "media": media(Some(8.0), 25.0)},
            {"role": "ai", "media": media(Some(4.0), 30.0)},
            {"role": "agent", "media": media(None::<f64>, 20.0)},
            {"role": "agent", "media": null},
        ]});
        assert_eq!(mouth_to_ear_ms(&call, "caller"), 20.0 + 6.5 + (2.0 + 30.0) + 10.0 + 4.0 + 60.0);
        assert_eq!(mouth_to_ear_ms(&call, "ai"), 20.0 + 6.5 + (4.0 + 25.0) + 10.0 + 2.0 + 60.0);
        assert_eq!(mouth_to_ear_ms(&Value::Null, "ai"), 96.5);
    }

    #[test]
    fn a_run_in_which_nothing_was_heard_fails() {
        let voices = Voices {
            caller: vec![1000; 64_000].into(),
            ai: vec![1000; 64_000].into(),
            agent: vec![1000; 64_000].into(),
        };
        let silent = Outcome {
            caller: Heard { rate: 16_000, ..Heard::default() },
            ai: Heard { rate: 8_000, ..Heard::default() },
            ben: Heard { rate: 8_000, ..Heard::default() },
            ..Outcome::default()
        };
        let facts = judge(&silent, &voices, &Account::default(), 0);
        assert!(facts.checks.iter().filter(|check| check.passed).count() == 0, "{:?}", facts.checks);
    }
}
