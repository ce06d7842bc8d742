"""results.py TARGET PARTS RESULTS.md: puts together what the benches have shown: the parts that they wrote into PARTS, criterion's times
and iai-callgrind's instruction counts from TARGET (cargo's folder), and what the machine is."""
import datetime
import json
import pathlib
import platform
import subprocess
import sys

INTRODUCTION = """# What the benches have shown

Made by `./run bench results`; benches/README.md says what each figure means. Percentiles are p50 / p99 / p99.9 / max.
"""
# What people write below it stays when the results are made anew.
MARK = "<!-- Written by hand, and kept. -->\n"
# How often the work of one instruction count is done in it, and what one is.
UNITS = {
    "relay_both_ways": "one second of a call, 100 packets",
    "transcode_both_ways": "one second of a call, 100 packets",
    "hold_audio": "one second of a call, 50 packets",
    "opus_encode": "one second",
    "opus_decode": "one second",
    "g711_there_and_back": "one second",
    "g711_conceal": "one second, every tenth frame lost",
    "parse": "ten messages",
    "write": "ten messages",
}


def first(path, start):
    try:
        lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return "?"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(start) and ":" in line), "?")


def output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "?"


def machine():
    memory = first("/proc/meminfo", "MemTotal").split()[0]
    gib = f"{int(memory) / 2**20:.0f} GiB" if memory.isdigit() else "?"
    cores = len([line for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("processor")])
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        system = platform.system()
    hypervisor = "virtual, " if "hypervisor" in first("/proc/cpuinfo", "flags") else ""
    return "\n".join([
        "## The machine", "",
        f"- {cores} cores of {first('/proc/cpuinfo', 'model name')}, {hypervisor}{gib} of memory",
        f"- {system}, Linux {platform.release()}; {output('rustc', '--version')}",
        f"- load average when this was put together: {pathlib.Path('/proc/loadavg').read_text().split(' ', 1)[0]}",
        f"- {datetime.date.today():%-d %B %Y}, commit {output('git', 'rev-parse', '--short', 'HEAD')}",
        "", "",
    ])


def times(target):
    rows = []
    for file in sorted((target / "criterion").glob("**/new/estimates.json")):
        benchmark = json.loads((file.parent / "benchmark.json").read_text())
        estimate = json.loads(file.read_text())["median"]
        low, high = (estimate["confidence_interval"][f"{end}_bound"] / 1000 for end in ("lower", "upper"))
        rows.append(f"| {benchmark['title']} | {estimate['point_estimate'] / 1000:.3f} µs | {low:.3f} to {high:.3f} |")
    if not rows:
        return ""
    head = "## Times\n\nMedians of criterion, and their 95 % confidence intervals. On a busy machine the counts below say more.\n\n"
    return head + "| what | median | interval, µs |\n|---|---|---|\n" + "\n".join(sorted(set(rows))) + "\n\n"


def instructions(target):
    rows = []
    for file in sorted((target / "iai").glob("**/summary.json")):
        summary = json.loads(file.read_text())
        count = find(summary, "Ir")
        if count is None:
            continue
        name = summary["function_name"]
        rows.append((summary["module_path"].rsplit("::", 2)[-2], name, summary.get("id") or "", count))
    if not rows:
        return ""
    spaced = [(group, name, case, f"{count:,}".replace(",", " ")) for group, name, case, count in rows]
    lines = [f"| {group} | {name} {case} | {count} | {UNITS.get(name, '')} |" for group, name, case, count in spaced]
    head = "## Instructions\n\nCounted by valgrind (callgrind) in one run; they do not depend on what else the machine does.\n\n"
    return head + "| bench | what | instructions | of |\n|---|---|---|---|\n" + "\n".join(lines) + "\n\n"


def find(value, metric):
    """The new count of a metric, wherever the summary's version keeps it."""
    if isinstance(value, dict):
        if metric in value:
            return number(value[metric])
        value = value.values()
    elif not isinstance(value, list):
        return None
    found = (find(one, metric) for one in value)
    return next((one for one in found if one is not None), None)


def number(value):
    if isinstance(value, (int, float)):
        return int(value)
    if isinstance(value, dict):
        for key in ("Left", "Both", "new", "Int", "metrics"):
            if key in value:
                return number(value[key])
    if isinstance(value, list) and value:
        return number(value[0])
    return None


def course(parts):
    """How long each part took, and which failed."""
    lines = [line.split("\t") for line in (parts / "parts.tsv").read_text().splitlines()]
    rows = [f"| {name} | {int(seconds) // 60} min {int(seconds) % 60:02} s | {'' if state == 'ok' else '**' + state + '**'} |" for name, seconds, state in lines]
    return "## How long it took\n\n| part | time | |\n|---|---|---|\n" + "\n".join(rows) + "\n\n"


def kept(results):
    """What people have written below the mark in the results before these."""
    text = results.read_text(encoding="utf-8") if results.exists() else ""
    return MARK + text.split(MARK, 1)[1] if MARK in text else ""


def part(parts, name, head):
    file = parts / name
    return f"{head}\n\n{file.read_text(encoding='utf-8').rstrip()}\n\n" if file.exists() else ""


def printed(parts, name, head):
    """What a bench has printed, as it is."""
    file = parts / name
    return f"{head}\n\n```\n{file.read_text(encoding='utf-8').strip()}\n```\n\n" if file.exists() else ""


def main(target, parts, results):
    target, parts = pathlib.Path(target), pathlib.Path(parts)
    text = INTRODUCTION + "\n" + machine()
    text += part(parts, "calls.md", "## `calls`: real calls through a real node")
    picture = "![PESQ of every way over every line](results/impairment.svg)"
    text += part(parts, "impairment.md", f"## `impairment`: speech over bad lines\n\n{picture}")
    text += printed(parts, "sockets.log", "## `sockets`: what a packet costs")
    text += part(parts, "bindings.md", "## `bindings`: why `opus`")
    text += instructions(target) + times(target) + course(parts) + kept(pathlib.Path(results))
    pathlib.Path(results).write_text(text.rstrip() + "\n", encoding="utf-8")


main(*sys.argv[1:4])
