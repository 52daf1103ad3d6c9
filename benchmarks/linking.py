"""Linking speakers across recordings: constants, accuracy and scale, as Markdown tables.

    python benchmarks/linking.py constants --shared ../shared
    python benchmarks/linking.py oracle    --shared ../shared --recordings 200
    python benchmarks/linking.py commands  --shared ../shared --recordings 200
    python benchmarks/linking.py channels  --shared ../shared --recordings 200 --work WORK
    python benchmarks/linking.py scale     --rows 100000 1000000

constants  what diar/detect/linking/evidence.py assumes of campplus-zh-en, fitted on half of the speakers, and
           how often pairs of the other half are wrong at the cosine that linking requires
oracle     conversations of 2 to 6 of the shared folder's speakers, made by its tool; vectors are pooled over
           the time in which, by the truth, one speaker talks alone. Recordings of one speaker share audio, as
           the tool makes them, or do not; both cases also with noise that stands for another session
commands   the same conversations through the two real commands
channels   the same, every other recording as telephone (`tel` of the shared folder's tools/degrade.py,
           8 kHz): all pairs, pairs within each channel, within one channel, and across
scale      time and memory for synthetic vectors, ten to a person

`commands` and `channels` match true and found speakers in each recording by most common speech, as DER does,
and count pairs of local speakers. Precision: the share of pairs with one name that are one person. Recall:
the share of pairs of one person that have one name. A true speaker that was not found shares a name with
nobody, so all pairs of that speaker are missed. A found speaker without a match is nobody, so any name shared
with others is wrong. Neither counts as a person found.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import linking_embeddings as data
import numpy as np
from linking_commands import AUDIO, channels, commands
from linking_embeddings import conversations_name
from linking_scores import accuracy
from running import ROOT, add_stage_options, parse_arguments

from diar.detect.linking.evidence import CAMPPLUS
from diar.detect.linking.link import link_speakers

MODEL = "campplus-zh-en"
SESSIONS = (0.0, 0.2, 0.4, 0.6)  # variance of the noise that stands for other sessions
PROBABILITIES = (0.3, 0.5, 0.9)
PERSONS = (250, 10_000)  # in the archives of the table of errors
PAIRS = ((1.0, 1.0), (1.0, 6.5), (2.0, 2.0), (2.0, 6.5), (3.0, 3.0), (4.5, 4.5), (6.5, 6.5))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mode", choices=("constants", "oracle", "commands", "channels", "scale"))
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--recordings", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60, help="length of a recording")
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--work", type=Path, help="keep embeddings, audio and results here")
    add_stage_options(parser, " (commands, channels)")
    options = parse_arguments(parser, sys.argv[1:])
    modes: dict[str, Callable[[argparse.Namespace, Path], None]] = {
        "constants": constants,
        "oracle": oracle,
        "commands": commands,
        "channels": channels,
        "scale": scale,
    }
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        modes[options.mode](options, work)


def cached(file: Path, make: Callable[[data.Embedder], data.Vectors], shared: Path) -> data.Vectors:
    if not file.is_file():
        make(data.Embedder(shared / "models" / MODEL)).save(file)
    return data.Vectors.load(file)


def constants(options: argparse.Namespace, work: Path) -> None:
    parts = cached(work / "parts.npz", lambda e: data.embed_parts(options.shared, e), options.shared)
    talks = cached(work / file_name(options, False), lambda e: embed(options, False, e), options.shared)
    fitted = np.isin(parts.speaker, np.unique(parts.speaker)[::2])
    print("| fitted on 128 speakers | found | used |")
    print("|---|---|---|")
    print(
        f"| `speech_variance` / (1 + `session_variance`), s | {speech_variance(parts, fitted):.2f} |", end=""
    )
    print(f" {CAMPPLUS.speech_variance / (1 + CAMPPLUS.session_variance):.2f} |")
    for name, vectors in (("utterances", parts), ("conversations", talks)):
        chosen = np.isin(vectors.speaker, np.unique(parts.speaker)[::2])
        mean, deviation = strangers(vectors, chosen)
        print(f"| `different_mean` of {name} | {mean:.3f} | {CAMPPLUS.different_mean} |")
        print(f"| `different_deviation` of {name} | {deviation:.3f} | {CAMPPLUS.different_deviation} |")
    print(
        "\n| persons | seconds | cosine asked | strangers above, per million | one person below "
        "| below in another session |"
    )
    print("|---|---|---|---|---|---|")
    for persons in PERSONS:
        for first, second in PAIRS:
            errors = error_row(parts, ~fitted, persons, first, second)
            print(f"| {persons} | {first:g}, {second:g} | {errors} |")


def halves(parts: data.Vectors, chosen: np.ndarray, first: float, second: float) -> tuple[np.ndarray, ...]:
    """Return rows of so many seconds, from the first and the second half of the chosen speakers' speech."""
    rows = (chosen & (parts.group == half) & (parts.seconds == s) for half, s in enumerate((first, second)))
    return tuple(np.flatnonzero(row) for row in rows)


