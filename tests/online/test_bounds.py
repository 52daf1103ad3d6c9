"""What a long stream keeps does not grow, but for its turns.

The networks' answers for one minute are given again and again, so that minutes take seconds.
"""

import copy
from dataclasses import replace

import numpy as np
import pytest

from diar.embedding.rows import ChunkEmbeddings
from diar.online.models import LiveModels
from diar.online.settings import SAMPLE_RATE, LiveSettings
from diar.online.stream import Stream
from tests.online.conftest import RememberingModels

PERIOD = 216_000  # samples, 13.5 s: a multiple of hops, ticks and frames of the segmentation
PERIODS = 24  # more than five minutes


class RepeatingModels(RememberingModels):
    """Tracks of a later chunk are those of the second one, moved."""

    model_chunk: ChunkEmbeddings | None = None

    def track(self, chunk):  # type: ignore[no-untyped-def]
        if chunk.index != 1 or chunk.last or self.model_chunk is None:
            if chunk.index > 1:
                assert self.model_chunk is not None
                return moved(self.model_chunk, chunk.start - self.chunks.chunk)
            made = super().track(chunk)
            self.model_chunk = made if chunk.index == 1 else self.model_chunk
            return made
        return self.model_chunk


def moved(made: ChunkEmbeddings, samples: int) -> ChunkEmbeddings:
    """The same tracks so many samples later."""

    def later(rows):  # type: ignore[no-untyped-def]
        active = replace(rows.active, intervals=rows.active.intervals + samples)
        return replace(rows, spans=rows.spans + samples, active=active)

    return replace(
        made,
        local=None if made.local is None else later(made.local),
        sliding=later(made.sliding),
        windows=made.windows + samples,
        speech=made.speech + samples,
        single=made.single + samples,
    )


@pytest.fixture(scope="module")
def repeating_models(live_models: RememberingModels) -> LiveModels:
    models = copy.copy(live_models)
    models.__class__ = RepeatingModels
    return models


def test_a_long_stream_keeps_as_much_as_a_short_one(
    repeating_models: LiveModels, conversation: np.ndarray
) -> None:
    stream = Stream(repeating_models, LiveSettings(keep_seconds=60.0))
    samples = conversation[:PERIOD]
    sizes = []
    for _ in range(PERIODS):
        stream.feed(samples)
        sizes.append(kept_bytes(stream))
    assert max(sizes[12:]) <= 1.1 * max(sizes[6:12])  # from 80 s on
    assert stream.time == PERIODS * PERIOD / SAMPLE_RATE
    turns = stream.turns
    assert len(turns) > PERIODS and turns[-1].end > stream.time - 5.0
    assert len({turn.speaker for turn in turns[-20:]}) <= 3
    assert len(stream.state()) < 1_000_000


def kept_bytes(stream: Stream) -> int:
    """Bytes of audio, frames and tracks."""
    progress = stream._progress
    rows = [
        array
        for chunk in progress.kept.chunks.values()
        for part in (chunk.local, chunk.sliding)
        if part is not None
        for array in (part.spans, part.activity, part.embedding)
    ]
    speakers = [row.total for row in progress.speakers.rows]
    return sum(
        array.nbytes for array in [progress.audio.kept, progress.timeline.level, *rows, *speakers]
    ) + 200 * len(progress.book.told)
