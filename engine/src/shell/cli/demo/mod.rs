//! `baton demo`: the whole main job on this machine, on real sockets over loopback.
//!
//! A node, and four phones of our own around it: a caller, an AI, a person who does not answer and one who does
//! (`story.rs`). Shows the call live, then what it was worth (`judge.rs`), and leaves recordings and a report.

mod api;
mod facts;
mod judge;
mod report;
mod sound;
mod story;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use actix::System;
use serde_json::Value;

use super::{complain, say};
use crate::settings::{Settings, Surroundings};
use crate::shell::Clock;
use crate::shell::phone::Heard;
use crate::shell::{Node, Plan};
use facts::Facts;
use judge::Account;
use story::{Outcome, Places, Voices};

/// How long the first person's phone rings.
const RING_SECONDS: u32 = 3;
/// Between two looks at the call.
const LOOK: Duration = Duration::from_millis(100);
/// The demo ends by itself, whatever happens.
const RUN_MAX: Duration = Duration::from_secs(90);
/// How long the node has to be empty again.
const EMPTY: Duration = Duration::from_secs(1);

/// Runs the demo; its files go to `folder`. `keep` leaves the node running until it is interrupted.
pub(super) fn run(folder: &Path, keep: bool) -> ExitCode {
    match System::new().block_on(demo(folder, keep)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(sentence) => {
            complain(&sentence);
            ExitCode::FAILURE
        }
    }
}

async fn demo(folder: &Path, keep: bool) -> Result<bool, String> {
    std::fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let voices = voices()?;
    let (places, http) = places()?;
    let settings = settings(&places, http);
    let plan = Plan::new(&settings).map_err(|error| error.to_string())?;
    // Started next to the node's own, so that both tell the same time.
    let clock = Clock::start();
    let node = Node::start(plan).await.map_err(|error| error.to_string())?;
    say(&format!("A node takes calls at {}; its API is at http://{http}.\n", places.node));
    say("A caller speaks Opus, the AI and the people speak G.711. This takes about 40 seconds.\n\n");
    let watch = actix::spawn(watch(http));
    let played = tokio::time::timeout(RUN_MAX, story::play(places, voices.clone(), clock)).await;
    let outcome = played.map_err(|_| format!("the demo did not end within {} s", RUN_MAX.as_secs()))??;
    // The call has ended, and its last snapshot is a look or two old.
    let call = tokio::time::timeout(EMPTY, watch).await;
    let call = call
        .map_err(|_| "the node does not say that the call is over")?
        .map_err(|error| error.to_string())?;
    // The gauges are published once a second.
    tokio::time::sleep(EMPTY + Duration::from_millis(200)).await;
    let metrics = api::get(http, "/metrics").await.unwrap_or_default();
    let left = left(&metrics);
    let mut facts = judge::judge(&outcome, &voices, &Account { call, metrics }, outcome.called_us);
    facts.check(
        "a second later nothing of the call is left",
        left.iter().all(|(_, total)| *total == Some(0.0)),
        words(&left),
    );
    write_files(folder, &outcome, &facts)?;
    say(&facts.to_string());
    say(&format!("\nRecordings and report: {}\n", folder.join("report.html").display()));
    if keep {
        say(&format!("The node runs on; http://{http}/v1/calls. Ctrl-C ends it.\n"));
        let _ = tokio::signal::ctrl_c().await;
    }
    node.end_calls().await;
    node.stop();
    Ok(facts.passed())
}

