"""demo.py FOLDER: scores the recordings that `baton demo` left in FOLDER against what was said, and fails if one is not
intelligible. A faint noise lies under the demo's voices, which costs about one point of PESQ against a bare codec."""
import pathlib
import sys

from score import load, score

VOICES = pathlib.Path(__file__).parents[2] / "engine/assets/audio"
PESQ_MIN = 2.8


def main(folder):
    folder = pathlib.Path(folder)
    caller = load(VOICES / "caller.wav")
    half = len(caller) // 2
    claims = [
        ("the caller heard the AI", load(VOICES / "ai.wav"), "caller.wav"),
        ("the caller heard the person", load(VOICES / "agent.wav"), "caller.wav"),
        ("the AI heard the caller", caller[:half], "ai.wav"),
        ("the person heard the caller", caller[half:], "person.wav"),
    ]
    passed = True
    for claim, said, heard in claims:
        figures = score(said, load(folder / heard))
        good = figures is not None and figures["pesq_nb"] >= PESQ_MIN
        passed &= good
        print("ok  " if good else "FAIL", claim, figures)
    sys.exit(0 if passed else 1)


main(sys.argv[1])