def speech_variance(parts: data.Vectors, chosen: np.ndarray) -> float:
    """Return the median variance of pairs of equal length: cosine = 1 / (1 + variance / seconds)."""
    found = []
    for seconds in data.SECONDS[:6]:
        first, second = halves(parts, chosen, seconds, seconds)
        second = second[np.searchsorted(parts.speaker[second], parts.speaker[first])]
        cosine = np.einsum("ij,ij->i", parts.embedding[first], parts.embedding[second])
        found += (seconds * (1 / cosine - 1)).tolist()
    return float(np.median(found))


def strangers(vectors: data.Vectors, chosen: np.ndarray) -> tuple[float, float]:
    rows = np.flatnonzero(chosen)
    cosine = vectors.embedding[rows] @ vectors.embedding[rows].T
    different = cosine[np.triu(vectors.speaker[rows, None] != vectors.speaker[rows])]
    low, median = np.quantile(different, [0.1587, 0.5])
    return float(median), 1.1 * float(median - low)


def error_row(parts: data.Vectors, chosen: np.ndarray, persons: int, first: float, second: float) -> str:
    asked = CAMPPLUS.cosine_at(float(np.log(persons)), first, second)
    cells = []
    for session in (0.0, CAMPPLUS.session_variance):
        embedding = with_sessions(parts.embedding, session)
        one, other = halves(parts, chosen, first, second)
        cosine = embedding[one] @ embedding[other].T
        same = parts.speaker[one][:, None] == parts.speaker[other]
        cells.append((cosine[~same] >= asked, cosine[same] < asked))
    (false, missed), (_, missed_later) = cells
    return f"{asked:.2f} | {1e6 * false.mean():.0f} | {missed.mean():.1%} | {missed_later.mean():.1%}"


def with_sessions(embedding: np.ndarray, variance: float) -> np.ndarray:
    """Add noise with the covariance of speakers to each vector, and scale to unit length."""
    centered = embedding - embedding.mean(axis=0)
    _, deviations, directions = np.linalg.svd(centered, full_matrices=False)
    deviations /= np.linalg.norm(deviations)
    noise = np.random.default_rng(0).standard_normal((len(embedding), len(deviations))) * deviations
    moved = embedding + np.sqrt(variance) * noise @ directions
    return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True), np.float32)


def file_name(options: argparse.Namespace, apart: bool) -> str:
    return f"{conversations_name(options.recordings, options.seconds, apart)}.npz"


def embed(options: argparse.Namespace, apart: bool, embedder: data.Embedder) -> data.Vectors:
    made = data.simulate_recordings(options.shared, options.recordings, options.seconds, apart)
    return data.embed_recordings(made, embedder)


def oracle(options: argparse.Namespace, work: Path) -> None:
    print(
        "| audio | other session | probability | speakers | precision | recall | F1 | threshold | session |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for apart in (False, True):
        file = work / file_name(options, apart)
        talks = cached(file, lambda e, apart=apart: embed(options, apart, e), options.shared)
        for session in SESSIONS:
            vectors = with_sessions(talks.embedding, session)
            for probability in PROBABILITIES:
                found = link_speakers(vectors, talks.seconds, talks.group, probability=probability)
                row = [
                    AUDIO[apart],
                    f"{session:g}",
                    f"{probability:g}",
                    accuracy(talks.speaker, found.label),
                    f"{found.threshold:.2f}",
                    f"{found.evidence.session_variance:.2f}",
                ]
                print(f"| {' | '.join(row)} |", flush=True)


def scale(options: argparse.Namespace, work: Path) -> None:
    print("| rows | persons | found | precision | recall | F1 | seconds | GiB, input included |")
    print("|---|---|---|---|---|---|---|---|")
    for rows in options.rows:
        embedding, seconds, person = synthetic(rows)
        start = time.perf_counter()
        found = link_speakers(embedding, seconds, np.arange(rows) // 4)
        took = time.perf_counter() - start
        size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"| {rows} | {rows // 10} | {accuracy(person, found.label)} | {took:.0f} | {size:.1f} |",
            flush=True,
        )


def synthetic(rows: int, dimension: int = 192) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make vectors of rows / 10 persons: cosines scatter by 0.12, as CAM++'s do; session variance 0.2."""
    rng = np.random.default_rng(0)
    deviations = np.exp(-np.arange(dimension, dtype=np.float32) / 70)
    deviations /= np.linalg.norm(deviations)
    persons = rows // 10
    voices = rng.standard_normal((persons, dimension), dtype=np.float32) * deviations
    person = rng.permutation(np.arange(rows) % persons)
    seconds = np.maximum(rng.lognormal(2.5, 0.8, rows), 1).astype(np.float32)
    embedding = voices[person]
    for start in range(0, rows, 65_536):
        part = embedding[start : start + 65_536]
        noise = np.sqrt(0.2 + CAMPPLUS.speech_variance / seconds[start : start + 65_536, None])
        part += noise * deviations * rng.standard_normal(part.shape, dtype=np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return embedding, seconds, person


if __name__ == "__main__":
    main()
