//! The demo's report: one HTML page that needs nothing beside it, with the call's timeline and a plot of what the
//! caller heard.

use std::fmt::Write as _;

use super::facts::{Facts, Moment};

const WIDTH: f64 = 1080.0;
const HEIGHT: f64 = 260.0;
const TOP: f64 = 46.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 14.0;
/// The lowest level that is drawn, dB below full scale.
const FLOOR: f64 = -80.0;

/// The page. `recordings` are file names beside it, with what they are.
pub(crate) fn html(facts: &Facts, recordings: &[(&str, &str)]) -> String {
    let verdict = if facts.passed() { "All checks passed" } else { "Some checks failed" };
    let mut page = String::with_capacity(64 * 1024);
    page.push_str("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">");
    let _ = write!(page, "<title>Baton: call {}</title><style>{STYLE}</style><main>", escape(&facts.call_id));
    let _ = write!(
        page,
        "<h1>From the AI to a person</h1><p>Call <code>{}</code>. <strong class=\"{}\">{verdict}.</strong></p>",
        escape(&facts.call_id),
        if facts.passed() { "ok" } else { "bad" }
    );
    page.push_str("<h2>What the caller heard</h2>");
    page.push_str(&plot(facts));
    page.push_str("<p class=\"note\">Level of the decoded recording per 10 ms, dB below full scale, under the call's states.</p>");
    timeline(&mut page, facts);
    figures(&mut page, facts);
    page.push_str("<h2>Recordings</h2><ul>");
    for (file, what) in recordings {
        let _ = write!(
            page,
            "<li>{} <audio controls preload=\"none\" src=\"{}\"></audio></li>",
            escape(what),
            escape(file)
        );
    }
    page.push_str("</ul></main></html>\n");
    page
}

fn timeline(page: &mut String, facts: &Facts) {
    page.push_str("<h2>Timeline</h2><table><tr><th>Time</th><th>State</th><th>What</th></tr>");
    for moment in &facts.timeline {
        let _ = write!(
            page,
            "<tr><td class=\"n\">{:.2} s</td><td>{}</td><td>{}</td></tr>",
            moment.at,
            escape(moment.state.as_deref().unwrap_or("")),
            escape(&moment.what)
        );
    }
    page.push_str("</table>");
}

fn figures(page: &mut String, facts: &Facts) {
    page.push_str("<h2>Checks</h2><table><tr><th></th><th>What</th><th>Found</th></tr>");
    for check in &facts.checks {
        let (class, mark) = if check.passed { ("ok", "✓") } else { ("bad", "✗") };
        let _ = write!(
            page,
            "<tr><td class=\"{class}\">{mark}</td><td>{}</td><td>{}</td></tr>",
            escape(&check.what),
            escape(&check.found)
        );
    }
    page.push_str("</table><h2>Times</h2><table>");
    for (what, ms) in &facts.durations {
        let _ = write!(page, "<tr><td>{}</td><td class=\"n\">{ms:.1} ms</td></tr>", escape(what));
    }
    let _ = write!(
        page,
        "<tr><td>longest gap the caller heard, in sound</td><td class=\"n\">{:.1} ms at {:.2} s</td></tr>\
         <tr><td>longest gap between packets to the caller</td><td class=\"n\">{:.1} ms</td></tr></table>",
        facts.gap.sound_ms, facts.gap.at, facts.gap.packet_ms
    );
    page.push_str("<h2>What each side received</h2><table><tr><th>Leg</th><th>Codec</th><th>Packets</th><th>Lost</th><th>Jitter</th><th>MOS (G.107)</th></tr>");
    for leg in &facts.legs {
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{:.1} ms</td><td class=\"n\">{:.2}</td></tr>",
            leg.name,
            escape(&leg.codec),
            leg.packets,
            leg.lost,
            leg.jitter_ms,
            leg.mos
        );
    }
    page.push_str("</table><h2>Context at the person who answered</h2><table><tr><th>Header</th><th>Sent by the AI</th><th>Received</th></tr>");
    for entry in &facts.context {
        let _ = write!(
            page,
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
            escape(&entry.name),
            escape(&entry.sent),
            entry.received.as_deref().map_or("<span class=\"bad\">lost</span>".into(), escape)
        );
    }
    page.push_str("</table>");
}

