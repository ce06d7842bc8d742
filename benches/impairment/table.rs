//! The figures as tables and as JSON.

use std::fmt::Write;

use baton_benches::impairment::{Bare, Concealment, Condition};
use serde_json::json;

use crate::grid::{Cell, Results, System, bares};
use crate::options::{Named, Options};

/// What is to be reached: way, line, least mean PESQ.
const TARGETS: [(&str, Condition, f64); 6] = [
    ("opus-pcmu", Condition::Loss(5), 3.9),
    ("opus-pcmu", Condition::Loss(10), 3.65),
    ("pcmu-pcmu", Condition::Loss(5), 3.4),
    ("pcmu-pcmu", Condition::Loss(10), 2.8),
    ("pcmu-opus", Condition::Loss(5), 4.05),
    ("pcmu-opus", Condition::Loss(10), 3.85),
];
/// How far below the bare codecs a clean line may sound.
const CLEAN_BELOW: f64 = 0.05;
/// Percent of rtpengine's packets that may be missing beyond what the line lost.
const STARVED: f64 = 0.5;
/// What may be added to the jitter buffer's target, in milliseconds: a frame, and 2 ms.
const DELAY_OVER: f64 = 22.0;

const PLAIN: System = System::Bare(Bare { concealment: Concealment::Plc, fec: false });

fn bare_name(how: Bare) -> &'static str {
    match how.concealment {
        Concealment::Nothing => "bare, silence",
        Concealment::Plc => "bare, PLC",
        Concealment::Fec => "bare, FEC and PLC",
    }
}

fn target(results: &Results, name: &str, condition: Condition) -> Option<f64> {
    if condition == Condition::Clean {
        let bare = results
            .iter()
            .find(|((way, line, system), _)| *way == name && *line == Condition::Clean && *system == PLAIN);
        return bare.map(|(_, cell)| cell.mean() - CLEAN_BELOW);
    }
    TARGETS.iter().find(|(way, line, _)| *way == name && *line == condition).map(|(_, _, least)| *least)
}

/// The tables, one for each way.
pub(crate) fn markdown(options: &Options, results: &Results) -> String {
    let mut out = String::new();
    for named in &options.ways {
        let bares = if options.bare { bares(named) } else { Vec::new() };
        let _ = write!(out, "### {}\n\n| line | PESQ, mean (least) | to reach |", named.title);
        for &how in &bares {
            let _ = write!(out, " {} |", bare_name(how));
        }
        let is_beside = options
            .conditions
            .iter()
            .any(|line| results.contains_key(&(named.name, *line, System::Rtpengine)));
        if is_beside {
            out += " rtpengine, its delay |";
        }
        let _ = writeln!(out, " lost | late | made up | relayed | delay added | its most | target |");
        let _ = writeln!(out, "|{}", "---|".repeat(10 + bares.len() + usize::from(is_beside)));
        for &condition in &options.conditions {
            let Some(cell) = results.get(&(named.name, condition, System::Baton)) else { continue };
            let _ = writeln!(out, "{}", row(named, condition, cell, (&bares, is_beside), results));
        }
        out.push('\n');
    }
    out
}

fn row(
    named: &Named,
    condition: Condition,
    cell: &Cell,
    (bares, is_beside): (&[Bare], bool),
    results: &Results,
) -> String {
    let least = target(results, named.name, condition);
    let reach = least.map_or(String::new(), |least| {
        format!("{least:.2} {}", if cell.mean() >= least { "✓" } else { "✗" })
    });
    let mut row = format!("| {condition} | **{:.2}** ({:.2}) | {reach} |", cell.mean(), cell.least());
    for &how in bares {
        let bare = results.get(&(named.name, condition, System::Bare(how)));
        row += &bare.map_or(" |".to_owned(), |bare| format!(" {:.2} |", bare.mean()));
    }
    let rival = results.get(&(named.name, condition, System::Rtpengine));
    if is_beside {
        let told = |rival: &Cell| {
            // What did not come though the line had not lost it: the machine had too little time for it.
            let starved = if rival.percent(rival.lost) > STARVED { ", starved" } else { "" };
            format!(" {:.2} ({:.2}), {:.0} ms{starved} |", rival.mean(), rival.least(), rival.delay())
        };
        row += &rival.map_or(" |".to_owned(), told);
    }
    let over = if cell.relayed == 0 && cell.delay() > cell.target() + DELAY_OVER { " ✗" } else { "" };
    let _ = write!(
        row,
        " {:.1} % | {:.1} % | {:.1} % | {:.0} % | {:.1} ms{over} | {:.1} ms | {:.1} ms |",
        cell.percent(cell.lost),
        cell.percent(cell.late),
        cell.percent(cell.concealed),
        cell.percent(cell.relayed),
        cell.delay(),
        cell.delay_max(),
        cell.target(),
    );
    row
}

/// The same for programs, and for the plot.
pub(crate) fn json(options: &Options, results: &Results) -> String {
    let round = |value: f64| (value * 1000.0).round() / 1000.0;
    let mut rows = Vec::new();
    for named in &options.ways {
        let systems =
            [System::Baton, System::Rtpengine].into_iter().chain(bares(named).into_iter().map(System::Bare));
        for system in systems {
            for &condition in &options.conditions {
                let Some(cell) = results.get(&(named.name, condition, system)) else { continue };
                let mut row = json!({
                    "way": named.name,
                    "title": named.title,
                    "system": match system { System::Baton => "Baton", System::Bare(how) => bare_name(how), System::Rtpengine => "rtpengine" },
                    "condition": condition.name(),
                    "runs": cell.scores.len(),
                    "pesq": round(cell.mean()),
                    "pesq_least": round(cell.least()),
                    "to_reach": target(results, named.name, condition).map(round),
                });
                if system == System::Rtpengine {
                    row["delay_ms"] = round(cell.delay()).into();
                    row["delay_ms_max"] = round(cell.delay_max()).into();
                    row["never_came_percent"] = round(cell.percent(cell.lost)).into();
                }
                if system == System::Baton {
                    row["lost_percent"] = round(cell.percent(cell.lost)).into();
                    row["late_percent"] = round(cell.percent(cell.late)).into();
                    row["concealed_percent"] = round(cell.percent(cell.concealed)).into();
                    row["relayed_percent"] = round(cell.percent(cell.relayed)).into();
                    row["delay_ms"] = round(cell.delay()).into();
                    row["delay_ms_max"] = round(cell.delay_max()).into();
                    row["target_ms"] = round(cell.target()).into();
                }
                rows.push(row);
            }
        }
    }
    let all = json!({
        "what": "narrowband PESQ (ITU-T P.862) of speech through a session, and through the bare codecs with the same losses",
        "voices": baton_benches::impairment::VOICES,
        "seeds": options.seeds,
        "rows": rows,
    });
    serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
}
