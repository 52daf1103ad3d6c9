"""How much silence after a few seconds of speech Whisper needs: one table of cost and word error rate.

    python benchmarks/live_words_context.py --audio FOLDER [--pieces 5 8 11 14] [--contexts 30 20 15 12.5 10]

FOLDER as for benchmarks/live_words.py, with truth.seglst.json. Sentences of the first recording that follow
one another make pieces of up to so many seconds, 40 at most; each is recognised alone, greedily. The cost is
CPU seconds a piece on one thread.
"""

from __future__ import annotations

import argparse
import json
import resource
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile as sf
from live_words import errors, plain

from diar.models.weights.hub import resolve
from diar.service.words.whisper import LiveWhisper

MARGIN = 0.25  # seconds on both sides
MOST_PIECES = 40
FRAMES = 100  # a second


def cut(truth: Sequence[dict[str, str]], longest: float) -> list[tuple[float, float, str]]:
    """Return (start, end, words) of pieces."""
    found: list[tuple[float, float, str]] = []
    for segment in sorted(truth, key=lambda one: float(one["start_time"])):
        start, end = float(segment["start_time"]), float(segment["end_time"])
        if found and end - found[-1][0] <= longest:
            begin, before, words = found[-1]
            found[-1] = (begin, max(before, end), f"{words} {segment['words']}")
        else:
            found.append((start, end, segment["words"]))
    return found[:MOST_PIECES]


def measure(whisper: LiveWhisper, samples: np.ndarray, rate: int, pieces: Sequence[tuple]) -> str:
    """Return a cell: CPU seconds a piece, word error rate."""
    counts, before = np.zeros(2, int), used()
    for start, end, words in pieces:
        heard = samples[round(max(0.0, start - MARGIN) * rate) : round((end + MARGIN) * rate)]
        (found,) = whisper.recognise([heard], "en")
        counts = counts + errors(plain(words), plain(" ".join(word.text for word in found)))
    return f"{(used() - before) / len(pieces):.2f} s, {counts[0] / counts[1]:.1%}"


def used() -> float:
    """Return the CPU seconds of this process."""
    told = resource.getrusage(resource.RUSAGE_SELF)
    return told.ru_utime + told.ru_stime


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--pieces", type=float, nargs="+", default=[5, 8, 11, 14], help="seconds at most")
    parser.add_argument("--contexts", type=float, nargs="+", default=[30, 20, 15, 12.5, 10], help="seconds")
    parser.add_argument("--asr", default="whisper-tiny.en")
    given = parser.parse_args()
    file = sorted(given.audio.glob("*.wav"))[0]
    samples, rate = sf.read(file, dtype="float32")
    segments = json.loads((given.audio / "truth.seglst.json").read_text(encoding="utf-8"))
    truth = [one for one in segments if Path(one["session_id"]).stem == file.stem]
    print(f"| context | {' | '.join(f'pieces up to {longest:g} s' for longest in given.pieces)} |")
    print(f"|---|{'---|' * len(given.pieces)}")
    for context in given.contexts:
        frames = round(FRAMES * context)
        whisper = LiveWhisper(resolve(given.asr, "asr"), given.asr, short=context, frames=frames)
        cells = [measure(whisper, samples, rate, cut(truth, longest)) for longest in given.pieces]
        print(f"| {context:g} s | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
