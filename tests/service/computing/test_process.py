"""Engines in processes of their own: the same events, whether they die or not."""

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import active_children
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from websockets.sync.client import ClientConnection

from diar.errors import DiarError
from diar.service.computing.compute import engine_openers
from diar.service.computing.lane import Lane
from diar.service.config import ServeConfig
from tests.commands import RATE
from tests.service.serving import Running, blocks, events_until, serving

BLOCK = 0.25  # seconds
PATIENCE = 300  # seconds: a process is started again meanwhile, maybe on a busy machine


def told(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if "seq" in event]


def children() -> set[int]:
    return {child.pid for child in active_children() if child.name == "diar-streams" and child.pid}


@contextmanager
def two_processes(tiny_model_dir: Path, segmentation_dir: Path) -> Iterator[tuple[Running, list[int]]]:
    """A server with two computing processes, and their numbers."""
    networks = {"model": str(tiny_model_dir), "segmentation": str(segmentation_dir), "device": "cpu"}
    config = ServeConfig(workers=2, insecure=True, audit_log="", **networks)
    before = children()
    with serving(None, engine_openers(config), insecure=True, open_metrics=True, idle_seconds=600) as running:
        yield running, sorted(children() - before)
    assert children() == before


@pytest.mark.slow
def test_sessions_do_not_notice_that_their_process_dies(
    live_models: Any, tiny_model_dir: Path, segmentation_dir: Path, talk: np.ndarray
) -> None:
    talk = talk[: 9 * RATE]
    with serving(live_models, insecure=True) as here, here.socket() as alone:
        expected = called([alone], talk, lambda: None)[0]
    with two_processes(tiny_model_dir, segmentation_dir) as (running, processes), ExitStack() as open_:
        sockets = [open_.enter_context(running.socket()) for _ in range(3)]
        answers: list[dict[str, Any]] = []

        def kill() -> None:
            os.kill(processes[0], signal.SIGKILL)
            until = time.monotonic() + 60
            while not answers or answers[-1]["networks"] == "ok":
                assert time.monotonic() < until, "nobody notices"
                answers.append(running.ask("/readyz").json)

        for events in called(sockets, talk, kill):
            assert events == expected
        assert answers[-1]["ready"]  # the other one takes new sessions meanwhile
        assert re.fullmatch("1 of 2 processes are started again, [12] sessions wait", answers[-1]["networks"])
        assert running.ask("/readyz").json["networks"] == "ok"
        assert b"diar_restarts_total 1.0" in running.ask("/metrics").body


def called(sockets: list[ClientConnection], talk: np.ndarray, trouble: Callable[[], None]) -> list[Any]:
    """The events of calls at once, with trouble while their eighth second is on its way."""
    events: list[list[dict[str, Any]]] = [[] for _ in sockets]
    for socket in sockets:
        socket.send(json.dumps({"type": "start"}))
    for number, piece in enumerate(blocks(talk, BLOCK)):
        for socket in sockets:
            socket.send(piece)
        if number == 7 / BLOCK:
            for socket, own in zip(sockets, events, strict=True):
                socket.send(json.dumps({"type": "Rename", "speaker": "1", "name": "Anna"}))
                while not own or own[-1].get("time", 0) < 6:
                    own.append(json.loads(socket.recv(PATIENCE)))
            trouble()
    for socket, own in zip(sockets, events, strict=True):
        socket.send(json.dumps({"type": "CloseStream"}))
        own += events_until(socket, "session.ended", PATIENCE)
    return [told(own) for own in events]


def test_networks_that_cannot_be_opened_end_the_start(tmp_path: Path) -> None:
    config = ServeConfig(workers=2, insecure=True, model=str(tmp_path / "nowhere"), device="cpu")
    for opener in engine_openers(config):
        with pytest.raises(DiarError, match="nowhere"):
            opener(cast(Lane, None))
