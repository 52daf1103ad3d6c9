"""Who speaks when in one recording: the result, and the forms that others read."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import diar
from diar.api.asked import Asked
from diar.api.data_frame import data_frame
from diar.api.errors import ArgumentError, MissingPackageError
from diar.api.voice import Voice
from diar.detect.diarize import DiarizedRecording
from diar.detect.linking.unlinked import keep_apart
from diar.detect.naming import local_labels, named_turns
from diar.detect.sides import Sides, diarize_sides
from diar.formats.document import typed_metadata
from diar.formats.labels import format_textgrid
from diar.formats.rttm import format_rttm
from diar.formats.speech_time import by_speaker, measure
from diar.formats.turns_json import Clustering, EstimatedQuality, RecordingTurns, describe_speakers, to_json
from diar.intervals import at_least
from diar.records import MIXED, RecordingRow, Turn
from diar.store.remarks import file_remarks, no_speech
from diar.wording import counted

if TYPE_CHECKING:
    import pandas
    from PIL import Image
    from pyannote.core import Annotation


@dataclass(frozen=True)
class Speaker:
    """One speaker of a recording."""

    label: str
    speech_seconds: float
    overlap_seconds: float  # of them, while somebody else talks, too
    embedding: np.ndarray = field(repr=False)  # (D,) float32, L2-normalised
    channel: int | None  # where it is heard, if channels are read apart


class Diarization:
    """Who speaks when in one recording. `diarize` and `Archive.diarize` give one.

    Times are seconds from the recording's start. Speakers are called speaker_0001, speaker_0002, … in the
    order of their first turns.

    Attributes:
        turns: of all speakers, ascending by start; they may overlap.
        exclusive: the same where at most one speaks at a time, as alignment with a transcript needs them.
        speakers: by label, in the order of their first turns.
        voice: the recording's tracks and vector.
    """

    def __init__(self, voice: Voice, asked: Asked) -> None:
        self.voice = voice
        self._asked, self._settings = asked, asked.settings()
        self._found = diarize_sides(Sides.of(voice.stored), self._settings)
        self._names = keep_apart(self._found.embedding).name
        self.turns = self._named(self._found.turns)
        self.exclusive = self._named(self._found.exclusive)
        self._amounts = measure(self.turns)
        self.speakers = {name: self._speaker(row, name) for row, name in enumerate(self._names)}

    def __repr__(self) -> str:
        speakers, turns = counted(len(self.speakers), "speaker"), counted(len(self.turns), "turn")
        return f"Diarization({self.id!r}, {speakers}, {turns})"

    @property
    def id(self) -> str:
        """Name of the recording: its file's, or `audio`."""
        return self.voice.id

    @property
    def duration(self) -> float:
        """Seconds of the recording."""
        return self.voice.duration

    @property
    def overlap(self) -> np.ndarray:
        """(n, 2) seconds, ascending and disjoint: where two or more speak at once."""
        return at_least(2, by_speaker(self.turns).values())

    @property
    def quality(self) -> EstimatedQuality | None:
        """How wrong the turns may be, told without a reference: an estimate of the DER, and its signs."""
        found = self._found.quality
        return None if found is None else EstimatedQuality(**found.figures())

    @property
    def warnings(self) -> list[str]:
        """What a person should know of the recording, in words."""
        row, found = self._row, len(self._names)
        told = [*([] if found else [no_speech(row)]), *file_remarks(row)]
        wanted = self._asked.count.minimum
        if 0 < found < wanted:
            told.append(f"{counted(found, 'speaker')} found, at least {wanted} asked for")
        return told

    def to_rttm(self) -> str:
        """Return the turns as RTTM, one line a turn."""
        return format_rttm(self.turns)

    def to_textgrid(self) -> str:
        """Return the turns as a TextGrid of Praat, one tier a speaker."""
        return format_textgrid(self.turns, self.duration)

    def to_json(self) -> str:
        """Return all of it as stage 2's `turns.json` (docs/turns-schema.md).

        `similarity` and `confidence` of speakers are null, because no other recordings were compared.
        """
        return to_json(self._result())

    def to_pandas(self) -> pandas.DataFrame:
        """Return a table of the turns: recording, start, end, speaker, channel (-1: one signal).

        Raises:
            MissingPackageError: pandas is not installed.
        """
        return data_frame(Turn, self.turns)

    def to_annotation(self) -> Annotation:
        """Return the turns as an Annotation of pyannote.core.

        Raises:
            MissingPackageError: pyannote.core is not installed.
        """
        try:
            from pyannote.core import Annotation, Segment
        except ImportError:
            raise MissingPackageError("to_annotation", "pyannote.core") from None
        annotation = Annotation(uri=self.id)
        for number, turn in enumerate(self.turns):
            annotation[Segment(turn.start, turn.end), number] = turn.speaker
        return annotation

    def plot(
        self, path: str | os.PathLike[str] | None = None, *, reference: Sequence[Turn] | None = None
    ) -> Image.Image:
        """Draw a lane a speaker over time; notebooks show the picture that is returned.

        Args:
            path: of a PNG file to write as well.
            reference: true turns, drawn above the found ones.
        """
        from PIL import Image

        from diar.plots.timeline import draw_timeline

        png = draw_timeline(self._result(), reference)
        if path is not None:
            Path(path).write_bytes(png)
        return Image.open(io.BytesIO(png))

    @property
    def _row(self) -> RecordingRow:
        return self.voice.stored.recording

    def _named(self, intervals: Sequence[np.ndarray]) -> list[Turn]:
        return list(named_turns(self.id, self._names, self._found, intervals))

    def _speaker(self, row: int, name: str) -> Speaker:
        channel = int(self._found.channel[row])
        return Speaker(
            label=name,
            speech_seconds=self._amounts.of_speaker[name],
            overlap_seconds=self._amounts.overlap_of_speaker[name],
            embedding=self._found.embedding[row],
            channel=None if channel == MIXED else channel,
        )

    def _result(self) -> RecordingTurns:
        row, asked = self._row, self._asked
        parameters = asked.parameters()
        return RecordingTurns(
            program=f"diar {diar.__version__}",
            recording_id=self.id,
            path=row.path,
            duration=row.duration,
            offset=row.offset,
            audio_start=row.audio_start,
            audio_track=row.audio_track,
            audio_tracks=row.audio_tracks,
            channel=row.channel,
            gaps=list(row.gaps),
            speech_seconds=round(self._amounts.speech, 3),
            overlap_seconds=round(self._amounts.overlap, 3),
            speakers=_described(self._names, self._found, self.turns),
            turns=self.turns,
            exclusive=self.exclusive,
            clustering=Clustering(
                self._settings.used,
                self._settings.clustering.method,
                parameters["num_speakers"],
                num_speakers_from=asked.source,
            ),
            parameters=parameters,
            thresholds=asked.thresholds(),
            model=typed_metadata(self.voice.stored.metadata),
            warnings=self.warnings,
            channels=list(self._found.channels),
            quality=self.quality,
        )


def of_voice(voice: Voice, asked: Asked) -> Diarization:
    """Diarize a recording that is embedded.

    Raises:
        ArgumentError: it was embedded without segmentation.
    """
    if voice.stored.frames is None:
        raise ArgumentError(f"{voice.id} was embedded without segmentation, so there are no turns to find")
    return Diarization(voice, asked)


def _described(names: Sequence[str], found: DiarizedRecording, turns: Sequence[Turn]) -> list[Any]:
    return list(
        describe_speakers(
            turns,
            measure(turns),
            local=dict(zip(names, local_labels(found), strict=True)),
            similarity={},
            confidence={},
            channel=dict(zip(names, found.channel.tolist(), strict=True)),
        )
    )