/// Shows what happens to the one call while it lives; returns its last snapshot.
async fn watch(http: SocketAddr) -> Value {
    let (mut last, mut shown, mut seen) = (Value::Null, 0, false);
    loop {
        let calls = api::get_json(http, "/v1/calls").await.unwrap_or(Value::Null);
        let list = calls["calls"].as_array().cloned().unwrap_or_default();
        let id = list.first().and_then(|call| call["call_id"].as_str().map(str::to_owned));
        match id {
            Some(id) => {
                seen = true;
                if let Some(call) = api::get_json(http, &format!("/v1/calls/{id}")).await {
                    shown = show(&call, shown);
                    last = call;
                }
            }
            None if seen => {
                // The record has what the legs were like, up to their end.
                let id = last["call_id"].as_str().unwrap_or_default();
                return api::get_json(http, &format!("/v1/calls/{id}")).await.unwrap_or(last);
            }
            None => {}
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Shows the entries of the call's timeline after the first `shown`.
fn show(call: &Value, shown: usize) -> usize {
    let began = call["began"].as_u64().unwrap_or_default();
    let moments = judge::timeline(call, began);
    for moment in moments.iter().skip(shown) {
        let state = moment.state.as_ref().map(|state| format!("── {state} ──")).unwrap_or_default();
        say(&format!("  {:6.2} s  {state}{}\n", moment.at, moment.what));
    }
    moments.len()
}

/// What of a call the node still holds, by the gauges of the page.
fn left(page: &str) -> [(&'static str, Option<f64>); 3] {
    ["baton_calls_active", "baton_legs_active", "baton_ports{state=\"used\"}"].map(|name| {
        let lines = page.lines().filter(|line| line.starts_with(name));
        let totals: Vec<f64> = lines.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        (name, (!totals.is_empty()).then(|| totals.iter().sum()))
    })
}

fn words(left: &[(&str, Option<f64>)]) -> String {
    left.iter()
        .map(|(name, total)| format!("{name} {}", total.map_or("?".to_owned(), |total| total.to_string())))
        .collect::<Vec<_>>()
        .join(", ")
}

fn write_files(folder: &Path, outcome: &Outcome, facts: &Facts) -> Result<(), String> {
    const RECORDINGS: [(&str, &str); 3] = [
        ("caller.wav", "What the caller heard"),
        ("ai.wav", "What the AI heard"),
        ("person.wav", "What the person heard"),
    ];
    let written = |path: &Path, result: Result<(), String>| {
        result.map_err(|error| format!("cannot write {}: {error}", path.display()))
    };
    for ((file, _), heard) in RECORDINGS.iter().zip([&outcome.caller, &outcome.ai, &outcome.ben]) {
        let path = folder.join(file);
        written(&path, write_wav(&path, heard))?;
    }
    let path = folder.join("report.html");
    let page = report::html(facts, &RECORDINGS);
    written(&path, std::fs::write(&path, page).map_err(|error| error.to_string()))
}

fn write_wav(path: &Path, heard: &Heard) -> Result<(), String> {
    let rate = u32::try_from(heard.rate).unwrap_or(8_000);
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let write = || {
        let mut file = hound::WavWriter::create(path, spec)?;
        heard.samples.iter().try_for_each(|&sample| file.write_sample(sample))?;
        file.finalize()
    };
    write().map_err(|error: hound::Error| error.to_string())
}

/// The recordings that the parties speak.
fn voices() -> Result<Voices, String> {
    let read = |bytes: &'static [u8]| -> Result<std::sync::Arc<[i16]>, String> {
        let file = hound::WavReader::new(bytes).map_err(|error| error.to_string())?;
        file.into_samples::<i16>()
            .collect::<Result<Vec<_>, _>>()
            .map(Into::into)
            .map_err(|error| error.to_string())
    };
    Ok(Voices {
        caller: read(include_bytes!("../../../../assets/audio/caller.wav"))?,
        ai: read(include_bytes!("../../../../assets/audio/ai.wav"))?,
        agent: read(include_bytes!("../../../../assets/audio/agent.wav"))?,
    })
}

/// The node's ports for RTP.
const PORTS: RangeInclusive<u16> = 40_000..=40_999;
/// Tries to find a port that is none of these: one in thirty is.
const PORT_TRIES: usize = 20;

/// A port that is free and none of those for RTP, as `bind` finds it.
fn free(bind: impl Fn() -> std::io::Result<SocketAddr>) -> Result<SocketAddr, String> {
    for _ in 0..PORT_TRIES {
        let at = bind().map_err(|error| format!("no free port on loopback: {error}"))?;
        if !PORTS.contains(&at.port()) {
            return Ok(at);
        }
    }
    Err(format!("no free port on loopback outside {}-{}", PORTS.start(), PORTS.end()))
}

/// Free ports for everybody: each party has an address of its own in the loopback network.
fn places() -> Result<(Places, SocketAddr), String> {
    let http = free(|| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr())?;
    let free = |last: u8| free(|| UdpSocket::bind((Ipv4Addr::new(127, 0, 0, last), 0))?.local_addr());
    let places = Places { node: free(1)?, caller: free(4)?, ai: free(2)?, ann: free(3)?, ben: free(3)? };
    Ok((places, http))
}

fn settings(places: &Places, http: SocketAddr) -> Settings {
    let Places { node, ai, ann, ben, .. } = places;
    let (first, last) = (PORTS.start(), PORTS.end());
    let text = format!(
        r#"
[sip]
listen = ["udp://{node}"]
[media]
address = "127.0.0.1"
ports = "{first}-{last}"
[http]
listen = "{http}"
[[peers]]
name = "snapcall"
from = ["127.0.0.4/32"]
codecs = ["opus", "PCMU", "PCMA"]
[[peers]]
name = "people"
from = ["127.0.0.3/32"]
codecs = ["PCMU"]
[[peers]]
name = "polyai"
from = ["127.0.0.2/32"]
uris = ["sip:1000@{ai}"]
codecs = ["PCMU", "PCMA"]
[[queues]]
name = "snapcall_agents"
peer = "people"
agents = ["sip:ann@{ann}", "sip:ben@{ben}"]
strategy = "ring-in-order"
ring_seconds = {RING_SECONDS}
[[flows]]
name = "support"
match = {{ user = "*" }}
ai = "polyai"
queue = "snapcall_agents"
"#
    );
    let world = Surroundings { env: &|_| None, sound_fault: &|_| None, tls_faults: &|_| Vec::new() };
    Settings::read(&text, &world)
        .unwrap_or_else(|issues| panic!("the demo's own settings are wrong: {issues:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_for_rtp_is_not_taken_for_anything_else() {
        let ports = std::cell::Cell::new(40_462_u16);
        let next = || Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, ports.replace(50_000))));
        assert_eq!(free(next).map(|at| at.port()), Ok(50_000));
        assert!(free(|| Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, 40_999)))).is_err());
    }

    #[test]
    fn the_demos_settings_and_recordings_are_usable() {
        let (places, http) = places().unwrap();
        assert_eq!(settings(&places, http).queues.len(), 1);
        let voices = voices().unwrap();
        assert!(voices.caller.len() > 16_000 * 8 && voices.ai.len() > 16_000 * 3);
    }
}
