"""How late and how right the words of live sessions are: conversations in real time over the WebSocket.

    python benchmarks/live_words.py --audio FOLDER [--streams 1 2 4] [--seconds 60] [--asr whisper-tiny.en]
    python benchmarks/live_words.py --audio FOLDER --search          # streams until p95 exceeds 2 s
    python benchmarks/live_words.py --audio FOLDER --streams 1 --influence   # turns with and without words

FOLDER holds NAME.wav and NAME.rttm, and truth.seglst.json where their words are known
(benchmarks/words_synthesis.py or `diar demo` make such). Each stream plays a file in blocks of 0.1 s.

Delay: from when the end of a word was sent to the event that tells it; "first": the first event with a word
that ends there, certain or not; "final": the event that makes it certain. Delays count by the times that the
recogniser gives. WER: of the certain words of a stream, of batch recognition by `diar.transcribe` of the same
audio with the same recogniser, both against the true words; and of the live words against the batch words.
Turn latency as in benchmarks/live.py. The bar: p95 of "first" 2 s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
from live import Clock, Conversation, conversations, play, quantiles
from live_server import Served, bearer, serve, token

import diar
from diar.service.terminal.client import LiveClient

BAR = 2.0  # seconds
SEARCH = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
LATEST = 5  # words that are shown
NEAR = 1.0  # seconds within which a found turn's start is that of the reference's
HEAD = (
    "| streams | words | first p50 / p95, s | final p50 / p95, s | turn latency p50 / p95, s | RTF of turns "
    "| problems |\n|---|---|---|---|---|---|---|"
)


@dataclass
class Said:
    """What one stream told."""

    first: list[float] = field(default_factory=list)  # delays
    final: list[float] = field(default_factory=list)
    turn: list[float] = field(default_factory=list)
    late: list[tuple[float, float, str]] = field(default_factory=list)  # delay, second of the stream, word
    words: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


async def stream(url: str, talk: Conversation, seconds: float, wait: float, words: bool) -> Said:
    """Play one stream to its end."""
    await asyncio.sleep(wait)
    said, clock, shown = Said(), Clock(), 0.0
    starts: list[tuple[float, float]] = []

    def on_event(event: dict[str, Any]) -> None:
        nonlocal shown
        now = time.monotonic()
        if event["type"] == "turn.started":
            starts.append((event["turn"]["start"], now))
        elif event["type"] == "error":
            said.problems.append(f"{event['code']}: {event['message']}")
        elif event["type"] == "word":
            said.final += [clock.since(word["end"], now) for word in event["words"]]
            new = [w["end"] for w in (*event["words"], *event["partial"]) if w["end"] > shown]
            said.first += [clock.since(end, now) for end in new]
            texts = [w for w in (*event["words"], *event["partial"]) if w["end"] > shown]
            said.late += [(clock.since(w["end"], now), w["end"], w["text"]) for w in texts]
            shown = max([shown, *new])
            said.words += event["words"]

    opening = {"format": "pcm_s16le", "sample_rate": talk.rate, **({"words": True} if words else {})}
    client = LiveClient(url, opening, on_event, bearer(token()))
    try:
        await client.run(play(talk, seconds, clock))
    except Exception as error:  # the table counts it
        said.problems.append(f"{type(error).__name__}: {error}")
    for start in talk.changes(min(seconds - NEAR, len(talk.samples) / talk.rate)):
        near = [clock.since(start, now) for begin, now in starts if abs(begin - start) <= NEAR]
        said.turn += [max(0.0, min(near))] if near else []
    return said


async def streams(url: str, talks: list[Conversation], seconds: float, count: int, words: bool) -> list[Said]:
    """Play several streams, which begin one after the other."""
    calls = (stream(url, talks[number % len(talks)], seconds, number * 0.7, words) for number in range(count))
    return await asyncio.gather(*calls)


def run(served: Served, talks: list[Conversation], seconds: float, count: int, words: bool) -> list[Said]:
    """Play, print a line."""
    before = served.metrics()
    told = asyncio.run(streams(served.url, talks, seconds, count, words))
    after = served.metrics()
    spent = {name: after[name] - before.get(name, 0.0) for name in ("diar_rtf_sum", "diar_rtf_count")}
    first, final, turn = (
        quantiles([value for one in told for value in getattr(one, name)])
        for name in ("first", "final", "turn")
    )
    cells = [f"{low:.2f} / {high:.2f}" for low, high in (first, final, turn)]
    problems = [text for one in told for text in one.problems]
    rtf = spent["diar_rtf_sum"] / max(1.0, spent["diar_rtf_count"])
    label = str(count) if words else f"{count}, no words"
    print(
        f"| {label} | {sum(len(one.words) for one in told)} | {' | '.join(cells)} | {rtf:.2f} | "
        f"{len(problems)} |",
        flush=True,
    )
    late = sorted((word for one in told for word in one.late), reverse=True)[:LATEST]
    print("  latest: " + ", ".join(f"{text} at {end:.1f} s after {delay:.1f} s" for delay, end, text in late))
    for text in sorted(set(problems)):
        print(f"  problem: {text}", flush=True)
    return told


def rates(folder: Path, talks: list[Conversation], told: list[Said], seconds: float, asr: str) -> list[str]:
    """Return lines on the words of the first streams, each of another file, beside batch recognition."""
    truth_file = folder / "truth.seglst.json"
    truth = json.loads(truth_file.read_text(encoding="utf-8")) if truth_file.exists() else []
    recogniser = diar.open_recogniser(asr, device="cpu")
    counts = dict.fromkeys(("live", "batch", "live against batch"), np.zeros(2, int))
    for file, talk, said in zip(sorted(folder.glob("*.wav")), talks, told, strict=False):
        samples = talk.samples[: round(seconds * talk.rate)]
        found = diar.transcribe(samples, sample_rate=talk.rate, recogniser=recogniser, language="en")
        live, batch = _texts(said.words), plain(found.text)
        counts["live against batch"] = counts["live against batch"] + errors(batch, live)
        true = _true_words(truth, file, len(samples) / talk.rate)
        if true:
            counts["live"] = counts["live"] + errors(true, live)
            counts["batch"] = counts["batch"] + errors(true, batch)
    return [
        f"WER, {name}: {wrong / words:.1%} of {words}" for name, (wrong, words) in counts.items() if words
    ]


def _texts(words: Sequence[dict[str, Any]]) -> list[str]:
    return plain(" ".join(word["text"] for word in sorted(words, key=lambda word: word["start"])))


def _true_words(truth: Sequence[dict[str, Any]], file: Path, seconds: float) -> list[str]:
    """Return the true words of a file up to a time; a sentence that is cut gives its share of words."""
    said: list[tuple[float, str]] = []
    for segment in truth:
        if Path(segment["session_id"]).stem != file.stem:
            continue
        start, end = float(segment["start_time"]), float(segment["end_time"])
        words = plain(segment["words"])
        times = np.linspace(start, end, len(words) + 1)[:-1]
        said += [(time, word) for time, word in zip(times.tolist(), words, strict=True) if time < seconds]
    return [word for _, word in sorted(said, key=lambda one: one[0])]


def plain(text: str) -> list[str]:
    """Return words in lower case without marks."""
    return "".join(c if c.isalnum() or c == "'" else " " for c in text.lower()).split()


def errors(true: Sequence[str], found: Sequence[str]) -> np.ndarray:
    """Return (2,): fewest words to change, and true words."""
    row = np.arange(len(found) + 1)
    for number, word in enumerate(true, start=1):
        before, row[0] = row.copy(), number
        for place, other in enumerate(found, start=1):
            row[place] = min(before[place] + 1, row[place - 1] + 1, before[place - 1] + (word != other))
    return np.array([row[-1], len(true)])


def main() -> None:
    """Print the table that was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--audio", type=Path, required=True, help="folder with NAME.wav and NAME.rttm")
    parser.add_argument("--streams", type=int, nargs="+", default=[1], help="at once; several: a line each")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each stream")
    parser.add_argument("--asr", default="whisper-tiny.en")
    parser.add_argument("--search", action="store_true", help="more streams until p95 exceeds 2 s")
    parser.add_argument("--influence", action="store_true", help="the same streams without words, too")
    parser.add_argument("--no_rates", action="store_true", help="no word error rates, which take long")
    given = parser.parse_args()
    talks = conversations(given.audio)
    if any(sf.info(file).duration < given.seconds for file in given.audio.glob("*.wav")):
        print("short files are played again and again; word error rates count the first time", flush=True)
    options = ("--asr", given.asr, "--audio_per_minute", 1e9, "--caller_sessions", 128)
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder), *options) as served:
        asyncio.run(stream(served.url, talks[0], 3.0, 0.0, True))  # the recogniser is opened
        print(HEAD, flush=True)
        if given.influence:
            run(served, talks, given.seconds, given.streams[0], words=False)
        said: list[Said] = []
        for count in SEARCH if given.search else given.streams:
            told = run(served, talks, given.seconds, count, words=True)
            said = said or told
            if given.search and quantiles([value for one in told for value in one.first])[1] > BAR:
                break
    if not given.no_rates:
        print("\n".join(rates(given.audio, talks, said, given.seconds, given.asr)))


if __name__ == "__main__":
    main()
