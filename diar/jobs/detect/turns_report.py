"""From diarizations and linked speakers by number to the records of the outputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import diar
from diar.detect.diarize import DiarizedRecording
from diar.detect.linking.link import LinkedSpeakers
from diar.detect.naming import local_labels, named_turns
from diar.detect.quality import Quality
from diar.formats.document import typed_metadata
from diar.formats.speech_time import measure
from diar.formats.turns_json import Clustering, EstimatedQuality, RecordingTurns, describe_speakers
from diar.jobs.detect.config import DetectConfig
from diar.jobs.detect.settings import AskedSpeakers, asked_speakers
from diar.records import RecordingRow, SpeakerTurns
from diar.store.reader import RecordingIndex
from diar.store.remarks import file_remarks, no_speech
from diar.wording import counted


class TurnsReport:
    """Makes the records of the outputs.

    Args:
        config: the run's options.
        index: of the archive.
        method: the clusterer that was used.
        thresholds: every number that decided the turns.
        linked: one row for each speaker of each recording.
        warnings: about the archive, besides those about stage 1.
    """

    def __init__(
        self,
        config: DetectConfig,
        index: RecordingIndex,
        method: str,
        thresholds: dict[str, float],
        linked: LinkedSpeakers,
        warnings: Sequence[str] = (),
    ) -> None:
        self.linked = linked
        self._config, self._index, self._method = config, index, method
        self._warnings = list(warnings)
        self._parameters = config.model_dump(mode="json")
        self._thresholds = {name: round(value, 4) for name, value in thresholds.items()}
        if np.isfinite(linked.threshold):
            self._thresholds["link_threshold"] = round(float(linked.threshold), 4)

    @property
    def warnings(self) -> list[str]:
        """Warnings about the archive."""
        if not self._index.unfinished:
            return self._warnings
        missing = counted(self._index.unfinished, "planned recording")
        return [f"stage 1 is not finished: {missing} missing", *self._warnings]

    def metadata(self) -> dict[str, str]:
        """Return versions and thresholds, for the footer of `speakers.parquet`."""
        thresholds = {name: repr(value) for name, value in self._thresholds.items()}
        return {"program": f"diar {diar.__version__}", **self._index.metadata, **thresholds}

    def recording(self, row: int, found: DiarizedRecording, place: int) -> RecordingTurns:
        """Describe one recording; `place` is the row of its first speaker in `linked`."""
        recording_id = self._index.recording_id[row]
        people = [int(person) for person in self.linked.label[place : place + len(found.turns)]]
        names = [self.linked.name[person] for person in people]
        turns = named_turns(recording_id, names, found, found.turns)
        amounts = measure(turns)
        stored, listed = self._index.row(row), self._index.listed(row)
        asked = asked_speakers(self._config, listed.num_speakers)
        rows = slice(place, place + len(names))
        return RecordingTurns(
            program=f"diar {diar.__version__}",
            recording_id=recording_id,
            path=stored.path,
            label=listed.label,
            duration=stored.duration,
            offset=stored.offset,
            audio_start=stored.audio_start,
            audio_track=stored.audio_track,
            audio_tracks=stored.audio_tracks,
            channel=stored.channel,
            gaps=list(stored.gaps),
            speech_seconds=round(amounts.speech, 3),
            overlap_seconds=round(amounts.overlap, 3),
            speakers=describe_speakers(
                turns,
                amounts,
                local=dict(zip(names, local_labels(found), strict=True)),
                similarity=_known_values(names, self.linked.similarity[rows]),
                confidence=_known_values(names, self.linked.probability[rows]),
                channel=dict(zip(names, found.channel.tolist(), strict=True)),
            ),
            turns=turns,
            exclusive=self._exclusive(recording_id, names, found),
            clustering=Clustering(
                self._method,
                self._config.clustering,
                asked.exactly,
                num_speakers_from=asked.source or None,
            ),
            parameters=self._parameters,
            thresholds=self._thresholds,
            model=typed_metadata(self._index.metadata),
            warnings=_warnings(stored, asked, len(names)),
            channels=list(found.channels),
            quality=_estimated(found.quality),
        )

    def _exclusive(
        self, recording_id: str, names: list[str], found: DiarizedRecording
    ) -> SpeakerTurns | None:
        return named_turns(recording_id, names, found, found.exclusive) if self._config.exclusive else None

    def failed_warnings(self, row: int) -> list[str]:
        """Return stage 1's warnings of a recording that failed."""
        return file_remarks(self._index.row(row))


def _estimated(quality: Quality | None) -> EstimatedQuality | None:
    return None if quality is None else EstimatedQuality(**quality.figures())


def _warnings(stored: RecordingRow, asked: AskedSpeakers, found: int) -> list[str]:
    """Return the warnings of one recording; the first says why it has no turns."""
    warnings = [] if found else [no_speech(stored)]
    warnings += file_remarks(stored)
    unmet = asked.unmet(found) if found else ""
    return [*warnings, *filter(None, (asked.warning, unmet))]


def _known_values(names: Sequence[str], values: np.ndarray) -> dict[str, float]:
    """Return the values that are not NaN, by name."""
    return {
        name: round(float(value), 4) for name, value in zip(names, values, strict=True) if np.isfinite(value)
    }
