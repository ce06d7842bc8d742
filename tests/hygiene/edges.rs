//! Who may know whom: `rtp ← media ← call`, queue beside them, all `← shard ← shell`, never back; codecs and
//! signaling know nothing of ours.

use crate::source::Source;
use crate::{Finding, assert_clean, faults};

/// What a part of the tree may name: crates of ours, and modules of the engine.
struct Edge {
    /// Folder or file.
    part: &'static str,
    /// Modules of the engine besides itself.
    modules: &'static [&'static str],
    /// Crates of ours.
    crates: &'static [&'static str],
}

/// Modules below all others: ids, constants, settings, errors.
const LEAVES: [&str; 4] = ["key", "limits", "settings", "error"];

/// The first that fits a path holds.
const EDGES: [Edge; 14] = [
    Edge { part: "codecs/", modules: &[], crates: &["baton_codecs"] },
    Edge { part: "signaling/", modules: &[], crates: &["baton_signaling"] },
    Edge { part: "engine/src/key.rs", modules: &[], crates: &[] },
    Edge { part: "engine/src/limits.rs", modules: &[], crates: &[] },
    Edge { part: "engine/src/rtp/", modules: &[], crates: &["baton_signaling"] },
    Edge { part: "engine/src/media/", modules: &["rtp"], crates: &["baton_signaling", "baton_codecs"] },
    Edge { part: "engine/src/queue/", modules: &[], crates: &["baton_signaling"] },
    Edge { part: "engine/src/cluster/", modules: &[], crates: &["baton_signaling"] },
    Edge { part: "engine/src/call/", modules: &["media", "queue"], crates: &["baton_signaling"] },
    Edge {
        part: "engine/src/shard/",
        modules: &["rtp", "media", "call", "queue"],
        crates: &["baton_signaling"],
    },
    Edge {
        part: "engine/src/shell/",
        modules: &["rtp", "media", "call", "queue", "cluster", "shard", "metrics"],
        crates: &["baton_signaling", "baton_codecs"],
    },
    // The machines count in plain fields; metrics reads their snapshots, so it stands above them.
    Edge {
        part: "engine/src/metrics",
        modules: &["media", "call", "queue", "shard"],
        crates: &["baton_signaling"],
    },
    Edge { part: "engine/src/settings/", modules: &["queue"], crates: &["baton_signaling"] },
    Edge { part: "engine/src/", modules: &["queue", "shell"], crates: &["baton_signaling", "baton_engine"] },
];

/// The engine's modules.
const MODULES: [&str; 13] = [
    "key", "limits", "settings", "metrics", "error", "rtp", "media", "call", "queue", "cluster", "shard",
    "shell", "assets",
];
/// Crates of ours.
const CRATES: [&str; 3] = ["baton_codecs", "baton_signaling", "baton_engine"];

fn edges(file: &Source) -> Vec<Finding> {
    let Some(edge) = EDGES.iter().find(|edge| file.path.starts_with(edge.part)) else { return Vec::new() };
    let own = edge.part.trim_end_matches('/').trim_end_matches(".rs").rsplit('/').next().unwrap_or_default();
    let may = |module: &str| module == own || edge.modules.contains(&module) || LEAVES.contains(&module);
    let modules = file.path.starts_with("engine/").then_some(MODULES).into_iter().flatten();
    let bad_modules = modules.filter(|module| !may(module)).map(|module| format!("crate::{module}"));
    let bad_crates = CRATES.iter().filter(|name| !edge.crates.contains(name)).map(|name| (*name).to_string());
    let names: Vec<String> = bad_modules.chain(bad_crates).collect();
    let hit = |name: &String| -> Vec<Finding> {
        file.words(name).map(|at| format!("{}:{}: may not know `{name}`", file.path, file.line(at))).collect()
    };
    names.iter().flat_map(hit).chain(grouped(file)).collect()
}

/// `use crate::{a, b}` would hide from the search above: one `use` per module.
fn grouped(file: &Source) -> Vec<Finding> {
    let engine = file.path.starts_with("engine/src/");
    let hits = file.words("crate::{").filter(|_| engine);
    hits.map(|at| format!("{}:{}: one `use` per module", file.path, file.line(at))).collect()
}

/// Signalling is known to the media side for its clock alone.
fn only_time(file: &Source) -> Vec<Finding> {
    const PARTS: [&str; 4] =
        ["engine/src/rtp/", "engine/src/media/", "engine/src/queue/", "engine/src/cluster/"];
    if !file.is_in(&PARTS) {
        return Vec::new();
    }
    let after = |at: usize| file.code[at + "baton_signaling::".len()..].trim_start();
    let fine = |at: &usize| {
        let rest = after(*at);
        let named = rest.strip_prefix('{').and_then(|list| list.split('}').next());
        let named = named
            .unwrap_or_else(|| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(""));
        named.split(',').all(|name| matches!(name.trim(), "Time" | "earliest" | ""))
    };
    let bad = file.words("baton_signaling::").filter(|at| !fine(at));
    bad.map(|at| format!("{}:{}: signalling's `Time` alone", file.path, file.line(at))).collect()
}

#[test]
fn no_module_knows_those_above_it() {
    assert_eq!(faults(edges, "engine/src/media/leg.rs", "use crate::call::Call;"), 1);
    assert_eq!(faults(edges, "engine/src/rtp/seq.rs", "use crate::media::Leg;\nuse baton_codecs::g711;"), 2);
    assert_eq!(faults(edges, "engine/src/queue/queue.rs", "use crate::call::Input;"), 1);
    assert_eq!(faults(edges, "engine/src/call/call.rs", "use crate::{shard, key};"), 1);
    assert_eq!(faults(edges, "engine/src/call/call.rs", "use crate::rtp::Seq;\nuse crate::shell::clock;"), 2);
    assert_eq!(faults(edges, "codecs/src/plc.rs", "use baton_signaling::Time;"), 1);
    assert_eq!(
        faults(edges, "engine/src/call/call.rs", "use crate::key::LegId;\nuse crate::media::Order;"),
        0
    );
    assert_clean(edges);
}

#[test]
fn media_and_queues_know_of_signalling_its_clock_alone() {
    assert_eq!(faults(only_time, "engine/src/media/leg.rs", "use baton_signaling::sdp::Answer;"), 1);
    assert_eq!(faults(only_time, "engine/src/media/leg.rs", "use baton_signaling::{Time, endpoint};"), 1);
    assert_eq!(faults(only_time, "engine/src/media/leg.rs", "use baton_signaling::{Time, earliest};"), 0);
    assert_eq!(faults(only_time, "engine/src/call/call.rs", "use baton_signaling::sdp::Answer;"), 0);
    assert_clean(only_time);
}
