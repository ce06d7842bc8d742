//! The runs as Markdown, for `benches/RESULTS.md`.

use std::fmt::Write;

use crate::figures::Spread;
use crate::machine::Nanos;
use crate::report::Report;
use crate::run::Point;
use crate::series::{Sweep, holds};
use crate::server::By;

/// All that was measured.
pub(crate) fn markdown(report: &Report) -> String {
    let mut out = String::new();
    for sweep in &report.sweeps {
        write_sweep(&mut out, report, sweep);
    }
    write_beside(&mut out, report);
    for (codecs, points) in by_codecs(&report.points) {
        let _ = writeln!(out, "### Calls, {codecs}\n\n{}", table(report, &points));
    }
    if !report.setups.is_empty() {
        write_setups(&mut out, report);
    }
    if !report.sipp.is_empty() {
        write_sipp(&mut out, report);
    }
    for sentence in &report.failures.0 {
        let _ = writeln!(out, "**Failed:** {sentence}\n");
    }
    out
}

fn by_codecs(points: &[Point]) -> Vec<(String, Vec<&Point>)> {
    let mut groups: Vec<(String, Vec<&Point>)> = Vec::new();
    for point in points {
        let name = point.load.codecs.to_string();
        match groups.iter_mut().find(|(of, _)| *of == name) {
            Some((_, group)) => group.push(point),
            None => groups.push((name, vec![point])),
        }
    }
    groups
}

/// Every figure of these runs, a column each.
fn table(report: &Report, points: &[&Point]) -> String {
    let heads: Vec<String> = points.iter().map(|point| point.load.to_string()).collect();
    let mut out = format!("| | {} |\n|---|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
    for (name, cells) in report.rows(points) {
        let _ = writeln!(out, "| {name} | {} |", cells.join(" | "));
    }
    out
}

fn write_sweep(out: &mut String, report: &Report, sweep: &Sweep) {
    let codecs = sweep.at.load.codecs;
    let _ = writeln!(
        out,
        "### The knee, {codecs}\n\nThe most calls of which nothing was lost and 99.9 % of the packets left within 3 ms of their instant: \
         **{}** on one core.\n\n| calls | held | node CPU per call-second | of its core | pacing, p50 / p99 / p99.9 / max | \
         bare timer | lost to, from node | callers got |\n|---|---|---|---|---|---|---|---|",
        sweep.knee
    );
    for point in &sweep.points {
        let _ = writeln!(
            out,
            "| {} | {} | {:.2} ms | {:.0} % | {} | {} | {}, {} | {} of {} |",
            point.load.calls,
            if holds(point) { "yes" } else { "no" },
            ms(point.cpu_per_call_second),
            point.node_share * 100.0,
            spread(point.seen.pacing),
            spread(Some(point.bare)),
            point.towards_node.1,
            point.seen.lost,
            point.seen.callers,
            point.due(),
        );
    }
    let _ = writeln!(out, "\nAt 80 % of it:\n\n{}", table(report, &[&sweep.at]));
}

fn write_beside(out: &mut String, report: &Report) {
    for (codecs, points) in by_codecs(&report.beside) {
        let transcoded = points[0].load.codecs.is_transcoded();
        let version = baton_benches::ng::version().unwrap_or_default();
        let _ = writeln!(
            out,
            "### Beside rtpengine {version}, {codecs}, {} calls\n\n| who | runs | CPU per call-second | Baton by this | memory per call | lost | {} | \
             bare timer | delay to AI, to caller, p50 | Opus to callers |\n|---|---|---|---|---|---|---|---|---|---|",
            points[0].load.calls,
            if transcoded { "pacing, p50 / p99 / p99.9 / max" } else { "relay, p50 / p99 / p99.9 / max" },
        );
        let mut who: Vec<By> = Vec::new();
        points.iter().for_each(|point| {
            if !who.contains(&point.load.by) {
                who.push(point.load.by)
            }
        });
        let of = |by: By| points.iter().copied().filter(move |point| point.load.by == by);
        let cpu = |by: By| {
            of(by).map(|point| ms(point.cpu_per_call_second)).sum::<f64>() / of(by).count().max(1) as f64
        };
        for by in who {
            let runs = of(by).count().max(1);
            // Of several runs the better one: what else the machine does can only make it worse.
            let paced = |point: &Point| if transcoded { point.seen.pacing } else { point.seen.relay };
            let Some(best) = of(by).min_by_key(|point| paced(point).map(|all| all.p999)) else { continue };
            let memory = of(by).map(|point| point.memory_per_call as f64 / 1024.0).sum::<f64>() / runs as f64;
            let lost: i64 = of(by).map(|point| point.towards_node.1 + point.seen.lost as i64).sum();
            let _ = writeln!(
                out,
                "| {by} | {runs} | {:.2} ms | {:.2} | {memory:.0} KiB | {lost} | {} | {} | {}, {} | {} |",
                cpu(by),
                cpu(By::Baton) / cpu(by),
                spread(paced(best)),
                spread(Some(best.bare)),
                middle(best.seen.to_ai),
                middle(best.seen.to_caller),
                if transcoded { format!("{:.1} kbit/s", best.kbits_to_callers) } else { "-".into() },
            );
        }
        out.push('\n');
    }
}

fn write_setups(out: &mut String, report: &Report) {
    out.push_str(
        "### Set-ups without sound, PCMU on both sides\n\n| set-ups a second | calls | failures | INVITE to 200, p50 / p99 / p99.9 / max | \
         node CPU per call |\n|---|---|---|---|---|\n",
    );
    for run in &report.setups {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {:.3} ms |",
            run.rate,
            run.calls,
            run.failures,
            spread(run.set_up),
            ms(run.cpu_per_call)
        );
    }
    out.push('\n');
}

fn write_sipp(out: &mut String, report: &Report) {
    out.push_str(
        "### Set-ups by SIPp, PCMU on both sides\n\n| set-ups a second | calls | answered | 503 | failed | INVITE to 200, p50 / p99 / p99.9 / max | \
         node CPU per call | node memory |\n|---|---|---|---|---|---|---|---|\n",
    );
    for run in &report.sipp {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {:.3} ms | {} MiB |",
            run.rate,
            run.calls,
            run.answered,
            run.refused,
            run.failed,
            spread(run.set_up),
            ms(run.cpu_per_call),
            run.memory >> 20
        );
    }
    out.push('\n');
}

fn ms(nanos: Nanos) -> f64 {
    nanos as f64 / 1e6
}

fn middle(all: Option<Spread>) -> String {
    all.map_or_else(|| "-".to_owned(), |all| format!("{:.1} ms", ms(all.p50)))
}

fn spread(all: Option<Spread>) -> String {
    all.map_or_else(
        || "-".to_owned(),
        |all| {
            format!("{:.2} / {:.2} / {:.2} / {:.2} ms", ms(all.p50), ms(all.p99), ms(all.p999), ms(all.max))
        },
    )
}
