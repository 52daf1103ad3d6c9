"""Turns as they are told live, against the same audio offline: one command, one Markdown table.

    python benchmarks/live_accuracy.py --shared ../shared --work WORK
    python benchmarks/live_accuracy.py --sets default-tel-1 --start 150 --seconds 90 --narrow_band
    python benchmarks/live_accuracy.py --sets --simulate=" --seed 9 --set 2:240 3:240 5:240" --seconds 100

Sets are those of benchmarks/diarization.py. Each recording is fed to one stream in blocks of 0.1 s, as fast
as it goes, on one core. DER with overlap and collar 0, whole recordings, in % of reference speech, in
brackets miss, false alarm and confusion:

- first told: a moment counts as the first event says that tells of it, within 1.5 s of it;
- 1 s later: as the turns stood a second after each moment, with all that was corrected until then;
- corrected: turns as they were final, with speakers that were merged or split later;
- finished: the turns of `session.ended`; offline: `diar.diarize` of the file.

Latency in seconds, median and 95th percentile, each with the CPU time to compute the block that brought the
event, so that other load of the machine does not count (OMP_NUM_THREADS=1): first sign (from where speech
began to `speech.started`), and new speaker (from where the reference changes the speaker, for turns of half a
second and more, to `turn.started` within 0.4 s of it; how many were found), and as benchmarks/live.py counts
it: all turns, the first within 1 s. ms a 0.5 s: CPU time of all that a stream does for each 0.5 s of audio,
whatever the hop.

diart publishes 34.1, 30.4 and 27.5 for the whole of AMI at 0.5, 1 and 5 s of latency.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from pathlib import Path

import labelled_sets
import numpy as np
import soundfile as sf
import soxr
from labelled_sets import CLEAN, HELD_OUT
from running import ROOT

import diar
from diar.formats.rttm import read_rttm
from diar.online.events import (
    Event,
    LiveTurn,
    SessionEnded,
    SpeakerMerged,
    SpeakerSplit,
    SpeechStarted,
    TurnCorrected,
    TurnEvent,
    TurnFinal,
    TurnStarted,
)
from diar.online.models import LiveModels
from diar.online.settings import SAMPLE_RATE, LiveSettings
from diar.online.stream import Stream
from diar.records import Turn
from diar.score.amounts import Amounts
from diar.score.recording import score_recording

STAGES = ("first told", "1 s later", "corrected", "finished", "offline")
COLUMNS = ("set", "hop", *STAGES, "first sign", "new speaker (found)", "within 1 s", "ms a 0.5 s")
_GRID = 100  # frames a second in which events are laid out
_BLOCK = SAMPLE_RATE // 10
_NEAR, _LATE = 1.0, 1.5  # seconds within which a turn is the reference's, and an event the first to tell


@dataclass
class Measured:
    """Sums over the recordings of a set."""

    amounts: dict[str, Amounts] = field(default_factory=lambda: dict.fromkeys(STAGES, Amounts()))
    signs: list[float] = field(default_factory=list)
    turns: list[float] = field(default_factory=list)
    changes: int = 0
    near: list[float] = field(default_factory=list)
    cpu: float = 0.0
    seconds: float = 0.0

    def cells(self) -> list[str]:
        """Return the cells of a row, after set and hop."""
        errors = []
        for one in self.amounts.values():
            parts = (100 * part / one.speech for part in (one.miss, one.false_alarm, one.confusion))
            errors.append(f"{100 * one.der:.1f} ({', '.join(f'{part:.1f}' for part in parts)})")
        found = len(self.turns) / max(1, self.changes)
        return [
            *errors,
            _quantiles(self.signs),
            f"{_quantiles(self.turns)} ({100 * found:.0f} %)",
            _quantiles(self.near),
            f"{1000 * self.cpu / (2 * self.seconds):.0f}",
        ]


def main() -> None:
    """Print one table."""
    options = make_parser().parse_args(sys.argv[1:])
    models = LiveModels.open(device="cpu")
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve()
        simulated = [labelled_sets.own_set(given) for given in options.simulate]
        sets = [*CLEAN, *HELD_OUT, *labelled_sets.degraded_sets([*CLEAN, *HELD_OUT], (1, 2))]
        for chosen in [*labelled_sets.choose(sets, options.sets), *simulated]:
            audio = labelled_sets.prepare(chosen, options.shared.resolve(), work)
            files = sorted(file for file in audio.glob(options.files) if file.suffix == ".wav")
            for hop in options.hops:
                own = {"correction_seconds": options.correction, "narrow_band": options.narrow_band}
                settings, measured = LiveSettings(hop=hop, **own), Measured()
                for file in files:
                    measure(file, Stream(models, settings), measured, options)
                print(f"| {chosen.title} | {hop:g} | {' | '.join(measured.cells())} |", flush=True)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--work", type=Path, help="keep the audio here")
    parser.add_argument("--sets", nargs="*", default=["AMI", "default"], metavar="NAME")
    parser.add_argument("--simulate", nargs="+", default=[], metavar="OPTIONS", help="sets of one's own")
    parser.add_argument("--files", default="*", metavar="PATTERN", help="of these recordings alone")
    parser.add_argument("--hops", type=float, nargs="+", default=[0.25, 0.5, 1.0], metavar="SECONDS")
    parser.add_argument("--correction", type=float, default=20.0, metavar="SECONDS")
    parser.add_argument("--start", type=float, default=0.0, help="second of each recording to begin at")
    parser.add_argument("--seconds", type=float, help="of each recording, from there")
    parser.add_argument("--narrow_band", action="store_true", help="streams are told that they are telephone")
    return parser


def measure(file: Path, stream: Stream, measured: Measured, options: argparse.Namespace) -> None:
    """Feed one recording and add what was told to `measured`."""
    samples = read_part(file, options.start, options.seconds)
    duration = len(samples) / SAMPLE_RATE
    (turns,) = read_rttm(file.with_suffix(".rttm")).values()
    moved = [(turn.start - options.start, turn.end - options.start, turn.speaker) for turn in turns]
    reference = clipped([(max(0.0, start), end, who) for start, end, who in moved if end > 0], duration)
    began, events, computing = time.process_time(), [], {}
    for at in range(0, len(samples), _BLOCK):
        start = time.process_time()
        new = stream.feed(samples[at : at + _BLOCK])
        computing.update(dict.fromkeys((event.seq for event in new), time.process_time() - start))
        events += new
    measured.cpu += time.process_time() - began
    measured.seconds += duration
    events += stream.finish()
    offline = diar.diarize(samples, sample_rate=SAMPLE_RATE).turns
    found = {
        "first told": as_told(events, None),
        "1 s later": as_told(events, 1.0),
        "corrected": corrected(events),
        "finished": [(turn.start, turn.end, turn.speaker) for turn in ended(events).turns],
        "offline": [(turn.start, turn.end, turn.speaker) for turn in offline],
    }
    for stage, rows in found.items():
        hypothesis = clipped(rows, duration)
        measured.amounts[stage] += score_recording(
            file.stem, reference, hypothesis, uem=[(0.0, duration)]
        ).amounts
    add_latencies(events, reference, computing, measured)


def read_part(file: Path, start: float, seconds: float | None) -> np.ndarray:
    """Return samples (n,) float32 at 16 kHz of a part of a recording."""
    with sf.SoundFile(file) as sound:
        rate = sound.samplerate
        sound.seek(round(start * rate))
        samples = sound.read(-1 if seconds is None else round(seconds * rate), dtype="float32")
    return samples if rate == SAMPLE_RATE else soxr.resample(samples, rate, SAMPLE_RATE)


def ended(events: Sequence[Event]) -> SessionEnded:
    last = events[-1]
    assert isinstance(last, SessionEnded)
    return last


Rows = list[tuple[float, float, str]]


def clipped(rows: Iterable[tuple[float, float, str]], duration: float) -> list[Turn]:
    """Return turns within the recording."""
    return [Turn("live", start, min(end, duration), who) for start, end, who in rows if start < duration]


def as_told(events: Sequence[Event], later: float | None) -> Rows:
    """Return who was told at each moment: first, or as the turns stood `later` seconds after it."""
    frames = int(events[-1].time * _GRID) + 2
    labels: dict[str, np.ndarray] = {}
    seen, done = np.zeros(frames, bool), 0
    turns: dict[int, LiveTurn] = {}
    for now, batch in groupby(events, key=lambda event: event.time):
        if later is not None and (until := int((now - later) * _GRID)) > done:
            _put(labels, turns, _mask(frames, done, until))
            done = until
        for event in batch:
            turns = _applied(turns, event)
        if later is None:
            told = np.zeros(frames, bool)
            for turn in turns.values():
                told |= _mask(frames, round(turn.start * _GRID), round(turn.end * _GRID))
            told[: max(0, int((now - _LATE) * _GRID))] = False
            _put(labels, turns, told & ~seen)
            seen |= told
        turns = {number: turn for number, turn in turns.items() if turn.end > now - 60}
    if later is not None:
        _put(labels, turns, _mask(frames, done, frames))
    return [
        (start / _GRID, end / _GRID, who)
        for who, mask in labels.items()
        for start, end in np.flatnonzero(np.diff(mask, prepend=False, append=False)).reshape(-1, 2).tolist()
    ]


def _applied(turns: dict[int, LiveTurn], event: Event) -> dict[int, LiveTurn]:
    if isinstance(event, TurnCorrected) and event.removed:
        return {number: turn for number, turn in turns.items() if number != event.turn.id}
    if isinstance(event, TurnEvent):
        return {**turns, event.turn.id: event.turn}
    if isinstance(event, SpeakerMerged):
        return {number: _moved(turn, event.speaker, event.into) for number, turn in turns.items()}
    return turns


def _moved(turn: LiveTurn, old: str, new: str) -> LiveTurn:
    return replace(turn, speaker=new) if turn.speaker == old else turn


def _mask(frames: int, start: int, end: int) -> np.ndarray:
    mask = np.zeros(frames, bool)
    mask[max(0, start) : max(0, end)] = True
    return mask


def _put(labels: dict[str, np.ndarray], turns: dict[int, LiveTurn], chosen: np.ndarray) -> None:
    for turn in turns.values():
        own = labels.setdefault(turn.speaker, np.zeros(len(chosen), bool))
        own |= chosen & _mask(len(chosen), round(turn.start * _GRID), round(turn.end * _GRID))


def corrected(events: Sequence[Event]) -> Rows:
    """Return the turns as they were final, with speakers that were merged or split later."""
    final: dict[int, LiveTurn] = {}
    for event in events:
        if isinstance(event, TurnFinal):
            final[event.turn.id] = event.turn
        elif isinstance(event, SpeakerMerged):
            final = {number: _moved(turn, event.speaker, event.into) for number, turn in final.items()}
        elif isinstance(event, SpeakerSplit):
            final |= {
                number: replace(final[number], speaker=event.into)
                for number in event.turns
                if number in final
            }
    return [(turn.start, turn.end, turn.speaker) for turn in final.values()]


def add_latencies(
    events: Sequence[Event], reference: list[Turn], computing: dict[int, float], measured: Measured
) -> None:
    """Add the latencies of first signs and of new speakers."""
    signs = (event for event in events if isinstance(event, SpeechStarted))
    measured.signs += [sign.delay + computing.get(sign.seq, 0.0) for sign in signs]
    started = [event for event in events if isinstance(event, TurnStarted)]
    for before, turn in pairwise(sorted(reference)):
        if turn.speaker == before.speaker or turn.end - turn.start < 0.5:
            continue
        measured.changes += 1
        near = [event for event in started if abs(event.turn.start - turn.start) < 0.4]
        if near:
            measured.turns.append(near[0].time - turn.start + computing.get(near[0].seq, 0.0))
    last = ""
    for turn in sorted(reference):
        near = [event for event in started if abs(event.turn.start - turn.start) <= _NEAR]
        if near and turn.speaker != last:
            first = min(near, key=lambda event: event.time)
            measured.near.append(max(0.0, first.time - turn.start + computing.get(first.seq, 0.0)))
        last = turn.speaker


def _quantiles(values: Sequence[float]) -> str:
    if not values:
        return "–"
    median, most = np.quantile(values, [0.5, 0.95])
    return f"{median:.2f}, {most:.2f}"


if __name__ == "__main__":
    main()