/// The level curve over bands that show the call's states.
fn plot(facts: &Facts) -> String {
    let seconds = (facts.heard.len() as f64 / 100.0).max(0.1);
    let x = |at: f64| LEFT + (at - facts.heard_from) / seconds * (WIDTH - LEFT - RIGHT);
    let y = |level: f64| TOP + (level.clamp(FLOOR, 0.0) / FLOOR) * (HEIGHT - TOP - 24.0);
    let mut svg =
        format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Level over time\">");
    bands(&mut svg, facts, &x, seconds);
    for level in [0.0, -20.0, -40.0, -60.0, -80.0] {
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{1:.1}\" y2=\"{1:.1}\"/><text x=\"4\" y=\"{2:.1}\">{level} dB</text>",
            WIDTH - RIGHT,
            y(level),
            y(level) + 4.0
        );
    }
    for second in (0..=seconds as usize).step_by(2) {
        let at = facts.heard_from + second as f64;
        let _ = write!(svg, "<text x=\"{:.1}\" y=\"{}\">{:.0} s</text>", x(at), HEIGHT - 6.0, at);
    }
    svg.push_str("<path class=\"level\" d=\"");
    for (window, level) in facts.heard.iter().enumerate() {
        let command = if window == 0 { 'M' } else { 'L' };
        let at = facts.heard_from + window as f64 / 100.0;
        let _ = write!(svg, "{command}{:.1} {:.1}", x(at), y(*level));
    }
    svg.push_str("\"/>");
    if facts.gap.sound_ms > 0.0 {
        let _ = write!(
            svg,
            "<rect class=\"gap\" x=\"{:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            x(facts.gap.at),
            (facts.gap.sound_ms / 1000.0 / seconds * (WIDTH - LEFT - RIGHT)).max(1.0),
            HEIGHT - TOP - 24.0
        );
    }
    svg.push_str("</svg>");
    svg
}

/// A band for each state, and its name over it where there is room: names lie in three rows.
fn bands(svg: &mut String, facts: &Facts, x: &dyn Fn(f64) -> f64, seconds: f64) {
    let states: Vec<&Moment> = facts.timeline.iter().filter(|moment| moment.state.is_some()).collect();
    let end = facts.heard_from + seconds;
    let mut row_ends = [0.0; 3];
    for (number, moment) in states.iter().enumerate() {
        let from = moment.at.clamp(facts.heard_from, end);
        let until = states.get(number + 1).map_or(end, |next| next.at.clamp(facts.heard_from, end));
        // What is over within a tenth of a second cannot be seen.
        if until - from < 0.1 {
            continue;
        }
        let state = moment.state.as_deref().unwrap_or_default();
        let _ = write!(
            svg,
            "<rect class=\"band b{}\" x=\"{:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            number % 4,
            x(from),
            x(until) - x(from),
            HEIGHT - TOP - 24.0
        );
        let Some(row) = row_ends.iter().rposition(|&row_end| row_end <= x(from)) else { continue };
        row_ends[row] = x(from) + 7.5 * state.len() as f64;
        let _ = write!(
            svg,
            "<text class=\"state\" x=\"{:.1}\" y=\"{}\">{}</text>",
            x(from) + 2.0,
            12 + 14 * row,
            escape(state)
        );
    }
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1d2330;--paper:#fff;--line:#d5d9e2;--accent:#0b63c9;--ok:#0a7a3c;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e4e8f0;--paper:#14171d;--line:#39404d;--accent:#6db3ff;--ok:#5fd18c;--bad:#ff8a80}}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1100px;margin:0 auto;padding:1.5rem}h1{margin:0 0 .3rem}h2{margin:1.6rem 0 .4rem;font-size:1.1rem}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid var(--line);padding:.25rem .6rem .25rem 0;text-align:left;vertical-align:top}
.n{font-variant-numeric:tabular-nums;white-space:nowrap}.ok{color:var(--ok)}.bad{color:var(--bad)}.note{opacity:.75;margin:.2rem 0}
svg{width:100%;height:auto;font:11px system-ui,sans-serif}svg text{fill:var(--ink)}.grid{stroke:var(--line)}
.level{fill:none;stroke:var(--accent);stroke-width:1}.band{opacity:.14}.b0{fill:#0b63c9}.b1{fill:#e08700}.b2{fill:#0a7a3c}.b3{fill:#8a3ffc}
.gap{fill:var(--bad);opacity:.6}.state{font-weight:600}audio{height:2rem;vertical-align:middle}li{margin:.3rem 0}";

#[cfg(test)]
mod tests {
    use super::super::facts::{Delivered, Gap};
    use super::*;

    fn facts() -> Facts {
        let mut facts = Facts {
            call_id: "c1<script>".into(),
            heard: vec![-20.0, -30.0, -90.0],
            heard_from: 1.0,
            gap: Gap { sound_ms: 10.0, at: 1.02, packet_ms: 21.0 },
            ..Facts::default()
        };
        facts.timeline.push(Moment { at: 1.0, state: Some("with_ai".into()), what: "AI answered".into() });
        facts.context.push(Delivered { name: "X-A".into(), sent: "\"&\"".into(), received: None });
        facts
    }

    #[test]
    fn what_came_from_the_wire_cannot_become_markup() {
        let page = html(&facts(), &[("caller.wav", "the caller's ear")]);
        assert!(page.contains("c1&lt;script&gt;") && !page.contains("<script"));
        assert!(page.contains("&quot;&amp;&quot;"));
        assert!(page.contains("src=\"caller.wav\""));
    }

    #[test]
    fn a_run_without_checks_or_with_a_failed_one_has_not_passed() {
        let mut facts = facts();
        assert!(!facts.passed());
        facts.check("it rang", true, "yes");
        assert!(facts.passed() && html(&facts, &[]).contains("All checks passed"));
        facts.check("no gap", false, "80 ms");
        assert!(!facts.passed() && html(&facts, &[]).contains("Some checks failed"));
        assert!(facts.to_string().contains("FAIL no gap: 80 ms"));
    }
}
