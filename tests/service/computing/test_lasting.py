"""What becomes of sessions when what computes them dies, on a real server; the process itself is left out."""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from typing import Any

import numpy as np

from diar.online.events import Event
from diar.online.settings import LiveSettings
from diar.service.computing.engine import ServiceEngine
from diar.service.computing.lasting import LastingEngine
from diar.service.computing.streams import Begun, Checkpoint, EngineGone
from diar.service.config import ServeConfig
from tests.commands import RATE
from tests.service.serving import Running, blocks, closed, events_until, pcm, serving, sse

DEADLY = pcm(np.ones(RATE // 10, np.float32))


class Fragile(ServiceEngine):
    """Ends at samples of full scale, unless it is a later one that does `otherwise`."""

    otherwise = False

    def begin(self, key: str, settings: LiveSettings, past: Checkpoint | None = None) -> Begun:
        own = replace(settings, correction_seconds=1.0) if self.otherwise else settings
        return super().begin(key, own, past)

    def feed(self, samples: Mapping[Any, np.ndarray]) -> dict[Any, list[Event]]:
        if not self.otherwise and any((piece > 0.99).any() for piece in samples.values()):
            raise EngineGone("it ended")
        return super().feed(samples)


def fragile(
    models: Any, engines: list[Fragile], *, otherwise: bool = False
) -> AbstractContextManager[Running]:
    """A server with one lane, whose engines are noted."""

    def opened() -> Fragile:
        engines.append(Fragile(models, ServeConfig(insecure=True)))
        engines[-1].otherwise = otherwise and len(engines) > 1
        return engines[-1]

    return serving(models, [lambda lane: LastingEngine(opened, lane)], insecure=True)


def test_a_session_that_kills_twice_ends_and_others_go_on(live_models: Any, talk: np.ndarray) -> None:
    engines: list[Fragile] = []
    quiet = 0.5 * talk[: 7 * RATE]
    with fragile(live_models, engines) as running, ExitStack() as open_:
        first, second, poison = (open_.enter_context(running.socket()) for _ in range(3))
        for socket in (first, second, poison):
            socket.send(json.dumps({"type": "start"}))
            events_until(socket, "snapshot")
        for number, piece in enumerate(blocks(quiet)):
            for socket in (first, second, poison)[: 3 if number < 12 else 2]:
                socket.send(piece)
            if number == 12:
                poison.send(DEADLY)
        told = events_until(poison, "error")[-1]
        assert told["code"] == "internal"
        assert told["message"].endswith("it ended twice, at this session's audio")
        assert closed(poison)[0] == 1011
        for socket in (first, second):
            socket.send(json.dumps({"type": "CloseStream"}))
        one, two = (events_until(socket, "session.ended") for socket in (first, second))
        assert one == two and [event["seq"] for event in one] == list(range(1, len(one) + 1))
        assert one[-1]["duration"] == 7
        assert running.ask("/readyz").json["networks"] == "ok"
        assert len(engines) == 3  # the first one, and one after each death


def test_who_listens_is_told_what_holds_where_a_new_process_finds_otherwise(
    live_models: Any, talk: np.ndarray
) -> None:
    """Networks need not round alike everywhere; here the new process makes turns final earlier."""
    engines: list[Fragile] = []
    quiet = 0.5 * talk[: 6 * RATE]
    quiet[round(2.5 * RATE) : round(4.5 * RATE)] = 0
    pieces = [DEADLY if number == 18 else piece for number, piece in enumerate(blocks(quiet))]
    with fragile(live_models, engines, otherwise=True) as running:
        with running.socket() as socket:
            socket.send(json.dumps({"type": "start"}))
            events_until(socket, "snapshot")
            for piece in pieces:
                socket.send(piece)
            before = events_until(socket, "snapshot")
            socket.send(json.dumps({"type": "CloseStream"}))
            after = events_until(socket, "session.ended")
        seqs = [event["seq"] for event in before[:-1]]
        assert seqs == list(range(1, len(seqs) + 1)) and before[-1]["next_seq"] > seqs[-1] + 1
        assert after[0]["seq"] == before[-1]["next_seq"]
        known = {turn["id"] for turn in before[-1]["turns"] if turn["final"]}
        assert known and not known & {e["turn"]["id"] for e in after if e["type"] == "turn.final"}

    engines.clear()
    with fragile(live_models, engines, otherwise=True) as running:
        *turns, (last, done, _) = sse(running.ask("/diar/stream", b"".join(pieces)).body)
    assert len(engines) == 2 and last == "done" and done["turns"]
    numbers = [turn["id"] for name, turn, _ in turns if name == "turn"]
    assert known <= set(numbers) and len(numbers) == len(set(numbers))
