"""Calls while replicas die: two `diar serve`, a real Redis, nginx before them, calls in real time.

    python benchmarks/live_failover.py --audio FOLDER [--calls 8] [--seconds 40] [--redis_away 20]
    python benchmarks/live_failover.py --audio FOLDER --only process     # the first scene

In the middle of the calls one of the processes that compute them is ended by `kill -9`; in the next scene a
replica is; then one gets SIGTERM; in the last one Redis is away for a while. FOLDER as for
benchmarks/live.py. Shortly before, whoever has spoken most in each call is named.
Printed for each trouble: calls that went on to their end, reconnections, calls without a missing event, calls
whose names were still there, final turns that came back with another speaker, most seconds of audio that a
call went back, most events that came twice, and the longest silence of a call's events.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from live import Clock, Conversation, conversations, play
from live_server import Served, bearer, free_port, nginx_call, program, redis_call, serve, token

from diar.service.terminal.client import LiveClient


@dataclass
class Call:
    """What a client saw of one call."""

    seqs: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)  # when each event came
    snapshots: list[dict[str, Any]] = field(default_factory=list)
    back: list[float] = field(
        default_factory=list
    )  # seconds of audio that a new connection had to send again
    name: str | None = None  # that was given to a speaker
    turns: dict[int, dict[str, Any]] = field(default_factory=dict)  # as they were told last
    speakers: dict[int, str] = field(default_factory=dict)  # turn → speaker, when it became final
    changed: int = 0  # final turns that came back with another speaker
    ended: dict[str, Any] | None = None
    problem: str | None = None
    client: LiveClient | None = None

    def take(self, event: dict[str, Any]) -> None:
        """Note an event."""
        self.times.append(time.monotonic())
        if event["type"] == "snapshot":
            if self.snapshots and self.client is not None:
                self.back.append(self.client.sent_seconds - event["received_seconds"])
            self.snapshots.append(event)
        elif "seq" in event:
            self.seqs.append(event["seq"])
        if "turn" in event:
            self.turns[event["turn"]["id"]] = event["turn"]
        if event["type"] == "turn.final":
            turn = event["turn"]
            self.changed += self.speakers.get(turn["id"], turn["speaker"]) != turn["speaker"]
            self.speakers[turn["id"]] = turn["speaker"]

    @property
    def speaks_most(self) -> str | None:
        """Who has spoken most; None as long as nobody has."""
        seconds: Counter[str] = Counter()
        for turn in self.turns.values():
            seconds[turn["speaker"]] += turn["end"] - turn["start"]
        return max(seconds, key=lambda speaker: seconds[speaker], default=None)

    @property
    def kept(self) -> bool:
        """Whether the name was still there at the end."""
        return self.ended is not None and self.name in self.ended["names"].values()

    @property
    def repeated(self) -> int:
        """Events that came twice."""
        return len(self.seqs) - len(set(self.seqs))

    @property
    def silence(self) -> float:
        """Longest time without an event."""
        return max((b - a for a, b in zip(self.times, self.times[1:], strict=False)), default=0.0)

    @property
    def whole(self) -> bool:
        """Whether no event is missing."""
        return (
            self.ended is not None and set(self.seqs) >= set(range(1, max(self.seqs) + 1)) - self._skipped()
        )

    def _skipped(self) -> set[int]:
        """Return events whose content came in a snapshot."""
        return {seq for one in self.snapshots for seq in range(1, one["next_seq"])}


async def call(url: str, talk: Conversation, seconds: float, wait: float, name: str) -> Call:
    """Play one call; name a speaker before its middle."""
    await asyncio.sleep(wait)
    seen, clock = Call(), Clock()
    seen.client = client = LiveClient(
        url, {"format": "pcm_s16le", "sample_rate": talk.rate}, seen.take, bearer(token())
    )
    naming = asyncio.create_task(_name(url, seen, name, 0.35 * seconds))
    try:
        seen.ended = await client.run(play(talk, seconds, clock))
    except Exception as error:  # the table counts it
        seen.problem = f"{type(error).__name__}: {error}"
    naming.cancel()
    return seen


async def _name(url: str, seen: Call, name: str, wait: float) -> None:
    """Name whoever has spoken most, by HTTP."""
    address = url.removeprefix("ws://").removesuffix("/v1/live")
    await asyncio.sleep(wait)
    assert seen.client is not None
    while True:
        body = json.dumps({"speaker": seen.speaks_most, "name": name}).encode()
        path = f"http://{address}/v1/sessions/{seen.client.session}/names"
        if seen.speaks_most and await asyncio.to_thread(_post, path, body):
            seen.name = name
            return
        await asyncio.sleep(0.2)


def _post(url: str, body: bytes) -> bool:
    from urllib.error import URLError
    from urllib.request import Request

    try:
        with urlopen(Request(url, body, {**bearer(token()), "Content-Type": "application/json"}), timeout=5):
            return True
    except (URLError, OSError):
        return False  # there is no such speaker any more, or nginx asked the other replica


async def scene(url: str, talks: list[Conversation], given: Any, trouble: Callable[[], None]) -> list[Call]:
    """Play all calls; make trouble in the middle."""
    calls = [
        asyncio.create_task(call(url, talks[n % len(talks)], given.seconds, n * 0.1, f"Person {n}"))
        for n in range(given.calls)
    ]
    await asyncio.sleep(given.seconds / 2)
    await asyncio.to_thread(trouble)
    return list(await asyncio.gather(*calls))


def row(what: str, calls: list[Call], given: Any) -> str:
    """Return a line of the table."""
    on = sum(one.ended is not None and one.ended["duration"] > given.seconds - 0.5 for one in calls)
    whole = sum(one.whole for one in calls)
    named, kept = sum(one.name is not None for one in calls), sum(one.kept for one in calls)
    moved = sum(one.client.reconnections for one in calls if one.client)
    back = [seconds for one in calls for seconds in one.back]
    changed = sum(one.changed for one in calls)
    return (
        f"| {what} | {on} of {len(calls)} | {moved} | {whole} | {kept} of {named} | {changed} | "
        f"{max(back, default=0.0):.1f} | {max(one.repeated for one in calls)} | "
        f"{max(one.silence for one in calls):.1f} |"
    )


HEAD = (
    "| trouble | calls went on | reconnections | without a gap | names kept | final turns changed | "
    "went back, s | events twice | longest silence, s |\n|---|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    """Play the four scenes."""
    given = parse()
    talks = conversations(given.audio)
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory() as name, serve(Path(name), "--audio_per_minute", 1e6) as alone:
        calls = asyncio.run(scene(alone.url, talks, given, alone.kill_worker))
        print(row("kill -9 of a computing process", calls, given), flush=True)
    if not given.only:
        play_replicas(talks, given)


def play_replicas(talks: list[Conversation], given: argparse.Namespace) -> None:
    """Play what needs replicas, Redis and nginx."""
    with ExitStack() as running, tempfile.TemporaryDirectory() as name:
        folder, port, door = Path(name), free_port(), free_port()
        redis = running.enter_context(program(redis_call(port, folder), port))
        options = ("--redis", f"redis://127.0.0.1:{port}/0", "--audio_per_minute", 1e6, "--save_seconds", 1)

        def replica(number: int) -> Served:
            return running.enter_context(serve(folder / str(number), *options))

        first, second = replica(1), replica(2)
        running.enter_context(program(nginx_call(folder, door, [first.address, second.address]), door))
        url = f"ws://127.0.0.1:{door}/v1/live"
        print(
            row("kill -9 of a replica", asyncio.run(scene(url, talks, given, first.kill)), given), flush=True
        )
        third = replica(3)
        nginx = running.enter_context(
            program(nginx_call(folder, door + 1, [second.address, third.address]), door + 1)
        )
        url = f"ws://127.0.0.1:{door + 1}/v1/live"
        seconds: list[float] = []

        def drain() -> None:
            began = time.monotonic()
            second.process.terminate()
            second.process.wait(30)
            seconds.append(time.monotonic() - began)

        print(row("SIGTERM of a replica", asyncio.run(scene(url, talks, given, drain)), given), flush=True)
        told: list[str] = []

        def away() -> None:
            redis.kill()
            redis.wait()
            time.sleep(given.redis_away / 2)
            with urlopen(f"http://{third.address}/readyz", timeout=10) as got:
                told.append(f"{got.status}: {json.loads(got.read())['redis']}")
            time.sleep(given.redis_away / 2)
            running.enter_context(program(redis_call(port, folder), port))

        calls = asyncio.run(scene(f"ws://{third.address}/v1/live", talks, given, away))
        print(row(f"Redis away for {given.redis_away:.0f} s", calls, given), flush=True)
        del nginx
        print(
            f"\nSIGTERM: the replica ended after {seconds[0]:.1f} s. /readyz while Redis was away: {told[0]}"
        )


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--calls", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--redis_away", type=float, default=20.0)
    parser.add_argument("--only", choices=["process"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
