"""One live stream: samples as they come → events."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from diar.detect.linking.known import KnownSpeakers
from diar.embedding.chunks import Chunk
from diar.embedding.rows import ChunkEmbeddings
from diar.embedding.speech.detector import LocalActivity
from diar.errors import DiarError
from diar.online.audio import Samples
from diar.online.correction import Corrections
from diar.online.events import (
    Event,
    FinalTurn,
    LiveTurn,
    SessionEnded,
    SessionStarted,
    SpeakerNamed,
    SpeechStarted,
)
from diar.online.hops import Hops
from diar.online.kept import Kept, finished
from diar.online.models import TOLD_SECONDS, Answer, Hear, LiveModels, Request, Tell, Track
from diar.online.onset import TICK, Onset
from diar.online.settings import SAMPLE_RATE, LiveSettings
from diar.online.speakers import Speakers
from diar.online.timeline import Timeline
from diar.online.turns import Draft, TurnBook
from diar.records import ActivityFrames, RecordingTracks

Steps = Generator[Request, Answer, None]

_PATIENCE = 0.3  # seconds of silence after which a turn has ended
_SILENCE = 0.5  # seconds of silence after which speech starts anew
_TRACK_SLACK = 2.0  # seconds of the stream after which the tracks of a chunk are used: they take a while
_EARLY_TRACKS = (10 * SAMPLE_RATE, 20 * SAMPLE_RATE)  # samples, before the first chunk is complete


@dataclass(frozen=True)
class Waiting:
    """Tracks that are being made.

    Attributes:
        due: sample at which they are used.
        chunk: of which they are made.
        made: the tracks.
    """

    due: int
    chunk: Chunk
    made: Future[ChunkEmbeddings]


class Stream:
    """The case of one stream; `Engine` computes several together.

    Events depend on the samples alone, not on how they are cut into blocks, nor on other streams.

    Args:
        models: the networks.
        settings: see there.
        known: enrolled voices.
    """

    def __init__(
        self, models: LiveModels, settings: LiveSettings | None = None, known: KnownSpeakers | None = None
    ) -> None:
        self._models, self._settings = models, settings or LiveSettings()
        geometry = models.geometry
        self._step = geometry.step_seconds
        self._audio = Samples()
        preset = self._settings.diarize.narrow_preset if self._settings.narrow_band else self._settings.diarize.preset
        self._timeline = Timeline(geometry, preset.turns)
        self._speakers = Speakers(self._settings.narrow_band, self._settings.max_speakers, known)
        self._hops = Hops(self._settings, self._speakers, self._timeline, self._step)
        self._book = TurnBook()
        frames = ActivityFrames(geometry.first_center, self._step)
        self._kept = Kept(self._settings, frames, models.metadata)
        self._corrections = Corrections(
            self._settings, self._speakers, self._timeline, self._hops, self._book, self._kept, frames
        )
        self._events: list[Event] = []
        self._seq = 0
        self._begun = self._ended = self._restored = False
        self._position = 0  # sample up to which hops looked
        self._chunk, self._chunk_start = 0, 0
        self._waiting: Waiting | None = None
        self._onset = Onset()
        self._speech_end = -np.inf  # second

    @property
    def time(self) -> float:
        """Seconds that were fed."""
        return self._audio.end / SAMPLE_RATE

    @property
    def turns(self) -> list[LiveTurn]:
        """All turns so far, ascending by start; those that are open, too."""
        return self._book.turns

    @property
    def names(self) -> dict[str, str]:
        """Names of the speakers that have one."""
        return {str(row.number): row.name for row in self._speakers.rows if row.name is not None}

    def feed(self, samples: np.ndarray) -> list[Event]:
        """Take samples (n,) float32 mono at 16 kHz in ±1, any number of them; return what is new.

        The first call also gives `session.started`.

        Raises:
            DiarError: another shape or type, values that are not finite, or a stream that is finished.
        """
        return self._run(self.steps(samples))

    def finalize(self) -> list[Event]:
        """Look at what was fed since the last hop, end open turns and make all turns final."""
        return self._run(self.finalize_steps())

    def finish(self) -> list[Event]:
        """`finalize`, then `session.ended`; nothing can be fed afterwards."""
        return self._run(self.finish_steps())

    def rename(self, speaker: str, name: str) -> list[Event]:
        """Give a speaker a name.

        Raises:
            DiarError: no such speaker, or an empty name.
        """
        row = self._speakers.get(int(speaker)) if speaker.isdecimal() else None
        if row is None:
            raise DiarError(f"`speaker={speaker}` is none of {', '.join(map(str, self._speakers.numbers))}")
        if not name.strip():
            raise DiarError("`name` is empty")
        row.name = name.strip()
        self._emit(SpeakerNamed, self.time, speaker=speaker, name=row.name)
        return self.taken()

    def tracks(self) -> RecordingTracks:
        """Return the tracks of a finished stream, as stage 1 stores them."""
        return self._kept.stored(self.time)

    def check(self, samples: np.ndarray) -> None:
        """Raise what `feed` raises."""
        if self._ended:
            raise DiarError("the stream is finished")
        self._audio.check(samples)

    def steps(self, samples: np.ndarray) -> Steps:
        """Do what `feed` does, asking for the networks' answers; `taken` returns the events."""
        self.check(samples)
        self._begin()
        for part in range(0, len(samples), self._settings.hop_samples):
            self._audio.push(samples[part : part + self._settings.hop_samples])
            yield from self._advance()

    def taken(self) -> list[Event]:
        """Return the events since the last call."""
        events, self._events = self._events, []
        return events

    def _run(self, steps: Steps) -> list[Event]:
        answer: Answer = None
        try:
            while True:
                answer = self._models.answer([steps.send(answer)])[0]
        except StopIteration:
            return self.taken()

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._emit(
                SessionStarted,
                self.time,
                restored=self._restored,
                sample_rate=SAMPLE_RATE,
                hop=self._settings.hop,
                correction_seconds=self._settings.correction_seconds,
                models=self._models.describe(),
            )

    def _emit(self, kind: type[Event], moment: float, **fields: Any) -> None:
        self._seq += 1
        time = max(self._position / SAMPLE_RATE, moment)
        self._events.append(kind(self._seq, time, max(0.0, time - moment), **fields))

    def _tell(self, drafts: Iterable[Draft]) -> None:
        for draft in drafts:
            self._emit(draft.kind, draft.moment, **draft.fields)

    def _advance(self) -> Steps:
        while (position := self._next_hop()) is not None:
            yield from self._hop(position)
            yield from self._track(position)
            self._settle(position / SAMPLE_RATE - self._settings.correction_seconds)
            self._forget()

    def _next_hop(self) -> int | None:
        """Return the sample up to which the next hop looks, None where it is not there yet."""
        hop = self._settings.hop_samples
        regular = (self._position // hop + 1) * hop
        if not self._timeline.speaks_at_end(round(_PATIENCE / self._step)):
            for tick in range((self._onset.tick // TICK + 1) * TICK, regular, TICK):
                if tick > self._audio.end:
                    return None
                if self._onset.louder(tick, self._audio.power(tick - TICK, tick)):
                    return tick
        self._onset.tick = max(self._onset.tick, regular) if regular <= self._audio.end else self._onset.tick
        return regular if regular <= self._audio.end else None

    def _hop(self, position: int) -> Steps:
        """Look at the seg_window that ends at sample `position`."""
        step = self._models.geometry.step
        start = max(0, -(-(position - self._models.window) // step) * step)
        samples = self._audio.take(start, min(position, start + self._models.window))
        self._position = position
        local = cast("LocalActivity | None", (yield Hear(samples)))
        if local is None:
            return
        first, told = start // step, round(TOLD_SECONDS / self._step)
        if self._hops.follow(first, local, told):
            voices = self._hops.voices.as_speakers(local)
            before = max(0, len(samples) - round(TOLD_SECONDS * SAMPLE_RATE))
            answer = cast("tuple[np.ndarray, np.ndarray]", (yield Tell(samples[before:], before, voices)))
            self._hops.tell(*answer, told)
        self._note_speech(first, self._hops.write(first, local))
        self._update()

    def _note_speech(self, first: int, voices: np.ndarray) -> None:
        edges = np.flatnonzero(np.diff(voices > 0, prepend=False, append=False)).reshape(-1, 2)
        for begin, end in edges:
            start, stop = self._timeline.edge(first + int(begin)), self._timeline.edge(first + int(end))
            if start > self._speech_end + _SILENCE:
                self._emit(SpeechStarted, start, start=start)
            self._speech_end = max(self._speech_end, stop)

    def _update(self) -> None:
        self._tell(self._book.update(self._timeline.runs(round(_PATIENCE / self._step))))

    def _track(self, position: int) -> Steps:
        """Start tracks of a chunk that is complete; use those that were started before."""
        chunks = self._models.chunks
        if self._waiting is not None and position >= self._waiting.due:
            self._use_waiting()
        if position in _EARLY_TRACKS:
            last = yield from self._last_chunk(position)
            seconds = position / SAMPLE_RATE
            self._tell(self._corrections.apply(self._kept.observations(seconds, last), seconds - 1.0))
            self._update()
        end = self._chunk_start + chunks.length
        if position > end:
            start, core = self._chunk_start, self._chunk_start + chunks.context
            chunk = Chunk(
                self._chunk,
                start,
                self._audio.take(start, end),
                (0 if self._chunk == 0 else core, end - chunks.context),
                last=False,
            )
            due = position + round(_TRACK_SLACK * SAMPLE_RATE)
            self._waiting = Waiting(due, chunk, cast("Future[ChunkEmbeddings]", (yield Track(chunk))))
            self._chunk, self._chunk_start = self._chunk + 1, start + chunks.chunk

    def _use_waiting(self) -> None:
        assert self._waiting is not None
        waiting, self._waiting = self._waiting, None
        until = waiting.chunk.core[1] / SAMPLE_RATE
        self._kept.add(waiting.chunk.index, waiting.made.result())
        self._tell(self._corrections.apply(self._kept.observations(until), until))
        self._update()

    def _settle(self, until: float) -> None:
        self._timeline.settle(self._timeline.frame_at(until))
        until = self._timeline.edge(self._timeline.first)
        self._tell(self._book.settle(until, self._timeline.carried))

    def _forget(self) -> None:
        start = self._chunk_start if self._waiting is None else self._waiting.chunk.start
        self._audio.forget(min(start, self._audio.end - self._models.chunks.length))

    def finalize_steps(self) -> Steps:
        """Do what `finalize` does, as `steps`."""
        if self._ended:
            raise DiarError("the stream is finished")
        self._begin()
        yield from self._advance()
        if self._audio.end > self._position:
            yield from self._hop(self._audio.end)
        if self._waiting is not None:
            self._use_waiting()
        last = yield from self._last_chunk(self._audio.end)
        if last is not None:
            self._tell(self._corrections.apply(self._kept.observations(self.time, last), self.time))
        self._tell(self._book.update(self._timeline.runs(-1)))
        self._settle(self.time + 1.0)

    def _last_chunk(self, end: int) -> Generator[Request, Answer, ChunkEmbeddings | None]:
        """Return the tracks of the last chunk, if the stream ended here."""
        chunks = self._models.chunks
        if end == 0:
            return None
        start = 0 if self._chunk == 0 else end - chunks.length
        core = 0 if self._chunk == 0 else start + chunks.context
        chunk = Chunk(self._chunk, start, self._audio.take(start, end), (core, end), last=True)
        future = cast("Future[ChunkEmbeddings]", (yield Track(chunk)))
        return future.result()

    def finish_steps(self) -> Steps:
        """Do what `finish` does, as `steps`."""
        yield from self.finalize_steps()
        self._ended = True
        last = yield from self._last_chunk(self._audio.end)
        if last is not None:
            self._kept.add(self._chunk, last)
        turns = self._finished_turns() if last is not None else ()
        self._emit(SessionEnded, self.time, duration=self.time, turns=turns, names=self.names)

    def _finished_turns(self) -> tuple[FinalTurn, ...]:
        found = finished(self._kept.observations(self.time), self._settings)
        labels = self._corrections.labels(found)
        turns = [
            FinalTurn(label, float(start), float(end))
            for label, own in zip(labels, found.turns, strict=True)
            for start, end in own
        ]
        return tuple(sorted(turns, key=lambda turn: (turn.start, turn.end, turn.speaker)))
