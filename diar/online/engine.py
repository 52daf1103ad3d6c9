"""Many live streams at once: hops that are due go through the networks together."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from diar.detect.linking.known import KnownSpeakers
from diar.errors import DiarError
from diar.online.events import Event
from diar.online.models import Answer, Hear, LiveModels, Request, Tell, Track
from diar.online.progress import Steps
from diar.online.settings import LiveSettings
from diar.online.stream import Stream


class Engine:
    """The streams of a process; used by one thread at a time.

    On a GPU, requests of many streams go through the networks in one batch. On the CPU, `workers` threads
    answer them, so that each stream's events are those that it would have alone. Tracks of whole chunks,
    which take half a second, are made by a thread of their own.

    Args:
        models: the networks.
        settings: of streams that are opened without their own.
        workers: threads for the CPU; PyTorch's own threads come on top of them.
    """

    def __init__(self, models: LiveModels, settings: LiveSettings | None = None, *, workers: int = 1) -> None:
        self._models, self._settings = models, settings or LiveSettings()
        self._streams: dict[Hashable, Stream] = {}
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, "diar-hop") if workers > 1 else None
        self._tracks = ThreadPoolExecutor(1, "diar-track")

    def __len__(self) -> int:
        return len(self._streams)

    def __getitem__(self, key: Hashable) -> Stream:
        return self._streams[key]

    def open(
        self,
        key: Hashable,
        settings: LiveSettings | None = None,
        known: KnownSpeakers | None = None,
        state: bytes | None = None,
    ) -> Stream:
        """Add a stream, from `state` where it is given; return it for `turns`, `names`, `rename` and `state`.

        Raises:
            DiarError: the key is in use, or as `Stream.restore`.
        """
        if key in self._streams:
            raise DiarError(f"there is a stream {key!r} already")
        chosen = settings or self._settings
        if state is None:
            self._streams[key] = Stream(self._models, chosen, known)
        else:
            self._streams[key] = Stream.restore(self._models, chosen, state, known)
        return self._streams[key]

    def feed(self, samples: Mapping[Hashable, np.ndarray]) -> dict[Hashable, list[Event]]:
        """Feed several streams; return the events of each.

        Raises:
            DiarError: as `Stream.feed`; KeyError: no such stream. Nothing was fed then.
        """
        streams = {key: self._streams[key] for key in samples}
        for key, stream in streams.items():
            stream.check(samples[key])
        return self._drive({key: stream.steps(samples[key]) for key, stream in streams.items()})

    def finalize(self, key: Hashable) -> list[Event]:
        """Do what `Stream.finalize` does."""
        return self._drive({key: self._streams[key].finalize_steps()})[key]

    def close(self, key: Hashable) -> list[Event]:
        """Finish a stream and forget it; return its last events."""
        events = self._drive({key: self._streams[key].finish_steps()})[key]
        del self._streams[key]
        return events

    def drop(self, key: Hashable) -> None:
        """Forget a stream without its last events; its `state` may go on elsewhere."""
        del self._streams[key]

    def shut_down(self) -> None:
        """End the threads."""
        for pool in (self._pool, self._tracks):
            if pool is not None:
                pool.shutdown()

    def _drive(self, steps: dict[Hashable, Steps]) -> dict[Hashable, list[Event]]:
        """Let all streams ask, answer all, and so on until nobody asks."""
        answers: dict[Hashable, Answer] = dict.fromkeys(steps)
        while answers:
            asked: dict[Hashable, Request] = {}
            for key, answer in answers.items():
                try:
                    asked[key] = steps[key].send(answer)
                except StopIteration:
                    continue
            answers = dict(zip(asked, self._answer(list(asked.values())), strict=True))
        return {key: self._streams[key].taken() for key in steps}

    def _answer(self, requests: list[Request]) -> list[Answer]:
        found: dict[int, Answer] = {}
        groups: dict[Any, list[int]] = {}
        for number, request in enumerate(requests):
            if isinstance(request, Track):
                found[number] = self._tracks.submit(self._models.track, request.chunk)
            else:
                groups.setdefault(self._group_of(request, number), []).append(number)
        for numbers, answers in zip(groups.values(), self._answered(groups.values(), requests), strict=True):
            found.update(zip(numbers, answers, strict=True))
        return [found[number] for number in range(len(requests))]

    def _group_of(self, request: Hear | Tell, number: int) -> Hashable:
        """Return what requests that are answered in one call have in common."""
        if not self._models.one_by_one:
            return type(request), len(request.samples)
        return number % self._workers if isinstance(request, Hear) else (number, "alone")

    def _answered(self, groups: Iterable[list[int]], requests: list[Request]) -> Iterable[list[Answer]]:
        batches = [[requests[number] for number in numbers] for numbers in groups]
        if self._pool is not None and self._models.one_by_one and len(batches) > 1:
            return self._pool.map(self._models.answer, batches)
        return map(self._models.answer, batches)
