"""From clusters to who speaks in every frame, with overlap.

The segmentation model tells how many speak: the expected number of voices is the sum of the local speakers'
probabilities, averaged over the seg_windows that see a frame. Who speaks comes from two sources: local
speakers, which know overlap, and sliding windows, which know who speaks alone.

Frames are `frame_step` apart, frame 0 is centred at `first_center`. A recording of 24 hours has 5 million, so
they are processed in blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from diar.detect.clustering.assignment import NO_CLUSTER, assign_local
from diar.detect.observations import Observations
from diar.detect.presets import ReconstructionSettings
from diar.detect.resegmentation import viterbi

_BLOCK = 32_768  # frames, nine minutes
_SHARPNESS = 15.0  # of the softmax over cosines; DER is flat from 8 to 30
_LOCAL_SHARE = 0.25  # of the local speakers in the score, the rest is of the windows
# Share of speech that is overlap: where the threshold is as given, and before the recording shows its own
_REFERENCE_OVERLAP, _ASSUMED_OVERLAP, _ASSUMED_SECONDS = 0.10, 0.05, 20.0
_OVERLAP_BOUNDS = 0.1, 0.5  # of expected voices above 1
_ROUNDED = 1e-3  # frames by which stored times may be off; a sample is four times that
_MOST_VOICES = 100  # at once
_LEAST_WINDOW = 0.3  # seconds of single-speaker speech from which a window counts


@dataclass(frozen=True)
class Frames:
    """Who speaks in N frames."""

    active: np.ndarray  # (K, N) bool
    dominant: np.ndarray  # (N,) cluster that speaks, the first of two; NO_CLUSTER where nobody does
    first_center: float  # seconds
    step: float  # seconds
    misheard: float = 0.0  # expected seconds of miss and false alarm, a second of expected speech

    def edge(self, frame: np.ndarray) -> np.ndarray:
        """Seconds at which frames begin."""
        return np.asarray(self.first_center + (frame - 0.5) * self.step)


def reconstruct(
    observations: Observations, centroids: np.ndarray, settings: ReconstructionSettings
) -> Frames:
    """Decide for every frame which clusters speak.

    Args:
        observations: what stage 1 saw.
        centroids: (K, D) of the clusters, L2-normalised.
        settings: thresholds.
    """
    step, first_center = observations.frame_step, observations.first_center
    frames = max(0, int(np.ceil((observations.duration - first_center) / step)))
    clusters = len(centroids)
    expected = expected_voices(observations, frames)
    width = round(settings.smoothing / step)
    if width > 1 and frames:
        from scipy.ndimage import uniform_filter1d

        expected = uniform_filter1d(expected, width)
    voices = settle(expected, settings, step)
    active = np.zeros((clusters, frames), bool)
    dominant = np.full(frames, NO_CLUSTER)
    if clusters:
        local = _LocalTimeline(observations, centroids)
        windows = _WindowTimeline(observations, centroids, settings.change_probability)
        for start in range(0, frames, _BLOCK):
            block = slice(start, min(start + _BLOCK, frames))
            score = _LOCAL_SHARE * local.block(block) + (1 - _LOCAL_SHARE) * windows.block(block)
            active[:, block], dominant[block] = _choose(score, voices[block])
    return Frames(active, dominant, first_center, step, _misheard(expected, voices))


def _misheard(expected: np.ndarray, voices: np.ndarray) -> float:
    """Return the expected seconds of miss and false alarm, a second of expected speech.

    Args:
        expected: (N,) voices.
        voices: (N,) that are told, 0 to 2.
    """
    speech = float(expected.sum())
    beyond = np.maximum(expected - 1, 0)
    wrong = np.where(voices == 1, beyond + np.maximum(1 - expected, 0), np.abs(expected - voices))
    return float(wrong.sum()) / speech if speech > 0 else 0.0


def expected_voices(observations: Observations, frames: int) -> np.ndarray:
    """Return the expected number of voices, (frames,) float32."""
    local = observations.local
    total, seen = np.zeros(frames, np.float32), np.zeros(frames, np.float32)
    length = local.activity.shape[1]
    for start, end in zip(local.seg_window_start, local.seg_window_end, strict=True):
        first = round(start / observations.frame_step)
        count = min(length, frames - first, _frames_of(end - start, observations))
        seen[first : first + count] += 1
    for row, seg_window in enumerate(local.seg_window):
        first = round(local.seg_window_start[seg_window] / observations.frame_step)
        count = min(length, frames - first)
        total[first : first + count] += local.activity[row, :count]
    return total / (255 * np.maximum(seen, 1))


def _frames_of(seconds: float, observations: Observations) -> int:
    """Count the frames of a seg_window of so many seconds; its first and last are as far from its ends."""
    return int((seconds - 2 * observations.first_center) / observations.frame_step + _ROUNDED) + 1


def overlap_threshold(expected: np.ndarray, settings: ReconstructionSettings, step: float) -> float:
    """Return the expected voices from which a second one speaks in this recording.

    The network's probability of overlap is right for the share of overlap that it was trained on. With
    another share, posterior odds change as prior odds do (Saerens et al., "Adjusting the outputs of a
    classifier to new a priori probabilities", Neural Computation 2002). The share is estimated from the
    recording, and shrunk if that is short. In noise and over a telephone, most faint overlap is none.

    Args:
        expected: (N,) expected voices.
        settings: thresholds.
        step: seconds from frame to frame.
    """
    second = float(np.maximum(expected - 1, 0).sum()) * step
    speech = float(np.minimum(expected, 1).sum()) * step
    share = (second + _ASSUMED_OVERLAP * _ASSUMED_SECONDS) / (speech + _ASSUMED_SECONDS)
    odds = _odds(settings.overlap - 1) * (_odds(_REFERENCE_OVERLAP) / _odds(share)) ** settings.overlap_prior
    return 1 + float(np.clip(odds / (1 + odds), *_OVERLAP_BOUNDS))


def _odds(probability: float) -> float:
    probability = min(max(probability, 1e-3), 1 - 1e-3)
    return probability / (1 - probability)


def settle(expected: np.ndarray, settings: ReconstructionSettings, step: float) -> np.ndarray:
    """Return (N,) int8: how many voices; speech begins at `onset` and ends below `offset`.

    Each further voice speaks where as much more is expected as for the second one.
    """
    speech = expected > settings.onset
    if settings.offset < settings.onset:
        speech = _hysteresis(expected > settings.offset, speech)
    second = overlap_threshold(expected, settings, step)
    voices = speech.astype(np.int8) + (speech & (expected > second))
    for more in range(1, _MOST_VOICES - 1):
        further = expected > second + more
        if not further.any():
            break
        voices += speech & further
    return voices


def _hysteresis(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the runs of `low`, each from its first `high` frame on."""
    begun = np.maximum.accumulate(np.where(high, np.arange(len(high)), -1))
    edges = np.maximum.accumulate(np.where(low, -1, np.arange(len(low))))
    return np.asarray(low & (begun > edges))


class _LocalTimeline:
    """Activity of local speakers, summed by the cluster that each was assigned to."""

    def __init__(self, observations: Observations, centroids: np.ndarray) -> None:
        local = observations.local
        self._cluster = assign_local(local, centroids)
        self._first = np.round(local.seg_window_start[local.seg_window] / observations.frame_step).astype(
            np.int64
        )
        self._local, self._clusters = local, len(centroids)

    def block(self, block: slice) -> np.ndarray:
        """Return (K, frames), scaled so that the most active cluster is at 1."""
        length = self._local.activity.shape[1]
        activity = np.zeros((self._clusters, block.stop - block.start), np.float32)
        reach = (self._first < block.stop) & (self._first + length > block.start)
        for row in np.flatnonzero(reach & (self._cluster != NO_CLUSTER)):
            for frames, values in _cut(self._first[row], self._local.activity[row], block):
                activity[self._cluster[row], frames] += values
        return activity / np.maximum(activity.max(axis=0), 25.0)  # faint activity stays below 1


class _WindowTimeline:
    """Probability of each cluster by the sliding windows that see a frame."""

    def __init__(
        self, observations: Observations, centroids: np.ndarray, change_probability: float | None
    ) -> None:
        windows = observations.windows
        windows = windows[windows.seconds >= _LEAST_WINDOW]
        logits = _SHARPNESS * (windows.embedding @ centroids.T)
        if change_probability is None:
            probability = softmax(logits, axis=1)
        else:
            probability = np.eye(len(centroids))[viterbi(logits, change_probability)]
        self._probability = probability * windows.seconds[:, None]
        self._seconds = windows.seconds
        offset = observations.first_center
        self._first = np.round((windows.start - offset) / observations.frame_step).astype(np.int64)
        self._last = np.round((windows.end - offset) / observations.frame_step).astype(np.int64)

    def block(self, block: slice) -> np.ndarray:
        """Return (K, frames), zero where no window counts."""
        length = block.stop - block.start
        steps = np.zeros((self._probability.shape[1] + 1, length + 1))
        reach = (self._first < block.stop) & (self._last > block.start)
        first = np.clip(self._first[reach] - block.start, 0, length)
        last = np.clip(self._last[reach] - block.start, 0, length)
        values = np.column_stack([self._probability[reach], self._seconds[reach]])
        for edges, sign in ((first, 1.0), (last, -1.0)):
            np.add.at(steps.T, edges, sign * values)
        sums = np.cumsum(steps[:, :-1], axis=1)
        return np.asarray(np.where(sums[-1] > 1e-6, sums[:-1] / np.maximum(sums[-1], 1e-6), 0.0))


def _cut(first: int, values: np.ndarray, block: slice) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the part of `values`, which start at frame `first`, that lies in `block`, and its place there."""
    start, stop = max(first, block.start), min(first + len(values), block.stop)
    if stop > start:
        yield slice(start - block.start, stop - block.start), values[start - first : stop - first]


def _choose(score: np.ndarray, voices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the active clusters (K, n), as many as `voices`, and the dominant one (n,)."""
    columns = np.arange(score.shape[1])
    active = np.zeros(score.shape, bool)
    dominant = np.where(voices >= 1, score.argmax(axis=0), NO_CLUSTER)
    rest = score.copy()
    for speaking in range(1, min(len(score), int(voices.max(initial=0))) + 1):
        next_ = rest.argmax(axis=0)
        active[next_, columns] |= voices >= speaking
        rest[next_, columns] = -np.inf
    return active, dominant
