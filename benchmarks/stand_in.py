"""A stand-in for the encoder that takes as long as a GPU would, for `scaling.py`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diar.embedding.chunks import Chunk, ChunkSettings
from diar.embedding.rows import ChunkEmbeddings, SlidingWindows, speech_in_core
from diar.embedding.speech.detector import ChunkSpeech
from diar.jobs.extract.networks.open import build_embedder

DIMENSION = 16  # of the embeddings
Pass = tuple[Sequence[Chunk], float]  # chunks, and when the device is done with them


@dataclass
class Worker:
    """The work of one process so far."""

    pid: int
    ready: float  # seconds since the epoch
    embedded: float = 0.0  # seconds of audio
    position: float = 0.0  # seconds in the current recording


class Log:
    """Reports the work of this process in a file, which outlives the process."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / f"{os.getpid()}.json"
        self._worker = Worker(os.getpid(), time.time())
        self.note(0.0, 0.0)

    def note(self, seconds: float, position: float) -> None:
        """Add `seconds` of audio that end at `position` of a recording, in seconds."""
        self._worker.embedded += seconds
        self._worker.position = position
        beside = self._file.with_suffix(".tmp")
        beside.write_text(json.dumps(asdict(self._worker)))
        beside.replace(self._file)


def read_log(folder: Path) -> list[Worker]:
    """Return all processes of a run in the order in which they were ready."""
    workers = [Worker(**json.loads(file.read_text())) for file in folder.glob("*.json")]
    return sorted(workers, key=lambda worker: worker.ready)


class StandIn:
    """Replaces a TrackEmbedder: a device that is busy for a while, and returns noise.

    Args:
        settings: chunk and window lengths.
        speed: seconds of audio a second.
        log: of this process.
    """

    def __init__(self, settings: ChunkSettings, speed: float, log: Log) -> None:
        self.settings = settings
        self.device = torch.device("cpu")
        self._speed = speed
        self._log = log
        self._free_at = 0.0
        self._random = np.random.default_rng(os.getpid())

    def embed(self, chunks: Sequence[Chunk]) -> list[ChunkEmbeddings]:
        return self.finish(self.pool(self.start(chunks)))

    def start(self, chunks: Sequence[Chunk]) -> Pass:
        """Give the device a pass, which begins when the one before is done; context takes no time."""
        seconds = sum(end - start for start, end in (chunk.core for chunk in chunks)) / self.settings.rate
        self._log.note(seconds, max(chunk.end for chunk in chunks) / self.settings.rate)
        self._free_at = max(self._free_at, time.monotonic()) + seconds / self._speed
        return chunks, self._free_at

    def pool(self, started: Pass) -> Pass:
        return started

    def finish(self, pooled: Pass) -> list[ChunkEmbeddings]:
        """Wait for the device to finish a pass."""
        chunks, done_at = pooled
        time.sleep(max(0.0, done_at - time.monotonic()))
        return [self._rows(chunk) for chunk in chunks]

    def _rows(self, chunk: Chunk) -> ChunkEmbeddings:
        speech = ChunkSpeech.everywhere(1, len(chunk.samples))
        windows = SlidingWindows.of(chunk, self.settings, speech, 0)
        vectors = self._random.standard_normal((1 + len(windows), DIMENSION)).astype(np.float32)
        everything = speech_in_core(chunk, speech, speech.speech[0])
        return ChunkEmbeddings(
            local=None,
            windows=np.empty((0, 2), np.int64),
            sliding=windows.rows(chunk, vectors[1:]),
            spare=windows.spare,
            core_embedding=vectors[0],
            core_frames=len(chunk.samples),
            speech=everything,
            single=everything,
        )


def make_stand_in(*given: Any, speed: float, log: Path) -> Any:
    """Replace `build_embedder` of `run_rank`."""
    settings = next(argument for argument in given if isinstance(argument, ChunkSettings))
    return StandIn(settings, speed, Log(log))


def make_real(*given: Any, log: Path) -> Any:
    """Do as `build_embedder` does, and report when it is ready."""
    embedder = build_embedder(*given)
    Log(log)
    return embedder
