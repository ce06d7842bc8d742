"""score.py REF.wav DEG.wav …: for each pair finds REF in DEG by cross-correlation and prints one JSON line with the narrowband PESQ
(ITU-T P.862) of the part they share, where it was found, and the difference of level."""
import json
import sys

import numpy as np
import soundfile
from pesq import pesq
from scipy.signal import correlate, resample_poly

RATE = 8000
SECONDS_MIN = 3


def load(path):
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    divisor = np.gcd(rate, RATE)
    return resample_poly(samples[:, 0], RATE // divisor, rate // divisor) if rate != RATE else samples[:, 0]


def level(samples):
    return 20 * np.log10(np.sqrt(np.mean(samples**2)) + 1e-9)


def score(reference, degraded):
    """The figures for two arrays at RATE; None if they share too little."""
    likeness = correlate(degraded, reference, mode="full", method="fft")
    lag = int(np.argmax(likeness)) - len(reference) + 1
    start, skipped = max(0, lag), max(0, -lag)
    length = min(len(degraded) - start, len(reference) - skipped)
    if length < SECONDS_MIN * RATE:
        return None
    reference, degraded = reference[skipped:skipped + length], degraded[start:start + length]
    return {
        "pesq_nb": round(float(pesq(RATE, reference, degraded, "nb")), 3),
        "offset_ms": round(lag * 1000 / RATE, 1),
        "seconds": round(length / RATE, 2),
        "level_db": round(float(level(degraded) - level(reference)), 2),
    }


def main(reference, degraded):
    figures = score(load(reference), load(degraded))
    if figures is None:
        sys.exit(f"{degraded}: less than {SECONDS_MIN} s of the reference were found")
    print(json.dumps(figures))


if __name__ == "__main__":
    for at in range(1, len(sys.argv) - 1, 2):
        main(*sys.argv[at:at + 2])
