"""How fast `diar serve` says who speaks, and how many streams a machine bears: conversations in real time.

    python benchmarks/live.py --audio FOLDER [--streams 1] [--seconds 60] [--hop 0.5]
    python benchmarks/live.py --audio FOLDER --search                # most streams within the bars
    python benchmarks/live.py --audio FOLDER --soak 60 --streams 8   # memory and delays over an hour
    python benchmarks/live.py --audio FOLDER --streams 16 --url ws://HOST/v1/live --token_file T

FOLDER holds NAME.wav and NAME.rttm (tools/simulate_conversations.py of the shared folder makes such). Each
stream plays a file over a WebSocket in blocks of 0.1 s. Callers do not begin together: n streams begin evenly
spread over 30 s, which is a chunk of the tracks. `--spread 0.5` is the hardest case: all chunks end at once.

TTFA: first reference speech sent → first event that tells of speech or a turn. Turn latency: start of a
reference turn of another speaker than the one before it → first `turn.started` that begins within 1 s around
it; turns without one are missed. RTF: seconds of computing a second of audio (`diar_rtf`). The bars: TTFA
p50/p95 0.3/0.5 s, turn latency p50/p95 0.8/1.5 s.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
from live_server import Served, bearer, serve, token
from live_soak import soak

from diar.formats.rttm import read_rttm
from diar.service.terminal.client import LiveClient
from diar.service.terminal.source import BLOCK, as_pcm

BARS = {"ttfa": (0.3, 0.5), "turn": (0.8, 1.5)}  # seconds, p50 and p95
NEAR = 1.0  # seconds within which a found turn's start is that of the reference's
SEARCH = (1, 2, 4, 6, 8, 12, 16, 20, 24, 32, 48, 64, 96, 128)


@dataclass
class Told:
    """What one stream measured, seconds."""

    ttfa: list[float] = field(default_factory=list)
    turn: list[float] = field(default_factory=list)
    missed: int = 0
    reconnections: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass
class Clock:
    """When each second of a stream was sent."""

    sent: list[float] = field(default_factory=list)  # when each block went out, BLOCK seconds each

    def since(self, moment: float, now: float) -> float:
        """Return the seconds from when a moment of the audio was sent until `now`."""
        return now - self.sent[min(len(self.sent) - 1, int(moment / BLOCK))]


@dataclass(frozen=True)
class Conversation:
    """One file and what is known of it."""

    samples: np.ndarray
    rate: int
    turns: list[tuple[float, float, str]]  # start, end, speaker

    def changes(self, until: float) -> list[float]:
        """Return starts of turns of another speaker than the one before."""
        found, last = [], None
        for start, _, speaker in self.turns:
            if speaker != last and start < until:
                found.append(start)
            last = speaker
        return found


def conversations(folder: Path) -> list[Conversation]:
    """Return all of a folder."""
    found = []
    for file in sorted(folder.glob("*.wav")):
        samples, rate = sf.read(file, dtype="float32", always_2d=True)
        told = read_rttm(file.with_suffix(".rttm"))
        turns = told.get(file.stem) or told.get(file.name, [])
        found.append(
            Conversation(samples.mean(axis=1), rate, sorted((t.start, t.end, t.speaker) for t in turns))
        )
    if not found:
        raise SystemExit(f"{folder} holds no .wav")
    return found


async def play(talk: Conversation, seconds: float, clock: Clock) -> AsyncIterator[bytes]:
    """Yield a conversation, again and again, at the pace of a clock."""
    started, size, number = time.monotonic(), round(BLOCK * talk.rate), 0
    whole = len(talk.samples) // size * size
    while number * BLOCK < seconds:
        await asyncio.sleep(max(0.0, started + (number + 1) * BLOCK - time.monotonic()))
        place = number * size % whole
        clock.sent.append(time.monotonic())
        number += 1
        yield as_pcm(talk.samples[place : place + size])


async def stream(url: str, headers: dict[str, str], talk: Conversation, seconds: float, wait: float) -> Told:
    """Play one stream to its end."""
    await asyncio.sleep(wait)
    told, clock = Told(), Clock()
    starts: list[tuple[float, float]] = []  # of found turns, and when they were told
    first: list[float] = []

    def on_event(event: dict[str, Any]) -> None:
        now = time.monotonic()
        if event["type"] in ("speech.started", "turn.started") and not first:
            first.append(now)
        if event["type"] == "turn.started":
            starts.append((event["turn"]["start"], now))
        if event["type"] == "error":
            told.problems.append(f"{event['code']}: {event['message']}")

    client = LiveClient(url, {"format": "pcm_s16le", "sample_rate": talk.rate}, on_event, headers)
    try:
        await client.run(play(talk, seconds, clock))
    except Exception as error:  # the table counts it
        told.problems.append(f"{type(error).__name__}: {error}")
    told.reconnections = client.reconnections
    until = min(seconds - NEAR, len(talk.samples) / talk.rate)
    if first and talk.turns:
        told.ttfa.append(clock.since(talk.turns[0][0], first[0]))
    for start in talk.changes(until):
        near = [clock.since(start, now) for begin, now in starts if abs(begin - start) <= NEAR]
        told.turn += [max(0.0, min(near))] if near else []
        told.missed += not near
    return told


async def streams(
    url: str, headers: dict[str, str], talks: list[Conversation], given: Any, count: int
) -> list[Told]:
    """Play several streams at once."""
    calls = (
        stream(url, headers, talks[number % len(talks)], given.seconds, number * given.spread / count)
        for number in range(count)
    )
    return await asyncio.gather(*calls)


def quantiles(values: list[float]) -> tuple[float, float]:
    """Return median and 95th percentile, NaN without values."""
    return tuple(np.quantile(values, (0.5, 0.95))) if values else (np.nan, np.nan)  # type: ignore[return-value]


def within(told: list[Told]) -> bool:
    """Whether the delays of streams are within the bars."""
    pairs = ((BARS[name], quantiles([v for one in told for v in getattr(one, name)])) for name in BARS)
    return all(found <= bar for bars, got in pairs for bar, found in zip(bars, got, strict=True))


def row(count: int, told: list[Told], before: dict[str, float], after: dict[str, float]) -> str:
    """Return a line of the table."""
    ttfa, turn = (quantiles([v for one in told for v in getattr(one, name)]) for name in BARS)
    spent = {
        name: after.get(name, np.nan) - before.get(name, 0.0) for name in ("diar_rtf_sum", "diar_rtf_count")
    }
    rtf = spent["diar_rtf_sum"] / max(1.0, spent["diar_rtf_count"])
    changes = sum(len(one.turn) + one.missed for one in told)
    missed = sum(one.missed for one in told) / max(1, changes)
    problems = sum(len(one.problems) for one in told)
    return (
        f"| {count} | {ttfa[0]:.2f} / {ttfa[1]:.2f} | {turn[0]:.2f} / {turn[1]:.2f} | "
        f"{missed:.0%} of {changes} | "
        f"{rtf:.2f} | {problems} | {'yes' if within(told) else 'no'} |"
    )


HEAD = (
    "| streams | TTFA p50 / p95, s | turn latency p50 / p95, s | changes missed | RTF | problems | in bars "
    "|\n"
    "|---|---|---|---|---|---|---|"
)


def run(
    served: Served | None,
    url: str,
    headers: dict[str, str],
    talks: list[Conversation],
    given: Any,
    count: int,
) -> list[Told]:
    """Play, print a line."""
    before = served.metrics() if served else {}
    told = asyncio.run(streams(url, headers, talks, given, count))
    print(row(count, told, before, served.metrics() if served else {}), flush=True)
    for text in sorted({text for one in told for text in one.problems}):
        print(f"  problem: {text}", flush=True)
    return told


def search(
    served: Served | None, url: str, headers: dict[str, str], talks: list[Conversation], given: Any
) -> None:
    """Play more and more streams until the delays exceed the bars."""
    most = 0
    for count in SEARCH:
        if not within(run(served, url, headers, talks, given, count)):
            break
        most = count
    print(f"\nmost streams of {SEARCH} within the bars: {most}")


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--audio", type=Path, required=True, help="folder of NAME.wav and NAME.rttm")
    parser.add_argument("--streams", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each stream")
    parser.add_argument("--hop", type=float, default=0.5)
    parser.add_argument("--spread", type=float, default=30.0, help="seconds within which all streams begin")
    parser.add_argument("--search", action="store_true", help="most streams within the bars")
    parser.add_argument("--soak", type=float, default=0.0, metavar="MINUTES")
    parser.add_argument("--url", help="of a server that runs; default: one is started")
    parser.add_argument("--token_file", type=Path)
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=[], help="for diar serve; at the end")
    return parser.parse_args()


@contextlib.contextmanager
def server(given: argparse.Namespace) -> Iterator[tuple[Served | None, str, dict[str, str]]]:
    """Give a server of this run's own, or the one that was named."""
    if given.url is not None:
        yield None, given.url, bearer(given.token_file.read_text().strip()) if given.token_file else {}
        return
    limits = ("--max_sessions", 256, "--caller_sessions", 256, "--audio_per_minute", 1e6, "--hop", given.hop)
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder), *limits, *given.options) as served:
        yield served, served.url, bearer(token())


def main() -> None:
    """Run what was asked for."""
    given = arguments()
    talks = conversations(given.audio)
    with server(given) as (served, url, headers):
        if given.soak:
            assert served is not None, "--soak measures a server of its own"
            given.seconds = given.soak * 60
            return soak(served, given, lambda: streams(served.url, headers, talks, given, given.streams))
        print(HEAD)
        if given.search:
            return search(served, url, headers, talks, given)
        run(served, url, headers, talks, given, given.streams)
    return None


if __name__ == "__main__":
    main()
