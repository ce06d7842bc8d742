#!/usr/bin/env python3
"""Makes hold.wav, the built-in hold audio: four soft chords in a loop that has no seam. Needs Python alone.

Usage: make_hold.py [hold.wav]

The loop is a circle: every note's tail that runs past the end is laid over the start, each note's frequency is
rounded to whole cycles in the loop, and a quiet pad under the notes never stops, so that nothing clicks where the
end meets the start and no 20 ms of it are silent. The tune is original; this file and what it makes are under the
project's licence.
"""
import math
import struct
import sys
import wave

RATE = 8000
BAR_S = 2.5
LEVEL_DBFS = -24.0
# Semitones from A4. One row per bar: bass, then the chord's notes, strummed upwards and once more, thinner.
BARS = [
    (-24, (-9, -5, -2, 2)),  # A minor nine
    (-28, (-12, -9, -5, -2)),  # F major nine
    (-31, (-12, -9, -4, 0)),  # D minor seven
    (-26, (-14, -10, -7, -4)),  # G seven, leading back
]
LENGTH = int(RATE * BAR_S * len(BARS))


def hertz(semitone):
    """The note's frequency, moved to the nearest one with whole cycles in the loop."""
    exact = 440.0 * 2 ** (semitone / 12)
    return round(exact * LENGTH / RATE) * RATE / LENGTH


def strike(loop, start, semitone, gain, seconds):
    """Adds one plucked note with two overtones; what runs past the end goes to the beginning."""
    turn = 2 * math.pi * hertz(semitone) / RATE
    for n in range(int(seconds * RATE)):
        attack = min(1.0, n / (0.02 * RATE))
        release = min(1.0, (seconds * RATE - n) / (0.3 * RATE))
        decay = math.exp(-2.2 * n / (seconds * RATE))
        value = math.sin(turn * n) + 0.35 * math.sin(2 * turn * n) + 0.12 * math.sin(3 * turn * n)
        at = (start + n) % LENGTH
        loop[at] += gain * attack * release * decay * value


def pad(loop, bar, semitones):
    """Adds a held chord that swells in and out over its bar and half of each neighbour."""
    span = int(BAR_S * RATE)
    start = bar * span - span // 2
    turns = [2 * math.pi * hertz(s) / RATE for s in semitones]
    for n in range(2 * span):
        swell = math.sin(math.pi * n / (2 * span)) ** 2
        at = (start + n) % LENGTH
        loop[at] += 0.10 * swell * sum(math.sin(turn * (start + n)) for turn in turns)


def compose():
    loop = [0.0] * LENGTH
    for bar, (bass, chord) in enumerate(BARS):
        start = int(bar * BAR_S * RATE)
        pad(loop, bar, (bass + 12,) + chord)
        strike(loop, start, bass + 12, 0.55, 2.4)
        for i, note in enumerate(chord):
            strike(loop, start + int(0.16 * i * RATE), note, 0.40, 1.8)
            strike(loop, start + int((1.25 + 0.22 * i) * RATE), note + (12 if i == 3 else 0), 0.26, 1.4)
    rms = math.sqrt(sum(x * x for x in loop) / LENGTH)
    scale = 32768 * 10 ** (LEVEL_DBFS / 20) / rms
    return [max(-32768, min(32767, round(x * scale))) for x in loop]


def main():
    samples = compose()
    with wave.open(sys.argv[1] if len(sys.argv) > 1 else "hold.wav", "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(struct.pack(f"<{len(samples)}h", *samples))


if __name__ == "__main__":
    main()
