"""The work on one stream, step by step: when to look, when tracks are made and used, and how it ends."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import cast

import numpy as np

from diar.detect.linking.known import KnownSpeakers
from diar.detect.observations import Observations
from diar.embedding.chunks import Chunk
from diar.embedding.rows import ChunkEmbeddings
from diar.embedding.speech.detector import LocalActivity
from diar.online.audio import Samples
from diar.online.correction import Corrections
from diar.online.events import FinalTurn, SessionEnded, SpeechStarted
from diar.online.hearing.hops import Hops
from diar.online.hearing.onset import TICK, Onset
from diar.online.hearing.speakers import Speakers
from diar.online.kept import Kept, finished
from diar.online.models import TOLD_SECONDS, TOLD_STEP, Answer, Hear, LiveModels, Request, Tell, Track
from diar.online.settings import SAMPLE_RATE, LiveSettings
from diar.online.telling import Draft, Telling
from diar.online.timeline import Timeline
from diar.online.tracking import Made
from diar.online.turns import TurnBook
from diar.records import ActivityFrames

Steps = Generator[Request, Answer, None]

_PATIENCE = 0.3  # seconds of silence after which a turn has ended
_SOONER = SAMPLE_RATE // 4  # samples to the next look while it is not decided who speaks
_SILENCE = 0.5  # seconds of silence after which speech starts anew
_TRACK_SLACK = 2.0  # seconds of the stream after which the tracks of a chunk are used: they take a while
# Seconds of a chunk after which it is tracked before it is complete, so that corrections come in time
_LOOK, _CHUNKS_LOOKED_AT = 16.0, 4
_LEAST_TRACKED = SAMPLE_RATE // 40  # samples; the encoder's features need 25 ms
_UNSEEN = 1.0  # seconds at the end of such tracks, which are less sure


@dataclass(frozen=True)
class Waiting:
    """Tracks that are being made.

    Attributes:
        due: sample at which they are used.
        chunk: of which they are made; `last` where it is not complete, so that they are not kept.
        made: the tracks.
    """

    due: int
    chunk: Chunk
    made: Made


class Progress:
    """All that is known of a stream.

    Attributes:
        position: sample up to which hops looked.
        chunk: number of the chunk that is not complete yet …
        chunk_start: … and its first sample.
        looked: sample up to which it was tracked already.
        speech_end: second at which anybody spoke last.
    """

    def __init__(self, models: LiveModels, settings: LiveSettings, known: KnownSpeakers | None) -> None:
        self.models, self.settings, self.front = models, settings, models.front()
        geometry = models.geometry
        self.step = geometry.step_seconds
        self.audio, self.onset, self.telling = Samples(), Onset(), Telling()
        self.timeline = Timeline(geometry, settings.preset.turns)
        self.speakers = Speakers(settings.narrow_band, settings.max_speakers, known)
        self.hops = Hops(settings, self.speakers, self.timeline, self.step)
        self.book = TurnBook()
        frames = ActivityFrames(geometry.first_center, self.step)
        self.kept = Kept(settings, frames, models.metadata, models.chunks.chunk / SAMPLE_RATE)
        self.corrections = Corrections(settings, self.speakers, self.timeline, self.hops, self.book, frames)
        self.position = self.chunk = self.chunk_start = self.looked = 0
        self.waiting: Waiting | None = None
        self.last: ChunkEmbeddings | None = None  # of the end, once it is finalized
        self.speech_end = -1e9

    def advance(self) -> Steps:
        """Do all hops that are due."""
        while (position := self._next_hop()) is not None:
            yield from self._hop(position)
            yield from self._track(position)
            self._settle(position / SAMPLE_RATE - self.settings.correction_seconds)
            self._forget()

    def finalize(self) -> Steps:
        """Look at all samples, correct with the tracks up to here, and make all turns final."""
        yield from self.advance()
        if self.audio.end > self.position:
            yield from self._hop(self.audio.end, last=True)
        if self.waiting is not None:
            self._use_waiting(self.waiting)
        if self.audio.end >= _LEAST_TRACKED:
            made = cast("Made", (yield Track(self._unfinished(self.audio.end))))
            self.last, seconds = made.result(), self.audio.end / SAMPLE_RATE
            self._correct(self.kept.observations(seconds, self.last), seconds)
        self._tell(self.book.update(self.timeline.runs(-1)))
        self.timeline.settle(self.timeline.end)
        self.timeline.carried.clear()  # whoever goes on begins a new turn
        self._tell(self.book.settle(self.timeline.edge(self.timeline.end), ()))

    def finish(self) -> Steps:
        """Finalize, and tell the result of the offline pipeline."""
        yield from self.finalize()
        seconds = self.audio.end / SAMPLE_RATE
        turns: tuple[FinalTurn, ...] = ()
        if self.last is not None:
            self.kept.add(self.chunk, self.last)
            turns = self._finished_turns(seconds)
        fields = {"duration": seconds, "turns": turns, "names": self.speakers.names}
        self._tell([Draft(SessionEnded, seconds, fields)])

    def _next_hop(self) -> int | None:
        """Return the sample up to which the next hop looks, None where it is not there yet."""
        hop = self.settings.hop_samples
        due = (self.position // hop + 1) * hop
        if self.hops.undecided and self.position + _SOONER < due:
            due = self.position + _SOONER
        if not self.timeline.speaks_at_end(round(_PATIENCE / self.step)):
            for tick in range((self.onset.tick // TICK + 1) * TICK, due, TICK):
                if tick > self.audio.end:
                    return None
                if self.onset.louder(tick, self.audio.power(max(0, tick - TICK), tick)):
                    return tick
        if due > self.audio.end:
            return None
        self.onset.tick = max(self.onset.tick, due)
        return due

    def _hop(self, position: int, *, last: bool = False) -> Steps:
        """Look at the seg_window that ends at sample `position`; nothing follows the `last` one."""
        step = self.models.geometry.step
        start = max(0, -(-(position - self.models.window) // step) * step)
        begin, end = self.models.block_start(start), min(position, start + self.models.window)
        hear = Hear(self.audio.take(begin, end), begin, start, self.front)
        self.position = position
        local = cast("LocalActivity | None", (yield hear))
        if local is None:
            return
        first, told = start // step, round(TOLD_SECONDS / self.step)
        power = _power(hear.window, step, len(local.edges) - 1)
        if (frame := self.hops.follow(first, local, power, told)) >= 0:
            voices = self.hops.voices.as_speakers(local)
            before = max(0, end - start - _told_samples(end - start - frame * step))
            answer = yield Tell(hear.window[before:], before, voices)
            self.hops.tell(*cast("tuple[np.ndarray, np.ndarray]", answer), told)
        self._note_speech(first, self.hops.write(first, local, last=last))
        self._update()

    def _note_speech(self, first: int, voices: np.ndarray) -> None:
        edges = np.flatnonzero(np.diff(voices > 0, prepend=False, append=False)).reshape(-1, 2)
        for begin, end in edges.tolist():
            start, stop = self.timeline.edge(first + begin), self.timeline.edge(first + end)
            if start > self.speech_end + _SILENCE:
                self._tell([Draft(SpeechStarted, start, {"start": start})])
            self.speech_end = max(self.speech_end, stop)

    def _track(self, position: int) -> Steps:
        """Use the tracks that are due, and start those of a chunk that is complete or worth a look."""
        if self.waiting is not None and position >= self.waiting.due:
            self._use_waiting(self.waiting)
        chunks = self.models.chunks
        start, end = self.chunk_start, self.chunk_start + chunks.length
        if position > end:
            core = (0 if self.chunk == 0 else start + chunks.context, end - chunks.context)
            yield from self._wait_for(Chunk(self.chunk, start, self.audio.take(start, end), core, last=False))
            self.chunk, self.chunk_start = self.chunk + 1, start + chunks.chunk
            self.looked = self.chunk_start
        elif self._look_is_due(position):
            self.looked = position
            yield from self._wait_for(self._begun(position))

    def _look_is_due(self, position: int) -> bool:
        due = self.chunk_start + round(_LOOK * SAMPLE_RATE)
        return self.chunk < _CHUNKS_LOOKED_AT and self.looked < due <= position

    def _wait_for(self, chunk: Chunk) -> Steps:
        if self.waiting is not None:
            self._use_waiting(self.waiting)
        made = cast("Made", (yield Track(chunk)))
        self.waiting = Waiting(self.position + round(_TRACK_SLACK * SAMPLE_RATE), chunk, made)

    def _begun(self, end: int) -> Chunk:
        """Return the last chunk up to sample `end`, without what the chunk before it has tracked."""
        start = self.chunk_start
        core = 0 if self.chunk == 0 else start + self.models.chunks.context
        return Chunk(self.chunk, start, self.audio.take(start, end), (core, end), last=True)

    def _unfinished(self, end: int) -> Chunk:
        """Return the last chunk, as if the stream ended at sample `end`."""
        start = 0 if self.chunk == 0 else end - self.models.chunks.length
        core = 0 if self.chunk == 0 else start + self.models.chunks.context
        return Chunk(self.chunk, start, self.audio.take(start, end), (core, end), last=True)

    def _use_waiting(self, waiting: Waiting) -> None:
        self.waiting = None
        chunk, made = waiting.chunk, waiting.made.result()
        if chunk.last:
            until = chunk.core[1] / SAMPLE_RATE
            self._correct(self.kept.observations(until, made), until - _UNSEEN)
            return
        until = chunk.core[1] / SAMPLE_RATE
        self.kept.add(chunk.index, made)
        self._correct(self.kept.observations(until), until)

    def _correct(self, observations: Observations, until: float) -> None:
        self._tell(self.corrections.apply(observations, until))
        self._update()

    def _update(self) -> None:
        self._tell(self.book.update(self.timeline.runs(round(_PATIENCE / self.step))))

    def _settle(self, until: float) -> None:
        self.timeline.settle(self.timeline.frame_at(until))
        settled = self.timeline.edge(self.timeline.first)
        self._tell(self.book.settle(settled, self.timeline.carried))

    def _forget(self) -> None:
        start = self.chunk_start if self.waiting is None else self.waiting.chunk.start
        self.audio.forget(min(start, self.audio.end - self.models.chunks.length))

    def _tell(self, drafts: list[Draft]) -> None:
        self.telling.tell(drafts, self.position / SAMPLE_RATE)

    def _finished_turns(self, seconds: float) -> tuple[FinalTurn, ...]:
        """Return the offline result; where tracks are not kept any more, the turns that were final."""
        found = finished(self.kept.observations(seconds), self.settings)
        labels = self.corrections.labels(found)
        since = self.kept.start
        early = [turn for turn in self.book.turns if turn.start < since]
        turns = [FinalTurn(turn.speaker, turn.start, min(turn.end, since)) for turn in early]
        for label, own in zip(labels, found.turns, strict=True):
            turns += [FinalTurn(label, max(start, since), end) for start, end in own.tolist() if end > since]
        return tuple(sorted(turns, key=lambda turn: (turn.start, turn.end, turn.speaker)))


def _told_samples(least: int) -> int:
    """Return how many samples the trunk sees, `least` or more; few different numbers, which run faster."""
    most = round(TOLD_SECONDS * SAMPLE_RATE)
    return min(most, -(-least // TOLD_STEP) * TOLD_STEP)


def _power(samples: np.ndarray, step: int, frames: int) -> np.ndarray:
    """Return the variance of samples (n,) in each of so many frames, `step` apart."""
    count = min(frames, len(samples) // step)
    parts = samples[: count * step].reshape(count, step)
    power = np.maximum(np.einsum("ij,ij->i", parts, parts) / step - parts.mean(axis=1) ** 2, 0)
    return np.pad(power, (0, frames - count), mode="edge")
