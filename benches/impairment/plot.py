"""plot.py FIGURES.json PLOT.svg: one panel a way, PESQ over the line's faults, a line for each system; no library needed."""
import json
import sys
from html import escape

LOSSES = ["clean", "loss1", "loss3", "loss5", "loss10"]
OTHERS = ["bursts", "jitter", "drift", "reorder"]
WORDS = {
    "clean": "0", "loss1": "1 %", "loss3": "3 %", "loss5": "5 %", "loss10": "10 %",
    "bursts": "bursts", "jitter": "jitter", "drift": "drift", "reorder": "reorder",
}
# In this order wherever systems are listed. Told apart by colour, by mark and by dash.
STYLES = {
    "Baton": ("#0b57d0", "circle", ""),
    "bare, FEC and PLC": ("#c2410c", "square", "6 3"),
    "bare, PLC": ("#15803d", "triangle", "2 3"),
    "bare, silence": ("#6b7280", "diamond", "1 4"),
    "rtpengine": ("#9d174d", "cross", "8 3 2 3"),
}
WIDTH, HEIGHT, LEFT, TOP, GAP = 510, 310, 44, 34, 26
STEP, LOW, HIGH = 45, 1.0, 4.6


def place(condition):
    at = (LOSSES + [None] + OTHERS).index(condition)
    return LEFT + 18 + at * STEP


def level(pesq):
    return TOP + (HIGH - pesq) / (HIGH - LOW) * (HEIGHT - TOP - 44)


def mark(shape, x, y, colour):
    r = 4
    if shape == "square":
        # Hollow and wide: it often lies under another mark.
        return f'<path d="M{x - 6} {y - 6}h12v12h-12z" fill="none" stroke="{colour}" stroke-width="1.5"/>'
    paths = {
        "triangle": f"M{x} {y - r - 1}l{r + 1} {2 * r}h{-2 * r - 2}z",
        "diamond": f"M{x} {y - r - 1}l{r + 1} {r + 1}l{-r - 1} {r + 1}l{-r - 1} {-r - 1}z",
        "cross": f"M{x - r} {y - r}l{2 * r} {2 * r}M{x + r} {y - r}l{-2 * r} {2 * r}",
    }
    if shape == "circle":
        return f'<circle cx="{x}" cy="{y:.1f}" r="{r}" fill="{colour}"/>'
    stroke = f' stroke="{colour}" stroke-width="2"' if shape == "cross" else ""
    return f'<path d="{paths[shape]}" fill="{colour}"{stroke}/>'


def panel(title, rows):
    out = [f'<text x="{LEFT}" y="16" class="title">{escape(title)}</text>']
    for pesq in (1, 2, 3, 4):
        y = level(pesq)
        out.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - 8}" class="grid"/><text x="{LEFT - 8}" y="{y + 4:.1f}" class="scale">{pesq}</text>')
    measured = {row["condition"] for row in rows}
    for condition in [one for one in LOSSES + OTHERS if one in measured]:
        out.append(f'<text x="{place(condition)}" y="{HEIGHT - 26}" class="name">{WORDS[condition]}</text>')
    out.append(f'<text x="{(place("clean") + place("loss10")) / 2}" y="{HEIGHT - 10}" class="name">lost packets, each for itself</text>')
    if measured & set(OTHERS):
        middle = (place(OTHERS[0]) + place(OTHERS[-1])) / 2
        out.append(f'<text x="{middle}" y="{HEIGHT - 10}" class="name">other faults of the line</text>')
    for row in rows:
        if row["to_reach"] and row["system"] == "Baton":
            x, y = place(row["condition"]), level(row["to_reach"])
            out.append(f'<path d="M{x - 14} {y:.1f}h28" class="target"/>')
    for system, (colour, shape, dash) in reversed(STYLES.items()):
        of = {row["condition"]: row["pesq"] for row in rows if row["system"] == system}
        points = [(place(condition), level(of[condition])) for condition in LOSSES if condition in of]
        if len(points) > 1:
            path = "L".join(f"{x} {y:.1f}" for x, y in points)
            out.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>')
        out += [mark(shape, place(condition), round(level(pesq), 1), colour) for condition, pesq in of.items()]
    return "\n".join(out)


def legend(systems):
    out, x = [], LEFT
    for system in systems:
        colour, shape, dash = STYLES[system]
        out.append(f'<path d="M{x} 0h28" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>{mark(shape, x + 14, 0, colour)}')
        out.append(f'<text x="{x + 34}" y="4" class="legend">{system}</text>')
        x += 60 + 7 * len(system)
    out.append(f'<path d="M{x} 0h28" class="target"/><text x="{x + 34}" y="4" class="legend">to reach</text>')
    return "\n".join(out)


def main(figures, plot):
    with open(figures, encoding="utf-8") as file:
        rows = json.load(file)["rows"]
    ways = list(dict.fromkeys(row["way"] for row in rows))
    used = {row["system"] for row in rows}
    width, height = 2 * WIDTH + GAP, 70 + (len(ways) + 1) // 2 * (HEIGHT + GAP)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        "<style>.title{font-weight:bold;font-size:14px}.grid{stroke:#d4d4d8}.scale{text-anchor:end;fill:#52525b}"
        ".name{text-anchor:middle;fill:#3f3f46}.target{stroke:#111;stroke-width:1.5}.legend{fill:#18181b}</style>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="{LEFT}" y="22" class="title">How speech sounds (narrowband PESQ, mean of all voices and seeds)</text>',
        f'<g transform="translate(0 44)">{legend([system for system in STYLES if system in used])}</g>',
    ]
    for at, way in enumerate(ways):
        of = [row for row in rows if row["way"] == way]
        x, y = at % 2 * (WIDTH + GAP), 64 + at // 2 * (HEIGHT + GAP)
        out.append(f'<g transform="translate({x} {y})">{panel(of[0]["title"], of)}</g>')
    out.append("</svg>")
    with open(plot, "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")


main(*sys.argv[1:3])
