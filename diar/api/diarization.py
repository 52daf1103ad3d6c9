"""Who speaks when in one recording, and the result in the forms that others read."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

import diar
from diar.api.audio import Audio
from diar.api.encoder import Encoder, Segmentation
from diar.api.errors import ArgumentError, MissingPackageError
from diar.api.voice import Voice, embed
from diar.archive.audio_tracks import AUTO
from diar.archive.channels import choice
from diar.detect.channels import Sides, diarize_sides
from diar.detect.clustering.choose import ClusteringSettings
from diar.detect.clustering.speaker_count import SpeakerCount
from diar.detect.diarize import Diarization as FoundTurns
from diar.detect.diarize import DiarizeSettings
from diar.detect.linking.unlinked import keep_apart
from diar.detect.naming import local_labels, named_turns
from diar.detect.presets import PRESETS
from diar.detect.thresholds import thresholds
from diar.formats.labels import format_textgrid
from diar.formats.rttm import format_rttm
from diar.formats.speech_time import by_speaker, measure
from diar.formats.turns_json import Clustering, RecordingTurns, describe_speakers, to_json
from diar.intervals import at_least
from diar.records import MIXED, RecordingRow, Turn
from diar.store.remarks import file_remarks, no_speech

if TYPE_CHECKING:
    import pandas
    from PIL import Image
    from pyannote.core import Annotation

PresetName = Literal["auto", "general", "telephone"]


@dataclass(frozen=True)
class Asked:
    """What a caller asked of a diarization."""

    count: SpeakerCount = field(default_factory=SpeakerCount)
    source: str | None = None  # of an exact count: who gave it, as in turns.json
    preset: PresetName = "auto"

    def settings(self) -> DiarizeSettings:
        """Return the settings that decide the turns."""
        settings = DiarizeSettings(ClusteringSettings(count=self.count))
        if self.preset == "auto":
            return settings
        return replace(settings, preset=PRESETS[self.preset], narrow_preset=PRESETS[self.preset])

    def parameters(self) -> dict[str, Any]:
        """Return them by name, for turns.json."""
        exact = self.count.minimum == self.count.maximum
        return {
            "num_speakers": self.count.minimum if exact else None,
            "min_speakers": self.count.minimum,
            "max_speakers": self.count.maximum,
            "preset": self.preset,
        }


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
        return f"Diarization({self.id!r}, {len(self.speakers)} speakers, {len(self.turns)} turns)"

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
    def warnings(self) -> list[str]:
        """What a person should know of the recording, in words."""
        row, found = self._row, len(self._names)
        told = [*([] if found else [no_speech(row)]), *file_remarks(row)]
        wanted = self._asked.count.minimum
        if 0 < found < wanted:
            told.append(f"{found} speakers found, at least {wanted} asked for")
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
        try:
            import pandas
        except ImportError:
            raise MissingPackageError("to_pandas", "pandas") from None
        columns = list(Turn.__dataclass_fields__)
        rows = [[getattr(turn, column) for column in columns] for turn in self.turns]
        return pandas.DataFrame(rows, columns=columns)

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
        return named_turns(self.id, self._names, self._found, intervals)

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
                self._settings.clustering.method,
                self._settings.clustering.method,
                parameters["num_speakers"],
                num_speakers_from=asked.source,
            ),
            parameters=parameters,
            thresholds={name: round(value, 4) for name, value in thresholds(self._settings).items()},
            model=dict(self.voice.stored.metadata),
            warnings=self.warnings,
            channels=list(self._found.channels),
        )


def diarize(
    audio: Audio | Voice,
    *,
    num_speakers: int | None = None,
    min_speakers: int | None = None,
    max_speakers: int | None = None,
    preset: PresetName = "auto",
    sample_rate: int | None = None,
    encoder: Encoder | None = None,
    segmentation: Segmentation | None = None,
    channel: int | str = choice.AUTO,
    track: int | str = AUTO,
) -> Diarization:
    """Find who speaks when in one recording, as the two commands do on that file alone.

    Args:
        audio: as for `diar.embed`; or what `diar.embed` returned, which saves embedding it again.
        num_speakers: how many speak, if that is known.
        min_speakers: fewest that may speak.
        max_speakers: most that may speak.
        preset: thresholds for this kind of recording: `general`, `telephone`; `auto`: as the spectrum says.
        sample_rate: Hz; needed for a waveform, and for nothing else.
        encoder: as for `diar.embed`.
        segmentation: as for `diar.embed`, but never `none`.
        channel: as for `diar.embed`; `auto` reads the sides of a two-channel call apart.
        track: as for `diar.embed`.

    Raises:
        ArgumentError: an argument that cannot be used.
        AudioError: audio that gives no embedding; `kind` says why.
        DiarError: the default networks cannot be opened.

    >>> import diar
    >>> found = diar.diarize("meeting.wav", num_speakers=2)  # doctest: +SKIP
    >>> print(found.to_rttm())  # doctest: +SKIP
    """
    asked = checked(num_speakers, min_speakers, max_speakers, preset)
    if isinstance(segmentation, str):
        raise ArgumentError("segmentation is 'none', but without segmentation there are no turns")
    if isinstance(audio, Voice):
        return of_voice(audio, asked)
    voice = embed(
        audio,
        sample_rate=sample_rate,
        encoder=encoder,
        segmentation=segmentation,
        channel=channel,
        track=track,
    )
    return of_voice(voice, asked)


def of_voice(voice: Voice, asked: Asked) -> Diarization:
    """Diarize a recording that is embedded.

    Raises:
        ArgumentError: it was embedded without segmentation.
    """
    if voice.stored.frames is None:
        raise ArgumentError(f"{voice.id} was embedded without segmentation, so there are no turns to find")
    return Diarization(voice, asked)


def checked(
    num_speakers: int | None, min_speakers: int | None, max_speakers: int | None, preset: PresetName
) -> Asked:
    """Return what was asked for, if it makes sense.

    Raises:
        ArgumentError: it does not.
    """
    for name, value in (
        ("num_speakers", num_speakers),
        ("min_speakers", min_speakers),
        ("max_speakers", max_speakers),
    ):
        if value is not None and (isinstance(value, bool) or int(value) != value or value < 1):
            raise ArgumentError(f"{name} is {value!r}; a whole number from 1 is needed")
    if preset not in get_args(PresetName):
        raise ArgumentError(f"preset is {preset!r}, not one of {', '.join(get_args(PresetName))}")
    if num_speakers is not None:
        if (min_speakers, max_speakers) != (None, None):
            raise ArgumentError("give num_speakers, or min_speakers and max_speakers, not both")
        return Asked(SpeakerCount(num_speakers, num_speakers), "--num_speakers", preset)
    if min_speakers is not None and max_speakers is not None and min_speakers > max_speakers:
        raise ArgumentError(f"min_speakers {min_speakers} exceeds max_speakers {max_speakers}")
    return Asked(SpeakerCount(min_speakers or 1, max_speakers), None, preset)


def _described(names: Sequence[str], found: FoundTurns, turns: Sequence[Turn]) -> list[Any]:
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
