"""Choose voices of Kokoro that the speaker encoder keeps apart: as many as there are.

    python benchmarks/voices_apart.py --cache FOLDER [--mixtures 6] [--sentences 4] [--others 2]

Candidates are the voices of `kokoro-82m`, `--mixtures` random sums of its styles (seeded), and these played
faster and slower. Each says the same sentences, at speeds from 0.95 to 1.1. Two voices are apart where no
rendering of one is as near to one of the other as `t`, a voice is steady where its own renderings are all
nearer than `t` to each other; `t` is tried from 0.3 to 0.8, and the one that leaves most voices is kept. Of
voices that are apart, the set is chosen greedily: the one with fewest that are too near goes first. Those
that Whisper tiny.en gets wrong by more than `--most_wrong` do not take part. Prints the set, and its EER
over the pairs of renderings by which it was chosen, and over pairs with a sentence that had no part in the
choice. What is spoken is kept in FOLDER.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
import yaml
from voices import RATE, errors

import diar
from diar.demo.sentences import SENTENCES
from diar.models.weights.hub import resolve
from diar.voices.kokoro import Kokoro
from diar.voices.synthesizer import Text

FACTORS = (1.0, 0.86, 0.93, 1.08, 1.17)
SPEEDS = (0.95, 1.1)
HALF = RATE // 2
MARGIN = 0.03  # of cosines, on both sides of t: other sentences spread more
GRID = np.arange(0.3, 0.8, 0.01)


@dataclass(frozen=True)
class Candidate:
    """A voice, and with which factor."""

    voice: str
    factor: float

    @property
    def name(self) -> str:
        return self.voice if self.factor == 1 else f"{self.voice}-{round(100 * self.factor)}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--mixtures", type=int, default=6)
    parser.add_argument("--only", help="of the package's mixtures these, with commas between them")
    parser.add_argument("--sentences", type=int, default=4, help="to choose by")
    parser.add_argument("--others", type=int, default=2, help="further sentences, to check by")
    parser.add_argument("--most_wrong", type=float, default=0.15, help="word error rate")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    weights = resolve("kokoro-82m", "synthesizer")
    own = own_voices(weights)
    own = {name: own[name] for name in options.only.split(",")} if options.only else own
    mixtures = {**own, **random_mixtures(weights, options.mixtures, options.seed)}
    chooser = Chooser(folder_of(weights, mixtures, options.cache), mixtures, options.cache)
    said = SENTENCES[: options.sentences + options.others]
    by = said[: options.sentences]
    candidates = [Candidate(voice, factor) for voice in mixtures for factor in FACTORS]
    vectors = np.stack([chooser.vectors(one, by) for one in candidates])
    recogniser = diar.open_recogniser("whisper-tiny.en")
    wrong: dict[int, float] = {}
    while True:
        kept, threshold = largest(vectors)
        print(f"{len(kept)} of {len(candidates)} are apart by {threshold:.2f}", flush=True)
        if not (new := [number for number in kept if number not in wrong]):
            break
        for number in new:
            spoken = [chooser.spoken(candidates[number], text, n) for n, text in enumerate(by)]
            wrong[number] = errors(spoken, by, recogniser)
            if wrong[number] > options.most_wrong:
                vectors[number] = np.nan
    tell(chooser, [candidates[number] for number in kept], [wrong[number] for number in kept], threshold)
    every = np.stack([chooser.vectors(candidates[number], said) for number in kept])
    check([candidates[number] for number in kept], every, len(by))


def check(kept: Sequence[Candidate], vectors: np.ndarray, chosen_by: int) -> None:
    """Print error rates of vectors (voices, sentences, D); the first sentences are those of the choice."""
    new = np.arange(vectors.shape[1]) >= chosen_by
    kinds = {
        "by which they were chosen": ~new[:, None] & ~new,
        "with another sentence": new[:, None] | new,
    }
    for what, wanted in kinds.items():
        rate = pairs_error_rate(vectors, wanted)
        worst = max(
            (pairs_error_rate(vectors[[a, b]], wanted), kept[a].name, kept[b].name)
            for a in range(len(kept))
            for b in range(a)
        )
        print(
            f"EER of all pairs of renderings {what}: {100 * rate:.2f} %; "
            f"of two voices {100 * worst[0]:.2f} % at most ({worst[1]}, {worst[2]})"
        )


def pairs_error_rate(vectors: np.ndarray, wanted: np.ndarray) -> float:
    """Return the EER of (voices, sentences, D) over pairs of sentences that are `wanted`."""
    voices, sentences = vectors.shape[:2]
    flat = vectors.reshape(voices * sentences, -1)
    voice, sentence = np.divmod(np.arange(len(flat)), sentences)
    first, second = np.triu_indices(len(flat), 1)
    taking_part = wanted[sentence[first], sentence[second]]
    first, second = first[taking_part], second[taking_part]
    scores, same = (flat @ flat.T)[first, second], voice[first] == voice[second]
    order = np.argsort(scores)
    refused = np.cumsum(same[order]) / same.sum()
    taken = 1 - np.cumsum(~same[order]) / (~same).sum()
    return float(np.maximum(refused, taken).min())


class Chooser:
    """Speaks by Kokoro what is not in the folder yet, and embeds it."""

    def __init__(self, folder: Path, mixtures: dict[str, dict[str, float]], cache: Path) -> None:
        self.engine, self.mixtures, self.cache = Kokoro(folder), mixtures, cache
        self.encoder = diar.open_encoder()

    def spoken(self, one: Candidate, text: str, number: int) -> np.ndarray:
        """Return (samples,) at 16 kHz of a voice; the speed is that of the sentence's number."""
        speed = round(float(np.linspace(*SPEEDS, 6)[number % 6]), 3)
        key = json.dumps([self.mixtures[one.voice], text, speed], sort_keys=True)
        file = self.cache / f"{hashlib.sha256(key.encode()).hexdigest()[:20]}.wav"
        if not file.is_file():
            (samples,) = self.engine.speak([Text(text, one.voice, speed)])
            sf.write(file, samples, self.engine.rate)
        samples, rate = sf.read(file, dtype="float32")
        return np.asarray(soxr.resample(samples, rate * one.factor, RATE))

    def vectors(self, one: Candidate, texts: Sequence[str]) -> np.ndarray:
        """Return (texts, D) of unit length, of whole half seconds: oneDNN prepares layers for each length."""
        heard = [self.spoken(one, text, number) for number, text in enumerate(texts)]
        made = [
            diar.embed(
                samples[: len(samples) // HALF * HALF],
                sample_rate=RATE,
                encoder=self.encoder,
                segmentation="none",
            ).vector
            for samples in heard
        ]
        return np.stack(made)


def own_voices(weights: Path) -> dict[str, dict[str, float]]:
    """Return the mixtures that the package has."""
    return dict(yaml.safe_load((weights / "config.yaml").read_text("utf-8"))["voices"])


def random_mixtures(weights: Path, count: int, seed: int) -> dict[str, dict[str, float]]:
    """Return weighted sums of two or three styles; some weights lead away from one."""
    rng = np.random.default_rng(seed)
    with np.load(weights / "voices.npz") as found:
        styles = sorted(found.files)
    mixtures = {}
    for number in range(count):
        chosen = rng.permutation(styles)[: rng.integers(2, 4)]
        parts = rng.uniform(-0.4, 1.2, len(chosen))
        parts = np.round(parts / parts.sum(), 2) if abs(parts.sum()) > 0.4 else np.ones(len(chosen)) / 2
        if np.abs(parts).max() <= 1.5:
            mixtures[f"mixture{number}"] = {
                str(style): float(part) for style, part in zip(chosen, parts, strict=True)
            }
    return mixtures


def folder_of(weights: Path, mixtures: dict[str, dict[str, float]], cache: Path) -> Path:
    """Return a folder of the same weights with other voices."""
    folder = cache / "model"
    folder.mkdir(exist_ok=True)
    for name in ("kokoro.onnx", "voices.npz"):
        if not (folder / name).exists():
            (folder / name).symlink_to(weights / name)
    config = yaml.safe_load((weights / "config.yaml").read_text("utf-8"))
    config = {"sample_rate": config["sample_rate"], "language": config["language"], "voices": mixtures}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def largest(vectors: np.ndarray) -> tuple[list[int], float]:
    """Return the numbers of most voices that are apart and the cosine between, of (voices, texts, D)."""
    cosine = np.einsum("isd,jtd->ijst", vectors, vectors)
    nearest = np.nan_to_num(cosine.max(axis=(2, 3)), nan=2.0)
    steadiest = np.nan_to_num(np.array([cosine[i, i].min() for i in range(len(vectors))]), nan=-2.0)
    sets = [(apart(nearest, steadiest, t - MARGIN, t + MARGIN), float(t)) for t in GRID]
    return max(sets, key=lambda found: (len(found[0]), found[1]))


def apart(nearest: np.ndarray, steadiest: np.ndarray, below: float, above: float) -> list[int]:
    """Return a set of steady voices of which no two are as near as `below`, greedily."""
    left = list(np.flatnonzero(steadiest >= above))
    kept: list[int] = []
    while left:
        near = nearest[np.ix_(left, left)] >= below
        np.fill_diagonal(near, False)
        first = left[int(near.sum(axis=1).argmin())]
        kept.append(int(first))
        left = [one for one in left if one != first and nearest[first, one] < below]
    return sorted(kept)


def tell(chooser: Chooser, kept: Sequence[Candidate], wrong: Sequence[float], threshold: float) -> None:
    print(f"{len(kept)} voices; the cosine between is {threshold:.2f}")
    for one, rate in zip(kept, wrong, strict=True):
        mixture = json.dumps(chooser.mixtures[one.voice])
        print(f"{one.name:20} WER {100 * rate:5.1f} %  played × {one.factor:g}  {mixture}")


if __name__ == "__main__":
    main()
