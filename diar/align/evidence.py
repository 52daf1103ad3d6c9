"""How much of each word each speaker's turns cover, and who is the likelier one in overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diar.intervals import running_seconds
from diar.records import ActivityFrames, RecordingTracks, SpeakerTurns, Tracks, Word

_LEAST_PROBABILITY = 0.05  # the least that a speaker of a turn is believed to speak


@dataclass(frozen=True)
class Evidence:
    """What speaks for each of K speakers in each of W words."""

    speakers: tuple[str, ...]
    covered: np.ndarray  # (W, K) share of the word in turns of the speaker, 0 to 1
    likely: np.ndarray  # (W, K) the same; in overlap, the less likely speaker's is reduced
    distance: np.ndarray  # (W, K) seconds to the nearest turn of the speaker, 0 where they meet


def gather(words: Sequence[Word], turns: SpeakerTurns, tracks: RecordingTracks | None = None) -> Evidence:
    """Measure what speaks for each speaker in each word.

    Args:
        words: of one recording, or of one channel of it.
        turns: of the same.
        tracks: what stage 1 stored of the recording; without it, overlapping turns are equally likely.
    """
    speakers = tuple(turns.intervals)
    times = np.array([(word.start, word.end) for word in words]).reshape(-1, 2)
    covered = np.zeros((len(words), len(speakers)))
    distance = np.full_like(covered, np.inf)
    for column, intervals in enumerate(turns.intervals.values()):
        covered[:, column] = _share(intervals, times)
        distance[:, column] = _distance(intervals, times)
    likely = covered.copy()
    contested = np.flatnonzero((covered > 0).sum(axis=1) > 1)
    if tracks is not None and tracks.frames is not None and len(contested):
        voices = _Voices(tracks.tracks, tracks.frames, turns)
        for word in contested:
            start, end = times[word].tolist()
            likely[word] *= voices.relative(start, end, covered[word] > 0)
    return Evidence(speakers, covered, likely, distance)


def _share(intervals: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the share of each of `times` (W, 2) inside of `intervals`; of a moment, whether it is inside."""
    length = times[:, 1] - times[:, 0]
    inside = np.diff(running_seconds(intervals, times), axis=1)[:, 0]
    moment = np.searchsorted(intervals.ravel(), times[:, 0], "right") % 2 == 1
    return np.where(length > 0, inside / np.where(length > 0, length, 1), moment)


def _distance(intervals: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the seconds between each of `times` (W, 2) and the nearest interval; 0 where they meet."""
    after = np.searchsorted(
        intervals[:, 1], times[:, 0]
    )  # the first interval that ends after the word starts
    starts = np.append(intervals[:, 0], np.inf)[after]
    ends = np.append(-np.inf, intervals[:, 1])[after]
    return np.maximum(np.minimum(starts - times[:, 1], times[:, 0] - ends), 0)


class _Voices:
    """How probably the speakers of turns speak: what the segmentation model says of local speakers."""

    def __init__(self, tracks: Tracks, frames: ActivityFrames, turns: SpeakerTurns) -> None:
        self._tracks, self._frames = tracks, frames
        self._speaker = _speaker_of_rows(tracks, turns)
        self._count = len(turns.intervals)

    def relative(self, start: float, end: float, possible: np.ndarray) -> np.ndarray:
        """Return (K,) how likely each of the `possible` (K,) bool speaks, as a share of the likeliest."""
        total, seen = np.zeros(self._count), np.zeros(self._count)
        seen_by = (self._tracks.start < end) & (self._tracks.end > start)
        for row in np.flatnonzero(seen_by).tolist():
            speaker, probability = self._speaker[row], self._mean(row, start, end)
            if speaker >= 0 and probability is not None:
                total[speaker] += probability
                seen[speaker] += 1
        mean = np.maximum(total / np.maximum(seen, 1), _LEAST_PROBABILITY)
        most = mean[possible].max()
        return np.asarray(np.minimum(mean / most, 1.0))

    def _mean(self, row: int, start: float, end: float) -> float | None:
        """Return the mean probability of a local speaker from `start` to `end`; None without a frame."""
        activity = self._tracks.activity[row]
        origin = self._tracks.start[row] + self._frames.first_center
        first = max(round((start - origin) / self._frames.step), 0)
        frames = activity[first : round((end - origin) / self._frames.step) + 1]
        return float(frames.mean()) / 255 if len(frames) else None


def _speaker_of_rows(tracks: Tracks, turns: SpeakerTurns) -> np.ndarray:
    """Return (n,) the speaker whose turns in its seg_window are most like each local speaker's activity.

    Common seconds are divided by those of either, since all that one says may lie within the turn of
    another; -1 for nobody's.
    """
    heard = np.isin(tracks.channel, [turn.channel for turn in turns])
    row = np.repeat(np.arange(len(tracks)), tracks.active.counts)
    active = np.bincount(row, np.diff(tracks.active.intervals, axis=1)[:, 0], minlength=len(tracks))
    places = np.column_stack([tracks.start, tracks.end])
    alike = np.zeros((len(tracks), len(turns.intervals)))
    for column, intervals in enumerate(turns.intervals.values()):
        inside = np.diff(running_seconds(intervals, tracks.active.intervals), axis=1)[:, 0]
        common = np.bincount(row, inside, minlength=len(tracks))
        either = active + np.diff(running_seconds(intervals, places), axis=1)[:, 0] - common
        alike[:, column] = common / np.maximum(either, 1e-6)
    found = alike.argmax(axis=1) if alike.size else np.zeros(len(tracks), int)
    return np.where((alike.max(axis=1, initial=0) > 0) & (tracks.local_speaker >= 0) & heard, found, -1)
