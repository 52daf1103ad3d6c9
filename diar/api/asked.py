"""What a caller asks of a diarization."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from diar.api.errors import ArgumentError
from diar.detect.clustering.choose import ClusteringSettings
from diar.detect.clustering.speaker_count import SpeakerCount
from diar.detect.community.settings import Community
from diar.detect.diarize import DiarizeSettings
from diar.detect.presets import PRESETS
from diar.detect.thresholds import thresholds

PresetName = Literal["auto", "general", "telephone"]


@dataclass(frozen=True)
class Asked:
    """What a caller asked of a diarization."""

    count: SpeakerCount = field(default_factory=SpeakerCount)
    source: str | None = None  # of an exact count: who gave it, as in turns.json
    preset: PresetName = "auto"
    pipeline: Community | None = None  # whose networks stage 1 ran; decides the turns

    def settings(self) -> DiarizeSettings:
        """Return the settings that decide the turns."""
        clustering = ClusteringSettings(count=self.count)
        settings = DiarizeSettings(clustering, pipeline=self.pipeline, quality=True)
        if self.preset == "auto":
            return settings
        return replace(settings, preset=PRESETS[self.preset], narrow_preset=PRESETS[self.preset])

    def thresholds(self) -> dict[str, float]:
        """Return the numbers that decide, by name, for turns.json."""
        return {name: round(value, 4) for name, value in thresholds(self.settings()).items()}

    def parameters(self) -> dict[str, Any]:
        """Return them by name, for turns.json."""
        exact = self.count.minimum == self.count.maximum
        return {
            "num_speakers": self.count.minimum if exact else None,
            "min_speakers": self.count.minimum,
            "max_speakers": self.count.maximum,
            "preset": self.preset,
        }


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
            raise ArgumentError(f"`{name}={value}`; a whole number from 1 is needed")
    if preset not in get_args(PresetName):
        raise ArgumentError(f"`preset={preset}` is not one of {', '.join(get_args(PresetName))}")
    if num_speakers is not None:
        if (min_speakers, max_speakers) != (None, None):
            raise ArgumentError("give `num_speakers`, or `min_speakers` and `max_speakers`, not both")
        return Asked(SpeakerCount(num_speakers, num_speakers), "--num_speakers", preset)
    if min_speakers is not None and max_speakers is not None and min_speakers > max_speakers:
        raise ArgumentError(f"`min_speakers={min_speakers}` exceeds `max_speakers={max_speakers}`")
    return Asked(SpeakerCount(min_speakers or 1, max_speakers), None, preset)
