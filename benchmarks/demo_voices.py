"""Voices of espeak-ng that a recogniser understands and a speaker encoder tells apart, for `diar demo`.

    python benchmarks/demo_voices.py            # every voice of the demo as it is
    python benchmarks/demo_voices.py --search   # candidates: each variant, and the best ones changed

Every voice says the same sentences, as on different days (rate ± 5 %, pitch ± 3 %). WER is that of
`whisper-tiny.en`; own and other are the lowest cosine (CAM++) within a voice and the highest with another.
The search takes what is understood (`--most_wrong`) and alike to itself (`--least_own`); each next voice is
the one whose highest cosine to those before is lowest, and of all beginnings the one best for 12 is printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from voices import RATE, errors

import diar
from diar.demo.espeak import installed, speak_all
from diar.demo.sentences import SENTENCES
from diar.demo.voices import VOICES, Voice

_CHANGES = (
    *product((0.88, 1.0, 1.12), (40, 50, 62), ("en-us",)),
    *product((0.88, 1.12), (50,), ("en-gb-x-rp", "en-gb-scotland")),
)
_PAUSE = np.zeros(RATE // 2, np.float32)


@dataclass(frozen=True)
class Heard:
    """One voice and what is made of it."""

    voice: Voice
    wrong: float  # word error rate
    vectors: np.ndarray  # (sentences, D), of unit length

    @property
    def own(self) -> float:
        """Return the lowest cosine of two of its sentences."""
        return float((self.vectors @ self.vectors.T).min())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--search", action="store_true", help="look at candidates, too")
    parser.add_argument("--sentences", type=int, default=6, help="that each voice says [6]")
    parser.add_argument("--words_per_minute", type=int, default=165, help="of candidates [165]")
    parser.add_argument("--most_wrong", type=float, default=0.18, help="WER of a voice that is taken [0.18]")
    parser.add_argument("--least_own", type=float, default=0.72, help="lowest cosine within a voice [0.72]")
    parser.add_argument("--changed", type=int, default=25, help="variants that are also changed [25]")
    given = parser.parse_args()
    listener = Listener(given.sentences)
    if given.search:
        search(listener, given)
    else:
        table([listener.hear(voice) for voice in VOICES])


def search(listener: Listener, given: argparse.Namespace) -> None:
    """Print candidates, and those that are chosen."""
    variants = sorted(path.name for path in Path(installed()[1], "voices", "!v").iterdir())
    plain = [
        listener.hear(Voice(one, "en-us", one, words_per_minute=given.words_per_minute)) for one in variants
    ]
    plain.sort(key=lambda heard: heard.wrong)
    table(plain)
    changed = [listener.hear(changed) for heard in plain[: given.changed] for changed in changes(heard.voice)]
    fit = [one for one in (*plain, *changed) if one.wrong <= given.most_wrong and one.own >= given.least_own]
    table(farthest(fit))


class Listener:
    """Hears candidates."""

    def __init__(self, sentences: int) -> None:
        self._said = SENTENCES[: 5 * sentences : 5]
        self._recogniser = diar.open_recogniser("whisper-tiny.en")

    def hear(self, voice: Voice) -> Heard:
        """Let a voice say the sentences."""
        rng = np.random.default_rng(0)
        spoken = list(speak_all([(voice.on_another_day(rng), text) for text in self._said]))
        vectors = [diar.embed(one, sample_rate=RATE, segmentation="none").vector for one in spoken]
        together = np.concatenate([part for one in spoken for part in (one, _PAUSE)])
        wrong = errors([together], [" ".join(self._said)], self._recogniser)
        heard = Heard(voice, wrong, np.stack(vectors))
        print(f"{voice} {heard.wrong:.3f} {heard.own:.2f}", flush=True)
        return heard


def changes(voice: Voice) -> list[Voice]:
    """Return a voice with another vocal tract, pitch or accent."""
    return [
        replace(voice, formants=formants, pitch=pitch, language=language)
        for formants, pitch, language in _CHANGES
        if (formants, pitch, language) != (1.0, 50, "en-us")
    ]


def highest(one: Heard, others: Sequence[Heard]) -> float:
    """Return the highest cosine of a voice's sentences with those of others."""
    return max((float((one.vectors @ other.vectors.T).max()) for other in others), default=-1.0)


def farthest(heard: Sequence[Heard], count: int = 14, judged: int = 12) -> list[Heard]:
    """Return `count` voices, each far from those before it, of the beginning that is best for `judged`."""
    between = np.array([[highest(one, [other]) for other in heard] for one in heard])
    best: tuple[float, list[int]] = (np.inf, [])
    for first in range(len(heard)):
        chosen = [first]
        while len(chosen) < min(count, len(heard)):
            nearest = between[:, chosen].max(axis=1)
            nearest[chosen] = np.inf
            chosen.append(int(nearest.argmin()))
        some = between[np.ix_(chosen[:judged], chosen[:judged])] - 2 * np.eye(min(judged, len(chosen)))
        best = min(best, (float(some.max()), chosen))
    return [heard[index] for index in best[1]]


def table(heard: Sequence[Heard]) -> None:
    """Print a row a voice; `other` is the highest cosine to those above it."""
    print("\n| voice | espeak-ng | pitch | words a minute | formants | WER % | own | other |")
    print("|---|---|---|---|---|---|---|---|")
    for number, one in enumerate(heard):
        voice = one.voice
        figures = f"{100 * one.wrong:.1f} | {one.own:.2f} | {highest(one, heard[:number]):.2f}"
        made = f"{voice.espeak_name} | {voice.pitch} | {voice.words_per_minute} | {voice.formants:g}"
        print(f"| {voice.name} | {made} | {figures} |")
    print(flush=True)


if __name__ == "__main__":
    main()
