"""Every picture of a result at small and large scale, of made-up results, to be looked at.

    python benchmarks/pictures.py OUT

OUT gets a PNG for each case; a line a picture with its size and the seconds it took goes to the terminal.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from diar.formats.files_table import FileTable
from diar.formats.result_json import Boundary, DetectionResult, NotUsed, OddFile, Segment, Speaker
from diar.formats.speech_time import measure
from diar.formats.turns_json import Clustering, RecordingTurns, describe_speakers
from diar.plots.boundaries import draw_boundaries
from diar.plots.contact_sheet import MOST_ON_SHEET, draw_contact_sheet
from diar.plots.style import number_names
from diar.plots.timeline import draw_timeline
from diar.records import Turn
from diar.score.breakdown_plot import draw_breakdown
from diar.score.der import score_turns
from diar.score.timeline_plot import draw_timeline as draw_scored

LENGTHS = {"3 s": 3.0, "1 min": 60.0, "15 min": 900.0, "3 h": 10_800.0}
SPEAKERS = (1, 8, 20)
ARCHIVES = (5, 200, 5_000, 100_000)  # files

Picture = tuple[str, Callable[[], bytes]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the pictures")
    parser.add_argument("--only", default="", help="draw pictures whose name holds this")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, draw in pictures():
        if options.only in name:
            begin = time.perf_counter()
            path = options.out / f"{name}.png"
            path.write_bytes(draw())
            seconds = time.perf_counter() - begin
            with Image.open(path) as image:
                print(f"{name:45} {image.width:5} × {image.height:5}  {seconds:5.2f} s")


def pictures() -> Iterator[Picture]:
    """Yield the name of each picture, and what draws it."""
    for label, length in LENGTHS.items():
        for speakers in SPEAKERS:
            yield f"timeline {label} {speakers} speakers", lambda s=speakers, t=length: timeline(t, s)
        yield f"timeline {label} with reference", lambda t=length: timeline(t, 5, reference=True)
        yield f"score {label}", lambda t=length: scored(t, 4)
    yield "timeline 1 min nobody", lambda: draw_timeline(recording("talks/quiet.wav", [], 60.0))
    yield "score 15 min 20 speakers", lambda: scored(900.0, 20)
    for count in (1, 12, MOST_ON_SHEET):
        yield f"contact sheet {count} recordings", lambda n=count: contact_sheet(n)
    for files in ARCHIVES:
        yield f"boundaries {files} files", lambda n=files: draw_boundaries(*archive(n))
    yield "boundaries 200 files one voice", lambda: draw_boundaries(*archive(200, people=1))
    for count in (8, 300):
        yield f"score of {count} recordings", lambda n=count: breakdown(n)


def timeline(length: float, speakers: int, reference: bool = False) -> bytes:
    """Draw a conversation, with a reference that differs a little."""
    turns = converse("talks/monday morning.wav", length, speakers)
    truth = differing(turns, length) if reference else None
    return draw_timeline(recording(turns[0].recording, turns, length), truth)


def contact_sheet(count: int) -> bytes:
    """Draw recordings of 1 to 25 s, most of one voice, some without speech, and one of 2 h of one voice."""
    draw, results = np.random.default_rng(0), []
    for i in range(count):
        name = f"part_{i // 50:02d}/recorded on monday/utterance_{i:06d}.wav"
        length = 7_200.0 if i == 5 else float(draw.uniform(1, 25))
        turns = converse(name, length, 1 if i == 5 or draw.random() < 0.7 else 4, seed=i)
        results.append(recording(name, [] if i % 17 == 16 else turns, length))
    numbers = number_names(turn.speaker for result in results for turn in result.turns)
    return draw_contact_sheet(results, numbers, MOST_ON_SHEET, MOST_ON_SHEET + 12_345)


def scored(length: float, speakers: int) -> bytes:
    """Draw the score of one recording."""
    found = converse("talks/monday morning.wav", length, speakers)
    score = score_turns({found[0].recording: differing(found, length)}, {found[0].recording: found})
    return draw_scored(score.recordings[0], "collar 0 s, overlap counted")


def breakdown(count: int) -> bytes:
    """Draw the scores of many recordings."""
    names = [f"talks/day {i // 10}/talk {i:03d}.wav" for i in range(count)]
    found = {name: converse(name, 120.0, 3, seed=i) for i, name in enumerate(names)}
    truth = {name: differing(turns, 120.0, seed=i) for i, (name, turns) in enumerate(found.items())}
    score = score_turns(truth, found)
    return draw_breakdown(score.recordings, score.pooled, "collar 0 s, overlap counted")


def converse(name: str, length: float, speakers: int, seed: int = 0) -> list[Turn]:
    """Make turns of speakers who talk in turn, sometimes at once."""
    draw, turns, now = np.random.default_rng(seed), [], 0.2
    mean = min(4.0, length / 3)
    while now < length - 0.1:
        end = min(length, now + 0.3 + draw.exponential(mean))
        who = draw.choice(speakers, p=falling(speakers))
        turns.append(Turn(name, now, end, "Ann Bell" if who == 1 else f"person_{3 * who + 2:04d}"))
        now = max(0.0, end + draw.normal(0.2, 0.5))
    return turns


def falling(count: int) -> np.ndarray:
    """Return shares (count,) of those who talk, each less than the one before."""
    shares = 0.85 ** np.arange(count)
    return shares / shares.sum()


def differing(turns: list[Turn], length: float, seed: int = 1) -> list[Turn]:
    """Return turns under other names, at slightly other times, some of another speaker, some missing."""
    draw = np.random.default_rng(seed)
    names = list(dict.fromkeys(turn.speaker for turn in turns))
    letters = {name: f"spk{chr(65 + i)}" for i, name in enumerate(names)}
    made = []
    for turn in turns:
        start, end = np.clip(np.array([turn.start, turn.end]) + draw.normal(0, 0.1, 2), 0, length)
        who = names[draw.integers(len(names))] if draw.random() < 0.06 else turn.speaker
        if draw.random() > 0.04 and end - start > 0.05:
            made.append(Turn(turn.recording, float(start), float(end), letters[who]))
    return made


def recording(name: str, turns: list[Turn], length: float) -> RecordingTurns:
    """Return what stage 2 would have found."""
    amounts = measure(turns)
    return RecordingTurns(
        program="diar 0.0",
        recording_id=name,
        path=f"/archive/{name}",
        duration=length,
        speech_seconds=amounts.speech,
        overlap_seconds=amounts.overlap,
        speakers=describe_speakers(turns, amounts, local={}, similarity={}, confidence={}),
        turns=turns,
        exclusive=None,
        clustering=Clustering("auto", "auto", None),
        parameters={},
        thresholds={},
        model={},
    )


def archive(files: int, people: int | None = None) -> tuple[DetectionResult, FileTable]:
    """Return a result of `files` files recorded in blocks of one speaker, some of whom come again."""
    draw = np.random.default_rng(files)
    starts, who = blocks(draw, files, people)
    names = [f"part_{i // 50:04d}/recorded on monday/utterance_{i:06d}.wav" for i in range(files)]
    ids = [f"speaker_{i + 1:03d}" for i in range(people or max(2, round(0.8 * len(starts))))]
    similarity = np.clip(draw.normal(0.72, 0.07, files), -0.1, 1)
    across = np.clip(draw.normal(0.75, 0.05, files), -0.1, 1)
    used = np.ones(files, bool)
    used[draw.choice(files, files // 100, replace=False)] = False
    boundaries = boundaries_at(draw, starts, names, across)
    odd = odd_files(draw, starts, names, [ids[k] for k in who], similarity)
    segments = [
        Segment(k + 1, ids[who[k]], "", a, b, names[a], names[b - 1], int(used[a:b].sum()), 0.7)
        for k, (a, b) in enumerate(zip(starts, [*starts[1:], files], strict=True))
    ]
    members = (
        [[s.id for s in segments if s.speaker == one] for one in ids]
        if files < 10_000
        else [[1] for _ in ids]
    )
    result = DetectionResult(
        program="diar 0.0",
        input="/archive",
        embeddings_dir="E",
        parameters={"segment_size": "auto"},
        model={},
        recordings=files,
        segments=segments,
        boundaries=boundaries,
        speakers=[Speaker(one, held, 1) for one, held in zip(ids, members, strict=True)],
        odd_files=sorted(odd, key=lambda file: file.index),
        not_used=[NotUsed(names[i], "undecodable", "no audio") for i in np.flatnonzero(~used)],
    )
    segment_of = np.repeat(np.arange(len(starts)), np.diff([*starts, files]))
    return result, FileTable(
        path=names,
        url=names,
        segment=np.where(used, segment_of, -1),
        speaker=[ids[who[k]] if ok else "" for k, ok in zip(segment_of, used, strict=True)],
        odd=[""] * files,
        similarity=np.where(used, similarity, np.nan),
        across=np.where(used, across, np.nan),
    )


def blocks(draw: np.random.Generator, files: int, people: int | None) -> tuple[list[int], np.ndarray]:
    """Return the first file of each block, and the number of its speaker."""
    mean = min(40, max(2, files // 3))
    starts = [0]
    while starts[-1] < files and people != 1:
        starts.append(starts[-1] + max(2, int(draw.normal(mean, mean / 4))))
    starts = [start for start in starts if start < files - 1] or [0]
    count = people or max(2, round(0.8 * len(starts)))
    who = draw.permutation(np.arange(len(starts)) % count) if len(starts) > count else np.arange(len(starts))
    return starts, np.unique(who, return_inverse=True)[1]


def boundaries_at(
    draw: np.random.Generator, starts: list[int], names: list[str], across: np.ndarray
) -> list[Boundary]:
    """Return the boundaries between blocks, some of them doubtful; similarity `across` dips at each."""
    found = []
    for start in starts[1:]:
        reach = slice(max(0, start - 5), start + 5)
        across[reach] -= 0.6 * (1 - np.abs(np.arange(len(names))[reach] - start) / 6)
        confidence = 1.0 - (draw.random() < 0.15) * draw.random() * 0.6
        found.append(
            Boundary(start, names[start - 1], names[start], None, 4.0, round(confidence, 4), "changepoint")
        )
    return found


def odd_files(
    draw: np.random.Generator, starts: list[int], names: list[str], who: list[str], similarity: np.ndarray
) -> list[OddFile]:
    """Return files that do not fit their block, of speaker `who`; their `similarity` becomes low."""
    found = []
    for i in draw.choice(len(names), len(names) // 150, replace=False):
        kind = "foreign" if draw.random() < 0.7 else "unclear"
        similarity[i] = draw.normal(0.15, 0.08)
        segment = int(np.searchsorted(starts, i, side="right"))
        at = int(i), names[i], segment, who[segment - 1]
        found.append(OddFile(*at, kind, 0.9, float(similarity[i]), None, None))
    return found


if __name__ == "__main__":
    main()
