"""judge.py: reads requests from standard input, one line each, and answers on standard output, "ok" and numbers.

  ready                  -> ok
  voice FILE             -> ok N8 N48, then N8 and N48 samples (16 bits, little-endian) at 8 and 48 kHz
  score N FILE, N samples at 8 kHz -> ok PESQ LAG LAG_MAX: narrowband PESQ (ITU-T P.862) of the part of the recording that is in
                            the samples, and where it is there in milliseconds, median and greatest over its loud stretches

A recording of less than 8 s is repeated with 300 ms of silence between until it is longer.
"""
import functools
import sys

import numpy as np
import soundfile
from pesq import pesq
from scipy.signal import correlate, resample_poly

RATE = 8000
SECONDS_MIN = 8
BREATH_S = 0.3
WINDOW, HOP, REACH = 3200, 1600, 1200
# Below this a stretch, such as one with 60 ms made up, is as like to another place as to its own.
LIKENESS_MIN = 0.7


def to_int16(samples):
    return np.clip(np.round(samples), -32768, 32767).astype(np.int16)


@functools.cache
def voice(path):
    samples, rate = soundfile.read(path, dtype="int16")
    assert rate == 16000 and samples.ndim == 1, path
    once = samples
    while len(samples) < SECONDS_MIN * rate:
        samples = np.concatenate([samples, np.zeros(int(BREATH_S * rate), np.int16), once])
    resampled = [resample_poly(samples.astype(float), up, down, window=("kaiser", 8.0)) for up, down in ((1, 2), (3, 1))]
    return tuple(to_int16(one) for one in resampled)


def lags(reference, heard, lag):
    """By how many samples each loud stretch of the reference trails in what was heard, looked for around `lag`."""
    found = []
    loud = np.sqrt(np.mean(reference**2)) * 0.5
    for at in range(0, len(reference) - WINDOW, HOP):
        stretch = reference[at:at + WINDOW]
        begin = at + lag - REACH
        around = heard[max(0, begin):begin + WINDOW + 2 * REACH]
        if begin < 0 or len(around) < WINDOW + 2 * REACH or np.sqrt(np.mean(stretch**2)) < loud:
            continue
        sums = np.concatenate([[0], np.cumsum(around**2)])
        power = np.sqrt((sums[WINDOW:] - sums[:-WINDOW]) * np.sum(stretch**2)) + 1e-9
        likeness = correlate(around, stretch, mode="valid", method="fft") / power
        best = int(np.argmax(likeness))
        if likeness[best] > LIKENESS_MIN:
            found.append(lag - REACH + best)
    return found or [lag]


def score(path, heard):
    reference = voice(path)[0].astype(float)
    lag = int(np.argmax(correlate(heard, reference, mode="full", method="fft"))) - len(reference) + 1
    begin, skipped = max(0, lag), max(0, -lag)
    length = min(len(heard) - begin, len(reference) - skipped)
    if length < 3 * RATE:
        return "less than 3 s of the recording were found"
    quality = pesq(RATE, reference[skipped:skipped + length] / 32768, heard[begin:begin + length] / 32768, "nb")
    trails = np.array(lags(reference, heard, lag)) * 1000 / RATE
    return f"ok {quality:.4f} {np.median(trails):.3f} {np.max(trails):.3f}"


def main():
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    for line in requests:
        what, *words = line.decode().rstrip("\n").split(" ")
        if what == "ready":
            answers.write(b"ok\n")
        elif what == "voice":
            arrays = voice(" ".join(words))
            answers.write(("ok " + " ".join(str(len(one)) for one in arrays) + "\n").encode())
            answers.writelines(one.astype("<i2").tobytes() for one in arrays)
        elif what == "score":
            heard = np.frombuffer(requests.read(2 * int(words[0])), "<i2").astype(float)
            try:
                answer = score(" ".join(words[1:]), heard)
            except Exception as error:
                answer = f"{type(error).__name__}: {error}"
            answers.write((answer.replace("\n", " ") + "\n").encode())
        answers.flush()


main()
