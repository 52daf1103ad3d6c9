"""What decides the events of a live stream besides its audio."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from diar.detect.clustering.speaker_count import SpeakerCount
from diar.detect.diarize import DiarizeSettings
from diar.detect.presets import Preset
from diar.errors import DiarError

SAMPLE_RATE = 16_000  # Hz of the samples that streams take


@dataclass(frozen=True)
class LiveSettings:
    """Settings of a stream; lengths in seconds.

    Attributes:
        hop: from one look at the audio to the next, at most; 0.25 while it is not decided who speaks.
        correction_seconds: for so long a turn may change; then it is final.
        recluster_seconds: from one clustering of all that was heard to the next, once that is 2 minutes.
        keep_seconds: of tracks that are clustered; of what came before, only voices and turns are kept.
        max_speakers: most speakers of the stream; None = any number.
        new_speaker_seconds: of clean speech that nobody known fits, before a new speaker is sure.
        known_ratio: natural logarithm of the likelihood ratio from which a speaker is a known voice.
        narrow_band: the audio comes over a telephone: there is no sound above 4.7 kHz.
        diarize: clustering and thresholds of the offline pipeline, which correct and finish the stream.

    Raises:
        DiarError: a value that makes no sense.
    """

    hop: float = 0.5
    correction_seconds: float = 20.0
    recluster_seconds: float = 60.0
    keep_seconds: float = 1_200.0
    max_speakers: int | None = None
    new_speaker_seconds: float = 1.0
    known_ratio: float = 3.0
    narrow_band: bool = False
    diarize: DiarizeSettings = field(default_factory=DiarizeSettings)

    def __post_init__(self) -> None:
        if not 0.1 <= self.hop <= 2.0:
            raise DiarError(f"`hop={self.hop:g}` is not within 0.1 and 2 s")
        if not self.correction_seconds >= 0 or not self.recluster_seconds > 0:
            raise DiarError("`correction_seconds` must not be below 0, `recluster_seconds` must be above it")
        if not self.keep_seconds >= max(60.0, self.correction_seconds):
            raise DiarError("`keep_seconds` must be 60 or more, and not less than `correction_seconds`")
        if self.max_speakers is not None and self.max_speakers < 1:
            raise DiarError(f"`max_speakers={self.max_speakers}` is below 1")

    @property
    def hop_samples(self) -> int:
        """Samples from one look at the audio to the next."""
        return round(self.hop * SAMPLE_RATE)

    @property
    def preset(self) -> Preset:
        """Return the thresholds for the band of the stream."""
        return self.diarize.narrow_preset if self.narrow_band else self.diarize.preset

    @property
    def offline(self) -> DiarizeSettings:
        """Return `diarize` with the most speakers of this stream."""
        clustering = replace(self.diarize.clustering, count=SpeakerCount(1, self.max_speakers))
        return replace(self.diarize, clustering=clustering)
