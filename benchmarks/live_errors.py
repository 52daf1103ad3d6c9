"""Where what is told first is wrong, by the time since somebody began to speak: one command, one table.

    python benchmarks/live_errors.py --shared ../shared --work WORK --sets default --seconds 100

Streams, sets and options are those of benchmarks/live_accuracy.py. Rows are moments of the recordings: by the
time since the newest turn of the reference that goes on began; those of silence by the time since somebody
spoke. Columns are miss, false alarm and confusion in % of all reference speech, which add up to the DER:
of what was told first, and of the turns of `session.ended`. The last column is the share of speech.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import labelled_sets
import numpy as np
from labelled_sets import CLEAN, HELD_OUT
from live_accuracy import as_told, clipped, ended, make_parser, read_part
from scipy.optimize import linear_sum_assignment

from diar.formats.rttm import read_rttm
from diar.online.models import LiveModels
from diar.online.settings import SAMPLE_RATE, LiveSettings
from diar.online.stream import Stream
from diar.records import Turn

_GRID = 100  # frames a second
_SINCE = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, np.inf)  # seconds since a turn began
_SILENT = (0.0, 0.25, 1.0, np.inf)  # seconds since somebody spoke
HEAD = (
    "moments",
    "first told: miss",
    "false alarm",
    "confusion",
    "finished: miss",
    "false alarm",
    "confusion",
    "of speech",
)


def masks(turns: Sequence[Turn], frames: int) -> np.ndarray:
    """Return who speaks, (speakers, frames) bool."""
    speakers = sorted({turn.speaker for turn in turns})
    found = np.zeros((len(speakers), frames), bool)
    for turn in turns:
        found[speakers.index(turn.speaker), round(turn.start * _GRID) : round(turn.end * _GRID)] = True
    return found


def errors(reference: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return miss, false alarm and confusion of each frame, (3, frames), under the best mapping."""
    common = reference.astype(np.float32) @ found.T.astype(np.float32)
    rows, columns = linear_sum_assignment(-common)
    right = (reference[rows] & found[columns]).sum(axis=0)
    expected, told = reference.sum(axis=0), found.sum(axis=0)
    confused = np.minimum(expected, told) - right
    return np.stack([np.maximum(0, expected - told), np.maximum(0, told - expected), confused])


def ages(reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the seconds since the newest turn that goes on began, and of silence; NaN elsewhere."""
    frames = np.arange(reference.shape[1])
    began = np.full(reference.shape[1], -1)
    for own in reference:
        starts = np.where(own & ~np.r_[False, own[:-1]], frames, -1)
        began = np.maximum(began, np.where(own, np.maximum.accumulate(starts), -1))
    speech = reference.any(axis=0)
    spoke = np.maximum.accumulate(np.where(speech, frames, -(10**6)))
    since = np.where(speech, (frames - began) / _GRID, np.nan)
    return since, np.where(speech, np.nan, (frames - spoke) / _GRID)


class Table:
    """Sums over recordings."""

    def __init__(self) -> None:
        self.names = [*_names("speech for", _SINCE), *_names("silence for", _SILENT)]
        self.sums = np.zeros((len(self.names), 7))

    def add(
        self, reference: Sequence[Turn], first: Sequence[Turn], last: Sequence[Turn], seconds: float
    ) -> None:
        """Add a recording."""
        frames = round(seconds * _GRID) + 1
        own = masks(reference, frames)
        wrong = np.concatenate([errors(own, masks(turns, frames)) for turns in (first, last)])
        values = np.concatenate([wrong, own.sum(axis=0)[None]])
        bins = [
            (age >= low) & (age < high)
            for age, edges in zip(ages(own), (_SINCE, _SILENT), strict=True)
            for low, high in pairwise(edges)
        ]
        self.sums += np.stack([values[:, chosen].sum(axis=1) for chosen in bins])

    def lines(self) -> list[str]:
        """Return the lines of the table, the sum last."""
        shares = 100 * self.sums / self.sums[:, 6].sum()
        rows = zip([*self.names, "all"], [*shares, shares.sum(axis=0)], strict=True)
        return [f"| {name} | {' | '.join(f'{value:.1f}' for value in row)} |" for name, row in rows]


def _names(what: str, edges: Sequence[float]) -> list[str]:
    ends = (f" to {high:g} s" if np.isfinite(high) else " or more" for high in edges[1:])
    return [f"{what} {low:g} s{end}" for low, end in zip(edges[:-1], ends, strict=True)]


def main() -> None:
    """Print one table for each set and hop."""
    options = make_parser().parse_args(sys.argv[1:])
    models = LiveModels.open(device="cpu")
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve()
        sets = [*CLEAN, *HELD_OUT, *labelled_sets.degraded_sets([*CLEAN, *HELD_OUT], (1, 2))]
        for chosen in labelled_sets.choose(sets, options.sets):
            audio = labelled_sets.prepare(chosen, options.shared.resolve(), work)
            files = sorted(file for file in audio.glob(options.files) if file.suffix == ".wav")
            for hop in options.hops:
                settings = LiveSettings(hop=hop, narrow_band=options.narrow_band)
                table = Table()
                for file in files:
                    add_file(table, file, Stream(models, settings), options.start, options.seconds)
                print(f"{chosen.title}, hop {hop:g}\n\n| {' | '.join(HEAD)} |\n{'|---' * len(HEAD)}|")
                print("\n".join(table.lines()) + "\n", flush=True)


def add_file(table: Table, file: Path, stream: Stream, start: float, seconds: float | None) -> None:
    """Feed one recording, and add what was told to the table."""
    samples = read_part(file, start, seconds)
    duration = len(samples) / SAMPLE_RATE
    (turns,) = read_rttm(file.with_suffix(".rttm")).values()
    moved = [(turn.start - start, turn.end - start, turn.speaker) for turn in turns if turn.end > start]
    reference = clipped([(max(0.0, begin), end, who) for begin, end, who in moved], duration)
    events = [*stream.feed(samples), *stream.finish()]
    last = [(turn.start, turn.end, turn.speaker) for turn in ended(events).turns]
    table.add(reference, clipped(as_told(events, None), duration), clipped(last, duration), duration)


if __name__ == "__main__":
    main()
