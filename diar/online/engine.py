"""Many live streams at once: hops that are due go through the networks together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import partial
from typing import Any

import numpy as np

from diar.detect.linking.known import KnownSpeakers
from diar.errors import DiarError
from diar.online.events import Event
from diar.online.models import Answer, Hear, LiveModels, Request, Tell, Track
from diar.online.progress import Steps
from diar.online.settings import LiveSettings
from diar.online.stream import Stream
from diar.online.tracking import TrackThread


class Engine:
    """The streams of a process; several threads may use it at once, each for streams of its own.

    On a GPU, requests of many streams go through the networks in one batch. On the CPU they are answered so
    that each stream's events are those that it would have alone. Tracks of whole chunks, which take half a
    second, are made by a thread of their own, which gives way to all others (`TrackThread`).

    Args:
        models: the networks.
        settings: of streams that are opened without their own.
    """

    def __init__(self, models: LiveModels, settings: LiveSettings | None = None) -> None:
        self._models, self._settings = models, settings or LiveSettings()
        self._streams: dict[Hashable, Stream] = {}
        self._tracks = TrackThread()

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
        **how: Any,
    ) -> Stream:
        """Add a stream, from `state` where it is given; return it for `turns`, `names`, `rename` and `state`.

        Args:
            key: of the stream.
            settings: of the stream; None = the engine's.
            known: enrolled voices.
            state: of a stream that goes on.
            how: the last arguments of `Stream.restore`.

        Raises:
            DiarError: the key is in use, or as `Stream.restore`.
        """
        if key in self._streams:
            raise DiarError(f"there is a stream {key!r} already")
        chosen = settings or self._settings
        if state is None:
            self._streams[key] = Stream(self._models, chosen, known)
        else:
            self._streams[key] = Stream.restore(self._models, chosen, state, known, **how)
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
        """End the thread of the tracks."""
        self._tracks.shut_down()

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
                found[number] = self._tracks.begin(partial(self._models.track, request.chunk))
            else:
                groups.setdefault(self._group_of(request), []).append(number)
        for numbers in groups.values():
            answers = self._models.answer([requests[number] for number in numbers])
            found.update(zip(numbers, answers, strict=True))
        return [found[number] for number in range(len(requests))]

    def _group_of(self, request: Hear | Tell) -> Hashable:
        """Return what requests that are answered in one call have in common."""
        return type(request), 0 if self._models.one_by_one else len(request.samples)
