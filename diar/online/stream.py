"""One live stream: samples as they come → events."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np

from diar.detect.linking.known import KnownSpeakers
from diar.embedding.stored import from_bytes, to_bytes
from diar.errors import DiarError
from diar.online.events import Event, LiveTurn, LiveWord, SessionStarted, SpeakerNamed, WordsHeard
from diar.online.models import Answer, LiveModels
from diar.online.progress import Progress, Steps
from diar.online.saving.packed import pack, unpack
from diar.online.saving.parts import SAVED_CHUNKS, load, save
from diar.online.settings import SAMPLE_RATE, LiveSettings
from diar.online.telling import Draft
from diar.records import RecordingTracks


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
        self._progress = Progress(models, self._settings, known)
        self._begun = self._ended = self._restored = False
        self.words_done = 0.0  # second up to which words are told and certain

    @property
    def time(self) -> float:
        """Seconds that were fed."""
        return self._progress.audio.end / SAMPLE_RATE

    @property
    def seq(self) -> int:
        """Number of the last event."""
        return self._progress.telling.seq

    @property
    def turns(self) -> list[LiveTurn]:
        """All turns so far, ascending by start; those that are open, too."""
        return self._progress.book.turns

    @property
    def names(self) -> dict[str, str]:
        """Names of the speakers that have one."""
        return self._progress.speakers.names

    def feed(self, samples: np.ndarray) -> list[Event]:
        """Take samples (n,) float32 mono at 16 kHz in ±1, any number of them; return what is new.

        The first call also gives `session.started`.

        Raises:
            DiarError: another shape or type, values that are not finite, or a stream that is finished.
        """
        return self._run(self.steps(samples))

    def finalize(self) -> list[Event]:
        """Look at what was fed since the last hop, end open turns and make all turns final.

        Raises:
            DiarError: a stream that is finished.
        """
        return self._run(self.finalize_steps())

    def finish(self) -> list[Event]:
        """`finalize`, then `session.ended`; nothing can be fed afterwards.

        Raises:
            DiarError: a stream that is finished.
        """
        return self._run(self.finish_steps())

    def rename(self, speaker: str, name: str) -> list[Event]:
        """Give a speaker a name.

        Raises:
            DiarError: no such speaker, or an empty name.
        """
        speakers = self._progress.speakers
        row = speakers.get(int(speaker)) if speaker.isdecimal() else None
        if row is None:
            raise DiarError(f"`speaker={speaker}` is none of {', '.join(map(str, speakers.numbers))}")
        if not name.strip():
            raise DiarError("`name` is empty")
        row.name = name.strip()
        self._tell(SpeakerNamed, {"speaker": speaker, "name": row.name})
        return self.taken()

    def tell_words(
        self, words: tuple[LiveWord, ...], partial: tuple[LiveWord, ...], until: float, done: float
    ) -> list[Event]:
        """Tell words that were recognised in the second before `until`; they are certain up to `done`."""
        self.words_done = done
        self._tell(WordsHeard, {"words": words, "partial": partial}, until)
        return self.taken()

    def last_samples(self, since: float) -> np.ndarray:
        """Return the samples (n,) float32 from a second on, as far as they are kept."""
        audio = self._progress.audio
        return audio.take(max(audio.start, round(since * SAMPLE_RATE)), audio.end)

    def tracks(self) -> RecordingTracks:
        """Return the tracks of a finished stream, as stage 1 stores them."""
        return self._progress.kept.stored(self.time)

    def state(self, most_chunks: int = SAVED_CHUNKS) -> bytes:
        """Return all that is needed to go on elsewhere; no pickle, versioned.

        Args:
            most_chunks: whose tracks are in it, the newest; `chunks` returns others.
        """
        return pack(*save(self._progress, begun=self._begun, most_chunks=most_chunks))

    def chunks(self, known: Collection[int]) -> tuple[frozenset[int], dict[int, bytes]]:
        """Return the numbers of the chunks whose tracks are kept, and the tracks of those not `known`."""
        kept = self._progress.kept.chunks
        new = {number: to_bytes({number: chunk}) for number, chunk in kept.items() if number not in known}
        return frozenset(kept), new

    def skip_to(self, seq: int) -> None:
        """Give no event a number up to `seq`."""
        self._progress.telling.seq = max(self.seq, seq)

    @classmethod
    def restore(
        cls,
        models: LiveModels,
        settings: LiveSettings | None,
        state: bytes,
        known: KnownSpeakers | None = None,
        *,
        chunks: Iterable[bytes] = (),
        unnoticed: bool = False,
    ) -> Stream:
        """Return the stream of a `state`; its next `feed` begins with `session.started`, restored.

        Args:
            models: the networks.
            settings: as before.
            state: see there.
            known: enrolled voices.
            chunks: tracks that are not in the state.
            unnoticed: whoever listens goes on, too: without `session.started`, if that was told.

        Raises:
            DiarError: not such a state, or of other models or another hop.
        """
        stream, (values, arrays) = cls(models, settings, known), unpack(state)
        load(stream._progress, values, arrays)
        for chunk in chunks:
            stream._progress.kept.chunks |= from_bytes(chunk)
        stream._restored = not unnoticed
        stream._begun = unnoticed and bool(values["begun"])
        return stream

    def check(self, samples: np.ndarray | None = None) -> None:
        """Raise what `feed` raises."""
        if self._ended:
            raise DiarError("the stream is finished")
        if samples is not None:
            self._progress.audio.check(samples)

    def steps(self, samples: np.ndarray) -> Steps:
        """Do what `feed` does, asking for the networks' answers; `taken` returns the events."""
        self.check(samples)
        self._begin()
        hop = self._settings.hop_samples
        for part in range(0, len(samples), hop):
            self._progress.audio.push(samples[part : part + hop])
            yield from self._progress.advance()

    def finalize_steps(self) -> Steps:
        """Do what `finalize` does, as `steps`."""
        self.check()
        self._begin()
        yield from self._progress.finalize()

    def finish_steps(self) -> Steps:
        """Do what `finish` does, as `steps`."""
        self.check()
        self._begin()
        self._ended = True
        yield from self._progress.finish()

    def taken(self) -> list[Event]:
        """Return the events since the last call."""
        return self._progress.telling.taken()

    def _run(self, steps: Steps) -> list[Event]:
        answer: Answer = None
        try:
            while True:
                answer = self._models.answer([steps.send(answer)])[0]
        except StopIteration:
            return self.taken()

    def _begin(self) -> None:
        if self._begun:
            return
        self._begun = True
        fields = {
            "restored": self._restored,
            "sample_rate": SAMPLE_RATE,
            "hop": self._settings.hop,
            "correction_seconds": self._settings.correction_seconds,
            "models": self._models.describe(),
        }
        self._tell(SessionStarted, fields)

    def _tell(self, kind: type[Event], fields: dict[str, object], moment: float | None = None) -> None:
        draft = Draft(kind, self.time if moment is None else moment, fields)
        self._progress.telling.tell([draft], self.time)
