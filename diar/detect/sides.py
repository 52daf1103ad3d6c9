"""A recording whose channels are read apart, such as a call: each is diarized, then all are joined."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from diar.detect import quality
from diar.detect.clustering.choose import find_centroids
from diar.detect.clustering.speaker_count import SpeakerCount
from diar.detect.diarize import DiarizedRecording, DiarizeSettings, FindCentroids, diarize
from diar.detect.observations import Observations
from diar.detect.people_of_sides import Found, PeopleOfSides
from diar.intervals import at_least, common_seconds, seconds
from diar.records import MIXED, RecordingTracks, Tracks

# Voices of two channels are one person, heard in both, if the voice that talks less does so for this share of
# its time while the other talks, and their cosine is at least that
_SIMULTANEOUS = 0.7
_ALIKE = 0.6


@dataclass(frozen=True)
class Sides:
    """What stage 1 saw in one recording.

    Attributes:
        observed: by channel; of MIXED alone where the recording is one signal.
        channels: of the file.
    """

    observed: dict[int, Observations]
    channels: int

    @classmethod
    def of(cls, stored: RecordingTracks) -> Sides:
        """Split the tracks of a recording by channel; raises what `Observations.of` does."""
        numbers = np.unique(stored.tracks.channel).tolist()
        if numbers in ([], [MIXED]):
            return cls({MIXED: Observations.of(stored)}, stored.recording.channels)
        own = {number: replace(stored, tracks=of_channel(stored.tracks, number)) for number in numbers}
        return cls({number: Observations.of(one) for number, one in own.items()}, stored.recording.channels)


def diarize_sides(
    sides: Sides, settings: DiarizeSettings, find: FindCentroids = find_centroids
) -> DiarizedRecording:
    """Diarize one recording; takes and raises what `diarize` does. The bounds are for all sides together."""
    if MIXED in sides.observed:
        return diarize(sides.observed[MIXED], settings, find)

    def one_side(number: int, count: SpeakerCount) -> DiarizedRecording:
        clustering = replace(settings.clustering, count=count)
        return diarize(sides.observed[number], replace(settings, clustering=clustering), find)

    def joined(found: Found) -> DiarizedRecording:
        return without_doubles(together(list(found.values()), list(found), sides.channels))

    return PeopleOfSides(one_side, joined).find(sides.observed, settings.clustering.count)


def of_channel(tracks: Tracks, number: int) -> Tracks:
    """The tracks of one channel."""
    return tracks.take(tracks.channel == number)


def together(sides: list[DiarizedRecording], numbers: list[int], channels: int) -> DiarizedRecording:
    """Join the sides, speakers in the order of their first turns."""
    turns = [own for side in sides for own in side.turns]
    exclusive = [own for side in sides for own in side.exclusive]
    channel = np.repeat(numbers, [len(side.turns) for side in sides])
    order = sorted(range(len(turns)), key=lambda k: float(turns[k][0, 0]))
    return DiarizedRecording(
        turns=[turns[k] for k in order],
        exclusive=[exclusive[k] for k in order],
        embedding=np.concatenate([side.embedding for side in sides])[order],
        clean_seconds=np.concatenate([side.clean_seconds for side in sides])[order],
        channel=channel[order],
        channels=tuple(range(channels)),
        narrow_band=any(side.narrow_band for side in sides),  # the index has one bandwidth a recording
        quality=quality.together([side.quality for side in sides]),
    )


def without_doubles(found: DiarizedRecording) -> DiarizedRecording:
    """Drop a speaker who is heard in two channels at once from the one where it is heard less."""
    spoken = [seconds(turns) for turns in found.turns]
    keep: list[int] = []
    for k in sorted(range(len(spoken)), key=lambda k: -spoken[k]):
        if not any(_same(found, k, other, spoken) for other in keep):
            keep.append(k)
    rows = sorted(keep)
    return replace(
        found,
        turns=[found.turns[k] for k in rows],
        exclusive=[found.exclusive[k] for k in rows],
        embedding=found.embedding[rows],
        clean_seconds=found.clean_seconds[rows],
        channel=found.channel[rows],
    )


def _same(found: DiarizedRecording, shorter: int, longer: int, spoken: list[float]) -> bool:
    if found.channel[shorter] == found.channel[longer]:
        return False
    both = common_seconds(at_least(1, [found.turns[shorter]]), at_least(1, [found.turns[longer]]))
    cosine = float(found.embedding[shorter] @ found.embedding[longer])
    return both > _SIMULTANEOUS * spoken[shorter] and cosine > _ALIKE
