"""Live networks that remember what they answered, so that the same audio is computed once."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from diar.online.events import Event
from diar.online.models import Answer, Hear, LiveModels, Request, Tell, Track
from diar.online.settings import SAMPLE_RATE
from diar.online.stream import Stream

SECONDS = 36  # of the conversation: longer than a chunk, so that tracks are used before the end


class RememberingModels(LiveModels):
    """The real networks; a request that was answered before is not computed again."""

    answered: dict[bytes, Answer]

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer as the networks do."""
        return [self._remembered(request) for request in requests]

    def computed(self, request: Request) -> Answer:
        """Answer without looking whether that was asked before."""
        return super().answer([request])[0]

    def _remembered(self, request: Request) -> Answer:
        key = _key(request)
        if key not in self.answered:
            self.answered[key] = self.computed(request)
        return self.answered[key]


def _key(request: Request) -> bytes:
    match request:
        case Hear():
            parts = [b"hear", request.window.tobytes()]
        case Tell(samples, before, local):
            parts = [b"tell", samples.tobytes(), str(before).encode(), local.active.tobytes()]
        case Track(chunk):
            place = f"{chunk.index} {chunk.start} {chunk.core} {chunk.last}"
            parts = [b"track", chunk.samples.tobytes(), place.encode()]
    return hashlib.sha256(b"|".join(parts)).digest()


@pytest.fixture(scope="session")
def live_models(campplus_dir: Path, segmentation_dir: Path) -> LiveModels:
    models = RememberingModels.open(
        str(campplus_dir), str(segmentation_dir), second_segmentation=None, device="cpu"
    )
    models.answered = {}
    return models


@pytest.fixture(scope="session")
def talk(conversation: np.ndarray) -> np.ndarray:
    """(n,) float32 at 16 kHz, two voices; on the grid of 16 bit."""
    samples = conversation[: SECONDS * SAMPLE_RATE]
    return (np.rint(samples * 32767) / 32768).astype(np.float32)


@pytest.fixture(scope="session")
def told(live_models: LiveModels, talk: np.ndarray) -> tuple[Stream, list[Event]]:
    """A finished stream of `talk` and its events."""
    stream = Stream(live_models)
    return stream, [*stream.feed(talk), *stream.finish()]


def without_time(events: list[Event]) -> list[dict[str, object]]:
    """The events as clients see them."""
    return [event.to_dict() for event in events]
