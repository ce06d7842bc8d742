"""compare.py OPUS AUDIOPUS FOLDER: runs the two programs in turn over the demo's speech and prints the figures as Markdown.

Times are microseconds of processor time a frame of 20 ms, the least of two runs of seven passes; PESQ (narrowband, ITU-T P.862) is of what each program's
encoder and decoder make of the speech, at 8 kHz."""
import pathlib
import subprocess
import sys

import numpy as np
import soundfile
from scipy.signal import resample_poly

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests/quality"))
from score import load, score  # noqa: E402

RUNS = 2


def recordings(folder):
    samples, rate = soundfile.read(ROOT / "engine/assets/audio/caller.wav", dtype="float64")
    for to in (8000, 48000):
        out = resample_poly(samples, to // 1000, rate // 1000)
        soundfile.write(folder / f"{to}.wav", np.clip(out, -1, 1), to, "PCM_16")


def run(program, folder, out):
    out.mkdir(exist_ok=True)
    text = subprocess.run([program, folder, out], check=True, capture_output=True, text=True).stdout
    lines = [line.split(" ", 1) for line in text.splitlines()]
    version = next(rest for what, rest in lines if what == "version")
    figures = {}
    for what, rest in lines:
        if what != "version":
            *setting, micros = rest.split(" ")[:4]
            figures[what, *setting] = float(micros)
    return version, figures


def main(opus, audiopus, folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    recordings(folder)
    versions, best = {}, {}
    for _ in range(RUNS):
        for name, program in (("opus", opus), ("audiopus", audiopus)):
            versions[name], figures = run(program, folder, folder / name)
            for key, micros in figures.items():
                best[name, key] = min(micros, best.get((name, key), micros))
    reference = load(folder / "8000.wav")
    # The libopus that audiopus bundles is built without its version.
    versions = {name: version.replace("unknown", "1.3.1, bundled") for name, version in versions.items()}
    print(f"### Bindings: `opus` ({versions['opus']}) and `audiopus` ({versions['audiopus']})\n")
    print("| API rate, complexity, FEC | encode: `opus` | `audiopus` | ratio | decode at 8 kHz: `opus` | `audiopus` | ratio "
          "| PESQ: `opus` | `audiopus` | same payloads |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for _, rate, complexity, fec in sorted({key for _, key in best if key[0] == "encode"}, key=lambda key: (int(key[1]), key[2], key[3])):
        cells = [f"{int(rate) // 1000} kHz, {complexity}, {'yes' if fec == '1' else 'no'}"]
        for what in ("encode", "decode"):
            times = [best[name, (what, rate, complexity, fec)] for name in ("opus", "audiopus")]
            cells += [f"{time:.1f} µs" for time in times] + [f"{times[1] / times[0]:.2f}"]
        file = f"{rate}-{complexity}-{fec}"
        cells += [f"{score(reference, load(folder / name / f'{file}.wav'))['pesq_nb']:.2f}" for name in ("opus", "audiopus")]
        same = (folder / "opus" / f"{file}.opus").read_bytes() == (folder / "audiopus" / f"{file}.opus").read_bytes()
        cells.append("yes" if same else "no")
        print("| " + " | ".join(cells) + " |")
    print()


main(*sys.argv[1:4])
