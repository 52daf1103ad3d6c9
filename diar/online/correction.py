"""What tracks change: voices, who is who, and the labels of frames that may still change."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from diar.detect.diarize import DiarizedRecording
from diar.detect.observations import Observations
from diar.intervals import at_least, common_seconds
from diar.online.events import SpeakerMerged, SpeakerNamed, SpeakerSplit
from diar.online.hearing.hops import Hops
from diar.online.hearing.speakers import Speaker, Speakers
from diar.online.kept import Clusters, cluster, relabel
from diar.online.settings import LiveSettings
from diar.online.telling import Draft
from diar.online.timeline import FULL, Timeline
from diar.online.turns import TurnBook
from diar.records import ActivityFrames

_EARLY = 120.0  # seconds of the stream, up to which each chunk's tracks lead to a clustering
_SPLIT_SHARE = 0.5  # of a turn's windows that are of the new speaker's, to be its turn
_PART = 0.7  # seconds of a speaker's tracks from which they say whether the speaker is another one
_TRACKED_LEVEL = round(0.95 * FULL)


class Corrections:
    """The slow part of a stream, which is the offline pipeline."""

    def __init__(
        self,
        settings: LiveSettings,
        speakers: Speakers,
        timeline: Timeline,
        hops: Hops,
        book: TurnBook,
        frames: ActivityFrames,
    ) -> None:
        self._settings, self._speakers, self._timeline = settings, speakers, timeline
        self._hops, self._book, self._frames = hops, book, frames
        self.clustered = -1e9  # second of the last clustering
        self.numbers_clustered: set[int] = set()

    def apply(self, observations: Observations, until: float) -> list[Draft]:
        """Use the tracks of the stream up to the second `until`; change the timeline, return other events."""
        drafts: list[Draft] = []
        if self._clustering_is_due(until):
            drafts += self._recluster(observations, until)
        drafts += self._named(until)
        numbers, centroids = self._speakers.centroids(sure_only=True)
        end = min(self._timeline.end, self._timeline.frame_at(until))
        if numbers and end > self._timeline.first:
            span = (self._timeline.first, end)
            labels = relabel(observations, centroids, self._settings, self._frames, span)
            levels = labels * np.uint8(_TRACKED_LEVEL)
            self._timeline.write(self._timeline.first, levels, numbers)
            self._hops.tracked = end
        return drafts

    def labels(self, found: DiarizedRecording) -> list[str]:
        """Return the speaker that each of the offline result is, by common time, or a new one."""
        names = [str(number) for number in self._speakers.numbers]
        live = [at_least(1, [self._book.spans(name)]) for name in names]
        common = np.array([[common_seconds(own, other) for other in live] for own in found.turns])
        labels = [""] * len(found.turns)
        if common.size:
            for row, column in zip(*linear_sum_assignment(-common), strict=True):
                if common[row, column] > 0:
                    labels[row] = names[column]
        for row, label in enumerate(labels):
            if not label:
                labels[row] = str(self._speakers.next_number)
                self._speakers.next_number += 1
        return labels

    def _clustering_is_due(self, until: float) -> bool:
        sure = {row.number for row in self._speakers.rows if row.sure}
        return (
            until <= _EARLY
            or until >= self.clustered + self._settings.recluster_seconds
            or not sure <= self.numbers_clustered
        )

    def _recluster(self, observations: Observations, until: float) -> list[Draft]:
        numbers = self._speakers.numbers
        found = cluster(observations, [self._book.spans(str(number)) for number in numbers], self._settings)
        self.clustered = until
        self._speakers.different = found.different
        drafts: list[Draft] = []
        owner: dict[int, Speaker] = {}
        for row in range(len(found.centroids)):
            total = found.centroids[row] * max(found.seconds[row], 0.1)
            if found.own[row] >= 0:
                speaker = self._speakers.get(numbers[found.own[row]])
                assert speaker is not None
                speaker.total, speaker.seconds, speaker.sure = total, float(found.seconds[row]), True
                speaker.single = False
                owner[row] = speaker
        for row in range(len(found.centroids)):
            if row not in owner:
                owner[row] = self._speakers.add(
                    found.centroids[row] * max(found.seconds[row], 0.1), float(found.seconds[row]), sure=True
                )
                drafts += self._split(row, owner, found, numbers, observations)
        drafts += self._merge(found, numbers, owner, until)
        self.numbers_clustered = {row.number for row in self._speakers.rows if row.sure}
        return drafts

    def _split(
        self,
        row: int,
        owner: dict[int, Speaker],
        found: Clusters,
        numbers: list[int],
        observations: Observations,
    ) -> list[Draft]:
        """Give the new speaker of cluster `row` the turns that were somebody else's."""
        new, windows = owner[row], observations.windows.reliable
        if not len(numbers) or not len(windows):
            return []
        center = (windows.start + windows.end) / 2
        own = (windows.embedding @ found.centroids.T).argmax(axis=1) == row
        moved: dict[str, list[int]] = {}
        for turn in self._book.since(float(center.min())):
            inside = (center >= turn.start) & (center < turn.end)
            if inside.any() and own[inside].mean() > _SPLIT_SHARE:
                moved.setdefault(turn.speaker, []).append(turn.id)
        drafts = []
        for speaker, turns in sorted(moved.items()):
            self._book.hand_over(turns, str(new.number))
            fields = {"speaker": speaker, "into": str(new.number), "turns": tuple(sorted(turns))}
            drafts.append(Draft(SpeakerSplit, self._timeline.edge(self._timeline.end), fields))
        return drafts

    def _merge(
        self, found: Clusters, numbers: list[int], owner: dict[int, Speaker], until: float
    ) -> list[Draft]:
        """Merge speakers whose windows went to a cluster that is another one's."""
        drafts = []
        owned = {speaker.number for speaker in owner.values()}
        for column, number in enumerate(numbers):
            heard = found.shared[:, column]
            if number in owned:
                continue
            if not heard.sum() > 0:
                self._forget_mistake(number, until)
                continue
            into = owner[int(heard.argmax())]
            old = self._speakers.get(number)
            assert old is not None
            if self._stays_apart(old, into, found, column):
                continue
            into.name = into.name or old.name
            self._speakers.drop(number)
            self._timeline.merge(number, into.number)
            self._book.rename(str(number), str(into.number))
            for voice in self._hops.voices.rows:
                if voice.speaker == number:
                    voice.speaker = into.number
            fields = {"speaker": str(number), "into": str(into.number)}
            drafts.append(Draft(SpeakerMerged, self._timeline.edge(self._timeline.end), fields))
        return drafts

    def _stays_apart(self, old: Speaker, into: Speaker, found: Clusters, column: int) -> bool:
        """Tell whether a speaker has too little speech for a cluster, but is nobody else; keep that."""
        part, seconds = found.part[column], float(found.part_seconds[column])
        if seconds < _PART:
            return old.sure and _cosine(old.total, into.total) < self._speakers.same
        rest = into.total - part
        if _cosine(part, rest) >= found.alike:
            return False
        old.total, old.seconds, old.sure = part, seconds, True
        into.total, into.seconds = rest, max(0.1, into.seconds - seconds)
        return True

    def _forget_mistake(self, number: int, until: float) -> None:
        """Forget a speaker who was never sure, has no name and was not told after the second `until`."""
        speaker = self._speakers.get(number)
        speaking = {voice.speaker for voice in self._hops.voices.rows}
        told = self._book.spans(str(number))
        known = number in speaking or (told[:, 1] > until).any()  # tracks have not heard the rest
        if speaker is not None and not speaker.sure and speaker.name is None and not known:
            self._speakers.drop(number)

    def _named(self, until: float) -> list[Draft]:
        return [
            Draft(
                SpeakerNamed,
                until,
                {"speaker": str(row.number), "name": row.name, "known": True, "confidence": confidence},
            )
            for row, confidence in self._speakers.name_known(self._settings.known_ratio)
        ]


def _cosine(first: np.ndarray, second: np.ndarray) -> float:
    return float(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)))
