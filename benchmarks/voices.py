"""How well the voices of a synthesizer are told apart, and understood.

    python benchmarks/voices.py
    python benchmarks/voices.py --synthesizer espeak --sentences 8
    python benchmarks/voices.py --only_apart --begin 12 --sentences 6

Every voice says the same sentences, each at another speed. A row a voice: word error rate of Whisper tiny.en
on it; mean cosine (CAM++) of its own renderings; the largest mean cosine with another voice, and whose; times
real time of the synthesis. Below: the equal error rate over all pairs of renderings, for all voices, and for
those that are left when of two voices more alike than `--most_alike` the later one is dropped.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
import soxr
from meeteval.wer import siso_word_error_rate

import diar
from diar.demo.sentences import SENTENCES
from diar.detect.training.verification import of_vectors
from diar.score.words.rates import basic
from diar.voices.open import open_synthesizer
from diar.voices.synthesizer import Text

RATE = 16_000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--synthesizer", default="kokoro-82m")
    parser.add_argument("--sentences", type=int, default=8, help="that each voice says")
    parser.add_argument("--begin", type=int, default=0, help="number of the first of them")
    parser.add_argument("--only_apart", action="store_true", help="voices that are said to be told apart")
    parser.add_argument("--most_alike", type=float, default=0.6, help="mean cosine of two that are kept")
    parser.add_argument("--asr", default="whisper-tiny.en", help="recogniser; none = not looked at")
    options = parser.parse_args()
    engine = open_synthesizer(options.synthesizer)
    said = SENTENCES[options.begin : options.begin + options.sentences]
    voices = engine.apart if options.only_apart else engine.voices
    recogniser = None if options.asr == "none" else diar.open_recogniser(options.asr)
    vectors, rows = [], []
    for voice in voices:
        begin = time.process_time()
        texts = [
            Text(text, voice, speed)
            for text, speed in zip(said, np.linspace(0.9, 1.15, len(said)), strict=True)
        ]
        spoken = [soxr.resample(samples, engine.rate, RATE) for samples in engine.speak(texts)]
        speed = sum(map(len, spoken)) / RATE / (time.process_time() - begin)
        vectors.append(
            np.stack([diar.embed(one, sample_rate=RATE, segmentation="none").vector for one in spoken])
        )
        rows.append((voice, errors(spoken, said, recogniser), speed))
        print(f"{voice} is spoken", flush=True)
    tell(rows, np.stack(vectors), options.most_alike)


def errors(spoken: Sequence[np.ndarray], said: Sequence[str], recogniser: diar.Recogniser | None) -> float:
    """Return the word error rate."""
    if recogniser is None:
        return float("nan")
    wrong = words = 0
    for samples, text in zip(spoken, said, strict=True):
        found = diar.transcribe(samples, sample_rate=RATE, recogniser=recogniser, num_speakers=1)
        heard = " ".join(word.text for word in found.words)
        rate = siso_word_error_rate(basic(text), basic(heard))
        wrong, words = wrong + rate.errors, words + rate.length
    return wrong / words


def tell(rows: Sequence[tuple[str, float, float]], vectors: np.ndarray, most_alike: float) -> None:
    """Print the table; `vectors` is (voices, sentences, D) of unit length."""
    cosine = np.einsum("isd,jtd->ijst", vectors, vectors)
    own = ~np.eye(vectors.shape[1], dtype=bool)
    means = cosine.mean(axis=(2, 3))
    print(f"\n{'voice':12} {'WER %':>6} {'own':>6} {'other':>6} {'whose':12} {'× real time':>11}")
    for i, (voice, wer, speed) in enumerate(rows):
        others = np.where(np.arange(len(rows)) == i, -1.0, means[i])
        nearest = int(others.argmax())
        print(
            f"{voice:12} {100 * wer:6.1f} {cosine[i, i][own].mean():6.2f} {others[nearest]:6.2f} "
            f"{rows[nearest][0]:12} {speed:11.2f}"
        )
    kept: list[int] = []
    for i in range(len(rows)):
        if all(means[i, k] <= most_alike for k in kept):
            kept.append(i)
    for what, chosen in ((f"all {len(rows)} voices", list(range(len(rows)))), ("those kept", kept)):
        print(f"EER of {what}: {100 * equal_error_rate(vectors[chosen]):.2f} %")
    print(f"kept ({len(kept)}): {', '.join(rows[i][0] for i in kept)}")


def equal_error_rate(vectors: np.ndarray) -> float:
    """Return the rate at which as many pairs of one voice are refused as pairs of two are taken."""
    flat = vectors.reshape(-1, vectors.shape[-1])
    voice = np.repeat(np.arange(len(vectors)), vectors.shape[1])
    return of_vectors(flat, voice)


if __name__ == "__main__":
    main()
